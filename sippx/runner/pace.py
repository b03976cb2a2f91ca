"""How many calls an engine opens: its rate, its users, the limit of open calls, and what changes them by itself."""

from __future__ import annotations

from collections.abc import Callable

from sippx import control
from sippx._core.engine import Engine
from sippx.errors import UsageError
from sippx.options import Options
from sippx.rate import NS_PER_S, RateSteps, StageProgram, automatic_limit, calls_per_second, parse_stages
from sippx.runner.engine_setup import MAX_USERS

_ENGINE_RATE_MAX = 9.9e11
_NOT_BY_USERS = "Rates can not be set in a user-based benchmark."


def stage_program(options: Options) -> StageProgram | None:
    """The rates of --stages; UsageError where the text is none or does not fit other options."""
    if options.stages is None:
        return None
    if options.n_users is not None:
        raise UsageError("--stages and -users exclude each other: stages are rates")
    if options.rate_increase:
        raise UsageError("--stages and -rate_increase exclude each other")
    try:
        return StageProgram(parse_stages(options.stages), options.rate_period_ms)
    except ValueError as error:
        raise UsageError(f'--stages, "{options.stages}" {error}') from None


class Pace:
    """The rate, users and limit of one engine, applied to it by `apply` before each slice of the run.

    warn is told why a change was refused, or what it ends. Changes may come from any thread and take effect with
    the next slice; a rate that is set by hand ends --stages, and -rate_increase goes on from it.
    """

    def __init__(
        self, engine: Engine, options: Options, scenario_duration_ms: int, warn: Callable[[str], None]
    ) -> None:
        self._engine = engine
        self._options = options
        self._scenario_duration_ms = scenario_duration_ms
        self._warn = warn
        self._stages = stage_program(options)
        interval_ms = options.stat_period_ms if options.rate_interval_ms is None else options.rate_interval_ms
        self._steps = RateSteps(options.rate_increase, interval_ms, options.rate_max, options.rate_quit)
        self._n_steps_done = 0
        self._scale = options.rate_scale
        self._limit_by_hand = options.max_open_calls
        self._applied: tuple[float, int | None] | None = None
        self._n_calls_applied: int | None = options.max_calls
        self._was_paused = False
        self.rate = options.rate if self._stages is None else float(self._stages.rate_at(0))
        self.limit = 0
        self.wants_end = False

    @property
    def duration_s(self) -> float | None:
        """When --stages end the run [s], None without them."""
        return None if self._stages is None else self._stages.end_ns / NS_PER_S

    @property
    def _has_users(self) -> bool:
        return self._options.n_users is not None

    # ---- changes ------------------------------------------------------------------------------------

    def set_rate(self, rate: float) -> None:
        """Calls per rate period from now on; the automatic limit of open calls follows."""
        if self._has_users:
            self._warn(_NOT_BY_USERS)
            return
        if self._stages is not None:
            self._stages, self._applied = None, None
            self._warn(f"the rate was set to {rate:g} by hand: --stages has no effect any more")
        self.rate = rate

    def adjust(self, change: control.AdjustRate) -> None:
        """A key that changes the rate or the users."""
        if self._has_users:
            self.set_users(change.applied_to_users(self._engine.n_users, self._scale))
        else:
            self.set_rate(change.applied_to(self.rate, self._scale))

    def set_scale(self, scale: float) -> None:
        """What one step of those keys is worth."""
        self._scale = scale

    def set_users(self, n_users: int) -> None:
        """Users from now on."""
        if not self._has_users:
            self._warn("Users can not be changed at run time for a rate-based benchmark.")
        else:
            self._engine.set_users(min(n_users, MAX_USERS))

    def set_limit(self, n_calls: int) -> None:
        """Open calls from now on at most; 0: no limit."""
        if self._has_users:
            self._warn("Can not set call limit for a user-based benchmark.")
        else:
            self._limit_by_hand = n_calls

    # ---- the run ------------------------------------------------------------------------------------

    def apply(self, elapsed_ns: int, longest_ns: int, is_paused: bool) -> int:
        """Tell the engine what to do from now on; returns how long its next slice should be [ns].

        elapsed_ns: since the engine's start. is_paused: no calls are opened in that slice.
        """
        self._step(elapsed_ns)
        slice_ns = longest_ns
        stages = self._stages
        if stages is not None:
            slice_ns = self._follow(stages, elapsed_ns, longest_ns, is_paused)
        elif self._applied is None or self._applied[0] != self.rate:
            self._set_engine_rate(float(calls_per_second(self.rate, self._options.rate_period_ms)))
        if self._applied != (self.rate, self._limit_by_hand):
            self._set_engine_limit(self.rate if stages is None else stages.peak_rate)
        self._applied = (self.rate, self._limit_by_hand)
        if self._n_calls_applied != self.n_calls_max:
            self._n_calls_applied = self.n_calls_max
            self._engine.set_max_calls(self.n_calls_max or 0)
        self._was_paused = is_paused
        return slice_ns

    def _step(self, elapsed_ns: int) -> None:
        n_due = self._steps.n_steps(elapsed_ns)
        if n_due > self._n_steps_done and not self._has_users and not self.wants_end:
            self.rate, self.wants_end = self._steps.after(self.rate, n_due - self._n_steps_done)
        self._n_steps_done = n_due

    def _follow(self, stages: StageProgram, elapsed_ns: int, longest_ns: int, is_paused: bool) -> int:
        self.rate = float(stages.rate_at(elapsed_ns))
        due = self._engine.calls_due
        if self._was_paused or is_paused:
            stages.resume(elapsed_ns, due)
        slice_ns = stages.slice_ns(elapsed_ns, longest_ns)
        self.wants_end = stages.is_over(elapsed_ns, due)
        self._set_engine_rate(0.0 if self.wants_end else stages.rate_for(elapsed_ns, slice_ns, due))
        return slice_ns

    def _set_engine_rate(self, calls_per_s: float) -> None:
        self._engine.set_rate(min(calls_per_s, _ENGINE_RATE_MAX))

    def _set_engine_limit(self, rate: float) -> None:
        if self._limit_by_hand is not None:
            self.limit = self._limit_by_hand
        else:
            options = self._options
            self.limit = automatic_limit(
                rate, options.rate_period_ms, self._scenario_duration_ms, options.pause_ms
            )
        self._engine.set_limit(self.limit)

    @property
    def n_calls_max(self) -> int | None:
        """Calls after which the run places no more: -m, or those of --stages; None: no end."""
        ends = (self._options.max_calls, None if self._stages is None else self._stages.n_total)
        return min((n_calls for n_calls in ends if n_calls is not None), default=None)
