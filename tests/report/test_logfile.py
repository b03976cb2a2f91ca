"""Logs: opening, appending, bounds, rotation under sipp's names, and failing softly."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sippx.report.logfile import LogFile, LogLimits


def make(path: Path, **options: object) -> LogFile:
    log = LogFile(path, **options)  # type: ignore[arg-type]
    log.turn_on()
    return log


def test_a_log_is_created_when_turned_on_and_holds_what_is_written(tmp_path: Path) -> None:
    log = make(tmp_path / "l", head=b"head\n")
    assert (tmp_path / "l").read_bytes() == b"head\n"
    log.write(b"one")
    log.write(memoryview(b"two"))
    assert (tmp_path / "l").read_bytes() == b"head\nonetwo"
    log.turn_off()
    log.write(b"three")
    assert (tmp_path / "l").read_bytes() == b"head\nonetwo"


def test_a_lazy_log_is_created_by_its_first_entry(tmp_path: Path) -> None:
    log = make(tmp_path / "l", head=b"head\n", lazy=True)
    assert not log.is_created
    assert list(tmp_path.iterdir()) == []
    log.write(b"x")
    assert log.is_created
    assert (tmp_path / "l").read_bytes() == b"head\nx"


def test_an_earlier_file_is_replaced_or_continued(tmp_path: Path) -> None:
    path = tmp_path / "l"
    path.write_bytes(b"old ")
    log = make(path, append=True)
    log.write(b"new")
    log.turn_off()
    assert path.read_bytes() == b"old new"
    make(path).turn_off()
    assert path.read_bytes() == b""


def test_a_log_turned_on_again_is_continued(tmp_path: Path) -> None:
    log = make(tmp_path / "l")
    log.write(b"one")
    log.turn_off()
    log.turn_on()
    log.write(b"two")
    assert (tmp_path / "l").read_bytes() == b"onetwo"


def test_a_log_that_cannot_be_created_is_an_os_error_and_a_lazy_one_a_failure(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        make(tmp_path / "missing" / "l")
    log = make(tmp_path / "missing" / "l", lazy=True)
    log.write(b"xy")
    log.write(b"z")
    assert isinstance(log.failure, FileNotFoundError)
    assert log.n_lost_bytes == 3
    assert not log.is_on


def test_a_full_disk_counts_what_is_lost() -> None:
    log = make(Path("/dev/full"))
    log.write(b"x" * 10)
    log.write(b"y")
    log.turn_off()
    assert log.failure is not None
    assert log.failure.errno == errno.ENOSPC
    assert log.n_lost_bytes == 11
    assert log.note == "'/dev/full' is incomplete (No space left on device), at least 11 bytes are lost"


def test_a_log_is_closed_for_good_once_it_has_more_than_its_largest_size(tmp_path: Path) -> None:
    log = make(tmp_path / "l", limits=LogLimits(max_bytes=5))
    assert log.room == 5
    log.write(b"abcde")
    assert log.is_on
    assert log.room == 0
    log.write(b"f")
    assert not log.is_on
    log.turn_on()
    log.write(b"g")
    assert (tmp_path / "l").read_bytes() == b"abcdef"
    assert log.note is None


def test_full_files_of_a_ring_are_kept_under_the_second_they_were_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    seconds = iter([100.5, 101.0, 101.9, 101.95, 103.0])
    limits = LogLimits(ring_bytes=4, ring_files=3)
    log = make(Path("given.log"), rotated_stem="uac_7_messages", limits=limits, clock=lambda: next(seconds))
    for text in (b"aaaaa", b"bbbbb", b"ccccc", b"ddddd", b"e"):
        log.write(text)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "uac_7_messages_101.log": b"bbbbb",
        "uac_7_messages_101.1.log": b"ccccc",
        "uac_7_messages_101.2.log": b"ddddd",
        "given.log": b"e",
    }


def test_a_ring_without_files_begins_the_file_anew(tmp_path: Path) -> None:
    log = make(tmp_path / "l", head=b"h", limits=LogLimits(ring_bytes=4))
    log.write(b"aaaaa")
    log.write(b"b")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"hb"]


def test_a_ring_that_cannot_rename_fails_softly(tmp_path: Path) -> None:
    log = make(tmp_path / "l", rotated_stem=str(tmp_path / "missing" / "x"), limits=LogLimits(ring_bytes=1, ring_files=2))
    log.write(b"aaaaa")
    assert isinstance(log.failure, OSError)


FILL = """
import sys
from pathlib import Path
from sippx.report.logfile import LogFile
log = LogFile(Path(sys.argv[1]) / "l")
log.turn_on()
for _ in range(100):
    log.write(b"x" * 100_000)
print(log.note)
"""


def test_a_full_file_system_ends_the_log_not_its_writer(tmp_path: Path) -> None:
    mount = f"mount -t tmpfs -o size=1M none {tmp_path} && exec {sys.executable} -c '{FILL}' {tmp_path}"
    ended = subprocess.run(
        ["unshare", "-rm", "sh", "-c", mount], capture_output=True, text=True, timeout=20, check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    if ended.returncode != 0:
        pytest.skip(f"no tmpfs of its own here: {ended.stderr.strip()}")
    assert "No space left on device" in ended.stdout
