"""Runs of sippx, or of the real sipp, against Kamailio: what they are started with and what they leave behind."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from e2e.harness import SIPPX, Command, Finished, free_port, headers, is_listening, method, wait_until
from interop.pairs import read_messages

SCENARIOS = Path(__file__).with_name("scenarios_kamailio")
TOOLS = {"sippx": SIPPX, "sipp": ("sipp",)}
Messages = list[tuple[str, bytes]]


@dataclass(frozen=True)
class Run:
    """A run that has ended: its process, last row of statistics, messages as (direction, bytes), counters that are
    not zero (of sippx only)."""

    ended: Finished
    statistics: dict[str, str]
    messages: Messages
    counters: Mapping[str, int]

    def count(self, column: str) -> int:
        """A cumulative number of the statistics."""
        return int(self.statistics[f"{column}(C)"])

    @property
    def outcome(self) -> tuple[int, int, int]:
        """Exit code, calls that succeeded, calls that failed."""
        return self.ended.code, self.count("SuccessfulCall"), self.count("FailedCall")

    def of(self, direction: str, name: str) -> list[bytes]:
        """Messages of a direction with this method or status code."""
        return [data for way, data in self.messages if way == direction and method(data) == name]


class Side:
    """A tool that runs one of the scenarios in its own corner of the test's directory."""

    def __init__(self, folder: Path, name: str, port: int, *words: object, tool: str = "sippx") -> None:
        self.folder = folder
        self.name = name
        self.port = port
        self.command = Command(
            [
                *TOOLS[tool], "-sf", str(SCENARIOS / f"{name}.xml"), "-i", "127.0.0.1", "-p", str(port), "-nostdin",
                "-trace_stat", "-stf", f"{name}.csv", "-trace_msg", "-message_file", f"{name}.log",
                *(["--json", f"{name}.json"] if tool == "sippx" else []), *map(str, words),
            ],
            folder,
        )  # fmt: skip

    def wait_listening(self) -> None:
        """Return when it takes TCP connections at its port."""
        running = self.command.is_running
        wait_until(lambda: is_listening(self.port) or not running(), f"{self.name} listens at {self.port}")

    def wait(self) -> Run:
        """What it left behind; it must end within 20 s."""
        with self.command:
            ended = self.command.wait(20.0)
        lines = (self.folder / f"{self.name}.csv").read_text().splitlines()
        row = dict(zip(lines[0].split(";"), lines[-1].split(";"), strict=False))
        result = self.folder / f"{self.name}.json"
        counters = json.loads(result.read_text())["counters"] if result.exists() else {}
        return Run(ended, row, read_messages(self.folder / f"{self.name}.log"), Counter(counters))


def injection(folder: Path, rows: Sequence[tuple[str, ...]], name: str = "users.csv") -> Path:
    """An injection file of these rows."""
    path = folder / name
    path.write_text("SEQUENTIAL\n" + "".join(";".join(row) + "\n" for row in rows))
    return path


def user(i: int, password: str | None = None) -> tuple[str, str]:
    """Name and password; the right one, unless another is given."""
    return f"user{i}", f"secretuser{i}" if password is None else password


def register(
    folder: Path, target: str, rows: list[tuple[str, str]], *words: object, contact_port: int = 5999,
    transport: str = "udp", tool: str = "sippx",
) -> Side:  # fmt: skip
    """Start the registration of these users at the target; they take calls at the port, over the transport."""
    return Side(
        folder, "register", free_port(), target, "-inf", injection(folder, rows), "-m", len(rows), "-r", 2000,
        "-key", "contact", f"127.0.0.1:{contact_port};transport={transport}", *words, tool=tool,
    )  # fmt: skip


def vias(message: bytes) -> list[str]:
    """Where a message has been, the last hop first."""
    return [value.split(";")[0].split()[1] for value in headers(message, "Via")]
