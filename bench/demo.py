"""The main job on loopback: a UAS and a UAC in one process, in two threads, with live progress and a report."""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from sippx import Options, Result, Scenario
from sippx.runner import Runner

HOST = "127.0.0.1"
DEFAULT_RATE = 50_000
DEFAULT_SECONDS = 5.0


def cpus() -> tuple[int | None, int | None]:
    """A CPU for each side, None where there is only one."""
    available = sorted(os.sched_getaffinity(0))
    return (available[0], available[1]) if len(available) > 1 else (None, None)


def show_progress(client: Runner, since_s: float) -> None:
    """One line: elapsed, calls/s since the start, open, failed."""
    snapshot = client.snapshot
    if snapshot is None:
        return
    elapsed_s = time.monotonic() - since_s
    created = snapshot.calls_created
    print(
        f"  {elapsed_s:5.1f} s   {created:>10,} calls   {created / elapsed_s:>10,.0f} calls/s   "
        f"{snapshot.gauge('current_calls'):>8,} open   {snapshot.counter('failed_calls'):,} failed",
        flush=True,
    )


def run_pair(rate: float, seconds: float) -> tuple[Result, Result, dict[str, bool]]:
    """Results of the UAC and the UAS, and the batching in use."""
    n_calls = max(1, int(rate * seconds))
    uac_cpu, uas_cpu = cpus()
    server = Runner(Scenario.builtin("uas"), Options(local_ip=HOST, max_calls=n_calls, cpu=uas_cpu))
    client = Runner(
        Scenario.builtin("uac"),
        Options(remote_host=f"{HOST}:{server.local_port}", local_ip=HOST, rate=rate, max_calls=n_calls,
                cpu=uac_cpu),
    )  # fmt: skip
    print(f"{n_calls:,} calls at {rate:,.0f} calls/s: uac on port {client.local_port} -> uas on {server.local_port}")
    features = client.features
    start_s = time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        answering: Future[Result] = pool.submit(server.run)
        calling: Future[Result] = pool.submit(client.run)
        while True:
            try:
                calling.result(timeout=1)
                break
            except FutureTimeoutError:
                show_progress(client, start_s)
        print("  all calls placed; the server holds each for 4 s more (its <timewait>)", flush=True)
        give_up = threading.Timer(30, server.quit, [20])
        give_up.start()
        uas = answering.result()
        give_up.cancel()
        return calling.result(), uas, features


def main() -> int:
    """Exit code 0 if every call succeeded on both sides."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=DEFAULT_RATE, help="calls per second")
    parser.add_argument("--seconds", type=float, default=DEFAULT_SECONDS, help="how long calls are placed")
    arguments = parser.parse_args()
    if arguments.rate <= 0 or arguments.seconds <= 0:
        parser.error("--rate and --seconds must be above 0")
    uac, uas, features = run_pair(arguments.rate, arguments.seconds)
    in_use = ", ".join(name for name, used in features.items() if used) or "none"
    print(f"\n{uac.summary()}\n\n{uas.summary()}\n\nbatching in use: {in_use}")
    success = uac.n_failed == uas.n_failed == 0 and uac.n_successful == uas.n_successful > 0
    print("every call succeeded" if success else "NOT every call succeeded")
    return 0 if success else 1


if __name__ == "__main__":
    sys.exit(main())
