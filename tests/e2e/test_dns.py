"""A remote host that is a name, looked up at a DNS server of the test's own."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.e2e.harness import DEADLINE_S, run_sippx, start_sippx
from tests.name_server import NameServer

CLIENT = """<scenario name="client"><send retrans="500"><![CDATA[
OPTIONS sip:[service]@[remote_host]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:a@[local_ip]>;tag=1
To: <sip:b@[remote_ip]>
Call-ID: [call_id]
CSeq: 1 OPTIONS
Content-Length: 0

]]></send><recv response="200"/></scenario>"""


def records_of(port: int) -> dict[tuple[str, str], list[str]]:
    return {
        ("pbx.test", "NAPTR"): ['1 1 "s" "SIP+D2U" "" _sip._udp.servers.test.'],
        ("_sip._udp.servers.test", "SRV"): [f"20 1 {port} b.test.", f"10 1 {port} a.test."],
        ("a.test", "A"): ["127.0.0.1"],
        ("b.test", "A"): ["127.0.0.2"],
    }


@pytest.mark.parametrize("option", ["remote host", "-rsa"])
def test_calls_go_to_the_server_that_srv_prefers(tmp_path: Path, option: str) -> None:
    (tmp_path / "client.xml").write_text(CLIENT)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(DEADLINE_S)
        port = sock.getsockname()[1]
        words = ["pbx.test"] if option == "remote host" else ["127.0.0.9:7", "-rsa", "pbx.test"]
        with NameServer(records_of(port)) as server, start_sippx(
            tmp_path, *words, "-dns", "srv", "-dns_server", server.address, "-sf", "client.xml", "-m", "1"
        ) as client:  # fmt: skip
            request, peer = sock.recvfrom(65536)
            sock.sendto(b"SIP/2.0 200 OK" + request[request.index(b"\r\n"):], peer)
            finished = client.wait()
            assert finished.code == 0, finished.text
    expected = f"sip:service@pbx.test:{port}" if option == "remote host" else "sip:service@127.0.0.9:7"
    assert request.decode().startswith(f"OPTIONS {expected} SIP/2.0\r\n")


def test_a_name_that_the_dns_server_does_not_know_ends_with_one_line(tmp_path: Path) -> None:
    with NameServer({}) as server:
        finished = run_sippx(tmp_path, "pbx.test", "-dns", "srv", "-dns_server", server.address, "-m", "1")
    message = "unknown remote host 'pbx.test': the DNS server has no A and AAAA record of it"
    assert message in finished.assert_one_line_error(255)
