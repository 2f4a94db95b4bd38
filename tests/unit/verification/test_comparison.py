"""Laws of comparing rows: what is equal by value, and that what differs is told as what it is."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from datanexus.verification.comparison import RowDifference, compare_counts, compare_rows

AT = dt.datetime(2024, 5, 1, 10, tzinfo=dt.UTC)
ROW = {"at": AT, "country": "DE", "orders": 3, "revenue": Decimal("19.90"), "share": 0.5, "open": True, "note": None}


def compared(
    expected: list[dict[str, Any]], actual: list[dict[str, Any]], tolerance: float = 0.0
) -> list[RowDifference]:
    return list(compare_rows(expected, actual, identifying=("at", "country"), tolerance=tolerance))


@pytest.mark.parametrize(
    "expected",
    [
        ROW,
        {
            "at": "2024-05-01T10:00:00Z",
            "country": "DE",
            "orders": "3",
            "revenue": "19.9",
            "share": "0.50",
            "open": "true",
        },
        {"at": "2024-05-01 12:00:00+02:00", "orders": 3.0, "revenue": 19.9, "note": ""},
        {"at": "2024-05-01 10:00", "note": None},
    ],
)
def test_equal_values_are_equal_however_they_are_written(expected: dict[str, Any]) -> None:
    assert [] == compared([expected], [ROW])


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("orders", 4),
        ("orders", True),
        ("orders", "many"),
        ("revenue", "19.91"),
        ("share", 0.5000001),
        ("open", 1),
        ("note", "x"),
    ],
)
def test_a_wrong_figure_is_told_as_that(column: str, value: object) -> None:
    (difference,) = compared([{**ROW, column: value}], [ROW])
    assert {"at": AT, "country": "DE"} == difference.key
    assert [column] == [cell.column for cell in difference.cells]


def test_rows_are_a_multiset() -> None:
    assert [] == compared([ROW, ROW], [ROW, ROW])
    (difference,) = compared([ROW, ROW], [ROW])
    assert difference.missing
    (difference,) = compared([ROW], [ROW, ROW])
    assert not difference.missing
    assert () == difference.cells


def test_order_does_not_matter() -> None:
    other = {**ROW, "country": "FR"}
    assert [] == compared([other, ROW], [ROW, other])


def test_a_row_of_another_group_is_missing_and_unexpected() -> None:
    differences = compared([{**ROW, "country": "FR"}], [ROW])
    assert [True, False] == [difference.missing for difference in differences]


def test_no_rows_expected_means_none() -> None:
    assert [] == compared([], [])
    assert 1 == len(compared([], [ROW]))


def test_floats_are_near_only_when_asked() -> None:
    near = {**ROW, "share": 0.5004}
    assert 1 == len(compared([near], [ROW]))
    assert [] == compared([near], [ROW], tolerance=0.001)
    assert 1 == len(compared([near], [ROW], tolerance=0.0001))


def test_lists_are_equal_item_by_item() -> None:
    row = {"at": AT, "top": [{"value": "a", "count": 2}]}
    assert [] == compared([{"at": AT, "top": [{"value": "a", "count": 2}]}], [row])
    assert 1 == len(compared([{"at": AT, "top": [{"value": "a", "count": 3}]}], [row]))


def test_counts_that_are_not_expected_are_not_looked_at() -> None:
    assert () == compare_counts({"in": 3}, {"in": 3, "passed": 2})
    (difference,) = compare_counts({"late": 1}, {"in": 3})
    assert ("late", 1, 0) == (difference.column, difference.expected, difference.actual)
