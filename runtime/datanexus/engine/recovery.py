"""Bring a pipeline's state back to its last cut: newest good snapshot, then the logged cuts again.

A logged cut names what was read, the watermark it moved to and the clock it used; reading is deterministic, so the
replay ends in the same state, bit for bit. Nothing is written meanwhile: the outputs of these cuts are in the store.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from datanexus.core.emission import NO_WATERMARK, Emission
from datanexus.core.watermark import SplitClock
from datanexus.engine.decode import source_decoder
from datanexus.engine.intake import Intake
from datanexus.engine.partition import Partition
from datanexus.engine.program import Program
from datanexus.engine.reader import CutSchedule, OpenSplit, Reader, logged_reads, logged_splits
from datanexus.engine.replay import ReplaySplit, open_replay
from datanexus.engine.snapshot import Snapshots
from datanexus.plan.physical import PhysicalPlan
from datanexus.ports.log import Log
from datanexus.ports.source import Source
from datanexus.ports.store import CutRecord, Fence, Store
from datanexus_spec.errors import Corrupt


@dataclass(slots=True)
class PipelineState:
    """Everything of a pipeline that lives in memory, as of a cut."""

    plan: PhysicalPlan
    partitions: Sequence[Partition]
    intake: Intake
    reader: Reader
    watermark_us: int
    seq: int
    snapshot_seq: int  # 0: there is none
    replays: dict[int, ReplaySplit]  # of sources of which records ever returned from quarantine
    replayed_cuts: int = 0

    def advance(self, watermark_us: int) -> Sequence[Mapping[str, Emission]]:
        """Move all partitions to the watermark of a cut: partial aggregates first, then each view. Per partition."""
        for view in self.plan.views:
            if view.two_stage:
                for source in self.partitions:
                    for target, partials in source.drain(view.name).items():
                        self.partitions[target].merge(view.name, partials)
        self.watermark_us = watermark_us
        return [partition.advance(watermark_us) for partition in self.partitions]

    @property
    def nbytes(self) -> int:
        """Bytes of the state arrays."""
        return sum(partition.nbytes for partition in self.partitions)

    def start_cut(self) -> None:
        """Begin the next cut."""
        self.reader.start_cut()
        self.intake.start_cut()


async def recover(
    plan: PhysicalPlan,
    fence: Fence,
    *,
    store: Store,
    snapshots: Snapshots,
    log: Log,
    sources: Sequence[Source],
    schedule: CutSchedule,
) -> PipelineState:
    """The state at the fence. Raises: Corrupt, naming the cut and the split, when a logged cut cannot be replayed."""
    partitions = [Partition(plan, number) for number in range(plan.partitions)]
    snapshot = await snapshots.newest(fence.seq)
    splits_json, seq, watermark_us = "{}", 0, NO_WATERMARK
    if snapshot is not None:
        splits_json, seq, watermark_us = snapshot.splits_json, snapshot.seq, snapshot.watermark_us
        for partition, components in zip(partitions, snapshot.partitions, strict=False):
            partition.restore(components)
        snapshots.remember(snapshot, partitions)
    cuts = await store.cuts(plan.pipeline, seq)
    _check_log(plan.pipeline, seq, cuts, fence)
    decoders = [source_decoder(source, plan.record) for source in plan.sources]
    splits = await _open_splits(sources, splits_json)
    replays = await _open_replays(plan, log, splits_json)
    splits += [OpenSplit(split, index, SplitClock().idle()) for index, split in replays.items()]
    state = PipelineState(
        plan=plan,
        partitions=partitions,
        intake=Intake(plan, Program(plan), decoders, partitions),
        reader=Reader(splits, schedule),
        watermark_us=watermark_us,
        seq=seq,
        snapshot_seq=seq,
        replays=replays,
    )
    try:
        for cut in cuts:
            await _replay(state, cut)
    except BaseException:
        await state.reader.close()
        raise
    return state


async def _open_splits(sources: Sequence[Source], splits_json: str) -> list[OpenSplit]:
    logged = logged_splits(splits_json)
    opened: list[OpenSplit] = []
    for index, source in enumerate(sources):
        for split in await source.open({name: entry.state for name, entry in logged.items()}):
            entry = logged.get(split.name)
            opened.append(OpenSplit(split, index, entry.clock if entry else SplitClock()))
    return opened


async def _open_replays(plan: PhysicalPlan, log: Log, splits_json: str) -> dict[int, ReplaySplit]:
    states = {name: logged.state for name, logged in logged_splits(splits_json).items()}
    opened = {index: await open_replay(log, source.name, states) for index, source in enumerate(plan.sources)}
    return {index: split for index, split in opened.items() if split is not None}


async def _replay(state: PipelineState, cut: CutRecord) -> None:
    """Make a logged cut again."""
    reader = state.reader
    for name, rows in logged_reads(cut.reads):
        opened = reader.by_name(name)
        before = opened.read
        async for chunk in reader.read(opened, rows):
            state.intake.take(opened, chunk, state.watermark_us, cut.reference_us)
        if opened.read - before != rows:
            raise _cannot_replay(
                cut, name, f"{rows} records were read from it then, {opened.read - before} are there now"
            )
    logged = logged_splits(cut.splits)
    for name in {name for name, _ in logged_reads(cut.reads)}:
        if dict(reader.by_name(name).split.state()) != dict(logged[name].state):
            raise _cannot_replay(cut, name, "its content is not what was read then")
    for opened in reader.splits:
        if entry := logged.get(opened.name):
            opened.clock = entry.clock
    state.advance(cut.watermark_us)
    state.seq = cut.seq
    state.replayed_cuts += 1
    state.start_cut()


def _check_log(pipeline: str, seq: int, cuts: Sequence[CutRecord], fence: Fence) -> None:
    expected = list(range(seq + 1, fence.seq + 1))
    found = [cut.seq for cut in cuts]
    if found != expected:
        raise Corrupt(
            f"pipeline `{pipeline}`: its last cut is {fence.seq} and its newest readable snapshot is of cut {seq}, "
            f"but the log of cuts has {found or 'none'} in between",
            reason="CutsMissing",
            hint="Restore the data folder from a copy, or start over with --fresh.",
        )


def _cannot_replay(cut: CutRecord, split: str, why: str) -> Corrupt:
    return Corrupt(
        f"cut {cut.seq} cannot be replayed: split `{split}`: {why}",
        reason="SourceChanged",
        hint="Put the file back as it was, or start over with --fresh.",
    )
