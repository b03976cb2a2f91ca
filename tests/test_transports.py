"""The table of transport modes."""

from __future__ import annotations

import pytest

from sippx.transports import MODES


def test_every_mode_of_sipp_is_there_and_those_of_websocket() -> None:
    assert list(MODES) == ["u1", "un", "ui", "t1", "tn", "l1", "ln", "s1", "sn", "w1", "wn", "ws1", "wsn"]


@pytest.mark.parametrize("name", MODES)
def test_a_mode_is_named_after_its_transport_and_its_sockets(name: str) -> None:
    mode = MODES[name]
    assert {"u": "UDP", "t": "TCP", "l": "TLS", "s": "SCTP", "w": "WS", "ws": "WSS"}[name[:-1]] == mode.transport
    assert {"1": "one", "n": "per_call", "i": "per_ip"}[name[-1]] == mode.sockets
    assert mode.stream_kind == (None if mode.transport == "UDP" else mode.transport.lower())


def test_tls_protects_tls_and_secure_websocket() -> None:
    assert {mode.transport for mode in MODES.values() if mode.is_secure} == {"TLS", "WSS"}


def test_a_mode_has_datagrams_or_connections() -> None:
    for mode in MODES.values():
        assert ("datagrams" in mode.traits) != ("connections" in mode.traits)


def test_descriptions_tell_modes_apart() -> None:
    assert len({mode.description for mode in MODES.values()}) == len(MODES)
    assert MODES["u1"].description == "UDP, one socket"
    assert MODES["wsn"].description == "WebSocket over TLS, a connection per call"
