"""Bindings: what a run knows before its first call and the compiler folds into literals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sippx.transports import Transport


@dataclass(frozen=True, slots=True, kw_only=True)
class Bindings:
    """Compile-time constants of one run; every field has the default a test can live with.

    Addresses are numeric text. `remote_ip` and `local_ip` are bracketed when they are IPv6, `media_ip`
    and `server_ip` never are (so that they fit into SDP). The `*_ip_type` fields are "4" or "6".
    """

    service: str = "service"
    remote_host: str = "127.0.0.1"
    remote_ip: str = "127.0.0.1"
    remote_port: int = 5060
    transport: Transport = "UDP"
    local_ip: str = "127.0.0.1"
    local_ip_type: str = "4"
    local_port: int = 5060
    has_own_port: bool = False
    """Each call of a client has a socket of its own: [local_port] is the port of the call's, as of those of a second
    scenario that come to one of these."""
    server_ip: str = ""
    """Numeric address the socket is bound to; empty: bound to any address of the family."""
    media_ip: str = "127.0.0.1"
    media_ip_type: str = "4"
    media_port: int = 6000
    pid: int = 0
    pause_ms: int = 0
    """Duration of a `<pause/>` that names none (-d)."""
    recv_timeout_ms: int = 0
    """Timeout of a `<recv>` that names none (-recv_timeout); 0 waits for ever."""
    call_id_format: str = "%u-%p@%s"
    """-cid_str: %u call number, %p process id, %s local address, %r random integer, %% a percent sign."""
    call_id_type: str = "default"
    """-cid_type: default (by call_id_format), uuid, uuid-compact, random, timestamp."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """-key NAME VALUE; must hold every name the scenario was loaded with."""
    users: int = -1
    """-users; below 0: unused, every call has user 0."""
    auth_username: str = ""
    """User name of an [authentication] that names none (-au); empty: `service`."""
    auth_password: str = "password"
    """Password of an [authentication] that names none (-ap)."""
    send_timeout_ms: int = 0
    """Timeout of a `<send>` that names none (-send_timeout); 0 tries for ever."""
    sipp_version: str = ""
    retransmissions_enabled: bool = True
    """False (-nr) compiles every `retrans` to 0."""

    @property
    def transport_parameter(self) -> str:
        """Text of [transport] in the parameter of a URI: RFC 7118 has one word for WebSocket with and without TLS."""
        return "ws" if self.transport in ("WS", "WSS") else self.transport

    @property
    def bound_ip(self) -> str:
        """Text of [server_ip]."""
        if self.server_ip:
            return self.server_ip
        return "::" if self.local_ip_type == "6" else "0.0.0.0"
