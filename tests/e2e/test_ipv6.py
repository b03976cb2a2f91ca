"""IPv6: what stands in messages, sockets for both families, and link-local addresses between two namespaces."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.harness import DEADLINE_S, SIPPX, Command, free_port, run_sippx, start_sippx, wait_until

KEYWORDS = (
    "remote_host", "remote_ip", "local_ip", "local_ip_type", "server_ip", "media_ip", "media_ip_type",
)  # fmt: skip
HEADERS = "\n".join(f"X-{name}: <[{name}]>" for name in KEYWORDS)
CLIENT = f"""<scenario name="client"><send retrans="500"><![CDATA[
OPTIONS sip:[service]@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:a@[local_ip]>;tag=1
To: <sip:b@[remote_ip]>
Call-ID: [call_id]
CSeq: 1 OPTIONS
{HEADERS}
Content-Length: 0

]]></send><recv response="200"/></scenario>"""
SERVER = f"""<scenario name="server"><recv request="OPTIONS"/><send><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:];tag=2
[last_Call-ID:]
[last_CSeq:]
{HEADERS}
Content-Length: 0

]]></send></scenario>"""
REQUEST = (
    "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP x;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\n"
    "Call-ID: {}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)


@pytest.fixture
def scenarios(tmp_path: Path) -> Path:
    (tmp_path / "client.xml").write_text(CLIENT)
    (tmp_path / "server.xml").write_text(SERVER)
    return tmp_path


def keywords_in(message: str) -> dict[str, str]:
    """What the keywords stand for in a message of the scenarios."""
    pairs = (line[2:].split(": <", 1) for line in message.splitlines() if line.startswith("X-"))
    return {name: text.removesuffix(">") for name, text in pairs}


def asked(ip: str, port: int) -> str:
    """The answer of a server at that address."""
    with socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(DEADLINE_S)
        sock.connect((ip, port))
        sock.send(REQUEST.format(f"call@{ip}").encode())
        return sock.recv(65536).decode()


def sent_by_client(cwd: Path, remote_ip: str, *words: str) -> str:
    """The request of a client that calls a socket at that address."""
    with socket.socket(socket.AF_INET6 if ":" in remote_ip else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((remote_ip, 0))
        sock.settimeout(DEADLINE_S)
        remote = f"[{remote_ip}]" if ":" in remote_ip else remote_ip
        with start_sippx(
            cwd, f"{remote}:{sock.getsockname()[1]}", "-sf", "client.xml", "-m", "1", *words
        ) as client:
            request, peer = sock.recvfrom(65536)
            sock.sendto(b"SIP/2.0 200 OK" + request[request.index(b"\r\n"):], peer)
            finished = client.wait()
            assert finished.code == 0, finished.text
    return request.decode()


@pytest.mark.parametrize(
    ("words", "local_ip", "server_ip", "media_ip", "media_type"),
    [
        ((), "[::1]", "::", "::1", "6"),
        (("-i", "[::1]", "-mi", "[2001:db8::1]"), "[::1]", "::1", "2001:db8::1", "6"),
        (("-mi", "fe80::7%lo"), "[::1]", "::", "fe80::7", "6"),
        (("-i", "::"), "[::1]", "::", "::1", "6"),
        (("-bind_local",), "[::1]", "::1", "::1", "6"),
    ],
)
def test_addresses_in_messages_are_bracketed_where_uris_want_it(
    scenarios: Path, words: tuple[str, ...], local_ip: str, server_ip: str, media_ip: str, media_type: str
) -> None:
    request = sent_by_client(scenarios, "::1", *words)
    assert keywords_in(request) == {
        "remote_host": "::1", "remote_ip": "[::1]", "local_ip": local_ip, "local_ip_type": "6",
        "server_ip": server_ip, "media_ip": media_ip, "media_ip_type": media_type,
    }  # fmt: skip
    assert request.startswith("OPTIONS sip:service@[::1]:")


def test_a_client_for_both_families_reaches_an_ipv4_host(scenarios: Path) -> None:
    found = keywords_in(sent_by_client(scenarios, "127.0.0.1", "-i", "::"))
    assert (found["remote_ip"], found["local_ip"], found["local_ip_type"]) == ("127.0.0.1", "127.0.0.1", "4")


def test_a_server_at_any_ipv6_address_answers_ipv4_too(scenarios: Path) -> None:
    port = free_port()
    with start_sippx(scenarios, "-sf", "server.xml", "-i", "::", "-p", port, "-m", "2") as server:
        server.wait_bound(port)
        for ip in ("127.0.0.1", "::1"):
            assert asked(ip, port).startswith("SIP/2.0 200 OK\r\n")
        finished = server.wait()
    assert finished.code == 0, finished.text


def test_a_server_without_i_leaves_the_ipv6_port_free(scenarios: Path) -> None:
    port = free_port()
    with start_sippx(scenarios, "-sf", "server.xml", "-p", port, "-m", "1") as server:
        server.wait_bound(port)
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as other:
            other.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            other.bind(("::", port))
        asked("127.0.0.1", port)
        assert server.wait().code == 0


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("[fe80::1%25nolink0]:5060",), "unknown zone '25nolink0' of 'fe80::1%25nolink0': this machine has the network"),
        (("::1", "-i", "127.0.0.1"), "remote host '::1' has no IPv4 address, and -i is one"),
    ],
)
def test_what_is_wrong_with_an_address_is_said_in_one_line(
    tmp_path: Path, words: tuple[str, ...], complaint: str
) -> None:
    assert complaint in run_sippx(tmp_path, *words, "-m", "1").assert_one_line_error(255)


# ---- two namespaces -------------------------------------------------------------------------------------


def ip_command(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True, timeout=DEADLINE_S)


@pytest.fixture(scope="module")
def link() -> Iterator[tuple[str, str]]:
    """Two network namespaces with a link between them: fe80::a on `left`, fe80::b on `right`."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("link-local addresses need root and the command ip, to make two network namespaces")
    names = (f"sippx-{os.getpid()}-a", f"sippx-{os.getpid()}-b")
    with ExitStack() as closing:
        try:
            for name in names:
                ip_command("netns", "add", name)
                closing.callback(ip_command, "netns", "del", name)
            ip_command(
                "link", "add", "left", "netns", names[0], "type", "veth", "peer", "name", "right", "netns", names[1]
            )
            for name, device, address in ((names[0], "left", "fe80::a/64"), (names[1], "right", "fe80::b/64")):
                ip_command("-n", name, "link", "set", device, "addrgenmode", "none")
                ip_command("-n", name, "link", "set", device, "up")
                ip_command("-n", name, "-6", "addr", "add", address, "dev", device, "nodad")
        except (subprocess.SubprocessError, OSError) as error:
            pytest.skip(f"no network namespaces here: {getattr(error, 'stderr', '') or error}")
        yield names


def started_in(namespace: str, cwd: Path, *words: object) -> Command:
    return Command(["ip", "netns", "exec", namespace, *SIPPX, *map(str, words)], cwd)


def is_bound_in_namespace_of(server: Command, port: int) -> bool:
    table = Path(f"/proc/{server.pid}/net/udp6").read_text()
    return any(row.split()[1].endswith(f":{port:04X}") for row in table.splitlines()[1:])


@pytest.mark.parametrize(
    ("client", "server"),
    [
        (("fe80::a", "-i", "fe80::b%right"), ("-i", "fe80::a%left")),
        (("[fe80::a%25right]:5060", "-bind_local"), ("-i", "::")),
        (("[fe80::a]:5060", "-i", "fe80::b", "-bind_to_device", "right"), ("-i", "fe80::a", "-bind_to_device", "left")),
    ],
)
def test_link_local_addresses_call_each_other_without_a_zone_in_messages(
    scenarios: Path, link: tuple[str, str], client: tuple[str, ...], server: tuple[str, ...]
) -> None:
    left, right = link
    with started_in(left, scenarios, "-sf", "server.xml", "-p", 5060, "-m", 1, *server) as answering:
        wait_until(
            lambda: is_bound_in_namespace_of(answering, 5060) or not answering.is_running(), "the server is bound"
        )
        trace = ("-trace_msg", "-message_file", "client.log")
        with started_in(right, scenarios, *client, "-sf", "client.xml", "-m", 1, *trace) as calling:
            finished = calling.wait()
            assert finished.code == 0, finished.text
        assert answering.wait().code == 0
    log = (scenarios / "client.log").read_text()
    request = log[log.index("OPTIONS sip:"):]
    assert "%" not in request
    found = keywords_in(request.partition("Content-Length")[0])
    assert (found["remote_host"], found["remote_ip"], found["local_ip"]) == ("fe80::a", "[fe80::a]", "[fe80::b]")
