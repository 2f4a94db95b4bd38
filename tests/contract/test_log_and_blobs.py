"""The contracts of the Log and Blobs ports, held by the embedded adapters and by those in memory alike."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from datanexus.adapters.embedded.blobs import open_blobs
from datanexus.adapters.embedded.log import open_log
from datanexus.ports.blob import Blobs
from datanexus.ports.log import Log, LogEntry
from datanexus_spec.errors import Corrupt
from tests.fakes.blobs import MemoryBlobs
from tests.fakes.log import MemoryLog


@pytest.fixture(params=["sqlite", "memory"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Log]:
    """Opens the same log each time."""
    if request.param == "sqlite":
        return lambda: open_log(tmp_path / "log.sqlite", "p")
    memory = MemoryLog()
    return lambda: memory


@pytest.fixture(params=["directory", "memory"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Blobs]:
    """Opens the same blobs each time."""
    if request.param == "directory":
        return lambda: open_blobs(tmp_path / "blobs")
    memory = MemoryBlobs()
    return lambda: memory


def close(log: Log) -> None:
    if hasattr(log, "close"):
        asyncio.run(log.close())


async def fill(log: Log) -> None:
    assert (0, 0) == (await log.begin("a"), await log.end("a"))
    for number in range(5):
        assert number == await log.append("a", f"a/stdin-{number // 3}", number * 10, b"line\n" * number)
    assert 0 == await log.append("b", "b/stdin-1", 0, b"\x00\xff")


def test_offsets_are_dense_and_each_source_has_its_own(log: Callable[[], Log]) -> None:
    first = log()
    asyncio.run(fill(first))
    close(first)

    async def use(log: Log) -> None:
        assert (5, 1, 0) == (await log.end("a"), await log.end("b"), await log.end("c"))
        expected = [LogEntry(number, f"a/stdin-{number // 3}", number * 10, b"line\n" * number) for number in range(5)]
        assert expected == list(await log.read("a", 0, 9))
        assert expected[2:4] == list(await log.read("a", 2, 2))
        assert [] == list(await log.read("a", 5, 2))
        assert [b"\x00\xff"] == [entry.data for entry in await log.read("b", 0, 9)]

    second = log()
    asyncio.run(use(second))
    close(second)


def test_what_is_trimmed_is_corrupt_to_ask_for_and_offsets_go_on(log: Callable[[], Log]) -> None:
    async def use(log: Log) -> None:
        await fill(log)
        await log.trim("a", 3)
        await log.trim("a", 1)
        assert 3 == await log.begin("a")
        with pytest.raises(Corrupt):
            await log.read("a", 2, 9)
        assert [3, 4] == [entry.offset for entry in await log.read("a", 3, 9)]
        await log.trim("a", 99)
        assert (5, 5) == (await log.begin("a"), await log.end("a"))
        assert 5 == await log.append("a", "a/stdin-3", 0, b"x\n")
        assert [5] == [entry.offset for entry in await log.read("a", 5, 9)]
        assert [0] == [entry.offset for entry in await log.read("b", 0, 9)]

    opened = log()
    asyncio.run(use(opened))
    close(opened)


def test_pipelines_share_a_file_and_not_their_entries(tmp_path: Path) -> None:
    async def use() -> None:
        one, two = open_log(tmp_path / "log.sqlite", "one"), open_log(tmp_path / "log.sqlite", "two")
        await one.append("in", "in/stdin-1", 0, b"1\n")
        assert (1, 0) == (await one.end("in"), await two.end("in"))
        await one.close()
        await two.close()

    asyncio.run(use())


def test_blobs_are_found_by_name_and_prefix(blobs: Callable[[], Blobs]) -> None:
    content = {"p/segment-1": b"one", "p/segment-2": b"", "p/manifest-1": b"m", "q/segment-1": b"other", "top": b"t"}

    async def fill(blobs: Blobs) -> None:
        for name, data in content.items():
            await blobs.put(name, data)
            await blobs.put(name, data)

    async def use(blobs: Blobs) -> None:
        assert content == {name: await blobs.get(name) for name in content}
        assert await blobs.get("p/segment-3") is None
        assert await blobs.get("none/at/all") is None
        assert ["p/segment-1", "p/segment-2"] == list(await blobs.names("p/segment-"))
        assert sorted(content) == list(await blobs.names(""))
        assert [] == list(await blobs.names("none/at"))
        await blobs.delete("p/segment-1")
        await blobs.delete("p/segment-1")
        assert ["p/manifest-1", "p/segment-2"] == list(await blobs.names("p/"))

    asyncio.run(fill(blobs()))
    asyncio.run(use(blobs()))


@pytest.mark.parametrize("name", ["", "/a", "a/", "../a", "a/../b", ".a", "a b", "a\n", "a//b"])
def test_a_name_that_could_leave_the_folder_is_a_bug(tmp_path: Path, name: str) -> None:
    with pytest.raises(AssertionError):
        asyncio.run(open_blobs(tmp_path).put(name, b""))
    assert [] == list(tmp_path.iterdir())
