"""Compares sippx with the real sipp over TCP, and measures what sipp's Debian build cannot do: TLS, many connections.

Prints the highest clean rate of the stock call over one connection (-t t1) and over a connection a call (-t tn) of both
tools in one run, of sippx over TLS and WebSocket; TLS handshakes a second against `openssl s_time`; memory of each of
many idle connections. Needs sipp (Debian package sip-tester), openssl and two cores.
"""

from __future__ import annotations

import argparse
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from compare_sipp import HOST, PORT, Outcome, Pair, Tool, highest_clean_rate, resident_bytes, run_pair, start, wait_cpu

SIPPX = Tool("sippx", (sys.executable, "-m", "sippx"))
SIPP = Tool("sipp", ("sipp",))
N_IDLE = 50_000


def pair_over(mode: str, server_mode: str, more: Sequence[str] = ()) -> Pair:
    """The stock call with a client in one transport mode and a server in another."""
    return Pair(
        f"-t {mode}",
        ("-sn", "uac", "-t", mode, *more),
        ("-sn", "uas", "-t", server_mode, *more),
    )


def certificate(folder: Path) -> tuple[str, ...]:
    """Options for a certificate (ECDSA P-256) made for this run."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-keyout", str(key), "-out", str(cert)],
        check=True, capture_output=True,
    )  # fmt: skip
    return "-tls_cert", str(cert), "-tls_key", str(key)


def best_rate(tool: Tool, pair: Pair, first: int, arguments: argparse.Namespace, folder: Path,
              log: Callable[[str], None]) -> Outcome:
    """Highest clean rate of one tool in one mode."""
    log(f"{tool.name} {pair.name}:")
    return highest_clean_rate(
        lambda rate: run_pair(tool, rate, arguments.seconds, folder, 0.0, pair=pair), first, arguments.tries, log
    )


def compare_tcp(arguments: argparse.Namespace, folder: Path, log: Callable[[str], None]) -> None:
    """TCP with one connection and with one a call, both tools."""
    sockets = ("-max_socket", "19000")
    rows = []
    for mode, pairs, first in (
        ("t1", [pair_over("t1", "t1")] * 2, (4_000, 60_000)),
        ("tn", [pair_over("tn", "t1", sockets), pair_over("tn", "t1")], (1_000, 8_000)),
    ):
        if mode in arguments.what:
            a = best_rate(SIPP, pairs[0], first[0], arguments, folder, log)
            b = best_rate(SIPPX, pairs[1], first[1], arguments, folder, log)
            rows.append((f"-t {mode}", a.offered, b.offered))
    print(f"\n{'highest clean rate, calls/s':42s}{'sipp':>14s}{'sippx':>14s}{'ratio':>12s}")
    for name, slow, fast in rows:
        print(f"{name:42s}{slow:>14,.0f}{fast:>14,.0f}{fast / slow:>10.1f} x")


def measure_secured(arguments: argparse.Namespace, folder: Path, log: Callable[[str], None]) -> None:
    """TLS and WebSocket, which only sippx has."""
    tls = certificate(folder)
    rows = []
    for mode, more, first in (
        ("l1", tls, 40_000), ("ln", tls, 500), ("w1", (), 40_000), ("ws1", tls, 30_000),
    ):  # fmt: skip
        if mode in arguments.what:
            server = mode[:-1] + "1"
            rows.append((mode, best_rate(SIPPX, pair_over(mode, server, more), first, arguments, folder, log).offered))
    print(f"\n{'highest clean rate, calls/s':42s}{'sippx':>14s}")
    for mode, rate in rows:
        print(f"{'-t ' + mode:42s}{rate:>14,.0f}")


def idle_memory(mode: str, more: Sequence[str], folder: Path, log: Callable[[str], None]) -> None:
    """Resident memory of both sides for each of many connections whose calls are in their pause."""
    n = N_IDLE
    rate, hold_s = (4_000, 40) if mode == "tn" else (600, 120)
    uas = start(SIPPX, 1, ["-sn", "uas", "-t", mode[:-1] + "1", "-p", str(PORT), *more], folder / "uas.csv")
    time.sleep(1.5)
    before = resident_bytes(uas.process.pid)
    uac = start(
        SIPPX, 0,
        ["-sn", "uac", "-t", mode, f"{HOST}:{PORT}", "-p", str(PORT + 1), "-r", str(rate), "-m", str(n), "-l", str(n),
         "-d", str(hold_s * 1000), "-max_socket", str(n + 100), *more],
        folder / "uac.csv",
    )  # fmt: skip
    time.sleep(1.0)
    uac_before = resident_bytes(uac.process.pid)
    time.sleep(n / rate + 3)
    uac_rss, uas_rss = resident_bytes(uac.process.pid), resident_bytes(uas.process.pid)
    code, _ = wait_cpu(uac.process, hold_s + 60)
    log(f"{n:,} connections -t {mode} with a call each: uac {(uac_rss - uac_before) / n:,.0f} bytes each, "
        f"uas {(uas_rss - before) / n:,.0f}; the uac's exit code is {code}")  # fmt: skip
    uas.process.terminate()
    wait_cpu(uas.process, 20)


def handshakes(folder: Path, log: Callable[[str], None]) -> None:
    """openssl s_time against openssl s_server: full handshakes a second of two cores, to set `-t ln` against."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    if not cert.exists():
        certificate(folder)
    for version in ("-tls1_2", "-tls1_3"):
        server = subprocess.Popen(
            ["openssl", "s_server", "-accept", str(PORT + 3), "-cert", str(cert), "-key", str(key), "-quiet", "-www",
             version],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.PIPE,
        )  # fmt: skip
        time.sleep(0.5)
        done = subprocess.run(
            ["openssl", "s_time", "-connect", f"{HOST}:{PORT + 3}", "-new", "-time", "4", version],
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        server.terminate()
        server.wait()
        match = re.search(r"(\d+) connections in (\d+) real seconds", done.stdout)
        log(f"openssl s_time {version}: {int(match[1]) / int(match[2]):,.0f} handshakes/s" if match else done.stdout)


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4.0, help="length of one rate attempt")
    parser.add_argument("--tries", type=int, default=2, help="chances a rate has to be clean")
    parser.add_argument("--what", nargs="+", default=["t1", "tn", "l1", "ln", "handshakes", "idle"],
                        choices=["t1", "tn", "l1", "ln", "w1", "ws1", "handshakes", "idle", "idle-tls"])  # fmt: skip
    arguments = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)

    def log(text: str) -> None:
        print(text, flush=True)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if {"t1", "tn"} & set(arguments.what):
            compare_tcp(arguments, folder, log)
        if {"l1", "ln", "w1", "ws1"} & set(arguments.what):
            measure_secured(arguments, folder, log)
        if "handshakes" in arguments.what:
            handshakes(folder, log)
        if "idle" in arguments.what:
            idle_memory("tn", (), folder, log)
        if "idle-tls" in arguments.what:
            idle_memory("ln", certificate(folder), folder, log)


if __name__ == "__main__":
    main()
