"""approx_count_distinct: HyperLogLog with 2**12 registers and the 64-bit hash of `value_hash`.

The register of a value is the top 12 bits of its hash, its rank one more than the count of leading zeros in the other
52 (53 if all are zero); a register holds the greatest rank. The estimate is Ertl's improved raw estimator ("New
cardinality estimation algorithms for HyperLogLog sketches", 2017, algorithm 6), a pure function of the counts of
ranks; its standard error is 1.04 ÷ √4096 = 1.6 %. No values give 0, never NULL.

A slot with up to 128 registers set keeps them in a hash table, one with more in a row of 4096 bytes. The form depends
on the content alone, so it may show in what is stored.
"""

import math
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datanexus.core import kernel_types as types
from datanexus.core.aggregate import AggregateInput, AggregateSpec, FinishContext, Mask, Slots, Times
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
from datanexus.core.aggregates.value_hash import Hashes, value_hashes
from datanexus.core.kernel import BOOLS, F64_OUT, I64, I64_2D, I64_2D_OUT, I64_OUT, U8_2D_OUT, U64, kernel

REGISTER_BITS = 12
REGISTERS = 1 << REGISTER_BITS
RANK_MAX = 64 - REGISTER_BITS + 1
SPARSE_MAX = 128  # an entry of the hash table takes 24 to 48 bytes: 128 of them about as much as a dense row
_RANK_BITS = 6
_SPARSE, _DENSE = "sparse", "dense"
_NO_ROW = -1
_LN_2 = math.log(2.0)

Registers = npt.NDArray[np.uint8]


class Distinct:
    """Rows: the number of a slot's dense row or _NO_ROW, and how many registers are set (SPARSE_MAX + 1: more)."""

    __slots__ = ("_dense", "_dense_rows", "_rows", "_sparse", "_spec")

    def __init__(self, spec: AggregateSpec) -> None:
        self._spec = spec
        self._rows = SlotRows((_NO_ROW, 0))
        self._sparse = PairTable()  # (slot, register) → rank; entries of slots that became dense are dead
        self._dense: Registers = np.zeros((0, REGISTERS), dtype=np.uint8)
        self._dense_rows = 0

    @classmethod
    def restored(cls, spec: AggregateSpec, columns: Mapping[str, pa.RecordBatch]) -> Self:
        """The accumulator whose `columns()` these are."""
        registers_set = words_of(columns[STATE])[:, 0]
        stored = columns[_DENSE]
        words = np.stack((np.full_like(registers_set, _NO_ROW), registers_set), axis=1)
        words[stored.column("slot").to_numpy(), 0] = np.arange(stored.num_rows)
        ranks = b"".join(stored.column("ranks").to_pylist())
        dense = np.frombuffer(ranks, dtype=np.uint8).reshape(-1, REGISTERS).copy()
        return cls.holding(spec, words, table_of(columns[_SPARSE]), dense)

    @classmethod
    def holding(cls, spec: AggregateSpec, words: Words, sparse: PairTable, dense: Registers) -> Self:
        """An accumulator of this state, which it owns from now on."""
        accumulator = cls(spec)
        accumulator._rows = accumulator._rows.replaced(np.ascontiguousarray(words))
        accumulator._sparse, accumulator._dense, accumulator._dense_rows = sparse, dense, len(dense)
        return accumulator

    @property
    def size(self) -> int:
        return self._rows.size

    def resize(self, size: int, room: int = 0) -> None:
        self._rows.resize(size, room)

    def update(self, slots: Slots, given: AggregateInput, event_time_us: Times) -> None:
        marks = np.empty(len(slots), dtype=np.int64)
        _marks(value_hashes(given.values), marks)
        self._observe(slots, marks, arrow_values.rows_to_keep(given))

    def merge(self, slots: Slots, other: Self, other_slots: Slots) -> None:
        dense_rows = other._rows.words[other_slots, 0]
        is_dense = dense_rows != _NO_ROW
        keys, ranks = other._sparse.renamed(other_slots[~is_dense], slots[~is_dense], other.size)
        if is_dense.any():
            self._make_dense(np.unique(slots[is_dense]))
            theirs = np.ascontiguousarray(dense_rows[is_dense])
            _join(self._dense, self._rows.words[slots[is_dense], 0], other._dense, theirs)
        self._observe(keys >> ITEM_BITS, (keys & (REGISTERS - 1)) << _RANK_BITS | ranks, EVERY_ROW)

    def finish(self, slots: Slots, context: FinishContext) -> pa.Array:
        histograms = np.zeros((len(slots), RANK_MAX + 1), dtype=np.int64)
        dense_rows = self._rows.words[slots, 0]
        sparse = np.flatnonzero(dense_rows == _NO_ROW)
        positions, _, ranks = self._sparse.entries(slots[sparse], self.size)
        np.add.at(histograms, (sparse[positions], ranks), 1)
        histograms[:, 0] = REGISTERS - histograms.sum(axis=1)
        _count_ranks(self._dense, dense_rows, histograms)
        estimates = np.empty(len(slots), dtype=np.float64)
        _estimate(histograms, estimates)
        return pa.array(np.floor(estimates + 0.5).astype(np.int64))

    def take(self, slots: Slots) -> Self:
        rows = self._rows.words[slots]
        with_row = np.flatnonzero(rows[:, 0] != _NO_ROW)
        dense = self._dense[rows[with_row, 0]]
        rows[with_row, 0] = np.arange(len(with_row))
        return self.holding(self._spec, rows, PairTable.of(*self._sparse_entries(slots)), dense)

    def columns(self) -> Mapping[str, pa.RecordBatch]:
        rows = self._rows.words[: self.size]
        dense = np.flatnonzero(rows[:, 0] != _NO_ROW)
        content = pa.py_buffer(self._dense[rows[dense, 0]])
        ranks = pa.Array.from_buffers(pa.binary(REGISTERS), len(dense), [None, content])
        keys, numbers = self._sparse_entries(np.arange(self.size))
        sparse = entries_batch(keys >> ITEM_BITS, keys & (REGISTERS - 1), numbers, item="register", number="rank")
        return {
            STATE: pa.record_batch([pa.array(rows[:, 1].copy())], names=["registers_set"]),
            _SPARSE: sparse,
            _DENSE: pa.record_batch([pa.array(dense), ranks], names=["slot", "ranks"]),
        }

    @property
    def nbytes(self) -> int:
        return self._rows.nbytes + self._sparse.nbytes + self._dense.nbytes

    def _observe(self, slots: Slots, marks: Words, keep: Mask) -> None:
        sparse, begin = self._sparse, 0
        while True:
            begin, sparse.used, self._dense_rows = _set_registers(
                sparse.places, sparse.used, self._rows.words, self._dense, self._dense_rows,
                slots, marks, keep, begin,
            )  # fmt: skip
            if begin == len(slots):
                return
            self._make_room()

    def _make_room(self) -> None:
        """Make room for one more dense row and one more sparse entry."""
        if self._dense_rows == len(self._dense):
            self._dense.resize((self._dense_rows + self._dense_rows // 2 + 1, REGISTERS), refcheck=False)
        if 3 * (self._sparse.used + 1) > 2 * len(self._sparse.places):
            self._sparse.keep_where(self._rows.words[: self.size, 0] == _NO_ROW)
            if 2 * self._sparse.used > len(self._sparse.places):
                self._sparse.grow()

    def _make_dense(self, slots: Slots) -> None:
        """Give each of these distinct slots a dense row."""
        slots = slots[self._rows.words[slots, 0] == _NO_ROW]
        needed = self._dense_rows + len(slots)
        if needed > len(self._dense):
            self._dense.resize((max(needed, len(self._dense) * 3 // 2), REGISTERS), refcheck=False)
        rows = np.arange(self._dense_rows, needed)
        positions, registers, ranks = self._sparse.entries(slots, self.size)
        self._dense[rows[positions], registers] = ranks
        self._rows.words[slots, 0] = rows
        self._rows.words[slots, 1] = SPARSE_MAX + 1
        self._dense_rows = needed

    def _sparse_entries(self, slots: Slots) -> tuple[Words, Words]:
        """Keys and ranks of the living entries, as entries of the positions in `slots`."""
        living = np.flatnonzero(self._rows.words[slots, 0] == _NO_ROW)
        positions, registers, ranks = self._sparse.entries(slots[living], self.size)
        return (living[positions] << ITEM_BITS) | registers, ranks


@kernel(types.void(U64, I64_OUT))
def _marks(hashes: Hashes, out: Any) -> None:
    """Register and rank of each hash, in one word."""
    for i in range(hashes.size):
        register = np.int64(hashes[i] >> np.uint64(64 - REGISTER_BITS))
        rest = hashes[i] << np.uint64(REGISTER_BITS)
        rank = 1
        while rank < RANK_MAX and rest >> np.uint64(63) == np.uint64(0):
            rest = rest << np.uint64(1)
            rank += 1
        out[i] = register << _RANK_BITS | rank


@kernel(
    types.UniTuple(types.int64, 3)(
        I64_2D_OUT, types.int64, I64_2D_OUT, U8_2D_OUT, types.int64, I64, I64, BOOLS, types.int64
    )
)
def _set_registers(
    places: Any, used: int, rows: Any, dense: Any, dense_rows: int,
    slots: Slots, marks: Words, keep: Mask, begin: int,
) -> tuple[int, int, int]:  # fmt: skip
    """Fold marks in from row `begin` on; stop for want of room. Returns the row, sparse places and dense rows used."""
    every = keep.size == 0
    for i in range(begin, slots.size):
        if not (every or keep[i]):
            continue
        slot, register, rank = slots[i], marks[i] >> _RANK_BITS, marks[i] & ((1 << _RANK_BITS) - 1)
        row = rows[slot, 0]
        if row != _NO_ROW:
            dense[row, register] = max(dense[row, register], np.uint8(rank))
            continue
        key = (slot << ITEM_BITS) | register
        place = find_place(places, key)
        if places[place, KEY] != FREE:
            places[place, NUMBER] = max(places[place, NUMBER], rank)
            continue
        if rows[slot, 1] < SPARSE_MAX:
            if is_full(places, used):
                return i, used, dense_rows
            places[place, KEY], places[place, NUMBER] = key, rank
            used += 1
            rows[slot, 1] += 1
            continue
        if dense_rows == dense.shape[0]:
            return i, used, dense_rows
        for k in range(REGISTERS):
            place = find_place(places, (slot << ITEM_BITS) | k)
            taken = places[place, KEY] != FREE
            dense[dense_rows, k] = np.uint8(places[place, NUMBER]) if taken else np.uint8(0)
        dense[dense_rows, register] = np.uint8(rank)
        rows[slot, 0], rows[slot, 1] = dense_rows, SPARSE_MAX + 1
        dense_rows += 1
    return slots.size, used, dense_rows


@kernel(types.void(U8_2D_OUT, I64, U8_2D_OUT, I64))
def _join(mine: Any, my_rows: Words, theirs: Any, their_rows: Words) -> None:
    for i in range(my_rows.size):
        to, source = my_rows[i], their_rows[i]
        for k in range(REGISTERS):
            mine[to, k] = max(mine[to, k], theirs[source, k])


@kernel(types.void(U8_2D_OUT, I64, I64_2D_OUT))
def _count_ranks(dense: Any, dense_rows: Words, histograms: Any) -> None:
    for i in range(dense_rows.size):
        if dense_rows[i] != _NO_ROW:
            histograms[i, 0] = 0
            for k in range(REGISTERS):
                histograms[i, dense[dense_rows[i], k]] += 1


@kernel(types.void(I64_2D, F64_OUT))
def _estimate(histograms: Any, out: Any) -> None:
    for i in range(out.size):
        empty = histograms[i, 0] / REGISTERS
        if empty == 1.0:
            out[i] = 0.0
            continue
        x = 1.0 - histograms[i, RANK_MAX] / REGISTERS
        tau = 0.0
        if x not in (0.0, 1.0):
            y, tau, before = 1.0, 1.0 - x, -1.0
            while tau != before:
                x, before = math.sqrt(x), tau
                y *= 0.5
                tau -= (1.0 - x) * (1.0 - x) * y
            tau /= 3.0
        z = REGISTERS * tau
        for rank in range(RANK_MAX - 1, 0, -1):
            z = 0.5 * (z + histograms[i, rank])
        x, y, sigma, before = empty, 1.0, empty, -1.0
        while sigma != before:
            x, before = x * x, sigma
            sigma += x * y
            y += y
        z += REGISTERS * sigma
        out[i] = REGISTERS * (REGISTERS / (2.0 * _LN_2)) / z
