"""Reading resource files: what is right is read exactly, what is wrong is told with its place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datanexus_spec.errors import InvalidSpec, Problem
from datanexus_spec.parser import locate, parse_documents
from datanexus_spec.pipeline import Pipeline

MINIMAL = """\
apiVersion: datanexus.io/v1alpha1
kind: Pipeline
metadata: {name: small}
spec:
  sources:
  - {name: lines, stdin: {format: {ndjson: {}}}}
  record:
    fields:
    - {name: time, type: timestamp}
    - {name: amount, type: "decimal(12,2)", required: false}
    eventTime: time
  steps:
  - filter: amount > 0
  - set:
      name: big
      expr: >-
        amount
          > 100
  views:
  - name: counts
    window: {tumbling: {size: 1h}}
    aggregates:
    - {name: events, expr: "count(*) FILTER (WHERE amount > 5)"}
    - name: total
      expr: |
        sum(
          amount
        )
"""


def pipeline(text: str, **environment: str) -> Pipeline:
    (resource,) = parse_documents(text, "small.yaml", environment)
    assert isinstance(resource, Pipeline)
    return resource


def problems(text: str, **environment: str) -> tuple[Problem, ...]:
    with pytest.raises(InvalidSpec) as caught:
        parse_documents(text, "small.yaml", environment)
    return caught.value.problems


def test_a_pipeline_is_read_with_its_defaults() -> None:
    spec = pipeline(MINIMAL).spec
    assert 3_600_000_000 == spec.views[0].window.tumbling.size.us  # type: ignore[union-attr]
    assert (0, 60_000_000, 3_600_000_000) == (
        spec.watermark.delay.us,
        spec.watermark.idle_after.us,
        spec.watermark.max_future.us,
    )
    assert ("quarantine", 1, "UTC") == (spec.views[0].late.to, spec.scale.partitions, spec.record.time_zone)


def test_printing_and_reading_a_resource_gives_the_same_one() -> None:
    read = pipeline(MINIMAL)
    assert read == Pipeline.model_validate(read.model_dump(mode="json"))
    assert read == Pipeline.model_validate(read.model_dump(mode="json", exclude_unset=True))


def test_where_a_resource_was_read_does_not_change_it() -> None:
    assert pipeline(MINIMAL) == pipeline("# a comment\n" + MINIMAL)


def test_several_documents_are_several_resources() -> None:
    read = parse_documents(MINIMAL + "---\n# nothing\n---\n" + MINIMAL.replace("small", "other"), "two.yaml", {})
    assert ["small", "other"] == [resource.metadata.name for resource in read]


@pytest.mark.parametrize(
    ("path", "line", "column", "expected"),
    [
        ("spec.views[0].aggregates[0].expr", 1, 1, "count(*)"),
        ("spec.views[0].aggregates[0].expr", 1, 10, "FILTER"),
        ("spec.views[0].aggregates[1].expr", 2, 3, "amount"),
        ("spec.views[0].aggregates[1].expr", 3, 1, ")"),
        ("spec.steps[1].set.expr", 2, 3, "> 100"),
        ("spec.steps[0].filter", 1, 8, "> 0"),
        ("spec.sources[0].stdin", 1, 1, "{format"),
        ("spec.views[0].window.hopping.size", 1, 1, "{tumbling"),
    ],
)
def test_a_value_is_found_in_the_file(path: str, line: int, column: int, expected: str) -> None:
    """A value that is not there is where its nearest parent is."""
    found_line, found_column = locate(pipeline(MINIMAL), path, line=line, column=column)
    assert MINIMAL.splitlines()[found_line - 1][found_column - 1 :].startswith(expected)


def test_a_place_in_text_from_the_environment_is_where_the_text_starts() -> None:
    text = MINIMAL.replace("filter: amount > 0", "filter: amount > ${LEAST}")
    read = pipeline(text, LEAST="1000")
    assert "amount > 1000" == read.spec.steps[0].filter
    assert locate(read, "spec.steps[0].filter") == locate(read, "spec.steps[0].filter", column=12)


def test_a_resource_made_in_code_has_no_place() -> None:
    assert (0, 0) == locate(Pipeline.model_validate(pipeline(MINIMAL).model_dump(mode="json")), "spec")


def test_a_variable_keeps_the_type_that_its_text_has() -> None:
    read = pipeline(MINIMAL.replace("  views:", "  scale:\n    partitions: ${P}\n  views:"), P="16")
    assert 16 == read.spec.scale.partitions


def test_a_doubled_dollar_writes_the_text_itself() -> None:
    read = pipeline(MINIMAL.replace("filter: amount > 0", "filter: \"path <> '$${HOME}'\""))
    assert "path <> '${HOME}'" == read.spec.steps[0].filter


def test_a_number_may_be_written_as_text_only_in_quotes() -> None:
    text = MINIMAL.replace("required: false", 'required: false, nullIf: ["1", 2]')
    assert [("spec.record.fields[1].nullIf[1]", "2", "text")] == [
        (problem.path, problem.found, problem.expected) for problem in problems(text)
    ]


def test_metadata_that_the_api_server_writes_is_accepted() -> None:
    extra = "{name: small, uid: abc, resourceVersion: '5', generation: 3, creationTimestamp: '2024-01-01T00:00:00Z'}"
    assert "small" == pipeline(MINIMAL.replace("{name: small}", extra)).metadata.name


def test_an_alias_means_what_it_points_to() -> None:
    text = MINIMAL.replace("tumbling: {size: 1h}", "tumbling: &w {size: 1h}").replace(
        "    aggregates:", "    aggregates: &a", 1
    )
    text += "  - {name: again, window: {tumbling: *w}, aggregates: *a}\n"
    assert pipeline(text).spec.views[0].aggregates == pipeline(text).spec.views[1].aggregates


def test_values_inside_values_without_end_are_refused() -> None:
    """A few lines of aliases could otherwise become a billion values."""
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    for text in ("\n".join(lines), "a: &a [*a]", "[" * 5_000):
        assert "values inside values without end" in {problem.found for problem in problems(text)}


def test_problems_come_in_the_order_of_the_file() -> None:
    text = MINIMAL.replace("type: timestamp", "type: moment").replace("1h", "1 hour").replace("ndjson", "njson")
    found = problems(text)
    assert ["spec.sources[0].stdin.format.njson", "spec.record.fields[0].type", "spec.record.eventTime"] == [
        problem.path for problem in found[:3]
    ]
    assert sorted(problem.line for problem in found) == [problem.line for problem in found]
    assert {"ndjson", "1h"} <= {problem.suggestion for problem in found}


def refusal(text: str) -> tuple[Problem, ...] | None:
    try:
        parse_documents(text, "any.yaml", {})
    except InvalidSpec as error:
        return error.problems
    return None


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    assert () != refusal(text)


@given(st.data())
def test_a_damaged_file_is_read_or_refused_with_a_place(data: st.DataObject) -> None:
    lines = MINIMAL.splitlines()
    index = data.draw(st.integers(0, len(lines) - 1))
    lines[index] = data.draw(st.sampled_from(["", "  x: 1", "- 7", lines[index][:-3], lines[index] + "]"]))
    assert all(0 < problem.line <= len(lines) + 1 for problem in refusal("\n".join(lines)) or ())
