"""Connections that break anywhere at random: every call is accounted for, and nothing stays behind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from core.certificates import Certificates, make_certificates
from e2e.harness import wait_until

from .proxy import FaultProxy, Link
from .runs import assert_accounts_for, call, count_of, serve

N_CALLS = 80


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def misfortune(link: Link, data: bytes) -> Iterator[bytes]:
    """One in eight of what comes is cut, changed, or the end."""
    fate = link.rng.random()
    at = link.rng.randrange(len(data) + 1)
    yield data[:at]
    if fate < 0.04:
        link.reset()
    elif fate < 0.08:
        link.drop()
    elif fate < 0.10:
        yield link.rng.randbytes(3)
    elif fate < 0.12:
        return
    yield data[at:]


@pytest.mark.parametrize("reconnect_close", [True, False], ids=["closing", "keeping"])
@pytest.mark.parametrize("mode", ["t1", "tn", "ln", "wsn"])
def test_every_call_is_accounted_for(mode: str, reconnect_close: bool, certificates: Certificates) -> None:
    is_secure = mode.startswith(("l", "ws"))
    files = {"tls_certificate": str(certificates.both)} if is_secure else {}
    both = {"recv_timeout_ms": 300, "connect_timeout_ms": 300, "reconnect_close": reconnect_close}
    with (
        serve(mode[:-1] + "1", **files, **both) as server,
        FaultProxy(server.runner.local_port, up=misfortune, down=misfortune) as proxy,
        call(
            proxy.address, mode, N_CALLS, rate=500.0, max_open_calls=40, max_reconnects=-1, reconnect_sleep_ms=5,
            pause_ms=10, **both,
        ) as client,
    ):  # fmt: skip
        result = client.wait()
        assert_accounts_for(result, N_CALLS)
        assert result.n_failed > 0, result.counters
        served = count_of(server, "incoming_calls")
        wait_until(lambda: count_of(server, "calls_ended") >= count_of(server, "incoming_calls") >= served, "calls end")
        final = server.end()
    assert_accounts_for(final, final.n_calls)
    assert result.total.gauge("open_sockets") <= 1
