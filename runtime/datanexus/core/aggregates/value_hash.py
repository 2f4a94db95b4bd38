"""The 64-bit hash of a value that approx_count_distinct is built on. It is part of stored state and never changes.

Equal values hash equally whatever the width of their type: every fixed-width value is hashed as its ordered word, a
decimal as its two words, a string as its bytes. The finaliser is a bijection of 64 bits (two multiplications and three
xor-shifts, the constants of SplitMix64), so two different words never collide; strings and decimals collide as random
64-bit numbers do. Written out in full:

    mix(x):      x ^= x >> 30; x *= 0xBF58476D1CE4E5B9; x ^= x >> 27; x *= 0x94D049BB133111EB; x ^= x >> 31
    word w:      mix(w + 0x9E3779B97F4A7C15)
    decimal:     mix(word(low) ^ rotate(high + 0x9E3779B97F4A7C15, 32)) with rotate as a rotation to the left
    string:      h = length × 0x9E3779B97F4A7C15; for each 8 bytes, little endian, the last ones padded with zeros:
                 h = mix(h ^ bytes) × 0x9E3779B97F4A7C15; at the end mix(h)
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datanexus.core import kernel_types as types
from datanexus.core.aggregates import arrow_values
from datanexus.core.aggregates.arrow_values import Bytes, Numbers, float_word
from datanexus.core.byte_spans import eight_bytes
from datanexus.core.kernel import I32, I64, U8, U64_OUT, inlined, kernel

Hashes = npt.NDArray[np.uint64]

_GOLDEN = 0x9E37_79B9_7F4A_7C15


def value_hashes(values: pa.Array) -> Hashes:
    """The hash of every value; undefined under nulls."""
    if pa.types.is_string(values.type):
        return bytes_hashes(*arrow_values.text(values))
    out = np.empty(len(values), dtype=np.uint64)
    if pa.types.is_decimal(values.type):
        _hash_decimals(arrow_values.decimal_words(values), out)
    else:
        _hash_words(arrow_values.numbers(values), arrow_values.is_float(values.type), out)
    return out


def bytes_hashes(starts: Numbers, ends: Numbers, text: Bytes) -> Hashes:
    """The hash of every string that begins and ends there."""
    out = np.empty(len(starts), dtype=np.uint64)
    _hash_text(starts, ends, text, out)
    return out


@inlined
def mix(x: Any) -> Any:
    """The finaliser: a bijection of uint64."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@kernel([types.void(values, types.boolean, U64_OUT) for values in (I64, I32)])
def _hash_words(values: Any, floats: bool, out: Hashes) -> None:
    for i in range(values.size):
        word = np.int64(values[i])
        if floats:
            word = float_word(word)
        out[i] = mix(np.uint64(word) + np.uint64(_GOLDEN))


@kernel(types.void(I64, U64_OUT))
def _hash_decimals(words: Any, out: Hashes) -> None:
    for i in range(out.size):
        low = mix(np.uint64(words[2 * i]) + np.uint64(_GOLDEN))
        high = np.uint64(words[2 * i + 1]) + np.uint64(_GOLDEN)
        out[i] = mix(low ^ ((high << np.uint64(32)) | (high >> np.uint64(32))))


@kernel([types.void(offsets, offsets, U8, U64_OUT) for offsets in (I32, I64)])
def _hash_text(starts: Any, ends: Any, text: Any, out: Hashes) -> None:
    golden = np.uint64(_GOLDEN)
    for i in range(out.size):
        at, end = np.uint64(starts[i]), np.uint64(ends[i])
        state = (end - at) * golden
        while at + np.uint64(8) <= end:
            state = mix(state ^ eight_bytes(text, at)) * golden
            at += np.uint64(8)
        if at < end:
            word, shift = np.uint64(0), np.uint64(0)
            while at < end:
                word |= np.uint64(text[at]) << shift
                shift += np.uint64(8)
                at += np.uint64(1)
            state = mix(state ^ word) * golden
        out[i] = mix(state)
