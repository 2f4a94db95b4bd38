"""The fast lane of JSON: one pass over the bytes, from flat objects to the values of their columns.

A row it fully understands gets a value in every slot: integers, times and texts in their final form, anything else as a
span and a tag for the kernels of `column_scan`. Any other row is left out and goes to `json_judge`.
Invariant: a row that is given is a record that the judge accepts as JSON, with the same values
(tests/property/decode holds the two against each other). The grammar is complete, only depth and length of numbers
are bounded, so doubt is rare: duplicate keys, escapes in keys, nesting beyond 60, whatever is broken.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from datanexus.core import kernel_types as types
from datanexus.core.kernel import I32_OUT, I64, I64_OUT, U8, U8_OUT, kernel
from datanexus.engine.decode.column_scan import integer_value, unescaped_end
from datanexus.engine.decode.json_scan import (
    ESCAPED,
    INTEGER,
    MISSING,
    NESTED,
    NULL,
    STRING,
    Address,
    Bytes,
    Longs,
    after_space,
    plain_integer_end,
    scalar_end,
    string_end,
    value_end,
)
from datanexus.engine.decode.json_text import RECORD_BYTES_MAX
from datanexus.engine.decode.time_pattern import TIME_MIN_US
from datanexus.engine.decode.time_scan import SAME_MINUTE, is_plain, plain_us, second_us
from datanexus.engine.decode.wide import (
    address_of,
    byte_at,
    copy_wide,
    eight_digits,
    equal_bytes,
    fetch_ahead,
    int_at,
    long_at,
    put_byte,
    put_int,
    put_long,
    word_at,
)

Ints = npt.NDArray[np.int32]

# What becomes of a slot's values.
SPAN = 0  # spans and tags
WHOLE = 1  # integers between two bounds
WRITTEN = 2  # the bytes of strings
INSTANT = 3  # microseconds; what is no plain ISO 8601 text in UTC is left as a span, its row marked as pending

_ONES = 0xFFFFFFFF
_REMEMBERED = 64  # members of the previous row whose keys are tried first
_AHEAD_BYTES = 512  # what is fetched from memory while the bytes before it are read
_PADDING = 32  # bytes that a wide copy may write too many
_ROW_BYTES = 32  # of a text column, before any row was seen
_SPARE = 1.1  # more than in the chunk before


@dataclass(frozen=True, slots=True)
class Slot:
    """One key that is read. `low`, `high`: of WHOLE. `required`: a row without it, or with null, is doubt; spans and
    instants are never required here, as their kernels judge that."""

    name: str
    kind: int
    low: int = 0
    high: int = 0
    required: bool = False


@dataclass(frozen=True, slots=True)
class ReadRows:
    """The understood rows of a chunk: `rows`, ascending, k of them; everything else has k columns or items, too.

    `values`, `valid`: by slots of kind WHOLE and INSTANT in their order; of instants, `valid` is what is not pending.
    `spans`: (begins, sizes, tags) by slots of kind SPAN and INSTANT; of instants only where they are pending.
    `texts`: (offsets, bytes, valid) by slots of kind WRITTEN.
    """

    rows: Longs
    values: Longs
    valid: Bytes
    spans: Sequence[tuple[Longs, Longs, Bytes]]
    texts: Sequence[tuple[Ints, Bytes, Bytes]]


class ObjectReader:
    """The slots of one record. What it remembers of the last chunk guides how much memory is asked for, no result."""

    def __init__(self, slots: Sequence[Slot], *, only_known: bool) -> None:
        encoded = [slot.name.encode() for slot in slots]
        self._names = np.frombuffer(b"".join(encoded), np.uint8)
        self._name_offsets = np.cumsum([0] + [len(name) for name in encoded]).astype(np.int64)
        self._only_known = only_known
        kinds = [slot.kind for slot in slots]
        self._value_slots = [place for place, kind in enumerate(kinds) if kind in (WHOLE, INSTANT)]
        self._span_slots = [place for place, kind in enumerate(kinds) if kind in (SPAN, INSTANT)]
        self._text_slots = [place for place, kind in enumerate(kinds) if kind == WRITTEN]
        table = np.zeros((len(slots), 6), np.int64)
        for index, slot in enumerate(slots):
            table[index] = (slot.kind, 0, 0, slot.low, slot.high, slot.required)
        table[self._value_slots, 1] = range(len(self._value_slots))
        table[self._text_slots, 1] = range(len(self._text_slots))
        table[self._span_slots, 2] = range(len(self._span_slots))
        self._table = table.reshape(-1)
        self._row_bytes = [float(_ROW_BYTES)] * len(self._text_slots)

    def read(self, data: Bytes, starts: Longs, lengths: Longs) -> ReadRows:
        """Read what can be read of all rows."""
        room = max(len(starts), 1)
        rows = np.empty(room, np.int64)
        spans = len(self._span_slots) * room
        begins, sizes = np.empty(spans, np.int64), np.empty(spans, np.int64)
        tags = np.empty(spans, np.uint8)
        values = np.empty(len(self._value_slots) * room, np.int64)
        valid = np.ones((len(self._value_slots) + len(self._text_slots)) * room, np.uint8)
        offsets = np.zeros((len(self._text_slots), room + 1), np.int32)
        bounds = self._bounds([int(share * room) + _PADDING for share in self._row_bytes])
        text = np.empty(int(bounds[-1]), np.uint8)
        memory = np.empty(3 * len(self._table) // 6 + 5 * _REMEMBERED, np.int64)
        row = count = 0
        while True:
            row, count = read_objects(
                data, starts, lengths, row, count, self._names, self._name_offsets, self._only_known, self._table,
                memory, rows, begins, sizes, tags, values, valid, offsets.reshape(-1), text, bounds,
            )  # fmt: skip
            if row == len(starts):
                break
            text, bounds = self._grown(text, bounds, offsets[:, count], int(lengths[row]))
        self._row_bytes = [_SPARE * int(size) / max(count, 1) for size in offsets[:, count]]
        valid = valid.reshape(-1, room)[:, :count]
        return ReadRows(
            rows=rows[:count],
            values=values.reshape(-1, room)[:, :count],
            valid=valid[: len(self._value_slots)],
            spans=[
                (begins[first : first + count], sizes[first : first + count], tags[first : first + count])
                for first in range(0, spans, room)
            ],
            texts=[
                (
                    offsets[place, : count + 1],
                    text[bounds[place] : bounds[place + 1]],
                    valid[len(self._value_slots) + place],
                )
                for place in range(len(self._text_slots))
            ],
        )

    @staticmethod
    def _bounds(sizes: Sequence[int]) -> Longs:
        return np.cumsum([0, *sizes]).astype(np.int64)

    def _grown(self, text: Bytes, bounds: Longs, used: Ints, row_bytes: int) -> tuple[Bytes, Longs]:
        """Twice the room for every text, and at least enough for one more row."""
        wider = self._bounds([2 * int(size) + row_bytes + _PADDING for size in np.diff(bounds)])
        larger = np.empty(int(wider[-1]), np.uint8)
        for index, size in enumerate(used):
            larger[wider[index] : wider[index] + size] = text[bounds[index] : bounds[index] + size]
        return larger, wider


@kernel(types.int64(types.int64, types.int64, types.int64, U8, I64))
def _slot_of(b: Address, begin: int, size: int, names: Bytes, name_offsets: Longs) -> int:
    """Which of the names a key is, -1 for none."""
    for name in range(name_offsets.size - 1):
        first = name_offsets[name]
        if name_offsets[name + 1] - first != size:
            continue
        equal = True
        for k in range(size):
            if names[first + k] != byte_at(b, begin + k):
                equal = False
                break
        if equal:
            return name
    return -1


@kernel(
    types.UniTuple(types.int64, 2)(
        U8, I64, I64, types.int64, types.int64, U8, I64, types.boolean, I64, I64_OUT,
        I64_OUT, I64_OUT, I64_OUT, U8_OUT, I64_OUT, U8_OUT, I32_OUT, U8_OUT, I64,
    )
)  # fmt: skip
def read_objects(
    data: Bytes,
    starts: Longs,
    lengths: Longs,
    begin_row: int,
    count: int,
    names: Bytes,
    name_offsets: Longs,
    only_known: bool,
    table_of: Longs,
    memory: Longs,
    rows_of: Longs,
    begins_of: Longs,
    sizes_of: Longs,
    tags_of: Bytes,
    values_of: Longs,
    valid_of: Bytes,
    offsets_of: Ints,
    text_of: Bytes,
    bounds_of: Longs,
) -> tuple[int, int]:
    """Read rows from `begin_row` on, before which `count` were given.

    Shape:   names: concatenated keys; table: (kind, value or text place, span place, low, high, required) per key;
             begins, sizes, tags, values, valid: for each place as many items as there are rows (valid: values, then
             texts; comes as ones); offsets: one more. text_bounds: where the text of each place begins and must end.
             only_known: a key that has no name is doubt (unknownFields: Reject).
    Returns: the row behind the last one judged, which is not the last row where some text is full, and the new count.
    Cost:    the keys of the previous row are tried first, in their order; a changed order costs a linear search.
    """
    known = name_offsets.size - 1
    room = rows_of.size
    limit = data.size
    wide_end = limit - 32
    value_places = values_of.size // room
    b = address_of(data)
    table, rows, begins, sizes = address_of(table_of), address_of(rows_of), address_of(begins_of), address_of(sizes_of)
    tags, values, valid, offsets = (
        address_of(tags_of),
        address_of(values_of),
        address_of(valid_of),
        address_of(offsets_of),
    )
    text, bounds = address_of(text_of), address_of(bounds_of)
    # Of each slot: 2 * row + 1 where that row has a value, 2 * row where it has null; where the last plain time stands
    # and its minute. Of each member of the previous row: where its key stands, its size, a mask of its bytes, the slot,
    # and whether a quote followed.
    seen = address_of(memory)
    times = seen + 8 * known
    minutes_us = times + 8 * known
    keys = minutes_us + 8 * known
    for slot in range(known):
        put_long(seen, slot, -1)
        put_long(times, slot, -1)
    remembered = 0
    for row in range(begin_row, starts.size):
        i = starts[row]
        size = lengths[row]
        end = i + size
        for k in range(i, end, 64):
            fetch_ahead(b, k + _AHEAD_BYTES)
        if size > RECORD_BYTES_MAX:
            continue
        if size and byte_at(b, i) != 123:
            i = after_space(b, i, end)
        if i >= end or byte_at(b, i) != 123:
            continue
        given = 0
        member = 0
        is_whole = False
        # Each turn begins at what stands before a member: the brace, a comma or the space before it.
        while True:
            slot = -2
            is_string = False
            if member < remembered:
                key = 5 * member
                size = long_at(keys, key + 1)
                is_near = i <= wide_end and i + size < end
                if is_near and word_at(keys, key + 2) & ~equal_bytes(b, long_at(keys, key), i) == 0:
                    slot = long_at(keys, key + 3)
                    is_string = long_at(keys, key + 4) != 0
                    i += size
            if slot == -2:
                if byte_at(b, i) <= 32:
                    i = after_space(b, i, end)
                    if i >= end:
                        break
                if byte_at(b, i) == 125 and member > 0:
                    is_whole = i + 1 == end or after_space(b, i + 1, end) == end
                    break
                if byte_at(b, i) != 44 and member > 0:
                    break
                before = i
                i = after_space(b, i + 1, end)
                if i < end and byte_at(b, i) == 125 and member == 0:
                    is_whole = after_space(b, i + 1, end) == end
                    break
                if i >= end or byte_at(b, i) != 34:
                    break
                i += 1
                close, escaped = string_end(b, i, end, limit)
                if close < 0 or escaped:
                    break
                slot = _slot_of(b, i, close - i, names, name_offsets)
                i = after_space(b, close + 1, end)
                if i >= end or byte_at(b, i) != 58:
                    break
                i += 1
                if member < _REMEMBERED:
                    # From the brace or comma to the colon, and the quote behind it, where that is short; else a size
                    # that nothing has.
                    key = 5 * member
                    quoted = 1 if i < end and byte_at(b, i) == 34 else 0
                    size = i + quoted - before
                    fits = size <= 32 and before <= wide_end
                    put_long(keys, key, before if fits else 0)
                    put_long(keys, key + 1, size if fits else limit)
                    put_long(keys, key + 2, _ONES >> (32 - size) if fits else _ONES)
                    put_long(keys, key + 3, slot)
                    put_long(keys, key + 4, quoted)
                    remembered = max(remembered, member + 1)
            if slot < 0:
                if only_known:
                    break
            elif long_at(seen, slot) >= 2 * row:
                break
            if not is_string:
                if i < end and byte_at(b, i) <= 32:
                    i = after_space(b, i, end)
                if i >= end:
                    break
                if byte_at(b, i) == 34:
                    is_string = True
                    i += 1
            begin = i
            if is_string:
                close, escaped = string_end(b, begin, end, limit)
                if close < 0:
                    break
                tag = ESCAPED if escaped else STRING
                i = close + 1
            else:
                c = byte_at(b, i)
                if c == 123 or c == 91:
                    close = value_end(b, i, end, limit)
                    tag = NESTED
                else:
                    close, tag = plain_integer_end(b, i, end, limit)
                    if close < 0:
                        close, tag = scalar_end(b, i, end)
                if close < 0:
                    break
                i = close
            if slot >= 0:
                size = close - begin
                entry = 6 * slot
                kind = long_at(table, entry)
                place = long_at(table, entry + 1)
                if tag == NULL and (kind == WRITTEN or kind == WHOLE):
                    put_long(seen, slot, 2 * row)
                    given -= 1
                elif kind == WRITTEN:
                    at = place * (room + 1) + count
                    first = np.int64(int_at(offsets, at))
                    to = long_at(bounds, place) + first
                    if to + size + _PADDING > long_at(bounds, place + 1):
                        return row, count
                    if tag == STRING:
                        done = 0
                        while done < size and begin + done <= wide_end:
                            copy_wide(text, to + done, b, begin + done)
                            done += 32
                        while done < size:
                            put_byte(text, to + done, byte_at(b, begin + done))
                            done += 1
                    elif tag == ESCAPED:
                        size = unescaped_end(b, begin, close, text, to) - to
                    else:
                        break
                    put_int(offsets, at + 1, np.int32(first + size))
                    put_long(seen, slot, 2 * row + 1)
                elif kind == WHOLE:
                    if tag != INTEGER:
                        break
                    if size <= 8 and begin + 8 <= limit and byte_at(b, begin) != 45:
                        value = eight_digits(b, begin, size)
                    else:
                        is_read, value = integer_value(b, begin, close)
                        if not is_read:
                            break
                    if value < long_at(table, entry + 3) or value > long_at(table, entry + 4):
                        break
                    put_long(values, place * room + count, value)
                    put_long(seen, slot, 2 * row + 1)
                else:
                    is_read = False
                    time_us = 0
                    if kind == INSTANT and tag == STRING and is_plain(b, begin, size, limit):
                        rest_us = second_us(b, begin, size)
                        last = long_at(times, slot)
                        if rest_us >= 0:
                            if last >= 0 and equal_bytes(b, last, begin) & SAME_MINUTE == SAME_MINUTE:
                                is_read = True
                                time_us = long_at(minutes_us, slot) + rest_us
                            else:
                                time_us = plain_us(b, begin, size)
                                if time_us >= TIME_MIN_US:
                                    is_read = True
                                    put_long(times, slot, begin)
                                    put_long(minutes_us, slot, time_us - rest_us)
                    if kind == INSTANT:
                        put_long(values, place * room + count, time_us if is_read else 0)
                        put_byte(valid, place * room + count, np.uint8(is_read))
                    if not is_read:
                        span = long_at(table, entry + 2) * room + count
                        put_long(begins, span, begin)
                        put_long(sizes, span, size)
                        put_byte(tags, span, np.uint8(tag))
                    put_long(seen, slot, 2 * row + 1)
                given += 1
            if i >= end:
                break
            member += 1
        if not is_whole:
            continue
        if given < known:
            for slot in range(known):
                if table_of[6 * slot + 5] and long_at(seen, slot) != 2 * row + 1:
                    is_whole = False
            for slot in range(known if is_whole else 0):
                if long_at(seen, slot) == 2 * row + 1:
                    continue
                kind = table_of[6 * slot]
                place = table_of[6 * slot + 1]
                if kind == WRITTEN:
                    at = place * (room + 1) + count
                    offsets_of[at + 1] = offsets_of[at]
                    valid_of[(value_places + place) * room + count] = 0
                elif kind != SPAN:
                    values_of[place * room + count] = 0
                    valid_of[place * room + count] = 0
                if kind == SPAN or kind == INSTANT:
                    span = table_of[6 * slot + 2] * room + count
                    begins_of[span] = 0
                    sizes_of[span] = 0
                    tags_of[span] = MISSING
        if is_whole:
            put_long(rows, count, row)
            count += 1
    return starts.size, count
