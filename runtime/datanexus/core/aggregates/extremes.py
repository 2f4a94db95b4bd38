"""min, max, first and last of every type but string: the best ordered word seen, by time first for first and last.

Values are compared as ordered words, as PostgreSQL compares them: NaN is greater than all numbers, and -0.0 is 0.0 (and
comes out as such). Among equal event times, first and last take the greater value.
"""

from typing import Any, Self

import numpy as np
import pyarrow as pa

from datanexus.core import kernel_types as types
from datanexus.core.aggregate import AggregateInput, AggregateSpec, FinishContext, Mask, Slots, Times
from datanexus.core.aggregates import arrow_values
from datanexus.core.aggregates.arrow_values import Words, float_word
from datanexus.core.aggregates.slot_rows import RowAccumulator, SlotRows
from datanexus.core.kernel import BOOLS, I32, I64, I64_2D_OUT, kernel

_LEAST = -(2**63)
_GREATEST = 2**63 - 1


class Extreme(RowAccumulator):
    """min or max: is a value seen, and the best word."""

    __slots__ = ("_greatest",)
    names = ("seen", "word")
    empty = (0, _GREATEST)

    def __init__(self, spec: AggregateSpec) -> None:
        super().__init__(spec)
        self._greatest = spec.function == "max"
        self.rows = SlotRows((0, _LEAST if self._greatest else _GREATEST))

    def update(self, slots: Slots, given: AggregateInput, event_time_us: Times) -> None:
        values = arrow_values.numbers(given.values)
        floats = arrow_values.is_float(self._spec.input_type)
        _extreme(self.rows.words, slots, values, arrow_values.rows_to_keep(given), self._greatest, floats)

    def merge(self, slots: Slots, other: Self, other_slots: Slots) -> None:
        seen, words = _columns(other.rows, other_slots)
        _extreme(self.rows.words, slots, words, seen != 0, self._greatest, False)

    def finish(self, slots: Slots, context: FinishContext) -> pa.Array:
        rows = self.rows.words.take(slots, axis=0)
        return arrow_values.from_words(self._spec.output_type, rows[:, 1], rows[:, 0] != 0)


class DecimalExtreme(RowAccumulator):
    """min or max of decimals: is a value seen, and the best value in two words."""

    __slots__ = ("_greatest",)
    names = ("seen", "low", "high")
    empty = (0, 0, 0)

    def __init__(self, spec: AggregateSpec) -> None:
        super().__init__(spec)
        self._greatest = spec.function == "max"

    def update(self, slots: Slots, given: AggregateInput, event_time_us: Times) -> None:
        values = arrow_values.decimal_words(given.values)
        _decimal_extreme(self.rows.words, slots, values, arrow_values.rows_to_keep(given), self._greatest)

    def merge(self, slots: Slots, other: Self, other_slots: Slots) -> None:
        seen, low, high = _columns(other.rows, other_slots)
        values = np.stack((low, high), axis=1).reshape(-1)
        _decimal_extreme(self.rows.words, slots, values, seen != 0, self._greatest)

    def finish(self, slots: Slots, context: FinishContext) -> pa.Array:
        rows = self.rows.words.take(slots, axis=0)
        return arrow_values.from_decimal_words(self._spec.output_type, rows[:, 1], rows[:, 2], rows[:, 0] != 0)


class Edge(RowAccumulator):
    """first or last: is a value seen, its event time, and its word."""

    __slots__ = ("_latest",)
    names = ("seen", "time_us", "word")
    empty = (0, _GREATEST, _LEAST)

    def __init__(self, spec: AggregateSpec) -> None:
        super().__init__(spec)
        self._latest = spec.function == "last"
        self.rows = SlotRows((0, _LEAST if self._latest else _GREATEST, _LEAST))

    def update(self, slots: Slots, given: AggregateInput, event_time_us: Times) -> None:
        values = arrow_values.numbers(given.values)
        floats = arrow_values.is_float(self._spec.input_type)
        keep = arrow_values.rows_to_keep(given)
        _edge(self.rows.words, slots, event_time_us, values, keep, self._latest, floats)

    def merge(self, slots: Slots, other: Self, other_slots: Slots) -> None:
        seen, times, words = _columns(other.rows, other_slots)
        _edge(self.rows.words, slots, times, words, seen != 0, self._latest, False)

    def finish(self, slots: Slots, context: FinishContext) -> pa.Array:
        rows = self.rows.words.take(slots, axis=0)
        return arrow_values.from_words(self._spec.output_type, rows[:, 2], rows[:, 0] != 0)


class DecimalEdge(RowAccumulator):
    """first or last of decimals: is a value seen, its event time, and the value in two words."""

    __slots__ = ("_latest",)
    names = ("seen", "time_us", "low", "high")
    empty = (0, 0, 0, 0)

    def __init__(self, spec: AggregateSpec) -> None:
        super().__init__(spec)
        self._latest = spec.function == "last"

    def update(self, slots: Slots, given: AggregateInput, event_time_us: Times) -> None:
        values = arrow_values.decimal_words(given.values)
        _decimal_edge(self.rows.words, slots, event_time_us, values, arrow_values.rows_to_keep(given), self._latest)

    def merge(self, slots: Slots, other: Self, other_slots: Slots) -> None:
        seen, times, low, high = _columns(other.rows, other_slots)
        values = np.stack((low, high), axis=1).reshape(-1)
        _decimal_edge(self.rows.words, slots, times, values, seen != 0, self._latest)

    def finish(self, slots: Slots, context: FinishContext) -> pa.Array:
        rows = self.rows.words.take(slots, axis=0)
        return arrow_values.from_decimal_words(self._spec.output_type, rows[:, 2], rows[:, 3], rows[:, 0] != 0)


def _columns(rows: SlotRows, slots: Slots) -> list[Words]:
    """The words of some slots, each as a contiguous array."""
    return [np.ascontiguousarray(column) for column in rows.words.take(slots, axis=0).T]


_EXTREME = [types.void(I64_2D_OUT, I64, values, BOOLS, types.boolean, types.boolean) for values in (I64, I32)]
_EDGE = [types.void(I64_2D_OUT, I64, I64, values, BOOLS, types.boolean, types.boolean) for values in (I64, I32)]


@kernel(_EXTREME)
def _extreme(words: Any, slots: Slots, values: Any, keep: Mask, greatest: bool, floats: bool) -> None:
    """An empty row holds the worst word there is, so the first value needs no case of its own, and no branch."""
    every = keep.size == 0
    for i in range(slots.size):
        if every or keep[i]:
            word = np.int64(values[i])
            if floats:
                word = float_word(word)
            slot = slots[i]
            best = words[slot, 1]
            words[slot, 0] = 1
            words[slot, 1] = max(word, best) if greatest else min(word, best)


@kernel(types.void(I64_2D_OUT, I64, I64, BOOLS, types.boolean))
def _decimal_extreme(words: Any, slots: Slots, values: Any, keep: Mask, greatest: bool) -> None:
    every = keep.size == 0
    for i in range(slots.size):
        if every or keep[i]:
            slot, low, high = slots[i], values[2 * i], values[2 * i + 1]
            best_low, best_high = words[slot, 1], words[slot, 2]
            greater = high > best_high or (high == best_high and np.uint64(low) >= np.uint64(best_low))
            if greater == greatest or words[slot, 0] == 0:
                words[slot, 0], words[slot, 1], words[slot, 2] = 1, low, high


@kernel(_EDGE)
def _edge(words: Any, slots: Slots, times: Times, values: Any, keep: Mask, latest: bool, floats: bool) -> None:
    every = keep.size == 0
    for i in range(slots.size):
        if every or keep[i]:
            word = np.int64(values[i])
            if floats:
                word = float_word(word)
            slot, time = slots[i], times[i]
            best = words[slot, 1]
            nearer = time > best if latest else time < best
            if nearer or (time == best and word >= words[slot, 2]):
                words[slot, 0], words[slot, 1], words[slot, 2] = 1, time, word


@kernel(types.void(I64_2D_OUT, I64, I64, I64, BOOLS, types.boolean))
def _decimal_edge(words: Any, slots: Slots, times: Times, values: Any, keep: Mask, latest: bool) -> None:
    every = keep.size == 0
    for i in range(slots.size):
        if every or keep[i]:
            slot, time, low, high = slots[i], times[i], values[2 * i], values[2 * i + 1]
            best, best_low, best_high = words[slot, 1], words[slot, 2], words[slot, 3]
            nearer = time > best if latest else time < best
            greater = high > best_high or (high == best_high and np.uint64(low) >= np.uint64(best_low))
            if nearer or (time == best and greater) or words[slot, 0] == 0:
                words[slot, 0], words[slot, 1], words[slot, 2], words[slot, 3] = 1, time, low, high
