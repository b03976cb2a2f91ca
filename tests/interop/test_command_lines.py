"""Command lines with sipp and with sippx: codes, streams, files, figures, messages and duration are the same.

A case is a line of command_lines.py. What is known to differ says so there, and fails here as soon as it does not. All
cases run at once, a few at a time: most of them wait for something. Two runs that are not as they should be are made
once more, since a busy machine may hold up one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from interop.command_line_run import FACTS, CommandLine, disagreements, run
from interop.command_lines import LINES
from interop.pairs import SIPP

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(SIPP is None, reason="the real sipp is not installed (Debian package sip-tester)"),
]
N_AT_A_TIME = 10
FindingsOf = Callable[[CommandLine], str]


def compare(case: CommandLine, folder: Path) -> str:
    """What is not as it should be, with all that both tools said; "" where all is."""
    for attempt in ("first", "second"):
        for tool in ("sipp", "sippx"):
            (folder / attempt / tool).mkdir(parents=True)
        theirs, ours = (run(case, tool, folder / attempt / tool) for tool in ("sipp", "sippx"))
        found = disagreements(case, theirs, ours)
        if not found:
            return ""
    return "\n".join([*found, "=== sipp", theirs.raw, "=== sippx", ours.raw])


@pytest.fixture(scope="module")
def findings_of(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FindingsOf]:
    """What is not as it should be with a command line: those of all selected tests are begun at once."""
    findings: dict[str, Future[str]] = {}
    with ThreadPoolExecutor(N_AT_A_TIME) as pool:
        for item in request.session.items:
            if isinstance(item, pytest.Function) and item.module is request.module and hasattr(item, "callspec"):
                case = item.callspec.params["case"]
                assert isinstance(case, CommandLine)
                findings[case.name] = pool.submit(compare, case, tmp_path_factory.mktemp("line"))
        yield lambda case: findings[case.name].result()
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("case", LINES, ids=[case.name for case in LINES])
def test_sippx_does_as_sipp_or_differs_as_it_says(case: CommandLine, findings_of: FindingsOf) -> None:
    findings = findings_of(case)
    assert not findings, findings


def test_facts_that_differ_are_facts_and_names_are_unique() -> None:
    assert {fact for case in LINES for fact in (*case.differs, *case.without)} <= set(FACTS)
    assert len({case.name for case in LINES}) == len(LINES)
