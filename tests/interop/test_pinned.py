"""What SIPp's own regression checks pin, by the number of the issue: sippx does it, and the real sipp where it says so.

Each check is written anew from what it requires. Left out, as sippx does not have what they are about:

- TCP: 0083 (source address and port of a connection). 0034 is about line ends only and runs over UDP here.
- 3PCC: 0098 (the twin's socket does not change [local_port]).
- Media: 0192 and 0196 (ports that rtp_stream sends from), 0259 (rtp_echo), 0544 (SRTP), 0862 (address in a multipart body).
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import pytest

from e2e.harness import (
    Peer,
    answer_like_uas,
    answer_step,
    can_bind,
    free_port,
    header,
    headers,
    method,
    response,
    send_step,
    start_line,
    wait_until,
)  # fmt: skip
from interop.pairs import COMMANDS
from interop.plays import OK, RECV_200, call, only_message, play, sipp_too, start, write_scenario
from interop.scripted_peer import IP, Answer, Request, Script
from sippx.scenario.builtin import builtin_text

ROUTES = ("<sip:a.example;lr>", "<sip:b.example;lr>", "<sip:c.example;lr>")
RECORD_ROUTES = "".join(f"Record-Route: {route}\n" for route in ROUTES)

# ---- message text ---------------------------------------------------------------------------------------


@sipp_too
def test_0018_an_escaped_bracket_opens_no_keyword(tool: str, tmp_path: Path) -> None:
    step = send_step("OPTIONS", lines="X-Escaped: \\x5bdate]\nX-Date: [date]\n")
    run = play(tool, tmp_path, step + RECV_200, Script({"OPTIONS": OK}))
    assert "X-Escaped: [date]" in run.lines
    assert "X-Date: DATE" in run.lines


@sipp_too
@pytest.mark.parametrize(
    ("tail", "sent"),
    [
        ("Content-Length: [len]\n\n\\x41\\x42\\x43\\x44", "Content-Length:     4\r\n\r\nABCD"),
        ("Content-Length: [len]\n\n\n\n\n\n", "Content-Length:     0\r\n\r\n"),
        ("Content-Length: 0", "Content-Length: 0\r\n\r\n"),
        ("Content-Length: [len]\n\na\n", "Content-Length:     3\r\n\r\na\r\n"),
    ],
    ids=["bytes", "blank lines", "no blank line", "a line"],
)
def test_0034_a_message_ends_as_its_body_does_or_in_one_empty_line(
    tool: str, tmp_path: Path, tail: str, sent: str
) -> None:
    step = send_step("OPTIONS").replace("Content-Length: [len]\n\n]]>", tail + "]]>")
    run = play(tool, tmp_path, step + RECV_200, Script({"OPTIONS": OK}))
    assert only_message(run).endswith("Max-Forwards: 70\r\n" + sent)


@sipp_too
def test_0337_a_line_of_a_tab_separates_headers_and_body(tool: str, tmp_path: Path) -> None:
    step = send_step("MESSAGE").replace("[len]\n\n]]>", "[len]\n\t\nfirst\nsecond\n\n]]>")
    message = only_message(play(tool, tmp_path, step + RECV_200, Script({"MESSAGE": OK})))
    assert message.endswith("Content-Length:    15\r\n\r\nfirst\r\nsecond\r\n")


@sipp_too
def test_0364_a_key_may_be_empty(tool: str, tmp_path: Path) -> None:
    step = send_step("OPTIONS", lines="X-Key: <[keyword]>\n")
    run = play(tool, tmp_path, step + RECV_200, Script({"OPTIONS": OK}), "-key", "keyword", "")
    assert "X-Key: <>" in run.lines


@sipp_too
def test_0207_last_from_is_of_the_headers_only(tool: str, tmp_path: Path) -> None:
    answer = Answer("200 OK", "Content-Type: text/plain\n", "From: a line of the body\r\n")
    steps = send_step("OPTIONS") + RECV_200 + send_step("INFO", lines="X-Last: [last_From]\n") + RECV_200
    run = play(tool, tmp_path, steps, Script({"OPTIONS": (answer,), "INFO": OK}))
    assert [line for line in run.lines if line.startswith("X-Last")] == [
        "X-Last: From: tester <sip:tester@127.0.0.1:PORT>;tag=TAG1"
    ]


# ---- flow and matching ----------------------------------------------------------------------------------


@sipp_too
@pytest.mark.parametrize("words", [("-aa",), ()], ids=["aa", "without"])
def test_0085_aa_answers_four_methods_of_strangers_and_without_it_none(
    tool: str, tmp_path: Path, words: tuple[str, ...]
) -> None:
    methods = ("INFO", "NOTIFY", "OPTIONS", "UPDATE")
    opening = tuple(Request(name, call=number) for number, name in enumerate(methods, 1))
    peer = Script({"200 INVITE": (Request("ACK"),)}, (*opening, Request("INVITE", call=9)))
    run = play(tool, tmp_path, "", peer, "-sn", "uas", *words, is_server=True, cut_ms=200, n_calls=9)
    answers = [f"200 {name}" for name in methods] if words else []
    assert sorted(run.sent) == sorted([*answers, "180 INVITE", "200 INVITE"]), str(run)  # calls have no order


@sipp_too
def test_0103_next_with_a_test_that_is_never_set_falls_through(tool: str, tmp_path: Path) -> None:
    steps = (
        send_step("OPTIONS") + '<recv response="200" next="end" test="never"/>\n' + send_step("INFO") + RECV_200
        + '<label id="end"/>\n<Reference variables="never"/>\n'
    )  # fmt: skip
    run = play(tool, tmp_path, steps, Script({"OPTIONS": OK, "INFO": OK}))
    assert (run.code, run.sent) == (0, ("OPTIONS", "INFO")), str(run)


@sipp_too
def test_0238_ereg_at_line_starts_takes_the_header_and_not_its_name_in_another(tool: str, tmp_path: Path) -> None:
    decoy = Answer("200 OK", replace=(("Via: ", "Subject: From: a decoy, To: another\r\nVia: "),))
    find = '<ereg regexp="sip:([a-z]+)@" search_in="hdr" header="{}:" start_line="true" check_it="true" assign_to="_,{}"/>'
    steps = (
        send_step("OPTIONS") + '<recv response="200"><action>' + find.format("From", "from") + find.format("To", "to")
        + '<log message="from [$from] to [$to]"/></action></recv>\n'
    )  # fmt: skip
    run = play(tool, tmp_path, steps, Script({"OPTIONS": (decoy,)}))
    assert (run.code, run.log) == (0, ["from tester to service"]), str(run)


@sipp_too
def test_0458_entities_in_attributes_are_decoded(tool: str, tmp_path: Path) -> None:
    answer = Answer("200 OK", 'X-Signs: "a" <b> & c\n')
    steps = (
        send_step("OPTIONS") + '<recv response="200"><action><ereg regexp="&quot;a&quot; (&lt;b&gt;) &amp; c"'
        ' search_in="hdr" header="X-Signs:" check_it="true" assign_to="_,b"/><log message="[$b] &amp; &quot;"/>'
        "</action></recv>\n"
    )  # fmt: skip
    run = play(tool, tmp_path, steps, Script({"OPTIONS": (answer,)}))
    assert (run.code, run.log) == (0, ['<b> & "']), str(run)


def test_0769_status_codes_match_by_regular_expression(tmp_path: Path) -> None:
    steps = (
        send_step("INVITE") + '<recv response="^18.$" regexp_match="true" optional="true"/>\n'
        '<recv response="^2" regexp_match="true"/>\n' + send_step("ACK")
    )  # fmt: skip
    peer = Script({"INVITE": (Answer("180 Ringing"), Answer("183 Session Progress"), Answer("202 Accepted"))})
    run = play("sippx", tmp_path, steps, peer)
    assert (run.code, run.sent) == (0, ("INVITE", "ACK")), str(run)


# ---- route sets and targets -----------------------------------------------------------------------------


def test_0234_next_url_is_what_stands_in_the_first_angle_brackets(tmp_path: Path) -> None:
    target = "sip:there@127.0.0.1:{port};ob;transport=udp"
    answer = Answer("200 OK", f'Contact: <{target}>;+sip.instance="<urn:uuid:1-2-3>";expires=60\n')
    steps = (
        send_step("INVITE") + '<recv response="200" rrs="true"/>\n' + "".join(
            send_step(name).replace(f"{name} sip:[service]@[remote_ip]:[remote_port]", f"{name} [next_url]")
            for name in ("ACK", "BYE")
        ) + RECV_200
    )  # fmt: skip
    run = play("sippx", tmp_path, steps, Script({"INVITE": (answer,), "BYE": OK}))
    assert run.code == 0, str(run)
    requests = [lines[0] for lines in run.messages[1:]]
    assert requests == [f"{name} {target.format(port='PEER')} SIP/2.0" for name in ("ACK", "BYE")]


@sipp_too
def test_0262_a_client_reverses_the_record_routes_of_the_answer(tool: str, tmp_path: Path) -> None:
    answer = Answer("200 OK", RECORD_ROUTES + "Contact: <sip:there@127.0.0.1:{port}>\n")
    steps = (
        send_step("INVITE") + '<recv response="200" rrs="true"/>\n' + send_step("ACK", lines="[routes]\n")
        + send_step("BYE", lines="[routes]\n") + RECV_200
    )  # fmt: skip
    run = play(tool, tmp_path, steps, Script({"INVITE": (answer,), "BYE": OK}))
    assert run.code == 0, str(run)
    assert [line for line in run.lines if line.startswith("Route")] == ["Route: " + ", ".join(ROUTES[::-1])] * 2


@sipp_too
def test_0262_a_server_keeps_the_order_of_the_record_routes_of_the_request(tool: str, tmp_path: Path) -> None:
    invite = Request("INVITE", RECORD_ROUTES + "Contact: <sip:there@127.0.0.1:{port}>\n", call=1)
    steps = (
        '<recv request="INVITE" rrs="true"/>\n' + answer_step("200 OK") + '<recv request="ACK"/>\n'
        + send_step("BYE", lines="[routes]\n") + RECV_200
    )  # fmt: skip
    peer = Script({"200 INVITE": (Request("ACK"),), "BYE": OK}, (invite,))
    run = play(tool, tmp_path, steps, peer, is_server=True)
    assert run.code == 0, str(run)
    assert [line for line in run.lines if line.startswith("Route")] == ["Route: " + ", ".join(ROUTES)]


def bye_of_a_forced_quit(folder: Path, rrs: str) -> bytes:
    """The BYE that ends an established call when the run is told to end at once."""
    steps = (
        send_step("INVITE") + f'<recv response="200" {rrs}/>\n' + send_step("ACK") + '<pause milliseconds="30000"/>\n'
        + send_step("BYE") + RECV_200
    )  # fmt: skip
    more = "".join(f"Record-Route: {route}\r\n" for route in ROUTES) + "Contact: <sip:there@target.example;x=1>\r\n"

    def accept(message: bytes) -> Iterable[bytes]:
        return [response(message, "200 OK", more=more)] if method(message) == "INVITE" else []

    with Peer(accept) as peer:
        scenario = write_scenario(folder, steps)
        control_port = free_port()
        words = ("-i", IP, "-p", free_port(), "-sf", scenario, "-m", 1, "-cp", control_port)
        with start("sippx", folder, peer.address, *words) as client:
            peer.wait_for("ACK")
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as steering:
                steering.sendto(b"Q", (IP, control_port))
            assert client.wait().code in (0, 1)
        return peer.wait_for("BYE")[0]


def test_0850_a_forced_quit_says_bye_to_the_remote_target_along_the_route_set(tmp_path: Path) -> None:
    bye = bye_of_a_forced_quit(tmp_path, 'rrs="true"')
    assert start_line(bye) == "BYE sip:there@target.example;x=1 SIP/2.0"
    assert headers(bye, "Route") == [", ".join(ROUTES[::-1])]


def test_0850_a_forced_quit_without_rrs_says_bye_to_the_uri_of_the_last_to(tmp_path: Path) -> None:
    bye = bye_of_a_forced_quit(tmp_path, "")
    assert start_line(bye).split()[1] == header(bye, "To").partition("<")[2].partition(">")[0]
    assert headers(bye, "Route") == []


# ---- the process ----------------------------------------------------------------------------------------


@sipp_too
def test_0130_an_unknown_term_does_not_stop_a_run_without_a_terminal(tool: str, tmp_path: Path) -> None:
    with Peer(answer_like_uas) as peer:
        run = call(tool, tmp_path, peer, "-sn", "uac", "-m", 1, TERM="no-such-terminal")
    assert run.code == 0, run.text


@pytest.mark.parametrize("ip", [IP, "::1"])
def test_0150_calls_to_nobody_end_by_the_global_timeout_over_ipv4_and_ipv6(tmp_path: Path, ip: str) -> None:
    port = free_port(ip)
    words = (f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}", "-sn", "uac", "-m", 1, "-timeout", 1, "-timeout_error")
    with start("sippx", tmp_path, *words) as client:
        run = client.wait()
    assert run.code == 255, run.text
    assert "amily" not in run.out + run.err


@sipp_too
def test_0152_answers_without_to_fail_their_calls_and_the_run_goes_on(tool: str, tmp_path: Path) -> None:
    def without_to(message: bytes) -> Iterable[bytes]:
        if method(message) == "INVITE":
            lines = response(message, "200 OK").split(b"\r\n")
            yield b"\r\n".join(line for line in lines if not line.startswith(b"To:"))

    with Peer(without_to) as peer:
        run = call(tool, tmp_path, peer, "-sn", "uac", "-m", 20, "-r", 200, "-trace_stat", "-stf", "stat.csv")
    names, *rows = [line.split(";") for line in (tmp_path / "stat.csv").read_text().splitlines()]
    assert (names[11], names[17]) == ("OutgoingCall(C)", "FailedCall(C)")
    assert int(rows[-1][names.index("OutgoingCall(C)")]) == 20, run.text
    assert int(rows[-1][names.index("FailedCall(C)")]) > 0, run.text
    assert run.code == 1, run.text


@sipp_too
def test_0155_a_client_with_a_terminal_for_input_and_a_file_for_output_ends_with_0(tool: str, tmp_path: Path) -> None:
    master, slave = os.openpty()
    try:
        with Peer(answer_like_uas) as peer, (tmp_path / "out").open("wb") as out:
            words = [peer.address, "-sn", "uac", "-m", "2", "-i", IP, "-p", str(free_port())]
            process = subprocess.Popen([*COMMANDS[tool], *words], cwd=tmp_path, stdin=slave, stdout=out, stderr=out)
            try:
                assert process.wait(20) == 0, (tmp_path / "out").read_text("latin-1")
            finally:
                process.kill()
                process.wait()
    finally:
        os.close(master)
        os.close(slave)


@sipp_too
def test_0156_a_server_and_a_client_of_ten_calls_end_with_0(tool: str, tmp_path: Path) -> None:
    uas = tmp_path / "uas.xml"
    uas.write_text(builtin_text("uas").replace('milliseconds="4000"', 'milliseconds="100"'))
    port = free_port("127.0.0.2")
    with start(tool, tmp_path, "-sf", uas, "-i", "127.0.0.2", "-p", port, "-m", 10) as server:
        server.wait_bound(port)
        words = (f"127.0.0.2:{port}", "-sn", "uac", "-i", "127.0.0.3", "-p", free_port("127.0.0.3"), "-m", 10, "-r", 100)
        with start(tool, tmp_path, *words) as client:
            assert client.wait().code == 0
        assert server.wait().code == 0


@sipp_too
def test_0276_a_media_port_in_use_does_not_stop_a_client(tool: str, tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other, Peer(answer_like_uas) as peer:
        with suppress(OSError):  # taken already
            other.bind((IP, 6000))
        run = call(tool, tmp_path, peer, "-sn", "uac", "-m", 1)
    assert run.code == 0, run.text


@sipp_too
def test_a_killed_server_leaves_its_port_free(tool: str, tmp_path: Path) -> None:
    port = free_port()
    with start(tool, tmp_path, "-sn", "uas", "-i", IP, "-p", port) as server:
        server.wait_bound(port)
        server.signal(signal.SIGKILL)
    wait_until(lambda: can_bind(IP, port), "the port is free")
