"""The -trace_counts and -trace_error_codes files, against rows of sipp 3.6.1."""

from __future__ import annotations

from pathlib import Path

import pytest
from recorder import Recorder

from sippx.report.countfile import CountsFile, ErrorCodesFile, count_columns
from sippx.report.flow import FlowStep, RunInfo
from sippx.report.stamps import Stamps

STEPS = (
    FlowStep("send", "INVITE", request=True, has_retrans=True),
    FlowStep("recv", "100", optional=True, hidden=True),
    FlowStep("recv", "200"),
    FlowStep("send", "ACK", request=True),
    FlowStep("nop"),
    FlowStep("pause"),
    FlowStep("send", "BYE", request=True, has_retrans=True, has_lost=True),
    FlowStep("recv", "486", has_lost=True),
)
INFO = RunInfo(client=True)
HEADER = (
    "CurrentTime;ElapsedTime;0_INVITE_Sent;0_INVITE_Retrans;0_INVITE_Timeout;"
    "2_200_Recv;2_200_Retrans;2_200_Timeout;2_200_Unexp;3_ACK_Sent;3_ACK_Retrans;"
    "4_Pause_Sessions;4_Pause_Unexp;5_Pause_Sessions;5_Pause_Unexp;"
    "6_BYE_Sent;6_BYE_Retrans;6_BYE_Timeout;6_BYE_Lost;7_486_Recv;7_486_Retrans;7_486_Timeout;7_486_Unexp;7_486_Lost;"
)


def test_columns_are_those_of_sipp_and_rows_fit_them(tmp_path: Path) -> None:
    recorder = Recorder(len(STEPS))
    recorder.set_step(0, (3, 1, 2, 9, 9))
    recorder.set_step(1, (8, 8, 8, 8, 8))
    recorder.set_step(5, (3, 0, 0, 4, 0))
    recorder.set_step(7, (5, 6, 7, 8, 9))
    file = CountsFile(tmp_path / "c", STEPS)
    file.begin(recorder.snapshot(355_000_000), INFO)
    file.end(recorder.snapshot(356_000_000), INFO)
    header, *rows = (tmp_path / "c").read_text().splitlines()
    assert header == HEADER
    assert len(rows) == 3
    assert rows[0] == (
        "2026-11-23\t09:03:32.159970\t1795424612.159970;00:00:00:355000;3;1;2;0;0;0;0;0;0;0;0;3;4;0;0;0;0;5;6;7;8;9;"
    )


def test_each_column_names_its_step_and_counter() -> None:
    columns = count_columns(STEPS)
    assert all(name.startswith(f"{step}_") for name, step, _ in columns)
    assert len({name for name, _, _ in columns}) == len(columns)


def test_codes_since_the_previous_row_come_newest_first(tmp_path: Path) -> None:
    batches = iter([[], [486, 404, 200], []])
    file = ErrorCodesFile(tmp_path / "e", lambda: next(batches), delimiter="|", stamps=Stamps(rfc3339=True))
    recorder = Recorder()
    file.begin(recorder.snapshot(0), INFO)
    file.end(recorder.snapshot(104_000_000), INFO)
    assert (tmp_path / "e").read_text().splitlines() == [
        "2026-11-23T09:03:31.804970Z|00:00:00:000000|",
        "2026-11-23T09:03:31.908970Z|00:00:00:104000|200,404,486,",
        "2026-11-23T09:03:31.908970Z|00:00:00:104000|",
    ]


def test_a_full_disk_ends_the_file_not_the_run() -> None:
    file = CountsFile(Path("/dev/full"), STEPS)
    file.begin(Recorder(len(STEPS)).snapshot(1), INFO)
    assert file.notes == ["'/dev/full' is incomplete (No space left on device)"]


def test_a_file_that_cannot_be_created_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        ErrorCodesFile(tmp_path / "missing" / "e", list)
