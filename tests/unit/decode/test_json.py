"""Single facts about JSON records that no random line needs to show."""

import time
from decimal import Decimal

import pytest

from datanexus.engine.decode.json_text import RECORD_BYTES_MAX
from datanexus_spec.datatype import BOOL, DATE, FLOAT64, INT32, INT64, JSON, STRING, TIMESTAMP, decimal
from tests.fakes.chunks import decoded_lines, decoder, field, reasons, record, text_chunk

_TIME = b'"time":0'


def _values(plan_field: object, *values: bytes) -> list[object]:
    plan = record(plan_field)  # type: ignore[arg-type]
    return decoded_lines(plan, *(b'{"v":' + value + b"," + _TIME + b"}" for value in values)).records["v"].to_pylist()


def test_columns_come_in_the_order_of_the_record_and_rows_ascend() -> None:
    plan = record(field("b", INT32, required=True), field("a", STRING))
    decoded = decoded_lines(
        plan, b'{"a":"x","b":1,"time":5}', b"{}", b'{"time":"1970-01-01T00:00:01Z","b":2}', b'{"b":"3","time":1}'
    )
    assert ["b", "a", "time"] == decoded.records.schema.names
    assert [0, 2] == decoded.rows.tolist()
    assert [5_000, 1_000_000] == decoded.event_time_us.tolist()
    assert [(1, "MissingField"), (3, "WrongType")] == [(bad.row, bad.reason) for bad in decoded.rejected]
    assert [{"b": 1, "a": "x"}, {"b": 2, "a": None}] == decoded.records.select(["b", "a"]).to_pylist()


def test_every_row_is_accepted_or_rejected_never_both() -> None:
    decoded = decoded_lines(record(), b'{"time":0}', b"x", b'{"time":"\\u0041"}', b'{"time":1}')
    assert [0, 3] == decoded.rows.tolist()
    assert [1, 2] == [bad.row for bad in decoded.rejected]


def test_a_chunk_without_rows_gives_no_rows() -> None:
    decoded = decoded_lines(record(field("a", STRING)))
    assert 0 == decoded.records.num_rows
    assert ["a", "time"] == decoded.records.schema.names


def test_an_integer_is_written_without_fraction_or_exponent() -> None:
    assert [0, -9223372036854775808] == _values(field("v", INT64), b"-0", b"-9223372036854775808", b"1.0", b"1e2")


def test_a_float_is_the_nearest_one() -> None:
    texts = (b"0.1234567890123456789", b"9007199254740993", b"1e22", b"123456789012345678901e-5", b"5e-324", b"1e23")
    assert [float(text) for text in texts] == _values(field("v", FLOAT64), *texts)


def test_a_float_keeps_the_sign_of_zero() -> None:
    assert ["-0.0", "-0.0"] == [str(value) for value in _values(field("v", FLOAT64), b"-0", b"-0.0e5")]


def test_a_decimal_is_rounded_away_from_zero_at_a_tie() -> None:
    expected = [Decimal("1.01"), Decimal("-1.01"), Decimal("0.00"), Decimal("100.00")]
    assert expected == _values(field("v", decimal(5, 2)), b"1.005", b"-1.005", b"0.0049", b"1e2", b"999.995")


def test_a_decimal_of_38_digits_is_exact() -> None:
    text = b"-12345678901234567890123456789012345678"
    assert [Decimal(text.decode())] == _values(field("v", decimal(38, 0)), text)


def test_json_is_the_text_of_any_value_and_null_is_null() -> None:
    texts = (b'{"b": [1, "x"]}', b'"q\\"\\u00e9"', b"1.50", b"true", b"null")
    assert ['{"b": [1, "x"]}', '"q\\"\\u00e9"', "1.50", "true", None] == _values(field("v", JSON), *texts)


def test_strings_are_unescaped() -> None:
    escapes = b'"\\b\\f\\n\\r\\t\\/\\\\\\"\\u00e9\\u20ac\\ud83d\\ude00"'
    assert ['\b\f\n\r\t/\\"é€😀'] == _values(field("v", STRING), escapes)


def test_null_texts_are_compared_with_content_or_number() -> None:
    texts = (b'"-"', b'"\\u002d"', b"-1", b'"- "', b"-1.0")
    assert [None, None, "- "] == _values(field("v", STRING, null_if=("-", "-1")), *texts[:2], texts[3])
    assert [None, -2] == _values(field("v", INT64, null_if=("-", "-1")), b"-1", b"-2")


def test_a_boolean_is_no_string_and_no_number() -> None:
    assert [True, False] == _values(field("v", BOOL), b"true", b"false", b'"true"', b"1")


def test_a_date_is_the_day_that_is_written() -> None:
    days = _values(field("v", DATE), b'"2024-02-29"', b'"2024-03-01T00:30:00+02:00"', b'"2023-02-29"')
    assert ["2024-02-29", "2024-03-01"] == [str(day) for day in days]


def test_the_first_name_that_is_present_counts_even_if_null() -> None:
    plan = record(field("v", STRING, "a", "b.c", "d"))
    lines = (
        b'{"b":{"c":"2"},"a":"1"',
        b'{"b":{"c":"2"},"d":"3"',
        b'{"a":null,"d":"3"',
        b'{"b":{"x":1},"d":"3"',
        b'{"b":[]',
    )
    decoded = decoded_lines(plan, *(line + b"," + _TIME + b"}" for line in lines))
    assert ["1", "2", None, "3", None] == decoded.records["v"].to_pylist()


def test_a_dotted_key_goes_before_the_path_it_spells() -> None:
    plan = record(field("v", STRING, "a.b"))
    decoded = decoded_lines(plan, b'{"a":{"b":"path"},"a.b":"key","time":0}', b'{"a":{"b":"x","b":"y"},"time":0}')
    assert ["key"] == decoded.records["v"].to_pylist()
    assert ["DuplicateKey"] == reasons(decoded)


def test_unknown_keys_pass_unless_they_are_rejected() -> None:
    lines = (b'{"time":0,"x":1}', b'{"time":0}')
    assert [] == reasons(decoded_lines(record(), *lines))
    assert ["UnknownField"] == reasons(decoded_lines(record(unknown="Reject"), *lines))


def test_a_key_may_repeat_where_nobody_reads_it() -> None:
    lines = (b'{"time":0,"x":1,"x":2}', b'{"time":0,"t\\u0069me":1}')
    assert ["DuplicateKey"] == reasons(decoded_lines(record(), *lines))


def test_keys_may_change_their_order_from_line_to_line() -> None:
    plan = record(field("a", INT64), field("b", INT64))
    lines = (
        b'{"a":1,"b":2,"time":0}',
        b'{"time":0,"b":2,"a":1}',
        b'{"x":0,"b":2,"time":0,"a":1}',
        b'{"bb":9,"time":0}',
    )
    assert [1, 1, 1, None] == decoded_lines(plan, *lines).records["a"].to_pylist()


def test_a_byte_order_mark_is_passed_at_the_beginning_of_a_split_only() -> None:
    lines = (b'\xef\xbb\xbf{"time":0}', b'\xef\xbb\xbf{"time":0}')
    decoded = decoder({"ndjson": {}}, record()).decode(text_chunk(lines, position=0))
    assert [0] == decoded.rows.tolist()
    assert ["InvalidJson"] == reasons(decoded)


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"a":'])
def test_ten_thousand_levels_are_refused_and_do_no_harm(opening: bytes) -> None:
    decoded = decoded_lines(record(), b'{"time":0,"x":' + opening * 10_000, b'{"time":0}')
    assert [1] == decoded.rows.tolist()
    assert ["TooDeep"] == reasons(decoded)


def test_a_line_of_ten_megabytes_is_a_record_like_any_other() -> None:
    long = b'{"time":0,"v":"' + b"x" * 10_000_000 + b'"}'
    begin = time.process_time()
    decoded = decoded_lines(record(field("v", STRING)), long, long[:-2], b'{"time":0}')
    assert time.process_time() - begin < 2
    assert [10_000_000, None] == [value and len(value) for value in decoded.records["v"].to_pylist()]
    assert ["InvalidJson"] == reasons(decoded)


def test_a_record_that_a_reader_cut_off_is_refused_whatever_it_says() -> None:
    decoded = decoded_lines(record(), b'{"time":0}' + b" " * RECORD_BYTES_MAX, b'{"time":0}')
    assert ["TooLong"] == reasons(decoded)
    assert [1] == decoded.rows.tolist()


def test_elements_of_a_document_may_span_lines() -> None:
    chunk = text_chunk([b'{\n "time": 0,\r\n "v": [\n1]\n}', b'{"time":0,"v":{}}'])
    decoded = decoder({"json": {}}, record(field("v", JSON))).decode(chunk)
    assert ["[\n1]", "{}"] == decoded.records["v"].to_pylist()


def test_texts_may_outgrow_all_that_came_before() -> None:
    plan = record(field("v", STRING), field("w", STRING))
    long = [("x" * size, "é\\n" * size) for size in (0, 1, 31, 32, 33, 70_000, 3)]
    lines = [f'{{"v":"{v}","w":"{w}","time":{row}}}'.encode() for row, (v, w) in enumerate(long)]
    reader = decoder({"ndjson": {}}, plan)
    for some in (lines[:3], lines, lines[:3]):
        decoded = reader.decode(text_chunk(some))
        assert [v for v, _ in long[: len(some)]] == decoded.records["v"].to_pylist()
        assert [w.replace("\\n", "\n") for _, w in long[: len(some)]] == decoded.records["w"].to_pylist()


def test_nulls_and_judged_rows_stand_where_they_came() -> None:
    plan = record(field("n", INT64), field("s", STRING), field("x", FLOAT64), field("at", TIMESTAMP))
    lines = (
        b'{"n":1,"s":"a","x":1.5,"at":"2015-05-17T10:05:03Z","time":1}',
        b'{"n":null,"s":null,"x":null,"at":null,"time":2}',
        b'{"n":2,"\\u0073":"judged","time":3}',
        b'{"time":"1970-01-01T00:00:00.004Z"}',
        b'{"n":"x","time":5}',
        b'{"n":-9223372036854775808,"s":"\\u00e9","x":1,"at":"2015-05-17 10:05","time":"1970-01-01T00:00:00.006+00"}',
    )
    decoded = decoded_lines(plan, *lines)
    assert [0, 1, 2, 3, 5] == decoded.rows.tolist()
    assert [1_000, 2_000, 3_000, 4_000, 6_000] == decoded.event_time_us.tolist()
    assert [1, None, 2, None, -(2**63)] == decoded.records["n"].to_pylist()
    assert ["a", None, "judged", None, "é"] == decoded.records["s"].to_pylist()
    assert [1.5, None, None, None, 1.0] == decoded.records["x"].to_pylist()
    assert [3, None, None, None, 0] == [at and at.second for at in decoded.records["at"].to_pylist()]
    decoded.records.validate(full=True)


def test_a_plain_time_keeps_its_rules_beside_one_of_the_same_minute() -> None:
    texts = ("59Z", "60Z", "00.123Z", "00.12aZ", "6:.123Z", "59.999999Z", "59.99999 Z", "07z", "07+01:00", "61Z")
    lines = [f'{{"time":"2016-12-31T23:59:{text}"}}'.encode() for text in texts]
    decoded = decoded_lines(record(), *lines)
    start_us = 1_483_228_740_000_000
    expected = [59_000_000, 60_000_000, 123_000, 59_999_999, 7_000_000, 7_000_000 - 3_600_000_000]
    assert expected == (decoded.event_time_us - start_us).tolist()
    assert [0, 1, 2, 5, 7, 8] == decoded.rows.tolist()
