"""Scenario, options and addresses -> the program and the engine that runs it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sippx._core import codes
from sippx._core.engine import Engine
from sippx._core.injection import Injection
from sippx._core.program import Program
from sippx._core.ring import TraceRing
from sippx.addresses import LocalAddress, RemoteAddress, Targets, bracketed, plain_ip
from sippx.errors import StartError, UsageError
from sippx.injection import InjectionTable, Order, load_injection
from sippx.options import FIELD_OPTIONS, Options, injection_name
from sippx.runner.transports import RunTransport
from sippx.runner.twins import RunTwins
from sippx.scenario import Bindings, Scenario

MAX_USERS = 1_000_000
"""Users that may be reached by raising their number while sippx runs."""

_BEHAVIORS = {
    "bye": codes.Behavior.BEHAVIOR_BYE,
    "abortunexp": codes.Behavior.BEHAVIOR_ABORT_UNEXPECTED,
    "pingreply": codes.Behavior.BEHAVIOR_PING_REPLY,
    "cseq": codes.Behavior.BEHAVIOR_CSEQ,
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run takes place: the addresses of both sides.

    targets  where messages are sent to; they differ from `remote` with -rsa
    """

    remote: RemoteAddress | None
    targets: Targets | None
    local: LocalAddress
    local_port: int


def make_bindings(options: Options, place: Place, *, has_own_port: bool = False) -> Bindings:
    """What keywords of the scenario stand for in this run; has_own_port: as Bindings have it."""
    remote, local = place.remote, place.local
    media_ip = plain_ip(options.media_ip) if options.media_ip else local.ip
    return Bindings(
        service=options.service,
        remote_host=remote.host if remote else "",
        remote_ip=bracketed(remote.ip) if remote else "",
        remote_port=remote.port if remote else 5060,
        transport=options.transport_mode.transport,
        local_ip=bracketed(local.ip),
        local_ip_type="6" if ":" in local.ip else "4",
        local_port=place.local_port,
        has_own_port=has_own_port,
        server_ip=local.bind_ip,
        media_ip=media_ip,
        media_ip_type="6" if ":" in media_ip else "4",
        media_port=options.media_port,
        pid=os.getpid(),
        pause_ms=options.pause_ms,
        recv_timeout_ms=options.recv_timeout_ms,
        call_id_format=options.call_id_format,
        call_id_type=options.call_id_type,
        keys=options.keys,
        sipp_version=_version(),
        retransmissions_enabled=options.retransmissions,
        users=-1 if options.n_users is None else options.n_users,
        auth_username=options.service if options.auth_username is None else options.auth_username,
        auth_password=options.auth_password,
    )


def refuse_unbuilt(scenario: Scenario) -> None:
    """What the scenario language has and this version cannot run is said before anything starts."""
    for line, text in scenario.media_uses:
        raise UsageError(f"{scenario.file}:{line}: {text} needs media, which this version does not have yet")


_WITHOUT_EFFECT = ("send_errors_are_fatal",)
"""Fields of options of SIPp that change nothing, whatever the transport."""


def without_effect(options: Options) -> list[str]:
    """A line on each option given that changes nothing in this run."""
    mode = options.transport_mode
    over = mode.description.replace(", ", " with ")
    return [
        f"{spec.flags[0]} has no effect over {over} (-t {mode.name})"
        for spec in FIELD_OPTIONS
        if getattr(options, spec.field) != spec.default
        and (spec.needs not in mode.traits or spec.field in _WITHOUT_EFFECT)
    ]


class InjectionFiles:
    """The injection files of a run, by the names that [fieldN file="..."] uses; of equal names the last counts.

    Raises ScenarioError or UsageError for a file that cannot be read.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        paths = options.all_injection_files
        self.tables: Mapping[str, InjectionTable] = dict(
            zip(map(injection_name, paths), map(load_injection, paths), strict=True)
        )

    @property
    def first(self) -> InjectionTable | None:
        """The first file of -inf, None without one."""
        paths = self._options.injection_files
        return self.tables[injection_name(paths[0])] if paths else None

    def for_program(self, program: Program) -> list[Injection]:
        """The files in the program's order; UsageError where one cannot do what is asked of it."""
        options, files = self._options, []
        for name in program.spec.injection_names:
            table = self.tables[name]
            if options.n_users is not None and table.order is Order.USER and table.n_lines < options.n_users:
                raise UsageError(
                    f"{table.file} has only {table.n_lines} lines, yet there are {options.n_users} users (-users)"
                )
            try:
                files.append(Injection(table, options.injection_indexes.get(name)))
            except ValueError as error:
                raise UsageError(f"{table.file}: {error}") from None
        return files

    def warnings(self) -> Iterator[str]:
        """What is odd about them."""
        for table in self.tables.values():
            yield from table.warnings
            if table.order is Order.USER and self._options.n_users is None:
                yield f"{table.file}: a USER file needs -users; without it all its fields are empty"


def check_program(scenario: Scenario, program: Program, options: Options, files: InjectionFiles) -> None:
    """What the scenario asks of options and injection files that were not given so."""
    spec = program.spec
    if options.tdm_map is None and (spec.pieces["kind"] == codes.PieceKind.PIECE_TDM_CIRCUIT).any():
        raise UsageError(f"{scenario.file}: [tdmmap] needs the option -tdmmap")
    kinds = codes.ActionKind
    for action in spec.actions:
        if action["kind"] not in (kinds.ACTION_LOOKUP, kinds.ACTION_INSERT, kinds.ACTION_REPLACE):
            continue
        name = spec.injection_names[int(action["row"])]
        where = f"{scenario.file}:{action['source_line']}"
        if action["kind"] == kinds.ACTION_LOOKUP:
            if name not in options.injection_indexes:
                raise UsageError(f"{where}: <lookup> needs an index of '{name}' (-infindex {name} COLUMN)")
        elif files.tables[name].n_virtual:
            raise UsageError(f"{where}: nothing can be inserted into or replaced in the PRINTF file '{name}'")


def make_engine(
    program: Program,
    options: Options,
    place: Place,
    files: InjectionFiles,
    ring: TraceRing,
    transport: RunTransport,
    trace_mask: int,
    *,
    side: Program | None = None,
    side_kind: str = "rx",
    twins: RunTwins | None = None,
) -> Engine:
    """The engine of a run over a transport; side: the program of a second scenario, of that kind.

    Raises UsageError or StartError where an option does not fit the program or the machine.
    """
    targets = place.targets.packed(place.local.family) if place.targets else []
    target = targets[0][0] if targets else None
    behaviors = 0
    for name in options.default_behaviors:
        behaviors |= _BEHAVIORS[name]
    transport_arguments = transport.engine_arguments(place.targets.first if place.targets else None)
    try:
        engine = Engine(
            program,
            side=side,
            side_kind=side_kind,
            **transport_arguments,
            twins=twins.settings if twins else None,
            remote=target,
            remotes=targets,
            reply_to=target if options.remote_sending_host else None,
            ring=ring,
            trace_mask=trace_mask,
            gso=options.gso,
            gro=options.gro,
            batch=options.batch,
            detect_retrans=options.retransmissions,
            t2_ms=options.t2_ms,
            max_invite_retrans=min(options.max_retrans, options.max_invite_retrans),
            max_non_invite_retrans=min(options.max_retrans, options.max_non_invite_retrans),
            behaviors=behaviors,
            lost_percent=options.lost_percent,
            base_cseq=options.base_cseq,
            run_steps=options.max_sched_loops,
            max_receive_batches=options.max_recv_loops,
            dead_wait_ms=options.deadcall_wait_ms,
            timer_resolution_ns=options.timer_resolution_ms * 1_000_000,
            files=files.for_program(program),
            auth_uri=_auth_uri(options, place.remote),
            n_users=options.n_users or 0,
            max_users=MAX_USERS,
            dynamic_id=(options.dynamic_start, options.dynamic_max, options.dynamic_step),
            tdm=options.tdm_map,
            auto_answer=options.auto_answer,
            loose_check=options.retransmission_check == "loose",
            ignore_in_pause=options.ignore_in_pause,
            keep_slashes=options.keep_call_id_slashes,
        )
    except MemoryError:
        raise StartError("not enough memory for the call table") from None
    except OSError as error:
        raise StartError(f"no digest authentication here: {error}") from None
    except ValueError as error:
        raise UsageError(f"-cid_str '{options.call_id_format[:40]}': {error}") from None
    _set_globals(engine, program, options)
    engine.set_max_calls(0 if options.max_calls is None else options.max_calls)
    return engine


def _set_globals(engine: Engine, program: Program, options: Options) -> None:
    for name, text in options.global_values.items():
        try:
            engine.set_global(name, os.fsencode(text))
        except KeyError:
            known = ", ".join(program.spec.global_variables) or "none"
            raise UsageError(f"-set {name}: the scenario has no such global variable; it declares: {known}") from None


def _auth_uri(options: Options, remote: RemoteAddress | None) -> bytes:
    """The uri of [authentication]: -auth_uri, or the remote address."""
    given = options.auth_uri
    if given is not None:
        return (given if given.startswith(("sip:", "sips:")) else f"sip:{given}").encode()
    return f"sip:{remote.ip}:{remote.port}".encode() if remote else b"sip:"


def _version() -> str:
    from sippx import __version__

    return __version__
