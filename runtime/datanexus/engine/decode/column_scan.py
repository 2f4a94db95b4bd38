"""The fast lane of values: columns of spans to columns of values, one kernel per kind.

Each kernel reads the plain cases of the rules in `value` and marks every other row DOUBT. A NULL has validity 0.
Tags and statuses are those of `json_scan`.
"""

import numpy as np
import numpy.typing as npt
from numba import types

from datanexus.core.kernel import F64_OUT, I32_OUT, I64, I64_OUT, U8, U8_OUT, inlined, kernel
from datanexus.engine.decode.json_scan import (
    CLEAR,
    DOUBT,
    ESCAPED,
    FALSE,
    INTEGER,
    MISSING,
    NESTED,
    NULL,
    NUMBER,
    QUOTED,
    STRING,
    TEXT,
    TRUE,
    Bytes,
    Longs,
    code_unit,
    number_end,
    utf8_after,
    value_end,
)
from datanexus.engine.decode.wide import byte_at, copy_sixteen, eight_digits, lowest_bit, non_ascii

_POWERS = np.array([10.0**k for k in range(23)])  # exact in float64
_EXACT_MAX = 2**53
_TENTH = (2**63 - 1) // 10


@inlined
def _is_absent(tag: int, size: int) -> bool:
    return tag <= NULL or (tag == TEXT and size == 0)


@kernel(types.void(U8, I64, I64, U8_OUT, U8, I64, U8_OUT))
def mark_nulls(
    b: Bytes, begins: Longs, sizes: Longs, tags: Bytes, texts: Bytes, text_offsets: Longs, status: Bytes
) -> None:
    """Tag values whose text is one of `texts` as NULL; strings with escapes are doubt."""
    for row in range(begins.size):
        if tags[row] == ESCAPED:
            status[row] = DOUBT
        if tags[row] == MISSING or tags[row] == NULL or tags[row] == NESTED:
            continue
        for text in range(text_offsets.size - 1):
            first = text_offsets[text]
            size = text_offsets[text + 1] - first
            if size != sizes[row]:
                continue
            equal = True
            for k in range(size):
                if b[begins[row] + k] != texts[first + k]:
                    equal = False
                    break
            if equal:
                tags[row] = NULL
                break


@kernel(types.void(U8, I64, I64, U8, types.int64, types.int64, types.boolean, I64_OUT, U8_OUT, U8_OUT))
def read_integers(
    b: Bytes,
    begins: Longs,
    sizes: Longs,
    tags: Bytes,
    low: int,
    high: int,
    required: bool,
    values: Longs,
    valid: Bytes,
    status: Bytes,
) -> None:
    """Integers of up to 19 digits between low and high."""
    for row in range(begins.size):
        if status[row] != CLEAR:
            continue
        valid[row] = 0
        tag = tags[row]
        if _is_absent(tag, sizes[row]):
            if required:
                status[row] = DOUBT
            continue
        i = begins[row]
        end = i + sizes[row]
        if tag == INTEGER and sizes[row] <= 8 and i + 8 <= b.size and byte_at(b, i) != 45:
            value = eight_digits(b, i, sizes[row])
            values[row] = value
            in_range = low <= value <= high
            valid[row] = in_range
            status[row] = CLEAR if in_range else DOUBT
            continue
        status[row] = DOUBT
        if tag != INTEGER and tag != TEXT and tag != QUOTED:
            continue
        negative = i < end and b[i] == 45
        if negative:
            i += 1
        if i == end or end - i > 19:
            continue
        most = min(end, i + 18)
        value = 0
        while i < most and 48 <= b[i] <= 57:
            value = value * 10 + (b[i] - 48)
            i += 1
        if i + 1 == end and i == most and 48 <= b[i] <= 57:
            digit = b[i] - 48
            if value > _TENTH or (value == _TENTH and digit > 7):
                continue
            value = value * 10 + digit
            i += 1
        if negative:
            value = -value
        if i != end or value < low or value > high:
            continue
        values[row] = value
        valid[row] = 1
        status[row] = CLEAR


@kernel(types.int64(U8, I64, I64, U8, types.boolean, F64_OUT, U8_OUT, U8_OUT, U8_OUT))
def read_floats(
    b: Bytes,
    begins: Longs,
    sizes: Longs,
    tags: Bytes,
    required: bool,
    values: npt.NDArray[np.float64],
    valid: Bytes,
    hard: Bytes,
    status: Bytes,
) -> int:
    """Numbers whose nearest float64 is one exact operation away; the others, marked `hard`, are left to a full parser.

    Returns: the number of hard rows; they are plain JSON numbers of moderate size.
    """
    count = 0
    for row in range(begins.size):
        hard[row] = 0
        if status[row] != CLEAR:
            continue
        valid[row] = 0
        tag = tags[row]
        if _is_absent(tag, sizes[row]):
            if required:
                status[row] = DOUBT
            continue
        i = begins[row]
        end = i + sizes[row]
        status[row] = DOUBT
        if tag == TEXT or tag == QUOTED:
            close, tag = number_end(b, i, end)
            if close != end:
                continue
        if tag != INTEGER and tag != NUMBER:
            continue
        status[row] = CLEAR
        valid[row] = 1
        negative = b[i] == 45
        if negative:
            i += 1
        mantissa = 0
        digits = 0
        exponent = 0
        behind_point = False
        while i < end and b[i] != 101 and b[i] != 69:
            if b[i] == 46:
                behind_point = True
            else:
                digits += 1
                if digits <= 18:
                    mantissa = mantissa * 10 + (b[i] - 48)
                if behind_point:
                    exponent -= 1
            i += 1
        if i < end:
            i += 1
            minus = b[i] == 45
            if b[i] == 45 or b[i] == 43:
                i += 1
            written = 0
            while i < end:
                written = written * 10 + (b[i] - 48)
                i += 1
            exponent += -written if minus else written
        if digits > 18 or mantissa > _EXACT_MAX or exponent < -22 or exponent > 22:
            hard[row] = 1
            count += 1
            continue
        value = float(mantissa)
        if exponent < 0:
            value /= _POWERS[-exponent]
        else:
            value *= _POWERS[exponent]
        values[row] = -value if negative else value
    return count


@kernel(types.void(U8, I64, I64, U8, types.int64, types.int64, types.boolean, I64_OUT, U8_OUT, U8_OUT))
def read_decimals(
    b: Bytes,
    begins: Longs,
    sizes: Longs,
    tags: Bytes,
    scale: int,
    high: int,
    required: bool,
    values: Longs,
    valid: Bytes,
    status: Bytes,
) -> None:
    """Unscaled decimals of magnitude up to `high` (below 10^18), written without exponent and with at most `scale`
    digits behind the point."""
    for row in range(begins.size):
        if status[row] != CLEAR:
            continue
        valid[row] = 0
        tag = tags[row]
        if _is_absent(tag, sizes[row]):
            if required:
                status[row] = DOUBT
            continue
        i = begins[row]
        end = i + sizes[row]
        status[row] = DOUBT
        if tag == TEXT or tag == QUOTED:
            close, tag = number_end(b, i, end)
            if close != end:
                continue
        if tag != INTEGER and tag != NUMBER:
            continue
        negative = b[i] == 45
        if negative:
            i += 1
        value = 0
        digits = 0
        missing = scale
        behind_point = False
        while i < end:
            if b[i] == 46:
                behind_point = True
            elif 48 <= b[i] <= 57:
                value = value * 10 + (b[i] - 48)
                digits += 1
                if behind_point:
                    missing -= 1
            else:
                break
            i += 1
        if i != end or missing < 0 or digits + missing > 18:
            continue
        for _ in range(missing):
            value *= 10
        if value > high:
            continue
        values[row] = -value if negative else value
        valid[row] = 1
        status[row] = CLEAR


@kernel(types.void(U8, I64, I64, U8, types.boolean, I64_OUT, U8_OUT, U8_OUT))
def read_booleans(
    b: Bytes, begins: Longs, sizes: Longs, tags: Bytes, required: bool, values: Longs, valid: Bytes, status: Bytes
) -> None:
    """true, false, and as texts also t, f, 1 and 0."""
    for row in range(begins.size):
        if status[row] != CLEAR:
            continue
        valid[row] = 0
        tag = tags[row]
        if _is_absent(tag, sizes[row]):
            if required:
                status[row] = DOUBT
            continue
        i = begins[row]
        value = -1
        if tag == TRUE or tag == FALSE:
            value = 1 if tag == TRUE else 0
        elif tag == TEXT or tag == QUOTED:
            if sizes[row] == 1:
                value = 1 if b[i] == 49 or b[i] == 116 else 0 if b[i] == 48 or b[i] == 102 else -1
            elif sizes[row] == 4 and b[i] == 116 and b[i + 1] == 114 and b[i + 2] == 117 and b[i + 3] == 101:
                value = 1
            elif sizes[row] == 5 and b[i] == 102 and b[i + 1] == 97 and b[i + 2] == 108:
                value = 0 if b[i + 3] == 115 and b[i + 4] == 101 else -1
        if value < 0:
            status[row] = DOUBT
            continue
        values[row] = value
        valid[row] = 1


@kernel(types.int64(I64, U8, types.boolean, U8_OUT, U8_OUT))
def check_strings(sizes: Longs, tags: Bytes, required: bool, valid: Bytes, status: Bytes) -> int:
    """Pass what is a string or an untyped text. Returns: how many have escapes."""
    escaped = 0
    for row in range(tags.size):
        if status[row] != CLEAR:
            continue
        tag = tags[row]
        valid[row] = 1
        if _is_absent(tag, sizes[row]):
            valid[row] = 0
            if required:
                status[row] = DOUBT
        elif tag == ESCAPED:
            escaped += 1
        elif tag != STRING and tag != TEXT and tag != QUOTED:
            status[row] = DOUBT
    return escaped


@kernel(types.void(U8, I64_OUT, I64_OUT, U8, types.boolean, U8_OUT, U8_OUT))
def check_json(b: Bytes, begins: Longs, sizes: Longs, tags: Bytes, required: bool, valid: Bytes, status: Bytes) -> None:
    """Pass every JSON value, strings with their quotes; an untyped text must hold exactly one value."""
    for row in range(tags.size):
        if status[row] != CLEAR:
            continue
        tag = tags[row]
        valid[row] = 1
        if _is_absent(tag, sizes[row]):
            valid[row] = 0
            if required:
                status[row] = DOUBT
        elif tag == STRING or tag == ESCAPED:
            begins[row] -= 1
            sizes[row] += 2
        elif tag != TEXT and tag != QUOTED:
            continue
        elif value_end(b, begins[row], begins[row] + sizes[row]) != begins[row] + sizes[row]:
            status[row] = DOUBT


@inlined
def _put_character(out: Bytes, to: int, point: int) -> int:
    """Write a code point as UTF-8; the index behind it."""
    if point < 0x80:
        out[to] = np.uint8(point)
        return to + 1
    if point < 0x800:
        out[to] = np.uint8(0xC0 | (point >> 6))
        out[to + 1] = np.uint8(0x80 | (point & 63))
        return to + 2
    if point < 0x10000:
        out[to] = np.uint8(0xE0 | (point >> 12))
        out[to + 1] = np.uint8(0x80 | ((point >> 6) & 63))
        out[to + 2] = np.uint8(0x80 | (point & 63))
        return to + 3
    out[to] = np.uint8(0xF0 | (point >> 18))
    out[to + 1] = np.uint8(0x80 | ((point >> 12) & 63))
    out[to + 2] = np.uint8(0x80 | ((point >> 6) & 63))
    out[to + 3] = np.uint8(0x80 | (point & 63))
    return to + 4


@kernel(types.int64(U8, I64_OUT, I64_OUT, U8, U8, U8_OUT))
def unescape(b: Bytes, begins: Longs, sizes: Longs, tags: Bytes, status: Bytes, out: Bytes) -> int:
    """Write escaped strings unescaped to `out` and point their spans there: begin = -1 - index in `out`.

    The escapes are known to be valid, so that no string grows. Returns: bytes written.
    """
    to = 0
    for row in range(tags.size):
        if status[row] != CLEAR or tags[row] != ESCAPED:
            continue
        i = begins[row]
        end = i + sizes[row]
        first = to
        while i < end:
            c = b[i]
            if c != 92:
                out[to] = c
                to += 1
                i += 1
                continue
            c = b[i + 1]
            if c == 117:
                point = code_unit(b, i + 2, end)
                i += 6
                if 0xD800 <= point <= 0xDBFF:
                    point = 0x10000 + ((point - 0xD800) << 10) + (code_unit(b, i + 2, end) - 0xDC00)
                    i += 6
                to = _put_character(out, to, point)
                continue
            if c == 98:
                c = np.uint8(8)
            elif c == 102:
                c = np.uint8(12)
            elif c == 110:
                c = np.uint8(10)
            elif c == 114:
                c = np.uint8(13)
            elif c == 116:
                c = np.uint8(9)
            out[to] = c
            to += 1
            i += 2
        begins[row] = -1 - first
        sizes[row] = to - first
    return to


@kernel(types.void(I64, U8, I64, I32_OUT))
def string_offsets(sizes: Longs, valid: Bytes, rows: Longs, offsets: npt.NDArray[np.int32]) -> None:
    """Arrow offsets of the strings of some rows; NULL is empty."""
    to = 0
    offsets[0] = 0
    for k in range(rows.size):
        if valid[rows[k]]:
            to += sizes[rows[k]]
        offsets[k + 1] = to


@kernel(types.void(U8, U8, I64, I64, U8, I64, U8_OUT))
def gather_strings(b: Bytes, side: Bytes, begins: Longs, sizes: Longs, valid: Bytes, rows: Longs, out: Bytes) -> None:
    """Copy the strings of some rows one behind the other; `out` has 16 bytes more than they need."""
    to = 0
    for k in range(rows.size):
        row = rows[k]
        if not valid[row]:
            continue
        begin = begins[row]
        size = sizes[row]
        done = 0
        if begin >= 0:
            while done < size and begin + done + 16 <= b.size:
                copy_sixteen(out, to + done, b, begin + done)
                done += 16
            while done < size:
                out[to + done] = b[begin + done]
                done += 1
        else:
            begin = -1 - begin
            while done < size:
                out[to + done] = side[begin + done]
                done += 1
        to += size


@kernel(types.void(U8, I64, I64, U8_OUT))
def check_text(b: Bytes, starts: Longs, lengths: Longs, status: Bytes) -> None:
    """CLEAR for the rows that are valid UTF-8 without NUL, DOUBT for the others."""
    for row in range(starts.size):
        status[row] = DOUBT
        i = starts[row]
        end = i + lengths[row]
        while i < end:
            if i + 16 <= b.size:
                mask = non_ascii(b, i)
                if mask == 0:
                    i += 16
                    continue
                i += lowest_bit(mask)
                if i >= end:
                    break
            c = b[i]
            if c == 0:
                i = -1
            elif c < 128:
                i += 1
            else:
                i = utf8_after(b, i, end)
            if i < 0:
                break
        if i >= 0:
            status[row] = CLEAR
