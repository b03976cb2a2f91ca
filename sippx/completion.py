"""Completion scripts for bash, zsh and fish (`sippx completion SHELL`), generated from the option table."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from sippx import option_types
from sippx.command_line import SHELLS, VERBS
from sippx.options import ALL_OPTIONS, OptionSpec
from sippx.scenario.builtin import builtin_names
from sippx.transports import MODES

_DESCRIPTION_CHARS = 70

_CHOICES: tuple[tuple[option_types.ValueType, tuple[str, ...]], ...] = (
    (option_types.BOOL, ("true", "false")),
    (option_types.TRANSPORT, tuple(MODES)),
    (option_types.TLS_VERSION, option_types.TLS_VERSIONS),
    (option_types.BEHAVIORS, ("all", "none", *option_types.ALL_BEHAVIORS)),
    (option_types.CALL_ID_TYPE, option_types.CALL_ID_TYPES),
    (option_types.DNS_MODE, option_types.DNS_MODES),
    (option_types.RETRANSMISSION_CHECK, ("full", "loose")),
)

_VERB_WORDS = {"check": "-key -inf --list -h", "show": "-key -inf -h", "completion": f"{' '.join(SHELLS)} -h"}


@dataclass(frozen=True, slots=True)
class Value:
    """What can be offered for the first argument of an option.

    choices: its values, where they are known. is_list: any of them, separated by commas.
    """

    kind: Literal["choices", "file", "text"]
    choices: tuple[str, ...] = ()
    is_list: bool = False


def value_of(spec: OptionSpec) -> Value:
    """What can be offered for the first argument of an option that has one."""
    if spec.field.endswith("scenario_name") or spec.action == "dump":
        return Value("choices", builtin_names())
    for type_, choices in _CHOICES:
        if spec.type is type_:
            return Value("choices", choices, is_list=type_ is option_types.BEHAVIORS)
    return Value("file" if spec.argument.split()[0] == "FILE" else "text")


def completion_script(shell: str) -> str:
    """The script for one of SHELLS."""
    return _SCRIPTS[shell]()


def _options() -> tuple[OptionSpec, ...]:
    return tuple(spec for spec in ALL_OPTIONS if not spec.is_positional)


def _describe(spec: OptionSpec) -> str:
    """The first sentence of the help, clipped."""
    text = spec.help.partition(". ")[0].rstrip(".:")
    return text if len(text) <= _DESCRIPTION_CHARS else text[: _DESCRIPTION_CHARS - 3].rsplit(" ", 1)[0] + "..."


# ---- bash ------------------------------------------------------------------------------------------------

_BASH = """\
# bash completion of sippx, made by 'sippx completion bash'
_sippx() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} name='' word n_left=0 i
    COMPREPLY=()
    case ${{COMP_WORDS[1]}} in
        {verbs}) ((COMP_CWORD > 1)) && {{ _sippx_verb "$cur"; return; }} ;;
    esac
    # which option the word at the cursor belongs to, and how many of its words are still to come
    for ((i = 1; i < COMP_CWORD; i++)); do
        if ((n_left > 0)); then ((n_left--)); ((n_left > 0)) && name='-'; continue; fi
        word=${{COMP_WORDS[i]}}
        [[ $word == -* ]] || continue
        word=${{word#-}} name=${{word#-}}
        case $name in
            {two}) n_left=2 ;;
            {one}) n_left=1 ;;
        esac
    done
    if ((n_left > 0)); then _sippx_value "$name" "$cur"; return; fi
    case $cur in
        --*) mapfile -t COMPREPLY < <(compgen -W '{double}' -- "$cur") ;;
        -*) mapfile -t COMPREPLY < <(compgen -W '{single}' -- "$cur") ;;
        *)
            ((COMP_CWORD == 1)) && mapfile -t COMPREPLY < <(compgen -W '{verb_words}' -- "$cur")
            [[ -n $cur ]] && mapfile -t -O ${{#COMPREPLY[@]}} COMPREPLY < <(compgen -A hostname -- "$cur")
            ;;
    esac
}}

_sippx_value() {{
    local prefix=''
    case $1 in
{values}
    esac
}}

_sippx_files() {{
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$1")
}}

_sippx_verb() {{
    case ${{COMP_WORDS[1]}} in
{verb_cases}
    esac
    [[ $1 == -* || ${{COMP_WORDS[1]}} == completion ]] && return
    compopt -o filenames 2>/dev/null
    mapfile -t -O ${{#COMPREPLY[@]}} COMPREPLY < <(compgen -f -- "$1")
}}

complete -F _sippx sippx
"""


def _bash() -> str:
    options = _options()
    return _BASH.format(
        verbs="|".join(VERBS),
        verb_words=" ".join(VERBS),
        one=_names_with(1),
        two=_names_with(2),
        single=" ".join(flag for spec in options for flag in spec.flags),
        double=" ".join(f"--{name}" for spec in options for name in spec.names),
        values="\n".join(_bash_values()),
        verb_cases="\n".join(
            f"        {verb}) mapfile -t COMPREPLY < <(compgen -W '{_bash_verb_words(verb)}' -- \"$1\") ;;"
            for verb in VERBS
        ),
    )


def _names_with(n_arguments: int) -> str:
    return "|".join(name for spec in _options() if spec.type.n_arguments == n_arguments for name in spec.names)


def _bash_verb_words(verb: str) -> str:
    return _VERB_WORDS[verb] if verb == "completion" else f"{' '.join(builtin_names())} {_VERB_WORDS[verb]}"


def _bash_values() -> Iterator[str]:
    names_of: dict[Value, list[str]] = {}
    for spec in _options():
        if spec.type.n_arguments:
            names_of.setdefault(value_of(spec), []).extend(spec.names)
    for value, names in names_of.items():
        pattern = "|".join(names)
        words = shlex.quote(" ".join(value.choices))
        if value.kind == "file":
            yield f'        {pattern}) _sippx_files "$2" ;;'
        elif value.is_list:
            yield f"        {pattern})"
            yield '            [[ $2 == *,* ]] && prefix=${2%,*},'
            yield f'            mapfile -t COMPREPLY < <(compgen -P "$prefix" -W {words} -- "${{2##*,}}") ;;'
        elif value.kind == "choices":
            yield f'        {pattern}) mapfile -t COMPREPLY < <(compgen -W {words} -- "$2") ;;'


# ---- zsh -------------------------------------------------------------------------------------------------

_ZSH = """\
#compdef sippx
# zsh completion of sippx, made by 'sippx completion zsh'
_sippx() {{
    if (( CURRENT > 2 )); then
        case $words[2] in
            check|show)
                _arguments '-key[replace a keyword]:keyword: :value: ' '-inf[injection file]:file:_files' \\
                    '--list[list the checks]' '-h[help]' '*:scenario:_sippx_scenarios'
                return ;;
            completion)
                compadd {shells}
                return ;;
        esac
    fi
    _arguments \\
        {options} \\
        '*:remote host:_sippx_first'
}}

_sippx_scenarios() {{
    compadd -- {scenarios}
    _files
}}

_sippx_first() {{
    (( CURRENT == 2 )) && compadd -- {verbs}
    _hosts
}}

if [[ $funcstack[1] == _sippx ]]; then
    _sippx "$@"
else
    compdef _sippx sippx
fi
"""


def _zsh() -> str:
    return _ZSH.format(
        shells=" ".join(SHELLS),
        scenarios=" ".join(builtin_names()),
        verbs=" ".join(VERBS),
        options=" \\\n        ".join(_zsh_option(flag, spec) for spec in _options() for flag in spec.flags),
    )


def _zsh_option(flag: str, spec: OptionSpec) -> str:
    text = _describe(spec).replace("[", "\\[").replace("]", "\\]").replace(":", "\\:")
    repeated = "*" if spec.type.is_list or spec.type.n_arguments > 1 else ""
    arguments = spec.argument.split() if spec.type.n_arguments > 1 else [spec.argument]
    messages = [f":{name.replace('[', '').replace(']', '').replace(':', ' ')}:" for name in arguments if name]
    if messages:
        messages[0] += _zsh_action(value_of(spec))
        messages[1:] = [f"{message} " for message in messages[1:]]
    return shlex.quote(f"{repeated}{flag}[{text}]{''.join(messages)}")


def _zsh_action(value: Value) -> str:
    if value.kind == "file":
        return "_files"
    if value.kind == "text":
        return " "
    choices = " ".join(value.choices)
    return f"_values -s , behavior {choices}" if value.is_list else f"({choices})"


# ---- fish ------------------------------------------------------------------------------------------------


def _fish() -> str:
    lines = [
        "# fish completion of sippx, made by 'sippx completion fish'",
        "complete -c sippx -e",
        "complete -c sippx -f",
        f"set -l verbs {' '.join(VERBS)}",
        'complete -c sippx -n "not __fish_seen_subcommand_from $verbs" -a "(__fish_print_hostnames)"',
        "complete -c sippx -n __fish_use_subcommand -a check -d 'look for mistakes in scenarios'",
        "complete -c sippx -n __fish_use_subcommand -a show -d \"print a scenario's flow\"",
        "complete -c sippx -n __fish_use_subcommand -a completion -d 'print a completion script'",
        f"complete -c sippx -n '__fish_seen_subcommand_from check show' -F -a '{' '.join(builtin_names())}'",
        "complete -c sippx -n '__fish_seen_subcommand_from check' -l list -d 'list the checks'",
        f"complete -c sippx -n '__fish_seen_subcommand_from completion' -a '{' '.join(SHELLS)}'",
    ]
    for spec in _options():
        lines.extend(_fish_option(flag, spec) for flag in spec.flags)
    return "\n".join(lines) + "\n"


def _fish_option(flag: str, spec: OptionSpec) -> str:
    name = flag.lstrip("-")
    kind = "-l" if flag.startswith("--") else "-o"  # -s t would take -trace_stat for -t with a value
    words = [f"complete -c sippx {kind} {name}"]
    if spec.type.n_arguments:
        value = value_of(spec)
        words.append("-r -F" if value.kind == "file" else "-x")
        if value.is_list:
            words.append(f"-a '(__fish_append , {' '.join(value.choices)})'")
        elif value.choices:
            words.append(f"-a '{' '.join(value.choices)}'")
    text = _describe(spec).replace("\\", "\\\\").replace("'", "\\'")
    return " ".join([*words, f"-d '{text}'"])


_SCRIPTS: dict[str, Callable[[], str]] = {"bash": _bash, "zsh": _zsh, "fish": _fish}
