"""Answering a digest challenge (parsed once) and verifying an answer, for the algorithms and for AKA."""

from __future__ import annotations

import base64
from collections.abc import Callable

from timing import Row, Table, print_tables, repeated

from sippx._core.digest import Digest
from sippx._core.milenage import functions

USERNAME, PASSWORD, URI = b"alice", b"correct horse battery", b"sip:127.0.0.1:5060"


def aka_nonce(k: bytes) -> bytes:
    """RAND and an AUTN that k accepts, with OP of zeros."""
    rand, sqn, amf = bytes(range(16)), bytes(6), b"\x80\x00"
    made = functions(k, rand, sqn, amf, op=bytes(16))
    # SQN is zero: SQN xor AK is AK
    return base64.b64encode(rand + made["f5"] + amf + made["f1"])


def answering(digest: Digest, value: bytes, aka_k: bytes | None) -> Callable[[int], object]:
    """Answers the challenge n times."""
    return lambda n: digest.authorization(
        [value], username=USERNAME, password=PASSWORD, uri=URI, aka_k=aka_k, cnonce=1, repeat=n
    )


def measure() -> Table:
    """Answers and verifications."""
    digest = Digest()
    k = bytes(range(16))
    rows: list[Row] = []
    for algorithm in ("MD5", "MD5-sess", "SHA-256", "SHA-512-256", "AKAv1-MD5", "AKAv2-MD5"):
        is_aka = algorithm.startswith("AKA")
        nonce = aka_nonce(k) if is_aka else b"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
        value = b'Digest realm="example.org",nonce="%s",algorithm=%s,qop="auth"' % (nonce, algorithm.encode())
        answer = answering(digest, value, k if is_aka else None)
        rows.append(repeated(f"answer, {algorithm}, qop=auth", answer))
        if not is_aka:
            line = digest.authorization([value], username=USERNAME, password=PASSWORD, uri=URI)
            sent = line.partition(b": ")[2]

            def verify(n: int, sent: bytes = sent) -> object:
                return digest.verify(sent, USERNAME, PASSWORD, b"REGISTER", b"", n)

            assert verify(1)
            rows.append(repeated(f"verify, {algorithm}, qop=auth", verify))
    return Table("digest", rows, "an answer is three hashes, four with -sess; AKA adds six AES blocks")


if __name__ == "__main__":
    print_tables([measure()])
