"""The global window: one row per group over all time, rewritten each `every` of watermark.

Nothing is ever late, and no row is final before the input ends. Only groups that changed are rewritten.
"""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from datanexus.core.aggregate import Mask, Slots, Times
from datanexus.core.emission import (
    NO_WATERMARK,
    Admission,
    Emission,
    Global,
    Segment,
    SegmentContents,
    Segments,
    ViewRows,
    ViewSpec,
)
from datanexus.core.emission_rows import Bounds, RowWriter
from datanexus.core.key_groups import partition_of
from datanexus.core.pane_table import Batches, PaneTable, key_order
from datanexus.core.view_rows import Order, taken
from datanexus.core.window_state import WATERMARK, watermark_of, watermark_segment

_SEGMENT = "global"
_ROWS = "rows"


class GlobalWindow:
    """The state of one view with the global window. Implements WindowState."""

    _table: PaneTable
    _dirty: Mask  # by slot: changed since its row was written
    _written: Mask  # by slot: is in the view's table
    _watermark_us: int
    _version: int

    def __init__(self, spec: ViewSpec) -> None:
        assert isinstance(spec.window, Global)
        self._spec = spec
        self._writer = RowWriter(spec)
        self._every_us = spec.window.every_us
        self._clear()

    def admit(self, event_time_us: Times, watermark_us: int) -> Admission:  # noqa: ARG002
        nothing = np.zeros(len(event_time_us), np.bool_)
        return Admission(nothing, nothing)

    def add(self, rows: ViewRows, watermark_us: int, selected: Order | None) -> None:  # noqa: ARG002
        self._mark(self._table.add(rows if selected is None else taken(rows, selected)))

    def merge(self, contents: SegmentContents) -> None:
        for batches in contents.values():
            given = PaneTable.restored(self._spec, batches)
            self._mark(self._table.fold(given))

    def drain(self, partitions: int) -> Mapping[int, SegmentContents]:
        owners = partition_of(self._table.hashes, partitions)
        drained = {
            owner: {_SEGMENT: self._table.contents(np.flatnonzero(owners == owner))}
            for owner in np.unique(owners).tolist()
        }
        self._clear()
        return drained

    def changes(self, watermark_us: int, *, terminal: bool) -> Emission:
        builder = self._writer.builder()
        if self._is_due(watermark_us):
            for known, into in ((False, builder.appended), (True, builder.replaced)):
                into.append(self._rows(np.flatnonzero(self._dirty & (self._written == known))))
        if terminal:
            builder.final.append(self._rows(np.arange(self._table.size)))
        return builder.built()

    def settle(self, watermark_us: int) -> None:
        if self._is_due(watermark_us) and self._dirty.any():
            self._written |= self._dirty
            self._dirty[:] = False
            self._version += 1
        self._watermark_us = watermark_us

    def segments(self) -> Segments:
        return {_SEGMENT: Segment(self._version, self._contents), WATERMARK: watermark_segment(self._watermark_us)}

    def restore(self, contents: SegmentContents) -> None:
        self._watermark_us = watermark_of(contents)
        batches = contents[_SEGMENT]
        self._table = PaneTable.restored(self._spec, batches)
        flags = batches[_ROWS]
        self._dirty, self._written = (flags.column(i).to_numpy(zero_copy_only=False).copy() for i in (0, 1))

    @property
    def nbytes(self) -> int:
        return int(self._table.nbytes + self._dirty.nbytes + self._written.nbytes)

    @property
    def live_windows(self) -> int:
        return int(self._table.size > 0)

    def _clear(self) -> None:
        self._table = PaneTable(self._spec)
        self._dirty = np.zeros(0, np.bool_)
        self._written = np.zeros(0, np.bool_)
        self._watermark_us = NO_WATERMARK
        self._version = 0

    def _mark(self, slots: Slots) -> None:
        self._version += 1
        missing = self._table.size - len(self._dirty)
        if missing:
            room = np.zeros(missing, np.bool_)
            self._dirty = np.concatenate([self._dirty, room])
            self._written = np.concatenate([self._written, room])
        self._dirty[slots] = True

    def _is_due(self, watermark_us: int) -> bool:
        """Has the watermark passed a multiple of `every`?"""
        if self._watermark_us == NO_WATERMARK:
            return watermark_us != NO_WATERMARK
        return watermark_us // self._every_us > self._watermark_us // self._every_us

    def _rows(self, slots: Slots) -> pa.RecordBatch:
        slots = slots[key_order(self._table.hashes[slots])]
        nowhere = np.zeros(len(slots), np.int64)
        sources = (self._table.groups, slots), (self._table.aggregates, slots)
        return self._writer.rows(*sources, Bounds(nowhere, nowhere, endless=True), {})

    def _contents(self) -> Batches:
        order = key_order(self._table.hashes)
        flags = [pa.array(self._dirty[order]), pa.array(self._written[order])]
        return {**self._table.contents(), _ROWS: pa.record_batch(flags, names=["dirty", "written"])}
