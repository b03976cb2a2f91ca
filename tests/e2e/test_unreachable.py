"""Peers that are not there, die, or come late: ICMP errors, SIP's timers, and no call lost silently."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

import pytest

from sippx import Options, Scenario, run

from .harness import (
    Command,
    Finished,
    Peer,
    answer_like_uas,
    builtin_uas,
    free_port,
    header,
    request,
    response,
    running,
    say_nothing,
    scenario,
    send_step,
)


@pytest.mark.parametrize("ip", ["127.0.0.1", "::1"])
def test_calls_to_a_port_where_nobody_listens_fail_by_the_timers_and_icmp_is_counted(ip: str) -> None:
    remote = f"[{ip}]:{free_port(ip)}" if ":" in ip else f"{ip}:{free_port()}"
    result = run(
        scenario(send_step("INVITE", attributes='retrans="20"') + '<recv response="200"/>'),
        Options(remote_host=remote, local_ip=ip, rate=1000.0, max_calls=20, max_retrans=2),
    )
    assert result.failures == {"max udp retrans": 20}
    assert result.steps[0].tolist() == [20, 40, 20, 0, 0]
    assert result.counters["icmp_errors"] > 0
    assert result.counters["datagrams_sent"] + result.counters["send_errors"] == 60


def test_an_unreachable_port_is_said_in_the_error_log_and_on_stderr(sippx: Callable[..., Finished]) -> None:
    ended = sippx(
        *(
            f"127.0.0.1:{free_port()}",
            "-i",
            "127.0.0.1",
            "-p",
            free_port(),
            "-m",
            3,
            "-r",
            1000,
            "-max_retrans",
            0,
        ),
        *("-trace_err", "-error_file", "e.log"),
    )
    assert ended.code == 1, ended.text
    assert "Traceback" not in ended.err
    assert "see 'e.log' file" in ended.err


def test_a_peer_that_comes_late_is_reached_by_a_retransmission() -> None:
    port = free_port()
    with running(
        Scenario.builtin("uac"), remote_host=f"127.0.0.1:{port}", max_calls=20, rate=1000.0
    ) as client:
        client.thread.join(0.2)
        with running(builtin_uas(), local_port=port):
            result = client.wait()
    assert (result.n_successful, result.n_failed) == (20, 0)
    assert result.steps[0, 1] == 20
    assert result.counters["icmp_errors"] > 0


def test_a_killed_server_fails_the_calls_that_need_it_and_the_client_ends(
    start: Callable[..., Command],
) -> None:
    port = free_port()
    server = start("-sn", "uas", "-i", "127.0.0.1", "-p", port)
    server.wait_bound(port)
    with running(
        Scenario.builtin("uac"), remote_host=f"127.0.0.1:{port}", max_calls=100, rate=200.0, max_retrans=1
    ) as client:
        client.thread.join(0.25)
        server.signal(signal.SIGKILL)
        result = client.wait()
    assert result.n_successful + result.n_failed == result.n_calls == 100
    assert result.n_successful > 0 < result.n_failed
    assert set(result.failures) == {"max udp retrans"}


def test_a_server_that_starts_again_on_the_same_port_serves_the_rest() -> None:
    port = free_port()
    with running(
        Scenario.builtin("uac"), remote_host=f"127.0.0.1:{port}", max_calls=100, rate=200.0
    ) as client:
        with running(builtin_uas(), local_port=port) as first:
            first.thread.join(0.2)
            first.end()
        with running(builtin_uas(), local_port=port):
            result = client.wait()
    assert result.n_successful + result.n_failed == 100
    # what was in the air at the change is sent again; a call the first server had answered gets its BYE answered
    # by nobody (the second server takes a BYE for an unexpected call), so few calls may fail
    assert result.n_successful >= 90


def test_a_client_that_vanishes_leaves_calls_that_the_server_gives_up() -> None:
    """The 200 is sent again until its limit; the call then fails by the timer."""
    server_flow = scenario(
        '<recv request="INVITE"/>'
        '<send retrans="10"><![CDATA[\nSIP/2.0 200 OK\n[last_Via:]\n[last_From:]\n[last_To:];tag=1\n[last_Call-ID:]\n'
        '[last_CSeq:]\nContent-Length: 0\n\n]]></send><recv request="ACK"/>'
    )
    one_invite = scenario(send_step("INVITE"))
    with running(server_flow, max_non_invite_retrans=3) as server:
        with Peer() as sink:
            run(
                one_invite,
                Options(
                    remote_host=f"127.0.0.1:{server.runner.local_port}",
                    local_ip="127.0.0.1",
                    rate=1000.0,
                    max_calls=5,
                ),
            )
            assert sink.received == []
        server.thread.join(0.5)
        server.runner.quit()
        result = server.wait()
    assert result.failures == {"max udp retrans": 5}
    assert result.steps[1].tolist() == [5, 15, 5, 0, 0]


def test_an_unroutable_peer_is_one_send_error_a_message_and_the_run_ends() -> None:
    """A socket bound to 127.0.0.1 cannot send to an address outside: each send is refused by the kernel."""
    result = run(
        scenario(send_step("OPTIONS", attributes='retrans="10"') + '<recv response="200"/>'),
        Options(remote_host="192.0.2.1:5060", local_ip="127.0.0.1", rate=1000.0, max_calls=3, max_retrans=1),
    )
    assert result.n_failed == 3
    assert result.counters["send_errors"] + result.counters["datagrams_sent"] == 6
    assert result.counters["send_errors"] > 0


def test_retransmissions_follow_t1_and_t2() -> None:
    with Peer(say_nothing) as peer:
        result = run(
            scenario(send_step("OPTIONS", attributes='retrans="50"') + '<recv response="200"/>'),
            Options(
                remote_host=peer.address,
                local_ip="127.0.0.1",
                rate=1e3,
                max_calls=1,
                max_retrans=5,
                t2_ms=100,
            ),
        )
    assert result.failures == {"max udp retrans": 1}
    gaps = [late - early for early, late in zip(peer.arrived_s, peer.arrived_s[1:], strict=False)]
    assert len(set(peer.received)) == 1, "a retransmission is the same bytes"
    assert len(gaps) == 5
    # possibly late, never early: 50, then T2
    assert all(gap >= least - 0.005 for gap, least in zip(gaps, (0.05, 0.1, 0.1, 0.1, 0.1), strict=True))


def test_the_invite_back_off_has_no_upper_bound() -> None:
    with Peer(say_nothing) as peer:
        run(
            scenario(send_step("INVITE", attributes='retrans="25"') + '<recv response="200"/>'),
            Options(
                remote_host=peer.address, local_ip="127.0.0.1", rate=1e3, max_calls=1, max_retrans=4, t2_ms=50
            ),
        )
    gaps = [late - early for early, late in zip(peer.arrived_s, peer.arrived_s[1:], strict=False)]
    assert all(gap >= least - 0.005 for gap, least in zip(gaps, (0.025, 0.05, 0.1, 0.2), strict=True))


@pytest.mark.parametrize(
    ("name", "limits", "n_sent"),
    [
        ("INVITE", {"max_invite_retrans": 2}, 3),
        ("INVITE", {"max_invite_retrans": 4, "max_retrans": 1}, 2),
        ("INVITE", {"max_non_invite_retrans": 0, "max_invite_retrans": 1}, 2),
        ("OPTIONS", {"max_non_invite_retrans": 2}, 3),
        ("OPTIONS", {"max_non_invite_retrans": 5, "max_retrans": 0}, 1),
        ("OPTIONS", {"max_invite_retrans": 0, "max_non_invite_retrans": 1}, 2),
    ],
)
def test_the_limits_of_retransmission_hold_by_method(name: str, limits: dict[str, int], n_sent: int) -> None:
    with Peer(say_nothing) as peer:
        result = run(
            scenario(send_step(name, attributes='retrans="10"') + '<recv response="200"/>'),
            Options(remote_host=peer.address, local_ip="127.0.0.1", rate=1e3, max_calls=3, **limits),
        )
        assert result.n_failed == 3
    assert len(peer.received) == 3 * n_sent


def test_nr_sends_everything_once() -> None:
    with Peer(say_nothing) as peer:
        result = run(
            scenario(
                send_step("OPTIONS", attributes='retrans="10"') + '<recv response="200" timeout="200"/>'
            ),
            Options(
                remote_host=peer.address, local_ip="127.0.0.1", rate=1e3, max_calls=3, retransmissions=False
            ),
        )
    assert result.failures == {"timeout on recv": 3}
    assert len(peer.of("OPTIONS")) == 3


def test_a_provisional_answer_stops_the_retransmission_of_an_invite() -> None:
    with Peer(lambda message: list(answer_like_uas(message))[:1]) as peer:
        result = run(
            scenario(
                send_step("INVITE", attributes='retrans="20"')
                + '<recv response="180" optional="true"/><recv response="200" timeout="300"/>'
            ),
            Options(remote_host=peer.address, local_ip="127.0.0.1", rate=1e3, max_calls=1),
        )
    assert result.failures == {"timeout on recv": 1}
    assert len(peer.of("INVITE")) == 1
    assert len(peer.of("CANCEL")) == 1


def test_a_repeated_request_is_answered_again_with_the_last_answer_to_it() -> None:
    with running(builtin_uas(timewait_ms=5000)) as server, Peer() as client:
        invite = request("INVITE", "again@test")
        client.send(invite, server.runner.local_port)
        first = client.wait_for("200")[0]
        client.send(invite, server.runner.local_port)
        client.wait_for("200", 2)
        bye = request("BYE", "again@test", cseq=2)
        client.send(bye, server.runner.local_port)
        client.wait_for("200", 3)
        client.send(bye, server.runner.local_port)
        answers = client.wait_for("200", 4)
        result = server.end()
    assert answers[1] == first
    assert answers[2] == answers[3]
    assert header(answers[3], "CSeq") == "2 BYE"
    assert result.counters["incoming_calls"] == 1
    assert result.steps[0, :2].tolist() == [1, 1]
    assert result.steps[4, :2].tolist() == [1, 1]


def test_a_repeated_200_is_acknowledged_again() -> None:
    with (
        Peer(answer_like_uas) as peer,
        running(
            Scenario.builtin("uac"), remote_host=peer.address, max_calls=1, rate=1000.0, pause_ms=1000
        ) as client,
    ):
        invite = peer.wait_for("INVITE")[0]
        peer.wait_for("ACK")
        for _ in range(2):
            peer.send(response(invite, "200 OK"), client.runner.local_port)
        acks = peer.wait_for("ACK", 3)
        result = client.wait()
    assert len(set(acks)) == 1
    assert (result.n_successful, result.n_failed) == (1, 0)
    assert result.steps[4, 1] == 2
    assert result.steps[5, 1] == 2


def test_an_answer_after_the_call_has_ended_is_counted_as_dead() -> None:
    late: list[bytes] = []

    def answer(message: bytes) -> list[bytes]:
        answers = list(answer_like_uas(message))
        late.extend(answers if message.startswith(b"BYE") else [])
        return answers

    with (
        Peer(answer) as peer,
        running(Scenario.builtin("uac"), remote_host=peer.address, rate=20.0, max_calls=12) as client,
    ):
        peer.wait_for("BYE", 3)
        time.sleep(0.05)
        for message in late[:2]:
            peer.send(message, client.runner.local_port)
        result = client.wait()
    assert (result.n_successful, result.n_failed) == (12, 0)
    assert result.counters["dead_call_msgs"] == 2
