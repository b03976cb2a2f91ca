"""The remote control socket of a running command, driven by a UDP client."""

from __future__ import annotations

import random
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from sippx import control

from .harness import (
    Command,
    Peer,
    answer_like_uas,
    builtin_uas,
    free_port,
    is_bound,
    run_sippx,
    running,
    start_sippx,
    wait_until,
)

OpenPeer = Callable[..., Peer]


class Client:
    """A running uac and its control port."""

    def __init__(self, command: Command, port: int, target: Peer) -> None:
        self.command = command
        self.target = target
        self._address = ("127.0.0.1", port)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def tell(self, text: str | bytes) -> None:
        """Send one datagram."""
        self._socket.sendto(text if isinstance(text, bytes) else text.encode(), self._address)

    def calls_per_s(self, seconds: float = 1.0) -> float:
        """Calls placed in the next seconds."""
        time.sleep(0.2)
        before, begin_s = len(self.target.of("INVITE")), time.monotonic()
        time.sleep(seconds)
        return (len(self.target.of("INVITE")) - before) / (time.monotonic() - begin_s)

    def close(self) -> None:
        """Let go of the socket."""
        self._socket.close()


@pytest.fixture
def client(tmp_path: Path, peer: OpenPeer) -> Iterator[Callable[..., Client]]:
    with ExitStack() as stack:

        def start(*words: object) -> Client:
            target, port = peer(answer_like_uas), free_port()
            words = (target.address, "-i", "127.0.0.1", "-p", free_port(), "-cp", port, *words)
            command = stack.enter_context(start_sippx(tmp_path, *words))
            command.wait_bound(port)
            opened = Client(command, port, target)
            stack.callback(opened.close)
            target.wait_for("INVITE", 1)
            return opened

        yield start


def test_the_rate_is_set_paused_and_ended_by_datagrams(client: Callable[..., Client]) -> None:
    uac = client("-r", 10)
    uac.tell("cset rate 100")
    assert uac.calls_per_s() == pytest.approx(100, rel=0.25)
    uac.tell("p")
    assert uac.calls_per_s(0.5) == 0
    uac.tell("p")
    assert uac.calls_per_s() == pytest.approx(100, rel=0.25)
    uac.tell("//")  # only the first byte counts
    assert uac.calls_per_s() == pytest.approx(90, rel=0.25)
    uac.tell("q")
    ended = uac.command.wait()
    assert ended.code == 0, ended.text


def test_what_is_no_command_is_a_warning_and_the_run_goes_on(client: Callable[..., Client], tmp_path: Path) -> None:
    uac = client("-r", 20, "-trace_err", "-error_file", "errors")
    source = random.Random(1)
    for text in ("cset rate fast", "cfoo", "cset", "ctrace error maybe", "c", "", "zzz"):
        uac.tell(text)
    for n_bytes in (1, 30, 1400, 9000):
        uac.tell(b"~" + source.randbytes(n_bytes))
    uac.tell(b"cset limit " + source.randbytes(500))
    time.sleep(0.5)
    assert uac.command.is_running()
    uac.tell("q")
    ended = uac.command.wait()
    assert ended.code == 0, ended.text
    errors = (tmp_path / "errors").read_text()
    assert 'Invalid rate value: "fast"' in errors
    assert "The foo command requires at least one argument" in errors
    assert errors.count("Invalid limit value") == 1


def test_the_first_of_60_ports_is_taken_and_a_given_one_must_be_free(
    tmp_path: Path, peer: OpenPeer
) -> None:
    port = free_port()
    target = peer(answer_like_uas)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", port))
        ended = run_sippx(tmp_path, target.address, "-i", "127.0.0.1", "-p", free_port(), "-m", 1, "-cp", port)
    assert ended.code == 254
    assert f"Unable to bind remote control socket to UDP port {port}" in ended.err
    assert not target.of("INVITE")


def test_only_the_loopback_address_is_bound_where_none_is_given(client: Callable[..., Client]) -> None:
    uac = client("-r", 5)
    port = uac._address[1]
    rows = [row.split()[1] for row in Path("/proc/net/udp").read_text().splitlines()[1:]]
    assert f"0100007F:{port:04X}" in rows
    assert f"00000000:{port:04X}" not in rows
    uac.tell("Q")
    uac.command.wait()
    assert not is_bound(port)


def test_an_ipv6_control_address_is_used(tmp_path: Path, peer: OpenPeer) -> None:
    target, port = peer(answer_like_uas), free_port("::1")
    words = (target.address, "-i", "127.0.0.1", "-p", free_port(), "-ci", "[::1]", "-cp", port)
    with start_sippx(tmp_path, *words) as command:
        command.wait_bound(port)
        target.wait_for("INVITE", 1)
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"q", ("::1", port))
        ended = command.wait()
    assert ended.code == 0, ended.text


def test_figures_begin_again_at_a_reset(client: Callable[..., Client]) -> None:
    uac = client("-r", 50)
    uac.target.wait_for("INVITE", 50)
    uac.tell("creset stats")
    time.sleep(0.3)
    uac.tell("q")
    ended = uac.command.wait()
    assert ended.code == 0, ended.text
    created = re.search(r"Outgoing calls created \| +\d+ +\| +(\d+)", ended.out)
    assert created and int(created[1]) < 40


def test_a_library_run_opens_no_control_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a control socket was opened")

    monkeypatch.setattr(control.ControlSocket, "__init__", refuse)
    with running(builtin_uas()) as run:
        wait_until(lambda: run.runner.snapshot is not None, "it runs", 10)


def test_progress_is_told_on_stderr_every_ten_seconds_and_not_when_quiet(tmp_path: Path, peer: OpenPeer) -> None:
    target = peer(answer_like_uas)
    words = (target.address, "-i", "127.0.0.1", "-r", 10, "-m", 112)
    with (
        start_sippx(tmp_path, *words, "-p", free_port()) as loud,
        start_sippx(tmp_path, *words, "-p", free_port(), "--quiet") as quiet,
    ):
        told, silent = loud.wait(), quiet.wait()
    assert re.fullmatch(r"00:00:10  (9\.9|10\.\d) calls/s  calls \d+  open \d  failed 0  left 00:00:0[012]\n", told.err)
    assert told.out.startswith("------------------------------ Scenario Screen")
    assert (silent.code, silent.out, silent.err) == (0, "", "")
