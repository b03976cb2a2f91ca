"""Command line -> Options: SIPp's spelling, read by a click command that is built from the option table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sippx.errors import UsageError
from sippx.options import ALL_OPTIONS, Action, Options, OptionSpec, find_option, injection_name

if TYPE_CHECKING:
    import click


@dataclass(frozen=True, slots=True)
class InformationRequest:
    """-h, -v or -sd: print something and exit; argument is the word behind -h, the NAME of -sd, else ""."""

    action: Action
    argument: str = ""


VERBS = ("check", "show", "completion")
"""First words that do something else than running a scenario."""

SHELLS = ("bash", "zsh", "fish")
"""What `completion` has a script for."""


@dataclass(slots=True)
class VerbRequest:
    """A command line that begins with a verb.

    scenarios: files or names of built-in scenarios; of `completion` the shell. wants_list: `check --list`.
    """

    verb: str
    scenarios: list[str] = field(default_factory=list)
    keys: dict[str, str] = field(default_factory=dict)
    injection_names: list[str] = field(default_factory=list)
    wants_help: bool = False
    wants_list: bool = False


def parse_verb(words: Sequence[str]) -> VerbRequest:
    """What the words after the program's name, of which the first is a verb, ask for."""
    request = VerbRequest(words[0])
    pending = list(reversed(words[1:]))
    while pending:
        word = pending.pop()
        if not word.startswith("-"):
            request.scenarios.append(word)
        elif word in ("-list", "--list") and request.verb == "check":
            request.wants_list = True
        else:
            _take_verb_option(request, word, pending)
    if request.wants_help or request.wants_list:
        return request
    if request.verb == "completion":
        if len(request.scenarios) != 1 or request.scenarios[0] not in SHELLS:
            raise UsageError(f"completion needs the name of a shell: {', '.join(SHELLS)} ('sippx completion -h')")
        return request
    n_scenarios = len(request.scenarios)
    if not n_scenarios or (n_scenarios > 1 and request.verb == "show"):
        what = "a scenario file" if request.verb == "check" else "one scenario file"
        host = f"{request.verb}:5060"
        raise UsageError(f"{request.verb} needs {what} or the name of a built-in scenario (a host is written {host})")
    return request


def _take_verb_option(request: VerbRequest, word: str, pending: list[str]) -> None:
    """Take an option of a verb with its arguments, which are the last of `pending`."""
    spec = find_option(word)
    if spec.action == "help":
        request.wants_help = True
        return
    if request.verb == "completion":
        raise UsageError(f"{word} has no effect on completion, which takes the name of a shell only")
    if spec.field not in ("keys", "injection_files"):
        raise UsageError(f"{word} has no effect on {request.verb}, which takes -key and -inf only")
    if len(pending) < spec.type.n_arguments:
        raise _missing_argument(spec)
    if spec.field == "keys":
        name = pending.pop()
        request.keys[name] = pending.pop()
    elif (name := injection_name(pending.pop())) not in request.injection_names:
        request.injection_names.append(name)


def parse_command_line(words: Sequence[str]) -> Options | InformationRequest:
    """What the words after the program's name ask for.

    -h, -v and -sd count at once; of the words behind them -h takes one as its topic. Raises UsageError, which names the
    option and the value, for everything that cannot be accepted.
    """
    rewritten, request = _rewrite(words)
    return request if request is not None else _parse_with_click(rewritten)


def _rewrite(words: Sequence[str]) -> tuple[list[str], InformationRequest | None]:
    """`words` with every option written `--name`, aliases expanded, up to a request for information.

    SIPp's options are whole words: click alone would take `-m5` and `-m=5` for `-m 5`.
    """
    rewritten: list[str] = []
    pending = list(reversed(words))
    while pending:
        word = pending.pop()
        if not word.startswith("-"):
            rewritten.append(word)
            continue
        spec = find_option(word)
        arguments = [pending.pop() for _ in range(min(spec.type.n_arguments, len(pending)))]
        if spec.action == "expand":
            pending.extend(reversed(spec.expansion))
        elif spec.action in ("help", "version", "dump"):
            return rewritten, _information_request(spec, arguments, next_word=pending[-1] if pending else "")
        else:
            rewritten += [f"--{spec.names[0]}", *arguments]
    return rewritten, None


def _information_request(spec: OptionSpec, arguments: list[str], next_word: str) -> InformationRequest:
    if len(arguments) < spec.type.n_arguments:
        raise _missing_argument(spec)
    if spec.action == "help":
        return InformationRequest("help", next_word)
    return InformationRequest(spec.action, *arguments)


def _missing_argument(spec: OptionSpec) -> UsageError:
    return UsageError(f"{spec.flags[0]} needs an argument: {spec.flags[0]} {spec.argument}")


def _parse_with_click(words: list[str]) -> Options:
    import click  # here, so that -h does not wait for it

    specs = {_parameter_name(spec): spec for spec in ALL_OPTIONS if spec.action == "set"}
    command = click.Command(
        "sippx",
        params=[_parameter(name, spec) for name, spec in specs.items()],
        add_help_option=False,
    )
    try:
        context = command.make_context("sippx", words)
    except click.BadOptionUsage as error:
        raise _missing_argument(find_option(error.option_name)) from None
    values: dict[str, Any] = {}
    for name, spec in specs.items():
        value = context.params[name]
        is_given = context.get_parameter_source(name) == click.core.ParameterSource.COMMANDLINE
        if spec.field and is_given and value != ():  # (): how click says that no remote host is given
            values[name] = _field_value(spec, value)
    return Options(**values)


def _parameter_name(spec: OptionSpec) -> str:
    return spec.field or spec.names[0]


def _parameter(name: str, spec: OptionSpec) -> click.Parameter:
    """The click parameter of one option; every word that reaches click starts with `--` or is a value."""
    import click

    def value_of(text: str) -> Any:
        try:
            return spec.type.parse(text)
        except ValueError as error:
            raise UsageError(f'{spec.flags[0]}, "{text}" {error}') from None

    if spec.is_positional:
        return click.Argument([name], nargs=-1)
    flags = [f"--{flag}" for flag in spec.names]
    if spec.type.n_arguments == 0:
        return click.Option([name, *flags], is_flag=True)
    return click.Option(
        [name, *flags],
        type=value_of if spec.type.n_arguments == 1 else str,
        nargs=spec.type.n_arguments,
        multiple=spec.once or spec.type.n_arguments > 1 or spec.type.is_list,
    )


def _field_value(spec: OptionSpec, value: Any) -> Any:
    """The field's value from what click collected for an option that was given."""
    if spec.type.n_arguments == 0:
        return spec.flag_value
    if spec.type.n_arguments == 2:
        return dict(value)
    if spec.type.is_list:
        return tuple(value)
    if not spec.once:
        return value
    if len(value) > 1:
        given = " and ".join(f"'{item}'" for item in value)
        raise UsageError(f"{spec.flags[0]} is allowed once, and there are {given}")
    return value[0]
