"""Composition: plans + settings + adapters → running pipelines. The only module that names adapters.

Embedded mode: one process, one data folder, pipelines one after the other.
"""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from datanexus.adapters.connectors.factory import open_sink, open_source
from datanexus.adapters.embedded.allocation import return_freed_memory
from datanexus.adapters.embedded.blobs import open_blobs
from datanexus.adapters.embedded.data_folder import DataFolder, open_data_folder
from datanexus.adapters.embedded.log import open_log
from datanexus.adapters.embedded.store import DuckStore, open_store
from datanexus.engine.accounting import IN, QUARANTINED
from datanexus.engine.reader import CutSchedule
from datanexus.engine.snapshot import Snapshots
from datanexus.engine.worker import Outcome, Ports, Progress, Worker, WorkerSettings
from datanexus.pipeline_files import PlannedPipeline
from datanexus.plan.change import Layout, judge_change, layout_of, permitted
from datanexus.plan.physical import PhysicalPlan
from datanexus.plan.planner import plan_pipeline
from datanexus.ports.blob import Blobs
from datanexus.ports.failpoint import Reach, guarded
from datanexus.ports.log import Log
from datanexus.ports.sink import Sink
from datanexus.ports.source import Source
from datanexus.ports.store import PipelineRecord, Store
from datanexus_spec.pipeline import Pipeline

FAILPOINT_VARIABLE = "DATANEXUS_FAILPOINT"  # `store.commit:after@3`: the process ends itself there, the third time


@dataclass(frozen=True, slots=True)
class RunSettings:
    """How `datanexus run` behaves. `fresh`: forget what the data folder has of these pipelines and start over."""

    data: Path
    fresh: bool = False
    schedule: CutSchedule = field(default_factory=CutSchedule)
    snapshot_every_cuts: int | None = None
    failpoint: str = ""


@dataclass(frozen=True, slots=True)
class RunSummary:
    """How one pipeline's run ended. `totals`: counters over all runs; those of this run are in the outcome."""

    plan: PhysicalPlan
    outcome: Outcome
    totals: Mapping[str, int]
    notices: Sequence[str]
    seconds: float

    @property
    def quarantine_share(self) -> float:
        """Share of this run's records that went to quarantine."""
        records = self.outcome.counters.get(IN, 0)
        return self.outcome.counters.get(QUARANTINED, 0) / records if records else 0.0

    @property
    def is_quarantine_exceeded(self) -> bool:
        bound = self.plan.quarantine_max
        return bound is not None and self.quarantine_share > bound


async def run_pipelines(
    pipelines: Sequence[PlannedPipeline],
    settings: RunSettings,
    observe: Callable[[Progress], None],
    stop: asyncio.Event,
) -> tuple[RunSummary, ...]:
    """Run each pipeline to the end of its input, or until `stop`; nothing is started after a stop."""
    return_freed_memory()
    summaries: list[RunSummary] = []
    reach = reach_of(settings.failpoint)
    folder = open_data_folder(settings.data)
    try:
        async with _opened_store(folder) as store:
            for pipeline in pipelines:
                if stop.is_set():
                    break
                log = open_log(folder.log_path, pipeline.plan.pipeline)
                try:
                    adapters = _Adapters(
                        store=guarded(store, Store, reach),
                        blobs=guarded(open_blobs(folder.blobs_path), Blobs, reach),
                        log=guarded(log, Log, reach),
                        reach=reach,
                    )
                    summaries.append(await _run_one(pipeline, settings, adapters, observe, stop))
                finally:
                    await log.close()
    finally:
        folder.close()
    return tuple(summaries)


def reach_of(failpoint: str) -> Reach:
    """What reaching a failpoint does: end the process at the named one, at its n-th time (`name@n`); else nothing."""
    name, _, nth = failpoint.partition("@")
    seen: Counter[str] = Counter()

    def reach(point: str) -> None:
        seen[point] += 1
        if point == name and seen[point] == int(nth or 1):
            os.kill(os.getpid(), signal.SIGKILL)

    return reach


@asynccontextmanager
async def _opened_store(folder: DataFolder) -> AsyncIterator[DuckStore]:
    store = open_store(folder.store_path)
    try:
        yield store
    finally:
        await store.close()


async def _run_one(
    pipeline: PlannedPipeline,
    settings: RunSettings,
    adapters: "_Adapters",
    observe: Callable[[Progress], None],
    stop: asyncio.Event,
) -> RunSummary:
    """One pipeline from claim to close."""
    started_s = time.monotonic()
    plan = await _agree_on_state(pipeline, settings, adapters)
    worker = Worker(plan, adapters.ports(plan, pipeline.folder), _worker_settings(settings), observe)
    await worker.start(_record(pipeline.resource, plan))
    try:
        outcome = await worker.run(stop)
    finally:
        await worker.close()
    return RunSummary(
        plan=plan,
        outcome=outcome,
        totals=await adapters.store.counters(plan.pipeline),
        notices=tuple(worker.notices),
        seconds=time.monotonic() - started_s,
    )


@dataclass(frozen=True, slots=True)
class _Adapters:
    store: Store
    blobs: Blobs
    log: Log
    reach: Reach

    def ports(self, plan: PhysicalPlan, folder: Path) -> Ports:
        """Everything a worker of this plan needs; relative paths count from the pipeline file's folder."""
        return Ports(
            store=self.store,
            blobs=self.blobs,
            sources=[guarded(open_source(source, folder, self.log), Source, self.reach) for source in plan.sources],
            sinks={sink.name: guarded(open_sink(sink, folder), Sink, self.reach) for sink in plan.sinks},
        )


async def _agree_on_state(pipeline: PlannedPipeline, settings: RunSettings, adapters: _Adapters) -> PhysicalPlan:
    """Compare the plan with what is stored; start over where that is asked for, else bring the state to a snapshot that
    the new plan can load. Raises: Incompatible, with nothing changed."""
    name = pipeline.plan.pipeline
    if settings.fresh:
        await _forget(pipeline, adapters)
        await _forget_log(pipeline, adapters)
    stored = await adapters.store.pipeline(name)
    if stored is None:
        return pipeline.plan
    layout = Layout.from_json(stored.layout)
    plan = plan_pipeline(pipeline.resource, stored_layout=layout)
    change = pipeline.resource.spec.state_change
    action = permitted(
        name,
        judge_change(layout, plan),
        action=change.action if change else None,
        from_revision=change.origin if change else None,
    )
    if action != "Continue":
        await _forget(pipeline, adapters, goes_on=action == "Reset")
        return pipeline.plan
    if stored.revision != plan.revision:
        await _settle(stored, pipeline, settings, adapters)
    return plan


async def _forget(pipeline: PlannedPipeline, adapters: _Adapters, *, goes_on: bool = False) -> None:
    """Remove what earlier runs of a pipeline left: snapshots, sink files, rows. With `goes_on` the next run reads from
    where the last cut stood.

    The store goes last: after a crash in between, the next start finds it and does all of this again.
    """
    name = pipeline.plan.pipeline
    cuts = await adapters.store.cuts(name, 0)
    for blob in await adapters.blobs.names(f"{name}/"):
        await adapters.blobs.delete(blob)
    for sink in adapters.ports(pipeline.plan, pipeline.folder).sinks.values():
        await sink.clear()
    if goes_on and cuts:
        await Snapshots(adapters.blobs, name).store_empty(cuts[-1].splits, pipeline.plan.fingerprint)
    await adapters.store.forget(name)


async def _forget_log(pipeline: PlannedPipeline, adapters: _Adapters) -> None:
    """`--fresh` alone gives up what only the log has; a rebuild replays it."""
    for source in pipeline.plan.sources:
        await adapters.log.trim(source.name, await adapters.log.end(source.name))


async def _settle(
    stored: PipelineRecord, pipeline: PlannedPipeline, settings: RunSettings, adapters: _Adapters
) -> None:
    """No cut is replayed by another revision: the stored one recovers to its last cut and leaves a snapshot there.

    Where that snapshot stands already the old sources are not opened: they may be what was mistaken in the old spec.
    """
    if await _is_settled(stored.name, adapters):
        return
    resource = Pipeline.model_validate_json(stored.spec)
    plan = plan_pipeline(resource, stored_layout=Layout.from_json(stored.layout))
    worker = Worker(plan, adapters.ports(plan, pipeline.folder), _worker_settings(settings), lambda _: None)
    await worker.start(stored)
    try:
        await worker.snapshot_now()
    finally:
        await worker.close()


async def _is_settled(pipeline: str, adapters: _Adapters) -> bool:
    cuts = await adapters.store.cuts(pipeline, 0)
    if not cuts:
        return True
    newest = await Snapshots(adapters.blobs, pipeline).newest(cuts[-1].seq)
    return newest is not None and newest.seq == cuts[-1].seq


def _record(resource: Pipeline, plan: PhysicalPlan) -> PipelineRecord:
    return PipelineRecord(
        name=plan.pipeline,
        revision=plan.revision,
        spec=resource.model_dump_json(by_alias=True, exclude_unset=True),
        layout=layout_of(plan).to_json(),
    )


def _worker_settings(settings: RunSettings) -> WorkerSettings:
    return WorkerSettings(
        reference_us=time.time_ns() // 1000,
        schedule=settings.schedule,
        snapshot_every_cuts=settings.snapshot_every_cuts,
    )
