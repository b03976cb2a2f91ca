"""The limit of open files: raised, and told where it is too low; each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from sippx.descriptors import RESERVE

_START = """
import os, resource, sys
from sippx.descriptors import raise_limit, reserve_sockets
from sippx.errors import UsageError
resource.setrlimit(resource.RLIMIT_NOFILE, (256, {hard}))
def setrlimit(*_): raise ValueError("not allowed to raise maximum limit")
usual = resource.setrlimit
def unprivileged(which, limits):
    if limits[1] > {hard}: raise ValueError("not allowed to raise maximum limit")
    usual(which, limits)
resource.setrlimit = unprivileged
"""


def result(hard: int, code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", _START.format(hard=hard) + code], capture_output=True, text=True, timeout=60,
        cwd=Path(__file__).parents[1],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_soft_limit_goes_up_to_what_is_needed() -> None:
    text = result(4000, "print(raise_limit(1000), resource.getrlimit(resource.RLIMIT_NOFILE)[0])")
    n, soft = map(int, text.split())
    assert n == 1000
    assert 1000 + RESERVE < soft < 1000 + RESERVE + 50


def test_a_limit_that_is_high_enough_stays() -> None:
    assert result(4000, "print(raise_limit(1), resource.getrlimit(resource.RLIMIT_NOFILE)[0])") == "1 256"


def test_where_the_hard_limit_is_too_low_fewer_sockets_fit_and_a_note_says_so() -> None:
    n, note = result(1000, "print(*reserve_sockets(None, 50000, is_checked=True), sep='|')").split("|")
    assert 1000 - RESERVE - 50 < int(n) < 1000 - RESERVE
    assert note == (
        f"at most {n} sockets will be open at a time instead of 50000 (-max_socket): this process may have 1000 files "
        "open (ulimit -n)"
    )


def test_a_number_that_was_given_and_does_not_fit_is_an_error_in_sipps_words() -> None:
    code = """
try:
    reserve_sockets(900, 50000, is_checked=True)
except UsageError as error:
    print(error)
"""
    assert result(1000, code).startswith(
        "Maximum number of open sockets (900) should be less than the maximum number of open files (1000)"
    )


def test_a_number_that_was_given_and_fits_is_taken() -> None:
    assert result(1000, "print(*reserve_sockets(700, 50000, is_checked=True))") == "700"


def test_skip_rlimit_takes_the_number_as_it_is() -> None:
    assert result(1000, "print(*reserve_sockets(900, 50000, is_checked=False))") == "900"


def test_the_lowest_limit_still_leaves_a_socket() -> None:
    assert result(256, "print(raise_limit(50000) >= 1)") == "True"


def test_low_limit_keeps_a_quarter_for_other_use() -> None:
    script = (
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))\n"
        "from sippx.descriptors import raise_limit\n"
        "print(raise_limit(1000))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert 30 <= int(done.stdout) <= 48
