"""Scenario text with actions, and runs of it that hold the books and the memory to their rules."""

from __future__ import annotations

from typing import Any

from sim.ticks import Ticks, accounted, recv, scenario, send
from sippx._core.codes import TraceKind
from sippx._core.injection import Injection
from sippx._core.ring import TraceRing
from sippx.injection import parse_injection
from sippx.scenario import Scenario

LONG = "y" * 2000
"""So long that texts which are not given back soon need a further chunk of memory."""


def action(*actions: str) -> str:
    return f"<action>{''.join(actions)}</action>"


def nop(*actions: str, attributes: str = "") -> str:
    """A <nop> with these actions."""
    return f"<nop {attributes}>{action(*actions)}</nop>"


def recv_doing(what: str, *actions: str, attributes: str = "") -> str:
    """A <recv> with these actions."""
    return recv(what, attributes).removesuffix("/>") + f">{action(*actions)}</recv>"


def send_doing(what: str, *actions: str, attributes: str = "") -> str:
    """A <send> with these actions."""
    return send(what, attributes).removesuffix("</send>") + f"{action(*actions)}</send>"


def log(text: str) -> str:
    return f"<log message='{text}'/>"


def assign(variable: str, value: float) -> str:
    return f"<assign assign_to='{variable}' value='{value}'/>"


def assign_text(variable: str, text: str) -> str:
    return f"<assignstr assign_to='{variable}' value='{text}'/>"


def show(*variables: str) -> str:
    """A log of variables, each in brackets."""
    return log(" ".join(f"{name}=([${name}])" for name in variables))


def uses(*variables: str) -> str:
    """An element that counts as a use of variables which the scenario only assigns to, or only reads."""
    return f"<Reference variables='{','.join(variables)}'/>"


OPTIONS = send("OPTIONS")
"""Something a client scenario begins with."""


def client(*elements: str) -> str:
    """A client scenario: OPTIONS first, then these."""
    return scenario(OPTIONS, *elements)


def run(
    text: str,
    *,
    files: dict[str, bytes] | None = None,
    columns: dict[str, int] | None = None,
    n_calls: int = 1,
    **more: Any,
) -> Ticks:
    """An engine that runs this scenario with injection files by name; columns: of those with an index."""
    files = files or {}
    loaded = Scenario.from_string(text, injection_names=tuple(files))
    more["files"] = [
        Injection(parse_injection(data, name), (columns or {}).get(name)) for name, data in files.items()
    ]
    return Ticks.of(loaded, n_calls=n_calls, **more)  # type: ignore[arg-type]  # the engine takes either


def records(ticks: Ticks) -> list[tuple[TraceKind, int, int, bytes]]:
    """(kind, a, b, data) of all trace records so far, messages left out."""
    drained = ticks.engine.ring.drain(1 << 24)
    return [
        (TraceKind(kind), a, b, data)
        for kind, _, a, b, _, data in drained
        if kind not in (TraceKind.TRACE_SENT, TraceKind.TRACE_RECEIVED)
    ]


def logged(ticks: Ticks, kind: TraceKind = TraceKind.TRACE_LOG) -> list[str]:
    """Texts of the <log> actions so far, or of records of another kind."""
    return [data.decode("latin-1") for is_of, _, _, data in records(ticks) if is_of == kind]


def complaints(ticks: Ticks) -> list[int]:
    """Complaint numbers of the warnings so far."""
    return [b for kind, _, b, _ in records(ticks) if kind == TraceKind.TRACE_COMPLAINT]


def after(actions: str, variables: str, **more: Any) -> str:
    """What a <log> shows of variables after the actions of a nop; its call succeeds."""
    ticks = run(client(nop(actions, show(*variables.split()))), **more).until(5)
    (text,) = logged(ticks)
    assert ticks.counts("successful_calls") == [1]
    accounted(ticks.total)
    return text


def memory_bytes(ticks: Ticks) -> int:
    return ticks.total.gauge("memory_bytes")


def given_back(make: Any, exchange: Any, *, n_calls: int = 700) -> Ticks:
    """Run many calls whose texts are long: after the first few, memory no longer grows.

    make(n_calls, **engine options) makes the engine, exchange(ticks, number) carries out one call.
    """
    ticks: Ticks = make(n_calls=n_calls, ring=TraceRing(1 << 12), trace_mask=0, dead_wait_ms=0)
    for number in range(1, 11):
        exchange(ticks, number)
    before = memory_bytes(ticks)
    for number in range(11, n_calls + 1):
        exchange(ticks, number)
    accounted(ticks.total)
    assert ticks.counts("calls_ended") == [n_calls]
    assert memory_bytes(ticks) == before
    return ticks
