"""Dedup: drop a record whose key already passed at an event time nearer than the horizon.

Exact, by 128-bit fingerprints. Invariant: of one fingerprint, no two registered times are nearer than the horizon.
Whether a record passes depends on what passed before it, so rows are judged in arrival order.

Registered entries (fingerprint, time) stand in a log in arrival order; an open-addressing table of one word a slot
leads to them. Where a key's entries are looked for depends on the *cell* of their time (8 horizons wide): a key that
passes again and again makes no long chains, and a row looks into a neighbour cell only when its time is nearer than the
horizon to the border, so a row costs about one cache miss. For expiry and snapshots entries belong to *buckets* one
horizon wide; a bucket is dropped once its end ≤ watermark − 2 horizons. Dropped entries are too far from all that can
still be judged to matter, and leave the log when they are half of it.

A snapshot's segment is what one bucket got in a run of *generations* (the time between two snapshots), in arrival
order. Two runs become one when the older is at most twice the newer, so a snapshot stores little more than what was
added since the last one.
"""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import types

from datanexus.core.aggregate import Mask, Times
from datanexus.core.emission import NO_WATERMARK, KeyHashes, Segment, SegmentContents, Segments
from datanexus.core.kernel import BOOLS_OUT, I64, I64_2D, I64_2D_OUT, I64_OUT, U64_2D, U64_OUT, inlined, kernel

Log = npt.NDArray[np.int64]  # shape (capacity, 3): high and low half of the fingerprint as int64, event time
Table = npt.NDArray[np.uint64]  # 0: free; else the fingerprint's high 32 bits, and the log position + 1

_SLOTS_MIN = 1 << 10
_LOG_MIN = 1 << 9
_LOAD_NUMERATOR, _LOAD_DENOMINATOR = 6, 10  # the table is at most 60 % full
_CELL_HORIZONS = 8
_BUCKET_WIDTH_MIN_US = 1_000_000  # of tiny horizons: keeps the number of buckets small; entries only stay longer
_BATCH = "entries"
_ENTRY_BYTES = 24  # as in the log: high and low half of the fingerprint, event time, little-endian
_SCHEMA = pa.schema([("entry", pa.binary(_ENTRY_BYTES))])

_TAG_MASK = np.uint64(0xFFFFFFFF00000000)
_POSITION_MASK = np.uint64(0x00000000FFFFFFFF)
_CELL_MIX = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xD6E8FEB86659FD93)
_R32, _FREE, _NEXT = np.uint64(32), np.uint64(0), np.uint64(1)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of n rows; exactly one mask is true for each."""

    passed: Mask
    duplicate: Mask
    too_late: Mask


@dataclass(frozen=True, slots=True, order=True)
class _Run:
    """Generations `first` to `last` of one bucket: one stored segment."""

    bucket: int
    first: int
    last: int
    entries: int

    @property
    def key(self) -> str:
        return f"bucket-{self.bucket}-{self.first}-{self.last}"


class Dedup:
    """The passed fingerprints of one partition. Order of calls: `judge` any number of times, `advance` at a cut."""

    _table: Table
    _log: Log
    _count: int
    _cells: Times  # the least and the greatest cell with entries

    def __init__(self, horizon_us: int) -> None:
        if horizon_us <= 0:
            raise ValueError(f"the dedup horizon is {horizon_us} µs; expected more than 0")
        self._horizon_us = horizon_us
        self._bucket_us = max(horizon_us, _BUCKET_WIDTH_MIN_US)
        self._generation = 0
        self._ends: dict[int, int] = {}  # log position at which a closed generation ended
        self._live: dict[int, int] = {}  # entries by bucket
        self._runs: dict[int, list[_Run]] = {}  # by bucket, oldest first
        self._clear()

    def judge(self, fingerprints: KeyHashes, event_time_us: Times, watermark_us: int) -> Verdict:
        """Judge n rows in order and register those that pass.

        A row is too late when t ≤ watermark − horizon (judged first; such rows leave no trace), a duplicate when a
        passed row of its fingerprint lies at |Δt| < horizon.

        Cost: one kernel call, about one cache miss a row.
        """
        count = len(event_time_us)
        self._make_room(count)
        passed, duplicate, too_late = (np.empty(count, np.bool_) for _ in range(3))
        before = self._count
        self._count = _judge(
            self._table,
            self._log,
            before,
            self._cells,
            np.ascontiguousarray(fingerprints),
            np.ascontiguousarray(event_time_us),
            self._horizon_us,
            max(watermark_us - self._horizon_us, NO_WATERMARK),
            passed,
            duplicate,
            too_late,
        )
        self._count_buckets(self._log[before : self._count, 2])
        return Verdict(passed, duplicate, too_late)

    def advance(self, watermark_us: int) -> None:
        """Drop the buckets that end at or before watermark − 2 horizons."""
        bound_us = watermark_us - 2 * self._horizon_us
        for bucket in [bucket for bucket in self._live if (bucket + 1) * self._bucket_us <= bound_us]:
            del self._live[bucket]
            self._runs.pop(bucket, None)
        live = sum(self._live.values())
        if live == 0:
            self._clear()
        elif self._count > 2 * live:
            self._compact(live)

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays held, unused room included."""
        return self._table.nbytes + self._log.nbytes

    @property
    def live_entries(self) -> int:
        """Entries in buckets that are not dropped."""
        return sum(self._live.values())

    def segments(self) -> Segments:
        """What is to be stored: one segment per bucket and run of generations, its entries in arrival order.

        Because: which of two repeats passed depends on arrival anyhow, and sorting would cost more than all judging.

        Closes the running generation, so call it only to take a snapshot. `batches` must be called before the next
        `judge` or `advance`. A segment never changes: its key names its content.
        """
        self._close_generation()
        return {
            run.key: Segment(version=0, batches=partial(self._contents, run))
            for runs in self._runs.values()
            for run in runs
        }

    def restore(self, contents: SegmentContents) -> None:
        """Take over what `segments` gave. Only on a new Dedup of the same horizon."""
        runs = []
        for key, batches in contents.items():
            bucket, first, last = (int(part) for part in key.removeprefix("bucket-").rsplit("-", 2))
            runs.append(_Run(bucket, first, last, batches[_BATCH].num_rows))
        self._make_room(sum(run.entries for run in runs))
        runs.sort(key=lambda run: (run.first, run.bucket))
        # All of a run is put where its first generation was: between the ends that its name refers to.
        for run in runs:
            self._ends[run.first - 1] = self._ends.get(run.first - 1, self._count)
            self._append(contents[run.key][_BATCH])
            self._live[run.bucket] = self._live.get(run.bucket, 0) + run.entries
            self._runs.setdefault(run.bucket, []).append(run)
        firsts = [run.first for run in runs]
        sizes = np.cumsum([0, *(run.entries for run in runs)])
        for run in runs:
            self._ends[run.last] = int(sizes[bisect_right(firsts, run.last)])
        self._generation = max((run.last for run in runs), default=-1) + 1
        self._rebuild(len(self._table))

    def _append(self, batch: pa.RecordBatch) -> None:
        end = self._count + batch.num_rows
        entries = batch.column(0)
        values = np.frombuffer(entries.buffers()[1], np.int64, 3 * len(entries), entries.offset * _ENTRY_BYTES)
        self._log[self._count : end] = values.reshape(-1, 3)
        self._count = end

    def _clear(self) -> None:
        self._table = np.zeros(_SLOTS_MIN, np.uint64)
        self._log = np.empty((_LOG_MIN, 3), np.int64)
        self._count = 0
        self._cells = np.array([2**62, -(2**62)], np.int64)
        self._ends.clear()

    def _make_room(self, count: int) -> None:
        """Let `count` more entries fit."""
        needed = self._count + count
        if needed >= 2**32:
            raise OverflowError(f"dedup holds {self._count} fingerprints in one partition; at most 2^32 fit")
        if needed > len(self._log):
            grown = np.empty((max(needed, 2 * len(self._log)), 3), np.int64)
            grown[: self._count] = self._log[: self._count]
            self._log = grown
        slots = _slots_for(needed, len(self._table))
        if slots > len(self._table):
            self._rebuild(slots)

    def _compact(self, live: int) -> None:
        """Let the log hold nothing but the entries of live buckets, in the same order."""
        log = np.empty((max(live + live // 2, _LOG_MIN), 3), np.int64)
        buckets = np.array(sorted(self._live), np.int64)
        ends = np.array(list(self._ends.values()), np.int64)
        self._count = _keep_buckets(self._log, self._count, self._bucket_us, buckets, log, ends)
        self._log = log
        self._ends = dict(zip(self._ends, ends.tolist(), strict=True))
        self._rebuild(_slots_for(len(log), _SLOTS_MIN))

    def _rebuild(self, slots: int) -> None:
        self._table = np.zeros(slots, np.uint64)
        self._cells = np.array([2**62, -(2**62)], np.int64)
        _insert_all(self._table, self._log, self._count, self._cells, self._horizon_us * _CELL_HORIZONS)

    def _count_buckets(self, times: Times) -> None:
        if not len(times):
            return
        first, last = int(times.min()) // self._bucket_us, int(times.max()) // self._bucket_us
        if first == last:
            self._live[first] = self._live.get(first, 0) + len(times)
            return
        for bucket, entries in zip(*np.unique(times // self._bucket_us, return_counts=True), strict=True):
            self._live[int(bucket)] = self._live.get(int(bucket), 0) + int(entries)

    def _close_generation(self) -> None:
        stored = {bucket: sum(run.entries for run in runs) for bucket, runs in self._runs.items()}
        added = {bucket: entries - stored.get(bucket, 0) for bucket, entries in self._live.items()}
        if not any(added.values()):
            return
        for bucket in sorted(bucket for bucket, entries in added.items() if entries):
            runs = self._runs.setdefault(bucket, [])
            runs.append(_Run(bucket, self._generation, self._generation, added[bucket]))
            while len(runs) > 1 and runs[-2].entries <= 2 * runs[-1].entries:
                newer, older = runs.pop(), runs.pop()
                runs.append(_Run(bucket, older.first, newer.last, older.entries + newer.entries))
        self._ends[self._generation] = self._count
        self._generation += 1
        needed = min(run.first for runs in self._runs.values() for run in runs) - 1
        self._ends = {generation: end for generation, end in self._ends.items() if generation >= needed}

    def _contents(self, run: _Run) -> Mapping[str, pa.RecordBatch]:
        start = self._ends.get(run.first - 1, 0)
        part = self._log[start : self._ends[run.last]]
        if len(part) == run.entries:
            rows = part.copy()
        else:  # other buckets got entries in these generations too
            rows = np.empty((run.entries, 3), np.int64)
            _copy_bucket(part, run.bucket * self._bucket_us, self._bucket_us, rows)
        entries = pa.FixedSizeBinaryArray.from_buffers(pa.binary(_ENTRY_BYTES), len(rows), [None, pa.py_buffer(rows)])
        return {_BATCH: pa.record_batch([entries], schema=_SCHEMA)}


def _slots_for(entries: int, slots: int) -> int:
    """The least power of two from `slots` on that holds the entries at 60 % load."""
    while entries * _LOAD_DENOMINATOR > slots * _LOAD_NUMERATOR:
        slots *= 2
    return slots


@kernel(types.void(I64_2D, types.int64, types.int64, I64_2D_OUT))
def _copy_bucket(log: Any, low_us: Any, width_us: Any, rows: Any) -> None:
    """The entries of one bucket, in their order."""
    count = 0
    for position in range(len(log)):
        if 0 <= log[position, 2] - low_us < width_us:
            rows[count, 0] = log[position, 0]
            rows[count, 1] = log[position, 1]
            rows[count, 2] = log[position, 2]
            count += 1


@inlined
def _home(low: Any, cell: Any) -> Any:
    """Where the search for a key's entries of a cell starts."""
    mixed = (low ^ (np.uint64(cell) * _CELL_MIX)) * _MIX
    return mixed ^ (mixed >> _R32)


@inlined
def _is_near(table: Any, log: Any, high: Any, low: Any, time: Any, horizon: Any, home: Any) -> Any:
    """Is an entry of the fingerprint nearer than the horizon? Also the slot at which the search ended."""
    mask = np.uint64(table.size - 1)
    slot = home & mask
    found = False
    while table[slot] != _FREE:
        word = table[slot]
        if (word ^ high) & _TAG_MASK == _FREE:
            at = np.int64(word & _POSITION_MASK) - 1
            if log[at, 0] == np.int64(high) and log[at, 1] == np.int64(low) and abs(log[at, 2] - time) < horizon:
                found = True
                break
        slot = (slot + _NEXT) & mask
    return found, slot


@inlined
def _insert(table: Any, slot: Any, high: Any, position: Any) -> None:
    table[slot] = (high & _TAG_MASK) | np.uint64(position + 1)


@kernel(
    types.int64(
        U64_OUT,
        I64_2D_OUT,
        types.int64,
        I64_OUT,
        U64_2D,
        I64,
        types.int64,
        types.int64,
        BOOLS_OUT,
        BOOLS_OUT,
        BOOLS_OUT,
    )
)
def _judge(
    table: Any,
    log: Any,
    count: Any,
    cells: Any,
    fingerprints: Any,
    times: Any,
    horizon: Any,
    late_bound: Any,
    passed: Any,
    duplicate: Any,
    too_late: Any,
) -> Any:
    """Judge rows in order, append those that pass to the log and the table; the new count of the log."""
    width = horizon * _CELL_HORIZONS
    # Because rows mostly stay in the cell of the row before, few divisions are made.
    cell, start, end = 0, 0, 0
    for row in range(times.size):
        time = times[row]
        passed[row] = duplicate[row] = too_late[row] = False
        if time <= late_bound:
            too_late[row] = True
            continue
        high, low = fingerprints[row, 0], fingerprints[row, 1]
        if time < start or time >= end:
            cell = time // width
            start, end = cell * width, (cell + 1) * width
        found, slot = _is_near(table, log, high, low, time, horizon, _home(low, cell))
        if not found and cell > cells[0] and time - start < horizon:
            found, _ = _is_near(table, log, high, low, time, horizon, _home(low, cell - 1))
        if not found and cell < cells[1] and end - time < horizon:
            found, _ = _is_near(table, log, high, low, time, horizon, _home(low, cell + 1))
        if found:
            duplicate[row] = True
            continue
        passed[row] = True
        log[count, 0], log[count, 1], log[count, 2] = np.int64(high), np.int64(low), time
        _insert(table, slot, high, count)
        count += 1
        cells[0] = min(cells[0], cell)
        cells[1] = max(cells[1], cell)
    return count


@kernel(types.void(U64_OUT, I64_2D, types.int64, I64_OUT, types.int64))
def _insert_all(table: Any, log: Any, count: Any, cells: Any, width: Any) -> None:
    """Enter all of the log into an empty table."""
    mask = np.uint64(table.size - 1)
    low, cell = np.int64(0), np.int64(0)  # of the cell of the entry before: few divisions are made
    for at in range(count):
        if not 0 <= log[at, 2] - low < width:
            cell = log[at, 2] // width
            low = cell * width
        slot = _home(np.uint64(log[at, 1]), cell) & mask
        while table[slot] != _FREE:
            slot = (slot + _NEXT) & mask
        _insert(table, slot, np.uint64(log[at, 0]), at)
        cells[0] = min(cells[0], cell)
        cells[1] = max(cells[1], cell)


@kernel(types.int64(I64_2D, types.int64, types.int64, I64, I64_2D_OUT, I64_OUT))
def _keep_buckets(log: Any, count: Any, width: Any, buckets: Any, kept: Any, ends: Any) -> Any:
    """Copy the entries of some buckets (ascending), in order; move the ends of generations along. The new count."""
    new_count = 0
    end = 0
    low, is_kept = np.int64(2**62), False  # behind every time
    for at in range(count):
        while end < ends.size and ends[end] <= at:
            ends[end] = new_count
            end += 1
        if not 0 <= log[at, 2] - low < width:  # another bucket than the entry before
            bucket = log[at, 2] // width
            low = bucket * width
            index = np.searchsorted(buckets, bucket)
            is_kept = index < buckets.size and buckets[index] == bucket
        if is_kept:
            kept[new_count, 0], kept[new_count, 1], kept[new_count, 2] = log[at, 0], log[at, 1], log[at, 2]
            new_count += 1
    while end < ends.size:
        ends[end] = new_count
        end += 1
    return new_count
