"""sippx check and sippx show: scenarios are examined and drawn without running them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import sippx as sippx_package
from sippx.scenario import builtin_names

from .harness import Command, Finished, free_port, send_step

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(sippx_package.__file__).parents[1])}
Run = Callable[..., Finished]
CLEAN = send_step("OPTIONS", attributes='retrans="500"')


def scenario(path: Path, body: str) -> str:
    path.write_text(f"<scenario name='x'>\n{body}\n</scenario>")
    return path.name


def test_check_of_a_clean_scenario_is_silent_and_ends_with_0(sippx: Run) -> None:
    ended = sippx("check", "uac")
    assert (ended.code, ended.out, ended.err) == (0, "", "")


def test_check_prints_an_error_with_its_place_and_ends_with_1(sippx: Run, tmp_path: Path) -> None:
    ended = sippx("check", scenario(tmp_path / "a.xml", " <teleport/>"))
    assert (ended.code, ended.err) == (1, ""), ended.text
    assert ended.out == "a.xml:2:2: error: unknown element <teleport> [invalid]\n"


def test_check_ends_with_2_for_warnings_only(sippx: Run, tmp_path: Path) -> None:
    name = scenario(tmp_path / "a.xml", CLEAN + '\n<pause milliseconds="99999999"/>')
    ended = sippx("check", name)
    assert ended.code == 2, ended.text
    assert "warning: the pause lasts up to 1.16 days" in ended.out


def test_check_goes_on_behind_a_scenario_that_is_wrong(sippx: Run, tmp_path: Path) -> None:
    ended = sippx("check", "none.xml", "uac", scenario(tmp_path / "b.xml", "<teleport/>"))
    assert ended.code == 1
    assert [line.split(":")[0] for line in ended.out.splitlines()] == ["none.xml", "b.xml"]


def test_check_knows_keys_and_injection_files_by_their_options(sippx: Run, tmp_path: Path) -> None:
    body = CLEAN.replace("Call-ID:", "X-Key: [some]\nX-Field: [field0 file=u.csv]\nCall-ID:")
    name = scenario(tmp_path / "a.xml", body)
    assert "unknown keyword" in sippx("check", name).out
    ended = sippx("check", name, "-key", "some", "value", "-inf", "folder/u.csv")
    assert "[invalid]" not in ended.out, ended.text


def test_check_list_prints_every_check(sippx: Run) -> None:
    ended = sippx("check", "--list")
    assert ended.code == 0
    assert "never-matches   error " in ended.out


@pytest.mark.parametrize("name", builtin_names())
def test_built_in_scenarios_are_checked_and_shown(sippx: Run, name: str) -> None:
    assert sippx("check", name).code in (0, 2)
    ended = sippx("show", name)
    assert ended.code == 0, ended.text
    assert ended.out.startswith(f"{name} (built-in)")
    assert f"\nprogram {name} (" in ended.out


def test_show_prints_ladder_and_program_of_a_file(sippx: Run, tmp_path: Path) -> None:
    ended = sippx("show", scenario(tmp_path / "a.xml", CLEAN))
    assert ended.code == 0, ended.text
    ladder, _, program = ended.out.partition("\nprogram a ")
    assert "   0 |------------ OPTIONS ------------>|  retrans 500 ms" in ladder
    assert "send OPTIONS" in program


def test_show_of_a_wrong_scenario_is_one_line(sippx: Run, tmp_path: Path) -> None:
    ended = sippx("show", scenario(tmp_path / "a.xml", "<teleport/>"))
    assert ended.assert_one_line_error(1) == "sippx: a.xml:2:1: unknown element <teleport>"


@pytest.mark.parametrize("words", [("check",), ("show",), ("show", "uac", "uas"), ("check", "uac", "-m", "5")])
def test_a_wrong_use_of_a_verb_is_one_line(sippx: Run, words: tuple[str, ...]) -> None:
    assert words[0] in sippx(*words).assert_one_line_error(1)


def test_the_help_of_a_verb_ends_with_99(sippx: Run) -> None:
    ended = sippx("check", "-h")
    assert ended.code == 99
    assert "Usage: sippx check FILE" in ended.out


def test_a_host_named_check_is_written_with_its_port(sippx: Run) -> None:
    ended = sippx(f"check:{free_port()}", "-m", 0, "-p", free_port())
    assert "Usage" not in ended.text
    assert "check needs" not in ended.text


def test_text_that_the_terminal_cannot_print_is_escaped(start: Callable[..., Command], tmp_path: Path) -> None:
    name = scenario(tmp_path / "a.xml", CLEAN + "<nop display='\u00e4'/>")
    ended = start("show", name, env={"PYTHONIOENCODING": "ascii"}).wait()
    assert ended.code == 0, ended.text
    assert "[ \\xe4 ]" in ended.out


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sippx", "show", "regexp"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, cwd=tmp_path, env=ENVIRONMENT) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 0


def test_the_help_does_not_load_what_the_verbs_need(tmp_path: Path) -> None:
    code = "import sys, sippx.cli; sippx.cli.main(['-h']); sys.exit('lxml' in sys.modules or 'numpy' in sys.modules)"
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stderr
