"""sippx against Kamailio, a real registrar and proxy with digest authentication, and as a registrar itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.harness import free_port, header, headers, start_line
from interop.kamailio_process import KAMAILIO, KAMCMD, Digest, Kamailio
from interop.kamailio_runs import Run, Side, injection, register, user, vias
from interop.pairs import SIPP

N_USERS = 1000
N_CALLS = 200
MD5_WITHOUT_QOP, MD5, SHA_256 = Digest(qop=0), Digest(), Digest("SHA-256")
needs_kamailio = pytest.mark.skipif(
    KAMAILIO is None or KAMCMD is None, reason="Kamailio is not installed (Debian package kamailio)"
)
needs_sipp = pytest.mark.skipif(SIPP is None, reason="the real sipp is not installed (Debian package sip-tester)")
pytestmark = pytest.mark.interop


@pytest.fixture
def kamailio(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Kamailio]:
    """Kamailio, challenging as the test's parameter says."""
    with Kamailio(tmp_path, getattr(request, "param", MD5)) as running:
        yield running


def challenging(*digests: Digest) -> pytest.MarkDecorator:
    """Runs the test with a Kamailio of each kind."""
    return pytest.mark.parametrize("kamailio", digests, ids=str, indirect=True)


# ---- registrations


def challenges(run: Run) -> set[tuple[str, str]]:
    """Call-ID and challenge of each refusal, those received again once."""
    return {(header(data, "Call-ID"), header(data, "WWW-Authenticate")) for data in run.of("received", "401")}


@needs_kamailio
@challenging(MD5_WITHOUT_QOP, MD5, SHA_256)
def test_a_thousand_users_register(tmp_path: Path, kamailio: Kamailio) -> None:
    run = register(tmp_path, kamailio.address, [user(i) for i in range(N_USERS)]).wait()
    assert run.outcome == (0, N_USERS, 0), run.ended.text
    assert kamailio.statistic("usrloc:location_users") == N_USERS
    assert kamailio.statistic("registrar:accepted_regs") == N_USERS
    assert len(challenges(run)) == N_USERS  # one each: the answer was accepted at the first attempt


@needs_kamailio
def test_wrong_passwords_fail_as_unexpected_messages(tmp_path: Path, kamailio: Kamailio) -> None:
    rows = [user(i, "guessed" if i % 2 else None) for i in range(100)]
    run = register(tmp_path, kamailio.address, rows).wait()
    assert run.outcome == (1, 50, 50), run.ended.text
    assert run.count("FailedUnexpectedMessage") == 50
    assert kamailio.statistic("usrloc:location_users") == 50
    assert len(challenges(run)) == 150


# ---- calls


def routed_call(folder: Path, kamailio: Kamailio, caller: str, callee: str) -> tuple[Run, Run]:
    """Register callees, then N_CALLS calls to them through the proxy; both sides."""
    port = free_port()
    server = Side(folder, callee, port, "-m", N_CALLS, "-timeout", 15)
    with server.command:
        registered = register(folder, kamailio.address, [user(i) for i in range(50)], contact_port=port).wait()
        assert registered.outcome == (0, 50, 0), registered.ended.text
        server.command.wait_bound(port)
        rows = [(*user(N_USERS + i), user(i % 50)[0]) for i in range(N_CALLS)]
        client = Side(
            folder, caller, free_port(), kamailio.address, "-inf", injection(folder, rows), "-m", N_CALLS, "-r", 400,
        ).wait()  # fmt: skip
        return client, server.wait()


@needs_kamailio
@challenging(MD5, SHA_256)
def test_calls_are_routed_by_the_proxy(tmp_path: Path, kamailio: Kamailio) -> None:
    client, server = routed_call(tmp_path, kamailio, "call", "answer")
    assert client.outcome == server.outcome == (0, N_CALLS, 0), client.ended.text + server.ended.text
    assert len(client.of("received", "407")) == N_CALLS
    for data in client.of("sent", "INVITE") + server.of("received", "INVITE"):
        assert int(header(data, "Content-Length")) == len(data.partition(b"\r\n\r\n")[2]) > 0
    route = re.compile(rf"<sip:127\.0\.0\.1:{kamailio.port};lr(?:=on)?(?:;[^>]*)?>")
    for name in ("ACK", "BYE"):
        sent = [data for data in client.of("sent", name) if headers(data, "Route")]
        assert len(sent) == N_CALLS
        for data in sent:
            assert start_line(data) == f"{name} {contact(server)} SIP/2.0"
            assert route.fullmatch(header(data, "Route"))
        arrived = server.of("received", name)
        assert len(arrived) == N_CALLS
        for data in arrived:
            assert vias(data)[0] == kamailio.address
            assert len(vias(data)) == 2
            assert not headers(data, "Route")


def contact(server: Run) -> str:
    """The URI in the Contact of the callee."""
    return header(server.of("sent", "200")[0], "Contact").strip("<>")


@needs_kamailio
def test_a_callee_hangs_up_through_the_proxy(tmp_path: Path, kamailio: Kamailio) -> None:
    client, server = routed_call(tmp_path, kamailio, "call_ended_by_callee", "answer_and_hang_up")
    assert client.outcome == server.outcome == (0, N_CALLS, 0), client.ended.text + server.ended.text
    arrived = client.of("received", "BYE")
    assert len(arrived) == N_CALLS
    assert {(vias(data)[0], len(vias(data))) for data in arrived} == {(kamailio.address, 2)}


@needs_kamailio
def test_callers_with_wrong_passwords_are_refused_at_once(tmp_path: Path, kamailio: Kamailio) -> None:
    rows = [(*user(i, "guessed"), "user1") for i in range(50)]
    client = Side(
        tmp_path, "call", free_port(), kamailio.address, "-inf", injection(tmp_path, rows), "-m", 50, "-r", 500
    ).wait()
    assert client.outcome == (1, 0, 50), client.ended.text
    assert client.count("FailedUnexpectedMessage") == 50


@needs_kamailio
def test_a_callee_that_is_not_registered_fails_the_call(tmp_path: Path, kamailio: Kamailio) -> None:
    rows = [(*user(i), "nobody") for i in range(20)]
    client = Side(
        tmp_path, "call", free_port(), kamailio.address, "-inf", injection(tmp_path, rows), "-m", 20, "-r", 500
    ).wait()
    assert client.outcome == (1, 0, 20), client.ended.text
    assert client.count("FailedUnexpectedMessage") == 20
    assert len(client.of("received", "404")) >= 20


# ---- sippx as the registrar

CHALLENGES = ["algorithm=MD5", 'algorithm=MD5, qop="auth"', 'algorithm=MD5, qop="auth-int"']


@pytest.mark.parametrize(
    ("tool", "challenge"),
    [
        *(pytest.param("sipp", challenge, marks=needs_sipp) for challenge in CHALLENGES),
        ("sippx", 'algorithm=MD5, qop="auth-int"'),
        ("sippx", 'algorithm=SHA-256, qop="auth"'),  # which sipp 3.6.1 does not know
    ],
)
def test_sippx_admits_right_passwords_and_refuses_wrong_ones(tmp_path: Path, tool: str, challenge: str) -> None:
    port = free_port()
    server = Side(tmp_path, "registrar", port, "-m", 100, "-timeout", 15, "-key", "challenge", challenge)
    with server.command:
        server.command.wait_bound(port)
        rows = [user(i, "guessed" if i % 2 else None) for i in range(100)]
        client = register(tmp_path, f"127.0.0.1:{port}", rows, tool=tool).wait()
        judged = server.wait()
    assert client.outcome == (1, 50, 50), client.ended.text
    assert client.count("FailedUnexpectedMessage") == 50
    assert judged.outcome == (0, 100, 0), judged.ended.text
    for code, remainder in (("200", 0), ("403", 1)):
        answered = [header(data, "From") for data in judged.of("sent", code)]
        assert len(answered) == 50
        assert {int(re.findall(r"user(\d+)@", value)[0]) % 2 for value in answered} == {remainder}
