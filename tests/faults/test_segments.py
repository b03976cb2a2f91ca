"""However the network cuts or joins what is sent over a connection, every call succeeds."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.certificates import Certificates, make_certificates

from .proxy import FaultProxy, Rule, in_front_of_every, merged, pieces_of, random_pieces
from .runs import call, serve

N_CALLS = 20
RULES: dict[str, Rule] = {
    "single bytes": pieces_of(1),
    "pairs": pieces_of(2),
    "prime lengths": pieces_of(37),
    "random lengths": random_pieces,
    "within line ends": in_front_of_every(b"\r\n"),
    "within the end of headers": in_front_of_every(b"\r\n\r\n"),
    "late and together": merged(0.02),
}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def assert_every_call_succeeds(rule: Rule, mode: str, n_calls: int, **server_options: object) -> None:
    with (
        serve(mode[:-1] + "1", **server_options) as server,
        FaultProxy(server.runner.local_port, up=rule, down=rule) as proxy,
        call(proxy.address, mode, n_calls) as client,
    ):
        result = client.wait()
        assert (result.n_successful, result.n_failed) == (n_calls, 0), result.summary()
        assert len(proxy.links) == (1 if mode.endswith("1") else n_calls)
        served = server.end()
    assert result.counters["connections_lost"] == served.counters["framing_errors"] == 0
    assert served.n_failed == 0, served.summary()


@pytest.mark.parametrize("name", RULES)
def test_every_split_of_one_connection_gives_all_calls_successful(name: str) -> None:
    assert_every_call_succeeds(RULES[name], "t1", N_CALLS)


@pytest.mark.parametrize("name", ["single bytes", "random lengths"])
def test_every_split_of_a_connection_per_call_gives_all_calls_successful(name: str) -> None:
    assert_every_call_succeeds(RULES[name], "tn", N_CALLS)


@pytest.mark.parametrize("name", ["single bytes", "random lengths", "late and together"])
def test_websocket_frames_may_be_split_anywhere(name: str) -> None:
    assert_every_call_succeeds(RULES[name], "w1", N_CALLS)


@pytest.mark.parametrize("mode", ["l1", "ln", "ws1"])
def test_tls_records_may_be_split_anywhere(mode: str, certificates: Certificates) -> None:
    assert_every_call_succeeds(random_pieces, mode, N_CALLS // 2, tls_certificate=str(certificates.both))


def test_tls_records_may_come_byte_by_byte(certificates: Certificates, tmp_path: Path) -> None:
    assert_every_call_succeeds(pieces_of(1), "l1", 5, tls_certificate=str(certificates.both))
