"""The options of a run: one declarative table, from which parsing, checks, help and documentation derive.

Each field of `Options` carries the command-line option that sets it as metadata (`OptionSpec`); OTHER_OPTIONS
are those that set no field, UNSUPPORTED_OPTIONS the rest of SIPp's, which are known by name and refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from sippx.errors import UsageError
from sippx.option_types import (
    BEHAVIORS,
    BOOL,
    DEFAULT_BEHAVIORS,
    FLAG,
    FLOAT,
    INDEXES,
    INT32_MAX,
    INTEGER,
    KEYS,
    KEYS_OF_VARIABLES,
    PATHS,
    RETRANSMISSION_CHECK,
    STRING,
    TDM_MAP,
    TIME_MAX_MS,
    TIME_MS,
    TIME_S,
    TRANSPORT,
    ValueType,
)

Action = Literal["set", "help", "version", "dump", "ignore", "expand"]


@dataclass(frozen=True, slots=True)
class OptionSpec:
    """One command-line option.

    flags: the names, each with its dashes as the help shows it; any may be typed with one dash or two.
    field: name of the `Options` field it sets, "" for none. flag_value: what a flag stores.
    minimum, maximum: allowed values, both included. default_text: what the help says when `default` does not.
    once: a second one on the command line is an error; of other options the last one counts.
    action: set a field, print help, version or a built-in scenario, ignore (accepted, without effect), or
    expand (stands for the words of `expansion`).
    """

    flags: tuple[str, ...]
    type: ValueType
    group: str
    help: str
    field: str = ""
    default: Any = None
    default_text: str = ""
    metavar: str = ""
    minimum: float | None = None
    maximum: float | None = None
    flag_value: bool = True
    once: bool = False
    action: Action = "set"
    expansion: tuple[str, ...] = ()

    @property
    def is_positional(self) -> bool:
        """True for the remote host, which has no dash."""
        return not self.flags[0].startswith("-")

    @property
    def names(self) -> tuple[str, ...]:
        """The flags without their dashes."""
        return tuple(flag.lstrip("-") for flag in self.flags)

    @property
    def argument(self) -> str:
        """What stands for the argument in help and messages, "" for a flag."""
        return self.metavar or self.type.metavar

    def describe_default(self) -> str:
        """The default as a user would write it, "" when there is nothing to say."""
        if self.default_text or self.type is FLAG or self.default in (None, {}):
            return self.default_text
        if self.type is TIME_S and self.default % 1000 == 0:
            return f"{self.default // 1000}s"
        if isinstance(self.default, (int, float)):
            return f"{self.default:g}{self.type.unit}"
        return str(self.default)

    def describe_range(self) -> str:
        """The allowed values in words."""
        unit = " ms" if self.type.unit else ""
        if self.minimum is None and self.maximum is None:
            return self.type.description
        if self.maximum is None:
            return f"{self.minimum}{unit} or more"
        return f"{self.minimum} to {self.maximum}{unit}"

    def checked(self, value: Any) -> Any:
        """`value` as the field stores it; UsageError when it is not allowed."""
        if value is None and self.default is None:
            return None
        name = f"{self.field} ({self.flags[0]})"
        try:
            value = self.type.check(value)
        except (TypeError, OverflowError):
            raise UsageError(f"{name}: {value!r} is not {self.type.description}") from None
        except ValueError as error:
            raise UsageError(f"{name}: {value!r} {error}") from None
        too_small = self.minimum is not None and not value >= self.minimum
        too_large = self.maximum is not None and not value <= self.maximum
        if too_small or too_large:
            raise UsageError(f"{name}: {value} is not allowed, use {self.describe_range()}")
        return value


def option(flag: str, type: ValueType, default: Any, **more: Any) -> Any:
    """A dataclass field with its command-line option; `more` are further fields of OptionSpec."""
    spec = OptionSpec(flags=(flag,), type=type, default=default, **more)
    metadata = {"option": spec}
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), metadata=metadata, hash=False)
    return field(default=default, metadata=metadata)


SCENARIO = "Scenario"
ADDRESSES = "Addresses and transport"
BEHAVIOR = "Overall behavior"
CALLS = "Call behavior"
INJECTION = "Injection file"
MEDIA = "Media"
RATE = "Call rate"
TIMEOUTS = "Retransmission and timeouts"
PERFORMANCE = "Performance"
TRACING = "Tracing and statistics"
INFORMATION = "Information"

DEFAULT_SCENARIO = "uac"
PORT_MAX = 65535
RATE_MAX = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Everything a run can be told; a value that is not allowed raises UsageError, which says what is.

    Times are integers in milliseconds. Every field has the command line's default.
    """

    remote_host: str | None = option(
        "REMOTE_HOST[:PORT]", STRING, None, group=SCENARIO, once=True,
        help="Where a client sends its calls: a name, an IPv4 or an IPv6 address, the last in brackets when "
        "a port follows ([::1]:5060). The port is 5060 if not given. A server needs none.",
    )
    scenario_file: str | None = option(
        "-sf", STRING, None, group=SCENARIO, metavar="FILE", once=True,
        help="Run the scenario of this XML file. See -sd for examples.",
    )
    scenario_name: str | None = option(
        "-sn", STRING, None, group=SCENARIO, metavar="NAME", once=True, default_text=DEFAULT_SCENARIO,
        help="Run a built-in scenario: uac (places calls) or uas (answers them).",
    )

    local_ip: str | None = option(
        "-i", STRING, None, group=ADDRESSES, metavar="IP",
        default_text="the address from which the remote host is reached",
        help="Local address: [local_ip] of the scenario, and the address that sockets are bound to. Without "
        "-i sockets are bound to all addresses. Selects IPv4 or IPv6 for a remote host that has both.",
    )
    local_port: int = option(
        "-p", INTEGER, 0, group=ADDRESSES, metavar="PORT", minimum=0, maximum=PORT_MAX,
        default_text="the first free one of 5060 to 5119, or any",
        help="Local port. A port that is given and not free ends sippx with code 254.",
    )
    transport: str = option(
        "-t", TRANSPORT, "u1", group=ADDRESSES,
        help="Transport mode. This version has u1: UDP, one socket.",
    )

    background: bool = option(
        "-bg", FLAG, False, group=BEHAVIOR,
        help="Run in the background: print 'Background mode - PID=[n]' and return at once with code 99.",
    )
    read_stdin: bool = option(
        "-nostdin", FLAG, True, group=BEHAVIOR, flag_value=False,
        help="Do not read keys from standard input.",
    )
    buffer_size_bytes: int | None = option(
        "-buff_size", INTEGER, None, group=BEHAVIOR, metavar="BYTES", minimum=1, maximum=INT32_MAX,
        default_text="the largest the kernel allows",
        help="Send and receive buffer of every signalling socket. (SIPp's default is 65536.)",
    )
    lost_percent: float = option(
        "-lost", FLOAT, 0.0, group=BEHAVIOR, metavar="PERCENT", minimum=0, maximum=100,
        help="Messages to drop on purpose, sent and received ones, unless the scenario says otherwise.",
    )
    keys: Mapping[str, str] = option(
        "-key", KEYS, {}, group=BEHAVIOR,
        help="Replace [KEYWORD] in the scenario by VALUE. May be given several times.",
    )

    global_values: Mapping[str, str] = option(
        "-set", KEYS_OF_VARIABLES, {}, group=BEHAVIOR,
        help="Give the scenario's global variable VARIABLE this text before the first call. May be given several "
        "times.",
    )
    tdm_map: tuple[int, ...] | None = option(
        "-tdmmap", TDM_MAP, None, group=BEHAVIOR, default_text="none",
        help="Circuits of [tdmmap]: {a-b}{c}{d-e}{f-g}. Each call takes a free one.",
    )
    dynamic_start: int = option(
        "-dynamicStart", INTEGER, 10_000, group=BEHAVIOR, minimum=0, maximum=INT32_MAX,
        help="First value of [dynamic_id].",
    )
    dynamic_max: int = option(
        "-dynamicMax", INTEGER, 12_000, group=BEHAVIOR, minimum=0, maximum=INT32_MAX,
        help="Value of [dynamic_id] after which it starts again.",
    )
    dynamic_step: int = option(
        "-dynamicStep", INTEGER, 4, group=BEHAVIOR, minimum=0, maximum=INT32_MAX,
        help="What [dynamic_id] grows by with each use.",
    )

    injection_files: tuple[str, ...] = option(
        "-inf", PATHS, (), group=INJECTION, default_text="none",
        help="Take the values of [fieldN] from this file. The first line says SEQUENTIAL, RANDOM or USER, the "
        "others have fields separated by ';'. May be given several times.",
    )
    injection_indexes: Mapping[str, int] = option(
        "-infindex", INDEXES, {}, group=INJECTION,
        help="Index an injection file by one of its columns, counted from 0, for the action <lookup>.",
    )

    auto_answer: bool = option(
        "-aa", FLAG, False, group=CALLS,
        help="Answer INFO, NOTIFY, OPTIONS and UPDATE that the scenario does not expect with 200.",
    )
    ignore_in_pause: bool = option(
        "-pause_msg_ign", FLAG, False, group=CALLS,
        help="Ignore messages that a call receives while it pauses.",
    )
    keep_call_id_slashes: bool = option(
        "-callid_slash_ign", FLAG, False, group=CALLS,
        help="Do not take 'prefix///' off the Call-IDs received.",
    )
    auth_username: str | None = option(
        "-au", STRING, None, group=CALLS, metavar="USER", default_text="the value of -s",
        help="User name of [authentication] where it names none.",
    )
    auth_password: str = option(
        "-ap", STRING, "password", group=CALLS, metavar="PASSWORD",
        help="Password of [authentication] where it names none.",
    )
    auth_uri: str | None = option(
        "-auth_uri", STRING, None, group=CALLS, metavar="URI", default_text="remote address and port",
        help="What follows 'sip:' in the uri of [authentication].",
    )
    base_cseq: int = option(
        "-base_cseq", INTEGER, 1, group=CALLS, minimum=0, maximum=INT32_MAX,
        help="First value of [cseq] in a call.",
    )
    call_id_format: str = option(
        "-cid_str", STRING, "%u-%p@%s", group=CALLS, metavar="FORMAT",
        help="Call-ID of the calls placed: %u call number, %p process id, %s local IP address, %r a random "
        "number, %% a percent sign.",
    )
    pause_ms: int = option(
        "-d", TIME_MS, 0, group=CALLS, minimum=0, maximum=INT32_MAX,
        help="Length of each <pause/> that has none of its own: how long the built-in uac holds a call. "
        "Default unit: milliseconds.",
    )
    deadcall_wait_ms: int = option(
        "-deadcall_wait", TIME_MS, 33_000, group=CALLS, minimum=0, maximum=INT32_MAX,
        help="How long the Call-ID of an ended call is remembered, so that late messages are told from "
        "strange ones; 0 switches this off. Default unit: milliseconds.",
    )
    service: str = option(
        "-s", STRING, "service", group=CALLS, metavar="USER",
        help="[service] of the scenario: the user part of the request URI.",
    )
    default_behaviors: frozenset[str] = option(
        "-default_behaviors", BEHAVIORS, frozenset(DEFAULT_BEHAVIORS), group=CALLS, default_text="all",
        help="What is done beyond the scenario, a comma separated list read from left to right: all, none, "
        "bye (BYE or CANCEL for aborted calls, 200 to an unexpected BYE or CANCEL), abortunexp (abort a call "
        "on an unexpected message), pingreply (200 to PING). A leading - switches one off: all,-bye.",
    )

    media_ip: str | None = option(
        "-mi", STRING, None, group=MEDIA, metavar="IP", default_text="the local address",
        help="[media_ip] of the scenario.",
    )
    media_port: int = option(
        "-mp", INTEGER, 6000, group=MEDIA, metavar="PORT", minimum=0, maximum=PORT_MAX,
        help="[media_port] of the scenario.",
    )

    rate: float = option(
        "-r", FLOAT, 10.0, group=RATE, metavar="RATE", minimum=0, maximum=RATE_MAX,
        help="Calls to start per rate period. The keys + - * / change it by 1 and 10 while sippx runs.",
    )
    rate_period_ms: int = option(
        "-rp", TIME_MS, 1000, group=RATE, minimum=1, maximum=INT32_MAX,
        help="Rate period: -r 7 -rp 2s starts 7 calls every 2 seconds. Default unit: milliseconds.",
    )
    n_users: int | None = option(
        "-users", INTEGER, None, group=RATE, minimum=1, maximum=1_000_000, default_text="calls by rate",
        help="Instead of a rate: this many users, each of which starts its next call when its last one has ended.",
    )
    max_calls: int | None = option(
        "-m", INTEGER, None, group=RATE, minimum=0, maximum=2**63 - 1, default_text="no end",
        help="Stop after this number of calls, and exit when the last of them has ended.",
    )
    max_open_calls: int | None = option(
        "-l", INTEGER, None, group=RATE, minimum=0, maximum=INT32_MAX,
        default_text="3 x call length x rate, at least 1",
        help="Most calls open at the same time; calls beyond are not started, but counted. 0: no limit.",
    )

    recv_timeout_ms: int = option(
        "-recv_timeout", TIME_MS, 0, group=TIMEOUTS, minimum=0, maximum=INT32_MAX, default_text="none",
        help="How long a <recv> without a timeout of its own waits before the call is aborted. Default unit: "
        "milliseconds.",
    )
    timeout_ms: int = option(
        "-timeout", TIME_S, 0, group=TIMEOUTS, minimum=0, maximum=TIME_MAX_MS, default_text="none",
        help="End the run after this time. Default unit: seconds.",
    )
    timeout_error: bool = option(
        "-timeout_error", FLAG, False, group=TIMEOUTS,
        help="Reaching -timeout is an error: exit with code 255.",
    )
    max_retrans: int = option(
        "-max_retrans", INTEGER, 9, group=TIMEOUTS, minimum=0, maximum=INT32_MAX,
        help="Retransmissions of a message before its call is aborted; the two options below apply as well.",
    )
    max_invite_retrans: int = option(
        "-max_invite_retrans", INTEGER, 5, group=TIMEOUTS, minimum=0, maximum=INT32_MAX,
        help="The same for an INVITE.",
    )
    max_non_invite_retrans: int = option(
        "-max_non_invite_retrans", INTEGER, 9, group=TIMEOUTS, minimum=0, maximum=INT32_MAX,
        help="The same for every other message.",
    )
    retransmissions: bool = option(
        "-nr", FLAG, True, group=TIMEOUTS, flag_value=False,
        help="Neither retransmit nor detect the peer's retransmissions.",
    )
    retransmission_check: str = option(
        "-rtcheck", RETRANSMISSION_CHECK, "full", group=TIMEOUTS,
        help="What makes a received message a retransmission: full, every byte is the same; loose, its To, From, "
        "Call-ID and CSeq are (of a response the first line and the body, too).",
    )
    t2_ms: int = option(
        "-T2", TIME_MS, 4000, group=TIMEOUTS, minimum=1, maximum=INT32_MAX,
        help="Timer T2 of RFC 3261: longest interval between retransmissions other than an INVITE's. Default "
        "unit: milliseconds.",
    )

    timer_resolution_ms: int = option(
        "-timer_resol", TIME_MS, 1, group=PERFORMANCE, minimum=0, maximum=10_000,
        help="Shortest interval between two looks at the timers. Default unit: milliseconds.",
    )
    max_recv_loops: int = option(
        "-max_recv_loops", INTEGER, 1000, group=PERFORMANCE, minimum=1, maximum=INT32_MAX,
        help="Most messages received in one turn of the event loop.",
    )
    max_sched_loops: int = option(
        "-max_sched_loops", INTEGER, 1000, group=PERFORMANCE, minimum=1, maximum=INT32_MAX,
        help="Most calls started or woken in one turn of the event loop.",
    )
    gso: bool = option(
        "--no-gso", FLAG, True, group=PERFORMANCE, flag_value=False,
        help="Do not send with UDP generic segmentation offload (UDP_SEGMENT). Only in sippx.",
    )
    gro: bool = option(
        "--no-gro", FLAG, True, group=PERFORMANCE, flag_value=False,
        help="Do not receive with UDP generic receive offload (UDP_GRO). Only in sippx.",
    )
    batch: bool = option(
        "--no-batch", FLAG, True, group=PERFORMANCE, flag_value=False,
        help="One system call a datagram (sendmsg, recvmsg) instead of sendmmsg and recvmmsg. Only in sippx.",
    )
    cpu: int | None = option(
        "--cpu", INTEGER, None, group=PERFORMANCE, minimum=0, maximum=4095, default_text="any",
        help="Run on this CPU only. Only in sippx.",
    )

    screen_period_ms: int = option(
        "-f", TIME_S, 1000, group=TRACING, minimum=0, maximum=TIME_MAX_MS,
        help="Time between two refreshes of the screen; 0: never. Default unit: seconds.",
    )
    stat_period_ms: int = option(
        "-fd", TIME_S, 60_000, group=TRACING, minimum=0, maximum=TIME_MAX_MS,
        help="Time between two lines of the statistics file; 0: only at the end. Default unit: seconds.",
    )
    trace_stat: bool = option(
        "-trace_stat", FLAG, False, group=TRACING,
        help="Write statistics to <scenario>_<pid>_.csv.",
    )
    stat_file: str | None = option(
        "-stf", STRING, None, group=TRACING, metavar="FILE",
        help="Name of the file of -trace_stat.",
    )
    stat_delimiter: str = option(
        "-stat_delimiter", STRING, ";", group=TRACING,
        help="What separates the columns of the statistics file.",
    )
    trace_err: bool = option(
        "-trace_err", FLAG, False, group=TRACING,
        help="Write errors and unexpected messages to <scenario>_<pid>_errors.log.",
    )
    error_file: str | None = option(
        "-error_file", STRING, None, group=TRACING, metavar="FILE",
        help="Name of the file of -trace_err.",
    )
    trace_logs: bool = option(
        "-trace_logs", FLAG, False, group=TRACING,
        help="Write what <log> actions say to <scenario>_<pid>_logs.log.",
    )
    log_file: str | None = option(
        "-log_file", STRING, None, group=TRACING, metavar="FILE",
        help="Name of the file of -trace_logs.",
    )
    trace_msg: bool = option(
        "-trace_msg", FLAG, False, group=TRACING,
        help="Write every message sent and received to <scenario>_<pid>_messages.log.",
    )
    message_file: str | None = option(
        "-message_file", STRING, None, group=TRACING, metavar="FILE",
        help="Name of the file of -trace_msg.",
    )

    def __post_init__(self) -> None:
        for spec in FIELD_OPTIONS:
            object.__setattr__(self, spec.field, spec.checked(getattr(self, spec.field)))
        if self.scenario_file is not None and self.scenario_name is not None:
            raise UsageError("scenario_file (-sf) and scenario_name (-sn): only one scenario is allowed")
        for name in self.injection_indexes:
            if name not in self.injection_names:
                raise UsageError(f"injection_indexes (-infindex): there is no injection file (-inf) '{name}'")

    @property
    def injection_names(self) -> tuple[str, ...]:
        """What [fieldN file="..."] calls the injection files: their names without folders, each once."""
        return tuple(dict.fromkeys(re.split(r"[/\\\\]", path)[-1] for path in self.injection_files))


def injection_name(path: str) -> str:
    """What a scenario calls an injection file: the name without folders."""
    return re.split(r"[/\\]", path)[-1]


FIELD_OPTIONS: tuple[OptionSpec, ...] = tuple(
    replace(item.metadata["option"], field=item.name) for item in fields(Options)
)
"""The options that set a field, in the order of the help."""

_NO_STREAMS = "Accepted and without effect: it concerns other transports than u1."

OTHER_OPTIONS: tuple[OptionSpec, ...] = (
    OptionSpec(
        ("-sd",), STRING, SCENARIO, "Print the XML of a built-in scenario and exit with code 99.",
        metavar="NAME", action="dump",
    ),
    OptionSpec(
        ("-nd",), FLAG, CALLS, "The same as -default_behaviors none.",
        action="expand", expansion=("-default_behaviors", "none"),
    ),
    OptionSpec(("-max_socket",), INTEGER, ADDRESSES, _NO_STREAMS, action="ignore"),
    OptionSpec(("-max_reconnect",), INTEGER, ADDRESSES, _NO_STREAMS, action="ignore"),
    OptionSpec(("-reconnect_close",), BOOL, ADDRESSES, _NO_STREAMS, action="ignore"),
    OptionSpec(("-reconnect_sleep",), TIME_MS, ADDRESSES, _NO_STREAMS, action="ignore"),
    OptionSpec(("-skip_rlimit",), FLAG, BEHAVIOR, _NO_STREAMS, action="ignore"),
    OptionSpec(("-h", "-help"), FLAG, INFORMATION, "Print this text and exit with code 99.", action="help"),
    OptionSpec(("-v",), FLAG, INFORMATION, "Print the version and exit with code 99.", action="version"),
)
"""The options that set no field."""

ALL_OPTIONS: tuple[OptionSpec, ...] = tuple(
    sorted(
        FIELD_OPTIONS + OTHER_OPTIONS,
        key=lambda spec: (
            SCENARIO, ADDRESSES, BEHAVIOR, CALLS, INJECTION, MEDIA, RATE, TIMEOUTS, PERFORMANCE, TRACING, INFORMATION,
        ).index(spec.group),
    )
)  # fmt: skip
"""Every option, group by group."""

_UNSUPPORTED = """
    -3pcc -assocmaxret -audiotolerance -bind_local -bind_to_device -calldebug_file -calldebug_overwrite
    -ci -cid_type -cp -error_overwrite -gracefulclose -heartbeat -ip_field -log_overwrite
    -master -max_log_size -max_rtp_port -mb -message_overwrite -min_rtp_port -multihome -no_rate_quit
    -oocsf -oocsn -pathmaxret -periodic_rtd -plugin -pmtu -random_base_ssrc -rate_increase
    -rate_interval -rate_max -rate_scale -rfc3339 -ringbuffer_files -ringbuffer_size -rsa
    -rtp_buffsize -rtp_echo -rtp_payload -rtp_threadtasks -rtpcheck_debug -rtt_freq -rxinf -rxrn -rxsf
    -screen_file -screen_overwrite -send_timeout -sendbuffer_warn -shortmessage_file
    -shortmessage_overwrite -slave -slave_cfg -sleep -srtpcheck_debug -tls_ca -tls_cert -tls_crl -tls_key
    -tls_version -trace_calldebug -trace_counts -trace_error_codes -trace_rtt -trace_screen -trace_shortmsg
    -trace_timeout -videotolerance -watchdog_interval -watchdog_major_maxtriggers -watchdog_major_threshold
    -watchdog_minor_maxtriggers -watchdog_minor_threshold -watchdog_reset
"""

UNSUPPORTED_OPTIONS: tuple[str, ...] = tuple(_UNSUPPORTED.split())
"""SIPp's options that are known by name and refused."""

_BY_NAME: dict[str, OptionSpec] = {
    name: spec for spec in ALL_OPTIONS if not spec.is_positional for name in spec.names
}


def find_option(word: str) -> OptionSpec:
    """The option that a command-line word with one or two leading dashes names.

    Raises UsageError for an option of SIPp that is not built, and for an unknown one (with the nearest name).
    """
    name = word[2:] if word.startswith("--") else word[1:]
    spec = _BY_NAME.get(name)
    if spec is not None:
        return spec
    if f"-{name}" in UNSUPPORTED_OPTIONS:
        raise UsageError(f"-{name} is a SIPp option that this version of sippx does not support yet")
    head, equals, _ = name.partition("=")
    if equals and head in _BY_NAME:
        raise UsageError(f"unknown option '{word}'; the value must be a word of its own, behind '-{head}'")
    raise UsageError(f"unknown option '{word}'; {_nearest_option(name)}")


def _nearest_option(name: str) -> str:
    import difflib  # only needed on the way out

    flags = [flag for spec in ALL_OPTIONS if not spec.is_positional for flag in spec.flags]
    nearest = max(
        (*flags, *UNSUPPORTED_OPTIONS),  # max takes the first of equals: one that is built
        key=lambda flag: difflib.SequenceMatcher(None, name, flag.lstrip("-")).ratio(),
    )
    return f"the nearest known one is {nearest} ('sippx -h' lists all)"
