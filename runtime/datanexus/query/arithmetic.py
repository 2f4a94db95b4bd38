"""Arithmetic of numbers and of times in queries, typed as in PostgreSQL. Pure.

Integers overflow as errors in DuckDB too; floats go through macros that make infinity an error; decimals are brought to
38 digits first.
"""

from datanexus.query.sqltype import (
    DATE,
    INT4,
    INTERVAL,
    QUOTIENT_SCALE,
    TIMESTAMP,
    TIMESTAMPTZ,
    Base,
    common_type,
    numeric,
)
from datanexus.query.value import CastError, Value, widened

_FLOAT_MACROS = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide"}


def number_arithmetic(left: Value, right: Value, operator: str) -> Value:
    """Arithmetic of two numbers in the wider of their types; overflow is an error."""
    kind = common_type([left.type, right.type])
    assert kind is not None
    if kind.base is Base.FLOAT8:
        if operator == "%":
            raise CastError("found double precision % double precision", "there is no such operator: CAST to numeric")
        macro = _FLOAT_MACROS[operator]
        return Value(f"pg_float_{macro}({widened(left, kind).text}, {widened(right, kind).text})", kind)
    if kind.base is Base.NUMERIC:
        return _numeric_arithmetic(left, right, operator)
    symbol = "//" if operator == "/" else operator
    return Value(f"({widened(left, kind).text} {symbol} {widened(right, kind).text})", kind)


def _numeric_arithmetic(left: Value, right: Value, operator: str) -> Value:
    left, right = (value if value.base is Base.NUMERIC else widened(value, numeric(0)) for value in (left, right))
    scales = left.type.scale, right.type.scale
    uniform = left.type.uniform and right.type.uniform
    exact = [f"CAST({value.text} AS {value.type.duckdb})" for value in (left, right)]
    if operator == "/":
        text = f"pg_numeric_divide({exact[0]}, {scales[0]}, {exact[1]}, {scales[1]})"
        return Value(text, numeric(QUOTIENT_SCALE, uniform=False))
    if operator == "*":
        if sum(scales) > 38:
            raise CastError(
                f"found a product with {sum(scales)} digits behind the point, expected at most 38",
                "round a factor first: round(x, 6)",
            )
        return Value(f"({exact[0]} * {exact[1]})", numeric(sum(scales), uniform=uniform))
    kind = numeric(max(scales), uniform=uniform)
    exact = [f"CAST({value.text} AS {kind.duckdb})" for value in (left, right)]
    return Value(f"({exact[0]} {operator} {exact[1]})", kind)


def time_arithmetic(left: Value, right: Value, operator: str) -> Value | None:
    """Arithmetic with times, dates and intervals; None where neither operand is one."""
    bases = (left.base, right.base)
    times = (Base.DATE, Base.TIMESTAMP, Base.TIMESTAMPTZ)
    if not any(base in (*times, Base.INTERVAL) for base in bases):
        return None
    if operator == "+" and left.base not in times:
        left, right = right, left
    if right.base is Base.UNKNOWN and left.base in times:
        right = widened(right, left.type if operator == "-" else INTERVAL)
    if left.base is Base.UNKNOWN and right.base in times:
        left = widened(left, right.type)
    if operator in "+-" and left.base in times and right.base is Base.INTERVAL:
        kind = TIMESTAMP if left.base is Base.DATE else left.type
        return Value(f"({left.text} {operator} {right.text})", kind)
    if operator in "+-" and left.base is Base.DATE and right.base is Base.INT4:
        return Value(f"({left.text} {operator} {right.text})", DATE)
    if operator == "-" and left.base is Base.DATE and right.base is Base.DATE:
        return Value(f"CAST(({left.text} - {right.text}) AS INTEGER)", INT4)
    if operator == "-" and left.base in times and right.base in times:
        kind = TIMESTAMPTZ if Base.TIMESTAMPTZ in (left.base, right.base) else TIMESTAMP
        return Value(f"({widened(left, kind).text} - {widened(right, kind).text})", INTERVAL)
    if operator in "+-" and left.base is Base.INTERVAL and right.base in (Base.INTERVAL, Base.UNKNOWN):
        return Value(f"({left.text} {operator} {widened(right, INTERVAL).text})", INTERVAL)
    raise CastError(f"found {left.type} {operator} {right.type}", "there is no such operator: CAST an operand")
