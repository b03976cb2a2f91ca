# sippx/_core/streamsettings.pyx: how an engine's messages go over connections, as Python says it.
from libc.stdint cimport uint32_t
from libc.string cimport memcpy, memset

import socket

from sippx._core.addressing cimport address_from_tuple
from sippx._core.connection cimport (
    CARRY_MESSAGES, CARRY_SIP, CARRY_WEBSOCKET, CHANNEL_TEXT_BYTES, LISTENER_CAP, SOCKET_OPTION_BYTES,
    SOCKET_OPTION_CAP, channel_t, socket_option_t,
)
from sippx._core.span cimport span_of
from sippx._core.tls cimport tls_peer_init
from sippx._core.tlscontext cimport TlsContext

cdef enum:
    QUEUE_CAP_BYTES = 64 << 20
    HIGH_WATER_BYTES = 1 << 20
    LOW_WATER_BYTES = 1 << 18

PROTOCOLS = {"tcp": CARRY_SIP, "tls": CARRY_SIP, "ws": CARRY_WEBSOCKET, "wss": CARRY_WEBSOCKET, "sctp": CARRY_MESSAGES}


cdef class StreamSettings:
    """How an engine's messages go over connections.

    kind: one of PROTOCOLS. per_call: outgoing calls have a connection each. listeners: descriptors of listening
    sockets, borrowed. source: (family, packed ip, port) that outgoing connections are bound to, port 0 for any, None
    for any address. options: (level, name, bytes) set on each outgoing socket. server_name: the peer's name for SNI,
    checked against its certificate where client_tls verifies. host: Host header field of WebSocket requests for path.
    max_connections: of calls, at a time. max_reconnects: -1 no bound. Times in milliseconds, 0 none.
    """

    def __cinit__(self, str kind not None, *, bint per_call, listeners=(), source=None, options=(), client_tls=None,
                  server_tls=None, bytes server_name=b"", bytes host=b"", bytes path=b"/", max_connections=50000,
                  max_reconnects=0, bint closes_calls=True, reconnect_sleep_ms=1000, open_timeout_ms=10000,
                  send_timeout_ms=0):
        if kind not in PROTOCOLS:
            raise ValueError(f"kind '{kind}' is none of {', '.join(PROTOCOLS)}")
        self.kind = kind
        self.per_call = per_call
        self.listeners = tuple(listeners)
        if len(self.listeners) > LISTENER_CAP:
            raise ValueError(f"{len(self.listeners)} listening sockets, at most {<int> LISTENER_CAP}")
        self.max_connections = max_connections
        self.max_reconnects = max_reconnects
        self.closes_calls = closes_calls
        self.reconnect_sleep_ms = reconnect_sleep_ms
        self.send_timeout_ms = send_timeout_ms
        memset(&self.source, 0, sizeof(self.source))
        if source is not None:
            self.source = address_from_tuple(source)
        self._set_channel(options, host, path, open_timeout_ms)
        self._set_tls(client_tls, server_tls, server_name)

    cdef _set_channel(self, options, bytes host, bytes path, open_timeout_ms):
        cdef channel_t* channel = &self.channel
        cdef socket_option_t* o
        memset(channel, 0, sizeof(channel_t))
        channel.carries = PROTOCOLS[self.kind]
        channel.socket_type = socket.SOCK_STREAM
        channel.protocol = socket.IPPROTO_SCTP if self.kind == "sctp" else socket.IPPROTO_TCP
        channel.open_timeout_ms = open_timeout_ms
        channel.queue_cap_bytes = QUEUE_CAP_BYTES
        channel.high_water_bytes = HIGH_WATER_BYTES
        channel.low_water_bytes = LOW_WATER_BYTES
        for text in (host, path):
            if len(text) >= CHANNEL_TEXT_BYTES or b"\0" in text:
                raise ValueError(f"host and path have less than {<int> CHANNEL_TEXT_BYTES} bytes and no NUL")
        memcpy(channel.host, <const char*> host, len(host))
        memcpy(channel.path, <const char*> path, len(path))
        if len(options) > SOCKET_OPTION_CAP:
            raise ValueError(f"{len(options)} socket options, at most {<int> SOCKET_OPTION_CAP}")
        for level, name, value in options:
            if len(value) > SOCKET_OPTION_BYTES:
                raise ValueError(f"a socket option of {len(value)} bytes, at most {<int> SOCKET_OPTION_BYTES}")
            o = &channel.options[channel.n_options]
            o.level, o.name, o.n_bytes = level, name, len(value)
            memcpy(o.value, <const char*> <bytes> value, len(value))
            channel.n_options += 1

    cdef _set_tls(self, client_tls, server_tls, bytes server_name):
        cdef channel_t* channel = &self.channel
        self.borrowed = (client_tls, server_tls)
        if self.kind not in ("tls", "wss"):
            if client_tls is not None or server_tls is not None:
                raise ValueError(f"kind '{self.kind}' has no TLS")
            return
        if client_tls is None and server_tls is None:
            raise ValueError(f"kind '{self.kind}' needs a TLS context")
        if client_tls is not None:
            channel.client_tls = &(<TlsContext?> client_tls).c
        if server_tls is not None:
            channel.server_tls = &(<TlsContext?> server_tls).c
        if not tls_peer_init(&channel.tls_peer, span_of(server_name, <uint32_t> len(server_name)), 1):
            raise ValueError("server_name is too long, or has a NUL")
