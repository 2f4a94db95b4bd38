"""Plans as text, as `datanexus explain` prints them. `UPDATE_GOLDEN=1 pytest …/test_plans.py` rewrites them."""

from pathlib import Path

import pytest

from datanexus.plan.explain import explain
from datanexus.plan.planner import plan_pipeline
from datanexus_spec.errors import InvalidSpec
from datanexus_spec.parser import parse_documents
from datanexus_spec.pipeline import Pipeline
from tests.golden.golden_text import assert_golden

PLANS = Path(__file__).parent / "plans"
NAMES = sorted(path.stem for path in PLANS.glob("*.yaml"))


def test_there_are_plans() -> None:
    assert NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_plan_reads_as_kept(name: str) -> None:
    """The plan of plans/NAME.yaml, or all that is wrong with it, is plans/NAME.txt."""
    file = f"{name}.yaml"
    (pipeline,) = parse_documents((PLANS / file).read_text("utf-8"), file, {})
    assert isinstance(pipeline, Pipeline)
    try:
        text = explain(plan_pipeline(pipeline))
    except InvalidSpec as error:
        text = "".join(
            f"{part.file}:{part.line}:{part.column}: {part.path}: found {part.found}, expected {part.expected}"
            f"{f'; did you mean {part.suggestion}?' if part.suggestion else ''}\n"
            for part in error.problems
        )
    assert_golden(f"plans/{name}.txt", text)
