"""Tests of client transactions: start_txn, ack_txn, response_txn, and what makes one complete."""

from __future__ import annotations

import pytest
from xml_text import compiled, error_of, load, send

from sippx._core.program import MAX_TRANSACTIONS as MAX_OF_PROGRAM
from sippx._core.program import Program
from sippx.scenario.transactions import MAX_TRANSACTIONS


def start(method: str, name: str = "t") -> str:
    return send(method, f'start_txn="{name}"')


def ack(name: str = "t", method: str = "ACK") -> str:
    return send(method, f'ack_txn="{name}"')


def answer(name: str = "t") -> str:
    return f'<recv response="200" response_txn="{name}"/>'


def test_transactions_are_numbered_by_first_mention() -> None:
    spec = compiled(start("INVITE", "b") + start("OPTIONS", "a") + answer("a") + answer("b") + ack("b"))
    assert spec.transactions == ("b", "a")
    assert list(spec.steps["start_txn"]) == [0, 1, -1, -1, -1]
    assert list(spec.steps["response_txn"]) == [-1, -1, 1, 0, -1]
    assert list(spec.steps["ack_txn"]) == [-1, -1, -1, -1, 0]
    Program(spec)


def test_requests_of_a_transaction_do_not_count_for_responses_without_one() -> None:
    spec = compiled(start("INVITE") + send("INFO") + answer() + ack() + '<recv response="200"/>')
    last = spec.steps[4]
    assert spec.pool[int(last["methods_off"]) :][: int(last["methods_len"])] == b"INFO"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (start("INVITE") + ack(), "transaction 't' has no response"),
        (start("INVITE") + answer(), "is begun by INVITE but has no ACK"),
        (start("OPTIONS") + answer() + ack(), "has an ACK but is not begun by INVITE"),
        (send() + answer(), "is never started"),
        (start("ACK") + answer(), "an ACK can not start a transaction"),
        (start("200") + answer(), "a response can not start a transaction"),
        (start("INVITE") + answer() + ack(method="BYE"), "ack_txn is for ACK only, not for BYE"),
        (start("INVITE") + answer() + ack(method="200"), "ack_txn is for ACK only, not for a response"),
        (send("INVITE", 'response_txn="t"'), "response_txn is for <recv> only"),
        (start("INVITE", "a$") + answer("a$"), "neither be empty nor"),
        (start("INVITE", "") + answer(""), "neither be empty nor"),
    ],
)
def test_incomplete_or_misused_transactions_are_refused(body: str, message: str) -> None:
    assert message.replace("neither be", "be neither") in error_of(body).message


def test_start_txn_on_recv_has_no_effect() -> None:
    assert "no effect on <recv>" in load(send() + '<recv response="200" start_txn="x"/>').warnings[0]


def test_number_of_transactions_is_bounded_as_in_the_core() -> None:
    assert MAX_TRANSACTIONS == MAX_OF_PROGRAM
