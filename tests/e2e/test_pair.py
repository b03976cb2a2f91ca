"""A UAS and a UAC in one process, two threads, through the Python API."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from sippx import Options, Scenario, run
from sippx.errors import AddressInUseError, StartError, UsageError
from sippx.result import Result
from sippx.runner import Runner

from .harness import (
    Peer,
    Running,
    answer_like_uas,
    builtin_uas,
    can_bind,
    free_port,
    header,
    method,
    run_pair,
    running,
    say_nothing,
)

N_CALLS = 300
UAC_MESSAGES = [N_CALLS, 0, N_CALLS, 0, N_CALLS, N_CALLS, N_CALLS, N_CALLS, N_CALLS]
UAS_MESSAGES = [N_CALLS] * 7


def assert_clean(client: Result, server: Result, n_calls: int = N_CALLS) -> None:
    for result in (client, server):
        assert (result.n_calls, result.n_successful, result.n_failed) == (n_calls, n_calls, 0), (
            result.summary()
        )
        assert result.exit_code == 0
        assert result.counters["retransmissions"] == 0
        assert result.counters["warnings"] == 0
        assert not result.steps[:, 1:].any()
    assert client.counters["datagrams_sent"] == server.counters["datagrams_received"] == 3 * n_calls
    assert server.counters["datagrams_sent"] == client.counters["datagrams_received"] == 3 * n_calls
    assert client.counters["bytes_sent"] == server.counters["bytes_received"]
    assert server.counters["bytes_sent"] == client.counters["bytes_received"]


@pytest.mark.parametrize("ip", ["127.0.0.1", "::1"])
def test_every_call_of_a_pair_succeeds_and_every_message_is_counted(ip: str) -> None:
    client, server = run_pair(N_CALLS, ip=ip)
    assert_clean(client, server)
    assert client.steps[:, 0].tolist() == UAC_MESSAGES
    assert server.steps[:, 0].tolist() == UAS_MESSAGES


@pytest.mark.parametrize(
    "switches",
    [
        {"gso": False},
        {"gro": False},
        {"gso": False, "gro": False},
        {"batch": False},
        {"gso": False, "batch": False},
    ],
    ids=lambda switches: "no-" + "-".join(switches),
)
def test_the_pair_is_clean_without_a_batching_feature(switches: dict[str, bool]) -> None:
    client, server = run_pair(N_CALLS, uas_options=switches, **switches)
    assert_clean(client, server)


def test_a_burst_of_calls_leaves_in_batches_and_none_is_lost() -> None:
    client, server = run_pair(20_000, rate=1e6, max_open_calls=0, uas_options={"max_open_calls": 0})
    assert (client.n_successful, client.n_failed) == (20_000, 0)
    assert (server.n_successful, server.n_failed) == (20_000, 0)


def test_two_pairs_at_the_same_time_do_not_touch_each_other() -> None:
    pairs: list[tuple[Result, Result]] = []
    threads = [
        threading.Thread(target=lambda n=n: pairs.append(run_pair(n, call_id_format="same-%u")))
        for n in (200, 400)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(client.n_calls for client, _ in pairs) == [200, 400]
    for client, server in pairs:
        assert_clean(client, server, client.n_calls)


def test_response_times_and_call_lengths_are_counted_once_a_call() -> None:
    client, server = run_pair(N_CALLS)
    for result in (client, server):
        assert list(result.response_times) == ["1"]
        assert result.response_times["1"].count == result.call_length.count == N_CALLS
        histogram = result.call_length
        p50, p99, p100 = (histogram.percentile(percent) for percent in (50, 99, 100))
        assert 0 < p50 <= p99 <= p100 <= result.wall_s * 1e9
    assert sum(client.total.repartition(0)) == sum(client.total.repartition(1)) == N_CALLS
    assert client.schedule_lag.count == N_CALLS


def test_a_call_is_held_for_the_time_of_d() -> None:
    client, _ = run_pair(20, pause_ms=300)
    histogram = client.call_length
    assert histogram.percentile(0.1) >= 299e6
    assert client.total.gauge("peak_calls") > 1


def test_the_limit_of_open_calls_is_never_exceeded_and_what_it_holds_back_is_counted() -> None:
    client, server = run_pair(30, rate=1000.0, pause_ms=50, max_open_calls=4)
    assert client.total.gauge("peak_calls") == 4
    assert client.n_successful == 30
    assert client.counters["limited_starts"] > 0
    assert server.total.gauge("peak_calls") <= 5


def test_calls_are_not_placed_before_they_are_due() -> None:
    with Peer(answer_like_uas) as peer:
        result = run(
            Scenario.builtin("uac"),
            Options(remote_host=peer.address, local_ip="127.0.0.1", rate=50, max_calls=10),
        )
    assert result.n_successful == 10
    invites = [
        at for at, message in zip(peer.arrived_s, peer.received, strict=True) if method(message) == "INVITE"
    ]
    assert invites[-1] - invites[0] >= 9 / 50 - 0.02
    assert result.wall_s >= 10 / 50


def test_a_rate_period_stretches_the_rate() -> None:
    with Peer(answer_like_uas) as peer:
        result = run(
            Scenario.builtin("uac"),
            Options(remote_host=peer.address, local_ip="127.0.0.1", rate=1, rate_period_ms=100, max_calls=4),
        )
    assert result.n_successful == 4
    assert result.wall_s >= 0.4


def test_rate_zero_places_no_call_until_the_rate_is_raised() -> None:
    with (
        Peer(answer_like_uas) as peer,
        running(Scenario.builtin("uac"), remote_host=peer.address, rate=0.0, max_calls=5) as run_,
    ):
        run_.thread.join(0.3)
        assert peer.received == []
        run_.runner.set_rate(1000.0)
        assert run_.wait().n_successful == 5


def test_a_paused_run_places_no_calls_and_leaves_out_those_that_fell_due() -> None:
    with (
        Peer(answer_like_uas) as peer,
        running(Scenario.builtin("uac"), remote_host=peer.address, rate=200.0) as run_,
    ):
        peer.wait_for("INVITE", 5)
        run_.runner.pause(True)
        run_.thread.join(0.2)
        before = len(peer.of("INVITE"))
        run_.thread.join(0.5)
        assert len(peer.of("INVITE")) == before
        run_.runner.pause(False)
        peer.wait_for("INVITE", before + 1)
        assert len(peer.of("INVITE")) < before + 60
        run_.runner.quit()
        assert run_.wait().n_failed == 0


def test_a_quit_lets_open_calls_end_and_a_second_one_aborts_them() -> None:
    with (
        running(builtin_uas(timewait_ms=60_000)) as server,
        running(
            Scenario.builtin("uac"),
            remote_host=f"127.0.0.1:{server.runner.local_port}",
            rate=100.0,
            pause_ms=400,
        ) as client,
    ):
        client.thread.join(0.3)
        client.runner.quit()
        result = client.wait()
        assert result.n_calls == result.n_successful > 0
        server.runner.quit()
        server.thread.join(0.3)
        assert server.thread.is_alive()
        server.runner.quit()
        aborted = server.wait()
        # a call in its <timewait> has done all its scenario asks for
        assert aborted.n_successful == result.n_calls
        assert aborted.wall_s < 30


def test_calls_aborted_by_a_second_quit_are_ended_on_the_wire() -> None:
    """Call 1 is answered and gets a BYE, call 2 has rung and gets a CANCEL, call 3 was never answered."""

    def answer(message: bytes) -> list[bytes]:
        number = int(header(message, "From").rpartition("tag=")[2].rpartition("00")[2])
        if method(message) == "INVITE" and number < 3:
            return [m for m in answer_like_uas(message) if method(m) == "180" or number == 1]
        return []

    with (
        Peer(answer) as peer,
        running(
            Scenario.builtin("uac"), remote_host=peer.address, rate=500.0, max_calls=3, pause_ms=60_000
        ) as run_,
    ):
        peer.wait_for("INVITE", 3)
        peer.wait_for("ACK")
        run_.thread.join(0.1)
        result = run_.end()
        assert result.failures == {"aborted": 3}
        bye, cancel = peer.wait_for("BYE"), peer.wait_for("CANCEL")
        invites = {header(m, "Call-ID"): m for m in peer.of("INVITE")}
        assert len(bye) == len(cancel) == 1
        assert header(cancel[0], "Via") == header(invites[header(cancel[0], "Call-ID")], "Via")
        assert header(cancel[0], "CSeq") == "1 CANCEL"
        assert header(bye[0], "CSeq") == "2 BYE"
        assert header(bye[0], "To").endswith(";tag=peer")


def test_a_run_without_an_answer_fails_every_call_and_ends() -> None:
    with Peer(say_nothing) as peer:
        result = run(
            Scenario.builtin("uac"),
            Options(remote_host=peer.address, local_ip="127.0.0.1", rate=1000, max_calls=5, max_retrans=0),
        )
    assert (result.n_calls, result.n_failed, result.exit_code) == (5, 5, 1)
    assert result.failures == {"max udp retrans": 5}


def test_a_run_may_be_made_again_on_the_same_port_at_once() -> None:
    port = free_port()
    for _ in range(3):
        with running(builtin_uas(), local_port=port) as server:
            with running(
                Scenario.builtin("uac"), remote_host=f"127.0.0.1:{port}", max_calls=5, rate=1000.0
            ) as client:
                assert client.wait().n_successful == 5
            assert server.end().n_successful == 5


def test_a_runner_does_not_run_twice() -> None:
    with running(builtin_uas()) as server:
        server.runner.quit()
        server.wait()
        with pytest.raises(RuntimeError, match="once"):
            server.runner.run()


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({}, StartError),
        ({"remote_host": "127.0.0.1", "call_id_format": ""}, UsageError),
        ({"remote_host": "127.0.0.1", "call_id_format": "i" * 2000 + "%u"}, UsageError),
        ({"remote_host": "127.0.0.1:0"}, UsageError),
        ({"remote_host": "no.such.host.invalid"}, StartError),
        ({"remote_host": "127.0.0.1", "local_ip": "::1"}, StartError),
        ({"remote_host": "127.0.0.1", "local_ip": "192.0.2.1"}, StartError),
        ({"remote_host": "127.0.0.1", "trace_msg": True, "message_file": "/no/such/dir/x"}, UsageError),
        ({"remote_host": "127.0.0.1", "cpu": 4095}, StartError),
    ],
)
def test_what_cannot_start_raises_an_error_that_says_why(
    options: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error) as caught:
        run(Scenario.builtin("uac"), Options(max_calls=1, **options))
    assert len(str(caught.value).splitlines()) == 1


def test_a_port_in_use_is_an_address_in_use_error_and_is_free_again_afterwards(
    peer: Callable[..., Peer],
) -> None:
    other = peer()
    options = Options(remote_host="127.0.0.1", local_ip="127.0.0.1", local_port=other.port, max_calls=0)
    with pytest.raises(AddressInUseError, match=str(other.port)):
        run(Scenario.builtin("uac"), options)
    other.stop()
    assert run(Scenario.builtin("uac"), options).exit_code == 0


def test_without_a_port_the_first_free_one_of_5060_to_5119_is_taken() -> None:
    ip = "127.0.0.9"  # nobody else's, unless somebody is bound to all addresses
    free = [port for port in range(5060, 5120) if can_bind(ip, port)]
    runners = [Runner(builtin_uas(), Options(local_ip=ip, max_calls=0)) for _ in range(3)]
    ports = [runner.local_port for runner in runners]
    for runner in runners:
        Running(runner).wait()
    assert ports == free[:3]
