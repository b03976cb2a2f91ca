"""ereg: where it looks, what it stores, how its checks fail a call; and variables."""

from __future__ import annotations

from interop.cases.actions import AGREEABLE, FAILS
from interop.differential import Case, Expected
from interop.scripted_peer import SDP, Answer, Script

WORDY = Script(
    {
        "OPTIONS": (Answer("200 OK", "X-Two: one\nX-Two: two\nX-Reply-To: other\nX-Dots: a+b.c\n", SDP),),
        "MESSAGE": (Answer("200 OK"),),
    }
)
TWICE = ("OPTIONS", "OPTIONS")

CASES = [
    Case(
        "ereg_in_the_message_with_groups",
        Expected(TWICE, ("X-All: CSeq: 1 OPTIONS", "X-Number: 1", "X-Name: OPTIONS")),
        WORDY,
    ),
    Case("ereg_in_a_header", Expected(TWICE, ("X-Word: one", "X-Rest: < one>")), WORDY),
    Case("ereg_in_the_second_occurrence", Expected(TWICE, ("X-First: < one>", "X-Second: < two>")), WORDY),
    Case(
        "ereg_at_the_start_of_a_line",
        Expected(TWICE, ("X-Line: < <sip:service@127.0.0.1:PEER>;tag=TAG2>",)),
        WORDY,
    ),
    Case("ereg_in_a_header_of_any_case", Expected(TWICE, ("X-Any: < one>", "X-Exact: <>")), WORDY),
    Case("ereg_in_the_body", Expected(TWICE, ("X-At: 4000", "X-Head: <>")), WORDY),
    Case("ereg_in_a_variable", Expected(TWICE, ("X-Found: one n",)), WORDY),
    Case(
        "ereg_check_it_fails_the_call",
        Expected(TWICE, ("X-Later: <>",), outcome={**FAILS, "FailedRegexpDoesntMatch": 1}, code=1),
        WORDY,
    ),
    Case(
        "ereg_check_it_inverse_fails_the_call",
        Expected(TWICE, outcome={**FAILS, "FailedRegexpShouldntMatch": 1}, code=1),
        WORDY,
    ),
    Case(
        "ereg_of_a_missing_header_fails_the_call",
        Expected(TWICE, outcome={**FAILS, "FailedRegexpHdrNotFound": 1}, code=1),
        WORDY,
    ),
    Case(
        "ereg_of_a_missing_header_unchecked",
        Expected(("OPTIONS", "MESSAGE"), ("X-V: <>",), log=("end",)),
        WORDY,
    ),
    Case("ereg_without_a_match_keeps_the_value", Expected(TWICE, ("X-V: <one>",)), WORDY),
    Case("ereg_of_a_sent_message", Expected(TWICE, ("X-V: < text>",)), WORDY),
    Case("ereg_check_in_a_send_is_ignored", Expected(("OPTIONS",)), WORDY),
    Case("ereg_with_nine_groups", Expected(TWICE, ("X-V: SIP/2.0 2 SIP/2.0 2",)), WORDY),
    Case(
        "ereg_with_entities",
        Expected(TWICE, ("X-Uri: service@127.0.0.1:PEER", "X-Dots: a+b.c")),
        WORDY,
    ),
    Case(
        "ereg_spans_lines",
        Expected(TWICE, ("X-End: end", "X-Anchor: <>", "X-Both: X-Two: one", "X-Two: two")),
        WORDY,
    ),
    Case(
        "global_variables_last_over_calls",
        Expected(("OPTIONS",) * 3, ("X-N: 1.000000", "X-N: 2.000000", "X-N: 3.000000"), outcome={"SuccessfulCall": 3}),
        AGREEABLE,
        words=("-l", "1"),
        n_calls=3,
    ),
    Case(
        "call_variables_begin_unset",
        Expected(TWICE, ("X-N: 1.000000", "X-N: 1.000000"), outcome={"SuccessfulCall": 2}),
        AGREEABLE,
        words=("-l", "1"),
        n_calls=2,
    ),
    Case(
        "set_gives_a_global_its_text",
        Expected(("OPTIONS",), ("X-Name: [service] 0",)),
        AGREEABLE,
        words=("-set", "name", "[service] 0"),
    ),
    Case(
        "user_variables_last_over_calls_of_a_user",
        Expected(
            ("OPTIONS",) * 4,
            (
                "X-User: 2 of 2",
                "X-N: 1.000000",
                "X-User: 1 of 2",
                "X-N: 1.000000",
                "X-User: 2 of 2",
                "X-N: 2.000000",
                "X-User: 1 of 2",
                "X-N: 2.000000",
            ),
            outcome={"SuccessfulCall": 4},
        ),
        AGREEABLE,
        words=("-users", "2"),
        n_calls=4,
    ),
    Case("reference_silences_the_check", Expected(("OPTIONS",)), AGREEABLE),
    Case(
        "a_variable_used_once_is_refused",
        Expected((), errors=("once",), outcome={}, code=1),
        AGREEABLE,
    ),
    Case(
        "unset_variable_line_disappears",
        Expected(("OPTIONS",), ("X-A: 1", "X-B: 2", "X-C: 3 ", "Content-Length:     0")),
        AGREEABLE,
    ),
]
