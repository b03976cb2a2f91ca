"""The page: complete by itself, nothing in it escapes, its data is that of the JSON file."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any

import pytest
from lxml import html as lxml_html
from outcomes import FLOW, sample_outcome

from sippx.report.htmlfile import page_text
from sippx.report.jsonfile import document
from sippx.report.outcome import Outcome

HOSTILE = "</script><script>alert(1)</script>\"'&\u2028\udcff<!--"


def tree_of(outcome: Outcome) -> Any:
    return lxml_html.fromstring(page_text(outcome))


@pytest.fixture(scope="module")
def page() -> Any:
    return tree_of(sample_outcome())


def data_of(page: Any) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(page.get_element_by_id("sippx-data").text)
    return loaded


def test_data_is_that_of_the_json_file_without_buckets(page: Any) -> None:
    expected = json.loads(json.dumps(document(sample_outcome())))
    others = [expected[name] for name in ("call_length", "schedule_lag", "connect_time")]
    for part in (*expected["response_times"].values(), *others):
        del part["buckets_ms"]
    assert data_of(page) == expected


def test_nothing_is_loaded(page: Any) -> None:
    for element in page.iter():
        assert not {"src", "href", "srcset", "action", "data"} & set(element.attrib), element.tag
        assert not [name for name in element.attrib if name.startswith("on") or name == "style"], element.attrib
    styles = "".join(style.text for style in page.iter("style"))
    assert "url(" not in styles
    assert "@import" not in styles


def test_policy_allows_the_scripts_and_styles_of_the_page_only(page: Any) -> None:
    policy = page.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")[0]
    assert policy.startswith("default-src 'none';")
    code = [item.text for item in (*page.iter("style"), *page.iter("script")) if item.get("type") != "application/json"]
    assert len(code) == 4
    for text in code:
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy


def test_everything_given_is_escaped() -> None:
    outcome = sample_outcome(
        1, scenario_name=HOSTILE, scenario_file=HOSTILE, scenario_description=HOSTILE, reason=HOSTILE,
        command_line=(HOSTILE,), last_warning=HOSTILE, version=HOSTILE,
    )  # fmt: skip
    page = tree_of(outcome)
    assert len(list(page.iter("script"))) == 3
    assert not [script for script in page.iter("script") if (script.text or "").startswith("alert")]
    assert data_of(page)["scenario"]["name"].startswith("</script><script>alert(1)")
    assert page.find(".//h1").text.startswith("</script>")


def test_verdict_is_on_top(page: Any) -> None:
    text = page.find(".//header").text_content()
    assert "FAILED" in text
    assert "threshold 'rtd1.p99<50ms' was not met" in text
    passed = tree_of(sample_outcome(1, exit_code=0, thresholds=()))
    assert "PASSED" in passed.find(".//header").text_content()


def test_ladder_has_a_row_for_each_step_shown(page: Any) -> None:
    rows = page.xpath("//table[contains(@class, 'ladder')]/tbody/tr")
    assert len(rows) == sum(not step.hidden for step in FLOW)
    first = rows[0].text_content()
    assert "INVITE" in first
    assert "60,000" in first
    assert "start 1" in first


@pytest.mark.parametrize(("client", "direction"), [(True, "to-right"), (False, "to-left")])
def test_what_is_sent_goes_away_from_this_side(client: bool, direction: str) -> None:
    outcome = sample_outcome(1)
    changed = type(outcome.info)(**{name: getattr(outcome.info, name) for name in outcome.info.__slots__} | {"client": client})
    page = tree_of(sample_outcome(1, info=changed))
    lane = page.xpath("//div[contains(@class, 'lane')]")[0]
    assert direction in lane.get("class").split()


def test_thresholds_findings_and_options_are_shown(page: Any) -> None:
    text = re.sub(r"\s+", " ", page.text_content())
    for part in (
        "rtd1.p99<50ms", "61.73 ms", "no data", "the engine's thread used up to 99% of its core", "-key",
        "name=</script><b>", "1 options at their defaults", "sippx 127.0.0.1:5060 -r 1000",
    ):  # fmt: skip
        assert part in text, part


def test_run_without_timeline_says_so() -> None:
    page = tree_of(sample_outcome(1, timeline={}))
    assert "Nothing was recorded over time." in page.text_content()
    assert not page.xpath("//*[@id='charts']")


def test_quiet_generator_is_said() -> None:
    assert "was not limited" in tree_of(sample_outcome(1)).text_content()


def test_page_of_the_longest_timeline_stays_small() -> None:
    outcome = sample_outcome(1)
    line = {name: values * 2000 if isinstance(values, list) else values for name, values in outcome.timeline.items()}
    assert len(page_text(sample_outcome(1, timeline=line))) < 1_000_000
