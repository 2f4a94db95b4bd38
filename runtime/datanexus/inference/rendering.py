"""Findings → a commented pipeline file. Every line that rests on a guess says so beside it or above."""

from collections.abc import Iterator, Sequence
from textwrap import wrap

from datanexus.inference.finding import FieldFinding, Findings, IdentityFinding, ViewDraft
from datanexus.inference.naming import pipeline_name, source_name
from datanexus.inference.writing import flow_list, quoted, scalar
from datanexus_spec.durations import Duration

WIDTH = 110


def pipeline_text(findings: Findings, *, path: str, name: str = "") -> str:
    """The file's text. `path`: of the data, relative to the file; `name`: of the pipeline, else from the path."""
    label = name or pipeline_name(findings.sample.path)
    blocks = (
        _head(findings, label),
        _sources(findings, path, label),
        _record(findings),
        _steps(findings),
        _dedup(findings.identity),
        _watermark(findings),
        *(_view(view, first=view is findings.views[0]) for view in findings.views),
    )
    return "\n".join(line for block in blocks for line in block) + "\n"


def _head(findings: Findings, label: str) -> Iterator[str]:
    sample = findings.sample
    seen = "all of it was read" if sample.complete else "a sample of it was read, from the beginning and further on"
    yield from _comment(f"A first pipeline over {sample.path}, made by `datanexus init`; {seen}.", 0)
    yield from _comment("Read the comments: what is not sure says so. Change what you know better.", 0)
    yield "apiVersion: datanexus.io/v1alpha1"
    yield "kind: Pipeline"
    yield f"metadata: {{name: {scalar(label)}}}"
    yield "spec:"


def _sources(findings: Findings, path: str, label: str) -> Iterator[str]:
    yield "  sources:"
    for note in findings.format.notes:
        yield from _comment(note, 2)
    yield f"  - {{name: {source_name(label)}, files: {{path: {quoted(path)}, format: {findings.format.text}}}}}"


def _record(findings: Findings) -> Iterator[str]:
    yield "  record:"
    yield "    fields:"
    for found in findings.fields:
        for note in found.notes:
            yield from _comment(f"{found.name}: {note}", 4)
        yield f"    - {_field(found, is_event_time=found is findings.event_time)}"
    if findings.left_out:
        shown = ", ".join(findings.left_out[:5])
        yield from _comment(f"{len(findings.left_out)} more fields are in the data and not listed, such as {shown}", 4)
    for note in findings.event_time_notes:
        yield from _comment(f"eventTime: {note}", 4)
    yield f"    eventTime: {findings.event_time.name}"
    if any("without a zone" in note for note in findings.event_time.notes):
        yield "    timeZone: UTC   # not said in the data: put the zone in which they were written, as Europe/Berlin"


def _field(found: FieldFinding, *, is_event_time: bool) -> str:
    parts = [f"name: {scalar(found.name)}", f"type: {scalar(found.type)}"]
    if found.raw != found.name:
        parts.append(f"from: {flow_list([found.raw])}")
    if found.formats:
        parts.append(f"formats: {flow_list(found.formats)}")
    if not found.required and not is_event_time:
        parts.append("required: false")
    if found.null_if:
        parts.append("nullIf: [" + ", ".join(map(quoted, found.null_if)) + "]")
    return "{" + ", ".join(parts) + "}"


def _steps(findings: Findings) -> Iterator[str]:
    if findings.steps:
        yield "  steps:"
    for step in findings.steps:
        yield from _comment(step.reason, 2)
        yield f"  - {{set: {{name: {step.name}, expr: {quoted(step.expression)}}}}}"


def _dedup(identity: IdentityFinding | None) -> Iterator[str]:
    if identity is None:
        yield from _comment("dedup: no field looks like an identity, and no record of the sample repeats another.", 2)
        return
    yield from _comment(f"dedup: {identity.reason}.", 2)
    mark = "" if identity.active else "# "
    yield f"  {mark}dedup: {{key: {flow_list(identity.key)}, horizon: {Duration(identity.horizon_us)}}}"


def _watermark(findings: Findings) -> Iterator[str]:
    order = findings.order
    yield from _comment(f"watermark.delay: {order_text(findings)}. {order.reason[0].upper()}{order.reason[1:]}.", 2)
    parts = [f"delay: {Duration(order.delay_us)}"]
    if findings.max_future_us is not None:
        yield from _comment(
            "maxFuture: the data has times that lie ahead of this machine's clock; is its unit right?", 2
        )
        parts.append(f"maxFuture: {Duration(findings.max_future_us)}")
    yield f"  watermark: {{{', '.join(parts)}}}"


def order_text(findings: Findings) -> str:
    """The disorder seen, in a sentence without its full stop."""
    order = findings.order
    if not order.backward:
        return f"{order.records:,} records, all in order"
    quantiles = ", ".join(f"{name} of them at most {span_text(value)}" for name, value in order.quantiles_us.items())
    text = (
        f"{order.backward:,} of {order.records:,} records come after a later one: {quantiles}, "
        f"the furthest {span_text(order.max_us)}"
    )
    return f"{text}; {order.beyond:,} lie beyond the delay and will be late" if order.beyond else text


def span_text(duration_us: int) -> str:
    """A measured length of time, to three digits: `59 s`, `2.5 ms`."""
    for unit, size in (("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000)):
        if duration_us >= size:
            return f"{duration_us / size:.3g} {unit}"
    return f"{duration_us} µs"


def _view(view: ViewDraft, *, first: bool) -> Iterator[str]:
    if first:
        yield "  views:"
    yield from _comment(view.reason, 2)
    yield f"  - name: {scalar(view.name)}"
    if view.group_by:
        yield f"    groupBy: {flow_list(view.group_by)}"
    yield f"    window: {{tumbling: {{size: {Duration(view.size_us)}}}}}"
    yield "    aggregates:"
    width = max(len(scalar(name)) for name, _ in view.aggregates) + 1
    for name, expression in view.aggregates:
        yield f"    - {{name: {scalar(name) + ',':<{width}} expr: {quoted(expression)}}}"


def _comment(text: str, indent: int) -> list[str]:
    """A comment, broken at blanks; control characters of data do not end it."""
    plain = "".join(character if character.isprintable() else " " for character in text)
    return [f"{' ' * indent}# {line}" for line in _broken(plain, WIDTH - indent)]


def _broken(text: str, width: int) -> Sequence[str]:
    return wrap(text, width, break_long_words=False, break_on_hyphens=False)
