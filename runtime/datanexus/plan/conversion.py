"""How values change their type: SQL's names of types, casts a person may write, conversions that come by themselves."""

from decimal import Decimal

from datanexus.plan.expression import Cast, Constant, Expression, Literal
from datanexus.plan.functions import DIGITS_MAX, UNBOUNDED_SCALE, common_decimal, integer_decimal, widens
from datanexus.plan.literals import INT32_MAX, INT64_MAX, LiteralError, read_value
from datanexus_spec.datatype import (
    BOOL,
    DATE,
    FLOAT64,
    INT32,
    INT64,
    INTERVAL,
    JSON,
    LOCAL_TIMESTAMP,
    NULL,
    STRING,
    TIMESTAMP,
    DataType,
    Kind,
    decimal,
)

UNBOUNDED = decimal(DIGITS_MAX, UNBOUNDED_SCALE)  # numeric without parameters, from a float or a text
SQL_TYPES: dict[str, DataType] = {  # the parser's name of a type → ours
    "BOOLEAN": BOOL,
    "INT": INT32,
    "BIGINT": INT64,
    "DOUBLE": FLOAT64,
    "DECIMAL": UNBOUNDED,
    "TEXT": STRING,
    "VARCHAR": STRING,
    "TIMESTAMPTZ": TIMESTAMP,
    "TIMESTAMP": LOCAL_TIMESTAMP,
    "DATE": DATE,
    "JSON": JSON,
    "INTERVAL": INTERVAL,
}
TYPE_NAMES = (
    "boolean, int, bigint, double precision, numeric(p, s), text, timestamptz, timestamp, date, json or interval"
)

_NUMBERS = frozenset((Kind.INT32, Kind.INT64, Kind.DECIMAL, Kind.FLOAT64))
_TIMES = frozenset((Kind.DATE, Kind.LOCAL_TIMESTAMP, Kind.TIMESTAMP))
_FROM_TEXT = _NUMBERS | _TIMES | {Kind.BOOL, Kind.JSON}
_TO_TEXT = _FROM_TEXT
_CASTS: dict[Kind, frozenset[Kind]] = {
    **dict.fromkeys(_NUMBERS, _NUMBERS | {Kind.STRING}),
    **dict.fromkeys(_TIMES, _TIMES | {Kind.STRING}),
    Kind.INT32: _NUMBERS | {Kind.STRING, Kind.BOOL},
    Kind.BOOL: frozenset((Kind.INT32, Kind.STRING)),
    Kind.STRING: _FROM_TEXT,
    Kind.JSON: frozenset((Kind.STRING,)),
}


def is_untyped(expression: Expression) -> bool:
    """Whether this is NULL or a quoted text that takes its type from where it stands."""
    return isinstance(expression, Literal) and expression.type.kind is Kind.NULL


def known_kind(expression: Expression) -> Kind | None:
    """The kind of an expression, None for an untyped literal."""
    return None if is_untyped(expression) else expression.type.kind


def may_cast(source: DataType, target: DataType) -> bool:
    """Whether CAST(source AS target) exists."""
    return source.kind is target.kind or target.kind in _CASTS.get(source.kind, frozenset())


def cast(expression: Expression, target: DataType) -> Expression:
    """The expression in the target type; constants are converted here. LiteralError when a constant does not fit."""
    if expression.type == target:
        return expression
    if isinstance(expression, Literal):
        folded = _fold(expression, target)
        if folded is not None:
            return folded
    return Cast(expression, target)


def decimal_target(source: Expression, target: DataType) -> DataType:
    """What `numeric` without parameters means for this source: integers and decimals keep their own digits."""
    if target != UNBOUNDED or not source.type.is_numeric or source.type.kind is Kind.FLOAT64:
        return target
    return integer_decimal(source.type)


def common_type(types: list[DataType]) -> DataType | None:
    """The type CASE, COALESCE and IN give their parts, NULL when all are untyped; None when they do not go together."""
    known = [data_type for data_type in types if data_type.kind is not Kind.NULL]
    if not known:
        return NULL
    if all(data_type.is_integer or data_type.kind is Kind.DECIMAL for data_type in known) and any(
        data_type.kind is Kind.DECIMAL for data_type in known
    ):
        return common_decimal(known)
    widest = known[0]
    for data_type in known[1:]:
        if widens(data_type.kind, widest.kind):
            continue
        if not widens(widest.kind, data_type.kind):
            return None
        widest = data_type
    return widest


def number_literal(text: str) -> Literal:
    """A numeric constant: int32, int64, else a decimal of the digits written. LiteralError past 38 digits."""
    if text.isdigit():
        value = int(text)
        if value <= INT32_MAX:
            return Literal(value, INT32)
        if value <= INT64_MAX:
            return Literal(value, INT64)
    _, digits, exponent = Decimal(text).as_tuple()
    assert isinstance(exponent, int)
    scale = max(-exponent, 0)
    precision = max(len(digits) + max(exponent, 0), scale)
    if precision > DIGITS_MAX or scale > DIGITS_MAX:
        raise LiteralError("OutOfRange", f"{text} has more than {DIGITS_MAX} digits")
    data_type = decimal(precision, scale)
    return Literal(read_value(text, data_type), data_type)


def negated(literal: Literal) -> Literal | None:
    """The constant with its sign turned, typed as PostgreSQL types `-literal`; None for what is no number."""
    match literal.value, literal.type.kind:
        case int(value), Kind.INT32 | Kind.INT64 if value >= 0:
            return Literal(-value, literal.type)
        case float(value), Kind.FLOAT64:
            return Literal(-value, literal.type)
        case str(value), Kind.DECIMAL:
            text = value[1:] if value.startswith("-") else f"-{value}"
            return Literal(read_value(text, literal.type), literal.type)
        case _:
            return None


def instants(expression: Expression) -> Expression:
    """The expression with a time without zone read in UTC, so that none leaves the expression."""
    return cast(expression, TIMESTAMP) if expression.type.kind is Kind.LOCAL_TIMESTAMP else expression


def _fold(literal: Literal, target: DataType) -> Literal | None:
    value: Constant = literal.value
    kind = literal.type.kind
    if value is None:
        return Literal(None, target)
    if kind in (Kind.NULL, Kind.STRING):
        # JSON is checked where it runs: its grammar is the decoder's.
        return None if target.kind is Kind.JSON else Literal(read_value(str(value), target), target)
    if kind in _NUMBERS and target.kind in _NUMBERS and kind is not Kind.FLOAT64:
        if target.kind in (Kind.INT32, Kind.INT64) and kind is Kind.DECIMAL:
            return None
        return Literal(read_value(str(value), target), target)
    if kind in _TIMES and target.kind in _TIMES:
        return _fold_time(literal, target)
    return None


def _fold_time(literal: Literal, target: DataType) -> Literal | None:
    assert isinstance(literal.value, int)
    if literal.type.kind is Kind.DATE:
        return Literal(literal.value * 86_400_000_000, target)
    if target.kind is Kind.DATE:
        return Literal(literal.value // 86_400_000_000, target)
    return Literal(literal.value, target)
