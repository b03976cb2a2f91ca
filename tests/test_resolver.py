"""Where calls to a host name go, asked of a DNS server in this process."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sippx import resolver
from sippx.addresses import Targets, locate_first
from sippx.errors import StartError, UsageError
from sippx.resolver import SERVICES, make_locate
from tests.name_server import NameServer, dns

Row = tuple[str, int, int, int]

RECORDS = {
    ("pbx.test", "NAPTR"): [
        '20 10 "s" "SIP+D2T" "" _sip._tcp.pbx.test.',
        '10 20 "s" "SIP+D2U" "" _sip._udp.second.test.',
        '10 10 "S" "sip+d2u" "" _sip._udp.pbx.test.',
        '5 10 "u" "SIP+D2U" "!^.*$!sip:a@b!" .',
        '30 10 "s" "SIPS+D2T" "" _sips._tcp.pbx.test.',
        '30 20 "s" "SIP+D2S" "" _sip._sctp.pbx.test.',
        '30 30 "s" "SIP+D2W" "" _sip._ws.pbx.test.',
        '30 40 "s" "SIPS+D2W" "" _sips._ws.pbx.test.',
    ],
    ("_sip._udp.pbx.test", "SRV"): ["10 60 5070 a.test.", "10 20 5071 b.test.", "20 0 5072 c.test."],
    ("_sip._udp.second.test", "SRV"): ["1 1 1 c.test."],
    ("_sip._tcp.pbx.test", "SRV"): ["0 0 5080 c.test."],
    ("_sips._tcp.pbx.test", "SRV"): ["0 0 5081 c.test."],
    ("_sip._sctp.pbx.test", "SRV"): ["0 0 5082 c.test."],
    ("_sip._ws.pbx.test", "SRV"): ["0 0 5083 c.test."],
    ("_sips._ws.pbx.test", "SRV"): ["0 0 5084 c.test."],
    ("a.test", "A"): ["127.0.0.1", "127.0.0.2"],
    ("b.test", "A"): ["127.0.0.3"],
    ("b.test", "AAAA"): ["::1"],
    ("c.test", "A"): ["127.0.0.4"],
    ("plain.test", "A"): ["127.0.0.5", "127.0.0.6"],
    ("plain.test", "AAAA"): ["::1"],
    ("_sip._udp.only-srv.test", "SRV"): ["0 0 5090 c.test."],
    ("only-srv.test", "A"): ["127.0.0.9"],
    ("lost.test", "NAPTR"): ['1 1 "s" "SIP+D2U" "" _sip._udp.nowhere.test.'],
    ("_sip._udp.lost.test", "SRV"): ["0 0 5091 c.test."],
    ("_sip._udp.closed.test", "SRV"): ["0 0 0 ."],
    ("_sip._udp.half.test", "SRV"): ["0 1 5060 gone.test.", "0 1 5060 c.test."],
    ("_sip._udp.gone.test", "SRV"): ["0 1 5060 gone.test."],
    ("v6.test", "AAAA"): ["::1"],
}


@pytest.fixture(scope="module")
def server() -> Iterator[NameServer]:
    with NameServer(RECORDS, {"broken.test": dns.rcode.SERVFAIL}, frozenset({"silent.test"})) as running:
        yield running


def rows(targets: Targets) -> list[Row]:
    return [(t.address.ip, t.address.port, t.weight, t.priority) for t in targets.all]


def located(
    server: NameServer, text: str, mode: str = "srv", transport: str = "UDP", family: int = socket.AF_INET
) -> Targets:
    return make_locate(mode, server.address, transport)(text, socket.AddressFamily(family))


def test_srv_gives_servers_by_priority_and_addresses_of_one_share_its_weight(server: NameServer) -> None:
    assert rows(located(server, "pbx.test")) == [
        ("127.0.0.1", 5070, 3, 10),
        ("127.0.0.2", 5070, 3, 10),
        ("127.0.0.3", 5071, 2, 10),
        ("127.0.0.4", 5072, 0, 20),
    ]


def test_the_host_stays_the_domain_that_was_asked_for(server: NameServer) -> None:
    assert {target.address.host for target in located(server, "pbx.test").all} == {"pbx.test"}


@pytest.mark.parametrize(
    ("transport", "port"), [("TCP", 5080), ("TLS", 5081), ("SCTP", 5082), ("WS", 5083), ("WSS", 5084)]
)
def test_naptr_counts_for_the_transport_in_use_only(server: NameServer, transport: str, port: int) -> None:
    assert rows(located(server, "pbx.test", transport=transport)) == [("127.0.0.4", port, 0, 0)]


def test_without_naptr_srv_is_asked_for_the_transport(server: NameServer) -> None:
    assert rows(located(server, "only-srv.test")) == [("127.0.0.4", 5090, 0, 0)]


@pytest.mark.parametrize(
    ("transport", "port"), [("UDP", 5060), ("TCP", 5060), ("TLS", 5061), ("SCTP", 5060), ("WS", 80), ("WSS", 443)]
)
def test_without_srv_the_addresses_of_the_name_have_the_transports_port(
    server: NameServer, transport: str, port: int
) -> None:
    expected = [("127.0.0.5", port, 1, 0), ("127.0.0.6", port, 1, 0)]
    assert rows(located(server, "plain.test", transport=transport)) == expected


def test_a_port_that_is_given_asks_for_addresses_only(server: NameServer) -> None:
    server.asked.clear()
    assert rows(located(server, "only-srv.test:5099")) == [("127.0.0.9", 5099, 1, 0)]
    assert server.asked == [("only-srv.test", "A")]


def test_a_numeric_host_asks_for_nothing(server: NameServer) -> None:
    server.asked.clear()
    assert rows(located(server, "127.0.0.1")) == [("127.0.0.1", 5060, 1, 0)]
    assert rows(located(server, "127.0.0.1", transport="TLS")) == [("127.0.0.1", 5061, 1, 0)]
    assert rows(located(server, "[::1]:5099", family=socket.AF_UNSPEC)) == [("::1", 5099, 1, 0)]
    assert server.asked == []


def test_naptr_that_leads_nowhere_is_noted_and_passed_over(server: NameServer) -> None:
    found = located(server, "lost.test")
    assert rows(found) == [("127.0.0.4", 5091, 0, 0)]
    assert found.notes == ("DNS: NAPTR of 'lost.test' names '_sip._udp.nowhere.test', which has no SRV record",)


def test_a_server_without_an_address_is_noted_and_left_out(server: NameServer) -> None:
    found = located(server, "half.test")
    assert rows(found) == [("127.0.0.4", 5060, 1, 0)]
    assert "SRV of '_sip._udp.half.test' names 'gone.test', which is not used" in found.notes[0]


def test_servers_none_of_which_has_an_address_are_an_error(server: NameServer) -> None:
    with pytest.raises(StartError, match=r"names 'gone.test', which is not used: .* no A record of it"):
        located(server, "gone.test")


def test_a_domain_that_says_it_has_no_such_service_is_an_error(server: NameServer) -> None:
    with pytest.raises(StartError, match=r"SRV of '_sip\._udp\.closed\.test' is '\.': there is no SIP over UDP"):
        located(server, "closed.test")


def test_all_takes_every_address_of_a_name_and_no_srv(server: NameServer) -> None:
    server.asked.clear()
    assert rows(located(server, "plain.test:99", "all")) == [("127.0.0.5", 99, 1, 0), ("127.0.0.6", 99, 1, 0)]
    assert server.asked == [("plain.test", "A")]
    both = rows(located(server, "plain.test", "all", family=socket.AF_UNSPEC))
    assert [ip for ip, *_ in both] == ["127.0.0.5", "127.0.0.6", "::1"]


def test_first_takes_one_address_of_the_server_named(server: NameServer) -> None:
    assert rows(located(server, "plain.test", "first")) == [("127.0.0.5", 5060, 1, 0)]


def test_first_without_a_server_is_this_machines_resolver_alone() -> None:
    assert make_locate("first", None, "UDP") is locate_first


def test_all_without_a_server_takes_the_addresses_of_this_machines_resolver(monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(*arguments: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, 2, 17, "", (ip, 0)) for ip in ("127.0.0.7", "127.0.0.8", "127.0.0.7")]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    found = make_locate("all", None, "UDP")("pbx.test", socket.AF_UNSPEC)
    assert rows(found) == [("127.0.0.7", 5060, 1, 0), ("127.0.0.8", 5060, 1, 0)]


def test_an_unknown_name_is_an_error(server: NameServer) -> None:
    for mode in ("first", "all", "srv"):
        with pytest.raises(StartError, match=r"unknown remote host 'no.test': the DNS server has no A record of it"):
            located(server, "no.test", mode)


def test_the_family_of_i_decides_what_is_asked(server: NameServer) -> None:
    assert rows(located(server, "v6.test", "all", family=socket.AF_INET6)) == [("::1", 5060, 1, 0)]
    with pytest.raises(StartError, match="no A record"):
        located(server, "v6.test", "all")


def test_an_error_of_the_server_says_what_was_asked_and_what_came(server: NameServer) -> None:
    port = server.address.partition(":")[2]
    message = rf"DNS: NAPTR of 'broken.test' asked of 127\.0\.0\.1 port {port}: SERVFAIL$"
    with pytest.raises(StartError, match=message):
        located(server, "broken.test")


def test_a_server_that_does_not_answer_is_waited_for_briefly(
    server: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolver, "QUERY_TIMEOUT_S", 0.2)
    with pytest.raises(StartError, match=r"DNS: NAPTR of 'silent.test' asked of .*: no answer within 0.2 seconds"):
        located(server, "silent.test")


def test_all_queries_together_have_a_limit(server: NameServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver, "TOTAL_TIMEOUT_S", 0.0)
    with pytest.raises(StartError, match="not asked any more, 0 seconds have passed"):
        located(server, "pbx.test")


@pytest.mark.parametrize("text", ["a..test", f"{'a' * 64}.test"])
def test_a_name_that_cannot_be_asked_is_an_error(server: NameServer, text: str) -> None:
    with pytest.raises(StartError, match="DNS: NAPTR of '"):
        located(server, text)


@pytest.mark.parametrize("address", ["localhost:53", "1.2", "::g"])
def test_a_dns_server_is_a_numeric_address(address: str) -> None:
    with pytest.raises(UsageError, match="-dns_server"):
        make_locate("first", address, "UDP")


def test_without_dnspython_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dns.resolver", None)
    with pytest.raises(StartError, match=r"pip install 'sippx\[dns\]'"):
        make_locate("srv", None, "UDP")


def test_more_addresses_than_the_core_keeps_are_an_error(server: NameServer) -> None:
    many = {("many.test", "A"): [f"127.0.1.{host}" for host in range(1, 67)]}
    with (
        NameServer(many) as other,
        pytest.raises(StartError, match=r"'many\.test' has 66 addresses, at most 64 can be used"),
    ):
        located(other, "many.test", "all")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 65535), st.integers(1, 4)), min_size=1, max_size=6))
def test_weights_keep_their_proportions_and_priorities_their_order(servers: list[tuple[int, int, int]]) -> None:
    """servers: priority, weight, number of addresses."""
    records = [resolver._Server(priority, weight, f"s{i}", 5060 + i) for i, (priority, weight, _) in enumerate(servers)]

    class Names(resolver.DnsClient):
        def addresses(self, name: str, family: socket.AddressFamily) -> list[tuple[socket.AddressFamily, str]]:
            return [(socket.AF_INET, f"127.0.{name[1:]}.{host}") for host in range(servers[int(name[1:])][2])]

    locator = resolver._Locator("srv", SERVICES["UDP"], "UDP", Names("127.0.0.1:9"))
    found = locator._of_servers("pbx.test", "_sip._udp.pbx.test", records, socket.AF_INET, [])
    assert [t.priority for t in found.all] == sorted(t.priority for t in found.all)
    assert sum(n for _, _, n in servers) == len(found.all)
    total = sum(weight for _, weight, _ in servers)
    parts = sum(target.weight for target in found.all)
    for i, (_, weight, n) in enumerate(servers):
        shares = {t.weight for t in found.all if t.address.port == 5060 + i}
        assert len(shares) == 1
        if total:
            assert Fraction(n * shares.pop(), parts) == Fraction(weight, total)
    for group in found.groups():
        weights = [target.weight for target in group]
        assert weights == sorted(weights, reverse=True)


def test_an_address_named_twice_is_one_target_with_both_weights() -> None:
    twice = {("_sip._udp.x.test", "SRV"): ["0 1 5060 y.test.", "0 2 5060 z.test."]}
    same = {("y.test", "A"): ["127.0.0.1"], ("z.test", "A"): ["127.0.0.1"]}
    with NameServer(twice | same) as server:
        found = located(server, "x.test")
    assert rows(found) == [("127.0.0.1", 5060, 1, 0)]
