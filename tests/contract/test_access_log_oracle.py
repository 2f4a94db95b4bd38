"""The main job on a real web server's access log, against DuckDB, which takes the raw lines apart by itself.

The whole log is used where it lies beside the repository or where DATANEXUS_ACCESS_LOG names it, else the shipped
sample. Counts and exact aggregates must be equal; sketches must equal the naive reference's bit for bit and be within
their stated error of the exact value.
"""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from datanexus.engine.reader import CutSchedule
from datanexus.pipeline_files import read_pipelines
from datanexus.stored_results import stored_results
from datanexus.wiring import RunSettings, run_pipelines
from tests.reference import sketches

ROOT = Path(__file__).parents[2]
QUANTILE_ERROR = 0.01  # by definition
DISTINCT_ERROR = 0.05  # three standard errors of 1.6 %; of few values, two of them
_AGGREGATES = (
    ("requests", "count(*)"),
    ("errors", "count(*) FILTER (WHERE status >= 500)"),
    ("sent", "sum(bytes)"),
    ("known", "count(bytes)"),
    ("least", "min(bytes)"),
    ("greatest", "max(bytes)"),
    ("mean", "avg(bytes)"),
    ("least_path", "min(path)"),
    ("greatest_client", "max(client)"),
    ("p50", "approx_quantile(bytes, 0.5)"),
    ("p99", "approx_quantile(bytes, 0.99)"),
    ("visitors", "approx_count_distinct(client)"),
)
_LINE = r'^(\S+) (\S+) (\S+) \[([^\]]+)\] "(\S+) (\S+) HTTP/(\S+)" (\d{3}) (\d+|-) "([^"]*)" "([^"]*)"$'
_FIELDS = "['client', 'ident', 'auth', 'clock', 'verb', 'path', 'version', 'status', 'size', 'referrer', 'agent']"
_TAKE_APART = f"""
    CREATE TABLE lines AS
    SELECT ordinal, line FROM (
        SELECT unnest(parts) AS line, generate_subscripts(parts, 1) AS ordinal
        FROM (SELECT string_split(content, chr(10)) AS parts FROM read_text($log))
    ) WHERE line <> '';
    CREATE TABLE records AS
    SELECT ordinal, part.client, part.path, part.status::INTEGER AS status, TRY_CAST(part.size AS BIGINT) AS bytes,
           strptime(part.clock, '%d/%b/%Y:%H:%M:%S %z')::TIMESTAMPTZ AS time
    FROM (
        SELECT ordinal, regexp_extract(line, $pattern, {_FIELDS}) AS part
        FROM lines WHERE regexp_matches(line, $pattern)
    );
    CREATE TABLE passed AS
    SELECT * FROM records QUALIFY row_number() OVER (PARTITION BY client, time, path ORDER BY ordinal) = 1;
"""
_EXPECTED = """
    SELECT time_bucket(INTERVAL 1 HOUR, time) AS window_start, split_part(path, '/', 2) AS section,
           count(*) AS requests, count(*) FILTER (WHERE status >= 500) AS errors, sum(bytes)::HUGEINT AS sent,
           count(bytes) AS known, min(bytes) AS least, max(bytes) AS greatest,
           sum(bytes)::DOUBLE / count(bytes) AS mean, min(path) AS least_path, max(client) AS greatest_client,
           quantile_disc(bytes, 0.5) AS p50, quantile_disc(bytes, 0.99) AS p99, count(DISTINCT client) AS visitors,
           list(bytes) FILTER (WHERE bytes IS NOT NULL) AS all_bytes, list(client) AS all_clients
    FROM passed GROUP BY ALL ORDER BY ALL
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """Rows by window and section, and how many records went where."""

    rows: dict[tuple[Any, ...], dict[str, Any]]
    counts: dict[str, int]


def access_logs() -> list[Path]:
    """The log to read: named, beside the repository, or shipped."""
    named = os.environ.get("DATANEXUS_ACCESS_LOG")
    folders = (ROOT.parent / "shared" / "data" / "access_log", ROOT / "manifests" / "samples")
    found = [sorted(folder.rglob("*.log")) for folder in folders if folder.exists()]
    return [Path(named)] if named else next((logs[:1] for logs in found if logs), [])


@pytest.fixture(scope="module")
def log() -> Path:
    logs = access_logs()
    assert logs, "no access log: neither the one beside the repository nor the shipped sample is there"
    print(f"access log: {logs[0].name}, {logs[0].stat().st_size:,} bytes")
    return logs[0]


@pytest.fixture(scope="module")
def expected(log: Path) -> Answer:
    """What DuckDB makes of the raw lines."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for statement in _TAKE_APART.split(";")[:-1]:
            parameters = {"log": str(log), "pattern": _LINE}
            connection.execute(
                statement, {name: value for name, value in parameters.items() if f"${name}" in statement}
            )
        rows = connection.sql(_EXPECTED).to_arrow_table().to_pylist()
        lines, records, passed = connection.execute(
            "SELECT (SELECT count(*) FROM lines), (SELECT count(*) FROM records), (SELECT count(*) FROM passed)"
        ).fetchall()[0]
    counts = {"in": lines, "passed": passed, "duplicate": records - passed, "quarantined": lines - records}
    return Answer({(row["window_start"], row["section"]): row for row in rows}, counts)


@pytest.mark.parametrize("schedule", [CutSchedule(), CutSchedule(128, 700)], ids=["one cut", "many cuts"])
def test_the_figures_of_a_real_log_equal_an_independent_computation(
    log: Path, expected: Answer, schedule: CutSchedule, tmp_path: Path
) -> None:
    actual = asyncio.run(_run(log, schedule, tmp_path))
    print(f"records: {expected.counts}; rows: {len(expected.rows)}")
    assert expected.counts == {name: actual.counts.get(name, 0) for name in expected.counts}
    assert expected.counts["passed"] == actual.counts["view.traffic.assigned"]
    assert list(expected.rows) == list(actual.rows)
    exact = [name for name, _ in _AGGREGATES if name not in ("p50", "p99", "visitors")]
    for key, row in expected.rows.items():
        assert {name: row[name] for name in exact} == {name: actual.rows[key][name] for name in exact}, key
        _check_sketches(row, actual.rows[key])


def _check_sketches(exact: dict[str, Any], actual: dict[str, Any]) -> None:
    """Bit-equal to the reference, and near the exact value."""
    assert sketches.distinct(exact["all_clients"], "string") == actual["visitors"]
    assert pytest.approx(exact["visitors"], rel=DISTINCT_ERROR, abs=2) == actual["visitors"]
    sent = [float(value) for value in exact["all_bytes"] or ()]
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        assert (sketches.quantile(sent, share) if sent else None) == actual[name]
        assert (pytest.approx(exact[name], rel=QUANTILE_ERROR) if sent else None) == actual[name]


async def _run(log: Path, schedule: CutSchedule, folder: Path) -> Answer:
    """What the engine makes of the log."""
    file = folder / "pipeline.yaml"
    file.write_text(yaml.safe_dump(_resource(log), sort_keys=False))
    settings = RunSettings(data=folder / "data", schedule=schedule)
    await run_pipelines(read_pipelines([file], {}), settings, lambda _: None, asyncio.Event())
    async with stored_results(folder / "data") as store:
        counts = await store.counters("oracle")
        table = await store.query('SELECT * FROM "oracle"."traffic" ORDER BY window_start, section')
    rows = table.to_pylist()
    assert all(row["final"] for row in rows)
    return Answer({(row["window_start"], row["section"]): row for row in rows}, dict(counts))


def _resource(log: Path) -> dict[str, Any]:
    fields = [
        {"name": "time", "type": "timestamp", "from": ["timestamp"], "formats": ["%d/%b/%Y:%H:%M:%S %z"]},
        {"name": "client", "type": "string", "from": ["clientip"]},
        {"name": "path", "type": "string", "from": ["request"]},
        {"name": "status", "type": "int32", "from": ["response"]},
        {"name": "bytes", "type": "int64", "required": False, "nullIf": ["-"]},
    ]
    view = {
        "name": "traffic",
        "groupBy": ["section"],
        "window": {"tumbling": {"size": "1h"}},
        "aggregates": [{"name": name, "expr": expr} for name, expr in _AGGREGATES],
    }
    spec = {
        "sources": [{"name": "log", "files": {"path": str(log), "format": {"text": {"preset": "combined"}}}}],
        "record": {"fields": fields, "eventTime": "time"},
        "steps": [{"set": {"name": "section", "expr": "split_part(path, '/', 2)"}}],
        "dedup": {"key": ["client", "time", "path"], "horizon": "1h"},
        "watermark": {"delay": "2m"},
        "views": [view],
    }
    return {"apiVersion": "datanexus.io/v1alpha1", "kind": "Pipeline", "metadata": {"name": "oracle"}, "spec": spec}
