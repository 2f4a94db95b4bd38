"""The Log port on SQLite: write-ahead log, synchronous=FULL, so one append is one synced transaction.

A log belongs to one pipeline of the file. `ends` keeps the next offset, as entries before it may all be trimmed.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from datanexus.adapters.faults import log_fault
from datanexus.ports.log import LogEntry
from datanexus_spec.errors import Corrupt

_TABLES = """
CREATE TABLE IF NOT EXISTS entries (
  pipeline TEXT NOT NULL, source TEXT NOT NULL, "offset" INTEGER NOT NULL,
  split TEXT NOT NULL, position INTEGER NOT NULL, data BLOB NOT NULL,
  PRIMARY KEY (pipeline, source, "offset"));
CREATE TABLE IF NOT EXISTS ends (
  pipeline TEXT NOT NULL, source TEXT NOT NULL, next INTEGER NOT NULL, trimmed INTEGER NOT NULL,
  PRIMARY KEY (pipeline, source));
"""


@dataclass(frozen=True, slots=True)
class SqliteLog:
    """The log of one pipeline. Made by `open_log`."""

    path: Path
    pipeline: str
    connection: sqlite3.Connection

    async def append(self, source: str, split: str, position: int, data: bytes) -> int:
        with self._transaction(f"append to the log of {source} in"):
            offset, _ = self._end(source)
            self.connection.execute(
                "INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?)", (self.pipeline, source, offset, split, position, data)
            )
            self._set_next(source, offset + 1)
        return offset

    async def read(self, source: str, offset: int, entries_max: int) -> Sequence[LogEntry]:
        with self._faults(f"read the log of {source} in"):
            _, trimmed = self._end(source)
            if offset < trimmed:
                raise Corrupt(
                    f"log {self.path}: entry {offset} of {self.pipeline}/{source} was asked for, "
                    f"but all before {trimmed} were trimmed",
                    reason="LogTrimmed",
                    hint="the state needs records that are gone; start over with --fresh",
                )
            rows = self.connection.execute(
                'SELECT "offset", split, position, data FROM entries '
                'WHERE pipeline = ? AND source = ? AND "offset" >= ? ORDER BY "offset" LIMIT ?',
                (self.pipeline, source, offset, entries_max),
            ).fetchall()
        return [LogEntry(*row) for row in rows]

    async def begin(self, source: str) -> int:
        with self._faults(f"read the log of {source} in"):
            return self._end(source)[1]

    async def end(self, source: str) -> int:
        with self._faults(f"read the log of {source} in"):
            return self._end(source)[0]

    async def trim(self, source: str, before: int) -> None:
        with self._transaction(f"trim the log of {source} in"):
            following, trimmed = self._end(source)
            before = min(before, following)
            if before <= trimmed:
                return
            self.connection.execute(
                'DELETE FROM entries WHERE pipeline = ? AND source = ? AND "offset" < ?',
                (self.pipeline, source, before),
            )
            self.connection.execute(
                "UPDATE ends SET trimmed = ? WHERE pipeline = ? AND source = ?", (before, self.pipeline, source)
            )

    async def close(self) -> None:
        self.connection.close()

    def _end(self, source: str) -> tuple[int, int]:
        """The next offset and the first that is still there."""
        found = self.connection.execute(
            "SELECT next, trimmed FROM ends WHERE pipeline = ? AND source = ?", (self.pipeline, source)
        ).fetchone()
        return (found[0], found[1]) if found else (0, 0)

    def _set_next(self, source: str, following: int) -> None:
        self.connection.execute(
            "INSERT INTO ends VALUES (?, ?, ?, 0) ON CONFLICT (pipeline, source) DO UPDATE SET next = excluded.next",
            (self.pipeline, source, following),
        )

    @contextmanager
    def _transaction(self, what: str) -> Iterator[None]:
        with self._faults(what):
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _faults(self, what: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise log_fault(error, f"cannot {what}", self.path) from error


def open_log(path: Path, pipeline: str) -> SqliteLog:
    """Open the log of a pipeline, or make it. Raises: Unavailable, Corrupt."""
    try:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.executescript(_TABLES)
    except sqlite3.Error as error:
        raise log_fault(error, "cannot open the log", path) from error
    return SqliteLog(path, pipeline, connection)
