"""`up`: read what comes, cut by time, for ever.

A split that was read dry rests for a moment, so that what comes gathers and is decoded at once. A cut follows soon
after its first record: at once when the last one is long past, else after a pause that grows with what a cut costs, so
that cuts take a bounded share of the time. Order of reading and cutting is free, as a cut logs what it read; only `run`
has a fixed schedule.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from datanexus.core.watermark import SplitStatus
from datanexus.engine.reader import OpenSplit
from datanexus.engine.worker import CutMade, Worker
from datanexus.ports.source import Source, SplitName

CUT_PAUSE_MIN_S = 0.04
GATHER_S = 0.02  # a split that was read dry is left alone so long, or until the cut: many records cost less at once
CUT_SHARE = 0.2  # of the time, at most, while records keep coming: a cut of 15 ms is followed by the next after 60 ms
JUDGED_CUTS = 3  # the cheapest of the last ones says what a cut costs: a disk that stalls once delays no further rows
# From so many records a second on cuts give way to records: they wait longer for their rows, which is not long.
MANY_PER_S = 100_000
CUT_SHARE_OF_MANY, CUT_PAUSE_OF_MANY_S = 0.05, 0.25  # of the time; and no longer
REFRESH_S = 0.1  # between looks for growth, rotation and new files


@dataclass(frozen=True, slots=True)
class FollowedCut:
    """A cut made while following. `seconds`: what it cost."""

    cut: CutMade
    seconds: float


class Follower:
    """Keeps a started worker going. `sources` as PhysicalPlan.sources; `observe` is told of each cut.

    Order of calls: `run` until `stop` is set; then the open cut is committed, and the worker may leave a snapshot.
    """

    def __init__(self, worker: Worker, sources: Sequence[Source], observe: Callable[[FollowedCut], None]) -> None:
        self._worker = worker
        self._sources = sources
        self._observe = observe
        self._arrived = asyncio.Event()
        self._cut_at_s = 0.0
        self._pause_s = CUT_PAUSE_MIN_S
        self._costs_s: deque[float] = deque(maxlen=JUDGED_CUTS)
        self._refreshed_s = 0.0
        self._heard_s: dict[SplitName, float] = {}
        self._dry_s: dict[SplitName, float] = {}  # when a split last gave less than was asked for
        self._idle_after_s = worker.plan.watermark.idle_after_us / 1e6

    async def run(self, stop: asyncio.Event) -> None:
        """Read and cut until `stop`."""
        for source in self._sources:
            source.watch(self.wake)
        self._open_cut()
        waiting = asyncio.ensure_future(self._wake_on(stop))
        try:
            while not stop.is_set():
                if self._cut_is_due():
                    await self._read_resting()
                    await self._cut()
                elif not await self._read_ready(stop):
                    await self._look_around()
            if self._has_something_to_cut():
                await self._cut()
        finally:
            waiting.cancel()

    def wake(self) -> None:
        """Something may be ready."""
        self._arrived.set()

    async def _wake_on(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._arrived.set()

    async def _read_ready(self, stop: asyncio.Event) -> bool:
        """Read one quantum of a split that has records; false when none has, or the cut is full."""
        self._arrived.clear()
        reader, rests_s = self._worker.state.reader, self._rests_s()
        chosen = reader.next_ready(lambda name: name not in rests_s)
        if chosen is not None:
            await self._read(*chosen)
        elif reader.next_ready(rests_s.__contains__) is not None:
            await _wait(stop, min(rests_s.values(), default=0.0))
        else:
            return False
        if not stop.is_set():
            await asyncio.sleep(0)  # requests are answered between two quanta
        return True

    async def _read_resting(self) -> None:
        """What has gathered is in the cut, too."""
        resting = set(self._rests_s(at_cut=True))
        while (chosen := self._worker.state.reader.next_ready(resting.__contains__)) is not None:
            resting.remove(chosen[0].name)
            await self._read(*chosen)

    def _rests_s(self, *, at_cut: bool = False) -> Mapping[SplitName, float]:
        """How long splits that were read dry are left alone from now on; never beyond the cut."""
        now_s = time.monotonic()
        cut_s = math.inf if at_cut else self._cut_at_s + self._pause_s
        ends_s = {name: min(dry_s + GATHER_S, cut_s) for name, dry_s in self._dry_s.items()}
        return {name: end_s - now_s for name, end_s in ends_s.items() if end_s > now_s}

    async def _read(self, opened: OpenSplit, rows: int) -> None:
        before = opened.read
        await self._worker.read_quantum(opened, rows, following=True)
        now_s = self._heard_s[opened.name] = time.monotonic()
        if opened.read - before < rows:
            self._dry_s[opened.name] = now_s

    async def _look_around(self) -> None:
        """Nothing is ready: look for new input from time to time, let silent splits go idle, and wait."""
        now_s = time.monotonic()
        if now_s - self._refreshed_s >= REFRESH_S:
            await self._refresh()
            self._refreshed_s = time.monotonic()
            self._let_silent_splits_idle()
            return
        until_s = self._refreshed_s + REFRESH_S
        if self._has_something_to_cut():
            until_s = min(until_s, self._cut_at_s + self._pause_s)
        try:
            await asyncio.wait_for(self._arrived.wait(), max(until_s - now_s, 0.001))
        except TimeoutError:
            return

    async def _refresh(self) -> None:
        for index, source in enumerate(self._sources):
            for split in await source.refresh():
                self._worker.state.reader.add(split, index)

    def _let_silent_splits_idle(self) -> None:
        """A split that is caught up and has been silent for idleAfter no longer holds the watermark back."""
        now_s = time.monotonic()
        for opened in self._worker.state.reader.splits:
            heard_s = self._heard_s.setdefault(opened.name, now_s)
            if opened.split.ready or opened.clock.status is not SplitStatus.ACTIVE:
                continue
            if now_s - heard_s >= self._idle_after_s:
                opened.clock = opened.clock.idle()

    def _has_something_to_cut(self) -> bool:
        state = self._worker.state
        return bool(state.reader.rows_since_cut) or self._worker.merged_watermark().watermark_us > state.watermark_us

    def _cut_is_due(self) -> bool:
        if not self._has_something_to_cut():
            return False
        return self._worker.state.reader.is_cut_full or time.monotonic() - self._cut_at_s >= self._pause_s

    async def _cut(self) -> None:
        started_s = time.monotonic()
        rows_per_s = self._worker.state.reader.rows_since_cut / (started_s - self._cut_at_s)
        made = await self._worker.commit()
        self._cut_at_s = time.monotonic()
        cost_s = self._cut_at_s - started_s
        self._costs_s.append(cost_s)
        self._pause_s = _pause_s(min(self._costs_s), rows_per_s)
        self._open_cut()
        self._observe(FollowedCut(made, cost_s))

    def _open_cut(self) -> None:
        self._worker.set_reference(time.time_ns() // 1000)


def _pause_s(cost_s: float, rows_per_s: float) -> float:
    """How long the next cut waits behind one that cost so much, while so many records come."""
    usual_s = max(CUT_PAUSE_MIN_S, cost_s * (1 / CUT_SHARE - 1))
    if rows_per_s < MANY_PER_S:
        return usual_s
    return max(usual_s, min(CUT_PAUSE_OF_MANY_S, cost_s * (1 / CUT_SHARE_OF_MANY - 1)))


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    """Until `stop`, and so long at most."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
