"""Parsing the stock call's messages: at first sight, and when the layout was seen before."""

from __future__ import annotations

from functools import partial

from stock import UAC_BYE, UAC_INVITE, UAS_180, UAS_200_INVITE, stock_call
from timing import Row, Table, print_tables, repeated

from sippx._core.parser import bench_parse


def measure() -> Table:
    """INVITE, 180, 200 and BYE."""
    uac, uas = stock_call()
    messages = {
        "INVITE": uac[UAC_INVITE].render(),
        "180": uas[UAS_180].render(),
        "200 to INVITE": uas[UAS_200_INVITE].render(),
        "BYE": uac[UAC_BYE].render(),
    }
    rows: list[Row] = []
    for name, data in messages.items():
        for how, again in (("first time", False), ("again", True)):
            rows.append(repeated(f"parse {name}, {len(data)} bytes, {how}", partial(bench_parse, data, again=again)))
    return Table("parser", rows, "again: start line and header layout equal those of an earlier message's")


if __name__ == "__main__":
    print_tables([measure()])
