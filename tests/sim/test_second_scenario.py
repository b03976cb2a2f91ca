"""Mixed mode and out-of-call scenarios: two scenarios, one engine, one socket."""

from __future__ import annotations

import itertools

import pytest

from sim.language import LONG, assign_text, log, nop, recv_doing
from sim.link import CLIENT, MS, Link, S, snapshot
from sim.second import both, programs, side, side_counts
from sim.ticks import Ticks, accounted, name_of, names, recv, request, response, scenario, send
from sippx._core.codes import Complaint, QuitLevel, TraceFlag, TraceKind
from sippx._core.engine import Engine
from sippx._core.ring import TraceRing
from sippx.scenario import Bindings

CALLER = scenario(send("OPTIONS"), recv("200"))
"""Waits for an answer, so that the test can go on as long as it wants."""
ANSWERER = scenario(recv("MESSAGE"), send("200"))
CALLEE = scenario(recv("INVITE"), send("200"), recv("ACK"), recv("BYE"), send("200"))
STRANGER = 900


def stranger(method: str, *, number: int = STRANGER, cseq: int = 1) -> bytes:
    """A request of a call that the engine did not open."""
    return request(method, number=number, cseq=cseq)


def kinds(ticks: Ticks) -> list[tuple[TraceKind, bool]]:
    """(kind, of the second scenario) of the trace records since the last call, messages left out."""
    flag = TraceFlag.TRACE_OF_SIDE
    drained = [kind for kind, *_ in ticks.engine.ring.drain(1 << 20)]
    messages = (TraceKind.TRACE_SENT, TraceKind.TRACE_RECEIVED)
    return [(TraceKind(k & ~flag), bool(k & flag)) for k in drained if k & ~flag not in messages]


# ---- who gets a message -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["rx", "ooc"])
def test_a_request_of_a_stranger_is_answered_by_the_second_scenario(kind: str) -> None:
    ticks = both(CALLER, ANSWERER, kind).until(2)
    assert names(ticks.receive(stranger("MESSAGE"))) == ["200"]
    assert side_counts(ticks, "incoming_calls", "successful_calls") == [1, 1]
    assert ticks.counts("incoming_calls", "successful_calls") == [0, 0]
    accounted(side(ticks))


def test_an_answer_reaches_the_call_of_the_main_scenario() -> None:
    ticks = both(CALLER, ANSWERER).until(2)
    ticks.receive(stranger("MESSAGE"), response(200, "OPTIONS"))
    assert ticks.counts("outgoing_calls", "successful_calls", "out_of_call_msgs") == [1, 1, 0]
    accounted(ticks.total)


def test_both_scenarios_have_calls_at_once() -> None:
    ticks = both(scenario(send("INVITE"), recv("200"), send("ACK"), recv("BYE"), send("200")), CALLEE, n_calls=3)
    ticks.until(4)
    for number in range(STRANGER, STRANGER + 4):
        assert names(ticks.receive(stranger("INVITE", number=number))) == ["200"]
    for number in (1, 2, 3):
        assert names(ticks.receive(response(200, number=number))) == ["ACK"]
    for number in range(STRANGER, STRANGER + 4):
        assert not ticks.receive(stranger("ACK", number=number))
    assert (ticks.total.gauge("current_calls"), side(ticks).gauge("current_calls")) == (3, 4)
    for number in (1, 2, 3, *range(STRANGER, STRANGER + 4)):
        assert names(ticks.receive(request("BYE", number=number, cseq=2))) == ["200"]
    assert ticks.counts("successful_calls", "failed_calls") == [3, 0]
    assert side_counts(ticks, "successful_calls", "failed_calls") == [4, 0]


@pytest.mark.parametrize("kind", ["rx", "ooc"])
@pytest.mark.parametrize("stray", [stranger("ACK"), response(200, "MESSAGE", number=STRANGER)])
def test_a_stray_ack_or_answer_opens_no_call(stray: bytes, kind: str) -> None:
    ticks = both(CALLER, ANSWERER, kind).until(2)
    assert not ticks.receive(stray)
    assert ticks.counts("out_of_call_msgs", "warnings") == [1, 1]
    assert side(ticks).calls_created == 0


def test_an_out_of_call_request_is_warned_of_and_counted_as_automatic() -> None:
    ticks = both(CALLER, ANSWERER, "ooc").until(2)
    ticks.receive(stranger("MESSAGE"))
    assert ticks.counts("auto_answered") == [1]
    assert side_counts(ticks, "auto_answered", "warnings") == [0, 1]
    (found,) = [r for r in ticks.engine.ring.drain(1 << 20) if r[0] & 0xFF == TraceKind.TRACE_COMPLAINT]
    assert (found[3], found[5]) == (Complaint.COMPLAINT_STRANGER, b"MESSAGE")


def test_mixed_mode_warns_of_nothing() -> None:
    ticks = both(CALLER, ANSWERER, "rx").until(2)
    ticks.receive(stranger("MESSAGE"))
    assert ticks.counts("auto_answered", "warnings") == [0, 0]
    assert side_counts(ticks, "auto_answered", "warnings") == [0, 0]
    assert kinds(ticks) == []


@pytest.mark.parametrize("kind", ["rx", "ooc"])
def test_the_second_scenario_comes_before_automatic_answers(kind: str) -> None:
    ticks = both(CALLER, scenario(recv("INFO"), send("202")), kind, auto_answer=True).until(2)
    assert names(ticks.receive(stranger("INFO"))) == ["202"]


def test_a_request_that_the_second_scenario_does_not_expect_fails_its_call_only() -> None:
    ticks = both(CALLER, ANSWERER).until(2)
    assert not ticks.receive(stranger("SUBSCRIBE"))
    assert side_counts(ticks, "failed_unexpected_message", "failed_calls") == [1, 1]
    assert ticks.counts("failed_calls") == [0]
    assert (TraceKind.TRACE_UNEXPECTED, True) in kinds(ticks)
    ticks.receive(response(200, "OPTIONS"))
    assert ticks.counts("successful_calls") == [1]


def test_answers_go_where_the_request_came_from() -> None:
    ticks = both(CALLER, ANSWERER).until(2)
    there = (CLIENT[0], bytes([127, 0, 0, 9]), 7777)
    ticks.engine.inject(stranger("MESSAGE"), there)
    assert [(name_of(data), where) for data, where in ticks.engine.take_sent()] == [("200", there)]


# ---- timers and memory of finished calls ---------------------------------------------------------------


def test_timers_of_the_second_scenario_run() -> None:
    ticks = both(CALLER, scenario(recv("MESSAGE"), "<pause milliseconds='50'/>", send("200"))).until(2)
    ticks.receive(stranger("MESSAGE"))
    due_ns = ticks.engine.next_event_ns()
    assert due_ns is not None and due_ns <= 52 * MS
    ticks.until(60)
    assert ticks.lines() == [(1, "OPTIONS"), (52, "200")]


def test_messages_of_the_second_scenario_are_sent_again() -> None:
    ticks = both(CALLER, scenario(recv("INVITE"), send("200", "retrans='500'"), recv("ACK"))).until(2)
    ticks.receive(stranger("INVITE"))
    ticks.until(1600)
    assert ticks.lines()[1:] == [(2, "200"), (502, "200"), (1502, "200")]
    assert side_counts(ticks, "retransmissions") == [2]
    assert ticks.counts("retransmissions") == [0]


def test_a_resting_call_of_the_second_scenario_answers_a_repeated_request() -> None:
    ticks = both(CALLER, scenario(recv("MESSAGE"), send("200"), "<timewait milliseconds='100'/>")).until(2)
    ticks.receive(stranger("MESSAGE"))
    assert names(ticks.receive(stranger("MESSAGE"))) == ["200"]
    assert side(ticks).calls_created == 1
    ticks.until(110)
    assert side_counts(ticks, "successful_calls", "retransmissions") == [1, 1]
    accounted(side(ticks))


def test_a_late_message_to_a_dead_call_of_the_second_scenario_opens_no_other() -> None:
    ticks = both(CALLER, ANSWERER).until(2)
    ticks.receive(stranger("MESSAGE"))
    kinds(ticks)
    assert not ticks.receive(stranger("MESSAGE"), stranger("INFO"))
    assert side(ticks).calls_created == 1
    assert ticks.counts("dead_call_msgs", "out_of_call_msgs") == [2, 0]
    assert side_counts(ticks, "dead_call_msgs") == [0]
    assert kinds(ticks) == [(TraceKind.TRACE_DEAD_CALL, True)] * 2


def test_a_late_message_to_a_dead_call_of_the_main_scenario_opens_none() -> None:
    ticks = both(CALLER, ANSWERER, n_calls=2).until(1)
    ticks.receive(response(200, "OPTIONS"))
    assert not ticks.receive(stranger("MESSAGE", number=1))
    assert ticks.counts("dead_call_msgs") == [1]
    assert side(ticks).calls_created == 0


def test_a_forgotten_call_id_may_come_again() -> None:
    ticks = both(CALLER, ANSWERER, dead_wait_ms=10).until(2)
    ticks.receive(stranger("MESSAGE"))
    ticks.until(20)
    assert names(ticks.receive(stranger("MESSAGE"))) == ["200"]
    assert side_counts(ticks, "successful_calls") == [2]


def test_calls_that_find_no_room_are_counted_apart() -> None:
    ticks = both(CALLER, CALLEE, capacity=2).until(2)
    for number in range(STRANGER, STRANGER + 5):
        ticks.receive(stranger("INVITE", number=number))
    assert side_counts(ticks, "incoming_calls", "calls_refused") == [2, 3]
    assert ticks.counts("calls_refused") == [0]


# ---- limits, and the end of the test -------------------------------------------------------------------


def test_calls_of_the_second_scenario_are_not_among_the_first_m() -> None:
    ticks = both(CALLER, ANSWERER, n_calls=4)
    for number in range(10):
        ticks.receive(stranger("MESSAGE", number=STRANGER + number))
    ticks.until(9)
    assert ticks.counts("outgoing_calls") == [4]
    assert [what for _, what in ticks.lines()].count("OPTIONS") == 4
    assert ticks.total.calls_created == 4
    assert side(ticks).calls_created == 10


def test_open_calls_of_the_second_scenario_do_not_reach_the_limit() -> None:
    ticks = both(CALLER, CALLEE, n_calls=100)
    ticks.engine.set_limit(3)
    for number in range(5):
        ticks.receive(stranger("INVITE", number=STRANGER + number))
    ticks.until(10)
    assert ticks.total.gauge("current_calls") == ticks.engine.n_open == 3


@pytest.mark.parametrize("kind", ["rx", "ooc"])
def test_no_two_calls_have_the_same_number(kind: str) -> None:
    caller = scenario(send("OPTIONS"), nop(log("[call_number]")), recv("200"))
    ticks = both(caller, scenario(recv("MESSAGE"), send("200"), nop(log("[call_number]"))), kind, n_calls=5)
    for number in range(5):
        ticks.until(number + 1)
        ticks.receive(stranger("MESSAGE", number=STRANGER + number))
    records = ticks.engine.ring.drain(1 << 20)
    shown = [data for kind, *_, data in records if kind & 0xFF == TraceKind.TRACE_LOG]
    assert len(set(shown)) == 10
    if kind == "rx":
        assert sorted(map(int, shown)) == list(range(1, 11))
    else:
        assert [int(text) for text in shown if int(text) < 1000] == [1, 2, 3, 4, 5], "strangers disturb no number"


@pytest.mark.parametrize("kind", ["rx", "ooc"])
def test_the_test_ends_with_the_main_calls_and_open_ones_of_the_second_scenario_are_aborted(kind: str) -> None:
    ticks = both(CALLER, CALLEE, kind).until(2)
    ticks.receive(stranger("INVITE"), stranger("ACK"))
    ticks.receive(response(200, "OPTIONS"))
    before = len(ticks.sent)
    assert ticks.engine.turn(3 * MS)
    ticks._collect()
    ((_, goodbye),) = ticks.sent[before:]
    assert name_of(goodbye) == "BYE"
    assert b"Call-ID: 900-7@127.0.0.1\r\n" in goodbye
    assert b"To: <sip:me@here>\r\n" in goodbye, "it is built from the last message received"
    assert side_counts(ticks, "failed_aborted", "calls_ended") == [1, 1]
    assert side(ticks).gauge("current_calls") == 0
    assert ticks.counts("failed_calls", "successful_calls") == [0, 1]
    accounted(side(ticks))


def test_resting_calls_have_succeeded_when_the_test_ends() -> None:
    ticks = both(CALLER, scenario(recv("MESSAGE"), send("200"), "<timewait milliseconds='9000'/>")).until(2)
    ticks.receive(stranger("MESSAGE"), response(200, "OPTIONS"))
    assert ticks.engine.turn(3 * MS)
    assert side_counts(ticks, "successful_calls", "failed_calls") == [1, 0]
    accounted(side(ticks))


@pytest.mark.parametrize("kind", ["rx", "ooc"])
def test_a_resting_call_that_was_woken_has_succeeded_when_the_test_ends(kind: str) -> None:
    """It was aborted with a BYE that had neither From nor To: the message it came from was not kept."""
    ticks = both(CALLER, scenario(recv("MESSAGE"), send("200"), "<timewait milliseconds='9000'/>"), kind).until(2)
    assert names(ticks.receive(stranger("MESSAGE"))) == ["200"]
    assert names(ticks.receive(stranger("MESSAGE"))) == ["200"]
    ticks.receive(response(200, "OPTIONS"))
    before = len(ticks.sent)
    assert ticks.engine.turn(3 * MS)
    ticks._collect()
    assert ticks.sent[before:] == []
    assert side_counts(ticks, "successful_calls", "failed_calls") == [1, 0]
    accounted(side(ticks))


def test_a_forced_quit_ends_the_calls_of_both() -> None:
    ticks = both(CALLER, CALLEE, n_calls=3).until(4)
    ticks.receive(*(stranger("INVITE", number=STRANGER + number) for number in range(4)))
    ticks.engine.quit(QuitLevel.QUIT_FORCED)
    assert ticks.engine.turn(5 * MS)
    assert ticks.counts("failed_aborted") == [3]
    assert side_counts(ticks, "failed_aborted") == [4]
    accounted(ticks.total)
    accounted(side(ticks))


@pytest.mark.parametrize("kind", ["rx", "ooc"])
def test_strangers_are_still_answered_after_a_soft_quit(kind: str) -> None:
    ticks = both(CALLER, ANSWERER, kind).until(2)
    ticks.engine.quit(QuitLevel.QUIT_SOFT)
    ticks.until(3)
    assert names(ticks.receive(stranger("MESSAGE"))) == ["200"]
    assert not ticks.engine.turn(4 * MS)


def test_no_call_is_opened_once_the_quit_is_forced() -> None:
    ticks = both(CALLER, ANSWERER).until(2)
    ticks.engine.quit(QuitLevel.QUIT_FORCED)
    assert not ticks.receive(stranger("MESSAGE"))
    assert side(ticks).calls_created == 0


@pytest.mark.parametrize(("command", "reason"), [("stop_now", "now"), ("stop_gracefully", "graceful")])
def test_the_second_scenario_can_stop_the_run(command: str, reason: str) -> None:
    stops = scenario(recv_doing("MESSAGE", f"<exec int_cmd='{command}'/>"), send("200"))
    ticks = both(CALLER, stops, n_calls=100).until(3)
    ticks.receive(stranger("MESSAGE"))
    is_over = ticks.engine.turn(4 * MS)
    assert (ticks.engine.stop_reason, is_over) == (reason, reason == "now")
    if not is_over:
        ticks.until(9)
        assert ticks.counts("outgoing_calls") == [3]


@pytest.mark.parametrize("kind", ["rx", "ooc"])
def test_an_aborted_call_of_the_second_scenario_ends_as_a_client_does(kind: str) -> None:
    ticks = both(CALLER, CALLEE, kind).until(2)
    ticks.receive(stranger("INVITE"), stranger("ACK"))
    assert names(ticks.receive(stranger("MESSAGE", cseq=2))) == ["BYE"]
    assert side_counts(ticks, "failed_unexpected_message") == [1]


# ---- what both share -----------------------------------------------------------------------------------


def test_a_global_variable_of_one_name_is_one_variable() -> None:
    caller = scenario(
        "<Global variables='mine,word'/>",
        send("OPTIONS"),
        recv("200"),
        nop(assign_text("mine", "a"), log("[$word][$mine]")),
    )
    told = scenario(
        "<Global variables='word'/>",
        recv_doing("MESSAGE", assign_text("word", "told [call_id]")),
        send("200"),
        nop(log("[$word]")),
    )
    ticks = both(caller, told).until(2)
    ticks.receive(stranger("MESSAGE"), response(200, "OPTIONS"))
    shown = [r[5].decode() for r in ticks.engine.ring.drain(1 << 20) if r[0] & 0xFF == TraceKind.TRACE_LOG]
    assert shown == ["told 900-7@127.0.0.1", "told 900-7@127.0.0.1a"]


def test_a_global_that_only_the_second_scenario_has_can_be_set() -> None:
    told = scenario("<Global variables='word'/>", recv("MESSAGE"), send("200"), nop(log("[$word]")))
    ticks = both(CALLER, told)
    ticks.engine.set_global("word", b"given")
    ticks.receive(stranger("MESSAGE"))
    shown = [r[5] for r in ticks.engine.ring.drain(1 << 20) if r[0] & 0xFF == TraceKind.TRACE_LOG]
    assert shown == [b"given"]


def test_texts_that_one_scenario_sets_and_the_other_replaces_are_given_back() -> None:
    caller = scenario("<Global variables='word'/>", send("OPTIONS"), recv("200"), nop(assign_text("word", LONG)))
    told = scenario("<Global variables='word'/>", recv_doing("MESSAGE", assign_text("word", "b" * 5000)), send("200"))
    ticks = both(caller, told, n_calls=500, dead_wait_ms=0, ring=TraceRing(1 << 12), trace_mask=0)
    sizes = set()
    for number in range(1, 501):
        ticks.until(number)
        # the two scenarios take call numbers in turn
        ticks.receive(stranger("MESSAGE"), response(200, "OPTIONS", number=2 * number - 1))
        if number > 10:
            sizes.add((ticks.total.gauge("memory_bytes"), side(ticks).gauge("memory_bytes")))
    assert ticks.counts("successful_calls") == side_counts(ticks, "successful_calls") == [500]
    assert len(sizes) == 1


FILES = {"a.csv": b"SEQUENTIAL\na0\na1\na2\na3\n", "b.csv": b"SEQUENTIAL\nb0\nb1\nb2\nb3\n"}


def shown_fields(ticks: Ticks) -> list[str]:
    ticks.until(1).receive(stranger("MESSAGE"))
    ticks.until(2).receive(stranger("MESSAGE", number=STRANGER + 1))
    return [r[5].decode() for r in ticks.engine.ring.drain(1 << 20) if r[0] & 0xFF == TraceKind.TRACE_LOG]


def test_calls_of_both_scenarios_take_the_lines_of_a_file_in_turn() -> None:
    caller = scenario(send("OPTIONS"), nop(log("main [field0]")), recv("200"))
    told = scenario(recv("MESSAGE"), send("200"), nop(log("rx [field0]")))
    assert shown_fields(both(caller, told, n_calls=2, files=FILES)) == ["main a0", "rx a1", "main a2", "rx a3"]


def test_the_second_scenario_may_have_a_default_file_of_its_own() -> None:
    caller = scenario(send("OPTIONS"), nop(log("main [field0]")), recv("200"))
    told = scenario(recv("MESSAGE"), send("200"), nop(log("rx [field0] [field0 file=a.csv]")))
    shown = shown_fields(both(caller, told, n_calls=2, files=FILES, default="b.csv"))
    assert shown == ["main a0", "rx b1 a1", "main a2", "rx b3 a3"]


def test_a_scenario_that_reads_no_field_moves_the_files_on_all_the_same() -> None:
    caller = scenario(send("OPTIONS"), nop(log("main [field0]")), recv("200"))
    assert shown_fields(both(caller, ANSWERER, n_calls=2, files=FILES)) == ["main a0", "main a2"]


# ---- what does not fit together ------------------------------------------------------------------------


def test_programs_that_number_globals_or_files_otherwise_are_refused() -> None:
    first, _ = programs(CALLER, ANSWERER)
    _, other = programs(CALLER, scenario("<Global variables='a,a'/>", recv("MESSAGE"), send("200")))
    with pytest.raises(ValueError, match="differ in global_variables"):
        Engine(first, side=other, remote=CLIENT)
    _, other = programs(CALLER, ANSWERER, names=("a.csv",))
    with pytest.raises(ValueError, match="differ in injection_names"):
        Engine(first, side=other, remote=CLIENT)


def test_a_second_scenario_is_of_one_of_two_kinds() -> None:
    first, other = programs(CALLER, ANSWERER)
    with pytest.raises(ValueError, match="neither rx nor ooc"):
        Engine(first, side=other, side_kind="tx", remote=CLIENT)


def test_an_engine_without_a_second_scenario_has_no_second_counters() -> None:
    first, _ = programs(CALLER, ANSWERER)
    alone = Engine(first, remote=CLIENT)
    for of in (alone.snapshot, alone.layout):
        with pytest.raises(ValueError, match="no second program"):
            of(side=True)


# ---- two of them against each other --------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_two_mixed_engines_call_each_other_over_a_bad_link(seed: int) -> None:
    caller = scenario(send("MESSAGE", "retrans='500'"), recv("200"))
    callee = scenario(recv("MESSAGE"), send("200"), "<timewait milliseconds='35000'/>")
    made: list[Engine] = []
    for pid, port in ((7, 5061), (8, 5060)):
        first, other = programs(caller, callee, bindings=Bindings(pid=pid, local_port=port))
        one = Engine(first, side=other, remote=CLIENT, start_ns=0, seed=seed + pid, capacity=1 << 12)
        one.set_rate(50.0)
        made.append(one)
    link = Link(made[0], made[1], loss=0.1, duplicate=0.1, delay_ms=(1.0, 30.0), seed=seed)
    link.run(4 * S)
    for one in made:
        one.pause(True)
    link.run(90 * S)
    for one in made:
        total, answered = snapshot(one), side(one)
        accounted(total)
        accounted(answered)
        assert total.counter("successful_calls") == total.calls_created >= 190
        assert total.gauge("current_calls") == answered.gauge("current_calls") == 0
    for a, b in itertools.permutations(made):
        assert side(b).counter("successful_calls") == snapshot(a).counter("successful_calls")
