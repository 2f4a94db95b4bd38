"""Integers wider than 64 bits in kernels: products, and the one correctly rounded division that ends every exact sum.

A wide integer is a row of 64-bit limbs, least significant first, in two's complement.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from datanexus.core import kernel_types as types
from datanexus.core.aggregates.arrow_values import Floats, Words
from datanexus.core.kernel import F64_OUT, I64_2D, U64, U64_2D, U64_2D_OUT, inlined, kernel

DIVISOR_LIMBS = 3
_LEAST_EXPONENT = -1074  # of the least positive float64, 2**-1074
_EXACT_BITS = 53  # a float64 holds every integer up to 2**53

Limbs = npt.NDArray[np.uint64]


def divisors(counts: Words, factor: int = 1) -> Limbs:
    """counts × factor as wide integers; counts ≥ 0, 0 ≤ factor < 2**128."""
    low, high = np.uint64(factor & (2**64 - 1)), np.uint64(factor >> 64)
    return _products(counts, np.full(len(counts), low), np.full(len(counts), high))


def products(counts: Words, factors: Words) -> Limbs:
    """counts × factors as wide integers; both ≥ 0."""
    return _products(counts, np.ascontiguousarray(factors).view(np.uint64), np.zeros(len(counts), dtype=np.uint64))


def divide(numerators: Words, denominators: Limbs, exponent: int) -> Floats:
    """numerators × 2**exponent ÷ denominators, rounded once to the nearest float64, ties to even.

    Overflow gives infinity; a denominator of zero gives NaN. Denominators must be below 2**191.
    """
    out = np.empty(len(numerators), dtype=np.float64)
    _divide(np.ascontiguousarray(numerators), denominators, exponent, out)
    return out


@inlined
def multiply_words(a: Any, b: Any) -> Any:
    """The low and high 64 bits of a × b; all unsigned."""
    mask, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    a0, a1, b0, b1 = a & mask, a >> half, b & mask, b >> half
    low = a0 * b0
    middle = a1 * b0 + (low >> half)
    other = a0 * b1 + (middle & mask)
    return (other << half) | (low & mask), a1 * b1 + (middle >> half) + (other >> half)


def _products(counts: Words, low: Limbs, high: Limbs) -> Limbs:
    out = np.empty((len(counts), DIVISOR_LIMBS), dtype=np.uint64)
    _multiply(np.ascontiguousarray(counts).view(np.uint64), low, high, out)
    return out


@kernel(types.void(U64, U64, U64, U64_2D_OUT))
def _multiply(counts: Any, low: Any, high: Any, out: Any) -> None:
    for i in range(counts.size):
        first, carried = multiply_words(counts[i], low[i])
        second, third = multiply_words(counts[i], high[i])
        second += carried
        if second < carried:
            third += np.uint64(1)
        out[i, 0], out[i, 1], out[i, 2] = first, second, third


@kernel(types.void(I64_2D, U64_2D, types.int64, F64_OUT))
def _divide(numerators: Any, denominators: Any, exponent: int, out: Any) -> None:
    rows, limbs = numerators.shape
    magnitude = np.empty(limbs, dtype=np.uint64)
    one, sixty_three = np.uint64(1), np.uint64(63)
    for i in range(rows):
        negative = limbs > 0 and numerators[i, limbs - 1] < 0
        carry = one if negative else np.uint64(0)
        top = -1
        for k in range(limbs):
            limb = np.uint64(numerators[i, k])
            if negative:
                limb = ~limb + carry
                carry = one if carry == one and limb == np.uint64(0) else np.uint64(0)
            magnitude[k] = limb
            if limb != np.uint64(0):
                top = k
        d0, d1, d2 = denominators[i, 0], denominators[i, 1], denominators[i, 2]
        if d0 == np.uint64(0) and d1 == np.uint64(0) and d2 == np.uint64(0):
            out[i] = np.nan
            continue
        if top < 0:
            out[i] = 0.0
            continue
        small = np.uint64(1) << np.uint64(_EXACT_BITS)
        if exponent == 0 and top == 0 and magnitude[0] <= small and d0 <= small and d1 == 0 and d2 == 0:
            exact = np.float64(magnitude[0]) / np.float64(d0)
            out[i] = -exact if negative else exact
            continue
        bit = 64 * top + 63
        while (magnitude[top] >> np.uint64(bit & 63)) & one == np.uint64(0):
            bit -= 1
        # Long division from the highest bit, until 53 bits and one to round by are known, or the bit below the least
        # float64 is. Bit p of the quotient weighs 2**(p + exponent).
        last = _LEAST_EXPONENT - 1 - exponent
        quotient = np.uint64(0)
        r0, r1, r2 = np.uint64(0), np.uint64(0), np.uint64(0)
        if bit < last:
            out[i] = 0.0
            continue
        while True:
            r2 = (r2 << one) | (r1 >> sixty_three)
            r1 = (r1 << one) | (r0 >> sixty_three)
            r0 = r0 << one
            if bit >= 0:
                r0 |= (magnitude[bit >> 6] >> np.uint64(bit & 63)) & one
            quotient = quotient << one
            if r2 > d2 or (r2 == d2 and (r1 > d1 or (r1 == d1 and r0 >= d0))):
                borrow = one if r0 < d0 else np.uint64(0)
                r0 = r0 - d0
                lesser = r1 < d1 or (r1 == d1 and borrow == one)
                r1 = r1 - d1 - borrow
                r2 = r2 - d2 - (one if lesser else np.uint64(0))
                quotient |= one
            if quotient >= small or bit <= last:
                break
            bit -= 1
        inexact = r0 != np.uint64(0) or r1 != np.uint64(0) or r2 != np.uint64(0)
        if not inexact and bit > 0:
            below = bit >> 6
            inexact = magnitude[below] & ((one << np.uint64(bit & 63)) - one) != np.uint64(0)
            while not inexact and below > 0:
                below -= 1
                inexact = magnitude[below] != np.uint64(0)
        half = quotient & one
        quotient = quotient >> one
        if half == one and (inexact or quotient & one == one):
            quotient += one
        rounded = math.ldexp(np.float64(quotient), bit + 1 + exponent)
        out[i] = -rounded if negative else rounded
