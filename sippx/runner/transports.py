"""The transport of a run: from options and addresses to bound sockets and what the engine is told of them."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

from sippx._core.datagrams import MAX_SOCKETS as MAX_DATAGRAM_SOCKETS
from sippx._core.datagrams import DatagramSettings
from sippx._core.streamsettings import StreamSettings
from sippx._core.tlscontext import TlsContext
from sippx.addresses import DEFAULT_SIP_PORT, LocalAddress, RemoteAddress, bracketed, is_numeric, resolve_host
from sippx.descriptors import raise_limit, reserve_sockets
from sippx.errors import StartError, UsageError
from sippx.injection import InjectionTable
from sippx.options import Options
from sippx.options.transport_options import MAX_SOCKETS
from sippx.runner.tls import make_contexts
from sippx.sctp import IPPROTO_SCTP, bind_option, sctp_options
from sippx.sockets import SocketOption, common_options, int_option, open_listener, open_udp_socket, tcp_options
from sippx.transports import TransportMode

_IP_BIND_ADDRESS_NO_PORT = 24
_DEFAULT_PORTS = {"ws": 80, "wss": 443}
_SCTP_LEAST_MTU = 512
_IP_TEXT_MAX_BYTES = 255
_ANY = ("0.0.0.0", "::")

_Packed = tuple[int, bytes, int, int]

EngineArguments = dict[str, Any]
"""fd, streams, datagrams: what Engine takes on its transport."""


@dataclass(frozen=True, slots=True)
class RunTransport:
    """A transport whose sockets are bound.

    local: what they are bound to. local_port: [local_port], of the socket that listens or, over UDP, of the first
    one. has_own_port: each call has a socket, and so a port, of its own. notes: what the user is told before the run.
    """

    mode: TransportMode
    local: LocalAddress
    local_port: int
    has_own_port: bool = False
    notes: tuple[str, ...] = ()
    _arguments: EngineArguments = field(default_factory=dict)
    _stream: _StreamPlan | None = None

    def engine_arguments(self, target: RemoteAddress | None) -> EngineArguments:
        """What Engine is told of the transport; target: where connections go."""
        if self._stream is None:
            return self._arguments
        return {"streams": self._stream.settings(target)}


def open_transport(
    options: Options,
    local: LocalAddress,
    closing: ExitStack,
    *,
    is_client: bool,
    table: InjectionTable | None = None,
) -> RunTransport:
    """Bind the sockets of the run; `closing` closes them.

    table: the first injection file, which -t ui takes its addresses from. Raises AddressInUseError, StartError or
    UsageError as `sippx.sockets` and `sippx.descriptors` do, and StartError for TLS files that are of no use.
    """
    mode = options.transport_mode
    if mode.stream_kind is not None:
        return _open_streams(options, local, closing, is_client=is_client)
    if mode.sockets == "per_ip":
        assert table is not None, "checked by Options"
        return _open_per_ip(options, local, closing, table)
    main = closing.enter_context(_open_udp(options, local, options.local_port))
    arguments: EngineArguments = {"fd": main.fileno()}
    n_sockets, note = 0, ""
    if mode.sockets == "per_call" and is_client:
        n_sockets, note = _reserve(options)
        n_sockets = min(n_sockets, MAX_DATAGRAM_SOCKETS)
        arguments["datagrams"] = DatagramSettings(
            "per_call", local=_packed(local, 0), max_sockets=n_sockets, options=tuple(_common(options))
        )
    return RunTransport(
        mode, local, main.getsockname()[1], has_own_port=bool(n_sockets), notes=_notes(note), _arguments=arguments
    )


def _open_udp(options: Options, local: LocalAddress, port: int) -> socket.socket:
    return open_udp_socket(local, port, options.buffer_size_bytes, device=options.bind_device)


def _reserve(options: Options) -> tuple[int, str]:
    """How many sockets may be open at a time; the note is "" also where the options ask for no more calls than that."""
    n_sockets, note = reserve_sockets(options.max_sockets, MAX_SOCKETS, is_checked=not options.skip_rlimit)
    bounds = (options.max_open_calls, options.n_users, options.max_calls)
    return n_sockets, "" if any(bound and bound <= n_sockets for bound in bounds) else note


def _notes(*texts: str) -> tuple[str, ...]:
    return tuple(filter(None, texts))


def _common(options: Options) -> Iterator[SocketOption]:
    return common_options(options.buffer_size_bytes, options.bind_device)


def _packed(local: LocalAddress, port: int) -> _Packed:
    """An address to bind to, as the engine takes it."""
    return int(local.family), socket.inet_pton(local.family, local.bind_ip), port, local.scope_id


# ---- a UDP socket per IP address -----------------------------------------------------------------------------


def _open_per_ip(
    options: Options, local: LocalAddress, closing: ExitStack, table: InjectionTable
) -> RunTransport:
    """A socket for each address of the injection file, all with one port; the first line's is the main one."""
    named = _addresses_of(table, options.ip_field, local.family)
    ips = list(dict.fromkeys(named.values()))
    if min(raise_limit(len(ips)), MAX_DATAGRAM_SOCKETS) < len(ips):
        raise StartError(
            f"{table.file}: {len(ips)} local addresses need more files open than this process may have (ulimit -n)"
        )
    first = replace(local, bind_ip=ips[0], dual_stack=False)
    main = closing.enter_context(_open_udp(options, first, options.local_port))
    port: int = main.getsockname()[1]
    others = [closing.enter_context(_open_udp(options, replace(first, bind_ip=ip), port)) for ip in ips[1:]]
    packed = {ip: socket.inet_pton(local.family, ip) for ip in ips}
    settings = DatagramSettings(
        "per_ip",
        local=_packed(first, port),
        max_sockets=len(ips),
        sockets=[(sock.fileno(), packed[ip]) for sock, ip in zip(others, ips[1:], strict=True)],
        names={text: packed[ip] for text, ip in named.items() if not is_numeric(text.decode())},
        ip_field=options.ip_field,
    )
    arguments = {"fd": main.fileno(), "datagrams": settings}
    return RunTransport(options.transport_mode, first, port, _arguments=arguments)


def _addresses_of(table: InjectionTable, column: int, family: socket.AddressFamily) -> dict[bytes, str]:
    """The distinct texts of a column, addresses or names of such, and what each stands for, in the lines' order.

    Raises UsageError for what is neither.
    """
    if table.n_virtual:
        raise UsageError(f"{table.file}: the local addresses of -t ui cannot be those of a PRINTF file")
    data = table.data.tobytes()
    known: dict[bytes, str] = {}
    for i, (start, length) in enumerate(zip(table.line_start.tolist(), table.line_len.tolist(), strict=True)):
        fields = data[start : start + length].split(b";", column + 1)
        text = fields[column].strip(b" \t") if column < len(fields) else b""
        if text not in known:
            known[text] = _address_of(text, family, f"{table.file}: field {column} (-ip_field) of data line {i + 1}")
    return known


def _address_of(text: bytes, family: socket.AddressFamily, where: str) -> str:
    name = text.decode("ascii", "replace")
    try:
        if not is_numeric(name) and 0 < len(text) <= _IP_TEXT_MAX_BYTES:
            name = resolve_host(name, DEFAULT_SIP_PORT, family)[0].ip
        return socket.inet_ntop(family, socket.inet_pton(family, name))
    except (OSError, StartError):
        kind = "IPv6" if family == socket.AF_INET6 else "IPv4"
        raise UsageError(f"{where} is '{name[:60]}', no {kind} address") from None


# ---- connections -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _StreamPlan:
    """What is known of the connections before the remote host is."""

    options: Options
    listener_fd: int | None
    source: _Packed | None
    socket_options: tuple[SocketOption, ...]
    client_tls: TlsContext | None
    server_tls: TlsContext | None
    max_connections: int
    is_per_call: bool

    def settings(self, target: RemoteAddress | None) -> StreamSettings:
        """The engine's settings."""
        options, kind = self.options, self.options.transport_mode.stream_kind
        try:
            return StreamSettings(
                kind or "tcp",
                per_call=self.is_per_call,
                listeners=() if self.listener_fd is None else (self.listener_fd,),
                source=self.source,
                options=self.socket_options,
                client_tls=self.client_tls,
                server_tls=self.server_tls,
                server_name=_server_name(options, target),
                host=_host_field(target, _DEFAULT_PORTS.get(kind or "")),
                path=options.websocket_path.encode("ascii"),
                max_connections=self.max_connections,
                max_reconnects=options.max_reconnects,
                closes_calls=options.reconnect_close,
                reconnect_sleep_ms=options.reconnect_sleep_ms,
                open_timeout_ms=options.connect_timeout_ms,
                send_timeout_ms=options.send_timeout_ms,
            )
        except ValueError as error:
            raise UsageError(f"-t {options.transport}: {error}") from None


def _server_name(options: Options, target: RemoteAddress | None) -> bytes:
    name = options.tls_server_name
    if name is None:
        name = target.host if target is not None else ""
    try:
        return name.encode("ascii")
    except UnicodeEncodeError:
        try:
            return name.encode("idna")
        except UnicodeError:
            raise UsageError(f"-tls_server_name: '{name}' is not a host name") from None


def _host_field(target: RemoteAddress | None, default_port: int | None) -> bytes:
    """What stands in the Host field of the request that opens a WebSocket (RFC 9110 7.2)."""
    if target is None or default_port is None:
        return b""
    host = bracketed(target.host)
    return (host if target.port == default_port else f"{host}:{target.port}").encode("ascii", "replace")


def _open_streams(
    options: Options, local: LocalAddress, closing: ExitStack, *, is_client: bool
) -> RunTransport:
    mode = options.transport_mode
    is_per_call = is_client and mode.sockets == "per_call"
    contexts = make_contexts(options, closing, is_client=is_client) if mode.is_secure else None
    # SIPp: the one connection of a client leaves from the port of -p, which is also listened on
    shares_port = is_client and not is_per_call and options.local_port != 0
    socket_options = tuple(_stream_options(options, mode))
    # who connects to a client without a certificate is refused rather than let down during the handshake
    is_listening = contexts is None or contexts.server is not None
    listener = closing.enter_context(
        open_listener(
            local,
            options.local_port,
            socket_options,
            protocol=_protocol(mode),
            shares_port=shares_port,
            is_listening=is_listening,
        )
    )
    port: int = listener.getsockname()[1]
    if mode.sockets == "one" or (not is_client and options.max_sockets is None):
        # how many connections a server gets is for others to say
        max_connections, note = raise_limit(options.max_sockets or MAX_SOCKETS), ""
    else:
        max_connections, note = _reserve(options)
    source_port = port if shares_port else 0
    source, binding = _source(options, local, source_port)
    if options.multihome_ip is not None and mode.transport == "SCTP":
        _add_home(listener, options, local, port)
    plan = _StreamPlan(
        options=options,
        listener_fd=listener.fileno() if is_listening else None,
        source=source,
        socket_options=(*socket_options, *binding),
        client_tls=contexts.client if contexts else None,
        server_tls=contexts.server if contexts else None,
        max_connections=max_connections,
        is_per_call=is_per_call,
    )
    notes = _notes(note, *(contexts.notes if contexts else ()))
    return RunTransport(mode, local, port, has_own_port=is_per_call, notes=notes, _stream=plan)


def _protocol(mode: TransportMode) -> int:
    return IPPROTO_SCTP if mode.transport == "SCTP" else socket.IPPROTO_TCP


def _stream_options(options: Options, mode: TransportMode) -> Iterator[SocketOption]:
    """Options of the sockets that listen and of those that connect."""
    yield from _common(options)
    if mode.transport != "SCTP":
        yield from tcp_options()
        return
    if 0 < options.path_mtu_bytes < _SCTP_LEAST_MTU:
        raise UsageError(f"-pmtu {options.path_mtu_bytes}: a packet of SCTP has at least {_SCTP_LEAST_MTU} bytes")
    yield from sctp_options(
        association_max_retrans=options.association_max_retrans,
        path_max_retrans=options.path_max_retrans,
        heartbeat_ms=options.heartbeat_ms,
        path_mtu_bytes=options.path_mtu_bytes,
        close_gracefully=options.close_gracefully,
    )


def _source(
    options: Options, local: LocalAddress, port: int
) -> tuple[_Packed | None, Iterator[SocketOption]]:
    """Where outgoing connections leave from: an address to bind to, or none, and socket options that go with it."""
    is_any = local.bind_ip in _ANY
    if options.transport_mode.transport == "SCTP" and options.multihome_ip is not None:
        return None, _homes(options, local, port)
    if port:
        return _packed(local, port), _sharing()
    if is_any:
        return None, iter(())
    # the kernel chooses the port when it knows where to: the same one serves for several destinations
    return _packed(local, 0), iter((int_option(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1),))


def _sharing() -> Iterator[SocketOption]:
    """What lets a connection be bound to the port that is listened on."""
    yield int_option(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    yield int_option(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)


def _homes(options: Options, local: LocalAddress, port: int) -> Iterator[SocketOption]:
    """Both addresses of an outgoing association (-multihome)."""
    if port:
        yield from _sharing()
    yield bind_option(local.family, (local.ip, _second_home(options, local)), port, local.scope_id)


def _second_home(options: Options, local: LocalAddress) -> str:
    ip = options.multihome_ip or ""
    try:
        socket.inet_pton(local.family, ip)
    except OSError:
        name = "IPv6" if local.family == socket.AF_INET6 else "IPv4"
        raise UsageError(f"-multihome: '{ip}' is no {name} address, and the local address is one") from None
    return ip


def _add_home(listener: socket.socket, options: Options, local: LocalAddress, port: int) -> None:
    """Also listen at the address of -multihome; who listens at all addresses does that already."""
    ip = _second_home(options, local)
    if local.bind_ip in _ANY:
        return
    try:
        listener.setsockopt(*bind_option(local.family, (ip,), port, local.scope_id))
    except OSError as error:
        raise StartError(f"-multihome: cannot bind {bracketed(ip)}:{port}: {error.strerror}") from None
