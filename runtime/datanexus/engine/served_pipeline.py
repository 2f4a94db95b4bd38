"""A pipeline that is served until told to stop: start, follow, switch to a changed spec, try again after a fault.

A switch is exactly once: the old revision cuts and leaves a snapshot of that cut; the claim of the new one, a single
transaction, makes it the active one; it loads the snapshot and goes on from the same positions. Whatever crash comes in
between, the next start finds one of the two active and does the rest.
"""

import asyncio
import time
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

import pyarrow as pa

from datanexus.engine.agreement import Storage, agree_on_state, forget, forget_log, record_of, stored_resource
from datanexus.engine.disorder import Disorder
from datanexus.engine.feed import Feed
from datanexus.engine.following import FollowedCut, Follower
from datanexus.engine.quarantine import Quarantine
from datanexus.engine.reader import CutSchedule
from datanexus.engine.status import CutTimes, Phase, PipelineReport, RateMeter, Refused, SplitReport, starting_report
from datanexus.engine.worker import CutMade, Worker, WorkerSettings
from datanexus.plan.change import Layout
from datanexus.plan.change_report import change_text, judge_pipelines
from datanexus.plan.physical import PhysicalPlan
from datanexus.plan.planner import plan_pipeline
from datanexus.ports.store import Store
from datanexus_spec.errors import DataNexusError, Incompatible, Unavailable
from datanexus_spec.pipeline import Pipeline

RETRY_FIRST_S = 1.0
RETRY_MAX_S = 30.0
Tell = Callable[[str], None]  # a sentence for whoever watches the process


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """`fresh`: forget what the data folder has of the pipeline before the first start."""

    fresh: bool = False
    schedule: CutSchedule = field(default_factory=CutSchedule)
    snapshot_every_cuts: int | None = None


class PipelineService:
    """Serves one pipeline. `run` once; meanwhile `change` any number of times. `tell` gets sentences for people."""

    def __init__(
        self, resource: Pipeline, plan: PhysicalPlan, storage: Storage, settings: ServiceSettings, tell: Tell
    ) -> None:
        self.resource = resource
        self.plan = plan
        self.storage = storage
        self.disorder = Disorder()
        self.feeds: dict[str, Feed] = {}
        self.running = asyncio.Event()
        self.file: str | None = None  # where its spec stands, for people
        self.cut_times = CutTimes()
        self._settings = settings
        self._tell = tell
        self._halt = asyncio.Event()
        self._worker: Worker | None = None
        self._follower: Follower | None = None
        self._paused_s: float | None = None  # when the revision before stopped reading
        self._meter = RateMeter()
        self._counters: Counter[str] = Counter()
        self._report = starting_report(_now_us())

    # What others ask

    @property
    def name(self) -> str:
        return self.plan.pipeline

    def report(self) -> PipelineReport:
        """How the pipeline is now."""
        rates = self._meter.rates(time.monotonic())
        worker = self._worker
        if worker is None:
            return replace(self._report, rates=rates)
        state, merged = worker.state, worker.merged_watermark()
        return replace(
            self._report,
            seq=state.seq,
            snapshot_seq=state.snapshot_seq,
            watermark_us=state.watermark_us,
            holder=merged.holder,
            watermark_reason=merged.reason,
            rates=rates,
            counters=dict(self._counters),
            state_bytes=state.nbytes,
            splits=[
                SplitReport(
                    name=opened.name,
                    source=worker.plan.sources[opened.source].name,
                    status=opened.clock.status,
                    watermark_us=opened.clock.watermark_us,
                    read_bytes=opened.split.read_bytes,
                    total_bytes=opened.split.total_bytes,
                )
                for opened in state.reader.splits
            ],
            notices=tuple(worker.notices),
        )

    @property
    def quarantine(self) -> Quarantine:
        """What can be done with refused records. Raises: Unavailable while the pipeline does not run."""
        worker, follower = self._worker, self._follower
        if worker is None or follower is None:
            raise Unavailable(
                f"pipeline {self.name}: it is {self._report.phase}, and takes nothing back from quarantine now",
                reason="NotRunning",
                hint="try again when it runs; `datanexus status` shows why it does not",
            )
        return Quarantine(worker.state, self.storage.store, self.storage.log, follower.wake)

    # The life of the service

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop`; then the open cut is committed and a snapshot left."""
        stopping = asyncio.ensure_future(self._halt_on(stop))
        retry_s = RETRY_FIRST_S
        fresh = self._settings.fresh
        try:
            while not stop.is_set():
                self._halt.clear()
                try:
                    await self._serve_revision(fresh=fresh)
                    fresh, retry_s = False, RETRY_FIRST_S
                except DataNexusError as error:
                    self._fail(f"{error.message}\n{error.hint}" if error.hint else error.message)
                    await self._wait_halted(retry_s if isinstance(error, Unavailable) else None)
                    retry_s = min(retry_s * 2, RETRY_MAX_S)
                except Exception as defect:  # noqa: BLE001 - one pipeline's defect must not end the others
                    self._fail("".join(traceback.format_exception(defect)) + "This is a defect of the engine.")
                    await self._wait_halted(None)
        finally:
            stopping.cancel()
            self._enter("stopped")
            for feed in self.feeds.values():
                feed.close()

    async def change(self, resource: Pipeline) -> bool:
        """Switch to a changed spec, or refuse it and go on; says what it means, and returns whether it is taken.

        Raises: InvalidSpec when the spec cannot be planned over the stored state.
        """
        stored = await self.storage.store.pipeline(self.name)
        layout = Layout.from_json(stored.layout) if stored else None
        report = judge_pipelines(self.resource, resource, layout)
        if not report.fields and self._report.error is None:
            return False
        text = change_text(report)
        self._tell(text)
        if report.action is None:
            self._report = replace(self._report, refused=Refused(_now_us(), text))
            return False
        self.resource, self.plan = resource, plan_pipeline(resource, stored_layout=layout)
        self._report = replace(self._report, refused=None)
        self._enter("switching")
        self._halt.set()
        return True

    async def _serve_revision(self, *, fresh: bool) -> None:
        """One revision from claim to a snapshot, until the service is halted."""
        settings = WorkerSettings(_now_us(), self._settings.schedule, self._settings.snapshot_every_cuts)
        if fresh:
            await forget(self.plan, self.storage)
            await forget_log(self.plan, self.storage.log)
        resource, plan = await self._agreed(settings)
        ports = self.storage.ports_of(plan)
        worker = Worker(plan, ports, settings, self._publish)
        try:
            await worker.start(record_of(resource, plan))
            await self._take_up(worker, resource)
            self._follower = Follower(worker, ports.sources, self._observe)
            self._tell_active()
            self._enter("running")
            await self._follower.run(self._halt)
            self._paused_s = time.monotonic()
            await worker.snapshot_now()
        finally:
            self._worker = self._follower = None
            self._report = replace(self._report, splits=())
            await worker.close()

    async def _agreed(self, settings: WorkerSettings) -> tuple[Pipeline, PhysicalPlan]:
        """The spec to serve: the given one, or, when the stored state refuses it, the one that made that state."""
        try:
            return self.resource, await agree_on_state(self.resource, self.plan, self.storage, settings)
        except Incompatible as refusal:
            stored = await self.storage.store.pipeline(self.name)
            if stored is None:
                raise
            self._refuse(refusal)
            return stored_resource(stored)

    async def _take_up(self, worker: Worker, resource: Pipeline) -> None:
        """The worker's state is there: everything that others see is now of its revision."""
        self.resource, self.plan, self._worker = resource, worker.plan, worker
        worker.state.intake.disorder = self.disorder
        self._counters = Counter(await self.storage.store.counters(self.name))
        views = {view.name for view in worker.plan.views}
        for name, feed in list(self.feeds.items()):
            if name not in views or feed.seq != worker.state.seq:
                self.feeds.pop(name).close()
        for name in views - self.feeds.keys():
            self.feeds[name] = Feed(worker.state.seq, worker.state.watermark_us, self._rows_reader(name))

    def _tell_active(self) -> None:
        """Which revision works from now on; after a switch, how long nothing was read."""
        text = f"{self.name}: revision {self.plan.revision} is active"
        if self._paused_s is not None:
            text += f" after a pause of {(time.monotonic() - self._paused_s) * 1e3:.0f} ms"
        self._paused_s = None
        self._tell(text)

    def _rows_reader(self, view: str) -> Callable[[int], Awaitable[pa.Table]]:
        async def read(limit: int) -> pa.Table:
            return await self.storage.store.rows(self.name, view, limit)

        return read

    def _publish(self, made: CutMade) -> None:
        """Right after the commit, before anything else can happen."""
        self._counters.update(made.counters)
        for name, feed in self.feeds.items():
            feed.publish(made.seq, made.watermark_us, [emissions[name] for emissions in made.emissions])

    def _observe(self, followed: FollowedCut) -> None:
        self._meter.add(time.monotonic(), followed.cut.counters)
        self.cut_times.add(followed.seconds)
        self._report = replace(self._report, cut_seconds=followed.seconds)

    def _enter(self, phase: Phase) -> None:
        error = None if phase == "running" else self._report.error
        self._report = replace(self._report, phase=phase, error=error)
        if phase == "running":
            self.running.set()
        else:
            self.running.clear()

    def _fail(self, text: str) -> None:
        self._tell(f"{self.name}: {text}")
        self._report = replace(self._report, error=text)
        self._enter("failed")

    def _refuse(self, refusal: Incompatible) -> None:
        text = f"{refusal.message}\n{refusal.hint}" if refusal.hint else refusal.message
        self._tell(f"{self.name}: the changed spec is refused, the one before goes on\n{text}")
        self._report = replace(self._report, refused=Refused(_now_us(), text))

    async def _halt_on(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._halt.set()

    async def _wait_halted(self, timeout_s: float | None) -> None:
        try:
            await asyncio.wait_for(self._halt.wait(), timeout_s)
        except TimeoutError:
            return


@dataclass(slots=True)
class Services:
    """All pipelines of the process, by name; `pipelines` changes when the files on the command line do."""

    store: Store
    pipelines: dict[str, PipelineService] = field(default_factory=dict)


def _now_us() -> int:
    return time.time_ns() // 1000
