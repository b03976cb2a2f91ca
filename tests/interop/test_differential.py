"""The same scenario and the same peer with sippx and with the real sipp: what they send and how they end is the same.

`test_sipp_half` holds the cases to what the real sipp does, `test_sippx_half` sippx to what is expected of it, and
`test_both_halves_agree` compares the two runs line by line. Every case runs once per tool and session.
`-k sipp_half` runs the real sipp only, `-k sippx_half` sippx only. A case in which sippx is meant to do better than
sipp says so (Case.differs, Case.instead); `test_halves_that_are_to_differ_differ` fails as soon as that is not true.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from interop.cases import CASES
from interop.differential import SCENARIOS, Case, Run, assert_as_expected, run_case
from interop.pairs import SIPP

N_AT_A_TIME = 3
NO_SIPP = "the real sipp is not installed (Debian package sip-tester)"
every_case = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
TOOLS = {
    "test_sipp_half": ("sipp",),
    "test_sippx_half": ("sippx",),
    "test_both_halves_agree": ("sipp", "sippx"),
    "test_halves_that_are_to_differ_differ": ("sipp", "sippx"),
}
RunOf = Callable[[Case, str], Run]


@pytest.fixture(scope="module")
def run_of(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunOf]:
    """The run of a case with a tool: those of all selected tests are begun at once, a few at a time."""
    runs: dict[tuple[str, str], Future[Run]] = {}
    with ThreadPoolExecutor(N_AT_A_TIME) as pool:

        def begin(case: Case, tool: str) -> None:
            if (case.name, tool) not in runs and (SIPP or tool != "sipp"):
                folder: Path = tmp_path_factory.mktemp(f"{tool}-{case.name}"[:40])
                runs[case.name, tool] = pool.submit(run_case, case, tool, folder)

        for item in request.session.items:
            if isinstance(item, pytest.Function) and item.module is request.module:
                for tool in TOOLS.get(item.originalname, ()):
                    case = item.callspec.params["case"]
                    assert isinstance(case, Case)
                    begin(case, tool)

        yield lambda case, tool: runs[case.name, tool].result()
        pool.shutdown(cancel_futures=True)


@pytest.mark.interop
@pytest.mark.skipif(SIPP is None, reason=NO_SIPP)
@every_case
def test_sipp_half(case: Case, run_of: RunOf) -> None:
    assert_as_expected(run_of(case, "sipp"), case.expected)


@every_case
def test_sippx_half(case: Case, run_of: RunOf) -> None:
    assert_as_expected(run_of(case, "sippx"), case.expected_of("sippx"))


@pytest.mark.interop
@pytest.mark.skipif(SIPP is None, reason=NO_SIPP)
@pytest.mark.parametrize("case", [case for case in CASES if not case.differs], ids=lambda case: case.name)
def test_both_halves_agree(case: Case, run_of: RunOf) -> None:
    theirs, ours = run_of(case, "sipp"), run_of(case, "sippx")
    assert ours.sent == theirs.sent, str(ours)
    assert ours.comparable == theirs.comparable


@pytest.mark.interop
@pytest.mark.skipif(SIPP is None, reason=NO_SIPP)
@pytest.mark.parametrize("case", [case for case in CASES if case.differs], ids=lambda case: case.name)
def test_halves_that_are_to_differ_differ(case: Case, run_of: RunOf) -> None:
    theirs, ours = run_of(case, "sipp"), run_of(case, "sippx")
    assert ours.comparable != theirs.comparable, f"they agree: take this out of its case: {case.differs}"


def test_every_scenario_file_has_a_case() -> None:
    used = {case.scenario or case.name for case in CASES if "-sn" not in case.words}
    used |= {Path(word).stem for case in CASES for word in case.words if word.endswith(".xml")}
    assert {path.stem for path in SCENARIOS.glob("*.xml")} == used


def test_names_of_cases_are_unique() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
