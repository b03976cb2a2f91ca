"""sippx against Kamailio over TCP, TLS and WebSocket: registrations, calls through the proxy, what TLS is asked for."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from core.certificates import NAME, Certificates, make_certificates
from e2e.harness import free_port, header, headers, start_line, wait_until
from interop.kamailio_process import Digest, Kamailio, missing_for_connections
from interop.kamailio_runs import SCENARIOS, Run, Side, injection, register, user, vias
from sippx.transports import MODES

MISSING = missing_for_connections()
pytestmark = [pytest.mark.interop, pytest.mark.skipif(MISSING is not None, reason=str(MISSING))]

N_USERS = 10
N_CALLS = 30
CALLERS = 100_000
"""Numbers of the users that call begin here."""
_next_user = count(step=1000)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def kamailio(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[Kamailio]:
    with Kamailio(tmp_path_factory.mktemp("kamailio"), Digest(), certificates) as running:
        yield running


@pytest.fixture
def users() -> list[tuple[str, str]]:
    """Names and passwords of this test's own."""
    first = next(_next_user)
    return [user(i) for i in range(first, first + N_USERS)]


def is_secure(mode: str) -> bool:
    return MODES[mode].transport in ("TLS", "WSS")


def target(kamailio: Kamailio, mode: str) -> str:
    """Where Kamailio takes connections of the mode."""
    return kamailio.tls_address if is_secure(mode) else kamailio.address


def words(mode: str, certificates: Certificates) -> list[object]:
    """The options that go with -t."""
    trust = ["-tls_ca", certificates.ca] if is_secure(mode) else []
    return ["-t", mode, *trust, *(["-ws_path", "/sip"] if mode.startswith("w") else [])]


def n_connections(mode: str, n_calls: int) -> int:
    """How many a client makes."""
    return n_calls if mode.endswith("n") else 1


def assert_clean(run: Run, n_calls: int) -> None:
    """All calls were good at the first attempt."""
    assert run.outcome == (0, n_calls, 0), run.ended.text
    assert run.counters["retransmissions"] == 0


def assert_connected(run: Run, mode: str, n_calls: int) -> None:
    """It has made the connections of the mode, and accepted and lost none."""
    n = n_connections(mode, n_calls)
    found = {name: run.counters[f"connections_{name}"] for name in ("opened", "accepted", "failed", "lost")}
    assert found == {"opened": n, "accepted": 0, "failed": 0, "lost": 0}
    assert run.counters["tls_handshakes"] == (n if is_secure(mode) else 0)
    assert run.counters["tls_failures"] == run.counters["framing_errors"] == 0


# ---- calls


def call(
    folder: Path, kamailio: Kamailio, certificates: Certificates, mode: str, users: list[tuple[str, str]],
    scenario: str = "call", *more: object,
) -> Side:  # fmt: skip
    """Start N_CALLS calls of others to these users."""
    rows = [(*user(CALLERS + i), users[i % len(users)][0]) for i in range(N_CALLS)]
    return Side(
        folder, scenario, free_port(), target(kamailio, mode), "-inf", injection(folder, rows, "calls.csv"),
        "-m", N_CALLS, "-r", 200, *words(mode, certificates), *more,
    )  # fmt: skip


@contextmanager
def registered(
    folder: Path, kamailio: Kamailio, certificates: Certificates, mode: str, users: list[tuple[str, str]], answer: str
) -> Iterator[Callable[[], Run]]:
    """Users whose connections stay, and who answer what comes over them; what was given ends them."""
    n_before = kamailio.statistic("registrar:accepted_regs")
    callee = Side(
        folder, "register_and_stay", free_port(), target(kamailio, mode), "-rxsf", SCENARIOS / f"{answer}.xml",
        "-inf", injection(folder, users), "-m", len(users), "-r", 500, *words(mode, certificates),
    )  # fmt: skip

    def end() -> Run:
        callee.command.signal(signal.SIGINT)
        return callee.wait()

    with callee.command as command:
        wait_until(
            lambda: not command.is_running()
            or kamailio.statistic("registrar:accepted_regs") == n_before + len(users),
            "the users are registered",
        )
        yield end


def assert_routed(client: Run, callee: Run, kamailio: Kamailio, mode: str) -> None:
    """Requests of the dialog went through the proxy, and over the callee's transport behind it."""
    transport = MODES[mode].transport
    for name in ("ACK", "BYE"):
        sent = [data for data in client.of("sent", name) if headers(data, "Route")]
        assert len(sent) == N_CALLS
        for data in sent:
            assert f"<sip:{target(kamailio, mode)}" in header(data, "Route")
    for name in ("INVITE", "ACK", "BYE"):
        arrived = callee.of("received", name)
        assert len(arrived) == N_CALLS
        for data in arrived:
            assert len(vias(data)) == 2
            assert header(data, "Via").startswith(f"SIP/2.0/{transport} ")
            assert not headers(data, "Route")


@pytest.mark.parametrize("mode", ["t1", "tn", "l1", "ln", "w1", "wn", "ws1", "wsn"])
def test_users_are_called_over_the_connections_they_registered_over(
    mode: str, tmp_path: Path, kamailio: Kamailio, certificates: Certificates, users: list[tuple[str, str]]
) -> None:
    with registered(tmp_path, kamailio, certificates, mode, users, "answer") as end:
        client = call(tmp_path, kamailio, certificates, mode, users).wait()
        callee = end()
    assert_clean(client, N_CALLS)
    assert_connected(client, mode, N_CALLS)
    assert_connected(callee, mode, N_USERS)
    assert (callee.outcome[0], callee.count("FailedCall")) == (0, 0), callee.ended.text
    assert len(callee.of("received", "401")) == N_USERS
    assert_routed(client, callee, kamailio, mode)
    if mode.endswith("n"):
        # each user's INVITEs name the port that this user registered with
        ports = {header(data, "To"): re.findall(r":(\d+)", header(data, "Contact"))[0] for data in callee.of("sent", "REGISTER")}
        for data in callee.of("received", "INVITE"):
            assert f":{ports[header(data, 'To')]};" in start_line(data)


def test_users_hang_up_over_the_connections_they_registered_over(
    tmp_path: Path, kamailio: Kamailio, certificates: Certificates, users: list[tuple[str, str]]
) -> None:
    with registered(tmp_path, kamailio, certificates, "wsn", users, "answer_and_hang_up") as end:
        client = call(tmp_path, kamailio, certificates, "wsn", users, "call_ended_by_callee").wait()
        callee = end()
    assert_clean(client, N_CALLS)
    assert_connected(client, "wsn", N_CALLS)
    assert_connected(callee, "wsn", N_USERS)
    assert len(client.of("received", "BYE")) == len(client.of("sent", "200")) == N_CALLS


@pytest.mark.parametrize("mode", ["un", "wsn"])
def test_a_server_on_udp_is_called_over_any_transport(
    mode: str, tmp_path: Path, kamailio: Kamailio, certificates: Certificates, users: list[tuple[str, str]]
) -> None:
    server = Side(tmp_path, "answer", port := free_port(), "-m", N_CALLS)
    with server.command:
        kept = register(tmp_path, target(kamailio, mode), users, *words(mode, certificates), contact_port=port).wait()
        assert_clean(kept, N_USERS)
        server.command.wait_bound(port)
        client = call(tmp_path, kamailio, certificates, mode, users).wait()
        answered = server.wait()
    assert_clean(client, N_CALLS)
    assert_clean(answered, N_CALLS)
    if mode != "un":
        assert_connected(kept, mode, N_USERS)
        assert_connected(client, mode, N_CALLS)
    for data in answered.of("received", "INVITE"):
        assert [value.split()[0] for value in headers(data, "Via")] == ["SIP/2.0/UDP", f"SIP/2.0/{MODES[mode].transport}"]


def test_kamailio_connects_to_a_server_and_both_verify_certificates(
    tmp_path: Path, kamailio: Kamailio, certificates: Certificates, users: list[tuple[str, str]]
) -> None:
    shown = ["-tls_cert", certificates.server, "-tls_key", certificates.server_key]
    server = Side(tmp_path, "answer", port := free_port(), "-m", N_CALLS, *words("l1", certificates), *shown)
    with server.command:
        server.wait_listening()
        kept = register(tmp_path, kamailio.address, users, contact_port=port, transport="tls").wait()
        assert_clean(kept, N_USERS)
        client = call(tmp_path, kamailio, certificates, "u1", users).wait()
        answered = server.wait()
    assert_clean(client, N_CALLS)
    assert_clean(answered, N_CALLS)
    assert answered.counters["connections_accepted"] == answered.counters["tls_handshakes"] == 1


# ---- TLS


def told_of_tls(run: Run) -> set[str]:
    """What Kamailio saw: version, and the name in the client's certificate."""
    return {header(data, "X-TLS") for data in run.of("received", "200")}


def refusals(run: Run, folder: Path) -> str:
    """What the error file of a run says, all of whose calls have failed for want of a connection."""
    assert run.outcome == (1, 0, N_USERS), run.ended.text
    assert run.count("FailedTcpConnect") + run.count("FailedTcpClosed") == N_USERS
    return (folder / "errors.log").read_text()


@pytest.mark.parametrize("name", [NAME, "other.example.test"])
def test_the_name_in_the_certificate_of_kamailio_is_verified(
    name: str, tmp_path: Path, kamailio: Kamailio, certificates: Certificates, users: list[tuple[str, str]]
) -> None:
    run = register(
        tmp_path, kamailio.tls_address, users, *words("ln", certificates), "-tls_server_name", name,
        "-trace_err", "-error_file", "errors.log",
    ).wait()  # fmt: skip
    if name == NAME:
        assert_clean(run, N_USERS)
    else:
        assert "hostname mismatch" in refusals(run, tmp_path).lower()
        assert run.counters["tls_failures"] == run.counters["connections_failed"] == N_USERS


def test_kamailio_is_not_believed_whom_another_authority_vouches_for(
    tmp_path: Path, kamailio: Kamailio, certificates: Certificates, users: list[tuple[str, str]]
) -> None:
    run = register(
        tmp_path, kamailio.tls_address, users, "-t", "ln", "-tls_ca", certificates.other_ca, "-trace_err", "-error_file",
        "errors.log",
    ).wait()  # fmt: skip
    assert "self-signed certificate in certificate chain" in refusals(run, tmp_path)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_client_shows_the_certificate_that_kamailio_demands(
    version: str, tmp_path: Path, kamailio: Kamailio, certificates: Certificates, users: list[tuple[str, str]]
) -> None:
    log = tmp_path / "keys.log"
    run = register(
        tmp_path, kamailio.mutual_address, users, *words("ln", certificates), "-tls_cert", certificates.client,
        "-tls_key", certificates.client_key, "-tls_version", version, "-tls_keylog", log, "-tls_no_resume",
    ).wait()  # fmt: skip
    assert_clean(run, N_USERS)
    assert told_of_tls(run) == {f"TLSv{version}; client=client"}
    secret = "CLIENT_RANDOM" if version == "1.2" else "CLIENT_TRAFFIC_SECRET_0"
    assert [line.split()[0] for line in log.read_text().splitlines()].count(secret) == N_USERS


def test_a_client_without_the_certificate_is_told_so(
    tmp_path: Path, kamailio: Kamailio, certificates: Certificates, users: list[tuple[str, str]]
) -> None:
    run = register(
        tmp_path, kamailio.mutual_address, users, *words("ln", certificates), "-trace_err", "-error_file", "errors.log"
    ).wait()
    assert "the peer sent alert 116 (certificate required)" in refusals(run, tmp_path)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_sessions_are_resumed(
    version: str, tmp_path: Path, kamailio: Kamailio, certificates: Certificates, users: list[tuple[str, str]]
) -> None:
    """One call after the other, so that each but the first has the session of the one before."""
    more = [*words("ln", certificates), "-tls_version", version, "-l", 1]
    run = register(tmp_path, kamailio.tls_address, users, *more).wait()
    assert_clean(run, N_USERS)
    assert (run.counters["tls_handshakes"], run.counters["tls_resumed"]) == (N_USERS, N_USERS - 1)


def test_sessions_are_not_resumed_where_they_must_not_be(
    tmp_path: Path, kamailio: Kamailio, certificates: Certificates, users: list[tuple[str, str]]
) -> None:
    more = [*words("ln", certificates), "-l", 1, "-tls_no_resume"]
    run = register(tmp_path, kamailio.tls_address, users, *more).wait()
    assert_clean(run, N_USERS)
    assert (run.counters["tls_handshakes"], run.counters["tls_resumed"]) == (N_USERS, 0)


# ---- WebSocket


def test_a_path_that_kamailio_does_not_have_fails_the_calls(
    tmp_path: Path, kamailio: Kamailio, certificates: Certificates, users: list[tuple[str, str]]
) -> None:
    run = register(
        tmp_path, kamailio.tls_address, users, *words("wsn", certificates), "-ws_path", "/nowhere", "-trace_err",
        "-error_file", "errors.log",
    ).wait()  # fmt: skip
    assert "the server answered with status 404" in refusals(run, tmp_path)


def test_pings_are_answered_while_calls_come(
    tmp_path: Path, kamailio: Kamailio, certificates: Certificates, users: list[tuple[str, str]]
) -> None:
    def frames_beside_sip() -> int:
        return kamailio.statistic("websocket:ws_received_frames") - kamailio.statistic("websocket:ws_sip_received_frames")

    def open_ones() -> set[str]:
        return set(re.findall(r"(\d+): ws:.*OPEN", kamailio.command("ws.dump")))

    others = open_ones()
    with registered(tmp_path, kamailio, certificates, "wn", users, "answer") as end:
        n_before = frames_beside_sip()
        ours = open_ones() - others
        assert len(ours) == N_USERS
        for number in ours:
            kamailio.command("ws.ping", number)
            kamailio.command("ws.pong", number)
        wait_until(lambda: frames_beside_sip() >= n_before + N_USERS, "pongs")
        client = call(tmp_path, kamailio, certificates, "wn", users).wait()
        callee = end()
    assert_clean(client, N_CALLS)
    assert_connected(callee, "wn", N_USERS)
