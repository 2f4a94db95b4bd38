"""Entries of a log as chunks: text framed across entries or inside each, Arrow as columns.

Two framings go on from one entry to the next: LINES, whole lines, of which a record (of CSV, of a JSON document) may
take several; and PART, the beginning of a line that is too long. An entry of LINES that does not end with a line end
closes what is open: no record goes beyond it. Every other entry stands alone; neighbours of NDJSON are framed at once.

Invariant: what comes out, and the place after each record, depend on the entries alone.
"""

import json
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from datanexus.adapters.connectors.framing import Bytes, framer_of, taken_header, without_mark
from datanexus.engine.decode.framing import Frames
from datanexus.engine.decode.json_scan import Longs
from datanexus.engine.decode.json_text import RECORD_BYTES_MAX
from datanexus.ports.log import ARROW, LINES, LogEntry, NewEntry
from datanexus.ports.source import Chunk, ColumnChunk, Damage, TextChunk
from datanexus_spec.format import CsvFormat, Format

PART = "part"  # framing: the beginning of a line that goes on in the next entry
DAMAGE = "damage"  # framing: the first bytes of what could not be read at its origin, which ends there
DAMAGE_BYTES_MAX = 64 << 10
NO_ENTRY = -1
_NDJSON = "ndjson"  # framing: lines, each a record
_SLACK_BYTES = 64  # zeros behind a block, so that a scanner may load a whole vector
_NONE = np.empty(0, np.int64)
_NO_FRAMES = Frames(_NONE, _NONE, _NONE, consumed=0)
_NO_BYTES = np.empty(_SLACK_BYTES, np.uint8)


@dataclass(slots=True)
class Place:
    """Up to where a split was read. `entry`: that of the byte or record behind; at an entry's end, the next offset;
    NO_ENTRY: none was taken yet."""

    position: int
    entry: int
    header: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Rest:
    """What stands behind a record that was too long: to be framed once that is given."""

    record: TextChunk
    data: bytes
    base: int
    closes: bool


class EntryReader:
    """Takes entries of one split in order, gives their records. `place` moves as records are given."""

    def __init__(self, form: Format, place: Place) -> None:
        self.place = place
        self._csv = form.csv or CsvFormat()
        self._has_header = form.csv is not None and form.csv.header
        self._framer = framer_of(form)
        self._framers = {"csv": framer_of(Format(csv=self._csv))}
        self._framers |= {kind: framer_of(Format.model_validate({kind: {}})) for kind in ("ndjson", "json")}
        self._ends: deque[tuple[int, int]] = deque()  # (end, offset) of entries not yet passed
        self._columns: deque[ColumnChunk] = deque()
        self._damage: Damage | None = None
        self._alone_end: int | None = None  # the end of the entry in hand, if it stands alone
        self.clear()

    @property
    def has_records(self) -> bool:
        """Whether `next_chunk` gives something."""
        return (
            self._next < len(self._frames.starts)
            or bool(self._columns)
            or self._damage is not None
            or self._rest is not None
        )

    @property
    def is_open(self) -> bool:
        """Whether a record was begun that the next entry may go on with."""
        return self._long is not None or self._frames.consumed < self._filled

    def clear(self) -> None:
        """Forget what is open: reading goes on at `place`."""
        self._ends.clear()
        self._data: Bytes = _NO_BYTES
        self._filled = 0
        self._base = 0  # position of _data[0]
        self._frames = _NO_FRAMES
        self._next = 0
        self._header: tuple[str, ...] = ()  # of the records in _frames
        self._long: Bytes | None = None  # the first bytes of a record that is too long, whose end has not come
        self._rest: _Rest | None = None

    def close_open(self) -> None:
        """Nothing follows: a record that was begun is whole as it is."""
        if self._long is not None:
            end = self._ends[-1][0]
            self._rest = _Rest(self._long_record(self._long), b"", end, closes=True)
            self._long = None
            return
        left = self._data[self._frames.consumed : self._filled]
        self._frame(left, self._base + self._frames.consumed, b"", closes=True)

    def take(self, entry: LogEntry) -> None:
        """The next entry. Nothing of the one before may be left to give."""
        assert not self.has_records, "records of the entry before are left"
        self._ends.append((entry.end, entry.offset))
        if self.place.entry == NO_ENTRY:
            self.place.entry = entry.offset
        self._alone_end = None if entry.framing in (LINES, PART) else entry.end
        if entry.framing == ARROW:
            self._take_columns(entry)
        elif entry.framing == DAMAGE:
            self._take_damage(entry)
        elif self._alone_end is not None:
            self._take_body(entry)
        else:
            self._take_lines(entry)

    def take_all(self, entries: Sequence[LogEntry]) -> None:
        """The next entries of a `joinable` run, as if they were taken one by one; at least one."""
        first, *others = entries
        if not others:
            self.take(first)
            return
        assert not self.has_records, "records of the entry before are left"
        self._ends.extend((entry.end, entry.offset) for entry in entries)
        if self.place.entry == NO_ENTRY:
            self.place.entry = first.offset
        self._alone_end = None  # each record's own end says it
        self._frame_alone([entry.data for entry in entries], first)
        self._end_bodies(np.array([entry.end for entry in entries]) - first.position)

    def next_chunk(self, rows_max: int) -> Chunk | Damage:
        """The next 1 … rows_max records of what was taken; `has_records` said that there are some."""
        if self._columns:
            return self._next_columns(rows_max)
        if self._damage is not None:
            damage, self._damage = self._damage, None
            self._move(self._ends[-1][0])
            return damage
        if self._rest is not None:
            return self._next_long(self._rest)
        first, behind = self._next, min(self._next + rows_max, len(self._frames.starts))
        starts = self._frames.starts[first:behind]
        chunk = TextChunk(self._data, starts, self._frames.lengths[first:behind], starts + self._base, self._header)
        self._next = behind
        is_last = behind == len(self._frames.starts)
        alone = self._alone_end if is_last else None
        self._move(self._base + int(self._frames.ends[behind - 1]) if alone is None else alone)
        return chunk

    def _move(self, position: int) -> None:
        """Records up to here were given."""
        self.place.position = position
        while self._ends and self._ends[0][0] <= position:
            self.place.entry = self._ends.popleft()[1] + 1

    def _take_lines(self, entry: LogEntry) -> None:
        begin = 0 if self.is_open else max(self.place.position - entry.position, 0)
        closes = entry.framing == LINES and not entry.data.endswith(b"\n")
        if self._long is not None:
            self._pass_long(entry, closes=closes)
            return
        left = self._data[self._frames.consumed : self._filled]
        base = self._base + self._frames.consumed if len(left) else entry.position + begin
        self._frame(left, base, entry.data[begin:], closes=closes)

    def _frame(self, left: Bytes, base: int, given: bytes, *, closes: bool) -> None:
        filled = len(left) + len(given)
        data = np.empty(filled + _SLACK_BYTES, np.uint8)
        data[: len(left)] = left
        data[len(left) : filled] = np.frombuffer(given, np.uint8)
        data[filled:] = 0
        frames = self._framer(data, filled, at_end=closes)
        if base == 0:
            frames = without_mark(data, frames)
        if self.place.position == 0 and self._has_header and not self.place.header and len(frames.starts):
            self.place.header, frames = taken_header(data, frames, self._csv)
        self._use(data, filled, base, frames)
        self._header = self.place.header
        begin = frames.consumed
        if not closes and not len(frames.starts) and filled - begin > RECORD_BYTES_MAX:
            self._long = data[begin : begin + RECORD_BYTES_MAX + 1]

    def _use(self, data: Bytes, filled: int, base: int, frames: Frames) -> None:
        lengths = frames.lengths
        if len(lengths) and int(lengths.max()) > RECORD_BYTES_MAX + 1:
            lengths = np.minimum(lengths, RECORD_BYTES_MAX + 1)
        self._data, self._filled, self._base = data, filled, base
        self._frames = Frames(frames.starts, lengths, frames.ends, frames.consumed)
        self._next = 0

    def _pass_long(self, entry: LogEntry, *, closes: bool) -> None:
        """Look for the end of a record whose first bytes are kept."""
        assert self._long is not None, "a long record is open"
        behind = entry.data.find(b"\n") + 1
        if not behind and not closes:
            return
        behind = behind or len(entry.data)
        self._rest = _Rest(self._long_record(self._long), entry.data[behind:], entry.position + behind, closes)
        self._long = None

    def _long_record(self, data: Bytes) -> TextChunk:
        one = np.zeros(1, np.int64)
        begin = self._base + self._frames.consumed
        return TextChunk(data, one, one + RECORD_BYTES_MAX + 1, one + begin, self._header)

    def _next_long(self, rest: _Rest) -> TextChunk:
        self._rest = None
        self._move(rest.base)
        self._frame(_NO_BYTES[:0], rest.base, rest.data, closes=rest.closes)
        return rest.record

    def _take_body(self, entry: LogEntry) -> None:
        self._frame_alone((entry.data,), entry)

    def _frame_alone(self, bodies: Sequence[bytes], first: LogEntry) -> None:
        """Entries that stand alone; of the first, if it was read in part, the records behind `place`."""
        filled = sum(map(len, bodies))
        data = np.empty(filled + _SLACK_BYTES, np.uint8)
        begin = 0
        for body in bodies:
            data[begin : begin + len(body)] = np.frombuffer(body, np.uint8)
            begin += len(body)
        data[filled:] = 0
        frames = self._framers[first.framing](data, filled, at_end=True)
        self._header = ()
        if first.framing == "csv":
            self._header = tuple(self._csv.columns)
            if self._csv.header and len(frames.starts):
                self._header, frames = taken_header(data, frames, self._csv)
        self._use(data, filled, first.position, frames)
        self._next = int(np.searchsorted(frames.ends, self.place.position - first.position, side="right"))

    def _end_bodies(self, bounds: Longs) -> None:
        """The last record of each body ends where its body does. A body without records leaves those before as they
        are."""
        last = np.searchsorted(self._frames.starts, bounds) - 1
        ends = self._frames.ends.copy()
        # Backwards, as of bodies with the same last record the first one has it.
        ends[last[::-1][last[::-1] >= 0]] = bounds[::-1][last[::-1] >= 0]
        self._frames = replace(self._frames, ends=ends)

    def _take_damage(self, entry: LogEntry) -> None:
        """What could not be read begins with the record that is open."""
        said, _, raw = entry.data.partition(b"\n")
        left = self._data[self._frames.consumed : self._filled][:DAMAGE_BYTES_MAX].tobytes()
        position = self._base + self._frames.consumed if left else entry.position
        self._damage = Damage(position, json.loads(said)["message"], (left + raw)[:DAMAGE_BYTES_MAX])
        self._use(_NO_BYTES, 0, entry.position, _NO_FRAMES)
        self._long = None

    def _take_columns(self, entry: LogEntry) -> None:
        row = 0
        with pa.ipc.open_stream(pa.py_buffer(entry.data)) as reader:
            for batch in reader:
                passed = min(max(self.place.position - entry.position - row, 0), batch.num_rows)
                row += batch.num_rows
                if passed < batch.num_rows:
                    positions = np.arange(row - batch.num_rows + passed, row, dtype=np.int64) + entry.position
                    self._columns.append(ColumnChunk(batch.slice(passed), positions))

    def _next_columns(self, rows_max: int) -> ColumnChunk:
        chunk = self._columns.popleft()
        if chunk.rows > rows_max:
            self._columns.appendleft(ColumnChunk(chunk.columns.slice(rows_max), chunk.positions[rows_max:]))
            chunk = ColumnChunk(chunk.columns.slice(0, rows_max), chunk.positions[:rows_max])
        behind = int(chunk.positions[-1]) + 1
        self._move(behind if self._columns or self._alone_end is None else self._alone_end)
        return chunk


def joinable(entry: LogEntry, following: LogEntry) -> bool:
    """Whether two entries can be framed at once: then the records are those that each has by itself."""
    return (
        entry.framing == following.framing == _NDJSON
        and entry.end == following.position
        and entry.end == entry.position + len(entry.data)
        and entry.data.endswith(b"\n")
    )


def damage_entry(split: str, damage: Damage, origin: str) -> NewEntry:
    """Damage as an entry; of no length, as reading never goes beyond it."""
    said = json.dumps({"message": damage.message}).encode() + b"\n"
    return NewEntry(split, said + damage.raw, DAMAGE, origin, position=damage.position, extent=0)
