"""What changes an engine's rate, users and limit by itself or by hand, on the virtual clock."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.link import MS, S, engine
from sim.ticks import scenario, send
from sippx import Options
from sippx._core.engine import Engine
from sippx.control import AdjustRate
from sippx.rate import StageProgram, parse_stages
from sippx.runner.pace import Pace

ONE_SHOT = scenario(send("MESSAGE"))
SLICE_NS = 50 * MS


class Run:
    """An engine paced in slices, as the runner does it."""

    def __init__(self, **options: object) -> None:
        self.engine: Engine = engine(
            ONE_SHOT, dead_wait_ms=0, n_users=options.get("n_users", 0), max_users=1_000_000
        )
        self.warnings: list[str] = []
        self.pace = Pace(self.engine, Options(**options), 0, self.warnings.append)  # type: ignore[arg-type]
        self.now_ns = 0
        self.is_paused = False

    def slices(self, until_ns: int, turn_ns: int = 5 * MS) -> None:
        """Run slices until the time or until the pace wants the end."""
        while self.now_ns < until_ns:
            self.engine.pause(self.is_paused)
            slice_ns = self.pace.apply(self.now_ns, SLICE_NS, self.is_paused)
            if self.pace.wants_end:
                return
            end_ns = self.now_ns + slice_ns
            while self.now_ns < end_ns:
                self.now_ns = min(self.now_ns + turn_ns, end_ns)
                self.engine.turn(self.now_ns)
                self.engine.take_sent()

    @property
    def n_calls(self) -> int:
        """Calls placed."""
        return self.engine.counter("outgoing_calls")


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 900), st.integers(0, 3000)), min_size=1, max_size=4))
def test_stages_place_their_exact_total_whatever_they_are(stages: list[tuple[int, int]]) -> None:
    text = ",".join(f"{ms}ms:{rate}" for ms, rate in stages)
    run = Run(stages=text, max_open_calls=0)
    run.slices(10 * S)
    assert run.n_calls == StageProgram(parse_stages(text), 1000).n_total
    assert run.now_ns - sum(ms for ms, _ in stages) * MS <= 2 * SLICE_NS


def test_calls_of_stages_follow_the_ramp_at_every_slice() -> None:
    run, ramps = Run(stages="0:2s:1000,1s:0"), StageProgram(parse_stages("0:2s:1000,1s:0"), 1000)
    for n in range(1, 30):
        run.slices(n * 100 * MS)
        assert abs(run.n_calls - ramps.calls_at(run.now_ns)) < 1.5
        assert abs(run.engine.calls_due - ramps.calls_at(run.now_ns)) < 0.6


def test_a_pause_leaves_the_calls_of_its_time_out_and_the_stages_go_on() -> None:
    run = Run(stages="100:10s:100")
    run.slices(2 * S)
    run.is_paused = True
    run.slices(5 * S)
    run.is_paused = False
    run.slices(20 * S)
    assert run.pace.wants_end
    assert run.n_calls == pytest.approx(700, abs=2)


def test_a_rate_by_hand_ends_the_stages_and_their_count_of_calls() -> None:
    run = Run(stages="10:1s:10", max_calls=500)
    run.slices(S // 2)
    assert run.pace.n_calls_max == 10
    run.pace.adjust(AdjustRate(10))
    assert run.warnings == ["the rate was set to 20 by hand: --stages has no effect any more"]
    run.slices(3 * S)
    assert run.n_calls == pytest.approx(5 + 50, abs=1)
    assert run.pace.n_calls_max == 500
    assert not run.pace.wants_end


def test_steps_of_the_rate_go_on_from_a_rate_set_by_hand() -> None:
    run = Run(rate=10, rate_increase=10.0, rate_interval_ms=1000, rate_max=100.0)
    run.slices(S + S // 2)
    assert run.pace.rate == 20
    run.pace.set_rate(75)
    run.slices(2 * S + S // 2)
    assert run.pace.rate == 85
    run.slices(10 * S)
    assert run.pace.rate == 100 and run.pace.wants_end


def test_the_automatic_limit_follows_the_rate_until_one_is_set() -> None:
    run = Run(rate=10)
    run.slices(MS)
    assert run.pace.limit == 30
    run.pace.set_rate(100)
    run.slices(100 * MS)
    assert run.pace.limit == 300
    run.pace.set_limit(7)
    run.slices(200 * MS)
    run.pace.set_rate(200)
    run.slices(300 * MS)
    assert run.pace.limit == 7


def test_users_are_changed_only_where_there_are_users_and_rates_only_where_there_are_none() -> None:
    by_rate, by_users = Run(rate=10), Run(n_users=7, rate_scale=2.0)
    by_rate.pace.set_users(3)
    assert by_rate.warnings == ["Users can not be changed at run time for a rate-based benchmark."]
    by_users.pace.set_rate(3)
    by_users.pace.set_limit(3)
    assert by_users.warnings == [
        "Rates can not be set in a user-based benchmark.",
        "Can not set call limit for a user-based benchmark.",
    ]
    by_users.pace.adjust(AdjustRate(1))
    assert by_users.engine.n_users == 9


def test_calls_due_stand_still_in_a_pause() -> None:
    one = engine(ONE_SHOT, dead_wait_ms=0)
    one.set_rate(1000.0)
    one.turn(S // 2)
    assert one.calls_due == pytest.approx(500)
    one.pause(True)
    one.turn(S)
    assert one.calls_due == 500
    one.pause(False)
    one.turn(S + 10 * MS)
    assert one.calls_due == pytest.approx(510)


def test_taken_circuits_are_told_one_byte_each() -> None:
    one = engine(ONE_SHOT, dead_wait_ms=0, tdm=(0, 3, 5, 1, 2, 1, 8))
    assert one.tdm_taken() == bytes(48)
    assert engine(ONE_SHOT).tdm_taken() == b""
