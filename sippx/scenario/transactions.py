"""Client transactions of one scenario: begun, acknowledged, answered; checked when all are known."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NoReturn

from sippx.scenario.element import Element

MAX_TRANSACTIONS = 1000


@dataclass(slots=True)
class _Transaction:
    """How a transaction is used, and the element and attribute that named it first."""

    element: Element
    attribute: str
    is_started: bool = False
    is_invite: bool = False
    n_acks: int = 0
    n_responses: int = 0

    def fail(self, message: str) -> NoReturn:
        self.element.fail(message, self.attribute)


@dataclass(slots=True)
class TransactionTable:
    """All transactions of a scenario, numbered by their first mention."""

    table: dict[str, _Transaction] = field(default_factory=dict)

    def start(self, element: Element, *, method: bytes) -> str | None:
        """Name in start_txn of a <send> of this method (empty: a response)."""
        if (transaction := self._named(element, "start_txn")) is None:
            return None
        if not method:
            element.fail_name("start_txn", "a response can not start a transaction")
        if method == b"ACK":
            element.fail_name("start_txn", "an ACK can not start a transaction; name the one it ends in ack_txn")
        transaction.is_started = True
        transaction.is_invite |= method == b"INVITE"
        return element.get("start_txn")

    def ack(self, element: Element, *, method: bytes) -> str | None:
        """Name in ack_txn of a <send> of this method (empty: a response)."""
        if (transaction := self._named(element, "ack_txn")) is None:
            return None
        if method != b"ACK":
            what = method.decode("latin-1") if method else "a response"
            element.fail_name("ack_txn", f"ack_txn is for ACK only, not for {what}")
        transaction.n_acks += 1
        return element.get("ack_txn")

    def response(self, element: Element) -> str | None:
        """Name in response_txn of a <recv>."""
        if (transaction := self._named(element, "response_txn")) is None:
            return None
        transaction.n_responses += 1
        return element.get("response_txn")

    def finish(self) -> tuple[str, ...]:
        """Names in the order of their numbers; raises for a transaction that is not complete."""
        for name, transaction in self.table.items():
            if not transaction.is_started:
                transaction.fail(f"transaction '{name}' is never started: no <send start_txn> names it")
            if not transaction.n_responses:
                transaction.fail(f"transaction '{name}' has no response: no <recv response_txn> names it")
            if transaction.is_invite and not transaction.n_acks:
                transaction.fail(f"transaction '{name}' is begun by INVITE but has no ACK: no <send ack_txn> names it")
            if transaction.n_acks and not transaction.is_invite:
                transaction.fail(f"transaction '{name}' has an ACK but is not begun by INVITE")
        return tuple(self.table)

    def _named(self, element: Element, attribute: str) -> _Transaction | None:
        name = element.get(attribute)
        if name is None:
            return None
        if not name or "$" in name or "," in name:
            element.fail(f"a transaction's name may be neither empty nor contain '$' or ',': '{name}'", attribute)
        if name not in self.table and len(self.table) >= MAX_TRANSACTIONS:
            element.fail(f"more than {MAX_TRANSACTIONS} transactions", attribute)
        return self.table.setdefault(name, _Transaction(element, attribute))
