"""DuckDB and Polars: `python -m tests.bench.peers.whole_file duckdb|polars FILE`, a line of JSON as answer.

The question as one query over a finished file: no watermark, no order, nothing kept between batches, everything in
memory. De-duplication is a group-by, or `unique`, of all event ids of the file.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from tests.bench.question import TOTALS, WINDOW_MS

_REPEATS = 3


def main() -> None:
    kind, path = sys.argv[1:]
    run, version = {"duckdb": (in_duckdb, duckdb.__version__), "polars": (in_polars, pl.__version__)}[kind]
    answer = run(Path(path))
    print(json.dumps({**answer, "version": version}))


def in_duckdb(path: Path) -> dict[str, Any]:
    """One thread. A broken line becomes a row of nulls; the result is handed over as columns."""
    connection = duckdb.connect()
    connection.execute("SET threads = 1")
    query = f"""
        SELECT auction, epoch_ms(ts) // {WINDOW_MS} AS place,
            count(*) AS bids, sum(price) AS total, min(price) AS least, max(price) AS greatest
        FROM (
            SELECT any_value(auction) AS auction, any_value(price) AS price, any_value(ts) AS ts
            FROM read_json('{path}', format = 'newline_delimited', ignore_errors = true,
                columns = {{event_id: 'VARCHAR', auction: 'BIGINT', price: 'BIGINT', ts: 'TIMESTAMP'}})
            WHERE event_id IS NOT NULL AND auction IS NOT NULL AND price IS NOT NULL AND ts IS NOT NULL
            GROUP BY event_id
        ) GROUP BY ALL"""
    return _timed(lambda: connection.sql(query).pl())


def in_polars(path: Path) -> dict[str, Any]:
    """One thread, the streaming engine: here quicker than the one for data in memory. A broken line ends it."""
    schema = {"event_id": pl.String, "auction": pl.Int64, "price": pl.Int64, "ts": pl.String}
    time_ms = pl.col("ts").str.strptime(pl.Datetime("ms"), "%+").to_physical()
    query = (
        pl.scan_ndjson(path, schema=schema)
        .with_columns(place=time_ms // WINDOW_MS)
        .unique("event_id", keep="any")
        .group_by("auction", "place")
        .agg(bids=pl.len(), total=pl.col("price").sum(), least=pl.col("price").min(), greatest=pl.col("price").max())
    )
    return _timed(lambda: query.collect(engine="streaming"))


def _timed(run: Callable[[], pl.DataFrame]) -> dict[str, Any]:
    seconds = []
    for _ in range(_REPEATS):
        started = time.process_time()
        rows = run()
        seconds.append(time.process_time() - started)
    totals = (rows.height, int(rows["bids"].sum()), int(rows["total"].sum()))
    return {"cpu_s": statistics.median(seconds), **dict(zip(TOTALS, totals, strict=True))}


if __name__ == "__main__":
    main()
