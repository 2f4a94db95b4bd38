"""Files as splits: which file goes on as which split, and what odd content gives."""

import asyncio
import gzip
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datanexus.adapters.connectors.files import FileSource, open_files
from datanexus.adapters.connectors.text_split import BLOCK_BYTES
from datanexus.engine.decode.json_text import RECORD_BYTES_MAX
from datanexus.ports.source import Damage, SplitName, SplitState, TextChunk
from datanexus_spec.errors import InvalidInput, Unavailable
from datanexus_spec.format import Format

NDJSON = Format.model_validate({"ndjson": {}})


@dataclass(slots=True)
class Reader:
    """One pipeline's view of a folder over several runs."""

    folder: Path
    pattern: str = "*.log"
    form: Format = NDJSON
    states: Mapping[SplitName, SplitState] = field(default_factory=dict)
    notices: Sequence[str] = ()

    def read(self) -> dict[SplitName, list[bytes | Damage]]:
        """What a run from the last states to the end reads, by split; splits without anything are left out."""
        return asyncio.run(self._read())

    async def _read(self) -> dict[SplitName, list[bytes | Damage]]:
        source: FileSource = open_files("in", self.pattern, self.form, self.folder)
        splits = await source.open(self.states)
        self.notices = source.notices()
        found: dict[SplitName, list[bytes | Damage]] = {}
        for split in splits:
            while (chunk := await split.read(1000)) is not None:
                assert isinstance(chunk, TextChunk | Damage)
                new = [chunk] if isinstance(chunk, Damage) else [chunk.raw(row) for row in range(chunk.rows)]
                found.setdefault(split.name, []).extend(new)
            await split.close()
        self.states = {split.name: split.state() for split in splits}
        return found


def append(path: Path, content: bytes) -> None:
    path.write_bytes(path.read_bytes() + content)


def lines(*names: str) -> bytes:
    return b"".join(f"{name}\n".encode() for name in names)


def test_a_file_that_grew_goes_on_where_reading_stopped(tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    (tmp_path / "a.log").write_bytes(lines("1", "2"))
    assert {"in/a.log": [b"1", b"2"]} == reader.read()
    assert {} == reader.read()
    (tmp_path / "a.log").write_bytes(lines("1", "2", "3"))
    assert {"in/a.log": [b"3"]} == reader.read()
    assert () == reader.notices


def test_a_copy_in_the_place_of_a_file_is_the_same_file(tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    (tmp_path / "a.log").write_bytes(lines("1", "2"))
    reader.read()
    (tmp_path / "new").write_bytes(lines("1", "2", "3"))
    (tmp_path / "new").replace(tmp_path / "a.log")
    assert {"in/a.log": [b"3"]} == reader.read()
    assert () == reader.notices


def test_a_rotated_file_goes_on_under_its_split_and_the_new_one_is_another(tmp_path: Path) -> None:
    reader = Reader(tmp_path, "a.log*")
    (tmp_path / "a.log").write_bytes(lines("1", "2"))
    reader.read()
    (tmp_path / "a.log").rename(tmp_path / "a.log.1")
    append(tmp_path / "a.log.1", lines("3"))
    (tmp_path / "a.log").write_bytes(lines("4"))
    assert {"in/a.log": [b"3"], "in/a.log~2": [b"4"]} == reader.read()
    assert ("source in: a.log was rotated; its records go on in a.log.1",) == reader.notices
    append(tmp_path / "a.log", lines("5"))
    assert {"in/a.log~2": [b"5"]} == reader.read()


def test_rotation_may_be_repeated_and_may_compress(tmp_path: Path) -> None:
    reader = Reader(tmp_path, "a.log*")
    seen: list[bytes] = []
    for number in range(4):
        (tmp_path / "a.log").write_bytes(lines(f"{number} a"))
        seen += [record for records in reader.read().values() for record in records if isinstance(record, bytes)]
        append(tmp_path / "a.log", lines(f"{number} b"))
        for older in range(number, 0, -1):
            (tmp_path / f"a.log.{older}.gz").rename(tmp_path / f"a.log.{older + 1}.gz")
        (tmp_path / "a.log.1.gz").write_bytes(gzip.compress((tmp_path / "a.log").read_bytes()))
        (tmp_path / "a.log").unlink()
    seen += [record for records in reader.read().values() for record in records if isinstance(record, bytes)]
    assert sorted(f"{number} {part}".encode() for number in range(4) for part in "ab") == sorted(seen)


def test_copy_and_truncate_goes_on_in_the_copy(tmp_path: Path) -> None:
    reader = Reader(tmp_path, "a.log*")
    (tmp_path / "a.log").write_bytes(lines("1", "2"))
    reader.read()
    (tmp_path / "a.log.1").write_bytes(lines("1", "2", "3"))
    (tmp_path / "a.log").write_bytes(lines("4"))
    assert {"in/a.log": [b"3"], "in/a.log~2": [b"4"]} == reader.read()


def test_a_copy_beside_the_unchanged_file_is_a_file_of_its_own(tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    (tmp_path / "b.log").write_bytes(lines("1", "2"))
    reader.read()
    (tmp_path / "a.log").write_bytes(lines("1", "2", "3"))
    assert {"in/a.log": [b"1", b"2", b"3"]} == reader.read()


@pytest.mark.parametrize(("content", "word"), [(b"x\n", "truncated or replaced"), (b"other content\n", "was replaced")])
def test_a_truncated_or_replaced_file_is_a_new_split(tmp_path: Path, content: bytes, word: str) -> None:
    reader = Reader(tmp_path)
    (tmp_path / "a.log").write_bytes(lines("1", "2"))
    reader.read()
    (tmp_path / "a.log").write_bytes(content)
    assert {"in/a.log~2": [content[:-1]]} == reader.read()
    (notice,) = reader.notices
    assert word in notice
    assert {} == reader.read()
    (tmp_path / "a.log").write_bytes(content * 2)
    assert {"in/a.log~2": [content[:-1]]} == reader.read()


def test_a_file_that_is_gone_stays_known_and_goes_on_when_it_is_back(tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    (tmp_path / "a.log").write_bytes(lines("1"))
    (tmp_path / "b.log").write_bytes(lines("2"))
    reader.read()
    (tmp_path / "a.log").unlink()
    assert {} == reader.read()
    assert ("source in: a.log is gone; what was read of it stays in the results",) == reader.notices
    (tmp_path / "a.log").write_bytes(lines("1", "3"))
    assert {"in/a.log": [b"3"]} == reader.read()


def test_a_file_that_was_empty_takes_whatever_comes(tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    (tmp_path / "a.log").write_bytes(b"")
    assert {} == reader.read()
    (tmp_path / "a.log").write_bytes(lines("1"))
    assert {"in/a.log": [b"1"]} == reader.read()
    assert () == reader.notices


def test_a_last_line_without_end_is_a_record_and_a_late_line_end_adds_none(tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    (tmp_path / "a.log").write_bytes(b"1\n2")
    assert {"in/a.log": [b"1", b"2"]} == reader.read()
    (tmp_path / "a.log").write_bytes(b"1\n2\n3\n")
    assert {"in/a.log": [b"3"]} == reader.read()


def test_what_continues_a_line_that_was_read_is_a_record_of_its_own(tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    (tmp_path / "a.log").write_bytes(b'1\n{"half": ')
    assert {"in/a.log": [b"1", b'{"half": ']} == reader.read()
    (tmp_path / "a.log").write_bytes(b'1\n{"half": 2}\n3\n')
    assert {"in/a.log": [b"2}", b"3"]} == reader.read()


def test_blank_lines_carriage_returns_and_a_byte_order_mark_are_no_part_of_records(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"\xef\xbb\xbf1\r\n\r\n\n2\r\n\n")
    (tmp_path / "b.log").write_bytes(b"\xef\xbb\xbf\n3")
    (tmp_path / "c.log").write_bytes(b"\n" * (2 * BLOCK_BYTES) + b"4")
    expected = {"in/a.log": [b"1", b"2"], "in/b.log": [b"3"], "in/c.log": [b"4"]}
    reader = Reader(tmp_path)
    assert expected == reader.read()
    assert {} == reader.read()
    append(tmp_path / "c.log", b"\n\n5\n")
    assert {"in/c.log": [b"5"]} == reader.read()


def test_a_record_across_blocks_is_whole(tmp_path: Path) -> None:
    draw = np.random.default_rng(1)
    records = [bytes(draw.integers(97, 123, size, np.uint8)) for size in (BLOCK_BYTES - 1, 5, 3 * BLOCK_BYTES, 1)]
    (tmp_path / "a.log").write_bytes(b"".join(record + b"\n" for record in records))
    assert {"in/a.log": records} == Reader(tmp_path).read()


@pytest.mark.parametrize("kept_blocks", [1, 2, 7])
def test_a_chunk_that_is_kept_stays_as_it_was(tmp_path: Path, kept_blocks: int) -> None:
    records = [bytes([65 + number]) * (BLOCK_BYTES - 9) for number in range(7)]
    (tmp_path / "a.log").write_bytes(b"".join(record + b"\n" for record in records))

    async def read() -> list[bytes]:
        (split,) = await open_files("in", "*.log", NDJSON, tmp_path).open({})
        held: list[TextChunk] = []
        found: list[bytes] = []
        while isinstance(chunk := await split.read(1000), TextChunk):
            held.append(chunk)
            del chunk
            if len(held) == kept_blocks:
                found.extend(one.raw(row) for one in held for row in range(one.rows))
                held.clear()
        await split.close()
        return found + [one.raw(row) for one in held for row in range(one.rows)]

    assert records == asyncio.run(read())


@pytest.mark.parametrize("ending", [b"\n2\n3\n", b""])
def test_a_line_beyond_the_limit_is_one_record_cut_one_byte_past_it(tmp_path: Path, ending: bytes) -> None:
    long = b"x" * (RECORD_BYTES_MAX + 3 * BLOCK_BYTES + 17)
    (tmp_path / "a.log").write_bytes(b"1\n" + long + ending)
    reader = Reader(tmp_path)
    (records,) = reader.read().values()
    assert [b"1", long[: RECORD_BYTES_MAX + 1], *ending.split()] == records
    assert (tmp_path / "a.log").stat().st_size == reader.states["in/a.log"]["position"]
    assert {} == reader.read()
    assert () == reader.notices


@pytest.mark.parametrize("suffix", ["gz", "zst"])
@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9, 1.0])
def test_a_cut_off_file_gives_its_whole_lines_then_one_damage(tmp_path: Path, suffix: str, kept: float) -> None:
    records = [os.urandom(20).hex().encode() for _ in range(200_000)]
    text = b"".join(record + b"\n" for record in records)
    whole = gzip.compress(text, 1) if suffix == "gz" else pa.compress(text, "zstd", asbytes=True)
    path = tmp_path / f"a.log.{suffix}"
    path.write_bytes(whole[: max(20, int(len(whole) * kept) - 9)])
    reader = Reader(tmp_path, "*")
    (found,) = reader.read().values()
    damage = found.pop()
    assert isinstance(damage, Damage)
    assert records[: len(found)] == found
    assert len(found) >= len(records) * kept * 0.9 - 4000
    assert damage.position == 41 * len(found)
    assert text[damage.position :].startswith(damage.raw)
    assert {} == reader.read()
    assert () == reader.notices
    path.write_bytes(whole)
    assert records[len(found) :] == reader.read().get(f"in/a.log.{suffix}", [])


def test_a_damaged_gzip_member_gives_what_lies_before_the_damage(tmp_path: Path) -> None:
    records = [os.urandom(20).hex().encode() for _ in range(20_000)]
    text = b"".join(record + b"\n" for record in records)
    whole = bytearray(gzip.compress(text))
    whole[-5] ^= 1  # the checksum: all content is there
    (tmp_path / "a.log.gz").write_bytes(whole)
    (tmp_path / "b.log.gz").write_bytes(b"no gzip at all\n")
    found = Reader(tmp_path, "*.gz").read()
    assert records == found["in/a.log.gz"][:-1]
    assert "check" in found["in/a.log.gz"][-1].message  # type: ignore[union-attr]
    (damage,) = found["in/b.log.gz"]
    assert isinstance(damage, Damage)
    assert "gzip" in damage.message


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_a_damaged_column_file_is_one_damage(tmp_path: Path, kind: str) -> None:
    table = pa.table({"n": range(1000)})
    if kind == "parquet":
        pq.write_table(table, tmp_path / "a.log")
    else:
        with pa.ipc.new_stream(tmp_path / "a.log", table.schema) as writer:
            writer.write_table(table)
    content = (tmp_path / "a.log").read_bytes()
    (tmp_path / "a.log").write_bytes(content[: len(content) // 2])
    reader = Reader(tmp_path, form=Format.model_validate({kind: {}}))
    (found,) = reader.read().values()
    (damage,) = found
    assert isinstance(damage, Damage)
    assert content[:100] == damage.raw[:100]
    assert {} == reader.read()


def test_a_changed_column_file_is_read_as_a_new_one(tmp_path: Path) -> None:
    async def read(states: Mapping[SplitName, SplitState]) -> tuple[int, dict[SplitName, SplitState], Sequence[str]]:
        source = open_files("in", "a.parquet", Format.model_validate({"parquet": {}}), tmp_path)
        splits, rows = await source.open(states), 0
        for split in splits:
            while (chunk := await split.read(7)) is not None:
                assert not isinstance(chunk, Damage)
                rows += chunk.rows
        return rows, {split.name: split.state() for split in splits}, source.notices()

    pq.write_table(pa.table({"n": range(100)}), tmp_path / "a.parquet")
    rows, states, _ = asyncio.run(read({}))
    assert (100, 0) == (rows, asyncio.run(read(states))[0])
    pq.write_table(pa.table({"n": range(101)}), tmp_path / "a.parquet")
    rows, states, notices = asyncio.run(read(states))
    assert (101, ["in/a.parquet", "in/a.parquet~2"]) == (rows, sorted(states))
    assert "replaced" in notices[0]


def test_a_pattern_takes_files_of_all_folders_in_the_order_of_their_paths_each_once(tmp_path: Path) -> None:
    for name in ("b/1.log", "a/x/2.log", "3.log", "a/4.txt", ".hidden.log"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(lines(name))
    (tmp_path / "b" / "newest.log").symlink_to(tmp_path / "b" / "1.log")
    (tmp_path / "folder.log").mkdir()
    reader = Reader(tmp_path, "**/*.log")
    expected = {f"in/{name}": [name.encode()] for name in ("3.log", "a/x/2.log", "b/1.log")}
    assert expected == reader.read()
    assert list(expected) == sorted(expected)
    assert ("source in: b/newest.log is the same file as b/1.log; it is read once",) == reader.notices
    absolute = Reader(Path("/"), str(tmp_path / "*.log"))
    assert {f"in/{tmp_path}/3.log": [b"3.log"]} == absolute.read()


def test_a_pattern_that_matches_nothing_is_invalid_input(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"no file matches \*\.log in "):
        Reader(tmp_path).read()


def test_compressed_column_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.log.gz").write_bytes(gzip.compress(b"x"))
    with pytest.raises(InvalidInput, match="not decompressed"):
        Reader(tmp_path, "*.gz", Format.model_validate({"parquet": {}})).read()


def test_a_file_that_cannot_be_read_is_unavailable(tmp_path: Path) -> None:
    """A process's memory is a file that even root cannot read from its beginning."""
    with pytest.raises(Unavailable, match="cannot read /proc/self/mem"):
        Reader(Path("/proc/self"), "mem").read()


def test_a_thousand_files_need_few_descriptors(tmp_path: Path) -> None:
    for number in range(1000):
        (tmp_path / f"{number:04}.log").write_bytes(lines(str(number)))
    reader = Reader(tmp_path)
    reader.read()

    asyncio.run(open_files("in", "*.log", NDJSON, tmp_path).open(reader.states))
    assert len(list(Path("/proc/self/fd").iterdir())) < 100
