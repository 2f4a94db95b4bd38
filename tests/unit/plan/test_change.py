"""Laws of changes: what keeps its state, what loses it, and who may permit that."""

import json
from typing import Any

import pytest

from datanexus.plan.change import ChangeVerdict, Layout, judge_change, layout_of, permitted
from datanexus.plan.planner import plan_pipeline
from datanexus_spec.errors import Corrupt, Incompatible
from tests.unit.plan.pipelines import FIELDS, pipeline, view

DEDUP = {"key": ["client"], "horizon": "1h"}
SUM = {"name": "s", "expr": "sum(bytes)"}


def layout(**changes: Any) -> Layout:
    return layout_of(plan_pipeline(pipeline(**changes)))


def verdicts(before: dict[str, Any], after: dict[str, Any]) -> dict[str, str]:
    return {part.part: part.verdict for part in change(before, after).changes}


def change(before: dict[str, Any], after: dict[str, Any]) -> ChangeVerdict:
    old = layout(**before)
    return judge_change(old, plan_pipeline(pipeline(**after), stored_layout=old))


def test_a_layout_survives_json() -> None:
    made = layout(dedup=DEDUP)
    assert made == Layout.from_json(made.to_json())


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"partitions": 1}', "null"])
def test_a_text_that_is_no_layout_is_corrupt(text: str) -> None:
    with pytest.raises(Corrupt):
        Layout.from_json(text)


def test_a_layout_of_a_newer_release_is_refused() -> None:
    content = json.loads(layout().to_json()) | {"state_version": 99}
    with pytest.raises(Incompatible) as caught:
        Layout.from_json(json.dumps(content))
    assert "NewerState" == caught.value.reason


def test_nothing_changes_for_the_same_pipeline() -> None:
    assert {} == verdicts({"dedup": DEDUP}, {"dedup": DEDUP})


@pytest.mark.parametrize(
    "after",
    [
        {"watermark": {"delay": "5m"}},
        {"quarantine": {"max": 0.5}},
        {"storage": {"results": {"keep": "9d"}}},
        {"sinks": [{"name": "a", "view": "traffic", "files": {"path": "x", "format": {"csv": {}}}}]},
        {"views": [view("traffic", ["path"], late={"to": "drop"})]},
        {"views": [view("traffic", ["path"], aggregates=[{"name": "n", "expr": " COUNT( * ) "}])]},
        {"steps": [{"set": {"name": "unused", "expr": "upper(client)"}}]},
        {"record": {"fields": [*FIELDS, {"name": "agent", "type": "string"}], "eventTime": "time"}},
    ],
)
def test_what_shapes_no_state_changes_nothing(after: dict[str, Any]) -> None:
    assert {} == verdicts({}, after)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        (view("traffic", ["path"], window={"tumbling": {"size": "30m"}}), "window was tumbling 1h, is tumbling 30m"),
        (view("traffic", ["path"], allowedLateness="5m"), "allowedLateness was 0s, is 5m"),
        (view("traffic", ["path"], aggregates=[SUM]), "aggregates was n = count(*) (int64), is s = sum(bytes)"),
        (view("traffic", ["path", "status"]), "groupBy was path (string), is path (string), status (int32)"),
    ],
)
def test_a_changed_view_does_not_fit_and_the_sentence_says_why(changed: dict[str, Any], why: str) -> None:
    (part,) = change({}, {"views": [changed]}).changes
    assert ("view traffic", "incompatible") == (part.part, part.verdict)
    assert why in part.sentence


def test_a_filter_is_part_of_what_a_view_means() -> None:
    (part,) = change({}, {"steps": [{"filter": "status > 0"}]}).changes
    assert "view traffic: the filters before it changed" == part.sentence


def test_a_computed_column_is_part_of_the_view_that_reads_it() -> None:
    def steps(number: int) -> dict[str, Any]:
        step = {"set": {"name": "section", "expr": f"split_part(path, '/', {number})"}}
        return {"steps": [step], "views": [view("a", ["section"]), view("b", ["path"])]}

    verdict = change(steps(1), steps(2))
    assert {"view a": "incompatible"} == {part.part: part.verdict for part in verdict.changes}
    assert "view a: a computed column it reads changed" == verdict.changes[0].sentence


def test_views_come_and_go() -> None:
    before = {"views": [view("a", ["path"]), view("b", ["path"])]}
    after = {"views": [view("b", ["path"]), view("c", ["path"])]}
    assert {"view c": "new", "view a": "dropped"} == verdicts(before, after)


def test_dedup_partitions_and_event_time_do_not_change_under_state() -> None:
    keyed = {"key": ["path"], "horizon": "1h"}
    assert "incompatible" == verdicts({"dedup": keyed}, {"dedup": {**keyed, "horizon": "2h"}})["dedup"]
    assert "incompatible" == verdicts({}, {"scale": {"partitions": 2}})["partitions"]
    assert "incompatible" == verdicts({"dedup": keyed}, {"dedup": DEDUP})["partition key"]


def test_a_key_that_changes_its_type_does_not_fit() -> None:
    fields = [{**part, "type": "int64"} if part["name"] == "status" else part for part in FIELDS]
    found = verdicts(
        {"views": [view("a", ["status"])]},
        {"views": [view("a", ["status"])], "record": {"fields": fields, "eventTime": "time"}},
    )
    assert "incompatible" == found["partition key types"]


def test_sources_come_go_and_keep_their_kind() -> None:
    files = {"path": "x/*", "format": {"ndjson": {}}}
    before = {"sources": [{"name": "a", "files": files}, {"name": "b", "files": files}]}
    after = {"sources": [{"name": "b", "stdin": {"format": {"ndjson": {}}}}, {"name": "c", "files": files}]}
    assert {"source a": "dropped", "source b": "incompatible", "source c": "new"} == verdicts(before, after)


def test_compatible_changes_go_on() -> None:
    verdict = change({}, {"views": [view("traffic", ["path"]), view("more", ["path"])]})
    assert "Continue" == permitted("web-traffic", verdict, action=None, from_revision=None)


def test_an_incompatible_change_is_refused_with_every_part_and_the_way_out() -> None:
    verdict = change(
        {}, {"views": [view("traffic", ["path"], aggregates=[SUM])], "dedup": {"key": ["path"], "horizon": "1h"}}
    )
    with pytest.raises(Incompatible) as caught:
        permitted("web-traffic", verdict, action=None, from_revision=None)
    assert ["dedup", "view traffic"] == [part.part for part in verdict.incompatible]
    assert all(part.sentence in caught.value.message for part in verdict.incompatible)
    assert f"from: web-traffic-{verdict.old_revision}" in caught.value.hint


@pytest.mark.parametrize("action", ["Rebuild", "Reset"])
def test_a_state_change_permits_the_one_change_it_names(action: Any) -> None:
    verdict = change({}, {"views": [view("traffic", ["path"], aggregates=[SUM])]})
    for name in (verdict.old_revision, f"web-traffic-{verdict.old_revision}"):
        assert action == permitted("web-traffic", verdict, action=action, from_revision=name)
    with pytest.raises(Incompatible):
        permitted("web-traffic", verdict, action=action, from_revision="web-traffic-0000000000")


def test_a_state_change_does_not_repeat_itself() -> None:
    verdict = change({}, {})
    assert "Continue" == permitted("web-traffic", verdict, action="Reset", from_revision=verdict.old_revision)
