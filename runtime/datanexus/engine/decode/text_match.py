"""Runs the programs of `plan.line_pattern` over lines: tries the ways to match in their order, the first one counts.

A step that leaves another way open notes it, and the next failure goes back to the last note. A line that goes back too
often for its length, or needs more notes than there is room for, is given up as doubtful: RE2, whose cost has a bound,
then reads it. Lines are valid UTF-8; a run is never left inside a character.
"""

import numpy as np

from datanexus.core import kernel_types as types
from datanexus.core.kernel import I64, I64_OUT, U8, U8_OUT, inlined, kernel
from datanexus.engine.decode.json_scan import CLEAR, DOUBT, Address, Bytes, Longs
from datanexus.engine.decode.wide import address_of, byte_at, long_at, lowest_bit, non_ascii, put_long, range_hits
from datanexus.plan.line_pattern import (
    AT_BEGIN,
    AT_END,
    AT_WORD_EDGE,
    CLOSE,
    INSIDE_WORD_OR_OUT,
    NEGATED,
    OPEN,
    RUN,
    SPLIT,
    TABLE_ONLY,
    TEXT,
    WORDS,
    LineProgram,
)

_RETURNS_MIN = 256  # ways back that every line has, and more for each of its bytes
_RETURNS_PER_BYTE = 16
_NOTES = 4_096
_NOTE_WORDS = 4
_RUN_BYTES = np.uint64(0xFFFFFFFF)
# Kinds of notes, and their other words.
_OTHER_STEP = 0  # step, place
_OTHER_PLACE = 1  # step, first and last place that are left
_OLD_GROUP = 2  # of which begin (2 * slot) or end (2 * slot + 1), what it was

_INT = types.int64


class LineMatcher:
    """One program, ready to run."""

    def __init__(self, program: LineProgram) -> None:
        self._slots = program.slots
        self._first = program.first
        self._ascii_only = program.ascii_only
        self._steps = np.array(program.steps, np.int64).reshape(-1)
        self._classes = np.frombuffer(b"".join(program.classes), np.uint8)
        self._ranges = np.array(program.ranges, np.int64).reshape(-1)
        self._texts = np.frombuffer(program.texts, np.uint8)

    def match(self, data: Bytes, starts: Longs, lengths: Longs, status: Bytes) -> tuple[Longs, Longs]:
        """Match the CLEAR lines; those that do not match, or were given up, become DOUBT.

        Shape:   begins and sizes of the groups, (slots, lines); one that took no part has size 0.
        """
        shape = (self._slots, len(starts))
        begins, sizes = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        notes, groups = np.empty(_NOTES * _NOTE_WORDS, np.int64), np.empty(2 * self._slots, np.int64)
        _match(
            data, starts, lengths, self._steps, self._first, self._ascii_only, self._classes, self._ranges,
            self._texts, notes, groups, begins.reshape(-1), sizes.reshape(-1), status,
        )  # fmt: skip
        return begins, sizes


@inlined
def _class_end(b: Address, i: int, end: int, limit: int, number: int, classes: Address, ranges: Address) -> int:
    """First index of b[i:end] whose byte is not in a class, or end."""
    kind = long_at(ranges, 3 * number)
    if kind != TABLE_ONLY:
        lows = long_at(ranges, 3 * number + 1)
        widths = long_at(ranges, 3 * number + 2)
        while i < end and i + 32 <= limit:
            stops = range_hits(b, i, lows, widths)
            if kind != NEGATED:
                stops ^= _RUN_BYTES
            if stops != 0:
                stop: int = min(i + lowest_bit(stops), end)
                return stop
            i += 32
    table = classes + 256 * number
    while i < end and byte_at(table, byte_at(b, i)) != 0:
        i += 1
    return min(i, end)


@inlined
def _characters_on(b: Address, i: int, end: int, count: int) -> int:
    """Index `count` characters further, or end."""
    while count > 0 and i < end:
        c = byte_at(b, i)
        i += 1 if c < 0x80 else 2 if c < 0xE0 else 3 if c < 0xF0 else 4
        count -= 1
    return min(i, end)


@inlined
def _is_ascii(b: Address, i: int, end: int, limit: int) -> bool:
    while i < end and i + 16 <= limit:
        mask = non_ascii(b, i)
        if mask != 0:
            is_beyond: bool = i + lowest_bit(mask) >= end
            return is_beyond
        i += 16
    while i < end and byte_at(b, i) < 128:
        i += 1
    return i >= end


@inlined
def _is_word(c: int) -> bool:
    return 48 <= c <= 57 or 65 <= c <= 90 or c == 95 or 97 <= c <= 122


@kernel(_INT(*[_INT] * 12))
def _match_line(
    b: Address,
    start: int,
    end: int,
    limit: int,
    steps: Address,
    step: int,
    classes: Address,
    ranges: Address,
    texts: Address,
    notes: Address,
    groups: Address,
    slots: int,
) -> int:
    """1 for a line that matches, whose groups then stand in `groups`; 0 for one that does not; -1 given up."""
    for k in range(2 * slots):
        put_long(groups, k, -1)
    i = start
    noted = 0
    returns = _RETURNS_MIN + _RETURNS_PER_BYTE * (end - start)
    first = 0  # places that are left of the run at `step`; first > last: it has not begun
    last = -1
    while True:
        words = steps + 8 * WORDS * step
        operation = long_at(words, 0)
        has_failed = False
        if operation == RUN:
            is_lazy = long_at(words, 7) != 0
            if first > last:
                number = long_at(words, 4)
                minimum = long_at(words, 2)
                maximum = long_at(words, 3)
                last = _class_end(b, i, end, limit, number, classes, ranges)
                first = _characters_on(b, i, end, minimum)
                if minimum > 0 and _characters_on(b, i, end, minimum - 1) >= last:
                    first = last + 1
                if maximum >= 0 and last - i > maximum:
                    last = min(last, _characters_on(b, i, end, maximum))
                if long_at(words, 8) != 0 and first <= last:
                    first = last
            rest = long_at(words, 5)
            may_end = long_at(words, 6) != 0
            # The next place at which the rest can begin.
            if first > last:
                has_failed = True
            elif is_lazy:
                i = _class_end(b, first, last, limit, rest, classes, ranges)
                if i == last and (not may_end if i == end else byte_at(classes + 256 * rest, byte_at(b, i)) != 0):
                    has_failed = True
                first = i + 1
            else:
                i = last
                while i >= first and (not may_end if i == end else byte_at(classes + 256 * rest, byte_at(b, i)) != 0):
                    i -= 1
                has_failed = i < first
                last = i - 1
            if not has_failed and first <= last:
                if noted == _NOTES:
                    return -1
                note = notes + 8 * _NOTE_WORDS * noted
                put_long(note, 0, _OTHER_PLACE)
                put_long(note, 1, step)
                put_long(note, 2, first)
                put_long(note, 3, last)
                noted += 1
            first = 0
            last = -1
        elif operation == TEXT:
            text = texts + long_at(words, 2)
            size = long_at(words, 3)
            if i + size > end:
                has_failed = True
            else:
                for k in range(size):
                    if byte_at(text, k) != byte_at(b, i + k):
                        has_failed = True
                        break
                i += size
        elif operation == SPLIT:
            if noted == _NOTES:
                return -1
            note = notes + 8 * _NOTE_WORDS * noted
            put_long(note, 0, _OTHER_STEP)
            put_long(note, 1, long_at(words, 2))
            put_long(note, 2, i)
            noted += 1
        elif operation == OPEN or operation == CLOSE:
            bound = 2 * long_at(words, 2) + (1 if operation == CLOSE else 0)
            if noted == _NOTES:
                return -1
            if noted > 0:
                note = notes + 8 * _NOTE_WORDS * noted
                put_long(note, 0, _OLD_GROUP)
                put_long(note, 1, bound)
                put_long(note, 2, long_at(groups, bound))
                noted += 1
            put_long(groups, bound, i)
        elif operation == AT_BEGIN:
            has_failed = i != start
        elif operation == AT_END:
            has_failed = i != end
        elif operation == AT_WORD_EDGE or operation == INSIDE_WORD_OR_OUT:
            before = i > start and _is_word(byte_at(b, i - 1))
            behind = i < end and _is_word(byte_at(b, i))
            has_failed = (before != behind) != (operation == AT_WORD_EDGE)
        elif i == end:
            return 1
        else:
            has_failed = True
        if not has_failed:
            step = long_at(words, 1)
            continue
        while True:
            if noted == 0:
                return 0
            noted -= 1
            note = notes + 8 * _NOTE_WORDS * noted
            kind = long_at(note, 0)
            if kind != _OLD_GROUP:
                break
            put_long(groups, long_at(note, 1), long_at(note, 2))
        returns -= 1
        if returns < 0:
            return -1
        step = long_at(note, 1)
        if kind == _OTHER_STEP:
            i = long_at(note, 2)
        else:
            first = long_at(note, 2)
            last = long_at(note, 3)


@kernel(
    types.void(U8, I64, I64, I64, types.int64, types.boolean, U8, I64, U8, I64_OUT, I64_OUT, I64_OUT, I64_OUT, U8_OUT)
)
def _match(
    data: Bytes,
    starts: Longs,
    lengths: Longs,
    steps: Longs,
    first: int,
    ascii_only: bool,
    classes: Bytes,
    ranges: Longs,
    texts: Bytes,
    notes_of: Longs,
    groups_of: Longs,
    begins: Longs,
    sizes: Longs,
    status: Bytes,
) -> None:
    lines = starts.size
    slots = groups_of.size // 2
    groups = address_of(groups_of)
    for row in range(lines):
        if status[row] != CLEAR:
            continue
        if ascii_only and not _is_ascii(address_of(data), starts[row], starts[row] + lengths[row], data.size):
            status[row] = DOUBT
            continue
        verdict = _match_line(
            address_of(data),
            starts[row],
            starts[row] + lengths[row],
            data.size,
            address_of(steps),
            first,
            address_of(classes),
            address_of(ranges),
            address_of(texts),
            address_of(notes_of),
            groups,
            slots,
        )
        if verdict != 1:
            status[row] = DOUBT
            continue
        for slot in range(slots):
            begin = long_at(groups, 2 * slot)
            close = long_at(groups, 2 * slot + 1)
            if begin >= 0 and close >= 0:
                begins[slot * lines + row] = begin
                sizes[slot * lines + row] = close - begin
