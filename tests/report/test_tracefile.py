"""Texts of trace records, against what sipp 3.6.1 writes."""

from __future__ import annotations

import errno

import pytest

from sippx._core.codes import Complaint, Method, TraceFlag, TraceKind
from sippx.report.calldebug import CALL_DEBUG_KINDS
from sippx.report.flow import FlowStep
from sippx.report.stamps import Stamps
from sippx.report.tracefile import (
    COMPLAINT_TEXTS,
    ERROR_TEXTS,
    SIDE_BIT,
    TraceCodes,
    TraceContext,
    error_entry,
    error_text,
    printable,
    trace_file_name,
)

MOMENT_NS = 1_795_408_757_547_945_000
STEPS = (FlowStep("send", "INVITE"), FlowStep("recv", "200"), FlowStep("pause"), FlowStep("nop"))
CONTEXT = TraceContext("multi", STEPS)
KINDS = [kind for kind in TraceKind if kind.name.startswith("TRACE_")]
CODES = TraceCodes.from_enums(KINDS, Method, Complaint)
ACTION_KINDS = {"TRACE_LOG", "TRACE_EXEC", "TRACE_RTT"}
"""What the tracer deals with itself."""
CALL_ID = b"1@127.0.0.1"
RINGING = b"SIP/2.0 180 Ringing\r\nCSeq: 1 INVITE\r\n\r\n"
MESSAGE_KINDS = {
    "TRACE_SENT", "TRACE_RECEIVED", "TRACE_UNEXPECTED", "TRACE_LOST", "TRACE_COMMAND_SENT", "TRACE_COMMAND_RECEIVED",
}  # fmt: skip


def text_of(
    kind: TraceKind, a: int = 0, b: int = 0, data: bytes = b"", call_id: bytes = CALL_ID
) -> str | None:
    return error_text(CONTEXT, CODES, (int(kind), MOMENT_NS, a, b, call_id, data))


def test_every_kind_of_the_engine_is_a_message_or_has_an_error_text() -> None:
    assert {kind.name for kind in KINDS} == MESSAGE_KINDS | ACTION_KINDS | CALL_DEBUG_KINDS | set(ERROR_TEXTS)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.name in ERROR_TEXTS])
def test_every_kind_leaves_a_trace_whatever_the_record_holds(kind: TraceKind) -> None:
    record = (int(kind), MOMENT_NS, 99, 99, b"\xff\x00", b"\x00\xfe{e.b}")
    assert error_text(CONTEXT, CODES, record)


@pytest.mark.parametrize("complaint", [one for one in Complaint if one != Complaint.N_COMPLAINTS])
def test_every_complaint_has_words_that_name_the_call(complaint: Complaint) -> None:
    assert complaint.name in COMPLAINT_TEXTS
    text = text_of(TraceKind.TRACE_COMPLAINT, a=3, b=int(complaint), data=b"{e.b}")
    assert text is not None
    assert CALL_ID.decode() in text or complaint == Complaint.COMPLAINT_NO_CIRCUIT


def test_kind_unknown_here_leaves_no_trace() -> None:
    record = (9999, MOMENT_NS, 0, 0, CALL_ID, RINGING)
    assert error_text(CONTEXT, CODES, record) is None


@pytest.mark.parametrize(
    ("kind", "a", "b", "data", "text"),
    [
        (TraceKind.TRACE_ABORT_UNEXPECTED, 1, 0, b"SIP/2.0 486 Busy\r\n\r\n",
         "Aborting call on unexpected message for Call-Id '1@127.0.0.1': while expecting '200' (index 1), "
         "received 'SIP/2.0 486 Busy\r\n\r\n'"),
        (TraceKind.TRACE_ABORT_UNEXPECTED, 2, 0, b"INFO x\r\n",
         "Aborting call on unexpected message for Call-Id '1@127.0.0.1': while pausing (index 2), "
         "received 'INFO x\r\n'"),
        (TraceKind.TRACE_CONTINUE_UNEXPECTED, 1, 0, b"INFO x\r\n",
         "Continuing call on unexpected message for Call-Id '1@127.0.0.1': while expecting '200' (index 1), "
         "received 'INFO x\r\n'"),
        (TraceKind.TRACE_ABORT_BYE, 1, -Method.METHOD_BYE, b"",
         "Continuing call on an unexpected BYE for call: 1@127.0.0.1"),
        (TraceKind.TRACE_ABORT_BYE, 1, -Method.METHOD_CANCEL, b"",
         "Continuing call on unexpected CANCEL for call: 1@127.0.0.1"),
        (TraceKind.TRACE_ABORT_BYE, 0, Method.METHOD_CANCEL, b"",
         "Aborting call on an unexpected CANCEL for call: 1@127.0.0.1"),
        (TraceKind.TRACE_RETRANS_TIMEOUT, 0, 0, b"",
         "Aborting call on UDP retransmission timeout for Call-ID '1@127.0.0.1'"),
        (TraceKind.TRACE_RETRANS_TIMEOUT_JUMP, 1, 3, b"",
         "Call-Id: 1@127.0.0.1, timeout on max UDP retrans for message 1, jumping to label 3"),
        (TraceKind.TRACE_RECV_TIMEOUT, 1, 0, b"",
         "Call-Id: 1@127.0.0.1, receive timeout on message multi:1 without label to jump to "
         "(ontimeout attribute): aborting call"),
        (TraceKind.TRACE_RECV_TIMEOUT_JUMP, 3, 4, b"",
         "Call-Id: 1@127.0.0.1, receive timeout on message multi:3, jumping to label 4"),
        (TraceKind.TRACE_OUT_OF_CALL, 0, 0, b"PING x\r\n",
         "Discarding message which can't be mapped to a known SIPp call:\nPING x\r\n"),
        (TraceKind.TRACE_NOT_SIP, 0, 21, b"hello world not sip\r\n",
         'non SIP message discarded: "hello world not sip\r\n" (21)'),
        (TraceKind.TRACE_NOT_SIP, 0, 1400, b"\x00\x01", 'non SIP message discarded: "\\x00\\x01" (1400)'),
        (TraceKind.TRACE_ABORTED_CALL, 0, 0, b"", "Aborted call with Call-ID '1@127.0.0.1'"),
        (TraceKind.TRACE_DEAD_CALL, 0, 9, b"x", "Dead call 1@127.0.0.1 (successful), received 'x'"),
        (TraceKind.TRACE_DEAD_CALL, 1, 4, b"x", "Dead call 1@127.0.0.1 (failed at index 4), received 'x'"),
        (TraceKind.TRACE_DEAD_CALL, 2, 1, b"x", "Dead call 1@127.0.0.1 (aborted at index 1), received 'x'"),
        (TraceKind.TRACE_SEND_ERROR, errno.EMSGSIZE, 2, b"",
         "Unable to send 2 UDP message(s), errno = 90 (Message too long)"),
        (TraceKind.TRACE_ICMP_ERROR, errno.ECONNREFUSED, 3, b"",
         "3 network error(s) reported for UDP messages, errno = 111 (Connection refused)"),
        (TraceKind.TRACE_MESSAGE_TOO_LONG, 0, 0, b"",
         "Call-Id: 1@127.0.0.1, message 0 is longer than a datagram can be"),
        (TraceKind.TRACE_MESSAGE_TOO_LONG, 5, 0, b"",
         "Call-Id: 1@127.0.0.1, a default message is longer than a datagram can be"),
        (TraceKind.TRACE_FALLBACK, 0, 1, b"", "UDP_GRO cannot be used here; continuing without it"),
        (TraceKind.TRACE_FALLBACK, errno.EIO, 0, b"",
         "UDP_SEGMENT (GSO) cannot be used here, errno = 5 (Input/output error); continuing without it"),
    ],
)  # fmt: skip
def test_error_texts_are_sipps(kind: TraceKind, a: int, b: int, data: bytes, text: str) -> None:
    assert text_of(kind, a, b, data) == text


def test_no_control_character_of_a_peer_reaches_a_text() -> None:
    text = text_of(TraceKind.TRACE_DEAD_CALL, data=b"\x1b]0;x\x07\xc2\x9b31m\x00\xff", call_id=b"a\x1b[2J")
    assert text == "Dead call a\\x1b[2J (successful), received '\\x1b]0;x\\x07\\x9b31m\\x00\\xff'"


def test_utf8_text_stays_readable() -> None:
    assert printable("Grüße\r\n\t".encode()) == "Grüße\r\n\t"


@pytest.mark.parametrize(
    ("what", "name"),
    [
        ("messages", "uac_42_messages.log"), ("errors", "uac_42_errors.log"), ("stat", "uac_42_.csv"),
        ("counts", "uac_42_counts.csv"), ("error_codes", "uac_42_error_codes.csv"), ("rtt", "uac_42_rtt.csv"),
        ("shortmessages", "uac_42_shortmessages.log"), ("calldebug", "uac_42_calldebug.log"),
        ("screen", "uac_42_screen.log"), ("traces_oversized", "uac_42_traces_oversized.log"),
    ],
)
def test_default_names_are_sipps(what: str, name: str) -> None:
    assert trace_file_name("uac", 42, what) == name


def test_the_bit_of_the_second_scenario_is_the_engines() -> None:
    assert SIDE_BIT == TraceFlag.TRACE_OF_SIDE


def test_records_of_the_second_scenario_are_told_with_its_steps() -> None:
    side = TraceContext("ooc", (FlowStep("recv", "OPTIONS"), FlowStep("send", "200")))
    context = TraceContext("multi", STEPS, side=side)
    for bit, text in ((0, "sending 'INVITE'"), (SIDE_BIT, "expecting 'OPTIONS'")):
        record = (int(TraceKind.TRACE_ABORT_UNEXPECTED) | bit, MOMENT_NS, 0, 0, CALL_ID, b"INFO")
        told = error_text(context, CODES, record)
        assert told is not None
        assert f"while {text} (index 0)" in told


def test_events_take_the_stamp_they_are_given() -> None:
    assert error_entry(MOMENT_NS, "x", Stamps(rfc3339=True)) == b"2026-11-23T04:39:17.547945Z: x\n"


def test_a_mask_has_a_bit_for_each_kind_the_engine_has() -> None:
    assert CODES.mask(["TRACE_SENT", "TRACE_RTT", "no such kind"]) == 1 << TraceKind.TRACE_RTT | 1
