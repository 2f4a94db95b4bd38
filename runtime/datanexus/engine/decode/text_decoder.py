"""Chunks of text lines, taken apart by a pattern, to the normalised record.

A pattern that `plan.line_pattern` can read runs as a program of its own; lines that this does not match, or gives up,
and all other patterns go to RE2. A group that is empty or took no part is absent. `unknownFields` does not matter: the
pattern names all that there is.
"""

import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datanexus.engine.decode.column_scan import check_text, gather_strings, string_offsets
from datanexus.engine.decode.json_decoder import without_mark
from datanexus.engine.decode.json_scan import CLEAR, DOUBT, TEXT, Bytes, Longs
from datanexus.engine.decode.json_text import doubt_long, judge_text
from datanexus.engine.decode.normalise import Decoded, Normaliser, Spans, first_present, token_of_first
from datanexus.engine.decode.reason import Reason, Refusal, shown
from datanexus.engine.decode.text_match import LineMatcher
from datanexus.engine.decode.value import Token
from datanexus.plan.line_pattern import PRESETS, line_program
from datanexus.plan.physical import RecordPlan
from datanexus.ports.source import Chunk, TextChunk
from datanexus_spec.errors import InvalidInput
from datanexus_spec.format import TextFormat

_PADDING = 16  # bytes that a wide copy may write too many
_PARTS = re.compile(r"\\.|\[\^?\]?(?:\\.|\[:\w+:\]|[^\]\\])*\]|\(\?P?<(\w+)>|\((?!\?)", re.DOTALL)


class TextDecoder:
    """The pattern of one source, ready to run.

    Raises: InvalidInput for a pattern that RE2 refuses.
    """

    def __init__(self, form: TextFormat, record: RecordPlan) -> None:
        self._normaliser = Normaliser(record)
        full = PRESETS[form.preset] if form.preset is not None else form.pattern or ""
        self._name = f"the preset {form.preset}" if form.preset is not None else f"the pattern {full}"
        wanted = {origin for field in record.fields for origin in field.origins}
        named = [group for group in (found[1] for found in _PARTS.finditer(full)) if group]
        self._groups = tuple(name for name in dict.fromkeys(named) if name in wanted) or tuple(named[:1])
        self._regex = _only_groups(full, self._groups)
        _check(self._regex, full)
        program = line_program(full, self._groups)
        self._matcher = None if program is None else LineMatcher(program)

    def decode(self, chunk: Chunk) -> Decoded:
        """Read all lines of a chunk."""
        assert isinstance(chunk, TextChunk), "text comes as text"
        starts, lengths = without_mark(chunk)
        status = np.empty(chunk.rows, np.uint8)
        check_text(chunk.data, starts, lengths, status)
        doubt_long(lengths, status)
        if self._matcher is not None:
            clean = np.flatnonzero(status == CLEAR)
            located = self._run_fast(chunk.data, starts, lengths, status)
            missed = clean[status[clean] != CLEAR]
            if 2 * len(missed) <= len(clean):
                return self._normalised(chunk, located, status, self._extracted(chunk.data, starts, lengths, missed))
            status[clean] = CLEAR
        located = self._run_regex(chunk.data, starts, lengths, status)
        if 2 * np.count_nonzero(status == CLEAR) > chunk.rows:
            self._matcher = None  # it gave up lines that match: of such lines it will give up more
        return self._normalised(chunk, located, status, {})

    def _run_fast(self, data: Bytes, starts: Longs, lengths: Longs, status: Bytes) -> dict[str, Spans]:
        assert self._matcher is not None
        begins, sizes = self._matcher.match(data, starts, lengths, status)
        tags = np.full(len(starts), TEXT, np.uint8)
        return {name: Spans(data, begins[slot], sizes[slot], tags) for slot, name in enumerate(self._groups)}

    def _run_regex(self, data: Bytes, starts: Longs, lengths: Longs, status: Bytes) -> dict[str, Spans]:
        rows = np.flatnonzero(status == CLEAR)
        if not len(rows):
            return {}
        matches = self._matches(data, starts, lengths, rows)
        matched = np.asarray(matches.is_valid())
        status[rows[~matched]] = DOUBT
        tags = np.full(len(starts), TEXT, np.uint8)
        located = {}
        bases = 0
        contents = []
        for slot, name in enumerate(self._groups):
            child = matches.field(slot)
            offsets = np.frombuffer(child.buffers()[1], np.int32)[: len(rows) + 1].astype(np.int64)
            content = child.buffers()[2]
            contents.append(np.frombuffer(content, np.uint8) if content is not None else np.empty(0, np.uint8))
            begins, sizes = np.zeros(len(starts), np.int64), np.zeros(len(starts), np.int64)
            begins[rows] = offsets[:-1] + bases
            sizes[rows] = np.diff(offsets)
            bases += len(contents[-1])
            located[name] = (begins, sizes)
        whole = np.concatenate(contents)
        return {name: Spans(whole, begins, sizes, tags) for name, (begins, sizes) in located.items()}

    def _extracted(self, data: Bytes, starts: Longs, lengths: Longs, rows: Longs) -> dict[int, dict[str, Token]]:
        """The groups of some rows by RE2; rows that do not match are left out."""
        if not len(rows):
            return {}
        found = self._matches(data, starts, lengths, rows).to_pylist()
        return {
            row: {name: Token(TEXT, text) for name, text in groups.items()}
            for row, groups in zip(rows.tolist(), found, strict=True)
            if groups is not None
        }

    def _matches(self, data: Bytes, starts: Longs, lengths: Longs, rows: Longs) -> pa.StructArray:
        valid = np.ones(len(starts), np.uint8)
        offsets = np.empty(len(rows) + 1, np.int32)
        string_offsets(lengths, valid, rows, offsets)
        copied = np.empty(int(offsets[-1]) + _PADDING, np.uint8)
        gather_strings(data, np.empty(0, np.uint8), starts, lengths, valid, rows, copied)
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(copied)]
        return pc.extract_regex(pa.Array.from_buffers(pa.string(), len(rows), buffers), self._regex)

    def _normalised(
        self,
        chunk: TextChunk,
        located: dict[str, Spans],
        status: Bytes,
        extracted: dict[int, dict[str, Token]],
    ) -> Decoded:
        fields = self._normaliser.fields
        spans = [first_present(field.origins, located, chunk.rows) for field in fields]
        matched = status == CLEAR

        def judge(row: int) -> Sequence[Token] | Refusal:
            if row in extracted:
                groups = extracted[row]
            elif matched[row]:
                groups = {name: _token(found, row) for name, found in located.items()}
            else:
                return judge_text(chunk.raw(row)) or self._mismatch(chunk.raw(row))
            return [token_of_first(field.origins, groups) for field in fields]

        return self._normaliser.normalise(spans, status.copy(), judge)

    def _mismatch(self, line: bytes) -> Refusal:
        message = f'found "{shown(line.decode())}", expected a line that matches {self._name}'
        return Refusal(Reason.PATTERN_MISMATCH, message)


def _token(spans: Spans, row: int) -> Token:
    begin = int(spans.begins[row])
    return Token(TEXT, spans.data[begin : begin + int(spans.sizes[row])].tobytes().decode())


def _only_groups(pattern: str, names: Sequence[str]) -> str:
    """The pattern for a whole line, capturing nothing but some groups: what is not captured need not be tracked."""

    def kept(part: re.Match[str]) -> str:
        if part[0] == "(" or (part[1] and part[1] not in names):
            return "(?:"
        return f"(?P<{part[1]}>" if part[1] else part[0]

    return f"^(?:{_PARTS.sub(kept, pattern)})$"


def _check(regex: str, pattern: str) -> None:
    try:
        pc.extract_regex(pa.array([""]), regex)
    except pa.ArrowInvalid as error:
        raise InvalidInput(
            f"text pattern {pattern!r}: found an expression that RE2 refuses ({error}), expected one with named groups",
            reason="InvalidPattern",
            hint="RE2 knows neither look-around nor back-references",
        ) from error
