"""sippx over real SCTP: with itself, and with sockets of Python's own as the peer."""

from __future__ import annotations

import re
import select
import threading
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from e2e.harness import (
    Finished,
    answer_like_uas,
    header,
    headers,
    method,
    request,
    say_nothing,
    start_line,
    wait_until,
)
from sippx.sctp import sctp_options

from .commands import Sippx
from .kernel import (
    ABORTS,
    DEFAULTS,
    PRODUCT,
    SECONDS,
    TELLS_HOW,
    Arrival,
    Association,
    Settings,
    associations,
    free_port,
    is_listening,
    listener,
    open_socket,
    receive,
    require_sctp,
    settings_of,
    socket_of,
)

require_sctp()

N_CALLS = 1000
BOUNDED = ("-timeout", "100", "-timeout_error", "-nostdin")
Start = Callable[..., Sippx]
Run = Callable[..., Finished]


class Abort(Exception):
    """Raised by what answers: the association is aborted."""


class SctpPeer:
    """Listens, keeps what arrives and how each association ended, and sends what `answer` gives for each message."""

    def __init__(
        self, answer: Callable[[bytes], Iterable[bytes]] = say_nothing, ip: str = "127.0.0.1", more: tuple[str, ...] = ()
    ) -> None:
        self.arrivals: list[Arrival] = []
        self.ends: list[str] = []
        self.failures: list[BaseException] = []
        self._answer = answer
        self._listener = listener(ip, [TELLS_HOW, *PRODUCT], more)
        self._listener.settimeout(0.1)
        self.port: int = self._listener.getsockname()[1]
        self.address = f"[{ip}]:{self.port}" if ":" in ip else f"{ip}:{self.port}"
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def __enter__(self) -> SctpPeer:
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(SECONDS)
        self._listener.close()
        assert not self.failures, self.failures

    @property
    def n_associations(self) -> int:
        """Accepted so far."""
        return len(self._threads) - 1

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                accepted, _ = self._listener.accept()
            except TimeoutError:
                continue
            thread = threading.Thread(target=self._serve, args=(accepted,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, accepted: Any) -> None:
        accepted.settimeout(SECONDS)
        try:
            with accepted:
                while not self._stopping.is_set():
                    if not select.select([accepted], [], [], 0.1)[0]:
                        continue
                    arrival = receive(accepted)
                    if not arrival.content:
                        self.ends.append("closed")
                        return
                    self.arrivals.append(arrival)
                    try:
                        for message in self._answer(arrival.content):
                            accepted.send(message)
                    except Abort:
                        accepted.setsockopt(*ABORTS)
                        return
        except ConnectionResetError:
            self.ends.append("aborted")
        except BaseException as error:
            self.failures.append(error)


def assert_one_whole_message(content: bytes) -> None:
    """One SIP message, all of it, and not a byte of another one."""
    head, separator, body = content.partition(b"\r\n\r\n")
    assert separator, content
    assert re.match(rb"[A-Z]+ sip:\S+ SIP/2\.0\r\n|SIP/2\.0 \d{3} ", head), content
    assert len(body) == int(header(content, "Content-Length")), content


def wait_listening(server: Sippx, port: int) -> None:
    """Return when the server listens at the port; AssertionError where it ended before."""
    wait_until(lambda: is_listening(port) or not server.is_running(), "the server listens")
    assert server.is_running(), server.wait().text


def association_to(port: int) -> Association:
    """The one that was opened to a port, as soon as it is established."""
    found: list[Association] = []

    def is_there() -> bool:
        found[:] = [each for each in associations() if each.remote_port == port and each.is_established]
        return bool(found)

    wait_until(is_there, f"an association to port {port}")
    return found[0]


# ---- sippx with itself ----------------------------------------------------------------------------------


@pytest.mark.parametrize("ip", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("mode", ["s1", "sn"])
def test_every_call_of_a_pair_succeeds(start: Start, mode: str, ip: str) -> None:
    port = free_port(ip)
    more = ("-t", mode, "-i", ip, "-m", N_CALLS, *BOUNDED)
    remote = f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"
    server = start("-sn", "uas", "-p", port, *more)
    wait_listening(server, port)
    client = start("-sn", "uac", remote, "-r", 500, *more).wait(110)
    assert client.code == 0, client.text
    served = server.wait(110)
    assert served.code == 0, served.text


def test_pair_talks_over_further_addresses_too(start: Start) -> None:
    port = free_port()
    more = ("-t", "s1", "-m", 50, *BOUNDED)
    server = start("-sn", "uas", "-i", "127.0.0.1", "-p", port, "-multihome", "127.0.0.2", *more)
    wait_listening(server, port)
    uac = start("-sn", "uac", f"127.0.0.2:{port}", "-i", "127.0.0.1", "-multihome", "127.0.0.3", "-r", 50, *more)
    mine = association_to(port)
    assert mine.local_ips == ["127.0.0.1", "127.0.0.3"]
    assert sorted(mine.remote_ips) == ["127.0.0.1", "127.0.0.2"]
    client = uac.wait(110)
    assert client.code == 0, client.text
    served = server.wait(110)
    assert served.code == 0, served.text


# ---- sippx as the client of a peer of Python's own ----------------------------------------------------


@pytest.mark.parametrize(("mode", "n_associations"), [("s1", 1), ("sn", 20)])
def test_each_message_of_a_client_is_one_unordered_message_on_stream_0(
    sippx: Run, mode: str, n_associations: int
) -> None:
    with SctpPeer(answer_like_uas) as peer:
        done = sippx("-sn", "uac", peer.address, "-t", mode, "-i", "127.0.0.1", "-m", 20, "-r", 100, *BOUNDED)
        assert done.code == 0, done.text
        wait_until(lambda: len(peer.ends) == n_associations, "the associations end")
        assert peer.n_associations == n_associations
        assert peer.ends == ["closed"] * n_associations
        assert sorted(method(each.content) for each in peer.arrivals) == ["ACK"] * 20 + ["BYE"] * 20 + ["INVITE"] * 20
        for each in peer.arrivals:
            assert_one_whole_message(each.content)
            assert (each.is_unordered, each.stream) == (True, 0)
            assert header(each.content, "Via").startswith("SIP/2.0/SCTP ")


def test_messages_that_come_back_to_back_are_told_apart(sippx: Run) -> None:
    with SctpPeer(answer_like_uas) as peer:  # 180 and 200 are sent without anything between them
        done = sippx("-sn", "uac", peer.address, "-t", "s1", "-i", "127.0.0.1", "-m", 300, "-r", 1000, *BOUNDED)
        assert done.code == 0, done.text


@pytest.mark.parametrize(("graceful", "end"), [("true", "closed"), ("false", "aborted")])
def test_association_of_a_client_ends_as_gracefulclose_says(sippx: Run, graceful: str, end: str) -> None:
    with SctpPeer(answer_like_uas) as peer:
        done = sippx(
            "-sn", "uac", peer.address, "-t", "s1", "-i", "127.0.0.1", "-m", 1, "-gracefulclose", graceful, *BOUNDED
        )
        assert done.code == 0, done.text
        wait_until(lambda: peer.ends, "the association ends")
        assert peer.ends == [end]


@pytest.mark.parametrize("mode", ["s1", "sn"])
def test_options_are_those_of_the_client_s_socket(start: Start, mode: str) -> None:
    words = ("-assocmaxret", 4, "-pathmaxret", 3, "-heartbeat", 1500, "-pmtu", 1400, "-gracefulclose", "false")
    with SctpPeer() as peer:
        client = start("-sn", "uac", peer.address, "-t", mode, "-i", "127.0.0.1", "-m", 1, *words, *BOUNDED)
        with socket_of(client.pid, association_to(peer.port).inode) as sock:
            assert settings_of(sock) == Settings(
                assocmaxret=4, pathmaxret=3, heartbeat_ms=1500, pmtu=1400,
                pmtu_is_fixed=True, is_unordered=True, is_undelayed=True, aborts=True,
            )  # fmt: skip


def test_without_options_the_kernel_s_defaults_stay(start: Start) -> None:
    with SctpPeer() as peer:
        client = start("-sn", "uac", peer.address, "-t", "s1", "-i", "127.0.0.1", "-m", 1, *BOUNDED)
        with socket_of(client.pid, association_to(peer.port).inode) as sock:
            found = settings_of(sock)
            assert found == Settings(pmtu=found.pmtu, is_unordered=True, is_undelayed=True, **DEFAULTS)


def test_client_whose_server_is_not_there_ends_with_a_sentence(sippx: Run) -> None:
    done = sippx("-sn", "uac", f"127.0.0.1:{free_port()}", "-t", "s1", "-i", "127.0.0.1", "-m", 1, *BOUNDED)
    assert done.code not in (0, -9), done.text
    assert "refused" in (done.out + done.err).lower(), done.text
    assert "Traceback" not in done.out + done.err, done.text


def test_association_aborted_by_the_peer_is_made_anew(sippx: Run) -> None:
    aborted = threading.Event()

    def answer(message: bytes) -> Iterable[bytes]:
        if not aborted.is_set():
            aborted.set()
            raise Abort
        return answer_like_uas(message)

    with SctpPeer(answer) as peer:
        done = sippx(
            "-sn", "uac", peer.address, "-t", "s1", "-i", "127.0.0.1", "-m", 5, "-r", 2, "-max_reconnect", 3,
            "-reconnect_sleep", 100, *BOUNDED,
        )  # fmt: skip
        assert done.code == 1, done.text  # the call of the lost association failed
        assert peer.n_associations == 2
        assert sum(method(each.content) == "BYE" for each in peer.arrivals) >= 3


# ---- sippx as the server of a peer of Python's own ------------------------------------------------------


def test_server_answers_each_message_with_one_on_the_association_it_came_by(start: Start) -> None:
    port = free_port()
    server = start("-sn", "uas", "-t", "s1", "-i", "127.0.0.1", "-p", port, "-m", 2, *BOUNDED)
    wait_listening(server, port)
    options = [*PRODUCT, TELLS_HOW]
    with open_socket(options=options) as first, open_socket(options=options) as second:
        for number, client in enumerate((first, second)):
            client.connect(("127.0.0.1", port))
            client.send(over_sctp(request("INVITE", f"call-{number}")))
        for number, client in enumerate((first, second)):
            answers = sorted((receive(client) for _ in range(2)), key=lambda each: start_line(each.content))
            assert [method(each.content) for each in answers] == ["180", "200"]
            for each in answers:
                assert_one_whole_message(each.content)
                assert (each.is_unordered, each.stream) == (True, 0)
                assert header(each.content, "Call-ID") == f"call-{number}"
                assert headers(each.content, "Via")[0].startswith("SIP/2.0/SCTP ")
            assert "transport=SCTP" in header(answers[1].content, "Contact")
            client.send(over_sctp(request("ACK", f"call-{number}", branch="z9hG4bK-ack")))
            client.send(over_sctp(request("BYE", f"call-{number}", cseq=2, branch="z9hG4bK-bye")))
            assert method(receive(client).content) == "200"
        served = server.wait(110)
        assert served.code == 0, served.text


@pytest.mark.parametrize("pmtu", [0, 512])
def test_server_takes_a_message_of_many_packets(start: Start, pmtu: int) -> None:
    port = free_port()
    server = start("-sn", "uas", "-t", "s1", "-i", "127.0.0.1", "-p", port, *BOUNDED)
    wait_listening(server, port)
    long = "".join(f"X-Filler: {number:05d}{'x' * 400}\r\n" for number in range(140))
    with open_socket(options=list(sctp_options(path_mtu_bytes=pmtu))) as client:
        client.connect(("127.0.0.1", port))
        client.send(over_sctp(request("INVITE", "long", more=long)))
        assert {method(receive(client).content) for _ in range(2)} == {"180", "200"}


def test_server_lives_on_when_clients_abort_and_answers_the_next(start: Start) -> None:
    port = free_port()
    server = start("-sn", "uas", "-t", "s1", "-i", "127.0.0.1", "-p", port, *BOUNDED)
    wait_listening(server, port)
    for number in range(3):
        with open_socket(options=[ABORTS]) as client:
            client.connect(("127.0.0.1", port))
            client.send(over_sctp(request("INVITE", f"aborted-{number}")))
            receive(client)
    with open_socket() as client:
        client.connect(("127.0.0.1", port))
        client.send(over_sctp(request("INVITE", "kept")))
        assert {method(receive(client).content) for _ in range(2)} == {"180", "200"}
    assert server.is_running(), server.wait().text


def over_sctp(message: bytes) -> bytes:
    """The message with the Via it has over SCTP."""
    return message.replace(b"SIP/2.0/UDP", b"SIP/2.0/SCTP")
