"""The tracer: what it writes, what it keeps, and that nothing it meets reaches the run."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sippx._core.codes import Method, TraceKind
from sippx.report.flow import FlowStep
from sippx.report.tracefile import (
    TraceCodes,
    TraceContext,
    TraceFile,
    TraceRecord,
    action_log,
    error_log,
    message_log,
)
from sippx.report.tracer import MAX_NOTES, Tracer

MOMENT_NS = 1_795_408_757_547_945_000
STAMP = "2026-11-23\t04:39:17.547945\t1795408757.547945"
CODES = TraceCodes.from_enums((kind for kind in TraceKind if kind.name.startswith("TRACE_")), Method)
CONTEXT = TraceContext("uac", (FlowStep("send", "INVITE"), FlowStep("recv", "200")))
TIMEOUT_TEXT = "Aborting call on UDP retransmission timeout for Call-ID '{}'"


def record(kind: TraceKind, call_id: bytes = b"1", data: bytes = b"", a: int = 0, b: int = 0) -> TraceRecord:
    return int(kind), MOMENT_NS, a, b, call_id, data


class Ring:
    """Gives one batch a drain, as the engine does."""

    def __init__(self, *batches: list[TraceRecord]) -> None:
        self._batches: Iterator[list[TraceRecord]] = iter(batches)

    def __call__(self) -> list[TraceRecord]:
        return next(self._batches, [])


def run(ring: Ring, messages: TraceFile | None = None, errors: TraceFile | None = None) -> Tracer:
    """A tracer that has drained the ring to its end."""
    tracer = Tracer(ring, CODES, CONTEXT, message_log=messages, error_log=errors, interval_s=0.0001)
    tracer.start()
    tracer.stop()
    return tracer


def test_everything_drained_is_on_disk_after_stop(tmp_path: Path) -> None:
    batches = [[record(TraceKind.TRACE_SENT, data=b"M%d" % n)] for n in range(50)]
    run(Ring(*batches), messages=message_log(tmp_path / "m"))
    text = (tmp_path / "m").read_text()
    assert [line for line in text.splitlines() if line.startswith("M")] == [f"M{n}" for n in range(50)]


def test_messages_and_errors_go_to_their_own_files(tmp_path: Path) -> None:
    ring = Ring([record(TraceKind.TRACE_SENT, data=b"INVITE"), record(TraceKind.TRACE_RETRANS_TIMEOUT)])
    run(ring, message_log(tmp_path / "m"), error_log(tmp_path / "e"))
    assert b"INVITE" in (tmp_path / "m").read_bytes()
    assert (tmp_path / "e").read_text().splitlines()[1:] == [f"{STAMP}: {TIMEOUT_TEXT.format(1)}"]


def test_records_are_written_while_the_run_lasts(tmp_path: Path) -> None:
    drained = threading.Event()

    def drain() -> list[TraceRecord]:
        if drained.is_set():
            return []
        drained.set()
        return [record(TraceKind.TRACE_RETRANS_TIMEOUT)]

    tracer = Tracer(drain, CODES, CONTEXT, interval_s=0.0001)
    tracer.start()
    assert drained.wait(10)
    tracer.stop()
    assert tracer.n_warnings == 1


def test_without_errors_nothing_is_said_at_the_end() -> None:
    tracer = run(Ring([record(TraceKind.TRACE_SENT)]))
    assert (tracer.closing_lines(), tracer.last_error, tracer.n_warnings) == ([], "", 0)


def test_single_error_is_said_alone_at_the_end() -> None:
    tracer = run(Ring([record(TraceKind.TRACE_RETRANS_TIMEOUT)]))
    assert tracer.closing_lines() == [f"{STAMP}: {TIMEOUT_TEXT.format(1)}"]


def test_of_several_errors_the_last_is_said_and_how_to_log_the_others() -> None:
    tracer = run(Ring([record(TraceKind.TRACE_RETRANS_TIMEOUT, b"%d" % n) for n in range(3)]))
    assert tracer.closing_lines() == [
        f"{STAMP}: {TIMEOUT_TEXT.format(2)}",
        "There were more errors, enable -trace_err to log them.",
    ]
    assert tracer.last_error == TIMEOUT_TEXT.format(2)


def test_of_several_logged_errors_the_file_is_named(tmp_path: Path) -> None:
    ring = Ring([record(TraceKind.TRACE_RETRANS_TIMEOUT)] * 2)
    tracer = run(ring, errors=error_log(tmp_path / "e.log"))
    assert tracer.closing_lines()[1] == f"There were more errors, see '{tmp_path}/e.log' file"


def test_warnings_of_the_python_side_count_and_are_logged(tmp_path: Path) -> None:
    tracer = Tracer(Ring(), CODES, CONTEXT, error_log=error_log(tmp_path / "e"))
    tracer.warn("no such key", wall_ns=MOMENT_NS)
    tracer.stop()
    assert tracer.n_warnings == 1
    assert (tmp_path / "e").read_text().endswith(f"{STAMP}: no such key\n")


def test_feature_given_up_is_a_note_and_no_warning(tmp_path: Path) -> None:
    tracer = run(Ring([record(TraceKind.TRACE_FALLBACK, b"")] * 3), errors=error_log(tmp_path / "e"))
    assert tracer.notes == ["UDP_SEGMENT (GSO) cannot be used here; continuing without it"]
    assert tracer.n_warnings == 0
    assert "UDP_SEGMENT" in (tmp_path / "e").read_text()


def test_full_disk_is_said_once_with_what_was_lost_and_errors_still_count() -> None:
    ring = Ring(*([record(TraceKind.TRACE_DEAD_CALL, data=b"x" * 100_000)] for _ in range(10)))
    tracer = run(ring, errors=TraceFile(Path("/dev/full")))
    assert len(tracer.notes) == 1
    assert "'/dev/full' is incomplete (No space left on device), at least" in tracer.notes[0]
    assert tracer.n_warnings == 10


def test_exception_of_drain_ends_tracing_not_the_run(tmp_path: Path) -> None:
    def drain() -> list[TraceRecord]:
        raise RuntimeError("engine gone")

    log = error_log(tmp_path / "e")
    tracer = Tracer(drain, CODES, CONTEXT, error_log=log, interval_s=0.0001)
    tracer.start()
    tracer.stop()
    assert tracer.notes == ["tracing ended early: RuntimeError: engine gone"]


def test_notes_are_bounded() -> None:
    tracer = run(Ring([record(TraceKind.TRACE_FALLBACK, b"", a=n) for n in range(1, 100)]))
    assert len(tracer.notes) == MAX_NOTES


def test_stop_twice_and_without_start_is_harmless(tmp_path: Path) -> None:
    log = message_log(tmp_path / "m")
    tracer = Tracer(Ring(), CODES, CONTEXT, message_log=log)
    tracer.stop()
    tracer.stop()
    assert log.failure is None


def test_stop_does_not_wait_for_a_stuck_log_beyond_its_time_limit() -> None:
    release = threading.Event()

    def drain() -> list[TraceRecord]:
        release.wait(10)
        return []

    tracer = Tracer(drain, CODES, CONTEXT, interval_s=0.0001)
    tracer.start()
    tracer.stop(timeout_s=0.01)
    assert tracer.notes == ["the trace logs are incomplete: writing them took too long"]
    release.set()


@pytest.mark.parametrize("kind", [kind for kind in TraceKind if kind.name.startswith("TRACE_")])
def test_no_record_ends_tracing(kind: TraceKind, tmp_path: Path) -> None:
    ring = Ring([record(kind, b"\xff\x00\n", b"\x00{e.a}%s" * 3, a=-5, b=-7)], [record(TraceKind.TRACE_SENT)])
    tracer = run(ring, message_log(tmp_path / "m"), error_log(tmp_path / "e"))
    assert not any("ended early" in note for note in tracer.notes)
    assert b"message sent" in (tmp_path / "m").read_bytes()


def test_log_actions_go_to_their_file_as_they_are(tmp_path: Path) -> None:
    ring = Ring([record(TraceKind.TRACE_LOG, data=b"a\r\nb"), record(TraceKind.TRACE_LOG, data=b"\xff")])
    tracer = Tracer(ring, CODES, CONTEXT, action_log=action_log(tmp_path / "l"), interval_s=0.0001)
    tracer.start()
    tracer.stop()
    assert (tmp_path / "l").read_bytes() == b"a\r\nb\n\xff\n"


def test_commands_are_handed_over_in_their_order() -> None:
    commands: list[bytes] = []
    ring = Ring([record(TraceKind.TRACE_EXEC, data=b"one"), record(TraceKind.TRACE_EXEC, data=b"two")])
    tracer = Tracer(ring, CODES, CONTEXT, execute=commands.append, interval_s=0.0001)
    tracer.start()
    tracer.stop()
    assert commands == [b"one", b"two"]
    assert tracer.n_warnings == 0
