"""Every option of SIPp (3.6.1 and its newest master): accepted, or refused with what it needs."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sippx.command_line import InformationRequest, parse_command_line
from sippx.errors import UsageError
from sippx.options import REFUSED_OPTIONS, Options, find_option

with (Path(__file__).parent / "data" / "sipp_options.csv").open(newline="") as file:
    ROWS: list[dict[str, Any]] = [dict(row) for row in csv.DictReader(file)]
NO_EFFECT = re.compile(r"[Ww]ithout effect|sippx always does|sippx .* is never ended by it")


def words_of(row: dict[str, Any], dashes: str) -> list[str]:
    arguments = row["sample"].split(maxsplit=int(row["arguments"]) - 1) if row["sample"] else []
    return [*row["behind"].split(), dashes + row["option"].lstrip("-"), *arguments]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["option"])
def test_an_option_of_sipp_is_accepted_or_says_what_it_needs(row: dict[str, Any]) -> None:
    outcomes = []
    for dashes in ("-", "--"):
        try:
            outcomes.append(parse_command_line(words_of(row, dashes)))
        except UsageError as error:
            needs = re.search(r"needs [\w-]+|this version of sippx does not support yet", str(error))
            assert needs, error
            outcomes.append(re.sub(r"^-+", "", str(error)))
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["option"])
def test_an_accepted_option_changes_the_options_or_prints_something(row: dict[str, Any]) -> None:
    if row["option"] in REFUSED_OPTIONS:
        return
    try:
        parsed = parse_command_line(words_of(row, "-"))
    except UsageError:
        return
    without = parse_command_line(row["behind"].split())
    assert isinstance(parsed, InformationRequest) or (isinstance(parsed, Options) and parsed != without)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["option"])
def test_the_table_takes_as_many_words_as_sipp(row: dict[str, Any]) -> None:
    if row["option"] not in REFUSED_OPTIONS:
        assert find_option(row["option"]).type.n_arguments == int(row["arguments"])


def test_what_is_refused_is_an_option_of_sipp() -> None:
    assert set(REFUSED_OPTIONS) <= {row["option"] for row in ROWS}


def test_what_only_sippx_has_says_so() -> None:
    from sippx.options import ALL_OPTIONS

    known = {row["option"] for row in ROWS}
    for spec in ALL_OPTIONS:
        if not spec.is_positional and not set(spec.flags) & known:
            assert "Only in sippx." in spec.help, spec.flags


def test_what_has_no_effect_says_so_in_the_help() -> None:
    from sippx.runner.engine_setup import without_effect

    given = Options(
        max_sockets=9, max_reconnects=9, reconnect_close=False, reconnect_sleep_ms=9, skip_rlimit=True,
        send_timeout_ms=9, send_errors_are_fatal=True, connect_timeout_ms=9, ip_field=1,
    )  # fmt: skip
    lines = without_effect(given)
    assert len(lines) == 9
    for line in lines:
        spec = find_option(line.split()[0])
        assert "over UDP with one socket (-t u1)" in line
        assert NO_EFFECT.search(spec.help) or "transport modes with more than one" in spec.help
    for row in ROWS:
        if row["option"].startswith("-watchdog"):
            assert NO_EFFECT.search(find_option(row["option"]).help)


@pytest.mark.parametrize(
    ("mode", "flags"),
    [
        ("u1", "-max_socket -max_reconnect -tls_ca -ws_path -heartbeat -ip_field"),
        ("un", "-max_reconnect -tls_ca -ws_path -heartbeat -ip_field"),
        ("ui", "-max_reconnect -tls_ca -ws_path -heartbeat"),
        ("t1", "-tls_ca -ws_path -heartbeat -ip_field --no-gso"),
        ("ln", "-ws_path -heartbeat -ip_field --no-gso"),
        ("w1", "-tls_ca -heartbeat -ip_field --no-gso"),
        ("wsn", "-heartbeat -ip_field --no-gso"),
        ("s1", "-tls_ca -ws_path -ip_field --no-gso"),
    ],
)
def test_options_that_another_transport_has_use_for_are_told(mode: str, flags: str) -> None:
    from sippx.runner.engine_setup import without_effect

    given = Options(
        transport=mode, injection_files=("a.csv",), max_sockets=9, max_reconnects=9, tls_ca="ca.pem", websocket_path="/x",
        heartbeat_ms=9, ip_field=1, gso=False,
    )  # fmt: skip
    assert {line.split()[0] for line in without_effect(given)} == set(flags.split())


@pytest.mark.interop
def test_the_list_has_all_options_of_the_real_sipp() -> None:
    if shutil.which("sipp") is None:
        pytest.skip("needs the real sipp (Debian package sip-tester)")
    text = subprocess.run(["sipp", "-h"], capture_output=True, text=True, timeout=60, check=False).stdout
    listed = set(re.findall(r"^   (-\w*[A-Za-z]\w*)", text, re.MULTILINE))
    assert len(listed) > 90
    assert listed <= {row["option"] for row in ROWS}
