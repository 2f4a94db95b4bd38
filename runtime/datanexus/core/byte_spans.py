"""What kernels do with the bytes of strings: compare, copy and read them eight at a time.

All positions are uint64: with signed ones every access would be checked for counting from the end, and nothing would be
joined into wide loads.
"""

from typing import Any

import numpy as np

from datanexus.core.kernel import inlined


@inlined
def eight_bytes(content: Any, at: Any) -> Any:
    """Eight bytes as a little-endian word; compiled to one load."""
    return (
        np.uint64(content[at])
        | np.uint64(content[at + np.uint64(1)]) << np.uint64(8)
        | np.uint64(content[at + np.uint64(2)]) << np.uint64(16)
        | np.uint64(content[at + np.uint64(3)]) << np.uint64(24)
        | np.uint64(content[at + np.uint64(4)]) << np.uint64(32)
        | np.uint64(content[at + np.uint64(5)]) << np.uint64(40)
        | np.uint64(content[at + np.uint64(6)]) << np.uint64(48)
        | np.uint64(content[at + np.uint64(7)]) << np.uint64(56)
    )


@inlined
def shared_bytes(a: Any, a_at: Any, b: Any, b_at: Any, length: Any) -> Any:
    """How many of the first `length` bytes are equal, up to the first that is not."""
    eight, k = np.uint64(8), np.uint64(0)
    while k + eight <= length and eight_bytes(a, a_at + k) == eight_bytes(b, b_at + k):
        k += eight
    while k < length and a[a_at + k] == b[b_at + k]:
        k += np.uint64(1)
    return k


@inlined
def copy_bytes(target: Any, to: Any, source: Any, at: Any, length: Any) -> None:
    for k in range(length):
        target[to + np.uint64(k)] = source[at + np.uint64(k)]
