"""Digest authentication in calls: challenges kept, answered and counted; answers checked by verifyauth."""

from __future__ import annotations

import pytest

from reference import digest
from sim.language import LONG, action, assign, assign_text, client, complaints, given_back, log, logged, nop, run
from sim.ticks import Ticks, names, recv, request, response, scenario, send
from sippx._core.codes import Complaint

URI = b"sip:10.0.0.9:5099"


def authorized(method: str, keyword: str = "[authentication username=joe password=secret]", body: str = "") -> str:
    """A <send> of a request with that keyword on a line of its own."""
    element = send(method).replace("Call-ID:", f"{keyword}\nCall-ID:")
    return element.replace("Content-Length: 0\n", f"Content-Length: [len]\n\n{body}") if body else element


def challenge(nonce: str = "n1", *, header: str = "WWW-Authenticate", more: str = ', qop="auth"', realm: str = "r") -> str:
    return f'{header}: Digest realm="{realm}", nonce="{nonce}"{more}\r\n'


def answer_in(data: bytes, header: bytes = b"Authorization") -> bytes:
    """The one authorization line of a message."""
    lines = [line for line in data.split(b"\r\n") if b"uthorization:" in line]
    assert len(lines) == 1
    assert lines[0].startswith(header + b": ")
    return lines[0]


def check(data: bytes, *, header: bytes = b"Authorization", user: bytes = b"joe", password: bytes = b"secret") -> dict:
    """The answer's parameters, its response computed anew from them."""
    p = digest.params(answer_in(data, header))
    start, _, body = data.partition(b"\r\n\r\n")
    length = next(line for line in start.split(b"\r\n") if line.startswith(b"Content-Length"))
    assert int(length.partition(b":")[2]) == len(body)
    asked = digest.Request(
        user, password, start.split(b" ")[0], p["uri"], body, p.get("nc", b""), p.get("cnonce", b"")
    )
    algorithm = p.get("algorithm", b"MD5").decode()
    assert p["username"] == user
    assert p["response"] == digest.response(algorithm, p.get("qop", b"").decode(), p["realm"], p["nonce"], asked)
    return p


def started(*elements: str, **more: object) -> Ticks:
    return run(client(*elements), auth_uri=URI, **more).until(2)  # type: ignore[arg-type]


def one_answer(challenges: str, code: int = 401, sent: str = authorized("REGISTER")) -> bytes:
    ticks = started(recv(str(code), "auth='true'"), sent)
    (data,) = ticks.receive(response(code, "OPTIONS", more=challenges))
    assert ticks.counts("successful_calls", "warnings") == [1, 0]
    return data


@pytest.mark.parametrize("algorithm", ["", "MD5", "MD5-sess", "SHA-256", "SHA-256-sess", "SHA-512-256"])
@pytest.mark.parametrize("qop", ["", "auth", "auth-int", "auth,auth-int"])
def test_answer_is_the_one_of_the_rfcs(algorithm: str, qop: str) -> None:
    more = (f", algorithm={algorithm}" if algorithm else "") + (f', qop="{qop}"' if qop else "")
    p = check(one_answer(challenge(more=more), sent=authorized("REGISTER", body="some body")))
    assert p["uri"] == URI
    assert (p["realm"], p["nonce"]) == (b"r", b"n1")
    assert ("nc" in p) == bool(qop)


def test_proxy_is_answered_in_its_own_header() -> None:
    data = one_answer(challenge(header="Proxy-Authenticate"), 407)
    check(data, header=b"Proxy-Authorization")


def test_challenge_in_the_header_of_the_other_status_is_answered_as_its_status_says() -> None:
    check(one_answer(challenge(header="Proxy-Authenticate"), 401), header=b"Authorization")
    check(one_answer(challenge(), 407), header=b"Proxy-Authorization")


def test_nonce_count_goes_up_with_each_use_and_cnonces_differ() -> None:
    ticks = started(recv("401", "auth='true'"), *[authorized("REGISTER")] * 3)
    seen = [check(data) for data in ticks.receive(response(401, "OPTIONS", more=challenge()))]
    assert [p["nc"] for p in seen] == [b"00000001", b"00000002", b"00000003"]
    assert len({p["cnonce"] for p in seen}) == 3


def twice(first: str, second: str, codes: tuple[int, int] = (401, 401)) -> list[bytes]:
    elements = [part for code in codes for part in (recv(str(code), "auth='true'"), authorized("REGISTER"))]
    ticks = started(*elements)
    return [
        ticks.receive(response(code, method, more=more))[0]
        for code, more, method in zip(codes, (first, second), ("OPTIONS", "REGISTER"), strict=True)
    ]


def test_same_challenge_again_goes_on_counting() -> None:
    assert [check(data)["nc"] for data in twice(challenge(), challenge())] == [b"00000001", b"00000002"]


@pytest.mark.parametrize("second", [challenge("n2"), challenge(realm="other"), challenge(more=', qop="auth", stale=TRUE')])
def test_new_challenge_starts_counting_anew(second: str) -> None:
    assert [check(data)["nc"] for data in twice(challenge(), second)] == [b"00000001", b"00000001"]


def test_same_challenge_of_a_proxy_is_another_one() -> None:
    first, second = twice(challenge(), challenge(header="Proxy-Authenticate"), (401, 407))
    check(first)
    assert check(second, header=b"Proxy-Authorization")["nc"] == b"00000001"


def test_strongest_challenge_that_is_understood_is_answered() -> None:
    several = (
        "WWW-Authenticate: Basic realm=\"r\"\r\n" + challenge("odd", more=", algorithm=ODD")
        + challenge("md5", more=", algorithm=MD5") + challenge("sha", more=", algorithm=SHA-256")
    )  # fmt: skip
    p = check(one_answer(several))
    assert (p["algorithm"], p["nonce"]) in ((b"SHA-256", b"sha"), (b"MD5", b"md5"))


def test_challenge_that_nobody_understands_fails_the_call() -> None:
    ticks = started(recv("401", "auth='true'"), authorized("REGISTER"))
    assert ticks.receive(response(401, "OPTIONS", more=challenge(more=", algorithm=ODD"))) == []
    assert ticks.counts("failed_cannot_send_message", "failed_calls") == [1, 1]
    assert complaints(ticks) == [Complaint.COMPLAINT_AUTHENTICATION]


def test_recv_without_auth_keeps_no_challenge() -> None:
    ticks = started(recv("401"), authorized("REGISTER"))
    assert ticks.receive(response(401, "OPTIONS", more=challenge())) == []
    assert complaints(ticks) == [Complaint.COMPLAINT_NO_CHALLENGE]


def test_challenges_of_calls_do_not_mix() -> None:
    ticks = run(client(recv("401", "auth='true'"), authorized("REGISTER")), n_calls=5, auth_uri=URI).until(8)
    for number in (3, 1, 5, 2, 4):
        (data,) = ticks.receive(response(401, "OPTIONS", number=number, more=challenge(f"n{number}")))
        p = check(data)
        assert (p["nonce"], p["nc"]) == (b"n%d" % number, b"00000001")


# --------------------------------------------------------------------------- credentials


def test_credentials_may_be_variables_and_fields() -> None:
    text = client(
        nop(assign_text("u", "user[call_number]")),
        recv("401", "auth='true'"),
        authorized("REGISTER", '[authentication username="[$u]" password="[field1]"]'),
    )
    ticks = run(text, files={"a.csv": b"SEQUENTIAL\nx;first\nx;second\n"}, n_calls=2, auth_uri=URI).until(4)
    for number, password in ((1, b"first"), (2, b"second")):
        (data,) = ticks.receive(response(401, "OPTIONS", number=number, more=challenge()))
        check(data, user=b"user%d" % number, password=password)


def test_what_expands_behind_the_keyword_does_not_disturb_its_credentials() -> None:
    more = "[field1]\nX: [field0 line=\"[$n]\"]\nY: [file name=\"[field2]\"]"
    text = client(nop(assign("n", 1)), recv("401", "auth='true'"), authorized("REGISTER", more))
    data = b"SEQUENTIAL\nx;[authentication username=joe password=secret];/dev/null\nsecond;;\n"
    ticks = run(text, files={"a.csv": data}, auth_uri=URI).until(2)
    (sent,) = ticks.receive(response(401, "OPTIONS", more=challenge()))
    check(sent)
    assert b"\r\nX: second\r\nY: \r\n" in sent


def test_field_may_hold_the_whole_keyword() -> None:
    text = client(recv("401", "auth='true'"), authorized("REGISTER", "[field1]"))
    data = b"SEQUENTIAL\na;[authentication username=joe password=secret]\nb;[authentication username=ann password=pw]\n"
    ticks = run(text, files={"a.csv": data}, n_calls=2, auth_uri=URI).until(4)
    for number, user, password in ((1, b"joe", b"secret"), (2, b"ann", b"pw")):
        (sent,) = ticks.receive(response(401, "OPTIONS", number=number, more=challenge()))
        check(sent, user=user, password=password)
        assert b"[" not in sent


@pytest.mark.parametrize(
    "field",
    [
        b"[authentication",
        b"[authentication ",
        b"[authentication username=joe",
        b"[authentication]",
        b"[authentication username=]",
        b'[authentication username="a]b" password="c d"]',
        b"x" * 3000 + b"[authentication username=joe password=" + b"p" * 3000 + b"]",
        b"[authentication username=joe password=" + b"p" * 5000 + b"]",
        b"[authentication username=a password=b][authentication username=c password=d]",
    ],
)
@pytest.mark.parametrize("where", ["[field0]", '[file name="[field0]"]', '[field1 line="[field0]"]'])
def test_odd_field_ends_no_run(field: bytes, where: str) -> None:
    text = client(recv("401", "auth='true'"), authorized("REGISTER", where))
    ticks = run(text, files={"a.csv": b"SEQUENTIAL\n" + field + b";1\n"}, n_calls=3, auth_uri=URI).until(4)
    for number in (1, 2, 3):
        ticks.receive(response(401, "OPTIONS", number=number, more=challenge()))
    assert ticks.counts("calls_ended") == [3]


def test_name_and_password_of_the_command_line_are_the_default() -> None:
    text = client(recv("401", "auth='true'"), authorized("REGISTER", "[authentication]"))
    bindings = {"auth_username": "dflt", "auth_password": "pw"}
    ticks = run(text, bindings=bindings, auth_uri=URI).until(2)
    (data,) = ticks.receive(response(401, "OPTIONS", more=challenge()))
    check(data, user=b"dflt", password=b"pw")


# --------------------------------------------------------------------------- checking


VERIFY = "<verifyauth assign_to='ok' username='joe' password='secret'/>"


def verified(header: str, method: str = "REGISTER") -> str:
    ticks = run(scenario(recv(method)[:-2] + f">{action(VERIFY, log('[$ok]'))}</recv>", send("200")))
    ticks.receive(request(method, more=header))
    (shown,) = logged(ticks)
    return shown


def written(method: bytes = b"REGISTER", *, user: bytes = b"joe", password: bytes = b"secret") -> str:
    asked = digest.Request(user, password, method, URI)
    return digest.header("MD5", "auth", b"r", b"n", asked).decode() + "\r\n"


def test_right_answer_is_found_right_and_others_wrong() -> None:
    assert verified(written()) == "true"
    assert verified(written().replace("Authorization", "Proxy-Authorization")) == "true"
    assert verified(written(password=b"wrong")) == "false"
    assert verified(written(user=b"ann")) == "false"
    assert verified(written(b"INVITE")) == "false"
    assert verified("") == "false"
    assert verified("Authorization: Basic abc\r\n") == "false"


def test_own_answer_is_found_right_by_the_peer() -> None:
    answered = answer_in(one_answer(challenge())).decode() + "\r\n"
    assert verified(answered) == "true"


# --------------------------------------------------------------------------- memory


def test_challenges_of_ended_calls_are_given_back() -> None:
    text = client(recv("401", "auth='true'"), authorized("REGISTER"), recv("407", "auth='true'"), authorized("REGISTER"))

    def exchange(ticks: Ticks, number: int) -> None:
        ticks.until(ticks.now_ms + 1)
        first = challenge(LONG[:900]) + challenge(LONG[:901])
        assert names(ticks.receive(response(401, "OPTIONS", number=number, more=first))) == ["REGISTER"]
        more = challenge(LONG[:950], header="Proxy-Authenticate")
        ticks.receive(response(407, "REGISTER", number=number, more=more))

    given_back(lambda **more: run(text, auth_uri=URI, **more), exchange)
