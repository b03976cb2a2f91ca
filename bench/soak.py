"""Runs calls for a long time at half the clean rate, one core a side, and fails when something grows or a call fails.

For each transport mode: finds the highest clean rate of a stock call without its final wait (unless --rate is given),
offers half of it for --seconds, and samples resident memory and open descriptors of both sides. After the first part
(--warm-up) memory may grow by --growth-mb at most, and descriptors not at all; every call has to succeed.
--short-connections N runs N calls of one exchange with a connection each instead. Needs two cores; `make soak`.
"""

from __future__ import annotations

import argparse
import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from compare_sipp import (
    HOST,
    PORT,
    Pair,
    Running,
    Tool,
    highest_clean_rate,
    last_row,
    resident_bytes,
    run_pair,
    start,
    wait_cpu,
)
from compare_transports import certificate

SIPPX = Tool("sippx", (sys.executable, "-m", "sippx"))
FIRST_RATES = {"t1": 40_000, "l1": 30_000, "tn": 5_000, "ln": 500}
SAMPLE_S = 1.0
REMEMBER_MS = 0
"""How long ended calls are remembered (-deadcall_wait): the ring of them is only full after a million calls."""
OPEN_S = 0.05
"""Calls of so much time are open at most: a machine that stalls for a moment is no growth of memory."""
SLACK_DESCRIPTORS = 4
"""Files that are open for a moment."""
SETTLE_S = 10.0
SHORT_CLIENT = """<?xml version="1.0"?>
<scenario name="short connections, client">
  <send><![CDATA[
OPTIONS sip:[service]@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:soak@[local_ip]:[local_port]>;tag=[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>
Call-ID: [call_id]
CSeq: 1 OPTIONS
Max-Forwards: 70
Content-Length: 0

]]></send>
  <recv response="200"/>
</scenario>
"""
SHORT_SERVER = """<?xml version="1.0"?>
<scenario name="short connections, server">
  <recv request="OPTIONS"/>
  <send><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:];tag=[call_number]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>
</scenario>
"""


@dataclass
class Side:
    """One of the two processes, and what was seen of it."""

    name: str
    running: Running
    rss: list[int] = field(default_factory=list)
    n_open: list[int] = field(default_factory=list)

    def sample(self) -> None:
        pid = self.running.process.pid
        try:
            self.rss.append(resident_bytes(pid))
            self.n_open.append(len(os.listdir(f"/proc/{pid}/fd")))  # noqa: PTH208
        except OSError:  # it has just ended
            pass

    @property
    def is_alive(self) -> bool:
        return self.running.process.poll() is None

    def complaints(self, warm: int, growth_bytes: int) -> list[str]:
        """In what it grew behind the first `warm` samples."""
        # the last sample may be of a process that ends
        rss, n_open = self.rss[warm:-1], self.n_open[warm:-1]
        if len(rss) < 3:
            return [f"{self.name}: too few samples to judge, {len(rss)}"]
        found = []
        third = max(len(rss) // 3, 1)
        grown = max(rss[-third:]) - max(rss[:third])
        if grown > growth_bytes:
            found.append(f"{self.name}: memory grew by {grown / 1e6:.1f} MB")
        more = min(n_open[-third:]) - max(n_open[:third])
        if more > SLACK_DESCRIPTORS:
            found.append(f"{self.name}: {more} descriptors more than at first")
        return found

    def line(self, warm: int) -> str:
        rss = self.rss[warm:-1] or self.rss
        n_open = self.n_open[warm:-1] or self.n_open
        return (
            f"{self.name} {rss[0] / 1e6:.1f} -> {rss[-1] / 1e6:.1f} MB (most {max(rss) / 1e6:.1f}), "
            f"descriptors {n_open[0]} -> {n_open[-1]} (most {max(n_open)})"
        )


def words(mode: str, tls: Sequence[str], folder: Path, is_short: bool) -> Pair:
    """The client and the server of a mode."""
    server_mode = mode[:-1] + "1"
    more = (*(tls if mode.startswith("l") else ()), "-deadcall_wait", str(REMEMBER_MS))
    if is_short:
        client, server = (("-sf", str(folder / f"short_{side}.xml")) for side in ("client", "server"))
    else:
        client, server = ("-sn", "uac"), ("-sf", str(folder / "uas.xml"))
    return Pair(f"-t {mode}", (*client, "-t", mode, *more), (*server, "-t", server_mode, *more))


def write_scenarios(folder: Path) -> None:
    stock = (Path(__file__).parents[1] / "scenarios" / "uas.xml").read_text()
    assert 'milliseconds="4000"' in stock
    (folder / "uas.xml").write_text(stock.replace('milliseconds="4000"', 'milliseconds="0"'))
    (folder / "short_client.xml").write_text(SHORT_CLIENT)
    (folder / "short_server.xml").write_text(SHORT_SERVER)


def soak(pair: Pair, rate: int, n_calls: int, arguments: argparse.Namespace, folder: Path) -> list[str]:
    """One mode: what was wrong."""
    seconds = n_calls / rate
    uas = Side("uas", start(SIPPX, 1, [*pair.server, "-p", str(PORT)], folder / "uas.csv"))
    wait_listening(uas.running)
    client_words = [*pair.client, f"{HOST}:{PORT}", "-p", str(PORT + 1), "-r", str(rate), "-m", str(n_calls),
                    "-l", str(max(int(rate * OPEN_S), 100))]  # fmt: skip
    uac = Side("uac", start(SIPPX, 0, client_words, folder / "uac.csv"))
    sides = (uac, uas)
    end_s = time.monotonic() + seconds * 1.3 + 30
    while uac.is_alive and time.monotonic() < end_s:
        for side in sides:
            side.sample()
        time.sleep(SAMPLE_S)
    code, _ = wait_cpu(uac.running.process, 1.0) if uac.is_alive else (uac.running.process.returncode, 0.0)
    if not uas.is_alive:
        return [f"uas: ended by itself, exit code {uas.running.process.returncode}; uac: exit code {code}"]
    idle_open = settle(uas)
    uas.running.process.send_signal(signal.SIGUSR1)
    wait_cpu(uas.running.process, 20)
    warm = min(int(arguments.warm_up / SAMPLE_S), len(uac.rss) // 3)
    found = [text for side in sides for text in side.complaints(warm, int(arguments.growth_mb * 1e6))]
    if idle_open > uas.n_open[0] + SLACK_DESCRIPTORS:
        found.append(f"uas: {idle_open} descriptors behind the last call, {uas.n_open[0]} in front of the first")
    row, uas_row = last_row(folder / "uac.csv"), last_row(folder / "uas.csv")
    n_good, n_served = int(row.get("SuccessfulCall(C)", 0)), int(uas_row.get("SuccessfulCall(C)", 0))
    if code != 0 or n_good != n_calls:
        found.append(f"uac: exit code {code}, {n_good:,} of {n_calls:,} calls succeeded")
    if int(uas_row.get("FailedCall(C)", 0)) or n_served != n_calls:
        found.append(f"uas: {n_served:,} of {n_calls:,} calls succeeded, {uas_row.get('FailedCall(C)')} failed")
    print(
        f"{pair.name}: {n_good:,} calls at {rate:,}/s, at most {peak(folder / 'uac.csv'):,} open; {uac.line(warm)}; "
        f"{uas.line(warm)}",
        flush=True,
    )
    return found


def peak(stat_file: Path) -> int:
    """Most calls open at the times of the rows of a -trace_stat file."""
    heading, *rows = [line.split(";") for line in stat_file.read_text().splitlines()]
    return max(int(row[heading.index("CurrentCall")]) for row in rows)


def wait_listening(uas: Running) -> None:
    """Until the server takes connections, or has ended."""
    end_s = time.monotonic() + SETTLE_S
    while uas.process.poll() is None and time.monotonic() < end_s:
        rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        if any(row[1].endswith(f":{PORT:04X}") and row[3] == "0A" for row in rows):
            return
        time.sleep(0.05)


def settle(uas: Side) -> int:
    """Descriptors of the server when its connections have gone."""
    end_s = time.monotonic() + SETTLE_S
    pid = uas.running.process.pid
    while True:
        n_open = len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208
        if n_open <= uas.n_open[0] + SLACK_DESCRIPTORS or time.monotonic() > end_s:
            return n_open
        time.sleep(0.1)


def half_of_clean(mode: str, pair: Pair, folder: Path) -> int:
    """Half of the highest clean rate."""
    best = highest_clean_rate(
        lambda rate: run_pair(SIPPX, rate, 3.0, folder, 0.0, pair=pair), FIRST_RATES.get(mode, 2_000), 2,
        lambda text: print(text, flush=True),
    )  # fmt: skip
    return int(best.offered / 2)


def main() -> int:
    """Exit code 0 where nothing was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modes", nargs="*", default=["t1", "tn"], metavar="MODE", help="-t of the client: t1 tn l1 ...")
    parser.add_argument("--seconds", type=float, default=600.0, help="length of a mode's run")
    parser.add_argument("--warm-up", type=float, default=20.0, help="seconds at first that may take memory")
    parser.add_argument("--growth-mb", type=float, default=4.0, help="growth of memory behind them that is allowed")
    parser.add_argument("--rate", type=int, default=0, help="calls/s; 0: half of the clean rate, which is looked for")
    parser.add_argument("--short-connections", type=int, default=0, metavar="N", help="see above")
    arguments = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    found = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_scenarios(folder)
        tls = certificate(folder) if any(mode.startswith("l") for mode in arguments.modes) else ()
        for mode in arguments.modes:
            pair = words(mode, tls, folder, bool(arguments.short_connections))
            rate = arguments.rate or half_of_clean(mode, pair, folder)
            n_calls = arguments.short_connections or int(rate * arguments.seconds)
            found += [f"{pair.name}: {text}" for text in soak(pair, rate, n_calls, arguments, folder)]
    for text in found:
        print(f"FAILED {text}", flush=True)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
