"""What a query may read: views with the names and types of their columns. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from datanexus.query.sqltype import BOOL, INT8, OPAQUE, TEXT, TIMESTAMPTZ, Base, SqlType, numeric

# The views of all pipelines; the store's own tables are in a schema that starts with an underscore.
COLUMNS_SQL = """
SELECT schema_name, table_name, column_name, data_type
FROM duckdb_columns()
WHERE database_name = current_database() AND NOT internal AND NOT starts_with(schema_name, '_')
ORDER BY schema_name, table_name, column_index
"""
Columns = tuple[tuple[str, SqlType], ...]
_OF_DUCKDB = {
    "BOOLEAN": BOOL,
    "INTEGER": SqlType(Base.INT4),
    "BIGINT": INT8,
    "DOUBLE": SqlType(Base.FLOAT8),
    "VARCHAR": TEXT,
    "DATE": SqlType(Base.DATE),
    "TIMESTAMP": SqlType(Base.TIMESTAMP),
    "TIMESTAMP WITH TIME ZONE": TIMESTAMPTZ,
    "INTERVAL": SqlType(Base.INTERVAL),
    "JSON": TEXT,
}


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Relations by (schema, name). A view of pipeline `web-traffic` is in schema `web_traffic`."""

    relations: Mapping[tuple[str, str], Columns]

    def find(self, schema: str | None, name: str) -> tuple[tuple[str, str], Columns] | None:
        """The relation of a name; without a schema only when one schema alone has it."""
        found = [
            (key, columns) for key, columns in self.relations.items() if key[1] == name and schema in (None, key[0])
        ]
        return found[0] if len(found) == 1 else None

    def near(self, schema: str | None, name: str) -> str:
        """The relation whose name is most like this one; empty when none is."""
        full = [f"{schema}.{name}" for schema, name in self.relations]
        wanted = f"{schema}.{name}" if schema else name
        by_name = [f"{key[0]}.{key[1]}" for key in self.relations if key[1] == name]
        return next(iter(by_name or get_close_matches(wanted, full, n=1)), "")

    @property
    def names(self) -> list[str]:
        return sorted(f"{schema}.{name}" for schema, name in self.relations)


def sql_schema(pipeline: str) -> str:
    """The schema of a pipeline's views in SQL: its name with dashes as underscores."""
    return pipeline.replace("-", "_")


def catalogue_of_columns(rows: Iterable[tuple[str, str, str, str]]) -> Catalogue:
    """The relations of a database: rows of (schema, relation, column, DuckDB's name of its type), columns in order."""
    relations: dict[tuple[str, str], Columns] = {}
    for schema, relation, column, data_type in rows:
        relations[schema, relation] = (*relations.get((schema, relation), ()), (column, _type_of(data_type)))
    return Catalogue(relations)


def _type_of(duckdb_name: str) -> SqlType:
    if duckdb_name.startswith("DECIMAL(") and duckdb_name.endswith(")"):
        return numeric(int(duckdb_name[:-1].split(",")[1]))
    return _OF_DUCKDB.get(duckdb_name, OPAQUE)
