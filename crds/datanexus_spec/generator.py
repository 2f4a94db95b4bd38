"""A source that makes its records itself: the same for the same seed, for samples, tests and load.

Record i depends only on (seed, i, start). Its event time is start + i / eventsPerSecond, moved back by a random part of
`disorder`; with probability `duplicates` a record repeats one of the hundred before it.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from datanexus_spec.durations import Duration
from datanexus_spec.element import (
    ColumnName,
    Count,
    Element,
    Finding,
    Integer,
    List,
    NamedList,
    Number,
    Pattern,
    Period,
    Rule,
    Share,
    items,
)

_INSTANT = Pattern(
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z$",
    "an instant in UTC such as 2024-01-01T00:00:00Z",
    27,
)
_LEAST_ABOVE_GREATEST = "min at or below max"


class TimeKind(Element):
    """The record's event time."""


class SequenceKind(Element):
    """start, start + step, start + 2 step, …: int64."""

    start: Integer = 0
    """The first value."""
    step: Integer = 1
    """From one record to the next."""


class IntegerKind(Element):
    """A whole number, each between the two bounds equally likely: int64."""

    min: Integer = 0
    """The least value."""
    max: Integer
    """The greatest value."""

    rules: ClassVar[tuple[Rule, ...]] = (Rule("!has(self.min) || self.min <= self.max", "min must not be above max"),)

    @classmethod
    def findings(cls, given: Mapping[str, Any]) -> Iterator[Finding]:
        yield from _bound_findings(given, 0)


class NumberKind(Element):
    """A number between the two bounds: float64."""

    min: Number = 0.0
    """The least value."""
    max: Number = 1.0
    """Above all values."""

    @classmethod
    def findings(cls, given: Mapping[str, Any]) -> Iterator[Finding]:
        yield from _bound_findings(given, 0.0)


class ZipfKind(Element):
    """One of `count` values of which few are frequent: value k is (k+1)^-exponent as likely as value 0."""

    count: Annotated[Count, Field(ge=1, le=100_000_000)]
    """How many different values there are."""
    exponent: Annotated[Number, Field(ge=0, le=10)] = 1.0
    """How unequal they are; 0: all equally likely."""
    prefix: str = Field(default="", max_length=63)
    """Text before the value's number; without one the values are int64."""


class ChoiceKind(Element):
    """One of some texts."""

    values: Annotated[List[str], Field(min_length=1)]
    """The texts."""
    weights: List[Annotated[Number, Field(ge=0)]] = ()
    """How often each comes, relative to the others; without them all equally."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule("!has(self.weights) || size(self.weights) == size(self.values)", "one weight for each value"),
    )

    @classmethod
    def findings(cls, given: Mapping[str, Any]) -> Iterator[Finding]:
        values, weights = items(given.get("values")), items(given.get("weights"))
        if weights and len(weights) != len(values):
            yield Finding(("weights",), f"{len(weights)} weights", f"{len(values)}, one for each value")
        if weights and not any(weights):
            yield Finding(("weights",), "only zeros", "a weight above zero")


class CounterKind(Element):
    """A number that only grows, as a program's counter does, and falls to zero when the program restarts: int64."""

    step_max: Annotated[Count, Field(ge=1)] = 10
    """The greatest growth from one record to the next."""
    reset_every: Annotated[Count, Field(ge=1)] | None = None
    """Records between two restarts; without it there is none."""


class GeneratorField(Element):
    """One column of the records: exactly one kind."""

    name: ColumnName
    """The column's name."""
    time: TimeKind | None = None
    """The event time."""
    sequence: SequenceKind | None = None
    """Ascending whole numbers."""
    integer: IntegerKind | None = None
    """Random whole numbers."""
    number: NumberKind | None = None
    """Random numbers."""
    zipf: ZipfKind | None = None
    """Values of which few are frequent."""
    choice: ChoiceKind | None = None
    """One of some texts."""
    counter: CounterKind | None = None
    """A growing counter that restarts."""
    null_share: Share = 0.0
    """How many of the values are NULL, 0 to 1."""

    one_of: ClassVar[tuple[str, ...]] = ("time", "sequence", "integer", "number", "zipf", "choice", "counter")


class GeneratorSource(Element):
    """Records made from a seed."""

    seed: Annotated[Count, Field(le=2**32 - 1)] = 0
    """The same seed gives the same records."""
    rows: Annotated[Count, Field(ge=1)] | None = None
    """How many records; without it there is no end, which `run` refuses."""
    start: Annotated[str, _INSTANT] | None = None
    """Event time of the first record; without it the time of the first cut, which is kept."""
    events_per_second: Annotated[Number, Field(gt=0, le=1_000_000_000)] = 1_000.0
    """Records in a second of event time."""
    disorder: Period = Duration(0)
    """The most a record's event time lies behind its turn."""
    duplicates: Annotated[Share, Field(lt=1)] = 0.0
    """How many of the records repeat an earlier one, 0 to below 1."""
    fields: Annotated[NamedList[GeneratorField], Field(min_length=1)]
    """The columns."""


def _bound_findings(given: Mapping[str, Any], least: float) -> Iterator[Finding]:
    low, high = given.get("min", least), given.get("max", 1.0)
    if isinstance(low, int | float) and isinstance(high, int | float) and low > high:
        yield Finding((), f"min {low} above max {high}", _LEAST_ABOVE_GREATEST)
