"""The Store port in memory: a cut is made on a copy, which then takes the place of what was."""

import copy
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import duckdb
import pyarrow as pa

from datanexus.core.emission import NO_WATERMARK, ViewSpec
from datanexus.ports.store import (
    Cut,
    CutRecord,
    Fence,
    OutboxEntry,
    PipelineRecord,
    QuarantineCount,
    QuarantineEntry,
    ViewChanges,
)
from datanexus_spec.errors import Conflict, InvalidInput

RowKey = tuple[int, object, int, int]  # partition, window start, key


@dataclass(slots=True)
class _Pipeline:
    record: PipelineRecord
    fence: Fence = field(default_factory=lambda: Fence(0, 0, NO_WATERMARK))
    views: dict[str, ViewSpec] = field(default_factory=dict)
    offsets_us: dict[str, int] = field(default_factory=dict)
    rows: dict[str, dict[RowKey, Mapping[str, object]]] = field(default_factory=dict)
    cuts: list[CutRecord] = field(default_factory=list)
    counters: Counter[str] = field(default_factory=Counter)
    quarantine: list[QuarantineEntry] = field(default_factory=list)
    outbox: list[OutboxEntry] = field(default_factory=list)
    before_terminal: "_Pipeline | None" = None
    terminal_outputs: tuple[OutboxEntry, ...] = ()


@dataclass(slots=True)
class MemoryStore:
    stored: dict[str, _Pipeline] = field(default_factory=dict)
    next_id: int = 1

    async def pipeline(self, name: str) -> PipelineRecord | None:
        return self.stored[name].record if name in self.stored else None

    async def pipelines(self) -> Sequence[PipelineRecord]:
        return [self.stored[name].record for name in sorted(self.stored)]

    async def claim(
        self, record: PipelineRecord, views: Sequence[ViewSpec], final_offset_us: Mapping[str, int]
    ) -> Fence:
        kept = self.stored.setdefault(record.name, _Pipeline(record))
        for state in filter(None, (kept, kept.before_terminal)):
            _fit(state, record, views, final_offset_us)
            state.fence = replace(state.fence, epoch=kept.fence.epoch + (state is kept))
        if kept.before_terminal is not None:
            kept.before_terminal.fence = kept.fence
        return kept.fence

    async def commit(self, pipeline: str, epoch: int, cut: Cut) -> Sequence[OutboxEntry]:
        kept = self.stored[pipeline]
        expected = (epoch, cut.record.seq - (0 if cut.terminal else 1))
        if (kept.fence.epoch, kept.fence.seq) != expected:
            raise Conflict(f"pipeline {pipeline}: lost", reason="FenceLost")
        changed = copy.deepcopy(kept.before_terminal or kept)
        changed.outbox = [*kept.outbox, *(replace(entry, rows=b"") for entry in kept.terminal_outputs)]
        changed.before_terminal = copy.deepcopy(changed) if cut.terminal else None
        changed.terminal_outputs = tuple(entry for entry in cut.outbox if entry.rows) if cut.terminal else ()
        for change in cut.changes:
            _change(changed.rows[change.view], change)
        changed.counters.update(cut.counters)
        changed.quarantine = [entry for entry in changed.quarantine if entry.id not in cut.released]
        changed.quarantine += self._entries(pipeline, cut)
        changed.outbox += cut.outbox
        if not cut.terminal:
            changed.cuts.append(cut.record)
            changed.fence = Fence(epoch, cut.record.seq, cut.record.watermark_us)
        self.stored[pipeline] = changed
        return tuple(changed.outbox)

    def _entries(self, pipeline: str, cut: Cut) -> list[QuarantineEntry]:
        entries = []
        for row in cut.quarantined.to_pylist():
            moment = row.pop("event_time")
            time_us = None if moment is None else int(moment.timestamp() * 1_000_000)
            entries.append(QuarantineEntry(self.next_id, pipeline, cut.record.seq, event_time_us=time_us, **row))
            self.next_id += 1
        return entries

    async def outbox(self, pipeline: str) -> Sequence[OutboxEntry]:
        return tuple(self.stored[pipeline].outbox) if pipeline in self.stored else ()

    async def acknowledge(self, pipeline: str, entries: Sequence[OutboxEntry]) -> None:
        for entry in entries:
            if entry in self.stored[pipeline].outbox:
                self.stored[pipeline].outbox.remove(entry)

    async def cuts(self, pipeline: str, after: int) -> Sequence[CutRecord]:
        return [cut for cut in self.stored[pipeline].cuts if cut.seq > after]

    async def forget_cuts(self, pipeline: str, before: int) -> None:
        kept = self.stored[pipeline]
        for state in filter(None, (kept, kept.before_terminal)):
            state.cuts = [cut for cut in state.cuts if cut.seq >= before or cut is state.cuts[-1]]

    async def counters(self, pipeline: str) -> Mapping[str, int]:
        return dict(self.stored[pipeline].counters) if pipeline in self.stored else {}

    async def is_terminal(self, pipeline: str) -> bool:
        return pipeline in self.stored and self.stored[pipeline].before_terminal is not None

    async def purge(self, pipeline: str, view: str, before_us: int) -> int:
        kept = self.stored[pipeline]
        rows = (kept.before_terminal or kept).rows[view]
        offset_us, watermark_us = kept.offsets_us[view], kept.fence.watermark_us
        doomed = [key for key, row in rows.items() if _end_us(row) <= min(before_us, watermark_us - offset_us)]
        for key in doomed:
            rows.pop(key)
            kept.rows[view].pop(key, None)
        return len(doomed)

    async def rows(self, pipeline: str, view: str, limit: int) -> pa.Table:
        kept = self.stored[pipeline]
        rows = sorted(kept.rows[view].values(), key=lambda row: (row["key_high"], row["key_low"]))
        rows.sort(key=lambda row: str(row["window_start"] or ""), reverse=True)
        return pa.Table.from_pylist(rows[:limit], schema=kept.views[view].row_schema())

    async def quarantine(
        self, pipeline: str, limit: int, after: int = 0, *, stage: str | None = None, reason: str | None = None
    ) -> Sequence[QuarantineEntry]:
        entries = self.stored[pipeline].quarantine if pipeline in self.stored else []
        chosen = [entry for entry in entries if stage in (None, entry.stage) and reason in (None, entry.reason)]
        return [entry for entry in chosen if entry.id > after][:limit]

    async def purge_quarantine(self, pipeline: str, ids: Sequence[int]) -> int:
        kept = self.stored[pipeline]
        before = len(kept.quarantine)
        kept.quarantine = [entry for entry in kept.quarantine if entry.id not in ids]
        return before - len(kept.quarantine)

    async def quarantine_entry(self, entry_id: int) -> QuarantineEntry | None:
        entries = [entry for kept in self.stored.values() for entry in kept.quarantine]
        return next((entry for entry in entries if entry.id == entry_id), None)

    async def quarantine_counts(self, pipeline: str) -> Sequence[QuarantineCount]:
        counts = Counter((entry.stage, entry.reason) for entry in await self.quarantine(pipeline, 1 << 62))
        return [QuarantineCount(*lane, records) for lane, records in sorted(counts.items())]

    async def forget(self, pipeline: str) -> None:
        self.stored.pop(pipeline, None)

    async def query(  # a query of the fake takes no time worth a bound
        self,
        sql: str,
        rows_max: int | None = None,
        timeout_s: float | None = None,  # noqa: ARG002
    ) -> pa.Table:
        statements = _parsed(sql)
        if [statement.type for statement in statements] != [duckdb.StatementType.SELECT]:
            raise InvalidInput("a query is one SELECT", reason="NotASelect")
        connection = duckdb.connect()
        connection.execute("SET TimeZone = 'UTC'")
        for name, kept in self.stored.items():
            schema = name.replace("-", "_")
            connection.execute(f'CREATE SCHEMA "{schema}"')
            for view in kept.views:
                connection.register("_given", _table(kept, view))
                connection.execute(f'CREATE TABLE "{schema}"."{view.replace("-", "_")}" AS FROM _given')
        try:
            return connection.sql(sql).to_arrow_table().slice(0, rows_max)
        except duckdb.Error as error:
            raise InvalidInput(str(error), reason="QueryFailed") from error
        finally:
            connection.close()

    async def close(self) -> None:
        return


def _fit(
    kept: _Pipeline, record: PipelineRecord, views: Sequence[ViewSpec], final_offset_us: Mapping[str, int]
) -> None:
    """Bring the views to those of the record: dropped ones and those with other columns lose their rows."""
    if kept.record == record and kept.views:
        return
    rows = {}
    for view in views:
        before = kept.views.get(view.name)
        is_same = before is not None and before.row_schema() == view.row_schema()
        rows[view.name] = kept.rows[view.name] if is_same else {}
    kept.record, kept.rows, kept.views = record, rows, {view.name: view for view in views}
    kept.offsets_us = {view.name: final_offset_us.get(view.name, view.allowed_lateness_us) for view in views}


def _change(rows: dict[RowKey, Mapping[str, object]], change: ViewChanges) -> None:
    for row in [*change.replaced.to_pylist(), *change.deleted.to_pylist()]:
        rows.pop(_key(change.partition, row), None)
    for row in [*change.appended.to_pylist(), *change.replaced.to_pylist()]:
        rows[_key(change.partition, row)] = row


def _key(partition: int, row: Mapping[str, object]) -> RowKey:
    return partition, row["window_start"], row["key_high"], row["key_low"]  # type: ignore[return-value]


def _end_us(row: Mapping[str, object]) -> float:
    end = row["window_end"]
    return float("inf") if end is None else round(end.timestamp() * 1_000_000)  # type: ignore[attr-defined]


def _table(kept: _Pipeline, view: str) -> pa.Table:
    rows = list(kept.rows[view].values())
    table = pa.Table.from_pylist(rows, schema=kept.views[view].row_schema()).drop_columns(["key_high", "key_low"])
    closed_us = kept.fence.watermark_us - kept.offsets_us[view]
    final = [kept.before_terminal is not None or _end_us(row) <= closed_us for row in rows]
    return table.append_column("final", pa.array(final, pa.bool_()))


def _parsed(sql: str) -> list[duckdb.Statement]:
    try:
        return list(duckdb.extract_statements(sql))
    except duckdb.Error as error:
        raise InvalidInput(str(error), reason="QueryFailed") from error
