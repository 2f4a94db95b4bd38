"""Where records begin and end in a block of bytes: lines, CSV records, the elements of JSON documents.

All three are functions of the bytes alone: a block may end anywhere, what follows `consumed` is framed again with the
next block. What is malformed is a record too, as short as can be told, so that its neighbours are found.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from datanexus.core import kernel_types as types
from datanexus.core.kernel import I64_OUT, U8, inlined, kernel
from datanexus.engine.decode.json_scan import Address, Bytes, Longs
from datanexus.engine.decode.wide import address_of, byte_at, byte_matches, lowest_bit

QUOTED_BYTES_MAX = 1 << 20  # of a CSV record with quoted line ends; beyond it the quote was a slip
_HEAD_BYTES = 1 << 16  # of a block, from which the number of its records is guessed
_LINE_END = 10
_ZERO, _ONE = np.uint64(0), np.uint64(1)


@dataclass(frozen=True, slots=True)
class Frames:
    """The whole records of a block. `ends`: first byte after each record and its line end. `consumed`: the first byte
    that belongs to no record yet; blank lines before it are passed."""

    starts: Longs
    lengths: Longs
    ends: Longs
    consumed: int


def frame_lines(data: Bytes, end: int, *, at_end: bool) -> Frames:
    """The lines in data[:end], without LF or CRLF; empty lines are no records. `at_end`: nothing follows,
    so that a last one without line end is whole."""
    return _framed(data, end, lambda *out: _lines(data, end, at_end, *out))


def frame_csv(data: Bytes, end: int, *, delimiter: str, quote: str, at_end: bool) -> Frames:
    """The CSV records in data[:end]. A line end inside a quoted value belongs to it.

    A quote opens a value only at its beginning. A quoted value that is not closed properly within 1 MiB makes a record
    of its first line alone, which the decoder refuses.
    """
    delimiter_byte, quote_byte = ord(delimiter), ord(quote)
    return _framed(data, end, lambda *out: _csv(data, end, delimiter_byte, quote_byte, at_end, *out))


def frame_documents(data: Bytes, end: int, *, at_end: bool) -> Frames:
    """The objects of JSON documents in data[:end]: one, several, or the elements of arrays.

    Brackets, commas and space between them are passed unjudged; anything else between them is a record, which the
    decoder refuses.
    """
    return _framed(data, end, lambda *out: _documents(data, end, at_end, *out))


def _framed(data: Bytes, end: int, fill: Callable[..., tuple[int, int]]) -> Frames:
    """Run a kernel with room for a guessed number of records, and again with more while it fills the room."""
    head = data[: min(end, _HEAD_BYTES)]
    room = int(np.count_nonzero(head == _LINE_END) * 1.25 * end / max(len(head), 1)) + 16
    while True:
        starts, lengths, ends = (np.empty(room, np.int64) for _ in range(3))
        count, consumed = fill(starts, lengths, ends)
        if count <= room:
            return Frames(starts[:count], lengths[:count], ends[:count], consumed)
        room = count


@inlined
def find_byte(b: Address, i: int, end: int, limit: int, byte: int) -> int:
    """First index of a byte in b[i:end], or end; the buffer reaches to `limit`."""
    while i < end and i + 32 <= limit:
        mask = byte_matches(b, i, byte)
        if mask != 0:
            stop: int = min(i + lowest_bit(mask), end)
            return stop
        i += 32
    while i < end and byte_at(b, i) != byte:
        i += 1
    return min(i, end)


@kernel(types.UniTuple(types.int64, 2)(U8, types.int64, types.boolean, I64_OUT, I64_OUT, I64_OUT))
def _lines(data: Bytes, end: int, at_end: bool, starts: Longs, lengths: Longs, ends: Longs) -> tuple[int, int]:
    b = address_of(data)
    count = 0
    start = 0
    i = 0
    while i < end or (at_end and start < end):
        # The line ends among the next 64 bytes; what is not closed by one is closed by the end.
        if i >= end:
            mask = _ONE
        elif i + 64 <= data.size:
            mask = byte_matches(b, i, _LINE_END) | byte_matches(b, i + 32, _LINE_END) << np.uint64(32)
            if end - i < 64:
                mask &= (_ONE << np.uint64(end - i)) - _ONE
        else:
            mask = _ONE if byte_at(b, i) == _LINE_END else _ZERO
        while mask != _ZERO:
            close = min(i + lowest_bit(mask), end)
            mask &= mask - _ONE
            behind = min(close + 1, end)
            if close > start and byte_at(b, close - 1) == 13:
                close -= 1
            if close > start:
                if count < starts.size:
                    starts[count] = start
                    lengths[count] = close - start
                    ends[count] = behind
                count += 1
            start = behind
        i = min(i + 64, end) if i + 64 <= data.size else i + 1
    return count, start


@kernel(types.int64(U8, types.int64, types.int64, types.uint8, types.uint8))
def _csv_end(b: Bytes, start: int, end: int, delimiter: int, quote: int) -> int:
    """Index of the line end that closes the record at start, `end` if there is none, -1 if its quotes are broken,
    -2 if a quote is open at `end`."""
    i = find_byte(address_of(b), start, end, b.size, _LINE_END)
    if find_byte(address_of(b), start, i, b.size, quote) == i:
        return i
    i = start
    while True:
        if i < end and b[i] == quote:
            i += 1
            while True:
                i = find_byte(address_of(b), i, end, b.size, quote)
                if i - start > QUOTED_BYTES_MAX:
                    return -1
                if i >= end:
                    return -2
                if i + 1 == end:
                    return -3
                if b[i + 1] != quote:
                    break
                i += 2
            i += 1
            if b[i] == 13 and i + 1 == end:
                return -3
            if b[i] == 13 and b[i + 1] == 10:
                return i + 1
            if b[i] == 10:
                return i
            if b[i] != delimiter:
                return -1
            i += 1
            continue
        while i < end and b[i] != delimiter and b[i] != 10:
            i += 1
        if i == end or b[i] == 10:
            return i
        i += 1


@kernel(
    types.UniTuple(types.int64, 2)(U8, types.int64, types.uint8, types.uint8, types.boolean, I64_OUT, I64_OUT, I64_OUT)
)
def _csv(
    b: Bytes, end: int, delimiter: int, quote: int, at_end: bool, starts: Longs, lengths: Longs, ends: Longs
) -> tuple[int, int]:
    count = 0
    start = 0
    while start < end:
        close = _csv_end(b, start, end, delimiter, quote)
        if (close == end or close < -1) and not at_end:
            break
        if close == -3:
            close = end
        if close < 0:
            close = find_byte(address_of(b), start, end, b.size, _LINE_END)
            if close == end and not at_end:
                break
        behind = min(close + 1, end)
        if close > start and b[close - 1] == 13:
            close -= 1
        if close > start:
            if count < starts.size:
                starts[count] = start
                lengths[count] = close - start
                ends[count] = behind
            count += 1
        start = behind
    return count, start


@inlined
def _is_between(c: int) -> bool:
    return c == 32 or c == 10 or c == 13 or c == 9 or c == 44 or c == 91 or c == 93


@kernel(types.UniTuple(types.int64, 2)(U8, types.int64, types.boolean, I64_OUT, I64_OUT, I64_OUT))
def _documents(b: Bytes, end: int, at_end: bool, starts: Longs, lengths: Longs, ends: Longs) -> tuple[int, int]:
    count = 0
    start = 0
    while True:
        while start < end and _is_between(b[start]):
            start += 1
        if start == end:
            return count, start
        i = start
        whole = False
        if b[i] == 123:
            depth = 0
            while i < end:
                c = b[i]
                if c == 34:
                    # A line end cannot stand inside a string: there an open one stops, so that it hides no more.
                    i += 1
                    while i < end and b[i] != 34 and b[i] != 10:
                        i += 2 if b[i] == 92 else 1
                elif c == 123 or c == 91:
                    depth += 1
                elif c == 125 or c == 93:
                    depth -= 1
                i += 1
                if depth == 0:
                    whole = True
                    break
        else:
            while i < end and not _is_between(b[i]) and b[i] != 123:
                i += 1
            whole = i < end
        if not whole and not at_end:
            return count, start
        i = min(i, end)
        if count < starts.size:
            starts[count] = start
            lengths[count] = i - start
            ends[count] = i
        count += 1
        start = i
