"""sippx over TLS and WebSocket against peers that are not SIP tools: openssl, the library websockets, and tshark's eyes."""

from __future__ import annotations

import os
import re
import selectors
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from core.certificates import NAME, Certificates, make_certificates
from core.test_tls_tools import CLIENT, SERVER, Capture
from e2e.harness import DEADLINE_S, builtin_uas, header, method, request, response, running
from sippx import Scenario
from sippx.result import Result

pytestmark = pytest.mark.interop
needs_tshark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed (Debian package tshark)")
ASKER = """<scenario name="asker"><send><![CDATA[
OPTIONS sip:[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:asker@[local_ip]:[local_port]>;tag=[call_number]
To: <sip:asked@[remote_ip]:[remote_port]>
Call-ID: [call_id]
CSeq: [cseq] OPTIONS
Max-Forwards: 70
Content-Length: 0

]]></send><recv response="200"/></scenario>"""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def server_certificate(certificates: Certificates, name: str = "server") -> dict[str, str]:
    """The options of a server that shows it."""
    return {"tls_certificate": str(getattr(certificates, name)), "tls_key": str(getattr(certificates, f"{name}_key"))}


def asker(mode: str, port: int, n_calls: int = 1, **options: Any) -> Any:
    """Calls that each ask once, in a thread."""
    return running(
        Scenario.from_string(ASKER, name="asker"), transport=mode, remote_host=f"127.0.0.1:{port}", max_calls=n_calls,
        rate=1000.0, **options,
    )  # fmt: skip


# ---- openssl


class Lines:
    """An openssl command: SIP goes in at its stdin and comes out of its stdout."""

    def __init__(self, *words: str | Path) -> None:
        self.process = subprocess.Popen(
            ["openssl", *map(str, words)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0
        )
        self.seen = b""

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate(timeout=DEADLINE_S)

    def send(self, message: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(message)

    def read(self, pattern: bytes) -> re.Match[bytes]:
        """What it printed as soon as the pattern is in it, from there on."""
        assert self.process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while not (found := re.search(pattern, self.seen, re.DOTALL)):
                assert selector.select(DEADLINE_S), (pattern, self.seen)
                data = self.process.stdout.read(65_536)
                assert data, (pattern, self.seen)
                self.seen += data
        self.seen = self.seen[found.end() :]
        return found


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_s_client_calls_a_server(version: str, certificates: Certificates) -> None:
    options = {"tls_version": version, **server_certificate(certificates, "chained")}
    with running(builtin_uas(), transport="l1", max_calls=1, **options) as server:
        trust = ("-CAfile", certificates.ca, "-verify_return_error", "-verify_hostname", NAME)
        address = f"127.0.0.1:{server.runner.local_port}"
        with Lines("s_client", "-connect", address, "-servername", NAME, "-quiet", *trust) as client:
            client.send(request("INVITE", "by-openssl"))
            answer = client.read(rb"SIP/2\.0 200 OK\r\n.*?\r\n\r\n")[0]
            assert header(answer, "Call-ID") == "by-openssl"
            client.send(request("ACK", "by-openssl") + request("BYE", "by-openssl", cseq=2))
            client.read(rb"SIP/2\.0 200 OK\r\n.*?CSeq: 2 BYE\r\n")
            result = server.wait()
    assert (result.n_successful, result.n_failed) == (1, 0)
    assert result.counters["tls_handshakes"] == result.counters["connections_accepted"] == 1


@pytest.mark.parametrize("demands", [True, False])
def test_a_client_calls_s_server(demands: bool, certificates: Certificates) -> None:
    shown = ("-cert", certificates.server, "-key", certificates.server_key)
    more = ("-CAfile", certificates.ca, "-Verify", "1", "-verify_return_error") if demands else ()
    with Lines("s_server", "-accept", "127.0.0.1:0", *shown, *more) as server:
        port = int(server.read(rb"ACCEPT \S*:(\d+)\s")[1])
        ours = server_certificate(certificates, "client") if demands else {}
        with asker("ln", port, tls_ca=str(certificates.ca), **ours) as run:
            asked = server.read(rb"OPTIONS .*?\r\n\r\n")[0]
            server.send(response(asked, "200 OK"))
            result = run.wait()
    assert (result.n_successful, result.n_failed) == (1, 0)
    assert header(asked, "Via").startswith("SIP/2.0/TLS 127.0.0.1:")


# ---- the library websockets


def certified(certificates: Certificates, *, is_server: bool) -> Any:
    """Python's TLS with the authority of the test."""
    if is_server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates.server, certificates.server_key)
        return context
    return ssl.create_default_context(cafile=str(certificates.ca))


def connected(library: Any, uri: str, context: ssl.SSLContext | None) -> Any:
    """A connection of the library.

    It reads in one thread and writes in another, which the TLS of some versions of Python cannot stand: its request then
    never leaves (3 of 1,000 times on a busy machine, against its own server too).
    """
    for _ in range(4):
        with suppress(TimeoutError):
            return library.connect(uri, subprotocols=["sip"], ssl=context, compression=None, open_timeout=5)
    return library.connect(uri, subprotocols=["sip"], ssl=context, compression=None)


@pytest.mark.parametrize("mode", ["w1", "ws1"])
def test_the_library_websockets_calls_a_server(mode: str, certificates: Certificates) -> None:
    library = pytest.importorskip("websockets.sync.client", reason="the Python package websockets is not installed")
    options = server_certificate(certificates) if mode == "ws1" else {}
    context = certified(certificates, is_server=False) if mode == "ws1" else None
    with running(builtin_uas(), transport=mode, max_calls=1, **options) as server:
        uri = f"ws{'s' if context else ''}://127.0.0.1:{server.runner.local_port}/any/path"
        with connected(library, uri, context) as peer:
            assert peer.subprotocol == "sip"
            peer.send(request("INVITE", "by-websocket").decode())
            codes = [method(as_bytes(peer.recv(DEADLINE_S))) for _ in range(2)]
            assert peer.ping().wait(DEADLINE_S)
            # in a binary message, and in fragments
            peer.send(request("ACK", "by-websocket"))
            bye = request("BYE", "by-websocket", cseq=2).decode()
            peer.send([bye[:50], bye[50:300], bye[300:]])
            codes.append(method(as_bytes(peer.recv(DEADLINE_S))))
            result = server.wait()
    assert codes == ["180", "200", "200"]
    assert (result.n_successful, result.n_failed) == (1, 0)


def as_bytes(message: str | bytes) -> bytes:
    return message.encode() if isinstance(message, str) else message


@contextmanager
def websocket_server(certificates: Certificates | None, asked: list[Any]) -> Iterator[int]:
    """A server of the library's that answers 200; its port. asked: opening requests and messages."""
    library = pytest.importorskip("websockets.sync.server", reason="the Python package websockets is not installed")
    context = None if certificates is None else certified(certificates, is_server=True)

    def serve(peer: Any) -> None:
        asked.append(peer.request)
        for message in peer:
            asked.append(message)
            peer.send(response(as_bytes(message), "200 OK").decode())

    with library.serve(serve, "127.0.0.1", 0, ssl=context, subprotocols=["sip"]) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.socket.getsockname()[1]
        server.shutdown()
    thread.join(DEADLINE_S)


@pytest.mark.parametrize("mode", ["w1", "wn", "ws1", "wsn"])
def test_a_client_calls_a_server_of_the_library_websockets(mode: str, certificates: Certificates) -> None:
    asked: list[Any] = []
    is_secure = mode.startswith("ws")
    trust = {"tls_ca": str(certificates.ca)} if is_secure else {}
    with (
        websocket_server(certificates if is_secure else None, asked) as port,
        asker(mode, port, 5, websocket_path="/sip?a=b", **trust) as run,
    ):
        result: Result = run.wait()
    assert (result.n_successful, result.n_failed) == (5, 0)
    openings = [item for item in asked if hasattr(item, "headers")]
    assert len(openings) == (5 if mode.endswith("n") else 1)
    for opening in openings:
        assert (opening.path, opening.headers["Sec-WebSocket-Protocol"]) == ("/sip?a=b", "sip")
        assert opening.headers["Host"] == f"127.0.0.1:{port}"
    messages = [item for item in asked if not hasattr(item, "headers")]
    assert len(messages) == 5
    assert all(isinstance(message, str) and f"SIP/2.0/WS{'S' if is_secure else ''} " in message for message in messages)


# ---- what tshark sees


class Relay:
    """Between a client and a server of one connection: what passes is written to a capture file."""

    def __init__(self, port: int, path: Path) -> None:
        self.target = port
        self.capture = Capture(path)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def finish(self) -> None:
        """Both ends have closed."""
        self.thread.join(DEADLINE_S)
        assert not self.thread.is_alive()
        self.capture.file.close()

    def _run(self) -> None:
        with ExitStack() as stack, self.listener:
            self.listener.settimeout(DEADLINE_S)
            client = stack.enter_context(self.listener.accept()[0])
            server = stack.enter_context(socket.create_connection(("127.0.0.1", self.target), DEADLINE_S))
            selector = stack.enter_context(selectors.DefaultSelector())
            selector.register(client, selectors.EVENT_READ, (CLIENT, server))
            selector.register(server, selectors.EVENT_READ, (SERVER, client))
            while selector.get_map() and (ready := selector.select(DEADLINE_S)):
                for key, _ in ready:
                    number, other = key.data
                    with suppress(OSError):
                        if data := key.fileobj.recv(65_536):  # type: ignore[union-attr]
                            self.capture.add(number, data)
                            other.sendall(data)
                            continue
                        other.shutdown(socket.SHUT_WR)
                    selector.unregister(key.fileobj)


CALL = ["INVITE", "180", "200", "ACK", "BYE", "200"]
DISSECTORS = {"l1": "tls", "w1": "http", "ws1": "tls"}


def seen_by_tshark(path: Path, keys: Path, mode: str, folder: Path) -> list[str]:
    """Methods and status codes of SIP in the capture."""
    tls = ["-o", f"tls.keylog_file:{keys}", "-d", f"tls.port=={SERVER},{'sip' if mode == 'l1' else 'http'}"]
    decode = ["-d", f"tcp.port=={SERVER},{DISSECTORS[mode]}"]
    fields = ["-Y", "sip", "-T", "fields", "-e", "sip.Method", "-e", "sip.Status-Code"]
    done = subprocess.run(
        ["tshark", "-n", "-r", path, *decode, *(tls if DISSECTORS[mode] == "tls" else []), *fields],
        capture_output=True, text=True, timeout=DEADLINE_S, check=False, env={**os.environ, "HOME": str(folder)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.replace(",", " ").split()


@needs_tshark
@pytest.mark.parametrize(("mode", "version"), [("w1", None), ("l1", "1.3"), ("ws1", "1.2")])
def test_tshark_sees_the_call(mode: str, version: str | None, certificates: Certificates, tmp_path: Path) -> None:
    keys = tmp_path / "keys.log"
    trust: dict[str, Any] = {}
    shown: dict[str, Any] = {}
    if version is not None:
        trust = {"tls_ca": str(certificates.ca), "tls_version": version, "tls_keylog_file": str(keys)}
        shown = server_certificate(certificates)
    with running(builtin_uas(), transport=mode, max_calls=1, **shown) as server:
        relay = Relay(server.runner.local_port, tmp_path / "capture.pcap")
        remote = f"127.0.0.1:{relay.port}"
        with running(Scenario.builtin("uac"), transport=mode, remote_host=remote, max_calls=1, **trust) as client:
            result = client.wait()
        server.wait()
    relay.finish()
    assert (result.n_successful, result.n_failed) == (1, 0)
    assert seen_by_tshark(tmp_path / "capture.pcap", keys, mode, tmp_path) == CALL
