"""The types a field of the record can be declared with, as text: `int64`, `string`, `decimal(12,2)`."""

import re

from datanexus_spec.datatype import DataType, Kind, decimal

FIELD_KINDS = (
    Kind.BOOL,
    Kind.INT32,
    Kind.INT64,
    Kind.FLOAT64,
    Kind.DECIMAL,
    Kind.STRING,
    Kind.TIMESTAMP,
    Kind.DATE,
    Kind.JSON,
)
PATTERN = r"^(bool|int32|int64|float64|string|timestamp|date|json|decimal\([0-9]{1,2}, ?[0-9]{1,2}\))$"
NAMES = tuple(kind.value for kind in FIELD_KINDS if kind is not Kind.DECIMAL)
EXPECTED = f"one of {', '.join(NAMES)} or decimal(PRECISION,SCALE)"
PRECISION_MAX = 38
# What other systems call these types.
SYNONYMS = {
    **dict.fromkeys(("int", "integer", "bigint", "long", "int8"), "int64"),
    **dict.fromkeys(("smallint", "int4", "short"), "int32"),
    **dict.fromkeys(("float", "double", "real", "number", "double precision"), "float64"),
    **dict.fromkeys(("text", "str", "varchar"), "string"),
    **dict.fromkeys(("datetime", "timestamptz", "time", "instant"), "timestamp"),
    **dict.fromkeys(("numeric", "decimal"), "decimal(18,2)"),
    "boolean": "bool",
    "jsonb": "json",
}

_DECIMAL = re.compile(r"^decimal\(([0-9]{1,2}), ?([0-9]{1,2})\)$")


def field_type_from_text(text: str) -> DataType:
    """Read the type of a record field.

    Raises: ValueError, saying what is expected.
    """
    if text in NAMES:
        return DataType(Kind(text))
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise ValueError(EXPECTED)
    precision, scale = int(match[1]), int(match[2])
    if not 1 <= precision <= PRECISION_MAX or scale > precision:
        raise ValueError(f"decimal(PRECISION,SCALE) with 1 to {PRECISION_MAX} digits, of which SCALE behind the point")
    return decimal(precision, scale)
