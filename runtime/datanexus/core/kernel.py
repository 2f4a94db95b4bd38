"""How a kernel is compiled: one decorator with an explicit signature, and the array types signatures are made of.

Compiled code is cached beside the module (`make install` fills the cache), so importing a kernel loads it; nothing is
compiled while records flow. Inputs are read-only C-contiguous arrays (Arrow's buffers are read-only); outputs are the
`…_OUT` types. Trap: int64 and uint64 in one expression become float64; wrap constants in np.uint64.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import numba
from numba import types

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def _input(dtype: Any, dimensions: int = 1) -> Any:
    return types.Array(dtype, dimensions, "C", readonly=True)


def _output(dtype: Any, dimensions: int = 1) -> Any:
    return types.Array(dtype, dimensions, "C")


I64, I32, U64, U32, U8, F64, BOOLS = (
    _input(dtype)
    for dtype in (types.int64, types.int32, types.uint64, types.uint32, types.uint8, types.float64, types.boolean)
)
I64_OUT, I32_OUT, U64_OUT, U32_OUT, U8_OUT, F64_OUT, BOOLS_OUT = (
    _output(dtype)
    for dtype in (types.int64, types.int32, types.uint64, types.uint32, types.uint8, types.float64, types.boolean)
)
I64_2D, U64_2D, F64_2D = (_input(dtype, 2) for dtype in (types.int64, types.uint64, types.float64))
I64_2D_OUT, U64_2D_OUT, U8_2D_OUT, F64_2D_OUT = (
    _output(dtype, 2) for dtype in (types.int64, types.uint64, types.uint8, types.float64)
)


def kernel(signature: Any) -> Callable[[Kernel], Kernel]:
    """Compile a function for one signature, e.g. `types.int64(I64, U64_OUT)`, without the GIL, cached on disk."""
    compiled: Callable[[Kernel], Kernel] = numba.njit(signature, cache=True, nogil=True, error_model="numpy")
    return compiled


def inlined(function: Kernel) -> Kernel:
    """A small function that kernels call; compiled with them."""
    result: Kernel = numba.njit(inline="always", error_model="numpy")(function)
    return result
