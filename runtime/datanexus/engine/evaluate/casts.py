"""CAST: every conversion between types. What does not fit is a fault; doubtful texts go the slow lane one by one."""

import json
import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datanexus.core.columns import arrow_type
from datanexus.engine.evaluate.arithmetic import microseconds
from datanexus.engine.evaluate.arrays import column_from, flags_of, raw, valid_flags, values_of, without
from datanexus.engine.evaluate.decimals import too_large
from datanexus.engine.evaluate.faults import Frame, Operand, Reason
from datanexus.engine.evaluate.rows import RowError, row_by_row
from datanexus.plan.expression import Cast
from datanexus.plan.functions import DIGITS_MAX
from datanexus.plan.literals import DAY_US, WIDE, fit_decimal, read_value
from datanexus_spec.datatype import Kind

Convert = Callable[[Frame, pa.Array], pa.Array]
_WIDEST = pa.decimal256(76, 38)
_SHORTEST_EXACT = 15  # characters: a float this short has at most the 15 digits PostgreSQL's numeric takes of it
_FLOAT_WHOLE_MAX = 1e15  # PostgreSQL writes whole floats below it without an exponent
_ARROW_PLAIN_MAX = 1e10  # Arrow writes larger ones with an exponent
_FLOAT_FINE_MIN = 1e-4  # and broken ones above it
_ISO = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?"
_ISO_ZONED = _ISO + r"(Z|[+-][0-9]{2}(:[0-9]{2})?)$"
_ISO_DAY = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_BOUND = {Kind.INT32: 2**31, Kind.INT64: 2**63}
_INTEGERS = (Kind.INT32, Kind.INT64)
_TIMES = (Kind.DATE, Kind.LOCAL_TIMESTAMP, Kind.TIMESTAMP)


def conversion(cast: Cast) -> Convert:
    """The function that does a cast for a column."""
    source, target = cast.argument.type.kind, cast.type.kind
    if source is Kind.NULL:
        return lambda frame, _: pa.nulls(frame.rows, arrow_type(cast.type))
    if target is Kind.STRING:
        return lambda frame, column: _to_text(cast, frame, column)
    if source is Kind.STRING:
        return lambda frame, column: _from_text(cast, frame, column)
    if source in _TIMES and target in _TIMES:
        return lambda _, column: _time_to_time(cast, column)
    if target is Kind.DECIMAL:
        return lambda frame, column: _to_decimal(cast, frame, column)
    if target in _INTEGERS and source is not Kind.BOOL:
        return lambda frame, column: _to_integer(cast, frame, column)
    if target is Kind.FLOAT64:
        return lambda _, column: _to_float(column)
    result = arrow_type(cast.type)
    return lambda _, column: column.cast(result)


def _time_to_time(cast: Cast, column: pa.Array) -> pa.Array:
    target = arrow_type(cast.type)
    if cast.type.kind is Kind.DATE:
        days = values_of(column) // DAY_US
        return column_from(days.astype(np.int32), target, valid_flags((column,), len(column)))
    return microseconds(column).view(target)


def _to_float(column: pa.Array) -> pa.Array:
    if pa.types.is_decimal(column.type):
        return column.cast(pa.string()).cast(pa.float64())  # by text it is rounded correctly
    return column.cast(pa.float64(), safe=False)


def _to_integer(cast: Cast, frame: Frame, column: pa.Array) -> pa.Array:
    target = arrow_type(cast.type)
    if pa.types.is_integer(column.type) and column.type.bit_width <= target.bit_width:
        return column.cast(target)
    bound = _BOUND[cast.type.kind]
    if pa.types.is_decimal(column.type):
        whole = pc.round(
            column.cast(pa.decimal256(column.type.precision + 1, column.type.scale)), 0, "half_towards_infinity"
        )
        low, high = (pa.scalar(Decimal(edge), pa.decimal256(20, 0)) for edge in (-bound, bound - 1))
        whole = whole.cast(pa.decimal256(column.type.precision - column.type.scale + 1, 0))
        beyond = flags_of(pc.or_(pc.less(whole, low), pc.greater(whole, high)), frame.rows)
    elif pa.types.is_floating(column.type):
        numbers = np.rint(values_of(column))
        beyond = valid_flags((column,), frame.rows) & ~((numbers >= -bound) & (numbers < bound))
        whole = pa.array(numbers, mask=~valid_flags((column,), frame.rows))
    else:
        numbers = values_of(column)
        beyond = valid_flags((column,), frame.rows) & ((numbers < -bound) | (numbers > bound - 1))
        whole = column
    if beyond.any():
        frame.fail(beyond, Reason.OUT_OF_RANGE, f"out of range for {cast.type}", (cast, [column]))
        whole = without(whole, beyond)
    return whole.cast(target)


def _to_decimal(cast: Cast, frame: Frame, column: pa.Array) -> pa.Array:
    if pa.types.is_floating(column.type):
        return _float_to_decimal(cast, frame, column)
    if pa.types.is_integer(column.type):
        column = column.cast(pa.decimal128(10 if column.type == pa.int32() else 19, 0))
    return _rescaled(cast, frame, column)


def _rescaled(cast: Cast, frame: Frame, column: pa.Array) -> pa.Array:
    """A decimal in another precision and scale, halves away from zero."""
    target = arrow_type(cast.type)
    if column.type == target:
        return column
    given = column.type
    if given.scale > target.scale:
        wide = column if given.precision == 76 else column.cast(pa.decimal256(given.precision + 1, given.scale))
        column = pc.round(wide, target.scale, "half_towards_infinity")
    try:
        return column.cast(target)
    except pa.ArrowInvalid:
        beyond = too_large(column, cast.type)
        what = "more than 38 digits" if cast.type.precision == DIGITS_MAX else f"out of range for {cast.type}"
        frame.fail(beyond, Reason.DECIMAL_OVERFLOW, what, (cast, [column]))
        return without(column, beyond).cast(pa.decimal256(76, max(given.scale, target.scale))).cast(target)


def _float_to_decimal(cast: Cast, frame: Frame, column: pa.Array) -> pa.Array:
    """The 15 significant digits of each float, as PostgreSQL takes them."""
    shortest = column.cast(pa.string())
    lengths = pc.max(pc.utf8_length(shortest))
    if np.isfinite(values_of(column)).all():
        short = not lengths.is_valid or lengths.as_py() <= _SHORTEST_EXACT
        texts = (
            shortest
            if short
            else pa.array([None if number is None else f"{number:.14e}" for number in column.to_pylist()], pa.string())
        )
        try:
            return _rescaled(cast, frame, texts.cast(_WIDEST))
        except pa.ArrowInvalid:
            pass  # a number too small or too large for this lane
    return row_by_row(cast, frame, [column], lambda number: _fifteen_digits(number, cast))


def _fifteen_digits(number: float, cast: Cast) -> Decimal:
    if not np.isfinite(number):
        raise RowError(Reason.OUT_OF_RANGE, f"no number for {cast.type}")
    return fit_decimal(Decimal(f"{number:.14e}"), cast.type)


def _from_text(cast: Cast, frame: Frame, column: pa.Array) -> pa.Array:
    kind = cast.type.kind
    fast = _FAST_READERS.get(kind)
    if fast is not None:
        try:
            found = fast(cast, column)
        except pa.ArrowInvalid:
            found = None
        if found is not None:
            return found
    if kind is Kind.JSON:
        return row_by_row(cast, frame, [column], _check_json)
    if kind is Kind.DECIMAL:
        return row_by_row(cast, frame, [column], lambda text: Decimal(str(read_value(text, cast.type))))
    return row_by_row(cast, frame, [column], lambda text: read_value(text, cast.type))


def _fast_integer(cast: Cast, column: pa.Array) -> pa.Array | None:
    found = column.cast(arrow_type(cast.type))
    return None if _any(pc.match_substring(column, "x", ignore_case=True)) else found  # 0x1F is no integer here


def _fast_float(_: Cast, column: pa.Array) -> pa.Array | None:
    found = column.cast(pa.float64())
    numbers = values_of(found)
    plain = np.isfinite(numbers) & (numbers != 0)
    if plain.all():
        return found
    doubtful = valid_flags((column,), len(column)) & ~plain
    zeros = flags_of(pc.is_in(column, value_set=pa.array(["0", "0.0", "-0", "0.00"])), len(column))
    return None if (doubtful & ~zeros).any() else found


def _fast_time(cast: Cast, column: pa.Array) -> pa.Array | None:
    naive = pa.timestamp("us")
    if cast.type.kind is Kind.DATE:
        day = pc.all(pc.match_substring_regex(column, _ISO_DAY), min_count=0).as_py()
        return _within_years(column.cast(pa.date32())) if day else None
    if pc.all(pc.match_substring_regex(column, _ISO + "$"), min_count=0).as_py():
        return _within_years(column.cast(naive).cast(arrow_type(cast.type)))
    zoned = pc.all(pc.match_substring_regex(column, _ISO_ZONED), min_count=0).as_py()
    if zoned and cast.type.kind is Kind.TIMESTAMP:
        return _within_years(column.cast(arrow_type(cast.type)))
    return None


def _within_years(column: pa.Array) -> pa.Array | None:
    """The column unless a year 0 is in it, or an offset led out of the years; the slow lane tells those."""
    numbers = values_of(column)
    day = 1 if column.type == pa.date32() else DAY_US
    inside = (numbers >= -719_162 * day) & (numbers < 2_932_897 * day)
    return column if (inside | ~valid_flags((column,), len(column))).all() else None


def _fast_decimal(cast: Cast, column: pa.Array) -> pa.Array | None:
    wide = column.cast(_WIDEST)
    frame = Frame(pa.RecordBatch.from_arrays([column], ["text"]))
    found = _rescaled(cast, frame, wide)
    return None if frame.faults else found


_FAST_READERS: dict[Kind, Callable[[Cast, pa.Array], pa.Array | None]] = {
    Kind.INT32: _fast_integer,
    Kind.INT64: _fast_integer,
    Kind.FLOAT64: _fast_float,
    Kind.DECIMAL: _fast_decimal,
    Kind.TIMESTAMP: _fast_time,
    Kind.LOCAL_TIMESTAMP: _fast_time,
    Kind.DATE: _fast_time,
}


def _check_json(text: str) -> str:
    try:
        json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        shown = text if len(text) <= 100 else text[:100] + "…"
        raise RowError(Reason.INVALID_CAST, f'"{shown}" is no JSON') from None
    return text


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def _to_text(cast: Cast, frame: Frame, column: pa.Array) -> pa.Array:
    match cast.argument.type.kind:
        case Kind.FLOAT64:
            return _floats_to_text(cast, frame, column)
        case Kind.TIMESTAMP | Kind.LOCAL_TIMESTAMP as kind:
            return _plain_times(column, zone="+00" if kind is Kind.TIMESTAMP else "")
        case Kind.DECIMAL:
            shown = column.cast(pa.string())
            if not _any(pc.match_substring(shown, "E")):
                return shown
            return row_by_row(cast, frame, [column], lambda number: f"{number:f}")
        case _:
            return column.cast(pa.string())


def _plain_times(column: pa.Array, zone: str) -> pa.Array:
    """`2020-01-02 03:04:05.06+00`: no fraction when it is zero, no zeros at its end."""
    shown = pc.strftime(raw(column).view(pa.timestamp("us")), format="%Y-%m-%d %H:%M:%S")
    seconds, fraction = pc.utf8_slice_codeunits(shown, 0, 19), pc.utf8_slice_codeunits(shown, 19)
    fraction = pc.ascii_rtrim(pc.ascii_rtrim(fraction, "0"), ".")
    return pc.binary_join_element_wise(seconds, fraction, zone, "")


def _floats_to_text(cast: Cast, frame: Frame, column: pa.Array) -> pa.Array:
    numbers = values_of(column)
    sizes = np.abs(numbers)
    plain = (sizes < _ARROW_PLAIN_MAX) & (sizes >= _FLOAT_FINE_MIN) | (numbers == 0)
    shown = column.cast(pa.string())
    valid = valid_flags((column,), frame.rows)
    if (plain | ~valid).all():
        return shown
    careful = row_by_row(cast, frame, [column], _float_text, valid & ~plain)
    return pc.if_else(pa.array(plain), shown, careful)


def _float_text(number: float) -> str:
    """The shortest text that reads back as the number, as PostgreSQL writes it."""
    if number != number:
        return "NaN"
    if number in (float("inf"), float("-inf")):
        return "Infinity" if number > 0 else "-Infinity"
    if _FLOAT_FINE_MIN <= abs(number) < _FLOAT_WHOLE_MAX or number == 0:
        return f"{number!r}".removesuffix(".0")
    shortest = Decimal(repr(number))
    if abs(number) >= _FLOAT_WHOLE_MAX and _between_floats(shortest, number):
        shortest = Decimal(f"{number:.16e}")
    digits, _, exponent = f"{shortest.normalize(WIDE):e}".partition("e")
    return f"{digits}e{exponent[0]}{int(exponent[1:]):02d}"


def _between_floats(shortest: Decimal, number: float) -> bool:
    """Whether a text lies in the middle of two floats: it reads back by rounding to even, and PostgreSQL avoids it."""
    neighbour = math.nextafter(number, math.inf if shortest > Decimal(number) else -math.inf)
    if not math.isfinite(neighbour):
        return False
    return 2 * int(shortest) == int(number) + int(neighbour)


def _any(flags: Operand) -> bool:
    return bool(pc.any(flags, min_count=0).as_py())
