"""What sippx.sctp packs, read back from the kernel."""

from __future__ import annotations

import errno
import socket
from typing import Any

import pytest

from sippx.sctp import bind_option, sctp_options

from .kernel import DEFAULTS, Settings, associations, listener, open_socket, pair, require_sctp, settings_of

require_sctp()

ALWAYS = {**DEFAULTS, "is_unordered": True, "is_undelayed": True}


@pytest.mark.parametrize("ip", ["127.0.0.1", "::1"])
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {}),
        ({"association_max_retrans": 4}, {"assocmaxret": 4}),
        ({"path_max_retrans": 3}, {"pathmaxret": 3}),
        ({"heartbeat_ms": 1500}, {"heartbeat_ms": 1500}),
        ({"path_mtu_bytes": 1400}, {"pmtu": 1400, "pmtu_is_fixed": True}),
        ({"path_mtu_bytes": 512}, {"pmtu": 512, "pmtu_is_fixed": True}),
        ({"close_gracefully": False}, {"aborts": True}),
        (
            {"association_max_retrans": 4, "path_max_retrans": 3, "heartbeat_ms": 1500, "path_mtu_bytes": 1400},
            {"assocmaxret": 4, "pathmaxret": 3, "heartbeat_ms": 1500, "pmtu": 1400, "pmtu_is_fixed": True},
        ),
    ],
)
def test_options_arrive_in_the_kernel_and_on_both_ends_of_an_association(
    ip: str, given: dict[str, Any], expected: dict[str, Any]
) -> None:
    options = list(sctp_options(**given))
    with open_socket(ip, options) as sock:
        assert settings_of(sock) == Settings(**{"pmtu": 0, **ALWAYS, **expected})
    client, accepted = pair(ip, options)
    with client, accepted:
        for end in (client, accepted):
            found = settings_of(end)
            assert found == Settings(**{"pmtu": found.pmtu, **ALWAYS, **expected})


def test_path_mtu_below_512_is_refused_by_the_kernel() -> None:
    with pytest.raises(OSError) as refused:
        open_socket(options=list(sctp_options(path_mtu_bytes=511)))
    assert refused.value.errno == errno.EINVAL


@pytest.mark.parametrize("port", [0, 1])
def test_further_addresses_are_those_of_the_association_on_both_ends(port: int) -> None:
    with listener(more=["127.0.0.2", "127.0.0.3"]) as waiting, open_socket() as client:
        client.bind(("127.0.0.1", 0))
        client.setsockopt(*bind_option(socket.AF_INET, ["127.0.0.4"], port and client.getsockname()[1]))
        client.connect(("127.0.0.2", waiting.getsockname()[1]))
        port = client.getsockname()[1]
        mine = next(each for each in associations() if each.local_port == port)
        theirs = next(each for each in associations() if each.remote_port == port)
        assert mine.local_ips == theirs.remote_ips == ["127.0.0.1", "127.0.0.4"]
        assert sorted(mine.remote_ips) == theirs.local_ips == ["127.0.0.1", "127.0.0.2", "127.0.0.3"]


@pytest.mark.parametrize(("family", "ips"), [(socket.AF_INET, ["127.0.0.1", "127.0.0.2"]), (socket.AF_INET6, ["::1"])])
def test_option_binds_a_socket_that_was_not_bound(family: socket.AddressFamily, ips: list[str]) -> None:
    with listener(ips[0]) as waiting, open_socket(ips[0]) as client:
        client.setsockopt(*bind_option(family, ips, 0))
        client.connect(waiting.getsockname())
        port = client.getsockname()[1]
        mine = next(each for each in associations() if each.local_port == port)
        assert len(mine.local_ips) == len(ips)


@pytest.mark.parametrize(
    ("bound", "address", "error"),
    [
        ("127.0.0.1", "127.0.0.1", errno.EINVAL),
        ("0.0.0.0", "127.0.0.2", errno.EINVAL),
        ("127.0.0.1", "10.255.255.1", errno.EADDRNOTAVAIL),
    ],
)
def test_address_that_is_bound_already_or_of_another_machine_is_refused(bound: str, address: str, error: int) -> None:
    with open_socket() as sock:
        sock.bind((bound, 0))
        with pytest.raises(OSError) as refused:
            sock.setsockopt(*bind_option(socket.AF_INET, [address], 0))
        assert refused.value.errno == error
