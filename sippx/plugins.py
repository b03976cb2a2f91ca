"""Plugins (-plugin FILE): Python files that set keywords, follow a run and look at its result. See docs/plugins.md."""

from __future__ import annotations

import sys
import traceback
import types
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sippx.errors import UsageError
from sippx.options import Options
from sippx.report.flow import RunInfo
from sippx.report.reporter import Reporter
from sippx.report.snapshot import Snapshot
from sippx.result import Result

EndHook = Callable[[Result], object]

_ELF_MAGIC = b"\x7fELF"
_HOOKS = ("begin", "report", "end")


@dataclass(frozen=True)
class PluginContext:
    """What `init(context)` of a plugin is given, before the scenario is loaded.

    keys     keywords of -key, by name; what is put in is replaced in the scenario
    options  the options of the run, as given on the command line
    """

    keys: MutableMapping[str, str]
    options: Options
    _follower: _Follower

    def add_reporter(self, reporter: Any) -> None:
        """Have `reporter` follow the run: it has some of begin, report and end, which take (total, info).

        report is called every `reporter.period_ms`. TypeError where it is no reporter.
        """
        if not any(callable(getattr(reporter, name, None)) for name in _HOOKS):
            raise TypeError(f"a reporter has begin, report or end; {type(reporter).__name__} has none of them")
        period_ms = getattr(reporter, "period_ms", 0)
        if not isinstance(period_ms, int) or period_ms < 0:
            raise TypeError(f"period_ms of a reporter is a number of milliseconds, 0 for none; not {period_ms!r}")
        self._follower.reporters.append(_GuardedReporter(reporter, self._follower, period_ms))

    def on_end(self, hook: EndHook) -> None:
        """Have `hook` called with the result when the run is over."""
        if not callable(hook):
            raise TypeError(f"on_end takes a function; {hook!r} cannot be called")
        self._follower.end_hooks.append(hook)


@dataclass
class _Follower:
    """What one plugin registered. Its first error is its last: from then on it is left alone."""

    file: str
    reporters: list[Reporter] = field(default_factory=list)
    end_hooks: list[EndHook] = field(default_factory=list)
    error: str = ""
    is_busy: bool = False

    def call(self, hook: Callable[..., object], *arguments: Any) -> None:
        """Call a function of the plugin; whatever it raises switches the plugin off."""
        if self.error:
            return
        try:
            self.is_busy = True
            hook(*arguments)
        except (Exception, SystemExit) as error:
            self.error = f"plugin {_place(error, self.file)}: {_text(error)}; it is switched off, the run went on"
        finally:
            self.is_busy = False


class _GuardedReporter:
    """A plugin's reporter, which cannot hurt the run."""

    def __init__(self, reporter: Any, follower: _Follower, period_ms: int) -> None:
        self.period_ms = period_ms
        self._reporter = reporter
        self._follower = follower

    @property
    def notes(self) -> list[str]:
        """What the reporter wants to say at the end, if anything."""
        notes: list[str] = []
        self._follower.call(lambda: notes.extend(map(str, getattr(self._reporter, "notes", ()))))
        return notes

    def begin(self, total: Snapshot, info: RunInfo) -> None:
        """The run is about to start."""
        self._call("begin", total, info)

    def report(self, total: Snapshot, info: RunInfo) -> None:
        """A period is over."""
        self._call("report", total, info)

    def end(self, total: Snapshot, info: RunInfo) -> None:
        """The run is over."""
        self._call("end", total, info)

    def _call(self, name: str, total: Snapshot, info: RunInfo) -> None:
        hook = getattr(self._reporter, name, None)
        if hook is not None:
            self._follower.call(hook, total, info)


class Plugins:
    """The plugins of a run, loaded and initialised in the order of the command line.

    Raises UsageError where one cannot be loaded, raises, or returns something other than 0 and None.
    """

    def __init__(self, options: Options) -> None:
        keys = dict(options.keys)
        self._followers: list[_Follower] = []
        for path in options.plugins:
            follower = _Follower(path)
            _start(path, PluginContext(keys, options, follower))
            self._followers.append(follower)
        self.options = replace(options, keys=keys) if keys != options.keys else options

    @property
    def reporters(self) -> Sequence[Reporter]:
        """Their reporters, none of which raises."""
        return [reporter for follower in self._followers for reporter in follower.reporters]

    def end(self, result: Result) -> None:
        """Call their hooks with the result of the run."""
        for follower in self._followers:
            for hook in follower.end_hooks:
                follower.call(hook, result)

    def interrupt(self) -> None:
        """Out of a signal handler: raise in the plugin that is at work, if one is, which switches it off."""
        if any(follower.is_busy for follower in self._followers):
            raise InterruptedError("ended by a signal")

    @property
    def notes(self) -> list[str]:
        """A line on each plugin that was switched off."""
        return [follower.error for follower in self._followers if follower.error]


def _start(path: str, context: PluginContext) -> None:
    with _errors_of(path):
        module = _load(path)
        init = getattr(module, "init", None)
        if not callable(init):
            raise UsageError(f"-plugin {path}: the file defines no function init(context)")
        answer = init(context)
        if answer is not None and not isinstance(answer, int):
            raise UsageError(f"-plugin {path}: init returned {answer!r}; it returns 0 or None where all is well")
        if answer:
            raise UsageError(f"-plugin {path}: init returned {int(answer)}: the plugin does not want to run")
        for name, value in context.keys.items():
            if not isinstance(name, str) or not isinstance(value, str):
                raise UsageError(f"-plugin {path}: keys are texts; context.keys has {name!r}: {value!r}")


def _load(path: str) -> types.ModuleType:
    try:
        source = Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"-plugin {path}: cannot be read ({error.strerror})") from None
    if source.startswith(_ELF_MAGIC):
        raise UsageError(f"-plugin {path}: this is a C plugin of SIPp; sippx loads Python files, see docs/plugins.md")
    code = compile(source, path, "exec")
    module = types.ModuleType(f"sippx_plugin_{Path(path).stem}")
    module.__file__ = path
    sys.modules[module.__name__] = module  # where dataclasses and pickle look their classes up
    exec(code, module.__dict__)
    return module


@contextmanager
def _errors_of(path: str) -> Iterator[None]:
    """What a plugin raises while it starts becomes a UsageError with its file and line."""
    try:
        yield
    except UsageError:
        raise
    except SyntaxError as error:
        place = f"{error.filename or path}:{error.lineno}" if error.lineno else path
        raise UsageError(f"-plugin {place}: {_text(error)}") from None
    except (Exception, SystemExit) as error:
        raise UsageError(f"-plugin {_place(error, path)}: {_text(error)}") from error


def _place(error: BaseException, path: str) -> str:
    """FILE:LINE of the plugin's own line that an error came through last."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    return f"{path}:{lines[-1]}" if lines else path


def _text(error: BaseException) -> str:
    message = error.msg if isinstance(error, SyntaxError) else str(error)
    return " ".join(f"{type(error).__name__}: {message}".rstrip(": ").split())
