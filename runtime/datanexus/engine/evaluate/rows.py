"""The slow lane: a function of Python values, row by row, for what columns cannot do and for doubtful rows."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from datanexus.core.columns import arrow_type
from datanexus.engine.evaluate.arrays import column_of
from datanexus.engine.evaluate.faults import Flags, Frame, Operand, Reason
from datanexus.plan.expression import Call, Cast
from datanexus.plan.literals import LiteralError

_READ_REASONS = {"InvalidCast": Reason.INVALID_CAST, "OutOfRange": Reason.OUT_OF_RANGE}


class RowError(ValueError):
    """A function has no value for one row."""

    def __init__(self, reason: Reason, what: str) -> None:
        super().__init__(what)
        self.reason = reason
        self.what = what


def row_by_row(
    site: Call | Cast, frame: Frame, operands: list[Operand], compute: Callable[..., Any], where: Flags | None = None
) -> pa.Array:
    """compute(*values) for every row without NULLs (of those flagged, if given); other rows are NULL, errors faults."""
    columns = [column_of(operand, frame.rows).to_pylist() for operand in operands]
    results: list[Any] = []
    errors: dict[tuple[Reason, str], list[int]] = {}
    for row, values in enumerate(zip(*columns, strict=True)):
        results.append(None)
        if None in values or (where is not None and not where[row]):
            continue
        try:
            results[row] = compute(*values)
        except RowError as error:
            errors.setdefault((error.reason, error.what), []).append(row)
        except LiteralError as error:
            errors.setdefault((_READ_REASONS[error.reason], error.message), []).append(row)
    for (reason, what), rows in errors.items():
        flags = np.zeros(frame.rows, dtype=np.bool_)
        flags[rows] = True
        frame.fail(flags, reason, what, (site, operands))
    target = arrow_type(site.type)
    if pa.types.is_temporal(target):
        stored = pa.int32() if target == pa.date32() else pa.int64()
        return pa.array(results, type=stored).view(target)
    return pa.array(results, type=target)
