"""Where the values of a JSON text end: what `json_columns` is made of. Finds, and judges nothing.

Texts are given by the address of their buffer; `end` is where the record ends, `limit` where the buffer does, so that
whole vectors are loaded before it. A value it does not fully understand is doubt, never an error. The grammar is
complete, only depth and length of numbers are bounded.
"""

import numpy as np
import numpy.typing as npt

from datanexus.core import kernel_types as types
from datanexus.core.kernel import I64_2D_OUT, U8, inlined, kernel
from datanexus.engine.decode.wide import address_of, byte_at, digit_stops, lowest_bit, string_stops

Bytes = npt.NDArray[np.uint8]
Longs = npt.NDArray[np.int64]
Address = int  # of the first byte of an array, see `wide`
_INT = types.int64

# What a span is. Numbers, true, false and nested values span their JSON text, strings what lies between the quotes.
MISSING = 0
NULL = 1
TRUE = 2
FALSE = 3
INTEGER = 4  # a JSON number of digits only
NUMBER = 5  # a JSON number with a fraction or an exponent
STRING = 6  # valid UTF-8 without escapes
ESCAPED = 7  # a string with escapes, all of them valid
NESTED = 8  # an object or array
TEXT = 9  # a text of CSV or of a pattern: not typed yet, NULL when empty
QUOTED = 10  # a quoted CSV text: not typed yet, not NULL when empty
# What comes in typed columns and has no form in JSON; the judge sees these only as tokens, their text is an integer.
INSTANT = 11  # microseconds UTC
LOCAL_TIME = 12  # microseconds of a clock on the wall
DAYS = 13

CLEAR = 0
DOUBT = 1

_BEYOND = np.uint64(0x8000)
_DEPTH_MAX = 60  # bits of the stack of open brackets
_DIGITS_MAX = 40  # with an exponent of at most two digits: far from the end of float64


@inlined
def after_space(b: Address, i: int, end: int) -> int:
    while i < end and (byte_at(b, i) == 32 or byte_at(b, i) == 10 or byte_at(b, i) == 13 or byte_at(b, i) == 9):
        i += 1
    return i


@inlined
def utf8_after(b: Address, i: int, end: int) -> int:
    """Index after the multi-byte character at i, or -1 where it is no valid UTF-8."""
    c = byte_at(b, i)
    size = 0
    low = 0x80
    high = 0xBF
    if 0xC2 <= c <= 0xDF:
        size = 2
    elif 0xE0 <= c <= 0xEF:
        size = 3
        if c == 0xE0:
            low = 0xA0
        elif c == 0xED:
            high = 0x9F
    elif 0xF0 <= c <= 0xF4:
        size = 4
        if c == 0xF0:
            low = 0x90
        elif c == 0xF4:
            high = 0x8F
    if size == 0 or i + size > end or byte_at(b, i + 1) < low or byte_at(b, i + 1) > high:
        return -1
    for k in range(2, size):
        if byte_at(b, i + k) < 0x80 or byte_at(b, i + k) > 0xBF:
            return -1
    return i + size


@inlined
def hex_digit(c: int) -> int:
    """0 to 15, or -1."""
    if 48 <= c <= 57:
        return c - 48
    if 97 <= c <= 102:
        return c - 87
    if 65 <= c <= 70:
        return c - 55
    return -1


@kernel(_INT(_INT, _INT, _INT))
def code_unit(b: Address, i: int, end: int) -> int:
    """The four hex digits at i as a number, or -1."""
    if i + 4 > end:
        return -1
    value = 0
    for k in range(4):
        digit = hex_digit(byte_at(b, i + k))
        if digit < 0:
            return -1
        value = value * 16 + digit
    return value


@kernel(_INT(_INT, _INT, _INT))
def _escape_after(b: Address, i: int, end: int) -> int:
    """Index after the escape whose backslash is at i; -1 for a broken one, a NUL or half a surrogate pair."""
    if i + 1 >= end:
        return -1
    c = byte_at(b, i + 1)
    if c == 34 or c == 92 or c == 47 or c == 98 or c == 102 or c == 110 or c == 114 or c == 116:
        return i + 2
    if c != 117:
        return -1
    unit = code_unit(b, i + 2, end)
    if unit <= 0 or 0xDC00 <= unit <= 0xDFFF:
        return -1
    if unit < 0xD800 or unit > 0xDFFF:
        return i + 6
    if i + 12 > end or byte_at(b, i + 6) != 92 or byte_at(b, i + 7) != 117:
        return -1
    low = code_unit(b, i + 8, end)
    return i + 12 if 0xDC00 <= low <= 0xDFFF else -1


@inlined
def _next_stop(b: Address, i: int, limit: int) -> int:
    """First index from i on with a control, quote, backslash or non-ASCII byte, or the limit."""
    while i + 32 <= limit:
        mask = string_stops(b, i)
        if mask != 0:
            stop: int = i + lowest_bit(mask)
            return stop
        i += 32
    while i < limit:
        c = byte_at(b, i)
        if c < 32 or c == 34 or c == 92 or c > 127:
            return i
        i += 1
    return i


@kernel(types.UniTuple(_INT, 2)(_INT, _INT, _INT, _INT))
def _string_end_slow(b: Address, i: int, end: int, limit: int) -> tuple[int, int]:
    escaped = 0
    while True:
        i = _next_stop(b, i, limit)
        if i >= end:
            return -1, 0
        c = byte_at(b, i)
        if c == 34:
            return i, escaped
        if c > 127:
            i = utf8_after(b, i, end)
        elif c == 92:
            escaped = 1
            i = _escape_after(b, i, end)
        else:
            return -1, 0
        if i < 0:
            return -1, 0


@inlined
def string_end(b: Address, i: int, end: int, limit: int) -> tuple[int, int]:
    """(index of the closing quote, whether there are escapes) of the string whose text begins at i; -1: doubt."""
    stop = _next_stop(b, i, limit)
    if stop < end and byte_at(b, stop) == 34:
        return stop, 0
    return _string_end_slow(b, stop, end, limit)


@kernel(types.UniTuple(_INT, 2)(_INT, _INT, _INT))
def number_end(b: Address, i: int, end: int) -> tuple[int, int]:
    """(index after the JSON number at i, its tag); -1: no number, or one so long that only the judge shall read it."""
    begin = i
    tag = INTEGER
    if i < end and byte_at(b, i) == 45:
        i += 1
    first = i
    while i < end and 48 <= byte_at(b, i) <= 57:
        i += 1
    if i == first or (byte_at(b, first) == 48 and i - first > 1):
        return -1, 0
    if i < end and byte_at(b, i) == 46:
        tag = NUMBER
        i += 1
        first = i
        while i < end and 48 <= byte_at(b, i) <= 57:
            i += 1
        if i == first:
            return -1, 0
    if i - begin > _DIGITS_MAX:
        return -1, 0
    if i < end and (byte_at(b, i) == 101 or byte_at(b, i) == 69):
        tag = NUMBER
        i += 1
        if i < end and (byte_at(b, i) == 43 or byte_at(b, i) == 45):
            i += 1
        first = i
        while i < end and 48 <= byte_at(b, i) <= 57:
            i += 1
        if i == first or i - first > 2:
            return -1, 0
    return i, tag


@kernel(types.UniTuple(_INT, 2)(_INT, _INT, _INT))
def _literal_end(b: Address, i: int, end: int) -> tuple[int, int]:
    c = byte_at(b, i)
    if c == 116 and i + 4 <= end and byte_at(b, i + 1) == 114 and byte_at(b, i + 2) == 117 and byte_at(b, i + 3) == 101:
        return i + 4, TRUE
    if (
        c == 102
        and i + 5 <= end
        and byte_at(b, i + 1) == 97
        and byte_at(b, i + 2) == 108
        and byte_at(b, i + 3) == 115
        and byte_at(b, i + 4) == 101
    ):
        return i + 5, FALSE
    if c == 110 and i + 4 <= end and byte_at(b, i + 1) == 117 and byte_at(b, i + 2) == 108 and byte_at(b, i + 3) == 108:
        return i + 4, NULL
    return -1, 0


@inlined
def scalar_end(b: Address, i: int, end: int) -> tuple[int, int]:
    c = byte_at(b, i)
    if c == 45 or 48 <= c <= 57:
        return number_end(b, i, end)
    return _literal_end(b, i, end)


@inlined
def plain_integer_end(b: Address, i: int, end: int, limit: int) -> tuple[int, int]:
    """As `number_end` for integers of 1 to 15 digits that a comma or brace follows; -1 for all else."""
    if i + 16 > limit:
        return -1, 0
    mask = digit_stops(b, i)
    size = lowest_bit(mask | _BEYOND)
    close: int = i + size
    if size == 0 or close >= end or (byte_at(b, i) == 48 and size > 1):
        return -1, 0
    follower = byte_at(b, close)
    if follower != 44 and follower != 125:
        return -1, 0
    return close, INTEGER


@kernel(_INT(_INT, _INT, _INT, _INT))
def value_end(b: Address, i: int, end: int, limit: int) -> int:
    """Index after the complete JSON value at i, of any nesting up to 60; -1: doubt."""
    depth = 0
    objects = np.uint64(0)  # one bit per open bracket, the innermost lowest
    state = 0  # 0: a value must come, 1: a key must come, 2: a value has ended
    while True:
        if state == 2 and depth == 0:
            return i
        i = after_space(b, i, end)
        if i >= end:
            return -1
        c = byte_at(b, i)
        if state == 0:
            if c == 123 or c == 91:
                depth += 1
                if depth > _DEPTH_MAX:
                    return -1
                is_object = np.uint64(1) if c == 123 else np.uint64(0)
                objects = (objects << np.uint64(1)) | is_object
                i = after_space(b, i + 1, end)
                if i >= end:
                    return -1
                if byte_at(b, i) == c + 2:
                    i += 1
                    depth -= 1
                    objects >>= np.uint64(1)
                    state = 2
                elif c == 123:
                    state = 1
            elif c == 34:
                i = string_end(b, i + 1, end, limit)[0] + 1
                if i == 0:
                    return -1
                state = 2
            else:
                i = scalar_end(b, i, end)[0]
                if i < 0:
                    return -1
                state = 2
        elif state == 1:
            if c != 34:
                return -1
            i = string_end(b, i + 1, end, limit)[0] + 1
            if i == 0:
                return -1
            i = after_space(b, i, end)
            if i >= end or byte_at(b, i) != 58:
                return -1
            i += 1
            state = 0
        else:
            inside_object = objects & np.uint64(1)
            if c == 44:
                state = 1 if inside_object else 0
            elif (c == 125 and inside_object) or (c == 93 and not inside_object):
                depth -= 1
                objects >>= np.uint64(1)
            else:
                return -1
            i += 1


@kernel(types.int64(U8))
def nesting_depth(b: Bytes) -> int:
    """Deepest bracket outside strings, of any bytes."""
    depth = 0
    deepest = 0
    i = 0
    while i < b.size:
        c = b[i]
        if c == 34:
            i += 1
            while i < b.size and b[i] != 34:
                i += 2 if b[i] == 92 else 1
        elif c == 123 or c == 91:
            depth += 1
            deepest = max(deepest, depth)
        elif c == 125 or c == 93:
            depth -= 1
        i += 1
    return deepest


@kernel(types.int64(U8, types.int64))
def _valid_value_end(b: Bytes, i: int) -> int:
    """Index after the value at i of a text known to be valid JSON."""
    depth = 0
    while i < b.size:
        c = b[i]
        if c == 34:
            i += 1
            while i < b.size and b[i] != 34:
                i += 2 if b[i] == 92 else 1
            i += 1
        elif c == 123 or c == 91:
            depth += 1
            i += 1
        elif c == 125 or c == 93:
            if depth == 0:
                return i
            depth -= 1
            i += 1
        elif depth == 0 and (c == 44 or c == 32 or c == 10 or c == 13 or c == 9):
            return i
        else:
            i += 1
            continue
        if depth == 0:
            return i
    return i


@kernel(types.int64(U8, I64_2D_OUT))
def member_spans(b: Bytes, spans: Longs) -> int:
    """Spans of the keys (with quotes) and values of an object, or of the elements of an array, known to be valid JSON.

    Shape:   spans: (key begin, key end, value begin, value end) per member; keys of array elements are empty.
    Returns: the number of members; only those that fit are written, so a call with no room counts.
    """
    i = after_space(address_of(b), 0, b.size)
    is_object = b[i] == 123
    i = after_space(address_of(b), i + 1, b.size)
    count = 0
    while i < b.size and b[i] != 125 and b[i] != 93:
        key_begin = i
        key_end = i
        if is_object:
            key_end = _valid_value_end(b, i)
            i = after_space(address_of(b), key_end, b.size)
            i = after_space(address_of(b), i + 1, b.size)
        close = _valid_value_end(b, i)
        if count < spans.shape[0]:
            spans[count, 0] = key_begin
            spans[count, 1] = key_end
            spans[count, 2] = i
            spans[count, 3] = close
        count += 1
        i = after_space(address_of(b), close, b.size)
        if i < b.size and b[i] == 44:
            i = after_space(address_of(b), i + 1, b.size)
    return count
