"""How messages travel: connections, TLS, WebSocket, SCTP."""

from __future__ import annotations

from dataclasses import dataclass

from sippx.option_types import (
    BOOL,
    DNS_MODE,
    FLAG,
    INT32_MAX,
    INTEGER,
    STRING,
    TARGET,
    TIME_MS,
    TLS_VERSION,
    TRANSPORT,
)
from sippx.options.scenario_options import ScenarioOptions
from sippx.options.spec import ADDRESSES, CONNECTIONS, SCTP, TLS, option
from sippx.transports import MODES, TransportMode

MAX_SOCKETS = 50_000
"""-max_socket where it is not given."""

_MODES_TEXT = "; ".join(f"{mode.name}: {mode.description}" for mode in MODES.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportOptions(ScenarioOptions):
    """Options on transports."""

    transport: str = option(
        "-t", TRANSPORT, "u1", group=ADDRESSES,
        help=f"Transport mode. {_MODES_TEXT}. How many sockets counts for calls placed: a server answers on the "
        "socket or connection a call came by. The WebSocket modes are only in sippx.",
    )
    remote_sending_host: str | None = option(
        "-rsa", STRING, None, group=ADDRESSES, metavar="HOST[:PORT]", default_text="the remote host",
        help="Where messages are sent to, for instance a proxy; [remote_ip] and [remote_port] stay those of the "
        "remote host. Of a server: where its answers go.",
    )
    dns_mode: str = option(
        "-dns", DNS_MODE, "first", group=ADDRESSES,
        help="Only in sippx. Which addresses of a remote host that is a name get calls: first (one, as in "
        "SIPp), all (in turn), or srv: what NAPTR and SRV records say of its servers for the transport of -t, with "
        "their priorities and weights (RFC 3263); where a port is given, all its addresses. srv needs the package "
        "dnspython.",
    )
    dns_server: str | None = option(
        "-dns_server", STRING, None, group=ADDRESSES, metavar="IP[:PORT]", default_text="those of /etc/resolv.conf",
        help="Only in sippx. DNS server that is asked for remote hosts. Needs the package dnspython.",
    )
    ip_field: int = option(
        "-ip_field", INTEGER, 0, group=ADDRESSES, minimum=0, maximum=INT32_MAX, needs="per_ip",
        help="Field of the first injection file (-inf) that has the local addresses of -t ui, counted from 0. Without "
        "effect in other transport modes.",
    )
    max_sockets: int | None = option(
        "-max_socket", INTEGER, None, group=CONNECTIONS, minimum=1, maximum=INT32_MAX, needs="many_sockets",
        default_text=f"{MAX_SOCKETS}, or what the limit of open files allows",
        help="Most sockets open at a time, in transport modes with more than one. Where it is reached, calls share "
        "sockets.",
    )
    skip_rlimit: bool = option(
        "-skip_rlimit", FLAG, False, group=CONNECTIONS, needs="many_sockets",
        help="Do not compare -max_socket with the limit of open files. Without effect over one UDP socket.",
    )
    connect_timeout_ms: int = option(
        "-connect_timeout", TIME_MS, 10_000, group=CONNECTIONS, minimum=0, maximum=INT32_MAX, needs="connections",
        help="How long a connection may take to open, handshakes of TLS and WebSocket included, before it has failed; "
        "0: as long as the kernel tries. Default unit: milliseconds. Without effect over UDP. Only in sippx.",
    )
    max_reconnects: int = option(
        "-max_reconnect", INTEGER, 0, group=CONNECTIONS, minimum=-1, maximum=INT32_MAX, needs="connections",
        help="How often lost connections are made anew, all together; -1: always. Without effect over UDP.",
    )
    reconnect_close: bool = option(
        "-reconnect_close", BOOL, True, group=CONNECTIONS, needs="connections",
        help="Whether the calls of a lost connection fail. Without effect over UDP.",
    )
    reconnect_sleep_ms: int = option(
        "-reconnect_sleep", TIME_MS, 1000, group=CONNECTIONS, minimum=0, maximum=INT32_MAX, needs="connections",
        help="How long to wait before a connection is made anew. Default unit: milliseconds. Without effect over "
        "UDP.",
    )
    websocket_path: str = option(
        "-ws_path", TARGET, "/", group=CONNECTIONS, needs="websocket",
        help="Path, and query, that a WebSocket is opened with. Without effect over other transports. Only in sippx.",
    )
    tls_certificate: str | None = option(
        "-tls_cert", STRING, None, group=TLS, metavar="FILE", needs="tls",
        default_text="cacert.pem; a client that has none does without",
        help="Certificate to show, PEM, behind it those between it and the CA.",
    )
    tls_key: str | None = option(
        "-tls_key", STRING, None, group=TLS, metavar="FILE", needs="tls",
        default_text="cakey.pem, or the file of the certificate",
        help="Private key of the certificate, PEM.",
    )
    tls_password: str | None = option(
        "-tls_password", STRING, None, group=TLS, metavar="PASSWORD", needs="tls", default_text="SIPp's 'ksgr'",
        help="Pass phrase of an encrypted key. It can be seen in the list of processes. Only in sippx.",
    )
    tls_ca: str | None = option(
        "-tls_ca", STRING, None, group=TLS, metavar="FILE", needs="tls", default_text="nothing is verified",
        help="Certificates, PEM, or a directory of them, one of which has to vouch for the peer's; a server demands "
        "one, too.",
    )
    tls_crl: str | None = option(
        "-tls_crl", STRING, None, group=TLS, metavar="FILE", needs="tls", default_text="none",
        help="List, PEM, of certificates that were taken back. Needs -tls_ca.",
    )
    tls_version: str | None = option(
        "-tls_version", TLS_VERSION, None, group=TLS, needs="tls", default_text="the highest that both sides have",
        help="The only version of TLS to speak: 1.0, 1.1, 1.2 or 1.3.",
    )
    tls_ciphers: str | None = option(
        "-tls_ciphers", STRING, None, group=TLS, metavar="LIST", needs="tls", default_text="those of OpenSSL",
        help="Ciphers to offer or accept, separated by colons, by OpenSSL's names: TLS_AES_128_GCM_SHA256 and the like "
        "for TLS 1.3, a cipher list for earlier versions. Only in sippx.",
    )
    tls_server_name: str | None = option(
        "-tls_server_name", STRING, None, group=TLS, metavar="NAME", needs="tls",
        default_text="what the connection goes to",
        help="Name that a client asks for (SNI), and that the server's certificate must have where it is verified. "
        "Only in sippx.",
    )
    tls_keylog_file: str | None = option(
        "-tls_keylog", STRING, None, group=TLS, metavar="FILE", needs="tls",
        default_text="the value of the environment variable SSLKEYLOGFILE",
        help="Append the secrets of connections to this file, with which Wireshark decrypts them. Only in sippx.",
    )
    tls_resumption: bool = option(
        "-tls_no_resume", FLAG, True, group=TLS, flag_value=False, needs="tls",
        help="Neither offer nor use resumption: a full handshake for each connection. Only in sippx.",
    )
    multihome_ip: str | None = option(
        "-multihome", STRING, None, group=SCTP, metavar="IP", needs="sctp", default_text="none",
        help="Second local address of an association.",
    )
    heartbeat_ms: int = option(
        "-heartbeat", INTEGER, 0, group=SCTP, metavar="MS", minimum=0, maximum=INT32_MAX, needs="sctp",
        default_text="the kernel's",
        help="Time between two heartbeats, in ms.",
    )
    association_max_retrans: int = option(
        "-assocmaxret", INTEGER, 0, group=SCTP, minimum=0, maximum=0xFFFF, needs="sctp", default_text="the kernel's",
        help="Retransmissions after which an association has failed.",
    )
    path_max_retrans: int = option(
        "-pathmaxret", INTEGER, 0, group=SCTP, minimum=0, maximum=0xFFFF, needs="sctp", default_text="the kernel's",
        help="Retransmissions after which one of its paths counts as failed.",
    )
    path_mtu_bytes: int = option(
        "-pmtu", INTEGER, 0, group=SCTP, metavar="BYTES", minimum=0, maximum=0xFFFF, needs="sctp",
        default_text="discovered",
        help="Largest packet of a path.",
    )
    close_gracefully: bool = option(
        "-gracefulclose", BOOL, True, group=SCTP, needs="sctp",
        help="Whether an association ends with SHUTDOWN; false: with ABORT.",
    )

    @property
    def transport_mode(self) -> TransportMode:
        """What -t says."""
        return MODES[self.transport]
