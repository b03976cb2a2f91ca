"""Texts for moments and durations, as SIPp writes them in its screens and files."""

from __future__ import annotations

import time
from functools import lru_cache

NS_PER_S = 1_000_000_000
NS_PER_US = 1_000
NS_PER_MS = 1_000_000


def wall_stamp(time_ns: int) -> str:
    """Local date TAB local time TAB seconds since the epoch, all to the microsecond."""
    seconds, fraction_us = divmod(time_ns // NS_PER_US, 1_000_000)
    date, clock = _local(seconds)
    return f"{date}\t{clock}.{fraction_us:06d}\t{seconds}.{fraction_us:06d}"


def message_stamp(time_ns: int) -> str:
    """Local date, blank, local time to the microsecond: the stamp of the message log."""
    seconds, fraction_us = divmod(time_ns // NS_PER_US, 1_000_000)
    date, clock = _local(seconds)
    return f"{date} {clock}.{fraction_us:06d}"


@lru_cache(maxsize=8)
def _local(seconds: int) -> tuple[str, str]:
    # A log writes many stamps of one second; breaking the time down costs more than the rest of an entry.
    date, clock = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds)).split()
    return date, clock


def clock_text(duration_ns: int) -> str:
    """HH:MM:SS, cut to whole seconds; hours grow beyond two digits."""
    seconds = duration_ns // NS_PER_S
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def duration_stamp(duration_ns: float) -> str:
    """HH:MM:SS:uuuuuu, cut to whole microseconds (SIPp measures whole milliseconds)."""
    microseconds = int(duration_ns) // NS_PER_US
    return f"{clock_text(microseconds * NS_PER_US)}:{microseconds % 1_000_000:06d}"


def ms_text(duration_ns: float) -> str:
    """Milliseconds with three decimals."""
    return f"{duration_ns / NS_PER_MS:.3f}"
