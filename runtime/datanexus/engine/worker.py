"""One pipeline in one process: claim, recover, and what a cut is made of.

    start: claim ─▶ recover ─▶ publish what is left in the outbox
    a cut: read_quantum* ─▶ commit (partitions advance, one transaction holds all, sinks are told, perhaps a snapshot)

Who decides when to read and when to cut is not here: `running` goes to the end of the input at fixed counts,
`following` goes on for ever by time.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from datanexus.core.emission import NO_WATERMARK, Emission
from datanexus.core.watermark import MergedWatermark, merged_watermark
from datanexus.engine.program import view_spec
from datanexus.engine.reader import CutSchedule, OpenSplit, logged_splits
from datanexus.engine.recovery import PipelineState, recover
from datanexus.engine.replay import release_replay
from datanexus.engine.snapshot import Captured, Snapshots
from datanexus.plan.physical import PhysicalPlan, SessionPlan
from datanexus.ports.blob import Blobs
from datanexus.ports.log import Log
from datanexus.ports.sink import Sink
from datanexus.ports.source import Source
from datanexus.ports.store import Cut, CutRecord, Fence, OutboxEntry, PipelineRecord, Store, ViewChanges

SNAPSHOT_SHARE = 0.05  # of the time: a snapshot that took 500 ms is followed by the next after 10 s at the earliest
SNAPSHOT_INTERVAL_MIN_S = 5.0  # what a restart replays at the most, besides; the end of a run has one in any case
RETAIN_STEPS = 64  # results stay for at most this much, as a share of `keep`, longer than asked


@dataclass(frozen=True, slots=True)
class Ports:
    """What a worker is given. `sources` as PhysicalPlan.sources; `sinks` by name."""

    store: Store
    blobs: Blobs
    log: Log
    sources: Sequence[Source]
    sinks: Mapping[str, Sink]


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """`reference_us`: the start of this run, by which maxFuture is judged. `snapshot_every_cuts`: None lets the share
    of time decide."""

    reference_us: int
    schedule: CutSchedule
    snapshot_every_cuts: int | None = None


@dataclass(frozen=True, slots=True)
class CutMade:
    """A cut that was committed. `emissions`: per partition, by view."""

    seq: int
    watermark_us: int
    counters: Mapping[str, int]
    emissions: Sequence[Mapping[str, Emission]]


class Worker:
    """The state of one plan and its cuts. Order of calls: `start`, then `read_quantum` and `commit`, `close`."""

    def __init__(
        self,
        plan: PhysicalPlan,
        ports: Ports,
        settings: WorkerSettings,
        committed: Callable[[CutMade], None] = lambda _: None,
    ) -> None:
        """`committed` is called after each commit, before anything else can happen."""
        self.plan = plan
        self._committed = committed
        self.counters: Counter[str] = Counter()
        self.cuts = 0
        self.state_bytes_max = 0
        self._ports = ports
        self._settings = settings
        self._reference_us = settings.reference_us
        self._snapshots = Snapshots(ports.blobs, plan.pipeline)
        self._snapshot_task: asyncio.Task[None] | None = None
        self._snapshot_started_s = time.monotonic()
        self._snapshot_cost_s = 0.0
        self._retained_us = NO_WATERMARK  # the watermark at the last look for old results
        self._fence: Fence
        self._recovered: PipelineState | None = None

    @property
    def state(self) -> PipelineState:
        """Of a started worker."""
        assert self._recovered is not None, "start comes first"
        return self._recovered

    @property
    def notices(self) -> Sequence[str]:
        """What the user should know of the start: skipped snapshots, rotated files."""
        return [*self._snapshots.notices, *(notice for source in self._ports.sources for notice in source.notices())]

    async def start(self, record: PipelineRecord) -> None:
        """Take ownership and bring the state back to the last cut."""
        offsets = {view.name: final_offset_us(self.plan, view.name) for view in self.plan.views}
        views = [view_spec(view) for view in self.plan.views]
        self._fence = await self._ports.store.claim(record, views, offsets)
        self._recovered = await recover(
            self.plan,
            self._fence,
            store=self._ports.store,
            snapshots=self._snapshots,
            log=self._ports.log,
            sources=self._ports.sources,
            schedule=self._settings.schedule,
        )
        await self._publish(await self._ports.store.outbox(self.plan.pipeline))

    async def snapshot_now(self) -> None:
        """Store the state of the last cut and wait for it; nothing to do when that is stored already.

        After a stop the state holds records of the abandoned cut and is no snapshot of the last one: the next start
        replays from the one before.
        """
        await self._await_snapshot()
        if self.state.seq > self.state.snapshot_seq and not self.state.reader.rows_since_cut:
            self._start_snapshot()
            await self._await_snapshot()

    async def close(self) -> None:
        if self._snapshot_task is not None:
            self._snapshot_task.cancel()
        if self._recovered is not None:
            await self._recovered.reader.close()

    async def read_quantum(self, opened: OpenSplit, rows: int, *, following: bool = False) -> None:
        """Read up to `rows` records of one split and fold them into the open cut. `following`: only what is there."""
        state = self.state
        async for chunk in state.reader.read(opened, rows, following=following):
            state.intake.take(opened, chunk, state.watermark_us, self._reference_us)

    def merged_watermark(self) -> MergedWatermark:
        """Where a cut made now would move the watermark, and which split decides it."""
        return merged_watermark(self.state.watermark_us, self.state.reader.clocks)

    def set_reference(self, reference_us: int) -> None:
        """The clock that maxFuture is judged by, from the cut that opens now on. Nothing may have been read of it."""
        self._reference_us = reference_us

    async def commit(self) -> CutMade:
        """Close the open cut: one transaction, then the sinks, then perhaps a snapshot."""
        state = self.state
        self.state_bytes_max = max(self.state_bytes_max, state.nbytes)
        watermark_us = self.merged_watermark().watermark_us
        emissions = state.advance(watermark_us)
        cut = Cut(
            record=CutRecord(
                seq=state.seq + 1,
                watermark_us=watermark_us,
                reference_us=self._reference_us,
                splits=state.reader.splits_json(),
                reads=state.reader.reads_json(),
            ),
            changes=_changes(emissions),
            quarantined=state.intake.quarantined(),
            counters=state.intake.accounts.checked(),
            outbox=self._outbox(emissions, f"{state.seq + 1:012d}"),
            released=tuple(state.intake.released),
        )
        unpublished = await self._ports.store.commit(self.plan.pipeline, self._fence.epoch, cut)
        state.seq = cut.record.seq
        self.cuts += 1
        self.counters.update(cut.counters)
        made = CutMade(cut.record.seq, watermark_us, cut.counters, emissions)
        self._committed(made)
        for split in state.replays.values():
            split.taken(cut.released)
        state.start_cut()
        await self._publish(unpublished)
        await self._retain()
        if self._snapshot_is_due():
            self._start_snapshot()
        return made

    async def commit_terminal(self) -> None:
        """The end-of-input flush: rows of what is still open, marked; the fence and the state stay.

        Where the table holds them already nothing is written.
        """
        if not self.cuts and await self._ports.store.is_terminal(self.plan.pipeline):
            return
        state = self.state
        emissions = [partition.flush() for partition in state.partitions]
        cut = Cut(
            record=CutRecord(state.seq, state.watermark_us, self._reference_us, "{}", "[]"),
            changes=_changes(emissions),
            quarantined=state.intake.quarantined(),
            counters={},
            outbox=self._outbox(emissions, f"{state.seq:012d}-end"),
            terminal=True,
        )
        await self._publish(await self._ports.store.commit(self.plan.pipeline, self._fence.epoch, cut))

    def _outbox(self, emissions: Sequence[Mapping[str, Emission]], suffix: str) -> tuple[OutboxEntry, ...]:
        entries = []
        for sink in self.plan.sinks:
            for number, emission in enumerate(emissions):
                final = emission[sink.view].final
                if final.num_rows:
                    entries.append(OutboxEntry(sink.name, f"{sink.view}-{number:03d}-{suffix}", _ipc(final)))
        return tuple(entries)

    async def _publish(self, entries: Sequence[OutboxEntry]) -> None:
        if not entries:
            return
        for entry in entries:
            sink = self._ports.sinks.get(entry.sink)
            if sink is None:
                continue  # the plan no longer has this sink; its entries go with it
            if entry.rows:
                await sink.publish(entry.name, _sink_rows(entry.rows))
            else:
                await sink.retract(entry.name)
        await self._ports.store.acknowledge(self.plan.pipeline, entries)

    async def _retain(self) -> None:
        """Delete results older than storage.results.keep, counted back from the watermark, whenever that has moved by a
        share of it: deleting at every cut would cost as much as the cut."""
        keep_us, watermark_us = self.plan.keep_results_us, self.state.watermark_us
        if keep_us is None or watermark_us < self._retained_us + keep_us // RETAIN_STEPS:
            return
        self._retained_us = watermark_us
        for view in self.plan.views:
            await self._ports.store.purge(self.plan.pipeline, view.name, watermark_us - keep_us)

    def _snapshot_is_due(self) -> bool:
        if self._snapshot_task is not None and not self._snapshot_task.done():
            return False
        every = self._settings.snapshot_every_cuts
        if every is not None:
            return self.state.seq - self.state.snapshot_seq >= every
        pause_s = max(SNAPSHOT_INTERVAL_MIN_S, self._snapshot_cost_s / SNAPSHOT_SHARE)
        return time.monotonic() - self._snapshot_started_s >= pause_s

    def _start_snapshot(self) -> None:
        """Capture now, store in the background."""
        if self._snapshot_task is not None and self._snapshot_task.done():
            self._snapshot_task.result()
        self._snapshot_started_s = time.monotonic()
        state = self.state
        captured = self._snapshots.capture(
            state.seq, state.watermark_us, state.reader.splits_json(), self.plan.fingerprint, state.partitions
        )
        state.snapshot_seq = state.seq
        self._snapshot_task = asyncio.create_task(self._store_snapshot(captured))

    async def _store_snapshot(self, captured: Captured) -> None:
        oldest = await self._snapshots.store(captured)
        await self._ports.store.forget_cuts(self.plan.pipeline, oldest.seq + 1)
        states = {name: logged.state for name, logged in logged_splits(oldest.splits_json).items()}
        for source in self._ports.sources:
            await source.release(states)
        for split in self.state.replays.values():
            await release_replay(self._ports.log, states, split.source)
        self._snapshot_cost_s = time.monotonic() - self._snapshot_started_s

    async def _await_snapshot(self) -> None:
        if self._snapshot_task is not None:
            await self._snapshot_task
            self._snapshot_task = None


def final_offset_us(plan: PhysicalPlan, view_name: str) -> int:
    """A row is final when window_end + this ≤ watermark: sessions end where the last record may still touch them."""
    view = next(view for view in plan.views if view.name == view_name)
    return view.allowed_lateness_us - (0 if isinstance(view.window, SessionPlan) else 1)


def _changes(emissions: Sequence[Mapping[str, Emission]]) -> tuple[ViewChanges, ...]:
    return tuple(
        ViewChanges(view, number, emission.appended, emission.replaced, emission.deleted)
        for number, by_view in enumerate(emissions)
        for view, emission in by_view.items()
        if emission.appended.num_rows or emission.replaced.num_rows or emission.deleted.num_rows
    )


def _ipc(rows: pa.RecordBatch) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_batch(rows)
    return bytes(sink.getvalue().to_pybytes())


def _sink_rows(stream: bytes) -> pa.Table:
    """Rows as sinks show them: without the key's hash."""
    with pa.ipc.open_stream(stream) as reader:
        return reader.read_all().drop_columns(["key_high", "key_low"])
