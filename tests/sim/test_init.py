"""<init>: a hidden call that runs once, sets globals, and is counted nowhere."""

from __future__ import annotations

import pytest

from sim.language import assign, assign_text, client, log, logged, memory_bytes, nop, recv_doing, run
from sim.ticks import Ticks, accounted, recv, response, scenario, send
from sippx._core.codes import QuitLevel, TraceKind


def with_init(text: str, *elements: str, declare: str = "") -> str:
    return text.replace("<scenario>", f"<scenario>{declare}<init>{''.join(elements)}</init>", 1)


def initialised(text: str, **more: object) -> Ticks:
    ticks = run(text, **more)  # type: ignore[arg-type]
    ticks.engine.run_init()
    return ticks


GLOBAL = "<Global variables='g,t'/>"


def test_globals_of_init_are_seen_by_every_call() -> None:
    text = with_init(
        client(nop(log("[$g] [$t]"), "<add assign_to='g' value='1'/>")),
        nop(assign("g", 5), assign_text("t", "text")),
        declare=GLOBAL,
    )
    assert logged(initialised(text, n_calls=3).until(5)) == [f"{n:f} text" for n in (5, 6, 7)]


def test_init_runs_at_once_and_is_no_call_of_the_test() -> None:
    ticks = initialised(with_init(client(nop(log("call"))), nop(log("init"))), n_calls=2)
    assert logged(ticks) == ["init"]
    assert ticks.total.calls_created == 0
    ticks.until(5)
    assert logged(ticks) == ["call", "call"]
    assert ticks.counts("outgoing_calls", "successful_calls", "calls_ended") == [2, 2, 2]
    assert ticks.total.calls_created == 2
    assert ticks.total.gauge("current_calls") == 0
    accounted(ticks.total)


def test_init_takes_the_first_call_number() -> None:
    ticks = initialised(with_init(client(nop(log("[call_number]"))), nop(log("[call_number]")))).until(3)
    assert logged(ticks) == ["1", "2"]


def test_without_init_nothing_runs() -> None:
    ticks = initialised(client(nop(log("[call_number]")))).until(3)
    assert logged(ticks) == ["1"]


def test_variables_of_init_are_its_own() -> None:
    text = with_init(client(nop(log("([$x])"), assign("x", 2), log("([$x])"))), nop(assign("x", 1), log("([$x])")))
    assert logged(initialised(text).until(3)) == ["(1.000000)", "()", "(2.000000)"]


def test_jumps_and_tests_of_init_stay_in_init() -> None:
    init = (
        nop(assign("n", 3)),
        "<label id='again'/>",
        nop(log("turn [$n]"), "<subtract assign_to='n' value='1'/>",
            "<test assign_to='more' variable='n' compare='greater_than' value='0'/>",
            attributes="next='again' test='more'"),
        nop("<index assign_to='i'/>", log("index [$i]")),
    )  # fmt: skip
    ticks = initialised(with_init(client(nop(log("call"))), *init))
    assert logged(ticks) == ["turn 3.000000", "turn 2.000000", "turn 1.000000", "index 2.000000"]
    assert logged(ticks.until(3)) == ["call"]


def test_init_longer_than_a_turn_goes_on_in_the_next_ones() -> None:
    text = with_init(client(nop(log("call"))), *[nop(log(f"{i}")) for i in range(10)])
    ticks = initialised(text, run_steps=3)
    assert logged(ticks) == ["0", "1", "2"]
    ticks.until(8)
    assert [text for text in logged(ticks) if text != "call"] == [str(i) for i in range(3, 10)]
    assert ticks.total.gauge("current_calls") == 0


def test_init_may_stop_the_run() -> None:
    ticks = initialised(with_init(client(recv("200")), nop("<error message='no'/>")))
    assert ticks.engine.stop_reason == "error"
    assert logged(ticks, TraceKind.TRACE_ERROR) == ["no"]


@pytest.mark.parametrize("command", ["stop_call", "nothing"])
def test_failed_init_call_is_counted_nowhere_either(command: str) -> None:
    loop = ("<label id='1'/>", nop(log("-"), attributes="next='1'"))
    init = (nop("<exec int_cmd='stop_call'/>"),) if command == "stop_call" else loop
    ticks = initialised(with_init(client(nop(log("call"))), *init), run_steps=5).until(3)
    ticks.engine.quit(QuitLevel.QUIT_FORCED)
    ticks.until(4)
    assert ticks.counts("calls_ended", "failed_calls") == [1, 0]
    accounted(ticks.total)


def test_global_set_from_outside_is_seen() -> None:
    ticks = run(scenario(GLOBAL, send("OPTIONS"), nop(log("[$t] [$g]"))), n_calls=2)
    ticks.engine.set_global("t", b"outside")
    assert logged(ticks.until(4)) == ["outside ", "outside "]


def test_global_texts_are_replaced_not_piled_up() -> None:
    text = scenario(GLOBAL, send("OPTIONS"), recv_doing("200", assign_text("g", "x" * 3000), log("[$g][$t]")))
    ticks = run(text, n_calls=1500, dead_wait_ms=0, trace_mask=0)
    before = None
    for number in range(1, 1501):
        ticks.until(number)
        ticks.receive(response(200, "OPTIONS", number=number))
        ticks.engine.set_global("t", b"y" * 3000)
        if number == 10:
            before = memory_bytes(ticks)
    assert memory_bytes(ticks) == before
