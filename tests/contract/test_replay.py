"""Records return from quarantine through the real service, store, log and snapshots: once, and at their event time."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from datanexus.adapters.embedded.log import open_log
from datanexus.engine.quarantine import ReplayRequest, Selection
from datanexus.engine.served_pipeline import PipelineService, ServiceSettings
from datanexus.pipeline_files import read_pipelines
from datanexus.ports.log import NewEntry
from datanexus.wiring import opened_adapters

DEADLINE_S = 60.0
ALL = Selection()
MANIFEST: Mapping[str, Any] = {
    "apiVersion": "datanexus.io/v1alpha1",
    "kind": "Pipeline",
    "metadata": {"name": "orders"},
    "spec": {
        "sources": [{"name": "posted", "http": {}}],
        "record": {
            "fields": [
                {"name": "at", "type": "timestamp", "formats": ["epochSeconds"]},
                {"name": "id", "type": "int64"},
                {"name": "amount", "type": "int64"},
            ],
            "eventTime": "at",
        },
        "dedup": {"key": ["id"], "horizon": "1h"},
        "watermark": {"delay": "0s", "idleAfter": "1h"},
        "views": [
            {
                "name": name,
                "window": {"tumbling": {"size": size}},
                "allowedLateness": "5s",
                "aggregates": [{"name": "n", "expr": "count(*)"}, {"name": "total", "expr": "sum(amount)"}],
            }
            for name, size in (("minutes", "1m"), ("seconds", "10s"))
        ],
    },
}


class Shop:
    """The service over a data folder, and how a test speaks to it."""

    def __init__(self, service: PipelineService) -> None:
        self.service = service

    async def send(self, *records: object) -> None:
        """Records as lines, text as it is; returns when cuts have taken them."""
        lines = [record if isinstance(record, str) else json.dumps(record) for record in records]
        before = self.count("in")
        data = "".join(f"{line}\n" for line in lines).encode()
        await self.service.storage.log.append("posted", NewEntry("posted/http", data, "ndjson"))
        await until(lambda: self.count("in") == before + len(lines))

    def count(self, name: str) -> int:
        return self.service.report().counters.get(name, 0)

    async def replay(self, selection: Selection = ALL, fixes: Mapping[int, bytes] | None = None, **how: bool) -> Any:
        return await self.service.quarantine.replay(ReplayRequest(selection, fixes or {}, **how))

    async def quarantined(self) -> list[tuple[int, str, str]]:
        entries = await self.service.storage.store.quarantine("orders", 100)
        return [(entry.position, entry.reason, entry.subject) for entry in entries]

    async def ids(self) -> list[int]:
        return [entry.id for entry in await self.service.storage.store.quarantine("orders", 100)]

    async def rows(self, view: str = "minutes") -> list[tuple[int, int]]:
        """Count and total of each window, oldest first."""
        rows = (await self.service.storage.store.rows("orders", view, 100)).to_pylist()
        return [(row["n"], row["total"]) for row in reversed(rows)]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 - counters have no event
            await asyncio.sleep(0.01)


def write(folder: Path, manifest: Mapping[str, Any] = MANIFEST) -> Path:
    path = folder / "pipeline.yaml"
    path.write_text(json.dumps(manifest))
    return path


@asynccontextmanager
async def shop(folder: Path, *, snapshot_every_cuts: int = 1000) -> AsyncIterator[Shop]:
    """`snapshot_every_cuts`: so rare that a start has cuts to replay."""
    (pipeline,) = read_pipelines([folder / "pipeline.yaml"], {})
    async with opened_adapters(folder / "data", "") as adapters:
        log = open_log(adapters.folder.log_path, "orders")
        settings = ServiceSettings(snapshot_every_cuts=snapshot_every_cuts)
        storage = adapters.storage(pipeline, log, follow=True)
        service = PipelineService(pipeline.resource, pipeline.plan, storage, settings, lambda _: None)
        stop = asyncio.Event()
        serving = asyncio.create_task(service.run(stop))
        try:
            await asyncio.wait_for(service.running.wait(), DEADLINE_S)
            yield Shop(service)
        finally:
            stop.set()
            await serving
            await log.close()


def play(folder: Path, *acts: Callable[[Shop], Awaitable[None]]) -> None:
    """Each act in a start of its own over one data folder."""
    write(folder)

    async def start(act: Callable[[Shop], Awaitable[None]]) -> None:
        async with shop(folder) as opened:
            await act(opened)

    for act in acts:
        asyncio.run(start(act))


def order(at: int, number: int, amount: object = 1) -> Mapping[str, object]:
    return {"at": at, "id": number, "amount": amount}


def conserved(counts: Mapping[str, int], views: Sequence[str] = ("minutes", "seconds")) -> bool:
    lanes = sum(counts.get(lane, 0) for lane in ("passed", "filtered", "duplicate", "quarantined"))
    parts = [sum(counts.get(f"view.{view}.{part}", 0) for part in ("assigned", "late", "unassigned")) for view in views]
    return counts["in"] == lanes and all(part == counts.get("passed", 0) for part in parts)


def test_a_mended_record_returns_at_its_event_time_and_only_once(tmp_path: Path) -> None:
    async def act(opened: Shop) -> None:
        await opened.send(order(10, 1), order(20, 2, "seven"), order(124, 3))
        assert [(1, 1)] == await opened.rows()
        (entry,) = await opened.ids()
        fixes = {entry: json.dumps(order(112, 2, 7)).encode()}
        report = await opened.replay(fixes=fixes)
        assert (1, 1, 0) == (report.selected, report.trial.passed, report.trial.late)
        assert [] == await opened.quarantined()
        again = await opened.replay(Selection((entry,)), fixes)
        assert (0, 0) == (again.selected, again.trial.passed)
        await opened.send(order(190, 4))
        assert [(1, 1), (1, 7), (1, 1)] == await opened.rows()
        assert conserved(opened.service.report().counters)

    play(tmp_path, act)


def test_a_dry_run_changes_nothing_and_says_what_the_replay_then_does(tmp_path: Path) -> None:
    async def act(opened: Shop) -> None:
        await opened.send(order(10, 1), order(20, 2, "x"), "not json", order(300, 3))
        before = (opened.service.report().counters, await opened.quarantined())
        fixes = dict.fromkeys(await opened.ids(), json.dumps(order(20, 2)).encode())
        dry = await opened.replay(fixes=fixes, dry_run=True)
        assert before == (opened.service.report().counters, await opened.quarantined())
        wet = await opened.replay(fixes=fixes)
        assert (dry.trial, dry.selected) == (wet.trial, wet.selected)
        assert (1, 1, 2, ()) == (wet.trial.passed, wet.trial.duplicate, wet.trial.late, wet.trial.refused)

    play(tmp_path, act)


def test_what_is_refused_again_stays_with_a_new_entry_and_its_own_place(tmp_path: Path) -> None:
    async def act(opened: Shop) -> None:
        await opened.send(order(10, 1), "not json", order(20, 2))
        before, (entry,) = await opened.quarantined(), await opened.ids()
        report = await opened.replay()
        assert [(entry, "InvalidJson")] == [(refused.id, refused.reason) for refused in report.trial.refused]
        assert before == await opened.quarantined()
        assert [entry] != await opened.ids()

    play(tmp_path, act)


def test_a_late_record_returns_to_the_view_that_refused_it_alone(tmp_path: Path) -> None:
    async def act(opened: Shop) -> None:
        await opened.send(order(100, 1))
        await opened.send(order(81, 2))  # its 10 s are final, its minute is open
        assert [("LateRecord", "seconds")] == [(reason, subject) for _, reason, subject in await opened.quarantined()]
        passed = opened.count("passed")
        report = await opened.replay()
        assert (1, 1) == (report.trial.passed, report.trial.late)
        assert [("LateRecord", "seconds")] == [(reason, subject) for _, reason, subject in await opened.quarantined()]
        await opened.send(order(200, 3))
        assert [(2, 2)] == await opened.rows("minutes")  # the returning record did not enter here again
        assert passed + 2 == opened.count("passed")
        assert conserved(opened.service.report().counters)

    play(tmp_path, act)


def test_records_that_returned_are_there_after_a_start_that_replays_their_cut(tmp_path: Path) -> None:
    async def first(opened: Shop) -> None:
        await opened.send(order(10, 1), order(20, 2, "x"))
        (entry,) = await opened.ids()
        await opened.replay(fixes={entry: json.dumps(order(21, 2, 5)).encode()})

    async def second(opened: Shop) -> None:
        assert [] == await opened.quarantined()
        await opened.send(order(22, 2), order(90, 3))
        assert 1 == opened.count("duplicate")
        assert [(2, 6)] == await opened.rows()

    play(tmp_path, first, second)


def test_after_a_corrected_spec_the_records_return(tmp_path: Path) -> None:
    async def act(opened: Shop) -> None:
        await opened.send(order(10, 1), order(20, 2, "-"), order(70, 3))
        corrected = deepcopy(dict(MANIFEST))
        corrected["spec"]["record"]["fields"][2] |= {"required": False, "nullIf": ["-"]}
        (pipeline,) = read_pipelines([write(tmp_path, corrected)], {})
        opened.service.running.clear()
        assert await opened.service.change(pipeline.resource)
        await asyncio.wait_for(opened.service.running.wait(), DEADLINE_S)
        report = await opened.replay()
        assert 1 == report.trial.passed

    play(tmp_path, act)


def test_purge_deletes_what_was_selected(tmp_path: Path) -> None:
    async def act(opened: Shop) -> None:
        await opened.send("not json", order(20, 2, "x"), order(30, 3))
        quarantine = opened.service.quarantine
        assert 1 == (await quarantine.purge(Selection(reason="InvalidJson"), dry_run=True)).purged
        assert 2 == len(await opened.quarantined())
        assert 1 == (await quarantine.purge(Selection(reason="InvalidJson"), dry_run=False)).purged
        assert ["WrongType"] == [reason for _, reason, _ in await opened.quarantined()]

    play(tmp_path, act)


@pytest.mark.parametrize("selection", [Selection(()), Selection((999,)), Selection(reason="None")])
def test_an_empty_selection_does_nothing(tmp_path: Path, selection: Selection) -> None:
    async def act(opened: Shop) -> None:
        await opened.send("not json")
        assert 0 == (await opened.replay(selection)).selected
        assert 1 == len(await opened.quarantined())

    play(tmp_path, act)
