"""The call table: finding a call by its Call-ID and opening and closing one, by the number of open calls."""

from __future__ import annotations

import random

from timing import Row, Table, difference, print_tables, repeated

from sippx._core.calls import SIZEOF_CALL, SIZEOF_RESTING, CallTable

N_OPEN = (1_000, 100_000, 1_000_000)
N_LOOKUPS = 200_000
N_OPENED = 20_000


def call_id(number: int) -> bytes:
    """As the stock uac makes them."""
    return b"%d-1234@127.0.0.1" % number


def table_with(n_open: int) -> CallTable:
    """A table with that many open calls and room for more."""
    table = CallTable(n_open + N_OPENED)
    for number in range(n_open):
        table.open(call_id(number))
    return table


def find(table: CallTable, n_open: int) -> Row:
    """Lookups in random order, so that table and record are as cold as they get; the texts asked for are not."""
    random_ = random.Random(1)
    asked = [call_id(random_.randrange(n_open)) for _ in range(min(n_open, N_LOOKUPS))]
    return repeated(
        f"find one of {n_open:,} calls",
        lambda n: table.bench_find(asked, n),
        n_in_one=len(asked),
        first_repeats=1,
    )


def open_and_close(table: CallTable, n_open: int) -> Row:
    """A call more, then away with it; close() looks it up again."""
    ids = [call_id(n_open + number) for number in range(N_OPENED)]

    def work() -> None:
        for text in ids:
            table.open(text)
            table.close(text)

    def same_calls() -> None:
        for text in ids:
            table.expire_dead(len(text))
            table.expire_dead(len(text))

    return difference(f"open + find + close beside {n_open:,} calls", work, same_calls, N_OPENED)


def measure() -> Table:
    """Finding and opening at each size."""
    rows: list[Row] = []
    for n_open in N_OPEN:
        table = table_with(n_open)
        rows += [find(table, n_open), open_and_close(table, n_open)]
    return Table(
        "calls", rows, f"a call's record has {SIZEOF_CALL} bytes and its RTDs', a resting call's {SIZEOF_RESTING}"
    )


if __name__ == "__main__":
    print_tables([measure()])
