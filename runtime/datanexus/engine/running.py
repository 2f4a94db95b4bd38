"""`run`: cuts at fixed record counts until every split is at its end, so that a rerun makes the same cuts.

A stop abandons the open cut, as cuts keep to their schedule. The end of the input has a terminal cut of its own.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from datanexus.engine.accounting import IN
from datanexus.engine.worker import Worker


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


async def run_to_end(worker: Worker, stop: asyncio.Event, observe: Callable[[Progress], None]) -> Outcome:
    """Read a started worker's input to its end, or until `stop`; leaves a snapshot."""
    worker.state.reader.reopen()
    finished = await _read_all(worker, stop, observe)
    if finished:
        await worker.commit_terminal()
    await worker.snapshot_now()
    return Outcome(
        finished=finished,
        records=worker.counters[IN],
        cuts=worker.cuts,
        replayed_cuts=worker.state.replayed_cuts,
        watermark_us=worker.state.watermark_us,
        counters=dict(worker.counters),
        state_bytes_max=worker.state_bytes_max,
    )


async def _read_all(worker: Worker, stop: asyncio.Event, observe: Callable[[Progress], None]) -> bool:
    """Cut after cut; true at the end of the input, false when stopped."""
    stopped = asyncio.ensure_future(stop.wait())
    try:
        while not stop.is_set():
            quantum = worker.state.reader.next_quantum()
            if quantum is not None:
                reading = asyncio.ensure_future(worker.read_quantum(*quantum))
                await asyncio.wait((reading, stopped), return_when=asyncio.FIRST_COMPLETED)
                if not reading.done():  # a source may wait for input without end
                    reading.cancel()
                    return False
                reading.result()
                observe(_progress(worker))
            elif worker.state.reader.rows_since_cut:
                await worker.commit()
            else:
                return True
        return False
    finally:
        stopped.cancel()


def _progress(worker: Worker) -> Progress:
    reader = worker.state.reader
    totals = [opened.split.total_bytes for opened in reader.splits]
    return Progress(
        pipeline=worker.plan.pipeline,
        records=worker.counters[IN] + reader.rows_since_cut,
        read_bytes=sum(opened.split.read_bytes for opened in reader.splits),
        total_bytes=None if any(total is None for total in totals) else sum(total or 0 for total in totals),
        watermark_us=worker.state.watermark_us,
        seq=worker.state.seq,
        holder=worker.merged_watermark().holder,
    )
