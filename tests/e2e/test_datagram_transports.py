"""Several UDP sockets: one for each call (-t un), one for each address of an injection file (-t ui)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sippx import Scenario

from .harness import (
    DEADLINE_S,
    Peer,
    answer_like_uas,
    free_port,
    header,
    response,
    run_pair,
    run_sippx,
    running,
    scenario,
    send_step,
)

N_CALLS = 40


def via_ports(peer: Peer, name: str) -> list[tuple[int, int]]:
    """Of each request of that method: the port of its Via, and the one that it came from."""
    found = []
    for message, source in zip(list(peer.received), list(peer.sources), strict=True):
        if message.startswith(name.encode()):
            found.append((int(header(message, "Via").split(";")[0].rpartition(":")[2]), source[1]))
    return found


@pytest.mark.parametrize("ip", ["127.0.0.1", "::1"])
def test_every_call_succeeds_over_a_socket_of_its_own(ip: str) -> None:
    client, server = run_pair(N_CALLS, ip=ip, transport="un", uas_options={"transport": "un"})
    for result in (client, server):
        assert (result.n_successful, result.n_failed) == (N_CALLS, 0), result.summary()


def test_local_port_is_that_of_the_calls_socket() -> None:
    port = free_port()
    with Peer(answer_like_uas) as peer, running(
        Scenario.builtin("uac"), transport="un", remote_host=peer.address, local_port=port, rate=100.0, max_calls=5
    ) as run:
        assert run.wait().n_successful == 5
        invites = via_ports(peer, "INVITE")
    assert all(via == source for via, source in invites)
    ports = {via for via, _ in invites}
    assert port not in ports
    assert len(ports) > 1, "a socket that a call has left may serve the next"


def test_more_calls_than_sockets_share_those_there_are() -> None:
    with Peer(answer_like_uas) as peer, running(
        Scenario.builtin("uac"), transport="un", remote_host=peer.address, rate=1000.0, max_calls=30,
        max_sockets=3, pause_ms=100, max_open_calls=0,
    ) as run:  # fmt: skip
        assert run.wait().n_successful == 30
        assert len({source for _, source in via_ports(peer, "INVITE")}) < 30


def test_calls_leave_from_the_address_of_their_line(tmp_path: Path) -> None:
    file = tmp_path / "ips.csv"
    file.write_text("SEQUENTIAL\na;127.0.0.2\nb;127.0.0.3\nc;127.0.0.2\n")
    flow = send_step("OPTIONS", lines="X-Line: [field0] [field1]\n") + '<recv response="200"/>'
    with Peer(lambda message: [response(message, "200 OK")]) as peer:
        client = Scenario.from_string(f"<scenario name='t'>{flow}</scenario>", name="t", injection_names=("ips.csv",))
        with running(
            client, transport="ui", remote_host=peer.address, rate=1000.0, max_calls=6, ip_field=1,
            injection_files=(str(file),),
        ) as run:  # fmt: skip
            assert run.wait().n_successful == 6
            port = run.runner.local_port
        lines = [header(message, "X-Line").split() for message in peer.received]
        assert [name for name, _ in lines] == ["a", "b", "c", "a", "b", "c"]
        assert [(ip, source[0]) for (_, ip), source in zip(lines, peer.sources, strict=True) if ip != source[0]] == []
        assert {source[1] for source in peer.sources} == {port}


def test_a_server_with_several_addresses_answers_from_the_one_that_was_called(tmp_path: Path) -> None:
    file = tmp_path / "ips.csv"
    file.write_text("SEQUENTIAL\n127.0.0.2\n127.0.0.3\n")
    answer = (
        '<recv request="OPTIONS"/><send><![CDATA[\nSIP/2.0 200 OK\n[last_Via:]\n[last_From:]\n[last_To:];tag=1\n'
        "[last_Call-ID:]\n[last_CSeq:]\nContent-Length: 0\n\n]]></send>"
    )
    with running(
        scenario(answer), transport="ui", injection_files=(str(file),), max_calls=2
    ) as server:
        for ip in ("127.0.0.2", "127.0.0.3"):
            flow = scenario(send_step("OPTIONS") + '<recv response="200"/>')
            with running(
                flow, remote_host=f"{ip}:{server.runner.local_port}", max_calls=1, rate=1000.0, call_id_format=f"%u-{ip}"
            ) as client:
                assert client.wait().n_successful == 1
        assert server.wait().n_calls == 2


def test_a_builtin_scenario_is_called_from_the_addresses_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "ips.csv").write_text("SEQUENTIAL\n127.0.0.1\n127.0.0.2\n")
    with Peer(answer_like_uas) as peer:
        run = run_sippx(
            tmp_path, "-sn", "uac", peer.address, "-t", "ui", "-inf", "ips.csv", "-p", free_port(), "-m", 4, "-r", 100
        )
    assert run.code == 0, run.text
    assert {ip for ip, _ in peer.sources} == {"127.0.0.1", "127.0.0.2"}


def test_sockets_that_cannot_be_opened_are_said_and_calls_share(tmp_path: Path) -> None:
    with Peer(answer_like_uas) as peer:
        done = subprocess.run(
            ["bash", "-c", 'ulimit -n 40; exec "$@"', "limited", sys.executable, "-m", "sippx", "-sn", "uac", "-t", "un",
             peer.address, "-i", "127.0.0.1", "-m", "80", "-r", "2000", "-l", "80", "-d", "200", "-skip_rlimit",
             "-nostdin"],
            capture_output=True, timeout=DEADLINE_S, check=False, cwd=tmp_path,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    assert b"Unable to open a UDP socket for a call, errno = 24" in done.stderr
