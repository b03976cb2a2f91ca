"""What the variables screen says of a scenario's actions: SIPp 3.6.1's descriptions.

Where SIPp says something untrue ("divide" for a test, 0.000000 for a variable, "unknown action type ...") the
description is a true one in the same style.
"""

from __future__ import annotations

from collections.abc import Callable

from sippx._core.codes import ActionCheck, ActionKind, Comparison, SearchIn
from sippx.scenario.model import Action, Duration, Literal, RecvCmdStep, RecvStep, Step, Template, Variable

_LINE_CHARS = 79
_TEXT_CHARS = 32

# SIPp's numbers of the actions, which its screen shows; those that 3.6.1 does not have come behind its own
_TYPE_NUMBERS = {
    ActionKind.ACTION_EREG: 1,
    ActionKind.ACTION_ASSIGN: 3,
    ActionKind.ACTION_SAMPLE: 4,
    ActionKind.ACTION_ASSIGN_STRING: 5,
    ActionKind.ACTION_INDEX: 6,
    ActionKind.ACTION_TIME_OF_DAY: 7,
    ActionKind.ACTION_JUMP: 8,
    ActionKind.ACTION_LOOKUP: 9,
    ActionKind.ACTION_INSERT: 10,
    ActionKind.ACTION_REPLACE: 11,
    ActionKind.ACTION_PAUSE_RESTORE: 12,
    ActionKind.ACTION_LOG: 13,
    ActionKind.ACTION_WARNING: 14,
    ActionKind.ACTION_ERROR: 15,
    ActionKind.ACTION_EXEC_COMMAND: 16,
    ActionKind.ACTION_STOP_CALL: 17,
    ActionKind.ACTION_STOP_GRACEFULLY: 17,
    ActionKind.ACTION_STOP_NOW: 17,
    ActionKind.ACTION_ADD: 18,
    ActionKind.ACTION_SUBTRACT: 19,
    ActionKind.ACTION_MULTIPLY: 20,
    ActionKind.ACTION_DIVIDE: 21,
    ActionKind.ACTION_TEST: 22,
    ActionKind.ACTION_TO_DOUBLE: 23,
    ActionKind.ACTION_STRCMP: 24,
    ActionKind.ACTION_TRIM: 25,
    ActionKind.ACTION_VERIFY_AUTH: 26,
    ActionKind.ACTION_SET_DESTINATION: 27,
    ActionKind.ACTION_CLOSE_CONNECTION: 28,
    ActionKind.ACTION_MEDIA: 36,
    ActionKind.ACTION_URL_DECODE: 37,
    ActionKind.ACTION_URL_ENCODE: 38,
}
_COMPARISONS = {
    Comparison.COMPARE_EQUAL: "==",
    Comparison.COMPARE_NOT_EQUAL: "!=",
    Comparison.COMPARE_GREATER: ">",
    Comparison.COMPARE_LESS: "<",
    Comparison.COMPARE_GREATER_OR_EQUAL: ">=",
    Comparison.COMPARE_LESS_OR_EQUAL: "<=",
}


def action_lines(steps: tuple[Step, ...]) -> list[str]:
    """The lines of the variables screen, empty for a scenario without actions."""
    lines = []
    for index, step in enumerate(steps):
        if step.actions:
            kind = {RecvStep: " (Receive Message)", RecvCmdStep: " (Receive Command Message)"}.get(type(step), "")
            lines.append(f"=> Message[{index}]{kind} - [{len(step.actions)}] action(s) defined :")
            lines += [
                f"   --> action[{n}] = Type[{_TYPE_NUMBERS[action.kind]}] - {action_text(action)}"[:_LINE_CHARS]
                for n, action in enumerate(step.actions)
            ]
    return lines


def action_text(action: Action) -> str:
    """The description of one action."""
    return _DESCRIBED[action.kind](action)


def _name(variable: Variable | None) -> str:
    return variable.name if variable is not None else ""


def _operand(action: Action) -> str:
    if action.source is not None:
        return f"varInId[{action.source.name}]"
    return f"{action.value:.6f}"


def _sets(word: str) -> Callable[[Action], str]:
    return lambda action: f"{word} varId[{_name(action.target)}] {_operand(action)}"


def _changes(word: str) -> Callable[[Action], str]:
    return lambda action: f"{word} varId[{_name(action.target or action.source)}]"


def _reads(word: str) -> Callable[[Action], str]:
    return lambda action: f"{word} {_operand(action)}"


def _says(word: str) -> Callable[[Action], str]:
    return lambda action: f"{word}[{source_text(action.template):{_TEXT_CHARS}.{_TEXT_CHARS}s}]"


def _stops(command: str) -> Callable[[Action], str]:
    return lambda action: f"intcmd[{command:{_TEXT_CHARS}s}]"


def _ereg(action: Action) -> str:
    where = {
        SearchIn.SEARCH_MESSAGE: "Full Msg",
        SearchIn.SEARCH_HEADER: f"Header-{action.text.decode('latin-1')}",
        SearchIn.SEARCH_BODY: "Body",
        SearchIn.SEARCH_VARIABLE: f"Var-{_name(action.source)}",
    }[action.search_in]
    return (
        f"regexp[{action.regexp.decode('latin-1')}] where[{where}] "
        f"- checkIt[{int(action.check == ActionCheck.CHECK_IT)}] "
        f"- checkItInverse[{int(action.check == ActionCheck.CHECK_IT_INVERSE)}] "
        + " ".join(f"- varId[{variable.name}]" for variable in action.targets)
    )


def _test(action: Action) -> str:
    other = f"varIn2Id[{_name(action.source2)}]" if action.source2 is not None else f"{action.value:.6f}"
    return (
        f"test varId[{_name(action.target)}] varInId[{_name(action.source)}] "
        f"{_COMPARISONS[action.compare]} {other}"
    )


def _strcmp(action: Action) -> str:
    other = f"varIn2Id[{_name(action.source2)}]" if action.source2 is not None else f"[{action.text.decode('latin-1')}]"
    return f"strcmp varId[{_name(action.target)}] varInId[{_name(action.source)}] {other}"


def _duration_text(duration: Duration | None) -> str:
    if duration is None:
        return ""
    values = [f"{value:.6f}" for value in duration.parameters]
    if duration.distribution in ("fixed", "uniform"):
        return "/".join(values)
    short = [f"{value:.3f}" for value in duration.parameters]
    return f"{_SHORT_NAMES.get(duration.distribution, duration.distribution)}({','.join(short)})"


_SHORT_NAMES = {
    "normal": "N",
    "lognormal": "LN",
    "exponential": "Exp",
    "weibull": "Wb",
    "pareto": "P",
    "gpareto": "P",
    "gamma": "G",
    "negbin": "NB",
}


def _file(word: str) -> Callable[[Action], str]:
    def text(action: Action) -> str:
        target = f" varId[{action.target.name}]" if action.target is not None else ""
        arguments = " ".join(f"[{source_text(part)}]" for part in (action.template, action.template2) if part)
        return f"{word}{target} file[{action.injection_file}] {arguments}"

    return text


def _set_destination(action: Action) -> str:
    return f"setdest [{source_text(action.template)}]:[{source_text(action.template2)}]"


_DESCRIBED: dict[ActionKind, Callable[[Action], str]] = {
    ActionKind.ACTION_EREG: _ereg,
    ActionKind.ACTION_LOG: _says("message"),
    ActionKind.ACTION_WARNING: _says("warning"),
    ActionKind.ACTION_ERROR: _says("error"),
    ActionKind.ACTION_ASSIGN: _sets("assign"),
    ActionKind.ACTION_ASSIGN_STRING: lambda action: (
        f"string assign varId[{_name(action.target)}] [{source_text(action.template)}]"
    ),
    ActionKind.ACTION_TO_DOUBLE: _changes("toDouble"),
    ActionKind.ACTION_ADD: _sets("add"),
    ActionKind.ACTION_SUBTRACT: _sets("subtract"),
    ActionKind.ACTION_MULTIPLY: _sets("multiply"),
    ActionKind.ACTION_DIVIDE: _sets("divide"),
    ActionKind.ACTION_SAMPLE: lambda action: (
        f"sample varId[{_name(action.target)}] {_duration_text(action.duration)}"
    ),
    ActionKind.ACTION_TEST: _test,
    ActionKind.ACTION_STRCMP: _strcmp,
    ActionKind.ACTION_TRIM: _changes("trim"),
    ActionKind.ACTION_URL_DECODE: _changes("urldecode"),
    ActionKind.ACTION_URL_ENCODE: _changes("urlencode"),
    ActionKind.ACTION_JUMP: _reads("jump"),
    ActionKind.ACTION_PAUSE_RESTORE: _reads("restore pause"),
    ActionKind.ACTION_TIME_OF_DAY: lambda action: (
        f"assign gettimeofday[{', '.join(variable.name for variable in action.targets)}]"
    ),
    ActionKind.ACTION_INDEX: lambda action: f"assign index[{_name(action.target)}]",
    ActionKind.ACTION_LOOKUP: _file("lookup"),
    ActionKind.ACTION_INSERT: _file("insert"),
    ActionKind.ACTION_REPLACE: _file("replace"),
    ActionKind.ACTION_SET_DESTINATION: _set_destination,
    ActionKind.ACTION_CLOSE_CONNECTION: lambda action: "closecon",
    ActionKind.ACTION_VERIFY_AUTH: lambda action: (
        f"verifyauth varId[{_name(action.target)}] username[{source_text(action.template)}]"
    ),
    ActionKind.ACTION_EXEC_COMMAND: _says("command"),
    ActionKind.ACTION_STOP_CALL: _stops("stop_call"),
    ActionKind.ACTION_STOP_GRACEFULLY: _stops("stop_gracefully"),
    ActionKind.ACTION_STOP_NOW: _stops("stop_now"),
    ActionKind.ACTION_MEDIA: lambda action: action.name,
}


def source_text(template: Template) -> str:
    """A template as the scenario wrote it, keywords without their parameters."""
    parts = []
    for piece in template:
        if isinstance(piece, Literal):
            parts.append(piece.data.decode("latin-1"))
            continue
        if piece.variable is not None and piece.name != "fill":
            name = f"${piece.variable.name}"
        elif piece.name == "key":
            name = piece.argument
        elif piece.name == "last_":
            name = f"last_{piece.argument}"
        elif piece.name == "field":
            name = f"field{piece.offset}"
        else:
            name = piece.name + (f"{piece.offset:+d}" if piece.offset else "")
        parts.append(f"[{name}]")
    return "".join(parts)
