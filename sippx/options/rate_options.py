"""How many calls and when: rates, limits, timeouts, the event loop."""

from __future__ import annotations

from dataclasses import dataclass

from sippx.option_types import (
    FLAG,
    FLOAT,
    INT32_MAX,
    INTEGER,
    RETRANSMISSION_CHECK,
    STRING,
    TIME_MAX_MS,
    TIME_MS,
    TIME_S,
)
from sippx.options.call_options import CallOptions
from sippx.options.spec import PERFORMANCE, RATE, RATE_MAX, TIMEOUTS, option


@dataclass(frozen=True, slots=True, kw_only=True)
class RateOptions(CallOptions):
    """Options on rate, limits, timeouts and the event loop."""

    rate: float = option(
        "-r", FLOAT, 10.0, group=RATE, metavar="RATE", minimum=0, maximum=RATE_MAX,
        help="Calls to start per rate period. The keys + - * / change it by 1 and 10 while sippx runs.",
    )
    rate_period_ms: int = option(
        "-rp", TIME_MS, 1000, group=RATE, minimum=1, maximum=INT32_MAX,
        help="Rate period: -r 7 -rp 2s starts 7 calls every 2 seconds. Default unit: milliseconds.",
    )
    rate_scale: float = option(
        "-rate_scale", FLOAT, 1.0, group=RATE, minimum=0, maximum=RATE_MAX,
        help="What the keys + - * / change the rate by is multiplied by this.",
    )
    rate_increase: float = option(
        "-rate_increase", FLOAT, 0.0, group=RATE, minimum=-RATE_MAX, maximum=RATE_MAX,
        help="What the rate grows by every -rate_interval.",
    )
    rate_max: float = option(
        "-rate_max", FLOAT, 0.0, group=RATE, minimum=0, maximum=RATE_MAX, default_text="none",
        help="Highest rate that -rate_increase reaches; the test then ends when its open calls have ended, but for "
        "-no_rate_quit.",
    )
    rate_interval_ms: int | None = option(
        "-rate_interval", TIME_S, None, group=RATE, minimum=1, maximum=TIME_MAX_MS, default_text="the time of -fd",
        help="Time between two increases of the rate. Default unit: seconds.",
    )
    rate_quit: bool = option(
        "-no_rate_quit", FLAG, True, group=RATE, flag_value=False,
        help="Go on at -rate_max.",
    )
    stages: str | None = option(
        "--stages", STRING, None, group=RATE, metavar="STAGES", default_text="none",
        help="Rates over time, [START:]TIME:RATE,TIME:RATE,...: in each TIME the rate goes in a straight line to "
        "RATE; the test ends behind the last. 0:30s:1000,5m:1000,30s:0 climbs for 30 s, stays for 5 minutes "
        "and comes down. Only in sippx.",
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
    send_timeout_ms: int = option(
        "-send_timeout", TIME_MS, 0, group=TIMEOUTS, minimum=0, maximum=INT32_MAX, default_text="none",
        needs="connections",
        help="How long a <send> without a timeout of its own waits where the connection is congested. Default unit: "
        "milliseconds. Without effect over UDP.",
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
        "--no-gso", FLAG, True, group=PERFORMANCE, flag_value=False, needs="datagrams",
        help="Do not send with UDP generic segmentation offload (UDP_SEGMENT). Only in sippx.",
    )
    gro: bool = option(
        "--no-gro", FLAG, True, group=PERFORMANCE, flag_value=False, needs="datagrams",
        help="Do not receive with UDP generic receive offload (UDP_GRO). Only in sippx.",
    )
    batch: bool = option(
        "--no-batch", FLAG, True, group=PERFORMANCE, flag_value=False, needs="datagrams",
        help="One system call a datagram (sendmsg, recvmsg) instead of sendmmsg and recvmmsg. Only in sippx.",
    )
    cpu: int | None = option(
        "--cpu", INTEGER, None, group=PERFORMANCE, minimum=0, maximum=4095, default_text="any",
        help="Run on this CPU only. Only in sippx.",
    )
    watchdog_interval_ms: int = option(
        "-watchdog_interval", TIME_MS, 400, group=PERFORMANCE, minimum=0, maximum=INT32_MAX,
        help="Accepted, as the other watchdog options are: sippx says when it is the bottleneck, and is never ended "
        "by it.",
    )
    watchdog_reset_ms: int = option(
        "-watchdog_reset", TIME_MS, 600_000, group=PERFORMANCE, minimum=0, maximum=INT32_MAX,
        help="Accepted, without effect: see -watchdog_interval.",
    )
    watchdog_minor_threshold_ms: int = option(
        "-watchdog_minor_threshold", TIME_MS, 500, group=PERFORMANCE, minimum=0, maximum=INT32_MAX,
        help="Accepted, without effect: see -watchdog_interval.",
    )
    watchdog_minor_max_triggers: int = option(
        "-watchdog_minor_maxtriggers", INTEGER, 120, group=PERFORMANCE, minimum=-1, maximum=INT32_MAX,
        help="Accepted, without effect: see -watchdog_interval.",
    )
    watchdog_major_threshold_ms: int = option(
        "-watchdog_major_threshold", TIME_MS, 3000, group=PERFORMANCE, minimum=0, maximum=INT32_MAX,
        help="Accepted, without effect: see -watchdog_interval.",
    )
    watchdog_major_max_triggers: int = option(
        "-watchdog_major_maxtriggers", INTEGER, 10, group=PERFORMANCE, minimum=-1, maximum=INT32_MAX,
        help="Accepted, without effect: see -watchdog_interval.",
    )
