"""Failures of expressions: found as arrays of rows while columns are computed, told one by one at the end.

An operation that cannot give a value for some rows gives NULL there and notes a `Fault`. A fault of a part that was not
reached (a branch of CASE, the right side of AND) is taken back before anything is told, so a guarded division never
fails, although columns are computed as wholes.
"""

import enum
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datanexus.plan.expression import Call, Cast

Operand: TypeAlias = pa.Array | pa.Scalar
Rows = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

VALUE_SHOWN_MAX = 200
VALUES_SHOWN_MAX = 1000
_SIGNS = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/", "modulo": "%", "power": "^"}


class Reason(enum.StrEnum):
    """Why an expression has no value for a record; the closed set."""

    INTEGER_OVERFLOW = "IntegerOverflow"
    DECIMAL_OVERFLOW = "DecimalOverflow"  # more digits than the type has, at most 38
    FLOAT_OVERFLOW = "FloatOverflow"
    FLOAT_UNDERFLOW = "FloatUnderflow"  # too near to zero, but not zero
    DIVISION_BY_ZERO = "DivisionByZero"
    INVALID_ARGUMENT = "InvalidArgument"  # outside of what a function is defined for
    INVALID_CAST = "InvalidCast"  # a text that is no value of the type
    OUT_OF_RANGE = "OutOfRange"  # a value beyond the type's range; a year outside 1-9999
    TEXT_TOO_LONG = "TextTooLong"


@dataclass(frozen=True, slots=True)
class Failure:
    """One record for which an expression has no value: kept in quarantine with this."""

    row: int
    reason: str
    message: str
    values: str


@dataclass(frozen=True, slots=True)
class Fault:
    """Rows, ascending, at which one operation failed for one reason, with the operands it saw."""

    rows: Rows
    reason: Reason
    what: str
    operation: Call | Cast
    operands: tuple[Operand, ...]


@dataclass(slots=True)
class Frame:
    """One batch under evaluation: its columns, and the faults found so far."""

    batch: pa.RecordBatch
    faults: list[Fault] = field(default_factory=list)

    @property
    def rows(self) -> int:
        return int(self.batch.num_rows)

    def fail(self, where: Flags, reason: Reason, what: str, site: tuple[Call | Cast, Iterable[Operand]]) -> None:
        """Note that an operation (with its operands) failed at the rows flagged."""
        rows = np.flatnonzero(where)
        if len(rows):
            self.faults.append(Fault(rows, reason, what, site[0], tuple(site[1])))

    def keep_reached(self, since: int, reached: Flags) -> None:
        """Take faults noted after the first `since` back at rows that were not reached."""
        kept = []
        for fault in self.faults[since:]:
            rows = fault.rows[reached[fault.rows]]
            if len(rows):
                kept.append(Fault(rows, fault.reason, fault.what, fault.operation, fault.operands))
        self.faults[since:] = kept


def failed_flags(faults: Iterable[Fault], rows: int) -> Flags:
    """Which of the rows have a fault."""
    flags = np.zeros(rows, dtype=np.bool_)
    for fault in faults:
        flags[fault.rows] = True
    return flags


def failures_of(faults: Iterable[Fault], text: str) -> tuple[Failure, ...]:
    """One failure a row, of the fault found first, ordered by row."""
    first: dict[int, Failure] = {}
    for fault in faults:
        for row in fault.rows.tolist():
            if row not in first:
                first[row] = _failure(fault, row, text)
    return tuple(first[row] for row in sorted(first))


def _failure(fault: Fault, row: int, text: str) -> Failure:
    shown = [_shown(operand, row) for operand in fault.operands]
    match fault.operation:
        case Cast(type=target):
            site = f"CAST({shown[0]} AS {target})"
        case Call(function=function) if function in _SIGNS and len(shown) == 2:
            site = f"{shown[0]} {_SIGNS[function]} {shown[1]}"
        case Call(function="negate"):
            site = f"-({shown[0]})"
        case Call(function=function):
            site = f"{function}({', '.join(shown)})"
    values = ", ".join(shown)
    return Failure(row, fault.reason.value, f"{fault.what} in {site}, part of `{text}`", values[:VALUES_SHOWN_MAX])


def _shown(operand: Operand, row: int) -> str:
    scalar = operand if isinstance(operand, pa.Scalar) else operand[row]
    if not scalar.is_valid:
        return "NULL"
    if pa.types.is_string(scalar.type):
        text: str = scalar.as_py()
        return "'" + (text if len(text) <= VALUE_SHOWN_MAX else text[:VALUE_SHOWN_MAX] + "…") + "'"
    if pa.types.is_boolean(scalar.type):
        return "true" if scalar.as_py() else "false"
    return str(scalar.cast(pa.string()).as_py() if pa.types.is_temporal(scalar.type) else scalar.as_py())
