"""The project's types as Arrow types: the one place where the two meet."""

import pyarrow as pa

from datanexus_spec.datatype import DataType, Kind

TIME = pa.timestamp("us", tz="UTC")
_SIMPLE = {
    Kind.BOOL: pa.bool_(),
    Kind.INT32: pa.int32(),
    Kind.INT64: pa.int64(),
    Kind.FLOAT64: pa.float64(),
    Kind.STRING: pa.string(),
    Kind.TIMESTAMP: TIME,
    Kind.LOCAL_TIMESTAMP: pa.timestamp("us"),
    Kind.DATE: pa.date32(),
    Kind.JSON: pa.string(),
    Kind.INTERVAL: pa.duration("us"),
    Kind.NULL: pa.null(),
}


def arrow_type(data_type: DataType) -> pa.DataType:
    """The Arrow type that holds values of a DataNexus type."""
    if data_type.kind is Kind.DECIMAL:
        return pa.decimal128(data_type.precision, data_type.scale)
    if data_type.kind is Kind.TOP_K:
        assert data_type.element is not None
        return pa.list_(pa.struct([("value", arrow_type(data_type.element)), ("count", pa.int64())]))
    return _SIMPLE[data_type.kind]
