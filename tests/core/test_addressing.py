"""Addresses between Python and the core."""

from __future__ import annotations

import socket

import pytest

from sippx._core.addressing import round_trip


@pytest.mark.parametrize(
    ("family", "ip", "port", "scope_id", "text"),
    [
        (socket.AF_INET, "127.0.0.1", 5060, 0, "127.0.0.1:5060"),
        (socket.AF_INET, "255.0.1.2", 0, 0, "255.0.1.2:0"),
        (socket.AF_INET6, "::1", 65535, 0, "[::1]:65535"),
        (socket.AF_INET6, "fe80::1", 258, (1 << 24) - 1, "[fe80::1]:258"),
    ],
)
def test_address_is_the_same_on_both_sides(family: int, ip: str, port: int, scope_id: int, text: str) -> None:
    assert round_trip((family, socket.inet_pton(family, ip), port, scope_id)) == (text, scope_id)


@pytest.mark.parametrize(
    ("where", "complaint"),
    [
        ((socket.AF_INET, bytes(16), 1), "4 bytes"),
        ((socket.AF_INET6, bytes(4), 1), "16 of AF_INET6"),
        ((socket.AF_UNIX, bytes(4), 1), "4 bytes"),
        ((socket.AF_INET, bytes(4), 65536), "port 65536"),
        ((socket.AF_INET, bytes(4), -1), "port -1"),
        ((socket.AF_INET6, bytes(16), 1, 1 << 24), "zone"),
    ],
)
def test_what_is_no_address_is_refused(where: tuple[int, bytes, int], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        round_trip(where)
