"""What is measured, exact on the virtual clock: response times, repartitions, call lengths, counters, losses."""

from __future__ import annotations

import pytest

from sim.link import MS, Link, S, engine, snapshot
from sim.ticks import Ticks, accounted, recv, request, response, scenario, send
from sippx.report.snapshot import bucket_bounds


def histogram_ms(ticks: Ticks, index: int) -> list[float]:
    """Recorded values of a histogram in ms, each by the middle of its bucket."""
    found = ticks.total.histogram(index)
    return [
        round(sum(bucket_bounds(bucket)) / 2 / MS, 1) for bucket, n in enumerate(found.buckets) for _ in range(int(n))
    ]


def test_response_time_runs_from_the_call_start_where_nothing_starts_it() -> None:
    ticks = Ticks.of(scenario(send("INVITE"), recv("180", "rtd='ringing'"), recv("200", "rtd='answer'"))).until(31)
    ticks.receive(response(180))
    ticks.until(121)
    ticks.receive(response(200))
    found = ticks.total
    assert [found.histogram(index).max_ns for index in (0, 1)] == [30 * MS, 120 * MS]
    assert [found.histogram(index).sum_us for index in (0, 1)] == [30_000, 120_000]
    assert [found.histogram(index).count for index in (0, 1)] == [1, 1]


def test_started_response_time_runs_from_its_start() -> None:
    text = scenario(
        send("INVITE"), recv("180"), send("INFO", "start_rtd='info'"), recv("200", "rtd='info'"),
        recv("202", "rtd='whole'"),
    )  # fmt: skip
    ticks = Ticks.of(text).until(11)
    ticks.receive(response(180))
    ticks.until(33)
    ticks.receive(response(200, "INFO"))
    ticks.until(50)
    ticks.receive(response(202, "INFO"))
    assert ticks.total.histogram(0).max_ns == 22 * MS
    assert ticks.total.histogram(1).max_ns == 49 * MS


@pytest.mark.parametrize(("attribute", "n"), [("", 1), ("repeat_rtd='true'", 3)])
def test_response_time_counts_once_a_call_unless_repeated(attribute: str, n: int) -> None:
    looping = scenario(
        send("INVITE"), recv("180", f"optional='true' rtd='r' {attribute}"), recv("200"),
    )  # fmt: skip
    ticks = Ticks.of(looping).until(1)
    for number in range(3):
        ticks.until(10 * (number + 1))
        ticks.receive(response(180, more=f"Subject: {number}\r\n"))
    assert ticks.total.histogram(0).count == n
    assert histogram_ms(ticks, 0) == pytest.approx([9.0, 19.0, 29.0][:n], rel=0.01)


def test_repartition_tables_cut_at_their_bounds() -> None:
    text = scenario(
        send("INVITE"), recv("200", "rtd='r'"),
        "<ResponseTimeRepartition value='10, 20, 30'/>", "<CallLengthRepartition value='15, 25'/>",
    )  # fmt: skip
    ticks = Ticks.of(text, n_calls=6).until(6)
    # call n starts at n ms; the answers come 9, 10, 19, 20, 29 and 30 ms after the start
    for at_ms, number in sorted((start + wait, start) for start, wait in enumerate((9, 10, 19, 20, 29, 30), 1)):
        ticks.until(at_ms)
        ticks.receive(response(200, number=number))
    assert ticks.total.repartition(0) == [1, 2, 2, 1]
    assert ticks.total.repartition(1) == [2, 2, 2]
    assert ticks.total.call_length.max_ns == 30 * MS


def test_call_length_counts_every_call_however_it_ends() -> None:
    ticks = Ticks.of(scenario(send("INVITE"), recv("200", "timeout='40'")), n_calls=3).until(3)
    ticks.until(11)
    ticks.receive(response(200, number=1))
    ticks.receive(request("BYE", number=2))
    ticks.until(100)
    assert ticks.counts("successful_calls", "failed_calls") == [1, 2]
    assert sorted(histogram_ms(ticks, 0)) == pytest.approx([9, 10, 40], rel=0.01)
    accounted(ticks.total)


def test_generic_counters_count_executions() -> None:
    text = scenario(
        send("INVITE", "counter='sent'"), recv("180", "optional='true' counter='rung'"), recv("200", "counter='sent'"),
        "<nop counter='nops'/>", "<pause milliseconds='1' counter='pauses'/>",
    )  # fmt: skip
    ticks = Ticks.of(text, n_calls=4).until(4)
    ticks.receive(response(180, number=1), response(200, number=1), response(200, number=2))
    ticks.until(10)
    assert ticks.total.generic == [6, 1, 2, 2]


@pytest.mark.parametrize("chance", [0.0, 0.25, 0.5, 1.0])
def test_branch_is_taken_with_its_chance(chance: float) -> None:
    text = scenario(
        f"<nop next='there' chance='{chance}'/>", "<nop counter='here'/>", "<label id='there'/>", send("INVITE"),
    )  # fmt: skip
    n = 20_000
    ticks = Ticks.of(text, n_calls=n)
    ticks.engine.turn(n * MS)
    taken = n - ticks.total.generic[0]
    # six standard deviations
    assert abs(taken - n * chance) <= 6 * (n * chance * (1 - chance)) ** 0.5


def test_uniform_pause_lies_between_its_bounds_and_fills_them() -> None:
    text = scenario(
        "<nop start_rtd='p'/>", "<pause distribution='uniform' min='20' max='60'/>", "<nop rtd='p'/>", send("INVITE"),
    )  # fmt: skip
    ticks = Ticks.of(text, n_calls=2000).until(2100)
    found = histogram_ms(ticks, 0)
    assert len(found) == 2000
    assert 19.8 <= min(found) < 21
    assert 59 < max(found) <= 60.3
    assert 39 < sum(found) / len(found) < 41


@pytest.mark.parametrize("pause_ms", [0, 1, 7, 1000])
def test_pause_lasts_as_long_as_the_option_says(pause_ms: int) -> None:
    text = scenario("<nop start_rtd='p'/>", "<pause/>", "<nop rtd='p'/>", send("INVITE"))
    ticks = Ticks.of(text, bindings={"pause_ms": pause_ms}).until(1100)
    assert ticks.total.histogram(0).max_ns == pause_ms * MS
    assert ticks.steps[1][0] == 1


def test_paused_and_open_calls_are_gauged() -> None:
    ticks = Ticks.of(scenario("<pause milliseconds='50'/>", send("INVITE"), recv("200")), n_calls=10).until(20)
    gauges = [ticks.total.gauge(name) for name in ("current_calls", "paused_calls", "peak_calls", "calls_total")]
    assert gauges == [10, 10, 10, 10]
    ticks.until(55)
    assert ticks.total.gauge("paused_calls") == 5
    for number in range(1, 6):
        ticks.receive(response(200, number=number))
    assert [ticks.total.gauge(name) for name in ("current_calls", "peak_calls")] == [5, 10]
    assert ticks.total.gauge("peak_at_ns") == 10 * MS


# --------------------------------------------------------------------------- repetitions and losses of the peer


def test_repeated_request_is_counted_at_both_steps_and_answered_by_the_same_bytes() -> None:
    ticks = Ticks.of(scenario(recv("INVITE"), send("180"), send("200"), recv("ACK")))
    (ringing, answer) = ticks.receive(request("INVITE"))
    assert ticks.receive(request("INVITE")) == [answer]
    assert ringing != answer
    assert [row[:2] for row in ticks.steps] == [[1, 1], [1, 0], [1, 1], [0, 0]]
    assert ticks.counts("retransmissions") == [1]


def test_repeated_message_that_nothing_answered_yet_is_counted_and_ignored() -> None:
    ticks = Ticks.of(scenario(send("INVITE"), recv("180"), recv("200"))).until(1)
    assert ticks.receive(response(180), response(180), response(180)) == []
    assert ticks.steps[1][:2] == [1, 2]
    assert ticks.counts("failed_calls") == [0]


def test_repetition_with_one_byte_changed_is_another_message() -> None:
    ticks = Ticks.of(scenario(send("INVITE"), recv("180"), recv("200")), behaviors=0).until(1)
    ticks.receive(response(180), response(180, more="X: y\r\n"))
    assert ticks.steps[2][3] == 1


def test_without_detection_a_repetition_is_unexpected() -> None:
    ticks = Ticks.of(scenario(recv("INVITE"), send("200"), recv("ACK")), detect_retrans=False)
    ticks.receive(request("INVITE"), request("INVITE"))
    assert ticks.counts("failed_unexpected_message", "retransmissions") == [1, 0]


def test_lost_answer_is_repeated_by_the_next_attempt() -> None:
    ticks = Ticks.of(scenario(recv("MESSAGE", "lost='100'"), send("200"), recv("BYE")))
    for _ in range(3):
        assert ticks.receive(request("MESSAGE")) == []
    assert ticks.steps[0] == [0, 0, 0, 0, 3]
    assert ticks.counts("incoming_calls", "failed_calls") == [1, 0]


@pytest.mark.parametrize("percent", [10.0, 50.0])
def test_losses_are_near_their_percentage(percent: float) -> None:
    n = 20_000
    ticks = Ticks.of(scenario(send("INVITE"), recv("200")), n_calls=n, lost_percent=percent)
    ticks.engine.turn(n * MS)
    n_lost = ticks.steps[0][4]
    assert len(ticks.engine.take_sent()) == n - n_lost
    assert ticks.steps[0][0] == n
    assert abs(n_lost - n * percent / 100) <= 6 * (n * percent / 100 * (1 - percent / 100)) ** 0.5


def test_loss_of_a_step_replaces_that_of_the_run() -> None:
    text = scenario(send("INVITE", "lost='0'"), recv("200", "lost='0'"), send("ACK", "lost='100'"))
    ticks = Ticks.of(text, lost_percent=100.0).until(1)
    assert [name for _, name in ticks.lines()] == ["INVITE"]
    assert ticks.receive(response(200)) == []
    assert [row[4] for row in ticks.steps] == [0, 0, 1]


# --------------------------------------------------------------------------- both sides of the stock call


def test_both_sides_count_the_same_messages() -> None:
    client, server = engine("uac"), engine("uas")
    client.set_rate(500.0)
    client.set_max_calls(200)
    link = Link(client, server, loss=0.05, duplicate=0.05, seed=11)
    link.run(90 * S)
    for one in (client, server):
        accounted(snapshot(one))
    sent = {side: sum(1 for _, who, _ in link.sent if who == side) for side in ("client", "server")}
    assert snapshot(client).counter("datagrams_sent") == sent["client"]
    assert snapshot(server).counter("datagrams_sent") == sent["server"]
    assert snapshot(client).counter("bytes_sent") == sum(len(d) for _, who, d in link.sent if who == "client")


def test_same_seed_gives_the_same_run() -> None:
    runs = []
    for _ in range(2):
        client, server = engine("uac", lost_percent=5.0), engine("uas", lost_percent=5.0)
        client.set_rate(1000.0)
        client.set_max_calls(100)
        link = Link(client, server, loss=0.1, delay_ms=(1, 20), seed=3)
        link.run(60 * S)
        runs.append((link.sent, snapshot(client).counters(), snapshot(server).counters()))
    assert runs[0] == runs[1]


def test_trace_records_that_find_no_room_are_counted() -> None:
    from sippx._core.ring import TraceRing

    ticks = Ticks.of(scenario(send("INVITE"), recv("200")), n_calls=100, ring=TraceRing(4096)).until(100)
    n_kept = len(ticks.engine.ring.drain(1000))
    assert ticks.counts("trace_drops") == [100 - n_kept]
    assert n_kept > 3
