"""The JSON document of a run: its schema, its numbers, its text."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import jsonschema
import pytest
from outcomes import sample_outcome

from sippx.report.jsonfile import document, iso_time, json_text
from sippx.report.outcome import OptionValue

SCHEMA = json.loads((files("sippx.report") / "result.schema.json").read_text("utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA, format_checker=jsonschema.FormatChecker())


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(json_text(sample_outcome()))
    return loaded


def test_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_document_keeps_to_the_schema(result: dict[str, Any]) -> None:
    VALIDATOR.validate(result)


def test_document_without_timeline_and_calls_keeps_to_the_schema() -> None:
    VALIDATOR.validate(json.loads(json_text(sample_outcome(0, timeline={}, thresholds=(), findings=()))))


def test_schema_describes_every_field(result: dict[str, Any]) -> None:
    def check(value: Any, schema: dict[str, Any], path: str) -> None:
        schema = {**SCHEMA["$defs"].get(schema.get("$ref", "").rpartition("/")[2], {}), **schema}
        for option in schema.get("anyOf", ()):
            if "$ref" in option:
                schema = SCHEMA["$defs"][option["$ref"].rpartition("/")[2]]
        if isinstance(value, dict) and "properties" in schema:
            assert set(value) == set(schema["properties"]), path
            for name, item in value.items():
                check(item, schema["properties"][name], f"{path}.{name}")
        if isinstance(value, list) and "items" in schema:
            for item in value:
                check(item, schema["items"], f"{path}[]")

    check(result, SCHEMA, "result")


def test_parts_agree_with_each_other(result: dict[str, Any]) -> None:
    calls, line = result["calls"], result["timeline"]
    assert sum(line["calls"]) == calls["created"] == result["counters"]["outgoing_calls"]
    assert sum(line["failed"]) == calls["failed"] == sum(result["failures"].values())
    assert sum(map(sum, line["failures"].values())) == calls["failed"]
    assert sum(count for _, _, count in result["response_times"]["1"]["buckets_ms"]) == 3600
    assert len(result["steps"]) == 10
    assert result["steps"][0]["start_rtd"] == "1"
    assert result["steps"][0]["retransmissions"] == 17


def test_thresholds_are_in_their_own_units(result: dict[str, Any]) -> None:
    by_text = {item["text"]: item for item in result["verdict"]["thresholds"]}
    slow = by_text["rtd1.p99<50ms"]
    assert (slow["limit"], slow["unit"], slow["verdict"]) == (50, "ms", "failed")
    assert slow["measured"] == pytest.approx(result["response_times"]["1"]["percentiles_ms"]["p99"], rel=1e-6)
    share = by_text["failed<0.1%"]
    assert share["measured"] == pytest.approx(100 * result["calls"]["failed"] / result["counters"]["calls_ended"])
    assert by_text["rtd7.p99<1s"]["measured"] is None


def test_nothing_measured_is_null(result: dict[str, Any]) -> None:
    lag = document(sample_outcome(0))["schedule_lag"]
    assert (lag["count"], lag["mean_ms"], lag["percentiles_ms"]["p99"], lag["buckets_ms"]) == (0, None, None, [])


def test_list_of_points_is_one_line() -> None:
    lines = json_text(sample_outcome()).splitlines()
    assert [line for line in lines if line.lstrip().startswith('"rate": [')]
    assert len(lines) < 700


def test_any_option_value_becomes_json() -> None:
    values = [frozenset({"b", "a"}), (1, 2), {"k": (1,)}, object, 1.5, None]
    options = tuple(OptionValue(f"o{i}", "-o", value, False) for i, value in enumerate(values))
    written = json.loads(json_text(sample_outcome(1, options=options)))["options"]["set"]
    assert written["o0"] == ["a", "b"]
    assert written["o2"] == {"k": [1]}
    assert written["o5"] is None


def test_moment_is_utc_to_the_millisecond() -> None:
    assert iso_time(1_795_424_611_804_970_000) == "2026-11-23T09:03:31.804Z"
