"""What a run sent, with the values that vary from run to run replaced, but never two different ones by the same.

The first branch becomes BRANCH1 everywhere it stands, the second BRANCH2 ..., likewise tags, Call-IDs, client
nonces; ports become the name of whose they are. So equality between messages is compared as well as text.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

DATE = re.compile(r"\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d? [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT")
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d[\tT ]\d\d:\d\d:\d\d\.\d+(?:\t\d+\.\d+|Z|[+-]\d\d:\d\d)?")
BRANCH = re.compile(r"z9hG4bK-\d+-\d+--?\d+")
TAG = re.compile(r"(?<=;tag=)[^;>\s,]+")
SIPP_TAG = re.compile(r"(?<![\w])\d+(?=SIPpTag)")
CALL_ID = re.compile(r"\b\d+-\d+(?=@127\.0\.0\.1)")
MEDIA = re.compile(r"(?<=m=audio )\d+|(?<=m=video )\d+")
VOLATILE = re.compile(r"(?<=^X-Varies-)(\w+: *)(.*)$", re.MULTILINE)
PID = re.compile(r"(?<=^X-Pid: )\d+", re.MULTILINE)
OFFSET = 500
"""From a port to one that a case names relative to it: more than the ports of a run are apart."""
DIGEST_VALUE = re.compile(r'(\w+)=(?:"([^"]*)"|([^\s,"]+))')


@dataclass(frozen=True)
class Facts:
    """What a run cannot help putting into its messages."""

    pid: int
    port: int
    peer_port: int
    user: str = ""
    password: str = ""


class Names:
    """Gives values names by kind and order of first appearance."""

    def __init__(self) -> None:
        self._names: dict[tuple[str, str], str] = {}
        self._n: dict[str, int] = {}

    def of(self, kind: str, value: str) -> str:
        """The value's name."""
        if (kind, value) not in self._names:
            self._n[kind] = self._n.get(kind, 0) + 1
            self._names[kind, value] = f"{kind}{self._n[kind]}"
        return self._names[kind, value]

    def replacer(self, kind: str) -> Callable[[re.Match[str]], str]:
        """A function for re.sub that replaces what matches by its name."""
        return lambda match: self.of(kind, match[0])


def transcript(messages: Sequence[bytes], facts: Facts, log: str = "") -> tuple[list[list[str]], list[str]]:
    """Lines of every message and of the log, without what varies."""
    names = Names()
    media: list[int] = []
    texts = [_normalised(message.decode("latin-1"), facts, names, media) for message in messages]
    return [text.split("\r\n") for text in texts], _normalised(log, facts, names, media).splitlines()


def _normalised(text: str, facts: Facts, names: Names, media: list[int]) -> str:
    text = _digest_judged(text, facts)
    for pattern, kind in ((CALL_ID, "CALL"), (BRANCH, "BRANCH"), (TAG, "TAG")):
        text = pattern.sub(names.replacer(kind), text)
    text = SIPP_TAG.sub(lambda match: "PID" if int(match[0]) == facts.pid else match[0], text)
    text = PID.sub(lambda match: "PID" if int(match[0]) == facts.pid else match[0], text)
    text = DATE.sub("DATE", TIMESTAMP.sub("TIMESTAMP", text))
    text = re.sub(r'(?<=cnonce=")[^"]*', names.replacer("CNONCE"), text)
    text = MEDIA.sub(lambda match: _relative(int(match[0]), media), text)
    text = VOLATILE.sub(lambda match: match[1] + re.sub(r"\d+", "N", match[2]), text)
    for name, port in (("PORT", facts.port), ("PEER", facts.peer_port)):
        for offset in (0, OFFSET, -OFFSET):
            text = re.sub(rf"(?<!\d){port + offset}(?!\d)", f"{name}{offset:+}" if offset else name, text)
    return text


def _relative(port: int, media: list[int]) -> str:
    if not media:
        media.append(port)
    return f"MEDIA{port - media[0]:+}"


def _digest_judged(text: str, facts: Facts) -> str:
    """The text with RIGHT or WRONG for each response value of a digest."""
    head, _, body = text.partition("\r\n\r\n")
    lines = []
    for line in head.split("\r\n"):
        if re.match(r"(Proxy-)?Authorization: Digest ", line):
            fields = {match[1]: match[2] or match[3] or "" for match in DIGEST_VALUE.finditer(line)}
            expected = digest(fields, facts, head.split(" ")[0], body)
            verdict = "RIGHT" if fields.get("response") == expected else "WRONG"
            line = re.sub(r'response="[^"]*"', f'response="{verdict}"', line)
        lines.append(line)
    return "\r\n".join(lines) + text[len(head) :]


def digest(fields: dict[str, str], facts: Facts, method: str, body: str = "") -> str:
    """The response that these fields of a digest ask for (RFC 2617, MD5)."""

    def h(data: str) -> str:
        return hashlib.md5(data.encode("latin-1")).hexdigest()

    ha1 = h(f"{facts.user}:{fields.get('realm', '')}:{facts.password}")
    if fields.get("algorithm", "").lower() == "md5-sess":
        ha1 = h(f"{ha1}:{fields.get('nonce', '')}:{fields.get('cnonce', '')}")
    entity = f":{h(body)}" if fields.get("qop") == "auth-int" else ""
    ha2 = h(f"{method}:{fields.get('uri', '')}{entity}")
    middle = f"{fields['nc']}:{fields['cnonce']}:{fields['qop']}:" if fields.get("qop") else ""
    return h(f"{ha1}:{fields.get('nonce', '')}:{middle}{ha2}")
