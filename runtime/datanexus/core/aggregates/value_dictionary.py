"""A dictionary of distinct values of one type: value ↔ number, in order of first appearance.

Values are kept as bytes that sort as the values do (`sortable`): strings as they are, everything else big-endian with
the sign turned over. Numbers depend on the order of arrival and must never show; `packed` renumbers.
"""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datanexus.core import kernel_types as types
from datanexus.core.aggregate import Mask
from datanexus.core.aggregates import arrow_values
from datanexus.core.aggregates.arrow_values import Bytes, Numbers, Words
from datanexus.core.aggregates.text_arena import TextArena
from datanexus.core.aggregates.value_hash import Hashes, bytes_hashes
from datanexus.core.byte_spans import copy_bytes, shared_bytes
from datanexus.core.kernel import BOOLS, I32, I64, I64_OUT, U8, U8_OUT, U64, U64_OUT, kernel

Strings = tuple[Numbers, Numbers, Bytes]  # where each begins, where each ends, the bytes

_FREE = -1
_FIRST_CAPACITY = 64
_SIGN = -(2**63)


class ValueDictionary:
    """`count` values: number i has hash hashes[i] and lengths[i] bytes of the arena from starts[i] on."""

    __slots__ = ("_arena", "_hashes", "_lengths", "_places", "_starts", "count")

    def __init__(self) -> None:
        self.count = 0
        self._arena = TextArena()
        self._hashes: Hashes = np.empty(0, dtype=np.uint64)
        self._starts: Words = np.empty(0, dtype=np.int64)
        self._lengths: Words = np.empty(0, dtype=np.int64)
        self._places: Words = np.full(_FIRST_CAPACITY, _FREE, dtype=np.int64)

    def numbers(self, values: Strings, keep: Mask) -> Words:
        """The numbers of values, new ones added; undefined for rows not to keep."""
        out = np.zeros(len(values[0]), dtype=np.int64)
        begin = 0
        hashes = bytes_hashes(*values)
        self._arena.reserve(int((values[1] - values[0]).sum(dtype=np.int64)))
        while True:
            begin, self.count, self._arena.used = _look_up(
                self._places, self._hashes, self._starts, self._lengths, self.count,
                self._arena.room, self._arena.used, *values, hashes, keep, out, begin,
            )  # fmt: skip
            if begin == len(out):
                return out
            self._grow()

    def strings(self, numbers: Words) -> Strings:
        """The bytes of values, by number."""
        starts = self._starts[numbers]
        return starts, starts + self._lengths[numbers], self._arena.room

    def array(self, numbers: Words, data_type: pa.DataType) -> pa.Array:
        """Values by number, as an array of the type they came from."""
        starts, lengths, valid = self._starts[numbers], self._lengths[numbers], np.ones(len(numbers), dtype=np.bool_)
        if pa.types.is_string(data_type):
            return arrow_values.from_text(starts, lengths, self._arena.room, valid)
        words = self._arena.room[arrow_values.pieces(starts, lengths)].view(">i8").astype(np.int64)
        if pa.types.is_decimal(data_type):
            return arrow_values.from_decimal_words(data_type, words[1::2], words[::2] ^ _SIGN, valid)
        return arrow_values.from_words(data_type, words ^ _SIGN, valid)

    def ranks(self, numbers: Words) -> Words:
        """The place of each of these distinct values in their order."""
        ranks = np.empty(len(numbers), dtype=np.int64)
        ranks[pc.sort_indices(self.binary(numbers)).to_numpy()] = np.arange(len(numbers))
        return ranks

    def binary(self, numbers: Words) -> pa.Array:
        """The sortable bytes of values, by number."""
        offsets = np.zeros(len(numbers) + 1, dtype=np.int64)
        offsets[1:] = np.cumsum(self._lengths[numbers])
        data = self._arena.room[arrow_values.pieces(self._starts[numbers], self._lengths[numbers])]
        return pa.Array.from_buffers(
            pa.large_binary(), len(numbers), [None, pa.py_buffer(offsets), pa.py_buffer(data)], 0
        )

    @classmethod
    def of(cls, binary: pa.Array) -> "ValueDictionary":
        """The dictionary in which value i of an array made by `binary` has number i."""
        offsets = np.frombuffer(binary.buffers()[1], dtype=np.int64)[binary.offset : binary.offset + len(binary) + 1]
        data = np.frombuffer(binary.buffers()[2] or b"", dtype=np.uint8)
        dictionary = cls()
        dictionary.numbers((offsets[:-1], offsets[1:], data), arrow_values.EVERY_ROW)
        return dictionary

    def packed(self, numbers: Words) -> "ValueDictionary":
        """A dictionary of these values alone, numbered in their order here."""
        return ValueDictionary.of(self.binary(numbers))

    @property
    def nbytes(self) -> int:
        arrays = (self._places, self._hashes, self._starts, self._lengths, self._arena.room)
        return sum(array.nbytes for array in arrays)

    def _grow(self) -> None:
        """Double the room."""
        room = 2 * len(self._places)
        for array in (self._hashes, self._starts, self._lengths):
            array.resize(room // 2, refcheck=False)
        self._places = np.full(room, _FREE, dtype=np.int64)
        _place(self._places, self._hashes, self.count)


def sortable(values: pa.Array) -> Strings:
    """Values as bytes that sort as they do."""
    if pa.types.is_string(values.type):
        return arrow_values.text(values)
    if pa.types.is_decimal(values.type):
        words = arrow_values.decimal_words(values).reshape(-1, 2)[:, ::-1] ^ np.array([_SIGN, 0])
    elif arrow_values.is_float(values.type):
        words = arrow_values.floats_to_words(arrow_values.numbers(values).view(np.float64)) ^ _SIGN
    else:
        words = arrow_values.numbers(values).astype(np.int64) ^ _SIGN
    size = words.nbytes // max(len(values), 1)
    starts = np.arange(len(values), dtype=np.int64) * size
    return starts, starts + size, words.astype(">i8").reshape(-1).view(np.uint8)


@kernel(types.void(I64_OUT, U64_OUT, types.int64))
def _place(places: Any, hashes: Hashes, count: int) -> None:
    last = np.uint64(places.size - 1)
    for number in range(count):
        place = hashes[number] & last
        while places[place] != _FREE:
            place = (place + np.uint64(1)) & last
        places[place] = number


@kernel(
    [
        types.UniTuple(types.int64, 3)(
            I64_OUT, U64_OUT, I64_OUT, I64_OUT, types.int64, U8_OUT, types.int64,
            offsets, offsets, U8, U64, BOOLS, I64_OUT, types.int64,
        )
        for offsets in (I32, I64)
    ]
)  # fmt: skip
def _look_up(
    places: Any, hashes: Any, starts: Any, lengths: Any, count: int, arena: Any, used: int,
    begins: Numbers, ends: Numbers, text: Bytes, text_hashes: Hashes, keep: Mask, out: Any, begin: int,
) -> tuple[int, int, int]:  # fmt: skip
    """Number the strings from row `begin` on; stop for want of room. Returns the row, the count and the bytes used."""
    every = keep.size == 0
    last = np.uint64(places.size - 1)
    for i in range(begin, begins.size):
        if not (every or keep[i]):
            continue
        start, end = np.uint64(begins[i]), np.uint64(ends[i])
        length, wanted = end - start, text_hashes[i]
        place = wanted & last
        number = places[place]
        while number != _FREE:
            at = np.uint64(starts[number])
            alike = hashes[number] == wanted and np.uint64(lengths[number]) == length
            if alike and shared_bytes(text, start, arena, at, length) == length:
                break
            place = (place + np.uint64(1)) & last
            number = places[place]
        if number == _FREE:
            if 2 * (count + 1) > places.size or count == hashes.size:
                return i, count, used
            number = count
            places[place], hashes[number] = number, wanted
            copy_bytes(arena, np.uint64(used), text, start, length)
            signed: Any = np.int64(length)
            starts[number], lengths[number] = used, signed
            used += signed
            count += 1
        out[i] = number
    return begins.size, count, used
