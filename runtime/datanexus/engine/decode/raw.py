"""The raw form of one row, for quarantine."""

import base64
import json
import math
from datetime import date, datetime, time, timedelta
from decimal import Decimal

import pyarrow as pa

from datanexus.ports.source import Chunk, TextChunk


def raw_of(chunk: Chunk, row: int) -> bytes:
    """The bytes of one record; of a record that came as columns its rendering as a JSON object.

    Bytes appear as base64, times as ISO 8601, decimals and numbers that JSON lacks as strings.
    """
    if isinstance(chunk, TextChunk):
        return chunk.raw(row)
    record = {
        name: _plain(column, row)
        for name, column in zip(chunk.columns.schema.names, chunk.columns.columns, strict=True)
    }
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogateescape")


def _plain(column: pa.Array, row: int) -> object:
    value = column[row]
    if pa.types.is_timestamp(value.type) and value.is_valid:
        return str(value.cast(pa.string()).as_py())
    try:
        return json_value(value.as_py())
    except (ValueError, UnicodeDecodeError, OverflowError):
        return str(value)


def json_value(value: object) -> object:
    """A Python value as one that JSON can hold."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Decimal | timedelta):
        return str(value)
    if isinstance(value, dict):
        return {str(key): json_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(item) for item in value]
    return value
