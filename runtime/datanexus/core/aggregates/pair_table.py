"""A hash map from (slot, item) to a number: counts of a histogram or of values, ranks of registers.

Open addressing with linear probing, at most two thirds full; key and number lie side by side, so that a hit costs one
cache miss. Entries are never removed one by one: whole slots go by `take` and `keep_where`. What is stored is sorted by
slot and item, so the order of insertion cannot show.
"""

from typing import Any

import numpy as np
import pyarrow as pa

from datanexus.core import kernel_types as types
from datanexus.core.aggregate import Mask, Slots
from datanexus.core.aggregates.arrow_values import Words, pieces
from datanexus.core.aggregates.value_hash import mix
from datanexus.core.kernel import I64, I64_2D_OUT, inlined, kernel

ITEM_BITS = 32  # items are 0 ≤ item < 2**32, slots likewise below 2**31
FREE = -1  # the key of an unused place
KEY, NUMBER = 0, 1  # words of a place
_FIRST_CAPACITY = 64
_ITEMS = (1 << ITEM_BITS) - 1


class PairTable:
    """`places` are (slot << 32 | item or FREE, number); `used` of them are taken."""

    __slots__ = ("places", "used")

    def __init__(self, capacity: int = _FIRST_CAPACITY) -> None:
        self.places: Words = np.zeros((capacity, 2), dtype=np.int64)
        self.places[:, KEY] = FREE
        self.used = 0

    @classmethod
    def of(cls, keys: Words, numbers: Words) -> "PairTable":
        """A table of these entries; keys must be distinct."""
        capacity = _FIRST_CAPACITY
        while 3 * (len(keys) + 1) > 2 * capacity:
            capacity *= 2
        table = cls(capacity)
        table.used = len(keys)
        _insert(table.places, np.ascontiguousarray(keys), np.ascontiguousarray(numbers))
        return table

    def grow(self) -> None:
        """Double the room."""
        old = self._taken()
        self.places = np.zeros((2 * len(self.places), 2), dtype=np.int64)
        self.places[:, KEY] = FREE
        _insert(self.places, np.ascontiguousarray(old[:, KEY]), np.ascontiguousarray(old[:, NUMBER]))

    def add(self, keys: Words, numbers: Words) -> None:
        """Add each number to that of its key; keys may repeat."""
        begin = 0
        while True:
            begin, self.used = _add(self.places, self.used, keys, numbers, begin)
            if begin == len(keys):
                return
            self.grow()

    def merge(self, slots: Slots, other: "PairTable", other_slots: Slots, other_size: int) -> None:
        """Add the numbers of other_slots[i] to those of slots[i]; any slot may be named several times."""
        self.add(*other.renamed(other_slots, slots, other_size))

    def renamed(self, slots: Slots, names: Slots, size: int) -> tuple[Words, Words]:
        """Keys and numbers of the entries of slots[i] as entries of names[i]; any slot may be named several times.

        In no order.
        """
        position = np.full(size, -1, dtype=np.int64)
        position[slots] = np.arange(len(slots))
        if (position[slots] == np.arange(len(slots))).all():  # each is named once
            taken = self._taken()
            where = position[taken[:, KEY] >> ITEM_BITS]
            wanted = where >= 0
            return names[where[wanted]] << ITEM_BITS | taken[wanted, KEY] & _ITEMS, taken[wanted, NUMBER]
        distinct, inverse = np.unique(slots, return_inverse=True)
        positions, items, numbers = self.entries(distinct, size)
        first = np.searchsorted(positions, inverse, side="left")
        lengths = np.searchsorted(positions, inverse, side="right") - first
        picked = pieces(first, lengths)
        return np.repeat(names, lengths) << ITEM_BITS | items[picked], numbers[picked]

    def entries(self, slots: Slots, size: int) -> tuple[Words, Words, Words]:
        """The entries of these distinct slots of `size`: position in `slots`, item, number; sorted by the first two."""
        keys, numbers = self.renamed(slots, np.arange(len(slots)), size)
        order = np.argsort(keys)
        keys = keys[order]
        return keys >> ITEM_BITS, keys & _ITEMS, numbers[order]

    def take(self, slots: Slots, size: int) -> "PairTable":
        """A table in which slots[i] of these entries is slot i."""
        return PairTable.of(*self.renamed(slots, np.arange(len(slots)), size))

    def keep_where(self, kept_slots: Mask) -> None:
        """Drop the entries of all other slots."""
        taken = self._taken()
        kept = taken[kept_slots[taken[:, KEY] >> ITEM_BITS]]
        smaller = PairTable.of(kept[:, KEY], kept[:, NUMBER])
        self.places, self.used = smaller.places, smaller.used

    @property
    def nbytes(self) -> int:
        return self.places.nbytes

    def _taken(self) -> Words:
        """The places taken, in no order."""
        taken: Words = self.places[self.places[:, KEY] != FREE]
        return taken


def entries_batch(slots: Slots, items: Words, numbers: Words, item: str, number: str) -> pa.RecordBatch:
    """Entries as stored, under names that say what items and numbers are."""
    return pa.record_batch([pa.array(column) for column in (slots, items, numbers)], names=["slot", item, number])


def table_of(batch: pa.RecordBatch) -> PairTable:
    """The table whose entries these are."""
    slots, items, numbers = (column.to_numpy() for column in batch.columns)
    return PairTable.of(slots << ITEM_BITS | items, numbers)


@inlined
def find_place(places: Any, key: Any) -> Any:
    """Where the key is, or the free place where it belongs."""
    last = np.uint64(places.shape[0] - 1)
    place = mix(np.uint64(key)) & last
    while places[place, KEY] != key and places[place, KEY] != FREE:
        place = (place + np.uint64(1)) & last
    return place


@inlined
def is_full(places: Any, used: Any) -> Any:
    """Whether a new entry would leave too few free places to end a search soon."""
    return 3 * (used + 1) > 2 * places.shape[0]


@kernel(types.void(I64_2D_OUT, I64, I64))
def _insert(places: Any, keys: Words, numbers: Words) -> None:
    for i in range(keys.size):
        place = find_place(places, keys[i])
        places[place, KEY] = keys[i]
        places[place, NUMBER] = numbers[i]


@kernel(types.UniTuple(types.int64, 2)(I64_2D_OUT, types.int64, I64, I64, types.int64))
def _add(places: Any, used: int, keys: Words, numbers: Words, begin: int) -> tuple[int, int]:
    """Add from row `begin` on; stop when full. Returns the row stopped at and the places used."""
    for i in range(begin, keys.size):
        place = find_place(places, keys[i])
        if places[place, KEY] == FREE:
            if is_full(places, used):
                return i, used
            places[place, KEY] = keys[i]
            used += 1
        places[place, NUMBER] += numbers[i]
    return keys.size, used
