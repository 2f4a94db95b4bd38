"""Rows of a result as bytes: a table, CSV, JSON, NDJSON, Arrow or Parquet.

Instants are ISO 8601 in UTC; decimals keep their digits; NaN and infinities, which JSON has not, are texts there, as
in PostgreSQL's to_json; NULL is `NULL` in a table, empty in CSV, null in JSON.
"""

import io
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from rich.cells import cell_len

from datanexus.cli.result_format import ResultFormat
from datanexus.query.result_rows import JSON, arrow_bytes, csv_bytes, json_value, plain
from datanexus_spec.errors import InvalidInput

CELL_MAX = 100  # characters of a table's cell
_NUMBERS = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)


def encoded(table: pa.Table, output: ResultFormat) -> bytes:
    """The rows in a format."""
    match output:
        case ResultFormat.TABLE:
            return table_text(table).encode()
        case ResultFormat.CSV:
            return csv_bytes(table)
        case ResultFormat.JSON:
            return b"[" + b",\n ".join(_json_rows(table)) + b"]\n"
        case ResultFormat.NDJSON:
            return b"".join(row + b"\n" for row in _json_rows(table))
        case ResultFormat.ARROW:
            return arrow_bytes(table)
        case ResultFormat.PARQUET:
            sink = io.BytesIO()
            pq.write_table(table, sink)
            return sink.getvalue()


def refuse_binary_on_terminal(output: ResultFormat, *, is_terminal: bool) -> None:
    """Raises: InvalidInput for a binary format that would go to a terminal."""
    if is_terminal and output in (ResultFormat.ARROW, ResultFormat.PARQUET):
        raise InvalidInput(
            f"{output} is binary, and standard output is a terminal",
            reason="BinaryOnTerminal",
            hint=f"redirect it: datanexus query … -o {output} > rows.{output}",
        )


def table_text(table: pa.Table) -> str:
    """The rows as an aligned table with a header and the number of rows."""
    names = table.column_names
    right = [any(test(field.type) for test in _NUMBERS) for field in table.schema]
    cells = [[_cell(value) for value in column] for column in _columns(table)]
    widths = [max([cell_len(name), *map(cell_len, column)]) for name, column in zip(names, cells, strict=True)]
    lines = [_line(names, widths, right), "  ".join("─" * width for width in widths)]
    lines += [_line(row, widths, right) for row in zip(*cells, strict=True)]
    lines.append(f"({table.num_rows:,} row{'' if table.num_rows == 1 else 's'})")
    return "\n".join(lines) + "\n"


def _columns(table: pa.Table) -> Sequence[Sequence[Any]]:
    return [column.to_pylist() for column in table.columns]


def _cell(value: Any) -> str:
    text = "NULL" if value is None else plain(value)
    text = "".join(character if character.isprintable() else "\ufffd" for character in text)
    return text if len(text) <= CELL_MAX else text[: CELL_MAX - 1] + "…"


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = []
    for cell, width, is_right in zip(cells, widths, right, strict=True):
        space = " " * (width - cell_len(cell))
        padded.append(space + cell if is_right else cell + space)
    return "  ".join(padded).rstrip()


def _json_rows(table: pa.Table) -> list[bytes]:
    return [JSON.encode({name: json_value(value) for name, value in row.items()}) for row in table.to_pylist()]
