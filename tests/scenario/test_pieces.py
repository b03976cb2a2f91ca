"""Tests of sippx/scenario/pieces.py: folding must never change the bytes of a message."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xml_text import compiled, send_text

from reference.render import CallValues, render_range, render_step
from reference.sip_message import parse_message
from reference.template import render_template
from sippx._core.codes import DefaultMessage, PieceKind
from sippx.scenario import Bindings, ProgramSpec, Scenario, compile_scenario
from sippx.scenario.model import Keyword, Literal, SendStep, Template
from sippx.scenario.template_text import parse_template

HEAD = "OPTIONS sip:a SIP/2.0\n"
LAST = parse_message(
    b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nv: SIP/2.0/UDP b\r\n"
    b"f: a <sip:a@h>;tag=1\r\nTo: b <sip:b@h>\r\n ;tag=2\r\nCall-ID: x\r\nCSeq: 7 INVITE\r\n"
    b"X-Empty:\r\n\r\nbody"
)


def rendered(text: str, values: CallValues | None = None, **options: str) -> bytes:
    """Bytes behind the request line of a message with this text."""
    spec = compiled(send_text(HEAD + text), keys=options)
    return render_step(spec, 0, values or CallValues(last=LAST)).removeprefix(
        HEAD.replace("\n", "\r\n").encode()
    )


def kinds(spec: ProgramSpec) -> list[PieceKind]:
    """Kinds of the first step's pieces."""
    step = spec.steps[0]
    return [PieceKind(int(kind)) for kind in spec.pieces["kind"][: int(step["n_pieces"])]]


# What sipp 3.6.1 sent for this text after a 200, with no X in it.
SEEN_ON_THE_WIRE = {
    "A: 1\n[last_X:]\n[last_Y:]\nB: 2\n": b"A: 1\r\nB: 2\r\n\r\n",
    "A: x[last_X:]\nB: 2\n": b"A: x\r\nB: 2\r\n\r\n",
    "A: 1\n[last_X:];tag=1\nB: 2\n": b"A: 1\r\n;tag=1\r\nB: 2\r\n\r\n",
    "A: 1\n[peer_tag_param]\nB: 2\n": b"A: 1\r\n\r\nB: 2\r\n\r\n",
    "A: [last_Request_URI]\n": b"A: sip:b@h\r\n\r\n",
    "A: [last_cseq_number] [last_cseq_number+1] [last_cseq_number-8]\n": b"A: 7 8 -1\r\n\r\n",
    "[last_Call-ID]\n[last_call-id:]\n": b"Call-ID: x\r\ncall-id: x\r\n\r\n",
    "Content-Length: [len]\n\nabc\n": b"Content-Length:     5\r\n\r\nabc\r\n",
    "Content-Length: [len+5]\n\nabc\n": b"Content-Length:    10\r\n\r\nabc\r\n",
    "Content-Length: [len]\n": b"Content-Length:     0\r\n\r\n",
    "A: [branch] [branch-1] [branch+7]\n": b"A: z9hG4bK-0-1-0 z9hG4bK-0-1--1 z9hG4bK-0-1-7\r\n\r\n",
    "A: [msg_index] [call_number]\n": b"A: 0 1\r\n\r\n",
    "A: [local_ip_type] [media_ip] [users] [userid] [transport]\n": b"A: 4 127.0.0.1 -1 0 UDP\r\n\r\n",
    "A: [media_port] [media_port+2] [auto_media_port+2]\n": b"A: 6000 6002 6002\r\n\r\n",
    "A: [local_port+1] [remote_port-1]\n": b"A: 5061 5059\r\n\r\n",
}


@pytest.mark.parametrize("text", SEEN_ON_THE_WIRE)
def test_message_is_what_sipp_sends(text: str) -> None:
    assert rendered(text) == SEEN_ON_THE_WIRE[text]


def test_compact_and_repeated_header_fields_are_joined_under_the_name_as_written() -> None:
    assert rendered("[last_via:]\n[last_From]\n[last_t]\n") == (
        b"via: SIP/2.0/UDP a;branch=z9hG4bK1, SIP/2.0/UDP b\r\nFrom: a <sip:a@h>;tag=1\r\n"
        b"t: b <sip:b@h> ;tag=2\r\n\r\n"
    )


def test_empty_line_in_front_of_the_body_survives_a_suppressed_last_header() -> None:
    # sipp 3.6.1 drops that line too and so loses the body; a message without end is nobody's wish.
    assert rendered("A: 1\n[last_X:]\n\nbody\n") == b"A: 1\r\n\r\nbody\r\n"
    assert rendered("A: 1\n[last_X:]\n") == b"A: 1\r\n\r\n"


def test_only_text_directly_behind_an_empty_header_is_suppressed() -> None:
    # sipp 3.6.1 joins the next line to this one: "serviceB: 2".
    assert rendered("A: 1\n[last_X:][service]\nB: 2\n") == b"A: 1\r\nservice\r\nB: 2\r\n\r\n"
    assert rendered("A: 1\n[last_X:][call_number]\nB: 2\n") == b"A: 1\r\n1\r\nB: 2\r\n\r\n"


def test_two_optional_headers_may_share_a_line() -> None:
    assert rendered("A: 1\n[last_X:][last_Y:]\nB: 2\n") == b"A: 1\r\nB: 2\r\n\r\n"
    assert rendered("A: 1\n[last_X:][last_CSeq:]\nB: 2\n") == b"A: 1\r\nCSeq: 7 INVITE\r\nB: 2\r\n\r\n"


def test_key_value_loses_white_space_only_directly_behind_an_empty_header() -> None:
    assert rendered("A: 1\n[last_X:][k]\nB: 2\n", k="  v") == b"A: 1\r\nv\r\nB: 2\r\n\r\n"
    assert rendered("A: 1\n[last_X:]\n[k]\nB: 2\n", k="  v") == b"A: 1\r\n  v\r\nB: 2\r\n\r\n"


def test_key_value_is_literal_and_may_be_empty() -> None:
    assert rendered("A: <[k]>\n", k="") == b"A: <>\r\n\r\n"
    assert rendered("A: <[k]>\n", k="[service]") == b"A: <[service]>\r\n\r\n"


def test_message_of_constants_is_one_piece() -> None:
    spec = compiled(
        send_text("OPTIONS sip:[service]@[remote_ip]:[remote_port] SIP/2.0\nX: [pid]\nL: [len]\n\nb"), pid=9
    )
    assert kinds(spec) == [PieceKind.PIECE_LITERAL]
    assert spec.pool[int(spec.pieces["off"][0]) :].startswith(
        b"OPTIONS sip:service@127.0.0.1:5060 SIP/2.0\r\nX: 9\r\n"
    )


def test_branch_is_two_literals_around_the_call_number() -> None:
    spec = compiled(send_text("OPTIONS a SIP/2.0\nVia: [branch]\n"))
    assert kinds(spec) == [PieceKind.PIECE_LITERAL, PieceKind.PIECE_CALL_NUMBER, PieceKind.PIECE_LITERAL]


@pytest.mark.parametrize(
    ("text", "is_folded"),
    [
        ("L: [len]\n[last_X:]\n\nbody", True),
        ("[last_Via:]\n[last_X:]\nL: [len]\n\nbody", True),
        ("L: [len]\n\nbody [call_number]", False),
        ("L: [len]\n\nbody [service]", True),
        ("L: [len]\n\n[last_X:]\nbody", False),
        ("L: [len]\n[last_message]\n\nbody", False),
        ("A: [peer_tag_param]\nL: [len]\n\nbody", True),
        ("[peer_tag_param]\nL: [len]\n\nbody", False),
    ],
)
def test_len_is_folded_only_where_the_body_is_constant(text: str, is_folded: bool) -> None:
    assert (PieceKind.PIECE_LEN not in kinds(compiled(send_text(HEAD + text)))) is is_folded


@pytest.mark.parametrize(
    ("text", "suppresses"),
    [
        ("A: 1\n[last_X:]\nB: 2", True),
        ("A: 1\n[last_X:];tag=1", False),
        ("A: [last_X:]\nB: 2", False),
        ("A: 1\n[last_X:][call_number]", False),
        ("A: [call_number][last_X:]\nB: 2", True),
    ],
)
def test_suppress_is_set_only_where_a_line_can_vanish(text: str, suppresses: bool) -> None:
    spec = compiled(send_text(HEAD + text))
    (row,) = [
        r for r in spec.pieces[: int(spec.steps[0]["n_pieces"])] if r["kind"] == PieceKind.PIECE_LAST_HEADER
    ]
    assert bool(row["suppress"]) is suppresses


@pytest.mark.parametrize(
    ("format_", "expected"),
    [
        ("%u-%p@%s", b"5-42@::1"),
        ("%u%%%p", b"5%42"),
        ("%r", b"77"),
        ("x%zy", b"x%y"),
        ("end%", b"end%"),
        ("plain", b"plain"),
    ],
)
def test_call_id_follows_the_format(format_: str, expected: bytes) -> None:
    spec = compiled(
        '<recv request="A"/>', call_id_format=format_, pid=42, local_ip="[::1]", local_ip_type="6"
    )
    assert render_range(spec, spec.call_id_pieces, CallValues(call_number=5, random=77)) == expected


@pytest.mark.parametrize(
    ("type_", "kinds"),
    [
        ("uuid", ["RANDOM", "LITERAL"]),
        ("uuid-compact", ["RANDOM", "LITERAL"]),
        ("random", ["CALL_NUMBER", "LITERAL", "RANDOM", "LITERAL"]),
        ("timestamp", ["WALL_US", "LITERAL", "CALL_NUMBER", "LITERAL"]),
    ],
)
def test_call_ids_of_a_type_end_in_the_local_address(type_: str, kinds: list[str]) -> None:
    spec = compiled('<recv request="A"/>', call_id_type=type_, pid=42, local_ip="[::1]", local_ip_type="6")
    first, n = spec.call_id_pieces
    rows = spec.pieces[first : first + n]
    assert [PieceKind(int(row["kind"])).name.removeprefix("PIECE_") for row in rows] == kinds
    assert spec.pool[rows[-1]["off"] :][: rows[-1]["len"]].endswith(b"@::1")


def test_server_ip_is_the_bound_address_or_any() -> None:
    for options, expected in (
        ({}, "0.0.0.0"),
        ({"local_ip_type": "6"}, "::"),
        ({"server_ip": "127.0.0.9"}, "127.0.0.9"),
    ):
        spec = compiled(send_text("OPTIONS [server_ip] SIP/2.0\n"), **options)  # type: ignore[arg-type]
        assert render_step(spec, 0, CallValues()).split()[1].decode() == expected


# -- folding against rendering by the rules -------------------------------------------------------------

SNIPPETS = st.sampled_from(
    [b"\r\n", b"\r\n\r\n", b" ", b"  \r\n", b"A: ", b"x", b"\r\nB: 1\r\n", b"\r\n ", b"\r"]
)
NUMBERS = st.integers(-20, 20)
PARTS = st.one_of(
    SNIPPETS.map(Literal),
    st.sampled_from(["X", "Via", "v", "To", "CSeq", "X-Empty"]).map(lambda name: Keyword("last_", name)),
    st.sampled_from(["k", "blank"]).map(lambda name: Keyword("key", name)),
    st.sampled_from(
        ["service", "peer_tag_param", "call_number", "call_id", "last_Request_URI", "next_url"]
    ).map(Keyword),
    st.sampled_from(["pid", "msg_index", "remote_ip", "local_ip", "last_message"]).map(Keyword),
    st.builds(
        lambda name, offset: Keyword(name, offset=offset),
        st.sampled_from(["len", "len", "cseq", "branch", "remote_port", "media_port", "last_cseq_number"]),
        NUMBERS,
    ),
)
KEY_VALUES = st.sampled_from(["", " ", "\r\n", "  v", "v", "\r\n\r\n", " \r\n x"])
VALUES = st.builds(
    CallValues,
    call_number=st.integers(1, 10**6),
    call_id=st.sampled_from([b"1-1@h", b""]),
    peer_tag=st.sampled_from([b"", b"tag"]),
    cseq=st.integers(0, 9),
    last=st.sampled_from([None, LAST]),
)


def scenario_of(template: Template) -> Scenario:
    """A client scenario whose only step sends this template."""
    step = SendStep(line=1, template=template, method=b"OPTIONS")
    return Scenario(name="t", file="t.xml", description="", encoding="UTF-8", is_client=True, steps=(step,))


LINE_PARTS = st.one_of(
    st.sampled_from([b"\r\n", b"\r\n\r\n", b"a", b" ", b"\n", b"\r"]).map(Literal),
    st.sampled_from([Keyword("last_", "X"), Keyword("last_", "CSeq"), Keyword("peer_tag_param")]),
)


@settings(max_examples=500, deadline=None)
@given(st.lists(LINE_PARTS, max_size=6), st.lists(LINE_PARTS, max_size=6), VALUES)
def test_folded_len_counts_the_body_of_every_rendering(
    before: list[Literal | Keyword], behind: list[Literal | Keyword], values: CallValues
) -> None:
    template = (Literal(b"OPTIONS sip:a SIP/2.0"), *before, Keyword("len"), *behind)
    spec = compile_scenario(scenario_of(template), Bindings())
    assert render_step(spec, 0, values) == render_template(template, Bindings(), 0, values)


@settings(max_examples=500, deadline=None)
@given(st.lists(PARTS, max_size=10), KEY_VALUES, KEY_VALUES, VALUES)
def test_compiled_template_renders_what_the_rules_say(
    parts: list[Literal | Keyword], k: str, blank: str, values: CallValues
) -> None:
    template = (Literal(b"OPTIONS sip:a SIP/2.0"), *parts)
    bindings = Bindings(keys={"k": k, "blank": blank}, pid=42)
    spec = compile_scenario(scenario_of(template), bindings)
    assert render_step(spec, 0, values) == render_template(template, bindings, 0, values)


@given(st.lists(PARTS, max_size=10))
def test_no_two_literals_stand_side_by_side_but_behind_a_suppressing_piece(
    parts: list[Literal | Keyword],
) -> None:
    spec = compile_scenario(scenario_of((Literal(b"O "), *parts)), Bindings(keys={"k": "", "blank": " "}))
    rows = spec.pieces[: int(spec.steps[0]["n_pieces"])]
    literal = [row["kind"] == PieceKind.PIECE_LITERAL for row in rows]
    for at in range(1, len(rows)):
        if literal[at] and literal[at - 1]:
            assert at >= 2 and rows[at - 2]["suppress"]


# -- transports -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["UDP", "TCP", "TLS", "SCTP"])
def test_transport_is_the_same_word_everywhere(transport: str) -> None:
    spec = compiled(send_text("A b SIP/2.0\nVia: SIP/2.0/[transport] h\nm: <sip:a;transport=[transport]>\n"), transport=transport)
    text = render_step(spec, 0, CallValues())
    assert text.count(transport.encode()) == 2


@pytest.mark.parametrize("transport", ["WS", "WSS"])
def test_websocket_is_ws_in_the_parameter_of_a_uri(transport: str) -> None:
    text = "A b;Transport=[transport] SIP/2.0\nVia: SIP/2.0/[transport] h\nm: <sip:a;transport=[transport];x>\nB: transport=[transport]\n"
    name = transport.encode()
    assert render_step(compiled(send_text(text), transport=transport), 0, CallValues()) == (
        b"A b;Transport=ws SIP/2.0\r\nVia: SIP/2.0/" + name + b" h\r\nm: <sip:a;transport=ws;x>\r\nB: transport=" + name + b"\r\n\r\n"
    )


def test_default_messages_know_it_too() -> None:
    spec = compiled('<recv request="A"/>', transport="WSS")
    values = CallValues(call_number=3, call_id=b"3-42@127.0.0.1", last=INVITE_200)
    text = render_range(spec, spec.default_pieces[DefaultMessage.DEFAULT_BYE], values)
    assert b"Via: SIP/2.0/WSS 127.0.0.1:5060;" in text
    assert b"Contact: <sip:sipp@127.0.0.1:5060;transport=ws>" in text


def test_with_a_socket_per_call_the_local_port_is_known_late() -> None:
    text = "OPTIONS a SIP/2.0\nA: [local_port] [local_port+2] [remote_port]\n"
    literal = PieceKind.PIECE_LITERAL
    assert kinds(compiled(send_text(text))) == [literal]
    own = compiled(send_text(text), has_own_port=True)
    port = PieceKind.PIECE_LOCAL_PORT
    assert kinds(own) == [literal, port, literal, port, literal]
    assert own.pieces["offset"][[1, 3]].tolist() == [0, 2]
    assert own.pieces["arg"][[1, 3]].tolist() == [5060, 5060], "of a call without a socket of its own"


# -- default messages -----------------------------------------------------------------------------------

INVITE_200 = parse_message(
    b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK-42-3-0\r\n"
    b"From: sipp <sip:sipp@127.0.0.1:5060>;tag=a\r\nTo: <sip:service@127.0.0.1:5070>;tag=b\r\n"
    b"Call-ID: 3-42@127.0.0.1\r\nCSeq: 1 INVITE\r\n\r\n"
)


def default_message(message: DefaultMessage, body: str = '<recv request="A"/>') -> bytes:
    spec = compiled(body, pid=42)
    values = CallValues(call_number=3, call_id=b"3-42@127.0.0.1", last=INVITE_200)
    return render_range(spec, spec.default_pieces[message], values)


def test_default_messages_have_the_headers_of_sipp_in_its_order() -> None:
    # Compared with what sipp 3.6.1 sends; the branch of BYE is the one thing that differs (a fresh index).
    last = b"From: sipp <sip:sipp@127.0.0.1:5060>;tag=a\r\nTo: <sip:service@127.0.0.1:5070>;tag=b\r\n"
    via = b"Via: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK-42-3-0\r\n"
    contact = b"Contact: <sip:sipp@127.0.0.1:5060;transport=UDP>\r\n"
    assert default_message(DefaultMessage.DEFAULT_200) == (
        b"SIP/2.0 200 OK\r\n" + via + last + b"Call-ID: 3-42@127.0.0.1\r\nCSeq: 1 INVITE\r\n"
        b"Contact: <sip:127.0.0.1:5060;transport=UDP>\r\nContent-Length: 0\r\n\r\n"
    )
    assert default_message(DefaultMessage.DEFAULT_ACK) == (
        b"ACK sip:service@127.0.0.1:5070 SIP/2.0\r\n" + via + last + b"Call-ID: 3-42@127.0.0.1\r\n"
        b"CSeq: 1 ACK\r\n"
        + contact
        + b"Max-Forwards: 70\r\nSubject: Performance Test\r\nContent-Length: 0\r\n\r\n"
    )
    assert default_message(DefaultMessage.DEFAULT_CANCEL) == (
        b"CANCEL sip:service@127.0.0.1:5070 SIP/2.0\r\n" + via + last + b"Call-ID: 3-42@127.0.0.1\r\n"
        b"CSeq: 1 CANCEL\r\nMax-Forwards: 70\r\n" + contact + b"Content-Length: 0\r\n\r\n"
    )
    assert default_message(DefaultMessage.DEFAULT_BYE) == (
        b"BYE sip:service@127.0.0.1:5070 SIP/2.0\r\n"
        + via.replace(b"3-0", b"3-1")
        + last
        + b"Call-ID: 3-42@127.0.0.1\r\nCSeq: 2 BYE\r\nMax-Forwards: 70\r\n"
        + contact
        + b"Content-Length: 0\r\n\r\n"
    )


def test_branch_of_the_default_bye_is_no_branch_of_a_step() -> None:
    spec = compiled(send_text("OPTIONS a SIP/2.0\nVia: [branch]\n") * 3)
    branches = {render_step(spec, i, CallValues()).split()[4] for i in range(3)}
    bye = render_range(spec, spec.default_pieces[DefaultMessage.DEFAULT_BYE], CallValues(last=INVITE_200))
    assert bye.split(b"branch=")[1].split()[0] not in branches


def test_scenario_may_replace_a_default_message() -> None:
    element = '<DefaultMessage id="cancel"><![CDATA[CANCEL x SIP/2.0\n[last_Via]\n]]></DefaultMessage>'
    text = default_message(DefaultMessage.DEFAULT_CANCEL, '<recv request="A"/>' + element)
    assert text == b"CANCEL x SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK-42-3-0\r\n\r\n"


def test_template_without_bindings_is_shared_between_runs() -> None:
    template = parse_template(b"OPTIONS [service] SIP/2.0\n")
    for service in ("a", "b"):
        spec = compile_scenario(scenario_of(template), Bindings(service=service))
        assert render_step(spec, 0, CallValues()) == f"OPTIONS {service} SIP/2.0\r\n".encode()
