"""From a sample's records to all findings: fields, event time, order, identity, steps, views."""

import re
from collections.abc import Sequence
from dataclasses import replace

from datanexus.inference.columns import column, comma_number, is_comma_number
from datanexus.inference.documents import laid_out
from datanexus.inference.finding import FieldFinding, Findings, FormatFinding, OrderFinding, Record, Sample, StepDraft
from datanexus.inference.identity import identity_of
from datanexus.inference.naming import field_names
from datanexus.inference.order import order_of, rounded_up_us
from datanexus.inference.times import PATTERNS_TRIED, backward_steps
from datanexus.inference.views import column_sql, views_of
from datanexus_spec.errors import InvalidInput

MAX_FUTURE_DEFAULT_US = 3_600_000_000
_TIME_LIKE = re.compile(
    r"\d{1,4}[-/.: ]\d{1,2}|\b\d{1,2}:\d{2}\b|\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)", re.IGNORECASE
)
_BEST_NAMES = (
    "event_time",
    "eventtime",
    "event_timestamp",
    "timestamp",
    "@timestamp",
    "time",
    "ts",
    "datetime",
    "date_time",
    "at",
    "date",
)
_LATER_NAMES = re.compile(
    r"updat|modif|load|ingest|receiv|expire|end|finish|delet|due|birth|valid|start_?ed?$", re.IGNORECASE
)
_SHOWN_FIELDS = 20
_CLOCK = re.compile(r"\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?( ?[AaPp][Mm])?")
_SOMETIMES = ("verb", "httpversion")  # a broken request line in an access log has neither


def infer(sample: Sample, found: FormatFinding) -> Findings:
    """Find everything. Raises: InvalidInput when no field can be the event time, saying what each field holds."""
    raw_names, rows, left_out = _rows(found)
    names = field_names(raw_names)
    fields = [
        column(raw, name, [row.get(raw) for row in rows], typed=found.typed, declared=found.types.get(raw, ""))
        for raw, name in zip(raw_names, names, strict=True)
    ]
    if "preset" in found.text:
        fields = [replace(each, required=each.required and each.raw not in _SOMETIMES) for each in fields]
    files = _file_bounds(found)
    chosen, notes = _event_time(sample, found, fields)
    fields = [chosen if each.raw == chosen.raw else each for each in fields]
    order = order_of([_times(chosen, bounds) for bounds in files], complete=sample.complete)
    identity = identity_of(fields, chosen)
    comma_fields = [each for each in fields if is_comma_number(each)]
    steps = tuple(_comma_step(each) for each in comma_fields)
    computed = [
        replace(each, name=step.name, type="float64", values=[*map(comma_number, each.values)])
        for each, step in zip(comma_fields, steps, strict=True)
    ]
    return Findings(
        sample=sample,
        format=found,
        fields=fields,
        left_out=left_out,
        event_time=chosen,
        event_time_notes=notes,
        order=order,
        max_future_us=_max_future_us(order, sample.now_us),
        identity=identity,
        steps=steps,
        views=views_of(
            [*fields, *computed], chosen, order, identity.key if identity and len(identity.key) == 1 else ()
        ),
    )


def _rows(found: FormatFinding) -> tuple[list[str], list[Record], list[str]]:
    if found.typed and not found.types:
        names, laid, left_out = laid_out(found.runs)
        return names, [row for run in laid for row in run], left_out
    names = list(dict.fromkeys(name for run in found.runs for record in run.records[:1] for name in record))
    return names, [record for run in found.runs for record in run.records], []


def _file_bounds(found: FormatFinding) -> list[list[tuple[int, int]]]:
    """For each file the stretches of rows that are its own, in its order."""
    bounds: dict[str, list[tuple[int, int]]] = {}
    row = 0
    for run in found.runs:
        bounds.setdefault(run.file, []).append((row, row + len(run.records)))
        row += len(run.records)
    return list(bounds.values())


def _times(found: FieldFinding, bounds: Sequence[tuple[int, int]]) -> list[int | None]:
    values = [value for start, end in bounds for value in found.values[start:end]]
    return [value if isinstance(value, int) else None for value in values]


def _event_time(
    sample: Sample, found: FormatFinding, fields: Sequence[FieldFinding]
) -> tuple[FieldFinding, Sequence[str]]:
    """The field that most likely says when the event was, and what else it could be."""
    candidates = [each for each in fields if each.type in ("timestamp", "date") and each.present]
    if not candidates:
        raise _no_event_time(sample, found, fields)
    ranked = sorted(candidates, key=lambda each: _rank(each, found))
    chosen = ranked[0]
    notes = []
    if len(ranked) > 1:
        others = ", ".join(f"`{each.name}`" for each in ranked[1:6])
        notes.append(f"`{chosen.name}` is taken for the time of the event; {others} could be it as well")
    missing = len(chosen.values) - len(chosen.present)
    if missing:
        notes.append(f"{missing:,} of {len(chosen.values):,} records have no `{chosen.name}`: they go to quarantine")
    if chosen.type == "date":
        notes.append("it has days only: the time of an event is the first moment of its day")
        clocks = [each.name for each in fields if _CLOCK.fullmatch(each.example)]
        if clocks:
            notes.append(f"`{clocks[0]}` holds the time of day; an event time is one field: join the two in the data")
    kept = [note for note in chosen.notes if not note.startswith("no value")]
    made = FieldFinding(
        chosen.raw,
        chosen.name,
        "timestamp",
        chosen.formats,
        chosen.null_if,
        True,
        tuple(kept),
        chosen.values,
        chosen.example,
    )
    return made, notes


def _rank(found: FieldFinding, form: FormatFinding) -> tuple[object, ...]:
    """Less is better: never missing, a time of day, the usual names, in order."""
    name = found.raw.lower().rpartition(".")[2]
    usual = _BEST_NAMES.index(name) if name in _BEST_NAMES else len(_BEST_NAMES)
    missing = len(found.values) - len(found.present) > 0.01 * len(found.values)
    still = len(set(found.present)) == 1 and form.records > 1
    unsure = any("plain number" in note for note in found.notes)
    times = [value for value in found.values if isinstance(value, int)]
    return (
        missing,
        unsure,
        still,
        bool(_LATER_NAMES.search(name)),
        found.raw.count(".") if usual == len(_BEST_NAMES) else 0,
        usual,
        found.type == "date",
        backward_steps(times),
    )


def _no_event_time(sample: Sample, found: FormatFinding, fields: Sequence[FieldFinding]) -> InvalidInput:
    lines = [f"    {each.raw}: {each.type}, such as {each.example or 'nothing'}{_nearness(each)}" for each in fields]
    lines += [f"    ({note})" for note in found.notes]
    told = "\n".join(lines[:_SHOWN_FIELDS])
    more = f"\n    and {len(lines) - _SHOWN_FIELDS} more" if len(lines) > _SHOWN_FIELDS else ""
    return InvalidInput(
        f"{sample.path}: it is {found.label}, {found.records:,} records were read, but none of {len(fields)} fields "
        f"says when the event was; looked for ISO 8601, {PATTERNS_TRIED:,} date patterns, and epoch seconds, milli-, "
        f"micro- and nanoseconds between 1990 and 2100. The fields are\n{told}{more}",
        reason="NoEventTime",
        hint="windows need an event time: add a field with it where the data is written, in ISO 8601 if you can choose",
    )


def _nearness(found: FieldFinding) -> str:
    if found.type == "string" and _TIME_LIKE.search(found.example):
        return "; it looks like a time, but no format that is known reads all its values"
    first = found.present[0] if found.present else None
    if isinstance(first, list) and first and isinstance(first[0], dict):
        return "; a list inside a record is not taken apart: write its objects one a line"
    return ""


def _comma_step(found: FieldFinding) -> StepDraft:
    column_text = column_sql(found.name)
    return StepDraft(
        f"{found.name[:54]}_number",
        f"CAST(replace(replace({column_text}, '.', ''), ',', '.') AS double precision)",
        f"`{found.name}` is written with a decimal comma",
    )


def _max_future_us(order: OrderFinding, now_us: int) -> int | None:
    """What watermark.maxFuture has to be for the latest time of the sample; None where its default does."""
    ahead_us = order.last_us - now_us
    return rounded_up_us(ahead_us * 2) if ahead_us > MAX_FUTURE_DEFAULT_US else None
