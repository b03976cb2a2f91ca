"""Tests of the parser of challenges and Authorization values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sippx._core.challenge import choose_challenge, parse_authorization, parse_challenges

AUTH, AUTH_INT, OTHER = 1, 2, 4
MD5, SHA256, SHA512_256 = 0, 1, 2
NO_CHALLENGE, NO_REALM, NO_NONCE, UNSUPPORTED = -1, -2, -3, -4


def only(value: bytes) -> dict[str, object]:
    (challenge,) = parse_challenges(value)
    return challenge


def chosen(*values: bytes, has_aka_key: bool = False) -> dict[str, object]:
    found = choose_challenge(list(values), has_aka_key=has_aka_key)
    assert isinstance(found, dict), found
    return found


def test_a_challenge_of_rfc_7616_is_read_whole() -> None:
    value = b'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=SHA-256, nonce="7ypf/x==", opaque="FQhe", domain="sip:a sip:b", stale=TRUE'
    assert only(value) == {
        "is_digest": True,
        "realm": b"http-auth@example.org",
        "nonce": b"7ypf/x==",
        "opaque": b"FQhe",
        "domain": b"sip:a sip:b",
        "algorithm_text": b"SHA-256",
        "algorithm": (SHA256, False, 0),
        "qop": AUTH | AUTH_INT,
        "stale": True,
        "is_proxy": False,
    }


@pytest.mark.parametrize(
    "value",
    [
        b'Digest realm="r",nonce="n",qop="auth"',
        b'digest REALM="r",NONCE="n",QOP="AUTH"',
        b'  Digest\t realm = "r" ,\r\n nonce\t=\t"n" , qop= "auth"  ',
        b"Digest realm=r, nonce=n, qop=auth",
        b'Digest realm="r" nonce="n" qop="auth"',
        b'Digest ,, realm="r",,nonce="n",qop="auth",,',
        b'Digest realm="r", nonce="n", qop="auth',
        b'Digest realm=r", nonce=n", qop=auth',
        b'Digest realm="r", nonce="n", qop="auth", realm="other", nonce="other", qop="auth-int"',
        b'Digest foo, realm="r", bar="x,y=z", "stray", nonce="n", =lost, qop="auth"',
    ],
)
def test_a_challenge_is_understood_however_it_is_written(value: bytes) -> None:
    challenge = only(value)
    assert (challenge["is_digest"], challenge["realm"], challenge["nonce"], challenge["qop"]) == (True, b"r", b"n", AUTH)


def test_escapes_stay_as_they_are_written() -> None:
    assert only(rb'Digest realm="a\"b\\",nonce="n"')["realm"] == rb"a\"b\\"


def test_a_quote_that_is_never_closed_ends_at_the_next_comma() -> None:
    challenge = only(b'Digest nonce="n", realm="r , opaque=o')
    assert (challenge["nonce"], challenge["realm"], challenge["opaque"]) == (b"n", b"r", b"o")


def test_what_is_absent_is_told_from_what_is_empty() -> None:
    challenge = only(b'Digest realm="", nonce=')
    assert (challenge["realm"], challenge["nonce"], challenge["opaque"]) == (b"", b"", None)


@pytest.mark.parametrize(
    ("qop", "bits"),
    [
        (b'""', 0),
        (b'"auth"', AUTH),
        (b'"auth-int,auth"', AUTH | AUTH_INT),
        (b'" auth ,auth-int "', AUTH | AUTH_INT),
        (b"auth,auth-int", AUTH | AUTH_INT),
        (b"auth-int , auth", AUTH | AUTH_INT),
        (b'"auth-conf"', OTHER),
        (b'"auth-conf,auth"', OTHER | AUTH),
    ],
)
def test_qop_options_are_told_apart(qop: bytes, bits: int) -> None:
    challenge = only(b"Digest realm=r,qop=" + qop + b",nonce=n")
    assert (challenge["qop"], challenge["nonce"]) == (bits, b"n")


@pytest.mark.parametrize(
    ("text", "algorithm"),
    [
        (b"MD5", (MD5, False, 0)),
        (b'"md5"', (MD5, False, 0)),
        (b"MD5-sess", (MD5, True, 0)),
        (b"SHA-256", (SHA256, False, 0)),
        (b"sha-256-SESS", (SHA256, True, 0)),
        (b"SHA-512-256", (SHA512_256, False, 0)),
        (b"SHA-512-256-sess", (SHA512_256, True, 0)),
        (b"AKAv1-MD5", (MD5, False, 1)),
        (b"akav2-md5", (MD5, False, 2)),
        (b"AKAv2-SHA-256", (SHA256, False, 2)),
        (b"AKAv1-MD5-sess", (MD5, True, 1)),
        (b"AKAv3-MD5", None),
        (b"AKAv1-", None),
        (b"AKAv1", None),
        (b"SHA-1", None),
        (b"MD5-sess-sess", None),
        (b"-sess", None),
        (b"MD\x15", None),
        (b"", None),
    ],
)
def test_algorithms_are_told_apart(text: bytes, algorithm: object) -> None:
    assert only(b"Digest realm=r,nonce=n,algorithm=" + text)["algorithm"] == algorithm


def test_several_challenges_in_one_value_are_taken_apart() -> None:
    value = b'Basic realm="b", Digest realm="1", nonce="x", algorithm=MD5, Negotiate YII=, NTLM, Digest realm="2",nonce="y"'
    found = [(c["is_digest"], c["realm"]) for c in parse_challenges(value)]
    assert found == [(False, b"b"), (True, b"1"), (False, None), (True, b"2")]


@pytest.mark.parametrize("value", [b"", b" ", b",, \r\n\t,"])
def test_nothing_is_no_challenge(value: bytes) -> None:
    assert parse_challenges(value) == []


def digest(realm: bytes, algorithm: bytes) -> bytes:
    return b'Digest realm="%s", nonce="n", algorithm=%s' % (realm, algorithm)


def test_the_strongest_hash_of_all_values_is_chosen() -> None:
    values = (digest(b"1", b"MD5"), digest(b"2", b"SHA-256") + b", " + digest(b"3", b"SHA-512-256"), digest(b"4", b"MD5"))
    assert chosen(*values)["realm"] == b"3"
    assert chosen(*values[::3], digest(b"5", b"SHA-256-sess"))["realm"] == b"5"


def test_the_first_of_equals_is_chosen() -> None:
    assert chosen(digest(b"1", b"MD5"), digest(b"2", b"MD5"))["realm"] == b"1"


def test_other_schemes_and_unknown_algorithms_are_skipped() -> None:
    assert chosen(b'Basic realm="x"', digest(b"1", b"SHA-3"), digest(b"2", b"MD5"))["realm"] == b"2"


def test_aka_comes_first_with_a_key_and_last_without() -> None:
    values = (digest(b"1", b"SHA-512-256"), digest(b"2", b"AKAv1-MD5"), digest(b"3", b"AKAv2-MD5"))
    assert chosen(*values, has_aka_key=True)["realm"] == b"3"
    assert chosen(*values)["realm"] == b"1"
    assert chosen(values[1])["realm"] == b"2"


def test_incomplete_challenges_are_skipped_where_there_is_another() -> None:
    assert chosen(b"Digest nonce=n", b"Digest realm=r", digest(b"1", b"MD5"))["realm"] == b"1"


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ([], NO_CHALLENGE),
        ([b""], NO_CHALLENGE),
        ([b'Basic realm="x"'], NO_CHALLENGE),
        ([b"Digest nonce=n"], NO_REALM),
        ([b"Digest realm=r"], NO_NONCE),
        ([b"Basic realm=x", b"Digest realm=r,nonce=n,algorithm=SHA-1", b"Digest realm=r"], UNSUPPORTED),
    ],
)
def test_no_answerable_challenge_has_a_reason(values: list[bytes], error: int) -> None:
    assert choose_challenge(values) == error


def test_a_choice_remembers_whether_it_was_a_proxys() -> None:
    found = choose_challenge([digest(b"1", b"MD5")], is_proxy=True)
    assert isinstance(found, dict) and found["is_proxy"]


def test_an_authorization_is_read_whole() -> None:
    value = b'Digest username="u",realm="r",cnonce="c",nc=00000001,qop=auth,uri="sip:a",nonce="n",response="00",algorithm=MD5,userhash=true'
    assert parse_authorization(value) == {
        "username": b"u",
        "realm": b"r",
        "nonce": b"n",
        "uri": b"sip:a",
        "response": b"00",
        "cnonce": b"c",
        "nc": b"00000001",
        "qop": b"auth",
        "algorithm_text": b"MD5",
        "is_userhash": True,
    }


@pytest.mark.parametrize("value", [b"", b"Basic dTpw", b'username="u"'])
def test_another_scheme_is_no_digest_authorization(value: bytes) -> None:
    assert parse_authorization(value) is None


NOISE = st.lists(
    st.sampled_from(
        b"Digest|Basic|realm|nonce|qop|auth|auth-int|algorithm|AKAv1-|-sess|MD5|x|\x00|\xff|\\|=|\"|,| |\r\n".split(b"|")
    ),
    max_size=40,
).map(b"".join)


@given(value=NOISE | st.binary(max_size=200))
def test_any_bytes_are_parsed_without_reading_past_them(value: bytes) -> None:
    # the test surface copies the value into a block of its size: the sanitizer build sees a read past it
    for challenge in parse_challenges(value):
        for span in challenge.values():
            assert not isinstance(span, bytes) or span in value
    authorization = parse_authorization(value)
    for span in (authorization or {}).values():
        assert not isinstance(span, bytes) or span in value
    choose_challenge([value, value])


QUOTED = st.binary(max_size=20).map(lambda b: b.replace(b"\\", b"/").replace(b'"', b"'"))


@given(realm=QUOTED, nonce=QUOTED, opaque=QUOTED)
def test_quoted_values_come_back_whatever_they_hold(realm: bytes, nonce: bytes, opaque: bytes) -> None:
    challenge = only(b'Digest realm="%s", nonce="%s", opaque="%s"' % (realm, nonce, opaque))
    assert (challenge["realm"], challenge["nonce"], challenge["opaque"]) == (realm, nonce, opaque)
