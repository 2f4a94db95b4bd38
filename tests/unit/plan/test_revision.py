"""Laws of names: what is the same has one name, what differs has another."""

from typing import Any

import pytest

from datanexus.plan.planner import plan_pipeline
from datanexus.plan.revision import revision_of
from tests.unit.plan.pipelines import pipeline, view


def revision(**changes: Any) -> str:
    return plan_pipeline(pipeline(**changes)).revision


def test_a_revision_is_ten_hex_digits_that_stay_the_same() -> None:
    assert revision() == revision()
    assert 10 == len(revision())
    assert int(revision(), 16) >= 0


@pytest.mark.parametrize("left_out", [{"rollout": {"recreate": {}}}, {"scale": {"workers": {"replicas": 3}}}])
def test_how_it_runs_is_no_part_of_the_revision(left_out: dict[str, Any]) -> None:
    assert revision() == revision(**left_out)


@pytest.mark.parametrize("key", ["paused", "pinnedRevision", "rollout"])
def test_what_is_left_out_is_left_out_by_name(key: str) -> None:
    assert revision_of("p", {"record": 1}) == revision_of("p", {"record": 1, key: "anything"})


@pytest.mark.parametrize(
    "changed", [{"scale": {"partitions": 2}}, {"watermark": {"delay": "1s"}}, {"steps": [{"filter": "true"}]}]
)
def test_every_other_part_makes_another_revision(changed: dict[str, Any]) -> None:
    assert revision() != revision(**changed)


def test_pipelines_of_different_names_have_different_revisions() -> None:
    assert revision_of("a", {}) != revision_of("b", {})


def test_the_order_of_keys_does_not_matter() -> None:
    assert revision_of("p", {"a": 1, "b": {"c": 2, "d": 3}}) == revision_of("p", {"b": {"d": 3, "c": 2}, "a": 1})


def test_views_that_mean_the_same_have_one_fingerprint() -> None:
    def fingerprint(expr: str, steps: list[Any]) -> str:
        one = view("a", ["path"], aggregates=[{"name": "n", "expr": expr}])
        return plan_pipeline(pipeline(views=[one], steps=steps)).views[0].fingerprint

    alias = [{"set": {"name": "size", "expr": "bytes"}}]
    assert fingerprint("sum(bytes)", []) == fingerprint("SUM( bytes )", []) == fingerprint("sum(size)", alias)
    assert fingerprint("sum(bytes)", []) != fingerprint("sum(bytes + 0)", [])
