"""Options of the command line by what they do on the wire and on the final screens."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable

import pytest

from .harness import (
    Command,
    Finished,
    Peer,
    answer_like_uas,
    free_port,
    header,
    method,
    request,
    response,
    say_nothing,
    start_line,
    step_numbers,
    wait_until,
)

Run = Callable[..., Finished]
Start = Callable[..., Command]
OpenPeer = Callable[..., Peer]


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback address")


def call(
    target: Peer, *words: object, n_calls: int = 3, local: tuple[object, ...] = ("-i", "127.0.0.1")
) -> list[object]:
    return [target.address, *local, "-p", free_port(), "-m", n_calls, "-r", 500, *words]


@pytest.mark.parametrize("form", ["127.0.0.1:{}", "localhost:{}"])
def test_an_ipv4_host_may_be_a_number_or_a_name(sippx: Run, peer: OpenPeer, form: str) -> None:
    target = peer(answer_like_uas)
    host = form.format(target.port)
    ended = sippx(host, "-i", "127.0.0.1", "-p", free_port(), "-m", 2, "-r", 500)
    assert ended.code == 0, ended.text
    assert start_line(target.of("INVITE")[0]) == f"INVITE sip:service@127.0.0.1:{target.port} SIP/2.0"


@needs_ipv6
@pytest.mark.parametrize("local", [("-i", "::1"), ("-i", "[::1]"), ()], ids=["bare", "brackets", "detected"])
def test_an_ipv6_host_is_called_and_written_in_brackets(
    sippx: Run, peer: OpenPeer, local: tuple[object, ...]
) -> None:
    target = peer(answer_like_uas, "::1")
    port = free_port("::1")
    ended = sippx(f"[::1]:{target.port}", *local, "-p", port, "-m", 2, "-r", 500)
    assert ended.code == 0, ended.text
    invite = target.of("INVITE")[0]
    assert start_line(invite) == f"INVITE sip:service@[::1]:{target.port} SIP/2.0"
    assert header(invite, "Via").startswith(f"SIP/2.0/UDP [::1]:{port};")
    assert re.fullmatch(r"\d+-\d+@::1", header(invite, "Call-ID"))
    assert b"o=user1 53655765 2353687637 IN IP6 [::1]\r\n" in invite
    assert b"c=IN IP6 ::1\r\n" in invite


@needs_ipv6
def test_a_server_and_a_client_call_each_other_over_ipv6(sippx: Run, start: Start) -> None:
    port = free_port("::1")
    server = start("-sn", "uas", "-i", "::1", "-p", port)
    server.wait_bound(port)
    ended = sippx(f"[::1]:{port}", "-i", "::1", "-p", free_port("::1"), "-m", 20, "-r", 500)
    assert ended.code == 0, ended.text
    assert "Successful call        |       20" in ended.out


def test_without_i_the_local_address_is_the_one_that_reaches_the_peer(sippx: Run, peer: OpenPeer) -> None:
    target = peer(answer_like_uas)
    ended = sippx(target.address, "-p", free_port(), "-m", 1, "-r", 500)
    assert ended.code == 0, ended.text
    assert header(target.of("INVITE")[0], "Call-ID").endswith("@127.0.0.1")


def test_the_source_is_the_address_of_i_and_the_port_of_p(sippx: Run, peer: OpenPeer) -> None:
    target = peer(answer_like_uas)
    port = free_port("127.0.0.7")
    ended = sippx(target.address, "-i", "127.0.0.7", "-p", port, "-m", 2, "-r", 500)
    assert ended.code == 0, ended.text
    assert set(target.sources) == {("127.0.0.7", port)}
    assert header(target.of("INVITE")[0], "Contact") == f"sip:sipp@127.0.0.7:{port}"


def test_two_dashes_and_numbers_of_every_base_are_read(sippx: Run, peer: OpenPeer) -> None:
    target = peer(answer_like_uas)
    ended = sippx(
        target.address, "--i", "127.0.0.1", "--p", free_port(), "--m", "0x5", "--r", "1e3", "--s", "alice"
    )
    assert ended.code == 0, ended.text
    assert len(target.of("INVITE")) == 5
    assert start_line(target.of("INVITE")[0]).startswith("INVITE sip:alice@")


def test_the_last_of_a_repeated_option_counts(sippx: Run, peer: OpenPeer) -> None:
    target = peer(answer_like_uas)
    assert sippx(*call(target), "-m", 7, "-s", "a", "-s", "b").code == 0
    assert len(target.of("INVITE")) == 7
    assert start_line(target.of("INVITE")[0]).startswith("INVITE sip:b@")


def test_cid_str_forms_the_call_ids(sippx: Run, peer: OpenPeer) -> None:
    target = peer(answer_like_uas)
    ended = sippx(*call(target, "-cid_str", "test-%u%%%p_%s"))
    assert ended.code == 0, ended.text
    assert [header(m, "Call-ID") for m in target.of("INVITE")] == [
        f"test-{n}%{ended.pid}_127.0.0.1" for n in (1, 2, 3)
    ]


def test_a_call_id_that_is_always_the_same_is_said_and_does_not_hang(sippx: Run, peer: OpenPeer) -> None:
    """Two calls of one name cannot be told apart: whatever happens to them, the run ends and counts all."""
    ended = sippx(*call(peer(answer_like_uas), "-cid_str", "same", "-timeout", 3, n_calls=5))
    assert ended.code in (0, 1), ended.text
    assert "Traceback" not in ended.err


def test_the_pause_of_d_takes_units(sippx: Run, peer: OpenPeer) -> None:
    target = peer(answer_like_uas)
    assert sippx(*call(target, "-d", "0.4s", n_calls=1)).code == 0
    at = dict(zip(map(method, target.received), target.arrived_s, strict=True))
    assert 0.4 <= at["BYE"] - at["ACK"] < 5


def test_the_limit_is_shown_and_said(sippx: Run, peer: OpenPeer) -> None:
    ended = sippx(*call(peer(answer_like_uas), "-l", 2, "-d", 50, n_calls=10))
    assert ended.code == 0, ended.text
    assert "(limit 2)" in ended.out
    assert "Peak was 2 calls" in ended.out
    assert "2 calls are open, the limit (-l)" in ended.err
    held = re.search(r"Starts held by -l +\| +(\d+)", ended.out)
    assert held is not None
    assert int(held[1]) > 0


def test_recv_timeout_ends_calls_that_are_not_answered(sippx: Run, peer: OpenPeer) -> None:
    ended = sippx(*call(peer(say_nothing), "-recv_timeout", "100ms"))
    assert ended.code == 1, ended.text
    assert "receive timeout on message Basic Sipstone UAC:" in ended.err
    assert step_numbers(ended.out)["0-INVITE"][0] == 3


def test_deadcall_wait_0_forgets_ended_calls_at_once(start: Start, peer: OpenPeer) -> None:
    target = peer(answer_like_uas)
    port = free_port()
    client = start(
        target.address, "-i", "127.0.0.1", "-p", port, "-m", 30, "-r", 30, "-deadcall_wait", 0, "-nostdin"
    )
    bye = target.wait_for("BYE", 1)[0]
    wait_until(lambda: len(target.of("BYE")) > 2, "the first call is over")
    target.send(response(bye, "200 OK"), port)
    ended = client.wait()
    assert "0 dead call msg (discarded)             1 out-of-call msg (discarded)" in ended.out, ended.text


@pytest.mark.parametrize(
    "words",
    [
        ("-t", "u1"),
        ("-buff_size", 4_000_000),
        ("-buff_size", 20_000),
        ("-timer_resol", 10),
        ("-timer_resol", 0),
        ("-max_recv_loops", 1),
        ("-max_sched_loops", 1),
        ("-f", 0),
        ("-fd", 0),
        ("-nostdin",),
        ("--no-gso",),
        ("--no-gro",),
        ("--no-batch",),
        ("--cpu", 0),
        (
            "-max_socket",
            100,
            "-skip_rlimit",
            "-reconnect_close",
            "false",
            "-max_reconnect",
            -1,
            "-reconnect_sleep",
            "1s",
        ),
    ],
    ids=lambda words: " ".join(map(str, words)),
)
def test_tuning_options_change_no_result(sippx: Run, peer: OpenPeer, words: tuple[object, ...]) -> None:
    ended = sippx(*call(peer(answer_like_uas), *words, n_calls=50))
    assert ended.code == 0, ended.text
    assert "Successful call        |       50" in ended.out
    assert step_numbers(ended.out)["7-BYE"] == [50, 0, 0]


def test_m_counts_the_calls_of_a_server(start: Start, peer: OpenPeer) -> None:
    client, port = peer(), free_port()
    server = start("-sn", "uas", "-i", "127.0.0.1", "-p", port, "-m", 2)
    server.wait_bound(port)
    for n in range(4):
        client.send(request("INVITE", f"{n}@m"), port)
    client.wait_for("200", 2)
    for n in range(4):
        client.send(request("ACK", f"{n}@m"), port)
        client.send(request("BYE", f"{n}@m", cseq=2), port)
    ended = server.wait()
    assert ended.code == 0, ended.text
    assert "Successful call        |        2" in ended.out
    assert {header(m, "Call-ID") for m in client.received} == {"0@m", "1@m"}


def test_a_timeout_ends_a_run_without_an_end(sippx: Run, peer: OpenPeer) -> None:
    target = peer(answer_like_uas)
    ended = sippx(target.address, "-i", "127.0.0.1", "-p", free_port(), "-r", 50, "-timeout", "1s")
    assert ended.code in (0, 1), ended.text  # one call may be open at that moment, which is a failed one
    n_calls = len({header(m, "Call-ID") for m in target.of("INVITE")})
    assert 40 <= n_calls <= 52


@pytest.mark.parametrize("words", [["-h"], ["-help"]])
def test_the_help_names_every_option_and_fits_a_terminal(sippx: Run, words: list[str]) -> None:
    from sippx.options import ALL_OPTIONS

    out = sippx(*words).out
    assert all(len(line) <= 80 for line in out.splitlines())
    assert all(any(flag in out for flag in spec.flags) for spec in ALL_OPTIONS)


@pytest.mark.parametrize("name", ["uac", "uas"])
def test_a_dumped_scenario_is_the_file_of_the_package(sippx: Run, name: str) -> None:
    from sippx.scenario.builtin import builtin_text

    assert sippx("-sd", name).out == builtin_text(name)


def test_the_final_screens_agree_with_the_wire(sippx: Run, peer: OpenPeer) -> None:
    target = peer(answer_like_uas)
    ended = sippx(*call(target, n_calls=17))
    n = step_numbers(ended.out)
    assert n["0-INVITE"] == [len(target.of("INVITE")), 0, 0] == [17, 0, 0]
    assert n["2-180"] == n["4-200"] == n["8-200"] == [17, 0, 0, 0]
    assert n["5-ACK"] == [len(target.of("ACK")), 0]
    assert n["7-BYE"] == [len(target.of("BYE")), 0, 0]
    assert re.search(
        rf"\n  500\.0\(0 ms\)/1\.000s +\d+ +\d+\.\d\d s +17  127\.0\.0\.1:{target.port}\(UDP\)\n", ended.out
    )
