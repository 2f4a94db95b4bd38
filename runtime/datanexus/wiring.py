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
from datanexus.adapters.embedded.startup_code import return_startup_code
from datanexus.adapters.embedded.store import SERVE_MEMORY_BYTES, memory_for, open_store
from datanexus.engine.accounting import IN, QUARANTINED
from datanexus.engine.agreement import Storage, agree_on_state, forget, forget_log, record_of
from datanexus.engine.reader import CutSchedule
from datanexus.engine.running import Outcome, Progress, run_to_end
from datanexus.engine.worker import Ports, Worker, WorkerSettings
from datanexus.pipeline_files import PlannedPipeline
from datanexus.plan.physical import PhysicalPlan
from datanexus.ports.blob import Blobs
from datanexus.ports.failpoint import Reach, guarded
from datanexus.ports.log import Log
from datanexus.ports.sink import Sink
from datanexus.ports.source import Source
from datanexus.ports.store import Store
from datanexus_spec.errors import InvalidInput

_ROW_COLUMNS = 8  # of a view beside its groups and aggregates: window, key hash, states

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
    summaries: list[RunSummary] = []
    memory_bytes = memory_for(max((_columns(pipeline.plan) for pipeline in pipelines), default=0))
    async with opened_adapters(settings.data, settings.failpoint, memory_bytes) as adapters:
        for pipeline in pipelines:
            if stop.is_set():
                break
            log = open_log(adapters.folder.log_path, pipeline.plan.pipeline)
            try:
                storage = adapters.storage(pipeline, log, follow=False)
                summaries.append(await _run_one(pipeline, settings, storage, observe, stop))
            finally:
                await log.close()
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


async def _run_one(
    pipeline: PlannedPipeline,
    settings: RunSettings,
    storage: Storage,
    observe: Callable[[Progress], None],
    stop: asyncio.Event,
) -> RunSummary:
    """One pipeline from claim to close."""
    started_s = time.monotonic()
    _refuse_http(pipeline.plan)
    worker_settings = WorkerSettings(time.time_ns() // 1000, settings.schedule, settings.snapshot_every_cuts)
    if settings.fresh:
        await forget(pipeline.plan, storage)
        await forget_log(pipeline.plan, storage.log)
    plan = await agree_on_state(pipeline.resource, pipeline.plan, storage, worker_settings)
    worker = Worker(plan, storage.ports_of(plan), worker_settings)
    await worker.start(record_of(pipeline.resource, plan))
    try:
        outcome = await run_to_end(worker, stop, observe)
    finally:
        await worker.close()
    return RunSummary(
        plan=plan,
        outcome=outcome,
        totals=await storage.store.counters(plan.pipeline),
        notices=tuple(worker.notices),
        seconds=time.monotonic() - started_s,
    )


def _columns(plan: PhysicalPlan) -> int:
    """How many columns a cut may write into."""
    return sum(len(view.group_by) + len(view.aggregates) + _ROW_COLUMNS for view in plan.views)


def _refuse_http(plan: PhysicalPlan) -> None:
    for source in plan.sources:
        if source.http is not None:
            raise InvalidInput(
                f"pipeline {plan.pipeline}: source {source.name} takes records by HTTP, which has no end to run to",
                reason="NeedsUp",
                hint="serve it with `datanexus up`",
            )


@dataclass(frozen=True, slots=True)
class Adapters:
    """The open adapters of one data folder; gives each pipeline its own view of them."""

    folder: DataFolder
    store: Store
    reach: Reach

    def storage(self, pipeline: PlannedPipeline, log: Log, *, follow: bool) -> Storage:
        """Where a pipeline's state is; relative paths count from the pipeline file's folder."""
        guarded_log = guarded(log, Log, self.reach)

        def ports_of(plan: PhysicalPlan) -> Ports:
            sources = [open_source(source, pipeline.folder, guarded_log, follow=follow) for source in plan.sources]
            return Ports(
                store=self.store,
                blobs=blobs,
                log=guarded_log,
                sources=[guarded(source, Source, self.reach) for source in sources],
                sinks={sink.name: guarded(open_sink(sink, pipeline.folder), Sink, self.reach) for sink in plan.sinks},
            )

        blobs = guarded(open_blobs(self.folder.blobs_path), Blobs, self.reach)
        return Storage(self.store, blobs, guarded_log, ports_of)


@asynccontextmanager
async def opened_adapters(
    data: Path, failpoint: str, memory_bytes: int = SERVE_MEMORY_BYTES
) -> AsyncIterator[Adapters]:
    """Take a data folder and open what is in it. `memory_bytes`: for the store's buffers."""
    return_freed_memory()
    folder = open_data_folder(data)
    try:
        reach = reach_of(failpoint)
        store = open_store(folder.store_path, memory_bytes=memory_bytes)
        return_startup_code()
        try:
            yield Adapters(folder, guarded(store, Store, reach), reach)
        finally:
            await store.close()
    finally:
        folder.close()
