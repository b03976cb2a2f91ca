"""The -trace_stat file against files that sipp 3.6.1 wrote (data/) and against the installed sipp."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from recorder import Recorder

from sippx.report.flow import Measures, RunInfo
from sippx.report.stamps import Stamps
from sippx.report.statfile import COUNTER_COLUMNS, StatFile, columns, header_line, number_text, row_line

DATA = Path(__file__).parent / "data"
RT = (10, 20, 30, 40, 50, 100, 150, 200)
CL = (10, 50, 100, 500, 1000, 5000, 10000)
STOCK = Measures(("1",), (), (RT,), CL)
MANY = Measures(("invite", "1", "bye"), ("okc", "3"), ((10, 20, 30),) * 3, (10, 50, 400))
MEASURES = {"uac": STOCK, "uas": STOCK, "measures": MANY}
NONE = Measures()
INFO = RunInfo(client=True, rate=10)


def sipp_lines(name: str) -> list[str]:
    return (DATA / f"sipp-3.6.1-{name}-stat.csv").read_text().split("\n")[:-1]


@pytest.mark.parametrize("name", sorted(MEASURES))
def test_header_is_sipps_byte_for_byte(name: str) -> None:
    assert header_line(MEASURES[name]) == sipp_lines(name)[0]


def test_first_row_is_sipps_byte_for_byte() -> None:
    start = Recorder(0, STOCK).snapshot(715_000)
    assert row_line(start, start, STOCK, 10.0) == sipp_lines("uac")[1]


@pytest.mark.parametrize("measures", [NONE, STOCK, MANY])
def test_row_has_a_cell_for_each_column(measures: Measures) -> None:
    snapshot = Recorder(0, measures).snapshot(1)
    assert len(row_line(snapshot, snapshot, measures, 1.0).split(";")) == len(columns(measures)) + 1


def cells(recorder: Recorder, rows: list[int]) -> dict[str, str]:
    """Cells by column of a row after all that was recorded, the previous one at rows[0] ns."""
    total = recorder.snapshot(rows[1])
    line = row_line(total, total - Recorder(0, recorder.measures).snapshot(rows[0]), recorder.measures, 2.5)
    return dict(zip(columns(recorder.measures), line.split(";"), strict=False))


def test_each_counter_reaches_its_own_column() -> None:
    recorder = Recorder(0, NONE)
    wanted = {}
    for n, (column, counter) in enumerate(COUNTER_COLUMNS, start=100):
        if counter is not None:
            recorder.count(counter, n)
        wanted[column] = "0" if counter is None else str(n)
    row = cells(recorder, [0, 1])
    assert {column: row[f"{column}(C)"] for column, _ in COUNTER_COLUMNS} == wanted


def test_periodic_and_cumulative_values_differ() -> None:
    recorder = Recorder(0, NONE)
    recorder.count("outgoing_calls", 30)
    early = recorder.snapshot(2_000_000_000)
    recorder.count("outgoing_calls", 3)
    late = recorder.snapshot(3_500_000_000)
    row = dict(zip(columns(NONE), row_line(late, late - early, NONE, 10).split(";"), strict=False))
    assert (row["OutgoingCall(P)"], row["OutgoingCall(C)"], row["TotalCallCreated"]) == ("3", "33", "33")
    assert (row["ElapsedTime(P)"], row["ElapsedTime(C)"]) == ("00:00:01", "00:00:03")
    assert (row["CallRate(P)"], row["CallRate(C)"]) == ("2", "9.42857")
    assert row["LastResetTime"].endswith("\t1795424613.804970")


def test_response_times_have_mean_and_sample_stdev() -> None:
    recorder = Recorder(0, STOCK)
    recorder.record(0, 2_000_000)
    recorder.record(0, 6_000_000)
    row = cells(recorder, [0, 1])
    assert row["ResponseTime1(C)"] == "00:00:00:004000"
    assert row["ResponseTime1StDev(C)"] == "00:00:00:002828"


def test_stdev_of_one_call_is_zero_where_sipp_prints_garbage() -> None:
    broken = dict(zip(columns(STOCK), sipp_lines("onecall")[-1].split(";"), strict=False))
    assert broken["CallLengthStDev(C)"] == "2562047788015:12:55:808000"
    recorder = Recorder(0, STOCK)
    recorder.record(1, 1_508_000_000)
    row = cells(recorder, [0, 1])
    assert row["CallLength(C)"] == broken["CallLength(C)"] == "00:00:01:508000"
    assert row["CallLengthStDev(C)"] == "00:00:00:000000"


def test_repartition_cells_are_cumulative_behind_an_empty_title_cell() -> None:
    recorder = Recorder(0, STOCK)
    for ms in (9, 10, 10, 199, 200, 5000):
        recorder.record(0, ms * 1_000_000)
    row = cells(recorder, [0, 1])
    assert row["ResponseTimeRepartition1"] == ""
    assert [row[f"ResponseTimeRepartition1_{bound}"] for bound in ("<10", "<20", "<200", ">=200")] == [
        "1", "2", "1", "2"]  # fmt: skip


def test_generic_counters_and_target_rate_are_written() -> None:
    recorder = Recorder(0, MANY)
    recorder.count_generic(0, 12)
    recorder.count_generic(1, 5)
    row = cells(recorder, [0, 1])
    assert (row["okc(C)"], row["GenericCounter3(C)"], row["TargetRate"]) == ("12", "5", "2.5")


@pytest.mark.parametrize(
    ("value", "text"),
    [(10.0, "10"), (0.0, "0"), (2.5, "2.5"), (8.991008, "8.99101"), (0.620347, "0.620347"),
     (999999.0, "999999"), (1_000_000.0, "1000000"), (1234567.8, "1234568")],
)  # fmt: skip
def test_numbers_have_six_significant_digits_and_no_exponent(value: float, text: str) -> None:
    assert number_text(value) == text


def test_file_has_header_and_a_row_per_write_with_the_chosen_delimiter(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    recorder = Recorder(0, NONE)
    file = StatFile(path, NONE, delimiter=",")
    recorder.count("incoming_calls", 4)
    file.report(recorder.snapshot(1_000_000_000), INFO)
    recorder.count("incoming_calls", 1)
    file.report(recorder.snapshot(2_000_000_000), INFO)
    file.close()
    header, *rows = path.read_text().splitlines()
    assert header == header_line(NONE, ",")
    column = columns(NONE).index("IncomingCall(P)")
    assert [row.split(",")[column : column + 2] for row in rows] == [["4", "4"], ["1", "5"]]
    assert file.failure is None


def test_rows_are_on_disk_before_close(tmp_path: Path) -> None:
    file = StatFile(tmp_path / "s.csv", NONE)
    file.report(Recorder().snapshot(1), INFO)
    assert len((tmp_path / "s.csv").read_text().splitlines()) == 2
    file.close()


def test_the_end_is_written_twice_as_sipp_does(tmp_path: Path) -> None:
    file = StatFile(tmp_path / "s.csv", NONE)
    file.begin(Recorder().snapshot(), INFO)
    file.end(Recorder().snapshot(5_000_000_000), INFO)
    _, first, last, again = (tmp_path / "s.csv").read_text().splitlines()
    assert (first.split(";")[4], last.split(";")[4]) == ("00:00:00", "00:00:05")
    assert (last.split(";")[3], again.split(";")[3]) == ("00:00:05", "00:00:00")


def test_repartition_columns_begin_anew_each_period_where_asked(tmp_path: Path) -> None:
    recorder = Recorder(0, STOCK)
    file = StatFile(tmp_path / "s.csv", STOCK, periodic_tables=True)
    for _ in range(2):
        recorder.record(1, 20_000_000)
        file.report(recorder.snapshot(1), INFO)
    file.close()
    column = columns(STOCK).index("CallLengthRepartition_<50")
    assert [row.split(";")[column] for row in (tmp_path / "s.csv").read_text().splitlines()[1:]] == ["1", "1"]


def test_rows_may_have_rfc3339_times(tmp_path: Path) -> None:
    file = StatFile(tmp_path / "s.csv", NONE, stamps=Stamps(rfc3339=True))
    file.report(Recorder().snapshot(1), INFO)
    file.close()
    assert (tmp_path / "s.csv").read_text().splitlines()[1].startswith("2026-11-23T09:03:31.804970Z;")


def test_file_that_cannot_be_created_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        StatFile(tmp_path / "missing" / "s.csv", NONE)


def test_full_disk_ends_the_file_not_the_run() -> None:
    file = StatFile(Path("/dev/full"), NONE)
    file.report(Recorder().snapshot(1), INFO)
    file.close()
    assert file.failure is not None
    assert file.failure.strerror == "No space left on device"


@pytest.mark.interop
@pytest.mark.skipif(shutil.which("sipp") is None, reason="the real sipp (sip-tester) is not installed")
@pytest.mark.parametrize("name", sorted(MEASURES))
def test_header_equals_that_of_the_installed_sipp(name: str, tmp_path: Path) -> None:
    flow = ["-sf", str(DATA / "measures.xml")] if name == "measures" else ["-sn", name]
    remote = [] if name == "uas" else ["127.0.0.1:9"]
    options = ["-i", "127.0.0.1", "-m", "0", "-nostdin", "-trace_stat", "-stf", "s.csv"]
    command = ["sipp", *flow, *remote, *options]
    subprocess.run(command, cwd=tmp_path, timeout=20, capture_output=True, check=False)
    assert header_line(MEASURES[name]) == (tmp_path / "s.csv").read_text().split("\n")[0]
