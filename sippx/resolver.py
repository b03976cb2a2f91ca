"""Where calls to a host name go: all its addresses, or what the DNS says of its SIP servers (RFC 3263)."""

from __future__ import annotations

import ipaddress
import math
import socket
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from sippx.addresses import (
    DEFAULT_SIP_PORT,
    Locate,
    RemoteAddress,
    Target,
    Targets,
    is_numeric,
    locate_first,
    resolve_host,
    split_host_port,
)
from sippx.errors import StartError, UsageError

MAX_TARGETS = 64
"""More than that are an error: the core keeps them in one table."""

QUERY_TIMEOUT_S = 4.0
TOTAL_TIMEOUT_S = 10.0
"""For all queries on one host."""

WEIGHT_MAX = 2**31 - 1
_WEIGHT_SCALE_MAX = 2520
"""A multiple of 1 to 10: servers with up to ten addresses each share their weights exactly."""


class Service(NamedTuple):
    """How one transport is called in the DNS (RFC 3263, for WebSocket RFC 7118), and its port without SRV."""

    naptr: str
    srv: str
    port: int


SERVICES = {
    "UDP": Service("SIP+D2U", "_sip._udp", 5060),
    "TCP": Service("SIP+D2T", "_sip._tcp", 5060),
    "TLS": Service("SIPS+D2T", "_sips._tcp", 5061),
    "SCTP": Service("SIP+D2S", "_sip._sctp", 5060),
    "WS": Service("SIP+D2W", "_sip._ws", 80),
    "WSS": Service("SIPS+D2W", "_sips._ws", 443),
}


def make_locate(mode: str, server: str | None, transport: str) -> Locate:
    """How remote hosts are found in a run: -dns, -dns_server and the transport of -t (UDP, TCP, ...).

    Raises UsageError for a server that is no address, StartError where what is needed is not installed.
    """
    if mode == "first" and server is None:
        return locate_first
    client = DnsClient(server) if server is not None or mode == "srv" else None
    return _Locator(mode, SERVICES[transport], transport, client)


class DnsClient:
    """Asks the DNS servers of /etc/resolv.conf, or the one given; answers that never come are waited for briefly."""

    def __init__(self, server: str | None = None) -> None:
        """server: HOST[:PORT] with a numeric host, None for those of this machine."""
        try:
            import dns.exception
            import dns.resolver
        except ImportError:
            raise StartError(
                "-dns srv and -dns_server need the package dnspython: pip install 'sippx[dns]', "
                "or Debian's package python3-dnspython"
            ) from None
        self.is_named = server is not None
        self._dns: Any = dns
        if server is None:
            try:
                self._resolver: Any = dns.resolver.Resolver()
            except dns.exception.DNSException as error:
                raise StartError(f"no DNS server is known ({error}); name one with -dns_server") from None
        else:
            self._resolver = dns.resolver.Resolver(configure=False)
            host, port = split_host_port(server)
            if not is_numeric(host):
                raise UsageError(f"-dns_server '{server}': use an IP address, maybe with a port")
            try:
                ipaddress.ip_address(host.partition("%")[0])
                self._resolver.nameservers = [host]
            except ValueError:
                raise UsageError(f"-dns_server '{server}' is not an IP address") from None
            self._resolver.port = port or 53
        self._resolver.timeout = QUERY_TIMEOUT_S / 2
        self._deadline_s = time.monotonic() + TOTAL_TIMEOUT_S

    def begin(self) -> None:
        """From here on TOTAL_TIMEOUT_S are left."""
        self._deadline_s = time.monotonic() + TOTAL_TIMEOUT_S

    def ask(self, name: str, kind: str) -> list[Any]:
        """The records of `kind` (A, SRV, ...), none where the name or the kind is not known.

        Raises StartError, which says what was asked of whom and what came.
        """
        dns = self._dns
        left_s = self._deadline_s - time.monotonic()
        servers = ", ".join(f"{server} port {self._resolver.port}" for server in self._resolver.nameservers)
        asked = f"DNS: {kind} of '{name}' asked of {servers or 'nobody'}"
        if left_s <= 0:
            raise StartError(f"{asked}: not asked any more, {TOTAL_TIMEOUT_S:g} seconds have passed")
        try:
            answer = self._resolver.resolve(
                name, kind, raise_on_no_answer=False, search=False, lifetime=min(left_s, QUERY_TIMEOUT_S)
            )
        except dns.resolver.NXDOMAIN:
            return []
        except dns.exception.Timeout:
            raise StartError(f"{asked}: no answer within {min(left_s, QUERY_TIMEOUT_S):.1f} seconds") from None
        except dns.resolver.NoNameservers as error:
            raise StartError(f"{asked}: {_refusals(dns, error)}") from None
        except (dns.exception.DNSException, OSError, UnicodeError) as error:
            raise StartError(f"{asked}: {error or type(error).__name__}") from None
        return list(answer.rrset or ())

    def addresses(self, name: str, family: socket.AddressFamily) -> list[tuple[socket.AddressFamily, str]]:
        """IPv4 addresses, then IPv6 ones; of AF_UNSPEC both."""
        return [
            (wanted, str(record.address))
            for wanted, kind in ((socket.AF_INET, "A"), (socket.AF_INET6, "AAAA"))
            if family in (wanted, socket.AF_UNSPEC)
            for record in self.ask(name, kind)
        ]


def _refusals(dns: Any, error: Any) -> str:
    """What the servers answered instead of records: SERVFAIL, REFUSED or what went wrong."""
    said = []
    for attempt in error.kwargs.get("errors", ()):
        what, response = attempt[3], attempt[4]
        said.append(dns.rcode.to_text(response.rcode()) if response is not None else str(what) or type(what).__name__)
    return ", ".join(dict.fromkeys(said)) or "no server answered"


@dataclass(frozen=True, slots=True)
class _Server:
    """One SRV record."""

    priority: int
    weight: int
    name: str
    port: int


@dataclass(frozen=True)
class _Locator:
    """Finds the targets of a remote host; called with its text and the address family of -i."""

    mode: str
    service: Service
    transport: str
    client: DnsClient | None

    def __call__(self, text: str, family: socket.AddressFamily) -> Targets:
        host, port = split_host_port(text)
        if is_numeric(host):
            default = self.service.port if self.mode == "srv" else DEFAULT_SIP_PORT
            return _checked(host, [Target(resolve_host(host, port or default, family)[0])])
        if self.client is not None:
            self.client.begin()
        if self.mode == "first":
            return Targets((Target(self._addresses(host, host, port or DEFAULT_SIP_PORT, family)[0]),))
        if self.mode == "srv" and self.client is not None and port is None:
            return self._by_service(self.client, host, family)
        return self._by_address(host, port or DEFAULT_SIP_PORT, family)

    def _by_address(self, host: str, port: int, family: socket.AddressFamily, notes: Iterable[str] = ()) -> Targets:
        found = self._addresses(host, host, port, family)
        return _checked(host, [Target(address) for address in found], notes)

    def _by_service(self, client: DnsClient, host: str, family: socket.AddressFamily) -> Targets:
        """NAPTR, then SRV, then plain addresses (RFC 3263 4.1 and 4.2), for the transport that is given."""
        notes: list[str] = []
        for name in self._service_names(client, host):
            servers = self._servers(client, name)
            if servers:
                return self._of_servers(host, name, servers, family, notes)
            if name != f"{self.service.srv}.{host}":
                notes.append(f"DNS: NAPTR of '{host}' names '{name}', which has no SRV record")
        return self._by_address(host, self.service.port, family, notes)

    def _service_names(self, client: DnsClient, host: str) -> Iterator[str]:
        """The names to ask SRV of: those of NAPTR, best first, then the one that the transport has by itself.

        A NAPTR record for another transport does not count, nor one that does not lead to SRV.
        """
        own = f"{self.service.srv}.{host}"
        fitting = [
            record
            for record in client.ask(host, "NAPTR")
            if _text(record.flags).lower() == "s"
            and _text(record.service).upper() == self.service.naptr
            and not record.regexp
        ]
        fitting.sort(key=lambda record: (record.order, record.preference))
        named = [_domain(record.replacement) for record in fitting]
        yield from dict.fromkeys((*named, own))

    def _servers(self, client: DnsClient, name: str) -> list[_Server]:
        records = client.ask(name, "SRV")
        servers = [_Server(r.priority, r.weight, _domain(r.target), r.port) for r in records]
        if servers and not any(server.name for server in servers):
            raise StartError(f"DNS: SRV of '{name}' is '.': there is no SIP over {self.transport}")
        return sorted((s for s in servers if s.name and s.port), key=lambda s: (s.priority, -s.weight, s.name, s.port))

    def _of_servers(
        self, host: str, name: str, servers: list[_Server], family: socket.AddressFamily, notes: list[str]
    ) -> Targets:
        """The addresses of SRV's servers; several of one server share its weight."""
        found: list[tuple[_Server, list[RemoteAddress]]] = []
        for server in servers:
            try:
                found.append((server, self._addresses(host, server.name, server.port, family)))
            except StartError as error:
                notes.append(f"DNS: SRV of '{name}' names '{server.name}', which is not used: {error}")
        if not found:
            raise StartError("; ".join(notes))
        scale = math.lcm(*(len(addresses) for _, addresses in found))
        scale = min(scale, _WEIGHT_SCALE_MAX)
        targets = [
            Target(address, _share(server.weight * scale, len(addresses)), server.priority)
            for server, addresses in found
            for address in addresses
        ]
        return _checked(host, targets, notes)

    def _addresses(self, host: str, name: str, port: int, family: socket.AddressFamily) -> list[RemoteAddress]:
        """The addresses of `name`, of the DNS server that was named, else of this machine (/etc/hosts and all)."""
        if is_numeric(name) or self.client is None or not self.client.is_named:
            return [replace(address, host=host) for address in resolve_host(name, port, family)]
        found = self.client.addresses(name, family)
        if not found:
            kind = {socket.AF_INET: "A", socket.AF_INET6: "AAAA"}.get(family, "A and AAAA")
            raise StartError(f"unknown remote host '{name}': the DNS server has no {kind} record of it")
        return [RemoteAddress(host, ip, port, of_family) for of_family, ip in found]


def _share(weight: int, n: int) -> int:
    """One of n parts; what has a weight keeps one."""
    return max(1, round(weight / n)) if weight else 0


def _checked(host: str, targets: list[Target], notes: Iterable[str] = ()) -> Targets:
    """Each address once in a priority, best first, weights in their smallest terms."""
    merged: dict[tuple[int, RemoteAddress], int] = {}
    for target in targets:
        key = (target.priority, target.address)
        merged[key] = merged.get(key, 0) + target.weight
    if len(merged) > MAX_TARGETS:
        raise StartError(f"'{host}' has {len(merged)} addresses, at most {MAX_TARGETS} can be used")
    divisor = math.gcd(*merged.values()) or 1
    unsorted = [
        Target(address, min(weight // divisor, WEIGHT_MAX), priority)
        for (priority, address), weight in merged.items()
    ]
    return Targets(tuple(sorted(unsorted, key=lambda t: (t.priority, -t.weight))), tuple(notes))


def _text(value: bytes | str) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _domain(name: Any) -> str:
    """A name of a record without the dot at its end; the root is empty."""
    return str(name.to_text(omit_final_dot=True)).removesuffix(".")
