"""Bytes of strings that state refers to by start and length: an append-only buffer with a word of use."""

import numpy as np

from datanexus.core.aggregates.arrow_values import Bytes, Words, pieces

_FIRST_CAPACITY = 256


class TextArena:
    """`used` bytes of `room`; kernels append behind `used`, and the owner tells by setting it."""

    __slots__ = ("room", "used")

    def __init__(self) -> None:
        self.room: Bytes = np.zeros(0, dtype=np.uint8)
        self.used = 0

    def reserve(self, more: int) -> None:
        """Make room for so many bytes more; amortised O(1) a byte."""
        needed, capacity = self.used + more, len(self.room)
        if needed > capacity:
            self.room.resize(max(needed, capacity + capacity // 2, _FIRST_CAPACITY), refcheck=False)

    def packed(self, starts: Words, lengths: Words) -> "TextArena":
        """A new arena that holds these strings alone, one after the other."""
        arena = TextArena()
        arena.room = self.room[pieces(starts, lengths)]
        arena.used = len(arena.room)
        return arena


def starts_of(lengths: Words) -> Words:
    """Where each string starts in a packed arena."""
    starts: Words = np.cumsum(lengths) - lengths
    return starts
