"""CSV: values by column name, broken records alone."""

import csv
import io
import random

import pytest

from datanexus.engine.decode.csv_decoder import csv_values
from datanexus.engine.decode.reason import Refusal
from datanexus_spec.datatype import BOOL, FLOAT64, INT32, JSON, STRING, decimal
from tests.fakes.chunks import decoder, field, reasons, record, text_chunk

_HEADER = ("time", "a", "b")
_PLAN = record(field("a", STRING), field("b", INT32))


def test_values_are_found_by_the_names_of_the_header() -> None:
    lines = [b"2,x,5", b'"3","y ""q"", z"," -7 "']
    decoded = decoder({"csv": {}}, _PLAN).decode(text_chunk(lines, header=("b", "a", "time")))
    assert [{"a": "x", "b": 2}] == decoded.records.select(["a", "b"]).to_pylist()[:1]
    assert ['y "q", z'] == decoded.records["a"].to_pylist()[1:]
    assert [5_000, -7_000] == decoded.event_time_us.tolist()


def test_an_empty_value_is_null_and_a_quoted_one_is_a_text() -> None:
    decoded = decoder({"csv": {}}, _PLAN).decode(text_chunk([b"0,,", b'0,"",', b"0,  ,"], header=_HEADER))
    assert [None, "", "  "] == decoded.records["a"].to_pylist()


def test_broken_records_are_refused_alone() -> None:
    lines = [
        b"0,x,1",
        b"0,x",
        b"0,x,1,",
        b'0,"x,1',
        b'0,"x"y,1',
        b"0,\xff,1",
        b"0,\x00,1",
        b"0,x,1.5",
        b"0,x,99999999999",
    ]
    decoded = decoder({"csv": {}}, _PLAN).decode(text_chunk([*lines, b"1,z,2"], header=_HEADER))
    assert [0, 9] == decoded.rows.tolist()
    expected = (
        ["WrongColumnCount"] * 2 + ["InvalidCsv"] * 2 + ["InvalidUtf8", "NulCharacter", "WrongType", "OutOfRange"]
    )
    assert expected == reasons(decoded)


def test_texts_become_typed_values() -> None:
    plan = record(field("x", FLOAT64), field("f", BOOL), field("d", decimal(9, 2)), field("j", JSON))
    lines = [b'0,+1.5, yes ,.125,"[1]"', b'0,1e3,F,007,"{""a"":1} "', b"0,nan,1,1,1", b"0,1,maybe,1,1", b"0,1,t,1,{"]
    decoded = decoder({"csv": {}}, plan).decode(text_chunk(lines, header=("time", "x", "f", "d", "j")))
    assert [1.5, 1000.0] == decoded.records["x"].to_pylist()
    assert [True, False] == decoded.records["f"].to_pylist()
    assert ["0.13", "7.00"] == [str(value) for value in decoded.records["d"].to_pylist()]
    assert ["[1]", '{"a":1} '] == decoded.records["j"].to_pylist()
    assert ["WrongType"] * 3 == reasons(decoded)


def test_columns_may_be_named_by_the_spec() -> None:
    form = {"csv": {"header": False, "columns": list(_HEADER), "delimiter": ";", "quote": "'"}}
    decoded = decoder(form, _PLAN).decode(text_chunk([b"0;'a;b';3"]))
    assert [("a;b", 3)] == list(zip(decoded.records["a"].to_pylist(), decoded.records["b"].to_pylist(), strict=True))


def test_a_column_that_is_not_there_is_missing_in_every_record() -> None:
    decoded = decoder({"csv": {}}, record(field("z", STRING, required=True))).decode(
        text_chunk([b"0"], header=["time"])
    )
    assert ["MissingField"] == reasons(decoded)


def test_an_unknown_column_refuses_every_record_where_unknown_fields_are_rejected() -> None:
    decoded = decoder({"csv": {}}, record(unknown="Reject")).decode(text_chunk([b"0,1"], header=("time", "z")))
    assert ["UnknownField"] == reasons(decoded)


@pytest.mark.parametrize("seed", range(3))
def test_the_kernel_the_strict_reader_and_the_standard_library_agree(seed: int) -> None:
    rng = random.Random(seed)
    rows = [
        ["0", *("".join(rng.choice('ab,"\n é') for _ in range(rng.randint(0, 9))) for _ in range(3))]
        for _ in range(200)
    ]
    lines = []
    for row in rows:
        out = io.StringIO()
        csv.writer(out, quoting=rng.choice((csv.QUOTE_MINIMAL, csv.QUOTE_ALL))).writerow(row)
        lines.append(out.getvalue()[:-2].encode())
    names = ("time", "a", "b", "c")
    plan = record(*(field(name, STRING) for name in names[1:]))
    decoded = decoder({"csv": {}}, plan).decode(text_chunk(lines, header=names))
    assert list(range(200)) == decoded.rows.tolist()
    found = [[value or "" for value in row.values()][:3] for row in decoded.records.to_pylist()]
    assert [row[1:] for row in rows] == found
    strict = [csv_values(line.decode(), ",", '"') for line in lines]
    assert rows == [[] if isinstance(values, Refusal) else [token.text for token in values] for values in strict]
