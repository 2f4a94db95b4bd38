"""The contract of the Source port: order, determinism and positions, whatever a source reads."""

import asyncio
import gzip
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datanexus.adapters.connectors.factory import open_source
from datanexus.adapters.connectors.stdin import StandardInput, StdinSource
from datanexus.ports.log import NewEntry
from datanexus.ports.source import ColumnChunk, Source, Split, SplitName, SplitState, TextChunk
from datanexus_spec.format import Format
from datanexus_spec.pipeline import PipelineSource
from tests.fakes.log import MemoryLog
from tests.fakes.source import MemorySource

LINES = [f'{{"n": {index}, "pad": "{"x" * (index % 97)}"}}'.encode() for index in range(3000)]
TEXT = b"".join(line + b"\n" for line in LINES)
FIELDS = [
    {"name": "time", "time": {}},
    {"name": "n", "sequence": {}},
    {"name": "key", "zipf": {"count": 1000, "prefix": "k"}},
    {"name": "value", "number": {"max": 10}, "nullShare": 0.1},
]


@dataclass(frozen=True, slots=True)
class Subject:
    """A way to a source that is the same each time; `records`: how many it has."""

    open: Callable[[], Source]
    records: int


def file_source(folder: Path, path: str, **form: object) -> Source:
    given = {"name": "in", "files": {"path": path, "format": form or {"ndjson": {}}}}
    return open_source(PipelineSource.model_validate(given), folder, MemoryLog())


def columns() -> pa.Table:
    return pa.table({"n": pa.array(range(3000)), "text": pa.array([f"row {index}" for index in range(3000)])})


def write_arrow(path: Path, *, stream: bool) -> None:
    table = columns()
    writer = pa.ipc.new_stream(path, table.schema) if stream else pa.ipc.new_file(path, table.schema)
    with writer:
        writer.write_table(table, max_chunksize=700)


def logged_stdin() -> Subject:
    log = MemoryLog()

    async def fill() -> None:
        for begin in range(0, len(LINES), 250):
            data = b"".join(line + b"\n" for line in LINES[begin : begin + 250])
            await log.append("in", NewEntry("in/stdin-1", data))

    asyncio.run(fill())
    return Subject(lambda: StdinSource("in", Format.model_validate({"ndjson": {}}), log, StandardInput(-1)), len(LINES))


def http() -> Subject:
    """Bodies of every kind; each begins where the one before ended."""
    log = MemoryLog()
    stream = pa.BufferOutputStream()
    with pa.ipc.new_stream(stream, columns().schema) as writer:
        writer.write_table(columns().slice(0, 600), max_chunksize=100)
    csv = b"n,text\r\n" + b"".join(b'%d,"two\nlines"\r\n' % index for index in range(600))
    bodies = [
        (b"".join(line + b"\n" for line in LINES[:600]), "ndjson", None),
        (csv, "csv", None),
        (b"[" + b",".join(LINES[600:1200]) + b"]\n\n", "json", None),
        (stream.getvalue().to_pybytes(), "arrow", 1_000_000),
        (b"\n", "ndjson", None),
        (b"".join(line + b"\n" for line in LINES[1200:1800])[:-1], "ndjson", None),
        (b"a\n", "csv", None),
    ]

    async def fill() -> None:
        for body, framing, extent in bodies:
            await log.append("in", NewEntry("in/http", body, framing, extent=extent))

    asyncio.run(fill())
    given = PipelineSource.model_validate({"name": "in", "http": {}})
    return Subject(lambda: open_source(given, Path(), log, follow=True), 3000)


def generator() -> Subject:
    log = MemoryLog()
    spec = {"seed": 7, "rows": 3000, "disorder": "5s", "duplicates": 0.1, "fields": FIELDS}
    given = PipelineSource.model_validate({"name": "in", "generator": spec})
    return Subject(lambda: open_source(given, Path(), log), 3000)


@pytest.fixture(
    params=[
        *("memory", "plain", "several", "gzip", "members", "zstd", "csv", "json"),
        *("arrow", "stream", "parquet", "stdin", "generator", "http"),
    ]
)
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Subject:
    kind = request.param
    if kind == "memory":
        return Subject(lambda: MemorySource({"in/a": LINES[:2000], "in/b": LINES[2000:]}), len(LINES))
    if kind == "stdin":
        return logged_stdin()
    if kind in ("generator", "http"):
        return generator() if kind == "generator" else http()
    return file_subject(kind, tmp_path)


def file_subject(kind: str, folder: Path) -> Subject:
    form: dict[str, object] = {"ndjson": {}}
    path = folder / f"a.{kind}"
    match kind:
        case "plain":
            path.write_bytes(TEXT)
        case "several":
            path.write_bytes(TEXT[: TEXT.index(b"\n") + 1])
            (folder / "b.several").write_bytes(TEXT[TEXT.index(b"\n") + 1 : -1])  # no line end at the end
            (folder / "c.several").write_bytes(b"")
        case "gzip":
            (folder / "a.gzip.gz").write_bytes(gzip.compress(TEXT))
        case "members":
            middle = len(TEXT) // 2  # inside a line
            members = gzip.compress(TEXT[:middle]) + gzip.compress(b"") + gzip.compress(TEXT[middle:]) + bytes(512)
            (folder / "a.members.gz").write_bytes(members)
        case "zstd":
            half = len(TEXT) // 3
            frames = [pa.compress(part, "zstd", asbytes=True) for part in (TEXT[:half], TEXT[half:])]
            (folder / "a.zstd").write_bytes(b"".join(frames))
        case "csv":
            form = {"csv": {}}
            body = b"".join(b'%d,"two\nlines ""%d"""\r\n' % (index, index) for index in range(3000))
            path.write_bytes(b"\xef\xbb\xbfn,text\r\n" + body)
        case "json":
            form = {"json": {}}
            path.write_bytes(b"[" + b",\n".join(LINES) + b"]\n")
        case "parquet":
            form = {"parquet": {}}
            pq.write_table(columns(), path, row_group_size=900)
        case _:
            form = {"arrow": {}}
            write_arrow(path, stream=kind == "stream")
    pattern = {"gzip": "a.gzip.gz", "members": "a.members.gz", "zstd": "a.zstd"}.get(kind, f"*.{kind}")
    return Subject(lambda: file_source(folder, pattern, **form), 3000)


Record = tuple[SplitName, int, object]  # split, position, content


def records_of(split: Split, chunk: TextChunk | ColumnChunk) -> list[Record]:
    positions = chunk.positions.tolist()
    assert sorted(set(positions)) == positions
    if isinstance(chunk, TextChunk):
        contents: Sequence[object] = [(chunk.raw(row), chunk.header) for row in range(chunk.rows)]
    else:
        contents = [tuple(row.items()) for row in chunk.columns.to_pylist()]
    return [(split.name, position, content) for position, content in zip(positions, contents, strict=True)]


async def read_split(split: Split, draw: random.Random, records_max: int = 1 << 30) -> list[Record]:
    """Records in pieces of random sizes, up to a number of them."""
    records: list[Record] = []
    while len(records) < records_max:
        size = min(draw.choice([1, 2, 13, 1000, 1 << 20]), records_max - len(records))
        chunk = await split.read(size)
        if chunk is None:
            break
        assert isinstance(chunk, TextChunk | ColumnChunk)
        assert 1 <= chunk.rows <= size
        records += records_of(split, chunk)
    return records


async def read_source(source: Source, seed: int, states: Mapping[SplitName, SplitState] = {}) -> list[Record]:
    splits = await source.open(states)
    names = [split.name for split in splits]
    assert sorted(names) == names
    records = []
    for split in splits:
        assert split.name.startswith("in/")
        records += await read_split(split, random.Random(seed))
        assert await split.read(1) is None
        if split.total_bytes is not None:
            assert split.total_bytes == split.read_bytes
        await split.close()
    return records


def test_reading_in_any_pieces_gives_the_same_records(subject: Subject) -> None:
    expected = asyncio.run(read_source(subject.open(), 0))
    assert subject.records == len(expected)
    assert expected == asyncio.run(read_source(subject.open(), 1))


def test_reading_goes_on_exactly_behind_a_state(subject: Subject) -> None:
    async def use(draw: random.Random) -> tuple[list[Record], list[Record]]:
        states: dict[SplitName, SplitState] = {}
        parts: dict[SplitName, list[Record]] = {}
        for _ in range(6):
            source = subject.open()
            opened = list(await source.open(states))
            draw.shuffle(opened)
            for split in opened:
                read = await read_split(split, draw, draw.choice([0, 1, 300, 900]))
                parts.setdefault(split.name, []).extend(read)
                states[split.name] = split.state()
            for split in opened:
                await split.close()
            assert [] == list(source.notices())
        rest = await read_source(subject.open(), 2, states)
        for record in rest:
            parts[record[0]].append(record)
        return await read_source(subject.open(), 3), [record for name in sorted(parts) for record in parts[name]]

    for seed in range(3):
        whole, pieces = asyncio.run(use(random.Random(seed)))
        assert whole == pieces


def test_a_state_follows_from_the_records_read_not_from_how_they_were_read(subject: Subject) -> None:
    async def states(seed: int) -> list[SplitState]:
        found = []
        for count in (0, 1, 257, 5000):
            for split in await subject.open().open({}):
                await read_split(split, random.Random(seed), count)
                found.append(split.state())
                await split.close()
        return found

    assert asyncio.run(states(1)) == asyncio.run(states(2))


def test_opening_at_a_state_gives_that_state(subject: Subject) -> None:
    async def use() -> None:
        for count in (0, 1, 700, 5000):
            states = {}
            for split in await subject.open().open({}):
                await read_split(split, random.Random(count), count)
                states[split.name] = split.state()
                await split.close()
            again = await subject.open().open(states)
            assert all(states[split.name] == split.state() for split in again)
            for split in again:
                await split.close()

    asyncio.run(use())
