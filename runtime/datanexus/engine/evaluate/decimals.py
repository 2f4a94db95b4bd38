"""Exact arithmetic over decimals: in Arrow's 128 bits where the result fits, in its 256 bits where it might not.

Quotients take PostgreSQL's digits, which depend on the values: each row is rounded to its own.
"""

from collections.abc import Callable
from decimal import Decimal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from datanexus.core.columns import arrow_type
from datanexus.engine.evaluate.arrays import column_of, flags_of, valid_flags, without
from datanexus.engine.evaluate.faults import Flags, Frame, Operand, Reason
from datanexus.plan.expression import Call, Literal
from datanexus.plan.functions import DIGITS_MAX, QUOTIENT_SCALE_MIN
from datanexus.plan.literals import WIDE
from datanexus_spec.datatype import DataType

Numbers = npt.NDArray[np.int64]
WIDE_DIGITS_MAX = 76
DECIMAL_BASE_DIGITS = 4  # PostgreSQL's numeric counts in base 10,000
_POWERS = 10 ** np.arange(19, dtype=np.int64)
_OVERFLOW = f"more than {DIGITS_MAX} digits"
_COMPUTE: dict[str, Callable[..., Operand]] = {
    "add": pc.add,
    "subtract": pc.subtract,
    "multiply": pc.multiply,
    "modulo": pc.remainder,
    "negate": pc.negate,
    "abs": pc.abs,
}
_MODES = {"floor": "down", "ceil": "up", "trunc": "towards_zero", "round": "half_towards_infinity"}


def arithmetic(call: Call) -> Callable[[Frame, list[Operand]], Operand]:
    """The operation of an arithmetic function over decimals."""
    if call.function in ("divide", "div"):
        return lambda frame, operands: _quotients(call, frame, operands)
    compute = _COMPUTE[call.function]
    digits = _digits_needed(call)

    def run(frame: Frame, operands: list[Operand]) -> Operand:
        if call.function == "modulo":
            operands = _without_zero(call, frame, operands)
        if digits > WIDE_DIGITS_MAX:
            return _row_by_row(call, frame, operands)
        if digits > DIGITS_MAX:
            operands = [_widened(operand) for operand in operands]
        return fitted(call, frame, operands, compute(*operands))

    return run


def rounding(call: Call) -> Callable[[Frame, list[Operand]], Operand]:
    """floor, ceil, round and trunc; the digits of the last two are a constant."""
    digits: int | None = 0
    if len(call.arguments) > 1:
        assert isinstance(call.arguments[1], Literal)
        assert call.arguments[1].value is None or isinstance(call.arguments[1].value, int)
        digits = call.arguments[1].value
    given = call.arguments[0].type
    mode = _MODES[call.function]
    result_type = arrow_type(call.type)
    too_coarse = digits is not None and -digits > given.precision - given.scale

    def run(frame: Frame, operands: list[Operand]) -> Operand:
        if digits is None:
            return pa.nulls(frame.rows, result_type)
        if too_coarse:
            return pc.if_else(
                pc.is_valid(operands[0]), pa.scalar(Decimal(0), result_type), pa.scalar(None, result_type)
            )
        wide = operands[0].cast(pa.decimal256(given.precision + 1, given.scale))
        return fitted(call, frame, operands, pc.round(wide, min(digits, given.scale), mode))

    return run


def comparable(operands: list[Operand]) -> list[Operand]:
    """Decimals of any two types in one type, so that they can be compared."""
    scale = max(operand.type.scale for operand in operands)
    whole = max(operand.type.precision - operand.type.scale for operand in operands)
    if all(operand.type == operands[0].type for operand in operands):
        return operands
    if whole + scale <= DIGITS_MAX:
        return [operand.cast(pa.decimal128(whole + scale, scale)) for operand in operands]
    return [operand.cast(pa.decimal256(whole + scale, scale)) for operand in operands]


def fitted(call: Call, frame: Frame, operands: list[Operand], computed: pa.Array) -> pa.Array:
    """A computed column in the call's type; values with too many digits are faults."""
    target = arrow_type(call.type)
    if computed.type == target:
        return computed
    try:
        return computed.cast(target)
    except pa.ArrowInvalid:
        beyond = too_large(computed, call.type)
        frame.fail(beyond, Reason.DECIMAL_OVERFLOW, _OVERFLOW, (call, operands))
        return without(computed, beyond).cast(target)


def too_large(column: pa.Array, target: DataType) -> Flags:
    """Which decimals have more digits before the point than the type."""
    digits = target.precision - target.scale
    bound = pa.scalar(Decimal(10**digits), pa.decimal256(digits + 1, 0))
    wide, bound = comparable([_widened(column), bound])
    return flags_of(pc.greater_equal(pc.abs(wide), bound), len(column))


def _widened(operand: Operand) -> Operand:
    return operand.cast(pa.decimal256(operand.type.precision, operand.type.scale))


def _digits_needed(call: Call) -> int:
    """The precision Arrow gives the result before it is cut to the call's type."""
    types = [argument.type for argument in call.arguments]
    if call.function == "multiply":
        return sum(data_type.precision for data_type in types) + 1
    whole = max(data_type.precision - data_type.scale for data_type in types)
    scale = max(data_type.scale for data_type in types)
    return whole + scale + (1 if call.function in ("add", "subtract") else 0)


def _without_zero(call: Call, frame: Frame, operands: list[Operand]) -> list[Operand]:
    divisor = operands[1]
    zero = flags_of(pc.equal(divisor, pa.scalar(Decimal(0), divisor.type)), frame.rows)
    if not zero.any():
        return operands
    zero &= valid_flags(tuple(operands), frame.rows)
    frame.fail(zero, Reason.DIVISION_BY_ZERO, "division by zero", (call, operands))
    return [operands[0], pc.if_else(pa.array(zero), pa.scalar(None, divisor.type), column_of(divisor, frame.rows))]


def _row_by_row(call: Call, frame: Frame, operands: list[Operand]) -> pa.Array:
    """Products and remainders of two decimals so wide that 256 bits do not do."""
    compute = {"multiply": WIDE.multiply, "modulo": WIDE.remainder, "add": WIDE.add, "subtract": WIDE.subtract}
    lefts, rights = (column_of(operand, frame.rows).to_pylist() for operand in operands)
    results = [
        None if left is None or right is None else compute[call.function](left, right)
        for left, right in zip(lefts, rights, strict=True)
    ]
    return _checked_results(call, frame, operands, results)


def _checked_results(call: Call, frame: Frame, operands: list[Operand], results: list[Decimal | None]) -> pa.Array:
    limit = Decimal(10) ** (call.type.precision - call.type.scale)
    beyond = np.array([result is not None and result.copy_abs() >= limit for result in results], dtype=np.bool_)
    frame.fail(beyond, Reason.DECIMAL_OVERFLOW, _OVERFLOW, (call, operands))
    kept = [None if bad else result for result, bad in zip(results, beyond.tolist(), strict=True)]
    return pa.array(kept, type=arrow_type(call.type))


def _quotients(call: Call, frame: Frame, operands: list[Operand]) -> pa.Array:
    operands = _without_zero(call, frame, operands)
    columns = [column_of(operand, frame.rows) for operand in operands]
    unscaled = [_unscaled(column) for column in columns]
    whole = call.function == "div"
    if unscaled[0] is None or unscaled[1] is None or _quotient_digits(call) > WIDE_DIGITS_MAX:
        return _quotients_row_by_row(call, frame, operands)
    quotients = _divided(call, columns)
    if whole:
        return fitted(call, frame, operands, pc.trunc(quotients))
    digits = np.minimum(_quotient_scales(call, unscaled[0], unscaled[1]), call.type.scale)
    return fitted(call, frame, operands, pc.round_binary(quotients, pa.array(digits, pa.int32()), _MODES["round"]))


def _quotient_digits(call: Call) -> int:
    left, right = (argument.type for argument in call.arguments)
    return left.precision - left.scale + right.scale + call.type.scale + 1 + left.scale


def _divided(call: Call, columns: list[pa.Array]) -> pa.Array:
    """The quotients cut one digit behind the scale of the call or later; Arrow's scale follows from the dividend's."""
    left, right = (argument.type for argument in call.arguments)
    scale = max(left.scale, call.type.scale + right.scale - right.precision)
    dividend = columns[0].cast(pa.decimal256(left.precision - left.scale + scale, scale))
    quotients = pc.divide(dividend, columns[1].cast(pa.decimal256(right.precision, right.scale)))
    room = min(quotients.type.precision + 1, WIDE_DIGITS_MAX)  # rounding may add a digit
    return quotients.cast(pa.decimal256(room, quotients.type.scale))


def _unscaled(column: pa.Array) -> Numbers | None:
    """The unscaled integers of decimals; None when one of them needs more than 64 bits. NULLs have any number."""
    words = np.frombuffer(column.buffers()[1], np.int64)[2 * column.offset : 2 * (column.offset + len(column))]
    low, high = words[0::2], words[1::2]
    small = (high == low >> 63) & (low != np.iinfo(np.int64).min)
    return low if (small | ~valid_flags((column,), len(column))).all() else None


def _quotient_scales(call: Call, left: Numbers, right: Numbers) -> Numbers:
    """`quotient_scale` for whole columns of unscaled integers."""
    scales = (call.arguments[0].type.scale, call.arguments[1].type.scale)
    left_weight, left_first = _leading_digits(left, scales[0])
    right_weight, right_first = _leading_digits(right, scales[1])
    weight = left_weight - right_weight - (left_first <= right_first)
    found: Numbers = np.maximum(QUOTIENT_SCALE_MIN - weight * DECIMAL_BASE_DIGITS, max(*scales, 0))
    return found


def _leading_digits(unscaled: Numbers, scale: int) -> tuple[Numbers, Numbers]:
    sizes = np.abs(unscaled)
    count = np.searchsorted(_POWERS, sizes, side="right")  # of digits; 0 for 0
    weight = (count - 1 - scale) // DECIMAL_BASE_DIGITS
    leading = count - 1 - scale - weight * DECIMAL_BASE_DIGITS + 1
    cut, fill = np.maximum(count - leading, 0), np.maximum(leading - count, 0)
    zero = sizes == 0
    first = sizes // _POWERS[cut] * _POWERS[fill]
    return np.where(zero, 0, weight), np.where(zero, 0, first)


def _quotients_row_by_row(call: Call, frame: Frame, operands: list[Operand]) -> pa.Array:
    lefts, rights = (column_of(operand, frame.rows).to_pylist() for operand in operands)
    whole = call.function == "div"
    scales = (call.arguments[0].type.scale, call.arguments[1].type.scale)
    results: list[Decimal | None] = []
    for left, right in zip(lefts, rights, strict=True):
        if left is None or right is None:
            results.append(None)
        else:
            digits = 0 if whole else min(quotient_scale(left, right, scales), call.type.scale)
            results.append(_quotient(left, right, digits, rounded=not whole))
    return _checked_results(call, frame, operands, results)


def quotient_scale(left: Decimal, right: Decimal, scales: tuple[int, int]) -> int:
    """How many digits behind the point PostgreSQL gives left / right: at least 16 significant ones."""
    left_weight, left_first = _leading(left)
    right_weight, right_first = _leading(right)
    weight = left_weight - right_weight - (1 if left_first <= right_first else 0)
    return max(QUOTIENT_SCALE_MIN - weight * DECIMAL_BASE_DIGITS, *scales, 0)


def _leading(value: Decimal) -> tuple[int, int]:
    """Weight and value of the first digit in base 10,000."""
    if not value:
        return 0, 0
    exponent = value.adjusted()
    weight = exponent // DECIMAL_BASE_DIGITS
    count = exponent - weight * DECIMAL_BASE_DIGITS + 1
    digits = value.as_tuple().digits[:count]
    first = int("".join(map(str, digits))) * 10 ** (count - len(digits))
    return weight, first


def _quotient(left: Decimal, right: Decimal, digits: int, *, rounded: bool) -> Decimal:
    left_exponent, right_exponent = int(left.as_tuple().exponent), int(right.as_tuple().exponent)
    dividend = int(left.copy_abs().scaleb(-left_exponent, WIDE))
    divisor = int(right.copy_abs().scaleb(-right_exponent, WIDE))
    shift = digits + left_exponent - right_exponent
    dividend, divisor = (dividend * 10**shift, divisor) if shift >= 0 else (dividend, divisor * 10**-shift)
    whole, rest = divmod(dividend, divisor)
    if rounded and 2 * rest >= divisor:
        whole += 1
    negative = left.is_signed() != right.is_signed() and whole != 0
    return Decimal(-whole if negative else whole).scaleb(-digits, WIDE)
