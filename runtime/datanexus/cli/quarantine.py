"""The commands `quarantine list`, `show`, `replay` and `purge`. The last two are asked of a running server only."""

import asyncio
import base64
import datetime as dt
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from datanexus.cli import wording
from datanexus.cli.message import reporting, result, result_bytes
from datanexus.cli.owner import Owner, owner_of, pipeline_path
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


_PAGE = 1_000  # entries that the API gives at once
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which records of a pipeline are replayed or purged: `ids`, or all of a stage and a reason."""

    pipeline: str
    ids: Sequence[int]
    all_of_them: bool
    stage: str | None
    reason: str | None

    def content(self) -> dict[str, object]:
        """As the API is asked. Raises: InvalidInput when it names no record, or both ways."""
        if bool(self.ids) == self.all_of_them:
            raise InvalidInput(
                "found both --id and --all" if self.ids else "found neither --id nor --all",
                reason="NoSelection",
                hint="name records by --id, or say --all, with --stage and --reason to narrow it",
            )
        if self.ids:
            return {"ids": list(self.ids)}
        return {"all": True, "stage": self.stage, "reason": self.reason}


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
        owner = owner_of(data)
        counts, entries = asyncio.run(_read(selection, data)) if owner is None else _read_of(owner, selection)
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
        owner = owner_of(data)
        entry = asyncio.run(_entry(record, data)) if owner is None else _entry_of(owner, record)
        if raw:
            result_bytes(entry.raw)
        elif json_lines:
            result(json.dumps(entry_fields(entry), ensure_ascii=False) + "\n")
        else:
            result(entry_text(entry))
    return messages.exit_code


def replay_records(chosen: Chosen, fixes: Sequence[str], data: Path, *, dry_run: bool, json_lines: bool) -> int:
    """Let records return, and print what becomes of them. `fixes`: ID=TEXT, the text to replay instead."""
    with reporting(json_lines=json_lines) as messages:
        content = {**chosen.content(), "fixes": _fixes(fixes), "dry_run": dry_run}
        told = _running(data).post(pipeline_path(chosen.pipeline, "/quarantine/replay"), content)
        result(json.dumps(told, ensure_ascii=False) + "\n" if json_lines else replay_text(told))
    return messages.exit_code


def purge_records(chosen: Chosen, data: Path, *, dry_run: bool, json_lines: bool) -> int:
    """Delete records for good, and print how many."""
    with reporting(json_lines=json_lines) as messages:
        content = {**chosen.content(), "dry_run": dry_run}
        told = _running(data).post(pipeline_path(chosen.pipeline, "/quarantine/purge"), content)
        text = f"{wording.plural(told['selected'], 'record')} {'would be deleted' if dry_run else 'deleted'}\n"
        result(json.dumps(told) + "\n" if json_lines else text)
    return messages.exit_code


def replay_text(told: Mapping[str, Any]) -> str:
    """What became of replayed records, for people."""
    verb = "would return" if told["dry_run"] else "returned"
    counts = [f"{told[name]:,} {name}" for name in ("passed", "filtered", "duplicate")]
    counts.append(f"{len(told['rejected']):,} refused again")
    lines = [f"{wording.plural(told['selected'], 'record')} {verb}: {', '.join(counts)}"]
    if told["late"]:
        lines.append(f"{told['late']:,} are late: the windows they belong to are final")
    if told["skipped"]:
        lines.append(f"{told['skipped']:,} were left out: on their way already, or their source or view is gone")
    lines += [f"  {one['id']}: {one['reason']}: {one['message']}" for one in told["rejected"][:20]]
    if told["more"]:
        lines.append("there are more; run the command again")
    return "\n".join(lines) + "\n"


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
        raise _no_such_record(record, data)
    return entry


def _known(pipeline: str, known: Sequence[str], data: Path) -> str:
    if pipeline not in known:
        raise InvalidInput(
            f"data folder {data}: it has no pipeline `{pipeline}`",
            reason="NoSuchPipeline",
            hint=f"it has {', '.join(known)}" if known else "it has none",
        )
    return pipeline


def _running(data: Path) -> Owner:
    """Raises: InvalidInput when no server holds the folder."""
    owner = owner_of(data)
    if owner is None:
        raise InvalidInput(
            f"data folder {data}: no server runs on it, and records return only into a running pipeline",
            reason="NotServed",
            hint=f"start `datanexus up FILE --data {data}` and run this again beside it",
        )
    return owner


def _fixes(fixes: Sequence[str]) -> Mapping[str, str]:
    """Raises: InvalidInput for a fix that is not ID=TEXT."""
    mended = {}
    for fix in fixes:
        record, separator, text = fix.partition("=")
        if not separator or not record.isdecimal():
            raise InvalidInput(f"--fix {fix}: expected ID=TEXT", reason="BadFix", hint="as in --fix '17={\"id\": 1}'")
        mended[record] = text
    return mended


def _read_of(
    owner: Owner, selection: Selection
) -> tuple[Sequence[tuple[str, QuarantineCount]], Sequence[QuarantineEntry]]:
    """As `_read`, from the server."""
    known = owner.get("/v1/info")["pipelines"]
    names = known if selection.pipeline is None else [_known(selection.pipeline, known, owner.data)]
    counts: list[tuple[str, QuarantineCount]] = []
    entries: list[QuarantineEntry] = []
    for name in names:
        after: int | None = selection.after
        found: list[QuarantineEntry] = []
        told: list[QuarantineCount] = []
        while after is not None and len(found) < selection.limit:
            limit = min(_PAGE, selection.limit - len(found))
            page = owner.get(pipeline_path(name, "/quarantine"), after=after, limit=limit)
            told = [QuarantineCount(**count) for count in page["counts"]]
            found += [_entry_in(entry, name) for entry in page["entries"]]
            after = page["next"]
        counts += [(name, count) for count in told]
        entries += found
    return counts, sorted(entries, key=lambda entry: entry.id)[: selection.limit]


def _entry_of(owner: Owner, record: int) -> QuarantineEntry:
    for name in owner.get("/v1/info")["pipelines"]:
        page = owner.get(pipeline_path(name, "/quarantine"), after=record - 1, limit=1)
        for entry in page["entries"]:
            if entry["id"] == record:
                return _entry_in(entry, name)
    raise _no_such_record(record, owner.data)


def _entry_in(told: Mapping[str, Any], pipeline: str) -> QuarantineEntry:
    moment = told["event_time"]
    time_us = None if moment is None else (dt.datetime.fromisoformat(moment) - _EPOCH) // dt.timedelta(microseconds=1)
    return QuarantineEntry(
        id=told["id"],
        pipeline=pipeline,
        seq=told["seq"],
        split=told["split"],
        position=told["position"],
        stage=told["stage"],
        reason=told["reason"],
        message=told["message"],
        subject=told["subject"],
        record_values=told["values"],
        event_time_us=time_us,
        header="",
        raw=base64.b64decode(told["raw_base64"]),
    )


def _no_such_record(record: int, data: Path) -> InvalidInput:
    return InvalidInput(
        f"data folder {data}: no record {record} is in quarantine",
        reason="NoSuchRecord",
        hint="`datanexus quarantine list` shows the ids",
    )
