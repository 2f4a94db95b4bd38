"""Laws of changed fields: which class a change is of, and that classes and verdicts on state say the same."""

import itertools
from typing import Any

import pytest

from datanexus.plan.change_report import ChangeReport, judge_pipelines, render_change
from datanexus.plan.field_change import CLASSES
from datanexus_spec.pipeline import Pipeline
from tests.unit.plan.pipelines import FIELDS, pipeline, view

SOURCE = {"path": "log/*", "format": {"ndjson": {}}}
SUM = {"name": "s", "expr": "sum(bytes)"}
STEPS = [{"set": {"name": "section", "expr": "upper(path)"}}, {"filter": "status > 0"}]


def fields(**types: str) -> dict[str, Any]:
    changed = [{**part, "type": types.get(part["name"], part["type"])} for part in FIELDS]
    return {"fields": changed, "eventTime": "time"}


VARIANTS: list[dict[str, Any]] = [
    {},
    {"watermark": {"delay": "5m"}},
    {"sources": [{"name": "access", "stdin": {"format": {"ndjson": {}}}}]},
    {"sources": [{"name": "other", "files": SOURCE}]},
    {"record": fields(status="int64")},
    {"record": fields(path="json"), "views": [view("traffic", ["client"])]},
    {"record": {**fields(), "timeZone": "Europe/Berlin"}},
    {"steps": STEPS},
    {"steps": STEPS, "views": [view("traffic", ["section"])]},
    {"steps": STEPS[:1], "views": [view("traffic", ["section"]), view("more", ["status"])]},
    {"dedup": {"key": ["client"], "horizon": "1h"}},
    {"dedup": {"key": ["client"], "horizon": "1h"}, "record": fields(client="int64")},
    {"dedup": {"key": ["path", "client"], "horizon": "1h"}, "record": fields(path="int32")},
    {"scale": {"partitions": 4}},
    {"views": [view("traffic", ["path"], aggregates=[SUM])]},
    {"views": [view("traffic", ["path"], aggregates=[SUM])], "record": fields(bytes="float64")},
    {"views": [view("traffic", ["path"], window={"session": {"gap": "5m"}})]},
    {"views": [view("errors", ["status"])]},
    {"quarantine": {"max": 0.5}, "storage": {"results": {"keep": "9d"}}},
]


def judged(before: dict[str, Any], after: dict[str, Any]) -> ChangeReport:
    return judge_pipelines(pipeline(**before), pipeline(**after))


def classes(before: dict[str, Any], after: dict[str, Any]) -> dict[str, str]:
    return {field.path: field.change_class for field in judged(before, after).fields}


@pytest.mark.parametrize(("before", "after"), [*itertools.product(VARIANTS, VARIANTS)])
def test_a_field_is_of_class_state_change_exactly_where_state_does_not_fit(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    report = judged(before, after)
    found = {field.change_class for field in report.fields}
    assert bool(report.verdict.incompatible) == ("state change" in found), report
    assert (report.action is None) == ("state change" in found)
    assert bool(report.fields) == (before != after)


def test_the_whole_is_of_the_greatest_class() -> None:
    assert "nothing" == judged({}, {}).change_class
    assert "state change" == judged({}, {**VARIANTS[10], **VARIANTS[1]}).change_class
    assert len(CLASSES) == len(set(CLASSES))


def test_a_default_spelt_out_is_no_change() -> None:
    report = judged({}, {"watermark": {"delay": "0s"}, "views": [view("traffic", ["path"], late={"to": "quarantine"})]})
    assert () == report.fields
    assert "taken over" in render_change(pipeline(), pipeline(watermark={"delay": "0s"}))


def test_the_same_window_in_other_units_means_the_same() -> None:
    other = {"views": [view("traffic", ["path"], window={"tumbling": {"size": "60m"}})]}
    assert {} == classes({}, other)


def test_a_required_field_waits_for_the_log_and_an_optional_one_does_not() -> None:
    for required, expected in ((True, "drain"), (False, "rolling")):
        agent = {"name": "agent", "type": "string", "required": required}
        after = {"record": {"fields": [*FIELDS, agent], "eventTime": "time"}}
        assert {"spec.record.fields[agent]": expected} == classes({}, after)


def test_a_type_that_no_state_is_made_of_waits_for_the_log() -> None:
    assert {"spec.record.fields[bytes].type": "drain"} == classes({}, {"record": fields(bytes="float64")})


def test_an_unread_step_is_taken_over() -> None:
    after = {"steps": [{"set": {"name": "unread", "expr": "upper(client)"}}]}
    assert {"spec.steps[0]": "rolling"} == classes({}, after)


def test_a_step_written_differently_means_the_same() -> None:
    after = {"steps": [{"set": {"name": "section", "expr": "UPPER( path )"}}, STEPS[1]]}
    assert {"spec.steps[0]": "nothing"} == classes({"steps": STEPS}, after)


def test_partitions_left_out_are_those_of_the_state() -> None:
    assert {"spec.scale.partitions": "nothing"} == classes({"scale": {"partitions": 4}}, {})


def test_another_name_is_impossible() -> None:
    old = pipeline()
    new = Pipeline.model_validate({**old.model_dump(by_alias=True), "metadata": {"name": "other"}})
    report = judge_pipelines(old, new)
    assert ("impossible", None) == (report.change_class, report.action)


def test_a_state_change_permits_the_change_it_names_and_no_other() -> None:
    old = judged({}, {}).verdict.old_revision
    after = {"dedup": {"key": ["client"], "horizon": "1h"}}
    for origin, action in ((f"web-traffic-{old}", "Rebuild"), ("web-traffic-0000000000", None)):
        permission = {"stateChange": {"action": "Rebuild", "from": origin}}
        assert action == judged({}, {**after, **permission}).action
