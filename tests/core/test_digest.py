"""Tests of digest authentication: RFC vectors, an oracle made of hashlib, and answers that verify."""

from __future__ import annotations

import base64
import os
import re
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.milenage_sets import SETS, autn, xor
from reference.digest import HASHES, Request, akav2_password, header, hex_hash, params, response
from sippx._core.digest import Digest, error_texts
from sippx._core.milenage import functions

ALGORITHMS = [name + sess for name in HASHES for sess in ("", "-sess")]
QOPS = ["", "auth", "auth-int"]

RFC_2617 = b'Digest username="Mufasa", realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", uri="/dir/index.html", qop=auth, nc=00000001, cnonce="0a4f113b", response="6629fae49393a05397450978507c4ef1", opaque="5ccc069c403ebaf9f0171e9517f40e41"'
RFC_7616 = b'Digest username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", algorithm=%s, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", nc=00000001, cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", qop=auth, response="%s", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
RFC_7616_MD5 = RFC_7616 % (b"MD5", b"8ca523f5e9506fed4657c9700eebdbec")
RFC_7616_SHA_256 = RFC_7616 % (b"SHA-256", b"753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1")
# userhash and response as erratum 4897 has them
RFC_7616_USERHASH = b'Digest username="793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b", realm="api@example.org", uri="/doe.json", algorithm=SHA-512-256, nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK", nc=00000001, cnonce="NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v", qop=auth, response="3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5", opaque="HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS", userhash=true'
# as sipp 3.6.1 answered qop="auth,auth-int" and qop=auth over loopback
SIPP_AUTH_INT = b'Digest username="joe",realm="r",cnonce="6b8b4567",nc=00000001,qop=auth-int,uri="sip:127.0.0.1:47274",nonce="n",response="e2c6441a608c1b32031db65a902e739c",algorithm=MD5,opaque="o"'
SIPP_AUTH = b'Digest username="joe",realm="r",cnonce="6b8b4567",nc=00000001,qop=auth,uri="sip:127.0.0.1:54534",nonce="n",response="07b40f093c6519878ee31c4cb3886e4b",algorithm=MD5'
JASON = "J\u00e4s\u00f8n Doe".encode()


@pytest.fixture(scope="module")
def digest() -> Digest:
    return Digest()


def challenge(algorithm: str | None = None, qop: str | None = None, nonce: bytes = b"n") -> bytes:
    value = b'Digest realm="r", nonce="%s"' % nonce
    if algorithm is not None:
        value += b", algorithm=" + algorithm.encode()
    if qop is not None:
        value += b', qop="%s"' % qop.encode()
    return value


def value_of(line: bytes) -> bytes:
    return line.partition(b": ")[2]


# ---------------------------------------------------------------------------- vectors


def test_the_answer_of_rfc_2617_verifies(digest: Digest) -> None:
    assert digest.verify(RFC_2617, b"Mufasa", b"Circle Of Life", b"GET")
    assert not digest.verify(RFC_2617, b"Mufasa", b"Circle of Life", b"GET")


@pytest.mark.parametrize("value", [RFC_7616_MD5, RFC_7616_SHA_256])
def test_the_answers_of_rfc_7616_verify(digest: Digest, value: bytes) -> None:
    assert digest.verify(value, b"Mufasa", b"Circle of Life", b"GET")
    assert not digest.verify(value, b"Mufasa", b"Circle Of Life", b"GET")


def test_the_hashed_username_of_rfc_7616_verifies(digest: Digest) -> None:
    assert digest.verify(RFC_7616_USERHASH, JASON, b"Secret, or not?", b"GET")
    assert not digest.verify(RFC_7616_USERHASH, b"Jason Doe", b"Secret, or not?", b"GET")


def test_a_username_in_plain_text_verifies_with_sha_512_256(digest: Digest) -> None:
    value = re.sub(rb'username="\w+"', b'username="%s"' % JASON, RFC_7616_USERHASH).replace(b", userhash=true", b"")
    assert digest.verify(value, JASON, b"Secret, or not?", b"GET")


@pytest.mark.parametrize("value", [SIPP_AUTH, SIPP_AUTH_INT])
def test_the_answers_of_sipp_verify(digest: Digest, value: bytes) -> None:
    assert digest.verify(value, b"joe", b"secretsecretsecret", b"REGISTER")
    assert not digest.verify(value, b"joe", b"secret", b"REGISTER")


@pytest.mark.parametrize("value", [RFC_2617, RFC_7616_MD5, RFC_7616_SHA_256])
def test_the_oracle_agrees_with_the_rfcs(value: bytes) -> None:
    p = params(value)
    password = b"Circle Of Life" if value is RFC_2617 else b"Circle of Life"
    request = Request(p["username"], password, b"GET", p["uri"], nc=p["nc"], cnonce=p["cnonce"])
    assert response(p.get("algorithm", b"MD5").decode(), "auth", p["realm"], p["nonce"], request) == p["response"]


# ---------------------------------------------------------------------------- answers


def test_an_answer_to_qop_has_sipps_order(digest: Digest) -> None:
    value = b'Digest realm="r", nonce="n", algorithm="md5", qop="auth", opaque="o"'
    line = digest.authorization([value], username=b"u", password=b"p", uri=b"sip:1:2", nc=0x1A, cnonce=0xABC)
    found = params(line)["response"]
    assert line == (
        b'Authorization: Digest username="u",realm="r",cnonce="0000000000000abc",nc=0000001a,qop=auth,'
        b'uri="sip:1:2",nonce="n",response="%s",algorithm=md5,opaque="o"' % found
    )


def test_an_answer_without_qop_has_neither_cnonce_nor_nc(digest: Digest) -> None:
    # as sipp 3.6.1 answers it, response included
    value = b'Digest realm="r",nonce="n",algorithm=md5'
    line = digest.authorization(
        [value], username=b"joe", password=b"secretsecretsecret", uri=b"sip:127.0.0.1:37026", cnonce=1
    )
    assert line == (
        b'Authorization: Digest username="joe",realm="r",uri="sip:127.0.0.1:37026",nonce="n",'
        b'response="89ac725751b2f946598ebab4ec82fa14",algorithm=md5'
    )


def test_a_proxys_challenge_is_answered_with_proxy_authorization(digest: Digest) -> None:
    assert digest.authorization([challenge()], is_proxy=True).startswith(b'Proxy-Authorization: Digest username=""')


def test_an_absent_algorithm_is_answered_as_md5(digest: Digest) -> None:
    assert params(digest.authorization([challenge()]))["algorithm"] == b"MD5"


@pytest.mark.parametrize(
    ("offered", "prefer_auth", "qop"),
    [
        ("auth", False, b"auth"),
        ("auth-int", True, b"auth-int"),
        ("auth,auth-int", False, b"auth-int"),
        ("auth,auth-int", True, b"auth"),
        ("auth-conf,auth", False, b"auth"),
        ("auth-conf", False, None),
        ("", False, None),
    ],
)
def test_auth_int_is_preferred_as_sipp_does_unless_told_otherwise(
    digest: Digest, offered: str, prefer_auth: bool, qop: bytes | None
) -> None:
    assert params(digest.authorization([challenge(qop=offered)], prefer_auth=prefer_auth)).get("qop") == qop


def test_a_session_algorithm_sends_its_cnonce_without_qop(digest: Digest) -> None:
    line = digest.authorization([challenge("MD5-sess")], username=b"u", cnonce=7)
    assert params(line)["cnonce"] == b"0000000000000007" and "nc" not in params(line)
    assert digest.verify(value_of(line), b"u", b"", b"REGISTER")


def test_the_strongest_challenge_is_answered(digest: Digest) -> None:
    line = digest.authorization([challenge("MD5"), challenge("SHA-512-256"), challenge("SHA-256")])
    assert params(line)["algorithm"] == b"SHA-512-256"
    assert len(params(line)["response"]) == 64


QUOTABLE = st.binary(max_size=40).filter(lambda b: not set(b) & set(b'"\\'))


@given(
    algorithm=st.sampled_from(ALGORITHMS),
    qop=st.sampled_from(QOPS),
    texts=st.tuples(QUOTABLE, QUOTABLE, QUOTABLE, QUOTABLE),
    opaque=st.none() | QUOTABLE,
    password=st.binary(max_size=300),
    method=st.sampled_from([b"INVITE", b"REGISTER", b"X"]),
    body=st.binary(max_size=600),
    nc=st.integers(0, 2**32 - 1),
    cnonce=st.integers(0, 2**64 - 1),
)
def test_answers_are_the_oracles_and_verify(
    digest: Digest,
    algorithm: str,
    qop: str,
    texts: tuple[bytes, bytes, bytes, bytes],
    opaque: bytes | None,
    password: bytes,
    method: bytes,
    body: bytes,
    nc: int,
    cnonce: int,
) -> None:
    username, realm, nonce, uri = texts
    value = b'Digest realm="%s",nonce="%s",algorithm=%s' % (realm, nonce, algorithm.encode())
    value += b',qop="%s"' % qop.encode() if qop else b""
    value += b"" if opaque is None else b',opaque="%s"' % opaque
    line = digest.authorization(
        [value], username=username, password=password, uri=uri, method=method, body=body, nc=nc, cnonce=cnonce
    )
    request = Request(username, password, method, uri, body, b"%08x" % nc, b"%016x" % cnonce)
    assert line == header(algorithm, qop, realm, nonce, request, opaque=opaque)
    assert digest.verify(value_of(line), username, password, method, body)
    assert not digest.verify(value_of(line), username, password + b"x", method, body)
    assert not digest.verify(value_of(line), username + b"x", password, method, body)
    assert not digest.verify(value_of(line), username, password, method + b"x", body)
    assert digest.verify(value_of(line), username, password, method, body + b"x") == (qop != "auth-int")


@pytest.mark.parametrize("realm", [rb"a\"b", rb"a\\", rb"\u"])
def test_a_realms_escapes_are_hashed_and_echoed_as_written(digest: Digest, realm: bytes) -> None:
    line = digest.authorization([b'Digest realm="%s",nonce="n"' % realm], username=rb"D\u", password=b"p", uri=b"x")
    assert line == header("MD5", "", realm, b"n", Request(rb"D\u", b"p", b"REGISTER", b"x"))
    assert digest.verify(value_of(line), rb"D\u", b"p", b"REGISTER")


def test_an_answer_fills_its_room_to_the_last_byte_and_not_beyond(digest: Digest) -> None:
    value = challenge(qop="auth") + b',opaque="o"'
    line = digest.authorization([value], username=b"u")
    assert digest.authorization([value], username=b"u", cap=len(line)) == line
    for cap in range(len(line)):
        with pytest.raises(ValueError, match="too long"):
            digest.authorization([value], username=b"u", cap=cap)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"Basic realm=r", "no Digest challenge"),
        (b"Digest nonce=n", "no realm"),
        (b"Digest realm=r", "no nonce"),
        (b"Digest realm=r,nonce=n,algorithm=SHA-1", "not supported"),
    ],
)
def test_what_cannot_be_answered_is_said(digest: Digest, value: bytes, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        digest.authorization([value])


def test_every_error_has_a_text_of_its_own() -> None:
    assert all(error_texts()) and len(set(error_texts())) == len(error_texts())


@pytest.mark.skipif(ssl.OPENSSL_VERSION_INFO < (3,), reason="OpenSSL 3's configuration")
def test_a_hash_that_openssl_refuses_is_said(tmp_path: Path) -> None:
    # stands in for a FIPS build: only algorithms approved as such are asked for, of a provider that has none
    conf = tmp_path / "openssl.cnf"
    conf.write_text("openssl_conf = i\n[i]\nalg_section = a\n[a]\ndefault_properties = fips=yes\n")
    script = (
        "from sippx._core.digest import Digest\n"
        "d = Digest()\n"
        "assert not d.verify(b'Digest username=u,realm=r,nonce=n,uri=x,response=', b'u', b'p', b'M')\n"
        "for algorithm in (b'MD5', b'AKAv1-MD5'):\n"
        "    try: d.authorization([b'Digest realm=r,algorithm=' + algorithm + b',nonce=' + b'A' * 43], password=bytes(16))\n"
        "    except ValueError as e: print(e)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "OPENSSL_CONF": str(conf), "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.stdout == "libcrypto does not offer the challenge's algorithm\n" * 2, done.stderr


# ---------------------------------------------------------------------------- verification


@pytest.mark.parametrize("name", [b"username", b"realm", b"nonce", b"uri", b"response", b"cnonce", b"nc"])
def test_an_answer_without_a_parameter_does_not_verify(digest: Digest, name: bytes) -> None:
    value = re.sub(name + rb'="?[^",]*"?,? ?', b"", RFC_2617, count=1)
    assert name + b"=" not in value.replace(b"cnonce=", b"" if name == b"nonce" else b"cnonce=")
    assert not digest.verify(value, b"Mufasa", b"Circle Of Life", b"GET")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"qop=auth", b"qop=auth-conf"),
        (b"qop=auth", b"qop="),
        (b"nc=00000001", b"nc="),
        (b"nc=00000001", b"nc=00000002"),
        (b"Digest ", b"Basic "),
        (b"Digest ", b""),
        (b"qop=auth", b"qop=auth, algorithm=MD6"),
        (b"qop=auth", b"qop=auth, algorithm=SHA-256"),
        (b"6629fae4", b"6629fae5"),
        (b"507c4ef1", b"507c4ef"),
        (b"507c4ef1", b"507c4ef10"),
    ],
)
def test_a_damaged_answer_does_not_verify(digest: Digest, old: bytes, new: bytes) -> None:
    assert old in RFC_2617
    assert not digest.verify(RFC_2617.replace(old, new), b"Mufasa", b"Circle Of Life", b"GET")


def test_a_session_answer_without_cnonce_does_not_verify(digest: Digest) -> None:
    line = digest.authorization([challenge("MD5-sess")], username=b"u")
    assert not digest.verify(re.sub(rb'cnonce="\w+",', b"", value_of(line)), b"u", b"", b"REGISTER")


@pytest.mark.parametrize("qop", [b'qop="auth"', b"qop=AUTH", b"QOP = auth"])
def test_qop_verifies_with_quotes_and_in_any_case(digest: Digest, qop: bytes) -> None:
    assert digest.verify(RFC_2617.replace(b"qop=auth", qop), b"Mufasa", b"Circle Of Life", b"GET")


@given(noise=st.binary(max_size=120), at=st.integers(0, len(RFC_2617)), n=st.integers(1, 40))
def test_noise_never_verifies(digest: Digest, noise: bytes, at: int, n: int) -> None:
    assert not digest.verify(noise, b"Mufasa", b"Circle Of Life", b"GET")
    damaged = RFC_2617[:at] + noise + RFC_2617[at + n :]
    whole = {"username", "realm", "nonce", "uri", "response", "qop", "nc", "cnonce"}
    if digest.verify(damaged, b"Mufasa", b"Circle Of Life", b"GET"):
        # only what does not count was damaged
        kept = params(RFC_2617)
        assert all(kept[name] in damaged for name in whole)


# ---------------------------------------------------------------------------- AKA

AKA_ALGORITHMS = [f"AKAv{version}-{name}" for version in (1, 2) for name in ALGORITHMS]


def aka_nonce(test_set: dict[str, bytes], server_data: bytes = b"") -> bytes:
    return base64.b64encode(test_set["rand"] + autn(test_set) + server_data)


def aka_password(algorithm: str, test_set: dict[str, bytes]) -> bytes:
    if algorithm.startswith("AKAv1"):
        return test_set["f2"]
    return akav2_password(algorithm, test_set["f2"], test_set["f4"], test_set["f3"])


@pytest.mark.parametrize("algorithm", AKA_ALGORITHMS)
@pytest.mark.parametrize("qop", QOPS)
def test_aka_answers_with_the_password_of_its_rfc(digest: Digest, algorithm: str, qop: str) -> None:
    for test_set in SETS:
        nonce = aka_nonce(test_set, b"server data")
        line = digest.authorization(
            [challenge(algorithm, qop, nonce)],
            username=b"u",
            password=b"unused",
            uri=b"sip:x",
            body=b"b",
            aka_k=test_set["k"],
            aka_op=test_set["op"],
        )
        request = Request(b"u", aka_password(algorithm, test_set), b"REGISTER", b"sip:x", b"b")
        assert line == header(algorithm, qop, b"r", nonce, request)
        assert digest.verify(value_of(line), b"u", request.password, b"REGISTER", b"b")


def test_aka_takes_opc_in_place_of_op(digest: Digest) -> None:
    values = [challenge("AKAv1-MD5", "auth", aka_nonce(SETS[0]))]
    with_op = digest.authorization(values, aka_k=SETS[0]["k"], aka_op=SETS[0]["op"])
    assert digest.authorization(values, aka_k=SETS[0]["k"], aka_opc=SETS[0]["opc"]) == with_op


def test_aka_takes_its_key_from_the_password_without_another(digest: Digest) -> None:
    values = [challenge("AKAv1-MD5", "auth", aka_nonce(SETS[0]))]
    with_k = digest.authorization(values, aka_k=SETS[0]["k"], aka_op=SETS[0]["op"])
    assert digest.authorization(values, password=SETS[0]["k"] + b"more", aka_op=SETS[0]["op"]) == with_k


def test_aka_without_op_uses_zeros(digest: Digest) -> None:
    k, rand, sqn, amf = bytes(range(16)), bytes(16), b"\x00\x00\x00\x00\x00\x01", b"\x80\x00"
    made = functions(k, rand, sqn, amf, op=bytes(16))
    nonce = base64.b64encode(rand + xor(sqn, made["f5"]) + amf + made["f1"])
    line = digest.authorization([challenge("AKAv1-MD5", None, nonce)], username=b"u", aka_k=k)
    assert digest.verify(value_of(line), b"u", made["f2"], b"REGISTER")


def test_aka_uses_an_amf_that_is_given_in_f1(digest: Digest) -> None:
    values = [challenge("AKAv1-MD5", None, aka_nonce(SETS[0]))]
    keys = {"aka_k": SETS[0]["k"], "aka_op": SETS[0]["op"]}
    assert digest.authorization(values, **keys, aka_amf=SETS[0]["amf"]) == digest.authorization(values, **keys)
    with pytest.raises(ValueError, match="MAC"):
        digest.authorization(values, **keys, aka_amf=b"\x00\x00")


def test_aka_with_another_key_is_a_mac_mismatch(digest: Digest) -> None:
    with pytest.raises(ValueError, match="MAC"):
        digest.authorization([challenge("AKAv1-MD5", None, aka_nonce(SETS[0]))], aka_k=SETS[1]["k"])


@pytest.mark.parametrize("cut", [b"", b"AA", b"%%%%"])
def test_an_aka_nonce_must_hold_rand_and_autn(digest: Digest, cut: bytes) -> None:
    nonce = aka_nonce(SETS[0])[:40] + cut
    with pytest.raises(ValueError, match="base64"):
        digest.authorization([challenge("AKAv1-MD5", None, nonce)], aka_k=SETS[0]["k"])


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({}, "no AKA key"),
        ({"password": b"fifteen bytes.."}, "no AKA key"),
        ({"aka_k": b""}, "16 bytes"),
        ({"aka_k": bytes(16), "aka_op": bytes(15)}, "16 bytes"),
        ({"aka_k": bytes(16), "aka_opc": bytes(17)}, "16 bytes"),
        ({"aka_k": bytes(16), "aka_amf": b"x"}, "16 bytes"),
    ],
)
def test_aka_keys_of_another_size_are_refused(digest: Digest, keys: dict[str, bytes], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        digest.authorization([challenge("AKAv1-MD5", None, aka_nonce(SETS[0]))], **keys)


def test_a_fresh_sqn_is_accepted_and_remembered() -> None:
    sqn = int.from_bytes(SETS[0]["sqn"], "big")
    digest = Digest(sqn_ms=sqn - 1)
    values = [challenge("AKAv1-MD5", "auth", aka_nonce(SETS[0]))]
    line = digest.authorization(values, aka_k=SETS[0]["k"], aka_op=SETS[0]["op"])
    assert b"auts" not in line
    assert digest.sqn_ms == sqn


@pytest.mark.parametrize("algorithm", ["AKAv1-MD5", "AKAv2-MD5"])
@pytest.mark.parametrize("ahead", [0, 1, 2**20])
def test_a_stale_sqn_is_answered_with_auts_and_no_password(algorithm: str, ahead: int) -> None:
    given_set = SETS[2]
    sqn_ms = int.from_bytes(given_set["sqn"], "big") + ahead
    digest = Digest(sqn_ms=sqn_ms)
    nonce = aka_nonce(given_set)
    line = digest.authorization(
        [challenge(algorithm, "auth", nonce)], username=b"u", aka_k=given_set["k"], aka_op=given_set["op"]
    )
    auts = base64.b64decode(params(line)["auts"])
    made = functions(given_set["k"], given_set["rand"], sqn_ms.to_bytes(6, "big"), b"\0\0", op=given_set["op"])
    assert auts == xor(sqn_ms.to_bytes(6, "big"), given_set["f5_star"]) + made["f1_star"]
    assert line.endswith(b',auts="%s"' % base64.b64encode(auts))
    assert digest.verify(value_of(line), b"u", b"", b"REGISTER")
    assert digest.sqn_ms == sqn_ms


def test_a_challenge_used_again_is_not_asked_for_freshness() -> None:
    digest = Digest(sqn_ms=0)
    values = [challenge("AKAv1-MD5", "auth", aka_nonce(SETS[0]))]
    keys = {"aka_k": SETS[0]["k"], "aka_op": SETS[0]["op"]}
    assert b"auts" not in digest.authorization(values, nc=1, **keys)
    assert b"auts" not in digest.authorization(values, nc=2, **keys)
    assert b"auts" in digest.authorization(values, nc=1, **keys)


@given(nonce=st.binary(max_size=80).map(base64.b64encode) | QUOTABLE)
def test_any_aka_nonce_ends_in_an_answer_or_an_error(digest: Digest, nonce: bytes) -> None:
    with pytest.raises(ValueError, match=r"base64|MAC"):
        digest.authorization([b'Digest realm=r,algorithm=AKAv2-MD5,nonce="%s"' % nonce], aka_k=bytes(16))


def test_hashes_used_in_turn_do_not_disturb_one_another(digest: Digest) -> None:
    for algorithm in [*ALGORITHMS, *AKA_ALGORITHMS, *reversed(ALGORITHMS)]:
        test_set = SETS[3]
        nonce = aka_nonce(test_set)
        keys = {"aka_k": test_set["k"], "aka_op": test_set["op"]}
        line = digest.authorization([challenge(algorithm, "auth", nonce)], username=b"u", **keys)
        password = aka_password(algorithm, test_set) if algorithm.startswith("AKA") else b""
        assert digest.verify(value_of(line), b"u", password, b"REGISTER")


def test_the_username_may_be_sent_hashed(digest: Digest) -> None:
    line = digest.authorization([challenge("SHA-256", "auth")], username=b"u", password=b"p")
    hashed = hex_hash("SHA-256", b"u:r")
    value = value_of(line).replace(b'username="u"', b'username="%s"' % hashed) + b",userhash=true"
    assert digest.verify(value, b"u", b"p", b"REGISTER")
    assert not digest.verify(value.replace(b",userhash=true", b""), b"u", b"p", b"REGISTER")
