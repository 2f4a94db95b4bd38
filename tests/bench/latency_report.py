"""From the POST that carries the record that closes a window to its row being seen, at a steady rate.

Event time runs as the clock does. A body's time is when it was due, not when a busy client came to send it. The row is
seen by a subscriber of `/v1/live`, and, in a run of its own, by a client that asks `/v1/query` again and again; what
the client waits between two questions is part of that figure. The server is on the benchmark's core, clients on
another one. These are wall times: they depend on what else the machine does.
"""

import json
import os
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.bench import pipelines
from tests.bench.data import START_MS
from tests.bench.http_report import other_cores
from tests.bench.measurements import Measurements
from tests.bench.process import FOLDER
from tests.bench.report import Limit, Report
from tests.bench.server import Server, ServerFailed, served

LIVE, QUERY = Limit("latency p99, live", 100, "ms"), Limit("latency p99, query", 100, "ms")
RECORDS_PER_SECOND, BODY_RECORDS = 10_000, 100
_SECONDS, _SETTLE_S = 30, 3  # of sending; of which the start does not count
_WINDOW_MS, _DELAY_MS = 100, 500
_ITEMS = 50
_CONNECTIONS = 4
_ASK_S = 0.01  # from an answer to the next question
_DRAIN_S = 2.0  # after the last body, for rows that are under way
_INGEST, _NDJSON = "/v1/ingest/prices/prices", "application/x-ndjson"
Seen = dict[int, float]  # window start in ms since the stream's start → when its row was seen
Watch = Callable[[Server, Seen, threading.Event], None]


@dataclass(frozen=True, slots=True)
class Run:
    """Milliseconds from due to seen, one for each window, and from due to answered, one for each body."""

    seen_ms: list[float]
    answered_ms: list[float]
    busy_share: float  # of the server's core while bodies were sent


def latency(_measurements: Measurements, report: Report) -> None:
    """Percentiles over all windows that closed after the start had settled."""
    report.show(
        f"## Latency: {RECORDS_PER_SECOND:,} records a second in bodies of {BODY_RECORDS}",
        "",
        f"Windows of {_WINDOW_MS} ms, a watermark delay of {_DELAY_MS} ms, {_ITEMS} groups. From the moment at which",
        "the body with the first record at or behind a window's end and the delay was due, until a row of it is seen.",
        "",
    )
    rows = []
    for limit, label, watch in ((LIVE, "`/v1/live`", _watch_live), (QUERY, "`/v1/query`, polled", _watch_query)):
        try:
            run = _measure(watch)
        except ServerFailed as error:
            report.missing(limit.name)
            rows.append((label, f"not measured: {error}", "", "", f"{limit.most:g} {limit.unit}", "", "", ""))
            continue
        p50, p99 = (float(np.percentile(run.seen_ms, share)) for share in (50, 99))
        answered = " / ".join(f"{np.percentile(run.answered_ms, share):.1f}" for share in (50, 99))
        own = (f"{answered} ms", f"{run.busy_share:.0%}")
        rows.append((label, f"{len(run.seen_ms)}", f"{p50:.1f} ms", *report.limit(limit, p99), *own))
    report.table(("seen by", "windows", "p50", "p99", "bar", "", "POST answered, p50 / p99", "server's core"), rows)


def _measure(watch: Watch) -> Run:
    """One run against a server of its own. Raises: ServerFailed."""
    own = os.sched_getaffinity(0)
    bodies = _bodies()
    with tempfile.TemporaryDirectory(dir=FOLDER) as name:
        folder = Path(name)
        file = pipelines.write(pipelines.prices_by_http(_WINDOW_MS, _DELAY_MS), folder / "pipeline.yaml")
        with served([file], folder, min(own)) as server:
            os.sched_setaffinity(0, other_cores(own))
            try:
                return _run(server, bodies, watch)
            finally:
                os.sched_setaffinity(0, own)


def _bodies() -> list[bytes]:
    """All records of a run: event time in microseconds from the stream's start, evenly spaced."""
    step_us = 1_000_000 // RECORDS_PER_SECOND
    bodies = []
    for body in range(_SECONDS * RECORDS_PER_SECOND // BODY_RECORDS):
        numbers = range(body * BODY_RECORDS, (body + 1) * BODY_RECORDS)
        lines = (
            f'{{"item":{number % _ITEMS},"price":{number % 997},"ts":{START_MS * 1000 + number * step_us}}}\n'
            for number in numbers
        )
        bodies.append("".join(lines).encode())
    return bodies


def _run(server: Server, bodies: list[bytes], watch: Watch) -> Run:
    seen: Seen = {}
    answered_ms = np.zeros(len(bodies))
    over = threading.Event()
    failures: list[Exception] = []
    period_s = BODY_RECORDS / RECORDS_PER_SECOND
    started_s = time.perf_counter() + 1.0  # time for the threads to be there

    def send(first: int) -> None:
        connection = server.connect()
        try:
            for number in range(first, len(bodies), _CONNECTIONS):
                time.sleep(max(0.0, started_s + number * period_s - time.perf_counter()))
                connection.post(_INGEST, bodies[number], _NDJSON)
                answered_ms[number] = (time.perf_counter() - started_s - number * period_s) * 1000
        except (ServerFailed, OSError) as error:
            failures.append(error)
        finally:
            connection.close()

    def look() -> None:
        try:
            watch(server, seen, over)
        except (ServerFailed, OSError) as error:
            failures.append(error)

    watching = threading.Thread(target=look, daemon=True)
    watching.start()
    senders = [threading.Thread(target=send, args=(first,)) for first in range(_CONNECTIONS)]
    for thread in senders:
        thread.start()
    busy_s = server.cpu_s()
    for thread in senders:
        thread.join()
    busy_share = (server.cpu_s() - busy_s) / (time.perf_counter() - started_s)
    time.sleep(_DRAIN_S)
    over.set()
    watching.join(_DRAIN_S)
    if failures:
        raise ServerFailed(str(failures[0]))
    settled = answered_ms[round(_SETTLE_S / period_s) :]
    return Run(_latencies(seen, lambda body: started_s + body * period_s), settled.tolist(), busy_share)


def _latencies(seen: Mapping[int, float], due: Callable[[int], float]) -> list[float]:
    """Of every window that closed between the settled start and the end of sending. One that no one saw is a fault."""
    found = []
    windows = range(_SETTLE_S * 1000 // _WINDOW_MS, (_SECONDS * 1000 - _DELAY_MS) // _WINDOW_MS - 1)
    for window in windows:
        closing_record = (window * _WINDOW_MS + _WINDOW_MS + _DELAY_MS) * RECORDS_PER_SECOND // 1000
        at = seen.get(window * _WINDOW_MS)
        if at is None:
            raise ServerFailed(f"no row was seen of the window that starts {window * _WINDOW_MS} ms into the stream")
        found.append((at - due(closing_record // BODY_RECORDS)) * 1000)
    return found


def _watch_live(server: Server, seen: Seen, over: threading.Event) -> None:
    """Note when the first row of each window comes as a change."""
    for at, event in server.connect().events("/v1/live/prices/by_item"):
        if over.is_set():
            return
        data = next((line[6:] for line in event.split(b"\n") if line.startswith(b"data: ")), b"")
        if b"event: changes" not in event or not data:
            continue
        for row in json.loads(data)["appended"]:
            seen.setdefault(int(row["key"].partition("/")[0]) // 1000 - START_MS, at)


def _watch_query(server: Server, seen: Seen, over: threading.Event) -> None:
    """Note when an answer first shows each window. A window that came together with a later one was seen then too."""
    connection = server.connect()
    known = 0
    sql = "SELECT count(DISTINCT window_start) FROM prices.by_item"
    while not over.is_set():
        windows = int(connection.query(sql)[0][0])
        at = time.perf_counter()
        for window in range(known, windows):
            seen[window * _WINDOW_MS] = at
        known = max(known, windows)
        time.sleep(_ASK_S)
    connection.close()
