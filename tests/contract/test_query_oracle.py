"""Ad hoc queries mean what they mean in PostgreSQL: generated queries run on both, the rows are equal or both fail.

A private PostgreSQL reads the query as it is, DuckDB its translation. The seed is printed; DATANEXUS_SEED repeats it.
"""

import asyncio
import math
import os
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import duckdb
import pytest

from datanexus.query.catalogue import Catalogue
from datanexus.query.connection import PREPARATION
from datanexus.query.parsing import QueryError
from datanexus.query.sqltype import BOOL, DATE, FLOAT8, INT4, INT8, TEXT, TIMESTAMPTZ, numeric
from datanexus.query.translation import translate
from tests.contract.query_generator import COLUMNS, POSTGRES_TYPES, Query, query, rows
from tests.servers.postgres import private_postgres

pytestmark = pytest.mark.server

QUERIES = 20_000  # in soak; a run of `make test` takes a tenth
CHUNK = 500
_SOAK = os.environ.get("DATANEXUS_SOAK") == "1"
_SEED = int(os.environ.get("DATANEXUS_SEED", random.SystemRandom().randrange(10**6)))
_TYPES = {
    "int": INT4, "bigint": INT8, "numeric": numeric(2), "float": FLOAT8, "text": TEXT, "bool": BOOL,
    "time": TIMESTAMPTZ, "date": DATE,
}  # fmt: skip
CATALOGUE = Catalogue({("lab", "events"): tuple((name, _TYPES[kind]) for name, kind in COLUMNS.items())})
_FLOAT_TOLERANCE = 1e-12  # of sums, quotients and functions that PostgreSQL leaves to the C library
_NUMERIC_TOLERANCE = Decimal("1e-20")  # quotients of decimals have 20 digits behind the point here
_LIMITS = ("DECIMAL", "HUGEINT", "INT128", "numeric", "digits")  # words of DuckDB about numbers beyond 38 digits


@dataclass(slots=True)
class Tally:
    """What happened to the queries of a chunk."""

    outcomes: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with private_postgres() as socket_folder:
        yield socket_folder


@pytest.mark.parametrize("chunk", range((QUERIES if _SOAK else QUERIES // 10) // CHUNK))
def test_generated_queries_give_the_rows_of_postgresql(server: str, chunk: int) -> None:
    """Equal rows of equal types, or an error in both; what is refused, or beyond 38 digits, is counted and rare."""
    queries = [query(_SEED, number) for number in range(chunk * CHUNK, (chunk + 1) * CHUNK)]
    tally = asyncio.run(_compare(server, queries))
    print(f"seed {_SEED}, queries {chunk * CHUNK} …: {dict(sorted(tally.outcomes.items()))}")
    assert [] == tally.differences[:5], f"seed {_SEED}; {len(tally.differences)} differences"
    assert tally.outcomes["refused"] <= CHUNK // 50
    for tolerated in ("NULL for an error", "PostgreSQL fails while planning", "beyond 38 digits"):
        assert tally.outcomes[tolerated] <= CHUNK // 50
    assert tally.outcomes["equal"] >= CHUNK // 2


async def _compare(server: str, queries: Sequence[Query]) -> Tally:
    tally = Tally()
    made = rows(random.Random(_SEED))
    columns = ", ".join(f'"{name}" {POSTGRES_TYPES[kind]}' for name, kind in COLUMNS.items())
    insert = f"INSERT INTO lab.events VALUES {', '.join('(' + ', '.join(row) + ')' for row in made)}"
    local = duckdb.connect()
    for statement in ("CREATE SCHEMA lab", f"CREATE TABLE lab.events ({columns})", "SET TimeZone = 'UTC'", insert):
        local.execute(statement)
    for statement in PREPARATION:
        local.execute(statement)
    remote = await asyncpg.connect(host=server, user="postgres", database="postgres")
    try:
        await remote.execute("DROP SCHEMA IF EXISTS lab CASCADE; CREATE SCHEMA lab")
        await remote.execute(f"CREATE TABLE lab.events ({columns})")
        await remote.execute(insert)
        for one in queries:
            await _compare_one(one, local, remote, tally)
    finally:
        await remote.close()
        local.close()
    return tally


async def _compare_one(one: Query, local: Any, remote: Any, tally: Tally) -> None:
    theirs, their_error = await _on_postgres(one.text, remote)
    try:
        translated = translate(one.text, CATALOGUE)
    except QueryError as error:
        tally.outcomes["both fail" if their_error else "refused"] += 1
        if not their_error:
            tally.outcomes[f"refused: {error.message.split(': ', 1)[1][:60]}"] += 1
        return
    ours, our_error = _on_duckdb(translated, local)
    if our_error and their_error:
        tally.outcomes["both fail"] += 1
        return
    if our_error and not their_error and any(word in our_error for word in _LIMITS):
        tally.outcomes["beyond 38 digits"] += 1
        return
    shown = f"{one.text}\n  translated: {translated}"
    if their_error and ours and any(all(value is None for value in column) for column in zip(*ours, strict=True)):
        tally.outcomes["NULL for an error"] += 1  # DuckDB skips what cannot change a NULL
        return
    if their_error and (await _on_postgres(f"EXPLAIN {one.text}", remote))[1]:
        tally.outcomes["PostgreSQL fails while planning"] += 1  # it computes constants of branches it never reaches
        return
    if our_error or their_error:
        tally.differences.append(f"{shown}\n  here: {our_error or ours}\n  PostgreSQL: {their_error or theirs}")
        return
    assert ours is not None
    assert theirs is not None
    if not one.ordered:
        ours, theirs = sorted(ours, key=repr), sorted(theirs, key=repr)
    if _equal_rows(ours, theirs):
        tally.outcomes["equal"] += 1
        tally.outcomes[f"equal, {one.kind}"] += 1
    else:
        pairs = [pair for pair in zip(ours, theirs, strict=False) if not _equal_rows([pair[0]], [pair[1]])][:3]
        tally.differences.append(f"{shown}\n  (here, PostgreSQL): {pairs or (len(ours), len(theirs))}")


async def _on_postgres(text: str, remote: Any) -> tuple[list[tuple[Any, ...]] | None, str]:
    try:
        return [tuple(record.values()) for record in await remote.fetch(text)], ""
    except (asyncpg.PostgresError, OverflowError) as error:
        return None, f"{type(error).__name__}: {error}"


def _on_duckdb(text: str, local: Any) -> tuple[list[tuple[Any, ...]] | None, str]:
    try:
        table = local.sql(text).to_arrow_table()
    except duckdb.Error as error:
        return None, f"{type(error).__name__}: {error}"
    columns = [column.to_pylist() for column in table.columns]
    return [tuple(map(_plain, row)) for row in zip(*columns, strict=True)], ""


def _plain(value: Any) -> Any:
    if hasattr(value, "nanoseconds"):  # an interval: months count 30 days, as the PostgreSQL driver does
        return timedelta(days=value.months * 30 + value.days, microseconds=value.nanoseconds // 1000)
    return value


def _equal_rows(ours: Sequence[tuple[Any, ...]], theirs: Sequence[tuple[Any, ...]]) -> bool:
    return len(ours) == len(theirs) and all(
        len(left) == len(right) and all(map(_equal, left, right)) for left, right in zip(ours, theirs, strict=True)
    )


def _equal(left: Any, right: Any) -> bool:
    if left is None or right is None:
        return left is right
    if type(left) is not type(right):
        return False
    if isinstance(left, Decimal):
        return abs(left - right) <= _NUMERIC_TOLERANCE if right.is_finite() else False
    if isinstance(left, float):
        if math.isnan(left) or math.isnan(right):
            return math.isnan(left) and math.isnan(right)
        return left == right or math.isclose(left, right, rel_tol=_FLOAT_TOLERANCE)
    return bool(left == right)
