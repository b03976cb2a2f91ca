"""One test: scenario and options put together, the slice loop, and commands from outside."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from sippx import control
from sippx._core import codes
from sippx.addresses import resolve_addresses, resolve_remote
from sippx.errors import StartError
from sippx.options import Options
from sippx.plugins import Plugins
from sippx.rate import automatic_limit, calls_per_second
from sippx.report.flow import RunInfo
from sippx.report.reporter import Reporters
from sippx.report.snapshot import Layout, Snapshot
from sippx.report.terminal import Display
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
from sippx.runner.results import RunResults
from sippx.runner.second import compile_both, load_second
from sippx.runner.traces import make_ring, make_traces
from sippx.scenario import Scenario
from sippx.sockets import open_udp_socket

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
        self.measures = measures_of(scenario)
        self._results = RunResults(
            scenario, options, self.measures, abort=self._abort, command_line=command_line
        )
        remote, local = resolve_addresses(options.remote_host, options.local_ip, is_client=scenario.is_client)
        if options.bind_local:
            local = local.bound_to_itself()
        self._closing = ExitStack()
        with ExitStack() as on_error:
            on_error.callback(self._closing.close)
            self._socket = self._closing.enter_context(
                open_udp_socket(
                    local, options.local_port, options.buffer_size_bytes, device=options.bind_device
                )
            )
            self.local_ip = local.ip
            self.local_port: int = self._socket.getsockname()[1]
            target = remote
            if options.remote_sending_host is not None:
                target = resolve_remote(options.remote_sending_host, local.family)
            self._place = Place(remote, target, local, self.local_port)
            self._program, side = compile_both(scenario, self._second, make_bindings(options, self._place))
            self._injection_files = InjectionFiles(options)
            check_program(scenario, self._program, options, self._injection_files)
            if self._second is not None and side is not None:
                check_program(self._second.scenario, side, options, self._injection_files)
            ring = make_ring(options)
            self._engine = make_engine(
                self._program, options, self._place, self._injection_files, ring, self._socket.fileno(),
                trace_mask=0, side=side, side_kind=self._second.kind if self._second else "rx",
            )  # fmt: skip
            self._layout = Layout.from_dict(self._engine.layout())
            self.flow = tuple(flow_step(step, scenario, options) for step in scenario.steps)
            traces = make_traces(
                scenario, options, self.flow, self.measures, ring,
                second=self._second.scenario if self._second else None,
            )  # fmt: skip
            self._tracer = traces.tracer
            self._tracer.follow(self._engine.set_trace_mask)
            reporters = [*traces.reporters, *self._results.reporters, *self._plugins.reporters]
            self._reporters = Reporters(reporters, self._look)
            on_error.pop_all()
        self._run_once = threading.Lock()
        self._rate = options.rate
        self._limit = 0
        self._limit_said = False
        self._quit_level = 0
        self._paused = False
        self._timed_out = False
        self._screens_wanted = False
        self._start_wall_ns = 0
        self._cpu_start_s = 0.0
        self._cpu_s = 0.0
        self._last_snapshot: Snapshot | None = None

    # ---- commands -----------------------------------------------------------------------------------

    def quit(self, step: int = control.QUIT_SOFT_STEP) -> None:
        """Raise the quit level: no new calls from now on; above 11 open calls are aborted."""
        self._quit_level += step

    def pause(self, paused: bool) -> None:
        """Stop opening calls, or go on; calls that fall due meanwhile are left out."""
        self._paused = paused

    def set_rate(self, rate: float) -> None:
        """Calls per rate period from now on; the automatic limit of open calls follows."""
        self._rate = rate

    def request_screens(self) -> None:
        """Have all screens written to the screen file with the next slice (SIGUSR2)."""
        self._screens_wanted = True

    def _abort(self) -> None:
        self.quit(control.QUIT_FORCED_STEP)

    def _execute(self, command: control.Command, display: Display) -> None:
        match command:
            case control.AdjustRate():
                self._rate = command.applied_to(self._rate)
            case control.TogglePause():
                self._paused = not self._paused
            case control.Quit(step):
                self.quit(step)
            case control.ShowScreen(number):
                display.select(str(number))
        display.request()

    def _apply_commands(self) -> None:
        engine = self._engine
        if control.is_quitting(self._quit_level):
            forced = control.is_quit_forced(self._quit_level)
            engine.quit(codes.QuitLevel.QUIT_FORCED if forced else codes.QuitLevel.QUIT_SOFT)
        if engine.paused != self._paused:
            engine.pause(self._paused)

    def _apply_rate(self) -> None:
        options = self.options
        self._engine.set_rate(float(calls_per_second(self._rate, options.rate_period_ms)))
        if options.max_open_calls is not None:
            self._limit = options.max_open_calls
        else:
            duration_ms = self._program.spec.scenario_duration_ms
            self._limit = automatic_limit(self._rate, options.rate_period_ms, duration_ms, options.pause_ms)
        self._engine.set_limit(self._limit)

    # ---- the run ------------------------------------------------------------------------------------

    def run(self, display: Display | None = None, keys: control.KeyReader | None = None) -> Result:
        """Run to the end and return the result; final statistics are written whatever happens.

        display and keys: the terminal of the command; None runs silently. Raises RuntimeError the second time:
        two threads in one engine would share its calls without a lock.
        """
        if not self._run_once.acquire(blocking=False):
            raise RuntimeError("a Runner runs once: make another for another run")
        self._tracer.start()
        second_warnings = self._second.scenario.warnings if self._second is not None else ()
        for warning in (*self.scenario.warnings, *second_warnings, *self._injection_files.warnings()):
            self._tracer.warn(warning)
        self._start_wall_ns = time.time_ns()
        start_s = time.monotonic()
        self._cpu_start_s = time.thread_time()
        try:
            with _pinned(self.options.cpu):
                self._loop(display, keys, start_s)
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
            stop_reason=self._engine.stop_reason,
            **self._results.judged(),
        )
        self._results.write(result, info, self.flow)
        self._plugins.end(result)
        return result

    def _loop(self, display: Display | None, keys: control.KeyReader | None, start_s: float) -> None:
        options, engine = self.options, self._engine
        if options.max_calls == 0:
            engine.quit(codes.QuitLevel.QUIT_SOFT)
        applied_rate: float | None = None
        self._reporters.begin(time.monotonic_ns())
        engine.run_init()
        for n_slices in itertools.count(1):
            if self._rate != applied_rate:
                self._apply_rate()
                applied_rate = self._rate
            self._apply_commands()
            state = engine.run(SLICE_NS)
            if state == "finished":
                return
            self._cpu_s = time.thread_time() - self._cpu_start_s
            self._reporters.poll(time.monotonic_ns())
            if options.timeout_ms and not self._timed_out and time.monotonic() - start_s >= options.timeout_ms / 1000:
                self._timed_out = True
                self._abort()
            for command in keys.poll() if keys is not None and display is not None else ():
                assert display is not None
                self._execute(command, display)
            if display is not None and display.is_due(time.monotonic_ns()):
                display.draw(*self._look())
            if self._screens_wanted and display is not None:
                self._write_screens(display)
            self._say_limit()
            if n_slices % _SNAPSHOT_EVERY == 0:
                self._snapshot()

    def _write_screens(self, display: Display) -> None:
        self._screens_wanted = False
        self._tracer.write_screens(display.dump_lines(*self._look()))

    def _say_limit(self) -> None:
        if not self._limit_said and self._engine.counter("limited_starts"):
            self._limit_said = True
            self._tracer.warn(
                f"{self._limit} calls are open, the limit (-l): calls that fall due are held back and counted"
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
        words = self._engine.snapshot()
        wall_ns, now_ns = time.time_ns(), time.monotonic_ns()
        snapshot = Snapshot(words, self._layout, wall_ns, now_ns, self._start_wall_ns, self._engine.start_ns)
        self._last_snapshot = snapshot
        return snapshot

    def info(self) -> RunInfo:
        """Settings and state for screens and reports."""
        options, remote = self.options, self._place.remote
        by_rate = self.scenario.is_client and options.n_users is None
        return RunInfo(
            client=self.scenario.is_client,
            rate=self._rate,
            rate_period_ms=options.rate_period_ms,
            pause_ms=options.pause_ms,
            local_port=self.local_port,
            remote_ip=remote.ip if remote else "",
            remote_port=remote.port if remote else 0,
            limit=self._limit,
            max_calls=options.max_calls,
            quit_level=max(self._quit_level, self._engine.quit_level),
            paused=self._paused,
            loss_enabled=options.lost_percent > 0 or any(step.has_lost for step in self.flow),
            auto_answer=options.auto_answer,
            last_error=self._tracer.last_error,
            users=None if options.n_users is None else self._engine.n_users,
            target_rate=float(calls_per_second(self._rate, options.rate_period_ms)) if by_rate else 0.0,
            cpu_s=self._cpu_s,
            duration_s=options.timeout_ms / 1000 if options.timeout_ms else None,
        )

    @property
    def last_error(self) -> str:
        """Text of the last warning or error, "" without one."""
        return self._tracer.last_error

    def closing_lines(self) -> list[str]:
        """What the command says on stderr after the run: the last error, incomplete files, fallbacks."""
        notes = self._tracer.notes + self._reporters.notes + self._results.lines() + self._plugins.notes
        notes += without_effect(self.options)
        return self._tracer.closing_lines() + notes


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
