"""The file of -slave_cfg."""

from __future__ import annotations

from pathlib import Path

import pytest

from sippx.errors import UsageError
from sippx.twins import read_twins, split_twin_address


def twins_of(folder: Path, text: str) -> dict[str, tuple[str, int]]:
    path = folder / "t.cfg"
    path.write_text(text)
    return dict(read_twins(str(path)))


def test_lines_name_twins_and_others_are_skipped(tmp_path: Path) -> None:
    text = "m;127.0.0.1:7000\r\n\n# s0\nnothing\n;127.0.0.1:1\nx;\n s1 ; [::1]:7001 ;more\ns2;127.0.0.1\nm;127.0.0.1:7003"
    assert twins_of(tmp_path, text) == {"m": ("127.0.0.1", 7000), "s1": ("::1", 7001), "s2": ("127.0.0.1", 6060)}


@pytest.mark.parametrize("line", ["a;127.0.0.1:0", "a;127.0.0.1:x", "a;:5", "a;[::1", "a;127.0.0.1:70000"])
def test_line_that_is_wrong_is_named(tmp_path: Path, line: str) -> None:
    with pytest.raises(UsageError, match=r"t\.cfg:2: '.*' is not an address"):
        twins_of(tmp_path, f"m;127.0.0.1:7000\n{line}\n")


def test_file_that_is_not_there_is_said_in_sipps_words(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"Can not open slave_cfg file .*none: No such file"):
        read_twins(str(tmp_path / "none"))


def test_endless_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="longer than"):
        twins_of(tmp_path, "x" * (1 << 20) + "x")
    with pytest.raises(UsageError, match="more than 1000 twins"):
        twins_of(tmp_path, "".join(f"t{i};127.0.0.1:{i + 1}\n" for i in range(2000)))


def test_port_is_6060_where_none_is_given() -> None:
    assert split_twin_address("localhost") == ("localhost", 6060)
    assert split_twin_address("127.0.0.1:1") == ("127.0.0.1", 1)
