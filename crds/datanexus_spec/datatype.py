"""The types a field, an expression or an aggregate can have.

One closed table for the whole project: resources name these types, the planner binds with them, the engine maps them
to columns. Nothing here knows Arrow, SQL or YAML.
"""

import enum
from dataclasses import dataclass


class Kind(enum.StrEnum):
    """What a value is. `LOCAL_TIMESTAMP`, `INTERVAL`, `TOP_K` and `NULL` arise in expressions only; a record field
    cannot have them, and no bound expression or aggregate gives a `LOCAL_TIMESTAMP`: it becomes the instant in UTC."""

    BOOL = "bool"
    INT32 = "int32"
    INT64 = "int64"
    FLOAT64 = "float64"
    DECIMAL = "decimal"  # exact, up to 38 digits
    STRING = "string"  # UTF-8 without NUL; ordered by bytes
    TIMESTAMP = "timestamp"  # an instant: int64 microseconds UTC, years 1 to 9999
    LOCAL_TIMESTAMP = "local_timestamp"  # what a clock on the wall shows: int64 microseconds, without zone
    DATE = "date"  # days since 1970-01-01
    JSON = "json"  # JSON text
    INTERVAL = "interval"  # microseconds; difference of two timestamps, or a constant
    TOP_K = "top_k"  # list of {value: element, count: int64}, most frequent first
    NULL = "null"  # the literal NULL before it gets a type


@dataclass(frozen=True, slots=True)
class DataType:
    """A kind with its parameters: precision and scale of a decimal, element of a top-k list."""

    kind: Kind
    precision: int = 0
    scale: int = 0
    element: "DataType | None" = None

    def __str__(self) -> str:
        if self.kind is Kind.DECIMAL:
            return f"decimal({self.precision},{self.scale})"
        if self.kind is Kind.TOP_K:
            return f"top_k({self.element})"
        return self.kind.value

    @property
    def is_integer(self) -> bool:
        return self.kind in (Kind.INT32, Kind.INT64)

    @property
    def is_numeric(self) -> bool:
        return self.kind in (Kind.INT32, Kind.INT64, Kind.FLOAT64, Kind.DECIMAL)


BOOL = DataType(Kind.BOOL)
INT32 = DataType(Kind.INT32)
INT64 = DataType(Kind.INT64)
FLOAT64 = DataType(Kind.FLOAT64)
STRING = DataType(Kind.STRING)
TIMESTAMP = DataType(Kind.TIMESTAMP)
LOCAL_TIMESTAMP = DataType(Kind.LOCAL_TIMESTAMP)
DATE = DataType(Kind.DATE)
JSON = DataType(Kind.JSON)
INTERVAL = DataType(Kind.INTERVAL)
NULL = DataType(Kind.NULL)


def decimal(precision: int, scale: int) -> DataType:
    """A decimal of 1 to 38 digits in all, `scale` of them behind the point."""
    return DataType(Kind.DECIMAL, precision=precision, scale=scale)


def top_k(element: DataType) -> DataType:
    """The result of the aggregate `top_k` over values of one type."""
    return DataType(Kind.TOP_K, element=element)
