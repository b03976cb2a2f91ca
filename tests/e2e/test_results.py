"""Results of real runs: thresholds and exit codes, the files, the page in a browser."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from lxml import etree

from sippx import Options, Scenario

from .harness import Command, Finished, Peer, answer_like_uas, free_port, run_pair, running, say_nothing

Run = Callable[..., Finished]
OpenPeer = Callable[..., Peer]
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
BROWSER_DEADLINE_S = 60


def words(peer: Peer, n_calls: int = 20, rate: int = 200) -> tuple[object, ...]:
    return (peer.address, "-i", "127.0.0.1", "-p", free_port(), "-m", n_calls, "-r", rate, "-nostdin")


def without_answers(start: Callable[..., Command], peer: OpenPeer, *more: object) -> Finished:
    """A run whose calls all fail soon after they were opened: the peer never answers."""
    silent = peer(say_nothing)
    command = start(silent.address, "-i", "127.0.0.1", "-p", free_port(), "-r", 300, "-nostdin", "-max_retrans", 1, *more)
    return command.wait()


def load(path: Path) -> dict[str, Any]:
    """A result file, held against the schema."""
    result: dict[str, Any] = json.loads(path.read_text())
    schema = json.loads((files("sippx.report") / "result.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator(schema).validate(result)
    return result


# ---- thresholds --------------------------------------------------------------------------------------


def test_thresholds_that_hold_end_with_0(sippx: Run, peer: OpenPeer) -> None:
    ended = sippx(*words(peer(answer_like_uas)), "--threshold", "failed<1%", "--threshold", "rtd1.max<20s")
    assert ended.code == 0, ended.text
    assert "threshold failed<1%: passed, measured 0 %" in ended.err


def test_threshold_that_does_not_hold_ends_with_98(sippx: Run, peer: OpenPeer) -> None:
    ended = sippx(*words(peer(answer_like_uas)), "--threshold", "rtd1.p50<1us")
    assert ended.code == 98, ended.text
    assert re.search(r"threshold rtd1\.p50<1us: failed, measured [\d.]+ [mu]s", ended.err), ended.text


def test_threshold_without_data_ends_with_98(sippx: Run, peer: OpenPeer) -> None:
    ended = sippx(*words(peer(answer_like_uas), 1), "--threshold", "rtd9.p99<1s")
    assert ended.code == 98, ended.text
    assert "no data, the scenario has no response time '9'; it has: 1" in ended.err


def test_threshold_says_how_many_calls_may_fail(start: Callable[..., Command], peer: OpenPeer) -> None:
    ended = without_answers(start, peer, "-m", 5, "--threshold", "failed<6")
    assert ended.code == 0, ended.text
    assert without_answers(start, peer, "-m", 5).code == 1


def test_abort_ends_the_run_at_once(start: Callable[..., Command], peer: OpenPeer, tmp_path: Path) -> None:
    ended = without_answers(start, peer, "--threshold", "failed<1% abort", "--json", "r.json")
    assert ended.code == 98, ended.text
    assert re.search(r"ended after \d+ s by the threshold 'failed<1% abort'", ended.err), ended.text
    assert load(tmp_path / "r.json")["verdict"]["thresholds"][0]["verdict"] == "failed"


@pytest.mark.parametrize(("text", "says"), [
    ("faild<1%", "the nearest known one is 'failed'"), ("rtd1.p99<5", "its value needs a unit: us, ms or s"),
])  # fmt: skip
def test_text_that_is_no_threshold_is_refused_before_the_run(sippx: Run, text: str, says: str) -> None:
    assert says in sippx("127.0.0.1:9", "-i", "127.0.0.1", "--threshold", text).assert_one_line_error(1)


# ---- files -------------------------------------------------------------------------------------------


def test_json_says_what_the_screens_say(sippx: Run, peer: OpenPeer, tmp_path: Path) -> None:
    ended = sippx(*words(peer(answer_like_uas)), "-ap", "hush", "--json", "r.json")
    result = load(tmp_path / "r.json")
    assert result["calls"] | {"per_s": 0, "peak": 0} == {
        "created": 20, "successful": 20, "failed": 0, "open": 0, "peak": 0, "per_s": 0,
    }  # fmt: skip
    assert result["verdict"] == {"passed": True, "exit_code": ended.code, "reason": "no call failed", "thresholds": []}
    assert [step["messages"] for step in result["steps"] if step["label"] == "INVITE"] == [20]
    assert sum(result["timeline"]["calls"]) == 20
    assert result["options"]["set"]["rate"] == 200
    assert "hush" not in (tmp_path / "r.json").read_text()


def test_json_on_standard_output_is_all_there_is(sippx: Run, peer: OpenPeer) -> None:
    ended = sippx(*words(peer(answer_like_uas), 3), "--json", "-")
    assert json.loads(ended.out)["calls"]["successful"] == 3
    assert "Test Terminated" in ended.err


def test_junit_has_the_verdict(sippx: Run, peer: OpenPeer, tmp_path: Path) -> None:
    sippx(*words(peer(answer_like_uas), 3), "--threshold", "calls==4", "--junit", "r.xml")
    suite = etree.parse(tmp_path / "r.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("failures")) == ("3", "1")


def test_files_are_written_of_a_run_that_ends_with_255(sippx: Run, peer: OpenPeer, tmp_path: Path) -> None:
    ended = sippx(peer(say_nothing).address, "-i", "127.0.0.1", "-nostdin", "-timeout", 1, "-timeout_error", "--json", "r.json")
    assert ended.code == 255, ended.text
    verdict = load(tmp_path / "r.json")["verdict"]
    assert (verdict["passed"], verdict["exit_code"]) == (False, 255)
    assert "timed out" in verdict["reason"]


def test_file_that_cannot_be_created_is_said_before_the_run(sippx: Run) -> None:
    line = sippx("127.0.0.1:9", "-i", "127.0.0.1", "--json", "gone/r.json").assert_one_line_error(255)
    assert "cannot create 'gone/r.json'" in line


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_result_that_cannot_be_written_is_no_success(sippx: Run, peer: OpenPeer, tmp_path: Path) -> None:
    ended = sippx(*words(peer(answer_like_uas), 3), "--json", "/dev/full", "--junit", "r.xml")
    assert ended.code == 255, ended.text
    assert "cannot write '/dev/full': No space left on device" in ended.err
    assert (tmp_path / "r.xml").exists()


def test_result_in_python_has_verdicts_and_timeline(tmp_path: Path) -> None:
    path = str(tmp_path / "r.json")
    client, server = run_pair(20, thresholds=("failed==0", "rtd1.p50<1us"), json_file=path)
    assert [result.verdict for result in client.thresholds] == ["passed", "failed"]
    assert (client.exit_code, client.reason) == (98, "not met: rtd1.p50<1us")
    assert sum(client.timeline["successful"]) == 20
    assert load(tmp_path / "r.json")["verdict"]["exit_code"] == 98
    assert server.exit_code == 0
    assert server.thresholds == ()


def test_server_is_asked_for_no_rate() -> None:
    with running(Scenario.builtin("uas"), thresholds=("rate>=0.9",)) as server:
        assert server.end().thresholds[0].reason == "no rate was asked for"
    assert Options(thresholds=("calls>0",)).thresholds == ("calls>0",)


# ---- the page ----------------------------------------------------------------------------------------


def opened(page: Path) -> str:
    """The page as a browser has it once its scripts ran, without a network."""
    assert BROWSER is not None
    done = subprocess.run(
        [
            BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--proxy-server=127.0.0.1:9", f"--user-data-dir={page.parent / 'profile'}",
            "--virtual-time-budget=5000", "--dump-dom", page.as_uri(),
        ],
        capture_output=True, text=True, timeout=BROWSER_DEADLINE_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(BROWSER is None, reason="no chromium here (Debian package chromium)")
def test_browser_draws_what_the_json_file_has_and_loads_nothing(sippx: Run, peer: OpenPeer, tmp_path: Path) -> None:
    n_calls, rate = 600, 200
    ended = sippx(*words(peer(answer_like_uas), n_calls, rate), "-d", 100, "--json", "r.json", "--html", "r.html")
    assert ended.code == 0, ended.text
    line = load(tmp_path / "r.json")["timeline"]
    n_points = len(line["time_s"])
    assert n_points >= 3
    dom = opened(tmp_path / "r.html")
    told = re.search(r'data-charts="([^"]*)"', dom)
    assert told is not None, dom[:2000]
    charts = json.loads(html.unescape(told[1]))
    assert 'data-loaded="0"' in dom
    expected = {
        ("rate", "opened"): line["rate"], ("rate", "asked for"): line["target_rate"], ("open", "open"): line["open_calls"],
        ("rtd-1", "p50"): line["rtd"]["1"]["p50_ms"], ("rtd-1", "max"): line["rtd"]["1"]["max_ms"],
        ("cpu", "engine"): line["cpu_percent"], ("call-length", "p99"): line["call_length"]["p99_ms"],
        ("lag", "lag p99"): line["schedule_lag"]["p99_ms"],
    }  # fmt: skip
    for (chart, series), values in expected.items():
        drawn = charts[chart][series]
        assert drawn["n"] == n_points
        assert drawn["last"] == pytest.approx(values[-1]), (chart, series)
    sent = charts["messages"]["sent"]
    assert sent["last"] == pytest.approx(line["messages_sent"][-1] / line["duration_s"][-1])
    assert "failures" not in charts
    assert dom.count("<canvas") == len(charts)
