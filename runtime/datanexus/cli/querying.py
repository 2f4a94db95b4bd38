"""The command `query`: SQL over the results in a data folder, asked of the process that serves it if there is one."""

import asyncio
import sys
from pathlib import Path

import pyarrow as pa

from datanexus.cli.message import Messages, reporting, result_bytes
from datanexus.cli.owner import Owner, owner_of
from datanexus.cli.result_format import ResultFormat
from datanexus.cli.rows import encoded, refuse_binary_on_terminal
from datanexus.query.catalogue import COLUMNS_SQL, catalogue_of_columns
from datanexus.query.translation import translate
from datanexus.stored_results import stored_results

OWNER_ROWS_MAX = 100_000
_ARROW = "application/vnd.apache.arrow.stream"


def query(sql: str, data: Path, output: ResultFormat, *, json_lines: bool) -> int:
    """Print the rows of a query; returns the exit code. --json without -o means JSON lines."""
    with reporting(json_lines=json_lines) as messages:
        chosen = ResultFormat.NDJSON if json_lines and output is ResultFormat.TABLE else output
        refuse_binary_on_terminal(chosen, is_terminal=sys.stdout.isatty())
        owner = owner_of(data)
        rows = asyncio.run(_rows(sql, data)) if owner is None else _rows_of_owner(owner, sql, messages)
        result_bytes(encoded(rows, chosen))
    return messages.exit_code


async def _rows(sql: str, data: Path) -> pa.Table:
    async with stored_results(data) as store:
        columns = await store.query(COLUMNS_SQL)
        catalogue = catalogue_of_columns(tuple(row.values()) for row in columns.to_pylist())
        return await store.query(translate(sql, catalogue))


def _rows_of_owner(owner: Owner, sql: str, messages: Messages) -> pa.Table:
    """The rows that the server gives; a bound on them is told."""
    content = owner.post_for("/v1/query", {"sql": sql, "limit": OWNER_ROWS_MAX}, _ARROW)
    with pa.ipc.open_stream(content) as reader:
        rows = reader.read_all()
    if rows.num_rows == OWNER_ROWS_MAX:
        messages.note(f"a running server gives at most {OWNER_ROWS_MAX:,} rows; there may be more")
    return rows
