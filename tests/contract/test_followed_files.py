"""Files that are followed: each record once and in order, whatever is done to the files, and over every restart."""

import asyncio
import gzip
import os
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datanexus.ports.source import Damage
from datanexus_spec.format import Format
from tests.contract.follower import Follower, records_of

Use = Callable[[Follower], Awaitable[None]]


def append(path: Path, content: bytes) -> None:
    with path.open("ab") as file:
        file.write(content)


def lines(*names: object) -> bytes:
    return b"".join(f"{name}\n".encode() for name in names)


def follow(folder: Path, use: Use, pattern: str = "*.log", form: dict[str, object] | None = None) -> Follower:
    """Use a follower that was started, then stop it."""
    follower = Follower(folder, pattern, Format.model_validate(form or {"ndjson": {}}))

    async def within() -> None:
        await follower.start()
        await use(follower)
        await follower.stop()

    asyncio.run(within())
    return follower


def test_a_file_that_grows_is_read_line_by_line_and_a_half_line_waits(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"1\n2")

    async def use(follower: Follower) -> None:
        assert {"in/a.log": [b"1"]} == await follower.look()
        assert {} == await follower.settle()
        append(path, b"2\n3\n4")
        assert {"in/a.log": [b"22", b"3"]} == await follower.look()
        append(path, b"")
        assert {} == await follower.look()
        append(path, b"\n")
        assert {"in/a.log": [b"4"]} == await follower.look()

    follower = follow(tmp_path, use)
    assert () == follower.notices


def test_new_files_are_found_also_in_new_folders(tmp_path: Path) -> None:
    async def use(follower: Follower) -> None:
        assert {} == await follower.look()
        (tmp_path / "a.log").write_bytes(lines(1))
        follower.waited_s += 5
        assert {"in/a.log": [b"1"]} == await follower.look()
        (tmp_path / "deep" / "er").mkdir(parents=True)
        (tmp_path / "deep" / "er" / "b.log").write_bytes(lines(2))
        follower.waited_s += 5
        assert {"in/deep/er/b.log": [b"2"]} == await follower.look()

    follow(tmp_path, use, "**/*.log")


def test_an_empty_file_is_a_split_from_its_first_record_on(tmp_path: Path) -> None:
    async def use(follower: Follower) -> None:
        (tmp_path / "a.log").write_bytes(b"")
        assert {} == await follower.settle()
        append(tmp_path / "a.log", b"1")
        assert {} == await follower.look()
        append(tmp_path / "a.log", b"\n")
        assert {"in/a.log": [b"1"]} == await follower.settle()

    follow(tmp_path, use)


@pytest.mark.parametrize("pattern", ["a.log*", "a.log"])
def test_a_file_that_is_renamed_is_read_to_its_end_and_the_new_one_is_another(tmp_path: Path, pattern: str) -> None:
    """Also where the pattern does not match the new name."""
    (tmp_path / "a.log").write_bytes(lines(1))

    async def use(follower: Follower) -> None:
        assert {"in/a.log": [b"1"]} == await follower.look()
        append(tmp_path / "a.log", lines(2))
        (tmp_path / "a.log").rename(tmp_path / "a.log.1")
        append(tmp_path / "a.log.1", b"3\n4")
        (tmp_path / "a.log").write_bytes(lines(5))
        assert {"in/a.log": [b"2", b"3"], "in/a.log~2": [b"5"]} == await follower.look()
        assert {"in/a.log": [b"4"]} == await follower.settle()
        append(tmp_path / "a.log", lines(6))
        assert {"in/a.log~2": [b"6"]} == await follower.look()

    follow(tmp_path, use, pattern)


def test_rotation_may_shift_many_files_at_once(tmp_path: Path) -> None:
    async def use(follower: Follower) -> None:
        seen: list[object] = []
        for number in range(5):
            append(tmp_path / "a.log", lines(f"{number} first"))
            seen += [record for records in (await follower.settle()).values() for record in records]
            append(tmp_path / "a.log", lines(f"{number} last"))
            for older in range(number, 0, -1):
                (tmp_path / f"a.log.{older}").rename(tmp_path / f"a.log.{older + 1}")
            (tmp_path / "a.log").rename(tmp_path / "a.log.1")
        seen += [record for records in (await follower.settle()).values() for record in records]
        assert [f"{number} {part}".encode() for number in range(5) for part in ("first", "last")] == seen

    follow(tmp_path, use, "a.log*")


def test_copy_and_truncate_gives_each_record_once_at_every_moment(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(lines(1, 2))

    async def use(follower: Follower) -> None:
        assert {"in/a.log": [b"1", b"2"]} == await follower.look()
        append(tmp_path / "a.log", lines(3))
        shutil.copy(tmp_path / "a.log", tmp_path / "a.log.1")
        assert {"in/a.log": [b"3"]} == await follower.look()
        append(tmp_path / "a.log", lines(4))
        shutil.copy(tmp_path / "a.log", tmp_path / "a.log.1")
        os.truncate(tmp_path / "a.log", 0)
        append(tmp_path / "a.log", lines(5))
        assert {"in/a.log": [b"4"], "in/a.log~2": [b"5"]} == await follower.settle()
        append(tmp_path / "a.log", lines(6))
        assert {"in/a.log~2": [b"6"]} == await follower.look()

    follow(tmp_path, use, "a.log*")


def test_a_copy_that_has_less_than_was_read_is_not_read_when_the_file_is_emptied(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(lines(1, 2))

    async def use(follower: Follower) -> None:
        await follower.look()
        shutil.copy(tmp_path / "a.log", tmp_path / "a.log.1")
        append(tmp_path / "a.log", lines(3))
        assert {"in/a.log": [b"3"]} == await follower.look()
        os.truncate(tmp_path / "a.log", 0)
        assert {} == await follower.settle()
        append(tmp_path / "a.log", lines(4))
        assert {"in/a.log~2": [b"4"]} == await follower.settle()

    follow(tmp_path, use, "a.log*")


def test_a_file_that_was_emptied_and_grew_beyond_its_place_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(lines(*range(10)))

    async def use(follower: Follower) -> None:
        await follower.look()
        (tmp_path / "a.log").write_bytes(lines(*range(100, 150)))
        found = await follower.settle()
        assert {"in/a.log~2": [b"%d" % number for number in range(100, 150)]} == found
        assert "truncated or replaced" in follower.notices[-1]

    follow(tmp_path, use)


def test_a_copy_that_stays_beside_its_file_is_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(lines(1, 2))

    async def use(follower: Follower) -> None:
        await follower.look()
        shutil.copy(tmp_path / "a.log", tmp_path / "b.log")
        assert {} == await follower.look()
        assert {"in/b.log": [b"1", b"2"]} == await follower.settle()

    follow(tmp_path, use)


def test_a_file_that_is_replaced_by_a_longer_copy_goes_on(tmp_path: Path) -> None:
    """As an editor saves."""
    (tmp_path / "a.log").write_bytes(lines(1, 2))

    async def use(follower: Follower) -> None:
        await follower.look()
        (tmp_path / "new").write_bytes(lines(1, 2, 3))
        (tmp_path / "new").replace(tmp_path / "a.log")
        assert {"in/a.log": [b"3"]} == await follower.look()
        (tmp_path / "new").write_bytes(lines("other", "lines"))
        (tmp_path / "new").replace(tmp_path / "a.log")
        assert {"in/a.log~2": [b"other", b"lines"]} == await follower.settle()

    follow(tmp_path, use)


@pytest.mark.parametrize("suffix", ["gz", "zst"])
def test_a_file_that_is_compressed_meanwhile_is_not_read_again(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "a.log").write_bytes(lines(1, 2))

    def compressed(content: bytes) -> bytes:
        return gzip.compress(content) if suffix == "gz" else bytes(pa.compress(content, "zstd", asbytes=True))

    async def use(follower: Follower) -> None:
        await follower.look()
        (tmp_path / "a.log").rename(tmp_path / "a.log.1")
        append(tmp_path / "a.log.1", lines(3))
        (tmp_path / "a.log").write_bytes(lines(4))
        assert {"in/a.log": [b"3"], "in/a.log~2": [b"4"]} == await follower.look()
        packed = compressed((tmp_path / "a.log.1").read_bytes())
        (tmp_path / f"a.log.1.{suffix}").write_bytes(packed[:10])
        assert {} == await follower.look()
        (tmp_path / f"a.log.1.{suffix}").write_bytes(packed)
        assert {} == await follower.settle()
        (tmp_path / "a.log.1").unlink()
        assert {} == await follower.settle()
        (tmp_path / f"b.log.{suffix}").write_bytes(compressed(lines(5, 6)))
        assert {f"in/b.log.{suffix}": [b"5", b"6"]} == await follower.settle()
        follower.cut()
        await follower.stop()
        await follower.start()
        assert {} == await follower.settle()

    follow(tmp_path, use, "*.log*")


def test_what_was_compressed_while_nobody_looked_goes_on_inside(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(lines(1))

    async def use(follower: Follower) -> None:
        await follower.look()
        (tmp_path / "a.log.1.gz").write_bytes(gzip.compress(lines(1, 2)))
        (tmp_path / "a.log").unlink()
        append(tmp_path / "a.log", lines(3))
        assert {"in/a.log": [b"2"], "in/a.log~2": [b"3"]} == await follower.settle()

    follow(tmp_path, use, "a.log*")


def test_a_cut_off_compressed_file_is_damage_only_when_it_stays_so(tmp_path: Path) -> None:
    packed = gzip.compress(b"".join(os.urandom(20).hex().encode() + b"\n" for _ in range(1000)))
    whole = gzip.decompress(packed).splitlines()
    path = tmp_path / "a.log.gz"
    path.write_bytes(packed[: len(packed) // 2])

    async def use(follower: Follower) -> None:
        follower.waited_s += 5
        early = (await follower.look()).get("in/a.log.gz", [])
        assert whole[: len(early)] == early
        path.write_bytes(packed)
        late = (await follower.settle()).get("in/a.log.gz", [])
        assert whole == early + late
        path.with_name("b.log.gz").write_bytes(packed[: len(packed) // 2])
        follower.waited_s += 100
        await follower.look()
        follower.waited_s += 100
        await follower.look()
        records = follower.open["in/b.log.gz"]
        assert isinstance(records[-1], Damage)
        assert whole[: len(records) - 1] == records[:-1]
        follower.cut()
        await follower.stop()
        await follower.start()
        assert {} == await follower.settle()

    follow(tmp_path, use, "*.gz")


def test_a_file_that_is_removed_is_read_to_its_end_and_goes_on_when_it_is_back(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(lines(1))

    async def use(follower: Follower) -> None:
        await follower.look()
        append(tmp_path / "a.log", b"2\n3")
        (tmp_path / "a.log").unlink()
        assert {"in/a.log": [b"2", b"3"]} == await follower.settle()
        assert {} == await follower.settle()
        assert not follower.splits["in/a.log"].ready
        (tmp_path / "a.log").write_bytes(b"1\n2\n3\n4\n")
        assert {"in/a.log": [b"4"]} == await follower.settle()

    follow(tmp_path, use)


def test_a_thousand_files_need_few_descriptors_and_looking_reads_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1000):
        (tmp_path / f"{number:04}.log").write_bytes(lines(number))

    async def use(follower: Follower) -> None:
        assert 1000 == len(await follower.settle())
        assert len(os.listdir("/proc/self/fd")) < 400  # noqa: PTH208 - not in an event loop, says another rule
        with monkeypatch.context() as patched:
            patched.setattr(os, "pread", lambda *_: pytest.fail("a look read a file"))
            patched.setattr(os, "open", lambda *_: pytest.fail("a look opened a file"))
            assert {} == await follower.look()
        append(tmp_path / "0007.log", lines("more"))
        assert {"in/0007.log": [b"more"]} == await follower.look()

    follow(tmp_path, use)


@pytest.mark.parametrize("kind", ["parquet", "arrow", "stream"])
def test_a_column_file_is_read_once_it_is_whole(tmp_path: Path, kind: str) -> None:
    table = pa.table({"n": list(range(100_000))})
    source = tmp_path / "source"
    if kind == "parquet":
        pq.write_table(table, source)
    else:
        writer = pa.ipc.new_stream(source, table.schema) if kind == "stream" else pa.ipc.new_file(source, table.schema)
        with writer:
            writer.write_table(table, max_chunksize=30_000)
    content = source.read_bytes()
    path = tmp_path / "a.log"

    async def use(follower: Follower) -> None:
        path.write_bytes(content[: len(content) // 2])
        assert {} == await follower.settle()
        append(path, content[len(content) // 2 :])
        assert {} == await follower.look()
        found = await follower.settle()
        assert {"in/a.log": [{"n": number} for number in range(100_000)]} == found
        assert {} == await follower.settle()
        await follower.stop()
        await follower.start()
        assert found == await follower.settle()
        follower.cut()
        await follower.release()
        await follower.stop()
        await follower.start()
        assert {} == await follower.settle()
        path.write_bytes(content[: len(content) // 2])
        follower.waited_s += 100
        *_, damage = (await follower.settle())["in/a.log~2"]
        assert isinstance(damage, Damage)

    follow(tmp_path, use, form={"parquet" if kind == "parquet" else "arrow": {}})


@pytest.mark.parametrize("released", [False, True])
def test_after_a_crash_reading_goes_on_behind_the_last_cut_out_of_the_log(tmp_path: Path, released: bool) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(lines(1, 2))

    async def use(follower: Follower) -> None:
        await follower.look()
        follower.cut()
        if released:
            await follower.release()
        append(path, b"3\n4\n5")
        assert {"in/a.log": [b"3", b"4"]} == await follower.look()
        await follower.stop()
        path.unlink()
        await follower.start()
        assert {"in/a.log": [b"3", b"4"]} == await follower.look()
        follower.cut()
        await follower.stop()
        path.write_bytes(b"1\n2\n3\n4\n55\n")
        await follower.start()
        assert {"in/a.log": [b"55"]} == await follower.look()

    follow(tmp_path, use)


def test_run_and_up_take_turns_on_one_folder(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(lines(1))

    async def use(follower: Follower) -> None:
        await follower.stop()
        assert {"in/a.log": [b"1"]} == await follower.run()
        for number in range(2, 20, 4):
            append(path, lines(number))
            await follower.start()
            assert {"in/a.log": [b"%d" % number]} == await follower.look()
            follower.cut()
            append(path, lines(number + 1))
            assert {"in/a.log": [b"%d" % (number + 1)]} == await follower.look()
            await follower.stop()
            append(path, lines(number + 2))
            assert {"in/a.log": [b"%d" % (number + 1), b"%d" % (number + 2)]} == await follower.run()
            append(path, lines(number + 3))
            assert {"in/a.log": [b"%d" % (number + 3)]} == await follower.run()
        assert {} == await follower.run()

    follow(tmp_path, use)


def test_a_state_from_before_a_run_is_followed_by_log_and_file_in_turn(tmp_path: Path) -> None:
    """As when the newest snapshots are damaged: what `up` logged and what `run` read in place lie side by side."""
    path = tmp_path / "a.log"
    path.write_bytes(b"")

    async def use(follower: Follower) -> None:
        old = []
        number = 0
        for _ in range(3):
            for _ in range(3):
                append(path, lines(number))
                number += 1
                await follower.look()
                follower.cut()
                old.append((follower.states, number))
            await follower.stop()
            append(path, lines(number, number + 1))
            number += 2
            await follower.run()
            old.append((follower.states, number))
            await follower.start()
        await follower.stop()
        for follows in (False, True):
            for states, first in old:
                follower.states = states
                await follower.start(follows=follows, replays=True)
                read: list[object] = []
                for split in follower.splits.values():
                    for known, count in old:
                        while len(read) < count - first:
                            chunk = await split.read(count - first - len(read))
                            assert chunk is not None
                            read += records_of(chunk)
                        if count >= max(first, 1) and count > first:
                            assert dict(known["in/a.log"]) == dict(split.state())
                assert [b"%d" % one for one in range(first, number)] == read
                await follower.stop()

    follow(tmp_path, use)


def test_a_rebuild_reads_what_was_trimmed_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(lines(1, 2))

    async def use(follower: Follower) -> None:
        await follower.look()
        append(path, lines(3))
        await follower.look()
        follower.cut()
        await follower.release()
        append(path, lines(4))
        await follower.look()
        await follower.stop()
        follower.states = {}
        await follower.start()
        assert {"in/a.log": [b"1", b"2", b"3", b"4"]} == await follower.look()
        await follower.stop()
        path.unlink()
        await follower.start()
        assert {"in/a.log": [b"4"]} == await follower.look()

    follow(tmp_path, use)


def test_csv_keeps_its_header_over_restarts_and_quoted_lines_over_entries(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b'a,b\n1,"x\n')

    async def use(follower: Follower) -> None:
        assert {} == await follower.look()
        append(path, b'y"\n2,z\n')
        assert {"in/a.log": [b'1,"x\ny"', b"2,z"]} == await follower.look()
        follower.cut()
        await follower.release()
        append(path, b'3,"open\n')
        assert {} == await follower.look()
        await follower.stop()
        await follower.start()
        append(path, b"rest\n")
        path.rename(tmp_path / "b.log")
        assert {"in/a.log": [b'3,"open', b"rest"]} == await follower.settle()
        append(tmp_path / "b.log", b"4,u\n")
        assert {"in/a.log": [b"4,u"]} == await follower.look()
        await follower.stop()
        assert {"in/a.log": [b'3,"open', b"rest", b"4,u"]} == await follower.run()

    follow(tmp_path, use, form={"csv": {}})


def test_without_a_file_a_follower_waits_for_one(tmp_path: Path) -> None:
    async def use(follower: Follower) -> None:
        assert {} == await follower.look()
        (tmp_path / "a.log").write_bytes(lines(1))
        assert {"in/a.log": [b"1"]} == await follower.look()

    follow(tmp_path, use, "a.log")
