"""Slow twin of SIPp's message matching: which step takes a received message."""

from __future__ import annotations

from typing import Any

from sippx._core.codes import StepFlag, StepKind

from .sip_message import SipMessage


def _name(spec: Any, step: Any) -> bytes:
    return bytes(spec.pool[int(step["name_off"]) : int(step["name_off"]) + int(step["name_len"])])


def matches(spec: Any, index: int, message: SipMessage) -> bool:
    """Whether the recv at `index` takes the message.

    A response must also answer one of the methods sent above the recv in file order: its CSeq method is
    searched in the text of all of them. At index 0 every CSeq will do.
    """
    step = spec.steps[index]
    if step["kind"] != StepKind.STEP_RECV:
        return False
    if message.method:
        return bool(step["flags"] & StepFlag.STEP_IS_REQUEST) and _name(spec, step) == message.method
    if step["flags"] & StepFlag.STEP_IS_REQUEST or int(step["status_code"]) != message.status_code:
        return False
    first = int(step["methods_off"])
    return index == 0 or message.cseq_method in spec.pool[first : first + int(step["methods_len"])]


def find_match(spec: Any, current: int, message: SipMessage, cseq: int = 0) -> tuple[str, int] | None:
    """("recv", index) of the step that takes the message of a call sitting at `current`.

    cseq: of the call's last request, 0: unknown. ("ack", index) where a repeated final response to INVITE has the ACK at
    `index` sent again, unless it has the CSeq of a later INVITE; None where the message is unexpected.
    """
    steps = spec.steps
    for index in range(current, len(steps)):
        if matches(spec, index, message):
            return "recv", index
        is_recv = steps[index]["kind"] == StepKind.STEP_RECV
        if not (is_recv and steps[index]["flags"] & StepFlag.STEP_OPTIONAL):
            break
    contiguous = True  # every step from the match to the one before `current` is optional
    for index in range(current - 1, -1, -1):
        behind = steps[index + 1] if index + 1 < len(steps) else None
        contiguous &= bool(steps[index]["flags"] & StepFlag.STEP_OPTIONAL)
        if not matches(spec, index, message):
            continue
        if contiguous or steps[index]["flags"] & StepFlag.STEP_GLOBAL:
            return "recv", index
        is_invited_again = any(step["flags"] & StepFlag.STEP_IS_INVITE for step in steps[index + 1 : current])
        if is_invited_again and message.cseq_number == cseq:
            continue
        is_ack_behind = behind is not None and behind["flags"] & StepFlag.STEP_SENDS_ACK
        if message.status_code and message.cseq_method == b"INVITE" and is_ack_behind:
            return "ack", index + 1
    return None
