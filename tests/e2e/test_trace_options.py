"""The options on trace files: names, appending, bounds, time stamps, response times, call debugging, slow disks."""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from .harness import (
    SIPPX,
    Command,
    Finished,
    Peer,
    answer_like_uas,
    free_port,
    method,
    response,
    say_nothing,
    send_step,
)

Run = Callable[..., Finished]
OPEN_PEER = Callable[..., Peer]
RFC3339 = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(?:Z|[+-]\d\d:\d\d)"
ALL = (
    "-trace_msg", "-trace_shortmsg", "-trace_err", "-trace_error_codes", "-trace_logs", "-trace_calldebug",
    "-trace_screen", "-trace_counts", "-trace_rtt", "-trace_stat",
)  # fmt: skip
FLOW = (
    "<scenario name='t'>" + send_step("INVITE", attributes='start_rtd="a"')
    + '<recv response="180" optional="true"/><recv response="200" rtd="a"/>'
    "<nop><action><log message='seen'/></action></nop></scenario>"
)  # fmt: skip


def common(peer: Peer, n_calls: int, *, rate: int = 500) -> tuple[object, ...]:
    return (peer.address, "-i", "127.0.0.1", "-p", free_port(), "-m", n_calls, "-r", rate, "-nostdin")


@pytest.fixture
def busy(peer: OPEN_PEER) -> Peer:
    return peer(lambda message: [response(message, "486 Busy Here")] if method(message) == "INVITE" else [])


def test_every_file_has_the_name_of_sipp(sippx: Run, tmp_path: Path, busy: Peer) -> None:
    (tmp_path / "flow.xml").write_text(FLOW)
    ended = sippx(*common(busy, 2), "-sf", "flow.xml", *ALL)
    written = {file.name for file in tmp_path.iterdir() if file.suffix in (".log", ".csv")}
    kinds = (
        "_.csv", "counts.csv", "error_codes.csv", "rtt.csv", "messages.log", "shortmessages.log", "errors.log",
        "logs.log", "calldebug.log", "screen.log",
    )  # fmt: skip
    assert written == {f"flow_{ended.pid}_{kind.lstrip('_')}" for kind in kinds}


def test_names_that_are_given_are_taken(sippx: Run, tmp_path: Path, busy: Peer) -> None:
    (tmp_path / "flow.xml").write_text(FLOW)
    given = ("message", "shortmessage", "error", "log", "calldebug", "screen")
    names = [word for what in given for word in (f"-{what}_file", f"{what}.txt")]
    sippx(*common(busy, 2), "-sf", "flow.xml", *ALL, *names)
    assert {f"{what}.txt" for what in given} <= {file.name for file in tmp_path.iterdir()}
    assert not list(tmp_path.glob("*.log"))


def test_a_file_is_continued_where_it_is_not_to_be_overwritten(sippx: Run, tmp_path: Path, busy: Peer) -> None:
    (tmp_path / "flow.xml").write_text(FLOW)
    words = ("-sf", "flow.xml", "-trace_shortmsg", "-shortmessage_file", "s.log")
    for more, n_lines in (((), 2), (("-shortmessage_overwrite", "false"), 4), ((), 2)):
        sippx(*common(busy, 1), *words, *more)
        starts = [line.split("\t")[6] for line in (tmp_path / "s.log").read_text().splitlines()]
        assert len([start for start in starts if not start.startswith("ACK")]) == n_lines


def test_without_a_name_appending_keeps_the_automatic_one(sippx: Run, tmp_path: Path, busy: Peer) -> None:
    ended = sippx(*common(busy, 1), "-trace_msg", "-message_overwrite", "false")
    assert (tmp_path / f"uac_{ended.pid}_messages.log").stat().st_size > 0, ended.text


def test_rfc3339_times_are_in_every_file(sippx: Run, tmp_path: Path, busy: Peer) -> None:
    ended = sippx(*common(busy, 2), "-sn", "uac", *ALL, "-rfc3339")
    for name in ("messages.log", "shortmessages.log", "errors.log", "calldebug.log", ".csv", "counts.csv",
                 "error_codes.csv"):  # fmt: skip
        text = (tmp_path / f"uac_{ended.pid}_{name}").read_text()
        assert re.search(RFC3339, text), name
        assert not re.search(r"\d\d:\d\d:\d\d\.\d{6}\t\d{10}\.", text), name
        assert not re.search(r"\d{4}-\d\d-\d\d \d\d:", text), name


def test_response_times_are_complete_whatever_the_batch(sippx: Run, tmp_path: Path, peer: OPEN_PEER) -> None:
    (tmp_path / "flow.xml").write_text(FLOW)
    ended = sippx(*common(peer(answer_like_uas), 7), "-sf", "flow.xml", "-trace_rtt", "-rtt_freq", 4)
    header, *lines = (tmp_path / f"flow_{ended.pid}_rtt.csv").read_text().splitlines()
    assert header == "Date_ms;response_time_ms;rtd_no"
    assert len(lines) == 7, ended.text
    assert all(re.fullmatch(r"\d+\.\d{3};\d+\.\d{3};a", line) for line in lines)
    times = [float(line.split(";")[0]) for line in lines]
    assert times == sorted(times)


def test_only_aborted_calls_are_debugged(sippx: Run, tmp_path: Path, peer: OPEN_PEER) -> None:
    n_invites = 0

    def answer(message: bytes) -> list[bytes]:
        nonlocal n_invites
        if method(message) != "INVITE":
            return answer_like_uas(message)
        n_invites += 1
        return [response(message, "486 Busy Here")] if n_invites == 2 else answer_like_uas(message)

    ended = sippx(*common(peer(answer), 3, rate=20), "-trace_calldebug", "-calldebug_file", "d.log")
    text = (tmp_path / "d.log").read_text()
    assert text.count("Call debugging information for call ") == 1, ended.text
    assert re.search(r"call 2-\d+@127\.0\.0\.1:", text)
    for words in ("Starting call 2-", "Processing message 0 of type 2", "Sending UDP message for call 2-",
                  "SIP/2.0 486 Busy Here", "Aborting call 2-"):  # fmt: skip
        assert words in text


def test_calls_that_time_out_are_debugged(sippx: Run, tmp_path: Path, peer: OPEN_PEER) -> None:
    sippx(*common(peer(say_nothing), 2), "-max_retrans", 0, "-trace_calldebug", "-calldebug_file", "d.log")
    assert (tmp_path / "d.log").read_text().count("Call debugging information for call ") == 2


def test_unexpected_codes_are_listed(sippx: Run, tmp_path: Path, busy: Peer) -> None:
    ended = sippx(*common(busy, 3), "-trace_error_codes")
    rows = (tmp_path / f"uac_{ended.pid}_error_codes.csv").read_text().splitlines()
    assert "".join(row.rpartition(";")[2] for row in rows) == "486,486,486,"


def test_counts_have_the_same_columns_without_retransmissions(sippx: Run, tmp_path: Path, busy: Peer) -> None:
    headers = []
    for words in ((), ("-nr",)):
        ended = sippx(*common(busy, 1), "-trace_counts", *words)
        headers.append((tmp_path / f"uac_{ended.pid}_counts.csv").read_text().splitlines()[0])
    assert headers[0] == headers[1]
    assert "0_INVITE_Timeout" in headers[0]


def test_counts_have_a_row_at_the_start_and_two_at_the_end(sippx: Run, tmp_path: Path, busy: Peer) -> None:
    ended = sippx(*common(busy, 3), "-trace_counts")
    header, first, *last = (tmp_path / f"uac_{ended.pid}_counts.csv").read_text().splitlines()
    names = header.split(";")
    assert first.split(";")[names.index("0_INVITE_Sent")] == "0"
    assert [row.split(";")[names.index("0_INVITE_Sent")] for row in last] == ["3", "3"]
    assert last[0].split(";")[names.index("1_100_Unexp")] == "3"


def test_logs_are_bounded(sippx: Run, tmp_path: Path, peer: OPEN_PEER) -> None:
    ended = sippx(
        *common(peer(answer_like_uas), 20), "-trace_msg", "-message_file", "m.log", "-max_log_size", 5000
    )
    assert 5000 < (tmp_path / "m.log").stat().st_size < 6500, ended.text


def test_full_logs_are_kept_and_the_oldest_removed(sippx: Run, tmp_path: Path, peer: OPEN_PEER) -> None:
    ended = sippx(
        *common(peer(answer_like_uas), 40), "-trace_msg", "-trace_shortmsg", "-ringbuffer_size", 5000,
        "-ringbuffer_files", 3,
    )  # fmt: skip
    rotated = [file for file in tmp_path.iterdir() if re.fullmatch(
        rf"uac_{ended.pid}_messages_\d{{10}}(\.\d+)?\.log", file.name)]  # fmt: skip
    assert len(rotated) == 3, ended.text
    assert all(5000 < file.stat().st_size < 6500 for file in rotated)
    assert (tmp_path / f"uac_{ended.pid}_messages.log").stat().st_size <= 5000


def test_both_kinds_of_bounds_exclude_each_other(sippx: Run, peer: OPEN_PEER) -> None:
    ended = sippx(*common(peer(answer_like_uas), 1), "-max_log_size", 5, "-ringbuffer_size", 5, "-trace_msg")
    assert ended.code != 0
    assert "exclu" in ended.err


def test_a_full_disk_is_said_once_and_every_call_succeeds(sippx: Run, peer: OPEN_PEER) -> None:
    ended = sippx(
        *common(peer(answer_like_uas), 20), "-trace_msg", "-message_file", "/dev/full", "-trace_shortmsg",
        "-shortmessage_file", "/dev/full",
    )  # fmt: skip
    assert ended.code == 0, ended.text
    assert ended.err.count("'/dev/full' is incomplete (No space left on device)") == 2


def test_a_file_larger_than_the_system_allows_ends_the_logs_and_not_the_run(
    tmp_path: Path, peer: OPEN_PEER
) -> None:
    target = peer(answer_like_uas)
    words = [*SIPPX, *map(str, common(target, 60)), "-trace_msg", "-trace_shortmsg"]
    limited = f"import os, resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (40960, 40960)); os.execv({sys.executable!r}, sys.argv[1:])"
    with Command([sys.executable, "-c", limited, *words], tmp_path) as command:
        ended = command.wait()
    assert ended.code == 0, ended.text
    assert "File too large" in ended.err
    oversized = tmp_path / f"uac_{ended.pid}_traces_oversized.log"
    assert "Max file size reached - no more logs" in oversized.read_text()


def test_a_log_nobody_reads_never_holds_up_calls(sippx: Run, tmp_path: Path, peer: OPEN_PEER) -> None:
    os.mkfifo(tmp_path / "slow")
    text = bytearray()

    def read_late() -> None:
        with (tmp_path / "slow").open("rb", buffering=0) as file:
            time.sleep(2.5)
            while block := file.read(1 << 20):
                text.extend(block)

    reader = threading.Thread(target=read_late, daemon=True)
    reader.start()
    ended = sippx(
        *common(peer(answer_like_uas), 400, rate=400), "-trace_msg", "-message_file", "slow", "-trace_stat", "-stf",
        "s.csv",
    )  # fmt: skip
    reader.join(5)
    assert ended.code == 0, ended.text
    header, *rows = (tmp_path / "s.csv").read_text().splitlines()
    at = header.split(";").index
    last = rows[-1].split(";")
    assert (last[at("SuccessfulCall(C)")], last[at("Retransmissions(C)")]) == ("400", "0")
    assert text.count(b"UDP message ") == 400 * 6
