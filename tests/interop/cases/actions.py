"""Actions: numbers, texts, checks, files, commands."""

from __future__ import annotations

from interop.differential import Case, Expected
from interop.scripted_peer import Answer, Request, Script

OK = Answer("200 OK", "X-Two: one\nX-Two: two\n")
AGREEABLE = Script(dict.fromkeys(("OPTIONS", "MESSAGE", "INFO"), (OK,)))
"""A peer that says 200 to everything."""
FAILS = {"FailedCall": 1}
DIGEST = (
    'Authorization: Digest username="alice",realm="r",nonce="n",uri="sip:x",'
    'response="4b775f9e10cfbd3ee97a389c2c95fea2"\n'
)
QOP_DIGEST = DIGEST[: DIGEST.index("response")] + (
    'cnonce="c",nc=00000001,qop=auth,response="809e99094e416116aedd89686836cedf"\n'
)
USERS = "SEQUENTIAL\nalice;1\nbob;2\ncarol;3\n"

CASES = [
    Case("assign_and_arithmetic", Expected(("OPTIONS",), ("X-Copy: 10.000000",)), AGREEABLE),
    Case("divide_by_zero_keeps_the_value", Expected(("OPTIONS",), ("X-A: 7.000000",)), AGREEABLE),
    Case("zero_prints_nothing", Expected(("OPTIONS",), ("X-A: <>", "X-B: <-1.000000>")), AGREEABLE),
    Case(
        "test_compares_six_ways",
        Expected(
            ("OPTIONS",),
            ("X-eq: true", "X-ne: false", "X-gt: true", "X-lt: false", "X-ge: true", "X-le: false", "X-two: true"),
        ),
        AGREEABLE,
    ),
    Case(
        "test_check_it_fails_the_call",
        Expected(("OPTIONS", "OPTIONS"), ("X-A: 7.000000",), outcome={**FAILS, "FailedTestDoesntMatch": 1}, code=1),
        AGREEABLE,
    ),
    Case(
        "test_check_it_inverse_fails_the_call",
        Expected(("OPTIONS", "OPTIONS"), ("X-A: 7.000000",), outcome={**FAILS, "FailedTestShouldntMatch": 1}, code=1),
        AGREEABLE,
    ),
    Case(
        "strcmp_stores_an_order",
        Expected(("OPTIONS",), ("X-Less: true", "X-Equal: <>", "X-More: true", "X-Vars: <>")),
        AGREEABLE,
    ),
    Case(
        "strcmp_check_it_fails_the_call",
        Expected(("OPTIONS",), outcome={**FAILS, "FailedStrcmpDoesntMatch": 1}, code=1),
        AGREEABLE,
    ),
    Case(
        "strcmp_check_it_inverse_fails_the_call",
        Expected(("OPTIONS",), outcome={**FAILS, "FailedStrcmpShouldntMatch": 1}, code=1),
        AGREEABLE,
    ),
    Case("trim_both_ends", Expected(("OPTIONS",), ("X-S: <two words>",)), AGREEABLE),
    Case(
        "urlencode_encodes",
        Expected((), errors=("Unknown action: urlencode",), outcome={}, code=1),
        AGREEABLE,
        differs="3.6.1 has no action urlencode",
        instead=Expected(("OPTIONS",), ("X-E: <a%20b%2Fc%2Bd%25%3F~>",)),
    ),
    Case(
        "urldecode_decodes",
        Expected((), errors=("Unknown action: urldecode",), outcome={}, code=1),
        AGREEABLE,
        differs="3.6.1 has no action urldecode",
        instead=Expected(("OPTIONS",), ("X-D: <a b/c dA>",)),
    ),
    Case(
        "todouble_parses_whole_strings",
        Expected(("OPTIONS",), ("X-G: 13.500000", "X-B: 3.000000"), errors=("Invalid double conversion",)),
        AGREEABLE,
    ),
    Case("assignstr_is_a_template", Expected(("OPTIONS",), ("X-S: call 1 of service A",)), AGREEABLE),
    Case("jump_by_value_and_variable", Expected(("OPTIONS",), ("X-Index: 4",), log=("ran 2",)), AGREEABLE),
    Case("index_is_the_position", Expected(("OPTIONS",), ("X-I: 1.000000",)), AGREEABLE),
    Case("sample_of_fixed_and_uniform", Expected(("OPTIONS",), ("X-F: 42.000000", "X-U: true true")), AGREEABLE),
    Case(
        "gettimeofday_stores_two_numbers",
        Expected(("OPTIONS",), ("X-T: true true", "X-Varies-Sec: N.N")),
        AGREEABLE,
    ),
    Case(
        "log_and_warning",
        Expected(("OPTIONS",), log=("first 1 of service", "second A"), errors=("beware of service",)),
        AGREEABLE,
    ),
    Case(
        "log_of_a_received_message",
        Expected(
            ("OPTIONS", "MESSAGE"),
            log=(
                "got  of ",
                "sent after X-Two: one, two",
                "now X-Two: one, two",
            ),
        ),
        AGREEABLE,
    ),
    Case(
        "error_ends_the_run",
        Expected(("OPTIONS",), errors=("no more of service",), outcome={}, code=255),
        AGREEABLE,
    ),
    Case(
        "lookup_insert_and_replace",
        Expected(
            ("OPTIONS",),
            ("X-Line: 2.000000 -1.000000 3.000000", "X-Carol: 3", "X-Dave: 41", "X-Alice: one"),
        ),
        AGREEABLE,
        words=("-inf", "users.csv", "-infindex", "users.csv", "0"),
        files={"users.csv": USERS},
    ),
    Case("exec_command_runs_a_shell", Expected(("OPTIONS",), ("X-Made: made-by-service",)), AGREEABLE),
    Case(
        "stop_call_in_recv_fails_the_call",
        Expected(("OPTIONS",), outcome={**FAILS, "FailedCallRejected": 1}, code=1),
        AGREEABLE,
    ),
    Case("stop_now_ends_with_97", Expected(("OPTIONS",), outcome={}, code=97), AGREEABLE),
    Case(
        "stop_gracefully_finishes_the_call",
        Expected(("OPTIONS", "OPTIONS"), ("X-A: more",)),
        AGREEABLE,
        words=("-l", "1"),
        n_calls=5,
    ),
    Case(
        "stop_call_in_a_nop",
        Expected(("OPTIONS",)),
        AGREEABLE,
        differs="3.6.1 ignores stop_call in a nop; it is to end the call as it does in a recv",
        instead=Expected((), outcome={**FAILS, "FailedCallRejected": 1}, code=1),
    ),
    Case(
        "check_in_a_nop_fails_the_call",
        Expected(("OPTIONS",)),
        AGREEABLE,
        differs="3.6.1 ignores failed checks in a nop; newer versions count the call failed",
        instead=Expected(("OPTIONS",), outcome={**FAILS, "FailedTestDoesntMatch": 1}, code=1),
    ),
    Case("setdest_sends_elsewhere", Expected(("OPTIONS", "OPTIONS"), ("X-A: after",)), AGREEABLE),
    Case(
        "verifyauth_judges_a_digest",
        Expected(("200 REGISTER",), ("X-Right: true", "X-Wrong: false")),
        Script(opening=(Request("REGISTER", DIGEST, call=1),)),
        is_server=True,
    ),
    Case(
        "verifyauth_with_qop",
        Expected(("200 REGISTER",), ("X-Right: true",)),
        Script(opening=(Request("REGISTER", QOP_DIGEST, call=1),)),
        is_server=True,
    ),
    Case(
        "verifyauth_without_authorization",
        Expected(("401 REGISTER",), ("X-Right: <false>",)),
        Script(opening=(Request("REGISTER", call=1),)),
        is_server=True,
    ),
    Case(
        "server_challenges_and_accepts",
        Expected(("401 REGISTER", "200 REGISTER"), ("X-Right: true",)),
        Script({"401 REGISTER": (Request("REGISTER", DIGEST),)}, opening=(Request("REGISTER", call=1),)),
        is_server=True,
    ),
    Case(
        "jump_in_a_recv",
        Expected(("OPTIONS", "MESSAGE", "INFO")),
        AGREEABLE,
        differs="a jump in the actions of a recv is overwritten; it is to be honoured",
        instead=Expected(("OPTIONS", "INFO")),
    ),
]
