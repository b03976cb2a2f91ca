"""Tests of the binding to libssl: what is found, and that each function is in its own place."""

from __future__ import annotations

import re
from pathlib import Path

from sippx._core import libssl


def test_the_usual_libraries_have_all_that_is_needed() -> None:
    assert libssl.load_error() is None


def test_the_library_says_its_version() -> None:
    assert libssl.library_version().startswith("OpenSSL ")


def test_a_library_that_is_not_there_is_named() -> None:
    error = libssl.load_error(["libnothing.so.9"])
    assert error is not None and "libnothing.so.9" in error


def test_a_library_without_the_functions_is_named_with_the_first_it_lacks() -> None:
    error = libssl.load_error(["libc.so.6"])
    assert error is not None and "libc.so.6 has no TLS_client_method" in error


def test_the_first_usable_library_is_taken() -> None:
    import _ssl

    assert libssl.load_error(["libnothing.so.9", "libc.so.6", _ssl.__file__]) is None


def test_functions_are_looked_up_in_the_order_of_the_members() -> None:
    text = (Path(__file__).parents[2] / "sippx/_core/libssl.pxd").read_text()
    members = text.partition("cdef struct libssl_t:\n")[2].partition("\n\n")[0]
    assert tuple(re.findall(r"\(\*(\w+)\)\(", members)) == libssl.FUNCTIONS
    assert len(members.splitlines()) == len(libssl.FUNCTIONS)
