"""Short scenarios written by a test and run by sippx or the real sipp against a peer of the test."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2e.harness import Command, Finished, Peer, free_port
from interop.differential import Case, Expected, Run, run_case
from interop.pairs import COMMANDS, SIPP
from interop.scripted_peer import IP, Answer, Script

OK = (Answer("200 OK"),)
RECV_200 = '<recv response="200"/>\n'

sipp_too = pytest.mark.parametrize(
    "tool",
    [
        "sippx",
        pytest.param("sipp", marks=[pytest.mark.interop, pytest.mark.skipif(SIPP is None, reason="sipp is not installed")]),
    ],
)


def write_scenario(folder: Path, steps: str) -> Path:
    """A scenario's file in this folder."""
    path = folder / "pinned.xml"
    path.write_text(f'<?xml version="1.0" encoding="ISO-8859-1" ?>\n<scenario name="pinned">\n{steps}</scenario>\n')
    return path


def play(
    tool: str, folder: Path, steps: str, peer: Script, *words: str, is_server: bool = False, cut_ms: int = 0,
    n_calls: int = 1,
) -> Run:  # fmt: skip
    """Calls of these steps with a scripted peer, or of what the words say where there are no steps."""
    scenario = write_scenario(folder, steps).with_suffix("") if steps else ""
    case = Case(
        "pinned", Expected((), log=()), peer, words, scenario=str(scenario), is_server=is_server, cut_ms=cut_ms,
        n_calls=n_calls,
    )  # fmt: skip
    return run_case(case, tool, folder)


def start(tool: str, folder: Path, *words: object, **environment: str) -> Command:
    """The tool with these words, without keys."""
    return Command([*COMMANDS[tool], *map(str, words), "-nostdin"], folder, env=environment)


def call(tool: str, folder: Path, peer: Peer, *words: object, **environment: str) -> Finished:
    """A client of this peer, to its end."""
    with start(tool, folder, peer.address, "-i", IP, "-p", free_port(), *words, **environment) as client:
        return client.wait()


def only_message(run: Run) -> str:
    """The one message that a run sent, with its line ends."""
    assert run.code == 0, str(run)
    assert len(run.messages) == 1, str(run)
    return "\r\n".join(run.messages[0])
