"""Laws of the planner: what it derives, and that it reports all that is wrong at once."""

from typing import Any

import pytest

from datanexus.plan.change import layout_of
from datanexus.plan.physical import GlobalPlan, HoppingPlan, PhysicalPlan, SessionPlan, TumblingPlan
from datanexus.plan.planner import plan_pipeline
from datanexus_spec.datatype import INT64, STRING, TIMESTAMP
from datanexus_spec.errors import InvalidSpec, Problem
from tests.unit.plan.pipelines import pipeline, view

HOUR_US = 3_600_000_000
DEDUP = {"key": ["client", "path"], "horizon": "1h"}
SECTION = {"set": {"name": "section", "expr": "split_part(path, '/', 2)"}}


def plan(**changes: Any) -> PhysicalPlan:
    return plan_pipeline(pipeline(**changes))


def problems(**changes: Any) -> tuple[Problem, ...]:
    with pytest.raises(InvalidSpec) as caught:
        plan(**changes)
    return caught.value.problems


def key_and_stages(**changes: Any) -> tuple[tuple[str, ...], list[bool]]:
    """The partition key, and which views take two stages, with four partitions."""
    planned = plan(**{"scale": {"partitions": 4}, **changes})
    return planned.partition_key_text, [one.two_stage for one in planned.views]


def test_a_field_without_from_is_looked_up_by_its_own_name() -> None:
    assert ("client",) == plan().record.fields[1].origins


def test_a_timestamp_without_formats_is_read_as_iso8601() -> None:
    assert ("iso8601",) == plan().record.fields[0].formats
    assert () == plan().record.fields[1].formats


def test_partitions_are_one_unless_the_spec_the_layout_or_the_caller_says_otherwise() -> None:
    kept = layout_of(plan(scale={"partitions": 4}))
    assert 1 == plan().partitions
    assert 4 == plan(scale={"partitions": 4}).partitions
    assert 4 == plan_pipeline(pipeline(), stored_layout=kept).partitions
    assert 8 == plan_pipeline(pipeline(), partitions_default=8).partitions


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        ({"tumbling": {"size": "1h"}}, TumblingPlan(HOUR_US)),
        ({"hopping": {"size": "1h", "slide": "15m"}}, HoppingPlan(HOUR_US, HOUR_US // 4)),
        ({"session": {"gap": "30m"}}, SessionPlan(HOUR_US // 2)),
        ({"global": {"every": "1h"}}, GlobalPlan(HOUR_US)),
    ],
)
def test_every_window_kind_is_planned(window: dict[str, Any], expected: object) -> None:
    assert expected == plan(views=[view("traffic", ["path"], window=window)]).views[0].window


def test_computed_columns_have_the_type_of_their_expression() -> None:
    planned = plan(steps=[SECTION, {"set": {"name": "size", "expr": "coalesce(bytes, 0)"}}])
    assert (STRING, INT64) == (planned.step_schema.type_of("section"), planned.step_schema.type_of("size"))
    assert planned.record_schema.type_of("section") is None


def test_the_key_is_what_dedup_and_all_groups_share() -> None:
    views = [view("a", ["path", "client"]), view("b", ["status", "path"])]
    assert (("path",), [False, False]) == key_and_stages(views=views, dedup=DEDUP)


def test_the_key_is_the_dedup_key_where_nothing_is_shared() -> None:
    assert (("client", "path"), [True]) == key_and_stages(views=[view("a", ["status"])], dedup=DEDUP)


def test_a_view_without_groups_takes_two_stages_and_does_not_shape_the_key() -> None:
    views = [view("total", []), view("b", ["path"])]
    assert (("path",), [True, False]) == key_and_stages(views=views, dedup=DEDUP)


def test_without_dedup_the_key_is_what_all_groups_share_else_the_first_group() -> None:
    shared = [view("a", ["path", "client"]), view("b", ["client"])]
    apart = [view("a", ["path", "client"]), view("b", ["status"])]
    assert (("client",), [False, False]) == key_and_stages(views=shared)
    assert (("path", "client"), [False, True]) == key_and_stages(views=apart)


def test_without_dedup_and_groups_there_is_no_key_and_one_stage() -> None:
    assert ((), [False]) == key_and_stages(views=[view("total", [])])


def test_a_computed_group_becomes_its_expression_over_the_record() -> None:
    steps = [SECTION, {"set": {"name": "place", "expr": "upper(section) || client"}}]
    key, stages = key_and_stages(steps=steps, views=[view("a", ["place"])])
    assert (("upper((split_part(path, '/', 2))) || client",), [False]) == (key, stages)


def test_one_partition_needs_one_stage() -> None:
    views = [view("a", ["section"]), view("b", [])]
    assert [False, False] == key_and_stages(views=views, steps=[SECTION], dedup=DEDUP, scale={"partitions": 1})[1]
    assert [True, True] == key_and_stages(views=views, steps=[SECTION], dedup=DEDUP)[1]


def test_a_replaced_column_is_not_the_field_of_the_same_name() -> None:
    steps = [{"set": {"name": "path", "expr": "lower(path)"}}]
    views = [view("a", ["path"])]
    assert (("client", "path"), [True]) == key_and_stages(steps=steps, views=views, dedup=DEDUP)
    assert (("lower(path)",), [False]) == key_and_stages(steps=steps, views=views)


def test_a_column_that_only_renames_a_field_is_that_field() -> None:
    steps = [{"set": {"name": "page", "expr": "path"}}]
    assert (("path",), [False]) == key_and_stages(steps=steps, views=[view("a", ["page"])], dedup=DEDUP)


def test_a_stored_key_is_kept_while_it_keeps_repeats_together() -> None:
    scale = {"partitions": 4}
    before = plan(views=[view("a", ["client", "path"])], dedup=DEDUP, scale=scale)
    assert ("client", "path") == before.partition_key_text
    narrower = pipeline(views=[view("a", ["client"])], dedup=DEDUP, scale=scale)
    kept = plan_pipeline(narrower, stored_layout=layout_of(before))
    assert (("client", "path"), True) == (kept.partition_key_text, kept.views[0].two_stage)
    other = pipeline(views=[view("a", ["client"])], dedup={"key": ["client"], "horizon": "1h"})
    assert ("client",) == plan_pipeline(other, stored_layout=layout_of(before)).partition_key_text


def test_a_stored_key_of_a_computed_column_survives_the_column() -> None:
    before = plan(steps=[SECTION], views=[view("a", ["section"])])
    after = plan_pipeline(
        pipeline(views=[view("a", ["section"])], steps=[SECTION, SECTION]), stored_layout=layout_of(before)
    )
    assert before.partition_key == after.partition_key
    gone = plan_pipeline(pipeline(views=[view("b", ["path"])]), stored_layout=layout_of(before))
    assert before.partition_key == gone.partition_key


def test_all_problems_are_reported_at_once_in_the_order_of_the_file() -> None:
    found = problems(
        steps=[{"filter": "status"}, {"set": {"name": "section", "expr": "split_part(pth, '/', 2)"}}],
        dedup={"key": ["client", "pat"], "horizon": "1h"},
        views=[
            view("a", ["section", "clint"], aggregates=[{"name": "s", "expr": "sum(path)"}]),
            view("b", ["path"], aggregates=[{"name": "s", "expr": "sum(byts)"}]),
        ],
    )
    paths = [problem.path for problem in found]
    expected = [
        "spec.views[0].groupBy[1]",
        "spec.views[0].aggregates[0].expr",
        "spec.views[1].aggregates[0].expr",
        "spec.steps[0].filter",
        "spec.steps[1].set.expr",
        "spec.dedup.key[1]",
    ]
    assert expected == paths
    assert [problem.line for problem in found] == sorted(problem.line for problem in found)
    assert all(problem.line and problem.column for problem in found)


def test_a_near_miss_comes_with_a_suggestion() -> None:
    found = problems(dedup={"key": ["clint"], "horizon": "1h"}, views=[view("a", ["pth"])])
    assert {"client", "path"} == {problem.suggestion for problem in found}


def test_a_problem_inside_an_expression_stands_at_its_place_in_the_file() -> None:
    (problem,) = problems(steps=[{"filter": "status > 0 AND byts > 1"}])
    first = pipeline(steps=[{"filter": "status > 0"}]).origin.locate(("spec", "steps", 0, "filter"))
    assert (first[0], first[1] + len("status > 0 AND ")) == (problem.line, problem.column)


def test_what_reads_a_failed_column_is_not_blamed() -> None:
    steps = [{"set": {"name": "section", "expr": "split_part(pth, '/', 2)"}}, {"filter": "section <> 'x'"}]
    found = problems(steps=steps, views=[view("a", ["section"])])
    assert ["spec.steps[0].set.expr"] == [problem.path for problem in found]


def test_a_dedup_key_names_fields_and_no_computed_column() -> None:
    (problem,) = problems(steps=[SECTION], dedup={"key": ["section"], "horizon": "1h"})
    assert "'section', which a step computes" == problem.found


def test_the_event_time_cannot_be_replaced() -> None:
    (problem,) = problems(steps=[{"set": {"name": "time", "expr": "time + interval '1 hour'"}}])
    assert "spec.steps[0].set.name" == problem.path


@pytest.mark.parametrize("function", ["rate", "increase"])
def test_a_rate_over_a_global_window_is_refused_with_the_reason(function: str) -> None:
    counter = [{"name": "r", "expr": f"{function}(bytes)"}]
    (problem,) = problems(views=[view("a", ["path"], window={"global": {"every": "1h"}}, aggregates=counter)])
    assert f"{function} over a global window" == problem.found
    assert "has no end" in problem.expected


def test_json_cannot_be_grouped() -> None:
    (problem,) = problems(views=[view("a", ["extra"])])
    assert "'extra' of type json" == problem.found


def test_columns_of_a_view_differ_in_more_than_case() -> None:
    found = problems(
        views=[
            view(
                "a", ["path"], aggregates=[{"name": "Path", "expr": "count(*)"}, {"name": "FINAL", "expr": "count(*)"}]
            )
        ]
    )
    assert ["spec.views[0].aggregates[0].name", "spec.views[0].aggregates[1].name"] == [part.path for part in found]


def test_views_differ_in_more_than_case() -> None:
    (problem,) = problems(views=[view("traffic", ["path"]), view("Traffic", ["path"])])
    assert "spec.views[1].name" == problem.path


def test_a_filter_is_a_condition() -> None:
    (problem,) = problems(steps=[{"filter": "status + 1"}])
    assert "spec.steps[0].filter" == problem.path


def test_sinks_and_bounds_reach_the_plan() -> None:
    planned = plan(
        sinks=[{"name": "archive", "view": "traffic", "files": {"path": "out", "format": {"csv": {}}}}],
        storage={"results": {"keep": "2d"}},
        quarantine={"max": 0.1},
    )
    assert ("archive", "traffic", "out", "csv") == tuple(
        getattr(planned.sinks[0], part) for part in ("name", "view", "path", "format")
    )
    assert (48 * HOUR_US, 0.1) == (planned.keep_results_us, planned.quarantine_max)


def test_what_the_spec_leaves_out_is_unbounded() -> None:
    assert (None, None) == (plan().keep_results_us, plan().quarantine_max)


def test_an_instant_can_be_computed() -> None:
    planned = plan(steps=[{"set": {"name": "hour", "expr": "date_trunc('hour', time)"}}], views=[view("a", ["hour"])])
    assert (("hour", TIMESTAMP),) == planned.views[0].group_by
