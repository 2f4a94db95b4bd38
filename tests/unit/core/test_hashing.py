"""Key hashes: MurmurHash3 over canonical bytes, judged by the mmh3 package."""

import struct
from decimal import Decimal

import mmh3
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datanexus.core.hashing import hash_rows

INTEGER, BOOL, FLOAT, DECIMAL, STRING, TIMESTAMP, DATE, INTERVAL = (bytes([tag]) for tag in range(1, 9))
NULL = b"\0"
TIME = pa.timestamp("us", tz="UTC")


def murmur(content: bytes) -> tuple[int, int]:
    high, low = mmh3.hash64(content, x64arch=True, signed=False)
    return high, low


def hashes(*columns: pa.Array) -> list[tuple[int, int]]:
    return [(high, low) for high, low in hash_rows(columns).tolist()]


def word(value: int) -> bytes:
    return value.to_bytes(8, "little", signed=True)


@given(st.lists(st.one_of(st.none(), st.text(max_size=70))), st.integers(0, 3))
def test_a_string_hashes_as_its_bytes_and_its_tag(texts: list[str | None], skipped: int) -> None:
    column = pa.array([*["skipped"] * skipped, *texts], pa.string())[skipped:]
    assert [murmur(NULL if text is None else text.encode() + STRING) for text in texts] == hashes(column)


@pytest.mark.parametrize("length", range(50))
def test_every_length_of_a_string_is_hashed_to_its_last_byte(length: int) -> None:
    content = bytes(ord("a") + at % 26 for at in range(length))
    assert [murmur(content + STRING)] == hashes(pa.array([content.decode()]))


@given(st.lists(st.one_of(st.none(), st.integers(-(2**31), 2**31 - 1))))
def test_integers_of_equal_value_hash_alike_whatever_their_width(values: list[int | None]) -> None:
    expected = [murmur(NULL if value is None else word(value) + INTEGER) for value in values]
    assert expected == hashes(pa.array(values, pa.int32()))
    assert expected == hashes(pa.array(values, pa.int64()))


@given(st.lists(st.one_of(st.none(), st.floats())))
def test_floats_have_one_zero_and_one_nan(values: list[float | None]) -> None:
    def canonical(value: float) -> bytes:
        if value != value:
            return struct.pack("<Q", 0x7FF8000000000000)
        return struct.pack("<d", 0.0 if value == 0 else value)

    expected = [murmur(NULL if value is None else canonical(value) + FLOAT) for value in values]
    assert expected == hashes(pa.array(values, pa.float64()))


def test_negative_zero_is_zero_and_all_nans_are_one() -> None:
    odd_nan = np.array([0x7FF8000000000001, 0x7FF8000000000000], np.uint64).view(np.float64)
    assert hashes(pa.array([0.0])) == hashes(pa.array([-0.0]))
    assert 1 == len(set(hashes(pa.array(odd_nan))))


@given(st.lists(st.one_of(st.none(), st.booleans()), max_size=40), st.integers(0, 9))
def test_a_slice_of_bits_hashes_as_its_values(values: list[bool | None], skipped: int) -> None:
    column = pa.array([*[True] * skipped, *values], pa.bool_())[skipped:]
    assert [murmur(NULL if value is None else word(value) + BOOL) for value in values] == hashes(column)


def test_decimals_hash_as_sixteen_bytes() -> None:
    values = [Decimal("123456789012345678901234.01"), Decimal("-0.01"), None, Decimal("0.00")]
    expected = [
        murmur(NULL if value is None else int(value.scaleb(2)).to_bytes(16, "little", signed=True) + DECIMAL)
        for value in values
    ]
    column = pa.array(values, pa.decimal128(38, 2))
    assert expected == hashes(column)
    assert expected[1:] == hashes(column[1:])


@pytest.mark.parametrize(("data_type", "tag"), [(TIME, TIMESTAMP), (pa.duration("us"), INTERVAL)])
def test_times_hash_as_microseconds(data_type: pa.DataType, tag: bytes) -> None:
    values = [-1, 0, None, 1_431_820_800_000_000]
    expected = [murmur(NULL if value is None else word(value) + tag) for value in values]
    assert expected == hashes(pa.array(values, pa.int64()).cast(data_type))


def test_dates_hash_as_days() -> None:
    assert [murmur(word(-3) + DATE)] == hashes(pa.array([-3], pa.int32()).cast(pa.date32()))


@given(st.lists(st.tuples(st.one_of(st.none(), st.text(max_size=20)), st.integers(-5, 5), st.none()), min_size=1))
def test_a_further_column_hashes_on_top_of_the_hash_so_far(rows: list[tuple[str | None, int, None]]) -> None:
    def expected(text: str | None, number: int) -> tuple[int, int]:
        first = murmur(NULL if text is None else text.encode() + STRING)
        second = murmur(struct.pack("<QQ", *first) + word(number) + INTEGER)
        return murmur(struct.pack("<QQ", *second) + NULL)

    texts, numbers, nothing = zip(*rows, strict=True)
    columns = pa.array(texts, pa.string()), pa.array(numbers, pa.int64()), pa.array(nothing, pa.null())
    assert [expected(text, number) for text, number, _ in rows] == hashes(*columns)


def test_chained_decimals_and_strings_hash_on_top_of_the_hash_so_far() -> None:
    first = struct.pack("<QQ", *murmur(word(1) + INTEGER))
    second = struct.pack("<QQ", *murmur(first + (5).to_bytes(16, "little") + DECIMAL))
    columns = pa.array([1]), pa.array([Decimal(5)], pa.decimal128(20, 0)), pa.array(["x" * 33])
    assert [murmur(second + b"x" * 33 + STRING)] == hashes(*columns)


def test_rows_without_columns_have_one_hash() -> None:
    assert [murmur(NULL)] * 3 == [(high, low) for high, low in hash_rows([], rows=3).tolist()]


@pytest.mark.parametrize("data_type", [pa.string(), pa.int64(), pa.float64(), pa.bool_(), pa.null()])
def test_no_rows_give_no_hashes(data_type: pa.DataType) -> None:
    assert (0, 2) == hash_rows([pa.array([], data_type)]).shape


def test_bytes_at_an_odd_address_are_read_too() -> None:
    odd = pa.py_buffer(b"\0" + word(7))[1:]
    assert [murmur(word(7) + INTEGER)] == hashes(pa.Array.from_buffers(pa.int64(), 1, [None, odd]))


def test_a_type_the_project_does_not_have_is_refused() -> None:
    with pytest.raises(TypeError, match="a column of type list<item: int64> cannot be hashed"):
        hash_rows([pa.array([[1]])])
