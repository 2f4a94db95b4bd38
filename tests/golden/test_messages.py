"""Golden tests of all that reading resource files can say. `UPDATE_GOLDEN=1 pytest tests/golden` rewrites them."""

from pathlib import Path

import pytest

from datanexus_spec.availability import unavailable
from datanexus_spec.errors import InvalidSpec, Problem
from datanexus_spec.parser import parse_documents
from tests.golden.golden_text import assert_golden

CASES = Path(__file__).parent / "messages" / "spec"


def told(problem: Problem) -> str:
    suggestion = f"; suggestion {problem.suggestion}" if problem.suggestion else ""
    place = f"{problem.line}:{problem.column} {problem.path}"
    return f"{place}: found {problem.found}, expected {problem.expected}{suggestion}\n"


@pytest.mark.parametrize("path", sorted(CASES.glob("*.yaml")), ids=lambda path: path.stem)
def test_messages_about_a_file(path: Path) -> None:
    try:
        resources = parse_documents(path.read_text("utf-8"), path.name, {"SET": "1"})
        problems = tuple(problem for resource in resources for problem in unavailable(resource))
    except InvalidSpec as error:
        problems = error.problems
    assert_golden(f"messages/spec/{path.stem}.txt", "".join(map(told, problems)))
