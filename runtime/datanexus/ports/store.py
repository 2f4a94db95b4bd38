"""Port: results, quarantine, fences and the log of cuts: all state that must be transactional.

The fence of a partition (epoch, seq) decides who may write. One process owns all partitions of a pipeline in embedded
mode and commits them in one transaction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from datanexus.core.emission import ViewSpec
from datanexus.ports.failpoint import writes


@dataclass(frozen=True, slots=True)
class PipelineRecord:
    """What the store keeps of a pipeline. `spec`: the resource as JSON text. `layout`: JSON of partitions, partition
    key and the fingerprints of the state, which every later plan is compared with."""

    name: str
    revision: str
    spec: str
    layout: str


@dataclass(frozen=True, slots=True)
class Fence:
    """The last cut of all partitions of a pipeline; seq 0 and NO_WATERMARK before the first."""

    epoch: int
    seq: int
    watermark_us: int


@dataclass(frozen=True, slots=True)
class CutRecord:
    """One line of the log of cuts: enough to replay it. `splits`: JSON text of each split's state, rows read in this
    cut, watermark and status. `reads`: JSON text of the order of reads [[split, rows], …]. `reference_us`: the clock
    that maxFuture was judged by."""

    seq: int
    watermark_us: int
    reference_us: int
    splits: str
    reads: str


@dataclass(frozen=True, slots=True)
class ViewChanges:
    """Rows of one view and partition; batches as in core.emission.Emission."""

    view: str
    partition: int
    appended: pa.RecordBatch
    replaced: pa.RecordBatch
    deleted: pa.RecordBatch


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """Final rows for a sink, part of the cut's transaction. `name` as in ports.sink. `rows` is an Arrow IPC stream;
    empty bytes mean: retract what was published under the name."""

    sink: str
    name: str
    rows: bytes


QUARANTINE_SCHEMA = pa.schema(
    [
        pa.field("split", pa.string()),
        pa.field("position", pa.int64()),
        pa.field("stage", pa.string()),  # core.rejection.Stage
        pa.field("reason", pa.string()),
        pa.field("message", pa.string()),
        pa.field("subject", pa.string()),  # field, expression or view
        pa.field("record_values", pa.string()),  # what it saw
        pa.field("event_time", pa.timestamp("us", tz="UTC")),  # NULL where there is none
        pa.field("header", pa.string()),  # column names of a csv record as a JSON list; else empty
        pa.field("raw", pa.binary()),
    ]
)


@dataclass(frozen=True, slots=True)
class QuarantineEntry:
    """One record in quarantine. `id` counts up over the whole store; `seq` is the cut that wrote it; the rest as in
    QUARANTINE_SCHEMA."""

    id: int
    pipeline: str
    seq: int
    split: str
    position: int
    stage: str
    reason: str
    message: str
    subject: str
    record_values: str
    event_time_us: int | None
    header: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class QuarantineCount:
    """How many records one stage refused for one reason."""

    stage: str
    reason: str
    records: int


@dataclass(frozen=True, slots=True)
class Cut:
    """All that one transaction writes. `counters`: additions to the pipeline's counters. `terminal`: rows of the
    end-of-input flush; the fence stays, the rows are marked and final until the next cut removes them. What a terminal
    cut replaces or deletes is only hidden, and what it adds to quarantine and counters goes with its rows: after the
    removal the store is as it was at the fence. `released`: ids of quarantine entries whose records returned in this
    cut; they go."""

    record: CutRecord
    changes: tuple[ViewChanges, ...]
    quarantined: pa.RecordBatch  # of QUARANTINE_SCHEMA
    counters: Mapping[str, int]
    outbox: tuple[OutboxEntry, ...]
    terminal: bool = False
    released: tuple[int, ...] = ()


class Store(Protocol):
    async def pipeline(self, name: str) -> PipelineRecord | None:
        """What is stored of a pipeline; None for a new one."""
        ...

    async def pipelines(self) -> Sequence[PipelineRecord]:
        """What is stored of all pipelines, by name."""
        ...

    @writes
    async def claim(
        self, record: PipelineRecord, views: Sequence[ViewSpec], final_offset_us: Mapping[str, int]
    ) -> Fence:
        """Take ownership: raise the epoch, make what is missing (schema, tables, SQL views) and return the fence.

        In SQL a view is `"<pipeline>"."<view>"`, dashes become underscores; columns as ViewSpec.row_schema() without
        key_high and key_low, plus `final` (bool: window_end + final_offset_us ≤ watermark, or terminal; a global
        window's row is final only when terminal). A record equal to the stored one changes nothing but the epoch.
        Raises: Unavailable.
        """
        ...

    @writes
    async def commit(self, pipeline: str, epoch: int, cut: Cut) -> Sequence[OutboxEntry]:
        """Write a cut in one transaction; the fence's check of the epoch and of seq = record.seq − 1 comes first.

        A terminal cut carries the fence's seq as it is. The first cut after a terminal one (also a terminal
        one) first deletes the terminal rows and puts retractions of their sink entries into the outbox, before its own.
        Returns the outbox entries not yet published, oldest first.
        Raises: Conflict (nothing written) when the epoch or seq differ; Unavailable (nothing written).
        """
        ...

    async def outbox(self, pipeline: str) -> Sequence[OutboxEntry]:
        """Entries not yet acknowledged, oldest first."""
        ...

    @writes
    async def acknowledge(self, pipeline: str, entries: Sequence[OutboxEntry]) -> None:
        """Forget published entries."""
        ...

    async def cuts(self, pipeline: str, after: int) -> Sequence[CutRecord]:
        """The log of cuts with seq > after, in order (terminal ones are not in it)."""
        ...

    @writes
    async def forget_cuts(self, pipeline: str, before: int) -> None:
        """Drop log lines with seq < before: no kept snapshot needs them. The last cut's line always stays."""
        ...

    async def counters(self, pipeline: str) -> Mapping[str, int]:
        """Sums over all cuts."""
        ...

    async def is_terminal(self, pipeline: str) -> bool:
        """Whether the table holds the rows of an end-of-input flush made at the present fence."""
        ...

    @writes
    async def purge(self, pipeline: str, view: str, before_us: int) -> int:
        """Retention: delete final rows with window_end ≤ before_us; returns how many."""
        ...

    async def rows(self, pipeline: str, view: str, limit: int) -> pa.Table:
        """At most `limit` rows of a view as the last cut left them, newest window first; ViewSpec.row_schema()."""
        ...

    async def quarantine(
        self, pipeline: str, limit: int, after: int = 0, *, stage: str | None = None, reason: str | None = None
    ) -> Sequence[QuarantineEntry]:
        """At most `limit` entries with id > `after`, ascending by id; of one stage and reason where these are given."""
        ...

    @writes
    async def purge_quarantine(self, pipeline: str, ids: Sequence[int]) -> int:
        """Delete entries; returns how many there were. Ids that are not there are passed over."""
        ...

    async def quarantine_entry(self, entry_id: int) -> QuarantineEntry | None:
        """One entry; None if there is none."""
        ...

    async def quarantine_counts(self, pipeline: str) -> Sequence[QuarantineCount]:
        """Records by stage and reason, ordered by both."""
        ...

    @writes
    async def forget(self, pipeline: str) -> None:
        """Drop all that is stored of a pipeline; no error if there is nothing. A later claim starts at seq 0."""
        ...

    async def query(self, sql: str, rows_max: int | None = None, timeout_s: float | None = None) -> pa.Table:
        """Run one DuckDB SELECT over the SQL views, read-only, beside the event loop; its first `rows_max` rows.

        Raises: InvalidInput with DuckDB's message, or when it takes longer than `timeout_s`.
        """
        ...

    async def close(self) -> None: ...
