"""Our regular expressions against glibc's: the same matches and sub-expressions, on every text, in linear time."""

from __future__ import annotations

import time
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sippx._core.regex import Regex

IPV4_PORT = rb"[0-9]{1,3}[.][0-9]{1,3}[.][0-9]{1,3}[.][0-9]{1,3}[:][0-9]{1,5}"
FAST_PATTERNS = [
    rb".*",
    IPV4_PORT,
    rb"o=([[:alnum:]]*) ([[:alnum:]]*) ([[:alnum:]]*)",
    rb"sip:(.*)@",
    rb"tag=[^;]*",
    rb"branch=[^;]*",
    rb"<sip:([^@]*)@([^:>]*)(:([0-9]+))?>",
    rb"^18.$",
    rb"^2",
    rb"ua25",
    rb"Content-Type:.*",
    rb"expires=([0-9]+)",
    rb";tag=([a-zA-Z0-9]+)",
    rb"<(.*)>",
    rb"m=audio ([0-9]{1,5}) RTP/AVP",
    rb"^[A-Z]+$",
    rb"nonce=\"([^\"]*)\"",
    rb"INVITE sip:\+?([0-9]+)@.*",
]
"""What scenarios look for."""

OTHER_PATTERNS = [rb"INVITE|ACK", rb"(ab)*", rb"(a|ab)(c|bcd)", rb"\<sip", rb"(.*)@(.*):", rb"a**", rb"[[.a.]]", rb"a{1,99}"]

OK_200 = (
    b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1:5061;branch=z9hG4bK-1234-1-0\r\n"
    b"From: sipp <sip:sipp@127.0.0.1:5061>;tag=1234SIPpTag001\r\nTo: sut <sip:service@127.0.0.1:5060>;tag=1234SIPpTag011\r\n"
    b"Call-ID: 1-1234@127.0.0.1\r\nCSeq: 1 INVITE\r\nContact: <sip:127.0.0.1:5060;transport=UDP>;expires=3600\r\n"
    b"Content-Type: application/sdp\r\nContent-Length: 129\r\n\r\n"
    b"v=0\r\no=user1 53655765 2353687637 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    b"m=audio 6000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
)
TEXTS = [
    OK_200, b"", b"\0", b"180", b"1801", b"18\n", b"\xff\xe9", b" sip:+123@host ", b"sip:a@b@c sip:d@", b"<sip:a@b:5060>", b"<sip:a@b>",
    b"<sip:a@b:><sip:c@d>", b"<<a>>", b"1.2.3.4:5", b"1234.5.6.7:80", b"tag=", b";tag=;tag=1", b"INVITE sip:55@x\r\ny", b"ua2ua25",
]  # fmt: skip


def assert_same(pattern: bytes, text: bytes, *, hasty: bool = False) -> None:
    ours, glibc = Regex(pattern, hasty=hasty), Regex(pattern, fast=False)
    found = glibc.search(text)
    assert ours.search(text) == found, (pattern, text)
    assert ours.matches(text) == glibc.matches(text) == (found is not None)


# letters, NUL, a line end, bytes of UTF-8 and all that brackets and ranges may trip over
BYTES = st.sampled_from([*b"aaaabbbbcd0;-]", 0, 10, 0xC3, 0xA9])
TEXT = st.one_of(st.lists(st.sampled_from(b"aabbc"), max_size=24), st.lists(BYTES, max_size=24)).map(bytes)
ATOMS = st.one_of(
    st.sampled_from([b"a", b"b", b"c", b";", b"-", b"]", b"}", b"\n", b"\xc3", rb"\.", rb"\*", rb"\-"]),
    st.sampled_from([b"a", b"b", b"[ab]", b"[^a]", b"[^b]", b"."]),
    st.sampled_from([b"[bc]", b"[^ab]", b"[]a]", b"[^]a]", b"[a-c]", b"[0-9;-]", b"[-a]", b"[]-a]", b"[\\a]", b"[a\xa9-\xc3]", b"[[a]"]),
    st.sampled_from([b"[[:%s:]]" % name for name in b"alnum alpha blank cntrl digit graph lower print punct space upper xdigit".split()]),
    st.sampled_from([b"[^[:alpha:]0]", b"[[:digit:]a-]", b"[;[:upper:]]"]),
)  # fmt: skip
QUANTIFIERS = st.sampled_from([b""] * 6 + [b"*", b"*", b"+", b"?", b"{2}", b"{1,}", b"{0,1}", b"{1,3}", b"{2,3}", b"{0,2}"])
ITEMS = st.tuples(ATOMS, QUANTIFIERS).map(b"".join)
PATTERN_BODIES = st.recursive(
    st.lists(ITEMS, min_size=1, max_size=4).map(b"".join),
    lambda inner: st.lists(
        st.one_of(ITEMS, inner.map(lambda body: b"(" + body + b")"), inner.map(lambda body: b"(" + body + b")?")),
        min_size=1,
        max_size=4,
    ).map(b"".join),
    max_leaves=5,
)
PATTERNS = st.tuples(st.sampled_from([b"", b"", b"", b"^"]), PATTERN_BODIES, st.sampled_from([b"", b"", b"", b"$"])).map(b"".join)
ONE_OPEN_REPEAT = st.tuples(
    st.sampled_from([b"", b"a", b"b+", b"(ab)", b"[^a]*a", b"(a;)?b"]),
    st.sampled_from([b".*", b"(.*)", b"[ab]+", b"(a*)", b"(.{1,3})", b"[^;]*", b"(b{2,})"]),
    PATTERN_BODIES,
    st.sampled_from([b"", b"", b"$"]),
).map(b"".join)


@settings(max_examples=400, deadline=None)
@given(st.one_of(PATTERNS, ONE_OPEN_REPEAT), st.lists(TEXT, min_size=1, max_size=6), st.booleans())
def test_generated_patterns_match_as_in_glibc(pattern: bytes, texts: list[bytes], hasty: bool) -> None:
    for text in texts:
        assert_same(pattern, text, hasty=hasty)


@settings(max_examples=400, deadline=None)
@given(st.text(alphabet="ab.[]^$*+?{}(),1|\\-:;", max_size=8).map(str.encode), TEXT)
def test_whatever_glibc_takes_for_a_pattern_gives_its_matches(pattern: bytes, text: bytes) -> None:
    try:
        Regex(pattern)
    except ValueError:
        return
    assert_same(pattern, text)
    assert_same(pattern, text, hasty=True)


# each has a choice that the next byte does not decide, or nearly so
@pytest.mark.parametrize(
    "pattern",
    [b"(a)?b?[ac]{1,2}", b"(ab)?ac", b"(a[bc])?", b"a(bc)?", b"a(bc)?$", b"(b)?c*$", b"[bc]*(b{1,3})?[ac]", b"a{2,}(b[bc]{1,2})?a",
     b"(a(bc)?)?b", b"[ab]*b[bc]*c", b"[ab]{1,2}b?(a*)", b".*(b+).*", b"a?[ab]?[abc]$", b"(c)?a*(ab*)c", b"b*c", b"b+c", b"(b{2,})c"],
    ids=bytes.decode,
)  # fmt: skip
def test_every_short_text_matches_as_in_glibc(pattern: bytes) -> None:
    tiers = [Regex(pattern), Regex(pattern, hasty=True), Regex(pattern, fast=False)]
    for n in range(7):
        for text in map(bytes, product(b"abc", repeat=n)):
            ours, hasty, glibc = [regex.search(text) for regex in tiers]
            assert ours == hasty == glibc, text


@pytest.mark.parametrize("hasty", [False, True], ids=["patient", "hasty"])
@pytest.mark.parametrize("pattern", FAST_PATTERNS + OTHER_PATTERNS, ids=bytes.decode)
def test_patterns_of_scenarios_match_as_in_glibc(pattern: bytes, hasty: bool) -> None:
    for text in TEXTS:
        assert_same(pattern, text, hasty=hasty)


@pytest.mark.parametrize("pattern", FAST_PATTERNS, ids=bytes.decode)
def test_patterns_of_scenarios_are_our_tiers(pattern: bytes) -> None:
    assert Regex(pattern).is_fast
    assert not Regex(pattern, fast=False).is_fast


@pytest.mark.parametrize("pattern", OTHER_PATTERNS, ids=bytes.decode)
def test_undecided_patterns_are_left_to_glibc(pattern: bytes) -> None:
    assert not Regex(pattern).is_fast


@pytest.mark.parametrize("place", range(40))
def test_a_match_is_found_wherever_it_starts(place: int) -> None:
    # the places on both sides of a vector's ends
    for pattern, match in ((b"ab", b"ab"), (b"[0-9]", b"5"), (b"a", b"a"), (b"[a0]", b"0"), (b"x*ab?$", b"xxa")):
        for n_after in (0, 1, 40):
            text = b"-" * place + match + b"-" * n_after
            found = Regex(pattern).search(text)
            if pattern.endswith(b"$") and n_after:
                assert found is None
            else:
                assert found == [(place, place + len(match))]


def test_bytes_are_bytes_in_any_locale() -> None:
    for fast in (True, False):
        assert Regex(b"^.$", fast=fast).search("é".encode()) is None
        assert Regex(b"^..$", fast=fast).search("é".encode()) == [(0, 2)]
        assert Regex(b"[[:alpha:]]", fast=fast).search("é".encode() + b"\xe9") is None
        assert Regex(b"[\xa0-\xaf]", fast=fast).search("é".encode()) == [(1, 2)]


def test_a_nul_byte_neither_ends_the_text_nor_is_any_character() -> None:
    for fast in (True, False):
        assert Regex(b"b", fast=fast).search(b"a\0b") == [(2, 3)]
        assert Regex(b".*", fast=fast).search(b"a\0b") == [(0, 1)]
        assert Regex(b"[^x]*", fast=fast).search(b"a\0b") == [(0, 3)]
        assert Regex(b"a$", fast=fast).search(b"a\0b") is None


def test_line_ends_are_characters_like_others() -> None:
    for fast in (True, False):
        assert Regex(b"a.*", fast=fast).search(b"xa\r\nb") == [(1, 5)]
        assert Regex(b"^b", fast=fast).search(b"a\nb") is None
        assert Regex(b"a$", fast=fast).search(b"a\nb") is None


def test_a_group_without_part_in_the_match_has_no_place() -> None:
    assert Regex(b"a(b(c))?;").search(b"abab;a;") == [(5, 7), (-1, -1), (-1, -1)]


@pytest.mark.parametrize("fast", [True, False])
def test_nine_groups_are_reported_of_more(fast: bool) -> None:
    letters = b"abcdefghijkl"
    regex = Regex(b"".join(b"(%c)" % letter for letter in letters), fast=fast)
    assert regex.search(b"-" + letters) == [(1, 13)] + [(i, i + 1) for i in range(1, 10)]
    assert regex.is_fast == fast


def test_sixty_four_positions_are_ours_and_one_more_is_not() -> None:
    for n in (63, 64, 65):
        pattern = b"a" * (n - 1) + b"b"
        assert Regex(pattern).is_fast == (n <= 64)
        assert Regex(pattern).search(b"a" * 100 + b"b") == [(101 - n, 101)]


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        (b"(a", "Unmatched ( or \\("),
        (b"[a", "Unmatched [, [^, [:, [., or [="),
        (b"a{1", "Unmatched \\{"),
        (b"a{2,1}", "Invalid content of \\{\\}"),
        (b"*a", "Invalid preceding regular expression"),
        (b"[b-a]", "Invalid range end"),
        (b"[[:nix:]]", "Invalid character class name"),
        (b"a\\", "Trailing backslash"),
        (b"a\0b", "Pattern holds a NUL byte"),
    ],
)
def test_bad_patterns_are_refused_in_glibcs_words(pattern: bytes, words: str) -> None:
    with pytest.raises(ValueError) as refused:
        Regex(pattern)
    assert str(refused.value) == words


N_LONG = 65536


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        (b"<[^>]*>", b"<" * N_LONG, None),
        (b"<[^>]*><", b"<" * N_LONG + b">", None),
        (b"<[^>]*>x", b"<" * N_LONG + b">x", (0, N_LONG + 2)),
        (b"[ab]*c", b"ab" * (N_LONG // 2), None),
        (b"a{1,30}b", b"a" * N_LONG, None),
        (b"a[ab]*c", b"a" * N_LONG, None),
        (b"a(.*)c", b"a" * N_LONG, None),
        (b"a(.*)ab*c", b"a" * N_LONG, None),
        (b"a([ab]*)b[ab]*;", b"ab" * (N_LONG // 2), None),
        (b"(.*)a[ab]*$", b"a" * (N_LONG - 1) + b"c", None),
        (b"(.*)[ab]{9}b[ab]*c", b"a" * N_LONG, None),
        (b"(.*)b[ab]*c", b"bc" + b"b" * N_LONG, (0, 2)),
        (b"a.*[ab][ab]*;x", b"ab;" * (N_LONG // 3) + b"x", (0, N_LONG)),
        (b"a(.*)[ab]{20}x", b"a" * N_LONG, None),
        (b"a*(b;)?c", b"a" * N_LONG, None),
    ],
    ids=lambda value: value[:16].decode() if isinstance(value, bytes) else "",
)
def test_a_long_text_takes_linear_time(pattern: bytes, text: bytes, expected: tuple[int, int] | None) -> None:
    regex = Regex(pattern)
    assert regex.is_fast
    start_s = time.thread_time()
    found = regex.search(text)
    took_s = time.thread_time() - start_s
    assert (found and found[0]) == expected
    assert took_s < 0.5  # trying every start would take seconds
