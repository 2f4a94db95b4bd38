"""The life of one pipeline in one process: claim, recover, then cut after cut to the end of its input.

    claim ─▶ recover ─▶ publish what is left in the outbox ─▶ ( read ─▶ cut ─▶ publish ─▶ snapshot )* ─▶ terminal cut

The order inside a cut: partitions advance, one transaction holds everything, then sinks are told, then the snapshot
follows in the background. A stop abandons the open cut, as cuts keep to their schedule.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from datanexus.core.emission import NO_WATERMARK, Emission
from datanexus.core.watermark import merged_watermark
from datanexus.engine.program import view_spec
from datanexus.engine.reader import CutSchedule, OpenSplit, logged_splits
from datanexus.engine.recovery import PipelineState, recover
from datanexus.engine.snapshot import Captured, Snapshots
from datanexus.plan.physical import PhysicalPlan, SessionPlan
from datanexus.ports.blob import Blobs
from datanexus.ports.sink import Sink
from datanexus.ports.source import Source
from datanexus.ports.store import Cut, CutRecord, Fence, OutboxEntry, PipelineRecord, Store, ViewChanges

SNAPSHOT_SHARE = 0.05  # of the time: a snapshot that took 500 ms is followed by the next after 10 s at the earliest
SNAPSHOT_INTERVAL_MIN_S = 5.0  # what a restart replays at the most, besides; the end of a run has one in any case


@dataclass(frozen=True, slots=True)
class Ports:
    """What a worker is given. `sources` as PhysicalPlan.sources; `sinks` by name."""

    store: Store
    blobs: Blobs
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
class Progress:
    """Where a run is, for people. `holder`: the split that decides how far the watermark is."""

    pipeline: str
    records: int
    read_bytes: int
    total_bytes: int | None
    watermark_us: int
    seq: int
    holder: str | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended. `counters` are of this run; `finished` is false after a stop."""

    finished: bool
    records: int
    cuts: int
    replayed_cuts: int
    watermark_us: int
    counters: Mapping[str, int]
    state_bytes_max: int


class Worker:
    """Runs one plan. Order of calls: `start`, `run`, `close`."""

    def __init__(
        self, plan: PhysicalPlan, ports: Ports, settings: WorkerSettings, observe: Callable[[Progress], None]
    ) -> None:
        self._plan = plan
        self._ports = ports
        self._settings = settings
        self._observe = observe
        self._snapshots = Snapshots(ports.blobs, plan.pipeline)
        self._snapshot_task: asyncio.Task[None] | None = None
        self._snapshot_started_s = time.monotonic()
        self._snapshot_cost_s = 0.0
        self._counters: dict[str, int] = {}
        self._cuts = 0
        self._state_bytes_max = 0
        self._fence: Fence
        self._state: PipelineState

    @property
    def state(self) -> PipelineState:
        return self._state

    @property
    def notices(self) -> Sequence[str]:
        """What the user should know of the start: skipped snapshots, rotated files."""
        return [*self._snapshots.notices, *(notice for source in self._ports.sources for notice in source.notices())]

    async def start(self, record: PipelineRecord) -> None:
        """Take ownership and bring the state back to the last cut."""
        offsets = {view.name: final_offset_us(self._plan, view.name) for view in self._plan.views}
        views = [view_spec(view) for view in self._plan.views]
        self._fence = await self._ports.store.claim(record, views, offsets)
        self._state = await recover(
            self._plan,
            self._fence,
            store=self._ports.store,
            snapshots=self._snapshots,
            sources=self._ports.sources,
            schedule=self._settings.schedule,
        )
        await self._publish(await self._ports.store.outbox(self._plan.pipeline))

    async def run(self, stop: asyncio.Event) -> Outcome:
        """Read to the end of the input, or until `stop`."""
        finished = await self._read_all(stop)
        if finished and (self._cuts or not await self._ports.store.is_terminal(self._plan.pipeline)):
            await self._commit_terminal()
        await self.snapshot_now()
        return Outcome(
            finished=finished,
            records=self._counters.get("in", 0),
            cuts=self._cuts,
            replayed_cuts=self._state.replayed_cuts,
            watermark_us=self._state.watermark_us,
            counters=dict(self._counters),
            state_bytes_max=self._state_bytes_max,
        )

    async def snapshot_now(self) -> None:
        """Store the state of the last cut and wait for it; nothing to do when that is stored already.

        After a stop the state holds records of the abandoned cut and is no snapshot of the last one: the next start
        replays from the one before.
        """
        await self._await_snapshot()
        if self._state.seq > self._state.snapshot_seq and not self._state.reader.rows_since_cut:
            self._start_snapshot()
            await self._await_snapshot()

    async def close(self) -> None:
        if self._snapshot_task is not None:
            self._snapshot_task.cancel()
        await self._state.reader.close()

    async def _read_all(self, stop: asyncio.Event) -> bool:
        """Cut after cut; true at the end of the input, false when stopped."""
        stopped = asyncio.ensure_future(stop.wait())
        try:
            while not stop.is_set():
                quantum = self._state.reader.next_quantum()
                if quantum is not None:
                    reading = asyncio.ensure_future(self._read_quantum(*quantum))
                    await asyncio.wait((reading, stopped), return_when=asyncio.FIRST_COMPLETED)
                    if not reading.done():  # a source may wait for input without end
                        reading.cancel()
                        return False
                    reading.result()
                    self._report()
                elif self._state.reader.rows_since_cut:
                    await self._commit()
                else:
                    return True
            return False
        finally:
            stopped.cancel()

    async def _read_quantum(self, opened: OpenSplit, rows: int) -> None:
        state = self._state
        async for chunk in state.reader.read(opened, rows):
            state.intake.take(opened, chunk, state.watermark_us, self._settings.reference_us)

    async def _commit(self) -> None:
        """Close the open cut: one transaction, then the sinks, then perhaps a snapshot."""
        state = self._state
        self._state_bytes_max = max(self._state_bytes_max, sum(partition.nbytes for partition in state.partitions))
        clocks = {opened.name: opened.clock for opened in state.reader.splits}
        watermark_us = merged_watermark(state.watermark_us, clocks).watermark_us
        emissions = state.advance(watermark_us)
        cut = Cut(
            record=CutRecord(
                seq=state.seq + 1,
                watermark_us=watermark_us,
                reference_us=self._settings.reference_us,
                splits=state.reader.splits_json(),
                reads=state.reader.reads_json(),
            ),
            changes=_changes(emissions),
            quarantined=state.intake.quarantined(),
            counters=state.intake.accounts.checked(),
            outbox=self._outbox(emissions, f"{state.seq + 1:012d}"),
        )
        unpublished = await self._ports.store.commit(self._plan.pipeline, self._fence.epoch, cut)
        state.seq = cut.record.seq
        self._cuts += 1
        for name, count in cut.counters.items():
            self._counters[name] = self._counters.get(name, 0) + count
        state.start_cut()
        await self._publish(unpublished)
        await self._retain()
        if self._snapshot_is_due():
            self._start_snapshot()

    async def _commit_terminal(self) -> None:
        """The end-of-input flush: rows of what is still open, marked; the fence and the state stay."""
        state = self._state
        emissions = [partition.flush() for partition in state.partitions]
        cut = Cut(
            record=CutRecord(state.seq, state.watermark_us, self._settings.reference_us, "{}", "[]"),
            changes=_changes(emissions),
            quarantined=state.intake.quarantined(),
            counters={},
            outbox=self._outbox(emissions, f"{state.seq:012d}-end"),
            terminal=True,
        )
        await self._publish(await self._ports.store.commit(self._plan.pipeline, self._fence.epoch, cut))

    def _outbox(self, emissions: Sequence[Mapping[str, Emission]], suffix: str) -> tuple[OutboxEntry, ...]:
        entries = []
        for sink in self._plan.sinks:
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
        await self._ports.store.acknowledge(self._plan.pipeline, entries)

    async def _retain(self) -> None:
        """Delete results older than storage.results.keep, counted back from the watermark."""
        keep_us, watermark_us = self._plan.keep_results_us, self._state.watermark_us
        if keep_us is None or watermark_us == NO_WATERMARK:
            return
        for view in self._plan.views:
            await self._ports.store.purge(self._plan.pipeline, view.name, watermark_us - keep_us)

    def _snapshot_is_due(self) -> bool:
        if self._snapshot_task is not None and not self._snapshot_task.done():
            return False
        every = self._settings.snapshot_every_cuts
        if every is not None:
            return self._state.seq - self._state.snapshot_seq >= every
        pause_s = max(SNAPSHOT_INTERVAL_MIN_S, self._snapshot_cost_s / SNAPSHOT_SHARE)
        return time.monotonic() - self._snapshot_started_s >= pause_s

    def _start_snapshot(self) -> None:
        """Capture now, store in the background."""
        if self._snapshot_task is not None and self._snapshot_task.done():
            self._snapshot_task.result()
        self._snapshot_started_s = time.monotonic()
        state = self._state
        captured = self._snapshots.capture(
            state.seq, state.watermark_us, state.reader.splits_json(), self._plan.fingerprint, state.partitions
        )
        state.snapshot_seq = state.seq
        self._snapshot_task = asyncio.create_task(self._store_snapshot(captured))

    async def _store_snapshot(self, captured: Captured) -> None:
        oldest = await self._snapshots.store(captured)
        await self._ports.store.forget_cuts(self._plan.pipeline, oldest.seq + 1)
        states = {name: logged.state for name, logged in logged_splits(oldest.splits_json).items()}
        for source in self._ports.sources:
            await source.release(states)
        self._snapshot_cost_s = time.monotonic() - self._snapshot_started_s

    async def _await_snapshot(self) -> None:
        if self._snapshot_task is not None:
            await self._snapshot_task
            self._snapshot_task = None

    def _report(self) -> None:
        reader = self._state.reader
        clocks = {opened.name: opened.clock for opened in reader.splits}
        totals = [opened.split.total_bytes for opened in reader.splits]
        self._observe(
            Progress(
                pipeline=self._plan.pipeline,
                records=self._counters.get("in", 0) + reader.rows_since_cut,
                read_bytes=sum(opened.split.read_bytes for opened in reader.splits),
                total_bytes=None if any(total is None for total in totals) else sum(total or 0 for total in totals),
                watermark_us=self._state.watermark_us,
                seq=self._state.seq,
                holder=merged_watermark(self._state.watermark_us, clocks).holder,
            )
        )


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
