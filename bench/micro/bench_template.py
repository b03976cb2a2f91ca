"""Rendering the stock call's messages from the compiled built-in scenarios."""

from __future__ import annotations

from stock import UAC_ACK, UAC_BYE, UAC_INVITE, UAS_180, UAS_200_BYE, UAS_200_INVITE, stock_call
from timing import Table, print_tables, repeated


def measure() -> Table:
    """Every message of the stock call, both sides."""
    uac, uas = stock_call()
    templates = {
        "uac INVITE": uac[UAC_INVITE],
        "uac ACK": uac[UAC_ACK],
        "uac BYE": uac[UAC_BYE],
        "uas 180": uas[UAS_180],
        "uas 200 to INVITE": uas[UAS_200_INVITE],
        "uas 200 to BYE": uas[UAS_200_BYE],
    }
    rows = [
        repeated(f"render {name}, {len(t.pieces)} pieces, {len(t.render())} bytes", t.render)
        for name, t in templates.items()
    ]
    return Table("template", rows, "an answer copies header fields of the request, which is parsed already")


if __name__ == "__main__":
    print_tables([measure()])
