"""Tests of TLS sessions against Python's ssl: handshakes, bytes in any pieces, ends of all kinds, resumption."""

from __future__ import annotations

import socket
import ssl
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.certificates import NAME, Certificates
from core.tls_peers import Pair, open_pair, our_client, our_server, pair_of, python_client, python_server
from sippx._core.tls import Owner, Session

MESSAGE = b"OPTIONS sip:a@sip.example.test SIP/2.0\r\nContent-Length: 0\r\n\r\n"
VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
OLD_VERSIONS = {"1.0": ssl.TLSVersion.TLSv1, "1.1": ssl.TLSVersion.TLSv1_1}


@contextmanager
def either(certificates: Certificates, side: str, ours: dict[str, Any] | None = None, **theirs: Any) -> Iterator[Pair]:
    """A pair in which ours is the `side`, its handshake done."""
    if side == "client":
        contexts = our_client(certificates, **ours or {}), python_server(certificates, **theirs)
    else:
        contexts = our_server(certificates, **ours or {}), python_client(certificates, **theirs)
    with open_pair(*contexts) as pair:
        yield pair


both_sides = pytest.mark.parametrize("side", ["client", "server"])
both_versions = pytest.mark.parametrize("version", VERSIONS)

# --------------------------------------------------------------------------- handshakes


@both_sides
@both_versions
def test_a_session_opens_and_carries_bytes_both_ways(side: str, version: str, certificates: Certificates) -> None:
    with either(certificates, side, {"version": version}) as pair:
        assert pair.session.version == pair.peer.tls.version() == f"TLSv{version}"
        assert pair.session.write(MESSAGE) == len(MESSAGE)
        assert pair.peer.read() == MESSAGE
        pair.peer.write(MESSAGE * 2)
        assert pair.read() == MESSAGE * 2
        assert pair.session.read() == "want read"


@both_sides
@pytest.mark.parametrize("version", OLD_VERSIONS)
def test_versions_that_are_obsolete_are_spoken_where_asked_for(side: str, version: str, certificates: Certificates) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        theirs: Any = python_server(certificates) if side == "client" else python_client(certificates)
        theirs.minimum_version = OLD_VERSIONS[version]
    theirs.set_ciphers("DEFAULT:@SECLEVEL=0")
    ours = (our_client if side == "client" else our_server)(certificates, version=version)
    with open_pair(ours, theirs) as pair:
        assert pair.session.version == {"1.0": "TLSv1", "1.1": "TLSv1.1"}[version]


@both_sides
def test_no_version_in_common_is_told(side: str, certificates: Certificates) -> None:
    ours = (our_client if side == "client" else our_server)(certificates, version="1.2")
    theirs = (python_server if side == "client" else python_client)(certificates, minimum_version=VERSIONS["1.3"])
    with pair_of(ours, theirs) as pair:
        assert pair.handshake() == "failed"
        told = "the peer sent alert 70 (protocol version)" if side == "client" else "unsupported protocol"
        assert pair.owner.failure() == f"TLS handshake failed: {told}"
        assert pair.owner.totals()["failed"] == 1


@both_sides
@pytest.mark.parametrize("cipher", ["TLS_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"])
def test_the_cipher_asked_for_is_used(side: str, cipher: str, certificates: Certificates) -> None:
    version = "1.3" if cipher.startswith("TLS_") else "1.2"
    with either(certificates, side, {"version": version, "ciphers": cipher}) as pair:
        chosen = pair.peer.tls.cipher()
        assert chosen is not None
        assert pair.session.cipher == chosen[0] == cipher


def test_lists_of_both_kinds_of_ciphers_may_be_mixed(certificates: Certificates) -> None:
    ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256:TLS_AES_128_GCM_SHA256"
    with either(certificates, "client", {"ciphers": ciphers}) as pair:
        assert pair.session.cipher == "TLS_AES_128_GCM_SHA256"
    with either(certificates, "client", {"ciphers": ciphers}, maximum_version=VERSIONS["1.2"]) as pair:
        assert pair.session.cipher == "ECDHE-ECDSA-AES128-GCM-SHA256"


@pytest.mark.parametrize(("name", "sent"), [(NAME, NAME), ("127.0.0.1", None), ("::1", None)])
def test_a_client_sends_the_name_but_no_address(name: str, sent: str | None, certificates: Certificates) -> None:
    seen: list[str | None] = []
    theirs = python_server(certificates)
    theirs.sni_callback = lambda _object, asked, _context: seen.append(asked)
    with open_pair(our_client(certificates), theirs, name=name):
        assert seen == [sent]


@pytest.mark.parametrize("name", [b"a\0b", b"a" * 256])
def test_a_name_that_cannot_be_one_is_refused(name: bytes, certificates: Certificates) -> None:
    with socket.socket() as wire, pytest.raises(ValueError, match="too long, or has a NUL"):
        Session(Owner(), our_client(certificates), wire.fileno(), name)


@both_sides
@both_versions
def test_a_handshake_stands_bytes_that_come_one_by_one(side: str, version: str, certificates: Certificates) -> None:
    ours = (our_client if side == "client" else our_server)(certificates, version=version)
    theirs = (python_server if side == "client" else python_client)(certificates)
    with pair_of(ours, theirs) as pair:
        result = pair.session.handshake()
        for _ in range(6):
            pair.peer.take()
            if not pair.peer.is_done:
                try:
                    pair.peer.tls.do_handshake()
                    pair.peer.is_done = True
                except ssl.SSLWantReadError:
                    pass
            wire = pair.peer.outgoing.read()
            while wire and result != "done":
                pair.peer.wire.send(wire[:1])
                wire = wire[1:]
                result = pair.session.handshake()
                assert result in ("done", "want read")
        assert result == "done" and pair.peer.is_done


def test_data_that_comes_with_the_end_of_the_handshake_is_not_lost(certificates: Certificates) -> None:
    with pair_of(our_server(certificates), python_client(certificates)) as pair:
        pair.peer.step()
        assert pair.session.handshake() == "want read"
        pair.peer.take()
        pair.peer.tls.do_handshake()
        pair.peer.tls.write(MESSAGE)
        pair.peer.give()
        assert pair.session.handshake() == "done"
        assert pair.session.read() == MESSAGE


@both_sides
@settings(max_examples=40, deadline=None)
@given(at=st.integers(0, 3000), change=st.integers(1, 255))
def test_a_handshake_with_a_changed_byte_comes_to_some_end(side: str, at: int, change: int, certificates: Certificates) -> None:
    ours = (our_client if side == "client" else our_server)(certificates)
    theirs = (python_server if side == "client" else python_client)(certificates)
    with pair_of(ours, theirs) as pair:
        result = pair.session.handshake()
        for _ in range(4):
            pair.peer.take()
            with suppress(ssl.SSLError):
                pair.peer.tls.do_handshake()
            wire = bytearray(pair.peer.outgoing.read())
            if 0 <= at < len(wire):
                wire[at] ^= change
            at -= len(wire)
            pair.peer.wire.send(wire)
            result = pair.session.handshake()
        assert result in ("done", "want read", "failed")
        if result == "failed":
            assert pair.owner.failure().startswith("TLS handshake failed: ")


def test_nothing_is_read_or_written_before_the_handshake_is_done(certificates: Certificates) -> None:
    with pair_of(our_client(certificates), python_server(certificates)) as pair:
        assert pair.session.read() == "want read"
        assert pair.session.write(MESSAGE) == "done"
        assert pair.session.shutdown() == "done"
        with pytest.raises(BlockingIOError):
            pair.peer.wire.recv(1)

# --------------------------------------------------------------------------- bytes


@both_sides
@settings(max_examples=30, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 40000), min_size=1, max_size=6),
    cuts=st.lists(st.integers(1, 30000), min_size=1, max_size=20),
)
def test_what_is_read_is_what_was_written_however_the_wire_cuts_it(
    side: str, sizes: list[int], cuts: list[int], certificates: Certificates
) -> None:
    whole = b"".join(bytes([i + 1]) * n for i, n in enumerate(sizes))
    with either(certificates, side) as pair:
        for i, n in enumerate(sizes):
            data = bytes([i + 1]) * n
            while data:
                data = data[pair.peer.tls.write(data) :]
        wire, got, i = pair.peer.outgoing.read(), b"", 0
        while wire:
            cut = cuts[i % len(cuts)]
            pair.peer.wire.send(wire[:cut])
            wire, i = wire[cut:], i + 1
            data = pair.read()
            got += data if isinstance(data, bytes) else b""
        assert got == whole


@both_versions
def test_a_record_may_be_split_at_every_point(version: str, certificates: Certificates) -> None:
    with either(certificates, "server", {"version": version}) as pair:
        pair.peer.tls.write(b"first")
        length = pair.peer.outgoing.pending
        pair.peer.give()
        assert pair.read() == b"first"
        for point in range(1, length):
            pair.peer.tls.write(b"first")
            wire = pair.peer.outgoing.read()
            pair.peer.wire.send(wire[:point])
            assert pair.session.read() == "want read"
            pair.peer.wire.send(wire[point:])
            assert pair.session.read() == b"first"


def test_one_read_takes_many_records_and_leaves_none_behind(certificates: Certificates) -> None:
    with either(certificates, "server") as pair:
        for i in range(100):
            pair.peer.tls.write(b"%03d" % i)
        pair.peer.give()
        before = pair.owner.totals()["receive_calls"]
        assert pair.session.read() == b"".join(b"%03d" % i for i in range(100))
        assert pair.owner.totals()["receive_calls"] == before + 1


def test_more_room_is_more_at_a_time(certificates: Certificates) -> None:
    with open_pair(our_server(certificates), python_client(certificates)) as pair:
        pair.peer.write(bytes(60000))
        assert len(pair.session.read()) < 32768
    with open_pair(our_server(certificates), python_client(certificates), cap=1 << 20) as pair:
        pair.peer.write(bytes(60000))
        assert pair.session.read() == bytes(60000)


def test_what_does_not_fit_the_room_stays_in_the_socket(certificates: Certificates) -> None:
    whole = b"".join(bytes([i]) * 16384 for i in range(8))
    with either(certificates, "server") as pair:
        pair.peer.write(whole)
        got, n_reads = b"", 0
        while isinstance(data := pair.session.read(), bytes):
            assert len(data) <= 32768
            got, n_reads = got + data, n_reads + 1
        assert got == whole and n_reads >= 4


def test_sessions_of_one_owner_do_not_mix_what_they_read(certificates: Certificates) -> None:
    owner, ours, theirs = Owner(), our_server(certificates), python_client(certificates)
    with open_pair(ours, theirs, owner=owner) as one, open_pair(ours, theirs, owner=owner) as two:
        for pair, letter in ((one, b"1"), (two, b"2")):
            pair.peer.tls.write(letter * 3000)
        wires = [pair.peer.outgoing.read() for pair in (one, two)]
        for at in range(0, 4000, 1000):
            for pair, wire, letter in zip((one, two), wires, (b"1", b"2"), strict=True):
                if wire[at : at + 1000]:
                    pair.peer.wire.send(wire[at : at + 1000])
                data = pair.session.read()
                assert data in ("want read", letter * 3000)
        assert owner.totals()["handshakes"] == 2


@both_versions
def test_a_full_socket_takes_the_rest_later(version: str, certificates: Certificates) -> None:
    whole = bytes(range(256)) * 12000
    with either(certificates, "client", {"version": version}) as pair:
        left, got, n_waits = whole, b"", 0
        while left:
            # as a queue does: what is handed over begins where the last call ended
            taken = pair.session.write(bytes(left))
            if taken == "want write" or (isinstance(taken, int) and taken < len(left)):
                n_waits += 1
                got += pair.peer.read()
            if isinstance(taken, int):
                left = left[taken:]
        assert got + pair.peer.read() == whole
        assert n_waits > 3


def test_close_notify_waits_for_a_record_that_is_half_sent(certificates: Certificates) -> None:
    whole = bytes(2_000_000)
    with either(certificates, "client") as pair:
        taken = pair.session.write(whole)
        assert isinstance(taken, int) and taken < len(whole)
        assert pair.session.shutdown() == "want write"
        got = b""
        while taken < len(whole):
            got += pair.peer.read()
            more = pair.session.write(whole[taken:])
            taken += more if isinstance(more, int) else 0
        while pair.session.shutdown() != "done":
            got += pair.peer.read()
        assert pair.session.shutdown() == "done"
        assert got + pair.peer.read() == whole


def test_an_empty_write_sends_nothing(certificates: Certificates) -> None:
    with either(certificates, "client") as pair:
        before = pair.owner.totals()["send_calls"]
        assert pair.session.write(b"") == "done"
        assert pair.owner.totals()["send_calls"] == before


def test_a_record_takes_one_send_and_one_receive(certificates: Certificates) -> None:
    with either(certificates, "server") as pair:
        before = pair.owner.totals()
        pair.session.write(bytes(16384))
        pair.peer.write(bytes(100))
        pair.session.read()
        after = pair.owner.totals()
        assert after["send_calls"] - before["send_calls"] == 1
        assert after["receive_calls"] - before["receive_calls"] == 1
        assert 16384 < after["sent_bytes"] - before["sent_bytes"] < 16384 + 64

# --------------------------------------------------------------------------- ends


@both_sides
@both_versions
def test_close_notify_of_the_peer_is_an_end(side: str, version: str, certificates: Certificates) -> None:
    with either(certificates, side, {"version": version}) as pair:
        pair.peer.write(b"last")
        pair.peer.close()
        assert pair.session.read() == b"last"
        assert pair.session.end == "closed"
        assert pair.session.read() == pair.session.read() == "closed"


def test_a_peer_that_sends_no_more_may_still_be_written_to(certificates: Certificates) -> None:
    with either(certificates, "server") as pair:
        pair.peer.close()
        assert pair.session.read() == "closed"
        assert pair.session.write(b"late") == 4
        assert pair.session.shutdown() == "done"
        pair.peer.take()
        assert pair.peer.incoming.pending > 0


@both_sides
@both_versions
def test_shutdown_sends_close_notify_after_the_data(side: str, version: str, certificates: Certificates) -> None:
    with either(certificates, side, {"version": version}) as pair:
        pair.session.write(b"last")
        assert pair.session.shutdown() == "done"
        pair.peer.take()
        assert pair.peer.tls.read(100) == b"last"
        assert pair.peer.tls.read(100) == b""


@both_sides
@both_versions
def test_an_end_without_close_notify_is_told_from_one_with(side: str, version: str, certificates: Certificates) -> None:
    with either(certificates, side, {"version": version}) as pair:
        pair.peer.write(b"last")
        pair.peer.wire.close()
        assert pair.read() == b"last"
        assert pair.session.end == "truncated"
        assert pair.session.write(b"x") == pair.session.read() == "truncated"
        assert pair.session.shutdown() == "done"


def test_an_end_within_a_record_is_truncation(certificates: Certificates) -> None:
    with either(certificates, "server") as pair:
        pair.peer.tls.write(MESSAGE)
        pair.peer.wire.send(pair.peer.outgoing.read()[:-1])
        assert pair.session.read() == "want read"
        pair.peer.wire.close()
        assert pair.session.read() == "truncated"


@both_sides
def test_an_end_within_the_handshake_fails_it(side: str, certificates: Certificates) -> None:
    ours = (our_client if side == "client" else our_server)(certificates)
    theirs = (python_server if side == "client" else python_client)(certificates)
    with pair_of(ours, theirs) as pair:
        pair.session.handshake()
        pair.peer.wire.shutdown(socket.SHUT_WR)
        assert pair.session.handshake() == pair.session.handshake() == "failed"
        assert pair.owner.failure() == "TLS handshake failed: the peer closed the connection"


@both_sides
@pytest.mark.parametrize("garbage", [MESSAGE, b"HTTP/1.1 400 Bad Request\r\n\r\n", bytes(200), b"\xff" * 200, b"\x16\x03\x01\x00\x05hello"])
def test_garbage_instead_of_a_handshake_fails_it(side: str, garbage: bytes, certificates: Certificates) -> None:
    ours = (our_client if side == "client" else our_server)(certificates)
    theirs = (python_server if side == "client" else python_client)(certificates)
    with pair_of(ours, theirs) as pair:
        pair.session.handshake()
        pair.peer.wire.send(garbage)
        assert pair.session.handshake() == "failed"
        assert pair.owner.failure().startswith("TLS handshake failed: ")
        assert "alert" not in pair.owner.failure()


def test_a_peer_that_speaks_no_tls_is_suspected(certificates: Certificates) -> None:
    with pair_of(our_client(certificates), python_server(certificates)) as pair:
        pair.session.handshake()
        pair.peer.wire.send(MESSAGE)
        pair.session.handshake()
        assert pair.owner.failure() == "TLS handshake failed: wrong version number (does the peer speak TLS?)"


@both_versions
def test_a_forged_record_fails_the_session(version: str, certificates: Certificates) -> None:
    with either(certificates, "server", {"version": version}) as pair:
        pair.peer.write(b"good")
        pair.peer.tls.write(MESSAGE)
        wire = bytearray(pair.peer.outgoing.read())
        wire[-1] ^= 1
        pair.peer.wire.send(wire)
        assert pair.read() == b"good"
        assert pair.session.end == pair.session.read() == pair.session.write(b"x") == "failed"
        assert pair.owner.failure() == "TLS session failed: decryption failed or bad record mac"


def test_a_reset_connection_is_named(certificates: Certificates) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as near:
        far, _ = listener.accept()
        owner = Owner()
        near.setblocking(False)
        session = Session(owner, our_client(certificates), near.fileno(), NAME.encode())
        assert session.handshake() == "want read"
        far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes([1, 0, 0, 0, 0, 0, 0, 0]))
        far.close()
        assert session.handshake() == "failed"
        assert owner.failure() == "TLS handshake failed: Connection reset by peer"


def test_writing_to_a_peer_that_has_gone_is_no_signal(certificates: Certificates) -> None:
    with either(certificates, "server") as pair:
        pair.peer.wire.close()
        assert pair.session.write(MESSAGE) == "failed"
        assert pair.owner.failure() == "TLS session failed: Broken pipe"


def test_an_error_of_another_user_of_openssl_disturbs_no_session(certificates: Certificates) -> None:
    with either(certificates, "server") as pair:
        with pytest.raises(ssl.SSLError):
            ssl.create_default_context().load_verify_locations(cafile=str(certificates.garbage))
        assert pair.session.read() == "want read"


def test_closing_twice_is_closing_once(certificates: Certificates) -> None:
    with either(certificates, "server") as pair:
        pair.session.close()
        pair.session.close()
        assert pair.session.shutdown() == "done"

# --------------------------------------------------------------------------- resumption


def exchange(pair: Pair) -> None:
    """Something each way: tickets come with the data."""
    pair.peer.write(b"x")
    assert pair.read() == b"x"
    pair.session.write(b"y")
    assert pair.peer.read() == b"y"


@both_versions
@pytest.mark.parametrize("end", ["shutdown", "dropped", "truncated"])
def test_a_client_resumes_the_session_it_saved(version: str, end: str, certificates: Certificates) -> None:
    owner, ours, theirs = Owner(4), our_client(certificates, version=version), python_server(certificates)
    for i in range(3):
        with open_pair(ours, theirs, owner=owner) as pair:
            exchange(pair)
            assert pair.session.is_resumed == pair.peer.tls.session_reused == (i > 0)
            if end == "shutdown":
                pair.session.shutdown()
            elif end == "truncated":
                pair.peer.wire.close()
                assert pair.session.read() == "truncated"
    assert owner.totals()["resumed"] == 2


@both_versions
def test_a_server_resumes_by_tickets(version: str, certificates: Certificates) -> None:
    owner, ours = Owner(), our_server(certificates, version=version)
    theirs = python_client(certificates)
    with open_pair(ours, theirs, owner=owner) as pair:
        exchange(pair)
        saved = pair.peer.tls.session
    with pair_of(ours, theirs, owner=owner) as pair:
        pair.peer.tls.session = saved
        assert pair.handshake() == "done"
        assert pair.session.is_resumed and pair.peer.tls.session_reused
        exchange(pair)


@both_versions
def test_a_server_that_asks_for_certificates_resumes_too(version: str, certificates: Certificates) -> None:
    ours = our_server(certificates, version=version, ca=certificates.ca)
    theirs = python_client(certificates)
    theirs.load_cert_chain(certificates.client, certificates.client_key)
    with open_pair(ours, theirs) as pair:
        exchange(pair)
        saved = pair.peer.tls.session
    with pair_of(ours, theirs) as pair:
        pair.peer.tls.session = saved
        assert pair.handshake() == "done" and pair.session.is_resumed


@both_versions
def test_sessions_are_saved_by_destination(version: str, certificates: Certificates) -> None:
    owner, ours, theirs = Owner(4), our_client(certificates, version=version), python_server(certificates)
    seen = []
    for destination in (1, 2, 1, 2, 3):
        with open_pair(ours, theirs, owner=owner, destination=destination) as pair:
            exchange(pair)
            seen.append(pair.session.is_resumed)
    assert seen == [False, False, True, True, False]


@pytest.mark.parametrize(("n_saved", "destination", "is_resuming"), [(0, 1, True), (4, 0, True), (4, 1, False)])
def test_resumption_can_be_left_out(n_saved: int, destination: int, is_resuming: bool, certificates: Certificates) -> None:
    owner, ours, theirs = Owner(n_saved), our_client(certificates, is_resuming=is_resuming), python_server(certificates)
    for _ in range(2):
        with open_pair(ours, theirs, owner=owner, destination=destination) as pair:
            exchange(pair)
            assert not pair.session.is_resumed


@both_versions
def test_a_server_without_resumption_gives_no_tickets(version: str, certificates: Certificates) -> None:
    ours, theirs = our_server(certificates, version=version, is_resuming=False), python_client(certificates)
    with open_pair(ours, theirs) as pair:
        exchange(pair)
        saved = pair.peer.tls.session
        assert saved is None or not saved.has_ticket


def test_more_destinations_than_places_lose_the_older(certificates: Certificates) -> None:
    owner, ours, theirs = Owner(4), our_client(certificates), python_server(certificates)
    for destination in range(1, 13):
        with open_pair(ours, theirs, owner=owner, destination=destination) as pair:
            exchange(pair)
    with open_pair(ours, theirs, owner=owner, destination=12) as pair:
        assert pair.session.is_resumed


def test_a_saved_session_a_server_does_not_know_is_no_failure(certificates: Certificates) -> None:
    owner, ours = Owner(4), our_client(certificates)
    for _ in range(2):
        with open_pair(ours, python_server(certificates), owner=owner) as pair:
            exchange(pair)
            assert not pair.session.is_resumed
