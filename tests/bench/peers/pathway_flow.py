"""Pathway: `python -m tests.bench.peers.pathway_flow FILE`, a line of JSON as answer.

Its engine in static mode, on one thread (PATHWAY_THREADS is the caller's). Broken lines become errors and are removed;
repeats are grouped by event id with `any`. Windows are a group-by of the floored time, which is quicker here than
`windowby`. One run per process: the caller takes off what the same costs over an empty file.
"""

import datetime as dt
import json
import logging
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pathway as pw

from tests.bench.question import TOTALS, WINDOW_MS


class Bid(pw.Schema):  # type: ignore[misc]
    """One line."""

    event_id: str
    auction: int
    price: int
    ts: str


def main() -> None:
    logging.disable(logging.WARNING)
    totals = [0, 0, 0]

    def add(key: object, row: dict[str, Any], time: int, is_addition: bool) -> None:
        sign = 1 if is_addition else -1
        totals[0] += sign
        totals[1] += sign * row["bids"]
        totals[2] += sign * row["total"]

    pw.io.subscribe(rows(Path(sys.argv[1])), on_change=add)
    started = time.process_time()
    pw.run(monitoring_level=pw.MonitoringLevel.NONE, terminate_on_error=False)
    seconds = time.process_time() - started
    print(json.dumps({"cpu_s": seconds, "version": version("pathway"), **dict(zip(TOTALS, totals, strict=True))}))


def rows(path: Path) -> Any:
    """The result table."""
    lines = pw.io.jsonlines.read(str(path), schema=Bid, mode="static").remove_errors()
    bids = lines.groupby(lines.event_id).reduce(
        auction=pw.reducers.any(lines.auction), price=pw.reducers.any(lines.price), ts=pw.reducers.any(lines.ts)
    )
    timed = bids.with_columns(time=bids.ts.dt.strptime("%Y-%m-%dT%H:%M:%S.%fZ"))
    placed = timed.with_columns(window=timed.time.dt.floor(dt.timedelta(milliseconds=WINDOW_MS)))
    return placed.groupby(placed.auction, placed.window).reduce(
        placed.auction,
        placed.window,
        bids=pw.reducers.count(),
        total=pw.reducers.sum(placed.price),
        least=pw.reducers.min(placed.price),
        greatest=pw.reducers.max(placed.price),
    )


if __name__ == "__main__":
    main()
