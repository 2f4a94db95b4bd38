"""approx_quantile: DDSketch buckets of at most 0.78 % relative half-width, counted exactly.

The bucket of a value is its sign and the 17 bits of its IEEE-754 form below it: the exponent and the first 6 bits of
the mantissa, that is, DDSketch with the linearly interpolated mapping. So bucket borders are exact, no logarithm is
taken, and counts are a pure function of the values. The answer is the bucket of the value that PostgreSQL's
percentile_disc names (number ⌈q·n⌉ in order, the product being a float64, and the first for q = 0), given as
2lu ÷ (l + u) of its borders l < u, correctly rounded.

Error: |answer − exact| ≤ |exact| ÷ 129 (0.78 %) for |exact| ≥ 2**-1022, and ≤ 2**-1028 below. Zero (of either sign) and
the infinities are exact. NaN is greater than all other values, as in PostgreSQL. Integers and decimals enter as the
nearest float64.
"""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Self

import numpy as np
import pyarrow as pa

from datanexus.core import kernel_types as types
from datanexus.core.aggregate import AggregateInput, AggregateSpec, FinishContext, Mask, Slots, Times
from datanexus.core.aggregates import arrow_values, float_values
from datanexus.core.aggregates.arrow_values import Floats, Words
from datanexus.core.aggregates.pair_table import (
    FREE,
    ITEM_BITS,
    KEY,
    NUMBER,
    PairTable,
    entries_batch,
    find_place,
    is_full,
    table_of,
)
from datanexus.core.aggregates.slot_rows import STATE, SlotRows, words_of
from datanexus.core.kernel import BOOLS, I64, I64_2D_OUT, kernel

_MANTISSA_BITS = 6
_SHIFT = 52 - _MANTISSA_BITS
_STEPS = 1 << _MANTISSA_BITS  # buckets between two powers of two
_INFINITE = 0x7FF << _MANTISSA_BITS  # the bucket of an infinity, counted from zero
_ZERO = _INFINITE + 1  # items of negative values lie below, of positive ones above
_NAN_ITEM = 2 * _ZERO + 1  # above the item of +inf
_COUNTS = "counts"


def _middle(steps: int) -> Fraction:
    """2lu ÷ (l + u) of l = steps and u = steps + 1."""
    return Fraction(2 * steps * (steps + 1), 2 * steps + 1)


# The answers of the buckets between 2**6 and 2**7, and of those below the least normal float64.
_MIDDLES = np.array([float(_middle(_STEPS + step)) for step in range(_STEPS)])
_SUBNORMAL_MIDDLES = np.array([float(_middle(step) / 2 ** (1074 - _SHIFT)) for step in range(_STEPS)])


class Quantile:
    """Counts by (slot, bucket), and the values by slot. The wanted share is the spec's only parameter."""

    __slots__ = ("_counts", "_rows", "_spec")

    def __init__(self, spec: AggregateSpec) -> None:
        self._spec = spec
        self._rows = SlotRows((0,))
        self._counts = PairTable()

    @classmethod
    def restored(cls, spec: AggregateSpec, columns: Mapping[str, pa.RecordBatch]) -> Self:
        """The accumulator whose `columns()` these are."""
        return cls.holding(spec, SlotRows((0,)).replaced(words_of(columns[STATE])), table_of(columns[_COUNTS]))

    @classmethod
    def holding(cls, spec: AggregateSpec, rows: SlotRows, counts: PairTable) -> Self:
        """An accumulator of this state, which it owns from now on."""
        accumulator = cls(spec)
        accumulator._rows, accumulator._counts = rows, counts
        return accumulator

    @property
    def size(self) -> int:
        return self._rows.size

    def resize(self, size: int, room: int = 0) -> None:
        self._rows.resize(size, room)

    def update(self, slots: Slots, given: AggregateInput, event_time_us: Times) -> None:
        bits, keep = float_values.floats(given.values).view(np.int64), arrow_values.rows_to_keep(given)
        counts, begin = self._counts, 0
        while True:
            begin, counts.used = _count_values(counts.places, counts.used, self._rows.words, slots, bits, keep, begin)
            if begin == len(slots):
                return
            counts.grow()

    def merge(self, slots: Slots, other: Self, other_slots: Slots) -> None:
        self._counts.merge(slots, other._counts, other_slots, other.size)
        np.add.at(self._rows.words[:, 0], slots, other._rows.words[other_slots, 0])

    def finish(self, slots: Slots, context: FinishContext) -> pa.Array:
        share = float(self._spec.parameters[0])
        _, items, numbers = self._counts.entries(slots, self.size)
        rows = self._rows.words[slots, 0]
        ranks = np.maximum(np.ceil(share * rows).astype(np.int64), 1)
        before = np.cumsum(rows) - rows  # all values of the slots finished ahead of this one
        found = np.searchsorted(np.cumsum(numbers), before + ranks, side="left")
        valid = rows > 0
        answers = np.zeros(len(slots))
        answers[valid] = _answers(items[found[valid]])
        return arrow_values.from_floats(answers, valid)

    def take(self, slots: Slots) -> Self:
        return self.holding(self._spec, self._rows.take(slots), self._counts.take(slots, self.size))

    def columns(self) -> Mapping[str, pa.RecordBatch]:
        entries = self._counts.entries(np.arange(self.size), self.size)
        return {
            STATE: self._rows.batch(("rows",)),
            _COUNTS: entries_batch(*entries, item="bucket", number="rows"),
        }

    @property
    def nbytes(self) -> int:
        return self._rows.nbytes + self._counts.nbytes


def _answers(items: Words) -> Floats:
    """The value that stands for each bucket."""
    magnitudes = np.abs(items - _ZERO) - 1  # the 17 bits; -1 for zero
    exponents, steps = magnitudes >> _MANTISSA_BITS, magnitudes & (_STEPS - 1)
    answers: Floats = np.ldexp(_MIDDLES[steps], (np.minimum(exponents, 2046) - 1075 + _SHIFT).astype(np.int32))
    answers = np.where(exponents == 0, _SUBNORMAL_MIDDLES[steps], answers)
    answers[magnitudes < 0] = 0.0
    answers[magnitudes == _INFINITE] = np.inf
    answers = np.where(items < _ZERO, 0.0 - answers, answers)
    answers[items == _NAN_ITEM] = np.nan
    return answers


@kernel(types.UniTuple(types.int64, 2)(I64_2D_OUT, types.int64, I64_2D_OUT, I64, I64, BOOLS, types.int64))
def _count_values(
    places: Any, used: int, rows: Any, slots: Slots, bits: Words, keep: Mask, begin: int
) -> tuple[int, int]:
    """Count the rows from `begin` on; stop when the table is full. Returns the row stopped at and `used`."""
    every = keep.size == 0
    for i in range(begin, slots.size):
        if not (every or keep[i]):
            continue
        magnitude = bits[i] & 0x7FFF_FFFF_FFFF_FFFF
        bucket = magnitude >> _SHIFT
        if magnitude == 0:
            item = _ZERO
        elif magnitude > (0x7FF << 52):
            item = _NAN_ITEM
        else:
            item = _ZERO - 1 - bucket if bits[i] < 0 else _ZERO + 1 + bucket
        key = (slots[i] << ITEM_BITS) | item
        place = find_place(places, key)
        if places[place, KEY] == FREE:
            if is_full(places, used):
                return i, used
            places[place, KEY] = key
            used += 1
        places[place, NUMBER] += 1
        rows[slots[i], 0] += 1
    return slots.size, used
