"""-> and ->> on JSON text: the raw text of a member or an element, found without building values.

A kernel walks the bytes of every row and keeps the span of what a key or an index names; only texts with escapes are
decoded one by one. A key that occurs twice means its last occurrence, as in PostgreSQL.
"""

import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datanexus.engine.evaluate.arithmetic import Operation
from datanexus.engine.evaluate.arrays import column_of, flags_of, valid_flags
from datanexus.engine.evaluate.faults import Frame, Operand, Reason
from datanexus.engine.evaluate.json_scan import find_elements, find_members, gather, key_with_escapes
from datanexus.engine.evaluate.rows import RowError, row_by_row
from datanexus.plan.expression import Call, Literal
from datanexus_spec.datatype import Kind

Spans = tuple[np.ndarray, np.ndarray]
_QUOTE = ord('"')


def json_access(call: Call) -> Operation:
    """json_get and json_get_text along a path of constants."""
    steps = []
    for step in call.arguments[1:]:
        assert isinstance(step, Literal)
        steps.append(step)
    as_text = call.function == "json_get_text"

    def run(frame: Frame, operands: list[Operand]) -> Operand:
        document = column_of(operands[0], frame.rows)
        data, spans = _spans_of(document)
        spans[0][~valid_flags((document,), frame.rows)] = -1
        for step in steps:
            spans = _step(data, spans, step)
        if not as_text:
            return _texts(data, spans)
        return _unquoted(call, frame, operands, data, spans)

    return run


def _spans_of(document: pa.Array) -> tuple[np.ndarray, Spans]:
    _, offsets_buffer, data_buffer = document.buffers()
    count = len(document)
    offsets = (
        np.frombuffer(offsets_buffer, np.int32, count + 1, document.offset * 4) if count else np.zeros(1, np.int32)
    )
    data = np.frombuffer(data_buffer, np.uint8) if data_buffer is not None else np.zeros(0, np.uint8)
    return data, (offsets[:-1].astype(np.int64), offsets[1:].astype(np.int64))


def _step(data: np.ndarray, spans: Spans, step: Literal) -> Spans:
    """One step along the path; an untyped one is a key in an object and an index in an array."""
    text = str(step.value)
    index = int(text) if text.lstrip("+-").isdigit() and len(text) < 10 else None
    found: Spans = (np.full(len(spans[0]), -1, np.int64), np.zeros(len(spans[0]), np.int64))
    if step.type.kind is not Kind.INT32:
        key = np.frombuffer(text.encode(), np.uint8)
        find_members(data, *spans, key, *found)
        doubtful = np.flatnonzero(found[0] == key_with_escapes())
        for row in doubtful.tolist():
            found[0][row], found[1][row] = _member_slowly(data, spans[0][row], spans[1][row], text)
    if step.type.kind is not Kind.STRING and index is not None:
        find_elements(data, *spans, index, *found)
    return found


def _member_slowly(data: np.ndarray, start: int, end: int, key: str) -> tuple[int, int]:
    """A member of an object that has a key with escapes."""
    text = data[start:end].tobytes().decode()
    decoder = json.JSONDecoder()
    at, found = text.index("{") + 1, (-1, 0)
    while True:
        at = _skip(text, at)
        if text[at] == "}":
            return found
        name, at = decoder.raw_decode(text, at)
        at = _skip(text, _skip(text, at) + 1)
        _, stop = decoder.raw_decode(text, at)
        if name == key:
            first = start + len(text[:at].encode())
            found = (first, first + len(text[at:stop].encode()))
        at = _skip(text, stop)
        at += text[at] == ","


def _skip(text: str, at: int) -> int:
    while text[at] in " \t\n\r":
        at += 1
    return at


def _texts(data: np.ndarray, spans: Spans) -> pa.Array:
    starts, ends = spans
    present = starts >= 0
    lengths = np.where(present, ends - starts, 0)
    offsets = np.zeros(len(starts) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    content = np.empty(int(offsets[-1]), dtype=np.uint8)
    gather(data, starts, lengths, offsets, content)
    column = pa.StringArray.from_buffers(len(starts), pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(content))
    return column if present.all() else pc.if_else(pa.array(present), column, pa.scalar(None, pa.string()))


def _unquoted(call: Call, frame: Frame, operands: list[Operand], data: np.ndarray, spans: Spans) -> pa.Array:
    starts, ends = spans
    first = np.zeros(len(starts), np.uint8)
    present = starts >= 0
    first[present] = data[starts[present]]
    starts = np.where(first == ord("n"), -1, starts)  # the JSON null
    quoted = (first == _QUOTE) & (starts >= 0)
    plain = _texts(data, (np.where(quoted, starts + 1, starts), np.where(quoted, ends - 1, ends)))
    escaped = flags_of(pc.match_substring(plain, "\\"), frame.rows) & quoted
    if not escaped.any():
        return plain
    whole = _texts(data, (np.where(escaped, starts, -1), ends))
    faults = len(frame.faults)
    decoded = row_by_row(call, frame, [whole], _decoded, escaped)
    for place in range(faults, len(frame.faults)):
        fault = frame.faults[place]
        frame.faults[place] = type(fault)(fault.rows, fault.reason, fault.what, call, tuple(operands))
    return pc.if_else(pa.array(escaped), decoded, plain)


def _decoded(quoted: str) -> str:
    text: str = json.loads(quoted)
    if "\0" in text:
        raise RowError(Reason.INVALID_ARGUMENT, "a NUL character in a JSON string")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise RowError(Reason.INVALID_ARGUMENT, "half of a surrogate pair in a JSON string") from None
    return text
