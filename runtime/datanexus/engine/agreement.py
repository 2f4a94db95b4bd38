"""Before a pipeline starts or switches: compare the new plan with the stored state, and bring that to where both agree.

No cut is replayed by another revision: the stored one recovers to its last cut and leaves a snapshot there. Whatever
crash comes in between, the next start finds the old revision stored and does all of this again.
"""

from collections.abc import Callable
from dataclasses import dataclass

from datanexus.engine.replay import replay_name
from datanexus.engine.snapshot import Snapshots
from datanexus.engine.worker import Ports, Worker, WorkerSettings
from datanexus.plan.change import Layout, judge_change, layout_of, permitted
from datanexus.plan.physical import PhysicalPlan
from datanexus.plan.planner import plan_pipeline
from datanexus.ports.blob import Blobs
from datanexus.ports.log import Log
from datanexus.ports.store import PipelineRecord, Store
from datanexus_spec.pipeline import Pipeline


@dataclass(frozen=True, slots=True)
class Storage:
    """Where one pipeline's state is. `ports_of`: opens everything a worker of a plan needs on top of it."""

    store: Store
    blobs: Blobs
    log: Log
    ports_of: Callable[[PhysicalPlan], Ports]


def record_of(resource: Pipeline, plan: PhysicalPlan) -> PipelineRecord:
    """What the store keeps of a pipeline once this plan is the active one."""
    return PipelineRecord(
        name=plan.pipeline,
        revision=plan.revision,
        spec=resource.model_dump_json(by_alias=True, exclude_unset=True),
        layout=layout_of(plan).to_json(),
    )


def stored_resource(record: PipelineRecord) -> tuple[Pipeline, PhysicalPlan]:
    """The active spec of a data folder, with its plan."""
    resource = Pipeline.model_validate_json(record.spec)
    return resource, plan_pipeline(resource, stored_layout=Layout.from_json(record.layout))


async def agree_on_state(
    resource: Pipeline, plan: PhysicalPlan, storage: Storage, settings: WorkerSettings
) -> PhysicalPlan:
    """The plan to run over the stored state. Starts over where the spec's stateChange says so, else brings the state to
    a snapshot that the new plan can load. Raises: Incompatible, with nothing changed.
    """
    stored = await storage.store.pipeline(plan.pipeline)
    if stored is None:
        return plan
    layout = Layout.from_json(stored.layout)
    agreed = plan_pipeline(resource, stored_layout=layout)
    change = resource.spec.state_change
    action = permitted(
        plan.pipeline,
        judge_change(layout, agreed),
        action=change.action if change else None,
        from_revision=change.origin if change else None,
    )
    if action == "Rebuild":
        await _forget_copies(plan, storage.log)
    if action != "Continue":
        await forget(plan, storage, goes_on=action == "Reset")
        return plan
    if stored.revision != agreed.revision:
        await _settle(stored, storage, settings)
    return agreed


async def forget(plan: PhysicalPlan, storage: Storage, *, goes_on: bool = False) -> None:
    """Remove what earlier runs of a pipeline left: snapshots, sink files, rows. With `goes_on` the next run reads from
    where the last cut stood.

    The store goes last: after a crash in between, the next start finds it and does all of this again.
    """
    cuts = await storage.store.cuts(plan.pipeline, 0)
    for blob in await storage.blobs.names(f"{plan.pipeline}/"):
        await storage.blobs.delete(blob)
    for sink in storage.ports_of(plan).sinks.values():
        await sink.clear()
    if goes_on and cuts:
        await Snapshots(storage.blobs, plan.pipeline).store_empty(cuts[-1].splits, plan.fingerprint)
    await storage.store.forget(plan.pipeline)


async def forget_log(plan: PhysicalPlan, log: Log) -> None:
    """`--fresh` alone gives up what only the log has; a rebuild replays it."""
    for source in plan.sources:
        for name in (source.name, replay_name(source.name)):
            await log.forget(name)


async def _forget_copies(plan: PhysicalPlan, log: Log) -> None:
    """A rebuild reads files from their beginning, not from where the log's copy of them begins.

    What was trimmed of that is in the files alone. Of a file that is gone nothing is read again.
    """
    for source in plan.sources:
        if source.files is not None:
            await log.forget(source.name)


async def _settle(stored: PipelineRecord, storage: Storage, settings: WorkerSettings) -> None:
    """Leave a snapshot of the stored revision at its last cut.

    Where that snapshot stands already the old sources are not opened: they may be what was mistaken in the old spec.
    """
    if await _is_settled(stored.name, storage):
        return
    _, plan = stored_resource(stored)
    worker = Worker(plan, storage.ports_of(plan), settings)
    await worker.start(stored)
    try:
        await worker.snapshot_now()
    finally:
        await worker.close()


async def _is_settled(pipeline: str, storage: Storage) -> bool:
    cuts = await storage.store.cuts(pipeline, 0)
    if not cuts:
        return True
    newest = await Snapshots(storage.blobs, pipeline).newest(cuts[-1].seq)
    return newest is not None and newest.seq == cuts[-1].seq
