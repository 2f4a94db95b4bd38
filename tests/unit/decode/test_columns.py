"""Columns: every type that fits is read, what does not fit is refused row by row."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from datanexus.engine.decode import Decoded, raw_of
from datanexus.ports.source import ColumnChunk
from datanexus_spec.datatype import BOOL, DATE, FLOAT64, INT32, INT64, JSON, STRING, TIMESTAMP, DataType, decimal
from tests.fakes.chunks import decoder, field, reasons, record, text_chunk

_TIMES = pa.array([0, 1, 2, 3], pa.timestamp("us", "UTC"))


def _chunk(**columns: pa.Array) -> ColumnChunk:
    batch = pa.record_batch(columns)
    return ColumnChunk(batch, np.arange(batch.num_rows, dtype=np.int64))


def _decode(data_type: DataType, values: pa.Array, *origins: str, **options: Any) -> Decoded:
    plan = record(field("v", data_type, *origins, **options))
    return decoder({"arrow": {}}, plan).decode(_chunk(v=values, time=_TIMES[: len(values)]))


@pytest.mark.parametrize(
    ("data_type", "values", "expected"),
    [
        (BOOL, pa.array([True, None]), [True, None]),
        (INT32, pa.array([1, -(2**31)], pa.int64()), [1, -(2**31)]),
        (INT64, pa.array([255, None], pa.uint8()), [255, None]),
        (FLOAT64, pa.array([1.5, None], pa.float32()), [1.5, None]),
        (FLOAT64, pa.array([2**53 + 1, 3]), [float(2**53 + 1), 3.0]),
        (decimal(9, 2), pa.array([Decimal("1.005"), Decimal("-1.005")]), [Decimal("1.01"), Decimal("-1.01")]),
        (decimal(9, 2), pa.array([0.1, 2.0]), [Decimal("0.10"), Decimal("2.00")]),
        (decimal(20, 2), pa.array([Decimal("123456789012345678.91")]), [Decimal("123456789012345678.91")]),
        (decimal(9, 2), pa.array([Decimal("1.5"), None, Decimal("-0.5")])[1:], [None, Decimal("-0.50")]),
        (decimal(5, 2), pa.array([999, -999]), [Decimal(999), Decimal(-999)]),
        (INT32, pa.nulls(2), [None, None]),
        (STRING, pa.array(["x", None], pa.large_string()), ["x", None]),
        (STRING, pa.array(["x", "y"]).dictionary_encode(), ["x", "y"]),
        (STRING, pa.array(["skipped", "é", "z"])[1:], ["é", "z"]),
        (STRING, pa.array([b"x", b""], pa.binary()), ["x", ""]),
        (DATE, pa.array([date(1, 1, 1), date(9999, 12, 31)]), [date(1, 1, 1), date(9999, 12, 31)]),
        (DATE, pa.array(["2024-02-29", None]), [date(2024, 2, 29), None]),
        (JSON, pa.array(['{"a": 1}', "2"]), ['{"a": 1}', "2"]),
        (JSON, pa.array([{"a": [1, 2]}, None]), ['{"a":[1,2]}', None]),
        (TIMESTAMP, pa.array([1500, 2500], pa.timestamp("ns", "UTC")), [2, 2]),
        (TIMESTAMP, pa.array([1, -1], pa.timestamp("s")), [1_000_000, -1_000_000]),
        (TIMESTAMP, pa.array(["1970-01-01T00:00:00.5Z", None]), [500_000, None]),
        (TIMESTAMP, pa.array([date(1970, 1, 2), None]), [86_400_000_000, None]),
    ],
)
def test_values_that_fit_are_read(data_type: DataType, values: pa.Array, expected: list[Any]) -> None:
    decoded = _decode(data_type, values)
    assert () == decoded.rejected
    found = decoded.records["v"]
    assert expected == (found.cast(pa.int64()) if data_type is TIMESTAMP else found).to_pylist()


@pytest.mark.parametrize(
    ("data_type", "values", "expected"),
    [
        (INT32, pa.array([2**31, 0]), ["OutOfRange"]),
        (INT64, pa.array([2**63, 0], pa.uint64()), ["OutOfRange"]),
        (INT64, pa.array([1.0, None]), ["WrongType"]),
        (INT64, pa.array(["1", None]), ["WrongType"]),
        (FLOAT64, pa.array([float("nan"), float("inf")]), ["OutOfRange", "OutOfRange"]),
        (decimal(3, 2), pa.array([Decimal("9.995"), Decimal("9.99")]), ["OutOfRange"]),
        (decimal(5, 2), pa.array([1000, 1]), ["OutOfRange"]),
        (decimal(18, 0), pa.array([10**18, 1]), ["OutOfRange"]),
        (STRING, pa.array([1, None]), ["WrongType"]),
        (STRING, pa.array(["a\0b", "ok"]), ["NulCharacter"]),
        (STRING, pa.array([b"\xff", b"ok"]), ["InvalidUtf8"]),
        (DATE, pa.array([0, 1], pa.timestamp("us")), ["WrongType", "WrongType"]),
        (JSON, pa.array(["{", "1"]), ["WrongType"]),
        (TIMESTAMP, pa.array([2**62, 0], pa.timestamp("ms")), ["OutOfRange"]),
        (TIMESTAMP, pa.array(["soon", None]), ["InvalidTimestamp"]),
        (BOOL, pa.array([1, None]), ["WrongType"]),
    ],
)
def test_values_that_do_not_fit_are_refused_alone(data_type: DataType, values: pa.Array, expected: list[str]) -> None:
    decoded = _decode(data_type, values)
    assert expected == reasons(decoded)
    assert len(values) - len(expected) == len(decoded.rows)


def test_a_required_null_is_refused() -> None:
    assert ["NullField"] == reasons(_decode(INT32, pa.array([1, None]), required=True))
    assert ["NullField"] == reasons(_decode(STRING, pa.array(["a", None]), required=True))


def test_null_texts_hold_for_columns_too() -> None:
    assert [None, 1] == _decode(INT32, pa.array([-1, 1]), null_if=("-1",)).records["v"].to_pylist()
    assert [None, "a"] == _decode(STRING, pa.array(["-", "a"]), null_if=("-",)).records["v"].to_pylist()


def test_a_path_leads_into_structs() -> None:
    plan = record(field("v", INT32, "gone", "s.a.b"))
    values = pa.array([{"a": {"b": 1}}, {"a": None}, None])
    decoded = decoder({"parquet": {}}, plan).decode(_chunk(s=values, time=_TIMES[:3]))
    assert [1, None, None] == decoded.records["v"].to_pylist()


def test_epochs_and_local_times_are_moved_to_utc() -> None:
    plan = record(field("time", TIMESTAMP, formats=("epochSeconds",)), time=False, zone="Europe/Berlin")
    assert [5_000_000] == decoder({"arrow": {}}, plan).decode(_chunk(time=pa.array([5]))).event_time_us.tolist()
    nanos = record(field("time", TIMESTAMP, formats=("iso8601", "epochNanos")), time=False)
    counts = pa.array([1500, -2500])
    assert [2, -2] == decoder({"arrow": {}}, nanos).decode(_chunk(time=counts)).event_time_us.tolist()
    local = decoder({"arrow": {}}, plan).decode(_chunk(time=pa.array([0], pa.timestamp("us"))))
    assert [-3_600_000_000] == local.event_time_us.tolist()


def test_an_unknown_column_refuses_every_row_where_unknown_fields_are_rejected() -> None:
    decoded = decoder({"arrow": {}}, record(unknown="Reject")).decode(_chunk(time=_TIMES, z=_TIMES))
    assert ["UnknownField"] * 4 == reasons(decoded)


def test_the_raw_form_of_a_row_is_json() -> None:
    chunk = _chunk(
        a=pa.array([1.5, float("nan")]),
        b=pa.array(["é", None]),
        c=pa.array([b"\xff", b""]),
        d=pa.array([Decimal("1.50"), None]),
        e=pa.array([{"x": [date(2024, 1, 2)]}, None]),
        f=pa.array([datetime(2024, 1, 2, tzinfo=UTC), None], pa.timestamp("ns", "UTC")),
    )
    expected = '{"a":1.5,"b":"é","c":"/w==","d":"1.50","e":{"x":["2024-01-02"]},"f":"2024-01-02 00:00:00.000000000Z"}'
    assert expected == raw_of(chunk, 0).decode()
    assert '{"a":"nan","b":null,"c":"","d":null,"e":null,"f":null}' == raw_of(chunk, 1).decode()
    assert b"line" == raw_of(text_chunk([b"x", b"line"]), 1)


@pytest.mark.parametrize("odd", ["é", "\0", "plain"])
def test_texts_of_a_slice_are_judged_by_what_lies_in_it(odd: str) -> None:
    times = pa.array([0] * 6, pa.timestamp("us", tz="UTC"))
    texts = ["\0", "x" * 70, "", odd, "y", "é"]
    batch = pa.record_batch({"v": texts, "time": times})
    plan = record(field("v", STRING))
    for begin, end in ((1, 3), (1, 5), (3, 4), (4, 5)):
        chunk = ColumnChunk(batch.slice(begin, end - begin), np.arange(end - begin, dtype=np.int64))
        decoded = decoder({"arrow": {}}, plan).decode(chunk)
        assert [text for text in texts[begin:end] if "\0" not in text] == decoded.records["v"].to_pylist()
        assert ["NulCharacter" for text in texts[begin:end] if "\0" in text] == reasons(decoded)
        decoded.records.validate(full=True)
