"""The files of -trace_stat, -trace_msg and -trace_err: names, contents, rows."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from .harness import (
    Command,
    Finished,
    Peer,
    answer_like_uas,
    answer_step,
    free_port,
    method,
    request,
    response,
    say_nothing,
    scenario,
    send_step,
    start_line,
)

Run = Callable[..., Finished]
OPEN_PEER = Callable[..., Peer]
FIXED_COLUMNS = 70
STAMP = r"\d{4}-\d\d-\d\d\t\d\d:\d\d:\d\d\.\d{6}\t\d{10}\.\d{6}"


def common(peer: Peer, n_calls: int, *, rate: int = 500) -> tuple[object, ...]:
    return (peer.address, "-i", "127.0.0.1", "-p", free_port(), "-m", n_calls, "-r", rate, "-nostdin")


def read_rows(path: Path, delimiter: str = ";") -> tuple[list[str], list[dict[str, str]]]:
    """Column names and rows of a statistics file, each ended by a delimiter."""
    lines = path.read_text().splitlines()
    names = lines[0].split(delimiter)
    assert names.pop() == ""
    return names, [dict(zip(names, line.split(delimiter)[:-1], strict=True)) for line in lines[1:]]


def read_messages(path: Path) -> list[tuple[str, bytes]]:
    """("sent" or "received", message) of each entry of a message log."""
    entry = re.compile(
        rb"-{47} \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}\nUDP message (sent|received) \[(\d+)\] bytes:\n\n"
    )
    data, at, found = path.read_bytes(), 0, []
    while at < len(data):
        match = entry.match(data, at)
        assert match, data[at : at + 200]
        end = match.end() + int(match[2])
        assert data[end : end + 1] == b"\n"
        found.append((match[1].decode(), data[match.end() : end]))
        at = end + 1
    return found


def test_files_have_the_names_of_sipp(sippx: Run, tmp_path: Path, peer: OPEN_PEER) -> None:
    ended = sippx(*common(peer(say_nothing), 2), "-trace_stat", "-trace_msg", "-trace_err", "-max_retrans", 0)
    written = {file.name for file in tmp_path.iterdir() if not file.name.startswith(".")}
    kinds = ("_.csv", "_messages.log", "_errors.log")
    assert written == {f"uac_{ended.pid}{kind}" for kind in kinds}, ended.text


def test_the_names_come_from_the_scenario_file(sippx: Run, tmp_path: Path, peer: OPEN_PEER) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "my.flow.xml").write_text(f"<scenario name='x'>{send_step('OPTIONS')}</scenario>")
    ended = sippx(*common(peer(), 2), "-sf", "dir/my.flow.xml", "-trace_stat", "-trace_msg")
    written = {file.name for file in tmp_path.iterdir() if file.is_file() and not file.name.startswith(".")}
    assert written == {f"my.flow_{ended.pid}_.csv", f"my.flow_{ended.pid}_messages.log"}, ended.text


def test_without_an_event_there_is_no_error_log(sippx: Run, tmp_path: Path, peer: OPEN_PEER) -> None:
    ended = sippx(*common(peer(answer_like_uas), 3), "-trace_err", "-error_file", "e.log")
    assert ended.code == 0, ended.text
    assert not (tmp_path / "e.log").exists()


def test_the_statistics_file_counts_what_happened(sippx: Run, tmp_path: Path, peer: OPEN_PEER) -> None:
    ended = sippx(*common(peer(answer_like_uas), 25), "-trace_stat", "-stf", "s.csv")
    names, rows = read_rows(tmp_path / "s.csv")
    assert names[:5] == ["StartTime", "LastResetTime", "CurrentTime", "ElapsedTime(P)", "ElapsedTime(C)"]
    assert len(rows) >= 2, ended.text
    first, last = rows[0], rows[-1]
    assert first["TotalCallCreated"] == "0"
    assert (last["OutgoingCall(C)"], last["TotalCallCreated"], last["IncomingCall(C)"]) == ("25", "25", "0")
    assert (last["SuccessfulCall(C)"], last["FailedCall(C)"], last["CurrentCall"]) == ("25", "0", "0")
    assert last["TargetRate"] == "500"
    assert all(re.fullmatch(STAMP, row[name]) for row in rows for name in names[:3])
    assert re.fullmatch(r"\d\d:\d\d:\d\d", last["ElapsedTime(C)"])
    assert re.fullmatch(r"\d\d:\d\d:\d\d:\d{6}", last["ResponseTime1(C)"])
    table = [int(value) for name, value in last.items() if name.startswith("CallLengthRepartition_")]
    assert sum(table) == 25
    assert last["CallLengthRepartition"] == last["ResponseTimeRepartition1"] == ""


def test_the_periodic_columns_add_up_to_the_cumulative_ones(
    sippx: Run, tmp_path: Path, peer: OPEN_PEER
) -> None:
    ended = sippx(
        *common(peer(answer_like_uas), 150, rate=200), "-trace_stat", "-stf", "s.csv", "-fd", "200ms"
    )
    _, rows = read_rows(tmp_path / "s.csv")
    assert len(rows) >= 4, ended.text
    for name in ("OutgoingCall", "SuccessfulCall", "FailedCall", "Retransmissions", "Warnings"):
        so_far = 0
        for row in rows:
            so_far += int(row[f"{name}(P)"])
            assert so_far == int(row[f"{name}(C)"]), name
    assert rows[-1]["OutgoingCall(C)"] == "150"


def test_a_period_of_0_writes_the_first_and_the_last_row_only(
    sippx: Run, tmp_path: Path, peer: OPEN_PEER
) -> None:
    sippx(*common(peer(answer_like_uas), 60, rate=200), "-trace_stat", "-stf", "s.csv", "-fd", 0)
    _, rows = read_rows(tmp_path / "s.csv")
    assert [row["TotalCallCreated"] for row in rows] in (["0", "60"], ["0", "60", "60"])


def test_the_delimiter_may_be_chosen(sippx: Run, tmp_path: Path, peer: OPEN_PEER) -> None:
    sippx(*common(peer(answer_like_uas), 2), "-trace_stat", "-stf", "s.csv", "-stat_delimiter", ",")
    _, rows = read_rows(tmp_path / "s.csv", ",")
    assert rows[-1]["SuccessfulCall(C)"] == "2"


def test_failures_stand_in_the_columns_of_their_causes(sippx: Run, tmp_path: Path, peer: OPEN_PEER) -> None:
    busy = peer(lambda message: [response(message, "486 Busy Here")] if method(message) == "INVITE" else [])
    ended = sippx(*common(busy, 4), "-trace_stat", "-stf", "s.csv")
    assert ended.code == 1, ended.text
    _, rows = read_rows(tmp_path / "s.csv")
    assert rows[-1]["FailedUnexpectedMessage(C)"] == rows[-1]["FailedCall(C)"] == "4"
    assert rows[-1]["Warnings(C)"] == "4"
    assert len(busy.wait_for("ACK", 4)) == 4


def test_generic_counters_and_named_rtds_have_columns(sippx: Run, tmp_path: Path, peer: OPEN_PEER) -> None:
    text = (
        "<scenario name='x'>"
        + send_step("OPTIONS", attributes='start_rtd="ping" counter="sent"')
        + '<recv response="200" rtd="ping" counter="7"/><nop counter="sent"/>'
        + '<ResponseTimeRepartition value="20, 10"/></scenario>'
    )
    (tmp_path / "c.xml").write_text(text)
    sippx(*common(peer(answer_like_uas), 6), "-sf", "c.xml", "-trace_stat", "-stf", "s.csv")
    names, rows = read_rows(tmp_path / "s.csv")
    assert (rows[-1]["sent(C)"], rows[-1]["GenericCounter7(C)"]) == ("12", "6")
    assert {"ResponseTimeping(C)", "ResponseTimepingStDev(P)"} <= set(names)
    table = [name for name in names if name.startswith("ResponseTimeRepartitionping")]
    assert table == [f"ResponseTimeRepartitionping{end}" for end in ("", "_<10", "_<20", "_>=20")]


def test_the_message_log_holds_every_message_byte_for_byte(
    sippx: Run, tmp_path: Path, peer: OPEN_PEER
) -> None:
    target = peer(answer_like_uas)
    sippx(*common(target, 5), "-trace_msg", "-message_file", "m.log")
    logged = read_messages(tmp_path / "m.log")
    assert [message for what, message in logged if what == "sent"] == target.received
    received = [start_line(message) for what, message in logged if what == "received"]
    assert sorted(received) == sorted(["SIP/2.0 180 Ringing", "SIP/2.0 200 OK", "SIP/2.0 200 OK"] * 5)


def test_binary_bodies_survive_the_message_log(sippx: Run, tmp_path: Path, peer: OPEN_PEER) -> None:
    body = bytes(range(256)) * 4

    def answer(message: bytes) -> list[bytes]:
        return [response(message, "200 OK").replace(b"Content-Length: 0", b"Content-Length: 1024") + body]

    (tmp_path / "b.xml").write_text(
        f"<scenario name='b'>{send_step('OPTIONS')}<recv response='200'/></scenario>"
    )
    ended = sippx(*common(peer(answer), 2), "-sf", "b.xml", "-trace_msg", "-message_file", "m.log")
    assert ended.code == 0, ended.text
    received = [message for what, message in read_messages(tmp_path / "m.log") if what == "received"]
    assert [message.partition(b"\r\n\r\n")[2] for message in received] == [body, body]


def test_the_error_log_names_call_step_and_message(sippx: Run, tmp_path: Path, peer: OPEN_PEER) -> None:
    busy = peer(lambda message: [response(message, "486 Busy Here")] if method(message) == "INVITE" else [])
    ended = sippx(*common(busy, 2), "-trace_err", "-error_file", "e.log")
    lines = (tmp_path / "e.log").read_text().splitlines()
    assert lines[0] == "The following events occurred:"
    events = [line for line in lines if re.match(STAMP + ": ", line)]
    assert len(events) == 2
    first = busy.of("INVITE")[0].decode()
    call_id = re.search(r"Call-ID: (\S+)", first)
    assert call_id is not None
    assert (
        f": Aborting call on unexpected message for Call-Id '{call_id[1]}': while expecting '100' (index 1), "
        "received 'SIP/2.0 486 Busy Here" in events[0]
    )
    assert "There were more errors, see 'e.log' file" in ended.err


def test_the_unexpected_message_stands_in_the_message_log_too(
    sippx: Run, tmp_path: Path, peer: OPEN_PEER
) -> None:
    busy = peer(lambda message: [response(message, "486 Busy Here")] if method(message) == "INVITE" else [])
    sippx(*common(busy, 1), "-trace_msg", "-message_file", "m.log")
    assert (
        b"-" * 47 + b"\nUnexpected UDP message received:\n\nSIP/2.0 486 Busy Here\r\n"
        in (tmp_path / "m.log").read_bytes()
    )


def test_a_late_message_to_an_ended_call_is_said_to_be_dead(
    start: Callable[..., Command], tmp_path: Path, peer: OPEN_PEER
) -> None:
    port, client = free_port(), peer()
    (tmp_path / "d.xml").write_text(
        f"<scenario name='d'><recv request='OPTIONS'/>{answer_step('200 OK')}</scenario>"
    )
    server = start(
        *("-sf", "d.xml", "-i", "127.0.0.1", "-p", port, "-m", 2, "-trace_err", "-error_file", "e.log"),
        *("-trace_stat", "-stf", "s.csv"),
    )
    server.wait_bound(port)
    client.send(request("OPTIONS", "one@test"), port)
    client.wait_for("200")
    client.send(request("BYE", "one@test", cseq=2), port)
    client.send(request("OPTIONS", "two@test"), port)
    ended = server.wait()
    assert ended.code == 0, ended.text
    assert "Dead call one@test (successful), received 'BYE sip:" in (tmp_path / "e.log").read_text()
    _, rows = read_rows(tmp_path / "s.csv")
    assert rows[-1]["DeadCallMsgs(C)"] == "1"


@pytest.mark.parametrize("limit", [("-max_log_size", 100), ("-ringbuffer_size", 100, "-ringbuffer_files", 2)])
def test_the_screen_file_has_neither_limit_nor_ring(
    sippx: Run, tmp_path: Path, peer: OPEN_PEER, limit: tuple[object, ...]
) -> None:
    ended = sippx(*common(peer(answer_like_uas), 1), "-trace_screen", *limit)
    assert ended.code == 0, ended.text
    (file,) = tmp_path.glob("*_screen*.log")
    assert "Statistics Screen" in file.read_text()


def test_the_library_writes_the_same_files(tmp_path: Path, peer: OPEN_PEER) -> None:
    from sippx import Options, run

    run(
        scenario(send_step("OPTIONS") + '<recv response="200"/>'),
        Options(
            remote_host=peer(answer_like_uas).address,
            local_ip="127.0.0.1",
            max_calls=3,
            rate=1e3,
            trace_stat=True,
            stat_file=str(tmp_path / "s.csv"),
            trace_msg=True,
            message_file=str(tmp_path / "m.log"),
        ),
    )
    assert len(read_messages(tmp_path / "m.log")) == 6
    assert read_rows(tmp_path / "s.csv")[1][-1]["SuccessfulCall(C)"] == "3"


@pytest.mark.parametrize("n_calls", [20_000])
def test_a_fast_run_with_a_message_log_says_what_the_log_lacks(
    sippx: Run, tmp_path: Path, start: Callable[..., Command], n_calls: int
) -> None:
    """The log must not slow the run down; so it may lose entries, but never silently."""
    port = free_port()
    server = start("-sn", "uas", "-i", "127.0.0.1", "-p", port)
    server.wait_bound(port)
    ended = sippx(
        *(f"127.0.0.1:{port}", "-i", "127.0.0.1", "-p", free_port(), "-m", n_calls, "-r", 40_000, "-l", 0),
        *("-trace_msg", "-message_file", "m.log", "-nostdin"),
    )
    assert f"Successful call        | {n_calls:8d}" in ended.out, ended.text
    n_logged = (tmp_path / "m.log").read_bytes().count(b"UDP message ")
    if n_logged < 6 * n_calls:
        assert "lost" in ended.err, (n_logged, ended.err)
    assert n_logged > n_calls
