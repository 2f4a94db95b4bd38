"""Arrow columns as NumPy views and back, without copies where there can be none."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from datanexus.engine.evaluate.faults import Flags, Operand

Values = npt.NDArray[Any]
_VIEWED = {
    pa.date32(): pa.int32(),
    pa.timestamp("us"): pa.int64(),
    pa.timestamp("us", tz="UTC"): pa.int64(),
    pa.duration("us"): pa.int64(),
}


def raw(operand: Operand) -> Operand:
    """Times, dates and durations as the integers they are."""
    stored = _VIEWED.get(operand.type)
    if stored is None:
        return operand
    return operand.cast(stored) if isinstance(operand, pa.Scalar) else operand.view(stored)


def typed(operand: Operand, data_type: pa.DataType) -> Operand:
    """Integers as the times, dates or durations they stand for."""
    if data_type not in _VIEWED:
        return operand
    return operand.cast(data_type) if isinstance(operand, pa.Scalar) else operand.view(data_type)


def values_of(operand: Operand) -> Values:
    """The numbers of an integer or float operand; a NULL has any number. A scalar gives an array of shape ()."""
    operand = raw(operand)
    if isinstance(operand, pa.Scalar):
        width = np.dtype(operand.type.to_pandas_dtype())
        return np.array(operand.as_py() if operand.is_valid else 0, dtype=width)
    width = np.dtype(operand.type.to_pandas_dtype())
    data = operand.buffers()[1]
    if data is None or len(operand) == 0:
        return np.zeros(len(operand), dtype=width)
    return np.frombuffer(data, dtype=width, count=len(operand), offset=operand.offset * width.itemsize)


def flags_of(operand: Operand, rows: int, *, null: bool = False) -> Flags:
    """A bool operand as one flag a row; NULL becomes `null`."""
    if isinstance(operand, pa.Scalar):
        return np.full(rows, operand.as_py() if operand.is_valid else null, dtype=np.bool_)
    filled = operand.fill_null(null) if operand.null_count else operand
    flags: Flags = filled.to_numpy(zero_copy_only=False)
    return flags


def valid_flags(operands: tuple[Operand, ...], rows: int) -> Flags:
    """The rows at which no operand is NULL."""
    flags = np.ones(rows, dtype=np.bool_)
    for operand in operands:
        if isinstance(operand, pa.Scalar):
            flags &= operand.is_valid
        elif operand.null_count:
            flags &= operand.is_valid().to_numpy(zero_copy_only=False)
    return flags


def without(operand: pa.Array, where: Flags) -> pa.Array:
    """The column with NULL at the rows flagged."""
    return pc.if_else(pa.array(where), pa.scalar(None, operand.type), operand)


def column_of(operand: Operand, rows: int) -> pa.Array:
    """A column of `rows` values; a scalar is repeated."""
    return pa.repeat(operand, rows) if isinstance(operand, pa.Scalar) else operand


def column_from(values: Values, data_type: pa.DataType, valid: Flags) -> pa.Array:
    """A column of numbers (times in their integers), NULL where not valid."""
    return pa.array(values, type=data_type, mask=None if valid.all() else ~valid)
