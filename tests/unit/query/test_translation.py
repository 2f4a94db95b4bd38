"""Laws of translated queries that need no PostgreSQL: what is refused, and what a prepared connection lets through."""

from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

from datanexus.query.catalogue import Catalogue, catalogue_of_columns
from datanexus.query.connection import PREPARATION
from datanexus.query.parsing import DEPTH_MAX, QueryError
from datanexus.query.sqltype import BOOL, INT4, INT8, OPAQUE, TEXT, TIMESTAMPTZ, numeric
from datanexus.query.translation import translate
from datanexus_spec.errors import InvalidInput

TRAFFIC = (
    ("window_start", TIMESTAMPTZ),
    ("section", TEXT),
    ("requests", INT8),
    ("Mixed", INT4),
    ("top", OPAQUE),
    ("final", BOOL),
)
CATALOGUE = Catalogue({("web_traffic", "traffic"): TRAFFIC, ("other", "visits"): (("n", INT8),)})


@pytest.fixture
def connection() -> Iterator[Any]:
    opened = duckdb.connect()
    opened.execute("CREATE SCHEMA web_traffic; CREATE SCHEMA other; CREATE TABLE other.visits (n BIGINT)")
    opened.execute(
        "CREATE TABLE web_traffic.traffic AS SELECT TIMESTAMPTZ '2015-05-17 10:00:00+00' AS window_start, "
        "'blog' AS section, 3::BIGINT AS requests, 5 AS Mixed, [{'value': 'x', 'count': 1}] AS top, true AS final"
    )
    for statement in PREPARATION:
        opened.execute(statement)
    yield opened
    opened.close()


def rows(connection: Any, sql: str) -> list[tuple[Any, ...]]:
    table = connection.sql(translate(sql, CATALOGUE)).to_arrow_table()
    return [tuple(row.values()) for row in table.to_pylist()]


def refusal(sql: str) -> QueryError:
    with pytest.raises(QueryError) as caught:
        translate(sql, CATALOGUE)
    assert isinstance(caught.value, InvalidInput)
    return caught.value


def test_columns_keep_the_names_they_are_selected_by(connection: Any) -> None:
    items = 'section, count(*), sum(requests) AS "All", max(section)::text, CASE WHEN true THEN 1 END'
    sql = f"SELECT {items} FROM traffic GROUP BY 1"
    result = connection.sql(translate(sql, CATALOGUE))
    assert ["section", "count", "All", "max", "case"] == result.columns


def test_a_view_is_found_without_its_schema_while_one_pipeline_has_it(connection: Any) -> None:
    assert [(3,)] == rows(connection, "SELECT requests FROM traffic")
    assert [(3,)] == rows(connection, "SELECT t.requests FROM web_traffic.traffic AS t")


def test_a_name_in_quotes_keeps_its_case(connection: Any) -> None:
    assert [(5,)] == rows(connection, 'SELECT "Mixed" FROM traffic')
    assert 'did you mean "Mixed"?' == refusal("SELECT Mixed FROM traffic").hint


def test_a_list_can_be_selected_but_not_compared(connection: Any) -> None:
    assert [([{"value": "x", "count": 1}],)] == rows(connection, "SELECT top FROM traffic")
    refusal("SELECT top = top FROM traffic")


def test_a_thousand_conditions_are_no_nesting(connection: Any) -> None:
    conditions = " AND ".join(f"requests <> {number}" for number in range(100, 1100))
    assert [(3,)] == rows(connection, f"SELECT requests FROM traffic WHERE {conditions}")
    guarded = " AND ".join(["requests <> 0", *["1 / requests = 0"] * 3])
    assert [(3,)] == rows(connection, f"SELECT requests FROM traffic WHERE {guarded}")


@pytest.mark.parametrize("opening", ["(", "NOT ", "- ", "abs("])
def test_deep_nesting_is_refused_and_does_not_exhaust_the_stack(opening: str) -> None:
    closing = ")" if "(" in opening else ""
    text = f"SELECT {opening * 5000}1{closing * 5000}"
    assert f"at most {DEPTH_MAX} levels" in refusal(text).message or "expected" in refusal(text).message


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM traffic",
        "INSERT INTO traffic SELECT * FROM traffic",
        "CREATE TABLE x AS SELECT 1",
        "EXPLAIN SELECT 1",
        "COPY traffic TO 'x'",
        "ATTACH 'x'",
        "PRAGMA version",
        "SET TimeZone = 'CET'",
        "WITH x AS (DELETE FROM traffic RETURNING *) SELECT * FROM x",
        "SELECT 1 INTO x FROM traffic",
        "SELECT * FROM traffic FOR UPDATE",
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP TABLE traffic",
        "",
        ";",
        "-- nothing",
    ],
)
def test_only_one_reading_statement_passes(sql: str) -> None:
    refusal(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM glob('*')",
        "SELECT * FROM duckdb_settings()",
        "SELECT * FROM information_schema.tables",
        "SELECT * FROM pg_catalog.pg_class",
        "SELECT * FROM _datanexus.fence",
        "SELECT getenv('HOME')",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT pg_numeric_divide(1, 0, 2, 0)",
        "SELECT error('x')",
        "SELECT nextval('x')",
    ],
)
def test_what_is_no_view_and_no_listed_function_is_refused(sql: str) -> None:
    refusal(sql)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "COPY (SELECT 1) TO '/tmp/stolen.csv'",
        "ATTACH '/tmp/other.duckdb'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET TimeZone = 'CET'",
    ],
)
def test_a_prepared_connection_refuses_files_and_settings_even_untranslated(connection: Any, statement: str) -> None:
    with pytest.raises(duckdb.Error):
        connection.execute(statement)


@pytest.mark.parametrize(
    ("sql", "line", "column"),
    [
        ("SELECT foo FROM traffic", 1, 8),
        ("SELECT requests,\n  nope(section)\nFROM traffic", 2, 3),
        ("SELECT requests\nFROM trafic", 2, 6),
        ("SELECT section + 1 FROM traffic", 1, 8),
        ("SELECT requests FROM traffic WHERE requests = 'x'", 1, 36),
        ("  DROP TABLE x", 1, 3),
        ("SELECT requests FROM traffic GROUP BY section", 1, 8),
        ("SELECT (1 FROM traffic", 1, 11),
    ],
)
def test_a_refusal_stands_where_the_cause_is(sql: str, line: int, column: int) -> None:
    error = refusal(sql)
    assert (line, column) == (error.line, error.column)
    assert error.message.startswith(f"query, line {line}, column {column}: ")


def test_the_catalogue_of_a_database_reads_duckdbs_types() -> None:
    found = catalogue_of_columns(
        [("a", "v", "x", "BIGINT"), ("a", "v", "y", "DECIMAL(12,3)"), ("a", "v", "z", "STRUCT(a INTEGER)[]")]
    )
    assert (("x", INT8), ("y", numeric(3)), ("z", OPAQUE)) == found.relations["a", "v"]


def test_text_in_a_query_stays_text(connection: Any) -> None:
    assert [("it's; DROP TABLE x --", "a\\nb")] == rows(
        connection, "SELECT 'it''s; DROP TABLE x --' AS a, 'a\\nb' AS b"
    )
