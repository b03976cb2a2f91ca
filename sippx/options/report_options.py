"""What is said about a run: screens, remote control, files, results."""

from __future__ import annotations

from dataclasses import dataclass

from sippx.option_types import (
    BOOL,
    FLAG,
    INT32_MAX,
    INTEGER,
    STRING,
    STRINGS,
    TIME_MAX_MS,
    TIME_S,
)
from sippx.options.rate_options import RateOptions
from sippx.options.spec import CONTROL, PORT_MAX, RESULTS, TRACING, option


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportOptions(RateOptions):
    """Options on control, files and results."""

    control_ip: str | None = option(
        "-ci", STRING, None, group=CONTROL, metavar="IP", default_text="127.0.0.1",
        help="Address of the remote control socket. Who reaches it steers the test.",
    )
    control_port: int | None = option(
        "-cp", INTEGER, None, group=CONTROL, metavar="PORT", minimum=1, maximum=PORT_MAX,
        default_text="the first free one of 8888 to 8947",
        help="UDP port of the remote control socket. It takes keys and c commands, one a datagram.",
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
    periodic_rtd: bool = option(
        "-periodic_rtd", FLAG, False, group=TRACING,
        help="Begin the repartition tables of the statistics file anew with each line.",
    )
    rfc3339: bool = option(
        "-rfc3339", FLAG, False, group=TRACING,
        help="Write times in files as 2026-11-23T05:04:52.189430+01:00 (RFC 3339).",
    )
    trace_err: bool = option(
        "-trace_err", FLAG, False, group=TRACING,
        help="Write errors and unexpected messages to <scenario>_<pid>_errors.log.",
    )
    error_file: str | None = option(
        "-error_file", STRING, None, group=TRACING, metavar="FILE",
        help="Name of the file of -trace_err.",
    )
    error_overwrite: bool = option(
        "-error_overwrite", BOOL, True, group=TRACING,
        help="Whether -trace_err begins its file anew; false: it is appended to.",
    )
    trace_error_codes: bool = option(
        "-trace_error_codes", FLAG, False, group=TRACING,
        help="Write unexpected response codes to <scenario>_<pid>_error_codes.csv, every -fd.",
    )
    trace_logs: bool = option(
        "-trace_logs", FLAG, False, group=TRACING,
        help="Write what <log> actions say to <scenario>_<pid>_logs.log.",
    )
    log_file: str | None = option(
        "-log_file", STRING, None, group=TRACING, metavar="FILE",
        help="Name of the file of -trace_logs.",
    )
    log_overwrite: bool = option(
        "-log_overwrite", BOOL, True, group=TRACING,
        help="Whether -trace_logs begins its file anew; false: it is appended to.",
    )
    trace_msg: bool = option(
        "-trace_msg", FLAG, False, group=TRACING,
        help="Write every message sent and received to <scenario>_<pid>_messages.log.",
    )
    message_file: str | None = option(
        "-message_file", STRING, None, group=TRACING, metavar="FILE",
        help="Name of the file of -trace_msg.",
    )
    message_overwrite: bool = option(
        "-message_overwrite", BOOL, True, group=TRACING,
        help="Whether -trace_msg begins its file anew; false: it is appended to.",
    )
    trace_shortmsg: bool = option(
        "-trace_shortmsg", FLAG, False, group=TRACING,
        help="Write one line a message to <scenario>_<pid>_shortmessages.log.",
    )
    shortmessage_file: str | None = option(
        "-shortmessage_file", STRING, None, group=TRACING, metavar="FILE",
        help="Name of the file of -trace_shortmsg.",
    )
    shortmessage_overwrite: bool = option(
        "-shortmessage_overwrite", BOOL, True, group=TRACING,
        help="Whether -trace_shortmsg begins its file anew; false: it is appended to.",
    )
    trace_calldebug: bool = option(
        "-trace_calldebug", FLAG, False, group=TRACING,
        help="Write what aborted calls did to <scenario>_<pid>_calldebug.log.",
    )
    calldebug_file: str | None = option(
        "-calldebug_file", STRING, None, group=TRACING, metavar="FILE",
        help="Name of the file of -trace_calldebug.",
    )
    calldebug_overwrite: bool = option(
        "-calldebug_overwrite", BOOL, True, group=TRACING,
        help="Whether -trace_calldebug begins its file anew; false: it is appended to.",
    )
    trace_screen: bool = option(
        "-trace_screen", FLAG, False, group=TRACING,
        help="Write all screens, at the end and on SIGUSR2, to <scenario>_<pid>_screen.log.",
    )
    screen_file: str | None = option(
        "-screen_file", STRING, None, group=TRACING, metavar="FILE",
        help="Name of the file of -trace_screen.",
    )
    screen_overwrite: bool = option(
        "-screen_overwrite", BOOL, True, group=TRACING,
        help="Whether -trace_screen begins its file anew; false: it is appended to.",
    )
    trace_counts: bool = option(
        "-trace_counts", FLAG, False, group=TRACING,
        help="Write the counters of each message to <scenario>_<pid>_counts.csv, every -fd.",
    )
    trace_rtt: bool = option(
        "-trace_rtt", FLAG, False, group=TRACING,
        help="Write each response time to <scenario>_<pid>_rtt.csv.",
    )
    rtt_frequency: int = option(
        "-rtt_freq", INTEGER, 200, group=TRACING, minimum=1, maximum=INT32_MAX,
        help="Response times from one write to the file of -trace_rtt to the next.",
    )
    max_log_size_bytes: int = option(
        "-max_log_size", INTEGER, 0, group=TRACING, metavar="BYTES", minimum=0, maximum=2**63 - 1,
        default_text="no limit",
        help="Close a log for good when it has more bytes.",
    )
    ringbuffer_size_bytes: int = option(
        "-ringbuffer_size", INTEGER, 0, group=TRACING, metavar="BYTES", minimum=0, maximum=2**63 - 1,
        default_text="no limit",
        help="Begin a new log file when one has more bytes.",
    )
    ringbuffer_files: int = option(
        "-ringbuffer_files", INTEGER, 0, group=TRACING, minimum=0, maximum=INT32_MAX,
        help="How many full log files of -ringbuffer_size are kept, besides the one being written.",
    )
    thresholds: tuple[str, ...] = option(
        "--threshold", STRINGS, (), group=RESULTS, metavar="CONDITION", default_text="none",
        help="What must hold at the end, such as 'failed<0.1%', 'rtd1.p99<50ms' or 'rate>=0.99'; otherwise the exit "
        "code is 98. With 'abort' behind it the test ends as soon as it does not hold. See docs/results.md. May be "
        "given several times. Only in sippx.",
    )
    json_file: str | None = option(
        "--json", STRING, None, group=RESULTS, metavar="FILE", default_text="none",
        help="Write the results as JSON; - is standard output. Only in sippx.",
    )
    junit_file: str | None = option(
        "--junit", STRING, None, group=RESULTS, metavar="FILE", default_text="none",
        help="Write the verdict as JUnit XML. Only in sippx.",
    )
    html_file: str | None = option(
        "--html", STRING, None, group=RESULTS, metavar="FILE", default_text="none",
        help="Write a page with charts that opens without a network. Only in sippx.",
    )
