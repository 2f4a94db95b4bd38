"""Binding: types as in PostgreSQL, names folded, and every mistake told with its place and a way out."""

import subprocess
import sys

import pytest

from datanexus.core.aggregate import FUNCTIONS as CORE_AGGREGATES
from datanexus.engine.evaluate.registry import LAZY, OPERATIONS
from datanexus.plan.binding import ExpressionError, bind_aggregate, bind_condition, bind_expression
from datanexus.plan.expression import Column, Schema, TextPosition
from datanexus.plan.functions import AGGREGATE_FUNCTIONS, FUNCTIONS
from datanexus_spec.datatype import INT64, STRING
from tests.golden.golden_text import assert_golden
from tests.unit.evaluate.samples import SCHEMA

MISTAKES = (
    "bytez + 1", "loer(path)", "status >=", "status >= (500", "status 500", "'open", "", "a;b", "status AS code",
    "time > now()", "current_date", "random()", "(SELECT 1)", "status IN (SELECT 1)", "sum(bytes)", "count(*)",
    "sum(bytes) OVER ()", "request.path", "doc.a", "path LIKE client", "path SIMILAR TO 'a'", "path ~ '(?=a)'",
    r"path ~ '(a)\1'", "path LIKE 'a\\'", "client + 1", "cached AND status", "CASE WHEN status THEN 1 END",
    "CASE WHEN cached THEN 1 ELSE 'a' || client END", "coalesce(status, client)", "doc = '{}'", "doc::int",
    "status::uuid", "status::numeric(50, 2)", "path::varchar(10)", "time::timestamp(3)", "'x'::int",
    "date '2021-02-30'",
    "timestamptz '2021-13-01 00:00Z'", "interval '1 month'", "interval 'soon'", "date_trunc('dya', time)",
    "extract(hours FROM time)", "extract(day FROM time - time)", "time AT TIME ZONE 'Mars/Base'", "split_part(path)",
    "ratio % 2", "round(ratio, 2)", "1e40",
    "price * price * price * price * price * 0.0000000000000000000000000000001",
    "regexp_match(path, 'a')", "regexp_like(path, 'a', 'x')", "if(cached, 1, 2)", "path[1]", "*", "status IN ()",
    "doc -> path", "doc #> 'a'", "path -> 'a'", "ratio BETWEEN SYMMETRIC 1 AND 2", "status = ANY(bytes)", "$1",
    "userid",
    "status >= 500\n  AND bytess > 0", "((((((" + "(" * 300 + "1" + ")" * 306,
)  # fmt: skip
AGGREGATE_MISTAKES = (
    "sun(bytes)", "sum(bytes) / count(*)", "bytes", "lower(path)", "count(DISTINCT path)", "sum(path)",
    "sum(time - time)",
    "avg(time)", "sum(sum(bytes))", "top_k(path)", "top_k(path, 0)", "approx_quantile(bytes, 2)", "count()",
    "count(bytes, path)",
    "count(*) FILTER (WHERE status)", "sum(bytes) FILTER (WHERE bytes > 0) OVER ()", "min(doc)",
    "count(*) FILTER (WHERE now() > time)",
)  # fmt: skip
TYPES = {
    "status + bytes": "int64", "status + status": "int32", "status + 1.5": "decimal(12,1)",
    "bytes * price": "decimal(29,2)",
    "price / 3": "decimal(38,30)", "price + ratio": "float64", "status / 2": "int32", "bytes / 2.0": "decimal(38,18)",
    "sqrt(price)": "float64", "floor(price)": "decimal(9,0)", "floor(status)": "float64",
    "round(price, 1)": "decimal(10,1)",
    "mod(bytes, 7)": "int64", "day + 1": "date", "day - day": "int32", "day + interval '1 hour'": "timestamp",
    "time - interval '1 month'": "timestamp", "time - time": "interval", "time AT TIME ZONE 'UTC'": "timestamp",
    "extract(year FROM time)": "decimal(10,0)", "date_part('year', time)": "float64", "doc -> 'a'": "json",
    "doc ->> 'a'": "string", "path || status": "string", "length(path)": "int32", "NULL": "string", "'a'": "string",
    "coalesce(status, bytes, 1.5)": "decimal(20,1)", "CASE WHEN cached THEN 1 ELSE 2.5 END": "decimal(11,1)",
    "nullif(status, 0)": "int32", "greatest(day, time)": "timestamp", "2147483648": "int64",
    "9223372036854775808": "decimal(19,0)",
    "-9223372036854775808": "int64", "ratio::numeric": "decimal(38,16)", "status::numeric": "decimal(10,0)",
    "1 = 1": "bool",
}  # fmt: skip
AGGREGATE_TYPES = {
    "count(*)": "int64", "count(path)": "int64", "sum(status)": "int64", "sum(bytes)": "decimal(38,0)",
    "sum(price)": "decimal(38,2)",
    "sum(ratio)": "float64", "avg(price)": "float64", "min(path)": "string", "max(time)": "timestamp",
    "first(cached)": "bool",
    "last(day)": "date", "variance(bytes)": "float64", "stddev(ratio)": "float64", "rate(bytes)": "float64",
    "approx_count_distinct(client)": "int64", "approx_quantile(bytes, 0.99)": "float64",
    "top_k(path, 10)": "top_k(string)",
    "max(time AT TIME ZONE 'UTC')": "timestamp",
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), TYPES.items())
def test_a_result_has_postgresqls_type(text: str, expected: str) -> None:
    assert expected == str(bind_expression(text, SCHEMA).type)


@pytest.mark.parametrize(("text", "expected"), AGGREGATE_TYPES.items())
def test_an_aggregate_has_its_documented_type(text: str, expected: str) -> None:
    assert expected == str(bind_aggregate(text, SCHEMA).type)


def _messages(texts: tuple[str, ...], bind: object) -> str:
    lines = []
    for text in texts:
        with pytest.raises(ExpressionError) as caught:
            bind(text, SCHEMA)  # type: ignore[operator]
        assert caught.value.reason == "InvalidExpression"
        assert caught.value.exit_code == 2
        lines.append(f"{caught.value.message}\n")
    return "\n".join(lines)


def test_messages_of_mistakes_in_expressions() -> None:
    assert_golden("messages/expressions/expressions.txt", _messages(MISTAKES, bind_expression))


def test_messages_of_mistakes_in_aggregates() -> None:
    assert_golden("messages/expressions/aggregates.txt", _messages(AGGREGATE_MISTAKES, bind_aggregate))


def test_a_condition_must_be_bool() -> None:
    assert "bool" == str(bind_condition("status >= 500", SCHEMA).type)
    with pytest.raises(ExpressionError, match="a condition of type int32; expected bool"):
        bind_condition("status", SCHEMA)


def test_a_mistake_is_located_by_line_and_column() -> None:
    with pytest.raises(ExpressionError) as caught:
        bind_expression("status >= 500\n  AND bytess > 0", SCHEMA)
    assert TextPosition(2, 7) == caught.value.position
    assert "bytes" == caught.value.suggestion


def test_an_unquoted_name_is_lower_case_first() -> None:
    schema = Schema((("Name", STRING), ("name", INT64)))
    assert Column("name", INT64) == bind_expression("Name", schema).root
    assert Column("Name", STRING) == bind_expression('"Name"', schema).root
    assert Column("userId", INT64) == bind_expression("userId", SCHEMA).root


def test_an_aggregate_keeps_its_parameters_and_filter() -> None:
    bound = bind_aggregate("approx_quantile(bytes, 0.5) FILTER (WHERE status < 500)", SCHEMA)
    assert ("approx_quantile", (0.5,)) == (bound.function, bound.parameters)
    assert bound.filter is not None
    assert (10,) == bind_aggregate("top_k(path, 10)", SCHEMA).parameters
    assert "stddev_samp" == bind_aggregate("stddev(bytes)", SCHEMA).function


def test_the_planner_and_the_core_know_the_same_aggregates() -> None:
    assert CORE_AGGREGATES == AGGREGATE_FUNCTIONS


def test_every_function_has_one_implementation() -> None:
    assert set(FUNCTIONS) == set(OPERATIONS) | LAZY


def test_binding_loads_no_column_library() -> None:
    code = (
        "import sys, datanexus.plan.binding; print(sorted({'pyarrow', 'numba', 'duckdb', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "[]\n" == done.stdout
