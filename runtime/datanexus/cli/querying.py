"""The command `query`: SQL over the results in a data folder."""

import asyncio
import sys
from pathlib import Path

import pyarrow as pa

from datanexus.cli.message import reporting, result_bytes
from datanexus.cli.result_format import ResultFormat
from datanexus.cli.rows import encoded, refuse_binary_on_terminal
from datanexus.query.catalogue import COLUMNS_SQL, catalogue_of_columns
from datanexus.query.translation import translate
from datanexus.stored_results import stored_results


def query(sql: str, data: Path, output: ResultFormat, *, json_lines: bool) -> int:
    """Print the rows of a query; returns the exit code. --json without -o means JSON lines."""
    with reporting(json_lines=json_lines) as messages:
        chosen = ResultFormat.NDJSON if json_lines and output is ResultFormat.TABLE else output
        refuse_binary_on_terminal(chosen, is_terminal=sys.stdout.isatty())
        result_bytes(encoded(asyncio.run(_rows(sql, data)), chosen))
    return messages.exit_code


async def _rows(sql: str, data: Path) -> pa.Table:
    async with stored_results(data) as store:
        columns = await store.query(COLUMNS_SQL)
        catalogue = catalogue_of_columns(tuple(row.values()) for row in columns.to_pylist())
        return await store.query(translate(sql, catalogue))
