"""The JUnit report: test cases, counts, what XML cannot carry."""

from __future__ import annotations

from lxml import etree
from outcomes import THRESHOLDS, sample_outcome

from sippx.report.junitfile import junit_text
from sippx.report.outcome import Outcome
from sippx.report.threshold import Threshold, ThresholdResult, parse


def suite_of(outcome: Outcome) -> etree._Element:
    suite = etree.fromstring(junit_text(outcome).encode()).find("testsuite")
    assert suite is not None
    return suite


def failures(suite: etree._Element) -> dict[str, str]:
    return {
        str(case.get("name")): str(failure.get("message"))
        for case in suite.iter("testcase")
        for failure in case.iter("failure")
    }


def test_each_threshold_is_a_case_with_what_was_measured() -> None:
    suite = suite_of(sample_outcome())
    names = [case.get("name") for case in suite.iter("testcase")]
    assert names == ["run completed", *(f"threshold {text}" for text in THRESHOLDS)]
    assert failures(suite) == {
        "threshold rtd1.p99<50ms": "measured 61.73 ms",
        "threshold rate>=0.99": "measured 0.98",
        "threshold rtd7.p99<1s": "no data: the scenario has no response time '7'; it has: 1, invite",
    }


def test_counts_are_those_of_the_cases() -> None:
    suite = suite_of(sample_outcome())
    assert int(str(suite.get("tests"))) == len(list(suite.iter("testcase")))
    assert int(str(suite.get("failures"))) == len(list(suite.iter("failure")))
    assert suite.get("time") == "60.000"


def test_failed_calls_are_a_case_where_no_threshold_judges_them() -> None:
    suite = suite_of(sample_outcome(thresholds=(), exit_code=1))
    assert list(failures(suite)) == ["no failed calls"]
    failure = next(suite.iter("failure"))
    assert "unexpected message: 9" in str(failure.text)


def test_run_cut_short_did_not_complete() -> None:
    found = failures(suite_of(sample_outcome(thresholds=(), exit_code=255, reason="it timed out")))
    assert found["run completed"] == "exit code 255: it timed out"


def test_passed_run_has_no_failures() -> None:
    outcome = sample_outcome(10, exit_code=0, reason="no call failed", thresholds=())
    assert not failures(suite_of(outcome))


def test_what_xml_cannot_carry_is_replaced() -> None:
    suite = suite_of(sample_outcome(scenario_name="a\x00b\udcff<&>"))
    assert suite.get("name") == "sippx.a\ufffdb\ufffd<&>"


def test_threshold_text_is_escaped() -> None:
    threshold: Threshold = parse("failed < 5")
    result = ThresholdResult(threshold, 7.0, "failed", "7")
    assert failures(suite_of(sample_outcome(thresholds=(result,)))) == {"threshold failed < 5": "measured 7"}
