"""Translated values and how they change type: by themselves, as PostgreSQL lets them, or by a cast. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from datanexus.plan.literals import LiteralError, read_bool, read_date, read_float, read_interval, read_timestamp
from datanexus.query.sqltype import (
    DIGITS_MAX,
    FLOAT8,
    INT4,
    INT8,
    INTEGERS,
    NUMBERS,
    TEXT,
    TIMES,
    UNKNOWN,
    Base,
    SqlType,
    numeric,
)

INT4_MAX = 2**31 - 1
INT8_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Value:
    """DuckDB's text of an expression and its type. `literal`: the content of a quoted text that has no type yet.
    `name`: what PostgreSQL calls the column when it is selected without a name."""

    text: str
    type: SqlType
    literal: str | None = None
    name: str = "?column?"

    @property
    def base(self) -> Base:
        return self.type.base


class CastError(Exception):
    """A conversion that does not exist, or a constant that does not fit; the message goes into the query's error."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def quoted(text: str) -> str:
    """A text constant."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A quoted name."""
    return '"' + name.replace('"', '""') + '"'


def null_value() -> Value:
    return Value("NULL", UNKNOWN)


def text_literal(content: str) -> Value:
    """A quoted text before it gets a type."""
    return Value(quoted(content), UNKNOWN, literal=content)


def number_literal(digits: str, *, negative: bool = False) -> Value:
    """A numeric constant: integer, bigint, else numeric with the digits written."""
    sign = "-" if negative else ""
    number = Decimal(sign + digits)
    if digits.isdigit() and abs(number) <= INT8_MAX:
        kind = INT4 if abs(number) <= INT4_MAX else INT8
        return Value(f"CAST({sign}{digits} AS {kind.duckdb})", kind)
    return decimal_literal(number)


def decimal_literal(number: Decimal) -> Value:
    """A numeric constant; CastError past 38 digits."""
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)
    kind = numeric(max(-exponent, 0))
    if kind.scale > DIGITS_MAX or number.adjusted() + 1 > DIGITS_MAX - kind.scale:
        raise CastError(
            f"found {number}, expected a number of at most {DIGITS_MAX} digits", "write it as double precision"
        )
    return Value(f"CAST('{number:f}' AS {kind.duckdb})", kind)


def resolved(value: Value) -> Value:
    """The value as it leaves a query: a literal without a type is text."""
    return widened(value, TEXT) if value.base is Base.UNKNOWN else value


def widened(value: Value, target: SqlType) -> Value:
    """The value in a type it takes by itself. Raises: CastError when it does not."""
    if value.base is Base.UNKNOWN:
        return _typed_literal(value, target)
    if target.base is Base.NUMERIC and value.base in (*INTEGERS, Base.NUMERIC):
        if value.base is Base.NUMERIC and value.type.scale > target.scale:
            raise CastError(f"found {value.type} with {value.type.scale} digits behind the point")
        return Value(f"CAST({value.text} AS {target.duckdb})", target, name=value.name)
    if value.base is target.base:
        return value
    for family in (NUMBERS, TIMES):
        if value.base in family and target.base in family and family.index(value.base) < family.index(target.base):
            return Value(_number_cast(value, target), target, name=value.name)
    raise CastError(f"found {value.type}, expected {target}", f"CAST it AS {target}")


def cast(value: Value, target: SqlType, *, digits: int | None = None) -> Value:
    """CAST(value AS target). `digits`: the precision of numeric(precision, scale); None for a bare numeric.

    Raises: CastError when there is no such cast, or its result could differ from PostgreSQL's.
    """
    if value.base is Base.UNKNOWN:
        given = _typed_literal(value, target if digits is None else numeric(-1))
        return given if digits is None else cast(given, target, digits=digits)
    if target.base is Base.NUMERIC:
        return _cast_to_numeric(value, target, digits)
    if value.base is target.base:
        return value
    rule = _CASTS.get((value.base, target.base))
    if rule is None:
        raise CastError(f"found a cast of {value.type} to {target}, which does not exist here")
    return Value(rule(value), target, name=value.name)


def _cast_to_numeric(value: Value, target: SqlType, digits: int | None) -> Value:
    if digits is None:
        if value.base in INTEGERS:
            return widened(value, numeric(0))
        if value.base is Base.NUMERIC:
            return value
        raise CastError(
            f"found a cast of {value.type} to numeric without digits", "say how many: numeric(PRECISION, SCALE)"
        )
    text = value.text
    if value.base is Base.FLOAT8:
        text = f"format('{{:.15g}}', {text})"  # PostgreSQL takes 15 significant digits
    elif value.base is Base.TEXT:
        text = f"pg_text_number({text})"
    elif value.base not in (*INTEGERS, Base.NUMERIC):
        raise CastError(f"found a cast of {value.type} to numeric, which does not exist")
    return Value(f"CAST({text} AS DECIMAL({digits},{target.scale}))", target, name=value.name)


def _typed_literal(value: Value, target: SqlType) -> Value:
    """A literal without a type, read as a type. NULL becomes a typed NULL."""
    content = value.literal
    if content is None:
        if target.base is Base.NUMERIC and target.scale < 0:
            target = numeric(0)
        return value if target.base is Base.UNKNOWN else Value(f"CAST(NULL AS {target.duckdb})", target)
    if target.base is Base.UNKNOWN:
        return value
    try:
        return _LITERALS[target.base](content)
    except (LiteralError, KeyError) as error:
        detail = str(error) if isinstance(error, LiteralError) else f"a quoted text cannot be {target}"
        raise CastError(f"found {quoted(content)}, expected {target}: {detail}") from None


def _int_literal(content: str, kind: SqlType, largest: int) -> Value:
    stripped = content.strip(" \t\n\r\f\v")
    digits = stripped.lstrip("+-")
    if not (digits.isascii() and digits.isdigit()) or len(stripped) - len(digits) > 1:
        raise LiteralError("InvalidCast", f'"{content}" cannot be read as {kind}')
    number = int(stripped)
    if not -largest - 1 <= number <= largest:
        raise LiteralError("OutOfRange", f'"{content}" is out of range')
    return Value(f"CAST({quoted(str(number))} AS {kind.duckdb})", kind)


def _numeric_literal(content: str) -> Value:
    read_float(content)
    number = Decimal(content.strip(" \t\n\r\f\v"))
    if not number.is_finite():
        raise CastError(f"found {quoted(content)}, expected a finite number", "cast it to double precision")
    return decimal_literal(number)


def _interval_literal(content: str) -> Value:
    months, micros = read_interval(content)
    return Value(f"(to_months({months}) + to_microseconds({micros}))", SqlType(Base.INTERVAL))


def _time_literal(content: str, base: Base) -> Value:
    kind = SqlType(base)
    if base is Base.DATE:
        return Value(f"(DATE '1970-01-01' + {read_date(content)})", kind)
    zoned = base is Base.TIMESTAMPTZ
    instant = f"make_timestamp({read_timestamp(content, zoned=zoned)})"
    return Value(f"CAST({instant} AS TIMESTAMPTZ)" if zoned else instant, kind)


_LITERALS: dict[Base, Callable[[str], Value]] = {
    Base.TEXT: lambda content: Value(quoted(content), TEXT),
    Base.INT4: lambda content: _int_literal(content, INT4, INT4_MAX),
    Base.INT8: lambda content: _int_literal(content, INT8, INT8_MAX),
    Base.FLOAT8: lambda content: Value(f"CAST('{read_float(content)!r}' AS DOUBLE)", FLOAT8),
    Base.NUMERIC: _numeric_literal,
    Base.BOOL: lambda content: Value("true" if read_bool(content) else "false", SqlType(Base.BOOL)),
    Base.DATE: lambda content: _time_literal(content, Base.DATE),
    Base.TIMESTAMP: lambda content: _time_literal(content, Base.TIMESTAMP),
    Base.TIMESTAMPTZ: lambda content: _time_literal(content, Base.TIMESTAMPTZ),
    Base.INTERVAL: _interval_literal,
}


def _number_cast(value: Value, target: SqlType) -> str:
    if value.base is Base.NUMERIC and target.base is Base.FLOAT8:
        return f"CAST(CAST({value.text} AS VARCHAR) AS DOUBLE)"  # by the digits: correctly rounded
    return f"CAST({value.text} AS {target.duckdb})"


def _plain(target: Base) -> Callable[[Value], str]:
    name = SqlType(target).duckdb
    return lambda value: f"CAST({value.text} AS {name})"


def _numeric_text(value: Value) -> str:
    if not value.type.uniform:
        raise CastError(
            "found text of a numeric whose digits behind the point vary",
            "round it to some digits first: round(x, 2)::numeric(18, 2)",
        )
    return f"CAST(CAST({value.text} AS {value.type.duckdb}) AS VARCHAR)"


_CASTS: dict[tuple[Base, Base], Callable[[Value], str]] = {
    (Base.INT4, Base.INT8): _plain(Base.INT8),
    (Base.INT8, Base.INT4): _plain(Base.INT4),
    (Base.INT4, Base.FLOAT8): _plain(Base.FLOAT8),
    (Base.INT8, Base.FLOAT8): _plain(Base.FLOAT8),
    (Base.NUMERIC, Base.INT4): _plain(Base.INT4),
    (Base.NUMERIC, Base.INT8): _plain(Base.INT8),
    (Base.NUMERIC, Base.FLOAT8): lambda value: f"CAST(CAST({value.text} AS VARCHAR) AS DOUBLE)",
    (Base.FLOAT8, Base.INT4): _plain(Base.INT4),
    (Base.FLOAT8, Base.INT8): _plain(Base.INT8),
    (Base.INT4, Base.TEXT): _plain(Base.TEXT),
    (Base.INT8, Base.TEXT): _plain(Base.TEXT),
    (Base.NUMERIC, Base.TEXT): _numeric_text,
    (Base.FLOAT8, Base.TEXT): lambda value: f"pg_float_text({value.text})",
    (Base.BOOL, Base.TEXT): _plain(Base.TEXT),
    (Base.DATE, Base.TEXT): _plain(Base.TEXT),
    (Base.TIMESTAMP, Base.TEXT): _plain(Base.TEXT),
    (Base.TIMESTAMPTZ, Base.TEXT): _plain(Base.TEXT),
    (Base.BOOL, Base.INT4): _plain(Base.INT4),
    (Base.INT4, Base.BOOL): lambda value: f"({value.text} <> 0)",
    (Base.TEXT, Base.INT4): lambda value: f"CAST(pg_text_int({value.text}) AS INTEGER)",
    (Base.TEXT, Base.INT8): lambda value: f"CAST(pg_text_int({value.text}) AS BIGINT)",
    (Base.TEXT, Base.FLOAT8): lambda value: f"pg_text_float({value.text})",
    (Base.TEXT, Base.BOOL): lambda value: f"pg_text_bool({value.text})",
    (Base.DATE, Base.TIMESTAMP): _plain(Base.TIMESTAMP),
    (Base.DATE, Base.TIMESTAMPTZ): _plain(Base.TIMESTAMPTZ),
    (Base.TIMESTAMP, Base.DATE): _plain(Base.DATE),
    (Base.TIMESTAMP, Base.TIMESTAMPTZ): _plain(Base.TIMESTAMPTZ),
    (Base.TIMESTAMPTZ, Base.DATE): _plain(Base.DATE),
    (Base.TIMESTAMPTZ, Base.TIMESTAMP): _plain(Base.TIMESTAMP),
}
