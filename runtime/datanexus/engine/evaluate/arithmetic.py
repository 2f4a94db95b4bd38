"""Arithmetic over integers, floats, times and intervals, checked: what overflows is a fault, never a wrapped value.

The checked Arrow kernels run first; only when one raises are the failing rows looked for.
"""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datanexus.core.columns import arrow_type
from datanexus.engine.evaluate import decimals
from datanexus.engine.evaluate.arrays import column_from, column_of, raw, typed, valid_flags, values_of, without
from datanexus.engine.evaluate.faults import Flags, Frame, Operand, Reason
from datanexus.plan.expression import Call
from datanexus.plan.literals import DATE_MAX, DATE_MIN, DAY_US, TIMESTAMP_MAX_US, TIMESTAMP_MIN_US
from datanexus_spec.datatype import Kind

Operation = Callable[[Frame, list[Operand]], Operand]
_WRAPPING = {"add": pc.add, "subtract": pc.subtract, "multiply": pc.multiply, "negate": pc.negate, "abs": pc.abs}
_CHECKED = {
    "add": pc.add_checked,
    "subtract": pc.subtract_checked,
    "multiply": pc.multiply_checked,
    "divide": pc.divide_checked,
    "modulo": pc.remainder_checked,
    "negate": pc.negate_checked,
    "abs": pc.abs_checked,
}
_OVERFLOW = "integer out of range"
_ZERO = "division by zero"
_INTERVAL_MAX_US = 2.0**63 - DAY_US


def arithmetic(call: Call) -> Operation:
    """The operation of add, subtract, multiply, divide, modulo, negate or abs for the types of its arguments."""
    kinds = {argument.type.kind for argument in call.arguments}
    if kinds & {Kind.TIMESTAMP, Kind.LOCAL_TIMESTAMP, Kind.DATE}:
        return _times(call)
    if Kind.INTERVAL in kinds:
        return _scaled_interval(call) if Kind.FLOAT64 in kinds else _integers(call)
    if Kind.FLOAT64 in kinds:
        return _floats(call)
    if Kind.DECIMAL in kinds:
        return decimals.arithmetic(call)
    return _integers(call)


def _integers(call: Call) -> Operation:
    compute = _CHECKED[call.function]
    result_type = arrow_type(call.type)

    def run(frame: Frame, operands: list[Operand]) -> Operand:
        numbers = [raw(operand) for operand in operands]
        try:
            result = compute(*numbers)
        except pa.ArrowInvalid:
            result = _integers_with_faults(call, frame, numbers)
        return typed(result, result_type)

    return run


def _integers_with_faults(call: Call, frame: Frame, numbers: list[Operand]) -> pa.Array:
    numbers = [column_of(numbers[0], frame.rows), *numbers[1:]]
    valid = valid_flags(tuple(numbers), frame.rows)
    if call.function in ("divide", "modulo"):
        return _division_with_faults(call, frame, numbers, valid)
    result = _WRAPPING[call.function](*numbers)
    with np.errstate(all="ignore"):
        overflowed = valid & _overflowed(call.function, [values_of(number) for number in numbers], values_of(result))
    frame.fail(overflowed, Reason.INTEGER_OVERFLOW, _OVERFLOW, (call, numbers))
    return without(result, overflowed)


def _overflowed(function: str, numbers: list[np.ndarray], result: np.ndarray) -> Flags:
    left, right = numbers[0], numbers[-1]
    lowest = np.iinfo(result.dtype).min
    flags: Flags
    match function:
        case "add":
            flags = ((left ^ result) & (right ^ result)) < 0
        case "subtract":
            flags = ((left ^ right) & (left ^ result)) < 0
        case "multiply":
            divisor = np.where(right == 0, 1, right)
            flags = (right != 0) & ((result // divisor != left) | (result % divisor != 0))
            flags |= ((left == lowest) & (right == -1)) | ((right == lowest) & (left == -1))
        case _:
            flags = left == lowest
    return flags


def _division_with_faults(call: Call, frame: Frame, numbers: list[Operand], valid: Flags) -> pa.Array:
    left, right = (values_of(number) for number in numbers)
    zero = valid & (right == 0)
    lowest = np.iinfo(left.dtype).min
    extreme = valid & (left == lowest) & (right == -1)
    divisor = np.where(zero | extreme | ~valid, 1, right).astype(left.dtype)
    result = _CHECKED[call.function](numbers[0], pa.array(divisor))
    frame.fail(zero, Reason.DIVISION_BY_ZERO, _ZERO, (call, numbers))
    if call.function == "modulo":  # the remainder by -1 is 0, which is what dividing by 1 gives
        return without(result, zero | ~valid)
    frame.fail(extreme, Reason.INTEGER_OVERFLOW, _OVERFLOW, (call, numbers))
    return without(result, zero | extreme | ~valid)


def _floats(call: Call) -> Operation:
    plain = {**_WRAPPING, "divide": pc.divide}[call.function]
    if call.function in ("negate", "abs"):
        return lambda _, operands: plain(operands[0])
    shrinks = call.function in ("multiply", "divide")

    def run(frame: Frame, operands: list[Operand]) -> Operand:
        if call.function == "divide":
            operands = _nonzero(call, frame, operands)
        result = plain(*operands)
        numbers = values_of(result)
        if np.isfinite(numbers).all() and not (shrinks and (numbers == 0).any()):
            return result
        return checked_floats(call, frame, operands, result)

    return run


def _nonzero(call: Call, frame: Frame, operands: list[Operand]) -> list[Operand]:
    """The operands with a NULL divisor where it is zero (which is no error below NaN)."""
    left, right = (values_of(operand) for operand in operands)
    if not (right == 0).any():
        return operands
    zero = valid_flags(tuple(operands), frame.rows) & (right == 0) & ~np.isnan(left)
    frame.fail(zero, Reason.DIVISION_BY_ZERO, _ZERO, (call, operands))
    columns = [column_of(operand, frame.rows) for operand in operands]
    return [columns[0], without(columns[1], zero)]


def checked_floats(call: Call, frame: Frame, operands: list[Operand], result: pa.Array) -> pa.Array:
    """The result without infinities and zeros that finite operands other than zero cannot have."""
    numbers = [values_of(operand) for operand in operands]
    computed = values_of(result)
    valid = valid_flags((result,), frame.rows)
    infinite_operand = np.logical_or.reduce([np.isinf(number) & np.ones(frame.rows, np.bool_) for number in numbers])
    overflow = valid & np.isinf(computed) & ~infinite_operand
    underflow = np.zeros(frame.rows, dtype=np.bool_)
    if call.function == "multiply":
        underflow = valid & (computed == 0) & (numbers[0] != 0) & (numbers[1] != 0)
    if call.function in ("divide", "power"):
        underflow = valid & (computed == 0) & (numbers[0] != 0) & ~np.isinf(numbers[1]) & ~np.isinf(numbers[0])
    if call.function == "exp":
        underflow = valid & (computed == 0) & ~np.isinf(numbers[0])
    frame.fail(overflow, Reason.FLOAT_OVERFLOW, "float out of range: overflow", (call, operands))
    frame.fail(underflow, Reason.FLOAT_UNDERFLOW, "float out of range: underflow", (call, operands))
    bad = overflow | underflow
    return without(result, bad) if bad.any() else result


def _scaled_interval(call: Call) -> Operation:
    """interval * float64, float64 * interval, interval / float64: rounded to whole microseconds."""

    def run(frame: Frame, operands: list[Operand]) -> Operand:
        spans, factors = (values_of(operand) for operand in operands)
        if factors.dtype != np.float64:
            spans, factors = factors, spans
        valid = valid_flags(tuple(operands), frame.rows)
        if call.function == "divide":
            zero = valid & (factors == 0)
            frame.fail(zero, Reason.DIVISION_BY_ZERO, _ZERO, (call, operands))
            valid &= ~zero
        with np.errstate(all="ignore"):
            size = np.abs(spans / factors if call.function == "divide" else spans * factors)
            beyond = valid & ~(size < _INTERVAL_MAX_US)
            scaled = _scaled(spans, np.where(beyond | ~valid, 1.0, factors), divide=call.function == "divide")
        frame.fail(beyond, Reason.OUT_OF_RANGE, "interval out of range", (call, operands))
        return column_from(np.broadcast_to(scaled, frame.rows), arrow_type(call.type), valid & ~beyond)

    return run


def _scaled(spans: np.ndarray, factors: np.ndarray, *, divide: bool) -> np.ndarray:
    """Days and the rest scaled apart, so that whole days lose no microsecond, as PostgreSQL does it."""
    days = np.sign(spans) * (np.abs(spans) // DAY_US)
    rest = spans - days * DAY_US
    scaled_days = days / factors if divide else days * factors
    whole_days = np.trunc(scaled_days)
    broken_day_us = np.rint((scaled_days - whole_days) * DAY_US)
    scaled_rest = np.rint((rest / factors if divide else rest * factors) + broken_day_us)
    total: np.ndarray = whole_days.astype(np.int64) * DAY_US + scaled_rest.astype(np.int64)
    return total


def _times(call: Call) -> Operation:
    """Times, dates and intervals added or subtracted, in microseconds, or in days between a date and a number."""
    in_days = call.type.kind is Kind.DATE or all(argument.type.kind is Kind.DATE for argument in call.arguments)
    result_type = arrow_type(call.type)
    compute, wrapping = _CHECKED[call.function], _WRAPPING[call.function]

    def run(frame: Frame, operands: list[Operand]) -> Operand:
        numbers = [raw(operand) if in_days else microseconds(operand) for operand in operands]
        try:
            result = compute(*numbers)
            overflowed = None
        except pa.ArrowInvalid:
            result = wrapping(*numbers)
            overflowed = _overflowed(call.function, [values_of(number) for number in numbers], values_of(result))
        return _bounded(call, frame, operands, (result, overflowed), result_type)

    return run


def microseconds(operand: Operand) -> Operand:
    """A time, date or interval in int64 microseconds."""
    if operand.type == pa.date32():
        return pc.multiply(raw(operand).cast(pa.int64()), pa.scalar(86_400_000_000, pa.int64()))
    return raw(operand)


def _bounded(
    call: Call, frame: Frame, operands: list[Operand], computed: tuple[pa.Array, Flags | None], result_type: pa.DataType
) -> Operand:
    result, overflowed = computed
    if call.type.kind is Kind.INTERVAL or call.type.kind is Kind.INT32:
        return typed(result, result_type)
    lowest, highest = (DATE_MIN, DATE_MAX) if call.type.kind is Kind.DATE else (TIMESTAMP_MIN_US, TIMESTAMP_MAX_US)
    result = column_of(result, frame.rows)
    return typed(within_years(call, frame, operands, result, (lowest, highest, overflowed)), result_type)


def within_years(
    call: Call, frame: Frame, operands: list[Operand], result: pa.Array, bounds: tuple[int, int, Flags | None]
) -> pa.Array:
    """The times (in their integers) without those outside the years 1 to 9999, which are faults."""
    lowest, highest, overflowed = bounds
    if overflowed is None:
        ends = pc.min_max(result)
        if not ends["min"].is_valid or (ends["min"].as_py() >= lowest and ends["max"].as_py() <= highest):
            return result
        overflowed = np.zeros(frame.rows, dtype=np.bool_)
    numbers = values_of(result)
    beyond = valid_flags((result,), frame.rows) & (overflowed | (numbers < lowest) | (numbers > highest))
    frame.fail(beyond, Reason.OUT_OF_RANGE, "a year outside 1 to 9999", (call, operands))
    return without(result, beyond)
