"""A run that is told to stop does so soon, says where it stands, and the next one goes on from there."""

import asyncio
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

from datanexus.stored_results import stored_results

ROWS = 800_000
STOP_S = 5.0  # what SIGTERM may take; Kubernetes and people wait no longer
PIPELINE = f"""
apiVersion: datanexus.io/v1alpha1
kind: Pipeline
metadata: {{name: made}}
spec:
  sources:
  - name: made
    generator:
      rows: {ROWS}
      start: "2024-01-01T00:00:00Z"
      eventsPerSecond: 100000
      fields:
      - {{name: at, time: {{}}}}
      - {{name: customer, zipf: {{count: 1000}}}}
  record:
    fields:
    - {{name: time, type: timestamp, from: [at]}}
    - {{name: customer, type: int64}}
    eventTime: time
  views:
  - name: counts
    groupBy: [customer]
    window: {{tumbling: {{size: 10s}}}}
    aggregates:
    - {{name: records, expr: "count(*)"}}
"""


def start(folder: Path, stdin: int | None = None) -> subprocess.Popen[str]:
    main = "from datanexus.cli.app import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", main, "run", "made.yaml", "--data", "data", "--json"],
        cwd=folder,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


async def counted(data: Path) -> int:
    async with stored_results(data) as store:
        rows = await store.query("SELECT sum(records) FROM made.counts")
    return int(rows.column(0)[0].as_py())


def test_sigterm_ends_a_run_soon_and_the_next_one_goes_on(tmp_path: Path) -> None:
    (tmp_path / "made.yaml").write_text(PIPELINE)
    with start(tmp_path) as run:
        assert run.stderr is not None
        assert "progress" == json.loads(run.stderr.readline())["event"]
        stopped_s = time.monotonic()
        run.send_signal(signal.SIGTERM)
        out, errors = run.communicate(timeout=60)
        took_s = time.monotonic() - stopped_s
    assert (1, False) == (run.returncode, json.loads(out)["finished"])
    assert ["made"] == json.loads(errors.splitlines()[-1])["unfinished"]
    assert STOP_S > took_s
    with start(tmp_path) as again:
        out, errors = again.communicate(timeout=120)
    assert (0, ROWS) == (again.returncode, json.loads(out)["totals"]["passed"]), errors
    assert ROWS == asyncio.run(counted(tmp_path / "data"))


WAITING = """
apiVersion: datanexus.io/v1alpha1
kind: Pipeline
metadata: {name: waiting}
spec:
  sources: [{name: lines, stdin: {format: {ndjson: {}}}}]
  record:
    fields: [{name: time, type: timestamp}]
    eventTime: time
  views:
  - name: counts
    groupBy: []
    window: {tumbling: {size: 1s}}
    aggregates: [{name: records, expr: "count(*)"}]
"""


def test_sigterm_ends_a_run_that_waits_for_input(tmp_path: Path) -> None:
    (tmp_path / "made.yaml").write_text(WAITING)
    with start(tmp_path, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write('{"time": "2026-01-01T00:00:00Z"}\n')
        process.stdin.flush()
        deadline_s = time.monotonic() + 60
        while not (tmp_path / "data" / "log.sqlite").exists() and time.monotonic() < deadline_s:
            time.sleep(0.05)
        told_s = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        assert time.monotonic() - told_s < STOP_S
