"""Searching a 200 OK with the patterns of SIPp's `regexp` scenario and others, in our tier and in glibc's."""

from __future__ import annotations

from functools import partial

from stock import UAS_200_INVITE, stock_call
from timing import Row, Table, print_tables, repeated

from sippx._core.regex import Regex

CONTACT = b" <sip:127.0.0.1:5060;transport=UDP>"
MESSAGE_PATTERNS = {
    "address and port": rb"[0-9]{1,3}[.][0-9]{1,3}[.][0-9]{1,3}[.][0-9]{1,3}[:][0-9]{1,5}",
    "o= and three words": rb"o=([[:alnum:]]*) ([[:alnum:]]*) ([[:alnum:]]*)",
    "sip:(.*)@": rb"sip:(.*)@",
    ";tag=(...)": rb";tag=([a-zA-Z0-9]+)",
    "no match": rb"expires=([0-9]+)",
}


def measure() -> Table:
    """Each pattern in both tiers."""
    ok_200 = stock_call()[1][UAS_200_INVITE].render()
    searches = [(name, pattern, ok_200) for name, pattern in MESSAGE_PATTERNS.items()]
    searches.append(("all of a Contact", rb".*", CONTACT))
    rows: list[Row] = []
    for name, pattern, text in searches:
        for tier, fast in (("ours", True), ("glibc", False)):
            search = partial(Regex(pattern, fast=fast).bench, text)
            rows.append(repeated(f"{name}, {len(text)} bytes, {tier}", search))
    return Table("regex", rows, "with sub-expressions; glibc's tier takes a lock in the pattern besides")


if __name__ == "__main__":
    print_tables([measure()])
