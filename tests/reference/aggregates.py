"""Every aggregate over a list of samples, by its definition: exact fractions, sorted lists, dictionaries.

A sample has `time_us` and `row`. Results are Python values; floats are rounded once from the exact result.
"""

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, Protocol, TypeVar

from tests.reference import sketches
from tests.reference.description import Aggregate, Row, Value

TOP_K_DISTINCT_MAX = 10_000
_SECOND_US = 1_000_000


class TimedRow(Protocol):
    time_us: int
    row: Row


S = TypeVar("S", bound=TimedRow)
Bounds = tuple[int | None, int | None]  # start and end of the window; None of a global one


def result(aggregate: Aggregate, samples: Sequence[TimedRow], bounds: Bounds, previous: TimedRow | None) -> object:
    """The value of one aggregate over a window's samples; `previous` is the last sample before it, for rate."""
    given = [sample for sample in samples if _counts(aggregate, sample)]
    if aggregate.function in ("count_all", "count"):
        return len(given)
    assert aggregate.value is not None
    values = [aggregate.value(sample.row) for sample in given]
    if aggregate.function == "approx_count_distinct":
        return sketches.distinct(values, aggregate.kind)
    if not values:
        return None
    match aggregate.function:
        case "sum":
            return _sum(values)
        case "avg":
            return _rounded(_exact(values) / len(values))
        case "min":
            return min(values, key=order)
        case "max":
            return max(values, key=order)
        case "first":
            return min(_timed(aggregate, given), key=lambda one: (one[0], _Reversed(order(one[1]))))[1]
        case "last":
            return max(_timed(aggregate, given), key=lambda one: (one[0], order(one[1])))[1]
        case "var_pop" | "var_samp" | "stddev_pop" | "stddev_samp":
            return _spread(aggregate.function, values)
        case "increase" | "rate":
            return _increase(aggregate, given, bounds, previous)
        case "approx_quantile":
            return sketches.quantile(_floats(values), float(aggregate.parameters[0]))
        case "top_k":
            return _top_k(values, int(aggregate.parameters[0]))
    raise AssertionError(aggregate.function)


def last_sample(aggregate: Aggregate, samples: Sequence[S]) -> S | None:
    """The sample that rate takes as the one before a window; of equal times the greatest value."""
    if aggregate.function not in ("rate", "increase"):
        return None
    given = [sample for sample in samples if _counts(aggregate, sample)]
    assert aggregate.value is not None
    value = aggregate.value
    return max(given, key=lambda one: (one.time_us, order(value(one.row))), default=None)


def order(value: Any) -> Any:
    """The order of values: text by its bytes, everything else as Python has it."""
    return value.encode() if isinstance(value, str) else value


class _Reversed:
    """Turns an order round."""

    def __init__(self, value: object) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Reversed) and self.value == other.value

    def __hash__(self) -> int:
        return hash(self.value)

    def __lt__(self, other: "_Reversed") -> bool:
        return bool(other.value < self.value)  # type: ignore[operator]


def _counts(aggregate: Aggregate, sample: TimedRow) -> bool:
    """Whether FILTER lets the sample in and its value is not NULL."""
    if aggregate.condition is not None and not aggregate.condition(sample.row):
        return False
    return aggregate.value is None or aggregate.value(sample.row) is not None


def _timed(aggregate: Aggregate, given: Sequence[TimedRow]) -> list[tuple[int, Value]]:
    assert aggregate.value is not None
    return [(sample.time_us, aggregate.value(sample.row)) for sample in given]


def _exact(values: Sequence[Value]) -> Fraction:
    return sum((Fraction(value) for value in values), Fraction(0))  # type: ignore[arg-type]


def _floats(values: Sequence[Value]) -> list[float]:
    """Numbers as the nearest float64."""
    return [float(value) for value in values if value is not None]


def _rounded(exact: Fraction) -> float:
    """The nearest float, ties to even; infinite past the greatest one."""
    try:
        return exact.numerator / exact.denominator
    except OverflowError:
        return math.inf if exact > 0 else -math.inf


def _sum(values: Sequence[Value]) -> int | float | Decimal:
    if isinstance(values[0], float):
        return _rounded(_exact(values))
    return sum(values)  # type: ignore[arg-type]


def _spread(function: str, values: Sequence[Value]) -> float | None:
    """Variance from exact sums of the values as float64; a single value has no sample variance."""
    numbers = _floats(values)
    count, total = len(numbers), _exact(numbers)
    free = count - 1 if function.endswith("_samp") else count
    if free == 0:
        return None
    squares = sum((Fraction(number) ** 2 for number in numbers), Fraction(0))
    variance = _rounded((squares - total * total / count) / free)
    return math.sqrt(variance) if function.startswith("stddev") else variance


def _increase(
    aggregate: Aggregate, given: Sequence[TimedRow], bounds: Bounds, previous: TimedRow | None
) -> float | None:
    """What the counter gained from the sample before the window to its last one; a drop is a restart from zero.
    One sample alone says nothing."""
    assert aggregate.value is not None
    latest: dict[int, float] = {}
    for time_us, value in _timed(aggregate, given):
        latest[time_us] = max(float(value), latest.get(time_us, -math.inf))  # type: ignore[arg-type]
    series = [latest[time_us] for time_us in sorted(latest)]
    if previous is not None:
        series.insert(0, float(aggregate.value(previous.row)))  # type: ignore[arg-type]
    if len(series) < 2:
        return None
    gains = [after - before if after >= before else after for before, after in itertools.pairwise(series)]
    increase = _rounded(_exact(gains))
    if aggregate.function == "increase":
        return increase
    start, end = bounds
    if start is None or end is None:
        return None
    return increase / ((end - start) / _SECOND_US)


def _top_k(values: Sequence[Value], k: int) -> list[tuple[Value, int]] | None:
    """Most frequent first, ties to the lesser value; nothing past the stated number of distinct values."""
    counts = Counter(values)
    if len(counts) > TOP_K_DISTINCT_MAX:
        return None
    return sorted(counts.items(), key=lambda one: (-one[1], order(one[0])))[:k]
