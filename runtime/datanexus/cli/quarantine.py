"""The commands `quarantine list` and `quarantine show`."""

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from datanexus.cli import wording
from datanexus.cli.message import reporting, result, result_bytes
from datanexus.cli.result_format import ResultFormat
from datanexus.cli.rows import encoded, refuse_binary_on_terminal
from datanexus.ports.store import QuarantineCount, QuarantineEntry
from datanexus.stored_results import stored_results
from datanexus_spec.errors import InvalidInput

RAW_SHOWN_BYTES = 2_000  # of a record on a terminal; --raw writes all of it
_COLUMNS = pa.schema(
    [
        pa.field("id", pa.int64()),
        pa.field("pipeline", pa.string()),
        pa.field("split", pa.string()),
        pa.field("position", pa.int64()),
        pa.field("stage", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("subject", pa.string()),
        pa.field("message", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which records are listed. `pipeline` None: of all."""

    pipeline: str | None
    limit: int
    after: int


def list_records(selection: Selection, data: Path, output: ResultFormat, *, json_lines: bool) -> int:
    """Print records in quarantine, oldest first; on a terminal also how many there are of each reason."""
    with reporting(json_lines=json_lines) as messages:
        chosen = ResultFormat.NDJSON if json_lines and output is ResultFormat.TABLE else output
        refuse_binary_on_terminal(chosen, is_terminal=sys.stdout.isatty())
        counts, entries = asyncio.run(_read(selection, data))
        rows = pa.Table.from_pylist(
            [{name: getattr(entry, name) for name in _COLUMNS.names} for entry in entries], _COLUMNS
        )
        if chosen is ResultFormat.TABLE:
            result(counts_text(counts))
        if entries or chosen is not ResultFormat.TABLE:
            result_bytes(encoded(rows, chosen))
    return messages.exit_code


def show_record(record: int, data: Path, *, raw: bool, json_lines: bool) -> int:
    """Print all that is known of one record, or only its bytes."""
    with reporting(json_lines=json_lines) as messages:
        entry = asyncio.run(_entry(record, data))
        if raw:
            result_bytes(entry.raw)
        elif json_lines:
            result(json.dumps(entry_fields(entry), ensure_ascii=False) + "\n")
        else:
            result(entry_text(entry))
    return messages.exit_code


def counts_text(counts: Sequence[tuple[str, QuarantineCount]]) -> str:
    """How many records each pipeline has in quarantine, by stage and reason."""
    if not counts:
        return "no record is in quarantine\n"
    lines = [f"{name}: {wording.plural(each.records, 'record')} {each.stage}/{each.reason}\n" for name, each in counts]
    return "".join(lines) + "\n"


def entry_fields(entry: QuarantineEntry) -> dict[str, object]:
    """A record for programs; bytes that are no UTF-8 stand as \\xNN."""
    return {
        "id": entry.id,
        "pipeline": entry.pipeline,
        "cut": entry.seq,
        "split": entry.split,
        "position": entry.position,
        "stage": entry.stage,
        "reason": entry.reason,
        "message": entry.message,
        "subject": entry.subject,
        "values": entry.record_values,
        "event_time": None if entry.event_time_us is None else wording.instant(entry.event_time_us),
        "raw": entry.raw.decode("utf-8", "backslashreplace"),
    }


def entry_text(entry: QuarantineEntry) -> str:
    """A record for people."""
    fields = entry_fields(entry)
    raw = str(fields.pop("raw"))
    width = max(map(len, fields))
    lines = [f"{name.replace('_', ' '):<{width}}  {value}" for name, value in fields.items() if value not in (None, "")]
    shown = raw if len(raw) <= RAW_SHOWN_BYTES else raw[:RAW_SHOWN_BYTES] + " …"
    size = wording.plural(len(entry.raw), "byte")
    return "\n".join([*lines, f"{'raw':<{width}}  {size}", "", shown]) + "\n"


async def _read(
    selection: Selection, data: Path
) -> tuple[Sequence[tuple[str, QuarantineCount]], Sequence[QuarantineEntry]]:
    async with stored_results(data) as store:
        known = [record.name for record in await store.pipelines()]
        names = known if selection.pipeline is None else [_known(selection.pipeline, known, data)]
        counts = [(name, count) for name in names for count in await store.quarantine_counts(name)]
        entries = [entry for name in names for entry in await store.quarantine(name, selection.limit, selection.after)]
    return counts, sorted(entries, key=lambda entry: entry.id)[: selection.limit]


async def _entry(record: int, data: Path) -> QuarantineEntry:
    async with stored_results(data) as store:
        entry = await store.quarantine_entry(record)
    if entry is None:
        raise InvalidInput(
            f"data folder {data}: no record {record} is in quarantine",
            reason="NoSuchRecord",
            hint="`datanexus quarantine list` shows the ids",
        )
    return entry


def _known(pipeline: str, known: Sequence[str], data: Path) -> str:
    if pipeline not in known:
        raise InvalidInput(
            f"data folder {data}: it has no pipeline `{pipeline}`",
            reason="NoSuchPipeline",
            hint=f"it has {', '.join(known)}" if known else "it has none",
        )
    return pipeline
