"""One test: scenario and options put together, the slice loop, and commands from outside."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from sippx import control
from sippx._core import codes
from sippx.addresses import locate_remote, resolve_addresses
from sippx.errors import StartError
from sippx.options import Options
from sippx.plugins import Plugins
from sippx.rate import calls_per_second
from sippx.report.flow import Flow, RunInfo, ScenarioName
from sippx.report.reporter import Reporters
from sippx.report.snapshot import Layout, Snapshot
from sippx.report.terminal import Display
from sippx.resolver import make_locate
from sippx.result import Result
from sippx.runner.engine_setup import (
    InjectionFiles,
    Place,
    check_program,
    make_bindings,
    make_engine,
    refuse_unbuilt,
    without_effect,
)
from sippx.runner.flow import flow_step, measures_of
from sippx.runner.pace import Pace
from sippx.runner.results import RunResults
from sippx.runner.second import compile_both, load_second
from sippx.runner.steering import execute
from sippx.runner.traces import make_ring, make_traces
from sippx.runner.transports import open_transport
from sippx.runner.twins import open_twins, role_of
from sippx.scenario import Scenario
from sippx.scenario.action_text import action_lines

SLICE_NS = 50_000_000
"""How long the engine runs before Python looks at signals, keys and reports again."""

_SNAPSHOT_EVERY = 4
"""Slices from one copy of the counters for other threads to the next."""


class Runner:
    """One test, ready to run: addresses resolved, socket bound, scenario compiled, files created.

    `run()` may be called once, in any thread; `quit()` and `pause()` from any thread while it runs.
    Raises UsageError, StartError or AddressInUseError when the test cannot start.
    """

    def __init__(
        self,
        scenario: Scenario,
        options: Options,
        *,
        command_line: Sequence[str] = (),
        plugins: Plugins | None = None,
    ) -> None:
        """command_line: the words that gave the options, for the result files.

        plugins: those of the options, where they were loaded before the scenario; None loads them here.
        """
        self._plugins = Plugins(options) if plugins is None else plugins
        self.scenario = scenario
        self.options = options = self._plugins.options
        refuse_unbuilt(scenario)
        self._second = load_second(scenario, options)
        if self._second is not None:
            refuse_unbuilt(self._second.scenario)
        scenarios = [scenario] if self._second is None else [scenario, self._second.scenario]
        role = role_of(scenarios, options)
        self.measures = measures_of(scenario)
        self._results = RunResults(
            scenario, options, self.measures, abort=self._abort, command_line=command_line
        )
        locate = make_locate(options.dns_mode, options.dns_server, options.transport_mode.transport)
        targets, local = resolve_addresses(
            options.remote_host, options.local_ip,
            is_client=scenario.is_client, locate=locate, device=options.bind_device,
        )  # fmt: skip
        remote = targets.first if targets else None
        if options.bind_local:
            local = local.bound_to_itself()
        self._closing = ExitStack()
        with ExitStack() as on_error:
            on_error.callback(self._closing.close)
            self._injection_files = InjectionFiles(options)
            self._transport = open_transport(
                options, local, self._closing, is_client=scenario.is_client, table=self._injection_files.first
            )
            self.local_ip = local.ip
            self.local_port = self._transport.local_port
            if options.remote_sending_host is not None:
                targets = locate_remote(
                    options.remote_sending_host, local, locate=locate, device=options.bind_device
                )
            self._place = Place(remote, targets, self._transport.local, self.local_port)
            self._twins = (
                open_twins(role, scenarios, options, local, self._closing) if role is not None else None
            )
            bindings = make_bindings(options, self._place, has_own_port=self._transport.has_own_port)
            self._program, side = compile_both(scenario, self._second, bindings)
            check_program(scenario, self._program, options, self._injection_files)
            if self._second is not None and side is not None:
                check_program(self._second.scenario, side, options, self._injection_files)
            ring = make_ring(options)
            self._engine = make_engine(
                self._program, options, self._place, self._injection_files, ring, self._transport,
                trace_mask=0, side=side, side_kind=self._second.kind if self._second else "rx",
                twins=self._twins,
            )  # fmt: skip
            self._layout = Layout.from_dict(self._engine.layout())
            self._second_layout = Layout.from_dict(self._engine.layout(True)) if self._second is not None else None
            self.flow = tuple(flow_step(step, scenario, options) for step in scenario.steps)
            traces = make_traces(
                scenario, options, self.flow, self.measures, ring,
                second=self._second.scenario if self._second else None,
            )  # fmt: skip
            self._tracer = traces.tracer
            self._tracer.follow(self._engine.set_trace_mask)
            self.pace = Pace(self._engine, options, self._program.spec.scenario_duration_ms, self.warn)
            reporters = [*traces.reporters, *self._results.reporters, *self._plugins.reporters]
            self._reporters = Reporters(reporters, self._look)
            on_error.pop_all()
        self._run_once = threading.Lock()
        self._limit_said = False
        self._quit_level = 0
        self._paused = False
        self._timed_out = False
        self._stopped = False
        self._screens_wanted = False
        self._start_wall_ns = 0
        self._cpu_start_s = 0.0
        self._cpu_s = 0.0
        self._last_snapshot: Snapshot | None = None
        self._baselines: dict[ScenarioName, Snapshot] = {}

    # ---- commands -----------------------------------------------------------------------------------

    def quit(self, step: int = control.QUIT_SOFT_STEP) -> None:
        """Raise the quit level: no new calls from now on; above 11 open calls are aborted."""
        self._quit_level += step

    def stop(self) -> None:
        """End now, as SIGINT and SIGTERM do: open calls are left as they are, neither ended nor failed."""
        self._stopped = True

    def pause(self, paused: bool) -> None:
        """Stop opening calls, or go on; calls that fall due meanwhile are left out."""
        self._paused = paused

    def set_rate(self, rate: float) -> None:
        """Calls per rate period from now on; the automatic limit of open calls follows."""
        self.pace.set_rate(rate)

    def request_screens(self) -> None:
        """Have all screens written to the screen file with the next slice (SIGUSR2)."""
        self._screens_wanted = True

    def interrupt_plugin(self) -> None:
        """Out of a signal handler: raise in the plugin's function that is at work, if one is."""
        self._plugins.interrupt()

    def _abort(self) -> None:
        self.quit(control.QUIT_FORCED_STEP)

    @property
    def is_paused(self) -> bool:
        """No new calls are opened."""
        return self._paused

    def warn(self, text: str) -> None:
        """Report a warning: in the error log, and as the last error on the screen."""
        self._tracer.warn(text)

    def reset_stats(self) -> None:
        """Begin the cumulative figures again from 0; what is open now stays. In the thread that runs."""
        self._baselines = {name: self._counters(name) for name in self.scenario_names}

    def trace(self, log: str, on: bool) -> None:
        """Switch a log on or off: error, logs, messages or shortmessages."""
        try:
            self._tracer.switch(log, on)
        except KeyError:
            self.warn(f"this run has no {log} log")

    def dump(self, what: str) -> None:
        """Report what is at work (tasks) or the variables' names (variables) as warnings."""
        if what == "tasks":
            rate = float(calls_per_second(self.pace.rate, self.options.rate_period_ms))
            self.warn(f"---- {self._engine.n_open + 2} Active Tasks ----")
            self.warn("Screen update task.")
            self.warn(f"Uniform rate call generation task: {rate:f}")
            self.warn(f"{self._engine.n_open} calls, one task each")
            return
        for level, scope in enumerate(("global", "user", "call")):
            names = [variable.name for variable in self.scenario.variables if variable.scope == scope]
            self.warn(" ".join((f"{len(names)} level {level} variables:", *names)))

    def _apply_commands(self) -> None:
        engine = self._engine
        if control.is_quitting(self._quit_level):
            forced = control.is_quit_forced(self._quit_level)
            engine.quit(codes.QuitLevel.QUIT_FORCED if forced else codes.QuitLevel.QUIT_SOFT)
        if engine.paused != self._paused:
            engine.pause(self._paused)

    # ---- the run ------------------------------------------------------------------------------------

    def run(
        self,
        display: Display | None = None,
        keys: control.KeyReader | None = None,
        remote: control.ControlSocket | None = None,
    ) -> Result:
        """Run to the end and return the result; final statistics are written whatever happens.

        display, keys and remote: the command's terminal and control socket; None runs silently. Raises
        RuntimeError the second time: two threads in one engine would share its calls without a lock.
        """
        if not self._run_once.acquire(blocking=False):
            raise RuntimeError("a Runner runs once: make another for another run")
        self._tracer.start()
        second_warnings = self._second.scenario.warnings if self._second is not None else ()
        notes = self._place.targets.notes if self._place.targets is not None else ()
        for warning in (*notes, *self.scenario.warnings, *second_warnings, *self._injection_files.warnings()):
            self._tracer.warn(warning)
        self._start_wall_ns = time.time_ns()
        start_s = time.monotonic()
        self._cpu_start_s = time.thread_time()
        try:
            with _pinned(self.options.cpu):
                self._loop(_Desk(display, keys, remote), start_s)
        finally:
            wall_s = time.monotonic() - start_s
            if self.options.trace_screen and display is not None:
                self._write_screens(display)
            self._tracer.stop()
            self._reporters.end()
            total, info = self._look()
            self._closing.close()
            if display is not None:
                display.close()
        result = Result(
            scenario_name=self.scenario.name,
            is_client=self.scenario.is_client,
            total=total,
            measures=self.measures,
            wall_s=wall_s,
            cpu_s=info.cpu_s,
            timed_out=self._timed_out,
            was_stopped=self._stopped,
            stop_reason=self._engine.stop_reason,
            **self._results.judged(),
        )
        self._results.write(result, info, self.flow)
        self._plugins.end(result)
        return result

    def _loop(self, desk: _Desk, start_s: float) -> None:
        options, engine = self.options, self._engine
        if options.max_calls == 0:
            engine.quit(codes.QuitLevel.QUIT_SOFT)
        self._reporters.begin(time.monotonic_ns())
        engine.run_init()
        start_ns = time.monotonic_ns()
        for n_slices in itertools.count(1):
            self._apply_commands()
            slice_ns = self.pace.apply(time.monotonic_ns() - start_ns, SLICE_NS, self._paused)
            if self.pace.wants_end and not control.is_quitting(self._quit_level):
                self.quit()
                self._apply_commands()
            state = engine.run(slice_ns)
            if state == "finished" or self._stopped:
                return
            self._cpu_s = time.thread_time() - self._cpu_start_s
            self._reporters.poll(time.monotonic_ns())
            if options.timeout_ms and not self._timed_out and time.monotonic() - start_s >= options.timeout_ms / 1000:
                self._timed_out = True
                self._abort()
            self._serve(desk)
            self._say_limit()
            if n_slices % _SNAPSHOT_EVERY == 0:
                self._snapshot()

    def _serve(self, desk: _Desk) -> None:
        display = desk.display
        if display is None:
            return
        for command in desk.poll():
            execute(command, self, display)
        if display.is_due(time.monotonic_ns()):
            display.draw(*self.view(display.shown))
        if self._screens_wanted:
            self._write_screens(display)

    def _write_screens(self, display: Display) -> None:
        self._screens_wanted = False
        self._tracer.write_screens(display.dump_lines(*self.view(display.shown)))

    def _say_limit(self) -> None:
        if not self._limit_said and self._engine.counter("limited_starts"):
            self._limit_said = True
            self._tracer.warn(
                f"{self.pace.limit} calls are open, the limit (-l): calls that fall due are held back and counted"
            )

    # ---- state --------------------------------------------------------------------------------------

    @property
    def snapshot(self) -> Snapshot | None:
        """The counters as of a fifth of a second ago at most, None before the first; readable from any thread."""
        return self._last_snapshot

    @property
    def features(self) -> dict[str, bool]:
        """Which ways of batching are in use."""
        return dict(zip(("gso", "gro", "sendmmsg", "recvmmsg"), self._engine.features, strict=True))

    def _look(self) -> tuple[Snapshot, RunInfo]:
        """The counters and the state that goes with them; in the thread that runs."""
        self._cpu_s = time.thread_time() - self._cpu_start_s
        return self._snapshot(), self.info()

    def _snapshot(self) -> Snapshot:
        self._last_snapshot = self._figures("main")
        return self._last_snapshot

    def _figures(self, name: ScenarioName) -> Snapshot:
        return self._counters(name).since(self._baselines.get(name))

    def _counters(self, name: ScenarioName) -> Snapshot:
        is_second = name != "main"
        layout = self._second_layout if is_second else self._layout
        assert layout is not None
        words = self._engine.snapshot(is_second)
        wall_ns, now_ns = time.time_ns(), time.monotonic_ns()
        return Snapshot(words, layout, wall_ns, now_ns, self._start_wall_ns, self._engine.start_ns)

    @property
    def scenario_names(self) -> tuple[ScenarioName, ...]:
        """The scenarios of this run by the names that `set display` knows."""
        return ("main",) if self._second is None else ("main", self._second.kind)

    def second_flow(self) -> Flow | None:
        """What the screens show of the second scenario, None without one."""
        if self._second is None:
            return None
        scenario = self._second.scenario
        steps = tuple(flow_step(step, scenario, self.options) for step in scenario.steps)
        return Flow(steps, measures_of(scenario), action_lines(scenario.steps))

    def view(self, name: ScenarioName) -> tuple[Snapshot, RunInfo]:
        """Figures of one of the scenarios and the state that goes with them; in the thread that runs."""
        total, info = self._look()
        if name == "main":
            return total, info
        return self._figures(name), replace(info, client=False, scenario=name, twin="")

    def info(self) -> RunInfo:
        """Settings and state for screens and reports."""
        options, remote = self.options, self._place.remote
        by_rate = self.scenario.is_client and options.n_users is None
        return RunInfo(
            client=self.scenario.is_client,
            rate=self.pace.rate,
            rate_period_ms=options.rate_period_ms,
            pause_ms=options.pause_ms,
            local_port=self.local_port,
            remote_ip=remote.ip if remote else "",
            remote_port=remote.port if remote else 0,
            transport=options.transport_mode.transport,
            limit=self.pace.limit,
            max_calls=self.pace.n_calls_max,
            quit_level=max(self._quit_level, self._engine.quit_level),
            paused=self._paused,
            loss_enabled=options.lost_percent > 0 or any(step.has_lost for step in self.flow),
            auto_answer=options.auto_answer,
            last_error=self._tracer.last_error,
            users=None if options.n_users is None else self._engine.n_users,
            target_rate=float(calls_per_second(self.pace.rate, options.rate_period_ms)) if by_rate else 0.0,
            calls_due=self._engine.calls_due if by_rate else 0.0,
            cpu_s=self._cpu_s,
            duration_s=min(
                (end_s for end_s in (options.timeout_ms / 1000, self.pace.duration_s) if end_s), default=None
            ),
            twin=self._twins.role if self._twins is not None else "",
            is_mixed=self._second is not None and self._second.kind == "rx",
            tdm_taken=self._engine.tdm_taken(),
            open_sockets=1 + self._engine.open_sockets,
            tdm_columns=options.tdm_map[-1] if options.tdm_map is not None else 0,
        )

    @property
    def last_error(self) -> str:
        """Text of the last warning or error, "" without one."""
        return self._tracer.last_error

    @property
    def results_are_lost(self) -> bool:
        """True where a result file (--json, --junit, --html) could not be written."""
        return bool(self._results.notes)

    def opening_lines(self) -> list[str]:
        """What the command says on stderr before the run: fewer sockets than usual."""
        return list(self._transport.notes)

    def closing_lines(self) -> list[str]:
        """What the command says on stderr after the run: the last error, incomplete files, fallbacks."""
        notes = self._tracer.notes + self._reporters.notes + self._results.lines() + self._plugins.notes
        notes += without_effect(self.options)
        return self._tracer.closing_lines() + notes


@dataclass(frozen=True, slots=True)
class _Desk:
    """Where a run is watched and steered from."""

    display: Display | None
    keys: control.KeyReader | None
    remote: control.ControlSocket | None

    def poll(self) -> Iterator[control.Command]:
        """What the user said since the last time."""
        if self.keys is not None:
            yield from self.keys.poll()
            if self.display is not None:
                self.display.set_prompt(self.keys.prompt)
        if self.remote is not None:
            yield from self.remote.poll()


def run(scenario: Scenario, options: Options | None = None) -> Result:
    """Run one test in this thread and return its result. Nothing is printed; the GIL is free while it runs.

    A server needs an end: `Options(max_calls=...)`, `timeout_ms`, or a `Runner` whose `quit()` another
    thread calls.
    """
    return Runner(scenario, options or Options()).run()


@contextmanager
def _pinned(cpu: int | None) -> Iterator[None]:
    """Keeps this thread on one CPU; StartError where there is no such CPU."""
    if cpu is None:
        yield
        return
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {cpu})
    except OSError:
        allowed = ", ".join(map(str, sorted(before)))
        raise StartError(f"--cpu {cpu}: this process may use the CPUs {allowed}") from None
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
