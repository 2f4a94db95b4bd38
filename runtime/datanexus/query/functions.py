"""The scalar functions of queries: what they take, what they give, how DuckDB says it. A closed table.

What is not here is refused, as DuckDB's answer could differ from PostgreSQL's.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from datanexus.query.sqltype import (
    BOOL,
    DATE,
    FLOAT8,
    INT4,
    INT8,
    QUOTIENT_SCALE,
    TEXT,
    TIMESTAMP,
    TIMESTAMPTZ,
    Base,
    SqlType,
    numeric,
)
from datanexus.query.value import CastError, Value, widened

Emit = Callable[[Sequence[Value]], Value]


@dataclass(frozen=True, slots=True)
class Overload:
    """Types taken (a numeric takes any scale) and how a call is written. Earlier ones are preferred."""

    parameters: tuple[SqlType, ...]
    emit: Emit


NUMERIC_ANY = numeric(0)
_TRUNCATION = ["microsecond", "milliseconds", "second", "minute", "hour", "day", "week", "month", "quarter", "year"]
_WITHIN_DAY = ("microsecond", "millisecond", "second", "minute", "hour")
_NUMERIC_ELSEWHERE = ("sqrt", "exp", "ln", "log", "log10", "power", "pow")
_EXTRACT_WHOLE = {
    "year": "year",
    "month": "month",
    "day": "day",
    "hour": "hour",
    "minute": "minute",
    "dow": "dow",
    "isodow": "isodow",
    "doy": "doy",
    "week": "week",
    "quarter": "quarter",
    "isoyear": "isoyear",
}


def call(name: str, arguments: Sequence[Value]) -> Value:
    """A call of a function of the table. Raises: CastError when no overload takes these arguments."""
    if name in _NUMERIC_ELSEWHERE and any(argument.base is Base.NUMERIC for argument in arguments):
        raise CastError(
            f"found {name} of a numeric, whose digits PostgreSQL computes in its own way", "CAST to double precision"
        )
    for overload in FUNCTIONS[name]:
        taken = _taken(overload, arguments)
        if taken is not None:
            given = overload.emit(taken)
            return Value(given.text, given.type, name=name)
    kinds = ", ".join(str(argument.type) for argument in arguments)
    raise CastError(f"found {name}({kinds})", f"{name} takes " + " or ".join(_shown(name)))


def _shown(name: str) -> list[str]:
    return [f"({', '.join(str(part) for part in overload.parameters)})" for overload in FUNCTIONS[name]]


def _taken(overload: Overload, arguments: Sequence[Value]) -> list[Value] | None:
    if len(overload.parameters) != len(arguments):
        return None
    taken = []
    for argument, parameter in zip(arguments, overload.parameters, strict=True):
        if parameter.base is Base.NUMERIC and argument.base is Base.NUMERIC:
            taken.append(argument)
            continue
        try:
            taken.append(widened(argument, parameter))
        except CastError:
            return None
    return taken


def _as(template: str, result: SqlType) -> Emit:
    """Write a call by a template with {0}, {1}, …; every argument is in brackets or behind a comma already."""
    return lambda given: Value(template.format(*(value.text for value in given)), result)


def _numeric(template: str, scale: Callable[[int], int], *, uniform: bool | None = None) -> Emit:
    """A call on one numeric whose scale follows from the argument's."""

    def emit(given: Sequence[Value]) -> Value:
        kind = given[0].type
        result = numeric(scale(kind.scale), uniform=kind.uniform if uniform is None else uniform)
        exact = f"CAST({given[0].text} AS {kind.duckdb})"
        return Value(f"CAST({template.format(exact)} AS {result.duckdb})", result)

    return emit


def rounded(given: Value, digits: int) -> Value:
    """round(numeric, n): halves away from zero."""
    kind = given.type
    scale = max(digits, 0)
    result = numeric(min(scale, max(QUOTIENT_SCALE, kind.scale)))
    exact = f"CAST({given.text} AS {kind.duckdb})"
    text = exact if digits >= kind.scale else f"round({exact}, {digits})"
    return Value(f"CAST({text} AS {result.duckdb})", result, name="round")


def truncated(unit: str, given: Value, zone: str | None) -> Value:
    """date_trunc(unit, time[, zone])."""
    word = unit.lower().rstrip("s")
    if word not in [part.rstrip("s") for part in _TRUNCATION]:
        raise CastError(f"found the unit '{unit}'", f"one of {', '.join(_TRUNCATION)}")
    if given.base is Base.TIMESTAMP:
        if zone is not None:
            raise CastError("found a time without zone and a zone", "cast the time to timestamptz")
        return Value(f"CAST(date_trunc('{word}', {given.text}) AS TIMESTAMP)", TIMESTAMP, name="date_trunc")
    instant, zone = widened(given, TIMESTAMPTZ).text, zone or "'UTC'"
    local = f"timezone({zone}, {instant})"
    cut = f"CAST(date_trunc('{word}', {local}) AS TIMESTAMP)"
    # Below a day the instant keeps its offset: a local time that comes twice would lose it on the way back.
    text = f"({instant} - ({local} - {cut}))" if word in _WITHIN_DAY else f"timezone({zone}, {cut})"
    return Value(text, TIMESTAMPTZ, name="date_trunc")


def extracted(part: str, given: Value) -> Value:
    """extract(part FROM time): numeric."""
    word = part.lower()
    if given.base is Base.UNKNOWN or given.base is Base.INTERVAL:
        if given.base is Base.INTERVAL and word == "epoch":
            return _micros(f"epoch_us({given.text})", 6)
        raise CastError(f"found extract({word} FROM {given.type})", "extract from a time, or epoch from an interval")
    if given.base not in (Base.DATE, Base.TIMESTAMP, Base.TIMESTAMPTZ):
        raise CastError(f"found extract({word} FROM {given.type})", "extract from a time")
    local = given.text if given.base is not Base.TIMESTAMPTZ else f"timezone('UTC', {given.text})"
    if given.base is Base.DATE and word in ("hour", "minute", "second", "milliseconds", "microseconds"):
        raise CastError(f"found extract({word} FROM date)", "a date has no time of day")
    micros = f"epoch_us(CAST({local} AS TIMESTAMP))"
    in_minute = f"((({micros}) % 60000000 + 60000000) % 60000000)"
    if word == "epoch":
        if given.base is Base.DATE:
            return Value(f"CAST({micros} // 1000000 AS {numeric(0).duckdb})", numeric(0), name="extract")
        return _micros(micros, 6)
    if word in ("second", "milliseconds", "microseconds"):
        return _micros(in_minute, {"second": 6, "milliseconds": 3, "microseconds": 0}[word])
    if word not in _EXTRACT_WHOLE:
        raise CastError(f"found the part '{part}'", f"one of {', '.join([*_EXTRACT_WHOLE, 'second', 'epoch'])}")
    return Value(
        f"CAST(date_part('{_EXTRACT_WHOLE[word]}', {local}) AS {numeric(0).duckdb})", numeric(0), name="extract"
    )


def _micros(text: str, scale: int) -> Value:
    """A count of microseconds as a numeric with so many of its digits behind the point."""
    kind = numeric(scale)
    unit = "1" if scale == 0 else "0." + "0" * (scale - 1) + "1"
    return Value(f"(CAST({text} AS DECIMAL(38,0)) * CAST('{unit}' AS {kind.duckdb}))", kind, name="extract")


def at_time_zone(given: Value, zone: str) -> Value:
    """AT TIME ZONE: a time without zone from one with, or the other way round. `zone`: DuckDB's text of its name."""
    if given.base is Base.TIMESTAMP:
        return Value(f"timezone({zone}, {given.text})", TIMESTAMPTZ, name="timezone")
    return Value(f"timezone({zone}, {widened(given, TIMESTAMPTZ).text})", TIMESTAMP, name="timezone")


def _only_float(template: str) -> tuple[Overload, ...]:
    """A function whose numeric form PostgreSQL computes with digits DuckDB does not have."""
    return (
        Overload((INT8,), _as(template.format("CAST({0} AS DOUBLE)"), FLOAT8)),
        Overload((FLOAT8,), _as(template, FLOAT8)),
    )


def _whole(name: str, exact: str) -> tuple[Overload, ...]:
    return (
        Overload((INT8,), _as("CAST({0} AS DOUBLE)", FLOAT8)),
        Overload((NUMERIC_ANY,), _numeric(exact, lambda _: 0, uniform=True)),
        Overload((FLOAT8,), _as(f"{name}({{0}})", FLOAT8)),
    )


FUNCTIONS: Mapping[str, tuple[Overload, ...]] = {
    "abs": (
        Overload((INT4,), _as("abs({0})", INT4)),
        Overload((INT8,), _as("abs({0})", INT8)),
        Overload((NUMERIC_ANY,), _numeric("abs({0})", lambda scale: scale)),
        Overload((FLOAT8,), _as("abs({0})", FLOAT8)),
    ),
    "ceil": _whole("ceil", "ceil({0})"),
    "ceiling": _whole("ceil", "ceil({0})"),
    "floor": _whole("floor", "floor({0})"),
    "trunc": _whole("trunc", "trunc({0})"),
    "round": (
        Overload((INT8,), _as("CAST({0} AS DOUBLE)", FLOAT8)),
        Overload((NUMERIC_ANY,), _numeric("round({0}, 0)", lambda _: 0, uniform=True)),
        Overload((FLOAT8,), _as("round_even({0}, 0)", FLOAT8)),
    ),
    "sign": (
        Overload((INT8,), _as("CAST(sign({0}) AS DOUBLE)", FLOAT8)),
        Overload((NUMERIC_ANY,), _numeric("sign({0})", lambda _: 0, uniform=True)),
        Overload((FLOAT8,), _as("CAST(sign({0}) AS DOUBLE)", FLOAT8)),
    ),
    "sqrt": _only_float("pg_sqrt({0})"),
    "exp": _only_float("pg_exp({0})"),
    "ln": _only_float("pg_ln({0})"),
    "log": _only_float("pg_log10({0})"),
    "log10": _only_float("pg_log10({0})"),
    "power": (Overload((FLOAT8, FLOAT8), _as("pg_power({0}, {1})", FLOAT8)),),
    "pow": (Overload((FLOAT8, FLOAT8), _as("pg_power({0}, {1})", FLOAT8)),),
    "length": (Overload((TEXT,), _as("CAST(length({0}) AS INTEGER)", INT4)),),
    "char_length": (Overload((TEXT,), _as("CAST(length({0}) AS INTEGER)", INT4)),),
    "character_length": (Overload((TEXT,), _as("CAST(length({0}) AS INTEGER)", INT4)),),
    "octet_length": (Overload((TEXT,), _as("CAST(strlen({0}) AS INTEGER)", INT4)),),
    "lower": (Overload((TEXT,), _as("lower({0})", TEXT)),),
    "upper": (Overload((TEXT,), _as("pg_upper({0})", TEXT)),),
    "btrim": (
        Overload((TEXT,), _as("trim({0}, ' ')", TEXT)),
        Overload((TEXT, TEXT), _as("trim({0}, {1})", TEXT)),
    ),
    "ltrim": (
        Overload((TEXT,), _as("ltrim({0}, ' ')", TEXT)),
        Overload((TEXT, TEXT), _as("ltrim({0}, {1})", TEXT)),
    ),
    "rtrim": (
        Overload((TEXT,), _as("rtrim({0}, ' ')", TEXT)),
        Overload((TEXT, TEXT), _as("rtrim({0}, {1})", TEXT)),
    ),
    "substring": (
        Overload((TEXT, INT4), _as("pg_substring_from({0}, {1})", TEXT)),
        Overload((TEXT, INT4, INT4), _as("pg_substring({0}, CAST({1} AS BIGINT), CAST({2} AS BIGINT))", TEXT)),
    ),
    "left": (Overload((TEXT, INT4), _as("left({0}, {1})", TEXT)),),
    "right": (Overload((TEXT, INT4), _as("right({0}, {1})", TEXT)),),
    "lpad": (
        Overload((TEXT, INT4), _as("pg_lpad({0}, {1}, ' ')", TEXT)),
        Overload((TEXT, INT4, TEXT), _as("pg_lpad({0}, {1}, {2})", TEXT)),
    ),
    "rpad": (
        Overload((TEXT, INT4), _as("pg_rpad({0}, {1}, ' ')", TEXT)),
        Overload((TEXT, INT4, TEXT), _as("pg_rpad({0}, {1}, {2})", TEXT)),
    ),
    "replace": (Overload((TEXT, TEXT, TEXT), _as("replace({0}, {1}, {2})", TEXT)),),
    "translate": (Overload((TEXT, TEXT, TEXT), _as("translate({0}, {1}, {2})", TEXT)),),
    "strpos": (Overload((TEXT, TEXT), _as("CAST(strpos({0}, {1}) AS INTEGER)", INT4)),),
    "split_part": (Overload((TEXT, TEXT, INT4), _as("pg_split_part({0}, {1}, {2})", TEXT)),),
    "repeat": (Overload((TEXT, INT4), _as("repeat({0}, greatest({1}, 0))", TEXT)),),
    "starts_with": (Overload((TEXT, TEXT), _as("starts_with({0}, {1})", BOOL)),),
    "ascii": (Overload((TEXT,), _as("ascii({0})", INT4)),),
    "chr": (Overload((INT4,), _as("pg_chr({0})", TEXT)),),
    "md5": (Overload((TEXT,), _as("md5({0})", TEXT)),),
    "now": (Overload((), _as("now()", TIMESTAMPTZ)),),
    "to_timestamp": (Overload((FLOAT8,), _as("to_timestamp({0})", TIMESTAMPTZ)),),
    "make_date": (Overload((INT4, INT4, INT4), _as("make_date({0}, {1}, {2})", DATE)),),
}
ALIASES = {"substr": "substring", "trim": "btrim"}
SPECIAL = (
    "coalesce",
    "concat",
    "concat_ws",
    "date_part",
    "date_trunc",
    "greatest",
    "least",
    "mod",
    "nullif",
    "regexp_replace",
    "timezone",
)
