"""The transport modes of -t: one table, from which checks, help, completion, keywords and sockets derive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Transport = Literal["UDP", "TCP", "TLS", "SCTP", "WS", "WSS"]
"""What [transport] prints: the transport of a Via (RFC 3261 20.42, RFC 4168, RFC 7118)."""

Sockets = Literal["one", "per_call", "per_ip"]
"""Through how many sockets a client's calls go."""

Trait = Literal["", "connections", "datagrams", "many_sockets", "per_ip", "tls", "websocket", "sctp"]
"""What an option needs in a mode to change anything there; "" for nothing in particular."""

StreamKind = Literal["tcp", "tls", "sctp", "ws", "wss"]
"""Transports that have connections, as the engine names them."""

_SOCKETS_TEXT: Mapping[Sockets, str] = {
    "one": "one socket",
    "per_call": "a socket per call",
    "per_ip": "a socket per IP address",
}


@dataclass(frozen=True, slots=True)
class TransportMode:
    """One mode. name: what -t takes; sockets: a client's, a server answers through those it was reached by."""

    name: str
    transport: Transport
    sockets: Sockets

    @property
    def stream_kind(self) -> StreamKind | None:
        """How the engine names the transport where it has connections, None over UDP."""
        kinds: dict[Transport, StreamKind] = {"TCP": "tcp", "TLS": "tls", "SCTP": "sctp", "WS": "ws", "WSS": "wss"}
        return kinds.get(self.transport)

    @property
    def is_secure(self) -> bool:
        """True where TLS protects the connections."""
        return self.transport in ("TLS", "WSS")

    @property
    def description(self) -> str:
        """The mode in a few words."""
        names = {"WS": "WebSocket", "WSS": "WebSocket over TLS"}
        what = _SOCKETS_TEXT[self.sockets]
        if self.transport != "UDP":
            what = what.replace("socket", "connection")
        return f"{names.get(self.transport, self.transport)}, {what}"

    @property
    def traits(self) -> frozenset[Trait]:
        """What an option may need that this mode has."""
        has: dict[Trait, bool] = {
            "": True,
            "connections": self.transport != "UDP",
            "datagrams": self.transport == "UDP",
            "many_sockets": self.transport != "UDP" or self.sockets != "one",
            "per_ip": self.sockets == "per_ip",
            "tls": self.is_secure,
            "websocket": self.transport in ("WS", "WSS"),
            "sctp": self.transport == "SCTP",
        }
        return frozenset(trait for trait, is_there in has.items() if is_there)


MODES: Mapping[str, TransportMode] = MappingProxyType(
    {
        mode.name: mode
        for mode in (
            TransportMode("u1", "UDP", "one"),
            TransportMode("un", "UDP", "per_call"),
            TransportMode("ui", "UDP", "per_ip"),
            TransportMode("t1", "TCP", "one"),
            TransportMode("tn", "TCP", "per_call"),
            TransportMode("l1", "TLS", "one"),
            TransportMode("ln", "TLS", "per_call"),
            TransportMode("s1", "SCTP", "one"),
            TransportMode("sn", "SCTP", "per_call"),
            TransportMode("w1", "WS", "one"),
            TransportMode("wn", "WS", "per_call"),
            TransportMode("ws1", "WSS", "one"),
            TransportMode("wsn", "WSS", "per_call"),
        )
    }
)
"""The modes by their names, in the order of the help."""

COMPRESSED_MODES = ("c1", "cn")
"""Modes of SIPp 3.6.1 that only a plugin of its own can do."""
