"""The tracer: what it writes, what it keeps, and that nothing it meets reaches the run."""

from __future__ import annotations

import os
import resource
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sippx._core.codes import Method, TraceKind
from sippx._core.ring import TraceRing
from sippx._core.tracelog import TraceLog
from sippx.report.calldebug import CallDebug
from sippx.report.flow import FlowStep
from sippx.report.logfile import LogFile, LogLimits
from sippx.report.stamps import Stamps
from sippx.report.tracefile import TraceCodes, TraceContext, TraceRecord
from sippx.report.tracer import MAX_NOTES, TraceLogs, Tracer

MOMENT_NS = 1_795_408_757_547_945_000
STAMP = "2026-11-23\t04:39:17.547945\t1795408757.547945"
COMMANDS = (TraceKind.TRACE_COMMAND_SENT, TraceKind.TRACE_COMMAND_RECEIVED)
CODES = TraceCodes.from_enums((kind for kind in TraceKind if kind.name.startswith("TRACE_")), Method)
CONTEXT = TraceContext("uac", (FlowStep("send", "INVITE"), FlowStep("recv", "200")))
TIMEOUT_TEXT = "Aborting call on UDP retransmission timeout for Call-ID '{}'"


def record(kind: TraceKind, call_id: bytes = b"1", data: bytes = b"", a: int = 0, b: int = 0) -> TraceRecord:
    return int(kind), MOMENT_NS, a, b, call_id, data


def log_file(path: Path, **options: Any) -> LogFile:
    log = LogFile(path, **options)
    log.turn_on()
    return log


def error_log(path: Path) -> LogFile:
    return log_file(path, head=b"The following events occurred:\n", lazy=True)


class Source:
    """A real ring that is filled with one batch a drain."""

    def __init__(self, *batches: list[TraceRecord]) -> None:
        self.ring = TraceRing(1 << 22)
        self._log = TraceLog(self.ring, stamp_texts=Stamps().encoded_texts, rtd_names=[b"1"])
        self._batches: Iterator[list[TraceRecord]] = iter(batches)
        self.selected: dict[str, Any] = {}

    def select(self, **wanted: Any) -> None:
        self.selected = wanted
        self._log.select(**wanted)

    def drain(self, *rooms: int) -> tuple[list[TraceRecord], memoryview, memoryview, bool]:
        for one in next(self._batches, []):
            self.ring.put(*one)
        return self._log.drain(*rooms)

    @property
    def n_dropped(self) -> int:
        return self._log.n_dropped

    @property
    def n_rtts(self) -> int:
        return self._log.n_rtts

    def take_rtts(self) -> memoryview:
        return self._log.take_rtts()


def run(source: Source, **logs: LogFile) -> Tracer:
    """A tracer that has drained the source to its end."""
    tracer = Tracer(source, CODES, CONTEXT, TraceLogs(**logs), interval_s=0.0001)
    tracer.start()
    tracer.stop()
    return tracer


def test_everything_drained_is_on_disk_after_stop(tmp_path: Path) -> None:
    batches = [[record(TraceKind.TRACE_SENT, data=b"M%d" % n)] for n in range(50)]
    run(Source(*batches), messages=log_file(tmp_path / "m"))
    text = (tmp_path / "m").read_text()
    assert [line for line in text.splitlines() if line.startswith("M")] == [f"M{n}" for n in range(50)]


def test_messages_and_errors_go_to_their_own_files(tmp_path: Path) -> None:
    ring = Source([record(TraceKind.TRACE_SENT, data=b"INVITE"), record(TraceKind.TRACE_RETRANS_TIMEOUT)])
    run(ring, messages=log_file(tmp_path / "m"), errors=error_log(tmp_path / "e"))
    assert b"INVITE" in (tmp_path / "m").read_bytes()
    assert (tmp_path / "e").read_text().splitlines()[1:] == [f"{STAMP}: {TIMEOUT_TEXT.format(1)}"]


def test_records_are_written_while_the_run_lasts(tmp_path: Path) -> None:
    drained = threading.Event()

    class Watched(Source):
        def drain(self, *rooms: int) -> tuple[list[TraceRecord], memoryview, memoryview, bool]:
            if not drained.is_set():
                self.ring.put(*record(TraceKind.TRACE_RETRANS_TIMEOUT))
            drained.set()
            return super().drain(*rooms)

    tracer = Tracer(Watched(), CODES, CONTEXT, interval_s=0.0001)
    tracer.start()
    assert drained.wait(10)
    tracer.stop()
    assert tracer.n_warnings == 1


def test_without_errors_nothing_is_said_at_the_end() -> None:
    tracer = run(Source([record(TraceKind.TRACE_SENT)]))
    assert (tracer.closing_lines(), tracer.last_error, tracer.n_warnings) == ([], "", 0)


def test_single_error_is_said_alone_at_the_end() -> None:
    tracer = run(Source([record(TraceKind.TRACE_RETRANS_TIMEOUT)]))
    assert tracer.closing_lines() == [f"{STAMP}: {TIMEOUT_TEXT.format(1)}"]


def test_of_several_errors_the_last_is_said_and_how_to_log_the_others() -> None:
    tracer = run(Source([record(TraceKind.TRACE_RETRANS_TIMEOUT, b"%d" % n) for n in range(3)]))
    assert tracer.closing_lines() == [
        f"{STAMP}: {TIMEOUT_TEXT.format(2)}",
        "There were more errors, enable -trace_err to log them.",
    ]
    assert tracer.last_error == TIMEOUT_TEXT.format(2)


def test_of_several_logged_errors_the_file_is_named(tmp_path: Path) -> None:
    ring = Source([record(TraceKind.TRACE_RETRANS_TIMEOUT)] * 2)
    tracer = run(ring, errors=error_log(tmp_path / "e.log"))
    assert tracer.closing_lines()[1] == f"There were more errors, see '{tmp_path}/e.log' file"


def test_warnings_of_the_python_side_count_and_are_logged(tmp_path: Path) -> None:
    tracer = Tracer(Source(), CODES, CONTEXT, TraceLogs(errors=error_log(tmp_path / "e")))
    tracer.warn("no such key", wall_ns=MOMENT_NS)
    tracer.stop()
    assert tracer.n_warnings == 1
    assert (tmp_path / "e").read_text().endswith(f"{STAMP}: no such key\n")


def test_feature_given_up_is_a_note_and_no_warning(tmp_path: Path) -> None:
    tracer = run(Source([record(TraceKind.TRACE_FALLBACK, b"")] * 3), errors=error_log(tmp_path / "e"))
    assert tracer.notes == ["UDP_SEGMENT (GSO) cannot be used here; continuing without it"]
    assert tracer.n_warnings == 0
    assert "UDP_SEGMENT" in (tmp_path / "e").read_text()


def test_full_disk_is_said_once_with_what_was_lost_and_errors_still_count() -> None:
    ring = Source(*([record(TraceKind.TRACE_DEAD_CALL, data=b"x" * 100_000)] for _ in range(10)))
    tracer = run(ring, errors=log_file(Path("/dev/full")))
    assert len(tracer.notes) == 1
    assert "'/dev/full' is incomplete (No space left on device), at least" in tracer.notes[0]
    assert tracer.n_warnings == 10


def test_exception_of_drain_ends_tracing_not_the_run(tmp_path: Path) -> None:
    class Gone(Source):
        def drain(self, *rooms: int) -> tuple[list[TraceRecord], memoryview, memoryview, bool]:
            raise RuntimeError("engine gone")

    log = error_log(tmp_path / "e")
    tracer = Tracer(Gone(), CODES, CONTEXT, TraceLogs(errors=log), interval_s=0.0001)
    tracer.start()
    tracer.stop()
    assert tracer.notes == ["tracing ended early: RuntimeError: engine gone"]


def test_notes_are_bounded() -> None:
    tracer = run(Source([record(TraceKind.TRACE_FALLBACK, b"", a=n) for n in range(1, 100)]))
    assert len(tracer.notes) == MAX_NOTES


def test_stop_twice_and_without_start_is_harmless(tmp_path: Path) -> None:
    log = log_file(tmp_path / "m")
    tracer = Tracer(Source(), CODES, CONTEXT, TraceLogs(messages=log))
    tracer.stop()
    tracer.stop()
    assert log.failure is None


def test_stop_does_not_wait_for_a_stuck_log_beyond_its_time_limit() -> None:
    release = threading.Event()

    class Stuck(Source):
        def drain(self, *rooms: int) -> tuple[list[TraceRecord], memoryview, memoryview, bool]:
            release.wait(10)
            return super().drain(*rooms)

    tracer = Tracer(Stuck(), CODES, CONTEXT, interval_s=0.0001)
    tracer.start()
    tracer.stop(timeout_s=0.01)
    assert tracer.notes == ["the trace logs are incomplete: writing them took too long"]
    release.set()


@pytest.mark.parametrize("kind", [kind for kind in TraceKind if kind.name.startswith("TRACE_")])
def test_no_record_ends_tracing(kind: TraceKind, tmp_path: Path) -> None:
    ring = Source([record(kind, b"\xff\x00\n", b"\x00{e.a}%s" * 3, a=-5, b=-7), record(TraceKind.TRACE_SENT)])
    tracer = run(ring, messages=log_file(tmp_path / "m"), errors=error_log(tmp_path / "e"))
    assert not any("ended early" in note for note in tracer.notes)
    assert b"message sent" in (tmp_path / "m").read_bytes()


def test_log_actions_go_to_their_file_as_they_are(tmp_path: Path) -> None:
    ring = Source([record(TraceKind.TRACE_LOG, data=b"a\r\nb"), record(TraceKind.TRACE_LOG, data=b"\xff")])
    tracer = Tracer(ring, CODES, CONTEXT, TraceLogs(actions=log_file(tmp_path / "l")), interval_s=0.0001)
    tracer.start()
    tracer.stop()
    assert (tmp_path / "l").read_bytes() == b"a\r\nb\n\xff\n"


def test_commands_are_handed_over_in_their_order() -> None:
    commands: list[bytes] = []
    ring = Source([record(TraceKind.TRACE_EXEC, data=b"one"), record(TraceKind.TRACE_EXEC, data=b"two")])
    tracer = Tracer(ring, CODES, CONTEXT, execute=commands.append, interval_s=0.0001)
    tracer.start()
    tracer.stop()
    assert commands == [b"one", b"two"]
    assert tracer.n_warnings == 0


BUSY = b"SIP/2.0 486 Busy\r\n\r\n"


def bits(*kinds: TraceKind) -> int:
    return sum(1 << kind for kind in kinds)


def test_the_engine_records_only_what_somebody_wants(tmp_path: Path) -> None:
    quiet = Tracer(Source(), CODES, CONTEXT).mask
    every_message = bits(TraceKind.TRACE_SENT, TraceKind.TRACE_RECEIVED)
    assert quiet & bits(TraceKind.TRACE_DEAD_CALL, TraceKind.TRACE_EXEC) == bits(
        TraceKind.TRACE_DEAD_CALL, TraceKind.TRACE_EXEC
    )
    not_wanted = every_message | bits(
        TraceKind.TRACE_LOST, TraceKind.TRACE_LOG, TraceKind.TRACE_RTT, TraceKind.TRACE_STEP,
        TraceKind.TRACE_UNEXPECTED,
    )  # fmt: skip
    assert quiet & not_wanted == 0
    for name, more in (
        ("messages", every_message | bits(TraceKind.TRACE_LOST, TraceKind.TRACE_UNEXPECTED, *COMMANDS)),
        ("short_messages", every_message),
        ("rtts", bits(TraceKind.TRACE_RTT)),
        ("actions", bits(TraceKind.TRACE_LOG)),
    ):
        tracer = Tracer(Source(), CODES, CONTEXT, TraceLogs(**{name: log_file(tmp_path / name)}))
        assert tracer.mask == quiet | more, name


def test_a_log_turned_on_and_off_is_followed_by_the_engine_and_continued(tmp_path: Path) -> None:
    path = tmp_path / "m"
    source = Source()
    tracer = Tracer(source, CODES, CONTEXT, TraceLogs(messages=LogFile(path)), interval_s=0.0001)
    masks: list[int] = []
    tracer.follow(masks.append)
    tracer.start()
    for text in (b"first", b"second"):
        n_masks = len(masks)
        tracer.switch("messages", True)
        wait(lambda n=n_masks: len(masks) > n)  # type: ignore[misc]
        source.ring.put(*record(TraceKind.TRACE_SENT, data=text))
        wait(lambda text=text: path.exists() and text in path.read_bytes())  # type: ignore[misc]
        tracer.switch("messages", False)
        wait(lambda n=n_masks: len(masks) > n + 1)  # type: ignore[misc]
    tracer.stop()
    assert masks[0] == masks[2] == masks[4]
    assert masks[1] == masks[3] == masks[0] | bits(
        TraceKind.TRACE_SENT, TraceKind.TRACE_RECEIVED, TraceKind.TRACE_LOST, TraceKind.TRACE_UNEXPECTED, *COMMANDS
    )
    assert path.read_bytes().count(b"message sent") == 2


def wait(condition: Any) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_a_log_that_cannot_be_turned_on_is_a_warning(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "missing" / "m")
    tracer = Tracer(Source(), CODES, CONTEXT, TraceLogs(messages=log), interval_s=0.0001)
    tracer.switch("messages", True)
    tracer.start()
    tracer.stop()
    assert "cannot create" in tracer.last_error


def test_a_log_that_does_not_exist_cannot_be_switched() -> None:
    tracer = Tracer(Source(), CODES, CONTEXT)
    for name in ("messages", "no such log"):
        with pytest.raises(KeyError):
            tracer.switch(name, True)


def test_unexpected_codes_are_kept_until_taken_oldest_first() -> None:
    source = Source(
        [
            record(TraceKind.TRACE_UNEXPECTED, data=data)
            for data in (BUSY, b"INFO sip:x SIP/2.0\r\n", b"SIP/2.0 200 OK\r\n", b"SIP/2.0 abc", b"")
        ]
    )
    tracer = Tracer(source, CODES, CONTEXT, keeps_codes=True, interval_s=0.0001)
    tracer.start()
    tracer.stop()
    assert tracer.take_error_codes() == [486, 200]
    assert tracer.take_error_codes() == []


def test_response_times_are_written_in_batches_and_the_rest_at_the_end(tmp_path: Path) -> None:
    rtt = record(TraceKind.TRACE_RTT, data=(1_500_000).to_bytes(8, "little") * 2)
    path = tmp_path / "r"
    source = Source()
    tracer = Tracer(
        source, CODES, CONTEXT, TraceLogs(rtts=log_file(path, head=b"head\n")), rtt_frequency=3, interval_s=0.0001
    )
    tracer.start()
    source.ring.put(*rtt)
    source.ring.put(*rtt)
    wait(lambda: source.n_rtts == 2)
    assert path.read_bytes() == b"head\n"
    source.ring.put(*rtt)
    wait(lambda: path.read_bytes().count(b"1.500;1.500;1\n") == 3)
    source.ring.put(*rtt)
    tracer.stop()
    assert path.read_bytes() == b"head\n" + b"1.500;1.500;1\n" * 4


def test_calls_that_end_by_an_abort_are_written_with_what_they_did(tmp_path: Path) -> None:
    step = (5).to_bytes(8, "little")
    source = Source(
        [
            record(TraceKind.TRACE_CALL_STARTED, b"a"),
            record(TraceKind.TRACE_CALL_STARTED, b"b"),
            record(TraceKind.TRACE_STEP, b"a", step, a=0, b=0),
            record(TraceKind.TRACE_SENT, b"a", b"INVITE"),
            record(TraceKind.TRACE_RECEIVED, b"a", BUSY),
            record(TraceKind.TRACE_CALL_ENDED, b"a", a=1, b=2),
            record(TraceKind.TRACE_CALL_ENDED, b"b", a=1, b=1),
        ]
    )
    debug = CallDebug(CONTEXT.steps, Stamps())
    logs = TraceLogs(call_debug=log_file(tmp_path / "d"))
    tracer = Tracer(source, CODES, CONTEXT, logs, call_debug=debug, interval_s=0.0001)
    tracer.start()
    tracer.stop()
    text = (tmp_path / "d").read_text()
    assert text.startswith("-" * 79 + "\nCall debugging information for call a:\n" + STAMP + " Starting call a\n")
    assert "Processing message 0 of type 2 for call a at 5.\n" in text
    assert "Aborting call a (index 1).\n" in text
    assert "call b" not in text


def test_dropped_records_are_said_once() -> None:
    source = Source()
    while source.ring.put(*record(TraceKind.TRACE_SENT, data=b"x" * 60_000)):
        pass
    tracer = run(source)
    assert tracer.notes == ["1 trace records are lost: the logs could not be written as fast as they came"]


def test_a_slow_log_never_holds_up_a_warning(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "slow")
    reader = os.open(tmp_path / "slow", os.O_RDONLY | os.O_NONBLOCK)
    try:
        source = Source([record(TraceKind.TRACE_SENT, data=b"x" * 60_000)] * 50)
        logs = TraceLogs(messages=log_file(tmp_path / "slow"), errors=error_log(tmp_path / "e"))
        tracer = Tracer(source, CODES, CONTEXT, logs, interval_s=0.0001)
        tracer.start()
        time.sleep(0.05)
        begin = time.monotonic()
        for n in range(100):
            tracer.warn(f"warning {n}")
        assert time.monotonic() - begin < 1
        tracer.stop(timeout_s=0.01)
        assert tracer.notes == ["the trace logs are incomplete: writing them took too long"]
        assert tracer.n_warnings == 100
    finally:
        os.close(reader)


def test_a_log_that_exceeds_the_systems_limit_ends_all_logs_and_a_file_says_so(tmp_path: Path) -> None:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
            source = Source(*([record(TraceKind.TRACE_SENT, data=b"x" * 1000)] for _ in range(20)))
            logs = TraceLogs(messages=log_file(tmp_path / "m"), short_messages=log_file(tmp_path / "s"))
            tracer = Tracer(source, CODES, CONTEXT, logs, oversized_path=tmp_path / "o", interval_s=0.0001)
            tracer.start()
            tracer.stop()
            ended = not any(log.is_on for log in logs.all())
            noted = "File too large" in tracer.notes[0]
            code = 0 if ended and noted and not tracer.mask & 1 else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    first, second = (tmp_path / "o").read_text().splitlines()
    assert first.startswith("-" * 44 + " 20")
    assert second == "Max file size reached - no more logs"
    assert (tmp_path / "m").stat().st_size == 10_000


def test_a_bounded_log_is_one_entry_longer_than_its_bound_at_most(tmp_path: Path) -> None:
    source = Source([record(TraceKind.TRACE_SENT, data=b"x" * 400)] * 30)
    run(source, messages=log_file(tmp_path / "m", limits=LogLimits(max_bytes=2000)))
    text = (tmp_path / "m").read_bytes()
    last = text.rfind(b"-" * 47)
    assert last <= 2000 < len(text)
