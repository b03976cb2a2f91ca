"""Open calls: a million held and ended in one process pair, and what a call costs with few and with many open.

Prints peak calls, failures, resident memory, and CPU per call with 1,000 and with 500,000 calls open at one rate.
Needs two cores and about 4 GB.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from compare_sipp import Outcome, Tool, idle_cpu_s, run_pair


def main() -> int:
    """Exit code 0 if no call failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=50_000, help="calls/s")
    parser.add_argument("--tries", type=int, default=3, help="repeats of the cost comparison; medians are printed")
    parser.add_argument("--million", action="store_true", help="only hold a million calls")
    arguments = parser.parse_args()
    tool = Tool("sippx", (sys.executable, "-m", "sippx"))
    failed = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        start_cpu_s = statistics.median(idle_cpu_s(tool, folder) for _ in range(3))
        n_calls, rate = 1_000_000, arguments.rate
        seconds = n_calls / rate
        held = run_pair(
            tool, rate, seconds, folder, start_cpu_s, hold_ms=int(seconds * 1000) + 8000, look_at_s=seconds + 4
        )
        failed += held.failed
        print(
            f"a million open calls: {held.successful:,} succeeded, {held.failed} failed, "
            f"{held.retransmissions} retransmissions; resident bytes a call: "
            f"uac {held.uac_rss / n_calls:.0f}, uas {held.uas_rss / n_calls:.0f}",
            flush=True,
        )
        if not arguments.million:
            few, many = [], []
            for _ in range(arguments.tries):
                few.append(run_pair(tool, rate, 20, folder, start_cpu_s, hold_ms=1_000_000 // rate))
                many.append(run_pair(tool, rate, 20, folder, start_cpu_s, hold_ms=500_000_000 // rate))
            failed += sum(outcome.failed for outcome in few + many)
            print_costs(rate, few, many)
    return 1 if failed else 0


def print_costs(rate: int, few: list[Outcome], many: list[Outcome]) -> None:
    """CPU per call with few and many open calls, and the ratio."""
    title = f"CPU a call, us, at {rate:,}/s"
    print(f"{title:32s}{'1,000 open':>12s}{'500,000 open':>14s}{'ratio':>8s}")
    for side in ("uac", "uas"):
        a, b = (statistics.median(getattr(o, f"{side}_cpu_us") for o in outcomes) for outcomes in (few, many))
        print(f"{side:32s}{a:12.2f}{b:14.2f}{b / a:8.2f}")


if __name__ == "__main__":
    sys.exit(main())
