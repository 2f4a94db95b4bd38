"""The file of the embedded log: SQLite in write-ahead mode, one writer thread, group commit.

Whatever waits when the thread is free goes into one transaction, which is synced once (synchronous=FULL); all its
appends return after that. A transaction that fails fails for all in it, and nothing of it is in the file. Ends of
sources and splits, and sizes, are held in memory as of the last commit; one process has the file, by the folder's lock.
"""

import queue
import sqlite3
import threading
from asyncio import AbstractEventLoop, Future, get_running_loop
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from datanexus.adapters.embedded.log_tail import ENTRY_BYTES, LogTail
from datanexus.adapters.faults import log_fault
from datanexus.ports.log import Appended, LogEntry, NewEntry, Repeat, SplitEnd
from datanexus_spec.errors import DataNexusError, Unavailable

_GROUP_MAX = 4_096  # of one transaction
_PAGE_BYTES = 16 << 10  # of a new file: a body of 200 KB takes a quarter less time than in pages of 4 KiB
_WAL_PAGES = (16 << 20) // _PAGE_BYTES  # written back to the file beyond it
_TABLES = """
CREATE TABLE IF NOT EXISTS entries (
  pipeline TEXT NOT NULL, source TEXT NOT NULL, "offset" INTEGER NOT NULL,
  split TEXT NOT NULL, position INTEGER NOT NULL, data BLOB NOT NULL,
  framing TEXT NOT NULL, origin TEXT NOT NULL, "end" INTEGER NOT NULL,
  PRIMARY KEY (pipeline, source, "offset"));
CREATE TABLE IF NOT EXISTS ends (
  pipeline TEXT NOT NULL, source TEXT NOT NULL, next INTEGER NOT NULL, trimmed INTEGER NOT NULL,
  PRIMARY KEY (pipeline, source));
CREATE TABLE IF NOT EXISTS splits (
  pipeline TEXT NOT NULL, source TEXT NOT NULL, split TEXT NOT NULL,
  "offset" INTEGER NOT NULL, position INTEGER NOT NULL, origin TEXT NOT NULL,
  PRIMARY KEY (pipeline, source, split));
CREATE TABLE IF NOT EXISTS repeats (
  pipeline TEXT NOT NULL, source TEXT NOT NULL, key TEXT NOT NULL,
  digest TEXT NOT NULL, answer TEXT NOT NULL, at_us INTEGER NOT NULL, "offset" INTEGER NOT NULL,
  PRIMARY KEY (pipeline, source, key));
"""
_INDEXES = """
CREATE INDEX IF NOT EXISTS entries_by_split ON entries (pipeline, source, split, "offset");
CREATE INDEX IF NOT EXISTS repeats_by_time ON repeats (pipeline, source, at_us);
"""
_SIZE = (
    f"SELECT coalesce(sum(length(data) + {ENTRY_BYTES}), 0) FROM entries "  # noqa: S608 - a number of ours
    "WHERE pipeline = ? AND source = ?"
)

R = TypeVar("R")
Work = Callable[[], object]


@dataclass(slots=True)
class SourceEnds:
    """What the file has of one source. `begin`: the first offset that was not trimmed; `next`: of the next entry.
    Not changed once it is committed."""

    begin: int = 0
    next: int = 0
    nbytes: int = 0
    splits: dict[str, SplitEnd] = field(default_factory=dict)

    def copy(self) -> "SourceEnds":
        return SourceEnds(self.begin, self.next, self.nbytes, dict(self.splits))


NOTHING = SourceEnds()


@dataclass(frozen=True, slots=True)
class _Task:
    """Something to do in the next transaction, and whom to tell."""

    what: str
    work: Work
    done: "Future[object]"
    loop: AbstractEventLoop


Key = tuple[str, str]  # pipeline, source


class LogFile:
    """The log of all pipelines of a data folder. Made by `open_log_file`."""

    def __init__(self, path: Path, writing: sqlite3.Connection, reading: sqlite3.Connection, bytes_max: int | None):
        self.path = path
        self._bytes_max = bytes_max
        self._writing = writing
        self._reading = reading
        self._reader = ThreadPoolExecutor(1, "log-reader")
        self._ends = _load_ends(writing)
        self._changed: dict[Key, SourceEnds] = {}  # in the open transaction
        self._placed: list[tuple[Key, LogEntry]] = []  # in the open transaction
        self._unwritten: dict[tuple[Key, str], LogEntry] = {}  # of it, by split, whose ends are not in the tables yet
        self._tails: dict[str, LogTail] = {}  # by pipeline
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write, name="log-writer", daemon=True)
        self._writer.start()
        self._is_closed = False

    def ends(self, key: Key) -> SourceEnds:
        """As of the last commit."""
        return self._ends.get(key, NOTHING)

    def nbytes(self, pipeline: str) -> int:
        """Bytes of a pipeline's entries."""
        return sum(ends.nbytes for key, ends in list(self._ends.items()) if key[0] == pipeline)

    async def append(self, key: Key, entry: NewEntry, repeat: Repeat | None) -> Appended:
        """Durable when it returns. Raises: Unavailable."""
        return await self._written(f"append to the log of {key[1]} in", lambda: self._append(key, entry, repeat))

    async def forget_repeats(self, key: Key, before_us: int) -> None:
        sql = "DELETE FROM repeats WHERE pipeline = ? AND source = ? AND at_us < ?"
        await self._written(f"forget keys of {key[1]} in", lambda: self._writing.execute(sql, (*key, before_us)))

    async def trim(self, key: Key, before: int) -> None:
        await self._written(f"trim the log of {key[1]} in", lambda: self._trim(key, before))

    async def forget(self, key: Key) -> None:
        await self._written(f"empty the log of {key[1]} in", lambda: self._forget(key))

    async def read(self, key: Key, split: str, offset: int, entries_max: int) -> Sequence[LogEntry]:
        """Entries of one split. Raises: Unavailable, Corrupt."""
        tail = self._tails.get(key[0])
        newest = tail.read(key[1], split, offset, entries_max) if tail is not None else None
        if newest is not None:
            return newest
        return await get_running_loop().run_in_executor(self._reader, self._fetch, key, split, offset, entries_max)

    async def close(self) -> None:
        """Finish what waits, then close the file."""
        if self._is_closed:
            return
        self._is_closed = True
        self._tasks.put(None)
        await get_running_loop().run_in_executor(self._reader, self._writer.join)
        self._reader.shutdown()
        self._reading.close()
        self._writing.close()

    async def _written(self, what: str, work: Callable[[], R]) -> R:
        """Have the writer do this and wait until it is durable. Who stops waiting does not undo it."""
        assert not self._is_closed, "the log is closed"
        loop = get_running_loop()
        done: Future[object] = loop.create_future()
        self._tasks.put(_Task(what, work, done, loop))
        return await done  # type: ignore[return-value] # what `work` returned

    def _write(self) -> None:
        """The writer thread: until a None is taken out."""
        while (task := self._tasks.get()) is not None:
            group = [task]
            while len(group) < _GROUP_MAX and not self._tasks.empty():
                following = self._tasks.get()
                if following is None:
                    self._tasks.put(None)
                    break
                group.append(following)
            self._commit(group)

    def _commit(self, group: Sequence[_Task]) -> None:
        """One transaction. What a task itself refuses (the log is full) is the answer to it alone."""
        results: list[object] = []
        try:
            self._writing.execute("BEGIN IMMEDIATE")
            results += [_outcome(task.work) for task in group]
            self._write_ends()
            self._writing.execute("COMMIT")
            self._take_over()
        except sqlite3.Error as error:
            if self._writing.in_transaction:
                self._writing.execute("ROLLBACK")
            results = [log_fault(error, f"cannot {task.what}", self.path) for task in group]
        except BaseException as error:  # noqa: BLE001 - who waits is told, and the thread goes on
            if self._writing.in_transaction:
                self._writing.execute("ROLLBACK")
            results = [error for _ in group]
        self._changed.clear()
        self._placed.clear()
        self._unwritten.clear()
        _tell(group, results)

    def _take_over(self) -> None:
        """What is in the file now is in memory too, tails first: who sees an end finds what lies before it."""
        for (pipeline, source), entry in self._placed:
            self._tails.setdefault(pipeline, LogTail()).add(source, entry)
        self._ends.update(self._changed)

    def _fetch(self, key: Key, split: str, offset: int, entries_max: int) -> Sequence[LogEntry]:
        sql = (
            'SELECT "offset", split, position, data, framing, origin, "end" FROM entries '
            'WHERE pipeline = ? AND source = ? AND split = ? AND "offset" >= ? ORDER BY "offset" LIMIT ?'
        )
        try:
            rows = self._reading.execute(sql, (*key, split, offset, entries_max)).fetchall()
        except sqlite3.Error as error:
            raise log_fault(error, f"cannot read the log of {key[1]} in", self.path) from error
        return [LogEntry(*row) for row in rows]

    def _changing(self, key: Key) -> SourceEnds:
        """The ends of a source as of this transaction, which may be changed."""
        if key not in self._changed:
            self._changed[key] = self.ends(key).copy()
        return self._changed[key]

    def _append(self, key: Key, entry: NewEntry, repeat: Repeat | None) -> Appended:
        if repeat is not None and (known := self._known(key, repeat.key)) is not None:
            return known
        ends, nbytes = self._changing(key), len(entry.data) + ENTRY_BYTES
        self._check_room(key, nbytes)
        before = ends.splits.get(entry.split, SplitEnd(0, 0, ""))
        position = before.position if entry.position is None else entry.position
        assert position >= before.position, "a split's entries do not overlap"
        end = position + (len(entry.data) if entry.extent is None else entry.extent)
        placed = LogEntry(ends.next, entry.split, position, entry.data, entry.framing, entry.origin, end)
        self._insert(key, placed)
        if repeat is not None:
            told = (repeat.key, repeat.digest, repeat.answer, repeat.at_us, placed.offset)
            self._writing.execute("INSERT INTO repeats VALUES (?, ?, ?, ?, ?, ?, ?)", (*key, *told))
        ends.next += 1
        ends.nbytes += nbytes
        ends.splits[entry.split] = SplitEnd(ends.next, end, entry.origin)
        self._placed.append((key, placed))
        self._unwritten[key, placed.split] = placed
        return Appended(placed.offset)

    def _insert(self, key: Key, placed: LogEntry) -> None:
        self._writing.execute(
            "INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *key, placed.offset, placed.split, placed.position,
                placed.data, placed.framing, placed.origin, placed.end,
            ),
        )  # fmt: skip

    def _write_ends(self) -> None:
        """Where sources and splits end now: once for all entries of a transaction, and before what reads or changes it
        otherwise."""
        for (key, split), placed in self._unwritten.items():
            self._writing.execute(
                "INSERT OR REPLACE INTO splits VALUES (?, ?, ?, ?, ?, ?)",
                (*key, split, placed.offset + 1, placed.end, placed.origin),
            )
        for key in {key for key, _ in self._unwritten}:
            self._writing.execute(
                "INSERT INTO ends VALUES (?, ?, ?, 0) "
                "ON CONFLICT (pipeline, source) DO UPDATE SET next = excluded.next",
                (*key, self._changed[key].next),
            )
        self._unwritten.clear()

    def _known(self, key: Key, repeat_key: str) -> Appended | None:
        found = self._writing.execute(
            'SELECT "offset", key, digest, answer, at_us FROM repeats WHERE pipeline = ? AND source = ? AND key = ?',
            (*key, repeat_key),
        ).fetchone()
        return Appended(found[0], Repeat(*found[1:])) if found else None

    def _check_room(self, key: Key, nbytes: int) -> None:
        held = sum(ends.nbytes for other, ends in {**self._ends, **self._changed}.items() if other[0] == key[0])
        if self._bytes_max is None or held + nbytes <= self._bytes_max:
            return
        raise Unavailable(
            f"log {self.path}: pipeline {key[0]} holds {held:,} bytes that no snapshot has yet, "
            f"and {nbytes:,} more would pass its bound of {self._bytes_max:,}",
            reason="LogFull",
            hint="send again later: the log is trimmed as soon as cuts and snapshots have caught up",
        )

    def _trim(self, key: Key, before: int) -> None:
        self._write_ends()
        ends = self._changing(key)
        before = min(before, ends.next)
        if before <= ends.begin:
            return
        (freed,) = self._writing.execute(_SIZE + ' AND "offset" < ?', (*key, before)).fetchone()
        self._writing.execute('DELETE FROM entries WHERE pipeline = ? AND source = ? AND "offset" < ?', (*key, before))
        self._writing.execute("UPDATE ends SET trimmed = ? WHERE pipeline = ? AND source = ?", (before, *key))
        ends.begin = before
        ends.nbytes -= freed

    def _forget(self, key: Key) -> None:
        ends = self._changing(key)
        self._trim(key, ends.next)
        ends.splits.clear()
        self._writing.execute("DELETE FROM splits WHERE pipeline = ? AND source = ?", key)
        self._writing.execute("DELETE FROM repeats WHERE pipeline = ? AND source = ?", key)


def open_log_file(path: Path, bytes_max: int | None = None) -> LogFile:
    """Open the log of a data folder, or make it. `bytes_max`: of each pipeline's entries.

    Raises: Unavailable, Corrupt.
    """
    try:
        writing = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
        try:
            _prepare(writing)
            reading = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
        except BaseException:
            writing.close()
            raise
    except sqlite3.Error as error:
        raise log_fault(error, "cannot open the log", path) from error
    return LogFile(path, writing, reading, bytes_max)


def _prepare(connection: sqlite3.Connection) -> None:
    """Settings and tables. Which version wrote the file is the data folder's to know."""
    # The size of pages comes first: it cannot change once there is a write-ahead log.
    for setting in (f"page_size = {_PAGE_BYTES}", "journal_mode = WAL", "synchronous = FULL", "secure_delete = OFF"):
        connection.execute(f"PRAGMA {setting}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
    connection.executescript(f"BEGIN;{_TABLES}{_INDEXES}COMMIT;")


def _load_ends(connection: sqlite3.Connection) -> dict[Key, SourceEnds]:
    ends: dict[Key, SourceEnds] = {}
    for pipeline, source, following, trimmed in connection.execute("SELECT pipeline, source, next, trimmed FROM ends"):
        ends[pipeline, source] = SourceEnds(trimmed, following)
    for key, source_ends in ends.items():
        (source_ends.nbytes,) = connection.execute(_SIZE, key).fetchone()
    splits = 'SELECT pipeline, source, split, "offset", position, origin FROM splits'
    for pipeline, source, split, offset, position, origin in connection.execute(splits):
        ends[pipeline, source].splits[split] = SplitEnd(offset, position, origin)
    return ends


def _outcome(work: Work) -> object:
    """What `work` returns, or the error it refuses with before it wrote anything."""
    try:
        return work()
    except DataNexusError as error:
        return error


def _tell(group: Sequence[_Task], results: Sequence[object]) -> None:
    """Give each waiting coroutine its result, once per loop and not once per task."""

    def tell(pairs: Sequence[tuple[_Task, object]]) -> None:
        for task, result in pairs:
            if task.done.done():
                continue  # nobody waits any more
            if isinstance(result, BaseException):
                task.done.set_exception(result)
            else:
                task.done.set_result(result)

    by_loop: dict[AbstractEventLoop, list[tuple[_Task, object]]] = {}
    for task, result in zip(group, results, strict=True):
        by_loop.setdefault(task.loop, []).append((task, result))
    for loop, pairs in by_loop.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(tell, pairs)
