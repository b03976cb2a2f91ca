"""Plugins: loading, what they may do, and what theirs cannot hurt."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from sippx.errors import UsageError
from sippx.options import Options
from sippx.plugins import Plugins
from sippx.runner import Runner
from sippx.scenario import Scenario
from tests.e2e.harness import free_port, wait_until

ROOT = Path(__file__).parents[1]
DOCUMENT = (ROOT / "docs" / "plugins.md").read_text("utf-8")
CALLS = 3


@pytest.fixture
def plugin(tmp_path: Path) -> Any:
    def write(text: str, name: str = "plugin.py") -> str:
        path = tmp_path / name
        path.write_text(dedent(text), "utf-8")
        return str(path)

    return write


def load(*paths: str, **more: Any) -> Plugins:
    return Plugins(Options(plugins=paths, **more))


def run_empty(*paths: str) -> Runner:
    """A run without calls, of a fifth of a second."""
    plugins = load(*paths, remote_host="127.0.0.1:9", local_ip="127.0.0.1", rate=0, timeout_ms=200)
    runner = Runner(Scenario.builtin("uac"), plugins.options, plugins=plugins)
    runner.run()
    return runner


# ---- loading ---------------------------------------------------------------------------------------------


def test_without_plugins_the_options_are_those_given() -> None:
    options = Options(keys={"a": "1"})
    assert Plugins(options).options is options


def test_keys_of_all_plugins_are_added_to_those_of_the_command_line(plugin: Any) -> None:
    first = plugin("def init(context):\n    context.keys['b'] = context.keys['a'] + '2'\n", "first.py")
    second = plugin("def init(context):\n    context.keys['c'] = context.keys['b'] + '3'\n    return 0\n", "second.py")
    plugins = load(first, second, keys={"a": "1"})
    assert plugins.options.keys == {"a": "1", "b": "12", "c": "123"}


def test_the_options_are_seen_as_given(plugin: Any) -> None:
    path = plugin("def init(context):\n    context.keys['rate'] = f'{context.options.rate:g}'\n")
    assert load(path, rate=500).options.keys == {"rate": "500"}


def test_dataclasses_work_in_a_plugin(plugin: Any) -> None:
    path = plugin(
        """
        from __future__ import annotations
        from dataclasses import dataclass
        from typing import ClassVar

        @dataclass
        class State:
            shared: ClassVar[int] = 1
            own: int = 2

        def init(context):
            context.keys['k'] = str(State().own)
        """
    )
    assert load(path).options.keys == {"k": "2"}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("x = 1\n", r"plugin\.py: the file defines no function init\(context\)"),
        ("def init(context)\n    pass\n", r"plugin\.py:1: SyntaxError: expected ':'"),
        ("import zork_zork\n", r"plugin\.py:1: ModuleNotFoundError: No module named 'zork_zork'"),
        ("def init(context):\n    x = 1\n    return {}[x]\n", r"plugin\.py:3: KeyError: 1"),
        ("import sys\ndef init(context):\n    sys.exit(3)\n", r"plugin\.py:3: SystemExit: 3"),
        ("def init(context):\n    return 7\n", r"plugin\.py: init returned 7: the plugin does not want to run"),
        ("def init(context):\n    return 'x'\n", r"plugin\.py: init returned 'x'; it returns 0 or None"),
        ("def init(context):\n    context.keys['a'] = 1\n", r"plugin\.py: keys are texts; .* 'a': 1"),
        ("def init(context):\n    context.add_reporter(5)\n", r"plugin\.py:2: TypeError: a reporter has begin"),
        ("def init(context):\n    context.on_end(5)\n", r"plugin\.py:2: TypeError: on_end takes a function"),
        ("def init():\n    pass\n", r"plugin\.py: TypeError: init\(\) takes 0 positional arguments"),
    ],
)
def test_a_plugin_that_does_not_start_is_named_with_its_line(plugin: Any, text: str, complaint: str) -> None:
    path = plugin(text)
    with pytest.raises(UsageError) as caught:
        load(path)
    assert re.search(complaint, str(caught.value)), caught.value
    assert str(caught.value).startswith(f"-plugin {path}")


def test_a_period_that_is_none_is_refused(plugin: Any) -> None:
    path = plugin(
        """
        class Bad:
            period_ms = -1
            def end(self, total, info): ...

        def init(context):
            context.add_reporter(Bad())
        """
    )
    with pytest.raises(UsageError, match="period_ms of a reporter is a number of milliseconds"):
        load(path)


def test_a_plugin_that_is_not_there_is_named() -> None:
    with pytest.raises(UsageError, match=r"-plugin /nowhere\.py: cannot be read \(No such file or directory\)"):
        load("/nowhere.py")


def test_a_plugin_of_sipp_is_refused_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "plugin.so"
    path.write_bytes(b"\x7fELF\x02\x01\x01\0" + bytes(56))
    with pytest.raises(UsageError, match=r"is a C plugin of SIPp; sippx loads Python files, see docs/plugins\.md"):
        load(str(path))


# ---- following a run -------------------------------------------------------------------------------------

FOLLOWER = """
    seen = []

    class Reporter:
        period_ms = 50
        notes = ["a note"]

        def begin(self, total, info):
            seen.append("begin")

        def report(self, total, info):
            seen.append("report")
            {report}

        def end(self, total, info):
            seen.append("end")

    def init(context):
        context.add_reporter(Reporter())
        context.on_end(lambda result: seen.append(result.n_calls))
"""


def seen() -> list[object]:
    found: list[object] = sys.modules["sippx_plugin_plugin"].seen
    return found


def test_a_reporter_is_told_of_begin_periods_and_end_and_then_the_result(plugin: Any) -> None:
    runner = run_empty(plugin(FOLLOWER.format(report="")))
    told = seen()
    assert told[0] == "begin" and told[-2:] == ["end", 0]
    assert set(told[1:-2]) == {"report"}
    assert "a note" in runner.closing_lines()


def test_a_reporter_that_raises_is_switched_off_and_said_once(plugin: Any) -> None:
    path = plugin(FOLLOWER.format(report="raise ValueError('two\\nlines')"))
    runner = run_empty(path)
    assert seen() == ["begin", "report"]
    line = f"plugin {path}:13: ValueError: two lines; it is switched off, the run went on"
    assert [text for text in runner.closing_lines() if "plugin" in text] == [line]


def test_one_plugin_that_fails_leaves_the_others_alone(plugin: Any) -> None:
    bad = plugin("def init(context):\n    context.on_end(lambda result: 1 / 0)\n", "bad.py")
    good = plugin(FOLLOWER.format(report=""))
    runner = run_empty(bad, good)
    assert seen()[-1] == 0
    assert [text for text in runner.closing_lines() if "bad.py:2: ZeroDivisionError" in text]


def test_a_reporter_may_have_only_an_end(plugin: Any) -> None:
    path = plugin(
        """
        seen = []

        class Reporter:
            def end(self, total, info):
                seen.append(total.calls_created)

        def init(context):
            context.add_reporter(Reporter())
        """
    )
    run_empty(path)
    assert seen() == [0]


def test_a_runner_loads_the_plugins_of_its_options(plugin: Any) -> None:
    path = plugin(FOLLOWER.format(report=""))
    options = Options(
        remote_host="127.0.0.1:9", local_ip="127.0.0.1", rate=0, timeout_ms=100, plugins=(path,)
    )
    Runner(Scenario.builtin("uac"), options).run()
    assert seen()[-1] == 0


# ---- the document ----------------------------------------------------------------------------------------


def test_the_example_of_the_document_works(tmp_path: Path) -> None:
    (source,) = re.findall(r'```python\n(""".*?)```', DOCUMENT, re.DOTALL)
    (tmp_path / "example.py").write_text(source, "utf-8")
    (tmp_path / "user.txt").write_text("alice\n", "utf-8")
    uac = (ROOT / "scenarios" / "uac.xml").read_text("utf-8")
    (tmp_path / "call.xml").write_text(uac.replace("[service]", "[callee]"), "utf-8")
    port = free_port()
    sippx = [sys.executable, "-m", "sippx", "-i", "127.0.0.1", "-nostdin"]
    with subprocess.Popen(
        [*sippx, "-sn", "uas", "-p", str(port), "-m", str(CALLS), "-trace_msg", "-message_file", "m.log"],
        cwd=tmp_path, stdout=subprocess.DEVNULL, env={"PYTHONPATH": str(ROOT)},
    ) as server:  # fmt: skip
        try:
            wait_until((tmp_path / "m.log").exists, "the server is up")
            done = subprocess.run(
                [*sippx, "-plugin", "example.py", "-sf", "call.xml", f"127.0.0.1:{port}", "-r", "2", "-m", str(CALLS)],
                cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False, env={"PYTHONPATH": str(ROOT)},
            )  # fmt: skip
        finally:
            server.terminate()
    assert done.returncode == 0, done.stderr
    assert re.search(r"^\d calls, \d open, 2 wanted$", done.stderr, re.MULTILINE)
    result = (tmp_path / "result.json").read_text("utf-8")
    assert re.fullmatch(r'\{"calls": 3, "failed": 0, "p99_ms": [\d.e-]+\}', result)
    assert f"INVITE sip:alice@127.0.0.1:{port} SIP/2.0" in (tmp_path / "m.log").read_text("utf-8")


def test_the_error_of_the_document_is_what_is_printed(tmp_path: Path) -> None:
    (source,) = re.findall(r'```python\n(""".*?)```', DOCUMENT, re.DOTALL)
    (tmp_path / "example.py").write_text(source, "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "sippx", "-plugin", "example.py", "-sn", "uas"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False, env={"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    (documented,) = re.findall(r"^    (sippx: -plugin .*)$", DOCUMENT, re.MULTILINE)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", documented + "\n")
