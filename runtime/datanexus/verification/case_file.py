"""The types of a test file (`*.test.yaml`), and its reader. Paths in it count from its own folder."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from datanexus_spec.element import (
    ColumnName,
    Count,
    Element,
    Finding,
    List,
    NamedList,
    Number,
    Text,
    items,
    member,
    quoted,
)
from datanexus_spec.parser import parse_element
from datanexus_spec.position import Origin

COUNTERS = ("in", "passed", "filtered", "duplicate", "quarantined")


class Input(Element):
    """What one source reads in a case, instead of what the pipeline says; in the source's own format."""

    source: ColumnName
    """The source."""
    file: Text | None = None
    """A file."""
    text: str | None = None
    """The content itself."""
    lines: List[str] | None = None
    """The content, line by line."""

    one_of: ClassVar[tuple[str, ...]] = ("file", "text", "lines")


class ExpectedRows(Element):
    """All rows of a view, in any order. Only the columns that are given are compared."""

    view: ColumnName
    """The view."""
    file: Text | None = None
    """A .csv, .json or .ndjson file."""
    csv: Text | None = None
    """The rows as CSV, names in the first line; an empty value is NULL."""
    rows: List[Annotated[dict[str, Any], Field()]] | None = None
    """The rows themselves."""
    tolerance: Annotated[Number, Field(ge=0)] = 0.0
    """How far numbers may lie apart, as a share of the expected one and, near zero, absolutely. 0: not at all."""

    one_of: ClassVar[tuple[str, ...]] = ("file", "csv", "rows")


class ExpectedQuarantine(Element):
    """How many records go to quarantine for one reason. Reasons that are not named must have none."""

    reason: Text
    """The reason, as `datanexus quarantine list` shows it."""
    records: Annotated[Count, Field(ge=1)]
    """How many."""


class Case(Element):
    """One run of the pipeline in an empty data folder."""

    name: Text
    """What holds in it."""
    input: List[Input] = ()
    """What sources read; one that is not named reads what the pipeline says."""
    cut_records: Annotated[Count, Field(ge=1)] | None = None
    """After how many records the watermark moves, where it matters: lateness is judged by the last cut's watermark.
    Left out, as in `datanexus run`, so that no record of a small case is late."""
    expect: List[ExpectedRows] = ()
    """Rows of views."""
    quarantine: List[ExpectedQuarantine] | None = None
    """What goes to quarantine; an empty list: nothing does. Left out, it is not looked at."""
    counters: dict[str, Count] = Field(default_factory=dict)
    """Counts of records: in, passed, filtered, duplicate, quarantined."""

    @classmethod
    def findings(cls, given: Mapping[str, Any]) -> Iterator[Finding]:
        counters = given.get("counters")
        for name in counters if isinstance(counters, Mapping) else ():
            if name not in COUNTERS:
                yield Finding(("counters", name), quoted(name), f"one of {', '.join(COUNTERS)}")
        for part, key in (("input", "source"), ("expect", "view"), ("quarantine", "reason")):
            seen: set[Any] = set()
            for index, item in enumerate(items(given.get(part))):
                name = member(item, key)
                if isinstance(name, str) and name in seen:
                    yield Finding((part, index, key), f"{quoted(name)} again", f"each {key} once")
                seen.add(name if isinstance(name, str) else None)
        if not (given.get("expect") or given.get("counters")) and given.get("quarantine") is None:
            yield Finding((), "a case that expects nothing", "expect, quarantine or counters")


class TestFile(Element):
    """Cases of one pipeline."""

    __test__ = False  # to pytest

    pipeline: Text
    """The pipeline's file."""
    cases: Annotated[NamedList[Case], Field(min_length=1)]
    """The cases."""


def read_test_file(text: str, file: str, environment: Mapping[str, str]) -> tuple[TestFile, Origin]:
    """Read a test file, and where its parts stand. Raises: InvalidSpec with every problem found in it."""
    return parse_element(TestFile, text, file, environment)
