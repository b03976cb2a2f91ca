"""The [keyword] grammar of message templates and the one table of all keywords."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Literal as OneOf

from sippx._core.codes import HeaderId, PieceKind
from sippx.scenario.bindings import Bindings
from sippx.scenario.model import Keyword, Literal, Template
from sippx.scenario.names import nearest_hint

MAX_KEYWORD_BYTES = 256

Use = OneOf["text", "number", "piece", "branch", "msg_index", "len", "later"]


@dataclass(frozen=True, slots=True)
class KeywordSpec:
    """One row of the keyword table: what [name] expands to and how it compiles.

    use: "text" and "number" are constants of a run and become literals; "piece" is rendered for each
    message as `piece`; "branch", "msg_index" and "len" are compiled by hand; "later" is refused.
    has_offset: [name+1] adds to the value. suppress: an empty value at the start of a line removes the
    line. is_prefix: what follows the name is the argument.
    """

    name: str
    meaning: str
    use: Use
    text: Callable[[Bindings], str] | None = None
    number: Callable[[Bindings], int] | None = None
    piece: PieceKind | None = None
    has_offset: bool = False
    suppress: bool = False
    is_prefix: bool = False


def _text(name: str, meaning: str, text: Callable[[Bindings], str]) -> KeywordSpec:
    return KeywordSpec(name, meaning, "text", text=text)


def _number(name: str, meaning: str, number: Callable[[Bindings], int]) -> KeywordSpec:
    return KeywordSpec(name, meaning, "number", number=number, has_offset=True)


def _piece(name: str, meaning: str, piece: PieceKind, *, has_offset: bool = False) -> KeywordSpec:
    return KeywordSpec(name, meaning, "piece", piece=piece, has_offset=has_offset)


def _later(*names: str, is_prefix: bool = False) -> Iterator[KeywordSpec]:
    for name in names:
        yield KeywordSpec(name, "not supported by this version", "later", is_prefix=is_prefix)


def _srtp_keywords() -> Iterator[KeywordSpec]:
    suites = (
        *("cryptosuiteaescm128sha180", "cryptosuiteaescm128sha132", "cryptosuitenullsha180"),
        *("cryptosuitenullsha132", "ueaescm128sha180", "ueaescm128sha132"),
    )
    for media in ("audio", "video"):
        for which in "12":
            yield from _later(f"cryptotag{which}{media}", f"cryptokeyparams{which}{media}")
            yield from _later(*(f"{suite}{which}{media}" for suite in suites))


KEYWORDS: dict[str, KeywordSpec] = {
    spec.name: spec
    for spec in (
        _text("service", "-s value", lambda b: b.service),
        _text("remote_host", "remote host as given, without port", lambda b: b.remote_host),
        _text("remote_ip", "numeric remote address, in brackets if IPv6", lambda b: b.remote_ip),
        _number("remote_port", "remote port", lambda b: b.remote_port),
        _text("transport", "UDP, TCP, TLS or SCTP", lambda b: b.transport),
        _text("local_ip", "local address, in brackets if IPv6", lambda b: b.local_ip),
        _text("local_ip_type", "4 or 6", lambda b: b.local_ip_type),
        _number("local_port", "local port", lambda b: b.local_port),
        _text("server_ip", "address the socket is bound to", lambda b: b.bound_ip),
        _text("media_ip", "media address, never in brackets", lambda b: b.media_ip),
        _text("media_ip_type", "4 or 6", lambda b: b.media_ip_type),
        _number("media_port", "base media port", lambda b: b.media_port),
        _text("pid", "process id", lambda b: str(b.pid)),
        _text("users", "-users value, -1 when unused", lambda b: str(b.users)),
        _text("userid", "user of the call, 0 when unused", lambda b: "0"),
        _text("sipp_version", "version", lambda b: b.sipp_version),
        _piece("call_number", "number of the call, from 1", PieceKind.PIECE_CALL_NUMBER),
        _piece("call_id", "Call-ID of the call", PieceKind.PIECE_CALL_ID),
        _piece("cseq", "CSeq number of the call", PieceKind.PIECE_CSEQ, has_offset=True),
        KeywordSpec("branch", "branch of this call and step", "branch", has_offset=True),
        KeywordSpec("msg_index", "index of the step", "msg_index"),
        KeywordSpec("len", "body length in bytes, five columns", "len", has_offset=True),
        _piece("peer_tag_param", "';tag=' and the peer's tag, or nothing", PieceKind.PIECE_PEER_TAG),
        _piece("last_Request_URI", "URI of the last received To", PieceKind.PIECE_LAST_REQUEST_URI),
        _piece("next_url", "target of the next request", PieceKind.PIECE_LAST_REQUEST_URI),
        _piece(
            "last_cseq_number",
            "CSeq number of the last received message",
            PieceKind.PIECE_LAST_CSEQ_NUMBER,
            has_offset=True,
        ),
        _piece("last_message", "the last received message", PieceKind.PIECE_LAST_MESSAGE),
        KeywordSpec(
            "last_",
            "header of the last received message",
            "piece",
            piece=PieceKind.PIECE_LAST_HEADER,
            suppress=True,
            is_prefix=True,
        ),
        _piece("clock_tick", "milliseconds since the start", PieceKind.PIECE_CLOCK_TICK),
        _piece("timestamp", "local date and time, and epoch", PieceKind.PIECE_TIMESTAMP),
        _piece("date", "RFC 3261 date", PieceKind.PIECE_DATE),
        _piece(
            "auto_media_port", "media port of this call", PieceKind.PIECE_AUTO_MEDIA_PORT, has_offset=True
        ),
        *_later("routes", "dynamic_id", "tdmmap", "rtpstream_audio_port", "rtpstream_video_port"),
        *_srtp_keywords(),
        *_later("field", "file", "fill", "$", "authentication", is_prefix=True),
    )
}
"""Every keyword of SIPp's language by name; prefixes are tried in this order, after exact names."""

KEY = "key"
"""Name of a Keyword that stands for a -key parameter."""

HEADER_IDS: dict[str, HeaderId] = {
    name: header_id
    for header_id, *names in (
        (HeaderId.HDR_VIA, "via", "v"),
        (HeaderId.HDR_FROM, "from", "f"),
        (HeaderId.HDR_TO, "to", "t"),
        (HeaderId.HDR_CALL_ID, "call-id", "i"),
        (HeaderId.HDR_CSEQ, "cseq"),
        (HeaderId.HDR_CONTACT, "contact", "m"),
        (HeaderId.HDR_CONTENT_LENGTH, "content-length", "l"),
        (HeaderId.HDR_CONTENT_TYPE, "content-type", "c"),
        (HeaderId.HDR_CONTENT_ENCODING, "content-encoding", "e"),
        (HeaderId.HDR_RECORD_ROUTE, "record-route"),
        (HeaderId.HDR_ROUTE, "route"),
        (HeaderId.HDR_MAX_FORWARDS, "max-forwards"),
        (HeaderId.HDR_EXPIRES, "expires"),
        (HeaderId.HDR_SUBJECT, "subject", "s"),
        (HeaderId.HDR_WWW_AUTHENTICATE, "www-authenticate"),
        (HeaderId.HDR_PROXY_AUTHENTICATE, "proxy-authenticate"),
        (HeaderId.HDR_AUTHORIZATION, "authorization"),
        (HeaderId.HDR_PROXY_AUTHORIZATION, "proxy-authorization"),
    )
    for name in names
}
"""Header field names and compact forms (RFC 3261 7.3.3), lower case, that have an id."""

_OFFSET = re.compile(r"(.+?)([+-]\d+)\s*", re.DOTALL)
_HEADER_NAME = re.compile(r"[A-Za-z0-9!%*_+`'~.-]+")
_HEX_ESCAPE = re.compile(rb"\\x([0-9A-Fa-f]{2})")

_BRACKET_HINT = "; write \\x5b for a bracket that opens no keyword"

Fail = Callable[[int, str], Exception]
Warn = Callable[[int, str], None]
Place = Callable[[int], tuple[int, int]]


def _nowhere(_index: int) -> tuple[int, int]:
    return 0, 0


def _value_error(_index: int, message: str) -> Exception:
    return ValueError(message)


def _no_warning(_index: int, _message: str) -> None:
    return None


def parse_template(
    text: bytes,
    *,
    keys: Collection[str] = (),
    fail: Fail = _value_error,
    warn: Warn = _no_warning,
    place: Place = _nowhere,
) -> Template:
    r"""Split message text into literals and keywords.

    text: the message after CDATA clean-up, lines ending in LF, which become CRLF in literals; `\xHH` is any
    byte. keys: names of -key parameters. fail(i, message) makes the exception to raise for text[i:],
    warn(i, message) takes a remark, place(i) gives line and column.
    """
    parts: list[Literal | Keyword] = []
    literal = bytearray()
    at = 0
    while at < len(text):
        byte = text[at]
        if byte == 0x0A:
            literal += b"\r\n"
            at += 1
        elif text.startswith(b"\\x", at):
            match = _HEX_ESCAPE.match(text, at)
            if match is None:
                raise fail(at, "'\\x' must be followed by two hexadecimal digits")
            literal.append(int(match.group(1), 16))
            at = match.end()
        elif byte == 0x5B:
            end = _keyword_end(text, at, fail)
            if text[end] == 0x5B:  # another bracket opens first: this one is literal text
                literal.append(byte)
                at += 1
                continue
            if literal:
                parts.append(Literal(bytes(literal)))
                literal.clear()
            parts.append(_parse_keyword(text, at, end, keys, fail, warn, place))
            at = end + 1
        else:
            literal.append(byte)
            at += 1
    if literal:
        parts.append(Literal(bytes(literal)))
    return tuple(parts)


def _keyword_end(text: bytes, start: int, fail: Fail) -> int:
    """Index of the first bracket of either kind behind text[start] and outside double quotes."""
    at = start + 1
    while at < len(text):
        byte = text[at]
        if byte in (0x5B, 0x5D):
            return at
        if byte == 0x22:
            while at + 1 < len(text) and text[at + 1] not in (0x22, 0x0A):
                at += 1
            at += 1
        at += 1
    raise fail(start, "'[' without a closing ']'" + _BRACKET_HINT)


def _parse_keyword(
    text: bytes, start: int, end: int, keys: Collection[str], fail: Fail, warn: Warn, place: Place
) -> Keyword:
    body = text[start + 1 : end]
    if not body:
        raise fail(start, "empty keyword '[]'" + _BRACKET_HINT)
    if len(body) > MAX_KEYWORD_BYTES:
        raise fail(start, f"keyword longer than {MAX_KEYWORD_BYTES} characters")
    if b"\n" in body:
        raise fail(start, "'[' without a closing ']' on its line" + _BRACKET_HINT)
    line, column = place(start)
    word = body.decode("utf-8", "surrogateescape")
    name, argument, offset = _resolve(word, keys, start, fail, warn)
    return Keyword(name, argument, offset, line, column)


def _resolve(word: str, keys: Collection[str], at: int, fail: Fail, warn: Warn) -> tuple[str, str, int]:
    """(name, argument, offset) of the text between the brackets."""
    base, offset = word, 0
    known = _find(word, keys)
    if known is None or known[0] == "last_":
        # A trailing number is an offset, unless the whole word is a name (a -key "a-1", a header "X-3").
        match = _OFFSET.fullmatch(word)
        stripped = _find(match.group(1), keys) if match else None
        if match and stripped and (known is None or stripped[0] != "last_" or match.group(2)[0] == "+"):
            known, base, offset = stripped, match.group(1), int(match.group(2))
    if known is None:
        hint = nearest_hint(base, [spec.name for spec in KEYWORDS.values() if not spec.is_prefix] + [*keys])
        raise fail(at, f"unknown keyword '[{word}]'" + (hint or _BRACKET_HINT))
    name, argument = known
    spec = KEYWORDS.get(name)
    if spec is not None and spec.use == "later":
        raise fail(
            at, f"keyword '[{word}]' is part of SIPp's language but not supported by this version of sippx"
        )
    if name == "last_" and not _HEADER_NAME.fullmatch(argument):
        raise fail(at, f"'[{word}]': '{argument}' is no header name")
    if offset and not (spec and spec.has_offset):
        warn(at, f"the offset in '[{word}]' has no effect: [{name}] takes none")
        offset = 0
    if not -(2**31) <= offset < 2**31:
        raise fail(at, f"the offset in '[{word}]' does not fit in 32 bits")
    return name, argument, offset


def _find(word: str, keys: Collection[str]) -> tuple[str, str] | None:
    """(name, argument) of a word without offset, None when it is unknown."""
    spec = KEYWORDS.get(word)
    if spec is not None and not spec.is_prefix:
        return word, ""
    if word in keys:
        return KEY, word
    for prefix in (spec.name for spec in KEYWORDS.values() if spec.is_prefix):
        if word.startswith(prefix) and (prefix != "last_" or len(word) > len(prefix)):
            return prefix, word[len(prefix) :].removesuffix(":") if prefix == "last_" else word[len(prefix) :]
    return None
