"""Reading injection files: against a slow twin, against the real sipp, and what is said about wrong ones."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference.injection import read
from sippx._core.injection import Injection, InjectionState
from sippx.errors import ScenarioError
from sippx.injection import PADDING, InjectionTable, Order, load_injection, parse_injection

LINES = st.lists(st.text("ab;#% \r", max_size=12).map(str.encode), max_size=12)


def lines_of(table: InjectionTable) -> list[bytes]:
    data = table.data.tobytes()
    places = zip(table.line_start.tolist(), table.line_len.tolist(), strict=True)
    return [data[start : start + length] for start, length in places]


def error_of(data: bytes) -> str:
    with pytest.raises(ScenarioError) as caught:
        parse_injection(data, "f.csv")
    return str(caught.value)


@given(LINES, st.booleans(), st.sampled_from([b"\n", b"\r\n"]))
def test_lines_are_those_of_the_slow_twin(lines: list[bytes], ends: bool, newline: bytes) -> None:
    data = newline.join([b"SEQUENTIAL", *lines]) + (newline if ends else b"")
    twin = read(data)
    if not twin.lines:
        assert "no data lines" in error_of(data)
        return
    table = parse_injection(data, "f.csv")
    assert lines_of(table) == twin.lines
    assert table.n_lines == len(twin.lines)
    assert table.n_fields == max(line.count(b";") + 1 for line in twin.lines)


def test_data_is_followed_by_padding() -> None:
    table = parse_injection(b"USER\na", "f.csv")
    assert table.data.tobytes() == b"USER\na" + bytes(PADDING)
    assert (table.line_start.dtype, table.line_len.dtype) == (np.uint32, np.uint32)


@pytest.mark.parametrize(
    ("header", "order"),
    [
        (b"SEQUENTIAL", Order.SEQUENTIAL),
        (b"RANDOM", Order.RANDOM),
        (b"USER", Order.USER),
        (b"# this is SEQUENTIAL ok", Order.SEQUENTIAL),
        (b"USER SEQUENTIAL", Order.SEQUENTIAL),
        (b"SEQUENTIAL USER RANDOM", Order.RANDOM),
        (b"USER\r", Order.USER),
    ],
)
def test_first_line_gives_the_order(header: bytes, order: Order) -> None:
    assert parse_injection(header + b"\na\n", "f.csv").order is order


@pytest.mark.parametrize(
    ("options", "values"),
    [
        (b"", (0, 0, 1)),
        (b",PRINTF=4", (4, 0, 1)),
        (b",PRINTF=0x10,PRINTFOFFSET=010,PRINTFMULTIPLE=-3", (16, 8, -3)),
        (b",PRINTFMULTIPLE=2,PRINTFOFFSET=-5,PRINTF=+7", (7, -5, 2)),
        (b",PRINTF=2,PRINTFOFFSET=491701234567\r", (2, 491701234567, 1)),
        (b" PRINTF= 4 , PRINTFOFFSET=1", (4, 1, 1)),
        (b",PRINTF=4,PRINTF=5", (4, 0, 1)),
    ],
)
def test_printf_options_are_read_in_any_order(options: bytes, values: tuple[int, int, int]) -> None:
    table = parse_injection(b"SEQUENTIAL" + options + b"\na\n", "f.csv")
    assert (table.n_virtual, table.printf_offset, table.printf_multiple) == values
    assert table.n_lines == (values[0] or 1)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "f.csv:1: the first line must contain SEQUENTIAL, RANDOM or USER, not ''"),
        (b"sequential\na\n", "f.csv:1: the first line must contain SEQUENTIAL, RANDOM or USER, not 'sequential'"),
        (b"#\x00\xff\nUSER\na\n", "f.csv:1: the first line must contain SEQUENTIAL, RANDOM or USER, not '#\\x00\\xff'"),
        (b"USER\n#a\n", "f.csv:2: no data lines: lines with fields separated by ';' must follow the first line"),
        (b"USER,PRINTF=0\na\n", "f.csv:1: PRINTF=0: write PRINTF=n with an integer from 1 to 2147483647 "),
        (b"USER,PRINTF=2147483648\na\n", "f.csv:1: PRINTF=2147483648: write PRINTF=n "),
        (b"USER,PRINTF\na\n", "f.csv:1: PRINTF: write PRINTF=n "),
        (b"USER,PRINTF=4x\na\n", "f.csv:1: PRINTF=4x: write PRINTF=n "),
        (b"USER,PRINTF=08\na\n", "f.csv:1: PRINTF=08: write PRINTF=n "),
        (b"USER,PRINTF=1,PRINTFOFFSET=\na\n", "f.csv:1: PRINTFOFFSET=: write PRINTFOFFSET=n "),
        (b"USER,PRINTF=1,PRINTFMULTIPLE=99999999999\na\n", "f.csv:1: PRINTFMULTIPLE=99999999999: write "),
        (b"USER,PRINTFOFFSET=1\na\n", "f.csv:1: PRINTFOFFSET needs PRINTF=n in the same line"),
    ],
)
def test_a_wrong_file_is_refused_with_its_place(data: bytes, message: str) -> None:
    assert error_of(data).startswith(message)


def test_a_file_that_ends_at_once_says_why_it_has_no_data() -> None:
    assert "an empty line ends an injection file: 1 data lines behind it" in error_of(b"USER\n\na\n")


@pytest.mark.parametrize("text", [b"%x", b"%", b"50%;d", b"%+d", b"% d", b"%5-d", b"%1.2.3d", b"%1000d", b"%.1000d", b"%%%"])
def test_a_conversion_that_is_not_for_decimals_is_refused_with_its_line(text: bytes) -> None:
    data = b"USER,PRINTF=9\n# 100%\na%d\n# 50%\nb;" + text + b";c\n"
    assert re.match(r"f\.csv:5: '%.*' cannot be expanded in a PRINTF file: allowed are %d, ", error_of(data))


@pytest.mark.parametrize("text", [b"%d", b"%%", b"%5d", b"%-5d", b"%05d", b"%.3d", b"%--00999.0999d", b"%.d", b"a%%%db"])
def test_decimal_conversions_are_accepted(text: bytes) -> None:
    assert lines_of(parse_injection(b"USER,PRINTF=9\n" + text + b"\n", "f.csv")) == [text]


def test_percent_signs_mean_nothing_without_printf() -> None:
    assert lines_of(parse_injection(b"USER\n%x;%\n", "f.csv")) == [b"%x;%"]


def test_data_lines_behind_an_empty_line_are_warned_about() -> None:
    table = parse_injection(b"USER\na\n#c\n\nb\n#d\n\nc", "f.csv")
    assert lines_of(table) == [b"a"]
    assert table.warnings == ("f.csv:4: an empty line ends an injection file: 2 data lines behind it are not used",)


def test_an_empty_line_at_the_end_is_not_warned_about() -> None:
    assert parse_injection(b"USER\na\n\n#c\n\n", "f.csv").warnings == ()


def test_a_line_of_only_cr_is_an_empty_data_line_with_a_warning() -> None:
    table = parse_injection(b"USER\r\na\r\n\r\nb\r\n", "f.csv")
    assert lines_of(table) == [b"a", b"", b"b"]
    assert table.warnings == ("f.csv:3: a line of nothing but a CR is a data line with one empty field",)


def test_load_reads_a_file(tmp_path: Path) -> None:
    path = tmp_path / "users.csv"
    path.write_bytes(b"USER\na;b\n")
    table = load_injection(path)
    assert (table.file, lines_of(table)) == (str(path), [b"a;b"])


@pytest.mark.parametrize("name", ["missing.csv", ".", "a\0b"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(ScenarioError, match=r"injection file cannot be read: \w+") as caught:
        load_injection(f"{tmp_path}/{name}")
    assert caught.value.file == f"{tmp_path}/{name}"


# --------------------------------------------------------------------------- the real sipp

SCENARIO = r"""<?xml version="1.0" encoding="ISO-8859-1"?>
<scenario name="fields"><send><![CDATA[
OPTIONS sip:a SIP/2.0
Call-ID: [call_id]
X: \x3c[field0]\x3e\x3c[field1]\x3e\x3c[field2]\x3e
Content-Length: 0

]]></send></scenario>
"""
N_CALLS = 6


def fields_of_sipp(data: bytes, folder: Path) -> list[bytes]:
    """The fields 0, 1 and 2 of the first calls, as the real sipp sends them."""
    (folder / "f.csv").write_bytes(data)
    (folder / "s.xml").write_text(SCENARIO)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))
        peer.settimeout(5)
        command = ["sipp", f"127.0.0.1:{peer.getsockname()[1]}", "-i", "127.0.0.1", "-sf", "s.xml", "-inf", "f.csv"]
        command += ["-m", str(N_CALLS), "-r", "1000", "-nostdin", "-timeout", "5"]
        subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=20, check=False)
        got = [peer.recv(65536) for _ in range(N_CALLS)]
    return [message.partition(b"\nX: ")[2].partition(b"\r\nContent-Length")[0] for message in got]


@pytest.mark.interop
@pytest.mark.skipif(shutil.which("sipp") is None, reason="the real sipp (sip-tester) is not installed")
@pytest.mark.parametrize(
    "data",
    [
        b"SEQUENTIAL\n#c\na;b;\n1;2\n #x;\xff\n\nnot used\n",
        b"USER\na;b\n",
        b"USER,PRINTF=0x5,PRINTFOFFSET=-010,PRINTFMULTIPLE=3 SEQUENTIAL\n".replace(b" SEQ", b",SEQ") + b"u%04d;%-6d|;%.4d\nplain\n",
        b"SEQUENTIAL,PRINTF=4,PRINTFOFFSET=0\n%0d;%.d;%-05.3d|\n",
    ],
)  # fmt: skip
def test_fields_are_those_that_sipp_sends(data: bytes, tmp_path: Path) -> None:
    state = InjectionState(Injection(parse_injection(data, "f.csv")))
    served = []
    for _ in range(N_CALLS):
        line = state.pick()
        line = -1 if line is None else line
        served.append(b"".join(b"<%s>" % (state.field(line, n) or b"") for n in range(3)))
    assert served == fields_of_sipp(data, tmp_path)
