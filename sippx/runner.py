"""The composition root: scenario + options -> sockets, program, engine, reports; the slice loop; signals."""

from __future__ import annotations

import itertools
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import IO, TypeVar

from sippx import control
from sippx._core import codes
from sippx._core.engine import Engine
from sippx._core.injection import Injection
from sippx._core.program import Program
from sippx._core.ring import TraceRing
from sippx.addresses import RemoteAddress, bracketed, resolve_addresses
from sippx.commands import CommandRunner
from sippx.errors import RunError, SippxError, StartError, UsageError
from sippx.injection import InjectionTable, Order, load_injection
from sippx.options import Options, injection_name
from sippx.rate import automatic_limit, calls_per_second
from sippx.report import tracefile
from sippx.report.flow import FlowStep, Measures, RunInfo, duration_text
from sippx.report.snapshot import Layout, Snapshot
from sippx.report.statfile import StatFile
from sippx.report.terminal import Display, open_display
from sippx.report.tracer import Tracer
from sippx.result import Result
from sippx.scenario import Bindings, Scenario, compile_scenario
from sippx.scenario.model import NopStep, PauseStep, RecvCmdStep, RecvStep, SendCmdStep, SendStep, Step
from sippx.scenario.pauses import distribution_text
from sippx.sockets import open_udp_socket

__all__ = ["Result", "Runner", "run", "run_command"]

SLICE_NS = 50_000_000
"""How long the engine runs before Python looks at signals, keys and reports again."""

MAX_USERS = 1_000_000
"""Users that may be reached by raising their number while sippx runs."""

_SNAPSHOT_EVERY = 4
"""Slices from one copy of the counters for other threads to the next."""

_ERROR_RING_BYTES = 1 << 22
_MESSAGE_RING_BYTES = 1 << 26
_MESSAGE_KINDS = (
    codes.TraceKind.TRACE_SENT,
    codes.TraceKind.TRACE_RECEIVED,
    codes.TraceKind.TRACE_UNEXPECTED,
    codes.TraceKind.TRACE_LOST,
)
_BEHAVIORS = {
    "bye": codes.Behavior.BEHAVIOR_BYE,
    "abortunexp": codes.Behavior.BEHAVIOR_ABORT_UNEXPECTED,
    "pingreply": codes.Behavior.BEHAVIOR_PING_REPLY,
}

_T = TypeVar("_T")


class Runner:
    """One test, ready to run: addresses resolved, socket bound, scenario compiled, files created.

    `run()` may be called once, in any thread; `quit()` and `pause()` from any thread while it runs.
    Raises UsageError, StartError or AddressInUseError when the test cannot start.
    """

    def __init__(self, scenario: Scenario, options: Options) -> None:
        self.scenario = scenario
        self.options = options
        remote, local = resolve_addresses(options.remote_host, options.local_ip, is_client=scenario.is_client)
        self._closing = ExitStack()
        with ExitStack() as on_error:
            on_error.callback(self._closing.close)
            self._socket = self._closing.enter_context(
                open_udp_socket(local, options.local_port, options.buffer_size_bytes)
            )
            self.local_ip = local.ip
            self.local_port: int = self._socket.getsockname()[1]
            self._remote = remote
            self._refuse_unbuilt()
            self._program = Program(compile_scenario(scenario, self._bindings(local.bind_ip)))
            self._injection_tables = load_tables(options)
            self._check_program()
            self._ring = TraceRing(_MESSAGE_RING_BYTES if options.trace_msg else _ERROR_RING_BYTES)
            self._engine = self._make_engine()
            self._layout = Layout.from_dict(self._engine.layout())
            self.flow = tuple(flow_step(step, scenario, options) for step in scenario.steps)
            self.measures = Measures(
                scenario.rtd_names,
                scenario.counter_names,
                scenario.response_time_tables,
                scenario.call_length_table,
            )
            self._tracer = self._make_tracer()
            self._stat_file = self._open_stat_file()
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
        self._last_snapshot: Snapshot | None = None

    # ---- parts --------------------------------------------------------------------------------------

    def _bindings(self, bind_ip: str) -> Bindings:
        options, remote = self.options, self._remote
        media_ip = options.media_ip or self.local_ip
        any_address = bind_ip in ("0.0.0.0", "::")
        return Bindings(
            service=options.service,
            remote_host=remote.host if remote else "",
            remote_ip=bracketed(remote.ip) if remote else "",
            remote_port=remote.port if remote else 5060,
            transport="UDP",
            local_ip=bracketed(self.local_ip),
            local_ip_type="6" if ":" in self.local_ip else "4",
            local_port=self.local_port,
            server_ip="" if any_address else bind_ip,
            media_ip=media_ip,
            media_ip_type="6" if ":" in media_ip else "4",
            media_port=options.media_port,
            pid=os.getpid(),
            pause_ms=options.pause_ms,
            recv_timeout_ms=options.recv_timeout_ms,
            call_id_format=options.call_id_format,
            keys=options.keys,
            sipp_version=_version(),
            retransmissions_enabled=options.retransmissions,
            users=-1 if options.n_users is None else options.n_users,
            auth_username=options.service if options.auth_username is None else options.auth_username,
            auth_password=options.auth_password,
        )

    def _refuse_unbuilt(self) -> None:
        """What the scenario language has and this version cannot run is said before anything starts."""
        for line, text in self.scenario.media_uses:
            raise UsageError(f"{self.scenario.file}:{line}: {text} needs media, which this version does not have yet")
        for step in self.scenario.steps:
            if isinstance(step, SendCmdStep | RecvCmdStep):
                what = "sendCmd" if isinstance(step, SendCmdStep) else "recvCmd"
                raise UsageError(
                    f"{self.scenario.file}:{step.line}: {what} needs a twin, and -3pcc is not built in this version yet"
                )

    def _injections(self) -> list[Injection]:
        """The injection files in the program's order; ScenarioError where one cannot do what is asked of it."""
        options, files = self.options, []
        for name in self._program.spec.injection_names:
            table = self._injection_tables[name]
            if options.n_users is not None and table.order is Order.USER and table.n_lines < options.n_users:
                raise UsageError(
                    f"{table.file} has only {table.n_lines} lines, yet there are {options.n_users} users (-users)"
                )
            try:
                files.append(Injection(table, options.injection_indexes.get(name)))
            except ValueError as error:
                raise UsageError(f"{table.file}: {error}") from None
        return files

    def _check_program(self) -> None:
        """What the scenario asks of options and injection files that were not given so."""
        spec, options = self._program.spec, self.options
        if options.tdm_map is None and (spec.pieces["kind"] == codes.PieceKind.PIECE_TDM_CIRCUIT).any():
            raise UsageError(f"{self.scenario.file}: [tdmmap] needs the option -tdmmap")
        kinds = codes.ActionKind
        for action in spec.actions:
            if action["kind"] not in (kinds.ACTION_LOOKUP, kinds.ACTION_INSERT, kinds.ACTION_REPLACE):
                continue
            name = spec.injection_names[int(action["row"])]
            where = f"{self.scenario.file}:{action['source_line']}"
            if action["kind"] == kinds.ACTION_LOOKUP:
                if name not in options.injection_indexes:
                    raise UsageError(f"{where}: <lookup> needs an index of '{name}' (-infindex {name} COLUMN)")
            elif self._injection_tables[name].n_virtual:
                raise UsageError(f"{where}: nothing can be inserted into or replaced in the PRINTF file '{name}'")

    def _auth_uri(self) -> bytes:
        """The uri of [authentication]: -auth_uri, or the remote address."""
        given, remote = self.options.auth_uri, self._remote
        if given is not None:
            return (given if given.startswith(("sip:", "sips:")) else f"sip:{given}").encode()
        return f"sip:{remote.ip}:{remote.port}".encode() if remote else b"sip:"

    def _make_engine(self) -> Engine:
        options = self.options
        behaviors = 0
        for name in options.default_behaviors:
            behaviors |= _BEHAVIORS[name]
        wanted = [kind for kind in codes.TraceKind if kind != codes.TraceKind.N_TRACE_KINDS]
        if not options.trace_msg:
            wanted = [kind for kind in wanted if kind not in _MESSAGE_KINDS]
        if not options.trace_logs:
            wanted.remove(codes.TraceKind.TRACE_LOG)
        try:
            engine = Engine(
                self._program,
                fd=self._socket.fileno(),
                remote=packed_address(self._remote) if self._remote else None,
                ring=self._ring,
                trace_mask=sum(1 << kind for kind in wanted),
                gso=options.gso,
                gro=options.gro,
                batch=options.batch,
                detect_retrans=options.retransmissions,
                t2_ms=options.t2_ms,
                max_invite_retrans=min(options.max_retrans, options.max_invite_retrans),
                max_non_invite_retrans=min(options.max_retrans, options.max_non_invite_retrans),
                behaviors=behaviors,
                lost_percent=options.lost_percent,
                base_cseq=options.base_cseq,
                run_steps=options.max_sched_loops,
                max_receive_batches=options.max_recv_loops,
                dead_wait_ms=options.deadcall_wait_ms,
                timer_resolution_ns=options.timer_resolution_ms * 1_000_000,
                files=self._injections(),
                auth_uri=self._auth_uri(),
                n_users=options.n_users or 0,
                max_users=MAX_USERS,
                dynamic_id=(options.dynamic_start, options.dynamic_max, options.dynamic_step),
                tdm=options.tdm_map,
                auto_answer=options.auto_answer,
                loose_check=options.retransmission_check == "loose",
                ignore_in_pause=options.ignore_in_pause,
                keep_slashes=options.keep_call_id_slashes,
            )
        except MemoryError:
            raise StartError("not enough memory for the call table") from None
        except OSError as error:
            raise StartError(f"no digest authentication here: {error}") from None
        except ValueError as error:
            raise UsageError(f"-cid_str '{options.call_id_format[:40]}': {error}") from None
        self._set_globals(engine)
        engine.set_max_calls(0 if options.max_calls is None else options.max_calls)
        return engine

    def _set_globals(self, engine: Engine) -> None:
        for name, text in self.options.global_values.items():
            try:
                engine.set_global(name, os.fsencode(text))
            except KeyError:
                known = ", ".join(self._program.spec.global_variables) or "none"
                raise UsageError(
                    f"-set {name}: the scenario has no such global variable; it declares: {known}"
                ) from None

    def _make_tracer(self) -> Tracer:
        options = self.options
        message_log = error_log = None
        if options.trace_msg:
            path = self._trace_path(options.message_file, "messages")
            # as SIPp: this log is opened while the command line is still being dealt with, so exit code 1
            message_log = _created(path, tracefile.message_log, UsageError)
        if options.trace_err:
            error_log = tracefile.error_log(self._trace_path(options.error_file, "errors"))
        action_log = None
        if options.trace_logs:
            action_log = _created(self._trace_path(options.log_file, "logs"), tracefile.action_log, UsageError)
        context = tracefile.TraceContext(self.scenario.description, self.flow)
        trace_codes = tracefile.TraceCodes.from_enums(codes.TraceKind, codes.Method, codes.Complaint)
        return Tracer(
            self._ring.drain,
            trace_codes,
            context,
            message_log=message_log,
            error_log=error_log,
            action_log=action_log,
            execute=CommandRunner().run,
        )

    def _open_stat_file(self) -> StatFile | None:
        if not self.options.trace_stat:
            return None
        path = self._trace_path(self.options.stat_file, "stat")
        return _created(path, lambda p: StatFile(p, self.measures, delimiter=self.options.stat_delimiter))

    def _trace_path(self, given: str | None, what: str) -> Path:
        return Path(given or tracefile.trace_file_name(self.scenario.name, os.getpid(), what))

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

    # ---- the run ------------------------------------------------------------------------------------

    def run(self, display: Display | None = None, keys: control.KeyReader | None = None) -> Result:
        """Run to the end and return the result; final statistics are written whatever happens.

        display and keys: the terminal of the command; None runs silently. Raises RuntimeError the second time:
        two threads in one engine would share its calls without a lock.
        """
        if not self._run_once.acquire(blocking=False):
            raise RuntimeError("a Runner runs once: make another for another run")
        self._tracer.start()
        for warning in (*self.scenario.warnings, *self._file_warnings()):
            self._tracer.warn(warning)
        self._start_wall_ns = time.time_ns()
        start_s = time.monotonic()
        cpu_start_s = time.thread_time()
        try:
            with _pinned(self.options.cpu):
                self._loop(display, keys, start_s)
        finally:
            wall_s, cpu_s = time.monotonic() - start_s, time.thread_time() - cpu_start_s
            total = self._snapshot()
            self._tracer.stop()
            if self._stat_file is not None:
                self._stat_file.write(total, self._rate)
                self._stat_file.close()
            self._closing.close()
            if display is not None:
                display.close()
        return Result(
            scenario_name=self.scenario.name,
            is_client=self.scenario.is_client,
            total=total,
            measures=self.measures,
            wall_s=wall_s,
            cpu_s=cpu_s,
            timed_out=self._timed_out,
            stop_reason=self._engine.stop_reason,
        )

    def _file_warnings(self) -> Iterator[str]:
        for table in self._injection_tables.values():
            yield from table.warnings
            if table.order is Order.USER and self.options.n_users is None:
                yield f"{table.file}: a USER file needs -users; without it all its fields are empty"

    def _loop(self, display: Display | None, keys: control.KeyReader | None, start_s: float) -> None:
        options, engine = self.options, self._engine
        if options.max_calls == 0:
            engine.quit(codes.QuitLevel.QUIT_SOFT)
        applied_rate: float | None = None
        period_s = options.stat_period_ms / 1000 or float("inf")
        next_stat_s = start_s + period_s
        if self._stat_file is not None:
            self._stat_file.write(self._snapshot(), self._rate)
        engine.run_init()
        for n_slices in itertools.count(1):
            if self._rate != applied_rate:
                self._apply_rate()
                applied_rate = self._rate
            self._apply_commands()
            state = engine.run(SLICE_NS)
            now_s = time.monotonic()
            if self._stat_file is not None and (now_s >= next_stat_s or state == "finished"):
                self._stat_file.write(self._snapshot(), self._rate)
                next_stat_s = now_s + period_s
            if state == "finished":
                return
            if options.timeout_ms and not self._timed_out and now_s - start_s >= options.timeout_ms / 1000:
                self._timed_out = True
                self.quit(control.QUIT_FORCED_STEP)
            for command in keys.poll() if keys is not None and display is not None else ():
                assert display is not None
                self._execute(command, display)
            if display is not None and display.is_due(time.monotonic_ns()):
                display.draw(self._snapshot(), self.info())
            if self._screens_wanted and display is not None:
                self._write_screens(display)
            self._say_limit()
            if n_slices % _SNAPSHOT_EVERY == 0:
                self._snapshot()

    def request_screens(self) -> None:
        """Have all screens written to the screen file with the next slice (SIGUSR2)."""
        self._screens_wanted = True

    def _write_screens(self, display: Display) -> None:
        self._screens_wanted = False
        path = self._trace_path(None, "screen")
        try:
            with path.open("a", encoding="utf-8") as file:
                print(*display.dump_lines(self._snapshot(), self.info()), sep="\n", file=file)
        except OSError as error:
            self._tracer.warn(f"cannot write '{path}': {error.strerror}")

    def _say_limit(self) -> None:
        if not self._limit_said and self._engine.counter("limited_starts"):
            self._limit_said = True
            self._tracer.warn(
                f"{self._limit} calls are open, the limit (-l): calls that fall due are held back and counted"
            )

    @property
    def snapshot(self) -> Snapshot | None:
        """The counters as of a fifth of a second ago at most, None before the first; readable from any thread."""
        return self._last_snapshot

    @property
    def features(self) -> dict[str, bool]:
        """Which ways of batching are in use."""
        return dict(zip(("gso", "gro", "sendmmsg", "recvmmsg"), self._engine.features, strict=True))

    def _snapshot(self) -> Snapshot:
        words = self._engine.snapshot()
        wall_ns, now_ns = time.time_ns(), time.monotonic_ns()
        snapshot = Snapshot(words, self._layout, wall_ns, now_ns, self._start_wall_ns, self._engine.start_ns)
        self._last_snapshot = snapshot
        return snapshot

    def info(self) -> RunInfo:
        """Settings and state for the screens."""
        options, remote = self.options, self._remote
        quit_level = max(self._quit_level, self._engine.quit_level)
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
            quit_level=quit_level,
            paused=self._paused,
            loss_enabled=options.lost_percent > 0 or any(step.has_lost for step in self.flow),
            last_error=self._tracer.last_error,
        )

    @property
    def last_error(self) -> str:
        """Text of the last warning or error, "" without one."""
        return self._tracer.last_error

    def closing_lines(self) -> list[str]:
        """What the command says on stderr after the run: the last error, incomplete files, fallbacks."""
        lines = self._tracer.closing_lines() + self._tracer.notes
        if self._stat_file is not None and self._stat_file.failure is not None:
            lines.append(f"'{self._stat_file.path}' is incomplete ({self._stat_file.failure.strerror})")
        return lines


def run(scenario: Scenario, options: Options | None = None) -> Result:
    """Run one test in this thread and return its result. Nothing is printed; the GIL is free while it runs.

    A server needs an end: `Options(max_calls=...)`, `timeout_ms`, or a `Runner` whose `quit()` another
    thread calls.
    """
    return Runner(scenario, options or Options()).run()


def run_command(scenario: Scenario, options: Options) -> int:
    """Run the test of the command line: screens, keys, signals; returns the exit code."""
    # signals are taken from here on: whoever sees the port open may send one
    with _quit_signals() as signals, control.KeyReader(enabled=options.read_stdin) as keys:
        runner = Runner(scenario, options)
        signals.send_to(runner.quit, runner.request_screens)
        display = open_display(runner.flow, runner.measures, refresh_ms=options.screen_period_ms)
        with display:
            result = runner.run(display, keys)
    _print_lines(sys.stdout, display.final_lines(result.total, replace(runner.info(), quit_level=0)))
    _print_lines(sys.stderr, runner.closing_lines())
    if result.stop_reason == "error":
        raise RunError("the scenario ended the run with an <error>: " + (runner.last_error or "without a text"))
    if result.timed_out and options.timeout_error:
        raise RunError(f"{scenario.name} timed out after '{options.timeout_ms / 1000:.3f}' seconds")
    return result.exit_code


def load_tables(options: Options) -> dict[str, InjectionTable]:
    """The injection files by the names that [fieldN file="..."] uses; of equal names the last one counts."""
    names = map(injection_name, options.injection_files)
    return dict(zip(names, map(load_injection, options.injection_files), strict=True))


# ---- helpers --------------------------------------------------------------------------------------------


def flow_step(step: Step, scenario: Scenario, options: Options) -> FlowStep:
    """A step of the scenario as the screens show it."""
    common = FlowStep(
        kind="nop",
        start_rtd=_rtd_number(scenario, step.start_rtd),
        stop_rtd=_rtd_number(scenario, step.stop_rtd),
        crlf=step.crlf,
        hidden=step.hide,
        has_lost=options.lost_percent > 0 or step.lost_percent is not None,
        display=step.display,
    )
    match step:
        case SendStep():
            label = step.method.decode("latin-1") or str(step.status_code)
            retransmitted = step.retrans_ms > 0 and options.retransmissions
            return replace(
                common, kind="send", label=label, request=bool(step.method), has_retrans=retransmitted
            )
        case RecvStep():
            label = (step.regexp or step.method).decode("latin-1") or str(step.status_code)
            awaited = replace(common, kind="recv", label=label, request=step.is_request)
            return replace(awaited, optional=step.optional)
        case PauseStep(distribution="default"):
            return replace(common, kind="pause", pause_text=duration_text(options.pause_ms))
        case PauseStep(distribution="uniform"):
            text = f"{duration_text(step.min_ms)}/{duration_text(step.max_ms)}"
            return replace(common, kind="pause", pause_text=text)
        case PauseStep():
            text = distribution_text(step.duration) or duration_text(step.min_ms)
            return replace(common, kind="pause", pause_text=text)
        case NopStep():
            return common
    raise TypeError(f"unknown step {step!r}")


def _rtd_number(scenario: Scenario, name: str | None) -> int | None:
    return None if name is None else scenario.rtd_names.index(name) + 1


def packed_address(remote: RemoteAddress) -> tuple[int, bytes, int, int]:
    """An address as the engine takes it: family, packed IP, port, scope id."""
    import socket

    return int(remote.family), socket.inet_pton(remote.family, remote.ip), remote.port, remote.scope_id


def _created(path: Path, create: Callable[[Path], _T], kind: type[SippxError] = StartError) -> _T:
    try:
        return create(path)
    except OSError as error:
        raise kind(f"cannot create '{path}': {error.strerror}") from None


def _version() -> str:
    from sippx import __version__

    return __version__


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


class _QuitSignals:
    """Passes signals on as steps of the quit level; those that come before there is a receiver are kept."""

    def __init__(self) -> None:
        self._n_kept = 0
        self._quit: Callable[[int], None] | None = None
        self._dump: Callable[[], None] | None = None

    def send_to(self, quit_: Callable[[int], None], dump: Callable[[], None]) -> None:
        self._quit = quit_
        self._dump = dump
        for _ in range(self._n_kept):
            quit_(control.QUIT_SOFT_STEP)

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGUSR2:
            if self._dump is not None:
                self._dump()
        elif self._quit is None:
            self._n_kept += 1
        else:
            self._quit(control.QUIT_SOFT_STEP)


@contextmanager
def _quit_signals() -> Iterator[_QuitSignals]:
    """SIGINT, SIGTERM and SIGUSR1 end the run softly, a second one at once; SIGUSR2 has the screens written."""
    signals = _QuitSignals()
    if threading.current_thread() is not threading.main_thread():
        yield signals
        return
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
    before = {number: signal.signal(number, signals) for number in numbers}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _print_lines(stream: IO[str] | None, lines: list[str]) -> None:
    if stream is None or not lines:
        return
    # nobody reads any more: the exit code still says how it went
    with suppress(OSError):
        print(*lines, sep="\n", file=stream, flush=True)
