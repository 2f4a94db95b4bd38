"""The contract of the Store port, held by the DuckDB store and by the one in memory alike."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from datanexus.adapters.embedded.store import open_store
from datanexus.core.emission import NO_WATERMARK, Global, ViewSpec
from datanexus.ports.store import CutRecord, Fence, OutboxEntry, PipelineRecord, QuarantineCount, Store
from datanexus_spec.errors import Conflict, InvalidInput
from tests.contract.rows import HOUR_US, PIPELINE, RECORD, TOP, Row, batch, cut, expected_row, view
from tests.fakes.store import MemoryStore

Opened = Callable[[], Store]
VIEW = view()
SELECT = "SELECT * FROM web_traffic.by_section ORDER BY window_start, section NULLS FIRST, n"


@pytest.fixture(params=["duckdb", "memory"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Opened:
    """Opens the store of this test; again after `close`, it is the same one."""
    if request.param == "duckdb":
        return lambda: open_store(tmp_path / "store.duckdb")
    memory = MemoryStore()
    return lambda: memory


def run(opened: Opened, use: Callable[[Store], Awaitable[Any]]) -> Any:
    """Use the store once, from open to close."""

    async def whole() -> Any:
        store = opened()
        try:
            return await use(store)
        finally:
            await store.close()

    return asyncio.run(whole())


async def claimed(store: Store, *views: ViewSpec) -> int:
    return (await store.claim(RECORD, views or (VIEW,), {})).epoch


async def rows_of(store: Store, sql: str = SELECT) -> list[dict[str, Any]]:
    return list((await store.query(sql)).to_pylist())


def shown(spec: ViewSpec, *rows: tuple[Row, bool]) -> list[dict[str, Any]]:
    return [{**expected_row(spec, row), "final": final} for row, final in rows]


def test_a_new_pipeline_begins_at_cut_zero_and_each_claim_raises_the_epoch(opened: Opened) -> None:
    async def use(store: Store) -> None:
        assert await store.pipeline(PIPELINE) is None
        assert Fence(1, 0, NO_WATERMARK) == await store.claim(RECORD, [VIEW], {})
        assert RECORD == await store.pipeline(PIPELINE)
        assert [RECORD] == list(await store.pipelines())
        assert Fence(2, 0, NO_WATERMARK) == await store.claim(RECORD, [VIEW], {})

    run(opened, use)
    assert Fence(3, 0, NO_WATERMARK) == run(opened, lambda store: store.claim(RECORD, [VIEW], {}))


def test_a_cut_survives_the_end_of_the_process(opened: Opened) -> None:
    async def use(store: Store) -> None:
        epoch = await claimed(store)
        await store.commit(PIPELINE, epoch, cut(1, [(VIEW, 0, {"appended": [(0, "a", 1)]})], counters={"in": 2}))

    run(opened, use)

    async def later(store: Store) -> None:
        assert shown(VIEW, ((0, "a", 1), True)) == await rows_of(store)
        assert {"in": 2} == await store.counters(PIPELINE)
        assert [CutRecord(1, HOUR_US, 7, '{"seq": 1}', "[]")] == await store.cuts(PIPELINE, 0)
        assert Fence(2, 1, HOUR_US) == await store.claim(RECORD, [VIEW], {})

    run(opened, later)


def test_a_cut_appends_replaces_and_deletes_rows_of_its_partition_alone(opened: Opened) -> None:
    async def use(store: Store) -> None:
        epoch = await claimed(store)
        both = {"appended": [(0, "a", 1), (0, "", 2), (5, "a", 3)]}
        await store.commit(PIPELINE, epoch, cut(1, [(VIEW, 0, both), (VIEW, 1, both)]))
        change = {"appended": [(0, "b", 4)], "replaced": [(0, "a", 10)], "deleted": [(0, "", 2)]}
        await store.commit(PIPELINE, epoch, cut(2, [(VIEW, 1, change)]))
        expected = [((0, "", 2), True), ((0, "a", 1), True), ((0, "a", 10), True), ((0, "b", 4), True)]
        expected += [((5, "a", 3), False), ((5, "a", 3), False)]
        assert shown(VIEW, *expected) == await rows_of(store)

    run(opened, use)


def test_the_newest_rows_come_first_with_their_keys(opened: Opened) -> None:
    async def use(store: Store) -> None:
        epoch = await claimed(store)
        rows: list[Row] = [(0, "a", 1), (5, "b", 2), (5, "a", 3)]
        await store.commit(PIPELINE, epoch, cut(1, [(VIEW, 0, {"appended": rows})]))
        expected = batch(VIEW, rows).to_pylist()
        expected.sort(key=lambda row: (-row["window_start"].timestamp(), row["key_high"], row["key_low"]))
        found = await store.rows(PIPELINE, VIEW.name, 2)
        assert VIEW.row_schema() == found.schema
        assert expected[:2] == found.to_pylist()

    run(opened, use)


def test_rows_of_a_global_window_are_told_apart_by_key_alone(opened: Opened) -> None:
    spec = view("all", Global(HOUR_US))

    async def use(store: Store) -> None:
        epoch = await claimed(store, spec)
        await store.commit(PIPELINE, epoch, cut(1, [(spec, 0, {"appended": [(0, "a", 1), (0, "b", 2)]})]))
        await store.commit(PIPELINE, epoch, cut(2, [(spec, 0, {"replaced": [(0, "a", 5)], "deleted": [(0, "b", 2)]})]))
        select = "SELECT * FROM web_traffic.all"
        assert shown(spec, ((0, "a", 5), False)) == await rows_of(store, select.replace("all", '"all"'))

    run(opened, use)


@pytest.mark.parametrize(("epochs_behind", "seq"), [(1, 2), (0, 1), (0, 3)])
def test_a_cut_at_another_fence_is_a_conflict_and_writes_nothing(opened: Opened, epochs_behind: int, seq: int) -> None:
    async def use(store: Store) -> None:
        await store.commit(PIPELINE, await claimed(store), cut(1))
        epoch = await claimed(store)
        lost = cut(seq, [(VIEW, 0, {"appended": [(0, "a", 1)]})], quarantined=["InvalidJson"], counters={"in": 1})
        with pytest.raises(Conflict):
            await store.commit(PIPELINE, epoch - epochs_behind, lost)
        assert await rows_of(store) == []
        assert {} == await store.counters(PIPELINE)
        assert [] == await store.quarantine(PIPELINE, 10)
        assert Fence(epoch + 1, 1, HOUR_US) == await store.claim(RECORD, [VIEW], {})

    run(opened, use)


def test_a_row_is_final_when_its_window_and_the_offset_lie_behind_the_watermark(opened: Opened) -> None:
    async def use(store: Store) -> None:
        epoch = (await store.claim(RECORD, [VIEW], {VIEW.name: HOUR_US - 1})).epoch
        rows = {"appended": [(-3, "a", 1), (1, "b", 2), (2, "c", 3)]}
        await store.commit(PIPELINE, epoch, cut(1, [(VIEW, 0, rows)], watermark_hours=3))
        expected = shown(VIEW, ((-3, "a", 1), True), ((1, "b", 2), True), ((2, "c", 3), False))
        assert expected == await rows_of(store)

    run(opened, use)


def test_no_row_is_final_before_the_first_watermark(opened: Opened) -> None:
    async def use(store: Store) -> None:
        epoch = await claimed(store)
        early = cut(1, [(VIEW, 0, {"appended": [(0, "a", 1)]})])
        record = CutRecord(1, NO_WATERMARK, 0, "{}", "[]")
        await store.commit(PIPELINE, epoch, type(early)(record, early.changes, early.quarantined, {}, ()))
        assert shown(VIEW, ((0, "a", 1), False)) == await rows_of(store)

    run(opened, use)


def test_an_end_of_input_flush_is_final_and_leaves_the_fence(opened: Opened) -> None:
    async def use(store: Store) -> None:
        epoch = await claimed(store)
        await store.commit(PIPELINE, epoch, cut(1, [(VIEW, 0, {"appended": [(1, "a", 1)]})]))
        assert not await store.is_terminal(PIPELINE)
        flush = cut(1, [(VIEW, 0, {"appended": [(9, "b", 2)]})], terminal=True)
        await store.commit(PIPELINE, epoch, flush)
        assert await store.is_terminal(PIPELINE)
        assert shown(VIEW, ((1, "a", 1), True), ((9, "b", 2), True)) == await rows_of(store)
        assert Fence(epoch + 1, 1, HOUR_US) == await store.claim(RECORD, [VIEW], {})
        assert [1] == [record.seq for record in await store.cuts(PIPELINE, 0)]

    run(opened, use)


def test_the_cut_after_a_flush_brings_back_what_was_at_the_fence(opened: Opened) -> None:
    async def use(store: Store) -> None:
        epoch = await claimed(store)
        before = {"appended": [(5, "a", 1), (5, "b", 2), (5, "c", 3)]}
        await store.commit(PIPELINE, epoch, cut(1, [(VIEW, 0, before)], quarantined=["Kept"], counters={"in": 3}))
        change = {"appended": [(9, "d", 4)], "replaced": [(5, "a", 10)], "deleted": [(5, "b", 2)]}
        flush = cut(1, [(VIEW, 0, change)], quarantined=["Gone"], counters={"in": 4}, terminal=True)
        await store.commit(PIPELINE, epoch, flush)
        assert shown(VIEW, ((5, "a", 10), True), ((5, "c", 3), True), ((9, "d", 4), True)) == await rows_of(store)
        assert {"in": 7} == await store.counters(PIPELINE)
        assert ["Kept", "Gone"] == [entry.reason for entry in await store.quarantine(PIPELINE, 10)]

    async def later(store: Store) -> None:
        epoch = await claimed(store)
        await store.commit(PIPELINE, epoch, cut(2, [(VIEW, 0, {"replaced": [(5, "c", 30)]})], counters={"in": 1}))
        expected = shown(VIEW, ((5, "a", 1), False), ((5, "b", 2), False), ((5, "c", 30), False))
        assert expected == await rows_of(store)
        assert {"in": 4} == await store.counters(PIPELINE)
        assert ["Kept"] == [entry.reason for entry in await store.quarantine(PIPELINE, 10)]
        assert not await store.is_terminal(PIPELINE)

    run(opened, use)
    run(opened, later)


def test_a_second_flush_takes_the_place_of_the_first(opened: Opened) -> None:
    async def use(store: Store) -> None:
        epoch = await claimed(store)
        await store.commit(PIPELINE, epoch, cut(1))
        for group in ("a", "b"):
            flush = cut(1, [(VIEW, 0, {"appended": [(9, group, 1)]})], counters={"in": 1}, terminal=True)
            await store.commit(PIPELINE, epoch, flush)
        assert shown(VIEW, ((9, "b", 1), True)) == await rows_of(store)
        assert {"in": 1} == await store.counters(PIPELINE)

    run(opened, use)


def test_what_a_flush_gave_to_sinks_is_taken_back_before_the_next_cut_s_own(opened: Opened) -> None:
    flushed, own = OutboxEntry("archive", "v-0-1-end", b"rows"), OutboxEntry("archive", "v-0-2", b"more")

    async def use(store: Store) -> None:
        epoch = await claimed(store)
        await store.commit(PIPELINE, epoch, cut(1))
        assert [flushed] == list(await store.commit(PIPELINE, epoch, cut(1, outbox=[flushed], terminal=True)))
        await store.acknowledge(PIPELINE, [flushed])
        after = await store.commit(PIPELINE, epoch, cut(2, outbox=[own]))
        assert [OutboxEntry("archive", "v-0-1-end", b""), own] == list(after)

    run(opened, use)


def test_an_outbox_entry_stays_until_it_is_acknowledged(opened: Opened) -> None:
    entries = [OutboxEntry("s", f"v-0-{index}", bytes([index])) for index in range(1, 5)]

    async def use(store: Store) -> None:
        epoch = await claimed(store)
        assert entries[:2] == list(await store.commit(PIPELINE, epoch, cut(1, outbox=entries[:2])))
        assert entries[:3] == list(await store.commit(PIPELINE, epoch, cut(2, outbox=entries[2:3])))
        await store.acknowledge(PIPELINE, [entries[1]])

    async def later(store: Store) -> None:
        assert [entries[0], entries[2]] == list(await store.outbox(PIPELINE))
        epoch = await claimed(store)
        await store.acknowledge(PIPELINE, [entries[0], entries[2], entries[0]])
        assert [] == list(await store.commit(PIPELINE, epoch, cut(3)))
        assert [entries[3]] == list(await store.commit(PIPELINE, epoch, cut(4, outbox=entries[3:])))

    run(opened, use)
    run(opened, later)


def test_the_last_cut_s_line_always_stays(opened: Opened) -> None:
    async def use(store: Store) -> None:
        epoch = await claimed(store)
        for seq in (1, 2, 3, 4):
            await store.commit(PIPELINE, epoch, cut(seq))
        await store.forget_cuts(PIPELINE, 3)
        assert [3, 4] == [record.seq for record in await store.cuts(PIPELINE, 0)]
        await store.forget_cuts(PIPELINE, 99)
        assert [4] == [record.seq for record in await store.cuts(PIPELINE, 0)]
        assert [] == await store.cuts(PIPELINE, 4)

    run(opened, use)


def test_retention_deletes_final_rows_alone(opened: Opened) -> None:
    async def use(store: Store) -> None:
        epoch = await claimed(store)
        rows = {"appended": [(0, "a", 1), (1, "b", 2), (2, "c", 3), (3, "d", 4)]}
        await store.commit(PIPELINE, epoch, cut(1, [(VIEW, 0, rows)], watermark_hours=3))
        assert 1 == await store.purge(PIPELINE, VIEW.name, HOUR_US)
        assert 2 == await store.purge(PIPELINE, VIEW.name, 99 * HOUR_US)
        assert shown(VIEW, ((3, "d", 4), False)) == await rows_of(store)

    run(opened, use)


def test_quarantine_is_listed_in_pages_and_counted(opened: Opened) -> None:
    async def use(store: Store) -> None:
        epoch = await claimed(store)
        await store.commit(PIPELINE, epoch, cut(1, quarantined=["InvalidJson", "NulCharacter"]))
        await store.commit(PIPELINE, epoch, cut(2, quarantined=["InvalidJson"]))

    async def later(store: Store) -> None:
        first, second = await store.quarantine(PIPELINE, 2)
        (third,) = await store.quarantine(PIPELINE, 2, after=second.id)
        assert first.id < second.id < third.id
        assert [(1, "InvalidJson", -1), (1, "NulCharacter", None), (2, "InvalidJson", -1)] == [
            (entry.seq, entry.reason, entry.event_time_us) for entry in (first, second, third)
        ]
        assert (b"\x00\xff{", 1, "access/a.log") == (second.raw, second.position, second.split)
        assert third == await store.quarantine_entry(third.id)
        assert await store.quarantine_entry(third.id + 1) is None
        counts = [QuarantineCount("decode", "InvalidJson", 2), QuarantineCount("decode", "NulCharacter", 1)]
        assert counts == await store.quarantine_counts(PIPELINE)
        assert [] == await store.quarantine("other", 10)

    run(opened, use)
    run(opened, later)


def test_values_come_back_as_they_were_written(opened: Opened) -> None:
    spec = view("types", None, ("flag", pa.bool_()), ("small", pa.int32()), ("at", pa.timestamp("us", tz="UTC")))

    async def use(store: Store) -> None:
        epoch = await claimed(store, spec)
        await store.commit(PIPELINE, epoch, cut(1, [(spec, 0, {"appended": [(-9, "ü\u20ac'\"", -(2**53) - 1)]})]))
        found = await store.query("SELECT * FROM web_traffic.types")
        assert shown(spec, ((-9, "ü\u20ac'\"", -(2**53) - 1), True)) == found.to_pylist()
        assert pa.decimal128(38, 0) == found.schema.field("total").type
        assert pa.timestamp("us", tz="UTC") == found.schema.field("window_start").type
        assert TOP.value_type == found.schema.field("top").type.value_type

    run(opened, use)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1; SELECT 2",
        "DROP VIEW web_traffic.by_section",
        "CREATE TABLE t (a INTEGER)",
        "SELECT nothing FROM web_traffic.by_section",
        "SELEC",
        "",
    ],
)
def test_a_query_is_one_select_that_works_or_invalid_input(opened: Opened, sql: str) -> None:
    async def use(store: Store) -> None:
        await claimed(store)
        with pytest.raises(InvalidInput):
            await store.query(sql)

    run(opened, use)


def test_a_changed_plan_keeps_the_views_that_fit_and_replaces_the_others(opened: Opened) -> None:
    kept, dropped, changed = view("kept"), view("dropped"), view("changed")
    wider, added = view("changed", None, ("more", pa.int64())), view("added")
    later = PipelineRecord(PIPELINE, "r2", "{}", "{}")

    async def use(store: Store) -> None:
        epoch = await claimed(store, kept, dropped, changed)
        rows = {"appended": [(0, "a", 1)]}
        await store.commit(PIPELINE, epoch, cut(1, [(spec, 0, rows) for spec in (kept, dropped, changed)]))
        fence = await store.claim(later, [kept, wider, added], {})
        assert Fence(2, 1, HOUR_US) == fence
        counts = {name: await rows_of(store, f"FROM web_traffic.{name}") for name in ("kept", "changed", "added")}
        assert {"kept": 1, "changed": 0, "added": 0} == {name: len(rows) for name, rows in counts.items()}
        with pytest.raises(InvalidInput):
            await store.query("FROM web_traffic.dropped")
        await store.commit(PIPELINE, fence.epoch, cut(2, [(wider, 0, rows), (added, 0, rows)]))
        assert shown(wider, ((0, "a", 1), True)) == await rows_of(store, "FROM web_traffic.changed")

    run(opened, use)


def test_a_forgotten_pipeline_leaves_nothing_and_starts_over(opened: Opened) -> None:
    other = PipelineRecord("other", "r1", "{}", "{}")

    async def use(store: Store) -> None:
        rows = [(VIEW, 0, {"appended": [(0, "a", 1)]})]
        outbox = [OutboxEntry("s", "n", b"x")]
        for record in (RECORD, other):
            fence = await store.claim(record, [VIEW], {})
            full = cut(1, rows, quarantined=["Bad"], counters={"in": 1}, outbox=outbox)
            await store.commit(record.name, fence.epoch, full)
        await store.forget(PIPELINE)
        await store.forget("never stored")
        assert await store.pipeline(PIPELINE) is None
        assert ({}, [], []) == (
            dict(await store.counters(PIPELINE)),
            list(await store.quarantine(PIPELINE, 9)),
            list(await store.outbox(PIPELINE)),
        )
        assert 1 == len(await rows_of(store, "FROM other.by_section"))
        fence = await store.claim(RECORD, [VIEW], {})
        assert (0, NO_WATERMARK) == (fence.seq, fence.watermark_us)
        assert [] == await rows_of(store)

    run(opened, use)


@pytest.mark.parametrize("seed", range(4))
def test_any_sequence_of_cuts_leaves_the_rows_that_the_memory_store_has(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    views = (VIEW, view("all", Global(HOUR_US)))
    specs = {spec.name: spec for spec in views}

    async def use() -> None:
        stores: Sequence[Store] = (open_store(tmp_path / "store.duckdb"), MemoryStore())
        epochs = [(await store.claim(RECORD, views, {})).epoch for store in stores]
        present: dict[tuple[str, int], dict[tuple[int, str], int]] = {}
        seq = 0
        for _ in range(25):
            is_flush = draw.random() < 0.25
            state = {key: dict(rows) for key, rows in present.items()}
            changes = [
                (specs[name], partition, _random_changes(draw, state.setdefault((name, partition), {}), name))
                for name in specs
                for partition in range(2)
            ]
            if not is_flush:
                seq, present = seq + 1, state
            made = cut(seq, changes, counters={"in": draw.randrange(9)}, terminal=is_flush)
            for store, epoch in zip(stores, epochs, strict=True):
                await store.commit(PIPELINE, epoch, made)
            for name in ("by_section", '"all"'):
                sql = f"SELECT * FROM web_traffic.{name} ORDER BY ALL"
                assert await rows_of(stores[1], sql) == await rows_of(stores[0], sql)
            assert await stores[1].counters(PIPELINE) == await stores[0].counters(PIPELINE)
        await stores[0].close()

    asyncio.run(use())


def _random_changes(draw: random.Random, rows: dict[tuple[int, str], int], name: str) -> dict[str, list[Row]]:
    """Changes that fit the rows there are, which are brought up to date."""
    hours = (0,) if name == "all" else range(4)
    made: dict[str, list[Row]] = {"appended": [], "replaced": [], "deleted": []}
    for key in [(hour, group) for hour in hours for group in "abcd"]:
        choice = draw.random()
        count = draw.randrange(1000)
        if key not in rows and choice < 0.3:
            made["appended"].append((*key, count))
            rows[key] = count
        elif key in rows and choice < 0.2:
            made["replaced"].append((*key, count))
            rows[key] = count
        elif key in rows and choice < 0.3:
            made["deleted"].append((*key, rows.pop(key)))
    return made
