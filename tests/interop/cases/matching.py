"""Which step a received message belongs to; messages that come again."""

from __future__ import annotations

from interop.cases.actions import FAILS
from interop.differential import Case, Expected
from interop.scripted_peer import Again, Answer, Request, Script

TRYING, RINGING, PROGRESS, OK = Answer("100 Trying"), Answer("180 Ringing"), Answer("183 Progress"), Answer("200 OK")
CALL = ("INVITE", "ACK", "BYE")
BYE_OK = {"BYE": (OK,)}
UNEXPECTED = {**FAILS, "FailedUnexpectedMessage": 1}


def invited(*answers: Answer | Again) -> Script:
    """A peer with these answers to INVITE and a 200 to BYE."""
    return Script({"INVITE": answers, **BYE_OK})


CASES = [
    Case("optional_answers_are_skipped", Expected(CALL), invited(PROGRESS, OK)),
    Case(
        "optional_answers_in_any_order",
        Expected(CALL, log=("100", "183", "180", "180", "183")),
        invited(TRYING, PROGRESS, RINGING, Answer("180 Ringing again"), Answer("183 Progress again"), OK),
    ),
    Case(
        "optional_with_next_branches",
        Expected(("INVITE", "ACK"), ("Via: SIP/2.0/UDP 127.0.0.1:PORT;branch=BRANCH1", "X-Branched: yes")),
        invited(TRYING, Answer("486 Busy Here")),
    ),
    Case(
        "optional_with_an_unset_test_stays",
        Expected(CALL, log=("180", "180", "183")),
        invited(RINGING, Answer("180 Ringing again"), PROGRESS, OK),
    ),
    Case(
        "a_global_optional_moves_back_behind_itself",
        Expected(CALL, log=("global 181",)),
        invited(RINGING, Answer("181 Forwarded"), Answer("180 Ringing again"), PROGRESS, OK),
    ),
    Case(
        "a_global_optional_that_does_not_advance",
        Expected(CALL, log=("global 181", "global 181")),
        invited(RINGING, Answer("181 Forwarded"), PROGRESS, Answer("181 Forwarded again"), OK),
    ),
    Case(
        "advance_state_false_stays",
        Expected(CALL, log=("180", "180")),
        invited(RINGING, Again(), OK),
    ),
    Case(
        "method_by_regular_expression",
        Expected(("200 OPTIONS", "200 BYE")),
        Script({"200 OPTIONS": (Request("BYE"),)}, opening=(Request("OPTIONS", call=1),)),
        is_server=True,
    ),
    Case(
        "status_by_regular_expression",
        Expected((), errors=("is not a valid integer",), outcome={}, code=1),
        invited(RINGING, OK),
        differs="3.6.1 refuses an expression for a status code; newer versions match it",
        instead=Expected(CALL, log=("18x",)),
    ),
    Case(
        "an_answer_to_another_method_is_unexpected",
        Expected(("INVITE", "CANCEL"), outcome=UNEXPECTED, code=1),
        invited(Answer("200 OK", cseq="1 BYE")),
    ),
    Case(
        "concatenated_methods_match",
        Expected(("OPTIONS", "INFO", "MESSAGE")),
        Script(
            {
                "OPTIONS": (OK,),
                "INFO": (Answer("200 Again", cseq="1 OPTIONS"),),
                "MESSAGE": (Answer("202 Of INFO", cseq="2 INFO"),),
            }
        ),
    ),
    Case(
        "transactions_keep_answers_apart",
        Expected(("INVITE", "INFO", "ACK", "BYE"), log=("info answered", "call answered")),
        Script({"INVITE": (TRYING, RINGING), "INFO": (OK, Answer("200 OK", to="INVITE")), **BYE_OK}),
    ),
    Case(
        "late_provisional_of_a_transaction_is_ignored",
        Expected(("INVITE", "INFO", "ACK", "BYE")),
        Script(
            {
                "INVITE": (RINGING,),
                "INFO": (OK, Answer("180 Late", to="INVITE", after_ms=10), Answer("200 OK", to="INVITE", after_ms=10)),
                **BYE_OK,
            }
        ),
    ),
    Case(
        "repeated_final_of_a_transaction_is_acked",
        Expected(("INVITE", "ACK", "ACK", "BYE")),
        invited(RINGING, OK, Answer("200 Again", after_ms=30)),
    ),
    Case(
        "repeated_200_is_acked_again",
        Expected(
            ("INVITE", "ACK", "ACK", "BYE"),
            ("X-Varies-Clock: N",) * 2,
            outcome={"SuccessfulCall": 1, "Retransmissions": 1},
        ),
        invited(RINGING, OK, Again(after_ms=40)),
    ),
    Case(
        "changed_200_is_acked_again",
        Expected(("INVITE", "ACK", "ACK", "BYE")),
        invited(RINGING, OK, Answer("200 OK", "X-Changed: yes\n", after_ms=40)),
    ),
    Case(
        "repeated_request_is_answered_again",
        Expected(
            ("200 OPTIONS", "200 OPTIONS", "200 BYE", "200 BYE"),
            outcome={"SuccessfulCall": 1, "Retransmissions": 2},
        ),
        Script(
            {"200 OPTIONS": [(Again(),), (Request("BYE"),)], "200 BYE": [(Again(),)]},
            opening=(Request("OPTIONS", call=1),),
        ),
        is_server=True,
    ),
    Case(
        "changed_repetition_is_unexpected",
        Expected(("200 OPTIONS",), outcome=UNEXPECTED, code=1),
        Script(
            {"200 OPTIONS": [(Request("OPTIONS", cseq="1 OPTIONS"),)]},
            opening=(Request("OPTIONS", call=1),),
        ),
        is_server=True,
    ),
    Case(
        "loose_check_knows_a_changed_repetition",
        Expected(("200 OPTIONS", "200 OPTIONS", "200 BYE"), outcome={"SuccessfulCall": 1, "Retransmissions": 1}),
        Script(
            {
                "200 OPTIONS": [
                    (Request("OPTIONS", call=1, cseq="1 OPTIONS", replace=((";tag=1", ""),)),),
                    (Request("BYE"),),
                ]
            },
            opening=(Request("OPTIONS", call=1),),
        ),
        words=("-rtcheck", "loose"),
        is_server=True,
        differs="the answer to a changed repetition has the Via of the first request; it is to have its own",
        instead=Expected(
            ("200 OPTIONS", "200 OPTIONS", "200 BYE"),
            ("Via: SIP/2.0/UDP 127.0.0.1:PEER;branch=z9hG4bK-peer-2",),
            outcome={"SuccessfulCall": 1, "Retransmissions": 1},
        ),
    ),
    Case("repeated_provisional_is_ignored", Expected(CALL, log=("180",)), invited(RINGING, Again(), OK)),
    Case(
        "nr_turns_detection_off",
        Expected(("200 OPTIONS", "200 OPTIONS")),
        Script({"200 OPTIONS": [(Again(),)]}, opening=(Request("OPTIONS", call=1),)),
        words=("-nr",),
        is_server=True,
    ),
    Case(
        "a_nop_first_in_a_server",
        Expected(("200 OPTIONS",), log=("nop",)),
        Script(opening=(Request("OPTIONS", call=1),)),
        is_server=True,
    ),
    Case(
        "optional_with_next_to_the_first_step",
        Expected(("INVITE", "ACK", "BYE")),
        Script({"INVITE": [(Answer("491 Pending"), Answer("200 OK", after_ms=80)), (OK,)], **BYE_OK}),
        differs="an optional recv does not branch to a label at the first step",
        instead=Expected(("INVITE", "INVITE", "ACK", "BYE")),
    ),
    Case(
        "repeated_invite_after_two_answers",
        Expected(("180 INVITE", "200 INVITE"), outcome=UNEXPECTED, code=1),
        Script(
            {"200 INVITE": [(Again(),), (Request("ACK"), Request("BYE"))]},
            opening=(Request("INVITE", call=1),),
        ),
        is_server=True,
        differs="a second send forgets which message the first one answered; the last answer is to be sent again",
        instead=Expected(
            ("180 INVITE", "200 INVITE", "200 INVITE", "200 BYE"), outcome={"SuccessfulCall": 1, "Retransmissions": 1}
        ),
    ),
    Case(
        "server_calls_are_apart",
        Expected(
            ("200 OPTIONS", "200 OPTIONS", "200 BYE", "200 BYE"),
            ("X-You: first 1 1", "X-You: second 2 1", "X-You: first", "X-You: second"),
            outcome={"SuccessfulCall": 2},
        ),
        Script(
            opening=(
                Request("OPTIONS", "X-Who: first\n", call=1),
                Request("OPTIONS", "X-Who: second\n", call=2, after_ms=20),
                Request("BYE", call=1, after_ms=20),
                Request("BYE", call=2, after_ms=20),
            )
        ),
        n_calls=2,
        is_server=True,
    ),
    Case(
        "a_client_receives_a_request",
        Expected(("INVITE", "ACK", "200 INVITE", "BYE"), ("X-Last: 1", "CSeq: 2 BYE")),
        Script({"INVITE": (OK,), "ACK": (Request("INVITE"),), "200 INVITE": (Request("ACK"),), **BYE_OK}),
    ),
    Case(
        "a_call_of_both_directions",
        Expected(("200 OPTIONS", "INFO", "200 BYE"), ("X-Mark: one",)),
        Script({"INFO": (OK, Request("BYE"))}, opening=(Request("OPTIONS", "X-Mark: one\n", call=1),)),
        is_server=True,
    ),
    Case(
        "call_id_after_slashes",
        Expected(("OPTIONS",)),
        Script({"OPTIONS": (Answer("200 OK", replace=(("Call-ID: ", "Call-ID: before///"),)),)}),
    ),
    Case(
        "callid_slash_ign_takes_all",
        Expected(("OPTIONS",), outcome={**FAILS, "FailedTimeoutOnRecv": 1, "OutOfCallMsgs": 1}, code=1),
        Script({"OPTIONS": (Answer("200 OK", replace=(("Call-ID: ", "Call-ID: before///"),)),)}),
        words=("-callid_slash_ign",),
    ),
    Case(
        "server_is_cancelled",
        Expected(("180 INVITE", "200 CANCEL", "487 INVITE"), ("CSeq: 1 CANCEL", "CSeq: 1 INVITE")),
        Script(
            {"180 INVITE": (Request("CANCEL"),), "487 INVITE": (Request("ACK"),)}, opening=(Request("INVITE", call=1),)
        ),
        is_server=True,
    ),
    Case(
        "repeated_200_after_the_bye",
        Expected(CALL),
        Script({"INVITE": (OK,), "BYE": (Again(after_ms=20), Answer("200 OK", after_ms=20))}),
        differs="a second send forgets which message the first one answered; the ACK is to be sent again",
        instead=Expected((*CALL, "ACK"), outcome={"SuccessfulCall": 1, "Retransmissions": 1}),
    ),
    Case(
        "uas_with_a_re_invite",
        Expected(("200 INVITE", "200 INVITE", "200 BYE"), ("X-Last: 2",)),
        Script(
            {"200 INVITE": [(Request("ACK"), Request("INVITE")), (Request("ACK"), Request("BYE"))]},
            opening=(Request("INVITE", call=1),),
        ),
        is_server=True,
    ),
    Case(
        "branches_of_a_survey",
        Expected(
            ("INVITE", "ACK"), ("Via: SIP/2.0/UDP 127.0.0.1:PORT;branch=BRANCH1",) * 2, log=("ringing", "busy", "end")
        ),
        invited(RINGING, Answer("486 Busy Here", after_ms=20)),
    ),
]
