"""Connections that break in mid-run cost the calls on them, for a cause that is counted and told, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from .proxy import FaultProxy, Link, after
from .runs import assert_accounts_for, call, error_log, errors_of, serve

N_CALLS = 12
IN_THE_INVITE = 150
"""Bytes: some way into the first message of a link, either way."""
BEHIND_THE_ACK = 900
"""Bytes from the client: somewhere between the first and the last of its three messages."""


def odd(number: int) -> bool:
    return number % 2 == 1


def half_close(link: Link) -> None:
    """The client sees an end of what the server sends, and may go on sending."""
    link.client.shutdown(1)
    link.may_go_on.wait(60)


BREAKS = {"reset": (Link.reset, "Connection reset by peer"), "closed": (Link.drop, "closed by the peer")}


@pytest.mark.parametrize("how", BREAKS)
@pytest.mark.parametrize("n_bytes", [1, IN_THE_INVITE, BEHIND_THE_ACK])
def test_with_a_connection_per_call_a_break_costs_its_call_only(how: str, n_bytes: int, tmp_path: Path) -> None:
    act, text = BREAKS[how]
    with (
        serve() as server,
        FaultProxy(server.runner.local_port, up=after(n_bytes, act, odd)) as proxy,
        call(proxy.address, "tn", N_CALLS, rate=100.0, **error_log(tmp_path)) as client,
    ):
        result = client.wait()
    assert_accounts_for(result, N_CALLS)
    assert result.n_successful == result.counters["failed_tcp_closed"] == N_CALLS // 2, result.counters
    assert result.counters["connections_lost"] == N_CALLS // 2
    assert result.exit_code == 1
    log = errors_of(tmp_path)
    assert log.count(f"connection to {proxy.address}: ") == N_CALLS // 2, log
    assert text in log


@pytest.mark.parametrize("how", BREAKS)
def test_an_answer_cut_in_its_middle_is_a_loss_and_no_message(how: str, tmp_path: Path) -> None:
    with (
        serve() as server,
        FaultProxy(server.runner.local_port, down=after(IN_THE_INVITE, BREAKS[how][0], odd)) as proxy,
        call(proxy.address, "tn", N_CALLS, rate=100.0, **error_log(tmp_path)) as client,
    ):
        result = client.wait()
    assert_accounts_for(result, N_CALLS)
    assert result.counters["failed_tcp_closed"] == N_CALLS // 2, result.counters
    assert not result.steps[1, 3], "half a message matched nothing"


def test_half_of_a_closed_connection_is_a_closed_connection(tmp_path: Path) -> None:
    with (
        serve() as server,
        FaultProxy(server.runner.local_port, up=after(1, half_close, odd)) as proxy,
        call(proxy.address, "tn", N_CALLS, rate=100.0, **error_log(tmp_path)) as client,
    ):
        result = client.wait()
    assert_accounts_for(result, N_CALLS)
    assert result.counters["failed_tcp_closed"] == N_CALLS // 2
    assert "closed by the peer" in errors_of(tmp_path)


@pytest.mark.parametrize("how", BREAKS)
def test_the_one_connection_broken_for_good_fails_its_calls_and_all_later_ones(how: str, tmp_path: Path) -> None:
    with (
        serve() as server,
        FaultProxy(server.runner.local_port, up=after(4000, BREAKS[how][0])) as proxy,
        call(proxy.address, "t1", 40, rate=100.0, **error_log(tmp_path)) as client,
    ):
        result = client.wait()
        assert len(proxy.links) == 1
    assert_accounts_for(result, 40)
    assert result.n_successful < 40
    assert result.counters["failed_tcp_closed"] > 0
    assert result.counters["connections_lost"] == 1
    assert result.counters["reconnections"] == 0
    assert BREAKS[how][1] in errors_of(tmp_path)
    assert result.exit_code == 1


@pytest.mark.parametrize("how", BREAKS)
def test_a_server_goes_on_when_connections_of_its_calls_break(how: str, tmp_path: Path) -> None:
    with (
        serve(**error_log(tmp_path)) as server,
        FaultProxy(server.runner.local_port, up=after(BEHIND_THE_ACK, BREAKS[how][0], odd)) as proxy,
        call(proxy.address, "tn", N_CALLS, rate=100.0) as client,
    ):
        client.wait()
        with call(f"127.0.0.1:{server.runner.local_port}", "tn", N_CALLS, call_id_format="later-%u@%s") as after_it:
            assert after_it.wait().n_successful == N_CALLS
        result = server.end()
    assert_accounts_for(result, N_CALLS * 2)
    assert result.counters["failed_tcp_closed"] == N_CALLS // 2, result.counters
    assert BREAKS[how][1] in errors_of(tmp_path)
