"""Comparison, three-valued logic, and choice: =, IN, AND, IS NULL, COALESCE, GREATEST.

Floats compare as in PostgreSQL: NaN equals NaN and is greater than every number. Texts compare by their bytes.
"""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datanexus.core.columns import arrow_type
from datanexus.engine.evaluate import decimals
from datanexus.engine.evaluate.arithmetic import Operation
from datanexus.engine.evaluate.arrays import column_of, values_of
from datanexus.engine.evaluate.faults import Frame, Operand
from datanexus.plan.expression import Call, Expression, Literal
from datanexus_spec.datatype import Kind

Compare = Callable[[Operand, Operand], Operand]
_COMPARE: dict[str, Compare] = {
    "equal": pc.equal,
    "not_equal": pc.not_equal,
    "less": pc.less,
    "less_equal": pc.less_equal,
    "greater": pc.greater,
    "greater_equal": pc.greater_equal,
}
_ZERO = pa.scalar(0.0)
TRUE, FALSE = pa.scalar(True), pa.scalar(False)


def comparison(call: Call) -> Operation:
    """One of = <> < <= > >=."""
    compare = _compare(call.function, call.arguments[0].type.kind)
    return lambda _, operands: compare(operands[0], operands[1])


def distinct(call: Call) -> Operation:
    """IS DISTINCT FROM and its opposite: NULL is a value like others."""
    compare = _compare("equal", call.arguments[0].type.kind)
    wanted = call.function == "is_not_distinct"

    def run(_: Frame, operands: list[Operand]) -> Operand:
        left, right = operands
        both_null = pc.and_(pc.is_null(left), pc.is_null(right))
        same = pc.or_(pc.fill_null(compare(left, right), FALSE), both_null)
        return same if wanted else pc.invert(same)

    return run


def membership(call: Call) -> Operation:
    """IN: NULL when nothing equals but something is NULL."""
    compare = _compare("equal", call.arguments[0].type.kind)
    items = call.arguments[1:]
    if all(isinstance(item, Literal) for item in items) and call.arguments[0].type.kind is not Kind.DECIMAL:
        return _membership_of_constants(call, items)

    def run(_: Frame, operands: list[Operand]) -> Operand:
        found = compare(operands[0], operands[1])
        for operand in operands[2:]:
            found = pc.or_kleene(found, compare(operands[0], operand))
        return found

    return run


def _membership_of_constants(call: Call, items: tuple[Expression, ...]) -> Operation:
    values = [item.value for item in items if isinstance(item, Literal) and item.value is not None]
    data_type = arrow_type(call.arguments[0].type)
    stored = pa.int32() if call.arguments[0].type.kind is Kind.DATE else pa.int64()
    of_times = call.arguments[0].type.kind in (Kind.TIMESTAMP, Kind.LOCAL_TIMESTAMP, Kind.DATE, Kind.INTERVAL)
    wanted = pa.array(values, type=stored).cast(data_type) if of_times else pa.array(values, type=data_type)
    has_null = len(values) < len(items)
    signed_zeros = call.arguments[0].type.kind is Kind.FLOAT64
    if signed_zeros:
        wanted = pc.add(wanted, _ZERO)

    def run(frame: Frame, operands: list[Operand]) -> Operand:
        subject = column_of(operands[0], frame.rows)
        if signed_zeros:
            subject = _one_bit_pattern(subject)
        found = pc.is_in(subject, value_set=wanted)
        known = pc.is_valid(subject) if not has_null else pc.and_(pc.is_valid(subject), found)
        return found if known.true_count == frame.rows else pc.if_else(known, found, pa.scalar(None, pa.bool_()))

    return run


def _one_bit_pattern(column: pa.Array) -> pa.Array:
    """-0.0 as 0.0 and every NaN as the same: one value each, but several to a lookup."""
    column = pc.add(column, _ZERO)
    if not np.isnan(values_of(column)).any():
        return column
    return pc.if_else(pc.is_nan(column), pa.scalar(float("nan")), column)


def _compare(function: str, kind: Kind) -> Compare:
    plain = _COMPARE[function]
    if kind is Kind.FLOAT64:
        return lambda left, right: _compare_floats(function, left, right)
    if kind is Kind.DECIMAL:
        return lambda left, right: plain(*decimals.comparable([left, right]))
    return plain


def _compare_floats(function: str, left: Operand, right: Operand) -> Operand:
    result = _COMPARE[function](left, right)
    lefts, rights = np.isnan(values_of(left)), np.isnan(values_of(right))
    if not lefts.any() and not rights.any():
        return result
    # NaN as the greatest number: compare which side is NaN wherever one is.
    ranks = [pa.array(np.broadcast_to(side, len(result)).astype(np.int8)) for side in (lefts, rights)]
    strange = pa.array(np.broadcast_to(lefts | rights, len(result)))
    ranked = pc.if_else(pc.is_valid(result), _COMPARE[function](*ranks), pa.scalar(None, pa.bool_()))
    return pc.if_else(strange, ranked, result)


def extreme(call: Call) -> Operation:
    """GREATEST and LEAST: NULLs are skipped; NULL when all are."""
    kind = call.type.kind
    better = _compare("greater" if call.function == "greatest" else "less", kind)
    direct = {"greatest": pc.max_element_wise, "least": pc.min_element_wise}[call.function]
    if kind in (Kind.INT32, Kind.INT64, Kind.STRING):
        return lambda _, operands: direct(*operands)

    def run(frame: Frame, operands: list[Operand]) -> Operand:
        best = column_of(operands[0], frame.rows)
        for operand in operands[1:]:
            replaces = pc.or_(pc.fill_null(better(operand, best), FALSE), pc.is_null(best))
            best = pc.if_else(pc.and_(replaces, pc.is_valid(operand)), operand, best)
        return best

    return run


def is_null(_: Call) -> Operation:
    return lambda _, operands: pc.is_null(operands[0])


def is_not_null(_: Call) -> Operation:
    return lambda _, operands: pc.is_valid(operands[0])


def truth(call: Call) -> Operation:
    """IS TRUE and IS FALSE."""
    if call.function == "is_true":
        return lambda _, operands: pc.fill_null(operands[0], FALSE)
    return lambda _, operands: pc.invert(pc.fill_null(operands[0], TRUE))


def negation(_: Call) -> Operation:
    return lambda _, operands: pc.invert(operands[0])
