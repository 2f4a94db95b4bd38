"""A schema with every type, a few rows, and short ways to bind and run an expression over them."""

from decimal import Decimal
from typing import Any

import pyarrow as pa

from datanexus.core.columns import arrow_type
from datanexus.engine.evaluate.evaluator import Evaluated, compile_expression
from datanexus.plan.binding import bind_expression
from datanexus.plan.expression import Schema
from datanexus_spec.datatype import BOOL, DATE, FLOAT64, INT32, INT64, JSON, STRING, TIMESTAMP, DataType, decimal

SCHEMA = Schema(
    (
        ("time", TIMESTAMP),
        ("client", STRING),
        ("path", STRING),
        ("status", INT32),
        ("bytes", INT64),
        ("ratio", FLOAT64),
        ("price", decimal(10, 2)),
        ("cached", BOOL),
        ("day", DATE),
        ("doc", JSON),
        ("userId", INT64),
    )
)
_DEFAULTS: dict[str, Any] = {
    "time": 0,
    "client": "10.0.0.1",
    "path": "/a/b",
    "status": 200,
    "bytes": 1024,
    "ratio": 0.5,
    "price": Decimal("9.99"),
    "cached": True,
    "day": 0,
    "doc": '{"a": [1, {"b": "x"}]}',
    "userId": 7,
}


def column(values: list[Any], data_type: DataType) -> pa.Array:
    """A column; times and dates are given as the integers they are."""
    target = arrow_type(data_type)
    if pa.types.is_temporal(target):
        return pa.array(values, pa.int32() if target == pa.date32() else pa.int64()).view(target)
    return pa.array(values, target)


def batch(**columns: list[Any]) -> pa.RecordBatch:
    """A batch of SCHEMA; columns that are not given hold a constant."""
    rows = max((len(values) for values in columns.values()), default=1)
    arrays = [column(columns.get(name, [_DEFAULTS[name]] * rows), data_type) for name, data_type in SCHEMA.columns]
    return pa.RecordBatch.from_arrays(arrays, names=list(SCHEMA.names))


def evaluate(text: str, **columns: list[Any]) -> Evaluated:
    """Bind and run an expression over a batch."""
    return compile_expression(bind_expression(text, SCHEMA))(batch(**columns))


def values(text: str, **columns: list[Any]) -> list[Any]:
    """The values of an expression none of whose rows fails; times as integers."""
    evaluated = evaluate(text, **columns)
    assert evaluated.failures == ()
    found = evaluated.values
    if pa.types.is_timestamp(found.type) or pa.types.is_duration(found.type):
        found = found.view(pa.int64())
    return list(found.to_pylist())
