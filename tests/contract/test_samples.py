"""The samples: each runs, holds what its test file says, and equals figures computed without the engine."""

import json
import subprocess
import sys
from collections import defaultdict
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from tests.golden.transcript import Transcript

SAMPLES = Path(__file__).parents[2] / "manifests" / "samples"
DATA = SAMPLES / "data"
CASES = sorted(SAMPLES.glob("*.test.yaml"))
PIPELINES = [path.with_name(path.name.replace(".test", "")) for path in CASES]
DATA_BYTES_MAX = 300_000


@pytest.fixture
def transcript(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Transcript:
    return Transcript(tmp_path, capfd)


@pytest.mark.parametrize("pipeline", PIPELINES, ids=lambda path: path.stem)
def test_a_sample_holds_what_its_test_file_says(pipeline: Path, transcript: Transcript) -> None:
    told = transcript.output_of("test", str(pipeline.with_suffix(".test.yaml")))
    assert "none failed" in told


@pytest.mark.parametrize("pipeline", PIPELINES, ids=lambda path: path.stem)
def test_the_commands_in_a_sample_work(pipeline: Path, transcript: Transcript) -> None:
    """Its first lines say how to run and to ask it."""
    commands = [line.removeprefix("#   datanexus ") for line in pipeline.read_text("utf-8").splitlines()[:8]]
    run, query = [line for line in commands if line.startswith(("run", "query"))]
    assert f"run manifests/samples/{pipeline.name} --data " in run
    data = str(transcript.folder / "data")
    assert "finished" in transcript.output_of("run", str(pipeline), "--data", data)
    assert "rows)" in transcript.output_of("query", query.split('"')[1], "--data", data)


def test_the_data_are_what_the_script_makes(tmp_path: Path) -> None:
    subprocess.run([sys.executable, DATA / "make.py", tmp_path], check=True)
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert 6 == len(made)
    assert made == {name: (DATA / name).read_bytes() for name in made}
    assert all(len(content) < DATA_BYTES_MAX for content in made.values())


def test_every_sample_is_listed() -> None:
    listed = (SAMPLES / "README.md").read_text("utf-8")
    assert 6 <= len(PIPELINES)
    assert [] == [path.name for path in PIPELINES if f"`{path.name}`" not in listed]


def test_sales_equal_what_duckdb_computes_from_the_raw_orders(transcript: Transcript) -> None:
    data = str(transcript.folder / "data")
    transcript.output_of("run", str(SAMPLES / "orders.yaml"), "--data", data)
    told = transcript.output_of(
        "query", "SELECT window_start, country, orders, revenue, large FROM orders.sales", "--data", data, "--json"
    )
    found = {
        (row["window_start"][:13], row["country"]): (row["orders"], Decimal(str(row["revenue"])), row["large"])
        for row in map(json.loads, told.splitlines())
    }
    rows = duckdb.execute(
        "SELECT strftime(\"at\"::TIMESTAMP, '%Y-%m-%dT%H'), country, count(*), sum(amount::DECIMAL(12,2)), "
        "count(*) FILTER (WHERE amount >= 200) "
        f"FROM (SELECT DISTINCT * FROM read_json('{DATA / 'orders.ndjson'}', columns = {{order_id: 'VARCHAR', "
        "\"at\": 'VARCHAR', customer: 'VARCHAR', country: 'VARCHAR', amount: 'DECIMAL(12,2)'})) "
        "WHERE amount IS NOT NULL GROUP BY 1, 2"
    ).fetchall()
    assert found == {(hour.replace(" ", "T"), country): tuple(figures) for hour, country, *figures in rows}


def test_increases_equal_a_plain_sum_over_the_restarts(transcript: Transcript) -> None:
    """The whole increase of each server: every step up, and after a restart the counter itself."""
    data = str(transcript.folder / "data")
    transcript.output_of("run", str(SAMPLES / "counters.yaml"), "--data", data)
    sql = "SELECT server, sum(requests) AS requests, sum(samples) AS samples FROM counters.load GROUP BY 1"
    told = transcript.output_of("query", sql, "--data", data, "--json")
    last: dict[str, int] = {}
    increase: dict[str, int] = defaultdict(int)
    for line in (DATA / "counters.ndjson").read_text().splitlines():
        record = json.loads(line)
        server, total = record["address"], record["requests"]["total"]
        if server in last:
            increase[server] += total - last[server] if total >= last[server] else total
        last[server] = total
    assert increase == {row["server"]: round(row["requests"]) for row in map(json.loads, told.splitlines())}


def test_visits_equal_a_plain_walk_over_the_clicks(transcript: Transcript) -> None:
    data = str(transcript.folder / "data")
    transcript.output_of("run", str(SAMPLES / "clickstream.yaml"), "--data", data)
    sql = 'SELECT "user", clicks, entry, bought FROM clickstream.visits ORDER BY 1, window_start'
    told = transcript.output_of("query", sql, "--data", data, "--json")
    by_user: dict[str, list[tuple[datetime, str]]] = defaultdict(list)
    for line in (DATA / "clicks.ndjson").read_text().splitlines():
        record = json.loads(line)
        if record["agent"] != "crawler":
            by_user[record["user"]].append((datetime.fromisoformat(record["at"]), record["page"]))
    expected = []
    for user, clicks in sorted(by_user.items()):
        visits: list[list[tuple[datetime, str]]] = []
        for click in sorted(clicks):
            if visits and (click[0] - visits[-1][-1][0]).total_seconds() <= 1800:
                visits[-1].append(click)
            else:
                visits.append([click])
        for visit in visits:
            entry = max(page for at, page in visit if at == visit[0][0])
            expected.append((user, len(visit), entry, sum(page == "/checkout" for _, page in visit)))
    found = [
        tuple(row[name] for name in ("user", "clicks", "entry", "bought")) for row in map(json.loads, told.splitlines())
    ]
    assert expected == found


def test_each_payment_of_either_source_counts_once(transcript: Transcript) -> None:
    data = str(transcript.folder / "data")
    transcript.output_of("run", str(SAMPLES / "two-sources.yaml"), "--data", data)
    sql = "SELECT sum(payments) AS payments, sum(value) AS value FROM two_sources.payments"
    told = json.loads(transcript.output_of("query", sql, "--data", data, "--json"))
    values = {
        record["id"]: Decimal(record["amount"])
        for record in map(json.loads, (DATA / "payments-gateway.ndjson").read_text().splitlines())
    }
    for line in (DATA / "payments-billing.csv").read_text().splitlines()[1:]:
        transaction, _, value, _ = line.split(",")
        values[transaction] = Decimal(value)
    assert (len(values), sum(values.values())) == (told["payments"], Decimal(str(told["value"])))
