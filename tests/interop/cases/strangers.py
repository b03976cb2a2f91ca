"""Requests that belong to no call, with a scenario of their own (-oocsf, -oocsn)."""

from __future__ import annotations

from interop.differential import Case, Expected
from interop.scripted_peer import Again, Answer, Raw, Request, Script

OK = Answer("200 OK")
ANSWERER = ("-oocsf", "SCENARIOS/ooc_answer.xml")
CALLEE = ("-oocsf", "SCENARIOS/ooc_call.xml")
STRAY_ANSWER = Raw(
    "SIP/2.0 200 OK\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKx\nFrom: <sip:a@b>;tag=1\nTo: <sip:a@b>;tag=2\n"
    "Call-ID: other\nCSeq: 1 INVITE\nContent-Length: 0\n\n"
)
LINES = {"lines.csv": "SEQUENTIAL\na\nb\nc\nd\n"}


def counted(**more: int) -> dict[str, int]:
    """The outcome of a run whose own call succeeded, and that answered one stranger."""
    return {"SuccessfulCall": 1, "AutoAnswered": 1, **more}


def beside_a_call(name: str, expected: Expected, rules: dict[str, object], *words: str, **more: object) -> Case:
    """A case in which the peer answers the call of the test, too."""
    script = Script(rules)  # type: ignore[arg-type]
    more.setdefault("scenario", "ooc_scenario_answers_strangers")
    return Case(name, expected, script, words, **more)  # type: ignore[arg-type]


CASES = [
    beside_a_call(
        "ooc_scenario_answers_strangers",
        Expected(
            ("OPTIONS", "202 MESSAGE"),
            outcome=counted(),
            errors=("Received out-of-call MESSAGE message, using the out-of-call scenario",),
        ),
        {"OPTIONS": (OK, Request("MESSAGE", call=7))},
        *ANSWERER,
    ),
    beside_a_call(
        "ooc_scenario_has_dead_calls",
        Expected(("OPTIONS", "202 MESSAGE"), outcome=counted(DeadCallMsgs=1)),
        {"OPTIONS": (OK, Request("MESSAGE", call=7)), "202 MESSAGE": (Request("INFO", after_ms=10),)},
        *ANSWERER,
    ),
    beside_a_call(
        "ooc_scenario_of_a_whole_call",
        Expected(("OPTIONS", "200 INVITE", "200 BYE"), outcome=counted()),
        {
            "OPTIONS": (OK, Request("INVITE", call=7)),
            "200 INVITE": (Request("ACK"), Request("BYE", after_ms=10)),
        },
        *CALLEE,
    ),
    beside_a_call(
        "ooc_scenario_answers_repetitions_alike",
        Expected(("OPTIONS", "200 INVITE", "200 INVITE", "200 BYE"), outcome=counted()),
        {
            "OPTIONS": (OK, Request("INVITE", call=7), Again()),
            "200 INVITE": [(Request("ACK", after_ms=20), Request("BYE", after_ms=10)), ()],
        },
        *CALLEE,
    ),
    beside_a_call(
        "ooc_scenario_says_bye_on_an_unexpected_message",
        Expected(("OPTIONS", "200 INVITE", "BYE"), outcome=counted(DeadCallMsgs=1)),
        {
            "OPTIONS": (OK, Request("INVITE", call=7)),
            "200 INVITE": (Request("ACK"), Request("INFO", after_ms=10)),
            "BYE": (OK,),
        },
        *CALLEE,
    ),
    beside_a_call(
        "ooc_scenario_is_silent_on_an_unexpected_first_message",
        Expected(("OPTIONS",), outcome=counted()),
        {"OPTIONS": (OK, Request("INFO", call=7))},
        *CALLEE,
    ),
    beside_a_call(
        "ooc_calls_open_at_the_end_are_aborted",
        Expected(
            ("OPTIONS", "200 INVITE", "BYE"),
            ("CSeq: 2 BYE",),
            outcome=counted(),
            errors=("Aborted call with Call-ID 'peer-7@127.0.0.1'",),
        ),
        {"OPTIONS": (OK, Request("INVITE", call=7)), "200 INVITE": (Request("ACK"),), "BYE": (OK,)},
        *CALLEE,
    ),
    beside_a_call(
        "ooc_scenario_takes_no_answers",
        Expected(("OPTIONS", "202 MESSAGE"), outcome=counted(OutOfCallMsgs=1)),
        {"OPTIONS": (OK, Request("MESSAGE", call=7)), "202 MESSAGE": (STRAY_ANSWER,)},
        *ANSWERER,
    ),
    beside_a_call(
        "ooc_scenario_comes_before_aa",
        Expected(("OPTIONS", "202 INFO"), outcome=counted()),
        {"OPTIONS": (OK, Request("INFO", call=7))},
        "-aa",
        *ANSWERER,
    ),
    beside_a_call(
        "ooc_takes_no_line_of_a_file",
        Expected(
            ("OPTIONS", "202 MESSAGE", "OPTIONS"),
            ("X-Field: a", "X-Field: b"),
            outcome=counted(SuccessfulCall=2, DeadCallMsgs=1),
        ),
        {"OPTIONS": (OK, Request("MESSAGE", call=7))},
        "-inf",
        "lines.csv",
        *ANSWERER,
        scenario="ooc_takes_no_line_of_a_file",
        n_calls=2,
        files=LINES,
    ),
    beside_a_call(
        "ooc_scenario_with_a_field",
        Expected(("OPTIONS",)),
        {"OPTIONS": (OK,)},
        "-inf",
        "lines.csv",
        "-oocsf",
        "SCENARIOS/fields_go_line_by_line.xml",
        files=LINES,
        differs="the first stranger ends the run with that error; it is to be seen before anything is sent",
        instead=Expected((), outcome={}, code=1, errors=("cannot use input files!",)),
    ),
    Case(
        "ooc_scenario_of_a_server_is_refused",
        Expected((), outcome={}, code=255, errors=("cannot use out-of-call scenarios when running in server mode",)),
        words=("-sn", "uas", "-oocsn", "ooc_default"),
        is_server=True,
    ),
]
