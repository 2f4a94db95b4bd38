"""Exact sums of float64 values, or of their squares: one wide fixed-point integer per slot.

Every float64 is a multiple of 2**-1074 and its square one of 2**-2148, so sums are integers. A table keeps, for all
slots alike, the window of 64-bit limbs in two's complement that its values have needed so far: three or four for
common data, 35 (70 for squares) for any data. The highest limb of a window is room for carries, which 2**62 rows
cannot fill. Integers are exact, so order, batching and merging cannot show; which limbs a table happens to hold does
not show either, as what is stored is trimmed.
"""

from typing import Any

import numpy as np
import pyarrow as pa

from datanexus.core import kernel_types as types
from datanexus.core.aggregate import Mask, Slots
from datanexus.core.aggregates.arrow_values import Words
from datanexus.core.aggregates.slot_rows import SlotRows
from datanexus.core.aggregates.wide_integers import multiply_words
from datanexus.core.kernel import BOOLS, I64, I64_2D, U64_2D_OUT, kernel

NAN, POSITIVE_INFINITY, NEGATIVE_INFINITY = 1, 2, 4  # flags in a head; the count of rows stands above them
ROWS_SHIFT = 3
# Bit `_OFFSET` of limb 0 weighs 2**-1074 (2**-2148). Chosen so that sums of 2**-24 … 2**40 begin in one limb, and so
# that twice the first offset and the second one differ by half a limb (see `spread`).
_OFFSET, _SQUARES_OFFSET = 26, 84
_FIRST_BASE, _SQUARES_FIRST_BASE = 16, 33  # where the value 1.0 falls
_LIMB = "limb_"


class LimbTable:
    """Wide sums by slot. A table of values has a head word a slot (rows and flags), one of squares has none."""

    __slots__ = ("_squares", "base", "rows")

    def __init__(self, *, squares: bool) -> None:
        self._squares = squares
        self.base = _SQUARES_FIRST_BASE if squares else _FIRST_BASE
        self.rows = SlotRows((0,) * (self.heads + self._reach + 1))

    @property
    def heads(self) -> int:
        return 0 if self._squares else 1

    @property
    def _reach(self) -> int:
        """How many limbs one value can touch; the limb above them takes the carries."""
        return 3 if self._squares else 2

    @property
    def exponent(self) -> int:
        """What bit 0 of `limbs` weighs, as a power of two."""
        unit = -2148 - _SQUARES_OFFSET if self._squares else -1074 - _OFFSET
        return 64 * self.base + unit

    def limbs(self, slots: Slots) -> Words:
        return self.rows.words[slots, self.heads :]

    def add(self, slots: Slots, bits: Words, keep: Mask) -> None:
        """Add n float64 values given as their bits. NaN and infinities set flags only."""
        begin = 0
        while True:
            words = self.rows.words.view(np.uint64)
            begin = _add_values(words, slots, bits, keep, self.base, begin, self._squares)
            if begin == len(slots):
                return
            low, high = _needed_limbs(bits, keep, begin, self._squares)
            self._widen(low, high + self._reach)

    def merge(self, slots: Slots, other: "LimbTable", other_slots: Slots) -> None:
        self._widen(other.base, other.base + other.rows.words.shape[1] - other.heads - 1)
        _add_wide(
            self.rows.words.view(np.uint64), slots, other.rows.words, other_slots, other.base - self.base, self.heads
        )

    def take(self, slots: Slots) -> "LimbTable":
        taken = LimbTable(squares=self._squares)
        taken.base = self.base
        taken.rows = self.rows.take(slots)
        return taken

    def batch(self, head: str) -> pa.RecordBatch:
        """The head, under this name, and the limbs that say something, under `limb_` and their number."""
        limbs = self.rows.words[: self.rows.size, self.heads :]
        first, end = 0, limbs.shape[1]
        while end > 1 and bool((limbs[:, end - 1] == limbs[:, end - 2] >> 63).all()):
            end -= 1
        while first < end and not limbs[:, first].any():
            first += 1
        columns = [self.rows.words[: self.rows.size, i] for i in range(self.heads)]
        columns += [limbs[:, i] for i in range(first, end)]
        names = [head] * self.heads + [f"{_LIMB}{self.base + i}" for i in range(first, end)]
        if not columns:  # a batch without columns could not say how many slots there are
            columns, names = [np.zeros(self.rows.size, dtype=np.int64)], [f"{_LIMB}0"]
        return pa.record_batch([pa.array(column.copy()) for column in columns], names=names)

    @classmethod
    def restored(cls, batch: pa.RecordBatch, *, squares: bool) -> "LimbTable":
        """The table whose `batch` this is."""
        table = cls(squares=squares)
        limbs = [name for name in batch.schema.names if name.startswith(_LIMB)]
        if limbs:
            table.base = int(limbs[0].removeprefix(_LIMB))
        words = np.zeros((batch.num_rows, table.heads + max(len(limbs), table._reach) + 1), dtype=np.int64)
        for i, column in enumerate(batch.columns):
            words[:, i] = column.to_numpy()
        if limbs:
            end = table.heads + len(limbs)
            words[:, end:] = (words[:, end - 1] >> 63)[:, None]
        table.rows = SlotRows((0,) * words.shape[1]).replaced(words)
        return table

    def _widen(self, low: int, high: int) -> None:
        """Let the window hold the limbs low to high, `high` being the one for carries."""
        words, heads = self.rows.words, self.heads
        used = words[: self.rows.size]
        top = self.base + words.shape[1] - heads - 1
        if low >= self.base and high <= top:
            return
        if used[:, heads:].any():
            low, high = min(low, self.base), max(high, top)
        wider = np.zeros((len(words), heads + high - low + 1), dtype=np.int64)
        wider[: self.rows.size, :heads] = used[:, :heads]
        if used[:, heads:].any():
            begin = heads + self.base - low
            end = begin + words.shape[1] - heads
            wider[: self.rows.size, begin:end] = used[:, heads:]
            wider[: self.rows.size, end:] = (used[:, -1] >> 63)[:, None]
        rows = SlotRows((0,) * wider.shape[1])
        rows.words, rows.size = wider, self.rows.size
        self.rows, self.base = rows, low


def spread(values: LimbTable, squares: LimbTable, slots: Slots, counts: Words) -> tuple[Words, int]:
    """n·Σx² − (Σx)² as wide integers, and the exponent of their bit 0. Never negative; n are the `counts`."""
    sums, sums_of_squares = values.limbs(slots), squares.limbs(slots)
    at_sums = (128 * values.base) // 32  # the first 32-bit digit of (Σx)², and below that of Σx², on one scale
    at_squares = (64 * squares.base - (_SQUARES_OFFSET - 2 * _OFFSET)) // 32
    lowest = min(at_sums, at_squares)
    digits = max(at_sums + 4 * sums.shape[1], at_squares + 2 * sums_of_squares.shape[1] + 2) - lowest + 2
    out = np.zeros((len(slots), digits // 2 + 1), dtype=np.uint64)
    _spread(
        np.ascontiguousarray(sums),
        np.ascontiguousarray(sums_of_squares),
        np.ascontiguousarray(counts),
        at_sums - lowest,
        at_squares - lowest,
        out,
    )
    return out.view(np.int64), 32 * lowest - 2148 - 2 * _OFFSET


@kernel(types.int64(U64_2D_OUT, I64, I64, BOOLS, types.int64, types.int64, types.boolean))
def _add_values(words: Any, slots: Slots, bits: Words, keep: Mask, base: int, begin: int, squares: bool) -> int:
    """Add the rows from `begin` on; stop at the first one outside the window. Returns where it stopped."""
    every = keep.size == 0
    heads = 0 if squares else 1
    reach = 3 if squares else 2
    width = words.shape[1]
    one, sixty_three = np.uint64(1), np.uint64(63)
    for i in range(begin, slots.size):
        if not (every or keep[i]):
            continue
        slot, value = slots[i], bits[i]
        exponent = (value >> 52) & 0x7FF
        fraction = value & 0xF_FFFF_FFFF_FFFF
        if exponent == 0x7FF:
            if not squares:
                flag = NAN if fraction != 0 else NEGATIVE_INFINITY if value < 0 else POSITIVE_INFINITY
                words[slot, 0] = (words[slot, 0] + np.uint64(8)) | np.uint64(flag)
            continue
        if not squares:
            words[slot, 0] += np.uint64(8)
        if exponent > 0:
            fraction |= 0x10_0000_0000_0000
            exponent -= 1
        if fraction == 0:
            continue
        low, middle = np.uint64(fraction), np.uint64(0)
        if squares:
            low, middle = multiply_words(low, low)
            at = 2 * exponent + _SQUARES_OFFSET
        else:
            at = exponent + _OFFSET
        k = heads + (at >> 6) - base
        if k < heads or k + reach >= width:
            if not squares:
                words[slot, 0] -= np.uint64(8)
            return i
        left = np.uint64(at & 63)
        right = sixty_three - left
        high = (middle >> one) >> right
        middle = (middle << left) | ((low >> one) >> right)
        low = low << left
        # A negative value is added as its two's complement: inverted limbs, plus one at the lowest.
        negative = one if value < 0 and not squares else np.uint64(0)
        invert = np.uint64(0) - negative
        low, middle, high = low ^ invert, middle ^ invert, high ^ invert
        carry = negative
        for part in (low, middle, high):
            total = words[slot, k] + part
            carried = total + carry
            carry = np.uint64(total < part) | np.uint64(carried < carry)
            words[slot, k] = carried
            k += 1
        if carry != negative:
            if carry == one:
                while k < width:
                    words[slot, k] += one
                    if words[slot, k] != np.uint64(0):
                        break
                    k += 1
            else:
                while k < width:
                    words[slot, k] -= one
                    if words[slot, k] != np.uint64(0xFFFF_FFFF_FFFF_FFFF):
                        break
                    k += 1
    return slots.size


@kernel(types.UniTuple(types.int64, 2)(I64, BOOLS, types.int64, types.boolean))
def _needed_limbs(bits: Words, keep: Mask, begin: int, squares: bool) -> tuple[int, int]:
    """The lowest and highest limb that values from `begin` on start in; there is one at least."""
    every = keep.size == 0
    low, high = 1 << 30, -1
    for i in range(begin, bits.size):
        magnitude = bits[i] & 0x7FFF_FFFF_FFFF_FFFF
        exponent = magnitude >> 52
        if (every or keep[i]) and magnitude != 0 and exponent != 0x7FF:
            position = max(exponent, 1) - 1
            limb = (2 * position + _SQUARES_OFFSET if squares else position + _OFFSET) >> 6
            low, high = min(low, limb), max(high, limb)
    return low, high


@kernel(types.void(U64_2D_OUT, I64, I64_2D, I64, types.int64, types.int64))
def _add_wide(words: Any, slots: Slots, others: Any, other_slots: Slots, shift: int, heads: int) -> None:
    """Add sums whose lowest limb is `shift` above ours; the heads' rows are added and their flags joined."""
    width, other_width = words.shape[1], others.shape[1]
    flags = np.uint64(7)
    for i in range(slots.size):
        slot, other = slots[i], other_slots[i]
        if heads == 1:
            mine, theirs = words[slot, 0], np.uint64(others[other, 0])
            words[slot, 0] = ((mine & ~flags) + (theirs & ~flags)) | ((mine | theirs) & flags)
        carry = np.uint64(0)
        extension = np.uint64(others[other, other_width - 1] >> 63)
        for k in range(heads + shift, width):
            from_k = k - shift
            part = np.uint64(others[other, from_k]) if from_k < other_width else extension
            total = words[slot, k] + part
            carried = total + carry
            carry = np.uint64(total < part) | np.uint64(carried < carry)
            words[slot, k] = carried


@kernel(types.void(I64_2D, I64_2D, I64, types.int64, types.int64, U64_2D_OUT))
def _spread(sums: Any, squares: Any, counts: Words, at_sums: int, at_squares: int, out: Any) -> None:
    """Schoolbook arithmetic on 32-bit digits in 64-bit words; `out` takes 64-bit limbs."""
    digits = out.shape[1] * 2
    sum_limbs, square_limbs = sums.shape[1], squares.shape[1]
    factor = np.empty(2 * sum_limbs, dtype=np.uint64)
    result = np.empty(digits, dtype=np.uint64)
    mask, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    for i in range(counts.size):
        result[:] = 0
        carry = np.uint64(1)
        negative = sums[i, sum_limbs - 1] < 0
        for k in range(sum_limbs):
            limb = np.uint64(sums[i, k])
            if negative:
                limb = ~limb + carry
                carry = np.uint64(1) if carry == np.uint64(1) and limb == np.uint64(0) else np.uint64(0)
            factor[2 * k], factor[2 * k + 1] = limb & mask, limb >> half
        for a in range(2 * sum_limbs):
            carry = np.uint64(0)
            if factor[a] == np.uint64(0):
                continue
            for b in range(2 * sum_limbs):
                carry += factor[a] * factor[b] + result[at_sums + a + b]
                result[at_sums + a + b] = carry & mask
                carry = carry >> half
            result[at_sums + a + 2 * sum_limbs] = carry
        for k in range(digits):  # negated: invert, plus one
            result[k] = ~result[k] & mask
        carry = np.uint64(1)
        for k in range(digits):
            result[k] += carry
            carry = result[k] >> half
            result[k] &= mask
        count = np.uint64(counts[i])
        for a in range(2):
            part = (count >> half) if a == 1 else (count & mask)
            carry = np.uint64(0)
            for k in range(at_squares + a, digits):
                b = k - at_squares - a
                digit = np.uint64(0)
                if b < 2 * square_limbs:
                    limb = np.uint64(squares[i, b >> 1])
                    digit = (limb >> half) if b & 1 == 1 else (limb & mask)
                carry += part * digit + result[k]
                result[k] = carry & mask
                carry = carry >> half
        for k in range(out.shape[1]):
            out[i, k] = result[2 * k] | (result[2 * k + 1] << half)
