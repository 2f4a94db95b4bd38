"""The JSON of the API, as OpenAPI describes it. Times are ISO 8601 in UTC with microseconds, durations seconds as
numbers, null is unknown. Keys are part of the API: nothing is renamed or removed within /v1.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

ROWS_MAX = 100_000  # of a query's answer
ROWS_DEFAULT = 1_000
SQL_CHARACTERS_MAX = 65_536
IDS_MAX = 100_000
Instant = Annotated[str, Field(examples=["2015-05-17T10:05:03.000000Z"])]


class Shape(BaseModel):
    """What the API answers with."""

    model_config = ConfigDict(frozen=True)


class Request(BaseModel):
    """What the API is asked with; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ProblemShape(Shape):
    """RFC 9457. `reason` is one word of a closed set, `hint` says what to do."""

    model_config = ConfigDict(
        extra="allow",
        title="Problem",
        json_schema_extra={
            "example": {
                "type": "urn:datanexus:problem:NoSuchPipeline",
                "title": "No such pipeline",
                "status": 404,
                "detail": "found no pipeline `shop`; there is orders",
                "instance": "/v1/pipelines/shop",
                "reason": "NoSuchPipeline",
                "hint": "GET /v1/pipelines lists them",
            }
        },
    )
    type: str
    title: str
    status: int
    detail: str
    instance: str
    reason: str
    hint: str


class Info(Shape):
    """The process."""

    version: str
    pid: int
    data: str
    """The data folder."""
    listen: str
    """HOST:PORT."""
    pipelines: list[str]


class Column(Shape):
    name: str
    type: str


class SplitShape(Shape):
    """A file, a generator, or what came to a source by HTTP."""

    name: str
    status: Literal["active", "idle", "finished"]
    watermark: Instant | None
    read_bytes: int
    total_bytes: int | None


class SourceShape(Shape):
    name: str
    kind: str
    splits: list[SplitShape]


class AggregateShape(Shape):
    name: str
    expression: str


class ViewShape(Shape):
    """A row is final when window_end + final_offset_s ≤ watermark."""

    name: str
    window: str
    group_by: list[str]
    aggregates: list[AggregateShape]
    columns: list[Column]
    allowed_lateness_s: float
    final_offset_s: float
    rows: int | None


class SinkShape(Shape):
    name: str
    view: str
    format: str
    path: str


class RatesShape(Shape):
    """Records a second, over the last 10 s."""

    in_per_s: float
    passed_per_s: float
    quarantined_per_s: float


class RefusedShape(Shape):
    """A changed spec that was not taken."""

    at: Instant
    text: str


class Status(Shape):
    """A pipeline now. `in` = passed + filtered + duplicate + quarantined; for each view, passed = assigned + late +
    unassigned."""

    name: str
    file: str | None
    revision: str
    state: Literal["starting", "running", "switching", "failed", "stopped"]
    error: str | None
    refused: RefusedShape | None
    started_at: Instant | None
    seq: int
    watermark: Instant | None
    watermark_reason: str
    holder: str | None
    lag_s: float | None
    rates: RatesShape
    counters: dict[str, int]
    state_bytes: int
    snapshot_seq: int
    log_bytes: int
    cut_ms: float
    sources: list[SourceShape]
    views: list[ViewShape]
    sinks: list[SinkShape]
    notices: list[str]


class Pipelines(Shape):
    pipelines: list[Status]


class PlanNode(Shape):
    id: str
    kind: Literal["source", "decode", "step", "dedup", "stage", "view", "sink"]
    title: str
    lines: list[str]


class PlanShape(Shape):
    """The plan as text, and as a graph."""

    text: str
    nodes: list[PlanNode]
    edges: list[tuple[str, str]]


class LatenessBucket(Shape):
    """Records at most `up_to_s` behind the greatest event time before them, and further than the bucket before; null:
    still further."""

    up_to_s: float | None
    records: int


class Lateness(Shape):
    """How far out of order records come, since the process began."""

    delay_s: float
    records: int
    late: int
    buckets: list[LatenessBucket]
    recommended_delay_s: float | None
    covers: float
    sentence: str


class ReasonCount(Shape):
    stage: str
    reason: str
    records: int


class QuarantineRecord(Shape):
    """A record that was refused, with its bytes."""

    id: int
    seq: int
    split: str
    position: int
    stage: str
    reason: str
    message: str
    subject: str
    values: str
    event_time: Instant | None
    raw: str
    """As text; U+FFFD stands for what is not UTF-8."""
    raw_base64: str


class QuarantinePage(Shape):
    """`next`: the `after` of the next page; null at the end."""

    counts: list[ReasonCount]
    entries: list[QuarantineRecord]
    next: int | None


class Selection(Request):
    """Which records: `ids`, or `all` of a stage and reason where these are given."""

    ids: Annotated[list[int], Field(max_length=IDS_MAX)] | None = None
    all: bool = False
    stage: str | None = None
    reason: str | None = None
    dry_run: bool = False


class ReplayRequest(Selection):
    """`fixes`: by id, the text to replay instead of the record's own bytes."""

    model_config = ConfigDict(json_schema_extra={"example": {"all": True, "reason": "WrongType", "dry_run": True}})
    fixes: dict[str, str] = {}


class PurgeRequest(Selection):
    model_config = ConfigDict(json_schema_extra={"example": {"ids": [17], "dry_run": True}})


class ReplayRejection(Shape):
    id: int
    reason: str
    message: str


class ReplayResult(Shape):
    """What became of the records; in a dry run, what would."""

    selected: int
    skipped: int
    """On their way back already, or of a source or view that is gone."""
    more: bool
    """There are further ones: ask again."""
    passed: int
    filtered: int
    duplicate: int
    rejected: list[ReplayRejection]
    late: int
    """Refusals by views whose windows are purged, added over all views."""
    dry_run: bool


class PurgeResult(Shape):
    selected: int
    purged: int


class QueryRequest(Request):
    """One SELECT in PostgreSQL's reading over the views, which are named PIPELINE.VIEW."""

    model_config = ConfigDict(json_schema_extra={"example": {"sql": "SELECT 1 + 1 AS two", "limit": 10}})
    sql: Annotated[str, Field(min_length=1, max_length=SQL_CHARACTERS_MAX)]
    limit: Annotated[int, Field(ge=1, le=ROWS_MAX)] = ROWS_DEFAULT


class QueryResult(Shape):
    """`truncated`: there are more rows than the limit."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"columns": [{"name": "two", "type": "int32"}], "rows": [[2]], "truncated": False}
        }
    )
    columns: list[Column]
    rows: list[list[Any]]
    truncated: bool


class VerdictShape(Shape):
    """Why one record of a body was refused; `row` counts from 1."""

    row: int
    stage: str
    reason: str
    field: str
    message: str


class IngestResult(Shape):
    """At most 100 rejections are listed; all are counted."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"accepted": 1, "rejected": 0, "rejections": [], "repeated": False}}
    )
    accepted: int
    rejected: int
    rejections: list[VerdictShape]
    repeated: bool


class Ready(Shape):
    """`reasons`: what is not ready, and why."""

    ready: bool
    reasons: list[str]


class Healthy(Shape):
    model_config = ConfigDict(json_schema_extra={"example": {"healthy": True}})
    healthy: Literal[True] = True
