"""Writing the result files: whole or not at all, each by itself, and what cannot be written is said."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path

import pytest
from outcomes import sample_outcome

from sippx.report import htmlfile
from sippx.report.outcome import check_writable, write_results, write_whole

FULL = Path("/dev/full")


def test_all_files_are_written(tmp_path: Path) -> None:
    paths = {name: str(tmp_path / f"r.{name}") for name in ("json", "junit", "html")}
    assert write_results(sample_outcome(1), **paths) == []
    assert json.loads((tmp_path / "r.json").read_text())["schema"] == "sippx-result/1"
    assert {item.name for item in tmp_path.iterdir()} == {"r.json", "r.junit", "r.html"}


def test_file_that_fails_does_not_take_the_others_with_it(tmp_path: Path) -> None:
    notes = write_results(sample_outcome(1), json=str(tmp_path / "gone" / "r.json"), junit=str(tmp_path / "r.xml"))
    assert notes == [f"cannot write '{tmp_path}/gone/r.json': No such file or directory"]
    assert (tmp_path / "r.xml").exists()


def test_json_is_written_before_a_page_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(outcome: object) -> str:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(htmlfile, "page_text", broken)
    notes = write_results(sample_outcome(1), json=str(tmp_path / "r.json"), html=str(tmp_path / "r.html"))
    assert notes == [f"cannot write '{tmp_path}/r.html': Input/output error"]
    assert (tmp_path / "r.json").exists()


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full")
def test_full_disk_is_a_note() -> None:
    assert write_results(sample_outcome(1), json="/dev/full") == ["cannot write '/dev/full': No space left on device"]


def test_earlier_file_stays_whole_when_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "r.json"
    path.write_text("earlier")

    def no_space(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="No space"):
        write_whole(str(path), "new")
    assert path.read_text() == "earlier"
    assert [item.name for item in tmp_path.iterdir()] == ["r.json"]


def test_rights_and_links_are_kept(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("earlier")
    target.chmod(0o640)
    link.symlink_to(target)
    write_whole(str(link), "new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


def test_new_file_has_the_rights_of_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_whole(str(tmp_path / "new"), "text")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640


def test_dash_is_standard_output(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    write_whole("-", "text \udcff\n")
    assert capfdbinary.readouterr().out == b"text \\udcff\n"


def test_standard_output_that_is_closed_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert write_results(sample_outcome(2), json="-") == ["cannot write '-': standard output is closed"]


def test_check_finds_what_could_not_be_created(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        check_writable(str(tmp_path / "gone" / "r.json"))
    with pytest.raises(OSError, match="directory"):
        check_writable(str(tmp_path))


def test_check_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("old")
    for path in ("new", "old"):
        check_writable(str(tmp_path / path))
    check_writable("-")
    assert [item.name for item in tmp_path.iterdir()] == ["old"]
    assert (tmp_path / "old").read_text() == "old"
