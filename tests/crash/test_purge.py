"""SIGKILL before and after a purge of quarantine: all that was asked is gone, or nothing is; the rest stays."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from datanexus.stored_results import stored_results
from datanexus.wiring import opened_adapters

ROOT = Path(__file__).parents[2]
KILLED = -9
MANIFEST = {
    "apiVersion": "datanexus.io/v1alpha1",
    "kind": "Pipeline",
    "metadata": {"name": "purged"},
    "spec": {
        "sources": [{"name": "in", "files": {"path": "in.ndjson", "format": {"ndjson": {}}}}],
        "record": {"fields": [{"name": "at", "type": "timestamp", "formats": ["epochSeconds"]}], "eventTime": "at"},
        "views": [
            {
                "name": "minutes",
                "window": {"tumbling": {"size": "1m"}},
                "aggregates": [{"name": "n", "expr": "count(*)"}],
            }
        ],
    },
}


async def purge(data: Path, failpoint: str) -> None:
    """Delete the first two entries; runs in a process of its own."""
    async with opened_adapters(data, failpoint) as adapters:
        await adapters.store.purge_quarantine("purged", [1, 2])


async def _left(data: Path) -> tuple[list[int], int]:
    async with stored_results(data) as store:
        rows = await store.query("SELECT n FROM purged.minutes")
        return [entry.id for entry in await store.quarantine("purged", 100)], rows.num_rows


@pytest.mark.parametrize(
    ("point", "left"), [("before", [1, 2, 3]), ("after", [3]), ("", [3])], ids=["before", "after", "no kill"]
)
def test_a_purge_is_whole_or_did_not_happen(point: str, left: list[int], tmp_path: Path) -> None:
    (tmp_path / "in.ndjson").write_text('{"at": 1}\nbad\nworse\nworst\n')
    (tmp_path / "pipeline.yaml").write_text(json.dumps(MANIFEST))
    run = [sys.executable, "-m", "tests.crash.child", str(tmp_path / "pipeline.yaml"), str(tmp_path / "data")]
    subprocess.run([*run, "100", "1000", "1"], cwd=ROOT, check=True, capture_output=True)
    failpoint = f"store.purge_quarantine:{point}" if point else ""
    code = (
        "import asyncio, sys; from pathlib import Path; from tests.crash.test_purge import purge; "
        "asyncio.run(purge(Path(sys.argv[1]), sys.argv[2]))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "data"), failpoint], cwd=ROOT, check=False, capture_output=True
    )
    assert (KILLED if point else 0) == ended.returncode, ended.stderr
    assert (left, 1) == asyncio.run(_left(tmp_path / "data"))
