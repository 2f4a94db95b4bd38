"""How a kernel is compiled with Numba: each declaration once, and what it calls before it.

Loaded only by the compiler of the package and where a kernel is not found in the compiled module, by its name: no
module imports it, so that no process that runs compiled kernels loads Numba.
"""

import importlib
from types import FunctionType
from typing import Any

import numba
from numba import types

from datanexus.core.kernel import Declaration, Instruction, declaration_of
from datanexus.core.kernel_types import Array, Scalar, Signature, Tuple

NUMBA_VERSION: str = numba.__version__

_DISPATCHERS: dict[FunctionType, Any] = {}


def dispatcher(declaration: Declaration, *, cache: bool) -> Any:
    """Compile a kernel for all its signatures; or make what is inlined known to Numba, if it has none."""
    function = declaration.function
    if function not in _DISPATCHERS:
        if declaration.signatures:
            signatures = [_signature(signature) for signature in declaration.signatures]
            decorate = numba.njit(signatures, cache=cache, nogil=True, error_model="numpy", no_cfunc_wrapper=True)
        else:
            decorate = numba.njit(inline="always", error_model="numpy")
        _DISPATCHERS[function] = decorate(_with_compiled_globals(declaration, cache=cache))
    return _DISPATCHERS[function]


def _with_compiled_globals(declaration: Declaration, *, cache: bool) -> FunctionType:
    """The function, seeing what Numba compiled wherever it uses something declared.

    Its qualified name has its fingerprint, which so is part of the name of its file in Numba's cache: that alone would
    not see the change of a function inlined from another module.
    """
    function = declaration.function
    replaced = {}
    for name in _names_used(function):
        value = function.__globals__[name]
        used = declaration_of(value)
        if used is not None:
            replaced[name] = dispatcher(used, cache=cache)
        elif isinstance(value, Instruction):
            replaced[name] = getattr(importlib.import_module(value.module), value.name)
    copy = FunctionType(
        function.__code__,
        {**function.__globals__, **replaced},
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    copy.__qualname__ = f"{function.__qualname__}_{declaration.fingerprint}"
    copy.__module__ = function.__module__
    copy.__doc__ = function.__doc__
    return copy


def _names_used(function: FunctionType) -> list[str]:
    return [name for name in function.__code__.co_names if name in function.__globals__]


def _signature(signature: Signature) -> Any:
    return _type(signature.returns)(*map(_type, signature.arguments))


def _type(word: Scalar | Tuple | Array) -> Any:
    if isinstance(word, Array):
        return types.Array(_type(word.dtype), word.dimensions, "C", readonly=not word.written)
    if isinstance(word, Tuple):
        return types.BaseTuple.from_types([_type(dtype) for dtype in word.dtypes])
    return getattr(types, word.name)
