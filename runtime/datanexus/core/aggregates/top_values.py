"""top_k: the most frequent values of a group with their counts, exact up to TOP_K_DISTINCT_MAX distinct values.

A group with more distinct values than that gives NULL, whatever the order or partitioning in which they came, and keeps
nothing but this fact. A group without values gives NULL too. Equally frequent values come in ascending order (strings
by bytes, NaN last), so the k-th place is no accident.
"""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import pyarrow as pa

from datanexus.core import kernel_types as types
from datanexus.core.aggregate import (
    TOP_K_DISTINCT_MAX,
    AggregateInput,
    AggregateSpec,
    FinishContext,
    Mask,
    Slots,
    Times,
)
from datanexus.core.aggregates import arrow_values
from datanexus.core.aggregates.arrow_values import EVERY_ROW, Words
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
from datanexus.core.aggregates.value_dictionary import ValueDictionary, sortable
from datanexus.core.kernel import BOOLS, I64, I64_2D_OUT, kernel

_COUNTS, _VALUES = "counts", "values"
_DISTINCT, _TOO_MANY = 0, 1  # words of a row
_ONE = np.ones(1, dtype=np.int64)
_ITEMS = (1 << ITEM_BITS) - 1


class TopK:
    """Counts by (slot, number of the value); the wanted k is the spec's only parameter."""

    __slots__ = ("_counts", "_dead", "_rows", "_spec", "_values")

    def __init__(self, spec: AggregateSpec) -> None:
        self._spec = spec
        self._rows = SlotRows((0, 0))
        self._counts = PairTable()  # entries of slots with too many values are dead
        self._values = ValueDictionary()
        self._dead = 0

    @classmethod
    def restored(cls, spec: AggregateSpec, columns: Mapping[str, pa.RecordBatch]) -> Self:
        """The accumulator whose `columns()` these are."""
        values = ValueDictionary.of(columns[_VALUES].column(0))
        return cls.holding(spec, words_of(columns[STATE]), table_of(columns[_COUNTS]), values)

    @classmethod
    def holding(cls, spec: AggregateSpec, words: Words, counts: PairTable, values: ValueDictionary) -> Self:
        """An accumulator of this state, which it owns from now on."""
        accumulator = cls(spec)
        accumulator._rows = accumulator._rows.replaced(words)
        accumulator._counts, accumulator._values = counts, values
        return accumulator

    @property
    def size(self) -> int:
        return self._rows.size

    def resize(self, size: int, room: int = 0) -> None:
        self._rows.resize(size, room)

    def update(self, slots: Slots, given: AggregateInput, event_time_us: Times) -> None:
        keep = arrow_values.rows_to_keep(given)
        open_slots = self._rows.words[: self.size, _TOO_MANY] == 0
        if not open_slots.all():
            keep = open_slots[slots] & keep if keep.size else open_slots[slots]
        self._count(slots, self._values.numbers(sortable(given.values), keep), _ONE, keep)

    def merge(self, slots: Slots, other: Self, other_slots: Slots) -> None:
        closed = np.unique(slots[other._rows.words[other_slots, _TOO_MANY] != 0])
        self._dead += int(self._rows.words[closed, _DISTINCT].sum())
        self._rows.words[closed] = (0, 1)
        wanted = (other._rows.words[other_slots, _TOO_MANY] == 0) & (self._rows.words[slots, _TOO_MANY] == 0)
        keys, numbers = other._counts.renamed(other_slots[wanted], slots[wanted], other.size)
        items, inverse = np.unique(keys & _ITEMS, return_inverse=True)
        mine = self._values.numbers(other._values.strings(items), EVERY_ROW)
        self._count(keys >> ITEM_BITS, mine[inverse], numbers, EVERY_ROW)

    def finish(self, slots: Slots, context: FinishContext) -> pa.Array:
        positions, items, numbers = self._living(slots)
        distinct, inverse = np.unique(items, return_inverse=True)
        order = np.lexsort((self._values.ranks(distinct)[inverse], -numbers, positions))
        first = np.searchsorted(positions, positions, side="left")
        order = order[np.arange(len(order)) - first < int(self._spec.parameters[0])]
        lengths = np.bincount(positions[order], minlength=len(slots))
        offsets = np.zeros(len(slots) + 1, dtype=np.int32)
        offsets[1:] = np.cumsum(lengths)
        valid = lengths > 0
        values = self._values.array(items[order], self._spec.input_type)
        entry = self._spec.output_type.value_type
        entries = pa.StructArray.from_arrays([values, pa.array(numbers[order])], fields=list(entry))
        validity = None if valid.all() else pa.py_buffer(np.packbits(valid, bitorder="little"))
        buffers = [validity, pa.py_buffer(offsets)]
        return pa.Array.from_buffers(self._spec.output_type, len(slots), buffers, children=[entries])

    def take(self, slots: Slots) -> Self:
        positions, items, numbers = self._living(slots)
        distinct, inverse = np.unique(items, return_inverse=True)
        counts = PairTable.of((positions << ITEM_BITS) | inverse, numbers)
        return self.holding(self._spec, self._rows.words[slots], counts, self._values.packed(distinct))

    def columns(self) -> Mapping[str, pa.RecordBatch]:
        positions, items, numbers = self._living(np.arange(self.size))
        distinct, inverse = np.unique(items, return_inverse=True)
        ranks = self._values.ranks(distinct)
        values = self._values.binary(distinct[np.argsort(ranks)])
        items = ranks[inverse]
        order = np.argsort((positions << ITEM_BITS) | items)
        return {
            STATE: self._rows.batch(("distinct", "too_many")),
            _COUNTS: entries_batch(positions[order], items[order], numbers[order], item="value", number="rows"),
            _VALUES: pa.record_batch([values], names=["sortable"]),
        }

    @property
    def nbytes(self) -> int:
        return self._rows.nbytes + self._counts.nbytes + self._values.nbytes

    def _count(self, slots: Slots, items: Words, added: Words, keep: Mask) -> None:
        counts, begin = self._counts, 0
        while True:
            begin, counts.used, closed = _count_items(
                counts.places, counts.used, self._rows.words, slots, items, added, keep, begin
            )
            self._dead += closed * TOP_K_DISTINCT_MAX
            if begin == len(slots):
                break
            counts.grow()
        if 2 * self._dead > counts.used:
            self._forget_dead()

    def _forget_dead(self) -> None:
        """Let go of the entries of slots with too many values, and of the values that no other slot has."""
        positions, items, numbers = self._living(np.arange(self.size))
        distinct, inverse = np.unique(items, return_inverse=True)
        self._counts = PairTable.of((positions << ITEM_BITS) | inverse, numbers)
        self._values = self._values.packed(distinct)
        self._dead = 0

    def _living(self, slots: Slots) -> tuple[Words, Words, Words]:
        """The entries of those of these slots that have not too many values."""
        open_slots = np.flatnonzero(self._rows.words[slots, _TOO_MANY] == 0)
        positions, items, numbers = self._counts.entries(slots[open_slots], self.size)
        return open_slots[positions], items, numbers


@kernel(
    types.UniTuple(types.int64, 3)(
        I64_2D_OUT, types.int64, I64_2D_OUT, I64, I64, I64, BOOLS, types.int64
    )
)  # fmt: skip
def _count_items(
    places: Any, used: int, rows: Any, slots: Slots, items: Words, added: Words, keep: Mask, begin: int
) -> tuple[int, int, int]:
    """Count the rows from `begin` on, each as added[i] or, if that has one element, as that.

    Stops when the table is full. Returns the row stopped at, the places used, and how many slots became closed.
    """
    every = keep.size == 0
    step = 0 if added.size == 1 else 1
    closed = 0
    for i in range(begin, slots.size):
        slot = slots[i]
        if not (every or keep[i]) or rows[slot, _TOO_MANY] != 0:
            continue
        key = (slot << ITEM_BITS) | items[i]
        place = find_place(places, key)
        if places[place, KEY] == FREE:
            if rows[slot, _DISTINCT] == TOP_K_DISTINCT_MAX:
                rows[slot, _DISTINCT], rows[slot, _TOO_MANY] = 0, 1
                closed += 1
                continue
            if is_full(places, used):
                return i, used, closed
            places[place, KEY] = key
            used += 1
            rows[slot, _DISTINCT] += 1
        places[place, NUMBER] += added[i * step]
    return slots.size, used, closed
