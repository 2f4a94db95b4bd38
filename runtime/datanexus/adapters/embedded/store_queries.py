"""Users' queries over the store: on a connection of their own, in a thread, one after the other, within bounds."""

import asyncio
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from datanexus.adapters.faults import store_fault
from datanexus_spec.errors import InvalidInput


class Queries:
    """`reader` is prepared for users' queries and used by nothing else."""

    def __init__(self, reader: duckdb.DuckDBPyConnection, path: Path) -> None:
        self._reader = reader
        self._path = path
        self._turn = asyncio.Lock()

    async def run(self, sql: str, rows_max: int | None, timeout_s: float | None) -> pa.Table:
        """As Store.query."""
        async with self._turn:
            running = asyncio.get_running_loop().run_in_executor(None, self._run, sql, rows_max)
            try:
                await asyncio.wait((running,), timeout=timeout_s)
                if running.done():
                    return running.result()
                raise InvalidInput(
                    f"the query takes longer than {timeout_s:g} s and was ended",
                    reason="QueryTimeout",
                    hint="ask for fewer windows or groups",
                )
            finally:
                if not running.done():
                    self._reader.interrupt()
                    await asyncio.wait((running,))
                    running.exception()  # what the interrupted query says is known

    def close(self) -> None:
        self._reader.close()

    def _run(self, sql: str, rows_max: int | None) -> pa.Table:
        query = self._only_select(sql)
        try:
            self._reader.execute("BEGIN TRANSACTION READ ONLY")
            rows = self._reader.sql(query)
            return (rows if rows_max is None else rows.limit(rows_max)).to_arrow_table()
        except (duckdb.OutOfMemoryException, duckdb.FatalException, duckdb.IOException) as error:
            raise store_fault(error, "cannot query", self._path) from error
        except duckdb.Error as error:
            raise InvalidInput(str(error).strip(), reason="QueryFailed") from error
        finally:
            self._abandon()

    def _only_select(self, sql: str) -> Any:
        try:
            statements = list(self._reader.extract_statements(sql))
        except duckdb.Error as error:
            raise InvalidInput(str(error).strip(), reason="QueryFailed") from error
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise InvalidInput(
                "a query is one SELECT; the text holds "
                + (f"{len(statements)} statements" if len(statements) != 1 else f"a {statements[0].type.name}"),
                reason="NotASelect", hint="results are written by pipelines only",
            )  # fmt: skip
        return statements[0].query

    def _abandon(self) -> None:
        """Roll back; a connection that a fatal error closed has nothing to roll back."""
        try:
            self._reader.rollback()
        except duckdb.Error:
            return
