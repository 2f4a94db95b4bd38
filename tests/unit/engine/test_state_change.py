"""What `stateChange` permits: Rebuild reads everything again, Reset goes on empty from where the last cut stood."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from datanexus.pipeline_files import read_pipelines
from datanexus.stored_results import stored_results
from datanexus.wiring import RunSettings, run_pipelines
from datanexus_spec.errors import Incompatible

COUNT = {"name": "records", "expr": "count(*)"}


def write(folder: Path, size: str, change: dict[str, str] | None) -> None:
    spec: dict[str, Any] = {
        "sources": [{"name": "lines", "files": {"path": "lines.ndjson", "format": {"ndjson": {}}}}],
        "record": {"fields": [{"name": "ts", "type": "timestamp", "formats": ["epochMillis"]}], "eventTime": "ts"},
        "views": [{"name": "v", "groupBy": [], "window": {"tumbling": {"size": size}}, "aggregates": [COUNT]}],
    }
    if change:
        spec["stateChange"] = change
    metadata = {"name": "changing"}
    document = {"apiVersion": "datanexus.io/v1alpha1", "kind": "Pipeline", "metadata": metadata, "spec": spec}
    (folder / "pipeline.yaml").write_text(json.dumps(document))


def append(folder: Path, first: int, count: int) -> None:
    with (folder / "lines.ndjson").open("a") as file:
        file.writelines(f'{{"ts": {number}}}\n' for number in range(first, first + count))


async def run(folder: Path) -> tuple[str, int]:
    """The revision that ran, and how many records its rows count."""
    (pipeline,) = read_pipelines([folder / "pipeline.yaml"], {})
    (summary,) = await run_pipelines([pipeline], RunSettings(data=folder / "data"), lambda _: None, asyncio.Event())
    async with stored_results(folder / "data") as store:
        rows = await store.query("SELECT CAST(sum(records) AS BIGINT) AS n FROM changing.v")
    return summary.plan.revision, rows.column("n")[0].as_py() or 0


@pytest.mark.parametrize(("action", "expected"), [("Rebuild", 300), ("Reset", 200)])
def test_a_permitted_change_starts_over_or_goes_on_empty(action: str, expected: int, tmp_path: Path) -> None:
    write(tmp_path, "1s", None)
    append(tmp_path, 0, 100)
    revision, before = asyncio.run(run(tmp_path))
    assert 100 == before
    append(tmp_path, 5_000, 200)
    write(tmp_path, "2s", None)
    with pytest.raises(Incompatible):
        asyncio.run(run(tmp_path))
    write(tmp_path, "2s", {"action": action, "from": revision})
    assert expected == asyncio.run(run(tmp_path))[1]
    assert expected == asyncio.run(run(tmp_path))[1]


def test_a_new_view_starts_empty_and_an_old_one_goes_on(tmp_path: Path) -> None:
    write(tmp_path, "1s", None)
    append(tmp_path, 0, 100)
    asyncio.run(run(tmp_path))
    document = json.loads((tmp_path / "pipeline.yaml").read_text())
    other = {"name": "w", "groupBy": [], "window": {"tumbling": {"size": "2s"}}, "aggregates": [COUNT]}
    document["spec"]["views"].append(other)
    (tmp_path / "pipeline.yaml").write_text(json.dumps(document))
    append(tmp_path, 5_000, 50)
    assert 150 == asyncio.run(run(tmp_path))[1]
