"""The fast lane of values: columns of spans to columns of values, one kernel per kind.

Each kernel reads the plain cases of the rules in `value` and marks every other row DOUBT. A NULL has validity 0.
Tags and statuses are those of `json_scan`.
"""

import numpy as np
import numpy.typing as npt

from datanexus.core import kernel_types as types
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
    Address,
    Bytes,
    Longs,
    code_unit,
    number_end,
    utf8_after,
    value_end,
)
from datanexus.engine.decode.wide import (
    address_of,
    byte_at,
    copy_sixteen,
    eight_digits,
    lowest_bit,
    non_ascii,
    put_byte,
)

_POWERS = np.array([10.0**k for k in range(23)])  # exact in float64
_EXACT_MAX = 2**53
_TENTH = (2**63 - 1) // 10


@inlined
def _is_absent(tag: int, size: int) -> bool:
    return tag <= NULL or (tag == TEXT and size == 0)


@kernel(types.void(U8, I64, I64, U8_OUT, U8, I64, U8_OUT))
def mark_nulls(
    data: Bytes, begins: Longs, sizes: Longs, tags: Bytes, texts: Bytes, text_offsets: Longs, status: Bytes
) -> None:
    """Tag values whose text is one of `texts` as NULL; strings with escapes are doubt."""
    b = address_of(data)
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
                if byte_at(b, begins[row] + k) != texts[first + k]:
                    equal = False
                    break
            if equal:
                tags[row] = NULL
                break


@kernel(types.Tuple((types.boolean, types.int64))(types.int64, types.int64, types.int64))
def integer_value(b: Address, i: int, end: int) -> tuple[bool, int]:
    """Whether byte_at(b, i:end) is an integer of up to 19 digits that an int64 holds, and which."""
    negative = i < end and byte_at(b, i) == 45
    if negative:
        i += 1
    if i == end or end - i > 19:
        return False, 0
    most = min(end, i + 18)
    value = 0
    while i < most and 48 <= byte_at(b, i) <= 57:
        value = value * 10 + (byte_at(b, i) - 48)
        i += 1
    if i + 1 == end and i == most and 48 <= byte_at(b, i) <= 57:
        digit = byte_at(b, i) - 48
        if value > _TENTH or (value == _TENTH and digit > 7):
            return False, 0
        value = value * 10 + digit
        i += 1
    return i == end, -value if negative else value


@kernel(types.void(U8, I64, I64, U8, types.int64, types.int64, types.boolean, I64_OUT, U8_OUT, U8_OUT))
def read_integers(
    data: Bytes,
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
    b = address_of(data)
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
        if tag == INTEGER and sizes[row] <= 8 and i + 8 <= data.size and byte_at(b, i) != 45:
            value = eight_digits(b, i, sizes[row])
            values[row] = value
            in_range = low <= value <= high
            valid[row] = in_range
            status[row] = CLEAR if in_range else DOUBT
            continue
        status[row] = DOUBT
        if tag != INTEGER and tag != TEXT and tag != QUOTED:
            continue
        read, value = integer_value(b, i, end)
        if not read or value < low or value > high:
            continue
        values[row] = value
        valid[row] = 1
        status[row] = CLEAR


@kernel(types.int64(U8, I64, I64, U8, types.boolean, F64_OUT, U8_OUT, U8_OUT, U8_OUT))
def read_floats(
    data: Bytes,
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
    b = address_of(data)
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
        negative = byte_at(b, i) == 45
        if negative:
            i += 1
        mantissa = 0
        digits = 0
        exponent = 0
        behind_point = False
        while i < end and byte_at(b, i) != 101 and byte_at(b, i) != 69:
            if byte_at(b, i) == 46:
                behind_point = True
            else:
                digits += 1
                if digits <= 18:
                    mantissa = mantissa * 10 + (byte_at(b, i) - 48)
                if behind_point:
                    exponent -= 1
            i += 1
        if i < end:
            i += 1
            minus = byte_at(b, i) == 45
            if byte_at(b, i) == 45 or byte_at(b, i) == 43:
                i += 1
            written = 0
            while i < end:
                written = written * 10 + (byte_at(b, i) - 48)
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
    data: Bytes,
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
    b = address_of(data)
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
        negative = byte_at(b, i) == 45
        if negative:
            i += 1
        value = 0
        digits = 0
        missing = scale
        behind_point = False
        while i < end:
            if byte_at(b, i) == 46:
                behind_point = True
            elif 48 <= byte_at(b, i) <= 57:
                value = value * 10 + (byte_at(b, i) - 48)
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
    data: Bytes, begins: Longs, sizes: Longs, tags: Bytes, required: bool, values: Longs, valid: Bytes, status: Bytes
) -> None:
    """true, false, and as texts also t, f, 1 and 0."""
    b = address_of(data)
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
                value = (
                    1
                    if byte_at(b, i) == 49 or byte_at(b, i) == 116
                    else 0
                    if byte_at(b, i) == 48 or byte_at(b, i) == 102
                    else -1
                )
            elif (
                sizes[row] == 4
                and byte_at(b, i) == 116
                and byte_at(b, i + 1) == 114
                and byte_at(b, i + 2) == 117
                and byte_at(b, i + 3) == 101
            ):
                value = 1
            elif sizes[row] == 5 and byte_at(b, i) == 102 and byte_at(b, i + 1) == 97 and byte_at(b, i + 2) == 108:
                value = 0 if byte_at(b, i + 3) == 115 and byte_at(b, i + 4) == 101 else -1
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
def check_json(
    data: Bytes, begins: Longs, sizes: Longs, tags: Bytes, required: bool, valid: Bytes, status: Bytes
) -> None:
    """Pass every JSON value, strings with their quotes; an untyped text must hold exactly one value."""
    b = address_of(data)
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
        elif value_end(b, begins[row], begins[row] + sizes[row], data.size) != begins[row] + sizes[row]:
            status[row] = DOUBT


@inlined
def _put_character(out: Address, to: int, point: int) -> int:
    """Write a code point as UTF-8; the index behind it."""
    if point < 0x80:
        put_byte(out, to, np.uint8(point))
        return to + 1
    if point < 0x800:
        put_byte(out, to, np.uint8(0xC0 | (point >> 6)))
        put_byte(out, to + 1, np.uint8(0x80 | (point & 63)))
        return to + 2
    if point < 0x10000:
        put_byte(out, to, np.uint8(0xE0 | (point >> 12)))
        put_byte(out, to + 1, np.uint8(0x80 | ((point >> 6) & 63)))
        put_byte(out, to + 2, np.uint8(0x80 | (point & 63)))
        return to + 3
    put_byte(out, to, np.uint8(0xF0 | (point >> 18)))
    put_byte(out, to + 1, np.uint8(0x80 | ((point >> 12) & 63)))
    put_byte(out, to + 2, np.uint8(0x80 | ((point >> 6) & 63)))
    put_byte(out, to + 3, np.uint8(0x80 | (point & 63)))
    return to + 4


@kernel(types.int64(types.int64, types.int64, types.int64, types.int64, types.int64))
def unescaped_end(b: Address, i: int, end: int, out: Address, to: int) -> int:
    """Write a string unescaped to `out` from `to` on; its escapes are known to be valid, so that it does not grow.

    Returns: the index behind what was written.
    """
    while i < end:
        c = byte_at(b, i)
        if c != 92:
            put_byte(out, to, c)
            to += 1
            i += 1
            continue
        c = byte_at(b, i + 1)
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
        put_byte(out, to, c)
        to += 1
        i += 2
    return to


@kernel(types.int64(U8, I64_OUT, I64_OUT, U8, U8, U8_OUT))
def unescape(data: Bytes, begins: Longs, sizes: Longs, tags: Bytes, status: Bytes, out: Bytes) -> int:
    """Write escaped strings unescaped to `out` and point their spans there: begin = -1 - index in `out`.

    Returns: bytes written.
    """
    b = address_of(data)
    to = 0
    for row in range(tags.size):
        if status[row] != CLEAR or tags[row] != ESCAPED:
            continue
        first = to
        to = unescaped_end(b, begins[row], begins[row] + sizes[row], address_of(out), to)
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
def gather_strings(
    data: Bytes, side: Bytes, begins: Longs, sizes: Longs, valid: Bytes, rows: Longs, out: Bytes
) -> None:
    """Copy the strings of some rows one behind the other; `out` has 16 bytes more than they need."""
    b = address_of(data)
    to = 0
    for k in range(rows.size):
        row = rows[k]
        if not valid[row]:
            continue
        begin = begins[row]
        size = sizes[row]
        done = 0
        if begin >= 0:
            while done < size and begin + done + 16 <= data.size:
                copy_sixteen(address_of(out), to + done, b, begin + done)
                done += 16
            while done < size:
                out[to + done] = byte_at(b, begin + done)
                done += 1
        else:
            begin = -1 - begin
            while done < size:
                out[to + done] = side[begin + done]
                done += 1
        to += size


@kernel(types.void(U8, I64, I64, U8_OUT))
def check_text(data: Bytes, starts: Longs, lengths: Longs, status: Bytes) -> None:
    """CLEAR for the rows that are valid UTF-8 without NUL, DOUBT for the others."""
    b = address_of(data)
    for row in range(starts.size):
        status[row] = DOUBT
        i = starts[row]
        end = i + lengths[row]
        while i < end:
            if i + 16 <= data.size:
                mask = non_ascii(b, i)
                if mask == 0:
                    i += 16
                    continue
                i += lowest_bit(mask)
                if i >= end:
                    break
            c = byte_at(b, i)
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


@kernel(types.boolean(U8, types.int64, types.int64))
def is_plain_ascii(data: Bytes, i: int, end: int) -> bool:
    """Whether all bytes of data[i:end] are ASCII and none is zero."""
    b = address_of(data)
    while i + 64 <= end:
        if non_ascii(b, i) | non_ascii(b, i + 16) | non_ascii(b, i + 32) | non_ascii(b, i + 48):
            return False
        i += 64
    while i < end:
        if byte_at(b, i) == 0 or byte_at(b, i) > 127:
            return False
        i += 1
    return True
