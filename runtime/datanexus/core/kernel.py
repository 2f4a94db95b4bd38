"""How a kernel is declared: one decorator with an explicit signature, and the array types signatures are made of.

`make install` compiles every kernel of the package into one extension module (`datanexus.engine.kernels`). A kernel is
found there by its name and the hash of all it is made of: its own code, its signatures, and the functions and constants
it uses, wherever they lie. So a changed kernel is never taken for the old one: it is compiled with Numba where it is
declared, cached beside its module, and so are its callers. A process whose kernels are all found loads neither Numba
nor LLVM. Nothing is compiled while records flow, as declarations are made when modules load.

Inputs are C-contiguous arrays that may be read-only (Arrow's buffers are); outputs are the `…_OUT` types. Trap: int64
and uint64 in one expression become float64; wrap constants in np.uint64.
"""

import contextlib
import hashlib
import importlib
import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.abc import InspectLoader
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any, TypeVar

import numpy as np

from datanexus.core.kernel_types import (
    Array,
    Signature,
    boolean,
    float64,
    int32,
    int64,
    uint8,
    uint32,
    uint64,
)

Kernel = TypeVar("Kernel", bound=Callable[..., Any])

# By what a processor must have, in NumPy's words, the best first; without more, what NumPy itself needs will do.
COMPILED_MODULES = {"X86_V3": "datanexus.core.compiled_x86_v3", None: "datanexus.core.compiled"}
# Part of every name in the compiled module. To be raised when what is made of a kernel changes, not the kernel.
FORMAT = 1
_DIGITS = 16
_CONSTANTS = (int, float, str, bytes, tuple, np.generic)

I64, I32, U64, U32, U8, F64, BOOLS = (
    Array(dtype, 1, written=False) for dtype in (int64, int32, uint64, uint32, uint8, float64, boolean)
)
I64_OUT, I32_OUT, U64_OUT, U32_OUT, U8_OUT, F64_OUT, BOOLS_OUT = (
    Array(dtype, 1, written=True) for dtype in (int64, int32, uint64, uint32, uint8, float64, boolean)
)
I64_2D, U64_2D, F64_2D = (Array(dtype, 2, written=False) for dtype in (int64, uint64, float64))
I64_2D_OUT, U64_2D_OUT, U8_2D_OUT, F64_2D_OUT = (
    Array(dtype, 2, written=True) for dtype in (int64, uint64, uint8, float64)
)


@dataclass(frozen=True, slots=True)
class Declaration:
    """A Python function that is compiled: a kernel, or with no signatures one that is inlined into kernels."""

    function: FunctionType
    signatures: tuple[Signature, ...]
    fingerprint: str

    @property
    def name(self) -> str:
        """The name in the compiled module."""
        return f"{self.function.__name__}_{self.fingerprint}"


@dataclass(frozen=True, slots=True)
class Instruction:
    """A function made of machine instructions, in a module that only the compiler loads."""

    module: str
    name: str
    fingerprint: str

    def __call__(self, *_arguments: Any) -> Any:
        raise TypeError(f"{self.name} is an instruction of {self.module}: only a kernel can use it")


# By the id of what stands for it in its module, which is held here too. Modules declare while they load, one by one.
_DECLARED: dict[int, tuple[Any, Declaration]] = {}


def kernel(signature: Signature | Sequence[Signature]) -> Callable[[Kernel], Kernel]:
    """Bind a function to its code for each signature, e.g. `types.int64(I64, U64_OUT)`; it runs without the GIL."""
    signatures = (signature,) if isinstance(signature, Signature) else tuple(signature)

    def bind(function: Any) -> Any:
        declaration = Declaration(function, signatures, fingerprint(function, signatures))
        bound = _BINDER[-1](declaration)
        _DECLARED[id(bound)] = bound, declaration
        return bound

    return bind


def inlined(function: Kernel) -> Kernel:
    """A small function that kernels call; compiled with them."""
    if not isinstance(function, FunctionType):
        raise TypeError(f"{function} is not a Python function")
    _DECLARED[id(function)] = function, Declaration(function, (), fingerprint(function, ()))
    return function


def instructions(module: str, *names: str) -> tuple[Any, ...]:
    """Stand for functions of a module that only the compiler loads, as it needs Numba and LLVM."""
    spec = importlib.util.find_spec(module)
    if spec is None or not isinstance(spec.loader, InspectLoader):
        raise ModuleNotFoundError(f"no module {module}")
    code = spec.loader.get_code(module)
    if code is None:
        raise ModuleNotFoundError(f"no source of module {module}")
    digest = hashlib.sha256()
    _add_code(digest, code)
    return tuple(Instruction(module, name, digest.hexdigest()[:_DIGITS]) for name in names)


def declaration_of(bound: Any) -> Declaration | None:
    """What `kernel` or `inlined` was given where it returned this object, None for all other objects."""
    return _DECLARED[id(bound)][1] if id(bound) in _DECLARED else None


def declared_kernels() -> list[Declaration]:
    """All kernels of the modules loaded so far, in the order of their declaration."""
    return [declaration for _, declaration in _DECLARED.values() if declaration.signatures]


def leave_uncompiled() -> None:
    """Bind kernels declared from now on to their Python functions: who compiles the package needs no more."""
    _BINDER.append(lambda declaration: declaration.function)


def _bind(declaration: Declaration) -> Any:
    found = getattr(_COMPILED, declaration.name, None)
    if found is not None:
        return found
    # By name, as importing it is what costs 70 MiB and 2 s.
    return importlib.import_module("datanexus.core.jit").dispatcher(declaration, cache=True)


def _compiled_module() -> ModuleType | None:
    """The module that `make install` built; a checkout without it compiles each kernel where it is declared."""
    extensions = np.show_config(mode="dicts").get("SIMD Extensions", {}).get("found", ())  # what is empty is left out
    for extension, name in COMPILED_MODULES.items():
        if extension is None or extension in extensions:
            with contextlib.suppress(ImportError):
                return importlib.import_module(name)
    return None


_COMPILED = _compiled_module()
_BINDER: list[Callable[[Declaration], Any]] = [_bind]


def fingerprint(function: Any, signatures: tuple[Signature, ...]) -> str:
    """The hash of all that the compiled code follows from; comments and docstrings are no part of it."""
    digest = hashlib.sha256(f"{FORMAT} {'; '.join(map(str, signatures))}".encode())
    _add_code(digest, function.__code__, function.__doc__)
    for name in sorted(_names(function.__code__) & function.__globals__.keys()):
        digest.update(f"{name}={_text(function, name, function.__globals__[name])}\n".encode())
    return digest.hexdigest()[:_DIGITS]


def _add_code(digest: Any, code: CodeType, documentation: str | None = None) -> None:
    digest.update(code.co_code)
    digest.update(repr((code.co_argcount, code.co_names, code.co_varnames)).encode())
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            _add_code(digest, constant)
        elif constant is None or constant != documentation:
            known = sorted(map(repr, constant)) if isinstance(constant, frozenset) else constant  # sets have no order
            digest.update(f"{type(constant).__name__} {known!r}\n".encode())


def _names(code: CodeType) -> set[str]:
    inner = (_names(constant) for constant in code.co_consts if isinstance(constant, CodeType))
    return set(code.co_names).union(*inner)


def _text(function: Any, name: str, value: Any) -> str:
    """What a global stands for, in a text that differs when the compiled code would."""
    declaration = declaration_of(value)
    if declaration is not None:
        return declaration.name
    if isinstance(value, Instruction):
        return f"{value.name}_{value.fingerprint}"
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape} {hashlib.sha256(value.tobytes()).hexdigest()}"
    if isinstance(value, _CONSTANTS):
        return f"{type(value).__name__} {value!r}"
    if isinstance(value, ModuleType | type | BuiltinFunctionType):
        return value.__name__
    raise TypeError(
        f"the kernel {function.__name__} uses {name}, a {type(value).__name__}: expected a number, text, a tuple of "
        "them, an array, or a function declared with kernel or inlined"
    )
