"""Users' SQL over the running store, as the command `query` asks it: PostgreSQL's reading, translated for DuckDB."""

import pyarrow as pa

from datanexus.gateway import shapes
from datanexus.ports.store import Store
from datanexus.query.catalogue import COLUMNS_SQL, catalogue_of_columns
from datanexus.query.result_rows import json_rows
from datanexus.query.translation import translate

QUERY_S = 30.0


async def ask(store: Store, sql: str, limit: int) -> tuple[pa.Table, bool]:
    """At most `limit` rows, and whether there are more. Raises: InvalidInput, QueryError."""
    columns = await store.query(COLUMNS_SQL, timeout_s=QUERY_S)
    catalogue = catalogue_of_columns(tuple(row.values()) for row in columns.to_pylist())
    rows = await store.query(translate(sql, catalogue), rows_max=limit + 1, timeout_s=QUERY_S)
    return rows.slice(0, limit), rows.num_rows > limit


def result_of(rows: pa.Table, *, truncated: bool) -> dict[str, object]:
    """As shapes.QueryResult, for the encoder of result rows."""
    columns = [shapes.Column(name=column.name, type=str(column.type)).model_dump() for column in rows.schema]
    return {"columns": columns, "rows": json_rows(rows), "truncated": truncated}
