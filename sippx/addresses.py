"""Remote and local addresses: from the texts that users give to what sockets and keywords need."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby

from sippx.errors import StartError, UsageError

DEFAULT_SIP_PORT = 5060
_FAR_ADDRESSES = {
    socket.AF_INET: "192.0.2.1",
    socket.AF_INET6: "2001:db8::1",
}
"""RFC 5737, RFC 3849: routed like any public address, belong to nobody. Only the route is looked up."""


@dataclass(frozen=True, slots=True)
class RemoteAddress:
    """Where a client sends its calls.

    host: the text without port, brackets and zone ([remote_host]). ip: numeric, without brackets and zone.
    scope_id: interface of a link-local IPv6 address, else 0. The zone means something on this machine only
    and never stands in a message (RFC 4007 11.2).
    """

    host: str
    ip: str
    port: int
    family: socket.AddressFamily
    scope_id: int = 0

    def packed(self, socket_family: socket.AddressFamily | None = None) -> tuple[int, bytes, int, int]:
        """Family, packed IP, port, scope id: how the core takes an address that a socket of that family reaches.

        An IPv6 socket for both families reaches an IPv4 address by its IPv4-mapped one (RFC 4291 2.5.5.2).
        """
        ip = socket.inet_pton(self.family, self.ip)
        if self.family == socket.AF_INET and socket_family == socket.AF_INET6:
            return int(socket.AF_INET6), bytes(10) + b"\xff\xff" + ip, self.port, 0
        return int(self.family), ip, self.port, self.scope_id


@dataclass(frozen=True, slots=True)
class Target:
    """One of several places that calls go to; the lower priority is preferred (RFC 2782)."""

    address: RemoteAddress
    weight: int = 1
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Targets:
    """Where calls go, best first: ascending priority, in it descending weight. There is at least one.

    notes: what is odd about them, a line each, for users.
    """

    all: tuple[Target, ...]
    notes: tuple[str, ...] = ()

    @property
    def first(self) -> RemoteAddress:
        """The one that [remote_ip] and [remote_port] name."""
        return self.all[0].address

    def groups(self) -> Iterator[tuple[Target, ...]]:
        """The targets of each priority, best first."""
        for _, members in groupby(self.all, key=lambda target: target.priority):
            yield tuple(members)

    def of_family(self, family: socket.AddressFamily) -> Targets:
        """Those that sockets of one family reach; a note says which are left out."""
        kept = tuple(target for target in self.all if target.address.family == family)
        left_out = [target.address.ip for target in self.all if target.address.family != family]
        if not left_out:
            return self
        name = _FAMILY_NAMES[family]
        return Targets(kept, (*self.notes, f"not used, since calls go over {name}: {', '.join(left_out)}"))

    def packed(
        self, socket_family: socket.AddressFamily | None = None
    ) -> list[tuple[tuple[int, bytes, int, int], int, int]]:
        """Address, weight and priority of each, as the engine takes them."""
        return [(target.address.packed(socket_family), target.weight, target.priority) for target in self.all]


Locate = Callable[[str, socket.AddressFamily], Targets]
"""From the text of a remote host, and the family wanted, to its targets."""


@dataclass(frozen=True, slots=True)
class LocalAddress:
    """The own address. ip: numeric, without brackets and zone ([local_ip]); bind_ip: what sockets are bound to.

    family: of the sockets. scope_id: interface of a link-local address, else 0. dual_stack: one IPv6 socket
    serves both families (-i ::); `ip` may be an IPv4 address then.
    """

    ip: str
    family: socket.AddressFamily
    bind_ip: str
    scope_id: int = 0
    dual_stack: bool = False

    def bound_to_itself(self) -> LocalAddress:
        """The same address, to which sockets are bound (-bind_local)."""
        return replace(self, bind_ip=self.ip, family=_family_of(self.ip), dual_stack=False)

    def socket_address(self, port: int) -> tuple[str, int] | tuple[str, int, int, int]:
        """What socket.bind takes."""
        if self.family == socket.AF_INET6:
            return self.bind_ip, port, 0, self.scope_id
        return self.bind_ip, port


_FAMILY_NAMES = {socket.AF_INET: "IPv4", socket.AF_INET6: "IPv6"}


def plain_ip(text: str) -> str:
    """An address given for messages as it stands there: without brackets and zone (-mi)."""
    inner = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    return inner.partition("%")[0] if ":" in inner else inner


def bracketed(ip: str) -> str:
    """`ip` as it stands in a SIP URI: an IPv6 address in brackets (RFC 3261 25.1, IPv6reference)."""
    return f"[{ip}]" if ":" in ip else ip


def split_host_port(text: str) -> tuple[str, int | None]:
    """Host and port of `host`, `host:port`, `[v6]`, `[v6]:port` or a bare IPv6 address.

    The port is None where it is not given or empty. Raises UsageError for an empty host, an unclosed bracket,
    or a port that is not 1 to 65535.
    """
    if "[" in text or "]" in text:
        match = re.fullmatch(r"\[([^][]*)\](?::(.*))?", text)
        if match is None:
            raise UsageError(f"'{text}' is not an address: use [IPv6 address] or [IPv6 address]:port")
        host, port_text = match[1], match[2] or ""
    elif text.count(":") == 1:
        host, _, port_text = text.partition(":")
    else:
        host, port_text = text, ""
    if not host:
        raise UsageError(f"'{text}' is not an address: the host is missing")
    if not port_text:
        return host, None
    if not re.fullmatch(r"[0-9]{1,5}", port_text) or not 1 <= int(port_text) <= 65535:
        raise UsageError(f"'{text}' is not an address: '{port_text}' is not a port, use 1 to 65535")
    return host, int(port_text)


def is_numeric(host: str) -> bool:
    """True for an IP address, with or without a zone, False for a name."""
    return ":" in host or re.fullmatch(r"[0-9.]+", host) is not None


def resolve_remote(text: str, family: socket.AddressFamily = socket.AF_UNSPEC) -> RemoteAddress:
    """The remote host of the command line, resolved; the first address that the resolver gives, of `family`.

    Raises UsageError when the text is no address, StartError when it is not known, or not in `family`.
    """
    host, port = split_host_port(text)
    return resolve_host(host, port or DEFAULT_SIP_PORT, family)[0]


def resolve_host(host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[RemoteAddress]:
    """All addresses of a name that is known to this machine, or the one that `host` is; there is at least one.

    Raises StartError when it is not known, or not in `family`.
    """
    try:
        found = _getaddrinfo(host, family)
    except OSError as error:
        if family == socket.AF_UNSPEC or not _is_known(host):
            raise StartError(f"unknown remote host '{host}': {_reason(error)}") from None
        raise StartError(f"remote host '{host}' has no {_FAMILY_NAMES[family]} address, and -i is one") from None
    name = plain_ip(host)
    return [RemoteAddress(name, ip, port, of_family, scope_id) for of_family, ip, scope_id in found]


def locate_first(text: str, family: socket.AddressFamily) -> Targets:
    """One target: the first address, as SIPp has it."""
    return Targets((Target(resolve_remote(text, family)),))


def resolve_local(text: str) -> LocalAddress:
    """The address of -i; sockets are bound to it. It may be a name, and have a port that does not count.

    Raises UsageError when the text is no address, StartError when it is not known.
    """
    host, _ = split_host_port(text)
    try:
        family, ip, scope_id = _getaddrinfo(host, socket.AF_UNSPEC)[0]
    except OSError as error:
        raise StartError(f"unknown local address '{host}' (-i): {_reason(error)}") from None
    return LocalAddress(ip, family, ip, scope_id, dual_stack=ip == "::")


def detect_local(
    remote: RemoteAddress | None, family: socket.AddressFamily = socket.AF_UNSPEC
) -> LocalAddress:
    """The own address when -i is not given; sockets are bound to all addresses.

    The one from which `remote` is reached, else that of the host name, else that of the default route, of
    `family`. No packet is sent. Raises StartError when there is none.
    """
    if remote is not None:
        try:
            ip, scope_id = _source_ip(remote)
        except OSError as error:
            raise StartError(f"no route to '{remote.host}' ({remote.ip}): {_reason(error)}") from None
        return LocalAddress(ip, remote.family, _any_ip(remote.family), scope_id)
    try:
        found_family, ip, _ = _getaddrinfo(socket.gethostname(), family)[0]
    except OSError:
        found_family = socket.AF_INET if family == socket.AF_UNSPEC else family
        far = _FAR_ADDRESSES[found_family]
        try:
            ip, _ = _source_ip(RemoteAddress(far, far, DEFAULT_SIP_PORT, found_family))
        except OSError:
            raise StartError(
                f"the own address is not known: '{socket.gethostname()}' has none; give it with -i"
            ) from None
    return LocalAddress(ip, found_family, _any_ip(found_family))


def resolve_addresses(
    remote_host: str | None,
    local_ip: str | None,
    *,
    is_client: bool,
    locate: Locate = locate_first,
    device: str | None = None,
) -> tuple[Targets | None, LocalAddress]:
    """Where calls go and the own address, from the remote host and -i, where None and "" both mean not given.

    locate: how the remote host is found. device: that of -bind_to_device, which is the zone of link-local
    addresses without one. Raises UsageError for a text that is no address; StartError for an unknown host, for
    addresses of different families, for an unknown zone and for a client without a remote host.
    """
    if is_client and not remote_host:
        raise StartError("missing remote host: this scenario places calls, use 'sippx HOST[:PORT] ...'")
    given = resolve_local(local_ip) if local_ip else None
    targets = None
    if remote_host:
        targets = locate_remote(remote_host, given, locate=locate, device=device)
        if given is not None and _lacks_zone(given.ip, given.scope_id):
            given = replace(given, scope_id=targets.first.scope_id)
    if given is None or _is_unspecified(given.ip):
        local = _address_to_name(given, targets.first if targets else None)
        if targets is not None and not local.dual_stack:
            targets = targets.of_family(local.family)
        return targets, local
    return targets, replace(given, scope_id=_zone_of(given.ip, given.scope_id, device))


def locate_remote(
    text: str, local: LocalAddress | None, *, locate: Locate = locate_first, device: str | None = None
) -> Targets:
    """The targets that sockets of `local` (None: of any family) reach; those without a zone get one.

    Raises UsageError for a text that is no address, StartError for a host that is not known or not reached.
    """
    family = socket.AF_UNSPEC if local is None or local.dual_stack else local.family
    targets = locate(text, family)
    zone = local.scope_id if local is not None else 0
    return replace(targets, all=tuple(_with_zone(target, zone, device) for target in targets.all))


def _address_to_name(given: LocalAddress | None, remote: RemoteAddress | None) -> LocalAddress:
    """The own address where -i is not given or any address (0.0.0.0, ::): bound to all, with one to name.

    SIPp writes 0.0.0.0 or [::] into messages, where nobody can send to.
    """
    if given is None:
        return detect_local(remote)
    try:
        found = detect_local(remote, given.family)
    except StartError:
        if remote is not None or not given.dual_stack:
            return given
        found = detect_local(None)
    return replace(given, ip=found.ip, scope_id=0)


def _with_zone(target: Target, zone: int, device: str | None) -> Target:
    address = target.address
    scope_id = _zone_of(address.ip, address.scope_id or zone, device)
    return target if scope_id == address.scope_id else replace(target, address=replace(address, scope_id=scope_id))


def _zone_of(ip: str, scope_id: int, device: str | None) -> int:
    """The interface of a link-local address, 0 of others; StartError where it is not known."""
    if not _is_link_local(ip):
        return 0
    if scope_id:
        return scope_id
    if device is not None:
        return _interface_index(device, f"{ip}%{device}")
    raise StartError(
        f"'{ip}' is a link-local address: say on which network interface, as in '{ip}%eth0'; "
        f"this machine has {_interface_names()}"
    )


def _getaddrinfo(host: str, family: socket.AddressFamily) -> list[tuple[socket.AddressFamily, str, int]]:
    """Family, numeric address and scope id of each answer. Raises socket.gaierror, an OSError.

    An IPv4-mapped address is the IPv4 address that it means. Raises StartError for an unknown zone.
    """
    zone_index = 0
    if ":" in host and "%" in host:
        address, _, zone = host.partition("%")
        zone_index = _interface_index(zone, host)
        host = address
    if ":" in host:
        host = _without_mapping(host)
    try:
        answers = socket.getaddrinfo(host, None, family, socket.SOCK_DGRAM)
    except UnicodeError:  # a label longer than 63 characters, undecodable bytes
        raise socket.gaierror(socket.EAI_NONAME, "not a host name") from None
    found = []
    for found_family, _, _, _, address_of in answers:
        ip = str(address_of[0]).partition("%")[0]
        scope_id = int(address_of[3]) if found_family == socket.AF_INET6 and len(address_of) == 4 else 0
        found.append((found_family, ip, (scope_id or zone_index) if _is_link_local(ip) else 0))
    return list(dict.fromkeys(found))


def _without_mapping(host: str) -> str:
    try:
        mapped = ipaddress.IPv6Address(host).ipv4_mapped
    except ValueError:
        return host
    return host if mapped is None else str(mapped)


def _interface_index(zone: str, host: str) -> int:
    """The index of a zone: a name or an index, behind the %25 of a URI too (RFC 6874)."""
    if not zone:
        raise UsageError(f"'{host}' is not an address: the zone behind % is missing")
    for name in (zone, zone[2:] if zone.startswith("25") else ""):
        try:
            if name.isascii() and name.isdigit():
                socket.if_indextoname(int(name))
                return int(name)
            if name:
                return socket.if_nametoindex(name)
        except (OSError, OverflowError, ValueError):
            continue
    raise StartError(f"unknown zone '{zone}' of '{host}': this machine has {_interface_names()}")


def _interface_names() -> str:
    names = [name for _, name in socket.if_nameindex()]
    return f"the network interface{'s' if len(names) > 1 else ''} {', '.join(names)}" if names else "no interface"


def _is_link_local(ip: str) -> bool:
    return ":" in ip and ipaddress.IPv6Address(ip).is_link_local


def _lacks_zone(ip: str, scope_id: int) -> bool:
    return _is_link_local(ip) and not scope_id


def _is_unspecified(ip: str) -> bool:
    return ipaddress.ip_address(ip).is_unspecified


def _family_of(ip: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in ip else socket.AF_INET


def _is_known(host: str) -> bool:
    """True where the host has an address of any family."""
    try:
        _getaddrinfo(host, socket.AF_UNSPEC)
    except OSError:
        return False
    return True


def _source_ip(remote: RemoteAddress) -> tuple[str, int]:
    """The address that the kernel would send from, and its zone; connect on a UDP socket only looks up the route."""
    with socket.socket(remote.family, socket.SOCK_DGRAM) as probe:
        if remote.family == socket.AF_INET6:
            probe.connect((remote.ip, remote.port, 0, remote.scope_id))
            ip, _, _, scope_id = probe.getsockname()
            return str(ip).partition("%")[0], int(scope_id)
        probe.connect((remote.ip, remote.port))
        return str(probe.getsockname()[0]), 0


def _any_ip(family: socket.AddressFamily) -> str:
    return "::" if family == socket.AF_INET6 else "0.0.0.0"


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
