"""Every aggregate by its definition, over the samples of one group: plain Python, exact fractions, sorted lists.

A sample is (event time, value); null and masked samples are not here. Values are what `pyarrow` gives as Python
objects, but timestamps and dates are integers.
"""

import itertools
import math
import struct
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

Sample = tuple[int, Any]
Previous = tuple[int, float] | None

_WORD = 2**64 - 1
_GOLDEN = 0x9E3779B97F4A7C15


def result(
    function: str,
    parameters: Sequence[float],
    samples: Sequence[Sample],
    *,
    scale: int = 0,
    previous: Previous = None,
    span_us: int = 1,
) -> Any:
    """The aggregate of a group. `scale` is that of decimals, `span_us` the length of the window."""
    values = [value for _, value in samples]
    if function == "count":
        return len(values)
    if function == "approx_count_distinct":
        return distinct(values, scale)
    if not values:
        return None
    match function:
        case "sum":
            return _float_total(values) if isinstance(values[0], float) else sum(map(_exact, values))
        case "avg":
            return _float_total(values, len(values))
        case "min":
            return min(map(_plain, values), key=order)
        case "max":
            return max(map(_plain, values), key=order)
        case "first" | "last":
            edge = (min if function == "first" else max)(time for time, _ in samples)
            return max((_plain(value) for time, value in samples if time == edge), key=order)
        case "var_pop" | "var_samp" | "stddev_pop" | "stddev_samp":
            return _variance(function, [float(value) for value in values])
        case "increase" | "rate":
            increase = _increase([(time, float(value)) for time, value in samples], previous)
            return increase if increase is None or function == "increase" else increase / (span_us / 1_000_000)
        case "approx_quantile":
            return quantile([float(value) for value in values], parameters[0])
        case "top_k":
            counts = Counter(_Value(value) for value in values)
            ranked = sorted(counts.items(), key=lambda one: (-one[1], order(one[0].value)))
            return [{"value": one.value, "count": count} for one, count in ranked[: int(parameters[0])]]
    raise AssertionError(function)


def order(value: Any) -> Any:
    """A key in PostgreSQL's order: NaN above all numbers, strings by bytes."""
    if isinstance(value, str):
        return value.encode()
    return (1, 0) if isinstance(value, float) and math.isnan(value) else (0, value)


def exact_quantile(values: Sequence[float], share: float) -> float:
    """percentile_disc as PostgreSQL computes it."""
    return sorted(values, key=order)[max(math.ceil(share * len(values)), 1) - 1]


def quantile(values: Sequence[float], share: float) -> float:
    """The middle of the bucket that `exact_quantile` is in."""
    value = exact_quantile(values, share)
    if math.isnan(value) or math.isinf(value) or value == 0:
        return value + 0.0
    bits = struct.unpack("<q", struct.pack("<d", abs(value)))[0] >> 46
    low, high = _border(bits), _border(bits + 1)
    return math.copysign(float(2 * low * high / (low + high)), value) + 0.0


def distinct(values: Sequence[Any], scale: int) -> int:
    """HyperLogLog, register by register, and Ertl's estimator."""
    registers = [0] * 4096
    for value in values:
        hashed = value_hash(value, scale)
        rank = 53 - (hashed & (2**52 - 1)).bit_length()
        registers[hashed >> 52] = max(registers[hashed >> 52], rank)
    counts = Counter(registers)
    if counts[0] == 4096:
        return 0
    z = 4096 * _tau(1 - counts[53] / 4096)
    for rank in range(52, 0, -1):
        z = 0.5 * (z + counts[rank])
    z += 4096 * _sigma(counts[0] / 4096)
    return math.floor(4096 * (4096 / (2 * math.log(2))) / z + 0.5)


def value_hash(value: Any, scale: int) -> int:
    """As `core.aggregates.value_hash` has it in its docstring."""
    if isinstance(value, str):
        data = value.encode()
        state = len(data) * _GOLDEN & _WORD
        for at in range(0, len(data), 8):
            state = _mix(state ^ int.from_bytes(data[at : at + 8], "little")) * _GOLDEN & _WORD
        return _mix(state)
    if isinstance(value, Decimal):
        units = int(Fraction(value) * 10**scale)
        low, high = units & _WORD, ((units >> 64) + _GOLDEN) & _WORD
        return _mix(_mix((low + _GOLDEN) & _WORD) ^ (((high << 32) | (high >> 32)) & _WORD))
    if isinstance(value, float):
        bits = struct.unpack("<q", struct.pack("<d", value + 0.0))[0]
        word = 0x7FF8 << 48 if math.isnan(value) else bits if bits >= 0 else bits ^ (2**63 - 1)
        return _mix((word + _GOLDEN) & _WORD)
    return _mix((int(value) + _GOLDEN) & _WORD)


def rounded(exact: Fraction) -> float:
    """The nearest float64, ties to even, infinite beyond the greatest."""
    try:
        return float(exact)
    except OverflowError:
        return math.inf if exact > 0 else -math.inf


class _Value:
    """A value as a key: all NaN are one."""

    def __init__(self, value: Any) -> None:
        self.value = _plain(value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Value) and order(self.value) == order(other.value)

    def __hash__(self) -> int:
        return hash(order(self.value))


def _plain(value: Any) -> Any:
    """-0.0 as 0.0."""
    return value + 0.0 if isinstance(value, float) else value


def _exact(value: Any) -> Any:
    """Decimals as fractions, as Python's context would round their sum."""
    return Fraction(value) if isinstance(value, Decimal) else value


def _float_total(values: Sequence[Any], parts: int = 1) -> float:
    special = [value for value in values if isinstance(value, float) and not math.isfinite(value)]
    return sum(special) if special else rounded(sum(map(Fraction, values), Fraction(0)) / parts)


def _variance(function: str, values: Sequence[float]) -> float | None:
    count = len(values)
    parts = count - 1 if function.endswith("samp") else count
    if parts == 0:
        return None
    if not all(map(math.isfinite, values)):
        return math.nan
    exact = list(map(Fraction, values))
    mean = sum(exact, Fraction(0)) / count
    variance = rounded(sum(((value - mean) ** 2 for value in exact), Fraction(0)) / parts)
    return math.sqrt(variance) if function.startswith("stddev") else variance


def _increase(samples: Sequence[tuple[int, float]], previous: Previous) -> float | None:
    times = sorted({time for time, _ in samples})
    values = [max((value for at, value in samples if at == time), key=order) for time in times]
    series = values if previous is None else [previous[1], *values]
    steps = [b - a if order(b) >= order(a) else b for a, b in itertools.pairwise(series)]
    return _float_total(steps) if steps else None


def _border(bits: int) -> Fraction:
    """The value a bucket begins at; that of the infinities is 2**1024."""
    exponent, fraction = bits >> 6, bits & 63
    if exponent == 0:
        return Fraction(fraction, 2**1028)
    return Fraction(64 + fraction) * Fraction(2) ** (exponent - 1029)


def _mix(x: int) -> int:
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & _WORD
    x = (x ^ x >> 27) * 0x94D049BB133111EB & _WORD
    return x ^ x >> 31


def _sigma(x: float) -> float:
    y, z, before = 1.0, x, -1.0
    while z != before:
        x, before = x * x, z
        z += x * y
        y += y
    return z


def _tau(x: float) -> float:
    if x in (0.0, 1.0):
        return 0.0
    y, z, before = 1.0, 1.0 - x, -1.0
    while z != before:
        x, before = math.sqrt(x), z
        y *= 0.5
        z -= (1.0 - x) * (1.0 - x) * y
    return z / 3.0
