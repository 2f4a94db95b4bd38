"""Rows in each format say the same, and lose nothing that the format can say."""

import csv
import datetime as dt
import io
import json
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datanexus.cli.result_format import ResultFormat
from datanexus.cli.rows import encoded, refuse_binary_on_terminal
from datanexus_spec.errors import InvalidInput
from tests.golden.golden_text import assert_golden

TOP = pa.list_(pa.struct({"value": pa.string(), "count": pa.int64()}))
START = dt.datetime(2015, 5, 17, 10, tzinfo=dt.UTC)
ROWS = pa.table(
    {
        "window_start": pa.array([START, START, None], pa.timestamp("us", tz="UTC")),
        "section": pa.array(["blog", "a\tb \x1b[31m「é」", None]),
        "requests": pa.array([12, -3, None], pa.int64()),
        "bytes": pa.array([Decimal("12.50"), Decimal(10) ** 30, None], pa.decimal128(38, 2)),
        "p99": pa.array([0.1, float("nan"), float("-inf")]),
        "ok": pa.array([True, False, None]),
        "day": pa.array([dt.date(2015, 5, 17), dt.date(1, 1, 1), None]),
        "top": pa.array([[{"value": "x", "count": 2}], [], None], TOP),
        "raw": pa.array([b"\x00\xff", b"", None]),
    }
)  # fmt: skip


@pytest.mark.parametrize("output", [ResultFormat.TABLE, ResultFormat.CSV, ResultFormat.JSON, ResultFormat.NDJSON])
def test_rows_as_text(output: ResultFormat) -> None:
    assert_golden(f"messages/cli/rows.{output}", encoded(ROWS, output).decode())


def test_no_rows_are_a_result_in_every_format() -> None:
    none = ROWS.slice(0, 0)
    assert "(0 rows)" in encoded(none, ResultFormat.TABLE).decode()
    assert [] == json.loads(encoded(none, ResultFormat.JSON))
    assert b"" == encoded(none, ResultFormat.NDJSON)
    assert [ROWS.column_names] == list(csv.reader(io.StringIO(encoded(none, ResultFormat.CSV).decode())))


def test_binary_formats_hold_the_rows_themselves() -> None:
    rows = ROWS.drop_columns("p99")  # NaN is not equal to itself
    assert rows == pa.ipc.open_stream(encoded(rows, ResultFormat.ARROW)).read_all()
    assert rows == pq.read_table(io.BytesIO(encoded(rows, ResultFormat.PARQUET)))


def test_every_line_of_ndjson_is_json() -> None:
    rows = [json.loads(line) for line in encoded(ROWS, ResultFormat.NDJSON).splitlines()]
    assert json.loads(encoded(ROWS, ResultFormat.JSON)) == rows
    assert ["2015-05-17T10:00:00Z", 12, "NaN"] == [rows[0]["window_start"], rows[0]["requests"], rows[1]["p99"]]


def test_a_table_shows_no_control_characters() -> None:
    """What stands in data must not steer the terminal."""
    assert "\x1b" not in encoded(ROWS, ResultFormat.TABLE).decode()


def test_binary_rows_do_not_go_to_a_terminal() -> None:
    with pytest.raises(InvalidInput, match="is binary"):
        refuse_binary_on_terminal(ResultFormat.PARQUET, is_terminal=True)
    refuse_binary_on_terminal(ResultFormat.PARQUET, is_terminal=False)
    refuse_binary_on_terminal(ResultFormat.TABLE, is_terminal=True)
