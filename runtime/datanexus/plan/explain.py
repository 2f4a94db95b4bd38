"""The plan as text, for people and golden tests: what happens to a record, in order, and what it costs to remember.

Reads the plan only; every reason it prints is decided elsewhere (`plan.partitioning`).
"""

from collections.abc import Iterator, Sequence
from math import gcd

from datanexus.plan.expression import BoundAggregate
from datanexus.plan.partitioning import key_reason
from datanexus.plan.physical import (
    GlobalPlan,
    HoppingPlan,
    PhysicalPlan,
    SessionPlan,
    SetStep,
    TumblingPlan,
    ViewPlan,
)
from datanexus.plan.revision import duration_text, window_text
from datanexus.plan.sources import line_reading, source_text
from datanexus_spec.datatype import Kind

# What one group of one pane takes, by aggregate. Measured on accumulators of one value a group.
_STATE_TEXT = {
    "count": "8 bytes a group",
    "avg": "24 bytes a group",
    "increase": "24 bytes a sample",
    "rate": "24 bytes a sample",
    "approx_count_distinct": "at most 4096 bytes a group",
    "approx_quantile": "a few hundred buckets of 16 bytes a group",
    "top_k": "at most 10000 values a group",
}
_SUM_BYTES = {Kind.INT32: 16, Kind.INT64: 24, Kind.DECIMAL: 32}
_FLOAT_SUM_TEXT = "32 bytes a group, more where magnitudes differ"  # reproducible sums keep limbs by exponent
_VARIANCE_TEXT = "64 bytes a group, more where magnitudes differ"
_VALUE_BYTES = {"min": 16, "max": 16, "first": 24, "last": 24}
_FINGERPRINT_BYTES = 24  # 128 bits and the time


def explain(plan: PhysicalPlan) -> str:
    """The whole plan, one line per fact, ending with a line end."""
    blocks = (
        _head(plan),
        _sources(plan),
        _record(plan),
        _steps(plan),
        _dedup(plan),
        _watermark(plan),
        _partitioning(plan),
        _views(plan),
        _sinks(plan),
    )
    return "\n".join(line for block in blocks for line in block) + "\n"


def _head(plan: PhysicalPlan) -> Iterator[str]:
    yield f"pipeline {plan.pipeline}, revision {plan.revision}"


def _sources(plan: PhysicalPlan) -> Iterator[str]:
    yield "sources"
    for source in plan.sources:
        yield f"  {source.name}: {source_text(source)}"
        lines = line_reading(source)
        if lines is not None:
            yield f"    lines: {lines}"


def _record(plan: PhysicalPlan) -> Iterator[str]:
    record = plan.record
    yield f"record, event time {record.event_time}, zone {record.time_zone}, unknown fields: {record.unknown_fields}"
    width = max(len(field.name) for field in record.fields)
    type_width = max(len(str(field.type)) for field in record.fields)
    for field in record.fields:
        parts = []
        if field.origins != (field.name,):
            parts.append(f"from {' or '.join(field.origins)}")
        if field.type.kind in (Kind.TIMESTAMP, Kind.DATE):
            parts.append(f"written as {' or '.join(field.formats)}")
        if field.null_if:
            parts.append(f"NULL if {' or '.join(map(repr, field.null_if))}")
        if not field.required:
            parts.append("optional")
        yield f"  {field.name:<{width}}  {field.type!s:<{type_width}}  {', '.join(parts)}".rstrip()


def _steps(plan: PhysicalPlan) -> Iterator[str]:
    if not plan.steps:
        return
    yield "steps"
    for number, step in enumerate(plan.steps, start=1):
        if isinstance(step, SetStep):
            yield f"  {number}. set {step.name} = {step.expression.text}  ({step.expression.type})"
        else:
            yield f"  {number}. pass if {step.condition.text}"


def _dedup(plan: PhysicalPlan) -> Iterator[str]:
    if plan.dedup is None:
        yield "dedup: none"
        return
    key, horizon_us = ", ".join(plan.dedup.key), plan.dedup.horizon_us
    yield f"dedup: one record per ({key}) within {duration_text(horizon_us)}"
    kept = duration_text(2 * horizon_us)
    yield f"  state: {_FINGERPRINT_BYTES} bytes per passed record, kept for {kept} of event time"


def _watermark(plan: PhysicalPlan) -> Iterator[str]:
    watermark = plan.watermark
    yield (
        f"watermark: {duration_text(watermark.delay_us)} behind the latest record of each split; idle after "
        f"{duration_text(watermark.idle_after_us)}; records more than {duration_text(watermark.max_future_us)} ahead "
        "are quarantined"
    )


def _partitioning(plan: PhysicalPlan) -> Iterator[str]:
    key = ", ".join(plan.partition_key_text)
    yield f"partition key: {f'({key})' if key else 'none'}: {key_reason(plan)}"
    yield f"partitions: {plan.partitions}"
    if any(view.two_stage for view in plan.views):
        yield "stages: 1 records to rows or partial aggregates, 2 partial aggregates to rows"
    else:
        yield "stages: 1"


def _views(plan: PhysicalPlan) -> Iterator[str]:
    for view in plan.views:
        yield f"view {view.name}, fingerprint {view.fingerprint}"
        groups = ", ".join(f"{name} ({data_type})" for name, data_type in view.group_by)
        yield f"  group by: {groups or 'nothing, one row per window'}"
        yield f"  window: {_window(view)}"
        yield f"  {_lateness(view)}"
        if view.two_stage:
            yield f"  two stages: the group does not contain the partition key ({', '.join(plan.partition_key_text)})"
        yield "  aggregates"
        width = max(len(named.name) for named in view.aggregates)
        for named in view.aggregates:
            aggregate = named.aggregate
            state = _state_text(aggregate)
            yield f"    {named.name:<{width}}  {aggregate.text}  ({aggregate.type}; {state})"


def _window(view: ViewPlan) -> str:
    window = view.window
    text = window_text(window)
    match window:
        case TumblingPlan(size_us=size):
            return f"{text}; one pane of {duration_text(size)} to a window"
        case HoppingPlan(size_us=size, slide_us=slide):
            pane = gcd(size, slide)
            return f"{text}; panes of {duration_text(pane)}, {size // pane} to a window"
        case SessionPlan():
            return f"{text}; records at most that far apart share a session"
        case GlobalPlan():
            return f"{text}; its state is never purged"


def _lateness(view: ViewPlan) -> str:
    late = "go to quarantine" if view.late == "quarantine" else "are dropped and counted"
    if isinstance(view.window, GlobalPlan):
        return "lateness: no record is late"
    return f"lateness: {duration_text(view.allowed_lateness_us)} after the watermark passed; later records {late}"


def _state_text(aggregate: BoundAggregate) -> str:
    if aggregate.function.startswith(("var_", "stddev_")):
        return _VARIANCE_TEXT
    given = aggregate.argument.type.kind if aggregate.argument is not None else None
    if aggregate.function in ("sum", "avg") and given is Kind.FLOAT64:
        return _FLOAT_SUM_TEXT
    if aggregate.function == "sum" and given is not None:
        return f"{_SUM_BYTES[given]} bytes a group"
    if aggregate.function in _VALUE_BYTES:
        text = " and the text" if given in (Kind.STRING, Kind.JSON) else ""
        return f"{_VALUE_BYTES[aggregate.function]} bytes{text} a group"
    return _STATE_TEXT[aggregate.function]


def _sinks(plan: PhysicalPlan) -> Sequence[str]:
    if not plan.sinks:
        return ()
    lines = [f"  {sink.name}: final rows of {sink.view} as {sink.format} files in {sink.path}" for sink in plan.sinks]
    return ("sinks", *lines)
