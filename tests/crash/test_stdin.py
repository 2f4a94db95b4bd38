"""SIGKILL at the log's failpoints while standard input is read: all that the log has is counted, and once."""

import asyncio
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from datanexus.adapters.embedded.log import open_log
from datanexus.ports.failpoint import failpoints
from datanexus.ports.log import Log
from datanexus.stored_results import stored_results
from tests.crash.scenario import DEADLINE_S, KILLED, ROOT

SOAK = os.environ.get("DATANEXUS_SOAK") == "1"
SEED = int(os.environ.get("DATANEXUS_SEED", random.SystemRandom().randrange(10**6)))
MANIFEST = {
    "apiVersion": "datanexus.io/v1alpha1",
    "kind": "Pipeline",
    "metadata": {"name": "piped"},
    "spec": {
        "sources": [{"name": "lines", "stdin": {"format": {"ndjson": {}}}}],
        "record": {
            "fields": [{"name": "n", "type": "int64"}, {"name": "ts", "type": "timestamp", "formats": ["epochMillis"]}],
            "eventTime": "ts",
        },
        "watermark": {"delay": "0s"},
        "views": [
            {
                "name": "sums",
                "groupBy": [],
                "window": {"tumbling": {"size": "1s"}},
                "aggregates": [{"name": "records", "expr": "count(*)"}, {"name": "total", "expr": "sum(n)"}],
            }
        ],
    },
}


def run_piped(folder: Path, given: bytes, *failpoint: str) -> int:
    """One run that reads these bytes from a pipe."""
    command = [sys.executable, "-m", "tests.crash.child", str(folder / "piped.yaml"), str(folder / "data")]
    done = subprocess.run(
        [*command, "1000", "4000", "1", *failpoint],
        cwd=ROOT,
        input=given,
        timeout=DEADLINE_S,
        capture_output=True,
        check=False,
    )
    assert done.returncode in (0, KILLED), done.stderr.decode()
    return done.returncode


def lines_of(first: int, count: int) -> bytes:
    return b"".join(b'{"n": %d, "ts": %d, "pad": "%s"}\n' % (n, n, b"x" * 60) for n in range(first, first + count))


async def log_end(folder: Path) -> int:
    """The offset the next entry of the log will get."""
    log = open_log(folder / "data" / "log.sqlite", "piped")
    try:
        return await log.end("lines")
    finally:
        await log.close()


async def logged_bytes(folder: Path, begin: int) -> int:
    """How far the split that began with entry `begin` reaches in the log; 0 when it has no entry."""
    log = open_log(folder / "data" / "log.sqlite", "piped")
    try:
        end = log.split_end("lines", f"lines/stdin-{begin + 1}")
        return end.position if end is not None else 0
    finally:
        await log.close()


async def sums(folder: Path) -> tuple[int, int]:
    async with stored_results(folder / "data") as store:
        rows = await store.query(
            "SELECT CAST(sum(records) AS BIGINT) AS n, CAST(sum(total) AS BIGINT) AS s FROM piped.sums"
        )
        return rows.column("n")[0].as_py(), rows.column("s")[0].as_py()


@pytest.mark.parametrize("point", [point for point in failpoints(Log) if "forget" not in point])
@pytest.mark.parametrize("nth", (1, 2, 3) if SOAK else (2,))
def test_what_the_log_has_is_counted_once(point: str, nth: int, tmp_path: Path) -> None:
    (tmp_path / "piped.yaml").write_text(json.dumps(MANIFEST))
    before = lines_of(0, 5_000)
    assert run_piped(tmp_path, before) == 0  # a cut and a snapshot lie before the kill
    begin = asyncio.run(log_end(tmp_path))
    given = lines_of(5_000, 60_000)
    assert run_piped(tmp_path, given, f"{point}@{nth}") == KILLED, f"{point} was not reached"
    kept = given[: asyncio.run(logged_bytes(tmp_path, begin))]
    assert kept.endswith(b"\n") or not kept
    more = lines_of(100_000, 10)
    assert run_piped(tmp_path, more) == 0
    counted = [json.loads(line)["n"] for line in (before + kept + more).splitlines()]
    assert (len(counted), sum(counted)) == asyncio.run(sums(tmp_path))
