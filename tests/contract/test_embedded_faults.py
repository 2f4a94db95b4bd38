"""What only the real embedded adapters can show: kill -9, a full disk, other processes, damaged and foreign files."""

import asyncio
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from datanexus.adapters.embedded.blobs import open_blobs
from datanexus.adapters.embedded.data_folder import open_data_folder
from datanexus.adapters.embedded.log import open_log
from datanexus.adapters.embedded.store import open_store
from datanexus.ports.blob import Blobs
from datanexus.ports.failpoint import failpoints
from datanexus.ports.log import Log
from datanexus.ports.store import Store
from datanexus_spec.errors import Corrupt, DataNexusError, Incompatible, InvalidInput, Unavailable
from tests.contract.rows import HOUR_US, PIPELINE, RECORD, cut, view
from tests.contract.writer import ROWS, blob_data, entry_data

ROOT = Path(__file__).parents[2]
DEADLINE_S = 60
WRITTEN = {"store": ("claim", "commit", "acknowledge", "forget_cuts"), "log": ("append",), "blobs": ("put",)}
POINTS = [
    (port, point)
    for port, protocol in (("store", Store), ("log", Log), ("blobs", Blobs))
    for point in failpoints(protocol)
    if point.partition(".")[2].partition(":")[0] in WRITTEN[port]
]


def writer(port: str, folder: Path, failpoint: str = "", limit_bytes: str = "") -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.contract.writer", port, str(folder), failpoint, limit_bytes]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def killed_after(process: "subprocess.Popen[str]", lines: int, pause_s: float) -> list[str]:
    """What a writer said until it was killed, a moment after its n-th line."""
    assert process.stdout is not None
    said = [process.stdout.readline().strip() for _ in range(lines)]
    time.sleep(pause_s)
    process.kill()
    return [*said, *process.communicate(timeout=DEADLINE_S)[0].split("\n")[:-1]]


def check_store(folder: Path, at_least: int) -> int:
    """All of each cut or nothing; returns the last one."""

    async def use() -> int:
        store = open_store(folder / "store.duckdb")
        try:
            seq = (await store.claim(RECORD, [view()], {})).seq
            rows = (await store.query("SELECT * FROM web_traffic.by_section")).to_pylist()
            counts = dict.fromkeys(range(1, seq + 1), 0)
            for row in rows:
                hour = round(row["window_start"].timestamp() * 1e6) // HOUR_US
                assert (hour if hour == seq else -hour - 1) == row["n"]
                counts[hour] += 1
            assert dict.fromkeys(range(1, seq + 1), ROWS) == counts
            assert {"in": seq * ROWS} == ({"in": 0} | dict(await store.counters(PIPELINE)))
            assert list(range(1, seq + 1)) == [entry.seq for entry in await store.quarantine(PIPELINE, 10**6)]
            assert (await store.cuts(PIPELINE, seq - 1) == []) == (seq == 0)
            assert len(await store.outbox(PIPELINE)) <= 1
            return seq
        finally:
            await store.close()

    seq = asyncio.run(use())
    assert at_least <= seq <= at_least + 1
    return seq


def check_log(folder: Path, at_least: int) -> int:
    async def use() -> int:
        log = open_log(folder / "log.sqlite", PIPELINE)
        try:
            end = await log.end("in")
            entries = await log.read("in", "in/stdin-1", 0, end + 1)
            assert [entry_data(offset) for offset in range(end)] == [entry.data for entry in entries]
            return end - 1
        finally:
            await log.close()

    last = asyncio.run(use())
    assert at_least <= last <= at_least + 1
    return last


def check_blobs(folder: Path, at_least: int) -> int:
    async def use() -> int:
        blobs = open_blobs(folder / "blobs")
        names = await blobs.names("")
        assert [f"p/{number:06d}" for number in range(len(names))] == names
        for number, name in enumerate(names):
            assert blob_data(number) == await blobs.get(name)
        return len(names) - 1

    last = asyncio.run(use())
    assert at_least <= last <= at_least + 1
    assert [] == [path for path in (folder / "blobs").rglob("*") if path.suffix == ".tmp"]
    return last


CHECKS = {"store": (check_store, 0), "log": (check_log, -1), "blobs": (check_blobs, -1)}


@pytest.mark.parametrize(("port", "point"), POINTS)
def test_a_process_that_dies_at_a_failpoint_leaves_whole_writes_alone(tmp_path: Path, port: str, point: str) -> None:
    check, nothing = CHECKS[port]
    nth = 1 if ".claim" in point else 3
    process = writer(port, tmp_path, f"{point}@{nth}")
    said = process.communicate(timeout=DEADLINE_S)[0].split()
    assert -signal.SIGKILL == process.returncode
    if (tmp_path / "store.duckdb").exists() or port != "store":
        check(tmp_path, int(said[-1]) if said else nothing)


@pytest.mark.parametrize("port", CHECKS)
def test_a_process_killed_at_any_moment_leaves_whole_writes_alone(tmp_path: Path, port: str) -> None:
    check, last = CHECKS[port]
    draw = random.Random(os.environ.get("DATANEXUS_SEED", port))
    for _ in range(4):
        said = killed_after(writer(port, tmp_path), 1 + draw.randrange(8), draw.random() * 0.03)
        last = check(tmp_path, max(last, int(said[-1])))


def on_small_disk(port: str, folder: Path, size_bytes: int) -> list[str]:
    """What a writer says on a disk of its own, whose content is in `folder` afterwards.

    Where the system lets nobody mount one, a limit on the size of a file stands in for it.
    """
    mount = f"mount -t tmpfs -o size={size_bytes} tmpfs {folder}"
    write = f"{sys.executable} -m tests.contract.writer {port} {folder}"
    kept = folder.with_name(f"{folder.name}-kept")
    script = (
        f"mkdir -p {kept} && {mount} && cp -a {kept}/. {folder} && {write}; rm -rf {kept}/* ; cp -a {folder}/. {kept}"
    )
    unshare = ["/usr/bin/unshare", "--user", "--map-root-user", "--mount"]
    if subprocess.run([*unshare, "sh", "-c", mount], capture_output=True, check=False).returncode:
        return writer(port, folder, "", str(size_bytes // 2)).communicate(timeout=DEADLINE_S)[0].strip().split("\n")
    done = subprocess.run(
        [*unshare, "sh", "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE_S, check=True
    )
    shutil.copytree(kept, folder, dirs_exist_ok=True)
    return done.stdout.strip().split("\n")


@pytest.mark.parametrize("port", CHECKS)
def test_a_full_disk_is_said_and_leaves_whole_writes_alone(tmp_path: Path, port: str) -> None:
    check, nothing = CHECKS[port]
    said = on_small_disk(port, tmp_path, 3_000_000)
    reason, message = said[-1].split(": ", 1)
    assert reason in ("DiskFull", "LogUnavailable"), said[-1]
    assert message.startswith("cannot ")
    assert str(tmp_path) in message
    assert 0 < check(tmp_path, int(said[-2]) if len(said) > 1 else nothing)


@pytest.mark.parametrize(("port", "limit_bytes"), [("store", 1_500_000), ("store", 3_000_000), ("blobs", 150_000)])
def test_a_limit_on_file_sizes_is_like_a_full_disk(tmp_path: Path, port: str, limit_bytes: int) -> None:
    check, nothing = CHECKS[port]
    said = writer(port, tmp_path, "", str(limit_bytes)).communicate(timeout=DEADLINE_S)[0].strip().split("\n")
    assert said[-1].startswith("DiskFull: cannot ")
    check(tmp_path, int(said[-2]) if len(said) > 1 else nothing)


def refused(act: Callable[[], object], kind: type[DataNexusError], reason: str) -> str:
    with pytest.raises(kind) as raised:
        act()
    assert reason == raised.value.reason
    assert raised.value.hint
    return raised.value.message


def test_a_folder_belongs_to_one_process_which_the_refusal_names(tmp_path: Path) -> None:
    folder = open_data_folder(tmp_path / "data")
    program = (
        "import sys; from pathlib import Path\n"
        "from datanexus.adapters.embedded.data_folder import open_data_folder\n"
        "for read_only in (False, True):\n"
        "    try: open_data_folder(Path(sys.argv[1]), read_only=read_only)\n"
        "    except Exception as error: print(type(error).__name__, error)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "data")]
    said = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout.split("\n")
    expected = f"Unavailable data folder {tmp_path / 'data'}: process {os.getpid()} is using it"
    assert [expected, expected] == said[:2]
    folder.close()
    open_data_folder(tmp_path / "data").close()


def test_readers_share_a_folder_and_keep_an_owner_off(tmp_path: Path) -> None:
    refused(lambda: open_data_folder(tmp_path / "data", read_only=True), Unavailable, "NoDataFolder")
    open_data_folder(tmp_path / "data").close()
    readers = [open_data_folder(tmp_path / "data", read_only=True) for _ in range(2)]
    refused(lambda: open_data_folder(tmp_path / "data"), Unavailable, "FolderInUse")
    for reader in readers:
        reader.close()
    open_data_folder(tmp_path / "data").close()


def content_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("content", "kind", "reason"),
    [
        ('{"format": 3}', Incompatible, "OtherDataFormat"),
        ('{"format": 1}', Incompatible, "OtherDataFormat"),
        ("no json", Corrupt, "BadFormatFile"),
        ('{"format": "1"}', Corrupt, "BadFormatFile"),
    ],
)
def test_a_folder_of_another_version_is_refused_and_left_as_it_is(
    tmp_path: Path, content: str, kind: type[DataNexusError], reason: str
) -> None:
    (tmp_path / "format").write_text(content)
    (tmp_path / "store.duckdb").write_text("of a later version")
    before = content_of(tmp_path)
    assert str(tmp_path) in refused(lambda: open_data_folder(tmp_path), kind, reason)
    assert before == content_of(tmp_path)


def test_a_folder_with_something_else_in_it_is_no_data_folder(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    assert "thesis.tex" in refused(lambda: open_data_folder(tmp_path), InvalidInput, "NotADataFolder")
    refused(lambda: open_data_folder(tmp_path / "thesis.tex"), InvalidInput, "NotAFolder")
    assert ["thesis.tex"] == [path.name for path in tmp_path.iterdir()]


@pytest.mark.parametrize("place", ["/sys", "/proc/version", "/dev/full"])
def test_a_place_that_cannot_be_written_is_said_by_every_adapter(place: str) -> None:
    """In the kernel's folders and below a file nothing can be made, even by root."""
    below = Path(place) / "data"
    for act in (
        lambda: open_data_folder(below),
        lambda: open_store(below / "store.duckdb"),
        lambda: open_log(below / "log.sqlite", PIPELINE),
        lambda: open_blobs(below / "blobs"),
    ):
        with pytest.raises(Unavailable) as raised:
            act()
        assert str(below) in raised.value.message


def test_a_store_in_use_is_unavailable(tmp_path: Path) -> None:
    process = writer("store", tmp_path)
    assert process.stdout is not None
    process.stdout.readline()
    try:
        for read_only in (False, True):
            refused(lambda: open_store(tmp_path / "store.duckdb", read_only=read_only), Unavailable, "StoreLocked")  # noqa: B023
    finally:
        process.kill()
        process.communicate(timeout=DEADLINE_S)


def test_a_store_is_read_without_an_owner_even_after_a_kill(tmp_path: Path) -> None:
    refused(lambda: open_store(tmp_path / "store.duckdb", read_only=True), Unavailable, "NoStore")
    last = int(killed_after(writer("store", tmp_path), 5, 0.0)[-1])
    assert (tmp_path / "store.duckdb.wal").stat().st_size > 0
    before = content_of(tmp_path)

    async def use() -> None:
        stores = [open_store(tmp_path / "store.duckdb", read_only=True)]
        for store in stores:
            rows = await store.query("SELECT count(*) AS n FROM web_traffic.by_section")
            assert rows.to_pylist()[0]["n"] in (last * ROWS, (last + 1) * ROWS)
            assert last <= len(await store.quarantine(PIPELINE, 10**6)) <= last + 1
            with pytest.raises(Unavailable):
                await store.claim(RECORD, [view()], {})
            await store.close()

    asyncio.run(use())
    assert before == content_of(tmp_path)


def test_a_store_of_a_later_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.duckdb"
    asyncio.run(open_store(path).close())
    with duckdb.connect(str(path)) as connection:
        connection.execute("UPDATE _datanexus.format SET version = 99")
    before = path.read_bytes()
    assert "99" in refused(lambda: open_store(path), Incompatible, "NewerStore")
    assert before == path.read_bytes()


@pytest.mark.parametrize("damage", ["foreign", "torn", "empty head"])
def test_a_damaged_file_is_corrupt_and_left_as_it_is(tmp_path: Path, damage: str) -> None:
    path, log_path = tmp_path / "store.duckdb", tmp_path / "log.sqlite"
    asyncio.run(open_store(path).close())
    asyncio.run(open_log(log_path, PIPELINE).close())
    for file in (path, log_path):
        content = bytearray(file.read_bytes())
        if damage == "foreign":
            content = bytearray(b"something else entirely" * 1000)
        elif damage == "torn":
            content[8:4096] = os.urandom(4088)
        else:
            content[:4096] = bytes(4096)
        file.write_bytes(content)
    before = path.read_bytes(), log_path.read_bytes()
    refused(lambda: open_store(path), Corrupt, "StoreCorrupt")
    refused(lambda: open_log(log_path, PIPELINE), Corrupt, "LogCorrupt")
    assert before == (path.read_bytes(), log_path.read_bytes())


def test_a_pipeline_named_like_a_part_of_the_database_is_refused(tmp_path: Path) -> None:
    async def use() -> None:
        store = open_store(tmp_path / "store.duckdb")
        for name in ("temp", "system", "memory", "pg-catalog", "information-schema"):
            with pytest.raises(InvalidInput):
                await store.claim(type(RECORD)(name, "r1", "{}", "{}"), [view()], {})
        for name in ("main", "store", "select", "fence"):
            await store.claim(type(RECORD)(name, "r1", "{}", "{}"), [view("order")], {})
            await store.query(f'SELECT * FROM "{name}"."order"')
        await store.close()

    asyncio.run(use())


def test_a_query_larger_than_the_memory_spills_beside_the_store_and_cleans_up(tmp_path: Path) -> None:
    async def use() -> None:
        store = open_store(tmp_path / "store.duckdb")
        ordered = "SELECT row_number() OVER (ORDER BY md5(i::VARCHAR)) AS n FROM range(3000000) t(i)"
        sql = f"SELECT max(n) AS top FROM ({ordered})"
        assert [{"top": 3_000_000}] == (await store.query(sql)).to_pylist()
        await store.close()

    asyncio.run(use())
    assert ["store.duckdb"] == [path.name for path in tmp_path.iterdir()]


@pytest.mark.parametrize("sql", ["SELECT * FROM read_text('/etc/passwd')", "FROM '/etc/passwd'"])
def test_a_query_reaches_no_file(tmp_path: Path, sql: str) -> None:
    async def use() -> None:
        store = open_store(tmp_path / "store.duckdb")
        await store.claim(RECORD, [view()], {})
        await store.commit(PIPELINE, 1, cut(1))
        with pytest.raises(InvalidInput):
            await store.query(sql)
        await store.close()

    asyncio.run(use())


def test_the_lock_file_tells_people_who_holds_the_folder(tmp_path: Path) -> None:
    folder = open_data_folder(tmp_path / "data")
    assert {"pid": os.getpid()} == json.loads((tmp_path / "data" / "lock").read_text())
    folder.close()
