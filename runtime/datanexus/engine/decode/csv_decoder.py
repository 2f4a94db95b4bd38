"""Chunks of CSV records to the normalised record: fields by a kernel, broken records by a strict reader.

Rules: a quote opens a value only at its beginning and is doubled inside; behind the closing quote comes a delimiter
or the end. An empty value without quotes is absent; "" is the empty string. A record has as many values as the header
has names; of a name that stands there twice the first counts.
"""

from collections.abc import Sequence

import numpy as np

from datanexus.core import kernel_types as types
from datanexus.core.kernel import I64, I64_2D_OUT, U8, U8_2D_OUT, U8_OUT, kernel
from datanexus.engine.decode.column_scan import check_text
from datanexus.engine.decode.framing import find_byte
from datanexus.engine.decode.json_scan import CLEAR, DOUBT, QUOTED, TEXT, Bytes, Longs
from datanexus.engine.decode.json_text import doubt_long, judge_text
from datanexus.engine.decode.normalise import Decoded, Normaliser, Spans, first_present, token_of_first
from datanexus.engine.decode.reason import Reason, Refusal, shown
from datanexus.engine.decode.value import Token
from datanexus.engine.decode.wide import address_of, byte_at
from datanexus.plan.physical import RecordPlan
from datanexus.ports.source import Chunk, TextChunk
from datanexus_spec.format import CsvFormat

_CUT_OFF = "a quoted value that is not closed"


class CsvDecoder:
    """The fast lane and the strict reader of one CSV source."""

    def __init__(self, form: CsvFormat, record: RecordPlan) -> None:
        self._normaliser = Normaliser(record)
        self._form = form
        self._only_used = record.unknown_fields == "Reject"

    def decode(self, chunk: Chunk) -> Decoded:
        """Read all records of a chunk."""
        assert isinstance(chunk, TextChunk), "CSV comes as text"
        names = chunk.header or tuple(self._form.columns)
        fields = self._normaliser.fields
        used = tuple(dict.fromkeys(origin for field in fields for origin in field.origins if origin in names))
        slots = np.full(len(names), -1, np.int64)
        for slot, name in enumerate(used):
            slots[names.index(name)] = slot
        shape = (len(used), chunk.rows)
        begins, sizes, tags = np.zeros(shape, np.int64), np.zeros(shape, np.int64), np.zeros(shape, np.uint8)
        status = np.empty(chunk.rows, np.uint8)
        check_text(chunk.data, chunk.starts, chunk.lengths, status)
        doubt_long(chunk.lengths, status)
        delimiter, quote = ord(self._form.delimiter), ord(self._form.quote)
        _split(chunk.data, chunk.starts, chunk.lengths, delimiter, quote, slots, begins, sizes, tags, status)
        unknown = self._unknown(names, used)
        if unknown is not None:
            status[:] = DOUBT
        located = {name: Spans(chunk.data, begins[slot], sizes[slot], tags[slot]) for slot, name in enumerate(used)}
        spans = [first_present(field.origins, located, chunk.rows) for field in fields]

        def judge(row: int) -> Sequence[Token] | Refusal:
            values = self._values(chunk.raw(row), len(names))
            if isinstance(values, Refusal) or unknown is not None:
                return values if isinstance(values, Refusal) else unknown or []
            by_name = {name: values[names.index(name)] for name in used}
            return [token_of_first(field.origins, by_name) for field in fields]

        return self._normaliser.normalise(spans, status, judge)

    def _unknown(self, names: Sequence[str], used: Sequence[str]) -> Refusal | None:
        """Why all records are refused, where the header names a column that the record does not know."""
        extra = [name for name in names if name not in used]
        if not self._only_used or not extra:
            return None
        message = (
            f'found the column "{shown(extra[0])}", expected only {", ".join(sorted(used))} (unknownFields: Reject)'
        )
        return Refusal(Reason.UNKNOWN_FIELD, message, extra[0])

    def _values(self, line: bytes, columns: int) -> list[Token] | Refusal:
        refusal = judge_text(line)
        if refusal is not None:
            return refusal
        values = csv_values(line.decode(), self._form.delimiter, self._form.quote)
        if isinstance(values, Refusal) or len(values) == columns:
            return values
        return Refusal(Reason.WRONG_COLUMN_COUNT, f"found {len(values)} values, expected {columns} as in the header")


def csv_values(line: str, delimiter: str, quote: str) -> list[Token] | Refusal:
    """The values of one record; also of a header line."""
    values: list[Token] = []
    position = 0
    while True:
        if line.startswith(quote, position):
            parts = []
            close = line.find(quote, position + 1)
            begin = position + 1
            while close >= 0 and line.startswith(quote, close + 1):
                parts.append(line[begin : close + 1])
                begin = close + 2
                close = line.find(quote, begin)
            if close < 0:
                return _broken(values, _CUT_OFF)
            values.append(Token(QUOTED, "".join(parts) + line[begin:close]))
            position = close + 1
            if position < len(line) and line[position] != delimiter:
                return _broken(values, f'"{shown(line[position : position + 20])}" behind a closing quote')
        else:
            end = line.find(delimiter, position)
            end = len(line) if end < 0 else end
            values.append(Token(TEXT, line[position:end]))
            position = end
        if position >= len(line):
            return values
        position += 1


def _broken(values: Sequence[Token], found: str) -> Refusal:
    message = f"found {found} at value {len(values) + 1 if found == _CUT_OFF else len(values)}, expected CSV"
    return Refusal(Reason.INVALID_CSV, message)


@kernel(types.void(U8, I64, I64, types.uint8, types.uint8, I64, I64_2D_OUT, I64_2D_OUT, U8_2D_OUT, U8_OUT))
def _split(
    data: Bytes,
    starts: Longs,
    lengths: Longs,
    delimiter: int,
    quote: int,
    slots: Longs,
    begins: Longs,
    sizes: Longs,
    tags: Bytes,
    status: Bytes,
) -> None:
    """Find the values of the used columns; `slots`: per column its row in begins, sizes and tags, or -1."""
    b = address_of(data)
    for row in range(starts.size):
        if status[row] != CLEAR:
            continue
        status[row] = DOUBT
        i = starts[row]
        end = i + lengths[row]
        column = 0
        while True:
            slot = slots[column] if column < slots.size else -1
            begin = i
            tag = TEXT
            if i < end and byte_at(b, i) == quote:
                tag = QUOTED
                begin = i + 1
                i = begin
                doubled = False
                while i < end:
                    if byte_at(b, i) != quote:
                        i = find_byte(b, i, end, data.size, quote)
                    elif i + 1 < end and byte_at(b, i + 1) == quote:
                        doubled = True
                        i += 2
                    else:
                        break
                if i >= end or (doubled and slot >= 0):
                    break
                close = i
                i += 1
                if i < end and byte_at(b, i) != delimiter:
                    break
            else:
                i = find_byte(b, i, end, data.size, delimiter)
                close = i
            if slot >= 0:
                begins[slot, row] = begin
                sizes[slot, row] = close - begin
                tags[slot, row] = tag
            column += 1
            if i >= end:
                if column == slots.size:
                    status[row] = CLEAR
                break
            i += 1
