"""What a service reports, in the shapes of the API."""

import asyncio
import base64
import time
from dataclasses import dataclass, field

from datanexus.core.emission import NO_WATERMARK
from datanexus.engine.disorder import BOUNDS_S, COVERED_SHARE
from datanexus.engine.program import view_spec
from datanexus.engine.served_pipeline import PipelineService
from datanexus.engine.status import SplitReport
from datanexus.engine.worker import final_offset_us
from datanexus.gateway import shapes
from datanexus.gateway.instants import instant, now_us
from datanexus.plan.physical import ViewPlan
from datanexus.plan.revision import duration_text, window_text
from datanexus.plan.sources import source_kind
from datanexus.ports.store import QuarantineEntry, Store
from datanexus.query.catalogue import sql_schema
from datanexus_spec.errors import DataNexusError

_HIDDEN = ("key_high", "key_low")  # columns of a row that are the group key's hash
_COUNT_EVERY_S = 2.0
_COUNT_WAIT_S = 0.2


@dataclass(slots=True)
class RowCounts:
    """How many rows each view has: counted beside the answers, so that none waits for it long."""

    store: Store
    _counts: dict[tuple[str, str], int] = field(default_factory=dict)
    _counted_s: dict[str, float] = field(default_factory=dict)
    _tasks: dict[str, "asyncio.Task[None]"] = field(default_factory=dict)

    async def refresh(self, service: PipelineService) -> None:
        """Count again when the last count is old; wait only shortly for it."""
        name, now_s = service.name, time.monotonic()
        if name not in self._tasks and now_s - self._counted_s.get(name, 0.0) > _COUNT_EVERY_S:
            self._counted_s[name] = now_s
            task = asyncio.create_task(self._count(name, [view.name for view in service.plan.views]))
            self._tasks[name] = task
            task.add_done_callback(lambda _: self._tasks.pop(name, None))
        if name in self._tasks:
            await asyncio.wait((self._tasks[name],), timeout=_COUNT_WAIT_S)

    def rows(self, pipeline: str, view: str) -> int | None:
        """The last count; None before the first."""
        return self._counts.get((pipeline, view))

    async def _count(self, pipeline: str, views: list[str]) -> None:
        try:
            for view in views:
                counted = await self.store.query(f'SELECT count(*) AS n FROM "{sql_schema(pipeline)}"."{view}"')  # noqa: S608 - names of a checked plan
                self._counts[pipeline, view] = int(counted.column("n")[0].as_py())
        except DataNexusError:
            return  # the view is being made, or the store is busy: the next status asks again


def status_of(service: PipelineService, counts: RowCounts) -> shapes.Status:
    """A pipeline now."""
    report, plan = service.report(), service.plan
    return shapes.Status(
        name=service.name,
        file=service.file,
        revision=plan.revision,
        state=report.phase,
        error=report.error,
        refused=None if report.refused is None else shapes.RefusedShape(
            at=instant(report.refused.at_us) or "", text=report.refused.text
        ),
        started_at=instant(report.started_us),
        seq=report.seq,
        watermark=instant(report.watermark_us),
        watermark_reason=report.watermark_reason,
        holder=report.holder,
        lag_s=None if report.watermark_us == NO_WATERMARK else (now_us() - report.watermark_us) / 1e6,
        rates=shapes.RatesShape(
            in_per_s=report.rates.taken,
            passed_per_s=report.rates.passed,
            quarantined_per_s=report.rates.quarantined,
        ),
        counters=dict(report.counters),
        state_bytes=report.state_bytes,
        snapshot_seq=report.snapshot_seq,
        log_bytes=service.storage.log.nbytes,
        cut_ms=report.cut_seconds * 1e3,
        sources=[
            shapes.SourceShape(
                name=source.name,
                kind=source_kind(source),
                splits=[_split(split) for split in report.splits if split.source == source.name],
            )
            for source in plan.sources
        ],
        views=[_view(service, view, counts.rows(service.name, view.name)) for view in plan.views],
        sinks=[
            shapes.SinkShape(name=sink.name, view=sink.view, format=sink.format, path=sink.path)
            for sink in plan.sinks
        ],
        notices=list(report.notices),
    )  # fmt: skip


def lateness_of(service: PipelineService) -> shapes.Lateness:
    """How far out of order records come, and which delay covers that."""
    seen, plan = service.disorder.report(), service.plan
    counters = service.report().counters
    delay_s = plan.watermark.delay_us / 1e6
    total = sum(seen.records)
    return shapes.Lateness(
        delay_s=delay_s,
        records=total,
        late=sum(counters.get(f"view.{view.name}.late", 0) for view in plan.views),
        buckets=[
            shapes.LatenessBucket(up_to_s=bound_s, records=records)
            for bound_s, records in zip((*BOUNDS_S, None), seen.records, strict=True)
        ],
        recommended_delay_s=seen.recommended_s,
        covers=COVERED_SHARE,
        sentence=_sentence(total, delay_s, seen.recommended_s),
    )


def quarantined(entry: QuarantineEntry) -> shapes.QuarantineRecord:
    """One record in quarantine."""
    return shapes.QuarantineRecord(
        id=entry.id,
        seq=entry.seq,
        split=entry.split,
        position=entry.position,
        stage=entry.stage,
        reason=entry.reason,
        message=entry.message,
        subject=entry.subject,
        values=entry.record_values,
        event_time=instant(entry.event_time_us),
        raw=entry.raw.decode("utf-8", "replace"),
        raw_base64=base64.b64encode(entry.raw).decode(),
    )


def _split(split: SplitReport) -> shapes.SplitShape:
    return shapes.SplitShape(
        name=split.name,
        status=split.status.value,
        watermark=instant(split.watermark_us),
        read_bytes=split.read_bytes,
        total_bytes=split.total_bytes,
    )


def _view(service: PipelineService, view: ViewPlan, rows: int | None) -> shapes.ViewShape:
    return shapes.ViewShape(
        name=view.name,
        window=window_text(view.window),
        group_by=[name for name, _ in view.group_by],
        aggregates=[
            shapes.AggregateShape(name=named.name, expression=named.aggregate.text) for named in view.aggregates
        ],
        columns=[
            shapes.Column(name=column.name, type=str(column.type))
            for column in view_spec(view).row_schema()
            if column.name not in _HIDDEN
        ],
        allowed_lateness_s=view.allowed_lateness_us / 1e6,
        final_offset_s=final_offset_us(service.plan, view.name) / 1e6,
        rows=rows,
    )


def _sentence(records: int, delay_s: float, recommended_s: float | None) -> str:
    """The advice in words."""
    share = f"{COVERED_SHARE:.1%}"
    now = f"watermark.delay is {_text(delay_s)}"
    if not records:
        return f"No record has come since the process began; {now}."
    if recommended_s is None:
        return f"No delay of up to {_text(BOUNDS_S[-1])} covers {share} of the records; {now}."
    if recommended_s == delay_s:
        return f"{now}, just what covers {share} of the records."
    verb = "is enough for" if recommended_s < delay_s else "does not cover"
    return f"{now}, which {verb} {share} of the records; {_text(recommended_s)} would cover them."


def _text(seconds: float) -> str:
    return duration_text(round(seconds * 1e6))
