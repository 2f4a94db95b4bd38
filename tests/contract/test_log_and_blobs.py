"""The contracts of the Log and Blobs ports, held by the embedded adapters and by those in memory alike."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from datanexus.adapters.embedded.blobs import open_blobs
from datanexus.adapters.embedded.log import open_log
from datanexus.ports.blob import Blobs
from datanexus.ports.log import ARROW, LINES, Appended, Log, LogEntry, NewEntry, Repeat, SplitEnd
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


def entry(number: int) -> NewEntry:
    return NewEntry(f"a/stdin-{number // 3}", b"line\n" * number, origin=f"at {number}")


async def fill(log: Log) -> None:
    assert (0, 0) == (await log.begin("a"), await log.end("a"))
    for number in range(5):
        assert Appended(number) == await log.append("a", entry(number))
    assert Appended(0) == await log.append("b", NewEntry("b/http", b"\x00\xff", ARROW, extent=7))


def placed(number: int, position: int) -> LogEntry:
    new = entry(number)
    return LogEntry(number, new.split, position, new.data, LINES, new.origin, position + len(new.data))


def test_offsets_are_dense_and_each_source_and_split_has_its_own_entries(log: Callable[[], Log]) -> None:
    first = log()
    asyncio.run(fill(first))
    close(first)

    async def use(log: Log) -> None:
        assert (5, 1, 0) == (await log.end("a"), await log.end("b"), await log.end("c"))
        zero, one = [placed(0, 0), placed(1, 0), placed(2, 5)], [placed(3, 0), placed(4, 15)]
        assert zero == list(await log.read("a", "a/stdin-0", 0, 9))
        assert one == list(await log.read("a", "a/stdin-1", 0, 9))
        assert zero[1:2] == list(await log.read("a", "a/stdin-0", 1, 1))
        assert one == list(await log.read("a", "a/stdin-1", 2, 9))
        assert [] == list(await log.read("a", "a/stdin-0", 3, 2))
        assert [] == list(await log.read("a", "a/stdin-9", 0, 2))
        assert [LogEntry(0, "b/http", 0, b"\x00\xff", ARROW, "", 7)] == list(await log.read("b", "b/http", 0, 9))
        expected = {"a/stdin-0": SplitEnd(3, 15, "at 2"), "a/stdin-1": SplitEnd(5, 35, "at 4")}
        assert expected == dict(await log.splits("a"))
        assert expected["a/stdin-1"] == log.split_end("a", "a/stdin-1")
        assert log.split_end("a", "a/stdin-9") is None

    second = log()
    asyncio.run(use(second))
    close(second)


def test_what_is_trimmed_is_corrupt_to_ask_for_and_offsets_and_ends_go_on(log: Callable[[], Log]) -> None:
    async def use(log: Log) -> None:
        await fill(log)
        ends = dict(await log.splits("a"))
        await log.trim("a", 3)
        await log.trim("a", 1)
        assert 3 == await log.begin("a")
        with pytest.raises(Corrupt):
            await log.read("a", "a/stdin-1", 2, 9)
        assert [3, 4] == [entry.offset for entry in await log.read("a", "a/stdin-1", 3, 9)]
        await log.trim("a", 99)
        assert (5, 5) == (await log.begin("a"), await log.end("a"))
        assert ends == dict(await log.splits("a"))
        assert Appended(5) == await log.append("a", NewEntry("a/stdin-1", b"x\n"))
        assert [(5, 35)] == [(entry.offset, entry.position) for entry in await log.read("a", "a/stdin-1", 5, 9)]
        assert [0] == [entry.offset for entry in await log.read("b", "b/http", 0, 9)]

    opened = log()
    asyncio.run(use(opened))
    close(opened)


def test_an_entry_may_lie_behind_what_was_read_at_the_origin(log: Callable[[], Log]) -> None:
    async def use(log: Log) -> None:
        await log.append("a", NewEntry("a/x", b"1\n"))
        await log.append("a", NewEntry("a/x", b"2\n", position=100))
        await log.append("a", NewEntry("a/x", b"3\n"))
        assert [0, 100, 102] == [entry.position for entry in await log.read("a", "a/x", 0, 9)]
        assert {"a/x": SplitEnd(3, 104, "")} == dict(await log.splits("a"))

    opened = log()
    asyncio.run(use(opened))
    close(opened)


def test_a_repeat_appends_nothing_and_gives_what_was_stored(log: Callable[[], Log]) -> None:
    first, again = Repeat("k", "digest", "answer", 1000), Repeat("k", "other", "other", 2000)

    async def use(log: Log) -> None:
        assert Appended(0) == await log.append("a", NewEntry("a/http", b"1"), first)
        assert Appended(0, first) == await log.append("a", NewEntry("a/http", b"2"), again)
        assert Appended(1) == await log.append("a", NewEntry("a/http", b"3"), Repeat("l", "d", "a", 3000))
        assert Appended(0) == await log.append("b", NewEntry("b/http", b"4"), again)

    async def use_later(log: Log) -> None:
        await log.trim("a", 2)
        assert Appended(0, first) == await log.append("a", NewEntry("a/http", b"2"), again)
        await log.forget_repeats("a", 1000)
        assert Appended(0, first) == await log.append("a", NewEntry("a/http", b"2"), again)
        await log.forget_repeats("a", 1001)
        assert Appended(2) == await log.append("a", NewEntry("a/http", b"2"), again)
        assert Appended(2, again) == await log.append("a", NewEntry("a/http", b"2"), first)
        assert [b"2"] == [entry.data for entry in await log.read("a", "a/http", 2, 9)]

    opened = log()
    asyncio.run(use(opened))
    close(opened)
    opened = log()
    asyncio.run(use_later(opened))
    close(opened)


def test_what_is_forgotten_begins_anew_at_the_next_offset(log: Callable[[], Log]) -> None:
    async def use(log: Log) -> None:
        await fill(log)
        await log.append("a", NewEntry("a/http", b"1"), Repeat("k", "d", "a", 0))
        await log.forget("a")
        assert (6, 6, {}) == (await log.begin("a"), await log.end("a"), dict(await log.splits("a")))
        assert Appended(6) == await log.append("a", NewEntry("a/http", b"1"), Repeat("k", "d", "a", 0))
        assert [(6, 0)] == [(entry.offset, entry.position) for entry in await log.read("a", "a/http", 6, 9)]
        assert 1 == await log.end("b")

    opened = log()
    asyncio.run(use(opened))
    close(opened)


def test_who_watches_a_source_hears_of_each_append_to_it(log: Callable[[], Log]) -> None:
    async def use(log: Log) -> None:
        ends: list[int] = []
        log.watch("a", lambda: ends.append(end.offset if (end := log.split_end("a", "a/http")) else 0))
        repeat = Repeat("k", "d", "a", 0)
        for source in ("a", "b", "a", "a"):
            await log.append(source, NewEntry(f"{source}/http", b"1"), repeat if ends else None)
        assert [1, 2] == ends

    opened = log()
    asyncio.run(use(opened))
    close(opened)


def test_pipelines_share_a_file_and_not_their_entries(tmp_path: Path) -> None:
    async def use() -> None:
        one, two = open_log(tmp_path / "log.sqlite", "one"), open_log(tmp_path / "log.sqlite", "two")
        await one.append("in", NewEntry("in/stdin-1", b"1\n"))
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
