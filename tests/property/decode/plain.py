"""What a line of `lines.PLAN` means, by the standard library's `json`, `decimal` and `datetime` alone."""

import json
import re
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from typing import Any
from zoneinfo import ZoneInfo

from tests.property.decode.lines import PLAN

Row = dict[str, Any]
_ISO = re.compile(r"\d{4}-\d\d-\d\d([Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d(:?\d\d)?)?)?", re.ASCII)
_LOG = re.compile(r"(\d\d)/(\w{3})/(\d{4}):(\d\d):(\d\d):(\d\d) +([+-])(\d\d):?(\d\d)", re.ASCII)
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Refused(Exception):
    """The line is no record."""


class Number(str):
    """A number as it was written."""

    __slots__ = ()


class Object(dict[str, Any]):
    """An object that remembers which of its keys came twice."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        keys = [key for key, _ in pairs]
        self.twice = {key for key in keys if keys.count(key) > 1}


def plain_row(line: bytes) -> Row:
    """The values of one line: strings, ints, floats, Decimals, dates, instants as microseconds.

    Raises: Refused.
    """
    if b"\x00" in line or line.startswith(b"\xef\xbb\xbf"):
        raise Refused
    try:
        parsed = json.loads(
            line.decode("utf-8"),
            object_pairs_hook=Object,
            parse_int=_number,
            parse_float=_number,
            parse_constant=_refuse,
        )
    except (ValueError, RecursionError) as error:
        raise Refused from error
    _check_texts(parsed, 1)
    if not isinstance(parsed, Object) or parsed.twice & {"id", "n", "big", "x", "d", "flag", "day", "extra", "name"}:
        raise Refused
    if parsed.twice & {"time", "user", "user.name"}:
        raise Refused
    return {field.name: _field(field.name, field.required, parsed) for field in PLAN.fields}


def _number(text: str) -> Number:
    if abs(float(text)) == float("inf") and not re.fullmatch(r"-?\d+", text):
        raise Refused
    return Number(text)


def _refuse(text: str) -> Any:
    raise Refused(text)


def _check_texts(value: Any, depth: int) -> None:
    """No NUL, no half surrogate pair, nesting at most 200."""
    if isinstance(value, Object | list):
        if depth > 200:
            raise Refused
        for item in [*value, *value.values()] if isinstance(value, Object) else value:
            _check_texts(item, depth + 1)
    elif isinstance(value, str) and any(char == "\0" or 0xD800 <= ord(char) <= 0xDFFF for char in value):
        raise Refused


def _field(name: str, required: bool, parsed: Object) -> Any:
    value = parsed.get(name)
    if name == "name" and "name" not in parsed:
        user = parsed.get("user")
        if "user.name" in parsed:
            value = parsed["user.name"]
        elif isinstance(user, Object):
            if "name" in user.twice:
                raise Refused
            value = user.get("name")
    if name == "n" and isinstance(value, str) and value in ("-1", "none"):
        value = None
    if value is None:
        if required or name == "time":
            raise Refused
        return None
    return _READERS[name](value)


def _text(value: Any) -> str:
    if not isinstance(value, str) or isinstance(value, Number):
        raise Refused
    return value


def _integer(bits: int) -> Any:
    def read(value: Any) -> int:
        if not isinstance(value, Number) or not re.fullmatch(r"-?\d+", value):
            raise Refused
        if not -(2 ** (bits - 1)) <= int(value) < 2 ** (bits - 1):
            raise Refused
        return int(value)

    return read


def _float(value: Any) -> float:
    if not isinstance(value, Number):
        raise Refused
    number = float(value)
    if abs(number) == float("inf") or (number == 0 and Decimal(value) != 0):
        raise Refused
    return number


def _decimal(value: Any) -> Decimal:
    if not isinstance(value, Number):
        raise Refused
    number = Decimal(value)
    if abs(number) > 10**15:
        raise Refused
    rounded = number.quantize(Decimal("0.001"), ROUND_HALF_UP)
    if abs(rounded) >= 10**9:
        raise Refused
    return rounded


def _bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Refused
    return value


def _day(value: Any) -> date:
    text = _text(value)
    if not _ISO.fullmatch(text):
        raise Refused
    try:
        return date.fromisoformat(text[:10])
    except ValueError as error:
        raise Refused from error


def _any(value: Any) -> Any:
    return value


def _time(value: Any) -> int:
    if isinstance(value, Number):
        if Decimal(value).adjusted() > 20:
            raise Refused
        return _in_years(int((Decimal(value) * 1000).quantize(Decimal(1), ROUND_HALF_EVEN)))
    text = _text(value)
    log = _LOG.fullmatch(text)
    try:
        if log is not None and log[2].lower() in _MONTHS:
            day, _, year, hour, minute, second, sign, hours, minutes = log.groups()
            month = _MONTHS.index(log[2].lower()) + 1
            offset = _offset(f"{sign}{hours}{minutes}")
            return _in_years(_wall_us(f"{year}-{month:02}-{day}", hour, minute, second, "0") - offset)
        if not _ISO.fullmatch(text):
            raise Refused
        found = re.fullmatch(r"(.{10})(?:.(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(.*))?", text)
        assert found is not None
        day, hour, minute, second, fraction, zone = found.groups(default="0")
        wall_us = _wall_us(day, hour, minute, second, fraction)
    except ValueError as error:
        raise Refused from error
    if found[6]:
        return _in_years(wall_us - _offset(zone))
    if not _EPOCH_MIN_US <= wall_us <= _EPOCH_MAX_US:
        raise Refused
    wall = (datetime(1970, 1, 1) + timedelta(microseconds=wall_us)).replace(tzinfo=ZoneInfo("Europe/Berlin"))  # noqa: DTZ001
    later = max(wall_us - (wall.replace(fold=fold).utcoffset() or timedelta()) // _MICROSECOND for fold in (0, 1))
    return _in_years(later)


def _wall_us(day: str, hour: str, minute: str, second: str, fraction: str) -> int:
    leap = 1_000_000 if second == "60" else 0
    clock = f"{day}T{hour}:{minute}:{'59' if leap else second.zfill(2)}" if hour != "0" else f"{day}T00:00:00"
    if int(hour) > 23:
        raise Refused
    wall = datetime.fromisoformat(clock).replace(tzinfo=UTC)
    return (wall - _EPOCH) // _MICROSECOND + leap + round(float(f"0.{fraction}") * 1_000_000)


def _offset(text: str) -> int:
    if text in "Zz":
        return 0
    hours, minutes = int(text[1:3]), int(text[3:].replace(":", "") or 0)
    if minutes > 59 or hours > 15:
        raise Refused
    return (-1 if text[0] == "-" else 1) * (hours * 60 + minutes) * 60_000_000


_EPOCH_MIN_US = (datetime(1, 1, 1, tzinfo=UTC) - _EPOCH) // _MICROSECOND
_EPOCH_MAX_US = (datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC) - _EPOCH) // _MICROSECOND


def _in_years(time_us: int) -> int:
    if not _EPOCH_MIN_US <= time_us <= _EPOCH_MAX_US:
        raise Refused
    return time_us


_READERS: dict[str, Any] = {
    "id": _text,
    "n": _integer(32),
    "big": _integer(64),
    "x": _float,
    "d": _decimal,
    "flag": _bool,
    "day": _day,
    "extra": _any,
    "name": _text,
    "time": _time,
}
