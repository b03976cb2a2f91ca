"""Control flow, measuring, pauses."""

from __future__ import annotations

from interop.cases.actions import AGREEABLE
from interop.differential import Case, Expected

ONE = ("OPTIONS",)

CASES = [
    Case(
        "condexec_runs_what_is_set",
        Expected(ONE, ("X-Sent: 1",), log=("set", "true", "inverse of unset", "inverse of false")),
        AGREEABLE,
    ),
    Case("next_branches_when_test_is_set", Expected(ONE, log=("a", "b", "c", "d")), AGREEABLE),
    Case("skipped_step_still_follows_next", Expected(ONE, log=()), AGREEABLE),
    Case("chance_zero_and_one", Expected(ONE, log=("a", "b")), AGREEABLE),
    Case(
        "a_loop_counts_to_three",
        Expected(
            ("OPTIONS",) * 3,
            ("CSeq: 1 OPTIONS", "CSeq: 2 OPTIONS", "Via: SIP/2.0/UDP 127.0.0.1:PORT;branch=BRANCH1", "CSeq: 3 OPTIONS"),
            stats={"rounds(C)": "3", "GenericCounter2(C)": "3", "after(C)": "1"},
        ),
        AGREEABLE,
    ),
    Case("a_label_may_be_the_end", Expected((), log=("a",)), AGREEABLE),
    Case(
        "response_times_are_measured",
        Expected(
            ONE,
            stats={
                "ResponseTimeRepartitiona_<30": "1",
                "ResponseTimeRepartitionb_<40": "0",
                "ResponseTimeRepartitionb_<1000": "1",
                "ResponseTimeRepartitionnever_started_<30": "1",
                "CallLengthRepartition_<50": "0",
                "CallLengthRepartition_<2000": "1",
            },
        ),
        AGREEABLE,
    ),
    Case(
        "repeated_response_times",
        Expected(("OPTIONS",) * 3, stats={"ResponseTimeRepartition1_<1000": "3"}),
        AGREEABLE,
    ),
    Case(
        "init_runs_before_the_first_call",
        Expected(ONE, ("X-A: hello 6.000000 in call 2",), log=("initialised",)),
        AGREEABLE,
    ),
    Case(
        "pauses_wait",
        Expected(
            ("OPTIONS", "MESSAGE", "INFO", "OPTIONS"),
            stats={"CallLengthRepartition_<430": "0", "CallLengthRepartition_<1400": "1"},
        ),
        AGREEABLE,
        words=("-d", "60"),
    ),
    Case(
        "timewait_ends_the_call",
        Expected(ONE, stats={"CallLengthRepartition_<100": "0", "CallLengthRepartition_<1000": "1"}),
        AGREEABLE,
    ),
    Case("attributes_of_the_screen_change_nothing", Expected(("OPTIONS", "OPTIONS")), AGREEABLE),
    Case("attribute_escapes", Expected(ONE, log=('tab \t quote " back \\ amp & lt < dot \\. end',)), AGREEABLE),
    Case(
        "lost_send_is_not_sent",
        Expected(("INFO",)),
        AGREEABLE,
    ),
    Case("lost_recv_is_not_seen", Expected(("OPTIONS", "INFO")), AGREEABLE),
    *[
        Case(f"refused_{what}", Expected((), outcome={}, code=1), AGREEABLE)
        for what in (
            "undefined_label",
            "label_twice",
            "unknown_action",
            "unknown_element",
            "unknown_keyword",
            "keyword_without_an_end",
            "bad_expression",
            "optional_before_send",
            "transaction_never_started",
            "invite_transaction_without_ack",
            "timer_never_stopped",
            "divide_by_zero",
            "both_checks",
            "chance_above_one",
            "no_messages",
            "timewait_in_the_middle",
            "keyword_for_the_method",
            "status_out_of_range",
        )
    ],
    Case("jump_to_itself_is_fatal", Expected(ONE, outcome={}, code=255), AGREEABLE),
    Case("jump_out_of_range_is_fatal", Expected(ONE, outcome={}, code=255), AGREEABLE),
]
