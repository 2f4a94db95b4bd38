"""The annotated samples are complete, and say truly what is not available yet."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from datanexus_spec.annotation import annotation_of, item_of
from datanexus_spec.availability import unavailable
from datanexus_spec.custom_resource import Metadata, Resource
from datanexus_spec.element import Element
from datanexus_spec.errors import InvalidSpec
from datanexus_spec.kinds import KINDS
from datanexus_spec.parser import parse_documents
from datanexus_spec.status import ResourceStatus

FOLDER = Path(__file__).parents[3] / "manifests" / "samples"
FILES = sorted((FOLDER / "annotated").glob("*.yaml"))
Name = tuple[str, str]


def resources() -> list[Resource]:
    return [resource for path in FILES for resource in parse_documents(path.read_text("utf-8"), path.name, {})]


def fields_given(element: Element) -> Iterator[Name]:
    for attribute in element.model_fields_set:
        yield type(element).__name__, attribute
        value = getattr(element, attribute)
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, Element):
                yield from fields_given(item)


def fields_known(element: type[Element]) -> Iterator[Name]:
    if issubclass(element, ResourceStatus | Metadata):
        return
    for attribute, field in element.model_fields.items():
        yield element.__name__, attribute
        annotation = annotation_of(field)
        for part in (annotation.element, item_of(annotation).element):
            if part is not None:
                yield from fields_known(part)


def test_every_field_of_every_kind_occurs_in_a_sample() -> None:
    known = {name for kind in KINDS.values() for name in fields_known(kind)}
    given = {name for resource in resources() for name in fields_given(resource)}
    written_by_the_api_server = {(kind, "status") for kind in KINDS}
    assert set() == known - given - written_by_the_api_server
    assert 200 < len(known)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_sample_marks_what_is_not_available_yet(path: Path) -> None:
    """The lines that say so are those that validation refuses; a file for a kind that does not run says it once."""
    lines = path.read_text("utf-8").splitlines()
    refused = {
        problem.line: problem
        for resource in parse_documents(path.read_text("utf-8"), path.name, {})
        for problem in unavailable(resource)
    }
    if path.stem != "pipeline":
        assert {"kind"} == {problem.path for problem in refused.values()}
        return
    for number, problem in refused.items():
        near = lines[number - 2 : number]
        assert any("not available yet" in line for line in near), problem
    marked = [
        number for number, line in enumerate(lines, 1) if "not available yet" in line and not line.startswith("#")
    ]
    unexplained = [number for number in marked if not {number, number + 1} & set(refused)]
    assert ["records: {keep: 0s}", "paused: false"] == [
        lines[number - 1].split(" #")[0].strip() for number in unexplained
    ]


def test_storing_raw_records_is_refused() -> None:
    path = FOLDER / "annotated" / "pipeline.yaml"
    text = path.read_text("utf-8").replace("keep: 0s", "keep: 1d").replace("paused: false", "paused: true")
    found = {problem.path for problem in unavailable(parse_documents(text, path.name, {})[0])}
    assert {"spec.storage.records", "spec.paused"} <= found


def test_the_sample_pipeline_runs() -> None:
    path = FOLDER / "web-traffic.yaml"
    try:
        (resource,) = parse_documents(path.read_text("utf-8"), path.name, {})
    except InvalidSpec as error:
        pytest.fail(str(error.problems))
    assert () == unavailable(resource)
