"""Types of values in queries: PostgreSQL's, their names in DuckDB, and how they widen. Pure."""

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from datanexus_spec.datatype import DataType, Kind

DIGITS_MAX = 38  # of a DuckDB decimal; PostgreSQL's numeric has more
QUOTIENT_SCALE = 20  # digits behind the point of a quotient of decimals


class Base(enum.StrEnum):
    """PostgreSQL's names. UNKNOWN is a text or NULL literal that takes the type of its neighbour; OPAQUE can only be
    selected (top-k lists)."""

    BOOL = "boolean"
    INT4 = "integer"
    INT8 = "bigint"
    NUMERIC = "numeric"
    FLOAT8 = "double precision"
    TEXT = "text"
    DATE = "date"
    TIMESTAMP = "timestamp"
    TIMESTAMPTZ = "timestamptz"
    INTERVAL = "interval"
    UNKNOWN = "unknown"
    OPAQUE = "list"

    @property
    def short_name(self) -> str:
        """What PostgreSQL calls a column that is only a cast to this type."""
        return _SHORT_NAMES.get(self, self.value)


_SHORT_NAMES = {Base.BOOL: "bool", Base.INT4: "int4", Base.INT8: "int8", Base.FLOAT8: "float8"}


@dataclass(frozen=True, slots=True)
class SqlType:
    """`scale`: digits behind the point of a numeric. `uniform`: whether every value shows just as many in PostgreSQL,
    so that its text is known."""

    base: Base
    scale: int = 0
    uniform: bool = True

    def __str__(self) -> str:
        return self.base.value

    @property
    def duckdb(self) -> str:
        """The type's name in DuckDB."""
        return f"DECIMAL({DIGITS_MAX},{self.scale})" if self.base is Base.NUMERIC else _DUCKDB[self.base]


BOOL, INT4, INT8, FLOAT8 = SqlType(Base.BOOL), SqlType(Base.INT4), SqlType(Base.INT8), SqlType(Base.FLOAT8)
TEXT, DATE, TIMESTAMP = SqlType(Base.TEXT), SqlType(Base.DATE), SqlType(Base.TIMESTAMP)
TIMESTAMPTZ, INTERVAL, UNKNOWN = SqlType(Base.TIMESTAMPTZ), SqlType(Base.INTERVAL), SqlType(Base.UNKNOWN)
OPAQUE = SqlType(Base.OPAQUE)

INTEGERS = (Base.INT4, Base.INT8)
NUMBERS = (Base.INT4, Base.INT8, Base.NUMERIC, Base.FLOAT8)
TIMES = (Base.DATE, Base.TIMESTAMP, Base.TIMESTAMPTZ)

_DUCKDB = {
    Base.BOOL: "BOOLEAN",
    Base.INT4: "INTEGER",
    Base.INT8: "BIGINT",
    Base.FLOAT8: "DOUBLE",
    Base.TEXT: "VARCHAR",
    Base.DATE: "DATE",
    Base.TIMESTAMP: "TIMESTAMP",
    Base.TIMESTAMPTZ: "TIMESTAMPTZ",
    Base.INTERVAL: "INTERVAL",
    Base.UNKNOWN: "VARCHAR",
}
_OF_KIND = {
    Kind.BOOL: BOOL,
    Kind.INT32: INT4,
    Kind.INT64: INT8,
    Kind.FLOAT64: FLOAT8,
    Kind.STRING: TEXT,
    Kind.TIMESTAMP: TIMESTAMPTZ,
    Kind.LOCAL_TIMESTAMP: TIMESTAMP,
    Kind.DATE: DATE,
    Kind.JSON: TEXT,
    Kind.INTERVAL: INTERVAL,
}


def numeric(scale: int, *, uniform: bool = True) -> SqlType:
    """A numeric with so many digits behind the point."""
    return SqlType(Base.NUMERIC, scale, uniform)


def type_of_column(data_type: DataType) -> SqlType:
    """The type in queries of a view's column."""
    if data_type.kind is Kind.DECIMAL:
        return numeric(data_type.scale)
    return _OF_KIND.get(data_type.kind, OPAQUE)


def common_type(types: Iterable[SqlType]) -> SqlType | None:
    """The type that CASE, COALESCE, UNION, IN and comparisons give values of several types, as PostgreSQL does.

    UNKNOWN only when all are; None when there is no such type.
    """
    given = [part for part in types if part.base is not Base.UNKNOWN]
    if not given:
        return UNKNOWN
    bases = {part.base for part in given}
    if len(bases) == 1 and Base.NUMERIC not in bases:
        return None if Base.OPAQUE in bases else given[0]
    for family in (NUMBERS, TIMES):
        if bases <= set(family):
            widest = max(bases, key=family.index)
            return _common_numeric(given) if widest is Base.NUMERIC else SqlType(widest)
    return None


def _common_numeric(types: list[SqlType]) -> SqlType:
    scales = {part.scale for part in types}
    uniform = len(scales) == 1 and all(part.uniform for part in types)
    return numeric(max(scales), uniform=uniform)
