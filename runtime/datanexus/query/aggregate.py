"""Aggregate and window functions of queries: types as in PostgreSQL, text for DuckDB. A closed table."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from datanexus.query.sqltype import (
    BOOL,
    FLOAT8,
    INT4,
    INT8,
    QUOTIENT_SCALE,
    TEXT,
    Base,
    SqlType,
    numeric,
)
from datanexus.query.value import CastError, Value, resolved, widened


@dataclass(frozen=True, slots=True)
class Modifiers:
    """What stands besides the arguments, translated: `DISTINCT `, ` ORDER BY …`, ` FILTER (…)`, ` OVER (…)`."""

    distinct: str = ""
    order: str = ""
    filter: str = ""
    over: str = ""

    def apply(self, function: str, arguments: str) -> str:
        return f"{function}({self.distinct}{arguments}{self.order}){self.filter}{self.over}"


Emit = Callable[[Sequence[Value], Modifiers], Value]

_ORDERED = (Base.INT4, Base.INT8, Base.NUMERIC, Base.FLOAT8, Base.TEXT, Base.DATE, Base.TIMESTAMP, Base.TIMESTAMPTZ)


def _count(given: Sequence[Value], modifiers: Modifiers) -> Value:
    return Value(modifiers.apply("count", resolved(_one("count", given)).text), INT8)


def _extreme(function: str) -> Emit:
    def emit(given: Sequence[Value], modifiers: Modifiers) -> Value:
        value = resolved(_one(function, given))
        if value.base not in (*_ORDERED, Base.INTERVAL):
            raise CastError(f"found {function}({value.type})", "bool_and and bool_or are for booleans")
        return Value(modifiers.apply(function, value.text), value.type)

    return emit


def _sum(given: Sequence[Value], modifiers: Modifiers) -> Value:
    value = _one("sum", given)
    if value.base is Base.INT4:
        return Value(f"CAST({modifiers.apply('sum', value.text)} AS BIGINT)", INT8)
    if value.base is Base.INT8:
        return Value(f"CAST({modifiers.apply('sum', value.text)} AS DECIMAL(38,0))", numeric(0))
    if value.base is Base.NUMERIC:
        text = modifiers.apply("sum", f"CAST({value.text} AS {value.type.duckdb})")
        return Value(f"CAST({text} AS {value.type.duckdb})", value.type)
    if value.base is Base.FLOAT8:
        return Value(modifiers.apply("sum", value.text), FLOAT8)
    raise CastError(f"found sum({value.type})", "sum takes numbers")


def _avg(given: Sequence[Value], modifiers: Modifiers) -> Value:
    value = _one("avg", given)
    if value.base is Base.FLOAT8:
        return Value(modifiers.apply("avg", value.text), FLOAT8)
    if value.base not in (Base.INT4, Base.INT8, Base.NUMERIC):
        raise CastError(f"found avg({value.type})", "avg takes numbers")
    exact = value if value.base is Base.NUMERIC else widened(value, numeric(0))
    total = f"CAST({modifiers.apply('sum', f'CAST({exact.text} AS {exact.type.duckdb})')} AS {exact.type.duckdb})"
    count = f"CAST({modifiers.apply('count', exact.text)} AS DECIMAL(38,0))"
    # Of no rows: sum is NULL and so is the quotient, whatever the count.
    text = f"pg_numeric_divide({total}, {exact.type.scale}, nullif({count}, 0), 0)"
    return Value(text, numeric(QUOTIENT_SCALE, uniform=False))


def _boolean(function: str) -> Emit:
    return lambda given, modifiers: Value(modifiers.apply(function, widened(_one(function, given), BOOL).text), BOOL)


def _spread(function: str) -> Emit:
    def emit(given: Sequence[Value], modifiers: Modifiers) -> Value:
        value = _one(function, given)
        if value.base is not Base.FLOAT8:
            raise CastError(f"found {function}({value.type})", f"write {function}(x::double precision)")
        return Value(modifiers.apply(function, value.text), FLOAT8)

    return emit


def _string_agg(given: Sequence[Value], modifiers: Modifiers) -> Value:
    if len(given) != 2:
        raise CastError("found string_agg without a separator", "string_agg takes a text and a separator")
    if given[1].literal is None:
        raise CastError("found a separator that is no constant", "write a quoted text")
    texts = [widened(value, TEXT).text for value in given]
    return Value(modifiers.apply("string_agg", ", ".join(texts)), TEXT)


AGGREGATES: Mapping[str, Emit] = {
    "count": _count,
    "min": _extreme("min"),
    "max": _extreme("max"),
    "sum": _sum,
    "avg": _avg,
    "bool_and": _boolean("bool_and"),
    "bool_or": _boolean("bool_or"),
    "every": _boolean("bool_and"),
    "stddev": _spread("stddev_samp"),
    "stddev_samp": _spread("stddev_samp"),
    "stddev_pop": _spread("stddev_pop"),
    "variance": _spread("var_samp"),
    "var_samp": _spread("var_samp"),
    "var_pop": _spread("var_pop"),
    "string_agg": _string_agg,
}


def _ranking(function: str, result: SqlType) -> Emit:
    def emit(given: Sequence[Value], modifiers: Modifiers) -> Value:
        if given:
            raise CastError(f"found {function} with arguments", "it takes none")
        return Value(f"CAST({modifiers.apply(function, '')} AS {result.duckdb})", result)

    return emit


def _tiles(given: Sequence[Value], modifiers: Modifiers) -> Value:
    buckets = widened(_one("ntile", given), INT4)
    return Value(f"CAST({modifiers.apply('ntile', buckets.text)} AS INTEGER)", INT4)


def _neighbour(function: str) -> Emit:
    def emit(given: Sequence[Value], modifiers: Modifiers) -> Value:
        if not 1 <= len(given) <= 3:
            raise CastError(f"found {function} of {len(given)} arguments", f"{function}(value, offset, default)")
        value = resolved(given[0])
        texts = [value.text]
        if len(given) > 1:
            texts.append(widened(given[1], INT4).text)
        if len(given) > 2:
            texts.append(widened(given[2], value.type).text)
        return Value(modifiers.apply(function, ", ".join(texts)), value.type)

    return emit


def _edge(function: str) -> Emit:
    def emit(given: Sequence[Value], modifiers: Modifiers) -> Value:
        value = resolved(_one(function, given))
        return Value(modifiers.apply(function, value.text), value.type)

    return emit


WINDOW_FUNCTIONS: Mapping[str, Emit] = {
    "row_number": _ranking("row_number", INT8),
    "rank": _ranking("rank", INT8),
    "dense_rank": _ranking("dense_rank", INT8),
    "percent_rank": _ranking("percent_rank", FLOAT8),
    "cume_dist": _ranking("cume_dist", FLOAT8),
    "ntile": _tiles,
    "lag": _neighbour("lag"),
    "lead": _neighbour("lead"),
    "first_value": _edge("first_value"),
    "last_value": _edge("last_value"),
}


def percentile(name: str, fraction: str, value: Value, *, descending: bool, filtered: str) -> Value:
    """percentile_cont and percentile_disc WITHIN GROUP (ORDER BY value)."""
    if not 0 <= float(fraction) <= 1:
        raise CastError(f"found the fraction {fraction}", "a number from 0 to 1")
    direction = " DESC" if descending else ""
    value = resolved(value)
    if name == "percentile_cont":
        value = widened(value, FLOAT8)
    elif value.base not in _ORDERED:
        raise CastError(f"found {name} over {value.type}", "a type with an order")
    text = f"{name}({fraction}) WITHIN GROUP (ORDER BY {value.text}{direction}){filtered}"
    return Value(text, value.type)


def _one(function: str, given: Sequence[Value]) -> Value:
    if len(given) != 1:
        raise CastError(f"found {function} of {len(given)} arguments", "one argument")
    return given[0]
