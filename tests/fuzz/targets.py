"""What is fuzzed: one function per target, taking bytes; any exception it lets through is a finding.

A target is deterministic and leaves nothing behind, so that an input file is all a report needs.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

from sippx._core.codes import QuitLevel
from sippx._core.engine import Engine
from sippx._core.injection import Injection, InjectionState
from sippx._core.parser import ParsedMessage, parse_again
from sippx._core.program import Program
from sippx._core.stream import Framer
from sippx._core.upgrade import Handshake
from sippx._core.websocket import Endpoint
from sippx.errors import ScenarioError
from sippx.injection import InjectionTable, Order, parse_injection
from sippx.report.snapshot import Layout, Snapshot
from sippx.scenario import Bindings, ProgramSpec, Scenario, compile_scenario

TESTS = Path(__file__).parents[1]
if str(TESTS) not in sys.path:
    sys.path.insert(0, str(TESTS))

from reference import injection as slow_injection  # noqa: E402
from reference import parse as slow  # noqa: E402
from reference import stream as slow_stream  # noqa: E402
from reference import websocket as slow_websocket  # noqa: E402

LOOPBACK = b"\x7f\x00\x00\x01"
PEER = (2, LOOPBACK, 5062)
SECOND_NS = 1_000_000_000


@dataclass(frozen=True)
class Target:
    """A fuzz target: where its kept inputs are, words that inputs are made of, inputs a test run tries."""

    name: str
    run_one: Callable[[bytes], None]
    words: tuple[bytes, ...]
    n_in_tests: int
    more_seeds: tuple[Path, ...] = ()

    @property
    def corpus_dir(self) -> Path:
        """Directory of the inputs that are kept for ever."""
        return TESTS / "data" / "fuzz" / self.name

    def seeds(self) -> list[bytes]:
        """All kept inputs, in a fixed order."""
        paths = sorted(self.corpus_dir.glob("*")) + sorted(self.more_seeds)
        return [path.read_bytes() for path in paths]


# --------------------------------------------------------------------------- parser


def parse_one(data: bytes) -> None:
    """A datagram is read as the slow twin reads it, however often its layout was seen before."""
    fast, twin = ParsedMessage(data), slow.parse(data)
    assert fast.status == twin.status, (fast.status, twin.status)
    if fast.status in ("ok", "no_call_id"):
        assert [value for _, _, value in fast.headers] == [value for _, _, value in twin.headers]
        assert (fast.method, fast.status_code, fast.body) == (twin.method, twin.status_code, twin.body)
        assert fast.call_id == twin.call_id
        assert len(fast.to_tag) + len(fast.to_uri) <= len(data)
    assert all(parse_again([data, stock_request(), data]))


@cache
def stock_request() -> bytes:
    """A message of the layout that load tests are made of."""
    return (
        b"INVITE sip:service@127.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5061;branch=z9hG4bK-1-1-0\r\n"
        b"From: sipp <sip:sipp@127.0.0.1:5061>;tag=1\r\nTo: service <sip:service@127.0.0.1:5060>\r\n"
        b"Call-ID: 1-1@127.0.0.1\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
    )


# --------------------------------------------------------------------------- scenario XML to program


def load_one(data: bytes) -> None:
    """Scenario text compiles and verifies, or is refused with the one error that users are shown."""
    try:
        scenario = Scenario.from_string(data, name="fuzz.xml")
        spec = compile_scenario(scenario, Bindings())
    except ScenarioError as error:
        assert str(error)
        return
    drive(Program(spec))


# --------------------------------------------------------------------------- program tables

_TABLES = ("steps", "pieces", "pauses", "actions", "targets", "credentials", "init_steps")
_LANGUAGE_FILE = TESTS / "data" / "language.xml"
_INJECTED = b"SEQUENTIAL\nk0;joe;[authentication username=joe password=secret]\nk1;1;x\n"


@cache
def language_spec() -> ProgramSpec:
    """A client that uses the whole scenario language."""
    scenario = Scenario.from_string(_LANGUAGE_FILE.read_bytes(), name="language", injection_names=("a.csv",))
    return compile_scenario(scenario, Bindings())


@cache
def _specs() -> tuple[ProgramSpec, ...]:
    return (*(compile_scenario(Scenario.builtin(name), Bindings()) for name in ("uas", "uac")), language_spec())


def verify_one(data: bytes) -> None:
    """A tampered ProgramSpec is refused with ValueError or can be run.

    First byte: which scenario. Then edits of four bytes: table, offset (two bytes), value.
    """
    if not data:
        return
    spec = _specs()[data[0] % 3]
    tables = {name: getattr(spec, name).copy() for name in _TABLES}
    for at in range(1, len(data) - 3, 4):
        raw = tables[_TABLES[data[at] % len(_TABLES)]].view(np.uint8).reshape(-1)
        if len(raw) == 0:
            continue
        raw[int.from_bytes(data[at + 1 : at + 3], "little") % len(raw)] = data[at + 3]
    try:
        program = Program(replace(spec, **tables))
    except ValueError as error:
        assert str(error)
        return
    drive(program)


# --------------------------------------------------------------------------- engine


def converse_one(data: bytes) -> None:
    """Whatever arrives, an engine survives and accounts for every call.

    First byte: which scenario. Then datagrams, each behind a length of two bytes (little endian)
    whose highest bit lets a second pass first.
    """
    if not data:
        return
    engine = _engine(Program(_specs()[data[0] % 3]), capacity=8)
    engine.set_rate(2.0)
    now_ns = SECOND_NS
    engine.turn(now_ns)
    for later, datagram in _datagrams(data[1:]):
        if later:
            now_ns += SECOND_NS
            engine.turn(now_ns)
        engine.inject(datagram, PEER)
    _finish(engine, now_ns)


def _datagrams(data: bytes) -> Iterator[tuple[bool, bytes]]:
    at = 0
    while at + 2 <= len(data):
        head = int.from_bytes(data[at : at + 2], "little")
        length = head & 0x7FFF
        yield bool(head & 0x8000), data[at + 2 : at + 2 + length]
        at += 2 + length


def _engine(program: Program, capacity: int) -> Engine:
    files = [Injection(parse_injection(_INJECTED, name), 0) for name in program.spec.injection_names]
    engine = Engine(
        program, remote=PEER, start_ns=0, seed=1, capacity=capacity, run_steps=20, max_block_bytes=2 << 20, files=files
    )
    engine.run_init()
    return engine


def drive(program: Program) -> None:
    """Run a program for a short while against a peer that knows the stock call, challenges and has a twin."""
    try:
        engine = _engine(program, capacity=8)
    except ValueError as error:
        assert "Call-ID" in str(error)
        return
    engine.set_rate(2.0)
    now_ns = SECOND_NS
    engine.turn(now_ns)
    engine.give_command(b"Call-ID: 1-0@127.0.0.1\r\nFrom: m\r\nX: 1\r\n", b"1-0@127.0.0.1")
    for start_line in (
        b"INVITE sip:a SIP/2.0", b"SIP/2.0 180 R", b"SIP/2.0 401 Un", b"SIP/2.0 200 OK", b"ACK sip:a SIP/2.0",
    ):  # fmt: skip
        engine.inject(
            start_line + b"\r\nVia: x\r\nFrom: a;tag=1\r\nTo: <sip:b@c>;tag=2\r\nCall-ID: 1-0@127.0.0.1\r\n"
            b"CSeq: 1 INVITE\r\nContact: <sip:c@d>\r\nRecord-Route: <sip:p1>, <sip:p2;lr>\r\n"
            b'WWW-Authenticate: Digest realm="r", nonce="n", qop="auth-int"\r\n\r\n',
            PEER,
        )
        now_ns += SECOND_NS
        engine.turn(now_ns)
    _finish(engine, now_ns)


def _finish(engine: Engine, now_ns: int) -> None:
    """Let time pass, force the end, and hold the books to their rules."""
    for _ in range(3):
        now_ns += 30 * SECOND_NS
        engine.turn(now_ns)
        engine.take_sent()
        engine.take_commands()
    engine.quit(QuitLevel.QUIT_FORCED)
    assert engine.turn(now_ns + 1), "a forced quit leaves no call open"
    total = Snapshot(engine.snapshot(), Layout.from_dict(engine.layout()), 0, 0, 0, 0)
    counters = total.counters()
    causes = sum(n for name, n in counters.items() if name.startswith("failed_") and name != "failed_calls")
    assert causes == counters["failed_calls"]
    assert counters["failed_calls"] + counters["successful_calls"] == counters["calls_ended"]
    # an init call that had to be ended is counted as ended, though never as created
    n_hidden = int(len(engine.program.spec.init_steps) > 0)
    assert 0 <= counters["calls_ended"] - total.calls_created <= n_hidden
    assert total.call_length.count == counters["calls_ended"]


# --------------------------------------------------------------------------- injection files


def inject_one(data: bytes) -> None:
    """An injection file is refused with a place, or read and served as the slow twin does, inserts included."""
    try:
        table = parse_injection(data, "fuzz.csv")
    except ScenarioError as error:
        assert str(error).startswith("fuzz.csv:")
        return
    column = None if table.n_virtual else len(data) % 3
    twin = slow_injection.read(data, column)
    state = InjectionState(Injection(table, column), max_bytes=1 << 20)
    assert (table.order.name, table.n_lines) == (twin.order, twin.n_lines)
    _serve_alike(state, twin, table)
    if column is None:
        return
    for at in range(0, min(len(data), 200), 10):
        text = data[at : at + data[at] % 32]
        if data[at] & 0x80:
            state.insert(text)
            twin.insert(text)
        else:
            state.replace(data[at] % twin.n_lines, text)
            twin.replace(data[at] % twin.n_lines, text)
        assert state.lookup(text) == twin.lookup(text)
    state.check()
    _serve_alike(state, twin, table)


def _serve_alike(state: InjectionState, twin: slow_injection.SlowInjection, table: InjectionTable) -> None:
    for user in range(20):
        if table.order == Order.RANDOM:
            assert state.pick() in range(twin.n_lines)
        else:
            assert state.pick(user) == twin.pick(user)
    for line in (*range(min(twin.n_lines, 20)), twin.n_lines - 1, twin.n_lines, -1):
        for n in (0, 1, 2, table.n_fields - 1, table.n_fields):
            expected = twin.field(line, n)
            if expected is None or len(expected) <= 2000:
                assert state.field(line, n, 2000) == expected, (line, n)
            if twin.column is not None and expected:
                assert state.lookup(expected) == twin.lookup(expected)


# --------------------------------------------------------------------------- byte streams


def _pieces(data: bytes) -> Iterator[bytes]:
    """The bytes behind the first, in reads of a few at a time; the first tells how many, 0: all at once."""
    rng = random.Random(data[0])
    at = 1
    while at < len(data):
        n_bytes = rng.randint(1, data[0]) if data[0] else len(data)
        yield data[at : at + n_bytes]
        at += n_bytes


def frame_one(data: bytes) -> None:
    """However a stream is cut into reads, and whatever was looked at before is forgotten, it is framed as by the twin."""
    if not data:
        return
    expected = slow_stream.frames(data[1:])
    for forgets in (False, True):
        framer, items = Framer(forgets=forgets), []
        for piece in _pieces(data):
            items += framer.feed(piece)
            if items and not items[-1][1]:
                break
        assert [(name, len(part)) for name, part in items] == [(name, len(part)) for name, part in expected]
        assert forgets or items == expected


def receive_one(data: bytes) -> None:
    """WebSocket frames in any reads are taken as by the twin. The second byte tells for which side."""
    if len(data) < 2:
        return
    is_client = bool(data[1] & 1)
    expected = slow_websocket.receive(data[2:], is_client=is_client)
    endpoint, items = Endpoint(is_client=is_client), []
    for piece in _pieces(data[:1] + data[2:]):
        items += endpoint.feed(piece)
        assert endpoint.n_held <= len(data)
        if items and items[-1][0] not in ("message", "ping", "pong"):
            break
    assert items == expected


def upgrade_one(data: bytes) -> None:
    """A WebSocket request, or the answer to one, is taken as by the twin; every result has an answer."""
    if not data:
        return
    request = stock_upgrade()
    key = request.partition(b"Sec-WebSocket-Key: ")[2].partition(b"\r\n")[0]
    client, server = Handshake(is_client=True), Handshake()
    client.request(b"127.0.0.1:8080")
    for side, twin in (
        (server, slow_websocket.read_request(data[1:])),
        (client, slow_websocket.read_response(data[1:], key)),
    ):
        result, seen = "more", 0
        for piece in _pieces(data):
            seen += len(piece)
            result = side.feed(piece)
            if result != "more":
                break
        assert result == twin[0], (result, twin)
        assert result == "more" or side.rest + data[1 + seen :] == twin[1]
    assert server.answer().startswith(b"HTTP/1.1 ")


@cache
def stock_upgrade() -> bytes:
    """The request of a client with the first seed."""
    request = Handshake(is_client=True).request(b"127.0.0.1:8080")
    assert request is not None
    return request


_MESSAGE_WORDS = (
    b"\r\n", b"\r\n\r\n", b"\n", b"\r\n ", b"SIP/2.0", b" SIP/2.0\r\n", b"SIP/2.0 200 OK\r\n", b"INVITE ", b"ACK ",
    b"BYE ", b"CANCEL ", b"Via: ", b"v:", b"From: ", b"To: ", b";tag=", b"Call-ID: ", b"i: ", b"CSeq: ", b"1 INVITE",
    b"Content-Length: 0", b"<sip:a@b>", b'"', b"\\", b"///", b"1-0@127.0.0.1", b"\x1a", b"\x00",
)  # fmt: skip
_STREAM_WORDS = (
    *_MESSAGE_WORDS, b"Content-Length:", b"content-length : ", b"l:", b"L: 3\r\n", b" 1", b"65535", b"-", b"Content-Language: x\r\n",
)  # fmt: skip
_FRAME_WORDS = (
    *(bytes([first, second]) for first in (0x00, 0x01, 0x80, 0x81, 0x82, 0x88, 0x89, 0x8A) for second in (0, 2, 0x80, 0x82)),
    b"\x82\x7e\x00\x80", b"\x82\xfe\x00\x80abcd", b"\x81\xff", b"\x03\xe8", b"\x00\x00\x00\x00", b"\xc3\xa4", b"\xed\xa0\x80", b"\xff",
)  # fmt: skip
_UPGRADE_WORDS = (
    b"\r\n", b"\n", b"\r\n\r\n", b":", b",", b" ", b"\t", b"\r", b"GET ", b" HTTP/1.1", b"HTTP/1.1 101", b"Host: a\r\n", b"Upgrade: websocket\r\n",
    b"Connection: Upgrade\r\n", b"Sec-WebSocket-Key: ", b"Sec-WebSocket-Accept: ", b"Sec-WebSocket-Protocol: sip\r\n",
    b"Sec-WebSocket-Version: 13\r\n", b"Sec-WebSocket-Extensions: x\r\n", b"sip", b"=", b"dGhlIHNhbXBsZSBub25jZQ==",
)  # fmt: skip
_XML_WORDS = (
    b"<send>", b"</send>", b"<![CDATA[", b"]]>", b"<recv request='INVITE'/>", b"<recv response='200'/>",
    b"optional='true'", b"timeout='100'", b"ontimeout='1'", b"next='1'", b"<label id='1'/>", b"<pause/>",
    b"milliseconds='5'", b"<nop counter='1'/>", b"start_rtd='1'", b"rtd='1'", b"chance='0.5'", b"[last_Via:]",
    b"[len]", b"[call_id]", b"[cseq+1]", b"[", b"]", b"&amp;", b"&#0;", b"<!--", b"-->", b"crlf='true'", b"lost='10'",
    b"<action>", b"</action>", b"<nop><action>", b"<ereg regexp='(a.*)' search_in='msg' assign_to='a,b'/>", b"<log message='[$a]'/>",
    b"<assign assign_to='n' value='1'/>", b"<assignstr assign_to='a' value='x'/>", b"<test assign_to='t' variable='n' compare='equal' value='1'/>",
    b"<jump value='1'/>", b"<todouble assign_to='n' variable='a'/>", b"<trim assign_to='a'/>", b"<urldecode variable='a'/>",
    b"search_in='hdr' header='Via:'", b"check_it='true'", b"condexec='n'", b"test='n'", b"rrs='true'", b"auth='true'",
    b"[authentication]", b"[routes]", b"[next_url]", b"[$n]", b"regexp_match='true'", b"start_txn='x'", b"ack_txn='x'",
    b"response_txn='x'", b"<sendCmd>", b"<recvCmd/>", b"<init>", b"</init>", b"<Global variables='n'/>", b"<User variables='a'/>",
    b"<Reference variables='a'/>", b"<label id='_unexp.main'/>", b"<pause variable='n'/>",
    b"retrans='500'", b"INVITE sip:a SIP/2.0\n", b"SIP/2.0 200 OK\n", b"<!DOCTYPE a [<!ENTITY b 'c'>]>",
)  # fmt: skip
_CSV_WORDS = (
    b"SEQUENTIAL", b"RANDOM", b"USER", b",PRINTF=", b",PRINTFOFFSET=", b",PRINTFMULTIPLE=", b"0x10", b"010", b"-1",
    b"=2147483647", b"\n", b"\r\n", b"\n\n", b"\n#", b";", b";;", b"%d", b"%%", b"%", b"%-5d", b"%05.3d", b"%x", b"%999d",
    b"\x00", b"\xff",
)  # fmt: skip

TARGETS = {
    target.name: target
    for target in (
        Target("parser", parse_one, _MESSAGE_WORDS, 2500, tuple((TESTS / "data" / "rfc4475").glob("*.dat"))),
        Target("scenario", load_one, _XML_WORDS, 600, tuple((TESTS.parent / "scenarios").glob("*.xml"))),
        Target("program", verify_one, (b"\x00", b"\x01", b"\x02", b"\xff", b"\x7f\xff"), 1000),
        Target("engine", converse_one, _MESSAGE_WORDS, 1000),
        Target("csv", inject_one, _CSV_WORDS, 600),
        Target("stream", frame_one, _STREAM_WORDS, 1500),
        Target("websocket", receive_one, _FRAME_WORDS, 1500),
        Target("upgrade", upgrade_one, _UPGRADE_WORDS, 1500),
    )
}
