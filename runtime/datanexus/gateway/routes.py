"""The routes of the API but ingestion. Each finds its pipeline, asks its service and puts the answer into a shape."""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query
from starlette.responses import Response

from datanexus.engine.quarantine import ReplayRequest, Selection
from datanexus.engine.served_pipeline import PipelineService, Services
from datanexus.gateway import metrics, querying, shapes
from datanexus.gateway.description import RowCounts, lateness_of, quarantined, status_of
from datanexus.gateway.live import MEDIA_TYPE, WINDOWS_DEFAULT, EventEncoder, LiveResponse
from datanexus.gateway.plan_drawing import drawing
from datanexus.gateway.problem import PROBLEM_MEDIA_TYPE, Problem
from datanexus.query.result_rows import JSON, arrow_bytes, csv_bytes

ENTRIES_MAX = 1_000
ENTRIES_DEFAULT = 50
_CSV, _ARROW = "text/csv", "application/vnd.apache.arrow.stream"
_PipelineName = Annotated[str, Path(description="metadata.name of the pipeline", examples=["orders"])]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What routes answer from. `closing`: set when the server stops, so that streams end."""

    services: Services
    listen: str
    data: str
    metrics: metrics.Metrics
    closing: asyncio.Event


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Responses of a route that are problems."""
    return {
        status: {"model": shapes.ProblemShape, "content": {PROBLEM_MEDIA_TYPE: {}}, "description": "Problem"}
        for status in statuses
    }


def api_routes(here: Surroundings) -> APIRouter:
    """All under /v1, and what orchestrators and Prometheus ask."""
    router = APIRouter()
    counts = RowCounts(here.services.store)
    _add_pipelines(router, here, counts)
    _add_quarantine(router, here)
    _add_results(router, here)
    _add_health(router, here)
    return router


def _add_pipelines(router: APIRouter, here: Surroundings, counts: RowCounts) -> None:
    @router.get("/v1/info", tags=["pipelines"])
    async def info() -> shapes.Info:
        """The process: version, data folder, address."""
        names = sorted(here.services.pipelines)
        return shapes.Info(
            version=version("datanexus"), pid=os.getpid(), data=here.data, listen=here.listen, pipelines=names
        )

    @router.get("/v1/pipelines", tags=["pipelines"])
    async def pipelines() -> shapes.Pipelines:
        """All pipelines with their status."""
        services = [here.services.pipelines[name] for name in sorted(here.services.pipelines)]
        for service in services:
            await counts.refresh(service)
        return shapes.Pipelines(pipelines=[status_of(service, counts) for service in services])

    @router.get("/v1/pipelines/{pipeline}", tags=["pipelines"], responses=problems(404))
    async def pipeline_status(pipeline: _PipelineName) -> shapes.Status:
        """One pipeline: state, watermark and who holds it, rates, counters, sources, views."""
        service = _service(here.services, pipeline)
        await counts.refresh(service)
        return status_of(service, counts)

    @router.get("/v1/pipelines/{pipeline}/plan", tags=["pipelines"], responses=problems(404))
    async def plan(pipeline: _PipelineName) -> shapes.PlanShape:
        """What happens to a record, as text and as a graph."""
        return drawing(_service(here.services, pipeline).plan)

    @router.get("/v1/pipelines/{pipeline}/lateness", tags=["pipelines"], responses=problems(404))
    async def lateness(pipeline: _PipelineName) -> shapes.Lateness:
        """How far out of order records come, and the watermark delay that covers it."""
        return lateness_of(_service(here.services, pipeline))


def _add_quarantine(router: APIRouter, here: Surroundings) -> None:
    @router.get("/v1/pipelines/{pipeline}/quarantine", tags=["quarantine"], responses=problems(404, 422))
    async def quarantine(
        pipeline: _PipelineName,
        after: Annotated[int, Query(ge=0, le=2**62, description="only records with a higher id")] = 0,
        limit: Annotated[int, Query(ge=1, le=ENTRIES_MAX)] = ENTRIES_DEFAULT,
        stage: str | None = None,
        reason: str | None = None,
    ) -> shapes.QuarantinePage:
        """Records that were refused, oldest first, and how many there are of each reason."""
        name, store = _service(here.services, pipeline).name, here.services.store
        counts = await store.quarantine_counts(name)
        entries = await store.quarantine(name, limit + 1, after, stage=stage, reason=reason)
        return shapes.QuarantinePage(
            counts=[shapes.ReasonCount(stage=one.stage, reason=one.reason, records=one.records) for one in counts],
            entries=[quarantined(entry) for entry in entries[:limit]],
            next=entries[limit - 1].id if len(entries) > limit else None,
        )

    @router.post("/v1/pipelines/{pipeline}/quarantine/replay", tags=["quarantine"], responses=problems(404, 422, 503))
    async def replay(pipeline: _PipelineName, request: shapes.ReplayRequest) -> shapes.ReplayResult:
        """Let refused records return, perhaps mended; once each, however often it is asked. Answered when cuts have
        taken them; a dry run says what would become of them."""
        service = _service(here.services, pipeline)
        fixes = {_id(key): text.encode() for key, text in request.fixes.items()}
        report = await service.quarantine.replay(ReplayRequest(_selection(request), fixes, request.dry_run))
        trial = report.trial
        return shapes.ReplayResult(
            selected=report.selected,
            skipped=report.skipped,
            more=report.more,
            passed=trial.passed,
            filtered=trial.filtered,
            duplicate=trial.duplicate,
            rejected=[
                shapes.ReplayRejection(id=one.id, reason=one.reason, message=one.message) for one in trial.refused
            ],
            late=trial.late,
            dry_run=report.dry_run,
        )

    @router.post("/v1/pipelines/{pipeline}/quarantine/purge", tags=["quarantine"], responses=problems(404, 422, 503))
    async def purge(pipeline: _PipelineName, request: shapes.PurgeRequest) -> shapes.PurgeResult:
        """Delete refused records for good; a dry run says how many."""
        service = _service(here.services, pipeline)
        report = await service.quarantine.purge(_selection(request), dry_run=request.dry_run)
        return shapes.PurgeResult(selected=report.purged, purged=0 if report.dry_run else report.purged)


def _add_results(router: APIRouter, here: Surroundings) -> None:
    encoder = EventEncoder()

    @router.post(
        "/v1/query",
        tags=["results"],
        response_model=shapes.QueryResult,
        responses={**problems(400, 422), 200: {"content": {_CSV: {}, _ARROW: {}}}},
    )
    async def query(request: shapes.QueryRequest, accept: Annotated[str, Header()] = "") -> Response:
        """Rows of one SELECT, as JSON; as CSV or an Arrow stream where Accept asks for it."""
        rows, truncated = await querying.ask(here.services.store, request.sql, request.limit)
        headers = {"x-truncated": "true"} if truncated else {}
        if _ARROW in accept:
            return Response(arrow_bytes(rows), media_type=_ARROW, headers=headers)
        if _CSV in accept:
            return Response(csv_bytes(rows), media_type=_CSV, headers=headers)
        return Response(JSON.encode(querying.result_of(rows, truncated=truncated)), media_type="application/json")

    @router.get(
        "/v1/live/{pipeline}/{view}",
        tags=["results"],
        response_class=Response,
        responses={**problems(404, 422, 503), 200: {"content": {MEDIA_TYPE: {}}, "description": _LIVE_TEXT}},
    )
    async def live(
        pipeline: _PipelineName,
        view: str,
        windows: Annotated[int, Query(ge=1, le=100_000, description="newest windows of a snapshot")] = WINDOWS_DEFAULT,
        last_event_id: Annotated[str, Header(description="id of the last event that is known")] = "",
    ) -> Response:
        """A view's rows as they change: server-sent events, resumable."""
        service = _service(here.services, pipeline)
        if all(known.name != view for known in service.plan.views):
            names = ", ".join(known.name for known in service.plan.views)
            raise Problem(404, "NoSuchView", f"pipeline `{pipeline}` has no view `{view}`; it has {names}")
        feed = service.feeds.get(view)
        if feed is None:
            raise Problem(
                503, "PipelineStarting", f"pipeline `{pipeline}` has not started yet",
                "ask again after the time in Retry-After", headers=(("Retry-After", "1"),),
            )  # fmt: skip
        return LiveResponse(feed, last_event_id or None, windows, encoder, here.closing)


def _add_health(router: APIRouter, here: Surroundings) -> None:
    @router.get("/healthz", tags=["operation"])
    async def healthz() -> shapes.Healthy:
        """Whether the process answers."""
        return shapes.Healthy()

    @router.get("/readyz", tags=["operation"], responses={503: {"model": shapes.Ready}})
    async def readyz(response: Response) -> shapes.Ready:
        """Whether every pipeline runs, and if not, why."""
        reasons = []
        for name, service in sorted(here.services.pipelines.items()):
            if not service.running.is_set():
                report = service.report()
                reasons.append(f"{name} is {report.phase}{f': {report.error}' if report.error else ''}")
        response.status_code = 503 if reasons else 200
        return shapes.Ready(ready=not reasons, reasons=reasons)

    @router.get(
        "/metrics", tags=["operation"], response_class=Response, responses={200: {"content": {"text/plain": {}}}}
    )
    async def prometheus() -> Response:
        """Metrics in Prometheus' text format."""
        return Response(here.metrics.text(), media_type=metrics.MEDIA_TYPE)


_LIVE_TEXT = (
    "`event: snapshot` with {seq, watermark, columns, rows: [{key, values}]}, then `event: changes` with "
    "{seq, watermark, appended, replaced, deleted: [key]}. The `id` of an event, sent as Last-Event-ID, resumes behind "
    "it; what is no longer kept begins with a new snapshot."
)


def _service(services: Services, pipeline: str) -> PipelineService:
    service = services.pipelines.get(pipeline)
    if service is None:
        names: Mapping[str, PipelineService] = services.pipelines
        raise Problem(
            404, "NoSuchPipeline", f"found no pipeline `{pipeline}`; there is {', '.join(sorted(names)) or 'none'}",
            "GET /v1/pipelines lists them",
        )  # fmt: skip
    return service


def _selection(request: shapes.Selection) -> Selection:
    """Raises: Problem when it selects by nothing, or by two things."""
    if (request.ids is None) == (not request.all):
        raise Problem(
            422,
            "NoSelection",
            "found both `ids` and `all`" if request.all else "found neither `ids` nor `all: true`",
            "name the records by `ids`, or say `all: true`, with `stage` and `reason` to narrow it",
        )
    ids = None if request.ids is None else tuple(request.ids)
    return Selection(ids, request.stage, request.reason)


def _id(key: str) -> int:
    if not key.isdecimal():
        raise Problem(422, "BadFix", f"fixes: found the key `{key}`, expected the id of a record in quarantine")
    return int(key)
