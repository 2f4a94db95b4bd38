"""128-bit hashes of keys: MurmurHash3 x64 128, seed 0, over canonical bytes.

The canonical bytes of a value are its payload followed by one type tag:

    bool, int32, int64   8 bytes, little-endian two's complement, tag 1 (false = 0, true = 1 with tag 2)
    float64              8 bytes IEEE; −0.0 as 0.0 and every NaN as the one quiet NaN; tag 3
    decimal              16 bytes, little-endian unscaled integer; tag 4
    string, json         the UTF-8 bytes; tag 5
    timestamp, date      8 bytes of microseconds (tag 6) or days (tag 7)
    interval             8 bytes of microseconds; tag 8
    NULL of any type     no payload; tag 0

So int32 and int64 of equal value hash alike (a column may be widened without losing its keys), and otherwise values of
different types differ. The hash of one column's value is the hash of its canonical bytes; a further column hashes the
16 bytes of the hash so far (high, low, little-endian) followed by its canonical bytes. Hashes are stored in states and
tables: this page is a file format and never changes.
Source: MurmurHash3 by Austin Appleby, public domain; the algorithm of MurmurHash3_x64_128.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datanexus.core import kernel_types as types
from datanexus.core.byte_spans import eight_bytes
from datanexus.core.emission import KeyHashes
from datanexus.core.kernel import I32, I64, U8, U64_2D_OUT, inlined, kernel

TAG_NULL, TAG_INTEGER, TAG_BOOL, TAG_FLOAT, TAG_DECIMAL = 0, 1, 2, 3, 4
TAG_STRING, TAG_TIMESTAMP, TAG_DATE, TAG_INTERVAL = 5, 6, 7, 8
# The hash of a row without columns: of views without groupBy. Equals that of a row of one NULL column.
_EMPTY_TAG = np.uint64(TAG_NULL)

_C1 = np.uint64(0x87C37B91114253D5)
_C2 = np.uint64(0x4CF5AD432745937F)
_F1 = np.uint64(0xFF51AFD7ED558CCD)
_F2 = np.uint64(0xC4CEB9FE1A85EC53)
_M1 = np.uint64(0x52DCE729)
_M2 = np.uint64(0x38495AB5)
_FIVE, _ZERO, _ONE, _EIGHT = np.uint64(5), np.uint64(0), np.uint64(1), np.uint64(8)
_R27, _R31, _R33 = np.uint64(27), np.uint64(31), np.uint64(33)
_R37, _R64 = np.uint64(37), np.uint64(64)
_NAN = np.int64(0x7FF8000000000000)
_NO_BITMAP = np.zeros(0, np.uint8)


def hash_rows(columns: Sequence[pa.Array], rows: int = 1) -> KeyHashes:
    """Hash each row of one or more columns of equal length.

    Shape: n rows give (n, 2): high and low half. Without columns the result is `rows` times one constant.
    Raises: TypeError for an Arrow type that no DataNexus type maps to.
    Cost: one kernel call a column, about 1 ns a byte; buffers are read in place, sliced arrays and NULLs included.
    """
    count = len(columns[0]) if columns else rows
    hashes = np.empty((count, 2), np.uint64)
    if not columns:
        _hash_nulls(hashes, np.False_)
    for index, column in enumerate(columns):
        _hash_column(column, hashes, chained=index > 0)
    return hashes


def _hash_column(column: pa.Array, hashes: KeyHashes, *, chained: bool) -> None:
    """Hash one column into `hashes`, on top of what is there when chained."""
    data_type = column.type
    if pa.types.is_null(data_type):
        _hash_nulls(hashes, chained)
        return
    validity, *buffers = column.buffers()
    has_nulls = column.null_count > 0 and validity is not None
    bitmap = np.frombuffer(validity, np.uint8) if has_nulls else _NO_BITMAP
    offset, length = column.offset, len(column)
    if pa.types.is_string(data_type):
        ends = _values(buffers[0], np.int32)[offset : offset + length + 1]
        content = _values(buffers[1], np.uint8)
        if length:
            _hash_strings(content, ends, bitmap, offset, hashes, chained)
        return
    if pa.types.is_decimal128(data_type):
        words = _values(buffers[0], np.int64)[2 * offset : 2 * (offset + length)]
        _hash_wide(words, bitmap, offset, hashes, chained)
        return
    values, tag = _words(column, buffers[0])
    _hash_words(values, tag, bitmap, offset, hashes, chained)


def _words(column: pa.Array, buffer: pa.Buffer) -> tuple[npt.NDArray[np.int64], int]:
    """A fixed-width column's canonical payload and its tag. Places of NULL hold anything."""
    data_type, offset, length = column.type, column.offset, len(column)
    if pa.types.is_boolean(data_type):
        bits = np.unpackbits(_values(buffer, np.uint8), bitorder="little")[offset : offset + length]
        return bits.astype(np.int64), TAG_BOOL
    if pa.types.is_float64(data_type):
        return _canonical_floats(_values(buffer, np.float64)[offset : offset + length]), TAG_FLOAT
    if pa.types.is_int32(data_type) or pa.types.is_date32(data_type):
        tag = TAG_DATE if pa.types.is_date32(data_type) else TAG_INTEGER
        return _values(buffer, np.int32)[offset : offset + length].astype(np.int64), tag
    values = _values(buffer, np.int64)[offset : offset + length]
    if pa.types.is_int64(data_type):
        return values, TAG_INTEGER
    if pa.types.is_timestamp(data_type) and data_type.unit == "us":
        return values, TAG_TIMESTAMP
    if pa.types.is_duration(data_type) and data_type.unit == "us":
        return values, TAG_INTERVAL
    raise TypeError(f"a column of type {data_type} cannot be hashed; expected one of core.columns.arrow_type")


def _values(buffer: pa.Buffer | None, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """A buffer as an aligned array; an empty column may have none."""
    if buffer is None:
        return np.zeros(0, dtype)
    whole = buffer.size // np.dtype(dtype).itemsize
    return np.require(np.frombuffer(buffer, dtype, count=whole), requirements="A")


def _canonical_floats(values: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """The bits of each float, with one zero and one NaN."""
    bits = (values + 0.0).view(np.int64)  # −0.0 + 0.0 = 0.0
    undefined = np.isnan(values)
    if undefined.any():
        bits[undefined] = _NAN
    return bits


@inlined
def _rotated(value: Any, by: Any) -> Any:
    return (value << by) | (value >> (_R64 - by))


@inlined
def _finished(h1: Any, h2: Any, length: Any) -> Any:
    h1 ^= length
    h2 ^= length
    h1 += h2
    h2 += h1
    h1 ^= h1 >> _R33
    h1 *= _F1
    h1 ^= h1 >> _R33
    h1 *= _F2
    h1 ^= h1 >> _R33
    h2 ^= h2 >> _R33
    h2 *= _F1
    h2 ^= h2 >> _R33
    h2 *= _F2
    h2 ^= h2 >> _R33
    h1 += h2
    h2 += h1
    return h1, h2


@inlined
def _with_block(h1: Any, h2: Any, k1: Any, k2: Any) -> Any:
    h1 ^= _rotated(k1 * _C1, _R31) * _C2
    h1 = (_rotated(h1, _R27) + h2) * _FIVE + _M1
    h2 ^= _rotated(k2 * _C2, _R33) * _C1
    h2 = (_rotated(h2, _R31) + h1) * _FIVE + _M2
    return h1, h2


@inlined
def _with_tail(h1: Any, h2: Any, k1: Any, k2: Any) -> Any:
    """Mix in the last 1 to 15 bytes. A tail of up to 8 bytes has k2 = 0, which changes nothing."""
    h2 ^= _rotated(k2 * _C2, _R33) * _C1
    h1 ^= _rotated(k1 * _C1, _R31) * _C2
    return h1, h2


@inlined
def _is_null(bitmap: Any, index: Any) -> Any:
    return bitmap.size > 0 and (bitmap[index >> 3] >> np.uint8(index & 7)) & np.uint8(1) == 0


@inlined
def _few_bytes(content: Any, at: Any, count: Any) -> Any:
    """The next 0 to 7 bytes as a little-endian word."""
    word = np.uint64(0)
    shift = np.uint64(0)
    for index in range(count):
        word |= np.uint64(content[at + np.uint64(index)]) << shift
        shift += np.uint64(8)
    return word


@kernel(types.void(U64_2D_OUT, types.boolean))
def _hash_nulls(hashes: Any, chained: Any) -> None:
    for row in range(hashes.shape[0]):
        h1 = h2 = _ZERO
        length = _ONE
        if chained:
            h1, h2 = _with_block(h1, h2, hashes[row, 0], hashes[row, 1])
            length = np.uint64(17)
        h1, h2 = _with_tail(h1, h2, _EMPTY_TAG, _ZERO)
        hashes[row, 0], hashes[row, 1] = _finished(h1, h2, length)


@kernel(types.void(I64, types.int64, U8, types.int64, U64_2D_OUT, types.boolean))
def _hash_words(values: Any, tag: Any, bitmap: Any, offset: Any, hashes: Any, chained: Any) -> None:
    for row in range(hashes.shape[0]):
        h1 = h2 = _ZERO
        length = _ZERO
        if chained:
            h1, h2 = _with_block(h1, h2, hashes[row, 0], hashes[row, 1])
            length = np.uint64(16)
        if _is_null(bitmap, offset + row):
            h1, h2 = _with_tail(h1, h2, _EMPTY_TAG, _ZERO)
            length += _ONE
        else:
            h1, h2 = _with_tail(h1, h2, np.uint64(values[row]), np.uint64(tag))
            length += np.uint64(9)
        hashes[row, 0], hashes[row, 1] = _finished(h1, h2, length)


@kernel(types.void(I64, U8, types.int64, U64_2D_OUT, types.boolean))
def _hash_wide(words: Any, bitmap: Any, offset: Any, hashes: Any, chained: Any) -> None:
    for row in range(hashes.shape[0]):
        h1 = h2 = _ZERO
        length = _ONE
        if chained:
            h1, h2 = _with_block(h1, h2, hashes[row, 0], hashes[row, 1])
            length = np.uint64(17)
        tag = _EMPTY_TAG
        if not _is_null(bitmap, offset + row):
            h1, h2 = _with_block(h1, h2, np.uint64(words[2 * row]), np.uint64(words[2 * row + 1]))
            length += np.uint64(16)
            tag = np.uint64(TAG_DECIMAL)
        h1, h2 = _with_tail(h1, h2, tag, _ZERO)
        hashes[row, 0], hashes[row, 1] = _finished(h1, h2, length)


@kernel(types.void(U8, I32, U8, types.int64, U64_2D_OUT, types.boolean))
def _hash_strings(content: Any, ends: Any, bitmap: Any, offset: Any, hashes: Any, chained: Any) -> None:
    for row in range(hashes.shape[0]):
        h1 = h2 = _ZERO
        length = _ONE
        if chained:
            h1, h2 = _with_block(h1, h2, hashes[row, 0], hashes[row, 1])
            length = np.uint64(17)
        if _is_null(bitmap, offset + row):
            h1, h2 = _with_tail(h1, h2, _EMPTY_TAG, _ZERO)
            hashes[row, 0], hashes[row, 1] = _finished(h1, h2, length)
            continue
        at = np.uint64(ends[row])
        left = np.uint64(ends[row + 1]) - at
        length += left
        while left >= np.uint64(16):
            h1, h2 = _with_block(h1, h2, eight_bytes(content, at), eight_bytes(content, at + _EIGHT))
            at += np.uint64(16)
            left -= np.uint64(16)
        # What is left, 0 to 15 bytes, and the tag behind it: a tail, or one full block of 16.
        k1 = k2 = _ZERO
        if left >= _EIGHT:
            k1 = eight_bytes(content, at)
            left -= _EIGHT
            k2 = _few_bytes(content, at + _EIGHT, left) | np.uint64(TAG_STRING) << (left * _EIGHT)
            if left == np.uint64(7):
                h1, h2 = _with_block(h1, h2, k1, k2)
                k1 = k2 = _ZERO
        else:
            k1 = _few_bytes(content, at, left) | np.uint64(TAG_STRING) << (left * _EIGHT)
        h1, h2 = _with_tail(h1, h2, k1, k2)
        hashes[row, 0], hashes[row, 1] = _finished(h1, h2, length)
