"""How a timestamp is written: one format as a short program, its strict reader, and the rule for local times.

A program is a row of (operation, argument) pairs that reads a text from left to right and never goes back.
`time_scan` runs the same programs over whole columns; this module alone decides what it doubts and words the refusal.

Rules, those of PostgreSQL where it has one:
- iso8601 is YYYY-MM-DD, then T, t or a blank, hh:mm, :ss and a fraction as wanted, then Z, ±hh, ±hhmm, ±hh:mm or
  nothing. A date alone is its first moment.
- Fractions beyond microseconds are rounded, a tie to the even microsecond. Second 60 is the next minute's second 0.
- A time without a zone is local in the record's time zone. In a gap or fold of that zone the smaller offset counts:
  the one before a gap, the one after a fold; of the two instants it is the later.
- The instant lies in the years 1 to 9999.
- strptime patterns read exactly two digits for %m %d %H %I %M %S %y, four for %Y, three for %j (%e: one or two, after
  blanks), one to nine for %f, English names for %a %A %b %B %p in any case; %z reads Z, ±hhmm, ±hh:mm or ±hh.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from datanexus.engine.decode.reason import Reason, Refusal, shown
from datanexus_spec.errors import InvalidInput

SECOND_US = 1_000_000
DAY_US = 86_400 * SECOND_US
TIME_MIN_US = -62_135_596_800 * SECOND_US  # 0001-01-01T00:00:00Z
TIME_MAX_US = 253_402_300_800 * SECOND_US - 1  # 9999-12-31T23:59:59.999999Z
OFFSET_MAX_MINUTES = 16 * 60 - 1  # PostgreSQL's

MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

# Units of the epoch formats: how many of them make a second.
EPOCHS = {"epochSeconds": 1, "epochMillis": 1_000, "epochMicros": 1_000_000, "epochNanos": 1_000_000_000}

# Operations. DIGITS reads a fixed number of digits into a register; the others say so in their name.
LITERAL = 0  # argument: the byte
BLANKS = 1  # one or more blanks or tabs
DIGITS = 2  # argument: register * 16 + digits
FRACTION = 3
OFFSET = 4
MONTH_SHORT = 5
MONTH_LONG = 6
WEEKDAY_SHORT = 7
WEEKDAY_LONG = 8
HALF_DAY = 9
DAY_PADDED = 10  # %e

# Registers.
YEAR, MONTH, DAY, HOUR, MINUTE, SECOND, DAY_OF_YEAR, SHORT_YEAR, HALF, HOUR12, FRACTION_US, OFFSET_MINUTES = range(12)
REGISTERS = 12
UNSET = -1  # an offset is never unset by this value: it is stored above OFFSET_BASE
OFFSET_BASE = 10_000

_DIRECTIVES = {
    "Y": (DIGITS, YEAR * 16 + 4),
    "m": (DIGITS, MONTH * 16 + 2),
    "d": (DIGITS, DAY * 16 + 2),
    "H": (DIGITS, HOUR * 16 + 2),
    "I": (DIGITS, HOUR12 * 16 + 2),
    "M": (DIGITS, MINUTE * 16 + 2),
    "S": (DIGITS, SECOND * 16 + 2),
    "y": (DIGITS, SHORT_YEAR * 16 + 2),
    "j": (DIGITS, DAY_OF_YEAR * 16 + 3),
    "e": (DAY_PADDED, DAY),
    "f": (FRACTION, FRACTION_US),
    "z": (OFFSET, OFFSET_MINUTES),
    "b": (MONTH_SHORT, MONTH),
    "B": (MONTH_LONG, MONTH),
    "a": (WEEKDAY_SHORT, 0),
    "A": (WEEKDAY_LONG, 0),
    "p": (HALF_DAY, HALF),
}
_COMPOUND = {"T": "%H:%M:%S", "R": "%H:%M", "D": "%m/%d/%y", "F": "%Y-%m-%d"}

_ISO = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})(?:[Tt ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d+))?)?([Zz]|[+-]\d{2}(?::?\d{2})?)?)?", re.ASCII
)
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,9})?", re.ASCII)
_EPOCH_DIGITS_MAX = 40  # beyond: outside all years, or less than a microsecond
_EXACT = Context(prec=100_000)
_OFFSET = re.compile(r"[Zz]|[+-]\d{2}(?::?\d{2})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class TimeFormat:
    """`text`: as written in the spec. `per_second` > 0: an epoch format; `program`: of a strptime pattern, else empty:
    iso8601. `has_zone`: the pattern reads an offset."""

    text: str
    per_second: int = 0
    program: tuple[tuple[int, int], ...] = ()

    @property
    def is_epoch(self) -> bool:
        return self.per_second > 0

    @property
    def is_iso(self) -> bool:
        return not self.is_epoch and not self.program


@dataclass(frozen=True, slots=True)
class Moment:
    """A read time: microseconds since 1970, whether they are local (no offset was written) or UTC, and the offset."""

    time_us: int
    is_local: bool
    offset_us: int = 0


def time_format(text: str) -> TimeFormat:
    """Read the name of a format or a strptime pattern.

    Raises: InvalidInput for a directive that is not supported, or a pattern that fixes no day.
    """
    if text == "iso8601":
        return TimeFormat(text)
    if text in EPOCHS:
        return TimeFormat(text, per_second=EPOCHS[text])
    program = tuple(_program(text))
    registers = {argument // 16 if code == DIGITS else argument for code, argument in program if code >= DIGITS}
    has_month = any(code in (MONTH_SHORT, MONTH_LONG) for code, _ in program) or MONTH in registers
    has_year = any(code == DIGITS and argument // 16 in (YEAR, SHORT_YEAR) for code, argument in program)
    has_day = any(code == DAY_PADDED or (code == DIGITS and argument // 16 == DAY) for code, argument in program)
    has_ordinal = any(code == DIGITS and argument // 16 == DAY_OF_YEAR for code, argument in program)
    if not has_year or not ((has_month and has_day) or has_ordinal):
        raise InvalidInput(
            f"timestamp format {text!r}: found a pattern that fixes no date, "
            "expected a year (%Y or %y) with month and day (%m or %b, %d) or with the day of the year (%j)",
            reason="InvalidTimestampFormat",
            hint="write iso8601, epochSeconds, epochMillis, epochMicros, epochNanos or a full strptime pattern",
        )
    return TimeFormat(text, program=program)


def time_zone(name: str) -> ZoneInfo:
    """The named IANA zone. Raises: InvalidInput for a name that no zone has."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidInput(
            f"timeZone {name!r}: found no zone of that name, expected an IANA name such as UTC or Europe/Berlin",
            reason="UnknownTimeZone",
            hint="see the column TZ identifier of the IANA time zone list",
        ) from error


def read_text(time: TimeFormat, text: str) -> Moment | Refusal | None:
    """Read a text in a format that is no epoch; None if it is not written in that format."""
    return _read_pattern(time, text) if time.program else _read_iso(text)


def read_epoch(time: TimeFormat, text: str) -> Moment | Refusal | None:
    """Read a number in an epoch format; exact, rounded to microseconds, ties to even. None if it is no number."""
    if _NUMBER.fullmatch(text) is None:
        return None
    number = Decimal(text)
    if number.adjusted() > _EPOCH_DIGITS_MAX:
        return out_of_years(text)
    if number.adjusted() < -_EPOCH_DIGITS_MAX:
        return Moment(0, is_local=False)
    scaled = number.scaleb(6 - len(str(time.per_second)) + 1, _EXACT)
    return Moment(int(scaled.to_integral_value(ROUND_HALF_EVEN)), is_local=False)


def instant_us(moment: Moment, zone: ZoneInfo) -> int | None:
    """The instant of a read time; None outside the years 1 to 9999."""
    time_us = moment.time_us
    if not TIME_MIN_US - DAY_US <= time_us <= TIME_MAX_US + DAY_US:
        return None
    if moment.is_local:
        time_us -= local_offset_us(time_us, zone)
    return time_us if TIME_MIN_US <= time_us <= TIME_MAX_US else None


def local_offset_us(local_us: int, zone: ZoneInfo) -> int:
    """Offset of a local time, the smaller one where the zone gives two."""
    clamped = min(max(local_us, TIME_MIN_US), TIME_MAX_US)
    local = datetime.fromtimestamp(0, UTC).replace(tzinfo=zone) + timedelta(microseconds=clamped)
    offsets = [local.replace(fold=fold).utcoffset() or timedelta() for fold in (0, 1)]
    return min(offsets) // timedelta(microseconds=1)


def out_of_years(text: str) -> Refusal:
    return Refusal(Reason.OUT_OF_RANGE, f'found "{shown(text)}", expected a time in the years 1 to 9999', values=text)


def _program(text: str) -> list[tuple[int, int]]:
    for short, long in _COMPOUND.items():
        text = re.sub(rf"(?<!%)((?:%%)*)%{short}", rf"\g<1>{long}", text)
    program: list[tuple[int, int]] = []
    position = 0
    while position < len(text):
        char = text[position]
        position += 1
        if char in " \t":
            if not program or program[-1] != (BLANKS, 0):
                program.append((BLANKS, 0))
            continue
        if char != "%":
            program.extend((LITERAL, byte) for byte in char.encode())
            continue
        directive = text[position : position + 1]
        position += 1
        if directive == "%":
            program.append((LITERAL, ord("%")))
        elif directive in _DIRECTIVES and directive:
            program.append(_DIRECTIVES[directive])
        else:
            raise InvalidInput(
                f"timestamp format {text!r}: found the directive %{directive}, expected one of "
                f"{' '.join('%' + known for known in sorted((*_DIRECTIVES, *_COMPOUND, '%')))}",
                reason="InvalidTimestampFormat",
                hint="write iso8601, epochSeconds, epochMillis, epochMicros, epochNanos or a full strptime pattern",
            )
    return program


def _read_iso(text: str) -> Moment | Refusal | None:
    found = _ISO.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    registers = [UNSET] * REGISTERS
    registers[YEAR], registers[MONTH], registers[DAY] = int(year), int(month), int(day)
    registers[HOUR], registers[MINUTE], registers[SECOND] = int(hour or 0), int(minute or 0), int(second or 0)
    registers[FRACTION_US] = fraction_us(fraction or "0")
    if zone is not None:
        offset = _offset_minutes(zone)
        if offset is None:
            return None
        registers[OFFSET_MINUTES] = OFFSET_BASE + offset
    return _assemble(registers, text)


def fraction_us(digits: str) -> int:
    """Microseconds of the digits behind the point, as PostgreSQL computes them."""
    return round(float(f"0.{digits}") * SECOND_US)


def _offset_minutes(text: str) -> int | None:
    if text in "Zz":
        return 0
    digits = text[1:].replace(":", "")
    hours, minutes = int(digits[:2]), int(digits[2:] or "0")
    total = hours * 60 + minutes
    if minutes > 59 or total > OFFSET_MAX_MINUTES:
        return None
    return -total if text[0] == "-" else total


def _read_pattern(time: TimeFormat, text: str) -> Moment | Refusal | None:
    registers = [UNSET] * REGISTERS
    encoded = text.encode()
    position = 0
    for code, argument in time.program:
        position = _step(code, argument, encoded, position, registers)
        if position < 0:
            return None
    if position != len(encoded) or not _complete(registers):
        return None
    return _assemble(registers, text)


def _step(code: int, argument: int, text: bytes, position: int, registers: list[int]) -> int:
    """Run one operation; the position after what it read, or -1."""
    if code == LITERAL:
        return position + 1 if text[position : position + 1] == bytes([argument]) else -1
    if code == BLANKS:
        blanks = re.compile(rb"[ \t]+").match(text, position)
        return blanks.end() if blanks else -1
    if code == DIGITS:
        return _into(registers, argument // 16, rb"\d{%d}" % (argument % 16), text, position)
    if code == DAY_PADDED:
        return _into(registers, DAY, rb" *\d{1,2}", text, position)
    if code == FRACTION:
        digits = re.compile(rb"\d{1,9}").match(text, position)
        if digits is None:
            return -1
        registers[FRACTION_US] = fraction_us(digits[0].decode())
        return digits.end()
    if code == OFFSET:
        return _offset_step(text, position, registers)
    return _name_step(code, text, position, registers)


def _into(registers: list[int], register: int, pattern: bytes, text: bytes, position: int) -> int:
    digits = re.compile(pattern).match(text, position)
    if digits is None:
        return -1
    registers[register] = int(digits[0])
    return digits.end()


def _offset_step(text: bytes, position: int, registers: list[int]) -> int:
    found = _OFFSET.match(text.decode("latin-1"), position)
    offset = None if found is None else _offset_minutes(found[0])
    if found is None or offset is None:
        return -1
    registers[OFFSET_MINUTES] = OFFSET_BASE + offset
    return found.end()


def _name_step(code: int, text: bytes, position: int, registers: list[int]) -> int:
    lower = text[position : position + 9].lower()
    if code == HALF_DAY:
        if lower[:2] not in (b"am", b"pm"):
            return -1
        registers[HALF] = 12 if lower[:2] == b"pm" else 0
        return position + 2
    names = MONTHS if code in (MONTH_SHORT, MONTH_LONG) else WEEKDAYS
    for index, name in enumerate(names):
        written = name.encode() if code in (MONTH_LONG, WEEKDAY_LONG) else name[:3].encode()
        if lower.startswith(written):
            if names is MONTHS:
                registers[MONTH] = index + 1
            return position + len(written)
    return -1


def _complete(registers: list[int]) -> bool:
    """Fill in what a pattern writes in another way: short years, half days, days of the year."""
    if registers[SHORT_YEAR] != UNSET:
        registers[YEAR] = registers[SHORT_YEAR] + (2000 if registers[SHORT_YEAR] < 69 else 1900)
    if registers[HOUR12] != UNSET:
        if not 1 <= registers[HOUR12] <= 12:
            return False
        registers[HOUR] = registers[HOUR12] % 12 + max(registers[HALF], 0)
    for register in (HOUR, MINUTE, SECOND, FRACTION_US):
        registers[register] = max(registers[register], 0)
    return True


def _assemble(registers: list[int], text: str) -> Moment | Refusal:
    year = registers[YEAR]
    if year == 0:
        return out_of_years(text)
    if registers[DAY_OF_YEAR] != UNSET:
        if not 1 <= registers[DAY_OF_YEAR] <= 365 + _is_leap(year):
            return _impossible(text, f"day {registers[DAY_OF_YEAR]} of the year {year}")
        days = days_from_civil(year, 1, 1) + registers[DAY_OF_YEAR] - 1
    else:
        month, day = registers[MONTH], registers[DAY]
        if not (1 <= month <= 12 and 1 <= day <= month_days(year, month)):
            return _impossible(text, f"the date {year:04}-{month:02}-{day:02}")
        days = days_from_civil(year, month, day)
    hour, minute, second = registers[HOUR], registers[MINUTE], registers[SECOND]
    if hour > 23 or minute > 59 or second > 60:
        return _impossible(text, f"the time {hour:02}:{minute:02}:{second:02}")
    time_us = ((days * 24 + hour) * 60 + minute) * 60 * SECOND_US + second * SECOND_US + registers[FRACTION_US]
    if registers[OFFSET_MINUTES] == UNSET:
        return Moment(time_us, is_local=True)
    offset_us = (registers[OFFSET_MINUTES] - OFFSET_BASE) * 60 * SECOND_US
    return Moment(time_us - offset_us, is_local=False, offset_us=offset_us)


def days_from_civil(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 of a date of the Gregorian calendar."""
    return datetime(year, month, day, tzinfo=UTC).toordinal() - 719_163


def month_days(year: int, month: int) -> int:
    """Days of a month."""
    return 28 + _is_leap(year) if month == 2 else 30 + ((month + (month > 7)) % 2)


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _impossible(text: str, what: str) -> Refusal:
    message = f'found "{shown(text)}", but {what} does not exist, expected one that does'
    return Refusal(Reason.INVALID_TIMESTAMP, message, values=text)
