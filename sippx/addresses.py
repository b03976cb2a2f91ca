"""Remote and local addresses: from the texts that users give to what sockets and keywords need."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass, replace

from sippx.errors import StartError, UsageError

DEFAULT_SIP_PORT = 5060
_TEST_NET_ADDRESS = "192.0.2.1"  # RFC 5737: routed like any public address, belongs to nobody


@dataclass(frozen=True, slots=True)
class RemoteAddress:
    """Where a client sends its calls.

    host: the text without port and brackets ([remote_host]). ip: numeric, without brackets.
    scope_id: interface of a link-local IPv6 address, else 0.
    """

    host: str
    ip: str
    port: int
    family: socket.AddressFamily
    scope_id: int = 0


@dataclass(frozen=True, slots=True)
class LocalAddress:
    """The own address. ip: numeric, without brackets ([local_ip]); bind_ip: what sockets are bound to."""

    ip: str
    family: socket.AddressFamily
    bind_ip: str

    def bound_to_itself(self) -> LocalAddress:
        """The same address, to which sockets are bound (-bind_local)."""
        return replace(self, bind_ip=self.ip)


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


def resolve_remote(text: str, family: socket.AddressFamily = socket.AF_UNSPEC) -> RemoteAddress:
    """The remote host of the command line, resolved; the first address that the resolver gives, of `family`.

    Raises UsageError when the text is no address, StartError when it is not known, or not in `family`.
    """
    host, port = split_host_port(text)
    try:
        found = _getaddrinfo(host, family)
    except OSError as error:
        if family == socket.AF_UNSPEC or not _is_known(host):
            raise StartError(f"unknown remote host '{host}': {_reason(error)}") from None
        name = "IPv6" if family == socket.AF_INET6 else "IPv4"
        raise StartError(f"remote host '{host}' has no {name} address, and -i is one") from None
    return RemoteAddress(host, found[1], port or DEFAULT_SIP_PORT, found[0], found[2])


def resolve_local(text: str) -> LocalAddress:
    """The address of -i; sockets are bound to it. It may be a name, and have a port that does not count.

    Raises UsageError when the text is no address, StartError when it is not known.
    """
    host, _ = split_host_port(text)
    try:
        family, ip, _ = _getaddrinfo(host, socket.AF_UNSPEC)
    except OSError as error:
        raise StartError(f"unknown local address '{host}' (-i): {_reason(error)}") from None
    return LocalAddress(ip, family, ip)


def detect_local(remote: RemoteAddress | None) -> LocalAddress:
    """The own address when -i is not given; sockets are bound to all addresses.

    The one from which `remote` is reached, else that of the host name, else that of the default route. No
    packet is sent. Raises StartError when there is none.
    """
    if remote is not None:
        try:
            ip = _source_ip(remote)
        except OSError as error:
            raise StartError(f"no route to '{remote.host}' ({remote.ip}): {_reason(error)}") from None
        return LocalAddress(ip, remote.family, _any_ip(remote.family))
    try:
        family, ip, _ = _getaddrinfo(socket.gethostname(), socket.AF_UNSPEC)
    except OSError:
        family = socket.AF_INET
        try:
            ip = _source_ip(RemoteAddress(_TEST_NET_ADDRESS, _TEST_NET_ADDRESS, DEFAULT_SIP_PORT, family))
        except OSError:
            raise StartError(
                f"the own address is not known: '{socket.gethostname()}' has none; give it with -i"
            ) from None
    return LocalAddress(ip, family, _any_ip(family))


def resolve_addresses(
    remote_host: str | None, local_ip: str | None, *, is_client: bool
) -> tuple[RemoteAddress | None, LocalAddress]:
    """Both addresses of a run from the remote host and -i, where None and "" both mean not given.

    Raises UsageError for a text that is no address; StartError for an unknown host, for addresses of
    different families, and for a client without a remote host.
    """
    if is_client and not remote_host:
        raise StartError("missing remote host: this scenario places calls, use 'sippx HOST[:PORT] ...'")
    given = resolve_local(local_ip) if local_ip else None
    remote = None
    if remote_host:
        remote = resolve_remote(remote_host, given.family if given else socket.AF_UNSPEC)
    return remote, given or detect_local(remote)


def _getaddrinfo(host: str, family: socket.AddressFamily) -> tuple[socket.AddressFamily, str, int]:
    """Family, numeric address and scope id of the first answer. Raises socket.gaierror, an OSError."""
    try:
        answers = socket.getaddrinfo(host, None, family, socket.SOCK_DGRAM)
    except UnicodeError:  # a label longer than 63 characters, undecodable bytes
        raise socket.gaierror(socket.EAI_NONAME, "not a host name") from None
    found_family, _, _, _, address = answers[0]
    scope_id = int(address[3]) if found_family == socket.AF_INET6 and len(address) == 4 else 0
    return found_family, str(address[0]).partition("%")[0], scope_id


def _is_known(host: str) -> bool:
    """True where the host has an address of any family."""
    try:
        _getaddrinfo(host, socket.AF_UNSPEC)
    except OSError:
        return False
    return True


def _source_ip(remote: RemoteAddress) -> str:
    """The address that the kernel would send from; connect on a UDP socket only looks up the route."""
    with socket.socket(remote.family, socket.SOCK_DGRAM) as probe:
        if remote.family == socket.AF_INET6:
            probe.connect((remote.ip, remote.port, 0, remote.scope_id))
        else:
            probe.connect((remote.ip, remote.port))
        return str(probe.getsockname()[0]).partition("%")[0]


def _any_ip(family: socket.AddressFamily) -> str:
    return "::" if family == socket.AF_INET6 else "0.0.0.0"


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
