# ruff: noqa: S608 - statements hold only constants, hashes, numbers and quoted text
"""The Store port on one DuckDB file. Its calls block the event loop: one process, one core, one writer.

Invariant: a cut is one DuckDB transaction, durable when `commit` returns. Nothing in a cut is DDL. What the process
keeps in memory of a pipeline (counters, whether an end-of-input flush stands, whether the outbox is empty) is a copy
of committed rows, guarded by the fence's check of epoch and seq, and is dropped when a transaction fails.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from datanexus.adapters.embedded.store_queries import Queries
from datanexus.adapters.embedded.store_tables import (
    CATALOG,
    CREATE_TABLES,
    FORMAT_VERSION,
    RESERVED_SCHEMAS,
    ROW_PRESENT,
    ROW_TERMINAL,
    TABLES,
    ViewTable,
    end_terminal_sql,
    schema_name,
    sql_name,
    text,
    view_name,
    view_tables,
)
from datanexus.adapters.faults import store_fault
from datanexus.core.emission import NO_WATERMARK, ViewSpec
from datanexus.ports.store import (
    Cut,
    CutRecord,
    Fence,
    OutboxEntry,
    PipelineRecord,
    QuarantineCount,
    QuarantineEntry,
    ViewChanges,
)
from datanexus.query.connection import PREPARATION
from datanexus_spec.errors import Conflict, Corrupt, Incompatible, InvalidInput, Unavailable

SERVE_MEMORY_BYTES = 128 << 20  # DuckDB's buffers while pipelines come and go
RUN_MEMORY_BYTES = 32 << 20  # and what the columns need, where all pipelines are known; a million rows spill
# A transaction holds two or three blocks of 256 KiB for each column it inserts into: 225 of text ran out of 128 MiB.
COLUMN_MEMORY_BYTES = 1 << 20
QUERY_MEMORY_BYTES = 512 << 20  # while only queries run; larger ones spill to disk
CHECKPOINT_WAL_BYTES = 64 << 20  # a checkpoint of this much takes about 0.2 s; its cost per row does not depend on it


@dataclass(slots=True)
class _Owned:
    """The copy of a claimed pipeline's rows that a commit needs."""

    tables: dict[str, ViewTable]
    terminal: bool
    counters: dict[str, int]
    outbox_empty: bool


@dataclass(slots=True)
class DuckStore:
    """One open store. Made by `open_store`; `claim` comes before `commit`."""

    path: Path
    connection: duckdb.DuckDBPyConnection
    queries: Queries
    owned: dict[str, _Owned] = field(default_factory=dict)

    async def pipeline(self, name: str) -> PipelineRecord | None:
        rows = self._rows("pipelines", "revision, spec, layout", f"name = {text(name)}")
        return PipelineRecord(name, **rows[0]) if rows else None

    async def pipelines(self) -> Sequence[PipelineRecord]:
        rows = self._rows("pipelines", "name, revision, spec, layout", "true", "name")
        return [PipelineRecord(**row) for row in rows]

    async def claim(
        self, record: PipelineRecord, views: Sequence[ViewSpec], final_offset_us: Mapping[str, int]
    ) -> Fence:
        if sql_name(record.name) in RESERVED_SCHEMAS:
            raise InvalidInput(
                f"pipeline {record.name}: this name belongs to the database",
                reason="ReservedName",
                hint="choose another name",
            )
        stored = await self.pipeline(record.name)
        tables = view_tables(record.name, views, final_offset_us)
        self.owned.pop(record.name, None)
        with self._transaction(f"claim pipeline {record.name} in"):
            if stored != record:
                self._store_pipeline(record, tables)
            fence = self._raise_epoch(record.name)
        self.owned[record.name] = _Owned(
            tables, fence["terminal"], json.loads(fence["counters"]), not await self.outbox(record.name)
        )
        return Fence(fence["epoch"], fence["seq"], fence["watermark_us"])

    async def commit(self, pipeline: str, epoch: int, cut: Cut) -> Sequence[OutboxEntry]:
        owned = self.owned.get(pipeline)
        if owned is None:
            raise Conflict(f"pipeline {pipeline}: this process has not claimed it", reason="NotOwner")
        counters = dict(owned.counters)
        if not cut.terminal:
            _add(counters, cut.counters)
        try:
            with self._transaction(f"commit cut {cut.record.seq} of pipeline {pipeline} to"):
                self._pass_fence(pipeline, epoch, cut, counters)
                retractions = self._end_terminal(pipeline, owned) if owned.terminal else ()
                self._write_rows(owned, cut)
                self._release(pipeline, cut.released)
                self._write_quarantine(pipeline, cut)
                self._write_outbox(pipeline, (*retractions, *cut.outbox))
                if cut.terminal:
                    self._remember_outputs(pipeline, cut.outbox)
                else:
                    self._insert_cut(pipeline, cut.record)
        except (Unavailable, Corrupt):
            self.owned.pop(pipeline, None)
            raise
        owned.counters, owned.terminal = counters, cut.terminal
        entries = (*retractions, *cut.outbox)
        if owned.outbox_empty:
            owned.outbox_empty = not entries
            return entries
        return await self.outbox(pipeline)

    async def outbox(self, pipeline: str) -> Sequence[OutboxEntry]:
        rows = self._rows("outbox", "sink, name, rows", f"pipeline = {text(pipeline)}", "id")
        return [OutboxEntry(**row) for row in rows]

    async def acknowledge(self, pipeline: str, entries: Sequence[OutboxEntry]) -> None:
        if not entries:
            return
        with self._transaction(f"acknowledge sink files of pipeline {pipeline} in"):
            for entry in entries:
                self.connection.execute(
                    "DELETE FROM outbox WHERE id = (SELECT min(id) FROM outbox "
                    "WHERE pipeline = ? AND sink = ? AND name = ? AND rows = ?)",
                    [pipeline, entry.sink, entry.name, entry.rows],
                )
        if pipeline in self.owned:
            left = self._rows("outbox", "count(*) AS n", f"pipeline = {text(pipeline)}")
            self.owned[pipeline].outbox_empty = left[0]["n"] == 0

    async def cuts(self, pipeline: str, after: int) -> Sequence[CutRecord]:
        rows = self._rows(
            "cuts", "seq, watermark_us, reference_us, splits, reads",
            f"pipeline = {text(pipeline)} AND seq > {int(after)}", "seq",
        )  # fmt: skip
        return [CutRecord(**row) for row in rows]

    async def forget_cuts(self, pipeline: str, before: int) -> None:
        with self._transaction(f"forget cuts of pipeline {pipeline} in"):
            self.connection.execute(
                "DELETE FROM cuts WHERE pipeline = $pipeline AND seq < $before "
                "AND seq < (SELECT max(seq) FROM cuts WHERE pipeline = $pipeline)",
                {"pipeline": pipeline, "before": before},
            )

    async def counters(self, pipeline: str) -> Mapping[str, int]:
        rows = self._rows("fence", "counters, terminal_counters", f"pipeline = {text(pipeline)}")
        sums: dict[str, int] = json.loads(rows[0]["counters"]) if rows else {}
        _add(sums, json.loads(rows[0]["terminal_counters"]) if rows else {})
        return sums

    async def is_terminal(self, pipeline: str) -> bool:
        rows = self._rows("fence", "terminal", f"pipeline = {text(pipeline)}")
        return bool(rows) and bool(rows[0]["terminal"])

    async def purge(self, pipeline: str, view: str, before_us: int) -> int:
        found = self._rows(
            "views", "table_name, final_offset_us", f"pipeline = {text(pipeline)} AND name = {text(view)}"
        )
        if not found:
            return 0
        with self._transaction(f"purge view {view} of pipeline {pipeline} in"):
            purged = self.connection.execute(
                f"DELETE FROM {found[0]['table_name']} WHERE _state = {ROW_PRESENT} "
                f"AND epoch_us(c1) <= ? AND epoch_us(c1) + {found[0]['final_offset_us']} <= "
                "(SELECT watermark_us FROM fence WHERE pipeline = ?)",
                [before_us, pipeline],
            ).fetchone()
        return int(purged[0]) if purged else 0

    async def rows(self, pipeline: str, view: str, limit: int) -> pa.Table:
        table = self.owned[pipeline].tables[view]
        try:
            return self.connection.sql(table.newest_sql(limit)).to_arrow_table()
        except duckdb.Error as error:
            raise store_fault(error, f"cannot read view {view} of", self.path) from error

    async def quarantine(
        self, pipeline: str, limit: int, after: int = 0, *, stage: str | None = None, reason: str | None = None
    ) -> Sequence[QuarantineEntry]:
        conditions = [f"pipeline = {text(pipeline)}", f"id > {int(after)}"]
        conditions += [f"{name} = {text(value)}" for name, value in (("stage", stage), ("reason", reason)) if value]
        return self._entries(" AND ".join(conditions), limit)

    async def purge_quarantine(self, pipeline: str, ids: Sequence[int]) -> int:
        with self._transaction(f"purge quarantine of pipeline {pipeline} in"):
            return self._release(pipeline, ids)

    async def quarantine_entry(self, entry_id: int) -> QuarantineEntry | None:
        entries = self._entries(f"id = {int(entry_id)}", 1)
        return entries[0] if entries else None

    async def quarantine_counts(self, pipeline: str) -> Sequence[QuarantineCount]:
        rows = self._rows(
            "quarantine", "stage, reason, count(*) AS records", f"pipeline = {text(pipeline)} GROUP BY ALL",
            "stage, reason",
        )  # fmt: skip
        return [QuarantineCount(**row) for row in rows]

    async def forget(self, pipeline: str) -> None:
        self.owned.pop(pipeline, None)
        views = self._rows("views", "name, table_name", f"pipeline = {text(pipeline)}")
        with self._transaction(f"forget pipeline {pipeline} in"):
            for view in views:
                self._drop_view(pipeline, view["name"], view["table_name"])
            self.connection.execute("DELETE FROM pipelines WHERE name = ?", [pipeline])
            for table in ("fence", "cuts", "quarantine", "outbox", "terminal_outputs"):
                self.connection.execute(f"DELETE FROM {table} WHERE pipeline = ?", [pipeline])

    async def query(self, sql: str, rows_max: int | None = None, timeout_s: float | None = None) -> pa.Table:
        return await self.queries.run(sql, rows_max, timeout_s)

    async def close(self) -> None:
        """Close the file; a checkpoint empties the write-ahead log."""
        self.owned.clear()
        self.queries.close()
        self.connection.close()

    # Reading

    def _rows(self, table: str, columns: str, where: str, order: str = "") -> list[dict[str, Any]]:
        """Rows of one of the store's own tables as dicts; values through Arrow, whose times need no other package."""
        ordered = f" ORDER BY {order}" if order else ""
        try:
            relation = self.connection.sql(f"SELECT {columns} FROM {table} WHERE {where}{ordered}")
            rows: list[dict[str, Any]] = relation.to_arrow_table().to_pylist()
        except duckdb.Error as error:
            raise store_fault(error, f"cannot read the {table} of", self.path) from error
        return rows

    def _entries(self, where: str, limit: int) -> list[QuarantineEntry]:
        columns = (
            "id, pipeline, seq, split, position, stage, reason, message, subject, record_values, "
            "epoch_us(event_time) AS event_time_us, header, raw"
        )
        return [QuarantineEntry(**row) for row in self._rows("quarantine", columns, where, f"id LIMIT {int(limit)}")]

    # Writing

    @contextmanager
    def _transaction(self, what: str) -> Iterator[None]:
        """All or nothing; DuckDB's errors become ours."""
        try:
            self.connection.begin()
            try:
                yield
            except BaseException:
                _abandon(self.connection)
                raise
            self.connection.commit()
        except duckdb.Error as error:
            _abandon(self.connection)
            raise store_fault(error, f"cannot {what}", self.path) from error

    def _with_arrow(self, table: pa.Table, use: Callable[[str], str]) -> None:
        """Run the statement that `use` makes of the name under which `table` can be read."""
        self.connection.register("_given", table)
        self.connection.execute(use("_given"))
        self.connection.unregister("_given")

    def _store_pipeline(self, record: PipelineRecord, tables: Mapping[str, ViewTable]) -> None:
        """Bring the pipeline's row, tables and SQL views to the record's content."""
        found = self._rows("views", "name, table_name, schema_hash", f"pipeline = {text(record.name)}")
        kept = {
            row["name"]
            for row in found
            if row["name"] in tables and tables[row["name"]].schema_hash == row["schema_hash"]
        }
        self.connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema_name(record.name)}")
        for row in found:
            if row["name"] not in kept:
                self._drop_view(record.name, row["name"], row["table_name"])
        for name, table in tables.items():
            if name not in kept:
                self._with_arrow(table.empty_rows(), table.create_sql)
                self.connection.execute(
                    "INSERT INTO views VALUES (?, ?, ?, ?, ?)",
                    [record.name, name, table.table_name, table.schema_hash, table.final_offset_us],
                )
            self.connection.execute(
                "UPDATE views SET final_offset_us = ? WHERE pipeline = ? AND name = ?",
                [table.final_offset_us, record.name, name],
            )
            self.connection.execute(table.view_sql())
        self.connection.execute("DELETE FROM pipelines WHERE name = ?", [record.name])
        self.connection.execute(
            "INSERT INTO pipelines VALUES (?, ?, ?, ?)",
            [record.name, record.revision, record.spec, record.layout],
        )

    def _drop_view(self, pipeline: str, view: str, table_name: str) -> None:
        self.connection.execute(f"DROP VIEW IF EXISTS {view_name(pipeline, view)}")
        self.connection.execute(f"DROP TABLE IF EXISTS {table_name}")
        self.connection.execute("DELETE FROM views WHERE pipeline = ? AND name = ?", [pipeline, view])

    def _raise_epoch(self, pipeline: str) -> dict[str, Any]:
        raised = self.connection.execute(
            "UPDATE fence SET epoch = epoch + 1 WHERE pipeline = ? RETURNING epoch", [pipeline]
        ).fetchall()
        if not raised:
            self.connection.execute(
                "INSERT INTO fence VALUES (?, 1, 0, ?, false, '{}', '{}')", [pipeline, NO_WATERMARK]
            )
        return self._rows("fence", "epoch, seq, watermark_us, terminal, counters", f"pipeline = {text(pipeline)}")[0]

    def _pass_fence(self, pipeline: str, epoch: int, cut: Cut, counters: Mapping[str, int]) -> None:
        if cut.terminal:
            changes = "terminal = true, terminal_counters = ?"
            values: list[object] = [_json(cut.counters)]
        else:
            changes = "seq = ?, watermark_us = ?, terminal = false, counters = ?, terminal_counters = '{}'"
            values = [cut.record.seq, cut.record.watermark_us, _json(counters)]
        passed = self.connection.execute(
            f"UPDATE fence SET {changes} WHERE pipeline = ? AND epoch = ? AND seq = ? RETURNING seq",
            [*values, pipeline, epoch, cut.record.seq - (0 if cut.terminal else 1)],
        ).fetchall()
        if not passed:
            raise self._lost(pipeline, epoch, cut.record.seq)

    def _lost(self, pipeline: str, epoch: int, seq: int) -> Conflict:
        found = self._rows("fence", "epoch, seq", f"pipeline = {text(pipeline)}")
        at = f"epoch {found[0]['epoch']} and cut {found[0]['seq']}" if found else "no fence at all"
        return Conflict(
            f"pipeline {pipeline}: cut {seq} of epoch {epoch} found {at}; another process owns it now",
            reason="FenceLost", hint="stop this process; the new owner goes on",
        )  # fmt: skip

    def _end_terminal(self, pipeline: str, owned: _Owned) -> tuple[OutboxEntry, ...]:
        """Undo the end-of-input flush; what it gave to sinks is to be taken back."""
        for table in owned.tables.values():
            for statement in end_terminal_sql(table.table_name):
                self.connection.execute(statement)
        outputs = self._rows("terminal_outputs", "sink, name", f"pipeline = {text(pipeline)}")
        self.connection.execute("DELETE FROM terminal_outputs WHERE pipeline = ?", [pipeline])
        self.connection.execute("DELETE FROM quarantine WHERE pipeline = ? AND terminal", [pipeline])
        return tuple(OutboxEntry(output["sink"], output["name"], b"") for output in outputs)

    def _write_rows(self, owned: _Owned, cut: Cut) -> None:
        by_view: dict[str, list[ViewChanges]] = {}
        for change in cut.changes:
            by_view.setdefault(change.view, []).append(change)
        for view, changes in by_view.items():
            self._write_view(owned.tables[view], changes, terminal=cut.terminal)

    def _write_view(self, table: ViewTable, changes: Sequence[ViewChanges], *, terminal: bool) -> None:
        """Corrections first; the rows of all partitions then go in with one statement."""
        replaced = [(change.partition, change.replaced) for change in changes if change.replaced.num_rows]
        deleted = [(change.partition, change.deleted) for change in changes if change.deleted.num_rows]
        appended = [(change.partition, change.appended) for change in changes if change.appended.num_rows]
        if replaced or deleted:
            self._with_arrow(table.keys([*replaced, *deleted]), table.hide_sql if terminal else table.delete_sql)
        if appended or replaced:
            state = ROW_TERMINAL if terminal else ROW_PRESENT
            self._with_arrow(table.rows([*appended, *replaced], state), table.insert_sql)

    def _write_quarantine(self, pipeline: str, cut: Cut) -> None:
        if not cut.quarantined.num_rows:
            return
        self._with_arrow(
            pa.Table.from_batches([cut.quarantined]),
            lambda given: (
                f"INSERT INTO quarantine SELECT nextval('quarantine_id'), {text(pipeline)}, "
                f"{cut.record.seq}, {cut.terminal}, * FROM {given}"
            ),
        )

    def _release(self, pipeline: str, ids: Sequence[int]) -> int:
        if not ids:
            return 0
        released = self.connection.execute(
            "DELETE FROM quarantine WHERE pipeline = ? AND id IN (SELECT unnest(?))", [pipeline, list(ids)]
        ).fetchone()
        return int(released[0]) if released else 0

    def _write_outbox(self, pipeline: str, entries: Sequence[OutboxEntry]) -> None:
        for entry in entries:
            self.connection.execute(
                "INSERT INTO outbox VALUES (nextval('outbox_id'), ?, ?, ?, ?)",
                [pipeline, entry.sink, entry.name, entry.rows],
            )

    def _remember_outputs(self, pipeline: str, entries: Sequence[OutboxEntry]) -> None:
        for entry in entries:
            if entry.rows:
                self.connection.execute(
                    "INSERT INTO terminal_outputs VALUES (?, ?, ?)", [pipeline, entry.sink, entry.name]
                )

    def _insert_cut(self, pipeline: str, record: CutRecord) -> None:
        self.connection.execute(
            "INSERT INTO cuts VALUES (?, ?, ?, ?, ?, ?)",
            [pipeline, record.seq, record.watermark_us, record.reference_us, record.splits, record.reads],
        )


def memory_for(columns: int) -> int:
    """What DuckDB needs for cuts that write into so many columns, of all views of a pipeline."""
    return RUN_MEMORY_BYTES + max(16, columns) * COLUMN_MEMORY_BYTES


def open_store(path: Path, *, read_only: bool = False, memory_bytes: int = SERVE_MEMORY_BYTES) -> DuckStore:
    """Open a store, or make a new one where there is no file.

    memory_bytes: for DuckDB's buffers, see memory_for; fixed from now on. Beyond it larger commits fail.
    read_only: for a second process while no owner holds the file; nothing is written, only the reading calls work.
    Raises: Unavailable (in use, no permission, disk full, read-only and absent), Incompatible (written by a newer
    version; left untouched), Corrupt.
    """
    if read_only and not path.exists():
        raise Unavailable(f"store {path}: there is none yet", reason="NoStore", hint="run a pipeline with it first")
    try:
        connection = duckdb.connect(
            config={
                "threads": 1,
                "async_threads": 1,
                "memory_limit": f"{QUERY_MEMORY_BYTES if read_only else memory_bytes}B",
                "temp_directory": f"{path}.tmp",
                "checkpoint_threshold": f"{CHECKPOINT_WAL_BYTES}B",
            }
        )
        connection.execute(f"ATTACH {text(str(path))} AS {CATALOG}{' (READ_ONLY)' if read_only else ''}")
        connection.execute("SET GLOBAL TimeZone = 'UTC'")
        reader = connection.cursor()
        for statement in PREPARATION:  # the last ones close and lock the configuration of the whole process
            reader.execute(statement)
        reader.execute(f"USE {CATALOG}")
        _check_format(connection, path)
        connection.execute(f"USE {TABLES}")
    except duckdb.Error as error:
        raise store_fault(error, "cannot open the store", path) from error
    return DuckStore(path, connection, Queries(reader, path))


def _abandon(connection: duckdb.DuckDBPyConnection) -> None:
    """Roll back; a connection that a fatal error closed, or whose commit failed, has nothing to roll back."""
    try:
        connection.rollback()
    except duckdb.Error:
        return


def _check_format(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Make the tables of a new store; refuse another version's."""
    found = connection.execute(
        "SELECT table_name FROM duckdb_tables() WHERE database_name = ? AND schema_name = '_datanexus'", [CATALOG]
    ).fetchall()
    if not found:
        connection.begin()
        connection.execute(CREATE_TABLES)
        connection.commit()
        return
    version = connection.execute(f"SELECT version FROM {TABLES}.format").fetchone()
    if version != (FORMAT_VERSION,):
        connection.close()
        raise Incompatible(
            f"store {path}: format version {version and version[0]} found, this program knows {FORMAT_VERSION}",
            reason="NewerStore",
            hint="use the DataNexus version that wrote it; nothing was changed",
        )


def _add(sums: dict[str, int], additions: Mapping[str, int]) -> None:
    for name, amount in additions.items():
        sums[name] = sums.get(name, 0) + amount


def _json(values: Mapping[str, int]) -> str:
    return json.dumps(values, sort_keys=True)
