"""Tests of the binding to libcrypto: what is found, and hashes put in pieces."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sippx._core.libcrypto import hash_in_pieces, load_error, sha1_of

HASHES = ("md5", "sha256", "sha512_256")
"""In the order of HASH_MD5, HASH_SHA256, HASH_SHA512_256."""


def test_the_usual_libraries_have_all_that_is_needed() -> None:
    assert load_error() is None


def test_a_library_that_is_not_there_is_named() -> None:
    error = load_error(["libnothing.so.9"])
    assert error is not None and "libnothing.so.9" in error


def test_a_library_without_the_functions_is_named_with_the_first_it_lacks() -> None:
    error = load_error(["libc.so.6"])
    assert error is not None and "libc.so.6 has no EVP_MD_CTX_new" in error


def test_the_first_usable_library_is_taken() -> None:
    import _hashlib

    assert load_error(["libnothing.so.9", "libc.so.6", _hashlib.__file__]) is None


@pytest.mark.parametrize("number", range(3))
@given(pieces=st.lists(st.binary(max_size=600), max_size=6))
def test_a_hash_of_pieces_is_that_of_their_whole(number: int, pieces: list[bytes]) -> None:
    assert hash_in_pieces(number, pieces) == hashlib.new(HASHES[number], b"".join(pieces)).digest()


@pytest.mark.parametrize("sizes", [(255, 1, 1), (256, 1), (257,), (1, 256), (100, 156, 100, 300, 3)])
def test_a_hash_is_right_where_pieces_meet_the_gathering_buffers_end(sizes: tuple[int, ...]) -> None:
    pieces = [bytes([i]) * n for i, n in enumerate(sizes)]
    assert hash_in_pieces(1, pieces) == hashlib.sha256(b"".join(pieces)).digest()


def test_a_hash_that_is_not_offered_has_no_result() -> None:
    assert hash_in_pieces(3, [b"x"]) is None
    assert hash_in_pieces(-1, [b"x"]) is None


@given(data=st.binary(max_size=300))
def test_sha1_is_that_of_the_whole(data: bytes) -> None:
    assert sha1_of(data) == hashlib.sha1(data).digest()
