"""The words kernel signatures are made of: scalars, arrays, tuples of one type, and a call of one of them.

The words are Numba's, so a signature reads as it would there: `int64(U8, int64, I64_OUT)` takes three arguments and
returns an int64. Must not import Numba: a process that runs compiled kernels never loads it. Every value has one text,
which is part of a kernel's name in the compiled module.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Signature:
    """What a kernel returns and takes."""

    returns: "Scalar | Tuple"
    arguments: tuple["Scalar | Array", ...]

    def __str__(self) -> str:
        return f"{self.returns}({', '.join(map(str, self.arguments))})"


@dataclass(frozen=True, slots=True)
class Scalar:
    """One number, by its NumPy name; `void` is returned by kernels that return nothing."""

    name: str

    def __call__(self, *arguments: Any) -> Signature:
        return Signature(self, arguments)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Tuple:
    """Several numbers; only returned."""

    dtypes: tuple[Scalar, ...]

    def __call__(self, *arguments: Any) -> Signature:
        return Signature(self, arguments)

    def __str__(self) -> str:
        return f"({', '.join(map(str, self.dtypes))})"


@dataclass(frozen=True, slots=True)
class Array:
    """A C-contiguous, aligned array; one that is not written may be read-only, as Arrow's buffers are."""

    dtype: Scalar
    dimensions: int
    written: bool

    def __str__(self) -> str:
        return f"{self.dtype}[{self.dimensions}d]{' written' if self.written else ''}"


void = Scalar("void")
boolean = Scalar("boolean")
int32 = Scalar("int32")
int64 = Scalar("int64")
uint8 = Scalar("uint8")
uint32 = Scalar("uint32")
uint64 = Scalar("uint64")
float64 = Scalar("float64")


def UniTuple(dtype: Scalar, count: int) -> Tuple:  # noqa: N802  Numba's word
    """`count` numbers of one type."""
    return Tuple((dtype,) * count)
