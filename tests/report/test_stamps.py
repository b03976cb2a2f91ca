"""Texts of moments and durations."""

from __future__ import annotations

import pytest

from sippx.report.stamps import clock_text, duration_stamp, message_stamp, ms_text, wall_stamp

MOMENT_NS = 1_795_408_757_547_945_999


def test_wall_stamp_is_date_time_and_epoch_separated_by_tabs() -> None:
    assert wall_stamp(MOMENT_NS) == "2026-11-23\t04:39:17.547945\t1795408757.547945"


def test_message_stamp_has_a_blank_and_no_epoch() -> None:
    assert message_stamp(MOMENT_NS) == "2026-11-23 04:39:17.547945"


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
