"""Tests of TLS sessions against the openssl command as client and server, and of the key log against tshark."""

from __future__ import annotations

import os
import re
import selectors
import shutil
import socket
import ssl
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from core.certificates import NAME, Certificates
from core.tls_peers import open_pair, our_client, our_server, pair_of, python_client, python_server
from sippx._core.tls import Owner, Session
from sippx._core.tlscontext import TlsContext

SECONDS = 10
MESSAGE = b"OPTIONS sip:a@sip.example.test SIP/2.0\r\nVia: SIP/2.0/TLS a\r\nFrom: <sip:b@a>;tag=1\r\nTo: <sip:a@a>\r\n\
Call-ID: 1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"


@contextmanager
def openssl(*words: str | Path) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["openssl", *map(str, words)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=SECONDS)


def wait_for(wire: socket.socket, result: str, until: float) -> None:
    event = selectors.EVENT_WRITE if result == "want write" else selectors.EVENT_READ
    with selectors.DefaultSelector() as selector:
        selector.register(wire, event)
        assert selector.select(until - time.monotonic()), f"{result}: nothing comes"


def shake(session: Session, wire: socket.socket) -> str:
    until = time.monotonic() + SECONDS
    while (result := session.handshake()).startswith("want"):
        wait_for(wire, result, until)
    return result


def read_until(session: Session, wire: socket.socket, mark: bytes) -> bytes:
    """What comes up to the mark, or up to the end."""
    until, got = time.monotonic() + SECONDS, b""
    while mark not in got:
        data = session.read()
        if isinstance(data, bytes):
            got += data
        elif data.startswith("want"):
            wait_for(wire, data, until)
        else:
            break
    return got


@contextmanager
def s_server(certificates: Certificates, *words: str | Path) -> Iterator[socket.socket]:
    """A connection to an openssl s_server that sends every line back reversed."""
    arguments = ("-cert", certificates.server, "-key", certificates.server_key, "-accept", "127.0.0.1:0", "-rev", *words)
    with openssl("s_server", *arguments) as process:
        assert process.stdout is not None
        port = None
        for line in process.stdout:
            if match := re.match(rb"ACCEPT \S*:(\d+)", line):
                port = int(match[1])
                break
        assert port is not None, "s_server does not listen"
        with socket.create_connection(("127.0.0.1", port), SECONDS) as wire:
            wire.setblocking(False)
            yield wire


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_client_talks_to_s_server(version: str, certificates: Certificates) -> None:
    with s_server(certificates, f"-tls{version.replace('.', '_')}") as wire:
        session = Session(Owner(), our_client(certificates), wire.fileno(), NAME.encode())
        assert shake(session, wire) == "done"
        assert session.version == f"TLSv{version}"
        session.write(b"stressed\n")
        assert read_until(session, wire, b"\n") == b"desserts\n"


def test_a_client_shows_s_server_its_certificate(certificates: Certificates) -> None:
    with s_server(certificates, "-CAfile", certificates.ca, "-Verify", "1", "-verify_return_error") as wire:
        ours = our_client(certificates, certificate=certificates.client, key=certificates.client_key)
        session = Session(Owner(), ours, wire.fileno(), NAME.encode())
        assert shake(session, wire) == "done"
        session.write(b"abc\n")
        assert read_until(session, wire, b"\n") == b"cba\n"


def test_key_updates_of_s_client_go_unseen(certificates: Certificates) -> None:
    with s_client(certificates, our_server(certificates), "-tls1_3", is_interactive=True) as (session, wire, process, _owner):
        assert shake(session, wire) == "done"
        assert process.stdin is not None
        # a line of K asks for new keys of both directions, k of one
        for i, command in enumerate([b"K\n", b"k\n", b"K\n"]):
            process.stdin.write(command)
            process.stdin.flush()
            time.sleep(0.05)
            process.stdin.write(b"line %d\n" % i)
            process.stdin.flush()
            assert read_until(session, wire, b"\n") == b"line %d\n" % i
            assert session.write(b"answer %d\n" % i) == 9
        assert process.stdout is not None
        for line in process.stdout:
            if line.endswith(b"answer 2\n"):
                break
        else:
            pytest.fail("the answer after new keys did not come")


@contextmanager
def s_client(
    certificates: Certificates, ours: TlsContext, *words: str | Path, is_interactive: bool = False
) -> Iterator[tuple[Session, socket.socket, subprocess.Popen[bytes], Owner]]:
    """An openssl s_client that trusts our authority and insists on the name."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(SECONDS)
        trust = ("-CAfile", certificates.ca, "-verify_return_error", "-verify_hostname", NAME, "-servername", NAME)
        quiet = () if is_interactive else ("-quiet",)
        port = listener.getsockname()[1]
        with openssl("s_client", "-connect", f"127.0.0.1:{port}", *quiet, *trust, *words) as process:
            wire, _ = listener.accept()
            with wire:
                wire.setblocking(False)
                owner = Owner()
                yield Session(owner, ours, wire.fileno()), wire, process, owner


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_server_talks_to_s_client(version: str, certificates: Certificates) -> None:
    ours = our_server(certificates, "chained", version=version)
    with s_client(certificates, ours) as (session, wire, process, _owner):
        assert shake(session, wire) == "done"
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(b"hello\n")
        process.stdin.flush()
        assert read_until(session, wire, b"\n") == b"hello\n"
        session.write(b"good day\n")
        session.shutdown()
        session.close()
        wire.shutdown(socket.SHUT_RDWR)
        assert process.stdout.read().endswith(b"good day\n")


def test_a_server_of_another_name_is_refused_by_s_client(certificates: Certificates) -> None:
    with s_client(certificates, our_server(certificates, "named_else")) as (session, wire, _process, owner):
        assert shake(session, wire) == "failed"
        assert owner.failure() == "TLS handshake failed: the peer sent alert 42 (bad certificate)"


def test_a_server_believes_the_certificate_of_s_client(certificates: Certificates) -> None:
    identity = ("-cert", certificates.client, "-key", certificates.client_key)
    ours = our_server(certificates, ca=certificates.ca, crl=certificates.crl)
    with s_client(certificates, ours, *identity) as (session, wire, _process, _owner):
        assert shake(session, wire) == "done"

# --------------------------------------------------------------------------- key log


@pytest.mark.parametrize("side", ["client", "server"])
@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_the_key_log_is_that_of_the_peer(side: str, version: str, certificates: Certificates, tmp_path: Path) -> None:
    theirs = python_server(certificates) if side == "client" else python_client(certificates)
    theirs.keylog_filename = str(tmp_path / "theirs")
    with (tmp_path / "ours").open("wb", buffering=0) as file:
        make = our_client if side == "client" else our_server
        with open_pair(make(certificates, version=version, keylog_fd=file.fileno()), theirs):
            pass
    ours = set((tmp_path / "ours").read_text().splitlines())
    assert ours == {line for line in (tmp_path / "theirs").read_text().splitlines() if not line.startswith("#")}
    assert len(ours) == (1 if version == "1.2" else 5)


def test_a_key_log_that_cannot_be_written_fails_no_session(certificates: Certificates) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    try:
        with open_pair(our_client(certificates, keylog_fd=write_end), python_server(certificates)):
            pass
    finally:
        os.close(write_end)


CLIENT, SERVER = 40000, 5061


class Capture:
    """A file of raw IP packets, one TCP segment a piece."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("wb")
        self.file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101))
        self.n_packets = 0
        self.sequence = {CLIENT: 1, SERVER: 1}

    def add(self, source: int, data: bytes) -> None:
        for at in range(0, len(data), 1400):
            self.packet(source, data[at : at + 1400])

    def packet(self, source: int, data: bytes) -> None:
        target = CLIENT + SERVER - source
        flags = 0x5018
        tcp = struct.pack(">HHIIHHHH", source, target, self.sequence[source], self.sequence[target], flags, 65535, 0, 0) + data
        address = socket.inet_aton("127.0.0.1")
        ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), self.n_packets, 0, 64, 6, 0, address, address) + tcp
        self.file.write(struct.pack("<IIII", 1, self.n_packets, len(ip), len(ip)) + ip)
        self.sequence[source] += len(data)
        self.n_packets += 1


def record_exchange(certificates: Certificates, ours: TlsContext, capture: Capture) -> None:
    """One message each way between our client and Python's server, all bytes captured."""
    with pair_of(ours, python_server(certificates)) as pair:
        wire = pair.peer.wire

        def turn() -> None:
            try:
                sent = wire.recv(65536)
                capture.add(CLIENT, sent)
                pair.peer.incoming.write(sent)
            except BlockingIOError:
                pass
            try:
                if not pair.peer.is_done:
                    pair.peer.tls.do_handshake()
                    pair.peer.is_done = True
            except ssl.SSLWantReadError:
                pass
            answer = pair.peer.outgoing.read()
            capture.add(SERVER, answer)
            wire.send(answer)

        for _ in range(4):
            pair.session.handshake()
            turn()
        pair.session.write(MESSAGE)
        turn()
        assert pair.peer.tls.read(65536) == MESSAGE


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_tshark_reads_a_capture_with_the_key_log(version: str, certificates: Certificates, tmp_path: Path) -> None:
    capture = Capture(tmp_path / "capture.pcap")
    with (tmp_path / "keys").open("wb", buffering=0) as file:
        record_exchange(certificates, our_client(certificates, version=version, keylog_fd=file.fileno()), capture)
    capture.file.close()
    words = ["tshark", "-n", "-r", capture.file.name, "-o", f"tls.keylog_file:{tmp_path / 'keys'}", "-d", f"tls.port=={SERVER},sip",
             "-Y", "sip", "-T", "fields", "-e", "sip.Method", "-e", "sip.Call-ID"]  # fmt: skip
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, env={**os.environ, "HOME": str(tmp_path)})
    assert done.stdout.split() == ["OPTIONS", "1"], done.stderr
