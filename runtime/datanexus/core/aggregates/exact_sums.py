"""count, and sum and avg of integers and decimals: exact, in as many 64-bit limbs as the type can ever need.

int32 needs one limb (2**32 rows of one group would have to be extreme before int64 could overflow), int64 two (2**63
rows fit), decimals three. A sum of decimals beyond 38 digits has no Arrow type to go to: `finish` raises InvalidInput.
"""

from abc import abstractmethod
from typing import Any, Self

import numpy as np
import pyarrow as pa

from datanexus.core import kernel_types as types
from datanexus.core.aggregate import AggregateInput, AggregateSpec, FinishContext, Mask, Slots, Times
from datanexus.core.aggregates import arrow_values, wide_integers
from datanexus.core.aggregates.arrow_values import Words
from datanexus.core.aggregates.slot_rows import RowAccumulator
from datanexus.core.kernel import BOOLS, I32, I64, I64_2D, I64_2D_OUT, kernel
from datanexus_spec.errors import InvalidInput

_DIGITS = 38  # of the widest decimal


class Count(RowAccumulator):
    """count(*) and count(x)."""

    __slots__ = ()
    names = ("rows",)
    empty = (0,)

    def update(self, slots: Slots, given: AggregateInput, event_time_us: Times) -> None:
        _count(self.rows.words, slots, arrow_values.rows_to_keep(given))

    def merge(self, slots: Slots, other: Self, other_slots: Slots) -> None:
        _add_rows(self.rows.words, slots, other.rows.words, other_slots, 0)

    def finish(self, slots: Slots, context: FinishContext) -> pa.Array:
        return pa.array(self.rows.words[slots, 0])


class ExactSum(RowAccumulator):
    """The rows and the limbs of their sum: first word the count of rows, then the sum, least significant limb first."""

    __slots__ = ()
    limbs: int

    def merge(self, slots: Slots, other: Self, other_slots: Slots) -> None:
        _add_rows(self.rows.words, slots, other.rows.words, other_slots, self.limbs)

    def finish(self, slots: Slots, context: FinishContext) -> pa.Array:
        rows = self.rows.words.take(slots, axis=0)
        if self._spec.function == "avg":
            return _average(rows, self._spec.input_type)
        valid = rows[:, 0] > 0
        if self.limbs == 1:
            return arrow_values.from_words(self._spec.output_type, rows[:, 1], valid)
        _refuse_overflow(rows, self._spec)
        return arrow_values.from_decimal_words(self._spec.output_type, rows[:, 1], rows[:, 2], valid)

    @abstractmethod
    def update(self, slots: Slots, given: AggregateInput, event_time_us: Times) -> None:
        """As the contract says."""


class Int32Sum(ExactSum):
    __slots__ = ()
    names = ("rows", "sum")
    empty = (0, 0)
    limbs = 1

    def update(self, slots: Slots, given: AggregateInput, event_time_us: Times) -> None:
        values = arrow_values.numbers(given.values)
        _add_int32(self.rows.words, slots, values, arrow_values.rows_to_keep(given))


class Int64Sum(ExactSum):
    __slots__ = ()
    names = ("rows", "sum_low", "sum_high")
    empty = (0, 0, 0)
    limbs = 2

    def update(self, slots: Slots, given: AggregateInput, event_time_us: Times) -> None:
        values = arrow_values.numbers(given.values)
        _add_int64(self.rows.words, slots, values, arrow_values.rows_to_keep(given))


class DecimalSum(ExactSum):
    __slots__ = ()
    names = ("rows", "sum_low", "sum_middle", "sum_high")
    empty = (0, 0, 0, 0)
    limbs = 3

    def update(self, slots: Slots, given: AggregateInput, event_time_us: Times) -> None:
        values = arrow_values.decimal_words(given.values)
        _add_decimals(self.rows.words, slots, values, arrow_values.rows_to_keep(given))


def _average(rows: Words, input_type: pa.DataType) -> pa.Array:
    scale = input_type.scale if pa.types.is_decimal(input_type) else 0
    # sum ÷ (rows × 10**scale) = sum × 2**-scale ÷ (rows × 5**scale)
    quotients = wide_integers.divide(rows[:, 1:], wide_integers.divisors(rows[:, 0], 5**scale), -scale)
    return arrow_values.from_floats(quotients, rows[:, 0] > 0)


def _refuse_overflow(rows: Words, spec: AggregateSpec) -> None:
    """Raise where a sum has more digits than a decimal can hold."""
    limbs = rows.shape[1] - 1
    high = rows[:, 2]
    limit = 10**_DIGITS
    bound = limit >> 64
    doubtful = (high >= bound) | (high <= -bound)
    if limbs > 2:
        doubtful |= rows[:, 3] != high >> 63
    for row in rows[doubtful].tolist():
        total = sum((limb % 2**64 if k < limbs - 1 else limb) << 64 * k for k, limb in enumerate(row[1:]))
        if abs(total) >= limit:
            raise InvalidInput(
                f"a sum over {spec.input_type} is {total}E-{spec.output_type.scale}: more than {_DIGITS} digits",
                reason="SumOverflow",
                hint="cast the input to a decimal with fewer digits, or to float64",
            )


@kernel(types.void(I64_2D_OUT, I64, BOOLS))
def _count(words: Any, slots: Slots, keep: Mask) -> None:
    every = keep.size == 0
    for i in range(slots.size):
        if every or keep[i]:
            words[slots[i], 0] += 1


@kernel(types.void(I64_2D_OUT, I64, I32, BOOLS))
def _add_int32(words: Any, slots: Slots, values: Any, keep: Mask) -> None:
    every = keep.size == 0
    for i in range(slots.size):
        if every or keep[i]:
            slot = slots[i]
            words[slot, 0] += 1
            words[slot, 1] += np.int64(values[i])


@kernel(types.void(I64_2D_OUT, I64, I64, BOOLS))
def _add_int64(words: Any, slots: Slots, values: Any, keep: Mask) -> None:
    every = keep.size == 0
    for i in range(slots.size):
        if every or keep[i]:
            slot, value = slots[i], values[i]
            low = words[slot, 1] + value
            words[slot, 0] += 1
            words[slot, 1] = low
            words[slot, 2] += (value >> 63) + np.int64(np.uint64(low) < np.uint64(value))


@kernel(types.void(I64_2D_OUT, I64, I64, BOOLS))
def _add_decimals(words: Any, slots: Slots, values: Any, keep: Mask) -> None:
    every = keep.size == 0
    for i in range(slots.size):
        if every or keep[i]:
            slot, low, high = slots[i], values[2 * i], values[2 * i + 1]
            words[slot, 0] += 1
            words[slot, 1] += low
            carry = np.int64(np.uint64(words[slot, 1]) < np.uint64(low))
            middle = words[slot, 2] + high
            carried = middle + carry
            words[slot, 2] = carried
            words[slot, 3] += (
                (high >> 63) + np.int64(np.uint64(middle) < np.uint64(high)) + np.int64(carried == 0 and carry == 1)
            )


@kernel(types.void(I64_2D_OUT, I64, I64_2D, I64, types.int64))
def _add_rows(words: Any, slots: Slots, others: Any, other_slots: Slots, limbs: int) -> None:
    """Add counts of rows, and sums of so many limbs behind them."""
    for i in range(slots.size):
        slot, other = slots[i], other_slots[i]
        words[slot, 0] += others[other, 0]
        carry = np.int64(0)
        for k in range(1, limbs + 1):
            added = words[slot, k] + others[other, k]
            carried = added + carry
            words[slot, k] = carried
            carry = np.int64(np.uint64(added) < np.uint64(others[other, k])) + np.int64(carried == 0 and carry == 1)
