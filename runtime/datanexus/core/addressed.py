"""Arrays that a kernel reaches by address: for states that are many arrays, whose number no signature can name.

The caller keeps every array alive and in place while a kernel runs, and the kernel its indices inside: nothing is
checked here. Words are 64 bits wide.
"""

from typing import Any

import numpy.typing as npt

from datanexus.core.kernel import instructions

LINE = 8  # words of a cache line

word_at, put_word, prefetch_word, words_alike = instructions(
    "datanexus.core.addressed_instructions", "word_at", "put_word", "prefetch_word", "words_alike"
)


def address_of(array: npt.NDArray[Any]) -> int:
    """Where the first word of a contiguous array stands."""
    address: int = array.ctypes.data
    return address
