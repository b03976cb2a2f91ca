"""--html: the result of a run as one page that needs nothing else: verdict, charts, ladder, tables, options."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from importlib.resources import files
from itertools import chain
from typing import Any

from sippx.report.flow import FlowStep
from sippx.report.jsonfile import document, iso_time
from sippx.report.metrics import COUNTERS
from sippx.report.outcome import OptionValue, Outcome
from sippx.report.snapshot import Histogram
from sippx.report.stamps import clock_text, ms_text
from sippx.report.watchdog import KINDS

_PERCENTS = ((50.0, "p50"), (90.0, "p90"), (95.0, "p95"), (99.0, "p99"), (99.9, "p99.9"), (100.0, "max"))
_PATH_SEPARATOR = "\x1f"

_POINT_COLUMNS = (
    ("time s", ("time_s",)),
    ("asked for /s", ("target_rate",)),
    ("opened /s", ("rate",)),
    ("open", ("open_calls",)),
    ("successful", ("successful",)),
    ("failed", ("failed",)),
    ("retransmissions", ("retransmissions",)),
    ("sent", ("messages_sent",)),
    ("received", ("messages_received",)),
    ("late starts", ("late_starts",)),
    ("held starts", ("held_starts",)),
    ("socket drops", ("socket_drops",)),
    ("CPU %", ("cpu_percent",)),
    ("lag p99 ms", ("schedule_lag", "p99_ms")),
    ("call length p99 ms", ("call_length", "p99_ms")),
)


def page_text(outcome: Outcome) -> str:
    """The page."""
    data = document(outcome)
    # the page has no use for the buckets
    for name in ("response_times", "call_length", "schedule_lag", "connect_time"):
        for part in data[name].values() if name == "response_times" else (data[name],):
            del part["buckets_ms"]
    parts = {name: _part(file) for name, file in (
        ("chart_style", "uPlot.min.css"), ("style", "page.css"),
        ("chart_script", "uPlot.iife.min.js"), ("script", "page.js"),
    )}  # fmt: skip
    parts |= {
        "policy": _policy(parts),
        "generator": _text(f"sippx {outcome.version}"),
        "title": _text(f"{_verdict(outcome)}: {outcome.scenario_name} - sippx"),
        "body": "\n".join(chain.from_iterable(section(outcome) for section in _SECTIONS)),
        "data": _embedded(data),
    }
    return re.sub(r"@(\w+)@", lambda match: parts[match[1]], _part("page.html"))


def _part(name: str) -> str:
    return (files("sippx.report") / "web" / name).read_text("utf-8").strip()


def _policy(parts: dict[str, str]) -> str:
    """Nothing may be loaded; only the scripts and styles written into the page count."""
    def hashes(*names: str) -> str:
        digests = (hashlib.sha256(parts[name].encode()).digest() for name in names)
        return " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)

    return (f"default-src 'none'; script-src {hashes('chart_script', 'script')}; "
            f"style-src {hashes('chart_style', 'style')}; base-uri 'none'; form-action 'none'")


def _embedded(data: dict[str, Any]) -> str:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    text = text.encode("utf-8", "backslashreplace").decode()
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


# ---- pieces of HTML ----------------------------------------------------------------------------------


class _Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def _text(value: object) -> str:
    return value if isinstance(value, _Html) else escape(str(value).encode("utf-8", "backslashreplace").decode())


def _cell(value: object, tag: str = "td") -> str:
    """A cell; numbers stand at the right, zeros in grey."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f'<{tag} class="wrap">{_text(value)}</{tag}>'
    return f'<{tag} class="num{" zero" if not value else ""}">{_number(value)}</{tag}>'


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3f}"


def _table(caption: str, headings: Sequence[str], rows: Iterable[Sequence[object]], *, n_text: int = 1) -> str:
    """A table whose first column names the row; headings from `n_text` on stand above numbers."""
    head = "".join(f'<th scope="col"{"" if i < n_text else _NUM}>{_text(name)}</th>' for i, name in enumerate(headings))
    body = "".join(
        f'<tr><th scope="row" class="wrap">{_text(row[0])}</th>{"".join(map(_cell, row[1:]))}</tr>\n' for row in rows
    )
    title = f"<caption>{_text(caption)}</caption>" if caption else ""
    return f'<div class="panel"><table>{title}<thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>'


_NUM = ' class="num"'
_NONE = "\u2013"


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.4g} %" if whole else _NONE


# ---- the sections, from top to bottom ----------------------------------------------------------------


def _verdict(outcome: Outcome) -> str:
    return "passed" if outcome.has_passed else "failed"


def _head(outcome: Outcome) -> Iterator[str]:
    total, info = outcome.total, outcome.info
    role = "client" if info.client else "server"
    where = f" to {info.remote_ip}:{info.remote_port}" if info.client and info.remote_ip else ""
    verdict = _verdict(outcome)
    yield f'<header><div class="head"><h1>{_text(outcome.scenario_name)}</h1>'
    yield f"<p class=\"muted\">{_text(role)} over {_text(info.transport)}{_text(where)}, " \
          f"{_text(iso_time(total.start_time_ns).replace('T', ' '))}, " \
          f"{_text(clock_text(total.elapsed_ns))} ({total.elapsed_s:,.1f} s)</p></div>"
    yield f'<p class="verdict {verdict}"><strong>{verdict.upper()}</strong> <span>{_text(outcome.reason)}</span>'
    yield f'<span class="code">exit code {outcome.exit_code}</span></p></header>'


def _cards(outcome: Outcome) -> Iterator[str]:
    total = outcome.total
    failed, ended = total.counter("failed_calls"), total.counter("calls_ended")
    cards = [
        ("Calls", f"{total.calls_created:,}", f"at most {total.gauge('peak_calls'):,} open at once", False),
        ("Calls per second", f"{total.call_rate:,.1f}", _asked(outcome), False),
        ("Failed", f"{failed:,}", f"{_percent(failed, ended)} of {ended:,} ended", failed > 0),
    ]
    for index, name in enumerate(outcome.measures.rtd_names[:1]):
        times = total.histogram(index)
        if times.count:
            median = f"p50 {ms_text(times.percentile(50))} ms"
            cards.append((f"Response time {name}, p99", f"{ms_text(times.percentile(99))} ms", median, False))
    retransmissions, n_sent = total.counter("retransmissions"), total.counter("datagrams_sent")
    sent = f"{_percent(retransmissions, n_sent)} of {n_sent:,} sent"
    cards.append(("Retransmissions", f"{retransmissions:,}", sent, False))
    cards.append(("CPU", f"{outcome.cpu_percent:.0f} %", f"{outcome.cpu_us_per_call:.2f} us a call", False))
    yield '<dl class="cards">'
    for title, figure, more, is_bad in cards:
        yield f'<div class="card{" is-bad" if is_bad else ""}"><dt>{_text(title)}</dt>' \
              f'<dd class="figure">{_text(figure)}</dd><dd class="more">{_text(more)}</dd></div>'
    yield "</dl>"


def _asked(outcome: Outcome) -> str:
    info = outcome.info
    if not info.client:
        return "opened by the other side"
    if info.users is not None:
        return f"{info.users:,} users"
    return f"asked for at the end: {info.target_rate or info.rate * 1000 / info.rate_period_ms:,.6g}"


def _thresholds(outcome: Outcome) -> Iterator[str]:
    if not outcome.thresholds:
        return
    yield "<section><h2>Thresholds</h2>"
    rows = [
        (
            _Html(f'<code class="exact">{_text(result.threshold.text)}</code>'
                  f'<br><span class="note">{_text(result.threshold.metric.meaning)}</span>'),
            _Html(f'<span class="is-{"passed" if result.is_met else "failed"}">{_text(result.verdict)}</span>'),
            result.measured_text or result.reason,
        )
        for result in outcome.thresholds
    ]
    yield _table("", ("threshold", "verdict", "measured"), rows, n_text=3)
    yield "</section>"


def _findings(outcome: Outcome) -> Iterator[str]:
    yield "<section><h2>Load generator</h2>"
    if not outcome.findings:
        yield '<p class="muted">The generator itself was not limited: the figures are those of the other side.</p>'
        yield "</section>"
        return
    yield '<div class="limited"><p>The generator itself was limited at times: figures of these may not be those of ' \
          "the system under test.</p><ul>"
    for finding in outcome.findings:
        span = f"{finding.from_s:,.0f} s to {finding.to_s:,.0f} s"
        advice = f'<span class="note">({_text(KINDS[finding.kind].advice)})</span>'
        yield f"<li>{span}: {_text(finding.text)} {advice}</li>"
    yield "</ul></div></section>"


def _charts(outcome: Outcome) -> Iterator[str]:
    yield "<section><h2>Over time</h2>"
    if not outcome.timeline.get("time_s"):
        yield '<p class="muted">Nothing was recorded over time.</p></section>'
        return
    point_s = outcome.timeline["point_s"]
    merged = "" if point_s <= 1 else f" A point covers up to {point_s:g} s."
    yield '<p class="note screen-only">All charts share the time axis. Drag to zoom, double-click for the whole run.'
    yield f"{merged}</p>"
    yield '<div class="charts" id="charts"><noscript>The charts need JavaScript; figures are below.</noscript></div>'
    yield '<details id="points"><summary>The points as a table</summary><div class="panel scroll"><table><thead><tr>'
    columns = [*_POINT_COLUMNS]
    for name in outcome.measures.rtd_names:
        columns += [(f"RTD {name} {label} ms", ("rtd", name, f"{label}_ms")) for label in ("p50", "p99", "max")]
    for title, path in columns:
        yield f'<th scope="col" class="num" data-path="{_text(_PATH_SEPARATOR.join(path))}">{_text(title)}</th>'
    yield "</tr></thead><tbody></tbody></table></div></details></section>"


def _ladder(outcome: Outcome) -> Iterator[str]:
    client = outcome.info.client
    yield "<section><h2>Scenario</h2>"
    if outcome.scenario_description:
        yield f"<p>{_text(outcome.scenario_description)}</p>"
    left, right = ("UAC (sippx)", "UAS") if client else ("UAC", "UAS (sippx)")
    headings = "".join(f'<th scope="col" class="num">{name}</th>' for name in _STEP_HEADINGS)
    yield '<div class="panel"><table class="ladder"><thead><tr><th scope="col" class="num">#</th>' \
          f'<th scope="col" class="flow"><span class="ends"><span>{left}</span><span>{right}</span></span></th>' \
          f'<th scope="col">timer</th>{headings}</tr></thead><tbody>'
    for index, (step, counts) in enumerate(zip(outcome.flow, outcome.total.steps.tolist(), strict=True)):
        if not step.hidden:
            cells = "".join(_step_cell(column, value) for column, value in enumerate(counts))
            yield f'<tr><td class="num muted">{index}</td><td class="flow">{_lane(step, client=client)}</td>' \
                  f'<td class="note">{_text(_timers(step, outcome.measures.rtd_names))}</td>{cells}</tr>'
    yield "</tbody></table></div></section>"


_STEP_HEADINGS = ("messages", "retrans.", "timeouts", "unexpected", "lost")
_FIRST_BAD_COLUMN = 2


def _step_cell(column: int, value: int) -> str:
    kind = " zero" if not value else " bad" if column >= _FIRST_BAD_COLUMN else ""
    return f'<td class="num{kind}">{value:,}</td>'


def _timers(step: FlowStep, names: Sequence[str]) -> str:
    marks = (("start", step.start_rtd), ("stop", step.stop_rtd))
    return ", ".join(f"{what} {names[number - 1]}" for what, number in marks if number and number <= len(names))


def _lane(step: FlowStep, *, client: bool) -> str:
    if step.kind not in ("send", "recv"):
        text = f"pause {step.pause_text}".rstrip() if step.kind == "pause" else step.display or step.label or step.kind
        return f'<div class="lane"><span class="box">{_text(text)}</span></div>'
    is_sent = step.kind == "send"
    classes = ["lane", "to-right" if client == is_sent else "to-left"]
    classes += [] if is_sent else ["from-peer"]
    classes += ["is-optional"] if step.optional else []
    verb = "sends" if is_sent else "receives"
    optional = " <small>optional</small>" if step.optional else ""
    return f'<div class="{" ".join(classes)}" title="sippx {verb} {_text(step.label)}">' \
           f'<span class="label">{_text(step.label)}{optional}</span><span class="arrow"></span></div>'


def _figures(outcome: Outcome) -> Iterator[str]:
    total = outcome.total
    timed = [(f"response time {name}", total.histogram(i)) for i, name in enumerate(outcome.measures.rtd_names)]
    timed.append(("call length", total.call_length))
    if outcome.info.client:
        timed.append(("opened later than due", total.schedule_lag))
    if total.connect_time.count:
        timed.append(("connections, until open", total.connect_time))
    yield "<section><h2>Times in ms</h2>"
    headings = ("", "count", "mean", "stdev", *(name for _, name in _PERCENTS))
    yield _table("", headings, [_time_row(name, histogram) for name, histogram in timed])
    yield '</section><section><h2>Counters</h2><div class="columns"><div>'
    counters = total.counters()
    yield _table("Calls and messages", ("counter", ""), [
        (_counter_name(name), value) for name, value in counters.items() if not name.startswith("failed_") and value
    ])  # fmt: skip
    yield "</div><div>"
    yield _table("Failed calls by cause", ("cause", ""), list(outcome.failures.items()) or [("none", 0)])
    own = list(zip(outcome.measures.counter_names, total.generic, strict=True))
    if own:
        yield "<br>" + _table("Counters of the scenario", ("counter", ""), own)
    yield "</div></div></section>"


def _counter_name(name: str) -> _Html:
    meaning = COUNTERS.get(name, ("", ""))[0]
    return _Html(f"<code>{_text(name)}</code> <span class=\"note\">{_text(meaning)}</span>")


def _time_row(name: str, histogram: Histogram) -> tuple[object, ...]:
    if not histogram.count:
        return (name, 0)
    values_ns = (histogram.mean_ns, histogram.stdev_ns, *(histogram.percentile(percent) for percent, _ in _PERCENTS))
    return (name, histogram.count, *(value_ns / 1e6 for value_ns in values_ns))


def _options(outcome: Outcome) -> Iterator[str]:
    yield "<section><h2>Options</h2>"
    if outcome.command_line:
        yield f"<p><code>{_text(' '.join(outcome.command_line))}</code></p>"
    if outcome.options_set:
        yield _option_table(outcome.options_set)
    others = [option for option in outcome.options if option.is_default]
    if others:
        yield f"<details><summary>{len(others)} options at their defaults</summary>{_option_table(others)}</details>"
    yield "</section>"


def _option_table(options: Iterable[OptionValue]) -> str:
    rows = [
        (_Html(f"<code>{_text(option.flag)}</code>"), _Html(f"<code>{option.name}</code>"), _value_text(option.value))
        for option in options
    ]
    return _table("", ("option", "Python", "value"), rows, n_text=3)


def _value_text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return _NONE
    if isinstance(value, dict):
        return ", ".join(f"{key}={item}" for key, item in value.items())
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(map(str, value))
    return str(value)


def _foot(outcome: Outcome) -> Iterator[str]:
    warnings = outcome.total.counter("warnings")
    if warnings:
        last = _text(outcome.last_warning or _NONE)
        yield f"<section><h2>Warnings</h2><p>{warnings:,}, the last: {last}</p></section>"
    file = f", scenario {outcome.scenario_file}" if outcome.scenario_file else ""
    yield f"<footer>sippx {_text(outcome.version)}{_text(file)}. The data of this page is JSON in its element " \
          "<code>sippx-data</code>, as --json writes it but for the buckets.</footer>"


_SECTIONS = (_head, _cards, _thresholds, _findings, _charts, _ladder, _figures, _options, _foot)
