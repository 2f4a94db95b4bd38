"""Rows of a result as CSV, JSON values or Arrow bytes; and one value as text.

Instants are ISO 8601 in UTC; decimals keep their digits; NaN and infinities, which JSON has not, are texts there, as
in PostgreSQL's to_json; NULL is empty in CSV, null in JSON.
"""

import csv
import datetime as dt
import decimal
import io
import math
from collections.abc import Sequence
from typing import Any

import msgspec
import pyarrow as pa

JSON = msgspec.json.Encoder(decimal_format="number", enc_hook=str)


def plain(value: Any) -> str:
    """One value as text, without quotes."""
    if isinstance(value, dt.datetime):
        moment = value.astimezone(dt.UTC).replace(tzinfo=None) if value.tzinfo else value
        return moment.isoformat(sep=" ") + ("Z" if value.tzinfo else "")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(value) if math.isfinite(value) else _not_finite(value)
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    if isinstance(value, list | dict | tuple):
        return JSON.encode(json_value(value)).decode()
    return str(value)


def json_value(value: Any) -> Any:
    """A value that the encoder JSON writes as it should be."""
    if isinstance(value, float) and not math.isfinite(value):
        return _not_finite(value)
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    if isinstance(value, list | tuple):
        return [json_value(item) for item in value]
    if isinstance(value, dict):
        return {str(name): json_value(item) for name, item in value.items()}
    return value


def json_columns(table: pa.Table) -> list[list[Any]]:
    """The values of each column, for the encoder JSON."""
    return [[json_value(value) for value in column.to_pylist()] for column in table.columns]


def json_rows(table: pa.Table) -> list[list[Any]]:
    """The rows as lists of values, for the encoder JSON."""
    return [list(row) for row in zip(*json_columns(table), strict=True)] if table.num_columns else []


def csv_bytes(table: pa.Table) -> bytes:
    """A line of column names, then one for each row."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.column_names)
    columns: Sequence[Sequence[str]] = [
        ["" if value is None else plain(value) for value in column.to_pylist()] for column in table.columns
    ]
    writer.writerows(zip(*columns, strict=True))
    return text.getvalue().encode()


def arrow_bytes(table: pa.Table) -> bytes:
    """An Arrow IPC stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _not_finite(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"
