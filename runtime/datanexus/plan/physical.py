"""The executable plan of one pipeline revision: what the engine runs. Data only.

`plan.planner` makes it from a spec; `plan.explain` prints it; `engine` runs it. All durations are int microseconds.
"""

from dataclasses import dataclass
from typing import Literal as OneOf

from datanexus.plan.expression import BoundAggregate, BoundExpression, Expression, Schema
from datanexus_spec.datatype import DataType
from datanexus_spec.pipeline import PipelineSource


@dataclass(frozen=True, slots=True)
class FieldPlan:
    """One field of the normalised record. `origins`: names looked up in this order in the raw record (the field's own
    name when `from` is absent). `formats`: how a timestamp is written; strptime patterns or iso8601, epochSeconds,
    epochMillis, epochMicros, epochNanos. `null_if`: raw texts that mean NULL."""

    name: str
    type: DataType
    origins: tuple[str, ...]
    formats: tuple[str, ...]
    required: bool
    null_if: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RecordPlan:
    """The normalised record. `unknown_fields`: Keep and Drop let them pass unread; Reject quarantines the record."""

    fields: tuple[FieldPlan, ...]
    event_time: str
    time_zone: str
    unknown_fields: OneOf["Keep", "Drop", "Reject"]


@dataclass(frozen=True, slots=True)
class SetStep:
    """Compute a column, or replace one."""

    name: str
    expression: BoundExpression


@dataclass(frozen=True, slots=True)
class FilterStep:
    """Pass the records for which the condition is true; NULL does not pass."""

    condition: BoundExpression


Step = SetStep | FilterStep


@dataclass(frozen=True, slots=True)
class DedupPlan:
    key: tuple[str, ...]
    horizon_us: int


@dataclass(frozen=True, slots=True)
class WatermarkPlan:
    delay_us: int
    idle_after_us: int
    max_future_us: int


@dataclass(frozen=True, slots=True)
class TumblingPlan:
    size_us: int


@dataclass(frozen=True, slots=True)
class HoppingPlan:
    size_us: int
    slide_us: int


@dataclass(frozen=True, slots=True)
class SessionPlan:
    gap_us: int


@dataclass(frozen=True, slots=True)
class GlobalPlan:
    every_us: int


WindowPlan = TumblingPlan | HoppingPlan | SessionPlan | GlobalPlan


@dataclass(frozen=True, slots=True)
class NamedAggregate:
    name: str
    aggregate: BoundAggregate


@dataclass(frozen=True, slots=True)
class ViewPlan:
    """One view. `group_by`: columns after the steps, with their types. `two_stage`: its groupBy does not contain the
    partition key and there are several partitions, so the first stage sends partial aggregates and a second one writes
    the rows.
    `fingerprint`: hash of all that shapes its state; state is reused only where it is equal."""

    name: str
    group_by: tuple[tuple[str, DataType], ...]
    window: WindowPlan
    allowed_lateness_us: int
    late: OneOf["quarantine", "drop"]
    aggregates: tuple[NamedAggregate, ...]
    two_stage: bool
    fingerprint: str


@dataclass(frozen=True, slots=True)
class SinkPlan:
    """Final rows of a view as files below `path`. `compression`: none for ndjson and csv unless asked."""

    name: str
    view: str
    path: str
    format: OneOf["parquet", "ndjson", "csv"]


@dataclass(frozen=True, slots=True)
class PhysicalPlan:
    """`record_schema`: the normalised record; `step_schema`: after the steps. `partition_key`: expressions over the
    record schema (computed columns inlined); empty means one partition for all. `revision`: hash of the Git-visible
    content. `fingerprint`: of dedup, partition key and partitions, i.e. the state that no view owns.
    `quarantine_max`: share of records in quarantine above which `run` ends with exit code 3 (None: no bound)."""

    pipeline: str
    revision: str
    sources: tuple[PipelineSource, ...]
    record: RecordPlan
    record_schema: Schema
    steps: tuple[Step, ...]
    step_schema: Schema
    dedup: DedupPlan | None
    watermark: WatermarkPlan
    views: tuple[ViewPlan, ...]
    sinks: tuple[SinkPlan, ...]
    partition_key: tuple[Expression, ...]
    partition_key_text: tuple[str, ...]
    partitions: int
    keep_results_us: int | None
    quarantine_max: float | None
    fingerprint: str
