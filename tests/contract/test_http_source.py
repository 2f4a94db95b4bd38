"""An http source: its one split follows the log, goes on where a state says, and lets the log be trimmed."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from datanexus.adapters.connectors.factory import open_source
from datanexus.ports.log import ARROW, Log, NewEntry
from datanexus.ports.source import Chunk, ColumnChunk, Source, Split, SplitName, SplitState, TextChunk
from datanexus_spec.pipeline import PipelineSource
from tests.fakes.log import MemoryLog


def source_of(log: Log, **http: object) -> Source:
    given = PipelineSource.model_validate({"name": "in", "http": http})
    return open_source(given, Path(), log, follow=True)


async def send(log: Log, body: bytes, framing: str = "ndjson", extent: int | None = None) -> None:
    await log.append("in", NewEntry("in/http", body, framing, extent=extent))


async def opened(source: Source, states: Mapping[SplitName, SplitState] = {}) -> Split:
    (split,) = await source.open(states)
    return split


async def read_ready(split: Split, rows_max: int = 1000) -> list[Chunk]:
    chunks = []
    while split.ready:
        chunk = await split.read(rows_max)
        assert isinstance(chunk, TextChunk | ColumnChunk)
        chunks.append(chunk)
    return [chunk for chunk in chunks if chunk.rows]


def texts(chunks: list[Chunk]) -> list[bytes]:
    return [chunk.raw(row) for chunk in chunks if isinstance(chunk, TextChunk) for row in range(chunk.rows)]


def test_a_split_is_ready_when_the_log_has_more_and_never_ends() -> None:
    async def use() -> None:
        log = MemoryLog()
        source = source_of(log)
        split = await opened(source)
        arrivals: list[int] = []
        source.watch(lambda: arrivals.append(1))
        assert not split.ready
        for number in range(3):
            await send(log, b"%d\n%d\n" % (number, number))
            assert number + 1 == len(arrivals)
            assert [b"%d" % number] * 2 == texts(await read_ready(split))
            assert not split.ready
        await send(log, b"\n")
        assert [] == await read_ready(split)
        assert () == await source.refresh()

    asyncio.run(use())


def test_before_it_is_watched_the_end_of_the_log_is_the_end() -> None:
    async def use() -> None:
        log = MemoryLog()
        split = await opened(source_of(log))
        assert await split.read(1) is None
        await send(log, b"1\n")
        assert [b"1"] == texts([chunk for chunk in [await split.read(5)] if isinstance(chunk, TextChunk)])
        assert await split.read(1) is None

    asyncio.run(use())


def test_each_csv_body_names_its_own_columns() -> None:
    async def use() -> None:
        log = MemoryLog()
        await send(log, b"a,b\n1,2\n3,4\n", "csv")
        await send(log, b"b;c\n5,6\n", "csv")
        split = await opened(source_of(log))
        first = await split.read(1)
        again = await opened(source_of(log), {split.name: split.state()})
        rest = [await again.read(9), await again.read(9)]
        headers = [chunk.header for chunk in (first, *rest) if isinstance(chunk, TextChunk)]
        assert [("a", "b"), ("a", "b"), ("b;c",)] == headers

    asyncio.run(use())


def test_csv_is_read_as_the_source_says() -> None:
    async def use() -> None:
        log = MemoryLog()
        await send(log, b"1;2\n", "csv")
        csv = {"delimiter": ";", "header": False, "columns": ["a", "b"]}
        chunk = await (await opened(source_of(log, format={"csv": csv}))).read(9)
        assert isinstance(chunk, TextChunk)
        assert (("a", "b"), [b"1;2"]) == (chunk.header, texts([chunk]))

    asyncio.run(use())


def test_positions_ascend_over_bodies_of_every_kind() -> None:
    async def use() -> None:
        log = MemoryLog()
        stream = pa.BufferOutputStream()
        table = pa.table({"n": pa.nulls(100_000)})
        with pa.ipc.new_stream(stream, table.schema) as writer:
            writer.write_table(table)
        body = stream.getvalue().to_pybytes()
        for _ in range(2):
            await send(log, body, ARROW, max(len(body), table.num_rows))
            await send(log, b'[{"n": 1}, {"n": 2}]\n', "json")
        positions: list[int] = []
        source = source_of(log)
        split = await opened(source)
        source.watch(lambda: None)
        for chunk in await read_ready(split, 70_000):
            positions += chunk.positions.tolist()
        assert 200_004 == len(set(positions))
        assert sorted(positions) == positions

    asyncio.run(use())


def test_what_every_kept_state_has_passed_is_trimmed() -> None:
    async def use() -> None:
        log = MemoryLog()
        for number in range(5):
            await send(log, b"%d\n" % number)
        source = source_of(log)
        split = await opened(source)
        await split.read(1)
        await split.read(1)
        await source.release({})
        assert 0 == await log.begin("in")
        states = {split.name: split.state()}
        await source.release(states)
        assert 2 == await log.begin("in")
        again = await opened(source_of(log), states)
        assert [b"2"] == texts([chunk for chunk in [await again.read(9)] if isinstance(chunk, TextChunk)])
        for _ in range(2):
            await again.read(9)
        await source.release({split.name: again.state()})
        assert 5 == await log.begin("in")
        await send(log, b"5\n")
        last = await opened(source_of(log), {split.name: again.state()})
        assert [b"5"] == texts([chunk for chunk in [await last.read(9)] if isinstance(chunk, TextChunk)])

    asyncio.run(use())


def test_without_a_state_reading_begins_with_what_the_log_still_has() -> None:
    """As when a pipeline is rebuilt."""

    async def use() -> None:
        log = MemoryLog()
        for number in range(3):
            await send(log, b"%d\n" % number)
        await log.trim("in", 1)
        split = await opened(source_of(log))
        chunk = await split.read(1)
        assert isinstance(chunk, TextChunk)
        assert ([b"1"], [2]) == (texts([chunk]), chunk.positions.tolist())

    asyncio.run(use())
