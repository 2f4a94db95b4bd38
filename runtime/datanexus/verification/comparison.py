"""Expected and actual rows, compared by value: which fit, which differ and where, which are missing or too many.

Rows are a multiset. Rows that are not equal are put side by side by the columns that identify them, so that a wrong
figure is told as that and not as one row missing and another too many.
"""

import datetime as dt
import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

Value = object
Row = Mapping[str, Value]

_TRUTHS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class CellDifference:
    """One column of one row."""

    column: str
    expected: Value
    actual: Value


@dataclass(frozen=True, slots=True)
class RowDifference:
    """A row that is not as expected. `key`: what identifies it. `cells` empty: it is `missing` or unexpected."""

    key: Row
    cells: tuple[CellDifference, ...]
    missing: bool = False


def compare_rows(
    expected: Sequence[Row], actual: Sequence[Row], *, identifying: Sequence[str], tolerance: float
) -> tuple[RowDifference, ...]:
    """All that differs, in the order of the expected rows, then of the unexpected ones.

    Actual values are of the view's types; expected ones may be texts of them, as in CSV and JSON. Columns that no
    expected row has are not compared. `identifying`: columns that are the same in a row whose figures are wrong.
    """
    columns = list(dict.fromkeys(column for row in expected for column in row))
    if not expected:
        columns = list(actual[0]) if actual else []
    kinds = {column: _kind([row[column] for row in actual]) for column in columns if actual}
    wanted: list[Row] = [
        {column: typed(row.get(column), kinds.get(column, str)) for column in columns} for row in expected
    ]
    found: list[Row] = [{column: row[column] for column in columns} for row in actual]
    keys = [column for column in identifying if column in columns] or columns
    left: dict[tuple[Value, ...], list[Row]] = defaultdict(list)
    for row in found:
        left[_key(row, keys)].append(row)
    differences: list[RowDifference] = []
    open_rows: list[Row] = []
    for row in wanted:
        candidates = left[_key(row, keys)]
        same = next((each for each in candidates if not _cells(row, each, tolerance)), None)
        if same is None:
            open_rows.append(row)
        else:
            candidates.remove(same)
    for row in open_rows:
        candidates = left[_key(row, keys)]
        if candidates:
            differences.append(RowDifference(_part(row, keys), _cells(row, candidates.pop(0), tolerance)))
        else:
            differences.append(RowDifference(row, (), missing=True))
    differences += [RowDifference(row, ()) for rows in left.values() for row in rows]
    return tuple(differences)


def compare_counts(expected: Mapping[str, int], actual: Mapping[str, int]) -> tuple[CellDifference, ...]:
    """Counts that differ, expected ones first; what is not expected is not looked at."""
    counts = Counter(actual)
    return tuple(CellDifference(name, count, counts[name]) for name, count in expected.items() if counts[name] != count)


def typed(value: Value, kind: type) -> Value:
    """An expected value as one of the column's type; itself where it is none. An empty text is NULL but for texts."""
    if value is None or (value == "" and kind is not str):
        return None
    if isinstance(value, str) and kind is not str:
        return _from_text(value, kind)
    if isinstance(value, str) and value == "":
        return ""
    if kind is Decimal and isinstance(value, int | float) and not isinstance(value, bool):
        return Decimal(str(value))
    return value


def _from_text(text: str, kind: type) -> Value:
    try:
        if kind is dt.datetime:
            return _instant(text)
        if kind is dt.date:
            return dt.date.fromisoformat(text)
        if kind is bool:
            return _TRUTHS.get(text.lower(), text)
        if kind in (int, float, Decimal):
            return kind(text)
    except (ValueError, InvalidOperation):
        return text
    return text


def _instant(text: str) -> dt.datetime:
    moment = dt.datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def _kind(values: Sequence[Value]) -> type:
    """The type of a column's values; text where all are NULL."""
    return next((type(value) for value in values if value is not None), str)


def _key(row: Row, keys: Sequence[str]) -> tuple[Value, ...]:
    return tuple(_hashable(row[column]) for column in keys)


def _hashable(value: Value) -> Value:
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC) if value.tzinfo else value.replace(tzinfo=dt.UTC)
    if isinstance(value, list | dict):
        return repr(value)
    return None if value == "" else value


def _part(row: Row, keys: Sequence[str]) -> Row:
    return {column: row[column] for column in keys}


def _cells(expected: Row, actual: Row, tolerance: float) -> tuple[CellDifference, ...]:
    return tuple(
        CellDifference(column, value, actual[column])
        for column, value in expected.items()
        if not _equal(value, actual[column], tolerance)
    )


def _equal(expected: Value, actual: Value, tolerance: float) -> bool:
    if isinstance(expected, bool) or isinstance(actual, bool):
        return expected is actual
    if isinstance(expected, float | int | Decimal) and isinstance(actual, float | int | Decimal):
        if isinstance(expected, float) and isinstance(actual, float) and math.isnan(expected) and math.isnan(actual):
            return True
        if tolerance:
            return math.isclose(float(expected), float(actual), rel_tol=tolerance, abs_tol=tolerance)
        return expected == actual
    if isinstance(expected, list) and isinstance(actual, list):
        return len(expected) == len(actual) and all(
            _equal(each, other, tolerance) for each, other in zip(expected, actual, strict=True)
        )
    if isinstance(expected, dict) and isinstance(actual, dict):
        return set(expected) == set(actual) and all(_equal(expected[key], actual[key], tolerance) for key in expected)
    return _hashable(expected) == _hashable(actual)
