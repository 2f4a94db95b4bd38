"""min, max, first and last of strings, compared by their bytes; first and last by event time before that.

A slot refers to a piece of a byte arena. A better string that is not longer takes the place of the old one, a longer
one goes to the end of the arena; the arena is packed when less than half of it is in use.
"""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import pyarrow as pa

from datanexus.core import kernel_types as types
from datanexus.core.aggregate import AggregateInput, AggregateSpec, FinishContext, Mask, Slots, Times
from datanexus.core.aggregates import arrow_values
from datanexus.core.aggregates.arrow_values import Bytes, Numbers, Words
from datanexus.core.aggregates.slot_rows import STATE, SlotRows, words_of
from datanexus.core.aggregates.text_arena import TextArena, starts_of
from datanexus.core.byte_spans import copy_bytes, shared_bytes
from datanexus.core.kernel import BOOLS, I32, I64, I64_2D_OUT, U8, U8_OUT, kernel

_TEXT = "text"
_SEEN, _TIME, _START, _LENGTH = range(4)
_LEAST_KEPT_BYTES = 1 << 16  # packing a smaller arena gains nothing
_BY_VALUE = {"min": -1, "max": 1, "first": 1, "last": 1}
_BY_TIME = {"min": 0, "max": 0, "first": -1, "last": 1}


class TextExtreme:
    """The best string by slot: is one seen, its event time (0 for min and max), and where it lies."""

    __slots__ = ("_arena", "_by_time", "_by_value", "_in_use", "_rows", "_spec")

    def __init__(self, spec: AggregateSpec) -> None:
        self._spec = spec
        self._by_value = _BY_VALUE[spec.function]  # 1: the greater is better; -1: the lesser
        self._by_time = _BY_TIME[spec.function]  # likewise; 0: time does not count
        self._rows = SlotRows((0, 0, 0, 0))
        self._arena = TextArena()
        self._in_use = 0  # bytes of the arena that slots refer to

    @classmethod
    def restored(cls, spec: AggregateSpec, columns: Mapping[str, pa.RecordBatch]) -> Self:
        """The accumulator whose `columns()` these are."""
        seen, times, lengths = words_of(columns[STATE]).T
        words = np.stack((seen, times, starts_of(lengths), lengths), axis=1)
        arena = TextArena()
        arena.room = columns[_TEXT].column(0).to_numpy().copy()
        return cls.holding(spec, words, arena)

    @classmethod
    def holding(cls, spec: AggregateSpec, words: Words, arena: TextArena) -> Self:
        """An accumulator of these rows and their packed arena, which it owns from now on."""
        accumulator = cls(spec)
        accumulator._rows = accumulator._rows.replaced(np.ascontiguousarray(words))
        accumulator._arena = arena
        arena.used = accumulator._in_use = len(arena.room)
        return accumulator

    @property
    def size(self) -> int:
        return self._rows.size

    def resize(self, size: int, room: int = 0) -> None:
        self._rows.resize(size, room)

    def update(self, slots: Slots, given: AggregateInput, event_time_us: Times) -> None:
        starts, ends, text = arrow_values.text(given.values)
        longest = int(ends[-1]) - int(starts[0]) if len(ends) else 0
        self._fold(slots, event_time_us, (starts, ends, text), arrow_values.rows_to_keep(given), longest)

    def merge(self, slots: Slots, other: Self, other_slots: Slots) -> None:
        seen, times, starts, lengths = (np.ascontiguousarray(words) for words in other._rows.words[other_slots].T)
        strings = (starts, starts + lengths, other._arena.room)
        self._fold(slots, times, strings, seen != 0, int(lengths.sum()))

    def finish(self, slots: Slots, context: FinishContext) -> pa.Array:
        rows = self._rows.words.take(slots, axis=0)
        return arrow_values.from_text(rows[:, _START], rows[:, _LENGTH], self._arena.room, rows[:, _SEEN] != 0)

    def take(self, slots: Slots) -> Self:
        rows = self._rows.words.take(slots, axis=0)
        arena = self._arena.packed(rows[:, _START], rows[:, _LENGTH])
        rows[:, _START] = starts_of(rows[:, _LENGTH])
        return self.holding(self._spec, rows, arena)

    def columns(self) -> Mapping[str, pa.RecordBatch]:
        rows = self._rows.words[: self.size]
        packed = self._arena.packed(rows[:, _START], rows[:, _LENGTH])
        state = [pa.array(rows[:, word].copy()) for word in (_SEEN, _TIME, _LENGTH)]
        return {
            STATE: pa.record_batch(state, names=["seen", "time_us", "bytes"]),
            _TEXT: pa.record_batch([pa.array(packed.room)], names=["utf8"]),
        }

    @property
    def nbytes(self) -> int:
        return self._rows.nbytes + self._arena.room.nbytes

    def _fold(
        self, slots: Slots, times: Times, strings: tuple[Numbers, Numbers, Bytes], keep: Mask, new_bytes: int
    ) -> None:
        self._arena.reserve(new_bytes)
        used, grown = _best(
            self._rows.words, slots, times, *strings, keep, self._arena.room, self._arena.used,
            self._by_time, self._by_value,
        )  # fmt: skip
        self._arena.used, self._in_use = used, self._in_use + grown
        if used > max(2 * self._in_use, _LEAST_KEPT_BYTES):
            rows = self._rows.words[: self.size]
            self._arena = self._arena.packed(rows[:, _START], rows[:, _LENGTH])
            rows[:, _START] = starts_of(rows[:, _LENGTH])


@kernel(
    [
        types.UniTuple(types.int64, 2)(
            I64_2D_OUT, I64, I64, offsets, offsets, U8, BOOLS, U8_OUT, types.int64, types.int64, types.int64
        )
        for offsets in (I32, I64)
    ]
)
def _best(
    words: Any, slots: Slots, times: Times, starts: Any, ends: Any, text: Bytes, keep: Mask, arena: Bytes,
    used: int, by_time: int, by_value: int,
) -> tuple[int, int]:  # fmt: skip
    """Returns the bytes of the arena now used, and by how many more of them slots refer to."""
    every = keep.size == 0
    grown = 0
    for i in range(slots.size):
        if not (every or keep[i]):
            continue
        slot, start, end = slots[i], np.uint64(starts[i]), np.uint64(ends[i])
        length, old_length = end - start, np.uint64(words[slot, _LENGTH])
        time = times[i] if by_time != 0 else 0
        if words[slot, _SEEN] != 0:
            best = words[slot, _TIME]
            nearer = time > best if by_time > 0 else time < best
            if time != best and not nearer:
                continue
            if time == best:
                at, shorter = np.uint64(words[slot, _START]), min(length, old_length)
                k = shared_bytes(text, start, arena, at, shorter)
                greater = length > old_length if k == shorter else text[start + k] > arena[at + k]
                if greater != (by_value > 0) or (k == length and k == old_length):
                    continue
        words[slot, _SEEN], words[slot, _TIME] = 1, time
        signed: Any = np.int64(length)
        grown += signed - words[slot, _LENGTH]
        if length > old_length:
            words[slot, _START] = used
            used += signed
        words[slot, _LENGTH] = signed
        copy_bytes(arena, np.uint64(words[slot, _START]), text, start, length)
    return used, grown
