"""Checks of the flow: what cannot be reached, cannot match, is not acknowledged, not stopped or not repeated."""

from __future__ import annotations

from sippx._core.codes import ActionKind
from sippx.scenario.lint_graph import Flow
from sippx.scenario.lint_subject import Section, Site, Subject
from sippx.scenario.model import (
    UNEXPECTED_LABEL,
    PauseStep,
    RecvStep,
    SendStep,
    Step,
)
from sippx.scenario.pauses import percentile_ms

_DAY_MS = 86_400_000
_NEEDS_INVITE = (b"ACK", b"CANCEL")
"""Requests that only ever follow an INVITE."""


def check_flow(subject: Subject) -> None:
    """All checks of this module."""
    for section in (subject.main, subject.init):
        _check_reachable(subject, section)
        _check_labels(subject, section)
        for site in section.sites:
            _check_pause(subject, site)
    _check_timers(subject)
    _check_recvs(subject)
    _check_acks(subject)
    _check_timeouts(subject)
    _check_retransmission(subject)
    _check_built(subject)


def _check_reachable(subject: Subject, section: Section) -> None:
    steps = section.steps
    flow = Flow(section)
    starts = [0, *(index for index, step in enumerate(steps) if isinstance(step, RecvStep) and step.is_global)]
    if UNEXPECTED_LABEL in section.labels:
        starts.append(section.labels[UNEXPECTED_LABEL])
    seen = flow.reachable_from(starts)
    first = 0
    while first < len(steps):
        end = first
        while end < len(steps) and end not in seen:
            end += 1
        if end > first:
            which = f"step {first}" if end == first + 1 else f"steps {first} to {end - 1}"
            subject.report("unreachable", section.sites[first].element, f"{which} can not be reached")
        first = end + 1


def _check_labels(subject: Subject, section: Section) -> None:
    used = {label for step in section.steps for label in (step.next, step.on_timeout)}
    for name, element in section.label_elements.items():
        if name not in used and (name != UNEXPECTED_LABEL or section.is_init):
            subject.report("unused-label", element, f"nothing goes to the label '{name}'", "id")


def _check_pause(subject: Subject, site: Site) -> None:
    if isinstance(site.step, PauseStep) and (ms := percentile_ms(site.step.duration, 0)) > _DAY_MS:
        text = f"the pause lasts up to {ms / _DAY_MS:.3g} days, in milliseconds {ms:.0f}"
        subject.report("long-pause", site.element, text)


def _check_timers(subject: Subject) -> None:
    steps = subject.main.steps
    flow = Flow(subject.main)
    stops: dict[str, set[int]] = {}
    for timer in {step.start_rtd for step in steps if step.start_rtd}:
        stops[timer] = flow.leading_to(index for index, step in enumerate(steps) if step.stop_rtd == timer)
    for index, site in enumerate(subject.main.sites):
        name = site.step.start_rtd
        if name is not None and stops[name].isdisjoint(flow.goes_on(index)):
            text = f"no step behind this one stops the response time duration '{name}'"
            subject.report("open-timer", site.element, text, "start_rtd")


def _check_recvs(subject: Subject) -> None:
    awaited = [site.step for site in subject.main.sites if isinstance(site.step, RecvStep)]
    awaits_invite = any(step.is_request and (step.regexp or step.method == b"INVITE") for step in awaited)
    sends_request = False
    for index, site in enumerate(subject.main.sites):
        step = site.step
        if isinstance(step, SendStep):
            # the responses to a request of a transaction are taken by its own <recv> elements alone
            sends_request |= bool(step.method) and step.start_txn is None and step.ack_txn is None
        if not isinstance(step, RecvStep):
            continue
        check = "useless-recv" if step.optional else "never-matches"
        if step.is_request:
            if step.method in _NEEDS_INVITE and not awaits_invite:
                text = f"{step.method.decode()} can not come: the scenario receives no INVITE"
                subject.report(check, site.element, text, "request")
        elif index and step.response_txn is None and not sends_request:
            text = "no response can come: no request is sent above (a response belongs to a method sent above)"
            subject.report(check, site.element, text, "response")


def _check_acks(subject: Subject) -> None:
    section = subject.main
    methods = {
        step.start_txn: step.method for step in section.steps if isinstance(step, SendStep) and step.start_txn
    }
    flow = Flow(section)
    acks = flow.leading_to(
        index for index, step in enumerate(section.steps) if isinstance(step, SendStep) and step.method == b"ACK"
    )
    last = b""
    for index, site in enumerate(section.sites):
        step = site.step
        if isinstance(step, SendStep) and step.method and step.method != b"ACK":
            last = step.method
        if not isinstance(step, RecvStep) or step.status_code < 200:
            continue
        method = methods.get(step.response_txn, b"") if step.response_txn else last
        if method == b"INVITE" and acks.isdisjoint(flow.goes_on(index)):
            text = f"the final answer {step.status_code} to INVITE is not acknowledged: no ACK is sent behind it"
            subject.report("missing-ack", site.element, text, "response")


def _check_timeouts(subject: Subject) -> None:
    before: Step | None = None
    for site in subject.main.sites:
        step = site.step
        is_late = isinstance(before, RecvStep) and before.optional
        if is_late and isinstance(step, RecvStep) and step.timeout_ms and not step.optional:
            text = (
                "SIPp never arms the timeout of a mandatory <recv> behind optional ones;"
                " sippx arms the smallest of the group"
            )
            subject.report("late-timeout", site.element, text, "timeout")
        before = step


def _check_retransmission(subject: Subject) -> None:
    for site in subject.main.sites:
        step = site.step
        if isinstance(step, SendStep) and step.method not in (b"", b"ACK") and not step.retrans_ms:
            method = step.method.decode("latin-1")
            text = f'a lost {method} is not sent again over UDP: give it retrans="500"'
            subject.report("no-retrans", site.element, text)


def _check_built(subject: Subject) -> None:
    for site in (*subject.main.sites, *subject.init.sites):
        for action, element in site.actions():
            if action.kind == ActionKind.ACTION_MEDIA:
                subject.report("not-built", element, f"{action.name} needs media: this version refuses to run it")
