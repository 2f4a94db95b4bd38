"""The Pipeline: sources, record, steps, dedup, watermark, views, sinks, and how it is operated."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from datanexus_spec import names
from datanexus_spec.custom_resource import Resource
from datanexus_spec.datatype import Kind
from datanexus_spec.durations import Duration
from datanexus_spec.element import (
    ColumnName,
    Count,
    Element,
    FieldType,
    Finding,
    Flag,
    Label,
    List,
    NamedList,
    NotYet,
    Pattern,
    Period,
    PositivePeriod,
    Rule,
    Share,
    Text,
    items,
    member,
    quoted,
)
from datanexus_spec.format import Format, SinkFormat
from datanexus_spec.generator import GeneratorSource
from datanexus_spec.operation import QuarantineBound, Rollout, Runtime, Scale, SecretKey, StateChange, Storage
from datanexus_spec.status import PipelineStatus

ISO8601 = "iso8601"
TIME_FORMATS = (ISO8601, "epochSeconds", "epochMillis", "epochMicros", "epochNanos")


class FileSource(Element):
    """Files, read in place; each is one split."""

    path: Text
    """A path or a pattern (`*`, `?`, `[…]`, `**`), relative to the resource file; .gz and .zst are decompressed."""
    format: Format
    """How the records are written."""


class StdinSource(Element):
    """Standard input; each start is a new split."""

    format: Format
    """How the records are written."""


class HttpSource(Element):
    """Records that producers send by HTTP; all of a source are one split."""

    format: Format = Field(default_factory=lambda: Format.model_validate({"ndjson": {}}))
    """How CSV is written, where it is not written as usual. What a request carries, ndjson, json, csv or arrow, its
    content type says."""
    token: Annotated[SecretKey | None, NotYet("a producers' token")] = None
    """The bearer token that producers show."""
    body_bytes_max: Annotated[Count, Field(ge=1024, le=1 << 30)] = 16 << 20
    """The largest request."""
    repeat_window: PositivePeriod = Duration(86_400_000_000)
    """How long an Idempotency-Key is remembered."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.format) || !(has(self.format.text) || has(self.format.parquet))",
            "format must be ndjson, json, csv or arrow",
        ),
    )

    @classmethod
    def findings(cls, given: Mapping[str, Any]) -> Iterator[Finding]:
        for kind in ("text", "parquet"):
            if member(given.get("format"), kind) is not None:
                yield Finding(("format", kind), f"the format {kind}", "ndjson, json, csv or arrow")


class ConnectorRef(Element):
    """A Connector in the same namespace."""

    name: Label
    """Its name."""


class PipelineSource(Element):
    """Where records come from: exactly one kind."""

    name: ColumnName
    """The source's name; part of every split's name, so changing it makes new splits."""
    files: FileSource | None = None
    """Files."""
    stdin: StdinSource | None = None
    """Standard input."""
    http: HttpSource | None = None
    """HTTP."""
    connector_ref: Annotated[ConnectorRef | None, NotYet("a source by connectorRef")] = None
    """A Connector."""
    generator: GeneratorSource | None = None
    """Records made from a seed."""

    one_of: ClassVar[tuple[str, ...]] = ("files", "stdin", "http", "connector_ref", "generator")


class RecordField(Element):
    """One field of the normalised record."""

    name: ColumnName
    """Its name in expressions."""
    type: FieldType
    """bool, int32, int64, float64, decimal(PRECISION,SCALE), string, timestamp, date or json."""
    origins: List[Text] = Field(default=(), alias="from")
    """Names looked up in this order in the raw record; without them the field's own name."""
    formats: List[Text] = ()
    """How a timestamp or date is written, tried in order: iso8601 (default), epochSeconds, epochMillis, epochMicros,
    epochNanos, or a strptime pattern."""
    required: Flag = True
    """Whether a record without it goes to quarantine; otherwise the field is NULL."""
    null_if: List[str] = ()
    """Raw texts that mean NULL."""

    @classmethod
    def findings(cls, given: Mapping[str, Any]) -> Iterator[Finding]:
        if given.get("name") in names.RESERVED_COLUMNS:
            yield Finding(("name",), quoted(given["name"]), names.RESERVED_EXPECTED)
        declared = str(given.get("type"))
        formats = items(given.get("formats"))
        if formats and declared not in (Kind.TIMESTAMP, Kind.DATE):
            yield Finding(("formats",), f"formats of a field of type {declared}", "formats only of timestamp and date")
        for index, text in enumerate(formats):
            if isinstance(text, str) and "%" not in text and text not in TIME_FORMATS:
                yield Finding(
                    ("formats", index),
                    quoted(text),
                    f"{', '.join(TIME_FORMATS)} or a strptime pattern such as %Y-%m-%d",
                    names.nearest(text, TIME_FORMATS),
                )


class RecordSpec(Element):
    """The normalised record: all that later parts see."""

    fields: Annotated[NamedList[RecordField], Field(min_length=1)]
    """The fields."""
    event_time: ColumnName
    """The field of type timestamp that says when the event was."""
    time_zone: Annotated[str, Field(min_length=1, max_length=64)] = "UTC"
    """The IANA zone of times written without one, and of dates."""
    unknown_fields: Literal["Keep", "Drop", "Reject"] = "Keep"
    """What a raw field does that no field takes: Keep and Drop let it pass unread, Reject quarantines the record."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.fields.exists(f, f.name == self.eventTime && f.type == 'timestamp')",
            "eventTime must name a field of type timestamp",
        ),
    )

    @classmethod
    def findings(cls, given: Mapping[str, Any]) -> Iterator[Finding]:
        event_time = given.get("event_time")
        fields = {member(item, "name"): str(member(item, "type")) for item in items(given.get("fields"))}
        if not isinstance(event_time, str) or not fields:
            return
        times = [str(name) for name, declared in fields.items() if declared == Kind.TIMESTAMP]
        if fields.get(event_time) == Kind.TIMESTAMP:
            return
        found = f"field {event_time} of type {fields[event_time]}" if event_time in fields else quoted(event_time)
        expected = f"a field of type timestamp{': ' + ', '.join(times) if times else ', and there is none'}"
        yield Finding(("eventTime",), found, expected, names.nearest(event_time, times))


class SetSpec(Element):
    """Compute a column, or replace one."""

    name: ColumnName
    """The column."""
    expr: Text
    """SQL over the columns so far."""

    @classmethod
    def findings(cls, given: Mapping[str, Any]) -> Iterator[Finding]:
        if given.get("name") in names.RESERVED_COLUMNS:
            yield Finding(("name",), quoted(given["name"]), names.RESERVED_EXPECTED)


class StepSpec(Element):
    """One step over each record alone: exactly one of these."""

    assign: SetSpec | None = Field(default=None, alias="set")
    """Compute a column, or replace one."""
    filter: Text | None = None
    """SQL condition; a record for which it is false or NULL does not pass."""

    one_of: ClassVar[tuple[str, ...]] = ("assign", "filter")


class DedupSpec(Element):
    """Repeats of a record are removed, exactly, within a horizon of event time."""

    key: Annotated[List[ColumnName], Field(min_length=1, max_length=32)]
    """The columns whose equal values make a repeat."""
    horizon: PositivePeriod
    """A record repeats one that passed and lies less than this away in event time."""


class WatermarkSpec(Element):
    """How far records may be out of order."""

    delay: Period = Duration(0)
    """How much later than its turn a record may come and still be on time."""
    idle_after: PositivePeriod = Duration(60_000_000)
    """A split that is read to its end and silent for so long holds the watermark back no more. `datanexus run` does not
    wait: a file at its end holds nothing back, and standard input does until it ends."""
    max_future: PositivePeriod = Duration(3_600_000_000)
    """A record further ahead of the clock goes to quarantine."""


class TumblingWindow(Element):
    """Windows of one size, side by side."""

    size: PositivePeriod
    """Their size."""


class HoppingWindow(Element):
    """Windows of one size, one starting each slide. A record is in several; where slide is above size, in one or none,
    and then it is counted as unassigned."""

    size: PositivePeriod
    """Their size."""
    slide: PositivePeriod
    """From one start to the next."""


class SessionWindow(Element):
    """Windows that last as long as records follow each other."""

    gap: PositivePeriod
    """Two records of a group at most this far apart share a session."""


class GlobalWindow(Element):
    """One window over all time: a running figure for each group."""

    every: PositivePeriod
    """How often its row is written, in event time."""


class WindowSpec(Element):
    """How time is divided: exactly one of these."""

    tumbling: TumblingWindow | None = None
    """Side by side."""
    hopping: HoppingWindow | None = None
    """Overlapping."""
    session: SessionWindow | None = None
    """As long as records follow each other."""
    global_: GlobalWindow | None = Field(default=None, alias="global")
    """One over all time."""

    one_of: ClassVar[tuple[str, ...]] = ("tumbling", "hopping", "session", "global_")


class LateSpec(Element):
    """What happens to a record that comes after its window is final."""

    to: Literal["quarantine", "drop"]
    """quarantine keeps it for a replay; drop counts it."""


class Aggregate(Element):
    """One figure of a view."""

    name: ColumnName
    """The column of the view."""
    expr: Text
    """SQL with one aggregate function and perhaps FILTER (WHERE …)."""


class ViewSpec(Element):
    """A windowed, grouped aggregate with a name; in SQL `PIPELINE.VIEW`."""

    name: ColumnName
    """Its name."""
    group_by: List[ColumnName] = ()
    """Columns; one row for each combination of their values in a window."""
    window: WindowSpec
    """How time is divided."""
    allowed_lateness: Period = Duration(0)
    """How long after its end a window still takes records and corrects its row."""
    late: LateSpec = LateSpec(to="quarantine")
    """What happens to a record after that."""
    aggregates: Annotated[NamedList[Aggregate], Field(min_length=1)]
    """The figures."""

    @classmethod
    def findings(cls, given: Mapping[str, Any]) -> Iterator[Finding]:
        taken: dict[str, str] = dict.fromkeys(names.RESERVED_COLUMNS, names.RESERVED_EXPECTED)
        for index, column in enumerate(items(given.get("group_by"))):
            if not isinstance(column, str):
                continue
            if column in taken:
                yield Finding(("groupBy", index), quoted(column), taken[column])
            taken.setdefault(column, f"a name other than groupBy[{index}]")
        for index, aggregate in enumerate(items(given.get("aggregates"))):
            name = member(aggregate, "name")
            if isinstance(name, str) and name in taken:
                yield Finding(("aggregates", index, "name"), quoted(name), taken[name])


class FilesSink(Element):
    """Files in a folder, one for each cut that has rows."""

    path: Text
    """The folder, relative to the resource file; it is made."""
    format: SinkFormat
    """How rows are written."""


class SinkSpec(Element):
    """Where final rows of a view go: exactly one kind."""

    name: ColumnName
    """The sink's name."""
    view: ColumnName
    """The view."""
    files: FilesSink | None = None
    """Files."""
    connector_ref: Annotated[ConnectorRef | None, NotYet("a sink by connectorRef")] = None
    """A Connector."""

    one_of: ClassVar[tuple[str, ...]] = ("files", "connector_ref")


class QualityRule(Element):
    """A condition that records should meet."""

    name: ColumnName
    """Its name."""
    expr: Text
    """SQL condition over a record."""
    on_failure: Literal["Quarantine", "Count"] = "Quarantine"
    """What happens to a record that does not meet it."""
    failure_ratio_max: Share | None = None
    """The share of failing records above which the pipeline's condition turns."""


class PipelineSpec(Element):
    """What a pipeline does."""

    sources: Annotated[NamedList[PipelineSource], Field(min_length=1, max_length=32)]
    """Where records come from."""
    record: RecordSpec
    """The normalised record."""
    steps: Annotated[List[StepSpec], Field(max_length=64)] = ()
    """What is computed and filtered, in order, over each record alone."""
    dedup: DedupSpec | None = None
    """Which records are repeats."""
    watermark: WatermarkSpec = WatermarkSpec()
    """How far records may be out of order."""
    views: Annotated[NamedList[ViewSpec], Field(min_length=1, max_length=32)]
    """The results."""
    sinks: Annotated[NamedList[SinkSpec], Field(max_length=32)] = ()
    """Where results go besides the store."""
    quality: Annotated[NamedList[QualityRule], Field(max_length=64), NotYet("quality rules")] = ()
    """Conditions that records should meet."""
    quarantine: QuarantineBound = QuarantineBound()
    """How much quarantine is too much."""
    storage: Storage = Storage()
    """What the store keeps."""
    scale: Scale = Scale()
    """How the work is divided."""
    rollout: Rollout = Rollout()
    """How one revision follows another."""
    runtime: Runtime = Runtime()
    """The pods."""
    paused: Annotated[Flag, NotYet("a paused pipeline")] = False
    """Whether it rests."""
    pause_policy: Literal["Accept", "Reject"] = "Accept"
    """Whether records are taken in while it rests."""
    pinned_revision: Annotated[
        Annotated[str, Pattern(r"^[a-z0-9]([-a-z0-9]{0,250}[a-z0-9])?$", "the name of a revision", 252)] | None,
        NotYet("a pinned revision"),
    ] = None
    """The revision to run, whatever the rest says."""
    state_change: StateChange | None = None
    """Permission for one change that does not fit the stored state."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.sinks) || self.sinks.all(s, self.views.exists(v, v.name == s.view))",
            "each sink must name a view of this pipeline",
        ),
        Rule(
            "!has(oldSelf.scale) || !has(oldSelf.scale.partitions)"
            " || (has(self.scale) && has(self.scale.partitions) && self.scale.partitions == oldSelf.scale.partitions)"
            " || (has(self.stateChange) && self.stateChange.action == 'Rebuild')",
            "scale.partitions changes only with stateChange.action Rebuild",
        ),
    )

    @classmethod
    def findings(cls, given: Mapping[str, Any]) -> Iterator[Finding]:
        views = [name for view in items(given.get("views")) if isinstance(name := member(view, "name"), str)]
        for index, sink in enumerate(items(given.get("sinks"))):
            view = member(sink, "view")
            if isinstance(view, str) and views and view not in views:
                near = names.nearest(view, views)
                yield Finding(("sinks", index, "view"), quoted(view), f"a view: {', '.join(views)}", near)


class Pipeline(Resource):
    """A pipeline: one file turns records into windowed results."""

    kind: Literal["Pipeline"] = "Pipeline"
    spec: PipelineSpec
    """What it does."""
    status: PipelineStatus | None = None
    """What the operator found; not read from files."""
