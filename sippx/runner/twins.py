"""The twins of a run: which part this side has, who listens, who connects, and what the engine is told of them."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from typing import Literal

from sippx._core.twins import TwinSettings
from sippx.addresses import LocalAddress, RemoteAddress, bracketed, resolve_host
from sippx.errors import AddressInUseError, StartError, UsageError
from sippx.options import Options
from sippx.scenario import Scenario
from sippx.scenario.model import RecvCmdStep, SendCmdStep
from sippx.sockets import open_listener
from sippx.twins import TwinAddress, read_twins, split_twin_address

TwinRole = Literal["a", "b", "master", "slave"]

_CONNECT_TIMEOUT_S = 10.0
_ANY = {socket.AF_INET: "0.0.0.0", socket.AF_INET6: "::"}
_Where = tuple[int, bytes, int, int] | int | None


@dataclass(frozen=True, slots=True)
class RunTwins:
    """This side's part, and what the engine takes."""

    role: TwinRole
    settings: TwinSettings


def commands_of(scenario: Scenario) -> Iterator[SendCmdStep | RecvCmdStep]:
    """The steps that send to a twin or wait for one."""
    for step in scenario.steps:
        if isinstance(step, SendCmdStep | RecvCmdStep):
            yield step


def role_of(scenarios: Sequence[Scenario], options: Options) -> TwinRole | None:
    """This side's part, None where the run has no twins; scenarios: the main one first.

    Who sends the first command is A or the master. Raises StartError or UsageError, in SIPp's words, where scenario
    and options do not fit.
    """
    if options.is_extended_3pcc != (options.slave_file is not None):
        raise UsageError(
            "-slave and -master options must be used with -slave_cfg option"
            if options.is_extended_3pcc
            else "-slave_cfg option must be used with -slave or -master option"
        )
    main = scenarios[0]
    first = next(commands_of(main), None)
    is_first = isinstance(first, SendCmdStep)
    if options.twin_address is None and not options.is_extended_3pcc:
        for scenario in scenarios:
            _refuse_commands(scenario)
        return None
    if first is None:
        said = (
            "extendedTwinSipp Mode enabled but thirdPartyMode is different from MASTER and SLAVE"
            if options.is_extended_3pcc
            else "TwinSipp Mode enabled but thirdPartyMode is different from 3PCC_CONTROLLER_B and 3PCC_CONTROLLER_A"
        )
        raise StartError(f"{said}: {main.file} has neither sendCmd nor recvCmd")
    if options.twin_address is not None:
        return "a" if is_first else "b"
    for scenario in scenarios:
        _check_names(scenario)
    if is_first and options.master_name is None:
        raise StartError(
            "Inconsistency between command line and scenario: master scenario but -master option not set"
        )
    if not is_first and options.slave_name is None:
        raise StartError("Inconsistency between command line and scenario: slave scenario but -slave option not set")
    return "master" if is_first else "slave"


def _refuse_commands(scenario: Scenario) -> None:
    for step in commands_of(scenario):
        what = "sendCmd" if isinstance(step, SendCmdStep) else "recvCmd"
        raise StartError(
            f"{scenario.file}:{step.line}: {what} message found in scenario but no twin sipp address has been passed! "
            "Use -3pcc option or 3pcc extended mode"
        )


def _check_names(scenario: Scenario) -> None:
    """Commands of extended 3PCC say whom they go to and come from."""
    for step in commands_of(scenario):
        if isinstance(step, SendCmdStep) and not step.dest:
            raise UsageError(
                f"{scenario.file}:{step.line}: You must specify a 'dest' for sendCmd with extended 3pcc mode!"
            )
        if isinstance(step, RecvCmdStep) and not step.src:
            raise UsageError(
                f"{scenario.file}:{step.line}: You must specify a 'src' for recvCmd when using extended 3pcc mode!"
            )


def open_twins(
    role: TwinRole, scenarios: Sequence[Scenario], options: Options, local: LocalAddress, closing: ExitStack
) -> RunTwins:
    """Listen, and connect to those that must run already; `closing` closes the sockets.

    scenarios: all of the run. Raises UsageError and StartError for twins that are unknown or cannot be reached.
    """
    peers: dict[bytes, _Where] = {}
    if role in ("a", "b"):
        address = split_twin_address(options.twin_address or "")
        if role == "a":
            peers = {b"": _connect("", address, closing)}
            return RunTwins(role, TwinSettings("a", peers=peers))
        listener = _listen(address, local, closing)
        return RunTwins(role, TwinSettings("b", listener=listener, peers={b"": None}))
    twins = read_twins(options.slave_file or "")
    own = options.master_name or options.slave_name or ""
    commands = chain.from_iterable(map(commands_of, scenarios))
    names = [step.dest for step in commands if isinstance(step, SendCmdStep)]
    for name in (*names, own):
        if name not in twins:
            known = ", ".join(list(twins)[:20]) or "none"
            said = f"get_peer_addr: Peer {name} not found in {options.slave_file}, which names {known}"
            raise StartError(said) if name == own else UsageError(said)
    listener = _listen(twins[own], local, closing)
    # the listener comes first: a slave connects back as soon as it is connected to
    for name in dict.fromkeys(names):
        address = twins[name]
        peers[name.encode()] = (
            _connect(name, address, closing) if role == "master" else _resolve(name, address).packed()
        )
    try:
        return RunTwins(role, TwinSettings(role, listener=listener, peers=peers))
    except ValueError as error:
        raise UsageError(f"{options.slave_file}: {error}") from None


def _resolve(name: str, address: TwinAddress) -> RemoteAddress:
    try:
        return resolve_host(*address)[0]
    except StartError as error:
        raise StartError(f"twin {name or 'of -3pcc'}: {error}") from None


def _listen(address: TwinAddress, local: LocalAddress, closing: ExitStack) -> int:
    """Listens at the port of that address; as SIPp at all addresses, of its family."""
    host, port = address
    family = _resolve("", address).family
    place = LocalAddress(local.ip, family, _ANY[family])
    try:
        return closing.enter_context(open_listener(place, port)).fileno()
    except AddressInUseError:
        raise AddressInUseError(f"Unable to bind twin sipp socket: port {port} of {host} is in use") from None


def _connect(name: str, address: TwinAddress, closing: ExitStack) -> int:
    """A connection to a twin that runs already."""
    remote = _resolve(name, address)
    sock = closing.enter_context(socket.socket(remote.family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC))
    sock.settimeout(_CONNECT_TIMEOUT_S)
    zone = (0, remote.scope_id) if remote.family == socket.AF_INET6 else ()
    who = f"{name} at " if name else ""
    where = f"{who}{bracketed(remote.ip)}:{remote.port}"
    try:
        sock.connect((remote.ip, remote.port, *zone))
    except OSError as error:
        reason = "no answer" if isinstance(error, TimeoutError) else error.strerror
        hint = "; start it first" if error.errno == errno.ECONNREFUSED else ""
        raise StartError(f"Unable to connect a twin sipp socket, {where}: {reason}{hint}") from None
    if sock.getsockname() == sock.getpeername():
        # the kernel chose the very port that nobody listens at
        raise StartError(f"Unable to connect a twin sipp socket, {where}: nobody listens there; start it first")
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock.fileno()
