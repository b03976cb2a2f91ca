"""The one table of all keywords, and how one is found by name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Literal as OneOf

from sippx._core.codes import HeaderId, PieceKind
from sippx.scenario.bindings import Bindings

Use = OneOf["text", "number", "piece", "branch", "msg_index", "len", "media"]


@dataclass(frozen=True, slots=True)
class KeywordSpec:
    """One row of the keyword table: what [name] expands to and how it compiles.

    use: "text" and "number" are constants of a run and become literals; "piece" is rendered for each
    message as `piece`; "branch", "msg_index" and "len" are compiled by hand; "media" is refused.
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


def _piece(
    name: str,
    meaning: str,
    piece: PieceKind,
    *,
    has_offset: bool = False,
    suppress: bool = False,
    is_prefix: bool = False,
) -> KeywordSpec:
    return KeywordSpec(
        name, meaning, "piece", piece=piece, has_offset=has_offset, suppress=suppress, is_prefix=is_prefix
    )


def _media(*names: str) -> Iterator[KeywordSpec]:
    for name in names:
        yield KeywordSpec(name, "not supported by this version", "media")


def _srtp_keywords() -> Iterator[KeywordSpec]:
    suites = (
        *("cryptosuiteaescm128sha180", "cryptosuiteaescm128sha132", "cryptosuitenullsha180"),
        *("cryptosuitenullsha132", "ueaescm128sha180", "ueaescm128sha132"),
    )
    for media in ("audio", "video"):
        for which in "12":
            yield from _media(f"cryptotag{which}{media}", f"cryptokeyparams{which}{media}")
            yield from _media(*(f"{suite}{which}{media}" for suite in suites))


KEYWORDS: dict[str, KeywordSpec] = {
    spec.name: spec
    for spec in (
        _text("service", "-s value", lambda b: b.service),
        _text("remote_host", "remote host as given, without port", lambda b: b.remote_host),
        _text("remote_ip", "numeric remote address, in brackets if IPv6", lambda b: b.remote_ip),
        _number("remote_port", "remote port", lambda b: b.remote_port),
        _text(
            "transport",
            "UDP, TCP, TLS, SCTP, WS or WSS; behind `;transport=` ws for both of these",
            lambda b: b.transport,
        ),
        _text("local_ip", "local address, in brackets if IPv6", lambda b: b.local_ip),
        _text("local_ip_type", "4 or 6", lambda b: b.local_ip_type),
        _number("local_port", "local port; with a socket per call that of the call's", lambda b: b.local_port),
        _text("server_ip", "address the socket is bound to", lambda b: b.bound_ip),
        _text("media_ip", "media address, never in brackets", lambda b: b.media_ip),
        _text("media_ip_type", "4 or 6", lambda b: b.media_ip_type),
        _number("media_port", "base media port", lambda b: b.media_port),
        _text("pid", "process id", lambda b: str(b.pid)),
        _piece("users", "-users value, -1 when unused", PieceKind.PIECE_USERS),
        _piece("userid", "user of the call, 0 when unused", PieceKind.PIECE_USER_ID),
        _text("sipp_version", "version", lambda b: b.sipp_version),
        _piece("call_number", "number of the call, from 1", PieceKind.PIECE_CALL_NUMBER),
        _piece("call_id", "Call-ID of the call", PieceKind.PIECE_CALL_ID),
        _piece("cseq", "CSeq number of the call", PieceKind.PIECE_CSEQ, has_offset=True),
        KeywordSpec("branch", "branch of this call and step", "branch", has_offset=True),
        KeywordSpec("msg_index", "index of the step", "msg_index"),
        KeywordSpec("len", "body length in bytes, five columns", "len", has_offset=True),
        _piece("peer_tag_param", "';tag=' and the peer's tag, or nothing", PieceKind.PIECE_PEER_TAG),
        _piece("last_Request_URI", "URI of the last received To", PieceKind.PIECE_LAST_REQUEST_URI),
        _piece("next_url", "target of the next request", PieceKind.PIECE_NEXT_URL),
        _piece(
            "last_cseq_number",
            "CSeq number of the last received message",
            PieceKind.PIECE_LAST_CSEQ_NUMBER,
            has_offset=True,
        ),
        _piece("last_message", "the last received message", PieceKind.PIECE_LAST_MESSAGE),
        _piece(
            "last_",
            "header of the last received message",
            PieceKind.PIECE_LAST_HEADER,
            suppress=True,
            is_prefix=True,
        ),
        _piece("clock_tick", "milliseconds since the start", PieceKind.PIECE_CLOCK_TICK),
        _piece("timestamp", "local date and time, and epoch", PieceKind.PIECE_TIMESTAMP),
        _piece("date", "RFC 3261 date", PieceKind.PIECE_DATE),
        _piece(
            "auto_media_port", "media port of this call", PieceKind.PIECE_AUTO_MEDIA_PORT, has_offset=True
        ),
        _piece("routes", "Route header of the recorded route set", PieceKind.PIECE_ROUTES, suppress=True),
        _piece("dynamic_id", "next value of a counter of the process", PieceKind.PIECE_DYNAMIC_ID),
        _piece("tdmmap", "circuit of the call", PieceKind.PIECE_TDM_CIRCUIT),
        *_media("rtpstream_audio_port", "rtpstream_video_port"),
        *_srtp_keywords(),
        _piece("field", "field of an injection file", PieceKind.PIECE_FIELD, suppress=True, is_prefix=True),
        _piece("file", "contents of a file", PieceKind.PIECE_FILE, is_prefix=True),
        _piece("fill", "a text repeated to a length", PieceKind.PIECE_FILL, is_prefix=True),
        _piece("$", "value of a variable", PieceKind.PIECE_VARIABLE, suppress=True, is_prefix=True),
        _piece(
            "authentication", "answer to the kept challenge", PieceKind.PIECE_AUTHENTICATION, is_prefix=True
        ),
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


@dataclass(frozen=True, slots=True)
class ParameterSpec:
    """A name=value parameter of a keyword. is_template: its value may hold keywords."""

    name: str
    is_template: bool = True
    required: bool = False


PARAMETERS: dict[str, tuple[ParameterSpec, ...]] = {
    "field": (ParameterSpec("file", is_template=False), ParameterSpec("line")),
    "file": (ParameterSpec("name", required=True),),
    "fill": (
        ParameterSpec("variable", is_template=False, required=True),
        ParameterSpec("text", is_template=False),
    ),
    "authentication": (
        *(ParameterSpec("username"), ParameterSpec("password")),
        *(ParameterSpec("aka_K"), ParameterSpec("aka_OP"), ParameterSpec("aka_AMF")),
    ),
}
"""Parameters of the keywords that have some."""

KEYWORD_DIFFERENCES: dict[str, str] = {
    "authentication": "MD5, SHA-256, SHA-512-256, their -sess forms, AKAv1 and AKAv2, the strongest of several "
    "challenges; `auth` before `auth-int`; without a challenge it can answer the call fails, not the run",
    "field": "the CR of a line that ends in CRLF is not part of its last field, as in newer versions",
    "last_": "names as the keyword has them and folded headers on one line, as newer versions; 3.6.1 keeps both",
    "len": "is filled in where it stands; SIPp cuts the message behind it when there is no body",
    "next_url": "what stands in the angle brackets of the Contact and, without `rrs`, the URI of the last To, as newer "
    "versions",
    "sipp_version": "the version of sippx",
    "tdmmap": "the circuit of an ended call is free again",
}
"""Chosen differences from SIPp 3.6.1 by keyword."""


def find_keyword(word: str, keys: Collection[str]) -> tuple[str, str] | None:
    """(name, argument) of the text between brackets, without offset; None when it is unknown."""
    spec = KEYWORDS.get(word)
    if spec is not None and not spec.is_prefix:
        return word, ""
    if word in keys:
        return KEY, word
    for prefix in (spec.name for spec in KEYWORDS.values() if spec.is_prefix):
        rest = word.removeprefix(prefix)
        if not word.startswith(prefix):
            continue
        if prefix == "last_":
            if rest:
                return prefix, rest.removesuffix(":")
        elif prefix in ("$", "field") or not rest or rest[0] in " \t":
            return prefix, rest
    return None
