"""Address texts, their resolution, and the detection of the own address."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sippx import addresses
from sippx.addresses import (
    LocalAddress,
    RemoteAddress,
    Target,
    Targets,
    bracketed,
    detect_local,
    plain_ip,
    resolve_addresses,
    resolve_local,
    resolve_remote,
    split_host_port,
)
from sippx.errors import EXIT_FATAL, EXIT_USAGE, StartError, UsageError

LOOPBACK_INDEX = socket.if_nametoindex("lo")

Answers = list[tuple[socket.AddressFamily, tuple[Any, ...]]]


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, Answers]], None]:
    """Replaces name resolution by a table; names that are not in it are unknown."""

    def install(table: dict[str, Answers]) -> None:
        def getaddrinfo(host: str, port: None, family: int, kind: int) -> list[tuple[Any, ...]]:
            found = [entry for entry in table.get(host, []) if family in (socket.AF_UNSPEC, entry[0])]
            if not found:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            return [(entry_family, kind, 17, "", address) for entry_family, address in found]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    return install


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("example.org", "example.org", None),
        ("example.org:5070", "example.org", 5070),
        ("127.0.0.1:", "127.0.0.1", None),
        ("127.0.0.1:65535", "127.0.0.1", 65535),
        ("[::1]", "::1", None),
        ("[::1]:5070", "::1", 5070),
        ("[example.org]:1", "example.org", 1),
        ("::1", "::1", None),
        ("2001:db8::5060", "2001:db8::5060", None),
        ("fe80::1%eth0", "fe80::1%eth0", None),
    ],
)
def test_every_form_of_a_remote_host_is_split(text: str, host: str, port: int | None) -> None:
    assert split_host_port(text) == (host, port)


@given(st.ip_addresses(), st.integers(1, 65535))
def test_a_bracketed_address_and_a_port_are_split_again(address: ipaddress.IPv4Address, port: int) -> None:
    assert split_host_port(f"{bracketed(str(address))}:{port}") == (str(address), port)


@given(st.text("ab1.:[]%", max_size=12))
def test_any_text_is_split_or_refused(text: str) -> None:
    try:
        host, port = split_host_port(text)
    except UsageError as error:
        assert f"'{text}' is not an address: " in str(error)
    else:
        assert host and "[" not in host and "]" not in host
        assert port is None or 1 <= port <= 65535


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("host:abc", "'abc' is not a port, use 1 to 65535"),
        ("host:0", "'0' is not a port"),
        ("host:65536", "'65536' is not a port"),
        ("host:-1", "'-1' is not a port"),
        ("host:٣", "is not a port"),
        (":5060", "the host is missing"),
        ("[]:5060", "the host is missing"),
        ("[::1", r"use \[IPv6 address\] or \[IPv6 address\]:port"),
        ("[::1]x:77", r"use \[IPv6 address\]"),
        ("::1]:5060", r"use \[IPv6 address\]"),
    ],
)
def test_a_text_that_is_no_address_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint) as caught:
        resolve_remote(text)
    assert caught.value.exit_code == EXIT_USAGE


def test_a_numeric_remote_host_gets_port_5060() -> None:
    assert resolve_remote("127.0.0.1") == RemoteAddress("127.0.0.1", "127.0.0.1", 5060, socket.AF_INET)
    assert resolve_remote("[::1]:99") == RemoteAddress("::1", "::1", 99, socket.AF_INET6)


def test_the_first_answer_of_the_resolver_counts(resolver: Callable[[dict[str, Answers]], None]) -> None:
    resolver({"pbx": [(socket.AF_INET6, ("2001:db8::1", 0, 0, 0)), (socket.AF_INET, ("192.0.2.7", 0))]})
    assert resolve_remote("pbx:5070") == RemoteAddress("pbx", "2001:db8::1", 5070, socket.AF_INET6)


def test_the_family_of_the_local_address_selects_the_answer(
    resolver: Callable[[dict[str, Answers]], None],
) -> None:
    resolver(
        {
            "pbx": [(socket.AF_INET6, ("2001:db8::1", 0, 0, 0)), (socket.AF_INET, ("192.0.2.7", 0))],
            "127.0.0.1": [(socket.AF_INET, ("127.0.0.1", 0))],
        }
    )
    targets, local = resolve_addresses("pbx", "127.0.0.1", is_client=True)
    assert targets is not None and targets.first.ip == "192.0.2.7"
    assert local == LocalAddress("127.0.0.1", socket.AF_INET, "127.0.0.1")


def test_the_interface_of_a_link_local_address_is_kept_apart(
    resolver: Callable[[dict[str, Answers]], None],
) -> None:
    resolver({"pbx": [(socket.AF_INET6, ("fe80::1%eth0", 0, 0, 2))]})
    assert resolve_remote("pbx") == RemoteAddress("pbx", "fe80::1", 5060, socket.AF_INET6, scope_id=2)


@pytest.mark.parametrize("text", ["fe80::1%lo", "[fe80::1%lo]", "[fe80::1%25lo]:5060", "[fe80::1%LO]:5060"])
def test_a_zone_is_an_interface_and_no_part_of_the_host(text: str) -> None:
    text = text.replace("LO", str(LOOPBACK_INDEX))
    remote = resolve_remote(text)
    assert remote == RemoteAddress("fe80::1", "fe80::1", 5060, socket.AF_INET6, scope_id=LOOPBACK_INDEX)


def test_an_index_behind_the_percent_sign_of_a_uri_is_a_zone() -> None:
    assert resolve_remote(f"[fe80::1%25{LOOPBACK_INDEX}]").scope_id == LOOPBACK_INDEX


@pytest.mark.parametrize("zone", ["nolink0", "25nolink0", "99999999999999999999", "4294967295", "lo\0"])
def test_an_unknown_zone_is_named_with_the_interfaces_there_are(zone: str) -> None:
    with pytest.raises(StartError, match=r"(?s)unknown zone '.*' of 'fe80::1%.*': this machine has .*\blo\b"):
        resolve_remote(f"[fe80::1%{zone}]:5060")


def test_an_empty_zone_is_no_address() -> None:
    with pytest.raises(UsageError, match=r"'fe80::1%' is not an address: the zone behind % is missing"):
        resolve_remote("fe80::1%")


def test_the_zone_of_an_address_that_needs_none_does_not_count() -> None:
    assert resolve_remote("[::1%lo]:99") == RemoteAddress("::1", "::1", 99, socket.AF_INET6)


def test_a_link_local_remote_host_without_a_zone_asks_for_one() -> None:
    with pytest.raises(StartError, match=r"'fe80::1' is a link-local address: .* as in 'fe80::1%eth0'.*\blo\b"):
        resolve_addresses("fe80::1", None, is_client=True)


def test_both_addresses_of_a_link_share_the_zone_of_one() -> None:
    for remote_host, local_ip in (("fe80::1", "fe80::2%lo"), ("fe80::1%lo", "fe80::2")):
        targets, local = resolve_addresses(remote_host, local_ip, is_client=True)
        assert targets is not None
        assert targets.first.scope_id == local.scope_id == LOOPBACK_INDEX
        assert local.socket_address(5060) == ("fe80::2", 5060, 0, LOOPBACK_INDEX)


def test_the_device_of_the_sockets_is_the_zone_where_none_is_given() -> None:
    targets, local = resolve_addresses("fe80::1", "fe80::2", is_client=True, device="lo")
    assert targets is not None
    assert targets.first.scope_id == local.scope_id == LOOPBACK_INDEX


def test_a_mapped_address_is_the_ipv4_address_that_it_means() -> None:
    remote = resolve_remote("[::ffff:127.0.0.1]:99")
    assert remote == RemoteAddress("::ffff:127.0.0.1", "127.0.0.1", 99, socket.AF_INET)
    assert resolve_local("::ffff:127.0.0.1") == LocalAddress("127.0.0.1", socket.AF_INET, "127.0.0.1")


def test_an_ipv6_socket_reaches_an_ipv4_address_by_its_mapped_one() -> None:
    remote = RemoteAddress("127.0.0.1", "127.0.0.1", 5060, socket.AF_INET)
    assert remote.packed(socket.AF_INET) == (socket.AF_INET, bytes([127, 0, 0, 1]), 5060, 0)
    mapped = socket.inet_pton(socket.AF_INET6, "::ffff:127.0.0.1")
    assert remote.packed(socket.AF_INET6) == (socket.AF_INET6, mapped, 5060, 0)


@pytest.mark.parametrize("remote_host", ["127.0.0.1", "::1"])
def test_a_socket_for_both_families_names_the_address_that_reaches_the_remote_host(remote_host: str) -> None:
    targets, local = resolve_addresses(remote_host, "::", is_client=True)
    assert targets is not None and targets.first.ip == remote_host
    assert local == LocalAddress(remote_host, socket.AF_INET6, "::", dual_stack=True)


def test_any_ipv4_address_is_bound_to_and_another_one_named() -> None:
    _, local = resolve_addresses("127.0.0.1", "0.0.0.0", is_client=True)
    assert local == LocalAddress("127.0.0.1", socket.AF_INET, "0.0.0.0")
    with pytest.raises(StartError, match="'::1' has no IPv4 address"):
        resolve_addresses("::1", "0.0.0.0", is_client=True)


def test_a_server_of_both_families_prefers_the_ipv6_address_of_its_host_name(
    monkeypatch: pytest.MonkeyPatch, resolver: Callable[[dict[str, Answers]], None]
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "me")
    any_address: Answers = [(socket.AF_INET6, ("::", 0, 0, 0))]
    own: Answers = [(socket.AF_INET, ("127.0.1.1", 0)), (socket.AF_INET6, ("2001:db8::5", 0, 0, 0))]
    resolver({"me": own, "::": any_address})
    assert resolve_addresses(None, "::", is_client=False)[1].ip == "2001:db8::5"
    resolver({"me": own[:1], "::": any_address})
    monkeypatch.setitem(addresses._FAR_ADDRESSES, socket.AF_INET6, "ff02::1:2:3")  # connect: no zone
    assert resolve_addresses(None, "::", is_client=False)[1] == LocalAddress(
        "127.0.1.1", socket.AF_INET6, "::", dual_stack=True
    )


def test_bind_local_leaves_one_family() -> None:
    _, local = resolve_addresses("127.0.0.1", "::", is_client=True)
    assert local.bound_to_itself() == LocalAddress("127.0.0.1", socket.AF_INET, "127.0.0.1")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("::1", "::1"), ("[::1]", "::1"), ("[fe80::1%25lo]", "fe80::1"), ("fe80::1%lo", "fe80::1"), ("pbx", "pbx")],
)
def test_an_address_in_a_message_has_neither_brackets_nor_a_zone(text: str, expected: str) -> None:
    assert plain_ip(text) == expected


def test_targets_of_another_family_are_left_out_with_a_note() -> None:
    def two_families(text: str, family: socket.AddressFamily) -> Targets:
        return Targets((Target(resolve_remote("127.0.0.1")), Target(resolve_remote("::1"))))

    targets, _ = resolve_addresses("pbx", None, is_client=True, locate=two_families)
    assert targets == Targets(
        (Target(resolve_remote("127.0.0.1")),), ("not used, since calls go over IPv4: ::1",)
    )
    both, local = resolve_addresses("pbx", "::", is_client=True, locate=two_families)
    assert both is not None
    assert [packed[0][0] for packed in both.packed(local.family)] == [socket.AF_INET6] * 2


def test_an_unknown_remote_host_ends_with_255(resolver: Callable[[dict[str, Answers]], None]) -> None:
    resolver({})
    with pytest.raises(StartError, match="unknown remote host 'pbx': Name or service not known") as caught:
        resolve_remote("pbx")
    assert caught.value.exit_code == EXIT_FATAL


@pytest.mark.parametrize("host", ["a" * 64 + ".org", "\udcff"])
def test_a_text_that_no_resolver_takes_is_an_unknown_host(host: str) -> None:
    with pytest.raises(StartError, match=r"unknown remote host '.*': not a host name"):
        resolve_remote(host)


def test_an_unknown_host_is_called_so_whatever_the_family_of_i() -> None:
    with pytest.raises(StartError, match=r"unknown remote host '.*': not a host name"):
        resolve_addresses("a" * 64 + ".org", "127.0.0.1", is_client=True)


def test_a_remote_host_of_another_family_than_i_ends_with_255() -> None:
    with pytest.raises(StartError, match=r"'127.0.0.1' has no IPv6 address, and -i is one") as caught:
        resolve_addresses("127.0.0.1", "::1", is_client=False)
    assert caught.value.exit_code == EXIT_FATAL


@pytest.mark.parametrize("remote_host", [None, ""])
def test_a_client_without_a_remote_host_ends_with_255(remote_host: str | None) -> None:
    with pytest.raises(StartError, match="missing remote host") as caught:
        resolve_addresses(remote_host, None, is_client=True)
    assert caught.value.exit_code == EXIT_FATAL


@pytest.mark.parametrize("text", ["127.0.0.2", "127.0.0.2:99", "[127.0.0.2]"])
def test_the_local_address_is_bound_to_and_its_port_does_not_count(text: str) -> None:
    assert resolve_local(text) == LocalAddress("127.0.0.2", socket.AF_INET, "127.0.0.2")


def test_an_unknown_local_address_ends_with_255(resolver: Callable[[dict[str, Answers]], None]) -> None:
    resolver({})
    with pytest.raises(StartError, match=r"unknown local address 'me' \(-i\)") as caught:
        resolve_local("me")
    assert caught.value.exit_code == EXIT_FATAL


@pytest.mark.parametrize(("remote_host", "any_ip"), [("127.0.0.1", "0.0.0.0"), ("::1", "::")])
def test_the_own_address_is_the_one_that_reaches_the_remote_host(remote_host: str, any_ip: str) -> None:
    remote = resolve_remote(remote_host)
    assert detect_local(remote) == LocalAddress(remote_host, remote.family, any_ip)


def test_an_empty_local_address_is_like_none() -> None:
    _, local = resolve_addresses("127.0.0.1", "", is_client=False)
    assert local.bind_ip == "0.0.0.0"


def test_a_remote_host_without_a_route_ends_with_255(monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(self: socket.socket, address: Any) -> None:
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(socket.socket, "connect", connect, raising=False)
    with pytest.raises(StartError, match=r"no route to '192.0.2.1' \(192.0.2.1\): Network is unreachable"):
        detect_local(RemoteAddress("192.0.2.1", "192.0.2.1", 5060, socket.AF_INET))


def test_a_server_without_a_remote_host_has_the_host_names_address(
    monkeypatch: pytest.MonkeyPatch, resolver: Callable[[dict[str, Answers]], None]
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "me")
    resolver({"me": [(socket.AF_INET, ("127.0.1.1", 0))]})
    assert detect_local(None) == LocalAddress("127.0.1.1", socket.AF_INET, "0.0.0.0")


def test_a_server_whose_host_name_is_unknown_has_the_default_routes_address(
    monkeypatch: pytest.MonkeyPatch, resolver: Callable[[dict[str, Answers]], None]
) -> None:
    resolver({})
    monkeypatch.setitem(addresses._FAR_ADDRESSES, socket.AF_INET, "127.0.0.9")  # any machine has this route
    assert detect_local(None) == LocalAddress("127.0.0.1", socket.AF_INET, "0.0.0.0")


def test_a_server_without_any_address_asks_for_one(
    monkeypatch: pytest.MonkeyPatch, resolver: Callable[[dict[str, Answers]], None]
) -> None:
    resolver({})
    monkeypatch.setattr(socket, "gethostname", lambda: "me")
    monkeypatch.setitem(addresses._FAR_ADDRESSES, socket.AF_INET, "255.255.255.255")  # connect: permission denied
    with pytest.raises(StartError, match="'me' has none; give it with -i"):
        detect_local(None)
