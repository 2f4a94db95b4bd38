"""Expressions give PostgreSQL's values: random typed expressions over rows of edge cases, compared value by value.

An error of PostgreSQL for a row is a failure of that row here. PostgreSQL tells an error for a whole statement only,
so one that fails is asked again row by row. The limits are stated, and counted apart: years outside 1 to 9999,
decimals of more than 38 digits, NaN or infinity as decimal, infinity as time.
"""

import asyncio
import math
import os
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pyarrow as pa
import pytest

from datanexus.core.columns import arrow_type
from datanexus.engine.evaluate.evaluator import Evaluated, compile_expression
from datanexus.plan.binding import ExpressionError, bind_expression
from datanexus_spec.datatype import DataType, Kind
from tests.contract.expression_generator import COLUMNS, SCHEMA, Expressions, rows
from tests.servers.postgres import private_postgres

SEED = int(os.environ.get("DATANEXUS_SEED", "0")) or random.SystemRandom().randrange(1, 2**31)
EXPRESSIONS = 12_000 if os.environ.get("DATANEXUS_SOAK") == "1" else 1_200
ROWS = 48
YEARS_US = (-62_135_596_800_000_000, 253_402_300_799_999_999)
_INEXACT = ("sqrt", "cbrt", "ln(", "log(", "exp(", "power", "^", "date_part")
_LIMITS = (
    "year outside 1 to 9999",
    "years go from 1 to 9999",
    "38 digits",
    "no number for",
    '"infinity" cannot be read as',
)
_FAILED = object()


@dataclass(frozen=True, slots=True)
class Difference:
    """One expression and row where the two do not agree."""

    text: str
    row: int
    given: Any
    ours: Any
    theirs: Any

    def __str__(self) -> str:
        return f"{self.text}\n    row {self.row} {self.given}\n    ours {self.ours!r}, PostgreSQL {self.theirs!r}"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with private_postgres() as folder:
        yield folder


@pytest.mark.server
def test_expressions_equal_postgresql(server: str) -> None:
    print(f"DATANEXUS_SEED={SEED}, {EXPRESSIONS} expressions over {ROWS} rows")
    differences, counts = asyncio.run(_compare(server))
    print(dict(counts))
    assert differences == [], "\n".join(map(str, differences[:20]))
    assert counts["values"] > EXPRESSIONS * ROWS / 3
    assert counts["failures"] > EXPRESSIONS


async def _compare(server: str) -> tuple[list[Difference], Counter[str]]:
    generator = random.Random(SEED)
    table = rows(ROWS, generator)
    batch = pa.RecordBatch.from_arrays(
        [
            pa.array([row[place] for row in table], type=arrow_type(data_type))
            for place, (_, _, data_type) in enumerate(COLUMNS)
        ],
        names=[name for name, _, _ in COLUMNS],
    )
    connection = await asyncpg.connect(host=server, user="postgres", database="postgres")
    try:
        columns = ", ".join(f"{name} {sql_type}" for name, sql_type, _ in COLUMNS)
        await connection.execute(f"CREATE TABLE facts (n int, {columns})")
        places = ", ".join(f"${place}" for place in range(1, len(COLUMNS) + 2))
        await connection.executemany(f"INSERT INTO facts VALUES ({places})", [(n, *row) for n, row in enumerate(table)])
        expressions = Expressions(generator)
        differences: list[Difference] = []
        counts: Counter[str] = Counter()
        for _ in range(EXPRESSIONS):
            _, text = expressions.any(generator.randint(1, 4))
            differences += await _compare_one(connection, text, batch, counts)
    finally:
        await connection.close()
    return differences, counts


async def _compare_one(connection: Any, text: str, batch: pa.RecordBatch, counts: Counter[str]) -> list[Difference]:
    try:
        bound = bind_expression(text, SCHEMA)
    except ExpressionError as error:
        if await _refused(connection, text):
            counts["refused by both"] += 1
            return []
        return [Difference(text, -1, "", f"refused: {error.message}", "accepted")]
    if await _refused(connection, text):
        return [Difference(text, -1, "", "accepted", "refused")]
    evaluator = compile_expression(bound)
    evaluated = evaluator(batch)
    _check_slices(evaluated, evaluator, batch)
    ours = _ours(evaluated, bound.type)
    theirs = await _theirs(connection, _shown(text, bound.type))
    reasons = {failure.row: failure for failure in evaluated.failures}
    found = []
    for row, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
        failure = reasons.get(row)
        if failure is not None and other is not _FAILED and _stated_limit(failure.message):
            counts["stated limits"] += 1
        elif not _same(mine, other, text):
            seen = failure.message if failure is not None else mine
            found.append(
                Difference(text, row, batch.slice(row, 1).to_pylist()[0], seen, "error" if other is _FAILED else other)
            )
        else:
            counts["failures" if other is _FAILED else "nulls" if other is None else "values"] += 1
    return found


def _check_slices(evaluated: Evaluated, evaluator: Any, batch: pa.RecordBatch) -> None:
    """Batching changes nothing: two slices give what the whole gives."""
    middle = ROWS // 3
    first, second = evaluator(batch.slice(0, middle)), evaluator(batch.slice(middle))
    assert str(evaluated.values.to_pylist()) == str([*first.values.to_pylist(), *second.values.to_pylist()])
    assert [failure.row for failure in evaluated.failures] == [
        *(failure.row for failure in first.failures),
        *(failure.row + middle for failure in second.failures),
    ]


def _ours(evaluated: Evaluated, data_type: DataType) -> list[Any]:
    evaluated.values.validate(full=True)
    assert evaluated.values.type == arrow_type(data_type)
    values = evaluated.values
    if data_type.kind in (Kind.TIMESTAMP, Kind.INTERVAL):
        values = values.view(pa.int64())
    if data_type.kind is Kind.DATE:
        values = values.view(pa.int32())
    result = values.to_pylist()
    for failure in evaluated.failures:
        assert result[failure.row] is None
        result[failure.row] = _FAILED
    return result


def _shown(text: str, data_type: DataType) -> str:
    """The expression in a form that Python's driver can hold: times as numbers."""
    if data_type.kind in (Kind.TIMESTAMP, Kind.INTERVAL):
        return f"(extract(epoch from ({text})) * 1000000)::bigint"
    if data_type.kind is Kind.DATE:
        return f"(({text}) - date '1970-01-01')"
    return f"({text})"


async def _refused(connection: Any, text: str) -> bool:
    try:
        await connection.prepare(f"SELECT {text} FROM facts")
    except asyncpg.PostgresSyntaxError:
        return True
    except asyncpg.PostgresError as error:
        return bool(error.sqlstate.startswith("42"))
    return False


async def _theirs(connection: Any, text: str) -> list[Any]:
    try:
        return [record[0] for record in await connection.fetch(f"SELECT {text} FROM facts ORDER BY n")]
    except asyncpg.PostgresError:
        statement = await connection.prepare(f"SELECT {text} FROM facts WHERE n = $1")
    results: list[Any] = []
    for row in range(ROWS):
        try:
            results.append((await statement.fetchrow(row))[0])
        except asyncpg.PostgresError:
            results.append(_FAILED)
    return results


def _stated_limit(message: str) -> bool:
    return any(limit in message for limit in _LIMITS)


def _same(ours: Any, theirs: Any, text: str) -> bool:
    if ours is _FAILED or theirs is _FAILED or ours is None or theirs is None:
        return ours is theirs
    if isinstance(theirs, float):
        if math.isnan(theirs) or math.isnan(ours):
            return math.isnan(theirs) and math.isnan(ours)
        inexact = any(name in text for name in _INEXACT)
        return ours == theirs or (inexact and math.isclose(ours, theirs, rel_tol=1e-13))
    if isinstance(theirs, Decimal) and not theirs.is_nan() and "/" in text:
        return abs(Decimal(ours) - theirs) <= Decimal("1e-15") * max(Decimal(1), abs(theirs))
    if isinstance(theirs, (date, datetime, timedelta)):
        raise TypeError(f"{text} gives {type(theirs)}")
    return bool(ours == theirs)
