"""A DNS server of one thread on 127.0.0.1, for tests: a table of records, and what it was asked."""

from __future__ import annotations

import socket
import threading
from types import TracebackType
from typing import Any, Self

import pytest

dns: Any = pytest.importorskip("dns", reason="needs the package dnspython")
pytest.importorskip("dns.message")
pytest.importorskip("dns.rrset")


class NameServer:
    """Answers A, AAAA, NAPTR, SRV and CNAME from a table; what is not in it is NXDOMAIN. A context manager.

    records: by name and kind, texts as in a zone file. rcodes: names that are answered with an error.
    silent: names that are not answered.
    """

    def __init__(
        self,
        records: dict[tuple[str, str], list[str]],
        rcodes: dict[str, int] | None = None,
        silent: frozenset[str] = frozenset(),
    ) -> None:
        self._records = records
        self._names = {name for name, _ in records}
        self._rcodes = rcodes or {}
        self._silent = silent
        self.asked: list[tuple[str, str]] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def address(self) -> str:
        """What -dns_server takes."""
        return f"127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stop:
            stop.sendto(b"", self._socket.getsockname())
        self._thread.join(timeout=10)
        self._socket.close()

    def _serve(self) -> None:
        while True:
            wire, peer = self._socket.recvfrom(4096)
            if not wire:
                return
            answer = self._answer(dns.message.from_wire(wire))
            if answer is not None:
                self._socket.sendto(answer.to_wire(), peer)

    def _answer(self, query: Any) -> Any:
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True)
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        if name in self._silent:
            return None
        answer = dns.message.make_response(query)
        if name in self._rcodes:
            answer.set_rcode(self._rcodes[name])
        elif name not in self._names:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        elif (name, kind) in self._records:
            for record in self._records[name, kind]:  # a set of one each: a larger one would be shuffled
                answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, record))
        return answer
