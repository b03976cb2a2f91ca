"""Elements of a scenario's steps -> model: attributes, message texts, actions."""

from __future__ import annotations

import re
from typing import Any

from sippx.scenario.action_reader import read_actions
from sippx.scenario.context import Context
from sippx.scenario.element import INT_MAX, Element
from sippx.scenario.message_text import read_start_line
from sippx.scenario.model import (
    Duration,
    NopStep,
    PauseStep,
    RecvCmdStep,
    RecvStep,
    SendCmdStep,
    SendStep,
    Step,
    Variable,
)
from sippx.scenario.pauses import bounded, percentile_ms, read_distribution

MAX_RTDS = 64
MAX_COUNTERS = 10_000

_METHOD = re.compile(r"[A-Za-z0-9!%*_+`'~.-]+")


class StepReader:
    """Reads one step element after the other; what a step declares goes into the context."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.hide_rest = False

    def read(self, element: Element) -> Step:
        """The step of an element whose attributes are known to exist."""
        match element.name:
            case "send":
                return self._send(element)
            case "recv":
                return self._recv(element)
            case "pause" | "timewait":
                return self._pause(element)
            case "sendCmd":
                return self._send_cmd(element)
            case "recvCmd":
                return self._recv_cmd(element)
        return NopStep(**self._common(element))

    # -- what all steps share -------------------------------------------------------------------------

    def _common(self, element: Element) -> dict[str, Any]:
        """Constructor arguments of the attributes all steps share, and the actions."""
        stop_rtd = self._rtd(element, "rtd")
        start_rtd = self._rtd(element, "start_rtd")
        if start_rtd is not None:
            self.context.started_rtds.setdefault(start_rtd, element)
        if stop_rtd is not None:
            self.context.stopped_rtds.add(stop_rtd)
        elif element.get("repeat_rtd") is not None:
            element.fail_name("repeat_rtd", "repeat_rtd without rtd: nothing to repeat")
        self.hide_rest = element.boolean("hiderest", self.hide_rest)
        return {
            "line": element.line,
            "start_rtd": start_rtd,
            "stop_rtd": stop_rtd,
            "repeat_rtd": element.boolean("repeat_rtd", False),
            "counter": self._counter(element),
            "lost_percent": None if element.get("lost") is None else element.number("lost", 0, high=100.0),
            "on_timeout": element.identifier("ontimeout"),
            "crlf": element.get("crlf") is not None,
            "hide": element.boolean("hide", self.hide_rest),
            "display": element.get("display") or "",
            "ignores_sdp": element.boolean("ignoresdp", False),
            **self._branch(element),
            "actions": read_actions(self.context, element),
        }

    def _branch(self, element: Element) -> dict[str, Any]:
        """What decides whether the step is executed and where the call goes behind it."""
        next_label = element.identifier("next")
        chance = element.number("chance", 1.0, high=1.0)
        for name in ("chance", "test"):
            if next_label is None and element.get(name) is not None:
                self.context.warn(element, f"{name} without next has no effect", name)
        test: Variable | None = None
        if next_label is not None:
            test = self.context.variable(element, "test")
        condexec = self.context.variable(element, "condexec")
        if condexec is None and element.get("condexec_inverse") is not None:
            self.context.warn_name(element, "condexec_inverse", "condexec_inverse without condexec has no effect")
        return {
            "next": next_label,
            "chance": chance,
            "test": test,
            "condexec": condexec,
            "condexec_inverse": element.boolean("condexec_inverse", False),
        }

    def _counter(self, element: Element) -> str | None:
        name = element.identifier("counter")
        if name is None:
            return None
        if "$" in name or "," in name:
            element.fail("a counter name may not contain '$' or ','", "counter")
        self.context.counters.setdefault(name)
        if len(self.context.counters) > MAX_COUNTERS:
            element.fail(f"more than {MAX_COUNTERS} generic counters", "counter")
        return name

    def _rtd(self, element: Element, attribute: str) -> str | None:
        name = element.identifier(attribute)
        if name is None or name == "false":
            return None
        name = "1" if name == "true" else name
        self.context.rtds.setdefault(name, ())
        if len(self.context.rtds) > MAX_RTDS:
            element.fail(f"more than {MAX_RTDS} response time durations", attribute)
        return name

    # -- the kinds of steps ---------------------------------------------------------------------------

    def _send(self, element: Element) -> SendStep:
        template = self.context.message_template(element, keep_last_line_end=True)
        try:
            method, status_code = read_start_line(template)
        except ValueError as error:
            start, end = element.tag.cdata[0]
            lead = len(element.source.data[start:end]) - len(element.source.data[start:end].lstrip())
            raise element.source.error(start + lead, str(error)) from None
        return SendStep(
            **self._common(element),
            template=template,
            method=method,
            status_code=status_code,
            retrans_ms=element.integer("retrans", 0),
            timeout_ms=element.integer("timeout", 0),
            start_txn=self.context.transactions.start(element, method=method),
            ack_txn=self.context.transactions.ack(element, method=method),
        )

    def _recv(self, element: Element) -> RecvStep:
        request = element.get("request")
        if request is None and element.get("response") is None:
            element.fail("<recv> needs a request or a response attribute: it would never match")
        if request is not None and element.get("response") is not None:
            self.context.warn(element, "<recv> with both request and response waits for the request", "response")
        optional = element.get("optional")
        if optional not in (None, "true", "global", "false"):
            element.fail(f'optional="{optional}" is none of true, global and false', "optional")
        is_optional = optional in ("true", "global")
        if not element.boolean("advance_state", True) and not is_optional:
            element.fail_name("advance_state", "advance_state is allowed only for an optional <recv>")
        return RecvStep(
            **self._common(element),
            **self._awaited(element, request),
            is_request=request is not None,
            optional=is_optional,
            is_global=optional == "global",
            advance_state=element.boolean("advance_state", True),
            timeout_ms=element.integer("timeout", 0),
            records_routes=element.boolean("rrs", False),
            keeps_challenge=element.boolean("auth", False),
            response_txn=self.context.transactions.response(element),
        )

    def _awaited(self, element: Element, request: str | None) -> dict[str, Any]:
        """Method, status code or regular expression that a <recv> waits for."""
        regexp_match = element.get("regexp_match")
        if regexp_match not in (None, "true", "false"):
            self.context.warn(element, f'regexp_match="{regexp_match}" is taken as false; only "true" is true')
        if regexp_match == "true":
            return {"regexp": self.context.regexp(element, "response" if request is None else "request")}
        if request is None:
            return {"status_code": element.integer("response", 0, low=100, high=699)}
        if not _METHOD.fullmatch(request):
            element.fail(f'request="{request}" is no method', "request")
        return {"method": request.encode(element.source.encoding)}

    def _pause(self, element: Element) -> PauseStep:
        duration = self._duration(element)
        longest = percentile_ms(duration, 0)
        if longest > INT_MAX and element.boolean("sanity_check", True):
            element.fail(
                f"the pause lasts longer than {INT_MAX} ms in one of a hundred cases;"
                ' sanity_check="false" accepts that'
            )
        return PauseStep(
            **self._common(element), duration=bounded(duration), is_timewait=element.name == "timewait"
        )

    def _duration(self, element: Element) -> Duration:
        distribution = read_distribution(element)
        others = [name for name in ("milliseconds", "variable") if element.get(name) is not None]
        if distribution is not None:
            for name in others:
                self.context.warn(element, f"the {distribution.distribution} distribution wins over '{name}'", name)
            return distribution
        if "variable" in others:
            if "milliseconds" in others:
                self.context.warn(element, "'variable' wins over 'milliseconds'", "milliseconds")
            return Duration("variable", (), self.context.variable(element, "variable"))
        if others:
            return Duration("fixed", (element.number("milliseconds", 0.0),))
        if element.get("value") is not None:
            element.fail_name("value", "'value' needs distribution=\"fixed\" beside it")
        return Duration()

    def _send_cmd(self, element: Element) -> SendCmdStep:
        template = self.context.message_template(element, keep_last_line_end=False)
        return SendCmdStep(
            **self._common(element), template=template, dest=element.identifier("dest") or ""
        )

    def _recv_cmd(self, element: Element) -> RecvCmdStep:
        optional = element.get("optional")
        if optional not in (None, "true", "false"):
            element.fail(f'optional="{optional}" is none of true and false', "optional")
        return RecvCmdStep(
            **self._common(element), src=element.identifier("src") or "", optional=optional == "true"
        )
