"""sum and avg of float64, and the variance family: functions of exact sums, rounded once.

sum is the correctly rounded sum; avg the correctly rounded quotient of the exact sum. The variance is the correctly
rounded (n·Σx² − (Σx)²) ÷ n² (÷ n(n−1) for samples), the standard deviation its square root. Integers and decimals
enter the variance as the nearest float64. A result beyond the largest float64 is an infinity.

As in PostgreSQL: NaN, or infinities of both signs, give NaN; infinities of one sign give that infinity as sum and avg,
and NaN as variance. The sample variance of one value is NULL, the population variance of one finite value 0.
"""

from collections.abc import Mapping
from typing import Self

import numpy as np
import pyarrow as pa

from datanexus.core.aggregate import AggregateInput, AggregateSpec, FinishContext, Mask, Slots, Times
from datanexus.core.aggregates import arrow_values, float_values, limb_table, wide_integers
from datanexus.core.aggregates.arrow_values import Floats, Words
from datanexus.core.aggregates.limb_table import LimbTable, spread
from datanexus.core.aggregates.slot_rows import STATE

_HEAD = "rows_and_flags"
_SQUARES = "squares"
_FLAGS = limb_table.NAN | limb_table.POSITIVE_INFINITY | limb_table.NEGATIVE_INFINITY


class FloatSum:
    """sum or avg of float64."""

    __slots__ = ("_spec", "_sums")

    def __init__(self, spec: AggregateSpec) -> None:
        self._spec = spec
        self._sums = LimbTable(squares=False)

    @classmethod
    def restored(cls, spec: AggregateSpec, columns: Mapping[str, pa.RecordBatch]) -> Self:
        """The accumulator whose `columns()` these are."""
        return cls.holding(spec, LimbTable.restored(columns[STATE], squares=False))

    @classmethod
    def holding(cls, spec: AggregateSpec, sums: LimbTable) -> Self:
        """An accumulator of this table, which it owns from now on."""
        accumulator = cls(spec)
        accumulator._sums = sums
        return accumulator

    @property
    def size(self) -> int:
        return self._sums.rows.size

    def resize(self, size: int, room: int = 0) -> None:
        self._sums.rows.resize(size, room)

    def update(self, slots: Slots, given: AggregateInput, event_time_us: Times) -> None:
        self._sums.add(slots, _bits(given.values), arrow_values.rows_to_keep(given))

    def merge(self, slots: Slots, other: Self, other_slots: Slots) -> None:
        self._sums.merge(slots, other._sums, other_slots)

    def finish(self, slots: Slots, context: FinishContext | None) -> pa.Array:
        rows, flags = _rows_and_flags(self._sums, slots)
        parts = rows if self._spec.function == "avg" else np.ones_like(rows)
        finite = wide_integers.divide(self._sums.limbs(slots), wide_integers.divisors(parts), self._sums.exponent)
        return arrow_values.from_floats(_with_infinities(finite, flags), rows > 0)

    def take(self, slots: Slots) -> Self:
        return self.holding(self._spec, self._sums.take(slots))

    def columns(self) -> Mapping[str, pa.RecordBatch]:
        return {STATE: self._sums.batch(_HEAD)}

    @property
    def nbytes(self) -> int:
        return self._sums.rows.nbytes


class Variance:
    """var_pop, var_samp, stddev_pop and stddev_samp."""

    __slots__ = ("_spec", "_squares", "_sums")

    def __init__(self, spec: AggregateSpec) -> None:
        self._spec = spec
        self._sums = LimbTable(squares=False)
        self._squares = LimbTable(squares=True)

    @classmethod
    def restored(cls, spec: AggregateSpec, columns: Mapping[str, pa.RecordBatch]) -> Self:
        """The accumulator whose `columns()` these are."""
        sums = LimbTable.restored(columns[STATE], squares=False)
        return cls.holding(spec, sums, LimbTable.restored(columns[_SQUARES], squares=True))

    @classmethod
    def holding(cls, spec: AggregateSpec, sums: LimbTable, squares: LimbTable) -> Self:
        """An accumulator of these tables, which it owns from now on."""
        accumulator = cls(spec)
        accumulator._sums, accumulator._squares = sums, squares
        return accumulator

    @property
    def size(self) -> int:
        return self._sums.rows.size

    def resize(self, size: int, room: int = 0) -> None:
        self._sums.rows.resize(size, room)
        self._squares.rows.resize(size, room)

    def update(self, slots: Slots, given: AggregateInput, event_time_us: Times) -> None:
        bits, keep = _bits(given.values), arrow_values.rows_to_keep(given)
        self._sums.add(slots, bits, keep)
        self._squares.add(slots, bits, keep)

    def merge(self, slots: Slots, other: Self, other_slots: Slots) -> None:
        self._sums.merge(slots, other._sums, other_slots)
        self._squares.merge(slots, other._squares, other_slots)

    def finish(self, slots: Slots, context: FinishContext | None) -> pa.Array:
        rows, flags = _rows_and_flags(self._sums, slots)
        sample = self._spec.function.endswith("samp")
        numerators, exponent = spread(self._sums, self._squares, slots, rows)
        parts = wide_integers.products(rows, rows - 1 if sample else rows)
        results = wide_integers.divide(numerators, parts, exponent)
        if self._spec.function.startswith("stddev"):
            results = np.sqrt(results)
        return arrow_values.from_floats(np.where(flags != 0, np.nan, results), rows > (1 if sample else 0))

    def take(self, slots: Slots) -> Self:
        return self.holding(self._spec, self._sums.take(slots), self._squares.take(slots))

    def columns(self) -> Mapping[str, pa.RecordBatch]:
        return {STATE: self._sums.batch(_HEAD), _SQUARES: self._squares.batch("")}

    @property
    def nbytes(self) -> int:
        return self._sums.rows.nbytes + self._squares.rows.nbytes


def _bits(values: pa.Array) -> Words:
    """The values as float64, as their bits."""
    return float_values.floats(values).view(np.int64)


def _rows_and_flags(sums: LimbTable, slots: Slots) -> tuple[Words, Words]:
    head = sums.rows.words[slots, 0]
    return head >> limb_table.ROWS_SHIFT, head & _FLAGS


def _with_infinities(finite: Floats, flags: Mask | Words) -> Floats:
    """The sums of finite values, overruled by what NaN and infinities make of them."""
    if not flags.any():
        return finite
    results = np.where(flags == 0, finite, np.nan)
    results[flags == limb_table.POSITIVE_INFINITY] = np.inf
    results[flags == limb_table.NEGATIVE_INFINITY] = -np.inf
    return results
