"""Texts for moments and durations, as SIPp writes them in its screens and files."""

from __future__ import annotations

import time
from functools import lru_cache
from typing import TypeAlias

NS_PER_S = 1_000_000_000
NS_PER_US = 1_000
NS_PER_MS = 1_000_000

StampTexts: TypeAlias = tuple[str, str, str]
"""A stamp without its microseconds: they follow the first text, and the second where it is not empty."""

EncodedTexts: TypeAlias = tuple[bytes, bytes, bytes]


class Stamps:
    """The stamps of the trace files: SIPp's, or (-rfc3339) local time with its offset as RFC 3339 writes it."""

    def __init__(self, *, rfc3339: bool = False) -> None:
        self._rfc3339 = rfc3339

    def wall(self, time_ns: int) -> str:
        """Local date TAB local time TAB seconds since the epoch, all to the microsecond."""
        return _stamp(self._wall_texts(time_ns // NS_PER_S), time_ns)

    def message(self, time_ns: int) -> str:
        """Local date, blank, local time to the microsecond: the stamp of the message log."""
        return _stamp(self._message_texts(time_ns // NS_PER_S), time_ns)

    def encoded_texts(self, second: int) -> tuple[EncodedTexts, EncodedTexts]:
        """The texts of `message` and of `wall` for a second, for who writes many stamps of it."""
        return _encoded(self._message_texts(second)), _encoded(self._wall_texts(second))

    def _wall_texts(self, second: int) -> StampTexts:
        if self._rfc3339:
            return _rfc3339_texts(second)
        date, clock, _ = _local(second)
        return f"{date}\t{clock}.", f"\t{second}.", ""

    def _message_texts(self, second: int) -> StampTexts:
        if self._rfc3339:
            return _rfc3339_texts(second)
        date, clock, _ = _local(second)
        return f"{date} {clock}.", "", ""


SIPP_STAMPS = Stamps()


def wall_stamp(time_ns: int) -> str:
    """SIPp's stamp: local date TAB local time TAB seconds since the epoch, all to the microsecond."""
    return SIPP_STAMPS.wall(time_ns)


def _stamp(texts: StampTexts, time_ns: int) -> str:
    head, middle, tail = texts
    fraction = f"{time_ns // NS_PER_US % 1_000_000:06d}"
    return f"{head}{fraction}{middle}{fraction}{tail}" if middle else f"{head}{fraction}{tail}"


def _encoded(texts: StampTexts) -> EncodedTexts:
    head, middle, tail = texts
    return head.encode(), middle.encode(), tail.encode()


def _rfc3339_texts(second: int) -> StampTexts:
    date, clock, offset_s = _local(second)
    minutes = abs(offset_s) // 60
    sign = "-" if offset_s < 0 else "+"
    return f"{date}T{clock}.", "", f"{sign}{minutes // 60:02d}:{minutes % 60:02d}" if offset_s else "Z"


@lru_cache(maxsize=8)
def _local(seconds: int) -> tuple[str, str, int]:
    # A log writes many stamps of one second; breaking the time down costs more than the rest of an entry.
    local = time.localtime(seconds)
    date, clock = time.strftime("%Y-%m-%d %H:%M:%S", local).split()
    return date, clock, local.tm_gmtoff


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
