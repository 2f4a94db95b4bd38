"""From spans to the columns of the normalised record: the kernels first, strict verdicts for the rows they doubt.

A format hands over one `Spans` per field and a status per row, and a `Judge` that gives the tokens of a doubtful row.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from datanexus.core.columns import arrow_type
from datanexus.core.rejection import Rejection
from datanexus.engine.decode import column_scan
from datanexus.engine.decode.json_scan import CLEAR, DOUBT, ESCAPED, MISSING, TEXT, Bytes, Longs
from datanexus.engine.decode.reason import Refusal
from datanexus.engine.decode.time_pattern import time_zone
from datanexus.engine.decode.time_scan import compiled_formats, fill_times, read_times
from datanexus.engine.decode.value import ABSENT, INTEGER_RANGES, FieldReader, Token, Value, field_reader, read_value
from datanexus.plan.physical import FieldPlan, RecordPlan
from datanexus_spec.datatype import DataType, Kind

Judge = Callable[[int], Sequence[Token] | Refusal]  # row → one token per field of the record, or why there are none
_FAST_DIGITS = 18  # digits of a decimal that fit an int64
_PADDING = 16  # bytes that a wide copy may write too many


@dataclass(frozen=True, slots=True)
class Decoded:
    """The valid rows of a chunk. `records`: the columns of the record; `rows`: their indices in the chunk, ascending;
    `rejected`: the others, ascending."""

    records: pa.RecordBatch
    rows: Longs
    event_time_us: Longs
    rejected: tuple[Rejection, ...]


@dataclass(frozen=True, slots=True)
class Spans:
    """The raw values of one field: spans of `data` and their tags (see `json_scan`)."""

    data: Bytes
    begins: Longs
    sizes: Longs
    tags: Bytes


@dataclass(slots=True)
class Column:
    """Values of one field while its rows are judged: integers or floats in `values` (or Python integers beyond int64);
    or texts, written out with their `offsets`, or as spans of `spans.data` and, where a begin is negative, of `side`
    from -1 - begin on."""

    valid: Bytes
    values: npt.NDArray[np.int64] | npt.NDArray[np.float64] | npt.NDArray[np.object_] | None = None
    spans: Spans | None = None
    side: Bytes | None = None
    offsets: npt.NDArray[np.int32] | None = None


class Normaliser:
    """Reads the fields of one record plan."""

    def __init__(self, record: RecordPlan) -> None:
        zone = time_zone(record.time_zone)
        self.readers = tuple(
            field_reader(field, is_event_time=field.name == record.event_time, zone=zone) for field in record.fields
        )
        self._columns = tuple(_FastColumn(reader, zone) for reader in self.readers)
        self._event_time = [field.name for field in record.fields].index(record.event_time)
        self._schema = pa.schema([(field.name, arrow_type(field.type)) for field in record.fields])

    @property
    def fields(self) -> tuple[FieldPlan, ...]:
        """The record's fields in order."""
        return tuple(reader.plan for reader in self.readers)

    @property
    def schema(self) -> pa.Schema:
        """The columns of the record."""
        return self._schema

    def normalise(self, spans: Sequence[Spans], status: Bytes, judge: Judge) -> Decoded:
        """Read the fields of all rows.

        Shape:   one `Spans` per field; status: CLEAR or DOUBT per row, changed in place.
        """
        return self.finish([self.read(index, field, status) for index, field in enumerate(spans)], status, judge)

    def read(self, field: int, spans: Spans, status: Bytes) -> Column:
        """Read one field by its kernel; rows that need a strict look become DOUBT."""
        return self._columns[field].read(spans, status)

    def complete_times(self, field: int, spans: Spans, column: tuple[Longs, Bytes], status: Bytes) -> Column:
        """Read what is not valid yet in a column of times; rows that need a strict look become DOUBT."""
        return self._columns[field].complete_times(spans, column, status)

    def finish(
        self, columns: Sequence[Column], status: Bytes, judge: Judge, *, rows: Longs | None = None, total: int = 0
    ) -> Decoded:
        """Have the doubtful rows judged and make the record's columns of what passed.

        `rows`: which of the chunk's `total` rows the columns and the status have, the others are doubtful; None: all.
        """
        clear = np.flatnonzero(status == CLEAR)
        passed = clear if rows is None else rows if len(clear) == len(status) else rows[clear]
        doubtful = np.ones(len(status) if rows is None else total, np.bool_)
        doubtful[passed] = False
        accepted, rejected = self._judged(np.flatnonzero(doubtful), judge)
        types = [reader.plan.type for reader in self.readers]
        arrays = [_array(given, column, clear) for given, column in zip(types, columns, strict=True)]
        if accepted:
            late = np.array([row for row, _ in accepted], np.int64)
            order = pa.array(np.argsort(np.concatenate([passed, late]), kind="stable"))
            passed = np.sort(np.concatenate([passed, late]))
            judged = [
                _judged_array(given, [values[index] for _, values in accepted]) for index, given in enumerate(types)
            ]
            arrays = [pa.concat_arrays(pair).take(order) for pair in zip(arrays, judged, strict=True)]
        records = pa.RecordBatch.from_arrays(arrays, schema=self._schema)
        return Decoded(records, passed, _microseconds(arrays[self._event_time]), rejected)

    def _judged(self, rows: Longs, judge: Judge) -> tuple[list[tuple[int, list[Value]]], tuple[Rejection, ...]]:
        accepted: list[tuple[int, list[Value]]] = []
        rejected: list[Rejection] = []
        for row in rows.tolist():
            verdict = judge(row)
            values = verdict if isinstance(verdict, Refusal) else self.values(verdict)
            if isinstance(values, Refusal):
                rejected.append(values.at(row))
            else:
                accepted.append((row, values))
        return accepted, tuple(rejected)

    def values(self, tokens: Sequence[Token]) -> list[Value] | Refusal:
        """The values of one record, or the first refusal in the record's order."""
        values: list[Value] = []
        for reader, token in zip(self.readers, tokens, strict=True):
            value = read_value(reader, token)
            if isinstance(value, Refusal):
                return value
            values.append(value)
        return values


class _FastColumn:
    """The kernel call of one field with what it needs at hand."""

    def __init__(self, reader: FieldReader, zone: ZoneInfo) -> None:
        self._type = reader.plan.type
        self._required = reader.required
        self._zone = zone
        self._times = compiled_formats(reader.formats)
        texts = [text.encode() for text in reader.plan.null_if]
        self._null_texts = np.frombuffer(b"".join(texts), np.uint8)
        self._null_offsets = np.cumsum([0] + [len(text) for text in texts]).astype(np.int64)

    def read(self, spans: Spans, status: Bytes) -> Column:
        """Read a column; rows that need a strict look become DOUBT."""
        if len(self._null_offsets) > 1:
            tags = spans.tags.copy()
            column_scan.mark_nulls(
                spans.data, spans.begins, spans.sizes, tags, self._null_texts, self._null_offsets, status
            )
            spans = Spans(spans.data, spans.begins, spans.sizes, tags)
        match self._type.kind:
            case Kind.STRING:
                return self._strings(spans, status)
            case Kind.JSON:
                return self._json(spans, status)
            case Kind.TIMESTAMP | Kind.DATE:
                return self._time(spans, status)
        return self._numbers(spans, status)

    def _strings(self, spans: Spans, status: Bytes) -> Column:
        column = Column(np.zeros(len(status), np.uint8), spans=spans)
        if column_scan.check_strings(spans.sizes, spans.tags, self._required, column.valid, status):
            begins, sizes = spans.begins.copy(), spans.sizes.copy()
            side = np.empty(int(sizes[spans.tags == ESCAPED].sum()), np.uint8)
            written = column_scan.unescape(spans.data, begins, sizes, spans.tags, status, side)
            column.spans = Spans(spans.data, begins, sizes, spans.tags)
            column.side = side[:written]
        return column

    def _json(self, spans: Spans, status: Bytes) -> Column:
        column = Column(np.zeros(len(status), np.uint8))
        column.spans = Spans(spans.data, spans.begins.copy(), spans.sizes.copy(), spans.tags)
        column_scan.check_json(
            spans.data, column.spans.begins, column.spans.sizes, spans.tags, self._required, column.valid, status
        )
        return column

    def _time(self, spans: Spans, status: Bytes) -> Column:
        as_date = self._type.kind is Kind.DATE
        located = (spans.data, spans.begins, spans.sizes, spans.tags)
        values, valid = read_times(located, self._times, self._zone, status, required=self._required, as_date=as_date)
        return Column(valid, values=values)

    def complete_times(self, spans: Spans, column: tuple[Longs, Bytes], status: Bytes) -> Column:
        """Read what is not valid yet in a column of times."""
        values, valid = column
        if valid.all():
            return Column(valid, values=values)
        pending = valid == 0
        own = np.where(pending, CLEAR, DOUBT).astype(np.uint8)
        located = (spans.data, spans.begins, spans.sizes, spans.tags)
        fill_times(located, self._times, self._zone, own, column, required=self._required, as_date=False)
        status[pending & (own == DOUBT)] = DOUBT
        return Column(valid, values=values)

    def _numbers(self, spans: Spans, status: Bytes) -> Column:
        located = (spans.data, spans.begins, spans.sizes, spans.tags)
        valid = np.zeros(len(status), np.uint8)
        if self._type.kind is Kind.FLOAT64:
            return self._floats(spans, status)
        values = np.zeros(len(status), np.int64)
        if self._type.kind is Kind.BOOL:
            column_scan.read_booleans(*located, self._required, values, valid, status)
        elif self._type.kind is Kind.DECIMAL:
            high = 10 ** min(self._type.precision, _FAST_DIGITS) - 1
            column_scan.read_decimals(*located, self._type.scale, high, self._required, values, valid, status)
        else:
            low, high = INTEGER_RANGES[self._type.kind]
            column_scan.read_integers(*located, low, high, self._required, values, valid, status)
        return Column(valid, values=values)

    def _floats(self, spans: Spans, status: Bytes) -> Column:
        values, valid, hard = np.zeros(len(status)), np.zeros(len(status), np.uint8), np.zeros(len(status), np.uint8)
        located = (spans.data, spans.begins, spans.sizes, spans.tags)
        if column_scan.read_floats(*located, self._required, values, valid, hard, status):
            rows = np.flatnonzero(hard)
            texts = _strings(Column(valid, spans=spans), rows)
            values[rows] = pc.cast(texts, pa.float64()).to_numpy(zero_copy_only=False)
        return Column(valid, values=values)


def first_present(origins: Sequence[str], located: Mapping[str, Spans], rows: int) -> Spans:
    """The spans of a field: per row of its first origin that is present; an empty untyped text is not."""
    merged: Spans | None = None
    for origin in origins:
        if origin not in located:
            continue
        if merged is None:
            merged = located[origin]
            continue
        absent = (merged.tags == MISSING) | ((merged.tags == TEXT) & (merged.sizes == 0))
        if not absent.any():
            break
        other = located[origin]
        assert other.data is merged.data
        merged = Spans(
            merged.data,
            np.where(absent, other.begins, merged.begins),
            np.where(absent, other.sizes, merged.sizes),
            np.where(absent, other.tags, merged.tags),
        )
    if merged is not None:
        return merged
    zeros = np.zeros(rows, np.int64)
    return Spans(np.empty(0, np.uint8), zeros, zeros, np.zeros(rows, np.uint8))


def token_of_first(origins: Sequence[str], tokens: Mapping[str, Token]) -> Token:
    """The token of a field: of its first origin that is present; else of the first that there is."""
    found = [tokens[origin] for origin in origins if origin in tokens]
    for token in found:
        if token.tag != MISSING and (token.tag != TEXT or token.text):
            return token
    return found[0] if found else ABSENT


def _judged_array(data_type: DataType, values: Sequence[Value]) -> pa.Array:
    """What the judge gave of one field, in its Arrow type."""
    valid = np.array([value is not None for value in values], np.uint8)
    every = np.arange(len(values))
    if data_type.kind in (Kind.STRING, Kind.JSON):
        texts = [cast("bytes", value or b"") for value in values]
        offsets = np.cumsum([0, *map(len, texts)]).astype(np.int32)
        return _array(data_type, Column(valid, side=np.frombuffer(b"".join(texts), np.uint8), offsets=offsets), every)
    numbers = [cast("int | float", 0 if value is None else value) for value in values]
    is_wide = any(not -(2**63) <= number < 2**63 for number in numbers if isinstance(number, int))
    if data_type.kind is Kind.FLOAT64:
        return _array(data_type, Column(valid, values=np.array(numbers, np.float64)), every)
    column = Column(valid, values=np.array(numbers, np.object_) if is_wide else np.array(numbers, np.int64))
    return _array(data_type, column, every)


def _microseconds(times: pa.Array) -> Longs:
    """The values of a column of timestamps without NULL, in place."""
    content = times.buffers()[1]
    return (
        np.frombuffer(content, np.int64)[times.offset : times.offset + len(times)]
        if len(times)
        else np.empty(0, np.int64)
    )


def _array(data_type: DataType, column: Column, rows: Longs) -> pa.Array:
    """The chosen rows of a column in its Arrow type."""
    if column.values is None:
        return _strings(column, rows)
    every = len(rows) == len(column.valid)
    values = column.values if every else column.values[rows]
    valid = column.valid if every else column.valid[rows]
    if data_type.kind is Kind.DECIMAL:
        stored: npt.NDArray[np.generic] = _decimal_words(values)
    elif data_type.kind in (Kind.INT32, Kind.DATE):
        stored = values.astype(np.int32)
    elif data_type.kind is Kind.BOOL:
        stored = np.packbits(values.astype(np.uint8), bitorder="little")
    else:
        stored = values
    buffers = [_validity(valid), pa.py_buffer(np.ascontiguousarray(stored))]
    return pa.Array.from_buffers(arrow_type(data_type), len(rows), buffers)


def _decimal_words(values: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """128-bit little-endian two's complement: the low word, then the high one."""
    words = np.empty((len(values), 2), np.int64)
    if values.dtype == np.int64:
        words[:, 0] = values
        words[:, 1] = values.astype(np.int64) >> 63
        return words
    encoded = b"".join(int(value).to_bytes(16, "little", signed=True) for value in values)
    return np.frombuffer(encoded, np.int64)


def _strings(column: Column, rows: Longs) -> pa.Array:
    if column.offsets is not None:
        texts = _text_array(column.valid, column.offsets, cast("Bytes", column.side))
        return texts if len(rows) == len(texts) else texts.take(pa.array(rows))
    assert column.spans is not None
    spans = column.spans
    offsets = np.empty(len(rows) + 1, np.int32)
    column_scan.string_offsets(spans.sizes, column.valid, rows, offsets)
    copied = np.empty(int(offsets[-1]) + _PADDING, np.uint8)
    side = np.empty(0, np.uint8) if column.side is None else column.side
    column_scan.gather_strings(spans.data, side, spans.begins, spans.sizes, column.valid, rows, copied)
    valid = column.valid if len(rows) == len(column.valid) else column.valid[rows]
    return _text_array(valid, offsets, copied)


def _text_array(valid: Bytes, offsets: npt.NDArray[np.int32], content: Bytes) -> pa.Array:
    buffers = [_validity(valid), pa.py_buffer(offsets), pa.py_buffer(content)]
    return pa.Array.from_buffers(pa.string(), len(valid), buffers)


def _validity(valid: Bytes) -> pa.Buffer | None:
    return None if valid.all() else pa.py_buffer(np.packbits(valid, bitorder="little"))
