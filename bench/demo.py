"""The main job on loopback: a UAS and a UAC in one process, in two threads, with live progress and a report."""

from __future__ import annotations

import argparse
import os
import sys
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

# numpy's threads would only take CPU from what is measured
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from sippx import Options, Result, Scenario
from sippx.errors import SippxError
from sippx.runner import Runner

HOST = "127.0.0.1"
DEFAULT_RATE = 50_000
DEFAULT_SECONDS = 5.0
GRACE_S = 20.0
"""How long the server may go on after the client; its <timewait> takes 4 s of them."""
AT_ONCE = 20
"""Runner.quit() step that also aborts open calls."""


def cpus() -> tuple[int | None, int | None]:
    """A CPU for each side, None where there is only one."""
    available = sorted(os.sched_getaffinity(0))
    return (available[0], available[1]) if len(available) > 1 else (None, None)


@dataclass
class Progress:
    """Prints a line a second while the client runs: elapsed, calls, calls/s since the line before, open, failed."""

    client: Runner
    start_s: float = field(default_factory=time.monotonic)
    seen_calls: int = 0
    seen_s: float = 0.0

    def show(self) -> None:
        """One line; nothing before the client's first snapshot."""
        snapshot = self.client.snapshot
        if snapshot is None:
            return
        # the snapshot's own time, so that the rate is exact
        created, elapsed_s = snapshot.calls_created, snapshot.elapsed_s
        if elapsed_s <= self.seen_s:
            return
        rate = (created - self.seen_calls) / (elapsed_s - self.seen_s)
        self.seen_calls, self.seen_s = created, elapsed_s
        print(
            f"  {elapsed_s:5.1f} s   {created:>10,} calls   {rate:>10,.0f} calls/s   "
            f"{snapshot.gauge('current_calls'):>8,} open   {snapshot.counter('failed_calls'):,} failed",
            flush=True,
        )


def run_both(server: Runner, client: Runner) -> tuple[Result, Result]:
    """Results of the UAC and of the UAS. Whatever happens, both have ended when this returns or raises."""
    progress = Progress(client)
    with ThreadPoolExecutor(2) as pool:
        answering: Future[Result] = pool.submit(server.run)
        calling: Future[Result] = pool.submit(client.run)
        pending: set[Future[Result]] = {answering, calling}
        try:
            while calling in pending:
                done, pending = wait(pending, timeout=1, return_when=FIRST_COMPLETED)
                if any(side.exception() for side in done):
                    client.quit(AT_ONCE)
                    break
                if calling in pending:
                    progress.show()
            uac = calling.result()
            if answering in pending:
                print("  all calls placed; the server holds each for 4 s more (its <timewait>)", flush=True)
                wait((answering,), timeout=GRACE_S)
        finally:
            # calls that the client lost never end by themselves
            client.quit(AT_ONCE)
            server.quit(AT_ONCE)
        return uac, answering.result()


def run_pair(rate: float, seconds: float) -> bool:
    """Runs the job and prints its report; whether every call succeeded on both sides."""
    n_calls = max(1, round(rate * seconds))
    uac_cpu, uas_cpu = cpus()
    server = Runner(Scenario.builtin("uas"), Options(local_ip=HOST, max_calls=n_calls, cpu=uas_cpu))
    client = Runner(
        Scenario.builtin("uac"),
        Options(remote_host=f"{HOST}:{server.local_port}", local_ip=HOST, rate=rate, max_calls=n_calls, cpu=uac_cpu),
    )
    print(
        f"{n_calls:,} calls at {rate:,.0f} calls/s: uac on port {client.local_port} -> uas on {server.local_port}",
        flush=True,
    )
    uac, uas = run_both(server, client)
    # asked for after the run: what the kernel refused meanwhile is not in use any more
    in_use = ", ".join(name for name, used in client.features.items() if used) or "none"
    print(f"\n{uac.summary()}\n\n{uas.summary()}\n\nbatching in use: {in_use}")
    return uac.n_failed == uas.n_failed == 0 and uac.n_successful == uas.n_successful == n_calls


def main() -> int:
    """Exit code 0 if every call succeeded on both sides."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=DEFAULT_RATE, help="calls per second (default: %(default)s)")
    parser.add_argument(
        "--seconds", type=float, default=DEFAULT_SECONDS, help="how long calls are placed (default: %(default)s)"
    )
    arguments = parser.parse_args()
    if not 0 < arguments.rate <= 1e8 or not 0 < arguments.seconds <= 86_400:
        parser.error("--rate must be in 0..1e8 and --seconds in 0..86400")
    try:
        success = run_pair(arguments.rate, arguments.seconds)
    except SippxError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    print("every call succeeded" if success else "NOT every call succeeded")
    return 0 if success else 1


if __name__ == "__main__":
    sys.exit(main())
