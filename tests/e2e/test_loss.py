"""Messages dropped on purpose (-lost and lost="..."): what leaves, what is counted, how calls end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sippx import Options, Scenario, run

from .harness import (
    Finished,
    Peer,
    answer_like_uas,
    builtin_uas,
    free_port,
    method,
    running,
    say_nothing,
    scenario,
    send_step,
    wait_until,
)


def test_a_message_dropped_on_purpose_leaves_nothing_on_the_wire() -> None:
    with Peer(say_nothing) as peer:
        result = run(
            Scenario.builtin("uac"),
            Options(
                remote_host=peer.address,
                local_ip="127.0.0.1",
                rate=1e4,
                max_calls=100,
                lost_percent=50,
                max_retrans=1,
            ),
        )
    assert result.n_calls == 100
    assert [message for message in peer.received if not message] == []
    n_lost = int(result.steps[0, 4])
    n_tried = 100 + result.counters["retransmissions"]
    assert 0 < n_lost < n_tried
    assert len(peer.of("INVITE")) == result.counters["datagrams_sent"] == n_tried - n_lost


@pytest.mark.parametrize(("lost", "n_sent"), [("100", 0), ("0", 20)])
def test_the_lost_attribute_of_a_send_overrules_the_option(lost: str, n_sent: int) -> None:
    one_shot = scenario(send_step("OPTIONS", attributes=f'lost="{lost}"'))
    with Peer(say_nothing) as peer:
        result = run(
            one_shot,
            Options(
                remote_host=peer.address,
                local_ip="127.0.0.1",
                rate=1e4,
                max_calls=20,
                lost_percent=100 - int(lost),
            ),
        )
        wait_until(lambda: len(peer.received) >= n_sent, "what was sent")
    assert len(peer.received) == n_sent
    assert result.steps[0].tolist() == [20, 0, 0, 0, 20 - n_sent]
    assert result.n_successful == 20


def test_a_received_message_that_is_dropped_is_as_if_it_had_never_come() -> None:
    deaf = scenario(
        send_step("OPTIONS")
        + '<recv response="200" lost="100" timeout="300" ontimeout="end"/><label id="end"/>'
    )
    with Peer(answer_like_uas) as peer:
        result = run(deaf, Options(remote_host=peer.address, local_ip="127.0.0.1", rate=1e4, max_calls=10))
    assert result.steps[1].tolist() == [0, 0, 10, 0, 10]
    assert result.failures == {"timeout on recv": 10}


def test_every_call_of_a_lossy_pair_is_accounted_for() -> None:
    with running(builtin_uas(timewait_ms=30_000), lost_percent=5.0) as server:
        with running(
            Scenario.builtin("uac"),
            remote_host=f"127.0.0.1:{server.runner.local_port}",
            rate=2000.0,
            max_calls=300,
            lost_percent=5.0,
            max_retrans=3,
        ) as client_run:
            client = client_run.wait()
        server_result = server.end()
    assert client.n_successful + client.n_failed == client.n_calls == 300
    assert server_result.n_successful + server_result.n_failed == server_result.n_calls <= 300
    assert client.n_successful > 250
    for result in (client, server_result):
        assert result.counters["retransmissions"] > 0
        assert result.steps[:, 4].sum() > 0
        assert result.counters["malformed"] == 0
    # what one side sent and did not drop, the other one received; the server's end may leave some unread
    assert client.counters["datagrams_sent"] == server_result.counters["datagrams_received"]
    assert server_result.counters["datagrams_sent"] >= client.counters["datagrams_received"]


def test_a_lost_provisional_answer_does_not_hurt_a_call() -> None:
    def without_180(message: bytes) -> list[bytes]:
        return [answer for answer in answer_like_uas(message) if method(answer) != "180"]

    with Peer(without_180) as peer:
        result = run(
            Scenario.builtin("uac"),
            Options(remote_host=peer.address, local_ip="127.0.0.1", rate=1e4, max_calls=20),
        )
    assert result.n_successful == 20
    assert result.steps[2, 0] == 0


@pytest.mark.parametrize("value", ["101", "-1", "much"])
def test_a_percentage_that_is_none_is_refused(sippx: Callable[..., Finished], value: str) -> None:
    line = sippx("-lost", value, f"127.0.0.1:{free_port()}", "-m", 1).assert_one_line_error(1)
    assert "-lost" in line


def test_the_lost_column_is_shown_as_soon_as_loss_is_in_use(
    sippx: Callable[..., Any], peer: Callable[..., Peer]
) -> None:
    target = peer(answer_like_uas)
    words = (target.address, "-i", "127.0.0.1", "-p", free_port(), "-m", 2, "-r", 100, "-nostdin")
    assert "Unexp.    Lost" in sippx(*words, "-lost", "0.000001").out
    assert "Unexpected-Msg" in sippx(*words).out


def test_a_server_that_drops_everything_counts_what_it_drops() -> None:
    with running(builtin_uas(), lost_percent=100.0) as server:
        with running(
            Scenario.builtin("uac"),
            remote_host=f"127.0.0.1:{server.runner.local_port}",
            rate=1e4,
            max_calls=10,
            max_retrans=0,
        ) as client:
            assert client.wait().failures == {"max udp retrans": 10}
        result = server.end()
    assert result.steps[0].tolist() == [0, 0, 0, 0, 10]
    assert result.counters["datagrams_sent"] == 0
