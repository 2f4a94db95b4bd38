"""The two sketches in plain Python: value by value, with integers of any size and exact fractions."""

import math
import struct
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from tests.reference.description import Value

_WORD = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_MANTISSA_BITS = 46  # below the bucket: 52 bits less the 6 that name it
_INDEX_BITS = 12
_REGISTERS = 1 << _INDEX_BITS
_RANK_BITS = 64 - _INDEX_BITS


def distinct(values: Sequence[Value], kind: str) -> int:
    """HyperLogLog: each register holds the greatest rank of the hashes that name it; Ertl's estimate of how many."""
    registers: dict[int, int] = {}
    for value in values:
        hashed = value_hash(value, kind)
        register, rest = hashed >> _RANK_BITS, hashed & ((1 << _RANK_BITS) - 1)
        rank = _RANK_BITS - rest.bit_length() + 1
        registers[register] = max(rank, registers.get(register, 0))
    counts = Counter(registers.values())
    counts[0] = _REGISTERS - len(registers)
    return math.floor(_estimate(counts) + 0.5) if values else 0


def quantile(values: Sequence[float], share: float) -> float:
    """The middle, 2lu ÷ (l + u), of the bucket that holds value number ⌈share·n⌉ in order, the first for 0.

    The product is a float64, as in PostgreSQL's percentile_disc.
    """
    wanted = max(1, math.ceil(share * len(values)))
    counts = Counter(math.copysign(1.0, value) * _lower_border(abs(value)) for value in values)
    seen = 0
    for border in sorted(counts):
        seen += counts[border]
        if seen >= wanted:
            return _middle(border)
    raise AssertionError("a share above 1")


def value_hash(value: Value, kind: str) -> int:
    """64 bits that equal values share."""
    if isinstance(value, str):
        return _text_hash(value.encode())
    if isinstance(value, Decimal):
        scale = int(kind.partition(",")[2].rstrip(")"))
        digits = int(value.scaleb(scale)) & ((1 << 128) - 1)
        high = ((digits >> 64) + _GOLDEN) & _WORD
        return _mix(_word_hash(digits & _WORD) ^ ((high << 32 | high >> 32) & _WORD))
    if isinstance(value, float):
        return _word_hash(_ordered_word(value))
    assert value is not None
    return _word_hash(int(value) & _WORD)


def _estimate(counts: Counter[int]) -> float:
    """The improved raw estimator: algorithm 6 of Ertl, 2017."""
    total = _REGISTERS * _tau(1 - counts[_RANK_BITS + 1] / _REGISTERS)
    for rank in range(_RANK_BITS, 0, -1):
        total = 0.5 * (total + counts[rank])
    total += _REGISTERS * _sigma(counts[0] / _REGISTERS)
    return _REGISTERS**2 / (2 * math.log(2)) / total


def _sigma(x: float) -> float:
    if x == 1:
        return math.inf
    weight, result, before = 1.0, x, math.nan
    while result != before:
        x, before = x * x, result
        result += x * weight
        weight += weight
    return result


def _tau(x: float) -> float:
    if x in (0, 1):
        return 0.0
    weight, result, before = 1.0, 1 - x, math.nan
    while result != before:
        x, before, weight = math.sqrt(x), result, 0.5 * weight
        result -= (1 - x) ** 2 * weight
    return result / 3


def _lower_border(magnitude: float) -> float:
    bits = struct.unpack("<Q", struct.pack("<d", magnitude))[0]
    return float(struct.unpack("<d", struct.pack("<Q", bits >> _MANTISSA_BITS << _MANTISSA_BITS))[0])


def _middle(border: float) -> float:
    if border == 0 or math.isinf(border):
        return abs(border) if border == 0 else border
    bits = struct.unpack("<Q", struct.pack("<d", abs(border)))[0] + (1 << _MANTISSA_BITS)
    upper = struct.unpack("<d", struct.pack("<Q", bits))[0]
    low = Fraction(abs(border))
    high = 2 * Fraction(2) ** 1023 if math.isinf(upper) else Fraction(upper)
    return math.copysign(float(2 * low * high / (low + high)), border)


def _ordered_word(value: float) -> int:
    """The bits of a float64 as an integer in the order of the values; -0.0 as 0.0."""
    bits: int = struct.unpack("<q", struct.pack("<d", value + 0.0))[0]
    return (bits if bits >= 0 else bits ^ 0x7FFF_FFFF_FFFF_FFFF) & _WORD


def _text_hash(data: bytes) -> int:
    state = len(data) * _GOLDEN & _WORD
    for at in range(0, len(data), 8):
        state = _mix(state ^ int.from_bytes(data[at : at + 8], "little")) * _GOLDEN & _WORD
    return _mix(state)


def _word_hash(word: int) -> int:
    return _mix((word + _GOLDEN) & _WORD)


def _mix(word: int) -> int:
    word = (word ^ word >> 30) * 0xBF58476D1CE4E5B9 & _WORD
    word = (word ^ word >> 27) * 0x94D049BB133111EB & _WORD
    return word ^ word >> 31
