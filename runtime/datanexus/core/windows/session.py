"""Session windows: records of a key at most `gap` apart share a session, which ends a gap after its last record.

A record is late when t + allowed lateness ≤ watermark. A session is in the view's table when its end ≤ watermark, final
and purged when its end + allowed lateness ≤ watermark. A record may extend or bridge sessions that are in the table:
their old rows are deleted, or replaced where a session of that start still is in it.
"""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from datanexus.core.aggregate import Mask, Slots, Times
from datanexus.core.emission import (
    NO_WATERMARK,
    Admission,
    Emission,
    KeyHashes,
    Segment,
    SegmentContents,
    Segments,
    Session,
    ViewRows,
    ViewSpec,
)
from datanexus.core.emission_rows import Bounds, RowWriter, key_hashes_of
from datanexus.core.key_groups import partition_of
from datanexus.core.key_index import ABSENT, KeyIndex
from datanexus.core.pane_table import Aggregates, Batches, Groups, key_order, keys_batch, keys_of
from datanexus.core.session_table import Placement, SessionTable
from datanexus.core.view_rows import Order, taken
from datanexus.core.window_state import WATERMARK, watermark_of, watermark_segment

_SEGMENT = "sessions"
_DEAD_MIN = 1024  # numbers of dead sessions that are not worth numbering anew for
_START_MIX = np.uint64(0x9E3779B97F4A7C15)  # odd, so starts of one key never meet


class SessionWindows:
    """The state of one view with session windows. Implements WindowState."""

    def __init__(self, spec: ViewSpec) -> None:
        assert isinstance(spec.window, Session)
        self._spec = spec
        self._writer = RowWriter(spec)
        self._gap_us = spec.window.gap_us
        self._lateness_us = spec.allowed_lateness_us
        self._watermark_us = NO_WATERMARK
        self._version = 0
        self._clear()

    def admit(self, event_time_us: Times, watermark_us: int) -> Admission:
        late = event_time_us <= max(watermark_us - self._lateness_us, NO_WATERMARK)
        return Admission(late, np.zeros(len(late), np.bool_))

    def add(self, rows: ViewRows, watermark_us: int, selected: Order | None) -> None:  # noqa: ARG002
        if selected is not None:
            rows = taken(rows, selected)
        keys = self._groups.upsert(rows.key_hashes, rows.group)
        times = np.ascontiguousarray(rows.event_time_us)
        placed = self._place(keys, times, times + self._gap_us)
        self._aggregates.update(placed.sessions, rows.inputs, times)
        self._fuse(placed)

    def merge(self, contents: SegmentContents) -> None:
        for batches in contents.values():
            hashes, values = keys_of(batches, self._spec)
            start_us, end_us = (batches[_SEGMENT].column(column).to_numpy() for column in (0, 1))
            given = Aggregates.restored(self._spec, batches, len(hashes))
            placed = self._place(self._groups.upsert(hashes, values), start_us, end_us)
            self._aggregates.merge(placed.sessions, given, np.arange(len(hashes)))
            self._fuse(placed)

    def drain(self, partitions: int) -> Mapping[int, SegmentContents]:
        numbers = np.flatnonzero(self._table.alive)
        owners = partition_of(self._groups.hashes[self._table.keys[numbers]], partitions)
        drained = {owner: {_SEGMENT: self._contents(numbers[owners == owner])} for owner in np.unique(owners).tolist()}
        self._clear()
        return drained

    def changes(self, watermark_us: int, *, terminal: bool) -> Emission:  # noqa: ARG002
        table = self._table
        closed = table.alive & (table.end_us <= watermark_us)
        due = closed & (~table.written | table.touched)
        final = closed & (table.end_us <= watermark_us - self._lateness_us)
        numbers = self._ordered(np.flatnonzero(due | final))
        if not len(numbers) and not self._before:
            return self._writer.nothing
        rows = self._rows(numbers, table.start_us[numbers], table.end_us[numbers])
        builder = self._writer.builder()
        changed = rows.filter(pa.array(due[numbers]))
        before = _sorted_rows(pa.concat_batches(self._before)) if self._before else changed.slice(0, 0)
        known = _is_in(changed, before)
        builder.appended.append(changed.filter(pa.array(~known)))
        builder.replaced.append(changed.filter(pa.array(known)))
        builder.deleted.append(before.filter(pa.array(~_is_in(before, changed))))
        builder.final.append(rows.filter(pa.array(final[numbers])))
        return builder.built()

    def settle(self, watermark_us: int) -> None:
        table = self._table
        closed = table.alive & (table.end_us <= watermark_us)
        final = closed & (table.end_us <= watermark_us - self._lateness_us)
        self._version += int((closed != table.written).any() or final.any())
        table.settle(closed, np.flatnonzero(final))
        self._before.clear()
        self._watermark_us = watermark_us
        live = self.live_windows
        if live == 0:
            self._clear()
        elif table.size > 2 * live + _DEAD_MIN:
            self._compact()

    def segments(self) -> Segments:
        return {
            _SEGMENT: Segment(self._version, lambda: self._contents(np.flatnonzero(self._table.alive))),
            WATERMARK: watermark_segment(self._watermark_us),
        }

    def restore(self, contents: SegmentContents) -> None:
        self._watermark_us = watermark_of(contents)
        batches = contents[_SEGMENT]
        keys = self._groups.upsert(*keys_of(batches, self._spec))
        bounds = batches[_SEGMENT]
        start_us, end_us = (bounds.column(column).to_numpy() for column in (0, 1))
        self._table = SessionTable.of(keys, start_us, end_us, bounds.column(2).to_numpy(zero_copy_only=False))
        self._aggregates = Aggregates.restored(self._spec, batches, len(keys))

    @property
    def nbytes(self) -> int:
        held: int = sum(rows.nbytes for rows in self._before)
        return self._groups.nbytes + self._table.nbytes + self._aggregates.nbytes + held

    @property
    def live_windows(self) -> int:
        return int(self._table.alive.sum())

    def _clear(self) -> None:
        self._groups = Groups(self._spec)
        self._table = SessionTable()
        self._aggregates = Aggregates(self._spec)
        self._before: list[pa.RecordBatch] = []  # rows in the view's table that changed since the last cut

    def _place(self, keys: Slots, start_us: Times, end_us: Times) -> Placement:
        """Put intervals in, and keep the rows that the view's table has of the sessions they touch."""
        self._version += 1
        placed = self._table.place(keys, start_us, end_us)
        self._aggregates.resize(self._table.size)
        if len(placed.written):
            self._before.append(self._rows(placed.written, placed.written_start_us, placed.written_end_us))
        return placed

    def _fuse(self, placed: Placement) -> None:
        """Give what dead sessions hold to those that absorbed them."""
        if len(placed.absorbed):
            absorbed = self._aggregates.take(placed.absorbed)
            self._aggregates.merge(placed.survivors, absorbed, np.arange(len(placed.absorbed)))

    def _compact(self) -> None:
        """Number the live sessions anew, and forget the keys that have none."""
        numbers = np.flatnonzero(self._table.alive)
        old, groups = self._table, self._groups
        self._groups = Groups(self._spec)
        keys = self._groups.upsert(groups.hashes[old.keys[numbers]], groups.values(old.keys[numbers]))
        self._table = SessionTable.of(keys, old.start_us[numbers], old.end_us[numbers], old.written[numbers])
        self._aggregates = self._aggregates.take(numbers)

    def _rows(self, numbers: Slots, start_us: Times, end_us: Times) -> pa.RecordBatch:
        groups = self._groups, self._table.keys[numbers]
        bounds = Bounds(np.ascontiguousarray(start_us), np.ascontiguousarray(end_us))
        return self._writer.rows(groups, (self._aggregates, numbers), bounds, {})

    def _ordered(self, numbers: Slots) -> Slots:
        """Sessions by start, then key hash."""
        hashes = self._groups.hashes[self._table.keys[numbers]]
        return numbers[_row_order(self._table.start_us[numbers], hashes)]

    def _contents(self, numbers: Slots) -> Batches:
        table = self._table
        hashes = self._groups.hashes[table.keys[numbers]]
        numbers = numbers[np.lexsort((table.start_us[numbers], hashes[:, 1], hashes[:, 0]))]
        keys = table.keys[numbers]
        bounds = [pa.array(np.ascontiguousarray(part[numbers])) for part in (table.start_us, table.end_us)]
        written = pa.array(table.written[numbers])
        return {
            "keys": keys_batch(self._spec, self._groups.hashes[keys], self._groups.values(keys)),
            _SEGMENT: pa.record_batch([*bounds, written], names=["start", "end", "written"]),
            **self._aggregates.contents(numbers),
        }


def _sorted_rows(rows: pa.RecordBatch) -> pa.RecordBatch:
    return rows.take(pa.array(_row_order(_starts(rows), key_hashes_of(rows))))


def _row_order(start_us: Times, hashes: KeyHashes) -> Slots:
    """The order of rows: by start, then key hash."""
    order = key_order(hashes)
    by_start: Slots = order[np.argsort(start_us[order], kind="stable")]
    return by_start


def _starts(rows: pa.RecordBatch) -> Times:
    starts: Times = rows.column(0).cast(pa.int64()).to_numpy()
    return starts


def _is_in(rows: pa.RecordBatch, others: pa.RecordBatch) -> Mask:
    """Which rows have the start and the key of one of the others."""
    index = KeyIndex()
    index.upsert(_row_hashes(others))
    found: Mask = index.find(_row_hashes(rows)) != ABSENT
    return found


def _row_hashes(rows: pa.RecordBatch) -> KeyHashes:
    hashes = key_hashes_of(rows)
    hashes[:, 1] += _starts(rows).view(np.uint64) * _START_MIX
    return hashes
