# ruff: noqa: S608 - statements hold only constants, hashes, numbers and quoted text
"""The tables of the DuckDB store, and how a view's rows lie in them.

A view's table has the columns of ViewSpec.row_schema() by position (`c0` … `cN`), so that no name a user chose can
clash with ours or, as DuckDB ignores case, with another one; the SQL view gives them their names. No primary key: the
engine knows which rows are new (measured: half the time of a keyed insert). `_state` is one of the ROW_ constants.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import xxhash

from datanexus.core.emission import Global, ViewSpec

FORMAT_VERSION = 2
CATALOG = "_data"  # no pipeline is named so: a DNS label begins with a letter or digit
TABLES = f"{CATALOG}._datanexus"
RESERVED_SCHEMAS = ("information_schema", "memory", "pg_catalog", "system", "temp")  # DuckDB's own names

ROW_PRESENT = 0  # written by a cut
ROW_TERMINAL = 1  # written by the end-of-input flush; goes with the next cut
ROW_HIDDEN = 2  # replaced or deleted by the end-of-input flush; comes back with the next cut

CREATE_TABLES = f"""
CREATE SCHEMA IF NOT EXISTS {TABLES};
CREATE TABLE {TABLES}.format (version INTEGER);
CREATE TABLE {TABLES}.pipelines (name VARCHAR, revision VARCHAR, spec VARCHAR, layout VARCHAR);
CREATE TABLE {TABLES}.views (
  pipeline VARCHAR, name VARCHAR, table_name VARCHAR, schema_hash VARCHAR, final_offset_us BIGINT);
CREATE TABLE {TABLES}.fence (
  pipeline VARCHAR, epoch BIGINT, seq BIGINT, watermark_us BIGINT, terminal BOOLEAN,
  counters VARCHAR, terminal_counters VARCHAR);
CREATE TABLE {TABLES}.cuts (
  pipeline VARCHAR, seq BIGINT, watermark_us BIGINT, reference_us BIGINT, splits VARCHAR, reads VARCHAR);
CREATE SEQUENCE {TABLES}.quarantine_id;
CREATE TABLE {TABLES}.quarantine (
  id BIGINT, pipeline VARCHAR, seq BIGINT, terminal BOOLEAN, split VARCHAR, position BIGINT, stage VARCHAR,
  reason VARCHAR, message VARCHAR, subject VARCHAR, record_values VARCHAR, event_time TIMESTAMPTZ,
  header VARCHAR, raw BLOB);
CREATE SEQUENCE {TABLES}.outbox_id;
CREATE TABLE {TABLES}.outbox (id BIGINT, pipeline VARCHAR, sink VARCHAR, name VARCHAR, rows BLOB);
CREATE TABLE {TABLES}.terminal_outputs (pipeline VARCHAR, sink VARCHAR, name VARCHAR);
INSERT INTO {TABLES}.format VALUES ({FORMAT_VERSION});
"""


def quoted(identifier: str) -> str:
    """An SQL identifier."""
    return '"' + identifier.replace('"', '""') + '"'


def text(value: str) -> str:
    """An SQL string."""
    return "'" + value.replace("'", "''") + "'"


def sql_name(name: str) -> str:
    """A pipeline's or view's name as users write it in SQL."""
    return name.replace("-", "_")


@dataclass(frozen=True, slots=True)
class ViewTable:
    """Where the rows of one view are, and the statements that change them."""

    pipeline: str
    spec: ViewSpec
    final_offset_us: int

    @property
    def table_name(self) -> str:
        """`rows_` and a hash of pipeline and view: safe for any name in any case."""
        return "rows_" + xxhash.xxh3_128_hexdigest(f"{self.pipeline}\0{self.spec.name}".encode())

    @property
    def table(self) -> str:
        return f"{TABLES}.{self.table_name}"

    @property
    def schema_hash(self) -> str:
        """Changes when rows of the one schema do not fit the table of the other."""
        schema = self.spec.row_schema()
        content = f"{isinstance(self.spec.window, Global)}\0" + "\0".join(f"{f.name}\0{f.type}" for f in schema)
        return xxhash.xxh3_128_hexdigest(content.encode())

    @property
    def row_columns(self) -> tuple[str, ...]:
        """The columns of row_schema() as they are named in the table."""
        return tuple(f"c{index}" for index in range(len(self.spec.row_schema())))

    @property
    def key_columns(self) -> tuple[str, ...]:
        """What identifies a row in a partition. A global window has no start; comparing it would cost a full scan."""
        halves = self.row_columns[-2:]
        return halves if isinstance(self.spec.window, Global) else ("c0", *halves)

    def empty_rows(self) -> pa.Table:
        """No rows, of the table's own columns; what the table is made from."""
        schema = self.spec.row_schema()
        fields = [pa.field(name, column.type) for name, column in zip(self.row_columns, schema, strict=True)]
        return pa.schema([*fields, pa.field("_partition", pa.int32()), pa.field("_state", pa.uint8())]).empty_table()

    def rows(self, batches: Sequence[tuple[int, pa.RecordBatch]], state: int) -> pa.Table:
        """Rows of several partitions as the table stores them."""
        schema = self.empty_rows().schema
        return pa.Table.from_batches(
            [
                pa.RecordBatch.from_arrays(
                    [
                        *batch.columns,
                        pa.repeat(pa.scalar(partition, pa.int32()), batch.num_rows),
                        pa.repeat(pa.scalar(state, pa.uint8()), batch.num_rows),
                    ],
                    schema=schema,
                )
                for partition, batch in batches
            ],
            schema=schema,
        )

    def keys(self, batches: Sequence[tuple[int, pa.RecordBatch]]) -> pa.Table:
        """The keys of rows of several partitions, with `_partition`."""
        return self.rows(batches, ROW_PRESENT).select([*self.key_columns, "_partition"])

    def create_sql(self, source: str) -> str:
        return f"CREATE TABLE {self.table} AS SELECT * FROM {source} LIMIT 0"

    def insert_sql(self, source: str) -> str:
        return f"INSERT INTO {self.table} SELECT * FROM {source}"

    def delete_sql(self, source: str) -> str:
        return f"DELETE FROM {self.table} t USING {source} k WHERE {self._match}"

    def hide_sql(self, source: str) -> str:
        return (
            f"UPDATE {self.table} t SET _state = {ROW_HIDDEN} FROM {source} k "
            f"WHERE {self._match} AND t._state = {ROW_PRESENT}"
        )

    def view_sql(self) -> str:
        """The SQL view: the user's names, and `final`. After an end-of-input flush every row is final."""
        schema = self.spec.row_schema()
        columns = ", ".join(
            f"t.{column} AS {quoted(field.name)}"
            for column, field in zip(self.row_columns[:-2], list(schema)[:-2], strict=True)
        )
        is_closed = f"coalesce(epoch_us(t.c1) + {self.final_offset_us} <= f.watermark_us, false)"
        return (
            f"CREATE OR REPLACE VIEW {view_name(self.pipeline, self.spec.name)} AS "
            f'SELECT {columns}, (f.terminal OR {is_closed}) AS "final" FROM {self.table} t '
            f"CROSS JOIN (SELECT terminal, watermark_us FROM {TABLES}.fence WHERE pipeline = {text(self.pipeline)}) f "
            f"WHERE t._state <> {ROW_HIDDEN}"
        )

    def newest_sql(self, limit: int) -> str:
        """The rows of the newest windows under the names of row_schema(), ties by key."""
        columns = ", ".join(
            f"{column} AS {quoted(field.name)}"
            for column, field in zip(self.row_columns, self.spec.row_schema(), strict=True)
        )
        high, low = self.row_columns[-2:]
        return (
            f"SELECT {columns} FROM {self.table} WHERE _state <> {ROW_HIDDEN} "
            f"ORDER BY c0 DESC, {high}, {low} LIMIT {int(limit)}"
        )

    @property
    def _match(self) -> str:
        return " AND ".join(f"t.{column} = k.{column}" for column in (*self.key_columns, "_partition"))


def view_name(pipeline: str, view: str) -> str:
    """The full name of a view's SQL view."""
    return f"{schema_name(pipeline)}.{quoted(sql_name(view))}"


def schema_name(pipeline: str) -> str:
    """The full name of a pipeline's SQL schema."""
    return f"{CATALOG}.{quoted(sql_name(pipeline))}"


def view_tables(pipeline: str, views: Sequence[ViewSpec], offsets_us: Mapping[str, int]) -> dict[str, ViewTable]:
    """A pipeline's view tables by the view's name."""
    return {view.name: ViewTable(pipeline, view, offsets_us.get(view.name, view.allowed_lateness_us)) for view in views}


def end_terminal_sql(table_name: str) -> tuple[str, str]:
    """Undo an end-of-input flush in one view's table."""
    table = f"{TABLES}.{table_name}"
    return (
        f"DELETE FROM {table} WHERE _state = {ROW_TERMINAL}",
        f"UPDATE {table} SET _state = {ROW_PRESENT} WHERE _state = {ROW_HIDDEN}",
    )
