"""Chunks of JSON objects, of NDJSON or of JSON documents, to the normalised record."""

from collections.abc import Sequence

import numpy as np

from datanexus.engine.decode.json_judge import judge_object, member_at
from datanexus.engine.decode.json_scan import CLEAR, DOUBT, NESTED, Bytes, Longs, scan_objects
from datanexus.engine.decode.json_text import doubt_long
from datanexus.engine.decode.normalise import Decoded, Normaliser, Spans, first_present
from datanexus.engine.decode.reason import Refusal
from datanexus.engine.decode.value import ABSENT, Token
from datanexus.plan.physical import RecordPlan
from datanexus.ports.source import Chunk, TextChunk

_BOM = b"\xef\xbb\xbf"


class JsonDecoder:
    """The fast lane and the judge of one record plan."""

    def __init__(self, record: RecordPlan) -> None:
        self._normaliser = Normaliser(record)
        origins = [origin for field in record.fields for origin in field.origins]
        # The first name of a dotted path is looked up too, to walk the path inside its value.
        names = list(dict.fromkeys([*origins, *(origin.split(".")[0] for origin in origins)]))
        self._slots = {name: slot for slot, name in enumerate(names)}
        encoded = [name.encode() for name in names]
        self._names = np.frombuffer(b"".join(encoded), np.uint8)
        self._name_offsets = np.cumsum([0] + [len(name) for name in encoded]).astype(np.int64)
        self._used = frozenset(names)
        self._only_used = record.unknown_fields == "Reject"

    def decode(self, chunk: Chunk) -> Decoded:
        """Read all records of a chunk."""
        assert isinstance(chunk, TextChunk), "JSON comes as text"
        starts, lengths = without_mark(chunk)
        shape = (len(self._slots), chunk.rows)
        begins, sizes, tags = np.zeros(shape, np.int64), np.zeros(shape, np.int64), np.zeros(shape, np.uint8)
        status = np.empty(chunk.rows, np.uint8)
        scan_objects(
            chunk.data, starts, lengths, self._names, self._name_offsets, self._only_used, begins, sizes, tags, status
        )
        doubt_long(lengths, status)
        spans = [
            self._field_spans(chunk.data, field.origins, (begins, sizes, tags), status)
            for field in self._normaliser.fields
        ]

        def judge(row: int) -> Sequence[Token] | Refusal:
            start = int(starts[row])
            return self._judge(chunk.data[start : start + int(lengths[row])].tobytes())

        return self._normaliser.normalise(spans, status, judge)

    def _field_spans(
        self, data: Bytes, origins: Sequence[str], scanned: tuple[Longs, Longs, Bytes], status: Bytes
    ) -> Spans:
        """The spans of a field: of its first origin that is present."""
        begins, sizes, tags = scanned
        located = {}
        for origin in origins:
            slot = self._slots[origin]
            located[origin] = Spans(data, begins[slot], sizes[slot], tags[slot])
            first, *rest = origin.split(".")
            if not rest:
                continue
            slot = self._slots[first]
            inner = Spans(data, begins[slot], sizes[slot], tags[slot])
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


def _member(outer: Spans, key: str, status: Bytes) -> Spans:
    """The values of one key inside nested values; those in which the scanner finds no plain object become DOUBT."""
    rows = len(status)
    nested = outer.tags == NESTED
    begins, sizes, tags = np.zeros((1, rows), np.int64), np.zeros((1, rows), np.int64), np.zeros((1, rows), np.uint8)
    found = np.empty(rows, np.uint8)
    name = np.frombuffer(key.encode(), np.uint8)
    bounds = np.array([0, len(name)], np.int64)
    lengths = np.where(nested, outer.sizes, 0)
    scan_objects(outer.data, outer.begins, lengths, name, bounds, False, begins, sizes, tags, found)
    status[nested & (found != CLEAR)] = DOUBT
    return Spans(outer.data, begins[0], sizes[0], tags[0])


def without_mark(chunk: TextChunk) -> tuple[Longs, Longs]:
    """Starts and lengths without the byte order mark that a split may begin with."""
    if not chunk.rows or chunk.positions[0] != 0 or not chunk.raw(0).startswith(_BOM):
        return chunk.starts, chunk.lengths
    starts, lengths = chunk.starts.copy(), chunk.lengths.copy()
    starts[0] += len(_BOM)
    lengths[0] -= len(_BOM)
    return starts, lengths
