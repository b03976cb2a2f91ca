"""Compares sippx with the real sipp over loopback, one core a side: the stock uac/uas call, and other scenarios.

Prints, for each tool: highest clean rate, CPU time per call of UAC and UAS at a common rate and at its own maximum,
resident memory per open call; with --what scenarios the highest clean rate of the built-in regexp (against uas) and
branchc/branchs, and of registrations with digest authentication; with --what traces that of the stock call while both
sides log every message. Needs sipp (Debian package sip-tester) and two cores.
A rate is clean when no call failed, nothing was retransmitted, and at least 97 % of it was reached.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

HOST = "127.0.0.1"
CLEAN_SHARE = 0.97
BUFFER_BYTES = 4_000_000
UAS_TIMEWAIT_S = 4.0
PORT = 15060


@dataclass(frozen=True)
class Tool:
    """One load tester with its options; both take SIPp's command line."""

    name: str
    command: tuple[str, ...]


@dataclass(frozen=True)
class Pair:
    """A client and a server: their scenario words, and how long a call takes by itself (pauses), in seconds."""

    name: str
    client: tuple[str, ...]
    server: tuple[str, ...]
    call_s: float = 0.0


STOCK = Pair("uac against uas", ("-sn", "uac"), ("-sn", "uas"))


@dataclass(frozen=True)
class Outcome:
    """One run of a UAC against a UAS.

    rate: calls/s reached; clean: see above; CPU in microseconds a call; rss: resident bytes of each side
    while the calls were open (0 when not asked for).
    """

    offered: float
    rate: float
    successful: int
    failed: int
    retransmissions: int
    uac_cpu_us: float
    uas_cpu_us: float
    uac_rss: int = 0
    uas_rss: int = 0

    @property
    def clean(self) -> bool:
        """No call failed, nothing was retransmitted, nearly all of the offered rate was reached."""
        return (
            self.failed == 0
            and self.retransmissions == 0
            and self.successful > 0
            and self.rate >= CLEAN_SHARE * self.offered
        )


@dataclass
class Running:
    """A started process and the file its statistics go to."""

    process: subprocess.Popen[bytes]
    stat_file: Path
    cpu_before_s: float = field(default=0.0)


def start(tool: Tool, cpu: int, arguments: Sequence[str], stat_file: Path) -> Running:
    """Start one side on one CPU, its statistics going to stat_file."""
    command = [
        *("taskset", "-c", str(cpu)),
        *tool.command,
        *arguments,
        *("-i", HOST, "-nostdin", "-buff_size", str(BUFFER_BYTES)),
        *("-trace_stat", "-stf", str(stat_file), "-fd", "1"),
    ]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    return Running(process, stat_file)


def cpu_seconds(pid: int) -> float:
    """User and system time of a living process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_bytes(pid: int) -> int:
    """Resident memory of a living process."""
    text = Path(f"/proc/{pid}/status").read_text()
    match = re.search(r"VmRSS:\s+(\d+) kB", text)
    return int(match[1]) * 1024 if match else 0


def last_row(stat_file: Path) -> dict[str, str]:
    """The last row of a -trace_stat file by column name."""
    lines = stat_file.read_text().splitlines()
    if len(lines) < 2:
        return {}
    return dict(zip(lines[0].split(";"), lines[-1].split(";"), strict=False))


def wait_cpu(process: subprocess.Popen[bytes], timeout_s: float) -> tuple[int, float]:
    """Wait for the end of a process: exit code and all its CPU seconds; it is killed after timeout_s."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return process.returncode, usage.ru_utime + usage.ru_stime
        time.sleep(0.02)
    process.kill()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_utime + usage.ru_stime


def idle_cpu_s(tool: Tool, folder: Path) -> float:
    """CPU seconds a UAS of this tool takes to start and stop: taken off the measurements."""
    running = start(tool, 0, ["-sn", "uas", "-p", str(PORT)], folder / "idle.csv")
    time.sleep(1.0)
    running.process.send_signal(signal.SIGUSR1)
    return wait_cpu(running.process, 10)[1]


def run_pair(tool: Tool, rate: int, seconds: float, folder: Path, start_cpu_s: float, *,
             extra: Sequence[str] = (), hold_ms: int = 0, look_at_s: float = 0.0, pair: Pair = STOCK) -> Outcome:
    """One UAS and one UAC at a fixed rate for a number of seconds; memory is read at look_at_s."""
    n_calls = int(rate * seconds)
    uas = start(tool, 1, [*pair.server, "-p", str(PORT), *extra], folder / "uas.csv")
    time.sleep(0.8)
    begin = time.monotonic()
    uac = start(
        tool, 0,
        [*pair.client, f"{HOST}:{PORT}", "-p", str(PORT + 1), "-r", str(rate), "-m", str(n_calls),
         "-l", str(max(n_calls, 1)), *(("-d", str(hold_ms)) if hold_ms else ()), *extra],
        folder / "uac.csv",
    )  # fmt: skip
    uac_rss = uas_rss = 0
    if look_at_s:
        time.sleep(look_at_s)
        uac_rss, uas_rss = resident_bytes(uac.process.pid), resident_bytes(uas.process.pid)
    # a run that takes longer is not clean, whatever else comes of it
    _, uac_cpu_s = wait_cpu(uac.process, seconds * 1.2 + hold_ms / 1000 + pair.call_s + 6)
    wall_s = time.monotonic() - begin
    # not Popen.send_signal: it would take the exit code of one that has ended, and its CPU time with it
    os.kill(uas.process.pid, signal.SIGUSR1)
    _, uas_cpu_s = wait_cpu(uas.process, UAS_TIMEWAIT_S + 6)
    row, uas_row = last_row(folder / "uac.csv"), last_row(folder / "uas.csv")
    successful = int(row.get("SuccessfulCall(C)", 0))
    # calls take call_s or a little less: no rate above the one offered comes of that
    elapsed_s = max(active_seconds(folder / "uac.csv", wall_s) - pair.call_s, seconds * (pair.call_s > 0))
    return Outcome(
        offered=rate,
        rate=successful / elapsed_s if elapsed_s else 0.0,
        successful=successful,
        failed=int(row.get("FailedCall(C)", 0)) + (n_calls - successful),
        retransmissions=int(row.get("Retransmissions(C)", 0)) + int(uas_row.get("Retransmissions(C)", 0)),
        uac_cpu_us=max(uac_cpu_s - start_cpu_s, 0) / max(successful, 1) * 1e6,
        uas_cpu_us=max(uas_cpu_s - start_cpu_s, 0) / max(successful, 1) * 1e6,
        uac_rss=uac_rss,
        uas_rss=uas_rss,
    )


def active_seconds(stat_file: Path, fallback_s: float) -> float:
    """From the UAC's start to its last row: StartTime and CurrentTime end in epoch seconds."""
    row = last_row(stat_file)
    try:
        return float(row["CurrentTime"].split("\t")[-1]) - float(row["StartTime"].split("\t")[-1])
    except (KeyError, ValueError):
        return fallback_s


def highest_clean_rate(
    attempt: Callable[[int], Outcome], first: int, tries: int, log: Callable[[str], None]
) -> Outcome:
    """Doubles until a rate is not clean, then narrows down to 5 %; each rate has `tries` chances."""

    def clean_outcome(rate: int) -> Outcome | None:
        for _ in range(tries):
            outcome = attempt(rate)
            log(f"    {rate:>9,}/s: reached {outcome.rate:>11,.0f}, failed {outcome.failed}, "
                f"retransmissions {outcome.retransmissions}{'  clean' if outcome.clean else ''}")  # fmt: skip
            if outcome.clean:
                return outcome
        return None

    best: Outcome | None = None
    low, high, rate = 0, 0, first
    while not high:
        outcome = clean_outcome(rate)
        if outcome:
            best, low, rate = outcome, rate, rate * 2
        else:
            high = rate
            if best is None:
                rate //= 2
                high = 0
                if rate < 100:
                    raise SystemExit("not even 100 calls/s are clean here")
    while high - low > 0.05 * high:
        rate = (low + high) // 2
        outcome = clean_outcome(rate)
        if outcome:
            best, low = outcome, rate
        else:
            high = rate
    assert best is not None
    return best


@dataclass
class Figures:
    """All that is measured of one tool."""

    start_cpu_s: float = 0.0
    best: Outcome | None = None
    common: list[Outcome] = field(default_factory=list)
    held: Outcome | None = None
    no_load: tuple[int, int] = (0, 0)


def measure_common_rate(tools: Sequence[Tool], results: dict[str, Figures], arguments: argparse.Namespace,
                        folder: Path, log: Callable[[str], None]) -> None:
    """CPU a call at one rate for all tools, in turn, so that a machine that drifts slows all of them alike."""
    for _ in range(arguments.tries):
        for tool in tools:
            figures = results[tool.name]
            outcome = run_pair(tool, arguments.common_rate, 8, folder, figures.start_cpu_s)
            figures.common.append(outcome)
            log(f"  {tool.name} at {arguments.common_rate:,}/s: CPU a call {outcome.uac_cpu_us:.1f} us uac, "
                f"{outcome.uas_cpu_us:.1f} us uas")  # fmt: skip


def measure(tool: Tool, arguments: argparse.Namespace, folder: Path, log: Callable[[str], None]) -> Figures:
    """What is measured of one tool by itself."""
    figures = Figures()
    start_cpu_s = figures.start_cpu_s = statistics.median(idle_cpu_s(tool, folder) for _ in range(3))
    log(f"  {tool.name}: {start_cpu_s * 1000:.0f} ms of CPU to start and stop (taken off)")
    first = 8_000 if tool.name == "sipp" else 100_000
    if "rate" in arguments.what:
        figures.best = highest_clean_rate(
            lambda rate: run_pair(tool, rate, arguments.seconds, folder, start_cpu_s), first, arguments.tries, log
        )
    if "memory" in arguments.what:
        n_calls, rate = 50_000, 5_000
        empty = run_pair(tool, 100, 1, folder, start_cpu_s, hold_ms=3000, look_at_s=2.0)
        figures.no_load = (empty.uac_rss, empty.uas_rss)
        hold_ms = 20_000
        figures.held = run_pair(
            tool, rate, n_calls / rate, folder, start_cpu_s, hold_ms=hold_ms, look_at_s=n_calls / rate + 4
        )
    return figures


def ratio(a: float, b: float) -> str:
    """a / b as text."""
    return f"{a / b:.2f}" if b else "-"


def scenario_pairs(folder: Path) -> list[Pair]:
    """The pairs of --what scenarios; writes the injection file they need."""
    users = folder / "users.csv"
    users.write_text("SEQUENTIAL\n" + "".join(f"user{n};secret{n}\n" for n in range(100_000)))
    here = Path(__file__).parent / "scenarios"
    register = ("-sf", str(here / "register_client.xml"), "-inf", str(users))
    return [
        Pair("regexp against uas", ("-sn", "regexp"), ("-sn", "uas"), 1.0),
        Pair("branchc against branchs", ("-sn", "branchc"), ("-sn", "branchs"), 9.0),
        Pair("register with digest, 100,000 users", register, ("-sf", str(here / "register_server.xml"))),
    ]


ENTRY_RULE = b"-----------------------------------------------"
MESSAGES_PER_CALL = 6


def traced(tool: Tool, rate: int, seconds: float, folder: Path) -> Outcome:
    """The stock call with -trace_msg on both sides; calls whose messages a log lacks count as failed."""
    logs = [folder / f"{side}_messages.log" for side in ("uac", "uas")]
    pair = Pair("", *(("-sn", log.name[:3], "-trace_msg", "-message_file", str(log)) for log in logs))
    outcome = run_pair(tool, rate, seconds, folder, 0.0, pair=pair)
    n_missing = 0
    for log in logs:
        n_entries = sum(line.startswith(ENTRY_RULE) for line in log.open("rb"))
        n_missing += max(outcome.successful - n_entries // MESSAGES_PER_CALL, 0)
        log.unlink()
    return replace(outcome, failed=outcome.failed + n_missing)


def compare_traces(tools: Sequence[Tool], arguments: argparse.Namespace, folder: Path,
                   log: Callable[[str], None]) -> None:
    """Highest clean rate with every message logged, and the ratio; the logs are in the folder for temporary files."""
    best = {}
    for tool in tools:
        log(f"{tool.name} with -trace_msg, logs in {folder}:")
        best[tool.name] = highest_clean_rate(
            lambda rate, tool=tool: traced(tool, rate, arguments.seconds, folder),
            4_000 if tool.name == "sipp" else 20_000, arguments.tries, log,
        )  # fmt: skip
    a, b = best["sipp"].offered, best["sippx"].offered
    print(f"\nhighest clean rate with -trace_msg, calls/s: sipp {a:,.0f}, sippx {b:,.0f}, {b / a:.1f} x")


def compare_scenarios(tools: Sequence[Tool], arguments: argparse.Namespace, folder: Path,
                      log: Callable[[str], None]) -> None:
    """Highest clean rate of each pair with each tool, and the ratio."""
    rows = []
    for pair in scenario_pairs(folder):
        best = {}
        for tool in tools:
            log(f"{pair.name}, {tool.name}:")
            first = 2_000 if tool.name == "sipp" else 40_000
            best[tool.name] = highest_clean_rate(
                lambda rate, tool=tool, pair=pair: run_pair(tool, rate, arguments.seconds, folder, 0.0, pair=pair),
                first, arguments.tries, log,
            )  # fmt: skip
        rows.append((pair.name, best["sipp"].offered, best["sippx"].offered))
    print(f"\n{'highest clean rate, calls/s':42s}{'sipp':>14s}{'sippx':>14s}{'ratio':>12s}")
    for name, a, b in rows:
        print(f"{name:42s}{a:>14,.0f}{b:>14,.0f}{b / a:>10.1f} x")


def print_table(results: dict[str, Figures], arguments: argparse.Namespace) -> None:
    """The comparison, sippx against sipp."""
    rows: list[tuple[str, str, str, str]] = []
    sipp, sippx = results["sipp"], results["sippx"]
    if sipp.best and sippx.best:
        rows.append(("highest clean rate, calls/s", f"{sipp.best.offered:,.0f}", f"{sippx.best.offered:,.0f}",
                     f"{sippx.best.offered / sipp.best.offered:.1f} x"))  # fmt: skip
        for side in ("uac", "uas"):
            a, b = getattr(sipp.best, f"{side}_cpu_us"), getattr(sippx.best, f"{side}_cpu_us")
            rows.append((f"CPU a call at own maximum, {side}, us", f"{a:.1f}", f"{b:.2f}", f"1/{ratio(a, b)}"))
    plain = results.get("sippx plain")
    if sipp.best and plain and plain.best:
        rows.append(("clean rate without GSO and GRO", f"{sipp.best.offered:,.0f}", f"{plain.best.offered:,.0f}",
                     f"{plain.best.offered / sipp.best.offered:.1f} x"))  # fmt: skip
    if sipp.common and sippx.common:
        for side in ("uac", "uas"):
            a = statistics.median(getattr(outcome, f"{side}_cpu_us") for outcome in sipp.common)
            b = statistics.median(getattr(outcome, f"{side}_cpu_us") for outcome in sippx.common)
            rows.append((f"CPU a call at {arguments.common_rate:,}/s, {side}, us", f"{a:.1f}", f"{b:.2f}",
                         f"1/{ratio(a, b)}"))  # fmt: skip
    if sipp.held and sippx.held:
        for i, side in enumerate(("uac", "uas")):
            per_call = [
                (getattr(f.held, f"{side}_rss") - f.no_load[i]) / 50_000 for f in (sipp, sippx)
            ]
            rows.append((f"memory an open call, {side}, bytes", f"{per_call[0]:,.0f}", f"{per_call[1]:,.0f}",
                         f"1/{ratio(per_call[0], per_call[1])}"))  # fmt: skip
    print(f"\n{'':42s}{'sipp':>14s}{'sippx':>14s}{'ratio':>12s}")
    for name, a, b, c in rows:
        print(f"{name:42s}{a:>14s}{b:>14s}{c:>12s}")


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0, help="length of one rate attempt")
    parser.add_argument("--tries", type=int, default=3, help="chances a rate has to be clean; repeats of medians")
    parser.add_argument("--common-rate", type=int, default=4000)
    parser.add_argument("--what", nargs="+", default=["rate", "cpu", "memory", "plain"],
                        choices=["rate", "cpu", "memory", "plain", "scenarios", "traces"])  # fmt: skip
    arguments = parser.parse_args()
    if shutil.which("sipp") is None:
        raise SystemExit("sipp is missing: apt-get install sip-tester")
    if (os.cpu_count() or 1) < 2:
        raise SystemExit("two cores are needed: one a side")
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)

    def log(text: str) -> None:
        print(text, flush=True)

    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    log(f"{model[1] if model else platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}, "
        f"Python {platform.python_version()}")  # fmt: skip
    sippx = (sys.executable, "-m", "sippx")
    tools = [Tool("sipp", ("sipp",)), Tool("sippx", sippx)]
    results: dict[str, Figures] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if "scenarios" in arguments.what:
            compare_scenarios(tools, arguments, folder, log)
        if "traces" in arguments.what:
            compare_traces(tools, arguments, folder, log)
        if not set(arguments.what) - {"scenarios", "traces"}:
            return
        for tool in tools:
            log(f"{tool.name}:")
            results[tool.name] = measure(tool, arguments, folder, log)
        if "cpu" in arguments.what:
            measure_common_rate(tools, results, arguments, folder, log)
        if "plain" in arguments.what:
            log("sippx without GSO and GRO:")
            plain = Tool("sippx", (*sippx, "--no-gso", "--no-gro"))
            only_rate = argparse.Namespace(**{**vars(arguments), "what": ["rate"]})
            results["sippx plain"] = measure(plain, only_rate, folder, log)
    print_table(results, arguments)


if __name__ == "__main__":
    main()
