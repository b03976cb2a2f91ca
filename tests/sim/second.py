"""An engine with a second scenario at its side, and what it did for each of the two."""

from __future__ import annotations

from typing import Any

from sim.link import SERVER
from sim.ticks import EVENTS, Ticks
from sippx._core.engine import Engine
from sippx._core.injection import Injection
from sippx._core.program import Program
from sippx._core.ring import TraceRing
from sippx.injection import parse_injection
from sippx.report.snapshot import Layout, Snapshot
from sippx.scenario import Bindings, Scenario, compile_scenario, shared_globals


def programs(
    main: str, second: str, *, names: tuple[str, ...] = (), default: str = "", bindings: Bindings | None = None
) -> tuple[Program, Program]:
    """Both compiled so that one engine can run them. names: of injection files; default: the second's."""
    first = Scenario.from_string(main, injection_names=names)
    other = Scenario.from_string(second, injection_names=names, default_injection=default)
    common = shared_globals(first, other)
    bindings = bindings or Bindings(pid=7, local_port=5061)
    return (
        Program(compile_scenario(first, bindings, global_names=common)),
        Program(compile_scenario(other, bindings, global_names=common, is_second=True)),
    )


def both(
    main: str,
    second: str,
    kind: str = "rx",
    *,
    n_calls: int = 1,
    files: dict[str, bytes] | None = None,
    default: str = "",
    **more: Any,
) -> Ticks:
    """A client whose second scenario takes the requests of strangers; it opens n_calls calls, one a millisecond."""
    files = files or {}
    first, other = programs(main, second, names=tuple(files), default=default)
    more.setdefault("ring", TraceRing(1 << 20))
    more.setdefault("trace_mask", EVENTS)
    more.setdefault("capacity", 1 << 12)
    injected = [Injection(parse_injection(data, name)) for name, data in files.items()]
    made = Engine(
        first, side=other, side_kind=kind, remote=SERVER, start_ns=0, seed=1, files=injected, **more
    )
    made.set_rate(1000.0)
    made.set_max_calls(n_calls)
    return Ticks(made, is_client=True)


def side(of: Ticks | Engine) -> Snapshot:
    """The counters of the second scenario."""
    made = of.engine if isinstance(of, Ticks) else of
    return Snapshot(made.snapshot(side=True), Layout.from_dict(made.layout(side=True)), 0, 0, 0, 0)


def side_counts(of: Ticks, *names: str) -> list[int]:
    """Totals of the second scenario by name."""
    return [side(of).counter(name) for name in names]
