"""Digest authentication written down from the RFCs with hashlib and hmac: what the core's answers are held against."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass

HASHES = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}
"""Digest algorithm -> hashlib's name."""

PARAM = re.compile(rb'(\w+)=(?:"((?:[^"\\]|\\.)*)"|([^",]*))(?:,|$)', re.DOTALL)


def hash_name(algorithm: str) -> str:
    """hashlib's name for `[AKAvN-]NAME[-sess]`."""
    return HASHES[re.sub(r"^AKAv\d-|-sess$", "", algorithm, flags=re.IGNORECASE).upper()]


def hex_hash(algorithm: str, data: bytes) -> bytes:
    """H(data) of RFC 7616 3.3."""
    return hashlib.new(hash_name(algorithm), data).hexdigest().encode()


@dataclass(frozen=True)
class Request:
    """What a response is made from, besides the challenge."""

    username: bytes
    password: bytes
    method: bytes
    uri: bytes
    body: bytes = b""
    nc: bytes = b"00000001"
    cnonce: bytes = b"0000000000000000"


def response(algorithm: str, qop: str, realm: bytes, nonce: bytes, request: Request) -> bytes:
    """RFC 7616 3.4.1 to 3.4.3; qop is auth, auth-int, or empty for RFC 2069."""
    a1 = b":".join((request.username, realm, request.password))
    if algorithm.lower().endswith("-sess"):
        a1 = b":".join((hex_hash(algorithm, a1), nonce, request.cnonce))
    a2 = request.method + b":" + request.uri
    if qop == "auth-int":
        a2 += b":" + hex_hash(algorithm, request.body)
    middle = (nonce, request.nc, request.cnonce, qop.encode()) if qop else (nonce,)
    return hex_hash(algorithm, b":".join((hex_hash(algorithm, a1), *middle, hex_hash(algorithm, a2))))


def header(
    algorithm: str, qop: str, realm: bytes, nonce: bytes, request: Request, *, opaque: bytes | None = None
) -> bytes:
    """The line that SIPp writes for a 401."""
    parts = [b'Authorization: Digest username="%s"' % request.username, b'realm="%s"' % realm]
    if qop or algorithm.lower().endswith("-sess"):
        parts.append(b'cnonce="%s"' % request.cnonce)
    if qop:
        parts += [b"nc=%s" % request.nc, b"qop=%s" % qop.encode()]
    parts += [b'uri="%s"' % request.uri, b'nonce="%s"' % nonce]
    parts += [b'response="%s"' % response(algorithm, qop, realm, nonce, request), b"algorithm=%s" % algorithm.encode()]
    if opaque is not None:
        parts.append(b'opaque="%s"' % opaque)
    return b",".join(parts)


def akav2_password(algorithm: str, res: bytes, ik: bytes, ck: bytes) -> bytes:
    """RFC 4169 3: base64 of HMAC keyed with RES, IK and CK."""
    mac = hmac.new(res + ik + ck, b"http-digest-akav2-password", hash_name(algorithm))
    return base64.b64encode(mac.digest())


def params(line: bytes) -> dict[str, bytes]:
    """The parameters of a well-formed header line or value."""
    value = line.partition(b"Digest ")[2]
    return {name.decode(): quoted or bare for name, quoted, bare in PARAM.findall(value)}
