"""The second scenario of a run: that of received calls (-rxsf, -rxrn) or of requests out of calls (-oocsf, -oocsn)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from sippx._core import codes
from sippx._core.program import Program
from sippx.errors import StartError, UsageError
from sippx.options import Options, injection_name
from sippx.scenario import Bindings, ProgramSpec, Scenario, compile_scenario, shared_globals

_FIELD_ACTIONS = (
    codes.ActionKind.ACTION_LOOKUP,
    codes.ActionKind.ACTION_INSERT,
    codes.ActionKind.ACTION_REPLACE,
)


@dataclass(frozen=True, slots=True)
class SecondScenario:
    """A scenario whose calls are opened by requests that belong to no call; kind: as the engine has it."""

    scenario: Scenario
    kind: Literal["rx", "ooc"]


def load_second(main: Scenario, options: Options) -> SecondScenario | None:
    """The second scenario that the options name, None without one.

    Raises ScenarioError where it cannot be used, StartError where the main scenario leaves it nothing to do.
    """
    if options.has_rx_scenario:
        if not main.is_client:
            raise StartError(
                "a scenario of received calls (-rxsf, -rxrn) needs a main scenario that places calls: "
                f"'{main.name}' is one of a server"
            )
        return SecondScenario(_load(options, options.rx_scenario_file, options.rx_scenario_name or "", "-rxrn"), "rx")
    if options.has_ooc_scenario:
        if not main.is_client:
            raise StartError("SIPp cannot use out-of-call scenarios when running in server mode")
        found = _load(options, options.ooc_scenario_file, options.ooc_scenario_name or "", "-oocsn")
        return SecondScenario(found, "ooc")
    return None


def _load(options: Options, file: str | None, name: str, flag: str) -> Scenario:
    names = options.injection_names
    if file is None:
        return Scenario.builtin(name, keys=options.keys, injection_names=names, flag=flag)
    # -rxinf, which only a scenario of received calls can have given
    default = injection_name(options.rx_injection_files[0]) if options.rx_injection_files else ""
    return Scenario.from_file(file, keys=options.keys, injection_names=names, default_injection=default)


def compile_both(
    main: Scenario, second: SecondScenario | None, bindings: Bindings
) -> tuple[Program, Program | None]:
    """The programs of one engine: global variables and injection files have the same numbers in both."""
    if second is None:
        return Program(compile_scenario(main, bindings)), None
    other = second.scenario
    global_names = shared_globals(main, other)
    names = tuple(dict.fromkeys(main.injection_names + other.injection_names))
    if second.kind == "rx":
        main, other = replace(main, injection_names=names), replace(other, injection_names=names)
    side = compile_scenario(other, bindings, global_names=global_names, is_second=True)
    if second.kind == "ooc":
        if _reads_files(side):
            raise UsageError(
                f"{other.file}: Automatic calls (created by -aa, -oocsn or -oocsf) cannot use input files!"
            )
        # they take no line of a file, so that those of the test's calls are in order
        side = replace(side, injection_names=())
    try:
        return Program(compile_scenario(main, bindings, global_names=global_names)), Program(side)
    except ValueError as error:
        # each by itself was checked by the loader: what is too much are the global variables of both
        raise UsageError(f"{main.file} and {other.file} do not fit one engine: {error}") from None


def _reads_files(spec: ProgramSpec) -> bool:
    kinds = (spec.pieces["kind"] == codes.PieceKind.PIECE_FIELD).any()
    return bool(kinds) or any(action["kind"] in _FIELD_ACTIONS for action in spec.actions)
