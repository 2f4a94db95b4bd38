"""Chunks of JSON objects, of NDJSON or of JSON documents, to the normalised record."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from datanexus.engine.decode.json_columns import INSTANT, SPAN, WHOLE, WRITTEN, ObjectReader, ReadRows, Slot
from datanexus.engine.decode.json_judge import judge_object, member_at
from datanexus.engine.decode.json_scan import DOUBT, MISSING, NESTED, Bytes, Longs
from datanexus.engine.decode.normalise import Column, Decoded, Normaliser, Spans, first_present
from datanexus.engine.decode.reason import Refusal
from datanexus.engine.decode.value import ABSENT, INTEGER_RANGES, FieldReader, Token
from datanexus.plan.physical import RecordPlan
from datanexus.ports.source import Chunk, TextChunk
from datanexus_spec.datatype import Kind

_BOM = b"\xef\xbb\xbf"


class JsonDecoder:
    """The fast lane and the judge of one record plan."""

    def __init__(self, record: RecordPlan) -> None:
        self._normaliser = Normaliser(record)
        origins = [origin for field in record.fields for origin in field.origins]
        # The first name of a dotted path is looked up too, to walk the path inside its value.
        uses = Counter([*origins, *(origin.split(".")[0] for origin in origins if "." in origin)])
        readers = self._normaliser.readers
        direct = {
            name: reader
            for reader in readers
            for name in reader.plan.origins
            if len(reader.plan.origins) == uses[name] == 1 and "." not in name and not reader.plan.null_if
        }
        slots = [_slot(name, direct.get(name)) for name in uses]
        self._objects = ObjectReader(slots, only_known=record.unknown_fields == "Reject")
        self._values = _places(slots, WHOLE, INSTANT)
        self._spans = _places(slots, SPAN, INSTANT)
        self._texts = _places(slots, WRITTEN)
        self._used = frozenset(uses)
        self._only_used = record.unknown_fields == "Reject"

    def decode(self, chunk: Chunk) -> Decoded:
        """Read all records of a chunk."""
        assert isinstance(chunk, TextChunk), "JSON comes as text"
        starts, lengths = without_mark(chunk)
        read = self._objects.read(chunk.data, starts, lengths)
        status = np.zeros(len(read.rows), np.uint8)
        columns = [
            self._column(index, reader.plan.origins, chunk.data, read, status)
            for index, reader in enumerate(self._normaliser.readers)
        ]

        def judge(row: int) -> Sequence[Token] | Refusal:
            start = int(starts[row])
            return self._judge(chunk.data[start : start + int(lengths[row])].tobytes())

        return self._normaliser.finish(columns, status, judge, rows=read.rows, total=chunk.rows)

    def _column(self, field: int, origins: Sequence[str], data: Bytes, read: ReadRows, status: Bytes) -> Column:
        name = origins[0]
        if name in self._texts:
            offsets, content, valid = read.texts[self._texts[name]]
            return Column(valid, side=content, offsets=offsets)
        if name not in self._values:
            return self._normaliser.read(field, self._field_spans(data, origins, read, status), status)
        place = self._values[name]
        values, valid = read.values[place], read.valid[place]
        if name not in self._spans:
            return Column(valid, values=values)
        return self._normaliser.complete_times(
            field, Spans(data, *read.spans[self._spans[name]]), (values, valid), status
        )

    def _field_spans(self, data: Bytes, origins: Sequence[str], read: ReadRows, status: Bytes) -> Spans:
        """The spans of a field: of its first origin that is present."""
        located = {}
        for origin in origins:
            located[origin] = Spans(data, *read.spans[self._spans[origin]])
            first, *rest = origin.split(".")
            if not rest:
                continue
            inner = Spans(data, *read.spans[self._spans[first]])
            for key in rest:
                inner = _member(inner, key, status)
            # The key as it stands goes first.
            located[origin] = first_present(("key", "path"), {"key": located[origin], "path": inner}, len(status))
        return first_present(origins, located, len(status))

    def _judge(self, line: bytes) -> list[Token] | Refusal:
        members = judge_object(line, self._used, only_used=self._only_used)
        if isinstance(members, Refusal):
            return members
        tokens: list[Token] = []
        for field in self._normaliser.fields:
            token = ABSENT
            for origin in field.origins:
                found = member_at(members, origin)
                if isinstance(found, Refusal):
                    return found
                token = found
                if token is not ABSENT:
                    break
            tokens.append(token)
        return tokens


def _slot(name: str, reader: FieldReader | None) -> Slot:
    """How the values of one key are read; `reader`: of the only field that takes it, and takes it whole."""
    if reader is None:
        return Slot(name, SPAN)
    match reader.plan.type.kind:
        case Kind.STRING:
            return Slot(name, WRITTEN, required=reader.required)
        case Kind.INT32 | Kind.INT64:
            low, high = INTEGER_RANGES[reader.plan.type.kind]
            return Slot(name, WHOLE, low, high, required=reader.required)
        case Kind.TIMESTAMP if reader.formats[0].is_iso:
            return Slot(name, INSTANT)
    return Slot(name, SPAN)


def _places(slots: Sequence[Slot], *kinds: int) -> dict[str, int]:
    """The slots of some kinds, numbered in their order."""
    return {slot.name: place for place, slot in enumerate(slot for slot in slots if slot.kind in kinds)}


def _member(outer: Spans, key: str, status: Bytes) -> Spans:
    """The values of one key inside nested values; those in which the scanner finds no plain object become DOUBT."""
    rows = len(status)
    begins, sizes, tags = np.zeros(rows, np.int64), np.zeros(rows, np.int64), np.full(rows, MISSING, np.uint8)
    nested = np.flatnonzero(outer.tags == NESTED)
    reader = ObjectReader([Slot(key, SPAN)], only_known=False)
    read = reader.read(outer.data, outer.begins[nested], outer.sizes[nested])
    found = nested[read.rows]
    begins[found], sizes[found], tags[found] = read.spans[0]
    doubtful = np.ones(len(nested), np.bool_)
    doubtful[read.rows] = False
    status[nested[doubtful]] = DOUBT
    return Spans(outer.data, begins, sizes, tags)


def without_mark(chunk: TextChunk) -> tuple[Longs, Longs]:
    """Starts and lengths without the byte order mark that a split may begin with."""
    if not chunk.rows or chunk.positions[0] != 0 or not chunk.raw(0).startswith(_BOM):
        return chunk.starts, chunk.lengths
    starts, lengths = chunk.starts.copy(), chunk.lengths.copy()
    starts[0] += len(_BOM)
    lengths[0] -= len(_BOM)
    return starts, lengths
