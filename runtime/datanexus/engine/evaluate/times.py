"""Functions of time: truncation, parts, months, zones. Calendar arithmetic is proleptic Gregorian on int64 numbers."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datanexus.core.columns import arrow_type
from datanexus.engine.evaluate import zones
from datanexus.engine.evaluate.arithmetic import Operation, microseconds, within_years
from datanexus.engine.evaluate.arrays import column_from, column_of, typed, valid_flags, values_of, without
from datanexus.engine.evaluate.faults import Frame, Operand, Reason
from datanexus.plan.expression import Call, Literal
from datanexus.plan.literals import DAY_US, TIMESTAMP_MAX_US, TIMESTAMP_MIN_US
from datanexus_spec.datatype import Kind

Numbers = npt.NDArray[np.int64]
_BOUNDS = (TIMESTAMP_MIN_US, TIMESTAMP_MAX_US, None)
_STEPS_US = {
    "microseconds": 1,
    "milliseconds": 1_000,
    "second": 1_000_000,
    "minute": 60_000_000,
    "hour": 3_600_000_000,
    "day": DAY_US,
}
_EPOCH_2000_SECONDS = 946_684_800.0  # PostgreSQL rounds seconds relative to the year 2000


def date_trunc(call: Call) -> Operation:
    """The start of the unit a time lies in; with a zone, of the unit of that zone's calendar."""
    unit = _word(call, 0)
    zone = _word(call, 2) if len(call.arguments) > 2 else None
    if zone is not None:
        zones.offset_table(zone)  # made now and not under the first batch

    def run(frame: Frame, operands: list[Operand]) -> Operand:
        time = column_of(operands[1], frame.rows)
        instants = values_of(time)
        if zone is None:
            start = truncate(instants, unit)
        elif unit in _STEPS_US and unit != "day":
            offsets = zones.offsets_us(instants, zone)
            start = truncate(instants + offsets, unit) - offsets
        else:
            start = zones.from_local(truncate(zones.to_local(instants, zone), unit), zone)
        return _times(call, frame, operands, column_from(start, pa.int64(), valid_flags((time,), frame.rows)))

    return run


def truncate(times_us: Numbers, unit: str) -> Numbers:
    """The start of each time's unit, in the calendar the times are given in."""
    step = _STEPS_US.get(unit)
    if step is not None:
        return times_us - times_us % step
    days = times_us // DAY_US
    if unit == "week":
        return (days - (days + 3) % 7) * DAY_US  # 1970-01-01 was a Thursday
    year, month, _ = civil(days)
    firsts: dict[str, tuple[Numbers, Numbers | int]] = {
        "month": (year, month),
        "quarter": (year, (month - 1) // 3 * 3 + 1),
        "year": (year, 1),
        "decade": (year // 10 * 10, 1),
        "century": ((year - 1) // 100 * 100 + 1, 1),
        "millennium": ((year - 1) // 1000 * 1000 + 1, 1),
    }
    first_year, first_month = firsts[unit]
    return first_of_month(first_year * 12 + first_month - 1) * DAY_US


def civil(days: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """Year, month and day of the month of days since 1970-01-01."""
    dates = days.astype("datetime64[D]")
    months = dates.astype("datetime64[M]")
    number = months.astype(np.int64)
    return number // 12 + 1970, number % 12 + 1, (dates - months.astype("datetime64[D]")).astype(np.int64) + 1


def first_of_month(months: Numbers) -> Numbers:
    """Days since 1970-01-01 of the first day of a month, counted from January of the year 0."""
    number = np.asarray(months - 1970 * 12, dtype=np.int64)
    return number.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)


def add_months(call: Call) -> Operation:
    """A time moved by whole months; a day that the month does not have becomes its last."""
    literal = call.arguments[1]
    assert isinstance(literal, Literal)
    assert isinstance(literal.value, int)
    count = literal.value

    def run(frame: Frame, operands: list[Operand]) -> Operand:
        time = column_of(microseconds(operands[0]), frame.rows)
        instants = values_of(time)
        days = instants // DAY_US
        year, month, day = civil(days)
        target = np.clip(year * 12 + month - 1 + count, -1_000_000, 1_000_000)
        first = first_of_month(target)
        last_day = first_of_month(target + 1) - first
        moved = (first + np.minimum(day, last_day) - 1) * DAY_US + (instants - days * DAY_US)
        return _times(call, frame, operands, column_from(moved, pa.int64(), valid_flags((time,), frame.rows)))

    return run


def extract(call: Call) -> Operation:
    """A part of a time as a decimal, or for date_part as a float64."""
    part = _word(call, 0)
    compute, scale = _PARTS[part]
    of_interval = call.arguments[1].type.kind is Kind.INTERVAL
    result_type = arrow_type(call.type)

    def run(frame: Frame, operands: list[Operand]) -> Operand:
        time = column_of(microseconds(operands[1]), frame.rows)
        valid = valid_flags((time,), frame.rows)
        given = np.where(valid, values_of(time), 0)
        units = given if of_interval else compute(given)
        if call.type.kind is Kind.FLOAT64:
            return column_from(units / 10**scale, result_type, valid)
        return decimals_from_units(units, result_type, valid)

    return run


def decimals_from_units(units: Numbers, data_type: pa.DataType, valid: npt.NDArray[np.bool_]) -> pa.Array:
    """Decimals from their unscaled integers."""
    words = np.empty((len(units), 2), dtype=np.int64)
    words[:, 0] = units
    words[:, 1] = units >> 63
    column = pa.Array.from_buffers(data_type, len(units), [None, pa.py_buffer(words)])
    return column if valid.all() else without(column, ~valid)


def _days(times_us: Numbers) -> Numbers:
    return times_us // DAY_US


def _iso_thursday(times_us: Numbers) -> Numbers:
    """The day that decides to which ISO year a week belongs."""
    days = _days(times_us)
    return days - (days + 3) % 7 + 3


def _year(times_us: Numbers) -> Numbers:
    return civil(_days(times_us))[0]


def _month(times_us: Numbers) -> Numbers:
    return civil(_days(times_us))[1]


def _day_of_year(times_us: Numbers) -> Numbers:
    days = _days(times_us)
    return days - first_of_month(civil(days)[0] * 12) + 1


def _iso_week(times_us: Numbers) -> Numbers:
    thursday = _iso_thursday(times_us)
    return (thursday - first_of_month(civil(thursday)[0] * 12)) // 7 + 1


# part → its value in units of 10**-scale, and the scale
_PARTS: dict[str, tuple[Callable[[Numbers], Numbers], int]] = {
    "microseconds": (lambda times: times % 60_000_000, 0),
    "milliseconds": (lambda times: times % 60_000_000, 3),
    "second": (lambda times: times % 60_000_000, 6),
    "minute": (lambda times: times // 60_000_000 % 60, 0),
    "hour": (lambda times: times // 3_600_000_000 % 24, 0),
    "day": (lambda times: civil(_days(times))[2], 0),
    "dow": (lambda times: (_days(times) + 4) % 7, 0),
    "isodow": (lambda times: (_days(times) + 3) % 7 + 1, 0),
    "doy": (_day_of_year, 0),
    "week": (_iso_week, 0),
    "month": (_month, 0),
    "quarter": (lambda times: (_month(times) - 1) // 3 + 1, 0),
    "year": (_year, 0),
    "isoyear": (lambda times: civil(_iso_thursday(times))[0], 0),
    "decade": (lambda times: _year(times) // 10, 0),
    "century": (lambda times: (_year(times) + 99) // 100, 0),
    "millennium": (lambda times: (_year(times) + 999) // 1000, 0),
    "epoch": (lambda times: times, 6),
}


def at_time_zone(call: Call) -> Operation:
    """An instant to the wall clock of a zone, or a wall-clock time of a zone to the instant."""
    zone = _word(call, 1)
    zones.offset_table(zone)  # made now and not under the first batch
    convert = zones.to_local if call.arguments[0].type.kind is Kind.TIMESTAMP else zones.from_local

    def run(frame: Frame, operands: list[Operand]) -> Operand:
        time = column_of(operands[0], frame.rows)
        moved = convert(values_of(time), zone)
        return _times(call, frame, operands, column_from(moved, pa.int64(), valid_flags((time,), frame.rows)))

    return run


def to_timestamp(call: Call) -> Operation:
    """Seconds since 1970 UTC to the instant, rounded to microseconds."""

    def run(frame: Frame, operands: list[Operand]) -> Operand:
        seconds = values_of(operands[0])
        valid = valid_flags((operands[0],), frame.rows)
        with np.errstate(all="ignore"):
            since_2000 = np.rint((seconds - _EPOCH_2000_SECONDS) * 1e6)
            beyond = valid & ~(np.abs(since_2000) < 1e18)
        frame.fail(beyond, Reason.OUT_OF_RANGE, "a year outside 1 to 9999", (call, operands))
        valid &= ~beyond
        instants = np.where(valid, since_2000, 0.0).astype(np.int64) + int(_EPOCH_2000_SECONDS) * 1_000_000
        return _times(call, frame, operands, column_from(instants, pa.int64(), valid))

    return run


def _times(call: Call, frame: Frame, operands: list[Operand], instants: pa.Array) -> Operand:
    return typed(within_years(call, frame, operands, instants, _BOUNDS), arrow_type(call.type))


def _word(call: Call, place: int) -> str:
    literal = call.arguments[place]
    assert isinstance(literal, Literal)
    return str(literal.value).lower() if place == 0 else str(literal.value)
