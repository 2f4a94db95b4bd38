"""The Numba prototype: bytes or arrays in, rows out as NDJSON bytes in memory; no cuts, no snapshots, no store.

De-duplication holds two generations of 64-bit hashes, so it is exact but for collisions; broken lines are set aside.
"""

import datetime as dt
import io
from dataclasses import dataclass, field

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from tests.bench import prototype_kernels as kernels
from tests.bench.question import DELAY_MS, WINDOW_MS, Bid

GENERATION_MS = 300_000
BATCH_LINES = 65_536
_FIELDS = (
    ("event_id", kernels.TEXT),
    ("auction", kernels.INTEGER),
    ("price", kernels.INTEGER),
    ("ts", kernels.TIME_MS),
)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_GENERATION_SLOTS = 1 << 21
_GENERATION_MASK = np.uint64(_GENERATION_SLOTS - 1)
_GENERATION_FULL = 0.6
Ints = npt.NDArray[np.int64]


_decode = msgspec.json.Decoder(Bid).decode


def milliseconds(text: str) -> int:
    """An ISO 8601 instant as milliseconds since the epoch."""
    return (dt.datetime.fromisoformat(text) - _EPOCH) // dt.timedelta(milliseconds=1)


@dataclass(slots=True)
class Written:
    """What came out: totals, so that two runs can be compared."""

    rows: int = 0
    records: int = 0
    value: int = 0
    output_bytes: int = 0


class Groups:
    """(key, window) → count, sum, least, greatest, in flat arrays behind one open-addressing table."""

    def __init__(self) -> None:
        self.count = 0
        self._allocate(1 << 16)

    def fold(self, key: Ints, window: Ints, value: Ints) -> None:
        while self.count + key.size > self.room:
            old = self.columns
            self._allocate(self.room * 2)
            for target, source in zip(self.columns, old, strict=True):
                target[: self.count] = source[: self.count]
            kernels.index_slots(self.table, self.slots, self.mask, *self.columns[:2], self.count)
        self.count = kernels.fold(self.table, self.slots, self.mask, self.count, *self.columns, key, window, value)

    def close(self, before: int) -> list[Ints] | None:
        """Take out the windows with a number below `before`."""
        due = self.columns[1][: self.count] < before
        if not due.any():
            return None
        taken = [column[: self.count][due] for column in self.columns]
        kept = int((~due).sum())
        for column in self.columns:
            column[:kept] = column[: self.count][~due]
        self.count = kept
        self.table[:] = 0
        kernels.index_slots(self.table, self.slots, self.mask, *self.columns[:2], kept)
        return taken

    def _allocate(self, room: int) -> None:
        self.room = room
        self.mask = np.uint64(room * 2 - 1)
        self.table, self.slots = np.zeros(room * 2, np.uint64), np.zeros(room * 2, np.int32)
        self.columns = [np.zeros(room, np.int64) for _ in range(6)]  # key, window, count, sum, least, greatest


@dataclass(slots=True)
class Prototype:
    """One pass over a stream. Feed `lines` or `arrays`, then `finish`."""

    written: Written = field(default_factory=Written)
    broken: int = 0
    groups: Groups = field(default_factory=Groups)
    watermark_ms: int = 0
    _rotated_ms: int = 0
    _known: int = 0
    _mask: np.uint64 = _GENERATION_MASK
    _current: npt.NDArray[np.uint64] = field(default_factory=lambda: np.zeros(_GENERATION_SLOTS, np.uint64))
    _old: npt.NDArray[np.uint64] = field(default_factory=lambda: np.zeros(_GENERATION_SLOTS, np.uint64))
    _hashes: npt.NDArray[np.uint64] = field(default_factory=lambda: np.empty(BATCH_LINES, np.uint64))
    _scanner: "Scanner" = field(default_factory=lambda: Scanner())  # noqa: PLW0108  defined below

    def lines(self, data: bytes) -> None:
        """One batch of whole NDJSON lines."""
        count, status, line_starts = self._scanner.scan(data)
        spans, (auction, price, time_ms) = self._scanner.spans[0], self._scanner.integers
        keep = status == 0
        spans[:count][~keep] = 0
        kernels.hash_spans(np.frombuffer(data, np.uint8), spans, count, self._hashes)
        for row in np.flatnonzero(status):
            bid = self._judge(data[line_starts[row] : line_starts[row + 1] - 1])
            if bid is None:
                continue
            one, text = np.empty(1, np.uint64), np.frombuffer(bid.event_id.encode(), np.uint8)
            kernels.hash_spans(text, np.array([[0, text.size]], np.int32), 1, one)
            self._hashes[row], keep[row] = one[0], True
            auction[row], price[row], time_ms[row] = bid.auction, bid.price, milliseconds(bid.ts)
        self._take(keep, auction[:count], price[:count], time_ms[:count])

    def arrays(
        self, text: npt.NDArray[np.uint8], spans: npt.NDArray[np.int32], columns: tuple[Ints, Ints, Ints]
    ) -> None:
        """One batch that is columns already: ids as spans of a buffer, auction, price, time in milliseconds."""
        count = len(spans)
        kernels.hash_spans(text, spans, count, self._hashes)
        self._take(np.ones(count, np.bool_), *columns)

    def finish(self) -> Written:
        """Close what is open."""
        self._emit(1 << 60)
        return self.written

    def _judge(self, line: bytes) -> Bid | None:
        try:
            bid = _decode(line)
            milliseconds(bid.ts)
        except (msgspec.DecodeError, ValueError):
            self.broken += 1
            return None
        return bid

    def _take(self, keep: npt.NDArray[np.bool_], auction: Ints, price: Ints, time_ms: Ints) -> None:
        self._known += kernels.keep_new(self._current, self._old, self._mask, self._hashes, keep, len(keep))
        auction, price, time_ms = auction[keep], price[keep], time_ms[keep]
        if not time_ms.size:
            return
        window = time_ms // WINDOW_MS
        late = window * WINDOW_MS + WINDOW_MS <= self.watermark_ms
        if late.any():
            auction, window, price = auction[~late], window[~late], price[~late]
        self.groups.fold(auction, window, price)
        newest = int(time_ms.max())
        if newest - self._rotated_ms > GENERATION_MS or self._known > _GENERATION_FULL * _GENERATION_SLOTS:
            if self._rotated_ms:
                self._old, self._current, self._known = self._current, np.zeros_like(self._current), 0
            self._rotated_ms = newest
        if newest - DELAY_MS > self.watermark_ms:
            if (newest - DELAY_MS) // WINDOW_MS != self.watermark_ms // WINDOW_MS:
                self._emit((newest - DELAY_MS) // WINDOW_MS)
            self.watermark_ms = newest - DELAY_MS

    def _emit(self, before: int) -> None:
        closed = self.groups.close(before)
        if closed is None:
            return
        key, window, count, total, least, greatest = closed
        rows = pl.DataFrame(
            {"auction": key, "window": window * WINDOW_MS, "count": count, "sum": total, "min": least, "max": greatest}
        )
        sink = io.BytesIO()
        rows.write_ndjson(sink)
        self.written.rows += len(key)
        self.written.records += int(count.sum())
        self.written.value += int(total.sum())
        self.written.output_bytes += sink.tell()


class Scanner:
    """The scan kernel with its buffers."""

    def __init__(self) -> None:
        names = [name for name, _ in _FIELDS]
        self.integers = np.empty((3, BATCH_LINES), np.int64)
        self.spans = np.empty((1, BATCH_LINES, 2), np.int32)
        self._names = np.frombuffer("".join(names).encode(), np.uint8).copy()
        self._name_ends = np.cumsum([0, *map(len, names)])
        self._kinds = np.array([kind for _, kind in _FIELDS])
        self._places = np.array([0, 0, 1, 2])
        self._status = np.empty(BATCH_LINES, np.uint8)
        self._starts = np.empty(BATCH_LINES + 1, np.int64)

    def scan(self, data: bytes) -> tuple[int, npt.NDArray[np.uint8], Ints]:
        """Number of lines, their status, and where each starts."""
        count = kernels.scan(
            np.frombuffer(data, np.uint8),
            self._names,
            self._name_ends,
            self._kinds,
            self._places,
            self.integers,
            self.spans,
            self._status,
            self._starts,
            kernels.STOPS,
        )
        return count, self._status[:count], self._starts
