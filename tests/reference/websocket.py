"""Slow twin of the WebSocket frames and handshake: whole connections at once, from RFC 6455 and RFC 7118."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re

MAX_MESSAGE_BYTES = 65535
MAX_HEAD_BYTES = 8192
NO_CODE = 1005
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

Item = tuple[str, int, bytes]

# --------------------------------------------------------------------------- frames


def frame(opcode: int, payload: bytes, key: bytes | None = None, *, is_final: bool = True, form: int | None = None) -> bytes:
    """A frame; form 7, 16 or 64: how its length is written, the shortest without."""
    form = form or (7 if len(payload) < 126 else 16 if len(payload) < 65536 else 64)
    mask_bit = 0 if key is None else 0x80
    first = bytes([opcode | (0x80 if is_final else 0)])
    if form == 7:
        head = first + bytes([mask_bit | len(payload)])
    else:
        head = first + bytes([mask_bit | (126 if form == 16 else 127)]) + len(payload).to_bytes(form // 8, "big")
    return head + (payload if key is None else key + masked(payload, key))


def masked(payload: bytes, key: bytes) -> bytes:
    """The payload under a mask, or without it."""
    return bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))


def receive(data: bytes, *, is_client: bool) -> list[Item]:
    """Everything complete in what one side receives; an error is the last and so is a close."""
    items: list[Item] = []
    fragments: tuple[int, bytes] | None = None
    while True:
        head = _header(data, fragments, is_client)
        if isinstance(head, str):
            return [*items, (head, 0, b"")] if head != "more" else items
        opcode, is_final, payload, data = head
        if opcode >= 8:
            item = _control(opcode, payload)
            items.append(item)
            if item[0] not in ("ping", "pong"):
                return items
            continue
        fragments = (fragments[0], fragments[1] + payload) if fragments else (opcode, payload)
        if is_final:
            if fragments[0] == 1 and not _is_utf8(fragments[1]):
                return [*items, ("utf8", 0, b"")]
            items.append(("message", *fragments))
            fragments = None


def _header(data: bytes, fragments: tuple[int, bytes] | None, is_client: bool) -> str | tuple[int, bool, bytes, bytes]:
    """(opcode, is final, payload, what is behind) of the first frame, or why there is none."""
    if len(data) < 2:
        return "more"
    opcode, is_final, is_masked, n_bytes = data[0] & 15, data[0] >= 128, data[1] >= 128, data[1] % 128
    if data[0] & 0x70:
        return "reserved"
    if opcode not in (0, 1, 2, 8, 9, 10):
        return "opcode"
    if is_masked == is_client:
        return "mask"
    if opcode >= 8:
        if not is_final or n_bytes > 125:
            return "control"
    elif (opcode == 0) != (fragments is not None):
        return "continuation"
    at = 2
    if n_bytes >= 126:
        at = 4 if n_bytes == 126 else 10
        if len(data) < at:
            return "more"
        smallest = 126 if n_bytes == 126 else 65536
        n_bytes = int.from_bytes(data[2:at], "big")
        if not smallest <= n_bytes < 2**63:
            return "length"
    if opcode < 8 and n_bytes + (len(fragments[1]) if fragments else 0) > MAX_MESSAGE_BYTES:
        return "too_long"
    key = data[at : at + 4] if is_masked else None
    at += 4 if is_masked else 0
    if len(data) < at + n_bytes:
        return "more"
    payload = data[at : at + n_bytes]
    return opcode, is_final, payload if key is None else masked(payload, key), data[at + n_bytes :]


def _control(opcode: int, payload: bytes) -> Item:
    if opcode != 8:
        return "ping" if opcode == 9 else "pong", 0, payload
    if not payload:
        return "close", NO_CODE, b""
    code = int.from_bytes(payload[:2], "big")
    known = (*range(1000, 1004), *range(1007, 1015), *range(3000, 5000))
    if len(payload) < 2 or code not in known:
        return "close_code", 0, b""
    return ("close", code, payload[2:]) if _is_utf8(payload[2:]) else ("utf8", 0, b"")


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


# --------------------------------------------------------------------------- handshake


def accept_of(key: bytes) -> bytes:
    """Sec-WebSocket-Accept of a key."""
    return base64.b64encode(hashlib.sha1(key + GUID).digest())


def request(host: bytes, path: bytes, key: bytes) -> bytes:
    """What a client sends."""
    return (
        b"GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: %s\r\n"
        b"Sec-WebSocket-Protocol: sip\r\nSec-WebSocket-Version: 13\r\n\r\n" % (path, host, key)
    )


def response(key: bytes) -> bytes:
    """What a server answers."""
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: sip\r\n\r\n" % accept_of(key)
    )


def read_request(data: bytes) -> tuple[str, bytes]:
    """Result of a request, and what is behind it (all, where it has not ended)."""
    result, start, fields, rest = _head(data)
    if result == "open":
        result = _request_result(start, fields)
    return result, rest


def read_response(data: bytes, key: bytes) -> tuple[str, bytes]:
    """Result of a response to a request with that key, and what is behind it."""
    result, start, fields, rest = _head(data)
    if result == "open":
        result = _response_result(start, fields, key)
    return result, rest


def _head(data: bytes) -> tuple[str, bytes, list[tuple[bytes, bytes]], bytes]:
    if data and not 32 < data[0] < 127:
        return "http", b"", [], data
    match = re.match(rb"(?:[^\n]*\n)*?\r?\n", data[:MAX_HEAD_BYTES])
    if match is None:
        return "too_long" if len(data) >= MAX_HEAD_BYTES else "more", b"", [], data
    start, *lines = match.group().split(b"\n")[:-2]
    rest = data[match.end() :]
    fields = []
    for line in lines:
        field = re.fullmatch(rb"([^:\t ](?:[^:]*[^:\t ])?):(.*)", line, re.DOTALL)
        if field is None:
            return "http", b"", [], rest
        fields.append((field.group(1).lower(), field.group(2).lstrip(b" \t").rstrip(b" \t\r")))
    return "open", start.rstrip(b" \t\r"), fields, rest


def _values(fields: list[tuple[bytes, bytes]], name: bytes) -> list[bytes]:
    return [value for field, value in fields if field == name]


def _elements(fields: list[tuple[bytes, bytes]], name: bytes) -> list[bytes]:
    """What comma-separated lists of all these fields hold; nothing behind a last comma."""
    found = []
    for value in _values(fields, name):
        found += [part.lstrip(b" \t").rstrip(b" \t\r") for part in value.removesuffix(b",").split(b",")] if value else []
    return found


def _is_asked(fields: list[tuple[bytes, bytes]]) -> bool:
    upgrade = [element.lower() for element in _elements(fields, b"upgrade")]
    connection = [element.lower() for element in _elements(fields, b"connection")]
    return b"websocket" in upgrade and b"upgrade" in connection


def _is_key(key: bytes) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == 16 and len(key) == 24
    except binascii.Error:
        return False


def _request_result(start: bytes, fields: list[tuple[bytes, bytes]]) -> str:
    line = re.fullmatch(rb"([^ ]+) ([^ ]+) HTTP/1\.1", start)
    if line is None:
        return "http"
    if line.group(1) != b"GET":
        return "method"
    if len(_values(fields, b"host")) != 1:
        return "http"
    if not _is_asked(fields):
        return "not_asked"
    if _values(fields, b"sec-websocket-version") != [b"13"]:
        return "version"
    keys = _values(fields, b"sec-websocket-key")
    if len(keys) != 1 or not _is_key(keys[0]):
        return "key"
    return "open" if b"sip" in _elements(fields, b"sec-websocket-protocol") else "subprotocol"


def _response_result(start: bytes, fields: list[tuple[bytes, bytes]], key: bytes) -> str:
    line = re.fullmatch(rb"HTTP/1\.1 ([0-9]{3})(?: .*)?", start, re.DOTALL)
    if line is None or int(line.group(1)) == 0:
        return "http"
    if line.group(1) != b"101":
        return "status"
    if not _is_asked(fields):
        return "not_asked"
    if _values(fields, b"sec-websocket-accept") != [accept_of(key)]:
        return "accept"
    if any(_values(fields, b"sec-websocket-extensions")):
        return "extension"
    return "open" if _elements(fields, b"sec-websocket-protocol") == [b"sip"] else "subprotocol"
