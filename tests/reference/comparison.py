"""What the engine shows, as the reference shows it, and every difference as a sentence; values compared bit for bit."""

import datetime as dt
import struct
from collections import Counter, defaultdict
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet

from tests.reference.description import TableRow

Rows = dict[tuple[Any, ...], tuple[Any, ...]]
_EPOCH_DAY = dt.date(1970, 1, 1).toordinal()


def expected_rows(rows: Iterable[TableRow]) -> Rows:
    return {
        (row.window_start_us, *row.group): (row.window_start_us, row.window_end_us, *row.group, *row.values)
        for row in rows
    }


def row_problems(expected: Rows, actual: Rows, what: str = "") -> list[str]:
    """Rows missing, unexpected or different, values compared bit for bit."""
    problems = [f"missing {what}row {expected[key]}" for key in expected.keys() - actual.keys()]
    problems += [f"unexpected {what}row {actual[key]}" for key in actual.keys() - expected.keys()]
    problems += [
        f"{what}row {key}: expected {expected[key]}, got {actual[key]}"
        for key in expected.keys() & actual.keys()
        if _exact(expected[key]) != _exact(actual[key])
    ]
    return problems


def row_key(row: tuple[Any, ...], groups: int) -> tuple[Any, ...]:
    return (row[0], *row[2 : 2 + groups])


def file_problems(view: str, wanted: Rows, folder: Path) -> list[str]:
    """The sink files together hold each final row once. Text formats are compared by window and count of rows."""
    files = sorted(file for file in folder.glob("*") if file.is_file()) if folder.exists() else []
    readers = {
        "parquet": pyarrow.parquet.read_table,
        "ndjson": pyarrow.json.read_json,
        "csv": pyarrow.csv.read_csv,
    }
    rows = 0
    for file in files:
        table = readers[next(name for name in readers if f".{name}" in file.name)](file)
        rows += table.num_rows
        if file.suffix == ".parquet":
            found = Counter(_exact(row) for row in tuples_of(table))
            missing = found - Counter(_exact(row) for row in wanted.values())
            if missing:
                return [f"sink of {view}: unexpected rows in {file.name}: {list(missing)[:2]}"]
    return [] if rows == len(wanted) else [f"sink of {view}: {rows} rows in {len(files)} files, expected {len(wanted)}"]


def tuples_of(rows: pa.Table | pa.RecordBatch) -> list[tuple[Any, ...]]:
    """Rows as tuples of the reference's values; the hash of the group key is left out."""
    columns: dict[str, list[Any]] = defaultdict(list)
    for name in rows.schema.names:
        if name not in ("key_high", "key_low"):
            columns[name] = [_value(value, rows.schema.field(name).type) for value in rows.column(name)]
    return list(zip(*columns.values(), strict=True))


def _exact(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Values that are equal only where type, text and bits are."""
    return tuple(struct.pack("<d", value) if isinstance(value, float) else _plain(value) for value in row)


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return tuple((_plain(one), count) for one, count in value)
    if isinstance(value, Decimal | int) and not isinstance(value, bool):
        return Decimal(value)
    return (type(value).__name__, value)


def _value(scalar: Any, data_type: pa.DataType) -> Any:
    if not scalar.is_valid:
        return None
    if pa.types.is_timestamp(data_type):
        return scalar.cast(pa.timestamp("us", tz="UTC")).value
    if pa.types.is_date32(data_type):
        return scalar.as_py().toordinal() - _EPOCH_DAY
    if pa.types.is_list(data_type):
        return [
            (_value(one["value"], data_type.value_type.field("value").type), one["count"].as_py()) for one in scalar
        ]
    return scalar.as_py()
