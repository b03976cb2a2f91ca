"""The timer wheel: the life of a timer at several delays, and time that passes tick by tick over many timers."""

from __future__ import annotations

import random

from timing import N_RUNS, Row, Table, cpu_ns, print_tables, repeated

from sippx._core.wheel import Wheel

DELAYS = (10, 500, 4_000, 32_000)
"""Ticks of a millisecond: a short pause, T1, T2, Timer B."""
N_TIMERS = 1_024
N_SPREAD = 100_000
SPREAD_TICKS = 32_000


def life_of_a_timer(delay: int) -> Row:
    """Half of the timers are cancelled, half expire; the wheel advances once, over all of them."""
    wheel = Wheel(N_TIMERS)
    return repeated(
        f"schedule + cancel or expire, {delay} ticks ahead",
        lambda n: wheel.bench(n, delay),
        n_in_one=N_TIMERS,
        first_repeats=1,
    )


def tick_by_tick() -> Row:
    """What all moves of a timer from level to level cost, until it is due."""
    random_ = random.Random(1)
    expiries = [1 + random_.randrange(SPREAD_TICKS) for _ in range(N_SPREAD)]

    def run() -> float:
        wheel = Wheel(N_SPREAD)
        for i, expiry in enumerate(expiries):
            wheel.schedule(i, expiry)

        def advance() -> None:
            for tick in range(1, SPREAD_TICKS + 1):
                wheel.advance(tick)

        # the second time the same calls return at once: the wheel's time does not run backward
        return cpu_ns(advance) - cpu_ns(advance)

    runs = sorted(run() / N_SPREAD for _ in range(N_RUNS))
    return Row(f"advance tick by tick over {N_SPREAD:,} timers in {SPREAD_TICKS:,} ticks, a timer", tuple(runs))


def measure() -> Table:
    """A timer's life by delay, then the steady state."""
    return Table("wheel", [*map(life_of_a_timer, DELAYS), tick_by_tick()])


if __name__ == "__main__":
    print_tables([measure()])
