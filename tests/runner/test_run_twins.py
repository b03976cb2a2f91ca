"""Parts of twins: what scenario and options make of a run, and what is refused."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from sippx.addresses import LocalAddress
from sippx.errors import AddressInUseError, SippxError, StartError, UsageError
from sippx.options import Options
from sippx.runner.twins import RunTwins, open_twins, role_of
from sippx.scenario import Scenario

LOCAL = LocalAddress("127.0.0.1", socket.AF_INET, "127.0.0.1")
SEND = '<send><![CDATA[\nOPTIONS sip:x SIP/2.0\nCall-ID: [call_id]\n\n]]></send><recv response="200"/>'
RECV = '<recv request="OPTIONS"/>'
SEND_CMD = '<sendCmd dest="s"><![CDATA[\nCall-ID: [call_id]\n\n]]></sendCmd>'
RECV_CMD = '<recvCmd src="m"/>'


def scenario(*steps: str) -> Scenario:
    return Scenario.from_string(f'<scenario name="t">{"".join(steps)}</scenario>')


PLAIN = Options(twin_address="127.0.0.1:1")


def extended(**names: str) -> Options:
    return Options(slave_file="twins.cfg", **names)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("steps", "options", "role"),
    [
        ((SEND,), Options(), None),
        ((SEND, SEND_CMD, RECV_CMD), PLAIN, "a"),
        ((RECV, SEND_CMD), PLAIN, "a"),
        ((RECV_CMD, SEND, SEND_CMD), PLAIN, "b"),
        ((SEND_CMD, SEND), extended(master_name="m"), "master"),
        ((RECV_CMD, SEND, SEND_CMD), extended(slave_name="s"), "slave"),
    ],
)
def test_who_sends_the_first_command_is_a_or_the_master(steps: tuple[str, ...], options: Options, role: str | None) -> None:
    assert role_of([scenario(*steps)], options) == role


@pytest.mark.parametrize(
    ("scenarios", "options", "said"),
    [
        (((SEND_CMD, SEND),), Options(), "sendCmd message found in scenario but no twin sipp address has been passed"),
        (((RECV_CMD, SEND),), Options(), "recvCmd message found in scenario but no twin"),
        (((SEND,), (RECV, SEND_CMD)), Options(), "sendCmd message found"),
        (((SEND,),), Options(slave_file="f"), "-slave_cfg option must be used with -slave or -master"),
        (((SEND,),), Options(slave_name="s"), "must be used with -slave_cfg"),
        (((SEND,),), PLAIN, "TwinSipp Mode enabled but .* neither sendCmd nor recvCmd"),
        (((SEND,),), extended(slave_name="s"), "extendedTwinSipp Mode enabled but"),
        (((SEND_CMD, SEND),), extended(slave_name="s"), "master scenario but -master option not set"),
        (((RECV_CMD, SEND),), extended(master_name="s"), "slave scenario but -slave option not set"),
        (((SEND_CMD.replace(' dest="s"', ""), SEND),), extended(master_name="m"), "must specify a 'dest' for sendCmd"),
        (((RECV_CMD.replace(' src="m"', ""), SEND),), extended(slave_name="s"), "must specify a 'src' for recvCmd"),
    ],
)
def test_scenario_and_options_must_fit(scenarios: tuple[tuple[str, ...], ...], options: Options, said: str) -> None:
    with pytest.raises(SippxError, match=said):
        role_of([scenario(*steps) for steps in scenarios], options)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"twin_address": "a", "master_name": "m"}, "-3PCC option is not compatible with -master and -slave"),
        ({"twin_address": "a", "slave_file": "f"}, "-slave_cfg and -3pcc options are not compatible"),
        ({"master_name": "m", "slave_name": "s", "slave_file": "f"}, "-slave and -master options are not compatible"),
    ],
)
def test_options_that_exclude_each_other_are_refused(fields: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Options(**fields)  # type: ignore[arg-type]


def opened(options: Options, role: str, *steps: str) -> RunTwins:
    with ExitStack() as closing:
        return open_twins(role, [scenario(*steps)], options, LOCAL, closing)  # type: ignore[arg-type]


def test_a_needs_b_to_listen() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        where = f"127.0.0.1:{server.getsockname()[1]}"
        assert opened(Options(twin_address=where), "a", SEND_CMD, SEND).settings.listener is None
    with pytest.raises(StartError, match=f"{where}: Connection refused; start it first"):
        opened(Options(twin_address=where), "a", SEND_CMD, SEND)


def test_b_needs_its_port() -> None:
    with socket.create_server(("", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(AddressInUseError, match=f"port {port} of .* is in use"):
            opened(Options(twin_address=f"127.0.0.1:{port}"), "b", RECV_CMD, SEND)
    assert opened(Options(twin_address=f"127.0.0.1:{port}"), "b", RECV_CMD, SEND).settings.peers == {b"": None}


@pytest.mark.parametrize(("file", "unknown"), [("m;127.0.0.1:1\n", "s"), ("s;127.0.0.1:1\n", "m")])
def test_unknown_peer_is_named(tmp_path: Path, file: str, unknown: str) -> None:
    path = tmp_path / "twins.cfg"
    path.write_text(file)
    with pytest.raises(SippxError, match=f"get_peer_addr: Peer {unknown} not found in .*, which names"):
        opened(Options(slave_file=str(path), master_name="m"), "master", SEND_CMD, SEND)


def test_slave_listens_and_connects_to_nobody_yet(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    path = tmp_path / "twins.cfg"
    path.write_text(f"m;127.0.0.1:{port}\ns;127.0.0.1:{port}\n")
    found = opened(Options(slave_file=str(path), slave_name="m"), "slave", RECV_CMD, SEND, SEND_CMD)
    assert found.settings.peers == {b"s": (socket.AF_INET, b"\x7f\0\0\1", port, 0)}
    assert found.settings.listener is not None
