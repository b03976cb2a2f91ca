"""Scenario -> text: the flow as a ladder of arrows between UAC and UAS, for `sippx show`."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping

from sippx._core.codes import ActionCheck, ActionKind, Comparison, SearchIn
from sippx.scenario.model import (
    Action,
    Duration,
    Keyword,
    PauseStep,
    RecvCmdStep,
    RecvStep,
    Scenario,
    SendCmdStep,
    SendStep,
    Step,
    Template,
)

WIDTH = 110
_SPAN = 34
"""Columns between the two lifelines."""
_INDEX = 5
_MAX_TEXT = 48
"""Longer texts of actions are cut."""

_COMPARISONS = {
    Comparison.COMPARE_EQUAL: "==",
    Comparison.COMPARE_NOT_EQUAL: "!=",
    Comparison.COMPARE_GREATER: ">",
    Comparison.COMPARE_LESS: "<",
    Comparison.COMPARE_GREATER_OR_EQUAL: ">=",
    Comparison.COMPARE_LESS_OR_EQUAL: "<=",
}


def draw_ladder(scenario: Scenario) -> str:
    """The flow as text that ends in a line end: indices, arrows, labels, branches, actions."""
    return "\n".join(line.rstrip() for line in _lines(scenario)) + "\n"


def _lines(scenario: Scenario) -> Iterator[str]:
    role = "UAC, places calls" if scenario.is_client else "UAS, answers calls"
    if scenario.is_client != scenario.creates_calls:
        role = f"{role[:3]}, calls {'begin with a message to' if scenario.creates_calls else 'are begun by'} the twin"
    description = f' "{scenario.description}"' if scenario.description else ""
    yield f"{scenario.file}{description} ({role})"
    if scenario.init_steps:
        yield ""
        yield "init, once before the first call:"
        for index, step in enumerate(scenario.init_steps):
            yield from _label_lines(scenario.init_labels, index)
            yield from _row(index, "", _notes(step, scenario.init_labels))
        yield from _label_lines(scenario.init_labels, len(scenario.init_steps))
    yield ""
    left, right = ("UAC (sippx)", "UAS") if scenario.is_client else ("UAC", "UAS (sippx)")
    yield f"{'':{_INDEX}}{left}{right:>{_SPAN + 2 + 2 - len(left)}}"
    yield from _row(None, _blank(), [])
    for index, step in enumerate(scenario.steps):
        yield from _label_lines(scenario.labels, index)
        yield from _row(index, _middle(step, is_client=scenario.is_client), _notes(step, scenario.labels))
    yield from _label_lines(scenario.labels, len(scenario.steps))
    yield f"{len(scenario.steps):{_INDEX - 1}d} {'end of the call':^{_SPAN + 2}}"


def _label_lines(labels: Mapping[str, int], index: int) -> Iterator[str]:
    for name, at in labels.items():
        if at == index:
            yield f"{name}:"


def _blank() -> str:
    return "|" + " " * _SPAN + "|"


def _row(index: int | None, middle: str, notes: list[str]) -> Iterator[str]:
    """The lines of one step: what happens, and the notes beside it, one paragraph each."""
    number = "" if index is None else f"{index:d}"
    lead = f"{number:>{_INDEX - 1}} {middle}"
    rest = f"{'':{_INDEX}}{_blank() if middle else ''}"
    paragraphs = [line for note in notes for line in _wrapped(note, WIDTH - len(rest) - 2)] or [""]
    for number_of_line, line in enumerate(paragraphs):
        yield f"{rest if number_of_line else lead}  {line}"


def _wrapped(note: str, width: int) -> list[str]:
    return textwrap.wrap(note, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def _middle(step: Step, *, is_client: bool) -> str:
    """The ladder's part of a step: an arrow or a box between the lifelines."""
    match step:
        case SendStep():
            return _arrow(_message_name(step), to_right=is_client)
        case RecvStep():
            optional = "global " if step.is_global else "optional " if step.optional else ""
            return _arrow(optional + _message_name(step), to_right=not is_client)
        case SendCmdStep():
            return _box(f"sendCmd to twin {step.dest}".rstrip())
        case RecvCmdStep():
            optional = "optional " if step.optional else ""
            return _box(f"{optional}recvCmd of twin {step.src}".rstrip())
        case PauseStep():
            return _box(f"{'timewait' if step.is_timewait else 'pause'} {_duration(step.duration)}".rstrip())
    return _box(step.display or "nop")


def _message_name(step: SendStep | RecvStep) -> str:
    if isinstance(step, RecvStep) and step.regexp is not None:
        what = "request" if step.is_request else "response"
        return f"{what} ~ {_cut(step.regexp.decode('utf-8', 'replace'), _SPAN - 20)}"
    return step.method.decode("latin-1") or str(step.status_code)


def _arrow(text: str, *, to_right: bool) -> str:
    line = f" {_cut(text, _SPAN - 6)} ".center(_SPAN - 1, "-")
    return f"|{line}>|" if to_right else f"|<{line}|"


def _box(text: str) -> str:
    return f"|{f'[ {_cut(text, _SPAN - 6)} ]':^{_SPAN}}|"


def _cut(text: str, length: int) -> str:
    """At most `length` characters on one line."""
    text = text.replace("\r", "\\r").replace("\n", "\\n").replace("\t", "\\t")
    return text if len(text) <= length else text[: length - 3] + "..."


def _duration(duration: Duration) -> str:
    if duration.variable is not None:
        return f"${duration.variable.name} ms"
    numbers = [f"{value:g}" for value in duration.parameters]
    match duration.distribution:
        case "default":
            return "(-d)"
        case "fixed":
            return f"{numbers[0]} ms"
        case "uniform":
            return f"{numbers[0]} to {numbers[1]} ms"
    return f"{duration.distribution}({', '.join(numbers)})"


# -- notes ------------------------------------------------------------------------------------------------


def _notes(step: Step, labels: Mapping[str, int]) -> list[str]:
    """What stands beside a step: when it is executed, where it goes, what it keeps, what it does."""
    notes = [*_conditions(step), *_own_notes(step)]
    names = (("stop timer", step.stop_rtd), ("start timer", step.start_rtd), ("count", step.counter))
    notes += [f"{what} {name}" for what, name in names if name]
    if step.lost_percent is not None:
        notes.append(f"lost {step.lost_percent:g} %")
    paragraphs = [", ".join(notes)] if notes else []
    paragraphs += _branches(step, labels)
    paragraphs += [f"* {_action(action)}" for action in step.actions]
    return paragraphs


def _conditions(step: Step) -> Iterator[str]:
    if step.condexec is not None:
        yield f"if ${step.condexec.name} is {'not ' if step.condexec_inverse else ''}set"


def _own_notes(step: Step) -> Iterator[str]:
    match step:
        case SendStep():
            if step.retrans_ms:
                yield f"retrans {step.retrans_ms} ms"
            if step.timeout_ms:
                yield f"timeout {step.timeout_ms} ms"
            if step.start_txn or step.ack_txn:
                yield f"transaction {step.start_txn or step.ack_txn}"
        case RecvStep():
            if step.timeout_ms:
                yield f"timeout {step.timeout_ms} ms"
            if step.response_txn:
                yield f"transaction {step.response_txn}"
            flags = (
                (step.records_routes, "records routes"),
                (step.keeps_challenge, "keeps challenge"),
                (not step.advance_state, "does not advance"),
            )
            yield from (text for is_set, text in flags if is_set)


def _branches(step: Step, labels: Mapping[str, int]) -> Iterator[str]:
    if step.next is not None:
        test = f" if ${step.test.name} is set" if step.test is not None else ""
        chance = f" with chance {step.chance:g}" if step.chance < 1 else ""
        yield f"-> {step.next} (step {labels[step.next]}){test}{chance}"
    if step.on_timeout is not None:
        yield f"-> {step.on_timeout} (step {labels[step.on_timeout]}) after a timeout"


def _action(action: Action) -> str:
    """An action in short: what is assigned, the action, what it works on."""
    targets = ", ".join(f"${variable.name}" for variable in action.targets or (action.target,) if variable)
    source = f"${action.source.name}" if action.source is not None else ""
    operands = " ".join(part for part in _operands(action, source) if part)
    checks = {ActionCheck.CHECK_IT: " or fail", ActionCheck.CHECK_IT_INVERSE: " must fail"}
    head = f"{targets} = {action.name}" if targets else action.name
    return f"{head} {operands}".rstrip() + checks.get(action.check, "")


def _operands(action: Action, source: str) -> Iterator[str]:
    match action.kind:
        case ActionKind.ACTION_EREG:
            yield f"'{_cut(action.regexp.decode('utf-8', 'replace'), _MAX_TEXT)}' in"
            where = SearchIn(action.search_in).name.removeprefix("SEARCH_").lower()
            yield source or f"{where} {action.text.decode('utf-8', 'replace')}".rstrip()
            return
        case ActionKind.ACTION_TEST:
            other = f"${action.source2.name}" if action.source2 is not None else f"{action.value:g}"
            yield f"{source} {_COMPARISONS[action.compare]} {other}"
            return
        case ActionKind.ACTION_STRCMP:
            yield source
            yield f"${action.source2.name}" if action.source2 is not None else _quoted(action.text.decode("latin-1"))
            return
        case ActionKind.ACTION_MEDIA:
            yield _quoted(template_text(action.template)) if action.template else source
            return
        case ActionKind.ACTION_STOP_CALL | ActionKind.ACTION_STOP_GRACEFULLY | ActionKind.ACTION_STOP_NOW:
            yield action.kind.name.removeprefix("ACTION_").lower()
            return
    yield from _plain_operands(action, source)


_NUMBER_KINDS = (
    ActionKind.ACTION_ASSIGN, ActionKind.ACTION_ADD, ActionKind.ACTION_SUBTRACT, ActionKind.ACTION_MULTIPLY,
    ActionKind.ACTION_DIVIDE, ActionKind.ACTION_JUMP, ActionKind.ACTION_PAUSE_RESTORE,
)  # fmt: skip


def _plain_operands(action: Action, source: str) -> Iterator[str]:
    if action.duration is not None:
        yield _duration(action.duration)
    if action.injection_file:
        yield f"in {action.injection_file}"
    if source and action.source != action.target:
        yield source
    elif action.kind in _NUMBER_KINDS:
        yield f"{action.value:g}"
    templates = (action.template, action.template2, action.template3)
    yield from (_quoted(template_text(template)) for template in templates if template)
    if action.text:
        yield action.text.decode("latin-1")


def _quoted(text: str) -> str:
    return f'"{_cut(text, _MAX_TEXT)}"'


def template_text(template: Template) -> str:
    """A template nearly as the scenario wrote it: keywords in brackets."""
    return "".join(
        _keyword_text(part) if isinstance(part, Keyword) else part.data.decode("utf-8", "replace")
        for part in template
    )


def _keyword_text(keyword: Keyword) -> str:
    parameters = "".join(f' {name}="{template_text(value)}"' for name, value in keyword.parameters)
    if keyword.name == "$" and keyword.variable is not None:
        return f"[${keyword.variable.name}]"
    if keyword.name == "key":
        return f"[{keyword.argument}]"
    if keyword.name == "field":
        return f"[field{keyword.offset} file=\"{keyword.argument}\"{parameters}]"
    name = keyword.name + (keyword.argument if keyword.name == "last_" else "")
    return f"[{name}{f'{keyword.offset:+d}' if keyword.offset else ''}{parameters}]"
