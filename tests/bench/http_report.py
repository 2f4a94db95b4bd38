"""HTTP ingestion: bodies of 1,000 NDJSON records, each answered when the log has it on disk, until all are processed.

The server is `datanexus up` on the benchmark's core; its CPU time covers receiving, judging, the log, decoding, the
same question as over files, cuts, snapshots and the store. Clients are threads on another core, with connections that
are kept open.
"""

import datetime as dt
import itertools
import json
import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from tests.bench import data, pipelines
from tests.bench.measurements import NDJSON_FILE, Measurements
from tests.bench.process import FOLDER
from tests.bench.question import DELAY_MS, TOTALS, WINDOW_MS
from tests.bench.report import Bar, Report, millions
from tests.bench.server import Connection, Server, ServerFailed, served, wait_for

BAR = Bar("http", "tumbling", 0.4)
BODY_RECORDS = 1_000
_CONNECTIONS = 4
_SHARE = 4  # one such part of the file is sent
_PATH, _NDJSON = "/v1/ingest/bids/bids", "application/x-ndjson"
_PROCESSED_S = 120
# One record that closes all windows of the input: no auction has its number.
_CLOSING_AUCTION = -1


def http(measurements: Measurements, report: Report) -> None:
    """Records per CPU-second of the server beside the engine over the same records in a file."""
    file_speed = measurements.engine(NDJSON_FILE)
    records = measurements.records // _SHARE
    file = measurements.start_of_input(records, sound=False)
    report.show(
        f"## HTTP: {records:,} records in bodies of {BODY_RECORDS:,}, {_CONNECTIONS} connections",
        "",
        "Server CPU, from the first body to the last record processed; every body is answered after it is on disk.",
        "",
    )
    try:
        cpu_s = _ingest(file, records, measurements)
    except ServerFailed as error:
        report.missing(BAR.name)
        report.show(f"not measured: {error}", "")
        return
    speed = records / cpu_s
    report.table(
        ("", "records per CPU-second", "÷ file", "bar", ""),
        [
            (NDJSON_FILE.label, millions(file_speed), "1", "", ""),
            ("`datanexus up`: the same by HTTP", millions(speed), *report.ratio(BAR, speed / file_speed)),
        ],
    )


def _ingest(file: Path, records: int, measurements: Measurements) -> float:
    """CPU seconds of the server over the file's records. Raises: ServerFailed."""
    own = os.sched_getaffinity(0)
    with tempfile.TemporaryDirectory(dir=FOLDER) as name:
        folder = Path(name)
        resource = pipelines.bids_by_http()
        resource_file = pipelines.write(resource, folder / "pipeline.yaml")
        with served([resource_file], folder, min(own)) as server:
            os.sched_setaffinity(0, other_cores(own))
            try:
                return _load(server, file, records, measurements)
            finally:
                os.sched_setaffinity(0, own)


def _load(server: Server, file: Path, records: int, measurements: Measurements) -> float:
    watcher = server.connect()
    bodies = list(bodies_of(file, BODY_RECORDS))
    started_s = server.cpu_s()
    answers = _send(server, bodies)
    wait_for("all records are processed", lambda: _records_in(watcher) == records, _PROCESSED_S)
    cpu_s = server.cpu_s() - started_s
    broken = measurements.prototype(file)["broken"]
    assert (records - broken, broken) == answers, f"expected {records - broken} accepted, got {answers}"
    _check(watcher, file, measurements)
    watcher.close()
    return cpu_s


def bodies_of(file: Path, records: int) -> Iterator[bytes]:
    """A file's lines, so many in each body."""
    with file.open("rb") as lines:
        while body := b"".join(itertools.islice(lines, records)):
            yield body


def other_cores(own: set[int]) -> set[int]:
    """Cores for the clients: any but the server's, or the same one where there is no other."""
    return set(range(os.cpu_count() or 1)) - own or own


def _send(server: Server, bodies: list[bytes]) -> tuple[int, int]:
    """Send all bodies over some connections: records accepted and rejected."""
    waiting = iter(bodies)
    lock = threading.Lock()
    totals = [0, 0]
    failures: list[Exception] = []

    def work() -> None:
        connection = server.connect()
        try:
            while True:
                with lock:
                    body = next(waiting, None)
                if body is None or failures:
                    return
                answer = json.loads(connection.post(_PATH, body, _NDJSON))
                with lock:
                    totals[0] += answer["accepted"]
                    totals[1] += answer["rejected"]
        except (ServerFailed, OSError) as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(_CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise ServerFailed(str(failures[0]))
    return totals[0], totals[1]


def _records_in(connection: Connection) -> int:
    return int(connection.get("/v1/pipelines/bids")["counters"]["in"])


def _check(connection: Connection, file: Path, measurements: Measurements) -> None:
    """One more record closes every window; then the rows must be the prototype's."""
    answer = measurements.prototype(file)
    newest = data.START + dt.timedelta(seconds=measurements.records / data.RECORDS_PER_SECOND)
    closing = newest + 2 * dt.timedelta(milliseconds=DELAY_MS + WINDOW_MS)
    record = {"event_id": "closing", "auction": _CLOSING_AUCTION, "price": 0, "ts": closing.isoformat()}
    connection.post(_PATH, json.dumps(record).encode() + b"\n", _NDJSON)
    expected = [answer[total] for total in TOTALS]
    found: list[int] = []

    def is_right() -> bool:
        nonlocal found
        rows = connection.query(
            f"SELECT count(*), sum(bids), sum(total) FROM bids.by_auction WHERE auction <> {_CLOSING_AUCTION}"
        )
        found = [int(value or 0) for value in rows[0]]
        return expected == found

    try:
        wait_for("the rows of all windows", is_right, _PROCESSED_S)
    except ServerFailed:
        raise AssertionError(f"HTTP: expected {expected}, got {found}") from None
