"""Functions of float64 and of their decimal twins: rounding, roots, logarithms, powers."""

import math
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datanexus.core.columns import arrow_type
from datanexus.engine.evaluate import decimals
from datanexus.engine.evaluate.arithmetic import Operation, checked_floats
from datanexus.engine.evaluate.arrays import column_of, valid_flags, values_of, without
from datanexus.engine.evaluate.faults import Flags, Frame, Operand, Reason
from datanexus.engine.evaluate.rows import row_by_row
from datanexus.plan.expression import Call
from datanexus_spec.datatype import Kind

_ROUNDINGS: dict[str, Callable[[Operand], Operand]] = {
    "floor": pc.floor,
    "ceil": pc.ceil,
    "trunc": pc.trunc,
    "round": lambda operand: pc.round(operand, 0, "half_to_even"),
}


def rounding(call: Call) -> Operation:
    """floor, ceil, round and trunc."""
    if call.arguments[0].type.kind is Kind.DECIMAL:
        return decimals.rounding(call)
    compute = _ROUNDINGS[call.function]
    return lambda _, operands: compute(operands[0])


def sign(call: Call) -> Operation:
    """-1, 0 or 1; 0 for NaN."""
    result_type = arrow_type(call.type)

    def run(_: Frame, operands: list[Operand]) -> Operand:
        signs = pc.sign(operands[0])
        if call.arguments[0].type.kind is Kind.DECIMAL:
            return signs.cast(pa.int32()).cast(pa.decimal128(10, 0)).cast(result_type)
        return pc.if_else(pc.is_nan(signs), pa.scalar(0.0), signs)

    return run


def root_or_logarithm(call: Call) -> Operation:
    """sqrt, cbrt, exp, ln and log."""
    build = {"sqrt": _sqrt, "cbrt": _cbrt, "exp": _exp, "ln": _logarithm, "log": _logarithm}[call.function]
    return build(call)


def _sqrt(call: Call) -> Operation:
    def run(frame: Frame, operands: list[Operand]) -> Operand:
        usable = _defined(call, frame, operands, values_of(operands[0]) < 0, "square root of a negative number")
        return pc.sqrt(usable[0])

    return run


def _cbrt(call: Call) -> Operation:
    """Row by row: NumPy's cube root differs from the C library's, which PostgreSQL uses, in the last digit."""
    return lambda frame, operands: row_by_row(call, frame, operands, math.cbrt)


def _exp(call: Call) -> Operation:
    def run(frame: Frame, operands: list[Operand]) -> Operand:
        column = column_of(operands[0], frame.rows)
        return checked_floats(call, frame, [column], pc.exp(column))

    return run


def _logarithm(call: Call) -> Operation:
    """ln(x), log(x) to base 10, log(base, x)."""

    def run(frame: Frame, operands: list[Operand]) -> Operand:
        undefined: Flags = np.zeros(frame.rows, dtype=np.bool_)
        for operand in operands:
            undefined = undefined | (values_of(operand) <= 0)
        usable = _defined(call, frame, operands, undefined, "logarithm of zero or of a negative number")
        if call.function == "ln":
            return pc.ln(usable[0])
        if len(usable) == 1:
            return pc.log10(usable[0])
        one = valid_flags(tuple(usable), frame.rows) & (values_of(usable[0]) == 1)
        frame.fail(one, Reason.DIVISION_BY_ZERO, "division by zero", (call, operands))
        base = without(column_of(usable[0], frame.rows), one) if one.any() else usable[0]
        return pc.divide(pc.ln(usable[1]), pc.ln(base))

    return run


def power(call: Call) -> Operation:
    """a to the b: zero to a negative power and a negative number to a broken one are faults."""

    def run(frame: Frame, operands: list[Operand]) -> Operand:
        base, exponent = (values_of(operand) for operand in operands)
        with np.errstate(invalid="ignore"):
            zero = (base == 0) & (exponent < 0)
            broken = (base < 0) & np.isfinite(exponent) & (np.floor(exponent) != exponent) & np.isfinite(base)
            broken |= np.isneginf(base) & np.isfinite(exponent) & (np.floor(exponent) != exponent)
        usable = operands
        if zero.any() or broken.any():
            usable = _defined(call, frame, usable, zero, "zero to a negative power")
            usable = _defined(call, frame, usable, broken, "negative number to a power that is not whole")
        usable = [column_of(usable[0], frame.rows), usable[1]]
        return checked_floats(call, frame, usable, pc.power(*usable))

    return run


def _defined(call: Call, frame: Frame, operands: list[Operand], undefined: Flags, what: str) -> list[Operand]:
    """The operands with the first NULL where the function is not defined."""
    if not undefined.any():
        return operands
    where = valid_flags(tuple(operands), frame.rows) & undefined
    frame.fail(where, Reason.INVALID_ARGUMENT, what, (call, operands))
    return [without(column_of(operands[0], frame.rows), where), *operands[1:]]
