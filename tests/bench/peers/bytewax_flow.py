"""Bytewax: `python -m tests.bench.peers.bytewax_flow FILE`, a line of JSON as answer.

One worker, no recovery store. Lines come in batches as large as the engine's cuts, as small ones cost Bytewax a walk
over every key each. Repeats are held back by a set in the parsing step: quicker than keyed state, and never forgotten.
"""

import itertools
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import bytewax.operators as op
import msgspec
from bytewax.dataflow import Dataflow
from bytewax.inputs import DynamicSource, StatelessSourcePartition
from bytewax.operators import windowing
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.testing import run_main

from tests.bench.question import DELAY_MS, TOTALS, WINDOW_MS

_BATCH_LINES = 131_072
_REPEATS = 3
_START = datetime(2025, 1, 1, tzinfo=UTC)


class Bid(msgspec.Struct, gc=False):
    """One line."""

    event_id: str
    auction: int
    price: int
    ts: datetime


class Lines(DynamicSource):  # type: ignore[misc]
    """A file's lines in batches."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def build(self, *_worker: object) -> "LinesPartition":
        return LinesPartition(self._path)


class LinesPartition(StatelessSourcePartition):  # type: ignore[misc]
    """The only partition."""

    def __init__(self, path: Path) -> None:
        self._lines: Iterator[bytes] = path.open("rb")

    def next_batch(self) -> list[bytes]:
        batch = list(itertools.islice(self._lines, _BATCH_LINES))
        if not batch:
            raise StopIteration
        return batch


class Total(DynamicSink, StatelessSinkPartition):  # type: ignore[misc]
    """Adds up the rows that come out."""

    def __init__(self) -> None:
        self.totals = [0, 0, 0]

    def build(self, *_worker: object) -> "Total":
        return self

    def write_batch(self, items: list[Any]) -> None:
        for _key, (_window, row) in items:
            self.totals[0] += 1
            self.totals[1] += row[0]
            self.totals[2] += row[1]


def main() -> None:
    path = Path(sys.argv[1])
    seconds = []
    for _ in range(_REPEATS):
        total = Total()
        bids = flow(path, total)
        started = time.process_time()
        run_main(bids)
        seconds.append(time.process_time() - started)
    answer = dict(zip(TOTALS, total.totals, strict=True))
    print(json.dumps({"cpu_s": statistics.median(seconds), "version": version("bytewax"), **answer}))


def flow(path: Path, total: Total) -> Dataflow:
    """Lines → bids → once each → by auction → windows → totals."""
    bids = Dataflow("bids")
    stream = op.filter_map("bid", op.input("lines", bids, Lines(path)), once())
    keyed = op.key_on("auction", stream, lambda bid: str(bid.auction))
    rows = windowing.fold_window(
        "window",
        keyed,
        windowing.EventClock(lambda bid: bid.ts, wait_for_system_duration=timedelta(milliseconds=DELAY_MS)),
        windowing.TumblingWindower(length=timedelta(milliseconds=WINDOW_MS), align_to=_START),
        lambda: [0, 0, 1 << 62, -1],
        fold,
        lambda one, other: [one[0] + other[0], one[1] + other[1], min(one[2], other[2]), max(one[3], other[3])],
    )
    op.output("rows", rows.down, total)
    return bids


def once() -> Callable[[bytes], Bid | None]:
    """A parser that gives None for a line that is no bid, and for a bid it has given before."""
    seen: set[str] = set()
    decode = msgspec.json.Decoder(Bid).decode

    def parse(line: bytes) -> Bid | None:
        try:
            bid = decode(line)
        except msgspec.DecodeError:
            return None
        if bid.event_id in seen:
            return None
        seen.add(bid.event_id)
        return bid

    return parse


def fold(row: list[int], bid: Bid) -> list[int]:
    """One bid into its window's row."""
    price = bid.price
    row[0] += 1
    row[1] += price
    if price < row[2]:
        row[2] = price
    if price > row[3]:
        row[3] = price
    return row


if __name__ == "__main__":
    main()
