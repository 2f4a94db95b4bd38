"""Findings as text for the person who asked: what was found, and what could not be told."""

import datetime as dt
from collections.abc import Iterator, Mapping

from datanexus.inference.finding import Findings
from datanexus.inference.rendering import order_text
from datanexus_spec.durations import Duration

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def findings_text(findings: Findings) -> str:
    """What was found, a line for each thing; then what is not sure."""
    lines = [*_found(findings)]
    doubts = list(_doubts(findings))
    if doubts:
        lines += ["not sure, see the comments in the file", *(f"  {doubt}" for doubt in doubts)]
    return "\n".join(lines) + "\n"


def _found(findings: Findings) -> Iterator[str]:
    sample, order = findings.sample, findings.order
    files = f"{len(sample.files)} files, " if len(sample.files) > 1 else ""
    seen = "all" if sample.complete else "a sample"
    records = f"{findings.format.records:,} records read, {seen}"
    yield f"data        {sample.path}: {files}{sample.bytes_total:,} bytes; {records}"
    yield f"format      {findings.format.label}"
    width = max(len(found.name) for found in findings.fields)
    for number, found in enumerate(findings.fields):
        parts = [found.type, *(f"written as {each}" for each in found.formats)]
        if found.null_if:
            parts.append(f"NULL if {' or '.join(map(repr, found.null_if))}")
        if not found.required:
            parts.append("sometimes missing")
        yield f"{'fields' if number == 0 else '':<11} {found.name:<{width}}  {', '.join(parts)}"
    yield f"event time  {findings.event_time.name}, from {_instant(order.first_us)} to {_instant(order.last_us)}"
    yield f"order       {order_text(findings)}"
    yield f"delay       {Duration(order.delay_us)}: {order.reason}"
    identity = findings.identity
    if identity is None:
        yield "identity    no field looks like one, and no record repeats another"
    else:
        use = "dedup is on" if identity.active else "dedup stands in the file as a comment"
        yield f"identity    {', '.join(identity.key)}: {identity.reason}; {use}"
    for number, view in enumerate(findings.views):
        group = f" by {', '.join(view.group_by)}" if view.group_by else ""
        figures = ", ".join(name for name, _ in view.aggregates)
        yield f"{'views' if number == 0 else '':<11} {view.name}: each {Duration(view.size_us)}{group}: {figures}"


def _doubts(findings: Findings) -> Iterator[str]:
    yield from findings.format.notes
    yield from findings.event_time_notes
    for found in findings.fields:
        yield from (f"{found.name}: {note}" for note in found.notes if not note.endswith("by its magnitude"))
    if findings.left_out:
        yield f"{len(findings.left_out)} fields are not listed, such as {', '.join(findings.left_out[:3])}"


def _instant(time_us: int) -> str:
    return (_EPOCH + dt.timedelta(microseconds=time_us)).isoformat(sep=" ").replace("+00:00", "Z")


def findings_fields(findings: Findings) -> Mapping[str, object]:
    """The same for programs."""
    order, identity = findings.order, findings.identity
    return {
        "data": findings.sample.path,
        "files": len(findings.sample.files),
        "complete": findings.sample.complete,
        "records": findings.format.records,
        "format": findings.format.label,
        "fields": [
            {
                "name": found.name,
                "from": found.raw,
                "type": found.type,
                "required": found.required,
                "notes": found.notes,
            }
            for found in findings.fields
        ],
        "event_time": findings.event_time.name,
        "backward": order.backward,
        "backward_max_us": order.max_us,
        "delay": str(Duration(order.delay_us)),
        "identity": None if identity is None else list(identity.key),
        "repeats": 0 if identity is None else identity.repeats,
        "views": [view.name for view in findings.views],
        "unsure": list(_doubts(findings)),
    }
