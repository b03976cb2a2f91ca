"""Keywords in messages, and fields of injection files."""

from __future__ import annotations

from interop.cases.actions import AGREEABLE
from interop.differential import Case, Expected
from interop.scripted_peer import Answer, Raw, Request, Script

ONE, TWO = ("OPTIONS",), ("OPTIONS", "OPTIONS")
OK = Answer("200 OK")
RICH = Script(
    {
        "OPTIONS": (Answer("200 OK", "X-Two: one\nX-Two:   two  \nX-Folded: a\n  b\n\tc\nX-Empty:\n"),),
        "MESSAGE": (OK,),
    }
)
USERS = "SEQUENTIAL\nalice;1\nbob;2\ncarol;3\n"

CASES = [
    Case(
        "addresses_and_identities",
        Expected(
            ONE,
            (
                "X-Remote: 127.0.0.1 127.0.0.1 PEER PEER+500",
                "X-Local: 127.0.0.1 4 PORT PORT-500",
                "X-Server: 127.0.0.1",
                "X-Media: 127.0.0.1 4",
                "X-Call: 1 CALL1@127.0.0.1",
                "X-Pid: PID",
                "X-Users: -1 0",
                "X-Index: 0",
                "X-Transport: UDP service",
            ),
        ),
        AGREEABLE,
    ),
    Case(
        "branch_with_an_offset",
        Expected(
            ("INVITE", "ACK", "ACK", "INFO", "INFO", "INFO"),
            tuple(f"Via: SIP/2.0/UDP 127.0.0.1:PORT;branch=BRANCH{n}" for n in (1, 1, 2, 2, 3, 3)),
        ),
        Script({"INVITE": (OK,), "INFO": (OK,)}),
    ),
    Case(
        "cseq_counts_requests",
        Expected(
            ("OPTIONS", "INVITE", "ACK", "BYE", "OPTIONS"),
            (
                "CSeq: 1 OPTIONS",
                "X-Next: 2",
                "CSeq: 2 INVITE",
                "CSeq: 2 ACK",
                "CSeq: 13 BYE",
                "CSeq: 4 OPTIONS",
                "X-Cseq: 3",
            ),
        ),
        Script(dict.fromkeys(("OPTIONS", "INVITE", "BYE"), (OK,))),
    ),
    Case(
        "base_cseq_begins_elsewhere",
        Expected(TWO, ("CSeq: 100 OPTIONS", "CSeq: 101 OPTIONS")),
        AGREEABLE,
        words=("-base_cseq", "100"),
    ),
    Case(
        "received_requests_raise_cseq",
        Expected(("200 OPTIONS", "INFO"), ("CSeq: 70 OPTIONS", "CSeq: 71 INFO", "X-Last: 70 71")),
        Script({"INFO": (OK,)}, opening=(Request("OPTIONS", call=1, cseq="70 OPTIONS"),)),
        is_server=True,
    ),
    Case("len_counts_the_body", Expected(("MESSAGE",), ("Content-Length:    10", "", "abc", "def", "")), AGREEABLE),
    Case("len_with_an_offset", Expected(("MESSAGE",), ("Content-Length:     9", "", "abc")), AGREEABLE),
    Case("body_without_a_line_end", Expected(("MESSAGE",), ("Content-Length:     4", "", "abc\x02")), AGREEABLE),
    Case("hex_escapes", Expected(ONE, ("X-A: A[date] J,",)), AGREEABLE),
    Case(
        "last_headers",
        Expected(
            TWO,
            (
                "X-Two: one, two",
                "X-Request: sip:service@127.0.0.1:PEER",
                "X-Number: 1 8",
                "X-Via: <Via: SIP/2.0/UDP 127.0.0.1:PORT;branch=BRANCH1>",
            ),
            absent=("X-None",),
        ),
        RICH,
    ),
    Case("last_of_an_empty_header", Expected(TWO, ("X-Empty:", "X-Mixed: <X-Empty:>")), RICH),
    Case(
        "last_of_a_folded_header",
        Expected(TWO, ("X-Folded: a\n  b\n\tc",)),
        RICH,
        differs="3.6.1 keeps the folds of a header; newer versions print it on one line",
        instead=Expected(TWO, ("X-Folded: a b c",)),
    ),
    Case(
        "last_header_in_other_letters",
        Expected(TWO, ("X-Two: one, two",)),
        RICH,
        differs="3.6.1 prints a name as it was received; newer versions as the keyword has it",
        instead=Expected(TWO, ("x-TWO: one, two",)),
    ),
    Case("last_header_missing_in_a_line", Expected(TWO, ("X-A: 1", ";p=1", "X-B: xy")), RICH),
    Case(
        "last_message_in_a_body",
        Expected(("OPTIONS", "MESSAGE"), ("SIP/2.0 200 OK", "X-Two: one", "X-Two:   two  ")),
        RICH,
    ),
    Case(
        "last_is_of_the_message_that_advanced",
        Expected(("INVITE", "INFO"), ("X-Step: 183",), absent=("X-Step: 180",)),
        Script(
            {
                "INVITE": (Answer("183 Progress", "X-Step: 183\n"),),
                "INFO": (OK,),
            }
        ),
    ),
    Case("peer_tag_is_of_the_last_answer", Expected(TWO, ("X-Tag: <;tag=TAG2>",)), AGREEABLE),
    Case(
        "dynamic_id_counts_all_calls",
        Expected(("OPTIONS",) * 3, ("X-Id: 5 8", "X-Id: 11 5", "X-Id: 8 11"), outcome={"SuccessfulCall": 3}),
        AGREEABLE,
        words=("-l", "1", "-dynamicStart", "5", "-dynamicMax", "12", "-dynamicStep", "3"),
        n_calls=3,
    ),
    Case(
        "tdmmap_prints_a_circuit",
        Expected(ONE, ("X-Circuit: 0.7.1/2",)),
        AGREEABLE,
        words=("-tdmmap", "{0-0}{7}{1-1}{2-2}"),
    ),
    Case(
        "key_is_literal",
        Expected(ONE, ("X-Key: <[service] \\x41> <>",)),
        AGREEABLE,
        words=("-key", "one", "[service] \\x41", "-key", "empty", ""),
    ),
    Case(
        "media_ports",
        Expected(
            ("MESSAGE", "MESSAGE"),
            (
                "c=IN IP4 127.0.0.1",
                "m=audio MEDIA+0 RTP/AVP 0",
                "m=video MEDIA+2 RTP/AVP 34",
                "m=audio MEDIA+0 RTP/AVP 0",
                "m=video MEDIA+4 RTP/AVP 34",
            ),
        ),
        AGREEABLE,
    ),
    Case("fill_repeats_a_text", Expected(ONE, ("X-Fill: <abababa> <XXXXXXX> <>",)), AGREEABLE),
    Case(
        "file_is_inserted",
        Expected(ONE, ("X-File: <[service] as it is>",)),
        AGREEABLE,
        files={"part.txt": "[service] as it is"},
    ),
    Case("dates_and_clocks", Expected(ONE, ("Date: DATE", "X-Time: TIMESTAMP", "X-Varies-Clock: N")), AGREEABLE),
    Case("sipp_version_is_printed", Expected(ONE), AGREEABLE),
    Case(
        "quoted_keyword_in_a_keyword",
        Expected(ONE, ("X-Field: 2",)),
        AGREEABLE,
        words=("-inf", "users.csv"),
        files={"users.csv": USERS},
    ),
    Case("blanks_in_cdata", Expected(ONE, ("", "body", "", "indented", "")), AGREEABLE),
    Case(
        "tabs_and_blanks_in_cdata",
        Expected(ONE, (" CSeq: 1 OPTIONS",)),
        AGREEABLE,
        differs="3.6.1 takes off blanks first and then tabs, and leaves the blank behind a tab",
        instead=Expected(ONE, ("CSeq: 1 OPTIONS",)),
    ),
    Case(
        "cid_str_shapes_the_call_id",
        Expected(ONE, ("X-Cid: call-1-at-127.0.0.1%",)),
        AGREEABLE,
        words=("-cid_str", "call-%u-at-%s%%"),
    ),
    Case(
        "fields_go_line_by_line",
        Expected(
            ("OPTIONS",) * 4,
            ("X-Line: alice 1", "X-Line: bob 2", "X-Line: carol 3", "X-Line: alice 1"),
            outcome={"SuccessfulCall": 4},
        ),
        AGREEABLE,
        words=("-inf", "users.csv", "-l", "1"),
        files={"users.csv": USERS},
        n_calls=4,
    ),
    Case(
        "fields_of_users",
        Expected(
            ("OPTIONS",) * 3,
            ("X-Line: bob 2 user 2", "X-Line: alice 1 user 1", "X-Line: bob 2 user 2"),
            outcome={"SuccessfulCall": 3},
        ),
        AGREEABLE,
        words=("-inf", "users.csv", "-users", "2"),
        files={"users.csv": USERS.replace("SEQUENTIAL", "USER")},
        n_calls=3,
    ),
    Case(
        "fields_of_a_pattern",
        Expected(
            ("OPTIONS",) * 4,
            ("X-Line: u010 x", "X-Line: v15. y", "X-Line: u020 x", "X-Line: u010 x"),
            outcome={"SuccessfulCall": 4},
        ),
        AGREEABLE,
        words=("-inf", "users.csv", "-l", "1"),
        files={"users.csv": "SEQUENTIAL,PRINTF=3,PRINTFOFFSET=10,PRINTFMULTIPLE=5\nu%03d;x\nv%d.;y\n"},
        n_calls=4,
    ),
    Case(
        "fields_of_two_files",
        Expected(TWO, ("X-Line: alice b a", "X-Line: bob d c"), outcome={"SuccessfulCall": 2}),
        AGREEABLE,
        words=("-inf", "users.csv", "-inf", "second.csv", "-l", "1"),
        files={"users.csv": USERS, "second.csv": "SEQUENTIAL\na;b\nc;d\n"},
        n_calls=2,
    ),
    Case(
        "field_of_a_line",
        Expected(ONE, ("X-Line: bob carol <>",)),
        AGREEABLE,
        words=("-inf", "users.csv"),
        files={"users.csv": USERS},
    ),
    Case(
        "fields_missing_and_empty",
        Expected(ONE, ("X-Line: <a> <> <c> <>", "X-Last: 1", "Content-Length:     0"), errors=("Field 7 not found",)),
        AGREEABLE,
        words=("-inf", "users.csv"),
        files={"users.csv": "SEQUENTIAL\na;;c\n"},
    ),
    Case(
        "fields_are_literal",
        Expected(ONE, ('X-Line: [service] "a', 'X-Second: b" \\x41 ')),
        AGREEABLE,
        words=("-inf", "users.csv"),
        files={"users.csv": 'SEQUENTIAL\n[service] "a;b" \\x41 ;\n'},
    ),
    Case(
        "field_file_ends_at_an_empty_line",
        Expected(("OPTIONS",) * 3, ("X-Line: a", "X-Line: b", "X-Line: a"), outcome={"SuccessfulCall": 3}),
        AGREEABLE,
        words=("-inf", "users.csv", "-l", "1"),
        files={"users.csv": "# SEQUENTIAL here\n#none\na\n#none\nb\n\nc\n"},
        n_calls=3,
    ),
    Case(
        "fields_with_carriage_returns",
        Expected(ONE, ("X-Line: a <b\r>",)),
        AGREEABLE,
        words=("-inf", "users.csv"),
        files={"users.csv": "SEQUENTIAL\r\na;b\r\n"},
        differs="3.6.1 keeps the CR of a CRLF in the last field; newer versions take it off",
        instead=Expected(ONE, ("X-Line: a <b>",)),
    ),
    Case(
        "fields_at_random",
        Expected(ONE, ("X-Line: a <b>",)),
        AGREEABLE,
        words=("-inf", "users.csv"),
        files={"users.csv": "RANDOM\na;b\n"},
    ),
    Case(
        "len_before_another_header",
        Expected(("MESSAGE",), ("Content-Length:     0",), absent=("X-After",)),
        AGREEABLE,
        differs="[len] without a body cuts the message behind it",
        instead=Expected(("MESSAGE",), ("Content-Length:     0", "X-After: yes")),
    ),
    Case(
        "nested_brackets",
        Expected(ONE),
        AGREEABLE,
        differs="text before an inner bracket comes behind the inner keyword, with garbage",
        instead=Expected(ONE, ("X-A: a[bservicec", "Content-Length:     0")),
    ),
    Case(
        "a_bracket_in_front_of_a_keyword",
        Expected(ONE),
        AGREEABLE,
        differs="text before an inner bracket comes behind the inner keyword, with garbage",
        instead=Expected(ONE, ("X-A: [b", "Content-Length:     0")),
    ),
    Case(
        "a_file_name_with_a_digit",
        Expected((), outcome={}, code=1),
        AGREEABLE,
        words=("-inf", "users-1.csv"),
        files={"users-1.csv": USERS},
        differs="a minus sign before a digit cuts the keyword there",
        instead=Expected(ONE, ("X-Field: alice",)),
    ),
    Case(
        "tdmmap_circuit_is_given_back",
        Expected(ONE, outcome={"SuccessfulCall": 1, "FailedCall": 1, "FailedOutboundCongestion": 1}, code=1),
        AGREEABLE,
        words=("-tdmmap", "{0-0}{7}{1-1}{2-2}", "-l", "1"),
        n_calls=2,
        differs="the circuit of an ended call stays reserved",
        instead=Expected(TWO, ("X-Circuit: 0.7.1/2",) * 2, outcome={"SuccessfulCall": 2}),
    ),
    Case("bytes_pass_through", Expected(ONE, ("X-A: é ☎".encode().decode("latin-1"),)), AGREEABLE),
    Case("latin_1_bytes_pass_through", Expected(ONE, ("X-A: é",)), AGREEABLE),
    Case(
        "service_and_uri",
        Expected(ONE, ("OPTIONS sip:5551@127.0.0.1:PEER SIP/2.0", "X-A: 5551")),
        AGREEABLE,
        words=("-s", "5551"),
    ),
    Case(
        "compact_header_names",
        Expected(("200 INVITE",), ("f: <sip:b@127.0.0.1>;tag=TAG1", "i: compact-1", "X-Number: 4")),
        Script(
            opening=(
                Raw(
                    "INVITE sip:a@127.0.0.1 SIP/2.0\nv: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK1\n"
                    "f: <sip:b@127.0.0.1>;tag=b\nt: <sip:a@127.0.0.1>\ni: compact-1\nCSeq: 4 INVITE\nl: 0\n\n"
                ),
            )
        ),
        is_server=True,
        differs="3.6.1 prints compact names as it received them; newer versions as the keyword has them",
        instead=Expected(("200 INVITE",), ("From: <sip:b@127.0.0.1>;tag=TAG1", "Call-ID: compact-1", "X-Number: 4")),
    ),
    Case(
        "line_feeds_only",
        Expected(("OPTIONS",), outcome={"FailedCall": 1, "FailedTimeoutOnRecv": 1}, code=1),
        Script({"OPTIONS": (Answer("200 OK", "X-A: 1\n", replace=(("\r\n", "\n"),)),), "INFO": (OK,)}),
        words=("-recv_timeout", "150"),
        differs="a message whose lines end in LF only is discarded; it is to be read",
        instead=Expected(("OPTIONS", "INFO"), ("X-A: 1", "CSeq: 1 OPTIONS")),
    ),
    Case(
        "header_names_in_other_letters",
        Expected(TWO, ("X-Tag: <;tag=TAG2>", "X-Number: 1")),
        Script(
            {"OPTIONS": (Answer("200 OK", replace=(("To:", "to:"), ("CSeq:", "cseq:"), ("Call-ID:", "CALL-ID:"))),)}
        ),
    ),
]
