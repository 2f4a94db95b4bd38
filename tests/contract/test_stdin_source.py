"""Standard input: in the log before it is read, a new split each start, nothing lost by a kill."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from datanexus.adapters.connectors.stdin import StandardInput, StdinSource, open_stdin
from datanexus.adapters.embedded.log import open_log
from datanexus.ports.log import Log, NewEntry
from datanexus.ports.source import Split, SplitName, SplitState, TextChunk
from datanexus_spec.errors import InvalidInput
from datanexus_spec.format import Format
from tests.fakes.log import MemoryLog

ROOT = Path(__file__).parents[2]
NDJSON = Format.model_validate({"ndjson": {}})
CSV = Format.model_validate({"csv": {}})
NOTHING = -1  # no descriptor: standard input is closed


async def drain(split: Split, rows_max: int = 1000) -> list[bytes]:
    records: list[bytes] = []
    while (chunk := await split.read(rows_max)) is not None:
        assert isinstance(chunk, TextChunk)
        records += [chunk.raw(row) for row in range(chunk.rows)]
    return records


async def read_all(source: StdinSource, states: Mapping[SplitName, SplitState] = {}) -> dict[SplitName, list[bytes]]:
    return {split.name: await drain(split) for split in await source.open(states)}


def piped(*pieces: bytes) -> int:
    """The reading end of a pipe with this content."""
    reading, writing = os.pipe()
    for piece in pieces:
        os.write(writing, piece)
    os.close(writing)
    return reading


def source_of(log: Log, descriptor: int, form: Format = NDJSON) -> StdinSource:
    return StdinSource("in", form, log, StandardInput(descriptor))


def test_each_start_is_a_new_split_and_unread_ones_go_on() -> None:
    async def use() -> None:
        log = MemoryLog()
        first = source_of(log, piped(b"1\n2\n3\n"))
        (split,) = await first.open({})
        chunk = await split.read(2)
        assert isinstance(chunk, TextChunk)
        states = {split.name: split.state()}
        assert ["in/stdin-1"] == list(states)
        again = await read_all(source_of(log, NOTHING), states)
        assert {"in/stdin-1": [b"3"]} == again
        both = await source_of(log, piped(b"4\n")).open(states)
        read = {split.name: await drain(split) for split in both}
        assert [b"3"] == read.pop("in/stdin-1")
        assert [[b"4"]] == list(read.values())
        states = {split.name: split.state() for split in both}
        assert {} == await read_all(source_of(log, NOTHING), states)
        later = await read_all(source_of(log, piped(b"5\n")), states)
        assert [[b"5"]] == list(later.values())
        assert not set(later) & set(states)

    asyncio.run(use())


def test_a_start_that_was_never_cut_is_read_from_the_log() -> None:
    async def use() -> None:
        log = MemoryLog()
        await read_all(source_of(log, piped(b"1\n2\n")))
        assert {"in/stdin-1": [b"1", b"2"]} == await read_all(source_of(log, NOTHING))

    asyncio.run(use())


def test_entries_hold_whole_lines_and_bytes_enter_once() -> None:
    async def use() -> None:
        log = MemoryLog()
        reading, writing = os.pipe()
        (split,) = await source_of(log, reading).open({})
        os.write(writing, b"one\ntwo\nthr")
        assert isinstance(chunk := await split.read(9), TextChunk)
        assert [b"one", b"two"] == [chunk.raw(row) for row in range(chunk.rows)]
        assert [b"one\ntwo\n"] == [entry.data for entry in await log.read("in", "in/stdin-1", 0, 9)]
        waiting = asyncio.create_task(split.read(9))
        await asyncio.sleep(0)
        assert not waiting.done()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        os.write(writing, b"ee\nfour")
        os.close(writing)
        assert [b"three", b"four"] == await drain(split)
        expected = [(0, b"one\ntwo\n"), (8, b"three\n"), (14, b"four")]
        assert expected == [(entry.position, entry.data) for entry in await log.read("in", "in/stdin-1", 0, 9)]
        os.close(reading)

    asyncio.run(use())


def test_released_entries_are_trimmed_and_the_rest_is_still_read() -> None:
    async def use() -> None:
        log = MemoryLog()
        for number in range(10):
            await log.append("in", NewEntry("in/stdin-1", b"%d\n" % number))
        (split,) = await source_of(log, NOTHING).open({})
        await split.read(1)
        await split.read(6)
        states = {split.name: split.state(), "other/a.log": {"position": 0}}
        source = source_of(log, NOTHING)
        await source.release({"other/a.log": {"position": 0}})
        assert 0 == await log.begin("in")
        await source.release(states)
        assert 2 == await log.begin("in")
        rest = await read_all(source_of(log, NOTHING), states)
        assert [b"%d" % number for number in range(2, 10)] == rest["in/stdin-1"]

    asyncio.run(use())


def test_csv_names_its_columns_once_even_when_the_header_is_trimmed() -> None:
    async def use() -> None:
        log = MemoryLog()
        await log.append("in", NewEntry("in/stdin-1", b"a,b\n1,2\n"))
        await log.append("in", NewEntry("in/stdin-1", b"3,4\n"))
        source = source_of(log, NOTHING, CSV)
        (split,) = await source.open({})
        assert isinstance(chunk := await split.read(1), TextChunk)
        assert (("a", "b"), b"1,2") == (chunk.header, chunk.raw(0))
        states = {split.name: split.state()}
        await source.release(states)
        assert 1 == await log.begin("in")
        (split,) = await source_of(log, NOTHING, CSV).open(states)
        assert isinstance(chunk := await split.read(1), TextChunk)
        assert (("a", "b"), b"3,4") == (chunk.header, chunk.raw(0))

    asyncio.run(use())


def test_a_redirected_file_is_read_like_a_pipe(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"1\n" * 700_000)
    descriptor = os.open(tmp_path / "in", os.O_RDONLY)
    read = asyncio.run(read_all(source_of(MemoryLog(), descriptor)))
    os.close(descriptor)
    assert 700_000 == len(read["in/stdin-1"])


def test_without_a_pipe_and_without_earlier_input_there_is_nothing_to_run() -> None:
    with pytest.raises(InvalidInput, match="standard input is not piped"):
        asyncio.run(source_of(MemoryLog(), NOTHING).open({}))


@pytest.mark.parametrize("kind", ["arrow", "parquet"])
def test_column_formats_need_a_file(kind: str) -> None:
    with pytest.raises(InvalidInput, match="text formats only"):
        open_stdin("in", Format.model_validate({kind: {}}), MemoryLog())


PROGRAM = """
import asyncio, sys
from pathlib import Path
from datanexus.adapters.connectors.stdin import open_stdin
from datanexus.adapters.embedded.log import open_log
from datanexus_spec.format import Format

async def main():
    source = open_stdin("in", Format.model_validate({"ndjson": {}}), open_log(Path(sys.argv[1]), "p"))
    for split in await source.open({}):
        while (chunk := await split.read(100)) is not None:
            for row in range(chunk.rows):
                print(chunk.raw(row).decode(), flush=True)

asyncio.run(main())
"""


def test_what_was_read_before_a_kill_is_read_again(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "log.sqlite")]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    sent: Sequence[bytes] = [b"%d" % number for number in range(5_000)]
    process.stdin.write(b"".join(line + b"\n" for line in sent))
    process.stdin.flush()
    seen = [process.stdout.readline().strip() for _ in range(2_000)]
    process.send_signal(signal.SIGKILL)
    process.stdin.close()
    seen += process.stdout.read().split()
    process.wait()
    process.stdout.close()
    log = open_log(tmp_path / "log.sqlite", "p")
    (kept,) = asyncio.run(read_all(source_of(log, NOTHING))).values()
    asyncio.run(log.close())
    assert sent[: len(kept)] == kept
    assert len(kept) >= len(seen) - 1  # the last line seen may be cut


def test_what_was_read_and_not_logged_goes_on_in_the_split_of_a_changed_spec() -> None:
    async def use() -> None:
        log = MemoryLog()
        reading, writing = os.pipe()
        given = StandardInput(reading)
        first = StdinSource("in", NDJSON, log, given)
        (split,) = await first.open({})
        arrived = asyncio.Event()
        first.watch(arrived.set)
        os.write(writing, b'1\n2\n"hal')
        await asyncio.wait_for(arrived.wait(), 10)
        await split.close()
        os.write(writing, b'f"\n')
        os.close(writing)
        read = await read_all(StdinSource("in", NDJSON, log, given))
        assert [[b"1", b"2", b'"half"']] == list(read.values())

    asyncio.run(use())
