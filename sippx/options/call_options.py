"""What calls do: keywords, identities, behaviors, media."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sippx.option_types import (
    BEHAVIORS,
    BOOL,
    CALL_ID_TYPE,
    DEFAULT_BEHAVIORS,
    FLAG,
    FLOAT,
    INT32_MAX,
    INTEGER,
    KEYS,
    KEYS_OF_VARIABLES,
    PATHS,
    STRING,
    TDM_MAP,
    TIME_MAX_MS,
    TIME_MS,
    TIME_S,
)
from sippx.options.spec import BEHAVIOR, CALLS, CONTROL, MEDIA, PORT_MAX, option
from sippx.options.twin_options import TwinOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOptions(TwinOptions):
    """Options on the behavior of calls."""

    background: bool = option(
        "-bg", FLAG, False, group=BEHAVIOR,
        help="Run in the background: print 'Background mode - PID=[n]' and return at once with code 99.",
    )
    start_delay_ms: int = option(
        "-sleep", TIME_S, 0, group=BEHAVIOR, minimum=0, maximum=TIME_MAX_MS, default_text="none",
        help="Wait this long before sockets are opened. Default unit: seconds.",
    )
    read_stdin: bool = option(
        "-nostdin", FLAG, True, group=BEHAVIOR, flag_value=False,
        help="Do not read keys from standard input.",
    )
    quiet: bool = option(
        "--quiet", FLAG, False, group=CONTROL,
        help="Show no screens and no progress, neither while the test runs nor at its end. Only in sippx.",
    )
    plugins: tuple[str, ...] = option(
        "-plugin", PATHS, (), group=BEHAVIOR, default_text="none",
        help="Load a Python plugin, see docs/plugins.md. May be given several times.",
    )
    buffer_size_bytes: int | None = option(
        "-buff_size", INTEGER, None, group=BEHAVIOR, metavar="BYTES", minimum=1, maximum=INT32_MAX,
        default_text="the largest the kernel allows",
        help="Send and receive buffer of every signalling socket. (SIPp's default is 65536.)",
    )
    send_errors_are_fatal: bool = option(
        "-sendbuffer_warn", BOOL, False, group=BEHAVIOR, metavar="BOOL",
        help="SIPp: whether it goes on with a warning where a message cannot be sent. sippx always does.",
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
    call_id_type: str = option(
        "-cid_type", CALL_ID_TYPE, "default", group=CALLS,
        help="How the Call-IDs of the calls placed are made: default (by -cid_str), uuid, uuid-compact, random or "
        "timestamp.",
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
        "on an unexpected message), pingreply (200 to PING), and cseq, which is not in all (abort a call on an ACK "
        "whose CSeq number is not the INVITE's). A leading - switches one off: all,-bye.",
    )
    media_ip: str | None = option(
        "-mi", STRING, None, group=MEDIA, metavar="IP", default_text="the local address",
        help="[media_ip] of the scenario.",
    )
    media_port: int = option(
        "-mp", INTEGER, 6000, group=MEDIA, metavar="PORT", minimum=0, maximum=PORT_MAX,
        help="[media_port] of the scenario.",
    )
