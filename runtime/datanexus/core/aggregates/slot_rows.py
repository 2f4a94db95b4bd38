"""State of fixed size: one row of int64 words per slot, in one growing table.

A row lies in one or two cache lines, so that folding a value in costs one miss and not one per word. A slot that
nothing was folded into holds the accumulator's `empty` row, and nothing else may leave that row behind.
"""

from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np
import pyarrow as pa

from datanexus.core.aggregate import AggregateSpec, Slots
from datanexus.core.aggregates.arrow_values import Words

STATE = "state"  # the name of the batch an accumulator of this kind is stored as
_FIRST_CAPACITY = 16


class SlotRows:
    """A table of `size` rows. `words` may hold more rows than `size`; what lies behind is unused room."""

    __slots__ = ("empty", "size", "words")

    def __init__(self, empty: Sequence[int]) -> None:
        self.empty = np.array(empty, dtype=np.int64)
        self.words = np.empty((0, len(empty)), dtype=np.int64)
        self.size = 0

    def resize(self, size: int, room: int = 0) -> None:
        """Add empty rows up to `size`; by half the room at least, or to `room`, so amortised O(1) a row."""
        if size <= self.size:
            return
        capacity = len(self.words)
        if size > capacity:
            if room < 2 * size:
                room = max(room, size, capacity + capacity // 2, _FIRST_CAPACITY)
                self.words.resize((room, self.words.shape[1]), refcheck=False)  # extended in place where memory allows
            else:  # resize would write to all of it, and memory that is not written to costs nothing
                words = np.empty((room, self.words.shape[1]), dtype=np.int64)
                words[: self.size] = self.words[: self.size]
                self.words = words
        self.words[self.size : size] = self.empty
        self.size = size

    def take(self, slots: Slots) -> "SlotRows":
        """A new table whose row i is this one's row slots[i]."""
        return self.replaced(self.words.take(slots, axis=0))

    def replaced(self, words: Words) -> "SlotRows":
        """A new table with the same empty row and these rows, which it owns from now on."""
        rows = SlotRows(self.empty.tolist())
        rows.words = np.array(words, dtype=np.int64, order="C", ndmin=2) if not words.flags.owndata else words
        rows.size = len(words)
        return rows

    def batch(self, names: Sequence[str]) -> pa.RecordBatch:
        """The rows as columns of the given names, copied."""
        used = self.words[: self.size]
        return pa.record_batch([pa.array(used[:, i].copy()) for i in range(used.shape[1])], names=list(names))

    @property
    def nbytes(self) -> int:
        return self.words.nbytes


def words_of(batch: pa.RecordBatch) -> Words:
    """The table that `SlotRows.batch` wrote."""
    words = np.empty((batch.num_rows, batch.num_columns), dtype=np.int64)
    for index, column in enumerate(batch.columns):
        words[:, index] = column.to_numpy()
    return words


class RowAccumulator:
    """What the accumulators with one row of words a slot have in common; `update`, `merge`, `finish` are theirs."""

    __slots__ = ("_spec", "rows")

    names: tuple[str, ...]  # of the words, and of the columns they are stored as
    empty: tuple[int, ...]

    def __init__(self, spec: AggregateSpec) -> None:
        self._spec = spec
        self.rows = SlotRows(self.empty)

    @classmethod
    def restored(cls, spec: AggregateSpec, columns: Mapping[str, pa.RecordBatch]) -> Self:
        """The accumulator whose `columns()` these are."""
        return cls.holding(spec, cls(spec).rows.replaced(words_of(columns[STATE])))

    @classmethod
    def holding(cls, spec: AggregateSpec, rows: SlotRows) -> Self:
        """An accumulator of these rows, which it owns from now on."""
        accumulator = cls(spec)
        accumulator.rows = rows
        return accumulator

    @property
    def size(self) -> int:
        return self.rows.size

    def resize(self, size: int, room: int = 0) -> None:
        self.rows.resize(size, room)

    def take(self, slots: Slots) -> Self:
        return self.holding(self._spec, self.rows.take(slots))

    def columns(self) -> Mapping[str, pa.RecordBatch]:
        return {STATE: self.rows.batch(self.names)}

    @property
    def nbytes(self) -> int:
        return self.rows.nbytes
