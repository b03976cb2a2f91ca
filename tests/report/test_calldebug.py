"""What is kept of open calls: bounded, and given back for those that were aborted only."""

from __future__ import annotations

from sippx.report.calldebug import CallDebug
from sippx.report.flow import FlowStep
from sippx.report.stamps import Stamps

MOMENT_NS = 1_795_408_757_547_945_000
STAMP = b"2026-11-23\t04:39:17.547945\t1795408757.547945 "
STEPS = (FlowStep("send", "INVITE"), FlowStep("nop"))


def take(debug: CallDebug, name: str, call: bytes, data: bytes = b"", a: int = 0, b: int = 0) -> bytes | None:
    return debug.take(name, MOMENT_NS, a, b, call, data)


def test_the_lines_of_an_aborted_call_are_sipps() -> None:
    debug = CallDebug(STEPS, Stamps())
    take(debug, "TRACE_CALL_STARTED", b"c")
    take(debug, "TRACE_STEP", b"c", (104).to_bytes(8, "little"), a=1, b=3)
    take(debug, "TRACE_SENT", b"c", b"ACK x\r\n\r\n", a=7)
    take(debug, "TRACE_RECEIVED", b"c", b"SIP/2.0 486\r\n")
    take(debug, "TRACE_UNEXPECTED", b"c", b"SIP/2.0 486\r\n", a=1)
    entry = take(debug, "TRACE_CALL_ENDED", b"c", a=1, b=2)
    assert entry is not None
    lines = entry.split(b"\n")
    assert lines[:5] == [
        b"-" * 79,
        b"Call debugging information for call c:",
        STAMP + b"Starting call c",
        STAMP + b"Processing message 1 of type 5 for call c at 104.",
        STAMP + b"Executing NOP at index 1.",
    ]
    assert lines[5].startswith(STAMP + b"Sending UDP message for call c (index -1, hash ")
    assert b"Processing 13 byte incoming message for call-ID c (hash " in entry
    assert STAMP + b"Unexpected UDP message received (index 1, hash " in entry
    assert entry.endswith(STAMP + b"Aborting call c (index 1).\n\n")


def test_other_ends_are_forgotten() -> None:
    debug = CallDebug(STEPS, Stamps())
    for reason in (0, 1):
        take(debug, "TRACE_CALL_STARTED", b"c")
        assert take(debug, "TRACE_CALL_ENDED", b"c", b=reason) is None
    assert not debug._calls
    assert debug._n_bytes == 0


def test_the_oldest_calls_are_given_up_beyond_the_bounds_and_counted() -> None:
    debug = CallDebug(STEPS, Stamps(), max_calls=3)
    for n in range(5):
        take(debug, "TRACE_CALL_STARTED", b"%d" % n)
    assert list(debug._calls) == [b"2", b"3", b"4"]
    assert debug.note is not None
    assert "2 calls" in debug.note
    debug = CallDebug(STEPS, Stamps(), max_bytes=10_000)
    for n in range(50):
        take(debug, "TRACE_SENT", b"%d" % (n % 7), b"x" * 900)
        assert debug._n_bytes <= 10_000
        assert debug._n_bytes == sum(len(line) for call in debug._calls.values() for line in call.lines)


def test_a_call_longer_than_the_bound_is_given_up_itself() -> None:
    debug = CallDebug(STEPS, Stamps(), max_bytes=100)
    take(debug, "TRACE_SENT", b"c", b"x" * 1000)
    assert debug._n_bytes == 0
    entry = take(debug, "TRACE_CALL_ENDED", b"c", b=2)
    assert entry is not None
    assert entry.count(b"\n") == 4
