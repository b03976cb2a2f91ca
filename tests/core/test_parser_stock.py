"""The messages of the stock call through both ways of parsing, and every name the core knows."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.messages import INVITE, messages
from sippx._core.codes import Method
from sippx._core.parser import ParsedMessage, method_code, parse_again
from sippx._core.template import render
from sippx.scenario import Bindings, Scenario, compile_scenario

KNOWN_METHODS = [m for m in Method if m not in (Method.METHOD_NONE, Method.METHOD_OTHER, Method.N_METHODS)]


def stock_messages(call_number: int) -> list[bytes]:
    """Everything the built-in scenarios send for a call of that number."""
    found = []
    for name in ("uac", "uas"):
        spec = compile_scenario(Scenario.builtin(name), Bindings(pid=4711))
        for step in spec.steps:
            rows = spec.pieces[step["piece_first"] : step["piece_first"] + step["n_pieces"]]
            if len(rows):
                call_id = b"%d-4711@127.0.0.1" % call_number
                message = render(rows, spec.pool, call_number=call_number, call_id=call_id, last=INVITE, peer_tag=b"p")
                assert message is not None
                found.append(message)
    return found


def test_stock_calls_are_parsed_alike_again() -> None:
    batch = [message for number in (1, 9, 10, 99, 100, 123_456) for message in stock_messages(number) * 2]
    assert parse_again(batch) == [True] * len(batch)


def test_stock_messages_are_understood() -> None:
    parsed = [ParsedMessage(message) for message in stock_messages(5)]
    assert [message.status for message in parsed] == ["ok"] * len(parsed)
    assert {message.method or b"%d" % message.status_code for message in parsed} == {
        b"INVITE", b"ACK", b"BYE", b"180", b"200",
    }  # fmt: skip
    requests = [message for message in parsed if message.is_request]
    assert {message.call_id for message in requests} == {b"5-4711@127.0.0.1"}
    assert all(message.cseq[1] == message.method for message in requests)


@settings(max_examples=200, deadline=None)
@given(st.lists(messages(), min_size=1, max_size=4))
def test_a_known_layout_gives_what_parsing_afresh_gives(batch: list[bytes]) -> None:
    sequence = [message for one in batch for message in (one, *batch)]
    assert parse_again(sequence) == [True] * len(sequence)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(INVITE)), st.binary(max_size=3))
def test_a_cut_message_never_claims_more_than_it_has(length: int, tail: bytes) -> None:
    data = INVITE[:length] + tail
    message = ParsedMessage(data)
    if message.status in ("ok", "no_call_id"):
        assert data.endswith(message.body)
        for part in (message.method, message.request_uri, message.call_id, message.to_tag, message.cseq[1]):
            assert part in data
        for _, raw, value in message.headers:
            assert raw in data
            assert value in raw


@pytest.mark.parametrize("method", KNOWN_METHODS)
def test_every_method_of_the_enumeration_is_recognised(method: Method) -> None:
    name = method.name.removeprefix("METHOD_").encode()
    assert method_code(name) == method
    assert method_code(name.lower()) == Method.METHOD_OTHER
    assert method_code(name + b"X") == Method.METHOD_OTHER
    assert method_code(name[:-1]) != method


@pytest.mark.parametrize(("token", "method"), [(b"", Method.METHOD_NONE), (b"INVITER", Method.METHOD_OTHER)])
def test_other_tokens_are_told_apart(token: bytes, method: Method) -> None:
    assert method_code(token) == method
