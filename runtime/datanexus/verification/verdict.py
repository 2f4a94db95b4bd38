"""How a case went, and that as text: what was expected beside what came, per row and column."""

import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from datanexus.verification.comparison import CellDifference, Row, RowDifference, Value

DIFFERENCES_SHOWN = 20  # of one view


@dataclass(frozen=True, slots=True)
class ViewVerdict:
    """What differs in one view. `rows`: how many were expected and how many came."""

    view: str
    rows: tuple[int, int]
    differences: Sequence[RowDifference]


@dataclass(frozen=True, slots=True)
class CaseVerdict:
    """How one case went."""

    name: str
    views: Sequence[ViewVerdict] = field(default=())
    quarantine: Sequence[CellDifference] = field(default=())
    counters: Sequence[CellDifference] = field(default=())

    @property
    def passed(self) -> bool:
        return not (any(view.differences for view in self.views) or self.quarantine or self.counters)


def verdict_text(verdict: CaseVerdict) -> str:
    """The case in a line, and below it all that differs."""
    lines = [f"  {'ok    ' if verdict.passed else 'FAILED'}  {verdict.name}"]
    for view in verdict.views:
        if view.differences:
            lines += [f"    {line}" for line in _view_lines(view)]
    for difference in verdict.quarantine:
        lines.append(f"    quarantine {difference.column}: expected {difference.expected}, came {difference.actual}")
    for difference in verdict.counters:
        lines.append(f"    counter {difference.column}: expected {difference.expected}, came {difference.actual}")
    return "\n".join(lines) + "\n"


def _view_lines(view: ViewVerdict) -> Iterator[str]:
    expected, actual = view.rows
    counts = f"{expected} rows expected, {actual} came" if expected != actual else f"{expected} rows"
    yield f"view {view.view}: {counts}, {len(view.differences)} not as expected"
    for difference in view.differences[:DIFFERENCES_SHOWN]:
        where = row_text(difference.key)
        if difference.cells:
            yield f"  {where}"
            width = max(len(cell.column) for cell in difference.cells)
            values = max(len(value_text(cell.expected)) for cell in difference.cells)
            for cell in difference.cells:
                was = value_text(cell.expected)
                yield f"    {cell.column:<{width}}  expected {was:<{values}}  came {value_text(cell.actual)}"
        elif difference.missing:
            yield f"  - {where}"
        else:
            yield f"  + {where}"
    hidden = len(view.differences) - DIFFERENCES_SHOWN
    if hidden > 0:
        yield f"  and {hidden} more"
    if any(not difference.cells for difference in view.differences):
        yield "  (- expected and not there, + there and not expected)"


def row_text(row: Row) -> str:
    """`window_start=2024-05-01 10:00:00Z country=DE`."""
    return " ".join(f"{column}={value_text(value)}" for column, value in row.items())


def value_text(value: Value) -> str:
    """A value as `datanexus query` shows it; NULL, and texts that could be mistaken, stand out."""
    if value is None:
        return "NULL"
    if isinstance(value, dt.datetime):
        moment = value.astimezone(dt.UTC).replace(tzinfo=None) if value.tzinfo else value
        return moment.isoformat(sep=" ") + "Z"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return value if value and " " not in value else repr(value)
    if isinstance(value, list | dict):
        return json.dumps(value, default=value_text, ensure_ascii=False)
    return str(value)


def verdict_fields(verdict: CaseVerdict) -> Mapping[str, object]:
    """The case for programs."""
    return {
        "case": verdict.name,
        "passed": verdict.passed,
        "views": [
            {
                "view": view.view,
                "expected_rows": view.rows[0],
                "actual_rows": view.rows[1],
                "differences": [_difference_fields(difference) for difference in view.differences],
            }
            for view in verdict.views
        ],
        "quarantine": [_cell_fields(cell) for cell in verdict.quarantine],
        "counters": [_cell_fields(cell) for cell in verdict.counters],
    }


def _difference_fields(difference: RowDifference) -> Mapping[str, object]:
    kind = "differs" if difference.cells else "missing" if difference.missing else "unexpected"
    row = {column: value_text(value) for column, value in difference.key.items()}
    return {"kind": kind, "row": row, "cells": [_cell_fields(cell) for cell in difference.cells]}


def _cell_fields(cell: CellDifference) -> Mapping[str, str]:
    return {"name": cell.column, "expected": value_text(cell.expected), "actual": value_text(cell.actual)}
