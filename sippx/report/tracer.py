"""The thread that turns trace records into log entries and warnings while the engine runs."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sippx.report.calldebug import CALL_DEBUG_KINDS, CallDebug
from sippx.report.logfile import LogFile, is_oversized
from sippx.report.stamps import SIPP_STAMPS, Stamps
from sippx.report.tracefile import ERROR_TEXTS, NOTES, TraceCodes, TraceContext, TraceRecord, error_entry, error_text

DRAIN_INTERVAL_S = 0.005
IDLE_INTERVAL_S = 0.04
"""While nothing is traced the thread wakes this rarely: each wake-up of an idle CPU costs as much as a call."""
LAST_DRAIN_S = 5.0
MAX_NOTES = 16
MAX_ERROR_CODES = 100_000
"""Codes kept from one row of -trace_error_codes to the next; later ones are left out."""

_MESSAGE_KINDS = frozenset(
    {
        "TRACE_SENT", "TRACE_RECEIVED", "TRACE_UNEXPECTED", "TRACE_LOST",
        "TRACE_COMMAND_SENT", "TRACE_COMMAND_RECEIVED",
    }
)  # fmt: skip
_SHORT_KINDS = frozenset({"TRACE_SENT", "TRACE_RECEIVED"})


class TraceSource(Protocol):
    """Where records come from: the engine's ring, with those of every message already as text."""

    @property
    def n_dropped(self) -> int:
        """Records that found no room."""

    def select(self, *, messages: bool, short_messages: bool, rtts: bool, records: int) -> None:
        """Which texts and which kinds of records `drain` gives."""

    def drain(
        self, message_room: int, short_room: int
    ) -> tuple[Sequence[TraceRecord], memoryview, memoryview, bool]:
        """Records, entries of the message log and of the short message log, whether more is waiting."""

    @property
    def n_rtts(self) -> int:
        """Lines of response times that wait."""

    def take_rtts(self) -> memoryview:
        """These lines."""


@dataclass(frozen=True)
class TraceLogs:
    """The logs of a run; those that are off may be turned on while it lasts, None: never."""

    messages: LogFile | None = None
    short_messages: LogFile | None = None
    errors: LogFile | None = None
    actions: LogFile | None = None
    call_debug: LogFile | None = None
    rtts: LogFile | None = None
    screens: LogFile | None = None

    def all(self) -> list[LogFile]:
        """Those there are."""
        logs = (
            self.messages, self.short_messages, self.errors, self.actions, self.call_debug, self.rtts, self.screens,
        )  # fmt: skip
        return [log for log in logs if log is not None]


class Tracer:
    """Drains trace records every few ms into the open logs and keeps the last warning.

    It never raises into the run, and what writes never holds up who warns: a log that cannot be written is
    given up and said once. It holds one batch of records and one warning, so its memory is bounded.

    call_debug       follows calls for logs.call_debug
    keeps_codes      unexpected response codes are kept for `take_error_codes`
    rtt_frequency    response times from one write to the next
    oversized_path   written when a log became larger than the system lets it; all logs end then
    execute          runs the command of an <exec>; None: such records are ignored
    """

    def __init__(
        self,
        source: TraceSource,
        codes: TraceCodes,
        context: TraceContext,
        logs: TraceLogs = TraceLogs(),
        *,
        stamps: Stamps = SIPP_STAMPS,
        call_debug: CallDebug | None = None,
        keeps_codes: bool = False,
        rtt_frequency: int = 200,
        oversized_path: Path | None = None,
        execute: Callable[[bytes], None] | None = None,
        interval_s: float = DRAIN_INTERVAL_S,
    ) -> None:
        self._source = source
        self._codes = codes
        self._context = context
        self._logs = logs
        self._stamps = stamps
        self._call_debug = call_debug
        self._keeps_codes = keeps_codes
        self._rtt_frequency = rtt_frequency
        self._oversized_path = oversized_path
        self._execute = execute
        self._interval_s = interval_s
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._n_warnings = 0
        self._last_warning: tuple[int, str] | None = None
        self._notes: list[str] = []
        self._requests: deque[tuple[LogFile, bool]] = deque()
        self._warnings: deque[tuple[int, str]] = deque()
        self._error_codes: deque[int] = deque(maxlen=MAX_ERROR_CODES)
        self._entries: dict[int, tuple[LogFile, list[bytes]]] = {}
        self._set_mask: Callable[[int], None] | None = None
        self._selected: tuple[bool, ...] | None = None
        self._mask = 0
        self._select()

    # ---- in any thread -------------------------------------------------------------------------------

    @property
    def mask(self) -> int:
        """A bit for each kind of record that somebody wants."""
        return self._mask

    def follow(self, set_mask: Callable[[int], None]) -> None:
        """Have the engine record what is wanted, now and whenever a log is turned on or off."""
        self._set_mask = set_mask
        set_mask(self._mask)

    def start(self) -> None:
        """Start draining."""
        self._thread = threading.Thread(target=self._run, name="sippx-tracer", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = 10.0) -> None:
        """Drain what is left (when started) and close the logs; safe to call twice."""
        self._stopping.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(timeout_s)
            if thread.is_alive():
                self._add_note("the trace logs are incomplete: writing them took too long")
                return
        self._finish()

    def warn(self, text: str, *, wall_ns: int | None = None) -> None:
        """Log a warning of the Python side like one of the engine; callable from any thread until `stop`."""
        wall_ns = time.time_ns() if wall_ns is None else wall_ns
        self._keep_warning(wall_ns, text)
        self._warnings.append((wall_ns, text))

    def switch(self, what: str, on: bool) -> None:
        """Turn a log on or off while the run lasts: "error", "logs", "messages" or "shortmessages".

        The file is that of the log itself; where it cannot be created a warning says so. Raises KeyError for
        an unknown name.
        """
        logs = self._logs
        named = {
            "error": logs.errors, "logs": logs.actions, "messages": logs.messages,
            "shortmessages": logs.short_messages,
        }  # fmt: skip
        log = named[what]
        if log is None:
            raise KeyError(what)
        self._requests.append((log, on))

    def take_error_codes(self) -> list[int]:
        """Codes of unexpected responses since the last call, oldest first."""
        codes = self._error_codes
        return [codes.popleft() for _ in range(len(codes))]

    def write_screens(self, lines: Sequence[str]) -> None:
        """Append screens to their file; from the thread that draws them."""
        log = self._logs.screens
        if log is None:
            return
        try:
            log.turn_on()
        except OSError as error:
            self.warn(f"cannot write '{log.path}': {error.strerror}")
            return
        log.write("".join(line + "\n" for line in lines).encode("utf-8", "backslashreplace"))

    @property
    def n_warnings(self) -> int:
        """Warnings and errors so far."""
        return self._n_warnings

    @property
    def last_error(self) -> str:
        """Text of the last warning for the screens' "Last Error" line, "" without one."""
        last = self._last_warning
        return last[1] if last else ""

    @property
    def notes(self) -> list[str]:
        """What the user should be told once and what is no error of the test, such as an incomplete log."""
        found = [log.note for log in self._logs.all()]
        if self._call_debug is not None:
            found.append(self._call_debug.note)
        n_dropped = self._source.n_dropped
        if n_dropped:
            found.append(f"{n_dropped} trace records are lost: the logs could not be written as fast as they came")
        return self._notes + [note for note in found if note is not None]

    def closing_lines(self) -> list[str]:
        """SIPp's last words on stderr: the last warning, and where the others are; empty without any."""
        if self._last_warning is None:
            return []
        wall_ns, text = self._last_warning
        lines = [error_entry(wall_ns, text, self._stamps).decode().removesuffix("\n")]
        errors = self._logs.errors
        if self._n_warnings > 1 and errors is not None and errors.is_created:
            lines.append(f"There were more errors, see '{errors.path}' file")
        elif self._n_warnings > 1:
            lines.append("There were more errors, enable -trace_err to log them.")
        return lines

    def _keep_warning(self, wall_ns: int, text: str) -> None:
        with self._lock:
            self._n_warnings += 1
            self._last_warning = (wall_ns, text)

    def _add_note(self, text: str) -> None:
        if text not in self._notes and len(self._notes) < MAX_NOTES:
            self._notes.append(text)

    # ---- in the thread -------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            interval_s = self._interval_s
            while not self._stopping.wait(interval_s):
                had_any, more = self._turn()
                if more:
                    interval_s = 0.0
                elif had_any or interval_s == 0.0:
                    interval_s = self._interval_s
                else:
                    interval_s = min(2 * interval_s, IDLE_INTERVAL_S)
            deadline_s = time.monotonic() + LAST_DRAIN_S
            while any(self._turn()) and time.monotonic() < deadline_s:
                pass
        except Exception as error:
            # Tracing is a by-product: whatever breaks it, the run and its statistics go on.
            self._add_note(f"tracing ended early: {type(error).__name__}: {error}")

    def _turn(self) -> tuple[bool, bool]:
        """Write one batch: whether there was anything, and whether more is waiting."""
        logs = self._logs
        self._handle_requests()
        records, messages, shorts, more = self._source.drain(_room(logs.messages), _room(logs.short_messages))
        if messages and logs.messages is not None:
            logs.messages.write(messages)
        if shorts and logs.short_messages is not None:
            logs.short_messages.write(shorts)
        for record in records:
            self._take(record)
        while self._warnings:
            self._enter(logs.errors, error_entry(*self._warnings.popleft(), self._stamps))
        if self._source.n_rtts >= self._rtt_frequency or more:
            self._write_rtts()
        self._write_entries()
        self._end_if_oversized()
        self._select()
        return bool(records or messages or shorts), more

    def _take(self, record: TraceRecord) -> None:
        name = self._codes.name(record[0])
        if name == "TRACE_LOG":
            self._enter(self._logs.actions, record[5] + b"\n")
        elif name == "TRACE_EXEC" and self._execute:
            self._execute(record[5])
        elif name == "TRACE_UNEXPECTED" and self._keeps_codes:
            self._keep_code(record[5])
        if self._call_debug is not None and name in CALL_DEBUG_KINDS:
            self._enter(self._logs.call_debug, self._call_debug.take(name, *record[1:]))
        text = error_text(self._context, self._codes, record)
        if text is None:
            return
        if name in NOTES:
            self._add_note(text)
        else:
            self._keep_warning(record[1], text)
        self._enter(self._logs.errors, error_entry(record[1], text, self._stamps))

    def _keep_code(self, message: bytes) -> None:
        words = message[:16].split()
        if len(words) > 1 and words[0] == b"SIP/2.0" and words[1].isdigit():
            self._error_codes.append(int(words[1]))

    def _enter(self, log: LogFile | None, entry: bytes | None) -> None:
        if log is not None and entry is not None:
            self._entries.setdefault(id(log), (log, []))[1].append(entry)

    def _write_entries(self) -> None:
        """One write a log, but one an entry where the log's size is bounded."""
        for log, entries in self._entries.values():
            for data in entries if log.is_bounded else [b"".join(entries)]:
                log.write(data)
        self._entries.clear()

    def _write_rtts(self) -> None:
        if self._logs.rtts is not None and self._source.n_rtts:
            self._logs.rtts.write(self._source.take_rtts())

    def _handle_requests(self) -> None:
        while self._requests:
            log, on = self._requests.popleft()
            if not on:
                log.turn_off()
                continue
            try:
                log.turn_on()
            except OSError as error:
                self.warn(f"cannot create '{log.path}': {error.strerror}")

    def _finish(self) -> None:
        """Write what is still held, then close everything."""
        self._handle_requests()
        while self._warnings:
            self._enter(self._logs.errors, error_entry(*self._warnings.popleft(), self._stamps))
        self._write_entries()
        self._write_rtts()
        self._end_if_oversized()
        for log in self._logs.all():
            if log is not self._logs.screens:
                log.turn_off()

    def _end_if_oversized(self) -> None:
        """Where a log has become larger than the system lets files be: no more logs, and a file says so."""
        if not any(is_oversized(log.failure) for log in self._logs.all()):
            return
        open_logs = [log for log in self._logs.all() if log.is_on]
        if self._oversized_path is not None:
            entry = f"{'-' * 44} {self._stamps.wall(time.time_ns())}\nMax file size reached - no more logs\n"
            with suppress(OSError):
                self._oversized_path.write_text(entry)
            self._oversized_path = None
        for log in open_logs:
            log.turn_off()

    def _select(self) -> None:
        """Ask for what the logs that are on need, where that has changed."""
        logs = self._logs
        selected = tuple(
            log is not None and log.is_on
            for log in (logs.messages, logs.short_messages, logs.rtts, logs.actions, logs.call_debug)
        )
        if selected == self._selected:
            return
        self._selected = selected
        messages, shorts, rtts, _, _ = selected
        records = self._codes.mask(self._record_kinds(selected))
        self._mask = records | self._codes.mask(_text_kinds(messages, shorts, rtts))
        self._source.select(messages=messages, short_messages=shorts, rtts=rtts, records=records)
        if self._set_mask is not None:
            self._set_mask(self._mask)

    def _record_kinds(self, selected: tuple[bool, ...]) -> Iterator[str]:
        """Kinds that are dealt with here, one record after the other."""
        _, _, _, actions, call_debug = selected
        yield from ERROR_TEXTS
        yield "TRACE_EXEC"
        if actions:
            yield "TRACE_LOG"
        if call_debug:
            yield from CALL_DEBUG_KINDS
        if self._keeps_codes:
            yield "TRACE_UNEXPECTED"


def _text_kinds(messages: bool, shorts: bool, rtts: bool) -> Iterator[str]:
    """Kinds that the source makes entries of."""
    if messages:
        yield from _MESSAGE_KINDS
    if shorts:
        yield from _SHORT_KINDS
    if rtts:
        yield "TRACE_RTT"


def _room(log: LogFile | None) -> int:
    return (1 << 64) - 1 if log is None else log.room
