"""What only the embedded log shows: one sync for many appends, its bound, its memory, kills."""

import asyncio
import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from datanexus.adapters.embedded.log import SqliteLog, log_of, open_log
from datanexus.adapters.embedded.log_file import open_log_file
from datanexus.adapters.embedded.log_tail import ENTRY_BYTES, LogTail
from datanexus.ports.failpoint import failpoints
from datanexus.ports.log import Appended, Log, LogEntry, NewEntry, Repeat
from datanexus_spec.errors import Unavailable

ROOT = Path(__file__).parents[2]
DEADLINE_S = 60
SPLIT = "in/http"
SEED = int(os.environ.get("DATANEXUS_SEED", random.SystemRandom().randrange(10**6)))


def with_log(path: Path, use: Callable[[SqliteLog], Coroutine[Any, Any, None]], bytes_max: int | None = None) -> None:
    async def within() -> None:
        log = open_log(path / "log.sqlite", "p", bytes_max)
        try:
            await use(log)
        finally:
            await log.close()

    asyncio.run(within())


def body(number: int) -> NewEntry:
    return NewEntry(SPLIT, b"body %d\n" % number, "ndjson")


def test_a_thousand_appends_at_once_cost_few_syncs(tmp_path: Path) -> None:
    async def use(log: SqliteLog) -> None:
        commits: list[str] = []
        log._file._writing.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
        appended = await asyncio.gather(*(log.append("in", body(number)) for number in range(1000)))
        log._file._writing.set_trace_callback(None)
        assert [Appended(number) for number in range(1000)] == appended
        assert 1 <= len(commits) < 100
        assert [body(number).data for number in range(1000)] == [
            entry.data for entry in await log.read("in", SPLIT, 0, 2000)
        ]

    with_log(tmp_path, use)


def test_pipelines_that_share_a_file_share_its_syncs(tmp_path: Path) -> None:
    async def use() -> None:
        file = open_log_file(tmp_path / "log.sqlite")
        logs = [log_of(file, f"p{number}") for number in range(10)]
        await asyncio.gather(*(log.append("in", body(number)) for number in range(20) for log in logs))
        for log in logs:
            assert 20 == await log.end("in")
            await log.close()
        await logs[0].append("in", body(20))
        await file.close()

    asyncio.run(use())


def test_one_key_sent_many_times_at_once_is_appended_once(tmp_path: Path) -> None:
    async def use(log: SqliteLog) -> None:
        repeats = [Repeat("k", f"digest {number}", "answer", number) for number in range(50)]
        appended = await asyncio.gather(*(log.append("in", body(0), repeat) for repeat in repeats))
        assert [Appended(0)] + [Appended(0, repeats[0])] * 49 == appended
        assert 1 == await log.end("in")

    with_log(tmp_path, use)


def test_the_event_loop_goes_on_while_the_disk_does_not(tmp_path: Path) -> None:
    """Another connection holds the file, as a slow disk would."""

    async def use(log: SqliteLog) -> None:
        await log.append("in", body(0))
        holder = sqlite3.connect(tmp_path / "log.sqlite", isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        waiting = asyncio.ensure_future(log.append("in", body(1)))
        for _ in range(1000):
            await asyncio.sleep(0)
        assert not waiting.done()
        assert 1 == await log.end("in")
        assert [b"body 0\n"] == [entry.data for entry in await log.read("in", SPLIT, 0, 9)]
        holder.execute("ROLLBACK")
        holder.close()
        assert Appended(1) == await waiting

    with_log(tmp_path, use)


def test_an_append_that_nobody_waits_for_any_more_is_seen_by_all(tmp_path: Path) -> None:
    async def use(log: SqliteLog) -> None:
        appending = asyncio.ensure_future(log.append("in", body(0)))
        await asyncio.sleep(0)
        appending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await appending
        assert Appended(1) == await log.append("in", body(1))
        assert [0, 1] == [entry.offset for entry in await log.read("in", SPLIT, 0, 9)]

    with_log(tmp_path, use)


def test_beyond_its_bound_the_log_refuses_until_it_is_trimmed(tmp_path: Path) -> None:
    entry_bytes = len(body(0).data) + ENTRY_BYTES

    async def use(log: SqliteLog) -> None:
        repeat = Repeat("k", "d", "a", 0)
        await log.append("in", body(0), repeat)
        await log.append("other", body(1))
        assert 2 * entry_bytes == log.nbytes
        await log.append("in", body(2))
        results = await asyncio.gather(*(log.append("in", body(3)) for _ in range(5)), return_exceptions=True)
        assert all(isinstance(result, Unavailable) and result.reason == "LogFull" for result in results)
        assert Appended(0, repeat) == await log.append("in", body(0), repeat)
        assert 2 == await log.end("in")
        await log.trim("in", 1)
        assert 2 * entry_bytes == log.nbytes
        assert Appended(2) == await log.append("in", body(3))

    async def use_again(log: SqliteLog) -> None:
        assert 3 * entry_bytes == log.nbytes
        with pytest.raises(Unavailable, match=r"would pass its bound of 3\d\d"):
            await log.append("in", body(4))

    with_log(tmp_path, use, 3 * entry_bytes)
    with_log(tmp_path, use_again, 3 * entry_bytes)


def test_the_newest_entries_are_read_from_memory_and_older_ones_from_the_file(tmp_path: Path) -> None:
    async def use(log: SqliteLog) -> None:
        queries: list[str] = []
        log._file._reading.set_trace_callback(queries.append)
        splits = ["in/a", "in/b", "in/c"]
        for number in range(60):
            await log.append("in", NewEntry(splits[number % 3], bytes([number]) * (1 << 18)))
        for split_number, split in enumerate(splits):
            wanted = list(range(split_number, 60, 3))
            recent = await log.read("in", split, 45, 99)
            assert [number for number in wanted if number >= 45] == [entry.offset for entry in recent]
            assert [] == queries
            assert wanted == [entry.offset for entry in await log.read("in", split, 0, 99)]
            assert wanted[:2] == [entry.offset for entry in await log.read("in", split, 0, 2)]
            assert 2 == len(queries)
            queries.clear()

    with_log(tmp_path, use)


def test_a_tail_has_all_of_a_split_from_some_offset_on_or_nothing() -> None:
    draw = random.Random(SEED)
    tail, entries = LogTail(bytes_max=3000), []
    for offset in range(500):
        split = draw.choice(["a", "a", "b", "rare"] if offset % 50 else ["rare"])
        entry = LogEntry(offset, split, 0, bytes(draw.choice([0, 10, 900])), "lines", "", 0)
        entries.append(entry)
        tail.add("in", entry)
        for name in ("a", "b", "rare", "never"):
            asked = draw.randrange(offset + 2)
            found = tail.read("in", name, asked, 5)
            expected = [entry for entry in entries if entry.split == name and entry.offset >= asked][:5]
            assert found is None or expected == list(found), f"seed {SEED}"
        assert [entry] == list(tail.read("in", split, offset, 5) or ())


GROUP = """
import asyncio, sys
from itertools import count
from pathlib import Path
from datanexus.adapters.embedded.log import open_log
from datanexus.ports.failpoint import guarded
from datanexus.ports.log import Log, NewEntry, Repeat
from tests.contract.writer import reach_of

async def producer(log, number, begin):
    for turn in count(begin):
        key = f"{number}/{turn}"
        entry = NewEntry("in/http", f"{key}\\n".encode() * 50, "ndjson")
        appended = await log.append("in", entry, Repeat(key, "digest", "answer", turn))
        again = await log.append("in", entry, Repeat(key, "digest", "answer", turn))
        assert again.repeated is not None and again.offset == appended.offset
        print(appended.offset, key, flush=True)

async def keeper(log):
    while True:
        await log.trim("in", (await log.end("in")) - 100)
        await log.forget_repeats("in", 0)
        await log.forget("other")
        await asyncio.sleep(0.01)

async def main(path, failpoint, begin):
    log = guarded(open_log(Path(path), "p"), Log, reach_of(failpoint))
    await asyncio.gather(keeper(log), *(producer(log, number, int(begin)) for number in range(40)))

asyncio.run(main(*sys.argv[1:]))
"""


def crash(path: Path, failpoint: str, begin: int, lines: int) -> dict[str, int]:
    """The offset of each key that was said to be appended before the process died: at a failpoint, or after lines."""
    command = [sys.executable, "-c", GROUP, str(path), failpoint, str(begin)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = []
        while line := process.stdout.readline():
            said.append(line)
            if not failpoint and len(said) == lines:
                process.kill()
        assert -signal.SIGKILL == process.wait(DEADLINE_S)
    pairs = [line.split() for line in said if line.endswith("\n")]
    return {key: int(offset) for offset, key in pairs}


def check(path: Path, said: dict[str, int]) -> None:
    """All that was said is there, in its place; nothing is there twice; what comes again is known."""

    async def use() -> None:
        log = open_log(path, "p")
        begin, end = await log.begin("in"), await log.end("in")
        entries = await log.read("in", SPLIT, begin, end)
        assert list(range(begin, end)) == [entry.offset for entry in entries]
        keys = [entry.data.split(b"\n")[0].decode() for entry in entries]
        assert len(keys) == len(set(keys))
        for key, offset in said.items():
            assert offset < end
            if offset >= begin:
                assert key == keys[offset - begin]
            again = await log.append("in", NewEntry(SPLIT, b"again\n"), Repeat(key, "other", "other", 0))
            assert (offset, "digest") == (again.offset, again.repeated.digest if again.repeated else "")
        assert end == await log.end("in")
        await log.close()

    asyncio.run(use())


@pytest.mark.parametrize("point", failpoints(Log))
def test_a_kill_at_a_failpoint_keeps_what_was_said_and_repeats_nothing(point: str, tmp_path: Path) -> None:
    nth = 700 if "append" in point else 3
    check(tmp_path / "log.sqlite", crash(tmp_path / "log.sqlite", f"{point}@{nth}", 0, 0))


def test_kills_at_any_moment_keep_what_was_said_and_repeat_nothing(tmp_path: Path) -> None:
    draw = random.Random(SEED)
    said: dict[str, int] = {}
    for turn in range(4):
        said |= crash(tmp_path / "log.sqlite", "", turn * 100_000, draw.randrange(1, 2000))
        check(tmp_path / "log.sqlite", said)
