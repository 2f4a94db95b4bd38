"""What a view's state gives and takes at its edges: rows in, rows out. Data only."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datanexus.core.aggregate import AggregateInput, AggregateSpec, Mask, Times

NO_WATERMARK = -(2**63)  # before every time
KeyHashes = npt.NDArray[np.uint64]  # shape (n, 2): high and low half of the 128-bit hash of a group key


@dataclass(frozen=True, slots=True)
class Tumbling:
    size_us: int


@dataclass(frozen=True, slots=True)
class Hopping:
    """`slide_us` may be smaller or greater than the size; in the latter case some times belong to no window."""

    size_us: int
    slide_us: int


@dataclass(frozen=True, slots=True)
class Session:
    """Records of a key at most `gap_us` apart share a session; it ends gap_us after its last record."""

    gap_us: int


@dataclass(frozen=True, slots=True)
class Global:
    """One window per key without end; its row is rewritten each `every_us` of watermark. It is never final."""

    every_us: int


WindowSpec = Tumbling | Hopping | Session | Global


@dataclass(frozen=True, slots=True)
class ViewSpec:
    """What a view's state must know: names and Arrow types of group columns and aggregates."""

    name: str
    window: WindowSpec
    allowed_lateness_us: int
    group_by: tuple[tuple[str, pa.DataType], ...]
    aggregates: tuple[tuple[str, AggregateSpec], ...]

    def row_schema(self) -> pa.Schema:
        """Columns of an emitted row, in this order. `key_high`, `key_low`: the group key's hash.

        A global window's start and end are NULL.
        """
        time = pa.timestamp("us", tz="UTC")
        return pa.schema(
            [
                pa.field("window_start", time),
                pa.field("window_end", time),
                *(pa.field(name, data_type) for name, data_type in self.group_by),
                *(pa.field(name, spec.output_type) for name, spec in self.aggregates),
                pa.field("key_high", pa.uint64()),
                pa.field("key_low", pa.uint64()),
            ]
        )


@dataclass(frozen=True, slots=True)
class ViewRows:
    """n rows that passed steps and dedup, as a view needs them. All arrays have length n."""

    event_time_us: Times
    key_hashes: KeyHashes
    group: tuple[pa.Array, ...]  # as ViewSpec.group_by
    inputs: tuple[AggregateInput, ...]  # as ViewSpec.aggregates


@dataclass(frozen=True, slots=True)
class Admission:
    """Which of the rows were not taken: refused as late, or belonging to no window (hopping with gaps)."""

    late: Mask
    unassigned: Mask


@dataclass(frozen=True, slots=True)
class Emission:
    """Changes of a view's table at one cut, each of ViewSpec.row_schema(), rows ordered by (window_start, key hash).

    `appended`: rows that were not in the table. `replaced`: new content of rows that are (same window_start and key).
    `deleted`: rows to remove (last emitted content). `final`: rows that can never change again, as sinks get them; each
    row is final exactly once. A row that is final was appended or replaced with this content before or now.
    """

    appended: pa.RecordBatch
    replaced: pa.RecordBatch
    deleted: pa.RecordBatch
    final: pa.RecordBatch


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a state that is stored as one blob. Equal keys and versions within one process mean equal content, so a
    segment whose version did not change since it was stored is not stored again."""

    version: int
    batches: Callable[[], Mapping[str, pa.RecordBatch]]  # canonical: equal content gives equal bytes


Segments = Mapping[str, Segment]  # by key, e.g. "pane-1431820800000000"
SegmentContents = Mapping[str, Mapping[str, pa.RecordBatch]]
