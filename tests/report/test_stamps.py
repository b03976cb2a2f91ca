"""Texts of moments and durations."""

from __future__ import annotations

import time

import pytest

from sippx.report import stamps
from sippx.report.stamps import SIPP_STAMPS, Stamps, clock_text, duration_stamp, ms_text, wall_stamp

MOMENT_NS = 1_795_408_757_547_945_999


def test_wall_stamp_is_date_time_and_epoch_separated_by_tabs() -> None:
    assert wall_stamp(MOMENT_NS) == "2026-11-23\t04:39:17.547945\t1795408757.547945"


def test_message_stamp_has_a_blank_and_no_epoch() -> None:
    assert SIPP_STAMPS.message(MOMENT_NS) == "2026-11-23 04:39:17.547945"


@pytest.mark.parametrize(
    ("duration_ns", "text"),
    [(0, "00:00:00:000000"), (999, "00:00:00:000000"), (1_508_000_000, "00:00:01:508000"),
     (3_599_999_999_999, "00:59:59:999999"), (360_000_000_000_000, "100:00:00:000000")],
)  # fmt: skip
def test_duration_stamp_is_cut_to_microseconds(duration_ns: int, text: str) -> None:
    assert duration_stamp(duration_ns) == text


def test_clock_text_is_cut_to_seconds() -> None:
    assert clock_text(3_661_999_999_999) == "01:01:01"


def test_ms_text_has_three_decimals() -> None:
    assert ms_text(1_234_567) == "1.235"


@pytest.mark.parametrize(
    ("zone", "ending"),
    [("UTC", "04:39:17.547945Z"), ("XXX5", "23:39:17.547945-05:00"), ("YYY-5:30", "10:09:17.547945+05:30")],
)
def test_rfc3339_stamps_are_local_with_their_offset(
    zone: str, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    stamps._local.cache_clear()
    chosen = Stamps(rfc3339=True)
    assert chosen.wall(MOMENT_NS) == chosen.message(MOMENT_NS)
    assert chosen.wall(MOMENT_NS).endswith("T" + ending)


def test_encoded_texts_make_the_same_stamps() -> None:
    for chosen in (Stamps(), Stamps(rfc3339=True)):
        message, wall = chosen.encoded_texts(MOMENT_NS // 10**9)
        assert b"547945".join(message[:2]) + (b"547945" if message[1] else b"") + message[2] == (
            chosen.message(MOMENT_NS).encode()
        )
        assert b"547945".join(wall[:2]) + (b"547945" if wall[1] else b"") + wall[2] == chosen.wall(MOMENT_NS).encode()
