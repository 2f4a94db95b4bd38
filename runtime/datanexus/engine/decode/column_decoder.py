"""Chunks that arrive as columns (Arrow, Parquet, a generator) to the normalised record.

Columns are typed as JSON is: a string is no number, a float no integer. Whole columns are read where their type has a
plain way into the field's type; every other row is turned into a token and judged by `value` like any other.
Timestamps without a zone are local in the record's time zone; nanoseconds are rounded, ties to even.
"""

import json
from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from datanexus.core.columns import arrow_type
from datanexus.engine.decode.column_scan import check_text, is_plain_ascii
from datanexus.engine.decode.json_scan import (
    CLEAR,
    DAYS,
    DOUBT,
    FALSE,
    INSTANT,
    INTEGER,
    LOCAL_TIME,
    MISSING,
    NESTED,
    NULL,
    NUMBER,
    QUOTED,
    STRING,
    TRUE,
    Bytes,
    Longs,
)
from datanexus.engine.decode.json_text import judge_text
from datanexus.engine.decode.normalise import Column, Decoded, Normaliser, Spans
from datanexus.engine.decode.raw import json_value
from datanexus.engine.decode.reason import Reason, Refusal, shown
from datanexus.engine.decode.time_pattern import DAY_US, TIME_MAX_US, TIME_MIN_US
from datanexus.engine.decode.time_scan import from_local
from datanexus.engine.decode.value import ABSENT, INTEGER_RANGES, FieldReader, Token
from datanexus.plan.physical import RecordPlan
from datanexus.ports.source import Chunk, ColumnChunk
from datanexus_spec.datatype import DataType, Kind

_FAST_DIGITS = 18  # of decimals that fit an int64
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


class ColumnDecoder:
    """Reads record batches of any schema."""

    def __init__(self, record: RecordPlan) -> None:
        self._normaliser = Normaliser(record)
        self._only_used = record.unknown_fields == "Reject"

    def decode(self, chunk: Chunk) -> Decoded:
        """Read all rows of a chunk."""
        assert isinstance(chunk, ColumnChunk), "these formats come as columns"
        status = np.full(chunk.rows, CLEAR, np.uint8)
        arrays = [_located(chunk.columns, reader.plan.origins) for reader in self._normaliser.readers]
        columns = [
            self._read(index, reader, array, status)
            for index, (reader, array) in enumerate(zip(self._normaliser.readers, arrays, strict=True))
        ]
        unknown = self._unknown(chunk.columns.schema.names)
        if unknown is not None:
            status[:] = DOUBT

        def judge(row: int) -> Sequence[Token] | Refusal:
            if unknown is not None:
                return unknown
            tokens = []
            for reader, array in zip(self._normaliser.readers, arrays, strict=True):
                token = ABSENT if array is None else _token(array, row, is_json=reader.plan.type.kind is Kind.JSON)
                if isinstance(token, Refusal):
                    return token
                tokens.append(token)
            return tokens

        return self._normaliser.finish(columns, status, judge)

    def _unknown(self, names: Sequence[str]) -> Refusal | None:
        """Why all rows are refused, where there is a column that the record does not know."""
        used = {origin.split(".")[0] for field in self._normaliser.fields for origin in field.origins}
        used |= {origin for field in self._normaliser.fields for origin in field.origins}
        extra = [name for name in names if name not in used]
        if not self._only_used or not extra:
            return None
        message = (
            f'found the column "{shown(extra[0])}", expected only {", ".join(sorted(used))} (unknownFields: Reject)'
        )
        return Refusal(Reason.UNKNOWN_FIELD, message, extra[0])

    def _read(self, index: int, reader: FieldReader, array: pa.Array | None, status: Bytes) -> Column:
        """One field by the plain way of its type; rows for which there is none become DOUBT."""
        if array is not None and _is_text(array.type):
            if reader.plan.type.kind is Kind.STRING and not array.null_count and not reader.plan.null_if:
                texts = _plain_texts(array)
                if texts is not None:
                    return texts
            return self._normaliser.read(index, _text_spans(array, reader, status), status)
        if array is not None and array.null_count == len(array):
            return self._normaliser.read(index, _nulls(status), status)
        values = None if array is None or reader.plan.null_if else _plain_values(reader, array, status)
        if array is None or values is None:
            return self._normaliser.read(index, _nothing(array, status), status)
        if not array.null_count:
            return Column(np.ones(len(array), np.uint8), values=values)
        valid = np.asarray(array.is_valid()).astype(np.uint8)
        if reader.required:
            status[valid == 0] = DOUBT
        return Column(valid, values=values)


def _located(batch: pa.RecordBatch, origins: Sequence[str]) -> pa.Array | None:
    """The column of a field: of its first origin that there is, by its name or by its path into structs."""
    for origin in origins:
        if origin in batch.schema.names:
            return _decoded(batch.column(batch.schema.names.index(origin)))
        first, *rest = origin.split(".")
        if not rest or first not in batch.schema.names:
            continue
        array = batch.column(batch.schema.names.index(first))
        for name in rest:
            known = pa.types.is_struct(array.type) and array.type.get_field_index(name) >= 0
            array = pc.struct_field(array, name) if known else None
            if array is None:
                break
        if array is not None:
            return _decoded(array)
    return None


def _decoded(array: pa.Array) -> pa.Array:
    """The same values without dictionary, and texts with 32-bit offsets."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_large_string(array.type) or pa.types.is_string_view(array.type):
        return array.cast(pa.string())
    if pa.types.is_large_binary(array.type) or pa.types.is_fixed_size_binary(array.type):
        return array.cast(pa.binary())
    return array


def _is_text(data_type: pa.DataType) -> bool:
    return bool(pa.types.is_string(data_type) or pa.types.is_binary(data_type))


def _plain_texts(array: pa.Array) -> Column | None:
    """The column where it lies, if all its texts are ASCII without NUL."""
    _, offsets_buffer, content = array.buffers()
    if not len(array) or content is None:
        return None
    offsets = np.frombuffer(offsets_buffer, np.int32)[array.offset : array.offset + len(array) + 1]
    data = np.frombuffer(content, np.uint8)
    if not is_plain_ascii(data, int(offsets[0]), int(offsets[-1])):
        return None
    return Column(np.ones(len(array), np.uint8), side=data, offsets=offsets)


def _text_spans(array: pa.Array, reader: FieldReader, status: Bytes) -> Spans:
    _, offsets_buffer, content = array.buffers()
    rows = len(array)
    if not rows:
        return _nulls(status)
    offsets = np.frombuffer(offsets_buffer, np.int32)[array.offset : array.offset + rows + 1].astype(np.int64)
    data = np.empty(0, np.uint8) if content is None else np.frombuffer(content, np.uint8)
    begins, sizes = offsets[:-1].copy(), np.diff(offsets)
    sound = np.empty(rows, np.uint8)
    check_text(data, begins, sizes, sound)
    valid = np.asarray(array.is_valid())
    status[(sound != CLEAR) & valid] = DOUBT
    # A text for a json field is JSON already; it has no quotes around it.
    tag = QUOTED if reader.plan.type.kind is Kind.JSON else STRING
    return Spans(data, begins, sizes, np.where(valid, tag, NULL).astype(np.uint8))


def _nulls(status: Bytes) -> Spans:
    zeros = np.zeros(len(status), np.int64)
    return Spans(np.empty(0, np.uint8), zeros, zeros, np.full(len(status), NULL, np.uint8))


def _nothing(array: pa.Array | None, status: Bytes) -> Spans:
    """No values for the kernels: a missing column, or one whose rows are all judged."""
    zeros = np.zeros(len(status), np.int64)
    if array is not None:
        status[:] = DOUBT
    return Spans(np.empty(0, np.uint8), zeros, zeros, np.full(len(status), MISSING, np.uint8))


def _plain_values(
    reader: FieldReader, array: pa.Array, status: Bytes
) -> npt.NDArray[np.int64] | npt.NDArray[np.float64] | None:
    kind = reader.plan.type.kind
    source = array.type
    if kind is Kind.BOOL and pa.types.is_boolean(source):
        return _numbers(array).astype(np.int64)
    if kind in INTEGER_RANGES and pa.types.is_integer(source):
        low, high = INTEGER_RANGES[kind]
        numbers = _numbers(array)
        if not _lie_between(numbers, low, high):
            status[(numbers < low) | (numbers > high)] = DOUBT
        return numbers.astype(np.int64, copy=False)
    if kind is Kind.FLOAT64 and (pa.types.is_floating(source) or pa.types.is_integer(source)):
        floats = _numbers(array).astype(np.float64)
        status[~np.isfinite(floats)] = DOUBT
        return floats
    if kind is Kind.DATE and pa.types.is_date32(source):
        days = _numbers(array.cast(pa.int32())).astype(np.int64)
        status[(days < TIME_MIN_US // DAY_US) | (days > TIME_MAX_US // DAY_US)] = DOUBT
        return days
    if kind is Kind.DECIMAL and reader.plan.type.precision <= _FAST_DIGITS:
        return _decimals(reader.plan.type, array, status)
    if kind is Kind.TIMESTAMP and pa.types.is_timestamp(source):
        times = _times(array, _PER_SECOND[source.unit], status)
        return times if source.tz is not None else _moved(times, reader.zone, status)
    epoch = next((time for time in reader.formats if time.is_epoch), None)
    if kind is Kind.TIMESTAMP and epoch is not None and pa.types.is_signed_integer(source):
        return _times(array, epoch.per_second, status)
    return None


def _decimals(data_type: DataType, array: pa.Array, status: Bytes) -> Longs | None:
    """Unscaled decimals of integers and of decimals that need no rounding."""
    if pa.types.is_signed_integer(array.type):
        bound = 10 ** (data_type.precision - data_type.scale)
        whole = _numbers(array).astype(np.int64)
        status[(whole <= -bound) | (whole >= bound)] = DOUBT
        return np.clip(whole, -bound, bound) * 10**data_type.scale if bound < 10**_FAST_DIGITS else None
    if not pa.types.is_decimal128(array.type):
        return None
    try:
        fitting = array.cast(arrow_type(data_type))
    except pa.ArrowInvalid:
        return None
    words = np.frombuffer(fitting.buffers()[1], np.int64)
    return words[2 * fitting.offset : 2 * (fitting.offset + len(fitting)) : 2].copy()


def _numbers(array: pa.Array) -> npt.NDArray[Any]:
    """The values as NumPy has them, zero for NULL."""
    numbers: npt.NDArray[Any] = (
        array if not array.null_count else array.fill_null(pa.scalar(0).cast(array.type))
    ).to_numpy(zero_copy_only=False)
    return numbers


def _lie_between(numbers: npt.NDArray[Any], low: int, high: int) -> bool:
    """Whether all integers do, most of the time told by their type or by one look at each."""
    bounds = np.iinfo(numbers.dtype)
    if (low <= bounds.min and bounds.max <= high) or not len(numbers):
        return True
    return bool(low <= numbers.min() and numbers.max() <= high)


def _times(array: pa.Array, per_second: int, status: Bytes) -> Longs:
    """Microseconds of a count of units since 1970."""
    written = _numbers(array.cast(pa.int64())).astype(np.int64, copy=False)
    if per_second > 1_000_000:
        times = written // 1_000
        rest = written - times * 1_000
        times += (rest > 500) | ((rest == 500) & (times % 2 == 1))
    else:
        factor = 1_000_000 // per_second
        low, high = TIME_MIN_US // factor, TIME_MAX_US // factor
        if _lie_between(written, low, high):
            return written if factor == 1 else written * factor
        status[(written < low) | (written > high)] = DOUBT
        times = np.clip(written, low, high) * factor
    status[(times < TIME_MIN_US) | (times > TIME_MAX_US)] = DOUBT
    return times


def _moved(local_us: Longs, zone: ZoneInfo, status: Bytes) -> Longs:
    times = from_local(local_us, zone)
    status[(times < TIME_MIN_US) | (times > TIME_MAX_US)] = DOUBT
    return times


def _token(array: pa.Array, row: int, *, is_json: bool) -> Token | Refusal:
    scalar = array[row]
    if not scalar.is_valid:
        return Token(NULL, "null", "null")
    if _is_text(array.type):
        content = scalar.as_buffer().to_pybytes()
        refusal = judge_text(content)
        text = "" if refusal is not None else content.decode()
        return refusal or Token(QUOTED if is_json else STRING, text, text)
    if pa.types.is_timestamp(array.type):
        return _time_token(array.type, scalar.value)
    if pa.types.is_date(array.type):
        days = scalar.value if pa.types.is_date32(array.type) else scalar.value * 1000 // DAY_US
        return Token(DAYS, str(days), f'"{scalar}"')
    value = scalar.as_py()
    if isinstance(value, bool):
        return Token(TRUE if value else FALSE, str(value).lower(), str(value).lower())
    if isinstance(value, int):
        return Token(INTEGER, str(value), str(value))
    if pa.types.is_floating(array.type) or pa.types.is_decimal(array.type):
        return Token(NUMBER, str(value), str(value))
    raw = json.dumps(json_value(value), ensure_ascii=False, separators=(",", ":"))
    return Token(NESTED, raw, raw)


def _time_token(data_type: pa.TimestampType, value: int) -> Token:
    per_second = _PER_SECOND[data_type.unit]
    if per_second > 1_000_000:
        quotient, rest = divmod(value, 1_000)
        time_us = quotient + (rest > 500 or (rest == 500 and quotient % 2 == 1))
    else:
        time_us = value * (1_000_000 // per_second)
    return Token(LOCAL_TIME if data_type.tz is None else INSTANT, str(time_us))
