"""From a Pipeline to the plan the engine runs: names resolved, expressions bound, key and stages derived. Pure.

Reports all problems of a resource at once, each where it stands in the file. What follows from a problem already
reported (a column whose expression failed, say) is not reported again.

Defaults that the resource's types do not hold:

| left out                        | becomes                                        |
|---------------------------------|------------------------------------------------|
| `record.fields[].from`          | the field's own name                           |
| `record.fields[].formats`       | `iso8601`, for timestamps and dates            |
| `scale.partitions`              | the stored layout's, else `PARTITIONS_DEFAULT` |
| `storage.results`               | rows are kept                                  |
| `quarantine.max`                | no bound                                       |
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Literal as OneOf

from datanexus.plan.binding import ExpressionError, bind_aggregate, bind_condition, bind_expression
from datanexus.plan.change import Layout
from datanexus.plan.expression import BoundAggregate, BoundExpression, Column, Expression, Schema
from datanexus.plan.inlining import conditions_of, definitions_after
from datanexus.plan.partitioning import Key, KeyPart, derived_key, needs_two_stages, usable_key
from datanexus.plan.physical import (
    DedupPlan,
    FieldPlan,
    FilterStep,
    GlobalPlan,
    HoppingPlan,
    NamedAggregate,
    PhysicalPlan,
    RecordPlan,
    SessionPlan,
    SetStep,
    SinkPlan,
    Step,
    TumblingPlan,
    ViewPlan,
    WatermarkPlan,
    WindowPlan,
)
from datanexus.plan.rendering import column_text, inlined_texts
from datanexus.plan.revision import revision_of, shared_fingerprint, state_fingerprint
from datanexus_spec.datatype import DataType, Kind
from datanexus_spec.errors import InvalidSpec, Problem
from datanexus_spec.names import RESERVED_COLUMNS
from datanexus_spec.pipeline import ISO8601, Pipeline, RecordField, SinkSpec, StepSpec, ViewSpec, WindowSpec
from datanexus_spec.position import Origin

PARTITIONS_DEFAULT = 1  # in one process more partitions only cost; a cluster's default is passed by its operator

_OVER_ENDLESS = ("rate", "increase")  # need the window's length, or state that a window's end lets go
_DIFFERENT_NAMES = "names that differ in more than the case of letters"
_NO_COLUMN_KINDS = (Kind.NULL, Kind.TOP_K)
_NO_GROUP_KINDS = (Kind.JSON, Kind.INTERVAL, Kind.TOP_K, Kind.NULL)


def plan_pipeline(
    pipeline: Pipeline, *, stored_layout: Layout | None = None, partitions_default: int = PARTITIONS_DEFAULT
) -> PhysicalPlan:
    """Plan a pipeline.

    `stored_layout`: of the state the plan will go on with; its partition key and number of partitions are kept where
    the spec allows. Without it both are derived anew.
    Raises: InvalidSpec with all problems found, in the order of the file.
    """
    spec = pipeline.spec
    draft = _Draft(pipeline.origin)
    record = _record_plan(pipeline)
    record_schema = Schema(tuple((part.name, part.type) for part in record.fields))
    steps, step_schema = _steps(spec.steps, record_schema, record.event_time, draft)
    dedup = _dedup(pipeline, record_schema, draft)
    views = [_view(view, f"spec.views[{index}]", step_schema, draft) for index, view in enumerate(spec.views)]
    _check_distinct([view.name for view in spec.views], "spec.views", draft)
    sinks = [_sink(sink) for sink in spec.sinks]
    draft.raise_if_any()

    planned_steps = tuple(steps)
    partitions = _partitions(pipeline, stored_layout, partitions_default)
    key, groups = _partition_key(dedup, views, planned_steps, record_schema, stored_layout)
    conditions = conditions_of(planned_steps)
    final_views = tuple(
        _finished(view, needs_two_stages(key, group, partitions), planned_steps, conditions)
        for view, group in zip(views, groups, strict=True)
    )
    expressions = tuple(part.expression for part in key)
    return PhysicalPlan(
        pipeline=pipeline.metadata.name,
        revision=revision_of(pipeline.metadata.name, spec.model_dump(mode="json", by_alias=True, exclude_unset=True)),
        sources=spec.sources,
        record=record,
        record_schema=record_schema,
        steps=planned_steps,
        step_schema=step_schema,
        dedup=dedup,
        watermark=WatermarkPlan(spec.watermark.delay.us, spec.watermark.idle_after.us, spec.watermark.max_future.us),
        views=final_views,
        sinks=tuple(sinks),
        partition_key=expressions,
        partition_key_text=tuple(part.text for part in key),
        partitions=partitions,
        keep_results_us=None if spec.storage.results is None else spec.storage.results.keep.us,
        quarantine_max=spec.quarantine.max,
        fingerprint=shared_fingerprint(dedup, record.event_time, expressions, partitions),
    )


@dataclass(slots=True)
class _Draft:
    """Problems found so far, and columns whose definition failed: what reads them is not blamed for it."""

    origin: Origin
    problems: list[Problem] = field(default_factory=list)
    failed: set[str] = field(default_factory=set)

    def add(
        self, path: str, found: str, expected: str, *, suggestion: str = "", inside: tuple[int, int] = (1, 1)
    ) -> None:
        problem = self.origin.problem(path, found=found, expected=expected, suggestion=suggestion, inside=inside)
        self.problems.append(problem)

    def add_expression(self, path: str, text: str, error: ExpressionError) -> None:
        """Report what is wrong with an expression, unless it reads a column that failed itself."""
        words = set(re.findall(r"\w+", text.lower()))
        if any(name.lower() in words for name in self.failed):
            return
        inside = (error.position.line, error.position.column)
        self.add(path, error.found, error.expected, suggestion=error.suggestion, inside=inside)

    def raise_if_any(self) -> None:
        if self.problems:
            raise InvalidSpec(tuple(sorted(self.problems, key=lambda problem: (problem.line, problem.column))))


def _record_plan(pipeline: Pipeline) -> RecordPlan:
    record = pipeline.spec.record
    return RecordPlan(
        fields=tuple(_field(part) for part in record.fields),
        event_time=record.event_time,
        time_zone=record.time_zone,
        unknown_fields=record.unknown_fields,
    )


def _field(given: RecordField) -> FieldPlan:
    timed = given.type.kind in (Kind.TIMESTAMP, Kind.DATE)
    return FieldPlan(
        name=given.name,
        type=given.type,
        origins=given.origins or (given.name,),
        formats=given.formats or ((ISO8601,) if timed else ()),
        required=given.required,
        null_if=given.null_if,
    )


def _steps(given: Sequence[StepSpec], schema: Schema, event_time: str, draft: _Draft) -> tuple[list[Step], Schema]:
    steps: list[Step] = []
    for index, step in enumerate(given):
        path = f"spec.steps[{index}]"
        if step.filter is not None:
            steps += _filter(step.filter, f"{path}.filter", schema, draft)
        elif step.assign is not None:
            if step.assign.name == event_time:
                draft.add(
                    f"{path}.set.name",
                    f"'{event_time}', the event time",
                    "another name: the watermark is made and windows are chosen by the record's event time",
                )
            expression = _bound(step.assign.expr, f"{path}.set.expr", schema, draft)
            if expression is None:
                draft.failed.add(step.assign.name)
                continue
            steps.append(SetStep(step.assign.name, expression))
            schema = schema.with_column(step.assign.name, expression.type)
    return steps, schema


def _filter(text: str, path: str, schema: Schema, draft: _Draft) -> Iterator[Step]:
    try:
        yield FilterStep(bind_condition(text, schema))
    except ExpressionError as error:
        draft.add_expression(path, text, error)


def _bound(text: str, path: str, schema: Schema, draft: _Draft) -> BoundExpression | None:
    try:
        expression = bind_expression(text, schema)
    except ExpressionError as error:
        draft.add_expression(path, text, error)
        return None
    if expression.type.kind in _NO_COLUMN_KINDS:
        draft.add(path, f"'{text}', which has no type", "a value with a type", suggestion=f"CAST({text} AS text)")
        return None
    return expression


def _dedup(pipeline: Pipeline, schema: Schema, draft: _Draft) -> DedupPlan | None:
    dedup = pipeline.spec.dedup
    if dedup is None:
        return None
    computed = {step.assign.name for step in pipeline.spec.steps if step.assign is not None}
    seen: set[str] = set()
    for index, name in enumerate(dedup.key):
        path = f"spec.dedup.key[{index}]"
        if name in seen:
            draft.add(path, f"'{name}' again", "distinct fields")
        elif schema.type_of(name) is None:
            found = f"'{name}', which a step computes" if name in computed else f"'{name}'"
            expected = f"a field of the record: {', '.join(schema.names)}"
            draft.add(path, found, expected, suggestion=_near(name, schema.names))
        seen.add(name)
    return DedupPlan(dedup.key, dedup.horizon.us)


def _view(view: ViewSpec, path: str, schema: Schema, draft: _Draft) -> ViewPlan:
    window = _window(view.window)
    groups = []
    for index, name in enumerate(view.group_by):
        data_type = _group_type(name, f"{path}.groupBy[{index}]", schema, draft)
        if data_type is not None:
            groups.append((name, data_type))
    aggregates = []
    for index, aggregate in enumerate(view.aggregates):
        bound = _bound_aggregate(aggregate.expr, f"{path}.aggregates[{index}].expr", schema, draft)
        if bound is None:
            continue
        if bound.function in _OVER_ENDLESS and isinstance(window, GlobalPlan):
            draft.add(
                f"{path}.aggregates[{index}].expr",
                f"{bound.function} over a global window",
                "a tumbling, hopping or session window: a global one has no end, so no length to divide by and no "
                "moment at which the samples before it may be forgotten",
            )
        aggregates.append(NamedAggregate(aggregate.name, bound))
    _check_columns(view, path, draft)
    return ViewPlan(
        name=view.name,
        group_by=tuple(groups),
        window=window,
        allowed_lateness_us=view.allowed_lateness.us,
        late=view.late.to,
        aggregates=tuple(aggregates),
        two_stage=False,
        fingerprint="",
    )


def _window(window: WindowSpec) -> WindowPlan:
    if window.tumbling is not None:
        return TumblingPlan(window.tumbling.size.us)
    if window.hopping is not None:
        return HoppingPlan(window.hopping.size.us, window.hopping.slide.us)
    if window.session is not None:
        return SessionPlan(window.session.gap.us)
    assert window.global_ is not None
    return GlobalPlan(window.global_.every.us)


def _group_type(name: str, path: str, schema: Schema, draft: _Draft) -> DataType | None:
    data_type = schema.type_of(name)
    if data_type is None:
        if name not in draft.failed:
            expected = f"a column: {', '.join(schema.names)}"
            draft.add(path, f"'{name}'", expected, suggestion=_near(name, schema.names))
        return None
    if data_type.kind in _NO_GROUP_KINDS:
        expected = "a column whose values can be equal: any type but json and interval"
        draft.add(path, f"'{name}' of type {data_type}", expected)
    return data_type


def _bound_aggregate(text: str, path: str, schema: Schema, draft: _Draft) -> BoundAggregate | None:
    try:
        return bind_aggregate(text, schema)
    except ExpressionError as error:
        draft.add_expression(path, text, error)
        return None


def _check_columns(view: ViewSpec, path: str, draft: _Draft) -> None:
    """Columns of a view differ in more than the case of letters: SQL without quotes does not see it."""
    taken = {name.lower(): f"'{name}', which every view has" for name in RESERVED_COLUMNS}
    paths = [(f"{path}.groupBy[{index}]", name) for index, name in enumerate(view.group_by)]
    paths += [(f"{path}.aggregates[{index}].name", part.name) for index, part in enumerate(view.aggregates)]
    for where, name in paths:
        if name.lower() in taken:
            draft.add(where, f"'{name}' beside {taken[name.lower()]}", _DIFFERENT_NAMES)
        taken.setdefault(name.lower(), f"'{name}'")


def _check_distinct(given: Sequence[str], path: str, draft: _Draft) -> None:
    taken: dict[str, str] = {}
    for index, name in enumerate(given):
        before = taken.setdefault(name.lower(), name)
        if before != name:
            draft.add(f"{path}[{index}].name", f"'{name}' beside '{before}'", _DIFFERENT_NAMES)


def _sink(sink: SinkSpec) -> SinkPlan:
    assert sink.files is not None, "the resource's types refuse other sinks"
    written = sink.files.format
    kind: OneOf["parquet", "ndjson", "csv"] = "parquet"
    if written.ndjson is not None:
        kind = "ndjson"
    elif written.csv is not None:
        kind = "csv"
    return SinkPlan(sink.name, sink.view, sink.files.path, kind)


def _partitions(pipeline: Pipeline, stored: Layout | None, default: int) -> int:
    scale = pipeline.spec.scale
    if "partitions" in scale.model_fields_set:
        return scale.partitions
    return stored.partitions if stored is not None else default


def _partition_key(
    dedup: DedupPlan | None, views: Sequence[ViewPlan], steps: Sequence[Step], schema: Schema, stored: Layout | None
) -> tuple[Key, list[Key]]:
    """The partition key, and each view's group as such a key."""
    fields = {name: KeyPart(Column(name, data_type), column_text(name)) for name, data_type in schema.columns}
    dedup_key = None if dedup is None else tuple(fields[name] for name in dedup.key)
    definitions, texts = definitions_after(steps), inlined_texts(steps)
    groups = [
        tuple(
            KeyPart(definitions.get(name, Column(name, data_type)), texts.get(name, column_text(name)))
            for name, data_type in view.group_by
        )
        for view in views
    ]
    known = {part.text: part for key in (tuple(fields.values()), *groups) for part in key}
    kept = _stored_key(stored, known, schema)
    if kept is not None and usable_key(kept, dedup_key):
        return kept, groups
    return derived_key(dedup_key, groups), groups


def _stored_key(stored: Layout | None, known: dict[str, KeyPart], schema: Schema) -> Key | None:
    """The stored layout's key over the present record; None when it does not exist there."""
    if stored is None:
        return None
    key = []
    for text in stored.partition_key:
        part = known.get(text)
        if part is None:
            try:
                part = KeyPart(bind_expression(text, schema).root, text)
            except ExpressionError:
                return None
        key.append(part)
    return tuple(key)


def _finished(view: ViewPlan, two_stage: bool, steps: Sequence[Step], conditions: Sequence[Expression]) -> ViewPlan:
    staged = replace(view, two_stage=two_stage)
    return replace(staged, fingerprint=state_fingerprint(staged, steps, conditions))


def _near(name: str, choices: Sequence[str]) -> str:
    return next(iter(get_close_matches(name, choices, n=1)), "")
