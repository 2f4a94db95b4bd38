"""One value of one field, read strictly: the sole authority on what a field accepts, and in which words it refuses.

The kernels of `column_scan` and `time_scan` read the plain cases of the same rules over whole columns.

Rules:
- JSON is typed: a string is no number, 1.0 and 1e2 are no integers, nothing is turned into a string. A text of CSV or
  of a pattern is not typed: blanks around it are ignored unless it becomes a string or json, an empty one is NULL.
- A missing or NULL value is NULL in an optional field and refused in a required one. JSON null is NULL for every type,
  json included. A text listed in `nullIf` is NULL; it is compared with a string's content or a number's text.
- float64 is finite; a number that would become infinite, or zero without being zero, is out of range.
- decimal(p,s) rounds to s digits, ties away from zero, as PostgreSQL does.
- json takes the text of any JSON value as it stands.
"""

import math
import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from zoneinfo import ZoneInfo

from datanexus.engine.decode import json_scan as tag
from datanexus.engine.decode.json_text import judge_json
from datanexus.engine.decode.reason import Reason, Refusal, shown
from datanexus.engine.decode.time_pattern import (
    DAY_US,
    Moment,
    TimeFormat,
    instant_us,
    out_of_years,
    read_epoch,
    read_text,
    time_format,
)
from datanexus.plan.physical import FieldPlan
from datanexus_spec.datatype import Kind

# What a column stores: microseconds, days, unscaled decimals and truth as integers; strings and json as UTF-8.
Value = int | float | bytes | None

INTEGER_RANGES = {Kind.INT32: (-(2**31), 2**31 - 1), Kind.INT64: (-(2**63), 2**63 - 1)}
_BLANKS = " \t\r\n\v\f"
_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_TRUE = frozenset({"true", "t", "yes", "y", "on", "1"})
_FALSE = frozenset({"false", "f", "no", "n", "off", "0"})
_DIGITS_MAX = 1000  # of a number's text; more is out of range for every type
_EXACT = Context(prec=_DIGITS_MAX + 100)
_UNTYPED = (tag.TEXT, tag.QUOTED)
_EXPECTED = {
    Kind.BOOL: "true or false",
    Kind.INT32: "an integer between -2147483648 and 2147483647",
    Kind.INT64: "an integer between -9223372036854775808 and 9223372036854775807",
    Kind.FLOAT64: "a finite number",
    Kind.STRING: "a string",
    Kind.TIMESTAMP: "a time",
    Kind.DATE: "a date",
    Kind.JSON: "a JSON value",
}


@dataclass(frozen=True, slots=True)
class Token:
    """A raw value: `tag` as in `json_scan`; `text`: a string's content, else the raw text; `raw`: the raw JSON text."""

    tag: int
    text: str
    raw: str = ""


ABSENT = Token(tag.MISSING, "")


@dataclass(frozen=True, slots=True)
class FieldReader:
    """A field with its formats made ready. `required` holds for the event time too, whatever the field says."""

    plan: FieldPlan
    required: bool
    formats: tuple[TimeFormat, ...]
    zone: ZoneInfo


def field_reader(plan: FieldPlan, *, is_event_time: bool, zone: ZoneInfo) -> FieldReader:
    """Make a field ready. Raises: InvalidInput for a timestamp format that cannot be read."""
    is_time = plan.type.kind in (Kind.TIMESTAMP, Kind.DATE)
    formats = tuple(time_format(text) for text in (plan.formats or ("iso8601",))) if is_time else ()
    return FieldReader(plan, required=plan.required or is_event_time, formats=formats, zone=zone)


def read_value(reader: FieldReader, token: Token) -> Value | Refusal:
    """Read one value of a field."""
    plan = reader.plan
    if _is_null(plan, token):
        return _null(reader, token)
    result = _read_typed(reader, token)
    if not isinstance(result, Refusal):
        return result
    return Refusal(result.reason, f"field {plan.name}: {result.message}", plan.name, result.values or token.text)


def _is_null(plan: FieldPlan, token: Token) -> bool:
    if token.tag in (tag.MISSING, tag.NULL) or (token.tag == tag.TEXT and not token.text):
        return True
    return token.tag != tag.NESTED and token.text in plan.null_if


def _null(reader: FieldReader, token: Token) -> Refusal | None:
    if not reader.required:
        return None
    plan = reader.plan
    names = " or ".join(plan.origins)
    if token.tag == tag.MISSING:
        found, reason = f"found no {names}", Reason.MISSING_FIELD
    elif token.tag == tag.TEXT and not token.text:
        found, reason = f"found an empty {names}", Reason.MISSING_FIELD
    elif token.tag == tag.NULL:
        found, reason = "found null", Reason.NULL_FIELD
    else:
        found, reason = f"found {_found(token)}, which nullIf takes for NULL", Reason.NULL_FIELD
    return Refusal(reason, f"field {plan.name}: {found}, expected {_expected(reader)}", plan.name, token.text)


def _read_typed(reader: FieldReader, token: Token) -> Value | Refusal:
    match reader.plan.type.kind:
        case Kind.STRING:
            return token.text.encode() if token.tag in (tag.STRING, *_UNTYPED) else _wrong_type(reader, token)
        case Kind.JSON:
            return _json(reader, token)
        case Kind.BOOL:
            return _bool(reader, token)
        case Kind.INT32 | Kind.INT64:
            return _integer(reader, token)
        case Kind.FLOAT64:
            return _float(reader, token)
        case Kind.DECIMAL:
            return _decimal(reader, token)
        case Kind.TIMESTAMP | Kind.DATE:
            return _time(reader, token)
    raise AssertionError(f"no record field has the type {reader.plan.type}")


def _json(reader: FieldReader, token: Token) -> Value | Refusal:
    if token.tag not in _UNTYPED:
        return token.raw.encode()
    content = token.text.encode()
    refusal = judge_json(content)
    return content if refusal is None else _wrong_type(reader, token)


def _bool(reader: FieldReader, token: Token) -> Value | Refusal:
    if token.tag in (tag.TRUE, tag.FALSE):
        return int(token.tag == tag.TRUE)
    word = token.text.strip(_BLANKS).lower()
    if token.tag in _UNTYPED and (word in _TRUE or word in _FALSE):
        return int(word in _TRUE)
    return _wrong_type(reader, token)


def _integer(reader: FieldReader, token: Token) -> Value | Refusal:
    text = _number_text(token, _INTEGER, (tag.INTEGER,))
    if text is None:
        return _wrong_type(reader, token)
    low, high = INTEGER_RANGES[reader.plan.type.kind]
    if len(text) > _DIGITS_MAX or not low <= int(text) <= high:
        return _out_of_range(reader, token)
    return int(text)


def _float(reader: FieldReader, token: Token) -> Value | Refusal:
    text = _number_text(token, _NUMBER, (tag.INTEGER, tag.NUMBER))
    if text is None:
        return _wrong_type(reader, token)
    value = float(text)
    mantissa = re.split("[eE]", text)[0]
    if not math.isfinite(value) or (value == 0 and mantissa.strip("+-0.")):
        return _out_of_range(reader, token)
    return value


def _decimal(reader: FieldReader, token: Token) -> Value | Refusal:
    text = _number_text(token, _NUMBER, (tag.INTEGER, tag.NUMBER))
    if text is None:
        return _wrong_type(reader, token)
    kind = reader.plan.type
    unscaled = unscaled_decimal(text, kind.scale)
    if unscaled is None or abs(unscaled) >= 10**kind.precision:
        return _out_of_range(reader, token)
    return unscaled


def unscaled_decimal(text: str, scale: int) -> int | None:
    """A number times 10 to the scale, rounded with ties away from zero; None where it is beyond any decimal."""
    if len(text) > _DIGITS_MAX:
        return None
    number = Decimal(text)
    if not number.is_finite():
        return None
    if number == 0 or number.adjusted() < -scale - 1:
        return 0
    if number.adjusted() > 40:
        return None
    return int(number.scaleb(scale, _EXACT).to_integral_value(ROUND_HALF_UP))


def _time(reader: FieldReader, token: Token) -> Value | Refusal:
    is_number = token.tag in (tag.INTEGER, tag.NUMBER)
    if token.tag in (tag.INSTANT, tag.LOCAL_TIME, tag.DAYS):
        return _typed_time(reader, token)
    if not is_number and token.tag not in (tag.STRING, *_UNTYPED):
        return _wrong_type(reader, token)
    untyped = token.tag in _UNTYPED
    text = token.text.strip(_BLANKS) if untyped else token.text
    refusal: Refusal | None = None
    for time in reader.formats:
        if not untyped and time.is_epoch != is_number:
            continue
        read = read_epoch(time, text) if time.is_epoch else read_text(time, text)
        if isinstance(read, Moment):
            return _stored(reader, read, text)
        refusal = refusal or read
    found = f'"{shown(text)}"' if untyped else _found(token)
    return refusal or Refusal(Reason.INVALID_TIMESTAMP, f"found {found}, expected {_expected(reader)}", values=text)


def _typed_time(reader: FieldReader, token: Token) -> Value | Refusal:
    """A time or day of a typed column. A timestamp is no date: which day it is depends on a zone."""
    if reader.plan.type.kind is Kind.DATE and token.tag != tag.DAYS:
        return _wrong_type(reader, token)
    scale = DAY_US if token.tag == tag.DAYS else 1
    return _stored(reader, Moment(int(token.text) * scale, is_local=token.tag != tag.INSTANT), token.text)


def _stored(reader: FieldReader, read: Moment, text: str) -> Value | Refusal:
    """A timestamp is stored as its instant; a date as the day that was written, whatever its zone."""
    if reader.plan.type.kind is Kind.DATE:
        local_us = read.time_us + read.offset_us
        in_years = instant_us(Moment(local_us, is_local=False), reader.zone) is not None
        return local_us // DAY_US if in_years else out_of_years(text)
    time_us = instant_us(read, reader.zone)
    return out_of_years(text) if time_us is None else time_us


def _number_text(token: Token, grammar: re.Pattern[str], tags: tuple[int, ...]) -> str | None:
    """The number's text if the token can be one."""
    if token.tag in tags:
        return token.text
    text = token.text.strip(_BLANKS)
    return text if token.tag in _UNTYPED and grammar.fullmatch(text) else None


def _wrong_type(reader: FieldReader, token: Token) -> Refusal:
    return Refusal(Reason.WRONG_TYPE, f"found {_found(token)}, expected {_expected(reader)}")


def _out_of_range(reader: FieldReader, token: Token) -> Refusal:
    return Refusal(Reason.OUT_OF_RANGE, f"found {_found(token)}, expected {_expected(reader)}")


def _expected(reader: FieldReader) -> str:
    kind = reader.plan.type
    if kind.kind is Kind.DECIMAL:
        return f"a number of at most {kind.precision - kind.scale} digits before the point"
    if reader.formats:
        return f"{_EXPECTED[kind.kind]} in the format {' or '.join(time.text for time in reader.formats)}"
    return _EXPECTED[kind.kind]


def _found(token: Token) -> str:
    text = shown(token.text)
    match token.tag:
        case tag.STRING:
            return f'the string "{text}"'
        case tag.INTEGER | tag.NUMBER:
            return f"the number {text}"
        case tag.NESTED:
            return f"the {'object' if token.text.startswith('{') else 'array'} {text}"
        case tag.TEXT | tag.QUOTED:
            return f'"{text}"'
        case tag.INSTANT | tag.LOCAL_TIME:
            return "a timestamp"
        case tag.DAYS:
            return "a date"
    return text
