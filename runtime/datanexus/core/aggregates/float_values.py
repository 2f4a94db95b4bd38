"""Numbers of any type as the nearest float64: the input of the variance family, quantiles and counters."""

import numpy as np
import pyarrow as pa

from datanexus.core.aggregates import arrow_values, wide_integers
from datanexus.core.aggregates.arrow_values import Floats

_EXACT = 2**53  # every integer up to here is a float64
_EXACT_SCALE = 22  # and so is every power of ten up to 10**22, so that one division rounds once


def floats(values: pa.Array) -> Floats:
    """The values as float64, ties to even; a view where they are float64. Undefined under nulls."""
    if not pa.types.is_decimal(values.type):
        numbers = arrow_values.numbers(values)
        return numbers.view(np.float64) if arrow_values.is_float(values.type) else numbers.astype(np.float64)
    words = arrow_values.decimal_words(values).reshape(-1, 2)
    low, high = words[:, 0], words[:, 1]
    scale = values.type.scale
    exact = (high == low >> 63) & (low <= _EXACT) & (low >= -_EXACT)
    if scale <= _EXACT_SCALE and exact.all():
        return low / np.float64(10**scale)
    ones = np.ones(len(words), dtype=np.int64)
    return wide_integers.divide(words, wide_integers.divisors(ones, 5**scale), -scale)
