"""The tools of other people that these tests run, and how their output is compared with sippx's."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from e2e.harness import SIPPX, Command, Finished, Peer, free_port, say_nothing, step_numbers

SIPP = shutil.which("sipp")
TOOLS = ("sipp", "sippx")


def start_tool(tool: str, cwd: Path, *words: object) -> Command:
    """Start sipp or sippx with these words, without a terminal and without keys."""
    program = [str(SIPP)] if tool == "sipp" else list(SIPPX)
    return Command([*program, *map(str, words), "-nostdin"], cwd)


@dataclass
class Seen:
    """What one run of a tool against a scripted peer looked like from outside."""

    ended: Finished
    messages: list[str]
    steps: dict[str, list[int]]


def run_against_peer(
    tool: str,
    cwd: Path,
    words: Iterable[object],
    answer: Callable[[bytes], Iterable[bytes]] = say_nothing,
    *,
    peer_port: int,
    local_port: int,
) -> Seen:
    """Run a client against a scripted peer; both ports are given, so that two runs differ in the pid only."""
    with Peer(answer, port=peer_port) as peer, start_tool(
        tool, cwd, f"127.0.0.1:{peer_port}", "-i", "127.0.0.1", "-p", local_port, *words
    ) as command:
        ended = command.wait()
    messages = [normalised(message, ended.pid) for message in peer.received]
    return Seen(ended, messages, step_numbers(ended.out) if "Messages  Retrans" in ended.out else {})


def run_both_against_peer(
    cwd: Path, words: Iterable[object], answer: Callable[[bytes], Iterable[bytes]] = say_nothing
) -> tuple[Seen, Seen]:
    """The same run by sipp and by sippx."""
    words = list(words)
    peer_port, local_port = free_port(), free_port()
    first, second = (
        run_against_peer(tool, cwd, words, answer, peer_port=peer_port, local_port=local_port) for tool in TOOLS
    )
    return first, second


def normalised(message: bytes, pid: int) -> str:
    """A message as text, with the process id of its sender replaced."""
    return re.sub(rf"(?<![0-9]){pid}(?![0-9])", "PID", message.decode("latin-1"))
