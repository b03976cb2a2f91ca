"""sipp and sippx against the same scripted peer: what each sends, counts and exits with."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from e2e.harness import SIPPX, Command, Finished, Peer, free_port, say_nothing, step_numbers

SIPP = shutil.which("sipp")
WHY_SKIPPED = "the real sipp is not installed (Debian package sip-tester)"
TOOLS = ("sipp", "sippx")
PAUSE_S = 0.05
"""Between two messages to sipp, which executes one step of a call in a turn of its loop."""


@dataclass
class Seen:
    """What a run of a tool looked like from outside."""

    ended: Finished
    messages: list[str]
    steps: dict[str, list[int]]

    @property
    def summary(self) -> tuple[int, list[str], dict[str, list[int]]]:
        """What two tools must agree in: exit code, messages sent, numbers on the scenario screen."""
        return self.ended.code, self.messages, self.steps


def start_tool(tool: str, cwd: Path, *words: object) -> Command:
    """Start sipp or sippx with these words, without a terminal and without keys."""
    program = [str(SIPP)] if tool == "sipp" else list(SIPPX)
    return Command([*program, *map(str, words), "-nostdin"], cwd)


def write_scenario(folder: Path, steps: str) -> None:
    """s.xml, spelt as sipp's parser wants it."""
    text = f'<?xml version="1.0" encoding="ISO-8859-1" ?>\n<scenario name="compared">\n{steps}</scenario>\n'
    (folder / "s.xml").write_bytes(text.encode("latin-1"))


def run_clients(
    folder: Path,
    steps: str,
    answer: Callable[[bytes], Iterable[bytes]] = say_nothing,
    words: Sequence[object] = (),
) -> list[Seen]:
    """The same client scenario run by both tools against the same peer, on the same ports one after the other."""
    write_scenario(folder, steps)
    peer_port, port = free_port(), free_port()
    found = []
    for tool in TOOLS:
        with (
            Peer(answer, port=peer_port) as peer,
            start_tool(
                *(tool, folder, f"127.0.0.1:{peer_port}", "-i", "127.0.0.1", "-p", port, "-sf", "s.xml"),
                *("-m", 3, "-r", 100, *words),
            ) as command,
        ):
            found.append(seen(command.wait(), peer, steps))
    return found


def run_servers(
    folder: Path, steps: str, script: Iterable[bytes], words: Sequence[object] = (), n_calls: int = 1
) -> list[Seen]:
    """The same server scenario run by both tools; a client sends them the messages of the script."""
    write_scenario(folder, steps)
    script = list(script)
    peer_port, port = free_port(), free_port()
    found = []
    for tool in TOOLS:
        with (
            Peer(port=peer_port) as peer,
            start_tool(
                *(tool, folder, "-sf", "s.xml", "-i", "127.0.0.1", "-p", port, "-m", n_calls, *words)
            ) as command,
        ):
            command.wait_bound(port)
            time.sleep(0.3)  # sipp takes its time between binding and reading
            for message in script:
                peer.send(message, port)
                time.sleep(PAUSE_S)
            found.append(seen(command.wait(), peer, steps))
    return found


def seen(ended: Finished, peer: Peer, steps: str) -> Seen:
    """What the peer got from a process that has ended, and what the process counted."""
    time.sleep(PAUSE_S)  # its last messages are still on their way to the peer's list
    n_steps = len(re.findall(r"<(?:send|recv|pause|timewait|nop)\b", steps))
    messages = [normalised(message, ended.pid, n_steps) for message in peer.received]
    return Seen(ended, messages, step_numbers(ended.out) if "Messages  Retrans" in ended.out else {})


def normalised(message: bytes, pid: int, n_steps: int) -> str:
    """A message as text without the process id; and without the index in the branch of a default message.

    sipp's default messages all have the branch of index -1, sippx's one that no step has.
    """
    text = re.sub(rf"(?<![0-9]){pid}(?![0-9])", "PID", message.decode("latin-1"))
    return re.sub(rf"(branch=z9hG4bK-PID-\d+-)(?:-1|{n_steps})(?=[\r;])", r"\1default", text)
