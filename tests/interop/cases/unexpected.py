"""Messages that the scenario does not expect, and messages of no call."""

from __future__ import annotations

from interop.cases.actions import FAILS
from interop.differential import CUT, Case, Expected
from interop.scripted_peer import Answer, Raw, Request, Script

OK = Answer("200 OK")
BYE_OK = {"BYE": (OK,)}
CALL = ("INVITE", "ACK", "BYE")
UNEXPECTED = {**FAILS, "FailedUnexpectedMessage": 1}
SIPP_FROM = "From: <sip:sipp@127.0.0.1:PORT>;tag=TAG1"
PEER_TO = "To: <sip:service@127.0.0.1:PEER>;tag=TAG2"


def a_call(name: str, expected: Expected, rules: dict[str, tuple[Answer | Request | Raw, ...]], **more: object) -> Case:
    """A case of the scenario a_call_with_a_pause."""
    script = Script({"INVITE": (OK,), **BYE_OK, **rules})
    return Case(name, expected, script, scenario="a_call_with_a_pause", **more)  # type: ignore[arg-type]


CASES = [
    a_call(
        "a_404_is_acknowledged",
        Expected(
            ("INVITE", "ACK"),
            (
                "ACK sip:service@127.0.0.1:PEER SIP/2.0",
                "Via: SIP/2.0/UDP 127.0.0.1:PORT;branch=BRANCH1",
                SIPP_FROM,
                PEER_TO,
                "CSeq: 1 ACK",
                "Max-Forwards: 70",
                "Subject: Performance Test",
            ),
            outcome=UNEXPECTED,
            code=1,
        ),
        {"INVITE": (Answer("404 Not Found"),)},
    ),
    a_call(
        "a_302_is_cancelled",
        Expected(
            ("INVITE", "CANCEL"),
            (
                "CANCEL sip:service@127.0.0.1:PEER SIP/2.0",
                "Via: SIP/2.0/UDP 127.0.0.1:PORT;branch=BRANCH1",
                "CSeq: 1 CANCEL",
            ),
            outcome=UNEXPECTED,
            code=1,
        ),
        {"INVITE": (Answer("302 Moved", "Contact: <sip:b@127.0.0.1>\n"),)},
    ),
    a_call(
        "a_603_is_acknowledged",
        Expected(("INVITE", "ACK"), outcome=UNEXPECTED, code=1),
        {"INVITE": (Answer("603 Decline"),)},
    ),
    a_call(
        "an_unexpected_183_is_cancelled",
        Expected(("INVITE", "CANCEL"), outcome=UNEXPECTED, code=1),
        {"INVITE": (Answer("183 Progress"),)},
    ),
    a_call(
        "without_behaviour_bye_nothing_is_said",
        Expected(("INVITE",), outcome=UNEXPECTED, code=1),
        {"INVITE": (Answer("404 Not Found"),)},
        words=("-default_behaviors", "abortunexp"),
    ),
    a_call(
        "without_abortunexp_the_call_goes_on",
        Expected(CALL),
        {"INVITE": (Answer("183 Progress"), Answer("404 Not Found"), OK)},
        words=("-default_behaviors", "bye,pingreply"),
    ),
    a_call(
        "nd_does_nothing_by_itself",
        Expected(CALL),
        {"INVITE": (Answer("183 Progress"), Request("CANCEL"), OK)},
        words=("-nd",),
    ),
    a_call(
        "an_unexpected_bye_is_answered",
        Expected(
            ("INVITE", "ACK", "200 BYE"),
            ("SIP/2.0 200 OK", "CSeq: 1 BYE", "Contact: <sip:127.0.0.1:PORT;transport=UDP>", "Content-Length: 0"),
            outcome=UNEXPECTED,
            code=1,
        ),
        {"ACK": (Request("BYE"),)},
    ),
    a_call(
        "an_unexpected_cancel_is_answered",
        Expected(("INVITE", "200 CANCEL"), outcome=UNEXPECTED, code=1),
        {"INVITE": (Answer("180 Ringing"), Request("CANCEL"))},
    ),
    a_call("bye_without_its_behaviour", Expected(CALL), {"ACK": (Request("BYE"),)}, words=("-nd",)),
    a_call(
        "info_in_a_call_ends_it",
        Expected(
            CALL,
            ("BYE sip:sipp@127.0.0.1:PORT SIP/2.0", "From: <sip:service@127.0.0.1:PEER>;tag=TAG2", "CSeq: 2 BYE"),
            outcome=UNEXPECTED,
            code=1,
        ),
        {"ACK": (Request("INFO"),)},
    ),
    a_call(
        "aa_answers_info_options_notify_update",
        Expected(
            ("INVITE", "ACK", "200 INFO", "200 OPTIONS", "200 NOTIFY", "200 UPDATE", "BYE"),
            outcome={"SuccessfulCall": 1, "AutoAnswered": 4},
        ),
        {"ACK": (Request("INFO"), Request("OPTIONS"), Request("NOTIFY"), Request("UPDATE"))},
        words=("-aa",),
    ),
    a_call(
        "ping_is_answered",
        Expected(("INVITE", "ACK", "200 PING"), outcome={}, code=CUT),
        {"ACK": (Request("PING"),)},
        cut_ms=500,
        differs="an unexpected PING leaks the call; the call is to go on",
        instead=Expected(("INVITE", "ACK", "200 PING", "BYE"), outcome={"SuccessfulCall": 1, "AutoAnswered": 1}),
    ),
    a_call(
        "a_message_in_a_pause_ends_the_call",
        Expected(CALL, outcome=UNEXPECTED, code=1, errors=("while pausing",)),
        {"ACK": (Answer("183 Progress", to="INVITE", after_ms=5),)},
    ),
    a_call(
        "pause_msg_ign_drops_it",
        Expected(CALL),
        {"ACK": (Answer("183 Progress", to="INVITE", after_ms=5), Request("BYE"))},
        words=("-pause_msg_ign",),
    ),
    a_call(
        "an_unexpected_answer_to_the_bye",
        Expected((*CALL, "BYE"), outcome=UNEXPECTED, code=1),
        {"BYE": (Answer("481 No Call"),)},
    ),
    a_call(
        "an_answer_without_a_to_header",
        Expected(("INVITE", "CANCEL"), outcome=UNEXPECTED, code=1),
        {
            "INVITE": (
                Raw(
                    "SIP/2.0 200 OK\nFrom: <sip:a@127.0.0.1>;tag=1\n"
                    "Call-ID: {call_id}\nCSeq: 1 INVITE\nContent-Length: 0\n\n"
                ),
            )
        },
    ),
    Case(
        "a_wrong_answer_to_options_says_bye",
        Expected(("OPTIONS", "BYE"), ("CSeq: 2 BYE",), outcome=UNEXPECTED, code=1),
        Script({"OPTIONS": (Answer("404 Not Found"),)}),
    ),
    Case(
        "an_unexpected_first_message_is_silent",
        Expected((), outcome=UNEXPECTED, code=1),
        Script(opening=(Request("OPTIONS", call=1),)),
        is_server=True,
    ),
    Case(
        "an_unexpected_request_in_a_server",
        Expected(("200 INVITE",), outcome=UNEXPECTED, code=1),
        Script({"200 INVITE": (Request("ACK"), Request("INFO"))}, opening=(Request("INVITE", call=1),)),
        is_server=True,
    ),
    *[
        Case(
            f"default_{what}_is_replaced",
            Expected(sent, (f"X-Own: {what}",), outcome=UNEXPECTED, code=1),
            Script({"INVITE": (OK,), **rules}),
            scenario="default_messages",
        )
        for what, sent, rules in (
            ("bye", (*CALL, "BYE"), {"BYE": (Answer("481 No Call"),)}),
            ("cancel", ("INVITE", "CANCEL"), {"INVITE": (Answer("183 Progress"),)}),
            ("ack", ("INVITE", "ACK"), {"INVITE": (Answer("500 Broken"),)}),
            ("200", ("INVITE", "ACK", "200 BYE"), {"ACK": (Request("BYE"),)}),
        )
    ],
    Case(
        "aa_in_a_server",
        Expected(("200 INFO", "200 OPTIONS"), outcome={}, code=CUT),
        Script(opening=(Request("INFO", call=7), Request("OPTIONS", call=1, after_ms=20))),
        words=("-aa",),
        n_calls=2,
        cut_ms=300,
        is_server=True,
    ),
    Case(
        "ack_before_its_step_is_unexpected",
        Expected(("180 INVITE",), outcome=UNEXPECTED, code=1),
        Script({"180 INVITE": (Request("ACK"),)}, opening=(Request("INVITE", call=1),)),
        is_server=True,
    ),
    Case(
        "unexp_main_handles_what_is_unexpected",
        Expected(
            ("INVITE", "ACK", "200 MESSAGE", "BYE"), ("X-By: handler",), log=("came back to 3.000000", "seen yes")
        ),
        Script({"INVITE": (OK,), "ACK": (Request("MESSAGE", after_ms=5),), **BYE_OK}),
    ),
    Case(
        "dead_call_is_silent",
        Expected(("OPTIONS", "OPTIONS"), outcome={"SuccessfulCall": 2, "DeadCallMsgs": 1}),
        Script({"OPTIONS": (OK, Answer("200 Late", after_ms=30))}),
        words=("-r", "5"),
        n_calls=2,
    ),
    Case(
        "deadcall_wait_0_forgets_calls",
        Expected(("OPTIONS", "OPTIONS"), outcome={"SuccessfulCall": 2, "OutOfCallMsgs": 1}),
        Script({"OPTIONS": (OK, Answer("200 Late", after_ms=30))}),
        words=("-r", "5", "-deadcall_wait", "0"),
        n_calls=2,
    ),
    a_call(
        "ping_without_its_behaviour",
        Expected(CALL),
        {"ACK": (Request("PING"),)},
        words=("-default_behaviors", "bye,abortunexp"),
    ),
    Case(
        "out_of_call_messages_are_counted",
        Expected(("OPTIONS",), outcome={"SuccessfulCall": 1, "OutOfCallMsgs": 1}),
        Script({"OPTIONS": (OK, Request("INFO", call=7))}),
    ),
    Case(
        "aa_answers_out_of_call",
        Expected(("OPTIONS", "200 INFO"), outcome={"SuccessfulCall": 1, "AutoAnswered": 2}),
        Script({"OPTIONS": (OK, Request("INFO", call=7))}),
        words=("-aa",),
        differs="an answer to a request of no call is counted twice",
        instead=Expected(("OPTIONS", "200 INFO"), outcome={"SuccessfulCall": 1, "AutoAnswered": 1}),
    ),
    Case(
        "stray_messages_in_a_server",
        Expected(("200 OPTIONS",), outcome={"SuccessfulCall": 1, **UNEXPECTED}, code=1),
        Script(
            opening=(
                Raw(
                    "SIP/2.0 200 OK\nVia: SIP/2.0/UDP x\nFrom: <sip:a@b>\nTo: <sip:c@d>\n"
                    "Call-ID: stray\nCSeq: 1 INFO\nContent-Length: 0\n\n"
                ),
                Request("OPTIONS", call=1),
                Request("OPTIONS", call=2, after_ms=50),
            )
        ),
        n_calls=2,
        is_server=True,
        differs="a stray answer opens a call that fails; it is to be counted as out of call",
        instead=Expected(("200 OPTIONS", "200 OPTIONS"), outcome={"SuccessfulCall": 2, "OutOfCallMsgs": 1}),
    ),
    Case(
        "not_sip_is_discarded",
        Expected(("OPTIONS", "INFO"), errors=("non SIP message discarded",)),
        Script({"OPTIONS": (OK, Raw("hello\n"), Raw("\n\n")), "INFO": (OK,)}),
    ),
]
