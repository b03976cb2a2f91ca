"""A UAC and a UAS, each sippx or the real sipp, run against each other on loopback with message logs."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from e2e.harness import DEADLINE_S, SIPPX, free_port, is_bound, is_listening, wait_until

SIPP = shutil.which("sipp")
COMMANDS: dict[str, tuple[str, ...]] = {"sippx": SIPPX, "sipp": ("sipp",)}
ENTRY = re.compile(rb"^-{47} .*\n\w+ message (sent|received) [\[(](\d+)[ \w]*[\])] ?(?:bytes ?)?:\n\n", re.MULTILINE)


@dataclass(frozen=True)
class Side:
    """What one side left behind: exit code, final screens, messages in order as (direction, bytes)."""

    code: int
    screen: str
    messages: list[tuple[str, bytes]]
    stat_header: str
    stat_row: dict[str, str]

    def first(self, direction: str, start: bytes) -> bytes:
        """The first message of that direction beginning so."""
        return next(data for way, data in self.messages if way == direction and data.startswith(start))


def read_messages(log: Path) -> list[tuple[str, bytes]]:
    """Messages of a -trace_msg file of either tool."""
    raw = log.read_bytes() if log.exists() else b""
    found = []
    for match in ENTRY.finditer(raw):
        found.append((match[1].decode(), raw[match.end() : match.end() + int(match[2])]))
    return found


def run_pair(
    folder: Path, uac: str, uas: str, *, n_calls: int = 20, rate: int = 100, ip: str = "127.0.0.1",
    uac_words: Sequence[str] = (), uas_words: Sequence[str] = (),
) -> tuple[Side, Side]:  # fmt: skip
    """UAC and UAS of these tools; both sides after their ends."""
    port, uac_port = free_port(ip), free_port(ip)
    target = f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"
    uas_words = uas_words if "-sf" in uas_words else ("-sn", "uas", *uas_words)
    uac_words = uac_words if "-sf" in uac_words else ("-sn", "uac", *uac_words)
    words = {
        "uas": [*COMMANDS[uas], "-p", str(port), "-m", str(n_calls), *uas_words],
        "uac": [*COMMANDS[uac], target, "-p", str(uac_port), "-m", str(n_calls), "-r", str(rate), *uac_words],
    }
    processes: dict[str, subprocess.Popen[str]] = {}
    try:
        for side, command in words.items():
            processes[side] = subprocess.Popen(
                [*command, "-i", ip, "-nostdin", "-trace_msg", "-message_file", f"{side}.log", "-trace_stat", "-stf",
                 f"{side}.csv"],
                cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                errors="replace",
            )  # fmt: skip
            if side == "uas":
                wait_until(lambda: is_bound(port) or is_listening(port), "the server's port")
                time.sleep(0.2)
        screens = {side: process.communicate(timeout=DEADLINE_S)[0] for side, process in processes.items()}
    finally:
        for process in processes.values():
            if process.poll() is None:
                process.kill()
                process.communicate()
    return tuple(finished(folder, side, processes[side].returncode, screens[side]) for side in ("uac", "uas"))  # type: ignore[return-value]


def finished(folder: Path, side: str, code: int, screen: str) -> Side:
    """What the side wrote."""
    lines = (folder / f"{side}.csv").read_text().splitlines()
    row = dict(zip(lines[0].split(";"), lines[-1].split(";"), strict=False))
    return Side(code, screen, read_messages(folder / f"{side}.log"), lines[0], row)


def normalised(message: bytes) -> list[str]:
    """Lines of a message without what varies from run to run: ports, process id, call number, tags."""
    text = message.decode()
    text = re.sub(r"\d+SIPpTag0(\d)\d+", r"<pid>SIPpTag0\1<n>", text)
    text = re.sub(r"branch=z9hG4bK-\d+-\d+-(\d+)", r"branch=z9hG4bK-<pid>-<n>-\1", text)
    text = re.sub(r"^Call-ID: \d+-\d+@", "Call-ID: <n>-<pid>@", text, flags=re.MULTILINE)
    text = re.sub(r"m=audio \d+", "m=audio <port>", text)  # sipp takes the next free one
    text = re.sub(r"(127\.0\.0\.1|\[::1\]):\d+", r"\1:<port>", text)
    return text.split("\r\n")
