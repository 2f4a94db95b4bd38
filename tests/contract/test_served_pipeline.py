"""A pipeline that is served over files and the real store: switches, refusals, rebuilds, faults, restarts."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

from datanexus.adapters.embedded.log import open_log
from datanexus.engine.served_pipeline import PipelineService, ServiceSettings
from datanexus.pipeline_files import read_pipelines
from datanexus.wiring import opened_adapters
from datanexus_spec.pipeline import Pipeline

DEADLINE_S = 60.0
MANIFEST: Mapping[str, Any] = {
    "apiVersion": "datanexus.io/v1alpha1",
    "kind": "Pipeline",
    "metadata": {"name": "orders"},
    "spec": {
        "sources": [{"name": "file", "files": {"path": "in/*.ndjson", "format": {"ndjson": {}}}}],
        "record": {
            "fields": [
                {"name": "at", "type": "timestamp", "formats": ["epochSeconds"]},
                {"name": "amount", "type": "int64"},
            ],
            "eventTime": "at",
        },
        "watermark": {"delay": "0s", "idleAfter": "1h"},
        "views": [
            {
                "name": "minutes",
                "window": {"tumbling": {"size": "1m"}},
                "aggregates": [{"name": "total", "expr": "sum(amount)"}],
            }
        ],
    },
}
LARGEST: Mapping[str, Any] = {
    "name": "largest",
    "window": {"tumbling": {"size": "1m"}},
    "aggregates": [{"name": "amount", "expr": "max(amount)"}],
}


class Served:
    """A service, its folder, and what it told."""

    def __init__(self, service: PipelineService, folder: Path, told: list[str]) -> None:
        self.service = service
        self.told = told
        self._folder = folder

    def add(self, *records: tuple[int, int]) -> None:
        """Let the file grow by records (second, amount)."""
        (self._folder / "in").mkdir(exist_ok=True)
        with (self._folder / "in" / "a.ndjson").open("a") as file:
            file.writelines(json.dumps({"at": at, "amount": amount}) + "\n" for at, amount in records)

    async def change(self, manifest: Mapping[str, Any]) -> bool:
        """Give it another spec; when it is taken, wait until that is active."""
        taken = await self.service.change(resource_of(self._folder, manifest))
        if taken:
            await asyncio.wait_for(self.service.running.wait(), DEADLINE_S)
        return taken

    async def rows(self, expected: list[Any], view: str = "minutes") -> None:
        """Wait until the last column of the view's rows, oldest first, is this."""
        async with asyncio.timeout(DEADLINE_S):
            while expected != (found := await self._rows(view)):  # noqa: ASYNC110 - rows have no event
                await asyncio.sleep(0.02)
        assert expected == found

    async def _rows(self, view: str) -> list[Any]:
        table = await self.service.storage.store.rows("orders", view, 100)
        return [row[table.schema.names[2]] for row in reversed(table.to_pylist())]


def resource_of(folder: Path, manifest: Mapping[str, Any]) -> Pipeline:
    (folder / "pipeline.yaml").write_text(json.dumps(manifest))
    return read_pipelines([folder / "pipeline.yaml"], {})[0].resource


def changed(edit: Callable[[Any], object], manifest: Mapping[str, Any] = MANIFEST) -> Mapping[str, Any]:
    copy = deepcopy(dict(manifest))
    edit(copy["spec"])
    return copy


@asynccontextmanager
async def served(folder: Path, manifest: Mapping[str, Any] = MANIFEST) -> AsyncIterator[Served]:
    resource_of(folder, manifest)
    (pipeline,) = read_pipelines([folder / "pipeline.yaml"], {})
    async with opened_adapters(folder / "data", "") as adapters:
        log = open_log(adapters.folder.log_path, "orders")
        told: list[str] = []
        storage = adapters.storage(pipeline, log, follow=True)
        service = PipelineService(pipeline.resource, pipeline.plan, storage, ServiceSettings(), told.append)
        stop = asyncio.Event()
        serving = asyncio.create_task(service.run(stop))
        try:
            await asyncio.wait_for(service.running.wait(), DEADLINE_S)
            yield Served(service, folder, told)
        finally:
            stop.set()
            await serving
            await log.close()


def test_a_view_that_a_change_adds_begins_at_the_switch_and_the_others_go_on(tmp_path: Path) -> None:
    async def play() -> None:
        async with served(tmp_path) as opened:
            opened.add((10, 1), (70, 2))
            await opened.rows([1])
            assert await opened.change(changed(lambda spec: spec["views"].append(LARGEST)))
            opened.add((80, 3), (130, 9))
            await opened.rows([1, 5])
            await opened.rows([3], "largest")

    asyncio.run(play())


def test_a_change_that_does_not_fit_is_refused_and_the_old_spec_goes_on(tmp_path: Path) -> None:
    other = changed(lambda spec: spec["views"][0]["window"]["tumbling"].update(size="2m"))

    async def play() -> None:
        async with served(tmp_path) as opened:
            opened.add((10, 1), (70, 2))
            await opened.rows([1])
            revision = opened.service.plan.revision
            assert not await opened.change(other)
            refused = opened.service.report().refused
            assert refused is not None
            assert "stateChange: {action: Rebuild" in refused.text
            opened.add((130, 3))
            await opened.rows([1, 2])
        async with served(tmp_path, other) as opened:  # the stored spec is served, not the file's
            assert revision == opened.service.plan.revision
            assert opened.service.report().refused is not None
            opened.add((190, 4))
            await opened.rows([1, 2, 3])

    asyncio.run(play())


def test_a_rebuild_reads_followed_files_from_their_beginning(tmp_path: Path) -> None:
    async def play() -> None:
        async with served(tmp_path) as opened:
            opened.add((10, 1), (70, 2), (130, 3))
            await opened.rows([1, 2])
            origin = f"orders-{opened.service.plan.revision}"
            doubled = changed(lambda spec: spec["views"][0]["aggregates"][0].update(expr="sum(amount * 2)"))
            permitted = changed(lambda spec: spec.update(stateChange={"action": "Rebuild", "from": origin}), doubled)
            assert await opened.change(permitted)
            await opened.rows([2, 4])
            opened.add((190, 4))
            await opened.rows([2, 4, 6])
            assert 4 == opened.service.report().counters["in"]

    asyncio.run(play())


def test_a_reset_forgets_the_results_and_goes_on_where_reading_stopped(tmp_path: Path) -> None:
    async def play() -> None:
        async with served(tmp_path) as opened:
            opened.add((10, 1), (70, 2))
            await opened.rows([1])
            origin = f"orders-{opened.service.plan.revision}"
            doubled = changed(lambda spec: spec["views"][0]["aggregates"][0].update(expr="sum(amount * 2)"))
            assert await opened.change(
                changed(lambda spec: spec.update(stateChange={"action": "Reset", "from": origin}), doubled)
            )
            opened.add((130, 3), (190, 4))
            await opened.rows([6])

    asyncio.run(play())


def test_a_restart_goes_on_with_what_the_stop_left(tmp_path: Path) -> None:
    async def play() -> None:
        async with served(tmp_path) as opened:
            opened.add((10, 1), (20, 2))
            async with asyncio.timeout(DEADLINE_S):
                while opened.service.report().counters.get("in") != 2:  # noqa: ASYNC110 - counters have no event
                    await asyncio.sleep(0.02)
        async with served(tmp_path) as opened:
            assert opened.service.report().seq == opened.service.report().snapshot_seq
            opened.add((30, 3), (70, 0))
            await opened.rows([6])

    asyncio.run(play())


def test_a_fault_is_told_and_a_corrected_spec_goes_on(tmp_path: Path) -> None:
    broken = changed(
        lambda spec: spec["sources"].append(
            {"name": "more", "files": {"path": "more.txt", "format": {"text": {"pattern": "(?P<at>[0-9]+"}}}}
        )
    )

    async def play() -> None:
        async with served(tmp_path) as opened:
            opened.add((10, 1), (70, 2))
            await opened.rows([1])
            assert await opened.service.change(resource_of(tmp_path, broken))
            async with asyncio.timeout(DEADLINE_S):
                while opened.service.report().phase != "failed":  # noqa: ASYNC110 - phases have no event
                    await asyncio.sleep(0.02)
            assert "pattern" in str(opened.service.report().error)
            assert await opened.change(MANIFEST)
            opened.add((130, 3))
            await opened.rows([1, 2])

    asyncio.run(play())
