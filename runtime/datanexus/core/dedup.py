"""Dedup: drop a record whose key already passed at an event time nearer than the horizon.

Exact, by 128-bit fingerprints. Invariant: of one fingerprint, no two registered times are nearer than the horizon.
Whether a record passes depends on what passed before it, so rows are judged in arrival order.

Registered entries (fingerprint, time) belong to *buckets* of event time one horizon wide. A bucket is a log in arrival
order, and an open-addressing table of one word a slot that leads into it. A row looks into the bucket of its time and
into those beside it, as far as they are nearer than the horizon. A bucket is dropped once its end ≤ watermark − 2
horizons; what is in it is too far from all that can still be judged to matter. Tiny horizons share a bucket; it then
consists of *cells* 8 horizons wide, which say where a search starts, so that a key that passes again and again makes no
long chains.

A search costs a cache miss or two, so a row's search begins many rows before it is judged. Where a search starts
is monotone in the word's own bits: a table grows by one pass over it, without a look at the log. A new bucket grows at
once to what the others hold.

A snapshot's segment is what one bucket got in a run of *generations* (the time between two snapshots), in arrival
order. Two runs become one when the older is at most twice the newer, so a snapshot stores little more than what was
added since the last one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datanexus.core import kernel_types as types
from datanexus.core.addressed import LINE, address_of, prefetch_word, put_word, word_at, words_alike
from datanexus.core.aggregate import Mask, Times
from datanexus.core.emission import NO_WATERMARK, KeyHashes, Segment, SegmentContents, Segments
from datanexus.core.kernel import BOOLS_OUT, I64, I64_2D, I64_2D_OUT, U64, U64_2D, U64_OUT, inlined, kernel

Log = npt.NDArray[np.int64]  # shape (room, 3): high and low half of the fingerprint as int64, event time
Table = npt.NDArray[np.uint64]  # 0: free; else 32 bits of the fingerprint's mix, and the position in the log + 1

_ROOM_MIN = 1 << 9
_LINE_LOAD = 5  # entries a line of a full bucket, on average: few lines then are full, and searches go on
_CELL_HORIZONS = 8
_BUCKET_WIDTH_MIN_US = 1_000_000  # of tiny horizons: keeps the number of buckets small; entries only stay longer
_USUAL_FROM = 16  # a bucket with this part of what the others hold is given room for as much
_BATCH = "entries"
_ENTRY_BYTES = 24  # as in the log: high and low half of the fingerprint, event time, little-endian
_SCHEMA = pa.schema([("entry", pa.binary(_ENTRY_BYTES))])

# The columns of the directory, a row a bucket. `_ROOM`: how many entries fit.
_TABLE, _LINES, _LOG, _COUNT, _ROOM = range(5)
_ROWS_AHEAD = 64  # so many searches begin before the first is done; a power of two
_NONE, _LATE = -1, -2  # of a row's bucket: there is none yet; none is needed
_POSITION_MASK = np.uint64(0x00000000FFFFFFFF)
_CELL_MIX = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xD6E8FEB86659FD93)
_R32, _FREE = np.uint64(32), np.uint64(0)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of n rows; exactly one mask is true for each."""

    passed: Mask
    duplicate: Mask
    too_late: Mask


@dataclass(frozen=True, slots=True)
class _Run:
    """Generations `first` to `last` of one bucket: one stored segment, of the entries from `start` to `end` − 1."""

    bucket: int
    first: int
    last: int
    start: int
    end: int

    @property
    def key(self) -> str:
        return f"bucket-{self.bucket}-{self.first}-{self.last}"

    @property
    def entries(self) -> int:
        return self.end - self.start


class Dedup:
    """The passed fingerprints of one partition. Order of calls: `judge` any number of times, `advance` at a cut."""

    def __init__(self, horizon_us: int) -> None:
        if horizon_us <= 0:
            raise ValueError(f"the dedup horizon is {horizon_us} µs; expected more than 0")
        self._horizon_us = horizon_us
        self._bucket_us = self._cell_us = max(horizon_us, _BUCKET_WIDTH_MIN_US)
        if self._bucket_us > _CELL_HORIZONS * horizon_us:
            self._cell_us = _CELL_HORIZONS * horizon_us
            self._bucket_us = -(-self._bucket_us // self._cell_us) * self._cell_us
        self._generation = 0
        # Of each bucket, in ascending order:
        self._numbers = np.empty(0, np.int64)  # its start ÷ width
        self._directory = np.empty((0, 5), np.int64)
        self._arrays: list[tuple[Table, Log]] = []
        self._runs: list[list[_Run]] = []  # oldest first

    def judge(self, fingerprints: KeyHashes, event_time_us: Times, watermark_us: int) -> Verdict:
        """Judge n rows in order and register those that pass.

        A row is too late when t ≤ watermark − horizon (judged first; such rows leave no trace), a duplicate when a
        passed row of its fingerprint lies at |Δt| < horizon.

        Cost: one kernel call, and one more for each bucket that is new or grows.
        """
        count = len(event_time_us)
        verdict = Verdict(*(np.empty(count, np.bool_) for _ in range(3)))
        fingerprints, times = np.ascontiguousarray(fingerprints), np.ascontiguousarray(event_time_us)
        row = 0
        while True:
            row = _judge(
                self._numbers,
                self._directory,
                fingerprints,
                times,
                row,
                self._bucket_us // self._cell_us,
                self._cell_us,
                self._horizon_us,
                max(watermark_us - self._horizon_us, NO_WATERMARK),
                verdict.passed,
                verdict.duplicate,
                verdict.too_late,
            )
            if row == count:
                return verdict
            self._make_room(int(times[row]) // self._bucket_us)

    def advance(self, watermark_us: int) -> None:
        """Drop the buckets that end at or before watermark − 2 horizons."""
        bound_us = watermark_us - 2 * self._horizon_us
        dropped = int(np.searchsorted(self._numbers, bound_us // self._bucket_us))
        if dropped:
            self._numbers = self._numbers[dropped:].copy()
            self._directory = self._directory[dropped:].copy()
            del self._arrays[:dropped], self._runs[:dropped]

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays held, unused room included."""
        return sum(table.nbytes + log.nbytes for table, log in self._arrays)

    @property
    def live_entries(self) -> int:
        """Entries in buckets that are not dropped."""
        return int(self._directory[:, _COUNT].sum())

    def segments(self) -> Segments:
        """What is to be stored: one segment per bucket and run of generations, its entries in arrival order.

        Because: which of two repeats passed depends on arrival anyhow, and sorting would cost more than all judging.

        Closes the running generation, so call it only to take a snapshot. `batches` must be called before the next
        `judge` or `advance`. A segment never changes: its key names its content.
        """
        self._close_generation()
        return {
            run.key: Segment(version=0, batches=partial(_contents, log, run))
            for (_, log), runs in zip(self._arrays, self._runs, strict=True)
            for run in runs
        }

    def restore(self, contents: SegmentContents) -> None:
        """Take over what `segments` gave. Only on a new Dedup of the same horizon."""
        named = [tuple(int(part) for part in key.removeprefix("bucket-").rsplit("-", 2)) for key in contents]
        for (number, first, last), batches in sorted(
            zip(named, contents.values(), strict=True), key=lambda run: run[0]
        ):
            entries = _entries(batches[_BATCH])
            index = self._index_of(number)
            start = int(self._directory[index, _COUNT])
            while start + len(entries) > self._directory[index, _ROOM]:
                self._grow(index)
            table, log = self._arrays[index]
            log[start : start + len(entries)] = entries
            _enter(table, log, start, start + len(entries), self._cell_us)
            self._directory[index, _COUNT] += len(entries)
            self._runs[index].append(_Run(number, first, last, start, start + len(entries)))
            self._generation = max(self._generation, last + 1)

    def _make_room(self, number: int) -> None:
        """Let a bucket have room for one more entry."""
        index = self._index_of(number)
        if self._directory[index, _COUNT] == self._directory[index, _ROOM]:
            self._grow(index)

    def _index_of(self, number: int) -> int:
        """Where a bucket stands; a new one is made if need be."""
        index = int(np.searchsorted(self._numbers, number))
        if index == len(self._numbers) or self._numbers[index] != number:
            self._numbers = np.insert(self._numbers, index, number)
            self._directory = np.insert(self._directory, index, 0, axis=0)
            self._arrays.insert(index, (np.zeros(0, np.uint64), np.empty((0, 3), np.int64)))
            self._runs.insert(index, [])
            self._give(index, _ROOM_MIN)
        return index

    def _grow(self, index: int) -> None:
        """Give a bucket what the fullest other one needed, or a quarter more than that; twice its room without any."""
        room = int(self._directory[index, _ROOM])
        usual = int(np.delete(self._directory[:, _COUNT], index).max(initial=0))
        usual += usual // 16
        if room >= usual:
            self._give(index, room + room // 4 if usual > room // 4 else 2 * room)
        else:
            self._give(index, usual if usual <= _USUAL_FROM * room else 2 * room)

    def _give(self, index: int, room: int) -> None:
        if room >= 2**32:
            raise OverflowError(f"dedup holds {room} fingerprints of one horizon in one partition; at most 2^32 fit")
        count = int(self._directory[index, _COUNT])
        old_table, old_log = self._arrays[index]
        log = np.empty((room, 3), np.int64)
        log[:count] = old_log[:count]
        table = _lines(room // _LINE_LOAD + 1)
        _move(old_table, table)
        self._arrays[index] = (table, log)
        self._directory[index] = (address_of(table), len(table) // LINE, address_of(log), count, room)

    def _close_generation(self) -> None:
        stored = [runs[-1].end if runs else 0 for runs in self._runs]
        counts = self._directory[:, _COUNT].tolist()
        if stored == counts:
            return
        for number, runs, start, end in zip(self._numbers.tolist(), self._runs, stored, counts, strict=True):
            if start == end:
                continue
            runs.append(_Run(number, self._generation, self._generation, start, end))
            while len(runs) > 1 and runs[-2].entries <= 2 * runs[-1].entries:
                newer, older = runs.pop(), runs.pop()
                runs.append(_Run(number, older.first, newer.last, older.start, newer.end))
        self._generation += 1


def _lines(count: int) -> Table:
    """An empty table of so many cache lines."""
    words = np.zeros((count + 1) * LINE, np.uint64)
    start = -address_of(words) // words.itemsize % LINE
    return words[start : start + count * LINE]


def _contents(log: Log, run: _Run) -> Mapping[str, pa.RecordBatch]:
    """The entries of a run, in place: what is in a log never changes, and a log that grows is a new one."""
    rows = pa.py_buffer(log[run.start : run.end])
    entries = pa.FixedSizeBinaryArray.from_buffers(pa.binary(_ENTRY_BYTES), run.entries, [None, rows])
    return {_BATCH: pa.record_batch([entries], schema=_SCHEMA)}


def _entries(batch: pa.RecordBatch) -> Log:
    """What `_contents` wrote, in place."""
    column = batch.column(0)
    values = np.frombuffer(column.buffers()[1], np.int64, 3 * len(column), column.offset * _ENTRY_BYTES)
    return values.reshape(-1, 3)


@inlined
def _mixed(low: Any, cell: Any) -> Any:
    """32 bits that say where the search for a key's entries of a cell starts, and that its words hold."""
    mixed = (low ^ (np.uint64(cell) * _CELL_MIX)) * _MIX
    return ((mixed ^ (mixed >> _R32)) * _MIX) >> _R32


@inlined
def _home(mixed: Any, lines: Any) -> Any:
    """The line at which a search starts; the greater the bits, the greater the line."""
    return np.int64((mixed * np.uint64(lines)) >> _R32)


@inlined
def _index(numbers: Any, number: Any) -> Any:
    """Where a bucket stands; _NONE if it is not there."""
    index = np.searchsorted(numbers, number)
    return index if index < numbers.size and numbers[index] == number else _NONE


@inlined
def _begin(directory: Any, index: Any, mixed: Any) -> None:
    """Let the line at which a search starts be loaded."""
    prefetch_word(directory[index, _TABLE], LINE * _home(mixed, directory[index, _LINES]))


@inlined
def _search(directory: Any, bucket: Any, high: Any, low: Any, time: Any, horizon: Any, mixed: Any) -> Any:
    """Is an entry of the fingerprint nearer than the horizon? Also the slot at which the search ended."""
    table, lines, log = directory[bucket, _TABLE], directory[bucket, _LINES], directory[bucket, _LOG]
    line = _home(mixed, lines)
    found, used = False, LINE
    while used == LINE:
        slot = line * LINE
        alike, used = words_alike(table, slot, mixed)
        if alike != 0:
            for index in range(used):
                word = word_at(table, slot + index)
                if word >> _R32 == mixed:
                    at = 3 * (np.int64(word & _POSITION_MASK) - 1)
                    if word_at(log, at) == high and word_at(log, at + 1) == low:
                        found = found or abs(np.int64(word_at(log, at + 2)) - time) < horizon
            if found:
                break
        line = line + 1 if line + 1 < lines else 0
    return found, slot + used


@kernel(
    types.int64(
        I64,
        I64_2D_OUT,
        U64_2D,
        I64,
        types.int64,
        types.int64,
        types.int64,
        types.int64,
        types.int64,
        BOOLS_OUT,
        BOOLS_OUT,
        BOOLS_OUT,
    )
)
def _judge(
    numbers: Any,
    directory: Any,
    fingerprints: Any,
    times: Any,
    start: Any,
    cells: Any,
    width: Any,
    horizon: Any,
    late_bound: Any,
    passed: Any,
    duplicate: Any,
    too_late: Any,
) -> Any:
    """Judge rows in order from `start` on and register those that pass; the row at which a bucket lacks room, or n.

    `cells`: of a bucket, each `width` wide.
    """
    buckets = np.empty((_ROWS_AHEAD, 3), np.int64)  # of a row: its own, the one before and the one behind, if near
    mixes = np.empty((_ROWS_AHEAD, 3), np.uint64)
    # Because rows mostly stay in the cell of the row before, few divisions are made.
    cell, low_us, high_us = 0, 0, 0
    own, before, behind = _NONE, _NONE, _NONE
    for begun in range(start, times.size + _ROWS_AHEAD):
        place = begun & (_ROWS_AHEAD - 1)
        row = begun - _ROWS_AHEAD
        if row >= start:
            index = buckets[place, 0]
            passed[row] = duplicate[row] = too_late[row] = False
            if index == _LATE:
                too_late[row] = True
            else:
                high, low, time = fingerprints[row, 0], fingerprints[row, 1], times[row]
                index_before, index_behind = buckets[place, 1], buckets[place, 2]
                found, slot = False, 0
                if index >= 0:
                    found, slot = _search(directory, index, high, low, time, horizon, mixes[place, 0])
                if index_before >= 0 and not found:
                    found, _ = _search(directory, index_before, high, low, time, horizon, mixes[place, 1])
                if index_behind >= 0 and not found:
                    found, _ = _search(directory, index_behind, high, low, time, horizon, mixes[place, 2])
                if found:
                    duplicate[row] = True
                elif index < 0 or directory[index, _COUNT] == directory[index, _ROOM]:
                    return row
                else:
                    passed[row] = True
                    count = directory[index, _COUNT]
                    log = directory[index, _LOG]
                    put_word(log, 3 * count, high)
                    put_word(log, 3 * count + 1, low)
                    put_word(log, 3 * count + 2, np.uint64(time))
                    put_word(directory[index, _TABLE], slot, (mixes[place, 0] << _R32) | np.uint64(count + 1))
                    directory[index, _COUNT] = count + 1
        if begun < times.size:
            time = times[begun]
            buckets[place, 0] = _LATE
            if time <= late_bound:
                continue
            if time < low_us or time >= high_us:
                cell = time // width
                low_us, high_us = cell * width, (cell + 1) * width
                own = _index(numbers, cell // cells)
                before = _index(numbers, (cell - 1) // cells)
                behind = _index(numbers, (cell + 1) // cells)
            low = fingerprints[begun, 1]
            mixed = _mixed(low, cell)
            buckets[place, 0], mixes[place, 0] = own, mixed
            if own >= 0:
                _begin(directory, own, mixed)
            buckets[place, 1] = buckets[place, 2] = _NONE
            if before >= 0 and time - low_us < horizon:
                mixed = _mixed(low, cell - 1)
                buckets[place, 1], mixes[place, 1] = before, mixed
                _begin(directory, before, mixed)
            if behind >= 0 and high_us - time < horizon:
                mixed = _mixed(low, cell + 1)
                buckets[place, 2], mixes[place, 2] = behind, mixed
                _begin(directory, behind, mixed)
    return times.size


@kernel(types.void(U64_OUT, I64_2D, types.int64, types.int64, types.int64))
def _enter(table: Any, log: Any, start: Any, end: Any, width: Any) -> None:
    """Enter a part of the log into its table."""
    for at in range(start, end):
        mixed = _mixed(np.uint64(log[at, 1]), log[at, 2] // width)
        slot = LINE * _home(mixed, table.size // LINE)
        while table[slot] != _FREE:
            slot = slot + 1 if slot + 1 < table.size else 0
        table[slot] = (mixed << _R32) | np.uint64(at + 1)


@kernel(types.void(U64, U64_OUT))
def _move(words: Any, table: Any) -> None:
    """Enter the words of a table into an empty one; both are gone through from the front."""
    lines = table.size // LINE
    filled = np.zeros(lines, np.uint8)
    full = np.uint8(LINE)
    for first in range(0, words.size, LINE):
        for index in range(first, first + LINE):
            word = words[index]
            if word == _FREE:
                break
            line = _home(word >> _R32, lines)
            while filled[line] == full:
                line = line + 1 if line + 1 < lines else 0
            table[LINE * line + np.int64(filled[line])] = word
            filled[line] += np.uint8(1)
