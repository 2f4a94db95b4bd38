"""The parts under the functions: zones, JSON spans, quotients, patterns, texts of floats, against plain Python."""

import json
import random
import struct
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest

from datanexus.core.columns import arrow_type
from datanexus.engine.evaluate import decimals, zones
from datanexus.engine.evaluate.evaluator import compile_expression
from datanexus.engine.evaluate.faults import Frame
from datanexus.plan import patterns
from datanexus.plan.binding import bind_expression
from datanexus.plan.expression import Call, Schema
from datanexus_spec.datatype import decimal
from datanexus_spec.errors import InvalidInput
from tests.unit.evaluate.samples import SCHEMA, evaluate, values

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOUR_US = 3_600_000_000


def _us(*parts: int) -> int:
    return (datetime(*parts, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    "zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kolkata"]
)
def test_offsets_are_those_of_the_tz_database(zone: str) -> None:
    generator = random.Random(7)
    instants = [generator.randrange(_us(1850, 1, 1), _us(2150, 1, 1)) for _ in range(2000)]
    clock = ZoneInfo(zone)
    expected = [
        (EPOCH + timedelta(microseconds=instant)).astimezone(clock).utcoffset() // timedelta(microseconds=1)  # type: ignore[operator]
        for instant in instants
    ]
    assert expected == zones.offsets_us(np.array(instants), zone).tolist()


def test_a_skipped_time_is_read_with_the_offset_before_the_gap() -> None:
    local = np.array([_us(2020, 3, 29, 2, 30)])
    assert [_us(2020, 3, 29, 1, 30)] == zones.from_local(local, "Europe/Berlin").tolist()


def test_a_repeated_time_is_its_second_occurrence() -> None:
    local = np.array([_us(2020, 10, 25, 2, 30)])
    assert [_us(2020, 10, 25, 1, 30)] == zones.from_local(local, "Europe/Berlin").tolist()


def test_a_time_outside_gaps_goes_to_its_zone_and_back() -> None:
    instants = np.array([_us(2020, 6, 1) + 7 * HOUR_US * step for step in range(2000)])
    repeated = (zones.to_local(instants, "Europe/Berlin") >= _us(2020, 10, 25, 2)) & (
        zones.to_local(instants, "Europe/Berlin") < _us(2020, 10, 25, 3)
    )
    back = zones.from_local(zones.to_local(instants, "Europe/Berlin"), "Europe/Berlin")
    assert instants[~repeated].tolist() == back[~repeated].tolist()


def test_json_access_finds_what_a_json_parser_finds() -> None:
    generator = random.Random(11)

    def value(depth: int) -> object:
        kind = generator.randrange(7 if depth else 4)
        if kind >= 5:
            return {generator.choice('abc\\"é,}'): value(depth - 1) for _ in range(generator.randrange(4))}
        if kind == 4:
            return [value(depth - 1) for _ in range(generator.randrange(4))]
        return [generator.randrange(-99, 99), None, generator.choice(["", 'q"', "\\", "é\n", "],}"]), True][kind]

    documents = [value(3) for _ in range(400)]
    texts = [
        json.dumps(document, ensure_ascii=generator.random() < 0.5, indent=generator.choice([None, 1]))
        for document in documents
    ]

    def expected(document: object) -> object:
        if isinstance(document, dict) and "a" in document:
            found = document["a"]
            return found if isinstance(found, str) or found is None else json.dumps(found)
        return None

    def plain(text: str | None, wanted: object) -> object:
        return text if text is None or text == wanted else json.dumps(json.loads(text))

    found = values("doc ->> 'a'", doc=texts)
    wanted = [expected(document) for document in documents]
    assert wanted == [plain(text, other) for text, other in zip(found, wanted, strict=True)]
    second = values("doc -> 1", doc=texts)
    assert [
        document[1] if isinstance(document, list) and len(document) > 1 else "absent" for document in documents
    ] == ["absent" if text is None else json.loads(text) for text in second]


def test_quotients_by_columns_equal_quotients_one_by_one() -> None:
    generator = random.Random(5)
    for _ in range(60):
        types = []
        for _ in range(2):
            precision = generator.randint(1, 18)
            types.append(decimal(precision, generator.randint(0, precision)))
        schema = Schema((("a", types[0]), ("b", types[1])))
        columns = []
        for data_type in types:
            edges = [0, 1, 9, 9999, 10_000, 10_001, generator.randrange(10**data_type.precision)]
            numbers = [
                Decimal(generator.choice([-1, 1]) * (generator.choice(edges) % 10**data_type.precision)).scaleb(
                    -data_type.scale
                )
                for _ in range(40)
            ]
            columns.append(pa.array([None, *numbers], arrow_type(data_type)))
        batch = pa.RecordBatch.from_arrays(columns, ["a", "b"]).slice(1)
        for text in ("a / b", "div(a, b)"):
            bound = bind_expression(text, schema)
            assert isinstance(bound.root, Call)
            one_by_one = decimals._quotients_row_by_row(
                bound.root, Frame(batch), decimals._without_zero(bound.root, Frame(batch), list(batch.columns))
            )
            assert one_by_one.to_pylist() == compile_expression(bound)(batch).values.to_pylist()


def test_the_text_of_a_float_reads_back_as_the_float() -> None:
    generator = random.Random(3)
    numbers = [struct.unpack("<d", generator.randbytes(8))[0] for _ in range(2000)]
    numbers += [generator.uniform(-1, 1) * 10 ** generator.randint(-8, 18) for _ in range(2000)]
    texts = values("ratio::text", ratio=numbers)
    assert [repr(number) for number in numbers] == [repr(float(text)) for text in texts]
    assert ["4.6116860162799043e+18"] == values("ratio::text", ratio=[2147483647.5**2])
    assert ["1e+15", "1e-05", "100000000000000", "0.0001", "Infinity", "-0"] == values(
        "ratio::text", ratio=[1e15, 1e-5, 1e14, 1e-4, float("inf"), -0.0]
    )


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [("(a)(b)", 2), ("(?:a)(b)", 1), (r"\(a\)", 0), ("[(]a", 0), ("[]()](a)", 1), ("(?P<x>a)", 1)],
)
def test_capturing_groups_are_counted(pattern: str, expected: int) -> None:
    assert expected == patterns.group_count(pattern)


def test_like_has_every_shape() -> None:
    paths = ["abc", "ab", "a%c", "a\nc", "ABC", ""]
    shapes = {
        "abc": [True, False, False, False, False, False],
        "a%": [True, True, True, True, False, False],
        "%c": [True, False, True, True, False, False],
        "%b%": [True, True, False, False, False, False],
        "a_c": [True, False, True, True, False, False],
        "a\\%c": [False, False, True, False, False, False],
        "": [False, False, False, False, False, True],
        "%": [True] * 6,
    }
    for pattern, expected in shapes.items():
        assert expected == values(f"path LIKE '{pattern}'", path=paths), pattern
    assert [True, True, True, True, True, False] == values("path ILIKE 'A%'", path=paths)


def test_a_pattern_that_re2_cannot_read_is_the_users_mistake() -> None:
    with pytest.raises(InvalidInput, match="is no RE2 regular expression: missing \\)"):
        compile_expression(bind_expression("path ~ '(a'", SCHEMA))


def test_a_group_that_took_no_part_is_null() -> None:
    assert [None, "b"] == values("(regexp_match(path, '(a)|(b)'))[2]", path=["a", "b"])
    assert [None] == values("(regexp_match(path, 'a'))[2]", path=["a"])


def test_a_time_is_never_wrapped() -> None:
    assert 1 == len(evaluate("time + interval '1 day'", time=[_us(9999, 12, 31, 12)]).failures)
    assert [_us(9999, 12, 31)] == values("time - interval '12 hours'", time=[_us(9999, 12, 31, 12)])


def test_in_finds_every_zero_and_every_nan() -> None:
    nans = [float("nan"), float("inf") - float("inf"), -float("nan")]
    assert [True] * 5 == values("(-ratio) IN (0, 'NaN'::float8)", ratio=[0.0, -0.0, *nans])
