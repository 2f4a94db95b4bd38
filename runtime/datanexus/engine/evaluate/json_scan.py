"""Kernels that find members and elements in JSON text, over many rows at once.

Input is JSON that was checked before; on other input they stay inside the row and find nothing. Spans are byte offsets
into `data`; a start below zero means nothing is there.
"""

import numpy as np
import numpy.typing as npt

from datanexus.core import kernel_types as types
from datanexus.core.kernel import I64, I64_OUT, U8, U8_OUT, inlined, kernel

Bytes = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int64]

_ESCAPED_KEY = -2  # a key has escapes: whoever asked must look itself
_QUOTE, _BACKSLASH, _COMMA, _COLON = 34, 92, 44, 58
_OPEN_OBJECT, _CLOSE_OBJECT, _OPEN_ARRAY, _CLOSE_ARRAY = 123, 125, 91, 93
_SPACE = 32


def key_with_escapes() -> int:
    """The start that `find_members` gives for an object with an escaped key."""
    return _ESCAPED_KEY


@inlined
def _skip_space(data: Bytes, at: int, end: int) -> int:
    while at < end and data[at] <= _SPACE:
        at += 1
    return at


@inlined
def _skip_string(data: Bytes, at: int, end: int) -> int:
    """Behind the closing quote of the string that opens at `at`."""
    at += 1
    while at < end and data[at] != _QUOTE:
        at += 2 if data[at] == _BACKSLASH else 1
    return at + 1


@inlined
def _skip_value(data: Bytes, at: int, end: int) -> int:
    """Behind the value that begins at `at`."""
    depth = 0
    while at < end:
        byte = data[at]
        if byte == _QUOTE:
            at = _skip_string(data, at, end)
            if depth == 0:
                break
            continue
        if byte in (_OPEN_OBJECT, _OPEN_ARRAY):
            depth += 1
        elif byte in (_CLOSE_OBJECT, _CLOSE_ARRAY):
            if depth == 0:
                break
            depth -= 1
            if depth == 0:
                at += 1
                break
        elif depth == 0 and (byte == _COMMA or byte <= _SPACE):
            break
        at += 1
    return min(at, end)


@kernel(types.void(U8, I64, I64, U8, I64_OUT, I64_OUT))
def find_members(
    data: Bytes, starts: Places, ends: Places, key: Bytes, found_starts: Places, found_ends: Places
) -> None:
    """The span of the last member named `key` of each row's object."""
    for row in range(len(starts)):
        if starts[row] < 0:
            continue
        end = ends[row]
        at = _skip_space(data, starts[row], end)
        if at >= end or data[at] != _OPEN_OBJECT:
            continue
        at = _skip_space(data, at + 1, end)
        while at < end and data[at] == _QUOTE:
            key_start = at + 1
            at = _skip_string(data, at, end)
            key_end = at - 1
            same = key_end - key_start == len(key)
            for place in range(key_start, min(key_end, end)):
                if data[place] == _BACKSLASH:
                    found_starts[row] = _ESCAPED_KEY
                if same and data[place] != key[place - key_start]:
                    same = False
            if found_starts[row] == _ESCAPED_KEY:
                break
            at = _skip_space(data, at, end) + 1
            at = _skip_space(data, at, end)
            value_start = at
            at = _skip_value(data, at, end)
            if same:
                found_starts[row] = value_start
                found_ends[row] = at
            at = _skip_space(data, at, end)
            if at < end and data[at] == _COMMA:
                at = _skip_space(data, at + 1, end)


@kernel(types.void(U8, I64, I64, types.int64, I64_OUT, I64_OUT))
def find_elements(
    data: Bytes, starts: Places, ends: Places, index: int, found_starts: Places, found_ends: Places
) -> None:
    """The span of element `index` of each row's array, counted from the end when negative."""
    for row in range(len(starts)):
        if starts[row] < 0:
            continue
        end = ends[row]
        opening = _skip_space(data, starts[row], end)
        if opening >= end or data[opening] != _OPEN_ARRAY:
            continue
        wanted = index
        if wanted < 0:
            at = _skip_space(data, opening + 1, end)
            while at < end and data[at] != _CLOSE_ARRAY:
                wanted += 1
                at = _skip_space(data, _skip_value(data, at, end), end)
                if at < end and data[at] == _COMMA:
                    at = _skip_space(data, at + 1, end)
        if wanted < 0:
            continue
        at = _skip_space(data, opening + 1, end)
        place = 0
        while at < end and data[at] != _CLOSE_ARRAY:
            value_start = at
            at = _skip_value(data, at, end)
            if place == wanted:
                found_starts[row] = value_start
                found_ends[row] = at
                break
            place += 1
            at = _skip_space(data, at, end)
            if at < end and data[at] == _COMMA:
                at = _skip_space(data, at + 1, end)


@kernel(types.void(U8, I64, I64, I64, U8_OUT))
def gather(data: Bytes, starts: Places, lengths: Places, offsets: Places, content: Bytes) -> None:
    """Copy spans of `data` side by side."""
    for row in range(len(starts)):
        for place in range(lengths[row]):
            content[offsets[row] + place] = data[starts[row] + place]
