"""Arrow arrays as NumPy views for kernels, and results back as Arrow arrays.

Every fixed-width value becomes an *ordered word*: an int64 that compares as PostgreSQL compares the value (decimals are
two words). Views are zero-copy and read-only; only bool is unpacked. Words of null positions are undefined: kernels
look at the rows to keep first. Results have zeros under nulls, so equal results have equal bytes.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datanexus.core import kernel_types as types
from datanexus.core.aggregate import AggregateInput, Mask
from datanexus.core.kernel import BOOLS_OUT, U8, inlined, kernel
from datanexus_spec.errors import InvalidInput

Words = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.int64] | npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]

EVERY_ROW = np.zeros(0, dtype=np.bool_)  # what kernels take for "no row is left out"
NAN_WORD = 0x7FF8_0000_0000_0000  # the one NaN: above the word of +inf, so greater than all numbers
INFINITY_WORD = 0x7FF0_0000_0000_0000
MAGNITUDE_BITS = 0x7FFF_FFFF_FFFF_FFFF


def rows_to_keep(given: AggregateInput) -> Mask:
    """The rows that are neither null nor masked; EVERY_ROW, without any copy, where nothing is left out."""
    mask = EVERY_ROW if given.mask is None else given.mask
    values = given.values
    if values is None or values.null_count == 0:
        return mask
    keep = np.empty(len(values), dtype=np.bool_)
    _unpack_bits(np.frombuffer(values.buffers()[0], dtype=np.uint8), values.offset, keep)
    return keep & mask if mask.size else keep


def numbers(values: pa.Array) -> Numbers:
    """Fixed-width values of up to 64 bits as int32 or int64 (floats as their bits); bool is copied, the rest viewed."""
    if pa.types.is_boolean(values.type):
        bits = np.empty(len(values), dtype=np.bool_)
        _unpack_bits(_buffer(values, 1, np.uint8), values.offset, bits)
        return bits.astype(np.int32)
    dtype = np.int32 if values.type.bit_width == 32 else np.int64
    view: Numbers = _buffer(values, 1, dtype)[values.offset : values.offset + len(values)]
    return view


def decimal_words(values: pa.Array) -> Words:
    """The 2n words of n decimals: low (unsigned), high (signed), low, high, …"""
    view: Words = _buffer(values, 1, np.int64)[2 * values.offset : 2 * (values.offset + len(values))]
    return view


def text(values: pa.Array) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], Bytes]:
    """Where each string begins, where it ends, and the bytes."""
    offsets: npt.NDArray[np.int32] = _buffer(values, 1, np.int32)
    first, last = values.offset, values.offset + len(values)
    if not len(values):
        return offsets[:0], offsets[:0], np.zeros(0, dtype=np.uint8)
    return offsets[first:last], offsets[first + 1 : last + 1], _buffer(values, 2, np.uint8)


def is_float(data_type: pa.DataType | None) -> bool:
    return data_type is not None and bool(pa.types.is_floating(data_type))


def from_words(data_type: pa.DataType, words: Words, valid: Mask) -> pa.Array:
    """Ordered words as an array of a fixed-width type of up to 64 bits."""
    words = np.where(valid, words, 0)
    if pa.types.is_boolean(data_type):
        data: Any = np.packbits(words != 0, bitorder="little")
    elif is_float(data_type):
        data = words_to_floats(words)
    elif data_type.bit_width == 32:
        data = words.astype(np.int32)
    else:
        data = words
    return _array(data_type, data, valid)


def from_floats(floats: Floats, valid: Mask) -> pa.Array:
    return _array(pa.float64(), np.where(valid, floats, 0.0), valid)


def from_decimal_words(data_type: pa.DataType, low: Words, high: Words, valid: Mask) -> pa.Array:
    """Pairs of words as decimals."""
    data = np.stack((np.where(valid, low, 0), np.where(valid, high, 0)), axis=1)
    return _array(data_type, data, valid)


def from_text(starts: Words, lengths: Words, arena: Bytes, valid: Mask) -> pa.Array:
    """Pieces of an arena as strings, in one copy."""
    lengths = np.where(valid, lengths, 0)
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if ends.size else 0
    if total >= 2**31:
        raise InvalidInput(
            f"the strings of one aggregate of one cut hold {total} bytes, at most 2 GiB fit in a column",
            reason="ResultTooLarge",
            hint="cut more often, or aggregate shorter strings",
        )
    offsets = np.zeros(len(lengths) + 1, dtype=np.int32)
    offsets[1:] = ends
    data = arena[pieces(starts, lengths)]
    validity = None if valid.all() else pa.py_buffer(np.packbits(valid, bitorder="little"))
    return pa.Array.from_buffers(pa.string(), len(valid), [validity, pa.py_buffer(offsets), pa.py_buffer(data)])


def pieces(starts: Words, lengths: Words) -> Words:
    """The indices starts[0], starts[0]+1, … of all pieces, one after the other."""
    ends = np.cumsum(lengths)
    indices: Words = np.arange(int(ends[-1]) if ends.size else 0) + np.repeat(starts - (ends - lengths), lengths)
    return indices


def floats_to_words(floats: Floats) -> Words:
    """The ordered words of float64 values: what `float_word` gives in a kernel."""
    bits = (floats + 0.0).view(np.int64)
    words = np.where(bits < 0, bits ^ MAGNITUDE_BITS, bits)
    return np.where(np.isnan(floats), NAN_WORD, words)


def words_to_floats(words: Words) -> Floats:
    return np.where(words < 0, words ^ MAGNITUDE_BITS, words).view(np.float64)


@inlined
def float_word(bits: Any) -> Any:
    """The ordered word of a float64 given as its bits: -0.0 as 0.0, every NaN as the one NaN."""
    magnitude = bits & MAGNITUDE_BITS
    if magnitude > INFINITY_WORD:
        return NAN_WORD
    if bits >= 0:
        return bits
    if magnitude == 0:
        return 0
    return bits ^ MAGNITUDE_BITS


@kernel(types.void(U8, types.int64, BOOLS_OUT))
def _unpack_bits(bitmap: Bytes, offset: int, out: Mask) -> None:
    for i in range(out.size):
        at = offset + i
        out[i] = (bitmap[at >> 3] >> (at & 7)) & 1 == 1


def _buffer(values: pa.Array, index: int, dtype: Any) -> Any:
    buffer = values.buffers()[index]
    return np.zeros(0, dtype=dtype) if buffer is None else np.frombuffer(buffer, dtype=dtype)


def _array(data_type: pa.DataType, data: Any, valid: Mask) -> pa.Array:
    nulls = len(valid) - int(np.count_nonzero(valid))
    validity = pa.py_buffer(np.packbits(valid, bitorder="little")) if nulls else None
    return pa.Array.from_buffers(data_type, len(valid), [validity, pa.py_buffer(np.ascontiguousarray(data))], nulls)
