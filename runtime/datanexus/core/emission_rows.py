"""Rows of a view's table as record batches: built from panes, joined, and told apart by what was there before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from datanexus.core.aggregate import LastSamples, Slots, Times
from datanexus.core.emission import Emission, KeyHashes, ViewSpec
from datanexus.core.pane_table import Aggregates, Groups

_TIME = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True, slots=True)
class Bounds:
    """Start and end of each row's window. `endless`: of the global window, written as NULL."""

    start_us: Times
    end_us: Times
    endless: bool = False


def key_hashes_of(rows: pa.RecordBatch) -> KeyHashes:
    """The key hashes of rows."""
    high, low = (rows.column(rows.num_columns - 2 + half).to_numpy() for half in (0, 1))
    return np.ascontiguousarray(np.stack([high, low], axis=1))


@dataclass(slots=True)
class EmissionBuilder:
    """Collects the rows of a cut, window by window in ascending order of start."""

    empty: pa.RecordBatch
    appended: list[pa.RecordBatch] = field(default_factory=list)
    replaced: list[pa.RecordBatch] = field(default_factory=list)
    deleted: list[pa.RecordBatch] = field(default_factory=list)
    final: list[pa.RecordBatch] = field(default_factory=list)

    def built(self) -> Emission:
        """The emission of all that was collected."""
        appended = self._joined(self.appended)
        # Mostly the same windows: what is final at once.
        is_same = list(map(id, self.appended)) == list(map(id, self.final))
        return Emission(
            appended=appended,
            replaced=self._joined(self.replaced),
            deleted=self._joined(self.deleted),
            final=appended if is_same else self._joined(self.final),
        )

    def _joined(self, batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
        filled = [batch for batch in batches if batch.num_rows]
        if len(filled) == 1:
            return filled[0]
        return pa.concat_batches(filled) if filled else self.empty


class RowWriter:
    """Makes the rows of one view."""

    __slots__ = ("_schema", "empty", "nothing")

    def __init__(self, spec: ViewSpec) -> None:
        self._schema = spec.row_schema()
        self.empty = pa.record_batch([pa.array([], column.type) for column in self._schema], schema=self._schema)
        self.nothing = EmissionBuilder(self.empty).built()

    def rows(
        self,
        groups: tuple[Groups, Slots],
        aggregates: tuple[Aggregates, Slots],
        bounds: Bounds,
        previous: Mapping[int, LastSamples],
    ) -> pa.RecordBatch:
        """Rows of some groups, in the order given. Groups and aggregates are at slots of their own, n of each."""
        keys, key_slots = groups
        states, slots = aggregates
        hashes = keys.hashes.take(key_slots, axis=0)
        columns = [
            *_bounds(bounds, len(slots)),
            *keys.values(key_slots),
            *states.finish(slots, bounds.start_us, bounds.end_us, previous),
            pa.array(np.ascontiguousarray(hashes[:, 0])),
            pa.array(np.ascontiguousarray(hashes[:, 1])),
        ]
        return pa.record_batch(columns, schema=self._schema)

    def builder(self) -> EmissionBuilder:
        """A collector of this view's rows."""
        return EmissionBuilder(self.empty)


def _bounds(bounds: Bounds, count: int) -> list[pa.Array]:
    if bounds.endless:
        return [pa.nulls(count, _TIME), pa.nulls(count, _TIME)]
    buffers = [pa.py_buffer(np.ascontiguousarray(times)) for times in (bounds.start_us, bounds.end_us)]
    return [pa.Array.from_buffers(_TIME, count, [None, buffer], 0) for buffer in buffers]
