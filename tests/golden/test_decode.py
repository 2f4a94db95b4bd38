"""Every refusal of a record, in the words the user reads."""

from typing import Any

import pyarrow as pa

from datanexus.engine.decode import Decoded
from datanexus.engine.decode.json_text import RECORD_BYTES_MAX
from datanexus.engine.decode.reason import Reason
from datanexus.plan.physical import RecordPlan
from datanexus.ports.source import ColumnChunk
from datanexus_spec.datatype import BOOL, DATE, FLOAT64, INT32, INT64, JSON, STRING, TIMESTAMP, decimal
from tests.fakes.chunks import decoder, field, record, text_chunk
from tests.golden.golden_text import assert_golden

_LOG_TIME = "%d/%b/%Y:%H:%M:%S %z"
_PLAN = record(
    field("id", STRING, "id", "key", required=True, null_if=("-",)),
    field("n", INT32),
    field("big", INT64),
    field("x", FLOAT64),
    field("d", decimal(5, 2)),
    field("flag", BOOL),
    field("day", DATE),
    field("extra", JSON),
    field("at", TIMESTAMP, formats=("iso8601", _LOG_TIME)),
    field("seen", TIMESTAMP, formats=("epochSeconds",)),
)
_START = b'{"time":0,"id":"a"'
_MEMBERS = (
    b',"n":"12"',
    b',"n":1.0',
    b',"n":true',
    b',"n":[1,2]',
    b',"n":2147483648',
    b',"big":9223372036854775808',
    b',"x":"1"',
    b',"x":NaN',
    b',"x":1e999',
    b',"x":1e-400',
    b',"x":' + b"1" * 5000,
    b',"d":1000',
    b',"d":"1"',
    b',"flag":1',
    b',"day":"2015-02-29"',
    b',"day":20150228',
    b',"day":"28.2.2015"',
    b',"at":"31/Feb/2015:10:05:03 +0000"',
    b',"at":"2015-01-01T25:00:00Z"',
    b',"at":"0000-01-01"',
    b',"at":12',
    b',"at":"yesterday\\n"',
    b',"seen":"12"',
    b',"seen":1e30',
    b',"extra":"\\u0000"',
    b',"extra":"\\ud800"',
    b',"extra":"\xc3\x28"',
    b',"extra":"\x00"',
    b',"extra":' + b"[" * 300 + b"]" * 300,
    b',"n":1,"n":2',
    b',"extra":"' + "é".encode() * 200 + b'","n":"' + b"long " * 400 + b'"',
    b",}",
    b',"n":01',
    b"}{",
)
_LINES = (
    b'{"time":0}',
    b'{"time":0,"id":null}',
    b'{"time":0,"key":"-"}',
    b'{"time":null,"id":"a"}',
    b'{"time":0,"id":5}',
    b'{"time":0,"id":{"a":1}}',
    b"[1]",
    b'"text"',
    b"12",
    b"null",
    b'{"time":0,"id":"a"',
    b"\xef\xbb\xbf{}",
    b"garbage",
    b"",
)


def _report(title: str, decoded: Decoded) -> list[str]:
    return [title, *(f"  {bad.stage} {bad.reason} [{bad.subject}] {bad.message}" for bad in decoded.rejected), ""]


def _text(form: dict[str, Any], plan: RecordPlan, *lines: bytes, header: tuple[str, ...] = ()) -> Decoded:
    decoded = decoder(form, plan).decode(text_chunk(lines, header=header))
    assert 0 == len(decoded.rows)
    return decoded


def test_refusals_read_as_they_always_did() -> None:
    members = [_START + member + b"}" for member in _MEMBERS]
    csv_plan = record(field("a", STRING, required=True), field("n", INT32, null_if=("-",), required=True))
    csv_lines = (
        b"0,a",
        b'0,"a,1',
        b'0,"a"b,1',
        b"0,,1",
        b"0,a,",
        b"0,a,-",
        b"0,a,x",
        b"soon,a,1",
        b"0,\xff,1",
        b"0,\x00,1",
    )
    log = record(field("time", TIMESTAMP, "timestamp", formats=(_LOG_TIME,)), time=False)
    log_line = b'h - - [31/Feb/2015:10:05:03 +0200] "GET / HTTP/1.1" 200 0 "-" "-"'
    columns = pa.record_batch({"time": pa.array([0, 1, 2**60], pa.timestamp("ms")), "n": pa.array([1.5, 2.0, 0.0])})
    report = [
        *_report("ndjson", _text({"ndjson": {}}, _PLAN, *_LINES, *members)),
        *_report("a record too long", _text({"ndjson": {}}, record(), b" " * (RECORD_BYTES_MAX + 1))),
        *_report("unknown keys rejected", _text({"ndjson": {}}, record(unknown="Reject"), b'{"time":0,"zz":1}')),
        *_report("csv", _text({"csv": {}}, csv_plan, *csv_lines, header=("time", "a", "n"))),
        *_report("unknown column", _text({"csv": {}}, record(unknown="Reject"), b"0,1", header=("time", "z"))),
        *_report("log", _text({"text": {"preset": "combined"}}, log, b"what is this\t?", log_line)),
        *_report("pattern", _text({"text": {"pattern": "(?P<time>[0-9]+)"}}, record(), b"x")),
        *_report("columns", decoder({"arrow": {}}, record(field("n", INT32))).decode(ColumnChunk(columns, None))),  # type: ignore[arg-type]
    ]
    text = "\n".join(report)
    missing = [reason for reason in Reason if f" {reason.value} " not in text]
    assert [] == missing
    assert_golden("messages/decode.txt", text)
