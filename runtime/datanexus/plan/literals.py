"""Text as values: the input syntax of every type, as PostgreSQL reads it.

Used for constants when an expression is bound and for doubtful records when one runs. Times are read in ISO 8601 form
only (PostgreSQL's other spellings, `infinity`, BC and zone names inside a text are refused), years 1 to 9999.
"""

import re
from datetime import date as calendar_date
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation

from datanexus_spec.datatype import DataType, Kind

INT32_MAX = 2**31 - 1
INT64_MAX = 2**63 - 1
DAY_US = 86_400_000_000
EPOCH_ORDINAL = calendar_date(1970, 1, 1).toordinal()
TIMESTAMP_MIN_US = (calendar_date(1, 1, 1).toordinal() - EPOCH_ORDINAL) * DAY_US
TIMESTAMP_MAX_US = (calendar_date(9999, 12, 31).toordinal() - EPOCH_ORDINAL + 1) * DAY_US - 1
DATE_MIN = calendar_date(1, 1, 1).toordinal() - EPOCH_ORDINAL
DATE_MAX = calendar_date(9999, 12, 31).toordinal() - EPOCH_ORDINAL
WIDE = Context(prec=100, rounding=ROUND_HALF_UP)
MONTH_DAYS_MAX = 31
HOUR_MAX = 24
MINUTE_MAX = 59
SECOND_MAX = 60
OFFSET_SECONDS_MAX = 16 * 3600 - 1

_SPACE = " \t\n\r\f\v"
_INTEGER = re.compile(r"[+-]?[0-9]+\Z")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?\Z")
_HEXADECIMAL = re.compile(r"[+-]?0[xX]([0-9a-fA-F]+(\.[0-9a-fA-F]*)?|\.[0-9a-fA-F]+)([pP][+-]?[0-9]+)?\Z")
_DATE = r"(?P<year>[0-9]{4})-(?P<month>[0-9]{1,2})-(?P<day>[0-9]{1,2})"
_CLOCK = r"(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{1,2})(:(?P<second>[0-9]{1,2})(\.(?P<fraction>[0-9]*))?)?"
_ZONE = (
    r"(?P<zone>[Zz]|[Uu][Tt][Cc]|[Gg][Mm][Tt]|(?P<sign>[+-])(?P<zh>[0-9]{2})(:?(?P<zm>[0-9]{2})(:?(?P<zs>[0-9]{2}))?)?)"
)
_TIMESTAMP = re.compile(rf"{_DATE}(([Tt]|[ ]+){_CLOCK}([ ]*{_ZONE})?)?\Z")
_SPAN_PART = re.compile(
    r"[ ]*((?P<number>[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+))[ ]*(?P<unit>[A-Za-z]+)"
    r"|(?P<sign>[+-]?)(?P<hour>[0-9]+):(?P<minute>[0-9]{1,2})(:(?P<second>[0-9]{1,2}(\.[0-9]*)?))?)"
)
_SPAN_UNITS_US = {
    name: size
    for names, size in (
        ("microsecond microseconds us usec", 1),
        ("millisecond milliseconds ms msec", 1000),
        ("second seconds sec secs s", 1_000_000),
        ("minute minutes min mins m", 60_000_000),
        ("hour hours hr hrs h", 3_600_000_000),
        ("day days d", DAY_US),
        ("week weeks w", 7 * DAY_US),
    )
    for name in names.split()
}
_SPAN_UNITS_MONTHS = {
    name: size
    for names, size in (
        ("month months mon mons", 1),
        ("year years yr yrs y", 12),
        ("decade decades", 120),
        ("century centuries", 1200),
    )
    for name in names.split()
}
_TRUE = ("true", "yes", "on", "1")
_FALSE = ("false", "no", "off", "0")


class LiteralError(ValueError):
    """A text that is no value of a type. `reason`: InvalidCast (syntax) or OutOfRange (a value beyond the type)."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def read_value(text: str, data_type: DataType) -> bool | int | float | str:
    """The constant a text stands for in a type, in the units of `plan.expression.Literal`; LiteralError else."""
    match data_type.kind:
        case Kind.STRING | Kind.JSON:
            return text
        case Kind.BOOL:
            return read_bool(text)
        case Kind.INT32:
            return read_integer(text, INT32_MAX, data_type)
        case Kind.INT64:
            return read_integer(text, INT64_MAX, data_type)
        case Kind.FLOAT64:
            return read_float(text)
        case Kind.DECIMAL:
            return str(read_decimal(text, data_type))
        case Kind.TIMESTAMP:
            return read_timestamp(text)
        case Kind.LOCAL_TIMESTAMP:
            return read_timestamp(text, zoned=False)
        case Kind.DATE:
            return read_date(text)
        case Kind.INTERVAL:
            months, span_us = read_interval(text)
            if months:
                raise LiteralError("InvalidCast", "months and years have no fixed length")
            return span_us
        case _:
            raise LiteralError("InvalidCast", f"no text can be read as {data_type}")


def read_bool(text: str) -> bool:
    """PostgreSQL's boolean input: a unique prefix of true, false, yes, no, on, off, or 1, 0."""
    word = text.strip(_SPACE).lower()
    if word and word != "o":
        if any(full.startswith(word) for full in _TRUE):
            return True
        if any(full.startswith(word) for full in _FALSE):
            return False
    raise _syntax(text, "bool")


def read_integer(text: str, largest: int, data_type: DataType) -> int:
    """Decimal digits with a sign; spaces around them do not matter."""
    digits = text.strip(_SPACE)
    if not _INTEGER.match(digits):
        raise _syntax(text, str(data_type))
    value = (
        int(digits) if len(digits) <= 64 else int(digits.lstrip("+-0")[:64] or "0") * (-1 if digits[0] == "-" else 1)
    )
    if not -largest - 1 <= value <= largest:
        raise LiteralError("OutOfRange", f'"{text}" is out of range for {data_type}')
    return value


def read_float(text: str) -> float:
    """A number, NaN or Infinity; a number too large, or too small but not zero, is out of range."""
    digits = text.strip(_SPACE)
    word = digits.lower()
    if word in ("nan", "infinity", "+infinity", "-infinity", "inf", "+inf", "-inf"):
        return float(word)
    if not _NUMBER.match(digits) and not _HEXADECIMAL.match(digits):
        raise _syntax(text, "float64")
    try:
        value = float.fromhex(digits) if "x" in word else float(digits)
    except OverflowError:
        value = float("inf")
    mantissa = re.split("[eEpP]", digits)[0] if "x" not in word else word.split("x")[1].split("p")[0]
    vanished = value == 0 and any(digit in "123456789abcdef" for digit in mantissa)
    if value in (float("inf"), float("-inf")) or vanished:
        raise LiteralError("OutOfRange", f'"{text}" is out of range for float64')
    return value


def read_decimal(text: str, data_type: DataType) -> Decimal:
    """A number rounded to the scale, halves away from zero."""
    digits = text.strip(_SPACE)
    if digits.lower().lstrip("+-") in ("nan", "inf", "infinity"):
        raise LiteralError("OutOfRange", f"no number for {data_type}")
    if not _NUMBER.match(digits):
        raise _syntax(text, str(data_type))
    exponent = re.split("[eE]", digits)
    if len(exponent) > 1 and len(exponent[1].lstrip("+-0")) > 6:
        raise LiteralError("OutOfRange", f'"{text}" is out of range for {data_type}')
    return fit_decimal(Decimal(digits), data_type)


def fit_decimal(value: Decimal, data_type: DataType) -> Decimal:
    """The value rounded to the type's scale, halves away from zero; LiteralError when it has too many digits."""
    try:
        rounded = value.quantize(Decimal(1).scaleb(-data_type.scale), context=WIDE)
    except InvalidOperation:
        raise LiteralError("OutOfRange", f"{value} is out of range for {data_type}") from None
    if rounded.copy_abs() >= Decimal(10) ** (data_type.precision - data_type.scale):
        raise LiteralError("OutOfRange", f"{value} is out of range for {data_type}")
    return rounded or rounded.copy_abs()


def read_date(text: str) -> int:
    """Days since 1970-01-01 of `YYYY-MM-DD`; a time of day behind it is dropped."""
    found = _TIMESTAMP.match(text.strip(_SPACE))
    if not found:
        raise _syntax(text, "date")
    if found["hour"]:
        _clock_us(text, found, "date")
    return _day(text, found, "date")


def read_timestamp(text: str, *, zoned: bool = True) -> int:
    """Microseconds since 1970 of an ISO 8601 text. Without a zone it is in UTC; unless `zoned` a zone is ignored."""
    name = "timestamp" if zoned else "local_timestamp"
    found = _TIMESTAMP.match(text.strip(_SPACE))
    if not found:
        raise _syntax(text, name)
    time_us = _day(text, found, name) * DAY_US
    if found["hour"]:
        time_us += _clock_us(text, found, name)
    if found["zone"]:
        offset = _offset_seconds(text, found, name)
        time_us -= offset * 1_000_000 if zoned else 0
    if not TIMESTAMP_MIN_US <= time_us <= TIMESTAMP_MAX_US:
        raise LiteralError("OutOfRange", f'"{text}" is out of range for {name}: years go from 1 to 9999')
    return time_us


def read_interval(text: str) -> tuple[int, int]:
    """(months, microseconds) of `2 days 3 hours`, `01:30:00`, `1 year` and sums of these; a day has 24 hours."""
    words = text.strip(_SPACE)
    ago = words.lower().endswith(" ago")
    if ago:
        words = words[:-4].rstrip(_SPACE)
    months, span_us, at = 0, 0, 0
    while at < len(words):
        part = _SPAN_PART.match(words, at)
        if not part:
            raise _syntax(text, "interval")
        more_months, more_us = _span_part(text, part)
        months, span_us, at = months + more_months, span_us + more_us, part.end()
    if not words:
        raise _syntax(text, "interval")
    if abs(span_us) > INT64_MAX or abs(months) > INT32_MAX:
        raise LiteralError("OutOfRange", f'"{text}" is out of range for interval')
    return (-months, -span_us) if ago else (months, span_us)


def _span_part(text: str, part: re.Match[str]) -> tuple[int, int]:
    if part["hour"]:
        seconds = Decimal(part["second"] or "0")
        span = (int(part["hour"]) * 3600 + int(part["minute"]) * 60 + seconds) * 1_000_000
        if int(part["minute"]) > MINUTE_MAX or seconds > SECOND_MAX:
            raise LiteralError("OutOfRange", f'"{text}" has a minute or second that does not exist')
        return 0, int(span.to_integral_value()) * (-1 if part["sign"] == "-" else 1)
    unit = part["unit"].lower()
    number = Decimal(part["number"])
    if unit in _SPAN_UNITS_US:
        return 0, int((number * _SPAN_UNITS_US[unit]).to_integral_value())
    months = number * _SPAN_UNITS_MONTHS.get(unit, 0)
    if unit not in _SPAN_UNITS_MONTHS or months != int(months):
        raise _syntax(text, "interval")
    return int(months), 0


def _day(text: str, found: re.Match[str], name: str) -> int:
    try:
        day = calendar_date(int(found["year"]), int(found["month"]), int(found["day"]))
    except ValueError:
        raise LiteralError("OutOfRange", f'"{text}" is no {name}: there is no such day') from None
    return day.toordinal() - EPOCH_ORDINAL


def _clock_us(text: str, found: re.Match[str], name: str) -> int:
    hour, minute, second = int(found["hour"]), int(found["minute"]), int(found["second"] or 0)
    fraction = Decimal("0." + (found["fraction"] or "0")) * 1_000_000
    time_us = (hour * 3600 + minute * 60 + second) * 1_000_000 + int(fraction.to_integral_value())
    if minute > MINUTE_MAX or second > SECOND_MAX or time_us > HOUR_MAX * 3_600_000_000:
        raise LiteralError("OutOfRange", f'"{text}" is no {name}: there is no such time of day')
    return time_us


def _offset_seconds(text: str, found: re.Match[str], name: str) -> int:
    if not found["sign"]:
        return 0
    hours, minutes, seconds = int(found["zh"]), int(found["zm"] or 0), int(found["zs"] or 0)
    offset = hours * 3600 + minutes * 60 + seconds
    if minutes > MINUTE_MAX or seconds >= SECOND_MAX or offset > OFFSET_SECONDS_MAX:
        raise LiteralError("OutOfRange", f'"{text}" is no {name}: there is no such zone offset')
    return -offset if found["sign"] == "-" else offset


def _syntax(text: str, name: str) -> LiteralError:
    shown = text if len(text) <= 100 else text[:100] + "…"
    return LiteralError("InvalidCast", f'"{shown}" cannot be read as {name}')
