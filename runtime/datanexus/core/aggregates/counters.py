"""increase and rate of counters that may restart from zero.

All samples (slot, event time, value) are kept until the window is gone, as a sample that comes late in between would
otherwise look like a restart. At the end they are sorted; of equal times the greatest value stays. The increase is the
correctly rounded sum of δ(a, b) over neighbours, where δ(a, b) = b − a if b ≥ a, else b (a restart); the last sample
before the window, if there is one, is the first's neighbour. rate is increase ÷ ((end − start) ÷ 10**6 µs).

No sample, or one without any before it, gives NULL: there is nothing to compare. NaN compares as in PostgreSQL, greater
than all numbers, and makes the result NaN.
"""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import pyarrow as pa

from datanexus.core import kernel_types as types
from datanexus.core.aggregate import (
    AggregateInput,
    AggregateSpec,
    FinishContext,
    LastSamples,
    Mask,
    Slots,
    Times,
)
from datanexus.core.aggregates import arrow_values, float_values
from datanexus.core.aggregates.arrow_values import Floats, Words, float_word
from datanexus.core.aggregates.float_sums import FloatSum
from datanexus.core.aggregates.slot_rows import STATE
from datanexus.core.kernel import BOOLS, I64, I64_2D_OUT, I64_OUT, kernel

_SLOT, _TIME, _WORD = range(3)
_SAMPLES = "samples"
_FIRST_CAPACITY = 64
_SECOND_US = 1_000_000
_MOVES_A_SAMPLE = 16


class Counter:
    """Samples as rows (slot, time, ordered word of the value), `_used` of them; the first `_sorted` are canonical."""

    __slots__ = ("_samples", "_size", "_sorted", "_spec", "_used")

    def __init__(self, spec: AggregateSpec) -> None:
        self._spec = spec
        self._size = 0
        self._samples: Words = np.empty((0, 3), dtype=np.int64)
        self._used = self._sorted = 0

    @classmethod
    def restored(cls, spec: AggregateSpec, columns: Mapping[str, pa.RecordBatch]) -> Self:
        """The accumulator whose `columns()` these are."""
        samples = [column.to_numpy() for column in columns[_SAMPLES].columns]
        return cls.holding(spec, columns[STATE].column(0)[0].as_py(), np.stack(samples, axis=1))

    @classmethod
    def holding(cls, spec: AggregateSpec, size: int, samples: Words) -> Self:
        """An accumulator of these samples in canonical order, which it owns from now on."""
        accumulator = cls(spec)
        accumulator._size, accumulator._samples = size, np.ascontiguousarray(samples)
        accumulator._used = accumulator._sorted = len(samples)
        return accumulator

    @property
    def size(self) -> int:
        return self._size

    def resize(self, size: int, room: int = 0) -> None:
        self._size = max(size, self._size)

    def update(self, slots: Slots, given: AggregateInput, event_time_us: Times) -> None:
        bits = float_values.floats(given.values).view(np.int64)
        keep = arrow_values.rows_to_keep(given)
        self._reserve(len(slots))
        self._used = _append_samples(self._samples, self._used, slots, event_time_us, bits, keep)

    def merge(self, slots: Slots, other: Self, other_slots: Slots) -> None:
        theirs = other._sorted_samples()
        first, lengths = _ranges(theirs, other_slots)
        picked = theirs[arrow_values.pieces(first, lengths)]
        picked[:, _SLOT] = np.repeat(slots, lengths)
        self._reserve(len(picked))
        self._samples[self._used : self._used + len(picked)] = picked
        self._used += len(picked)

    def finish(self, slots: Slots, context: FinishContext) -> pa.Array:
        of, steps = self._steps(slots, context)
        total = FloatSum(AggregateSpec("sum", pa.float64(), (), pa.float64()))
        total.resize(len(slots))
        total.update(of, AggregateInput(pa.array(steps), None), np.zeros(len(of), dtype=np.int64))
        increase = total.finish(np.arange(len(slots)), context)
        if self._spec.function == "increase":
            return increase
        seconds = (context.window_end_us - context.window_start_us) / np.float64(_SECOND_US)
        valid = np.asarray(increase.is_valid())
        return arrow_values.from_floats(increase.fill_null(0.0).to_numpy() / seconds, valid)

    def take(self, slots: Slots) -> Self:
        samples = self._sorted_samples()
        first, lengths = _ranges(samples, slots)
        taken = samples[arrow_values.pieces(first, lengths)]
        taken[:, _SLOT] = np.repeat(np.arange(len(slots)), lengths)
        return self.holding(self._spec, len(slots), taken)

    def last_samples(self, slots: Slots) -> LastSamples:
        """The sample with the greatest event time of each slot; of equal times the greatest value."""
        samples = self._sorted_samples()
        first, lengths = _ranges(samples, slots)
        present = lengths > 0
        last = samples[(first + lengths - 1)[present]]
        times, words = np.zeros(len(slots), dtype=np.int64), np.zeros(len(slots), dtype=np.int64)
        times[present], words[present] = last[:, _TIME], last[:, _WORD]
        return LastSamples(times, arrow_values.words_to_floats(words), present)

    def columns(self) -> Mapping[str, pa.RecordBatch]:
        samples = self._sorted_samples()
        columns = [pa.array(samples[:, i].copy()) for i in range(3)]
        return {
            STATE: pa.record_batch([pa.array([self._size], pa.int64())], names=["slots"]),
            _SAMPLES: pa.record_batch(columns, names=["slot", "time_us", "word"]),
        }

    @property
    def nbytes(self) -> int:
        return self._samples.nbytes

    def _steps(self, slots: Slots, context: FinishContext) -> tuple[Slots, Floats]:
        """Every δ of these slots, with the position in `slots` it belongs to."""
        samples = self._sorted_samples()
        first, lengths = _ranges(samples, slots)
        words = samples[arrow_values.pieces(first, lengths), _WORD]
        before, counts = np.empty_like(words), np.ones(len(words), dtype=np.bool_)
        before[1:] = words[:-1]
        filled = lengths > 0
        heads = (np.cumsum(lengths) - lengths)[filled]
        before[heads] = arrow_values.floats_to_words(context.previous_value[filled])
        counts[heads] = context.has_previous[filled]
        of, words, before = np.repeat(np.arange(len(slots)), lengths)[counts], words[counts], before[counts]
        with np.errstate(invalid="ignore", over="ignore"):  # infinite counters are the user's, and so is their result
            return of, np.where(
                words >= before,
                arrow_values.words_to_floats(words) - arrow_values.words_to_floats(before),
                arrow_values.words_to_floats(words),
            )

    def _reserve(self, more: int) -> None:
        needed, capacity = self._used + more, len(self._samples)
        if needed > capacity:
            self._samples.resize((max(needed, capacity + capacity // 2, _FIRST_CAPACITY), 3), refcheck=False)

    def _sorted_samples(self) -> Words:
        """All samples by slot and time, one at each time; sorted in place if need be, as the content stays the same."""
        if self._sorted < self._used:
            given = self._samples[: self._used]
            ordered = np.empty_like(given)
            if not _order_samples(given, np.zeros(self._size + 1, dtype=np.int64), ordered):
                ordered = given[np.lexsort((given[:, _WORD], given[:, _TIME], given[:, _SLOT]))]
            self._samples = ordered
            self._used = self._sorted = _drop_repeated_times(ordered)
        return self._samples[: self._used]


def _ranges(samples: Words, slots: Slots) -> tuple[Words, Words]:
    """Where the samples of each slot begin, and how many they are."""
    keys = np.ascontiguousarray(samples[:, _SLOT])
    first = np.searchsorted(keys, slots, side="left")
    return first, np.searchsorted(keys, slots, side="right") - first


@kernel(types.int64(I64_2D_OUT, types.int64, I64, I64, I64, BOOLS))
def _append_samples(samples: Any, used: int, slots: Slots, times: Times, bits: Words, keep: Mask) -> int:
    every = keep.size == 0
    for i in range(slots.size):
        if every or keep[i]:
            samples[used, 0], samples[used, 1], samples[used, 2] = slots[i], times[i], float_word(bits[i])
            used += 1
    return used


@kernel(types.boolean(I64_2D_OUT, I64_OUT, I64_2D_OUT))
def _order_samples(samples: Any, ends: Any, out: Any) -> bool:
    """Sort by slot, time and word: samples come almost in order of time, so counting and inserting do.

    Gives up, returning False, where they are so far from it that a general sort is faster. `ends`: zeros, one a slot
    and one more.
    """
    rows = samples.shape[0]
    for i in range(rows):
        ends[samples[i, 0] + 1] += 1
    for slot in range(1, ends.size):
        ends[slot] += ends[slot - 1]
    begins = ends.copy()
    moves_left = _MOVES_A_SAMPLE * rows
    for i in range(rows):
        slot, time, word = samples[i, 0], samples[i, 1], samples[i, 2]
        at = ends[slot]
        ends[slot] += 1
        while at > begins[slot] and (out[at - 1, 1] > time or (out[at - 1, 1] == time and out[at - 1, 2] > word)):
            out[at, 0], out[at, 1], out[at, 2] = slot, out[at - 1, 1], out[at - 1, 2]
            at -= 1
            moves_left -= 1
        if moves_left < 0:
            return False
        out[at, 0], out[at, 1], out[at, 2] = slot, time, word
    return True


@kernel(types.int64(I64_2D_OUT))
def _drop_repeated_times(samples: Any) -> int:
    """Keep the last, greatest sample of each slot and time. Returns how many stay."""
    kept = 0
    for i in range(samples.shape[0]):
        if kept > 0 and samples[kept - 1, 0] == samples[i, 0] and samples[kept - 1, 1] == samples[i, 1]:
            kept -= 1
        samples[kept, 0], samples[kept, 1], samples[kept, 2] = samples[i, 0], samples[i, 1], samples[i, 2]
        kept += 1
    return kept
