"""Completion scripts, each asked in its own shell."""

from __future__ import annotations

import os
import pty
import select
import shlex
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from sippx.cli import main
from sippx.command_line import SHELLS
from sippx.completion import completion_script, value_of
from sippx.options import ALL_OPTIONS
from sippx.scenario import builtin_names
from sippx.transports import MODES

DEADLINE_S = 20
OPTIONS = [spec for spec in ALL_OPTIONS if not spec.is_positional]
FLAGS = {flag for spec in OPTIONS for flag in spec.flags}
CHOICES = [spec for spec in OPTIONS if spec.type.n_arguments and value_of(spec).choices]
BEHAVIORS = {"all", "none", "bye", "abortunexp", "pingreply", "cseq"}


def need(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"needs {shell}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for shell in SHELLS:
        (tmp_path / f"script.{shell}").write_text(completion_script(shell), "utf-8")
    (tmp_path / "my call.xml").touch()
    return tmp_path


def run(command: list[str], folder: Path) -> set[str]:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=DEADLINE_S, check=False,
        env={**os.environ, "HOME": str(folder), "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    assert done.stderr == ""
    return set(done.stdout.splitlines())


def bash(line: str, folder: Path) -> set[str]:
    """What bash would offer at the end of the line; a line that ends in a blank has a new word there."""
    need("bash")
    words = shlex.split(line) + ([""] if line.endswith(" ") else [])
    script = (
        f"source script.bash; COMP_WORDS=({shlex.join(words)}); COMP_CWORD={len(words) - 1}; _sippx;"
        'for word in "${COMPREPLY[@]}"; do echo "$word"; done'
    )
    return run(["bash", "--norc", "-c", script], folder)


def fish(line: str, folder: Path) -> set[str]:
    need("fish")
    found = run(["fish", "--no-config", "-c", f"source script.fish; complete -C {shlex.quote(line)}"], folder)
    return {offer.partition("\t")[0] for offer in found}


def typed(shell: str, setup: str, keys: str, wanted: list[str], folder: Path) -> str:
    """What an interactive shell shows after these keys, up to all that is wanted; the line is not run."""
    need(shell)
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        words = ["zsh", "-f", "-i"] if shell == "zsh" else ["bash", "--norc", "-i"]
        os.execvpe(words[0], words, {**os.environ, "TERM": "xterm", "PS1": "READY> ", "HOME": str(folder)})
    shown = b""

    def read_until(texts: list[bytes]) -> None:
        nonlocal shown
        end_s = time.monotonic() + DEADLINE_S
        while not all(text in shown for text in texts):
            if not select.select([terminal], [], [], max(end_s - time.monotonic(), 0))[0]:
                return
            try:
                shown += os.read(terminal, 65536)
            except OSError:
                return

    try:
        os.write(terminal, f"{setup}; echo DO'NE'\n".encode())
        read_until([b"DONE"])
        shown = b""
        os.write(terminal, keys.encode())
        read_until([word.encode() for word in wanted])
    finally:
        os.write(terminal, b"\x03\nexit\n")
        os.close(terminal)
        end_s = time.monotonic() + DEADLINE_S
        while os.waitpid(pid, os.WNOHANG) == (0, 0):
            assert time.monotonic() < end_s
            time.sleep(0.02)
    return shown.decode("utf-8", "replace")


def zsh(keys: str, wanted: list[str], folder: Path) -> str:
    setup = "PS1='READY> '; autoload -U compinit; compinit -u -D; setopt no_beep; source script.zsh"
    return typed("zsh", setup, keys, wanted, folder)


# ---- the table ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", CHOICES, ids=lambda spec: spec.flags[0])
def test_every_value_offered_is_accepted(spec: object) -> None:
    for choice in value_of(spec).choices:  # type: ignore[arg-type]
        spec.type.parse(choice)  # type: ignore[attr-defined]


@pytest.mark.parametrize("shell", SHELLS)
def test_the_command_prints_the_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    assert capsys.readouterr() == (completion_script(shell), "")


@pytest.mark.parametrize("words", [["completion"], ["completion", "csh"], ["completion", "bash", "zsh"]])
def test_other_shells_are_refused_with_those_there_are(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 1
    assert "bash, zsh, fish" in capsys.readouterr().err


# ---- bash --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("sippx -", FLAGS),
        ("sippx --no-g", {"--no-gso", "--no-gro"}),
        ("sippx --trace_s", {"--trace_stat", "--trace_shortmsg", "--trace_screen"}),
        ("sippx -r 5 -trace_st", {"-trace_stat"}),
        ("sippx -sn ", set(builtin_names())),
        ("sippx --sd ooc", {"ooc_default", "ooc_dummy"}),
        ("sippx -oocsn ooc_de", {"ooc_default"}),
        ("sippx -rtcheck ", {"full", "loose"}),
        ("sippx -t ", set(MODES)),
        ("sippx -tls_version ", {"1.0", "1.1", "1.2", "1.3"}),
        ("sippx -tls_ca my", {"my call.xml"}),
        ("sippx -error_overwrite f", {"false"}),
        ("sippx -default_behaviors ", BEHAVIORS),
        ("sippx -default_behaviors bye,cs", {"bye,cseq"}),
        ("sippx -sf my", {"my call.xml"}),
        ("sippx -infindex my", {"my call.xml"}),
        ("sippx -infindex my ", set()),
        ("sippx -key a ", set()),
        ("sippx -key -sn ", set()),
        ("sippx -r ", set()),
        ("sippx c", {"check", "completion"}),
        ("sippx completion ", {"bash", "zsh", "fish", "-h"}),
        ("sippx check my", {"my call.xml"}),
        ("sippx check --", {"--list"}),
        ("sippx show 3pcc-C", {"3pcc-C-A", "3pcc-C-B"}),
    ],
)
def test_bash_offers(line: str, offered: set[str], folder: Path) -> None:
    found = bash(line, folder)
    assert found >= offered if line == "sippx c" else found == offered  # hosts beginning with c are offered, too


@pytest.mark.parametrize(
    ("keys", "completed"),
    [("sippx -sn branchc\b\t\t", "branchs"), ("sippx -sf my\t", r"my\ call.xml"), ("sippx comp\t", "completion ")],
)
def test_bash_completes_what_is_typed(keys: str, completed: str, folder: Path) -> None:
    shown = typed("bash", "bind 'set bell-style none'; source script.bash", keys, [completed], folder)
    assert completed in shown


# ---- fish and zsh ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("sippx -trace_s", {"-trace_stat", "-trace_shortmsg", "-trace_screen"}),
        ("sippx --no-g", {"--no-gso", "--no-gro"}),
        ("sippx -sn ", set(builtin_names())),
        ("sippx -s u -oocsn ooc_de", {"ooc_default"}),
        ("sippx -rtcheck ", {"full", "loose"}),
        ("sippx -t ", set(MODES)),
        ("sippx -tls_version ", {"1.0", "1.1", "1.2", "1.3"}),
        ("sippx -tls_ca my", {"my call.xml"}),
        ("sippx -default_behaviors bye,cs", {"bye,cseq"}),
        ("sippx -sf my", {"my call.xml"}),
        ("sippx -r ", set()),
        ("sippx completion ", set(SHELLS)),
        ("sippx show 3pcc-C", {"3pcc-C-A", "3pcc-C-B"}),
    ],
)
def test_fish_offers(line: str, offered: set[str], folder: Path) -> None:
    assert fish(line, folder) == offered


@pytest.mark.parametrize(
    ("keys", "shown"),
    [
        ("sippx -trace_st\t", ["-trace_stat"]),
        ("sippx --no-g\t\t", ["--no-gso", "--no-gro"]),
        ("sippx -sn ooc_\t\t", ["ooc_default", "ooc_dummy"]),
        ("sippx -r 5 -oocsn ooc_de\t", ["ooc_default"]),
        ("sippx -rtcheck l\t", ["loose"]),
        ("sippx -default_behaviors bye,cs\t", ["bye,cseq"]),
        ("sippx -sf my\t", [r"my\ call.xml"]),
        ("sippx completion f\t", ["fish"]),
        ("sippx show 3pcc-C\t\t", ["3pcc-C-A", "3pcc-C-B"]),
        ("sippx comp\t", ["completion"]),
    ],
)
def test_zsh_completes_what_is_typed(keys: str, shown: list[str], folder: Path) -> None:
    text = zsh(keys, shown, folder)
    for word in shown:
        assert word in text


def test_every_option_is_in_every_script() -> None:
    for spec in OPTIONS:
        for flag, name in zip(spec.flags, spec.names, strict=True):
            assert f" {flag} " in completion_script("bash").replace("'", " ")
            assert f"{flag}[" in completion_script("zsh")
            assert any(f" {kind} {name} " in completion_script("fish") for kind in ("-o", "-l"))
