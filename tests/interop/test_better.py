"""Where SIPp is known to be wrong and sippx does better, and what no peer may do to a run; see docs/compatibility.md."""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import md5
from pathlib import Path

import pytest

from e2e.harness import (
    Peer,
    answer_like_uas,
    answer_step,
    headers,
    method,
    response,
    send_step,
)
from interop.differential import last_row
from interop.plays import OK, RECV_200, call, play, sipp_too, write_scenario
from interop.scripted_peer import Again, Answer, Raw, Request, Script

CALL = ("INVITE", "ACK", "BYE")
INVITES = send_step("INVITE") + RECV_200 + send_step("ACK") + send_step("BYE") + RECV_200


# ---- language and keywords ------------------------------------------------------------------------------


def test_a_key_may_end_in_a_sign_and_digits(tmp_path: Path) -> None:
    step = send_step("OPTIONS", lines='X-Key: [bar-1]\nX-Fill: [fill text="x-1" variable="n"]\n')
    steps = '<nop><action><assign assign_to="n" value="6"/></action></nop>\n' + step + RECV_200
    run = play("sippx", tmp_path, steps, Script({"OPTIONS": OK}), "-key", "bar-1", "value")
    assert ("X-Key: value" in run.lines, "X-Fill: x-1x-1" in run.lines) == (True, True), str(run)


def test_len_is_filled_in_wherever_it_stands_and_however_often(tmp_path: Path) -> None:
    step = send_step("MESSAGE", lines="X-Len: [len]\nX-More: [len+7]\n", body="12345")
    run = play("sippx", tmp_path, step + RECV_200, Script({"MESSAGE": OK}))
    assert [line for line in run.lines if ":    " in line] == ["X-Len:     5", "X-More:    12", "Content-Length:     5"]


def test_a_later_rrs_refreshes_the_target_while_there_is_no_route_set(tmp_path: Path) -> None:
    info = send_step("INFO").replace("INFO sip:[service]@[remote_ip]:[remote_port]", "INFO [next_url]")
    steps = (send_step("OPTIONS") + '<recv response="200" rrs="true"/>\n' + info) * 2 + RECV_200
    steps = steps.replace(info + send_step("OPTIONS"), info + RECV_200 + send_step("OPTIONS"))
    answers = [(Answer("200 OK", f"Contact: <sip:{who}@127.0.0.1>\n"),) for who in ("first", "second")]
    run = play("sippx", tmp_path, steps, Script({"OPTIONS": answers, "INFO": OK}))
    assert run.code == 0, str(run)
    targets = [lines[0] for lines in run.messages if lines[0].startswith("INFO")]
    assert targets == ["INFO sip:first@127.0.0.1 SIP/2.0", "INFO sip:second@127.0.0.1 SIP/2.0"]


def test_a_message_that_does_not_advance_the_state_acts_again_when_it_comes_again(tmp_path: Path) -> None:
    steps = (
        send_step("INVITE") + '<recv response="180" optional="true" advance_state="false"><action>'
        '<log message="180"/></action></recv>\n' + RECV_200 + send_step("ACK")
    )  # fmt: skip
    run = play("sippx", tmp_path, steps, Script({"INVITE": (Answer("180 Ringing"), Again(), Again(2), Answer("200 OK"))}))
    assert (run.code, run.log) == (0, ["180"] * 3), str(run)


@sipp_too
def test_an_answer_sent_again_is_rendered_again(tool: str, tmp_path: Path) -> None:
    steps = (
        '<recv request="OPTIONS"/>\n' + answer_step("200 OK", lines="X-Number: [dynamic_id]\n")
        + '<recv request="BYE"/>\n' + answer_step("200 OK")
    )  # fmt: skip
    peer = Script({"200 OPTIONS": [(Again(after_ms=5),), (Request("BYE"),)]}, (Request("OPTIONS", call=1),))
    run = play(tool, tmp_path, steps, peer, is_server=True)
    assert run.sent == ("200 OPTIONS", "200 OPTIONS", "200 BYE"), str(run)
    assert [line for line in run.lines if line.startswith("X-Number")] == ["X-Number: 10000", "X-Number: 10004"]


def test_an_answered_stranger_is_no_call_of_a_server(tmp_path: Path) -> None:
    steps = '<recv request="MESSAGE"/>\n' + answer_step("200 OK")
    opening = (Request("OPTIONS", call=1), Request("INFO", call=2), Request("MESSAGE", call=3, after_ms=20))
    run = play("sippx", tmp_path, steps, Script(opening=opening), "-aa", is_server=True)
    assert (run.code, run.outcome) == (0, {"SuccessfulCall": 1, "AutoAnswered": 2}), str(run)
    assert run.stat_row["TotalCallCreated"] == "1"


# ---- digest ---------------------------------------------------------------------------------------------

REGISTERS = (
    send_step("REGISTER") + '<recv response="401" auth="true"/>\n'
    + send_step("REGISTER", lines='[authentication username="bob" password="xyz"]\n') + RECV_200
)  # fmt: skip


def challenged(value: str, name: str = "WWW-Authenticate") -> Script:
    """A registrar with this challenge."""
    return Script({"REGISTER": [(Answer("401 Unauthorized", f"{name}: {value}\n"),), OK]})


def authorization(folder: Path, script: Script) -> str:
    """The header by which sippx answers the script's challenge."""
    with_log = play("sippx", folder, REGISTERS, script, "-trace_msg", "-message_file", "messages.log")
    assert with_log.sent == ("REGISTER", "REGISTER"), str(with_log)
    lines = (folder / "messages.log").read_text("latin-1").splitlines()
    return next(line.strip() for line in lines if line.startswith("Authorization:"))


def test_client_nonces_differ_from_run_to_run(tmp_path: Path) -> None:
    script = challenged('Digest realm="r",nonce="n",qop="auth"')
    nonces = set()
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        nonces.update(re.findall('cnonce="([^"]+)"', authorization(tmp_path / name, script)))
    assert len(nonces) == 2


def test_auth_uri_may_be_given_with_its_scheme(tmp_path: Path) -> None:
    script = challenged('Digest realm="r",nonce="n"')
    run = play("sippx", tmp_path, REGISTERS, script, "-auth_uri", "sip:registrar.example")
    lines = [line for line in run.lines if line.startswith("Authorization:")]
    assert ['uri="sip:registrar.example"' in line for line in lines] == [True], str(run)


@pytest.mark.parametrize("fold", ["\n ", "\n\t"], ids=["blank", "tab"])
def test_a_folded_authorization_is_verified(tmp_path: Path, fold: str) -> None:
    secret, request = (md5(text.encode()).hexdigest() for text in ("bob:r:xyz", "REGISTER:sip:x"))
    answer = md5(f"{secret}:n:{request}".encode()).hexdigest()
    fields = f'username="bob",{fold}realm="r",{fold}nonce="n",{fold}uri="sip:x",{fold}response="{answer}"'
    steps = (
        '<recv request="REGISTER"><action><verifyauth assign_to="ok" username="bob" password="xyz"/>'
        '<log message="[$ok]"/></action></recv>\n' + answer_step("200 OK")
    )
    opening = (Request("REGISTER", f"Authorization: Digest {fields}\n", call=1),)
    run = play("sippx", tmp_path, steps, Script(opening=opening), is_server=True)
    assert (run.code, run.log) == (0, ["true"]), str(run)


def test_long_realms_nonces_and_opaques_come_back_whole(tmp_path: Path) -> None:
    realm, nonce, opaque = "r" * 200, "n" * 400, "o" * 300
    line = authorization(tmp_path, challenged(f'Digest realm="{realm}",nonce="{nonce}",opaque="{opaque}",qop="auth"'))
    assert f'realm="{realm}"' in line
    assert f'nonce="{nonce}"' in line
    assert f'opaque="{opaque}"' in line


@pytest.mark.parametrize("name", ["www-authenticate", "WWW-AUTHENTICATE"])
def test_a_challenge_is_found_however_its_name_is_written(tmp_path: Path, name: str) -> None:
    assert 'nonce="n"' in authorization(tmp_path, challenged('Digest realm="r",nonce="n"', name))


def test_a_folded_challenge_is_read_whole(tmp_path: Path) -> None:
    line = authorization(tmp_path, challenged('Digest realm="r",\n nonce="n",\n\topaque="o"'))
    assert 'nonce="n"' in line
    assert 'opaque="o"' in line


def test_the_challenge_that_can_be_answered_is_taken_of_several(tmp_path: Path) -> None:
    other = 'NTLM realm="x"\nWWW-Authenticate: Digest realm="weird",nonce="w",algorithm=FOO-1'
    line = authorization(tmp_path, challenged(f'{other}\nWWW-Authenticate: Digest realm="r",nonce="n",algorithm=MD5'))
    assert 'realm="r"' in line


@sipp_too
@pytest.mark.parametrize(
    ("status", "name", "answer"),
    [("407", "WWW-Authenticate", "Proxy-Authorization"), ("401", "Proxy-Authenticate", "Authorization")],
)
def test_a_challenge_in_the_header_of_the_other_status_is_answered(
    tool: str, tmp_path: Path, status: str, name: str, answer: str
) -> None:
    challenge = Answer(f"{status} Challenge", f'{name}: Digest realm="r",nonce="n"\n')
    steps = REGISTERS.replace('response="401"', f'response="{status}"')
    run = play(tool, tmp_path, steps, Script({"REGISTER": [(challenge,), OK]}))
    assert [line.split(":")[0] for line in run.lines if "uthorization" in line] == [answer], str(run)


def test_a_missing_challenge_fails_its_call_and_the_next_goes_on(tmp_path: Path) -> None:
    good = Answer("401 Unauthorized", 'WWW-Authenticate: Digest realm="r",nonce="n"\n')
    n_seen = 0

    def registrar(message: bytes) -> Iterable[bytes]:
        nonlocal n_seen
        n_seen += 1
        more = "" if n_seen == 1 else good.headers.replace("\n", "\r\n")
        yield response(message, "200 OK" if headers(message, "Authorization") else good.status, more=more)

    with Peer(registrar) as peer:
        words = ("-sf", write_scenario(tmp_path, REGISTERS), "-m", 2, "-trace_stat", "-stf", "stat.csv")
        run = call("sippx", tmp_path, peer, *words)
    assert run.code == 1, run.text
    last = last_row(tmp_path / "stat.csv")
    assert (last["FailedCannotSendMessage(C)"], last["SuccessfulCall(C)"]) == ("1", "1")


# ---- what a peer may do ---------------------------------------------------------------------------------

INVITE_OK = (
    "SIP/2.0 200 OK\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK-1\nFrom: <sip:a@127.0.0.1>;tag=1\n"
    "To: <sip:b@127.0.0.1>;tag={tag}\nCall-ID: {call_id}\nCSeq: 1 INVITE\nContent-Length: 0\n\n"
)
ODD_STARTS = (
    "SIP/2.0 abc OK",
    "SIP/2.0 20000 OK",
    "SIP/2.0 2 OK",
    "SIP/2.0 -200 OK",
    "SIP/2.0",
    "SIP/2.0 699",
    "BYE sip:a@b",
    "BYE",
    "",
    "     ",
    f"{'M' * 200} sip:a@b SIP/2.0",
    f"{'M' * 20_000} sip:a@b SIP/2.0",
    f"INFO sip:{'u' * 20_000}@b SIP/2.0",
    "INFO\0 sip:a@b SIP/2.0",
    "\xff\xfe\x80 sip:a@b SIP/2.0",
)


def test_malformed_start_lines_fail_their_calls_at_most(tmp_path: Path) -> None:
    odd_starts = iter(ODD_STARTS)

    def odd_and_then_right(message: bytes) -> Iterable[bytes]:
        good = response(message, "200 OK")
        if method(message) == "INVITE":
            yield next(odd_starts, "SIP/2.0 100 Trying").encode("latin-1") + good[len("SIP/2.0 200 OK") :]
        if method(message) != "ACK":
            yield good

    n_calls = len(ODD_STARTS) + 5
    with Peer(odd_and_then_right) as peer:
        words = ("-sn", "uac", "-m", n_calls, "-r", 200, "-trace_stat", "-stf", "stat.csv")
        run = call("sippx", tmp_path, peer, *words)
    assert run.code == 1, run.text
    assert "Traceback" not in run.out + run.err
    last = last_row(tmp_path / "stat.csv")
    assert int(last["SuccessfulCall(C)"]) + int(last["FailedCall(C)"]) == n_calls
    assert int(last["SuccessfulCall(C)"]) >= 5  # those behind the odd ones


@pytest.mark.parametrize("n_bytes", [300, 5_000, 50_000])
def test_a_long_tag_comes_back_whole_or_fails_its_call(tmp_path: Path, n_bytes: int) -> None:
    tag = "t" * n_bytes
    script = Script({"INVITE": (Raw(INVITE_OK.replace("{tag}", tag)),), "BYE": OK})
    run = play("sippx", tmp_path, INVITES, script)
    assert (run.code, run.sent) == (0, CALL), str(run)[:2000]
    assert next(line for line in run.messages[1] if line.startswith("To:")).endswith(";tag=TAG2")


@pytest.mark.parametrize(
    "answer",
    [
        "SIP/2.0 200 OK\nv: SIP/2.0/UDP 127.0.0.1\nf: <sip:a@b>;tag=1\nt: <sip:c@d>;tag=peer\ni: {call_id}\n"
        "CSeq: 1 INVITE\nm: <sip:there@127.0.0.1>\nRecord-Route: <sip:r1;lr>\nl: 0\n\n",
        "SIP/2.0 200 OK\nVIA: SIP/2.0/UDP 127.0.0.1\nFROM: <sip:a@b>;tag=1\nto : <sip:c@d>;tag=peer\ncall-id: {call_id}\n"
        "cseq: 1 INVITE\nCONTACT: <sip:there@127.0.0.1>\nrecord-route: <sip:r1;lr>\ncontent-length: 0\n\n",
        "SIP/2.0 200 OK\nVia:\n SIP/2.0/UDP 127.0.0.1\nFrom: <sip:a@b>\n ;tag=1\nTo: <sip:c@d>\n\t;tag=peer\n"
        "Call-ID:\n {call_id}\nCSeq: 1\n INVITE\nContact:\n <sip:there@127.0.0.1>\nRecord-Route:\n <sip:r1;lr>\n"
        "Content-Length: 0\n\n",
    ],
    ids=["compact", "any case", "folded"],
)
def test_headers_are_found_however_they_are_written(tmp_path: Path, answer: str) -> None:
    ack = send_step("ACK", lines="[routes]\n").replace("ACK sip:[service]@[remote_ip]:[remote_port]", "ACK [next_url]")
    steps = send_step("INVITE") + '<recv response="200" rrs="true"/>\n' + ack
    run = play("sippx", tmp_path, steps, Script({"INVITE": (Raw(answer),)}))
    assert (run.code, run.sent) == (0, ("INVITE", "ACK")), str(run)
    ack_lines = run.messages[1]
    assert ack_lines[0] == "ACK sip:there@127.0.0.1 SIP/2.0"
    assert "Route: <sip:r1;lr>" in ack_lines
    assert any(line.startswith("To:") and ";tag=" in line for line in ack_lines)


def test_a_body_behind_line_feeds_only_is_found(tmp_path: Path) -> None:
    steps = (
        send_step("OPTIONS") + '<recv response="200"><action><ereg regexp="^b=(.*)$" search_in="body" check_it="true"'
        ' assign_to="_,b"/><log message="[$b]"/></action></recv>\n'
    )  # fmt: skip

    def with_line_feeds(message: bytes) -> Iterable[bytes]:
        yield response(message, "200 OK", body="b=1").replace(b"\r\n", b"\n")

    with Peer(with_line_feeds) as peer:
        words = ("-sf", write_scenario(tmp_path, steps), "-m", 1, "-trace_logs", "-log_file", "run.log")
        run = call("sippx", tmp_path, peer, *words)
    assert run.code == 0, run.text
    assert (tmp_path / "run.log").read_text() == "1\n"


def test_bodies_are_bytes(tmp_path: Path) -> None:
    body = bytes(range(256))
    steps = (
        send_step("OPTIONS") + '<recv response="200"/>\n' + send_step("MESSAGE", body="[last_message]") + RECV_200
    )

    def with_bytes(message: bytes) -> Iterable[bytes]:
        yield response(message, "200 OK", body="@@").replace(b"@@", body).replace(b"Length: 2", b"Length: 256")

    with Peer(with_bytes) as peer:
        run = call("sippx", tmp_path, peer, "-sf", write_scenario(tmp_path, steps), "-m", 1)
        assert run.code == 0, run.text
        assert peer.of("MESSAGE")[0].endswith(body)


TOO_LONG = {
    "a realm": REGISTERS,
    "a message in a body": send_step("REGISTER") + '<recv response="401"/>\n' + send_step("MESSAGE", body="[last_message]" * 3),
    "a header": send_step("REGISTER") + '<recv response="401"/>\n' + send_step("INFO", lines="[last_WWW-Authenticate]\n" * 3),
}


@pytest.mark.parametrize("steps", TOO_LONG.values(), ids=TOO_LONG)
def test_what_makes_a_message_too_long_fails_its_call(tmp_path: Path, steps: str) -> None:
    run = play("sippx", tmp_path, steps, challenged(f'Digest realm="{"r" * 60_000}",nonce="n"'), n_calls=2)
    assert (run.code, run.outcome) == (1, {"FailedCall": 2, "FailedCannotSendMessage": 2}), str(run)[:3000]


def test_a_file_that_is_not_there_fails_its_call(tmp_path: Path) -> None:
    step = send_step("OPTIONS", lines='X-File: [file name="nowhere"]\n')
    run = play("sippx", tmp_path, step + RECV_200, Script(), n_calls=2)
    assert (run.code, run.outcome) == (1, {"FailedCall": 2, "FailedCannotSendMessage": 2}), str(run)
    assert "Could not open 'nowhere'" in run.errors


# ---- statistics and files ---------------------------------------------------------------------------------------


def test_the_deviation_of_one_call_is_0_and_its_row_is_complete(tmp_path: Path) -> None:
    with Peer(answer_like_uas) as peer:
        run = call("sippx", tmp_path, peer, "-sn", "uac", "-m", 1, "-trace_stat", "-stf", "stat.csv")
    assert run.code == 0, run.text
    last = last_row(tmp_path / "stat.csv")
    assert last["CallLengthStDev(C)"] == "00:00:00:000000"
    assert (last["CurrentCall"], last["SuccessfulCall(C)"]) == ("0", "1")


def test_the_current_calls_end_at_0_behind_pings_and_strangers(tmp_path: Path) -> None:
    steps = INVITES.replace(send_step("BYE"), '<pause milliseconds="50"/>\n' + send_step("BYE"))
    script = Script({"INVITE": OK, "ACK": (Request("PING"), Request("NOTIFY", call=7)), "BYE": OK})
    run = play("sippx", tmp_path, steps, script, n_calls=3)
    assert run.code == 0, str(run)
    assert run.stat_row["CurrentCall"] == "0"


@sipp_too
def test_the_last_row_of_the_statistics_is_written_twice_and_rows_end_in_a_delimiter(tool: str, tmp_path: Path) -> None:
    with Peer(answer_like_uas) as peer:
        call(tool, tmp_path, peer, "-sn", "uac", "-m", 5, "-trace_stat", "-stf", "stat.csv")
    rows = (tmp_path / "stat.csv").read_text().splitlines()
    assert len(rows) == 4
    assert all(row.endswith(";") for row in rows)
    assert len({row.count(";") for row in rows}) == 1


def test_a_user_file_without_users_is_warned_about(tmp_path: Path) -> None:
    (tmp_path / "users.csv").write_text("USER\nalice\n")
    step = send_step("OPTIONS", lines="X-Field: <[field0]>\n")
    run = play("sippx", tmp_path, step + RECV_200, Script({"OPTIONS": OK}), "-inf", "users.csv")
    assert (run.code, "X-Field: <>" in run.lines) == (0, True), str(run)
    assert "needs -users" in run.errors


@sipp_too
def test_init_is_call_number_1_and_takes_a_line_of_an_injection_file(tool: str, tmp_path: Path) -> None:
    (tmp_path / "lines.csv").write_text("SEQUENTIAL\none\ntwo\nthree\n")
    init = '<init><nop><action><log message="init [call_number]"/></action></nop></init>\n'
    step = send_step("OPTIONS", lines="X-Call: [call_number] [field0]\n")
    run = play(tool, tmp_path, init + step + RECV_200, Script({"OPTIONS": OK}), "-inf", "lines.csv")
    assert (run.code, run.log) == (0, ["init 1"]), str(run)
    assert "X-Call: 2 two" in run.lines


@pytest.mark.parametrize("words", [("-timeout", "300ms"), ("-timeout", "0.3")])
def test_a_global_timeout_below_a_second_ends_the_run(tmp_path: Path, words: tuple[str, str]) -> None:
    with Peer() as peer:
        run = call("sippx", tmp_path, peer, "-sn", "uac", "-m", 1, *words)
    assert run.code == 1, run.text
