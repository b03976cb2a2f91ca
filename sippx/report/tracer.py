"""The thread that turns trace records into log entries and warnings while the engine runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from sippx.report.tracefile import (
    NOTES,
    TraceCodes,
    TraceContext,
    TraceFile,
    TraceRecord,
    error_entry,
    error_text,
    message_entry,
)

DRAIN_INTERVAL_S = 0.005
IDLE_INTERVAL_S = 0.04
"""While nothing is traced the thread wakes this rarely: each wake-up of an idle CPU costs as much as a call."""
FLUSH_INTERVAL_S = 0.5
LAST_DRAIN_S = 5.0
MAX_NOTES = 16
TRACE_OF_SIDE = 0x100
"""Bit in the kind of a record of the second scenario (codes.TraceFlag)."""


class Tracer:
    """Drains trace records every few ms into the open logs and keeps the last warning.

    It never raises into the run: a log that cannot be written is given up and said once. It holds one
    batch of records and one warning, so its memory is bounded by what one `drain` returns.

    drain        gives the records since its last call; called by one thread at a time
    message_log  -trace_msg, None when off; likewise error_log and -trace_err, action_log and -trace_logs
    side_context what the texts about a second scenario name
    execute      runs the command of an <exec>; None: such records are ignored
    """

    def __init__(
        self,
        drain: Callable[[], Sequence[TraceRecord]],
        codes: TraceCodes,
        context: TraceContext,
        *,
        side_context: TraceContext | None = None,
        message_log: TraceFile | None = None,
        error_log: TraceFile | None = None,
        action_log: TraceFile | None = None,
        execute: Callable[[bytes], None] | None = None,
        interval_s: float = DRAIN_INTERVAL_S,
    ) -> None:
        self._drain = drain
        self._codes = codes
        self._context = context
        self._side_context = side_context
        self._message_log = message_log
        self._error_log = error_log
        self._action_log = action_log
        self._execute = execute
        self._logs = [log for log in (message_log, error_log, action_log) if log is not None]
        self._interval_s = interval_s
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._n_warnings = 0
        self._last_warning: tuple[int, str] | None = None
        self._notes: list[str] = []
        self._flushed_at_s = time.monotonic()

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
                # Not under the lock: the thread may hold it, stuck in a write.
                self._add_note("the trace logs are incomplete: writing them took too long")
                return
        with self._lock:
            for log in self._logs:
                log.close()

    def warn(self, text: str, *, wall_ns: int | None = None) -> None:
        """Log a warning of the Python side like one of the engine; callable from any thread until `stop`."""
        wall_ns = time.time_ns() if wall_ns is None else wall_ns
        with self._lock:
            self._keep_warning(wall_ns, text)
            if self._error_log:
                self._error_log.write(error_entry(wall_ns, text))

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
        failed = [
            f"'{log.path}' is incomplete ({log.failure.strerror or log.failure}), "
            f"at least {log.n_lost} entries are lost"
            for log in self._logs
            if log.failure
        ]
        return self._notes + failed

    def closing_lines(self) -> list[str]:
        """SIPp's last words on stderr: the last warning, and where the others are; empty without any."""
        if self._last_warning is None:
            return []
        lines = [error_entry(*self._last_warning).decode().removesuffix("\n")]
        if self._n_warnings > 1 and self._error_log and self._error_log.is_created:
            lines.append(f"There were more errors, see '{self._error_log.path}' file")
        elif self._n_warnings > 1:
            lines.append("There were more errors, enable -trace_err to log them.")
        return lines

    # ---- in the thread -------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            interval_s = self._interval_s
            while not self._stopping.wait(interval_s):
                had_records = self._turn()
                interval_s = self._interval_s if had_records else min(2 * interval_s, IDLE_INTERVAL_S)
            deadline_s = time.monotonic() + LAST_DRAIN_S
            while self._turn() and time.monotonic() < deadline_s:
                pass
        except Exception as error:
            # Tracing is a by-product: whatever breaks it, the run and its statistics go on.
            self._add_note(f"tracing ended early: {type(error).__name__}: {error}")

    def _turn(self) -> bool:
        """Write one batch; False when there was none."""
        records = self._drain()
        with self._lock:
            for record in records:
                self._write(record)
            self._flush(time.monotonic())
        return bool(records)

    def _write(self, record: TraceRecord) -> None:
        context = self._context
        if record[0] & TRACE_OF_SIDE:
            context = self._side_context or context
            record = (record[0] & ~TRACE_OF_SIDE, *record[1:])
        name = self._codes.kinds.get(record[0], "")
        if name == "TRACE_LOG" and self._action_log:
            self._action_log.write(record[5] + b"\n")
        elif name == "TRACE_EXEC" and self._execute:
            self._execute(record[5])
        if self._message_log:
            entry = message_entry(context, self._codes, record)
            if entry is not None:
                self._message_log.write(entry)
        text = error_text(context, self._codes, record)
        if text is None:
            return
        if self._codes.kinds[record[0]] in NOTES:
            self._add_note(text)
        else:
            self._keep_warning(record[1], text)
        if self._error_log:
            self._error_log.write(error_entry(record[1], text))

    def _keep_warning(self, wall_ns: int, text: str) -> None:
        self._n_warnings += 1
        self._last_warning = (wall_ns, text)

    def _flush(self, now_s: float) -> None:
        if now_s - self._flushed_at_s >= FLUSH_INTERVAL_S:
            self._flushed_at_s = now_s
            for log in self._logs:
                log.flush()

    def _add_note(self, text: str) -> None:
        if text not in self._notes and len(self._notes) < MAX_NOTES:
            self._notes.append(text)
