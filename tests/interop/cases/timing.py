"""Retransmissions and timeouts."""

from __future__ import annotations

from interop.cases.actions import FAILS
from interop.differential import Case, Expected
from interop.scripted_peer import Answer, Request, Script

OK = Answer("200 OK")
LATE = {**FAILS, "FailedTimeoutOnRecv": 1}

CASES = [
    Case(
        "invite_is_sent_again",
        Expected(("INVITE",) * 4 + ("ACK",), outcome={"SuccessfulCall": 1, "Retransmissions": 3}),
        Script({"INVITE": [(), (), (), (OK,)]}),
    ),
    Case(
        "retransmissions_end_in_failure",
        Expected(("OPTIONS",) * 4, outcome={**FAILS, "FailedMaxUDPRetrans": 1, "Retransmissions": 3}, code=1),
        words=("-max_retrans", "3"),
    ),
    Case(
        "retransmissions_end_at_a_label",
        Expected(("OPTIONS",) * 3 + ("INFO",), log=("late",), outcome={"SuccessfulCall": 1, "Retransmissions": 2}),
        Script({"INFO": (OK,)}),
        words=("-max_non_invite_retrans", "2"),
    ),
    Case(
        "provisional_stops_an_invite",
        Expected(("INVITE", "ACK")),
        Script({"INVITE": (Answer("180 Ringing"), Answer("200 OK", after_ms=300))}),
    ),
    Case(
        "t2_bounds_the_back_off",
        Expected(
            ("OPTIONS",) * 5,
            outcome={"SuccessfulCall": 1, "Retransmissions": 4},
            stats={"CallLengthRepartition_<400": "1"},
        ),
        Script({"OPTIONS": [(), (), (), (), (OK,)]}),
        words=("-T2", "60"),
    ),
    Case(
        "provisional_slows_others_to_t2",
        Expected(("OPTIONS",) * 3, outcome={"SuccessfulCall": 1, "Retransmissions": 2}),
        Script({"OPTIONS": [(Answer("100 Trying"), Answer("200 OK", after_ms=500)), ()]}),
        words=("-T2", "200"),
    ),
    Case(
        "nr_sends_once",
        Expected(("OPTIONS",), outcome=LATE, code=1),
        words=("-nr",),
    ),
    Case(
        "answers_are_sent_again_until_ack",
        Expected(("200 INVITE",) * 3 + ("200 BYE",), outcome={"SuccessfulCall": 1, "Retransmissions": 2}),
        Script({"200 INVITE": [(), (), (Request("ACK"), Request("BYE"))]}, opening=(Request("INVITE", call=1),)),
        is_server=True,
    ),
    Case(
        "recv_timeout_fails_the_call",
        Expected(("INVITE", "CANCEL"), outcome=LATE, code=1),
        Script({"INVITE": (Answer("100 Trying"),)}),
    ),
    Case("recv_timeout_with_a_silent_peer", Expected(("OPTIONS",), outcome=LATE, code=1)),
    Case(
        "recv_timeout_goes_to_a_label",
        Expected(("OPTIONS", "INFO"), log=("late",)),
        Script({"INFO": (OK,)}),
    ),
    Case("recv_timeout_at_the_end_label_fails", Expected(("OPTIONS",), outcome=LATE, code=1)),
    Case("recv_timeout_is_an_option", Expected(("OPTIONS",), outcome=LATE, code=1), words=("-recv_timeout", "80")),
    Case(
        "recv_timeout_behind_an_optional",
        Expected(("OPTIONS",), log=(), outcome=LATE, code=1),
        differs="the timeout of a recv behind an optional one is never armed; the smallest of the group is to be",
        instead=Expected(("OPTIONS",), log=("late",)),
    ),
    Case(
        "timeout_after_200_says_ack_and_bye",
        Expected(("INVITE", "ACK", "BYE"), outcome=LATE, code=1),
        Script({"INVITE": (OK,)}),
    ),
    Case(
        "timeout_in_an_established_call_says_bye",
        Expected(("INVITE", "ACK", "BYE"), outcome=LATE, code=1),
        Script({"INVITE": (OK,)}),
    ),
    Case(
        "recv_timeout_is_not_restarted",
        Expected(("INVITE",), outcome=LATE, code=1, stats={"CallLengthRepartition_<300": "1"}),
        Script({"INVITE": (Answer("180 Ringing", after_ms=80), Answer("180 Still", after_ms=80))}),
    ),
    Case(
        "a_send_waits_for_an_unanswered_one",
        Expected(
            ("OPTIONS", "OPTIONS", "BYE"), outcome={**FAILS, "FailedUnexpectedMessage": 1, "Retransmissions": 1}, code=1
        ),
        Script({"OPTIONS": [(), (OK,)], "INFO": (OK,)}),
    ),
]
