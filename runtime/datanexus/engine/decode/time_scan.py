"""The fast lane of times: the programs of `time_pattern` over a column of spans.

A text that no format reads, or whose reading needs care (fractions beyond microseconds, epochs with a fraction), is
doubt; `time_pattern` then decides. Local times come out as such and are moved to UTC by `from_local`.
"""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from datanexus.core import kernel_types as types
from datanexus.core.kernel import I64, I64_OUT, U8, U8_OUT, inlined, kernel
from datanexus.engine.decode import json_scan as tag
from datanexus.engine.decode import time_pattern as pattern
from datanexus.engine.decode.json_scan import CLEAR, DOUBT, Address, Bytes, Longs
from datanexus.engine.decode.time_pattern import (
    DAY_US,
    MONTHS,
    TIME_MAX_US,
    TIME_MIN_US,
    WEEKDAYS,
    TimeFormat,
    local_offset_us,
)
from datanexus.engine.decode.wide import address_of, byte_at, digit_stops, eight_digits, equal_bytes

_INTEGER = tag.INTEGER
_STRING = tag.STRING
_TEXT = tag.TEXT
_QUOTED = tag.QUOTED
_ISO = -1  # program of iso8601; -2 and below: an epoch format
_EPOCH_CODES = {1: -2, 1_000: -3, 1_000_000: -4, 1_000_000_000: -5}
_NO_MATCH = np.iinfo(np.int64).min  # the format does not read this text, another may
_DOUBT = _NO_MATCH + 1
_UNSET = pattern.UNSET
_OFFSET_BASE = pattern.OFFSET_BASE
_OFFSET_MAX = pattern.OFFSET_MAX_MINUTES
_LITERAL, _BLANKS, _DIGITS, _FRACTION, _OFFSET = (
    pattern.LITERAL,
    pattern.BLANKS,
    pattern.DIGITS,
    pattern.FRACTION,
    pattern.OFFSET,
)
_MONTH_SHORT, _MONTH_LONG, _WEEKDAY_SHORT, _WEEKDAY_LONG = (
    pattern.MONTH_SHORT,
    pattern.MONTH_LONG,
    pattern.WEEKDAY_SHORT,
    pattern.WEEKDAY_LONG,
)
_HALF_DAY, _DAY_PADDED = pattern.HALF_DAY, pattern.DAY_PADDED
_YEAR, _MONTH, _DAY, _HOUR, _MINUTE, _SECOND = (
    pattern.YEAR,
    pattern.MONTH,
    pattern.DAY,
    pattern.HOUR,
    pattern.MINUTE,
    pattern.SECOND,
)
_DAY_OF_YEAR, _SHORT_YEAR, _HALF, _HOUR12 = pattern.DAY_OF_YEAR, pattern.SHORT_YEAR, pattern.HALF, pattern.HOUR12
_FRACTION_US, _OFFSET_MINUTES, _REGISTERS = pattern.FRACTION_US, pattern.OFFSET_MINUTES, pattern.REGISTERS
MINUTE_US = 60_000_000
SAME_MINUTE = np.uint64(0xFFFF)  # of equal_bytes: YYYY-MM-DDThh:mm
_SAME_DAY = np.uint64(0x3FF)
_ONE = np.uint64(1)
_SECOND_BYTES = np.uint64(0x7FF)  # of digit_stops at the last colon: :ss.ffffffZ
_STOPS_PLAIN = np.uint64(0b1001)  # :ssZ
_STOPS_POINT = np.uint64(0b1001)  # :ss. and the Z later
_POWERS = np.array([10.0**k for k in range(16)])
LocatedTimes = tuple[Bytes, Longs, Longs, Bytes]  # data, begins, sizes, tags
_NAMES = np.frombuffer("".join(MONTHS + WEEKDAYS).encode(), np.uint8)
_NAME_OFFSETS = np.cumsum([0] + [len(name) for name in MONTHS + WEEKDAYS]).astype(np.int64)


def compiled_formats(formats: Sequence[TimeFormat]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The formats as one array of (operation, argument) pairs, and the bounds of each format in it."""
    pairs: list[tuple[int, int]] = []
    bounds = [0]
    for time in formats:
        if time.is_epoch:
            pairs.append((_EPOCH_CODES[time.per_second], 0))
        else:
            pairs.extend(time.program or ((_ISO, 0),))
        bounds.append(len(pairs))
    return np.array(pairs, np.int64).reshape(-1), np.array(bounds, np.int64)


def from_local(time_us: npt.NDArray[np.int64], zone: ZoneInfo) -> npt.NDArray[np.int64]:
    """Move local times of a zone to UTC. Cost: two look-ups per distinct day; on days with a change one per value."""
    if zone.key == "UTC":
        return time_us
    days, inverse = np.unique(time_us // DAY_US, return_inverse=True)
    first = np.array([local_offset_us(int(day) * DAY_US, zone) for day in days], np.int64)
    last = np.array([local_offset_us((int(day) + 1) * DAY_US - 1, zone) for day in days], np.int64)
    offsets = first[inverse]
    for row in np.flatnonzero((first != last)[inverse]):
        offsets[row] = local_offset_us(int(time_us[row]), zone)
    return time_us - offsets


@inlined
def _two(b: Address, i: int) -> int:
    """The two digits at i, or a negative number."""
    high = byte_at(b, i) - 48
    low = byte_at(b, i + 1) - 48
    if high < 0 or high > 9 or low < 0 or low > 9:
        return -1
    value: int = high * 10 + low
    return value


@kernel(types.int64(types.int64, types.int64, types.int64))
def days_of_date(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 of a date that exists, else _NO_MATCH."""
    if year < 1 or month < 1 or month > 12 or day < 1 or day > 31:
        return _NO_MATCH
    if day > 28:
        longest = 30 + ((month + (1 if month > 7 else 0)) % 2)
        if month == 2:
            longest = 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
        if day > longest:
            return _NO_MATCH
    if month <= 2:
        year -= 1
        month += 9
    else:
        month -= 3
    era = year // 400
    of_era = year - era * 400
    of_year = (153 * month + 2) // 5 + day - 1
    return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468


@kernel(types.UniTuple(types.int64, 2)(types.int64, types.int64, types.int64))
def _fraction(b: Address, i: int, end: int) -> tuple[int, int]:
    """(microseconds, index after the digits); no match for none. Up to 15 digits the quotient is exactly rounded."""
    value = 0
    first = i
    while i < end and 48 <= byte_at(b, i) <= 57:
        if i - first >= 15:
            return _DOUBT, i
        value = value * 10 + byte_at(b, i) - 48
        i += 1
    if i == first:
        return _NO_MATCH, i
    if i - first > 6:
        return int(np.rint(value / _POWERS[i - first] * 1e6)), i
    for _ in range(6 - (i - first)):
        value *= 10
    return value, i


@kernel(types.UniTuple(types.int64, 2)(types.int64, types.int64, types.int64))
def _offset(b: Address, i: int, end: int) -> tuple[int, int]:
    """(minutes, index after it) of Z, ±hh, ±hhmm or ±hh:mm."""
    if i >= end:
        return _NO_MATCH, i
    c = byte_at(b, i)
    if c == 90 or c == 122:
        return 0, i + 1
    if (c != 43 and c != 45) or i + 3 > end:
        return _NO_MATCH, i
    hours = _two(b, i + 1)
    if hours < 0:
        return _NO_MATCH, i
    i += 3
    minutes = 0
    colon = 1 if i < end and byte_at(b, i) == 58 else 0
    if i + colon + 2 <= end:
        minutes = _two(b, i + colon)
        if minutes >= 0:
            i += colon + 2
        else:
            minutes = 0
    total = hours * 60 + minutes
    if minutes > 59 or total > _OFFSET_MAX:
        return _NO_MATCH, i
    return (-total if c == 45 else total), i


@kernel(types.UniTuple(types.int64, 2)(types.int64, types.int64, types.int64))
def _iso(b: Address, i: int, end: int) -> tuple[int, int]:
    """(microseconds without the offset, its minutes or UNSET) of an ISO 8601 text."""
    if end - i < 10 or byte_at(b, i + 4) != 45 or byte_at(b, i + 7) != 45:
        return _NO_MATCH, 0
    century = _two(b, i)
    of_century = _two(b, i + 2)
    month = _two(b, i + 5)
    day = _two(b, i + 8)
    if century < 0 or of_century < 0 or month < 0 or day < 0:
        return _NO_MATCH, 0
    days = days_of_date(century * 100 + of_century, month, day)
    if days == _NO_MATCH:
        return _NO_MATCH, 0
    time_us = days * DAY_US
    i += 10
    if i == end:
        return time_us, _UNSET
    if end - i < 6 or (byte_at(b, i) != 84 and byte_at(b, i) != 32 and byte_at(b, i) != 116) or byte_at(b, i + 3) != 58:
        return _NO_MATCH, 0
    hour = _two(b, i + 1)
    minute = _two(b, i + 4)
    if hour < 0 or minute < 0 or hour > 23 or minute > 59:
        return _NO_MATCH, 0
    time_us += (hour * 60 + minute) * MINUTE_US
    i += 6
    if i + 3 <= end and byte_at(b, i) == 58:
        second = _two(b, i + 1)
        if second < 0 or second > 60:
            return _NO_MATCH, 0
        time_us += second * 1_000_000
        i += 3
        if i < end and byte_at(b, i) == 46:
            fraction, i = _fraction(b, i + 1, end)
            if fraction < 0:
                return fraction, 0
            time_us += fraction
    if i == end:
        return time_us, _UNSET
    offset, i = _offset(b, i, end)
    if offset == _NO_MATCH or i != end:
        return _NO_MATCH, 0
    return time_us, _OFFSET_BASE + offset


@inlined
def is_plain(b: Address, i: int, size: int, limit: int) -> bool:
    """Whether a text has the length of YYYY-MM-DDThh:mm:ss[.fff[fff]]Z, its last colon, point and Z."""
    if (size != 24 and size != 27 and size != 20) or i + 32 > limit:
        return False
    plain: bool = byte_at(b, i + 16) == 58 and byte_at(b, i + size - 1) == 90
    return plain and (size == 20 or byte_at(b, i + 19) == 46)


@inlined
def second_us(b: Address, i: int, size: int) -> int:
    """Microseconds of ss[.fff[fff]] of a plain text at i; below zero where digits are none, or for second 60."""
    # Which of the bytes from the last colon to the Z are digits: all but the colon, the point and the Z.
    none = digit_stops(b, i + 16) & (_SECOND_BYTES >> np.uint64(27 - size))
    if (
        none != (_STOPS_PLAIN if size == 20 else (_STOPS_POINT | _ONE << np.uint64(size - 17)))
        or byte_at(b, i + 17) > 53
    ):
        return -1
    time_us: int = eight_digits(b, i + 17, 2) * 1_000_000
    if size == 24:
        time_us += eight_digits(b, i + 20, 3) * 1_000
    elif size == 27:
        time_us += eight_digits(b, i + 20, 6)
    return time_us


@kernel(types.int64(types.int64, types.int64, types.int64))
def plain_us(b: Address, i: int, size: int) -> int:
    """The instant of a plain text, below TIME_MIN_US where it has none."""
    time_us, offset = _iso(b, i, i + size)
    return time_us if offset == _OFFSET_BASE and TIME_MIN_US <= time_us <= TIME_MAX_US else _NO_MATCH


@kernel(types.UniTuple(types.int64, 2)(I64_OUT))
def _assembled(registers: Longs) -> tuple[int, int]:
    year = registers[_YEAR]
    if registers[_SHORT_YEAR] != _UNSET:
        year = registers[_SHORT_YEAR] + (2000 if registers[_SHORT_YEAR] < 69 else 1900)
    hour = max(registers[_HOUR], 0)
    if registers[_HOUR12] != _UNSET:
        if registers[_HOUR12] < 1 or registers[_HOUR12] > 12:
            return _NO_MATCH, 0
        hour = registers[_HOUR12] % 12 + max(registers[_HALF], 0)
    if registers[_DAY_OF_YEAR] != _UNSET:
        days = days_of_date(year, 1, 1)
        leap = 1 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 0
        if days == _NO_MATCH or registers[_DAY_OF_YEAR] < 1 or registers[_DAY_OF_YEAR] > 365 + leap:
            return _NO_MATCH, 0
        days += registers[_DAY_OF_YEAR] - 1
    else:
        days = days_of_date(year, registers[_MONTH], registers[_DAY])
        if days == _NO_MATCH:
            return _NO_MATCH, 0
    minute = max(registers[_MINUTE], 0)
    second = max(registers[_SECOND], 0)
    if hour > 23 or minute > 59 or second > 60:
        return _NO_MATCH, 0
    time_us = ((days * 24 + hour) * 60 + minute) * 60_000_000 + second * 1_000_000 + max(registers[_FRACTION_US], 0)
    return time_us, registers[_OFFSET_MINUTES]


@kernel(
    types.UniTuple(types.int64, 2)(
        types.int64, types.int64, types.int64, I64, types.int64, types.int64, I64_OUT, U8, I64
    )
)
def _pattern(
    b: Address,
    i: int,
    end: int,
    program: Longs,
    first: int,
    last: int,
    registers: Longs,
    names: Bytes,
    name_offsets: Longs,
) -> tuple[int, int]:
    """(microseconds without the offset, its minutes or UNSET) of a text read by a strptime program."""
    registers[:] = _UNSET
    for step in range(first, last):
        code = program[2 * step]
        argument = program[2 * step + 1]
        if code == _LITERAL:
            if i >= end or byte_at(b, i) != argument:
                return _NO_MATCH, 0
            i += 1
        elif code == _DIGITS:
            value = 0
            for _ in range(argument % 16):
                if i >= end or byte_at(b, i) < 48 or byte_at(b, i) > 57:
                    return _NO_MATCH, 0
                value = value * 10 + byte_at(b, i) - 48
                i += 1
            registers[argument // 16] = value
        elif code == _BLANKS:
            begin = i
            while i < end and (byte_at(b, i) == 32 or byte_at(b, i) == 9):
                i += 1
            if i == begin:
                return _NO_MATCH, 0
        elif code == _FRACTION:
            value, i = _fraction(b, i, min(end, i + 9))
            if value < 0:
                return value, 0
            registers[_FRACTION_US] = value
        elif code == _OFFSET:
            value, i = _offset(b, i, end)
            if value == _NO_MATCH:
                return _NO_MATCH, 0
            registers[_OFFSET_MINUTES] = _OFFSET_BASE + value
        elif code == _HALF_DAY:
            if (
                i + 2 > end
                or (byte_at(b, i + 1) | 32) != 109
                or ((byte_at(b, i) | 32) != 97 and (byte_at(b, i) | 32) != 112)
            ):
                return _NO_MATCH, 0
            registers[_HALF] = 12 if (byte_at(b, i) | 32) == 112 else 0
            i += 2
        elif code == _DAY_PADDED:
            while i < end and byte_at(b, i) == 32:
                i += 1
            begin = i
            value = 0
            while i < end and i < begin + 2 and 48 <= byte_at(b, i) <= 57:
                value = value * 10 + byte_at(b, i) - 48
                i += 1
            if i == begin:
                return _NO_MATCH, 0
            registers[_DAY] = value
        else:
            is_month = code == _MONTH_SHORT or code == _MONTH_LONG
            found = -1
            for name in range(0 if is_month else 12, 12 if is_month else 19):
                begin = name_offsets[name]
                size = name_offsets[name + 1] - begin
                if code == _MONTH_SHORT or code == _WEEKDAY_SHORT:
                    size = 3
                if i + size > end:
                    continue
                equal = True
                for k in range(size):
                    if (byte_at(b, i + k) | 32) != names[begin + k] or byte_at(b, i + k) < 65:
                        equal = False
                        break
                if equal:
                    found = name
                    i += size
                    break
            if found < 0:
                return _NO_MATCH, 0
            if is_month:
                registers[_MONTH] = found + 1
    if i != end:
        return _NO_MATCH, 0
    return _assembled(registers)


@kernel(types.int64(types.int64, types.int64, types.int64, types.int64))
def _epoch(b: Address, i: int, end: int, code: int) -> int:
    """Microseconds of an integer of at most 18 digits; anything else is doubt."""
    negative = i < end and byte_at(b, i) == 45
    if negative:
        i += 1
    if i == end or end - i > 18:
        return _DOUBT
    value = 0
    while i < end:
        if byte_at(b, i) < 48 or byte_at(b, i) > 57:
            return _DOUBT
        value = value * 10 + byte_at(b, i) - 48
        i += 1
    if negative:
        value = -value
    if code == -5:
        quotient = value // 1000
        rest = value - quotient * 1000
        return quotient + (1 if rest > 500 or (rest == 500 and quotient & 1) else 0)
    factor = 1_000_000 if code == -2 else 1_000 if code == -3 else 1
    if value > TIME_MAX_US // factor or value < TIME_MIN_US // factor:
        return _DOUBT
    return value * factor


@kernel(types.void(U8, I64, I64, U8, I64, I64, U8, I64, types.boolean, types.boolean, I64_OUT, U8_OUT, U8_OUT, U8_OUT))
def _read(
    data: Bytes,
    begins: Longs,
    sizes: Longs,
    tags: Bytes,
    program: Longs,
    bounds: Longs,
    names: Bytes,
    name_offsets: Longs,
    required: bool,
    as_date: bool,
    values: Longs,
    valid: Bytes,
    local: Bytes,
    status: Bytes,
) -> None:
    b = address_of(data)
    registers = np.empty(_REGISTERS, np.int64)
    is_iso = program[2 * bounds[0]] == _ISO and not as_date  # the first format to try
    # Where the last plain text stands, and its minute: the next one mostly shares it, or at least the day.
    last = -1
    minute_us = 0
    for row in range(begins.size):
        if status[row] != CLEAR:
            continue
        valid[row] = 0
        local[row] = 0
        kind = tags[row]
        begin = begins[row]
        end = begin + sizes[row]
        plain = (
            is_iso
            and (kind == _STRING or kind == _TEXT or kind == _QUOTED)
            and is_plain(b, begin, sizes[row], data.size)
        )
        if plain and last >= 0:
            same = equal_bytes(b, last, begin) & SAME_MINUTE
            rest_us = second_us(b, begin, sizes[row])
            if rest_us >= 0 and same == SAME_MINUTE:
                values[row] = minute_us + rest_us
                valid[row] = 1
                continue
            if (
                rest_us >= 0
                and same & _SAME_DAY == _SAME_DAY
                and byte_at(b, begin + 10) == byte_at(b, last + 10)
                and byte_at(b, begin + 13) == 58
            ):
                hour = _two(b, begin + 11)
                minute = _two(b, begin + 14)
                if hour >= 0 and minute >= 0 and hour < 24 and minute < 60:
                    last = begin
                    minute_us = minute_us // DAY_US * DAY_US + (hour * 60 + minute) * MINUTE_US
                    values[row] = minute_us + rest_us
                    valid[row] = 1
                    continue
        if kind <= 1 or (kind == _TEXT and sizes[row] == 0):
            if required:
                status[row] = DOUBT
            continue
        untyped = kind == _TEXT or kind == _QUOTED
        time_us = _DOUBT
        offset = _UNSET
        index = 0
        for index in range(bounds.size - 1):
            code = program[2 * bounds[index]]
            if code < _ISO:
                if not untyped and kind != _INTEGER:
                    continue
                time_us = _epoch(b, begins[row], end, code)
                offset = _OFFSET_BASE
            elif not untyped and kind != _STRING:
                continue
            elif code == _ISO:
                time_us, offset = _iso(b, begins[row], end)
            else:
                first = bounds[index]
                time_us, offset = _pattern(
                    b, begins[row], end, program, first, bounds[index + 1], registers, names, name_offsets
                )
            if time_us != _NO_MATCH:
                break
        if time_us == _NO_MATCH or time_us == _DOUBT:
            status[row] = DOUBT
            continue
        if as_date:
            if time_us < TIME_MIN_US or time_us > TIME_MAX_US:
                status[row] = DOUBT
            values[row] = time_us // DAY_US
            valid[row] = 1
            continue
        if offset == _UNSET:
            local[row] = 1
        else:
            time_us -= (offset - _OFFSET_BASE) * MINUTE_US
        if time_us < TIME_MIN_US or time_us > TIME_MAX_US:
            status[row] = DOUBT
        elif plain and index == 0 and second_us(b, begin, sizes[row]) >= 0:
            last = begin
            minute_us = time_us // MINUTE_US * MINUTE_US
        values[row] = time_us
        valid[row] = 1


def read_times(
    spans: LocatedTimes,
    compiled: tuple[Longs, Longs],
    zone: ZoneInfo,
    status: Bytes,
    *,
    required: bool,
    as_date: bool,
) -> tuple[Longs, Bytes]:
    """Read a column of times: (microseconds or days, validity)."""
    values, valid = np.zeros(len(status), np.int64), np.zeros(len(status), np.uint8)
    fill_times(spans, compiled, zone, status, (values, valid), required=required, as_date=as_date)
    return values, valid


def fill_times(
    spans: LocatedTimes,
    compiled: tuple[Longs, Longs],
    zone: ZoneInfo,
    status: Bytes,
    column: tuple[Longs, Bytes],
    *,
    required: bool,
    as_date: bool,
) -> None:
    """Read the times of the CLEAR rows into a column that may have those of other rows already."""
    values, valid = column
    local = np.zeros(len(status), np.uint8)
    _read(*spans, *compiled, _NAMES, _NAME_OFFSETS, required, as_date, values, valid, local, status)
    if zone.key == "UTC" or not local.any():
        return
    moved = np.flatnonzero(local)
    values[moved] = from_local(values[moved], zone)
    status[moved[(values[moved] < TIME_MIN_US) | (values[moved] > TIME_MAX_US)]] = DOUBT
