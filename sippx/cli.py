"""The command sippx: command line -> scenario and options -> run -> exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sippx.command_line import VERBS, InformationRequest, VerbRequest, parse_command_line, parse_verb
from sippx.errors import EXIT_FATAL, EXIT_INFORMATION, EXIT_OK, SippxError, StartError
from sippx.options import DEFAULT_SCENARIO, Options

if TYPE_CHECKING:
    from sippx.plugins import Plugins
    from sippx.scenario import Scenario

_PAGERS = ("/usr/bin/pager", "/usr/bin/less", "/usr/bin/more")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with the words `argv` (default: the process's) and return its exit code.

    Errors that a user can cause end as one line on stderr. An interrupt before the run has begun is a clean
    end; from then on signals are the runner's.
    """
    words = sys.argv[1:] if argv is None else argv
    try:
        return _main(list(words) or ["-h"])
    except SippxError as error:
        print("sippx:", " ".join(str(error).splitlines()), file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        _discard_stdout()
        return EXIT_FATAL
    except KeyboardInterrupt:
        return EXIT_OK


def _main(words: list[str]) -> int:
    if words[0] in VERBS:
        return _run_verb(parse_verb(words))
    request = parse_command_line(words)
    if isinstance(request, InformationRequest):
        _print_information(request)
        return EXIT_INFORMATION
    plugins = _load_plugins(request)
    scenario = _load_scenario(plugins.options if plugins else request)
    if request.background and not _continue_in_background():
        return EXIT_INFORMATION
    from sippx.runner import run_command

    return run_command(scenario, request, ["sippx", *words], plugins)


def _load_plugins(options: Options) -> Plugins | None:
    """The plugins, which may set keywords of the scenario: they are loaded before it."""
    if not options.plugins:
        return None
    from sippx.plugins import Plugins

    return Plugins(options)


def _load_scenario(options: Options) -> Scenario:
    from sippx.scenario import Scenario

    if options.scenario_file is not None:
        return Scenario.from_file(
            options.scenario_file, keys=options.keys, injection_names=options.injection_names
        )
    name = DEFAULT_SCENARIO if options.scenario_name is None else options.scenario_name
    return Scenario.builtin(name, keys=options.keys, injection_names=options.injection_names)


def _run_verb(request: VerbRequest) -> int:
    if request.wants_help:
        from sippx.help_text import render_verb_help

        _write_stdout(render_verb_help(request.verb))
        return EXIT_INFORMATION
    if request.verb == "completion":
        from sippx.completion import completion_script

        _write_stdout(completion_script(request.scenarios[0]))
        return EXIT_OK
    return _check(request) if request.verb == "check" else _show(request)


def _check(request: VerbRequest) -> int:
    """`sippx check`: print what is wrong with scenarios, one line each."""
    from sippx.scenario.lint import lint_file
    from sippx.scenario.lint_checks import check_list, exit_code

    if request.wants_list:
        _write_stdout("".join(f"{line}\n" for line in check_list()))
        return EXIT_OK
    findings = []
    for name in request.scenarios:
        found = lint_file(name, keys=request.keys, injection_names=request.injection_names)
        _write_stdout("".join(f"{finding}\n" for finding in found))
        findings += found
    return exit_code(findings)


def _show(request: VerbRequest) -> int:
    """`sippx show`: print a scenario's flow and its program."""
    from sippx.scenario import Bindings, Scenario, compile_scenario, list_program
    from sippx.scenario.ladder import draw_ladder
    from sippx.scenario.lint import is_builtin

    (name,) = request.scenarios
    if is_builtin(name):
        scenario = Scenario.builtin(name, keys=request.keys)
    else:
        scenario = Scenario.from_file(name, keys=request.keys, injection_names=request.injection_names)
    program = compile_scenario(scenario, Bindings(keys=request.keys))
    _write_stdout(f"{draw_ladder(scenario)}\n{list_program(program)}")
    return EXIT_OK


def _print_information(request: InformationRequest) -> None:
    if request.action == "dump":
        from sippx.scenario.builtin import builtin_text

        _write_stdout(builtin_text(request.argument, flag="-sd"))
        return
    from sippx.help_text import render_help, render_topic, render_version

    if request.action == "version":
        _write_stdout(render_version())
        return
    text = render_topic(request.argument) if request.argument else None
    shown = render_help() if text is None else text
    if not _page(shown):
        _write_stdout(shown)
    if request.argument and text is None:
        print(f"sippx: no help on '{request.argument}' alone, so this is all of it", file=sys.stderr)


def _page(text: str) -> bool:
    """Show `text` in $PAGER or the first pager found; False if there is none or stdout is no terminal."""
    if sys.stdout is None or not sys.stdout.isatty():
        return False
    import shlex
    import subprocess

    pager = os.environ.get("PAGER")
    if pager is None:
        pager = next((path for path in _PAGERS if os.access(path, os.X_OK)), "")
    try:
        command = shlex.split(pager)
        if not command:
            return False
        subprocess.run(command, input=text, text=True, env={**os.environ, "LESS": "FRX"}, check=False)
    except (OSError, ValueError):  # no such program; a quotation mark that is not closed
        return False
    return True


def _write_stdout(text: str) -> None:
    """Print all of `text` now. A reader that has gone away is no error; StartError for anything else."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        print(text.encode(encoding, "backslashreplace").decode(encoding), end="", flush=True)
    except BrokenPipeError:
        _discard_stdout()
    except OSError as error:
        raise StartError(f"cannot write to standard output: {error.strerror}") from None


def _discard_stdout() -> None:
    """Let what is still buffered go nowhere, so that the interpreter's last flush does not fail."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)


def _continue_in_background() -> bool:
    """Fork: False in the parent, which has printed the child's PID; True in the child."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    pid = os.fork()
    if pid:
        _write_stdout(f"Background mode - PID=[{pid}]\n")
        return False
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    if null > 2:
        os.close(null)
    return True
