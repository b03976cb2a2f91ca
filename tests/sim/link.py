"""Two engines on one memory link and a virtual clock: loss, duplication, reordering and delay by seed."""

from __future__ import annotations

import heapq
import itertools
import random
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sippx._core.engine import Engine
from sippx._core.program import Program
from sippx.report.snapshot import Layout, Snapshot
from sippx.scenario import Bindings, Scenario, compile_scenario

MS = 1_000_000
S = 1_000 * MS
CLIENT = (socket.AF_INET, bytes([127, 0, 0, 1]), 5061)
SERVER = (socket.AF_INET, bytes([127, 0, 0, 1]), 5060)


def engine(scenario: Scenario | str, *, bindings: Bindings | None = None, **more: Any) -> Engine:
    """An engine without a socket, its clock at 0."""
    if isinstance(scenario, str):
        scenario = Scenario.builtin(scenario) if scenario in ("uac", "uas") else Scenario.from_string(scenario)
    bindings = bindings or Bindings(local_port=5061 if scenario.is_client else 5060, pid=7)
    program = Program(compile_scenario(scenario, bindings))
    remote = SERVER if scenario.is_client else None
    return Engine(program, remote=remote, start_ns=0, seed=1, capacity=more.pop("capacity", 1 << 16), **more)


def snapshot(of: Engine) -> Snapshot:
    """The engine's counters."""
    return Snapshot(of.snapshot(), Layout.from_dict(of.layout()), 0, 0, 0, 0)


def steps(of: Engine) -> list[list[int]]:
    """Per step: messages, retransmissions, timeouts, unexpected, lost."""
    return [[int(value) for value in row] for row in snapshot(of).steps]


@dataclass
class Link:
    """Carries datagrams between a client and a server and moves time from event to event.

    loss, duplicate: probability per datagram; delay_ms: bounds of the uniform delay (unequal: reordering).
    """

    client: Engine
    server: Engine
    loss: float = 0.0
    duplicate: float = 0.0
    delay_ms: tuple[float, float] = (1.0, 1.0)
    seed: int = 1
    now_ns: int = 0
    sent: list[tuple[int, str, bytes]] = field(default_factory=list)
    filter: Callable[[str, bytes], bool] = lambda side, data: True

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)
        self._queue: list[tuple[int, int, str, bytes]] = []
        self._order = itertools.count()

    def run(self, until_ns: int) -> None:
        """Let everything happen that happens until then."""
        while True:
            self._collect("client", self.client)
            self._collect("server", self.server)
            times = [t for t in (self.client.next_event_ns(), self.server.next_event_ns()) if t is not None]
            if self._queue:
                times.append(self._queue[0][0])
            # a timer's slot may begin before it: look again one tick later
            next_ns = max(min(times, default=until_ns), self.now_ns + MS // 2)
            self.now_ns = min(next_ns, until_ns)
            for one in (self.client, self.server):
                one.turn(self.now_ns)
            while self._queue and self._queue[0][0] <= self.now_ns:
                _, _, side, data = heapq.heappop(self._queue)
                if side == "client":
                    self.server.inject(data, CLIENT)
                else:
                    self.client.inject(data, SERVER)
            if self.now_ns >= until_ns:
                self._collect("client", self.client)
                self._collect("server", self.server)
                return

    def _collect(self, side: str, one: Engine) -> None:
        for data, _ in one.take_sent():
            self.sent.append((self.now_ns, side, data))
            if not self.filter(side, data) or self._rng.random() < self.loss:
                continue
            for _ in range(2 if self._rng.random() < self.duplicate else 1):
                arrival_ns = self.now_ns + int(self._rng.uniform(*self.delay_ms) * MS)
                heapq.heappush(self._queue, (arrival_ns, next(self._order), side, data))


def first_lines(link: Link, side: str) -> list[tuple[float, str]]:
    """(milliseconds, first line without what varies) of everything a side sent."""
    return [
        (at / MS, data.split(b"\r\n")[0].decode().split(" sip:")[0]) for at, who, data in link.sent if who == side
    ]
