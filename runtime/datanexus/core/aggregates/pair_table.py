"""A hash map from (slot, item) to a number: counts of a histogram or of values, ranks of registers.

Open addressing with linear probing over two arrays, at most half full. Entries are never removed one by one: whole
slots go by `take` and `keep_where`. What is stored is sorted by slot and item, so the order of insertion cannot show.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import types

from datanexus.core.aggregate import Mask, Slots
from datanexus.core.aggregates.arrow_values import Words, pieces
from datanexus.core.aggregates.value_hash import mix
from datanexus.core.kernel import I64, I64_OUT, inlined, kernel

ITEM_BITS = 32  # items are 0 ≤ item < 2**32, slots likewise below 2**31
FREE = -1  # the key of an unused place
_FIRST_CAPACITY = 64
_ITEMS = (1 << ITEM_BITS) - 1


class PairTable:
    """`keys` are slot << 32 | item or FREE; `numbers` belong to them; `used` places are taken."""

    __slots__ = ("keys", "numbers", "used")

    def __init__(self, capacity: int = _FIRST_CAPACITY) -> None:
        self.keys: Words = np.full(capacity, FREE, dtype=np.int64)
        self.numbers: Words = np.zeros(capacity, dtype=np.int64)
        self.used = 0

    @classmethod
    def of(cls, keys: Words, numbers: Words) -> "PairTable":
        """A table of these entries; keys must be distinct."""
        capacity = _FIRST_CAPACITY
        while capacity < 2 * len(keys) + 2:
            capacity *= 2
        table = cls(capacity)
        table.used = len(keys)
        _insert(table.keys, table.numbers, np.ascontiguousarray(keys), np.ascontiguousarray(numbers))
        return table

    def grow(self) -> None:
        """Double the room."""
        taken = self.keys != FREE
        keys, numbers = self.keys[taken], self.numbers[taken]
        capacity = 2 * len(self.keys)
        self.keys, self.numbers = np.full(capacity, FREE, dtype=np.int64), np.zeros(capacity, dtype=np.int64)
        _insert(self.keys, self.numbers, keys, numbers)

    def add(self, keys: Words, numbers: Words) -> None:
        """Add each number to that of its key; keys may repeat."""
        begin = 0
        while True:
            begin, self.used = _add(self.keys, self.numbers, self.used, keys, numbers, begin)
            if begin == len(keys):
                return
            self.grow()

    def merge(self, slots: Slots, other: "PairTable", other_slots: Slots, other_size: int) -> None:
        """Add the numbers of other_slots[i] to those of slots[i]; any slot may be named several times."""
        keys, numbers = other.renamed(other_slots, slots, other_size)
        self.add(keys, numbers)

    def renamed(self, slots: Slots, names: Slots, size: int) -> tuple[Words, Words]:
        """Keys and numbers of the entries of slots[i] as entries of names[i]; any slot may be named several times."""
        distinct, inverse = np.unique(slots, return_inverse=True)
        positions, items, numbers = self.entries(distinct, size)
        first = np.searchsorted(positions, inverse, side="left")
        lengths = np.searchsorted(positions, inverse, side="right") - first
        picked = pieces(first, lengths)
        return (np.repeat(names, lengths) << ITEM_BITS) | items[picked], numbers[picked]

    def entries(self, slots: Slots, size: int) -> tuple[Words, Words, Words]:
        """The entries of these distinct slots of `size`: position in `slots`, item, number; sorted by the first two."""
        position = np.full(size, -1, dtype=np.int64)
        position[slots] = np.arange(len(slots))
        taken = np.flatnonzero(self.keys != FREE)
        where = position[self.keys[taken] >> ITEM_BITS]
        wanted = taken[where >= 0]
        keys = self.keys[wanted]
        keys = (where[where >= 0] << ITEM_BITS) | (keys & _ITEMS)
        order = np.argsort(keys)
        keys = keys[order]
        return keys >> ITEM_BITS, keys & _ITEMS, self.numbers[wanted[order]]

    def take(self, slots: Slots, size: int) -> "PairTable":
        """A table in which slots[i] of these entries is slot i."""
        positions, items, numbers = self.entries(slots, size)
        return PairTable.of((positions << ITEM_BITS) | items, numbers)

    def keep_where(self, kept_slots: Mask) -> None:
        """Drop the entries of all other slots."""
        taken = np.flatnonzero(self.keys != FREE)
        kept = taken[kept_slots[self.keys[taken] >> ITEM_BITS]]
        smaller = PairTable.of(self.keys[kept], self.numbers[kept])
        self.keys, self.numbers, self.used = smaller.keys, smaller.numbers, smaller.used

    @property
    def nbytes(self) -> int:
        return self.keys.nbytes + self.numbers.nbytes


def entries_batch(slots: Slots, items: Words, numbers: Words, item: str, number: str) -> pa.RecordBatch:
    """Entries as stored, under names that say what items and numbers are."""
    columns: list[npt.NDArray[Any]] = [slots, items, numbers]
    return pa.record_batch([pa.array(column) for column in columns], names=["slot", item, number])


def table_of(batch: pa.RecordBatch) -> PairTable:
    """The table whose entries these are."""
    slots, items, numbers = (column.to_numpy() for column in batch.columns)
    return PairTable.of((slots << ITEM_BITS) | items, numbers)


@inlined
def find_place(keys: Any, key: Any) -> Any:
    """Where the key is, or the free place where it belongs."""
    last = keys.size - 1
    place = np.int64(mix(np.uint64(key)) & np.uint64(last))
    while keys[place] != key and keys[place] != FREE:
        place = (place + 1) & last
    return place


@kernel(types.void(I64_OUT, I64_OUT, I64, I64))
def _insert(keys: Any, numbers: Any, new_keys: Words, new_numbers: Words) -> None:
    for i in range(new_keys.size):
        place = find_place(keys, new_keys[i])
        keys[place] = new_keys[i]
        numbers[place] = new_numbers[i]


@kernel(types.UniTuple(types.int64, 2)(I64_OUT, I64_OUT, types.int64, I64, I64, types.int64))
def _add(keys: Any, numbers: Any, used: int, new_keys: Words, new_numbers: Words, begin: int) -> tuple[int, int]:
    """Add from row `begin` on; stop when half full. Returns the row stopped at and the places used."""
    for i in range(begin, new_keys.size):
        place = find_place(keys, new_keys[i])
        if keys[place] == FREE:
            if 2 * (used + 1) > keys.size:
                return i, used
            keys[place] = new_keys[i]
            used += 1
        numbers[place] += new_numbers[i]
    return new_keys.size, used
