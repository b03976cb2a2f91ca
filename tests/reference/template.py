"""Slow twin of template compilation: renders the model's template directly, by the language's rules."""

from __future__ import annotations

from sippx.scenario.bindings import Bindings
from sippx.scenario.model import Keyword, Literal, Template

from .render import CallValues

LEN_MARK = b"\x00len\x00"
WHITE_SPACE = b" \t\r\n"


def render_template(template: Template, bindings: Bindings, index: int, values: CallValues) -> bytes:
    """The message a send step at `index` sends; covers every keyword that does not read a clock."""
    output = bytearray()
    lens: list[tuple[int, int]] = []
    is_suppressed = False
    for part in template:
        text = part.data if isinstance(part, Literal) else expand(part, bindings, index, values)
        if isinstance(part, Keyword) and part.name == "len":
            lens.append((len(output), part.offset))
            text = b"     "
        is_constant = isinstance(part, Literal) or part.name in CONSTANTS
        if is_constant and not text:
            continue
        if is_suppressed and is_constant:
            text = without_rest_of_line(text)
        output += text
        is_suppressed = isinstance(part, Keyword) and part.name == "last_" and output.endswith(b"\n")
    at = output.find(b"\r\n\r\n")
    n_body_bytes = 0 if at < 0 else len(output) - at - 4
    for place, offset in lens:
        output[place : place + 5] = b"%5d" % (n_body_bytes + offset)
    return bytes(output)


def without_rest_of_line(text: bytes) -> bytes:
    """Text without its leading white space, but no more than up to the first line end."""
    leading = text[: len(text) - len(text.lstrip(WHITE_SPACE))]
    head, line_end, _ = leading.partition(b"\n")
    return text[len(head + line_end) :]


CONSTANTS = ("key", "service", "remote_ip", "remote_port", "local_ip", "media_port", "msg_index", "pid")


def expand(keyword: Keyword, bindings: Bindings, index: int, values: CallValues) -> bytes:
    """Value of one keyword; [len] is left to the caller."""
    last = values.last
    if keyword.name == "last_":
        name = keyword.argument.encode()
        found = last.values(name) if last else []
        return name + b": " + b", ".join(found) if found else b""
    uri = last.value(b"To").partition(b"<")[2].partition(b">")[0] if last else b""
    texts: dict[str, str | bytes | int] = {
        "key": bindings.keys.get(keyword.argument, ""),
        "service": bindings.service,
        "remote_ip": bindings.remote_ip,
        "remote_port": bindings.remote_port + keyword.offset,
        "local_ip": bindings.local_ip,
        "media_port": bindings.media_port + keyword.offset,
        "msg_index": index,
        "pid": bindings.pid,
        "call_number": values.call_number,
        "call_id": values.call_id,
        "cseq": values.cseq + keyword.offset,
        "branch": f"z9hG4bK-{bindings.pid}-{values.call_number}-{index + keyword.offset}",
        "len": b"",
        "peer_tag_param": b";tag=" + values.peer_tag if values.peer_tag else b"",
        "last_Request_URI": uri,
        "next_url": uri,
        "last_cseq_number": (last.cseq_number if last else 0) + keyword.offset,
        "last_message": last.raw if last else b"",
    }
    text = texts[keyword.name]
    return text if isinstance(text, bytes) else str(text).encode()
