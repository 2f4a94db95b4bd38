"""Which slot a group key has: an open-addressing table from 128-bit key hashes to dense slots 0, 1, 2, …

Slots are given in the order in which keys are first seen and never change. The table holds one word a place (the hash's
high 32 bits and the slot), so that a search touches the full hash only where it very likely is the one.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from datanexus.core import kernel_types as types
from datanexus.core.aggregate import Slots
from datanexus.core.emission import KeyHashes
from datanexus.core.kernel import I64_OUT, U64_2D, U64_2D_OUT, U64_OUT, kernel

ABSENT = -1  # the slot of a key that is not there
_ROOM_MIN = 9
_USUAL_FROM = 16  # an index with this part of the keys it usually gets is given room for all of them
_LOAD_NUMERATOR, _LOAD_DENOMINATOR = 3, 4  # at most 75 % full

_TAG_MASK = np.uint64(0xFFFFFFFF00000000)
_SLOT_MASK = np.uint64(0x00000000FFFFFFFF)
_FREE, _NEXT = np.uint64(0), np.uint64(1)
_UPSERT = types.UniTuple(types.int64, 2)(
    U64_OUT, U64_2D_OUT, types.int64, types.int64, U64_2D, types.int64, I64_OUT, I64_OUT
)


class KeyIndex:
    """Slots by key hash. `size` keys; slot i belongs to hashes[i]."""

    __slots__ = ("_hashes", "_places", "_usual", "size")

    def __init__(self, usual: int = 0) -> None:
        """`usual`: how many keys are expected; room is made for them once there are some."""
        self.size = 0
        self._usual = usual
        self._places = np.zeros(_places_for(_ROOM_MIN), np.uint64)
        self._hashes: KeyHashes = np.empty((_ROOM_MIN, 2), np.uint64)

    @property
    def hashes(self) -> KeyHashes:
        """The hash of each slot; a view."""
        return self._hashes[: self.size]

    @property
    def nbytes(self) -> int:
        return self._places.nbytes + self._hashes.nbytes

    def upsert(self, hashes: KeyHashes) -> tuple[Slots, npt.NDArray[np.int64]]:
        """The slot of each of n keys, new ones for keys that had none; and the rows that made the new slots, in order.

        Cost: one kernel call, about 10 ns a row while the table is in cache.
        """
        slots = np.empty(len(hashes), np.int64)
        fresh = np.empty(len(hashes), np.int64)
        before, row = self.size, 0
        while row < len(hashes):
            self.size, row = _upsert(self._places, self._hashes, before, self.size, hashes, row, slots, fresh)
            if row < len(hashes):
                self.reserve(self._next_room())
        return slots, fresh[: self.size - before]

    @property
    def room(self) -> int:
        """How many keys fit."""
        return len(self._hashes)

    def reserve(self, room: int) -> None:
        """Let `room` keys fit in all."""
        if room <= self.room:
            return
        self._places = np.zeros(_places_for(room), np.uint64)
        _enter(self._places, self._hashes, self.size)
        hashes = np.empty((room, 2), np.uint64)
        hashes[: self.size] = self.hashes
        self._hashes = hashes

    def find(self, hashes: KeyHashes) -> Slots:
        """The slot of each of n keys, ABSENT where there is none."""
        slots = np.empty(len(hashes), np.int64)
        _find(self._places, self._hashes, hashes, slots)
        return slots

    def _next_room(self) -> int:
        if self.room < self._usual <= _USUAL_FROM * self.room:
            return self._usual
        return self.room + self.room // 4 if self._usual <= self.room < 2 * self._usual else 2 * self.room


def _places_for(room: int) -> int:
    """The least power of two of which these keys fill no more than 75 %."""
    return 1 << (room * _LOAD_DENOMINATOR // _LOAD_NUMERATOR).bit_length()


@kernel(_UPSERT)
def _upsert(
    places: Any, stored: Any, before: Any, size: Any, hashes: Any, start: Any, slots: Any, fresh: Any
) -> tuple[int, int]:
    """Find or make the slot of each row from `start` on, until the table is full; the number of keys, and of rows done.

    `before`: the number of keys when the first row of the batch came.
    """
    mask = np.uint64(places.size - 1)
    full = stored.shape[0]
    for row in range(start, hashes.shape[0]):
        high, low = hashes[row, 0], hashes[row, 1]
        place = low & mask
        found = np.int64(ABSENT)
        while places[place] != _FREE:
            word = places[place]
            if (word ^ high) & _TAG_MASK == _FREE:
                slot = np.int64(word & _SLOT_MASK) - 1
                if stored[slot, 0] == high and stored[slot, 1] == low:
                    found = slot
                    break
            place = (place + _NEXT) & mask
        if found < 0:
            if size == full:
                return size, row
            found = np.int64(size)
            stored[size, 0], stored[size, 1] = high, low
            size += 1
            places[place] = (high & _TAG_MASK) | np.uint64(size)
            fresh[found - before] = row
        slots[row] = found
    return size, hashes.shape[0]


@kernel(types.void(U64_OUT, U64_2D, U64_2D, I64_OUT))
def _find(places: Any, stored: Any, hashes: Any, slots: Any) -> None:
    mask = np.uint64(places.size - 1)
    for row in range(hashes.shape[0]):
        high, low = hashes[row, 0], hashes[row, 1]
        place = low & mask
        slots[row] = ABSENT
        while places[place] != _FREE:
            word = places[place]
            if (word ^ high) & _TAG_MASK == _FREE:
                slot = np.int64(word & _SLOT_MASK) - 1
                if stored[slot, 0] == high and stored[slot, 1] == low:
                    slots[row] = slot
                    break
            place = (place + _NEXT) & mask


@kernel(types.void(U64_OUT, U64_2D, types.int64))
def _enter(places: Any, stored: Any, size: Any) -> None:
    """Enter all keys into an empty table."""
    mask = np.uint64(places.size - 1)
    for slot in range(size):
        place = stored[slot, 1] & mask
        while places[place] != _FREE:
            place = (place + _NEXT) & mask
        places[place] = (stored[slot, 0] & _TAG_MASK) | np.uint64(slot + 1)
