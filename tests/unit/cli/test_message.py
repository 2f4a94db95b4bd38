"""Messages: on standard error, with a place and with what to do, for people or for programs."""

import json

import pytest

from datanexus.cli.message import problem_text, reporting
from datanexus_spec.errors import Incompatible, InvalidSpec, Problem, Unavailable

PROBLEM = Problem("p.yaml", "spec.views[0].nmae", 7, 3, "the unknown field 'nmae'", "one of name, window", "name")


def test_a_problem_starts_with_its_place() -> None:
    assert (
        "p.yaml:7:3: spec.views[0].nmae: found the unknown field 'nmae', expected one of name, window\n"
        "    did you mean `name`?"
    ) == problem_text(PROBLEM)
    assert "p.yaml: found no resource, expected one" == problem_text(Problem("p.yaml", "", 0, 0, "no resource", "one"))


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Unavailable("data folder d: process 7 is using it", reason="FolderInUse", hint="wait for it"), 1),
        (Incompatible("it does not fit", reason="StateChange"), 2),
        (InvalidSpec((PROBLEM,)), 2),
    ],
)
def test_an_expected_error_is_told_and_ends_with_its_exit_code(
    error: Exception, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with reporting(json_lines=False) as messages:
        raise error
    told = capsys.readouterr()
    assert (code, "") == (messages.exit_code, told.out)
    assert f"error: {error}" in told.err


def test_messages_for_programs_are_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with reporting(json_lines=True):
        raise InvalidSpec((PROBLEM,))
    problem, error = map(json.loads, capsys.readouterr().err.splitlines())
    assert ("problem", 7, "name") == (problem["event"], problem["line"], problem["suggestion"])
    assert ("error", "InvalidSpec") == (error["event"], error["reason"])


def test_a_defect_is_not_told_as_an_error() -> None:
    with pytest.raises(AssertionError), reporting(json_lines=False):
        raise AssertionError
