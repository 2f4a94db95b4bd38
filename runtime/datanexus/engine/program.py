"""All expressions of a plan, compiled once, run over a batch before any state is touched.

A record on which one expression fails is taken out whole, with the expression and the values it saw; its neighbours go
on. No state lives here, so running a batch in pieces gives the same.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datanexus.core.aggregate import AggregateInput, AggregateSpec
from datanexus.core.columns import arrow_type
from datanexus.core.emission import Global, Hopping, KeyHashes, Session, Tumbling, ViewRows, ViewSpec, WindowSpec
from datanexus.core.hashing import hash_rows
from datanexus.core.key_groups import partition_of
from datanexus.core.rejection import Rejection, Stage
from datanexus.engine.evaluate.evaluator import AggregateEvaluator, compile_aggregate_input, compile_expression
from datanexus.engine.evaluate.faults import Failure
from datanexus.plan.expression import BoundExpression, columns_of
from datanexus.plan.physical import (
    FilterStep,
    GlobalPlan,
    HoppingPlan,
    PhysicalPlan,
    SessionPlan,
    SetStep,
    TumblingPlan,
    ViewPlan,
    WindowPlan,
)

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Prepared:
    """k rows that passed every expression. `origin`: their rows in the batch given, ascending. `fingerprints`: of the
    dedup key (None: no dedup). `partitions`: None when there is one. `views`: as PhysicalPlan.views."""

    origin: Rows
    event_time_us: npt.NDArray[np.int64]
    fingerprints: KeyHashes | None
    partitions: npt.NDArray[np.int32] | None
    views: tuple[ViewRows, ...]
    filtered: int
    failures: tuple[Rejection, ...]


class Program:
    """The steps, group columns, aggregate inputs and keys of one plan."""

    def __init__(self, plan: PhysicalPlan) -> None:
        self._plan = plan
        self._steps = [
            (step, compile_expression(step.expression if isinstance(step, SetStep) else step.condition))
            for step in plan.steps
        ]
        self._inputs, self._input_of = _compiled_inputs(plan)
        self._partition_key = [
            compile_expression(BoundExpression(text, root))
            for text, root in zip(plan.partition_key_text, plan.partition_key, strict=True)
        ]
        self._needed = _columns_needed(plan)

    def prepare(self, records: pa.RecordBatch, event_time_us: npt.NDArray[np.int64]) -> Prepared:
        """Run everything over the records (record schema, n rows, with their event times)."""
        alive = _Alive(records.select([name for name in records.schema.names if name in self._needed]))
        for step, evaluator in self._steps:
            evaluated = evaluator(alive.batch)
            if isinstance(step, SetStep):
                alive.set_column(step.name, evaluated.values)
                alive.reject(evaluated.failures, step.expression.text)
            else:
                alive.filter(evaluated.values, evaluated.failures, step.condition.text)
        inputs = self._aggregate_inputs(alive)
        times = event_time_us if alive.is_whole else event_time_us[alive.origin]
        return Prepared(
            origin=alive.origin,
            event_time_us=times,
            fingerprints=self._fingerprints(records, alive),
            partitions=self._partitions(records, alive),
            views=tuple(
                _view_rows(view, alive.batch, given, times)
                for view, given in zip(self._plan.views, inputs, strict=True)
            ),
            filtered=alive.filtered,
            failures=tuple(alive.rejections),
        )

    def _aggregate_inputs(self, alive: "_Alive") -> list[tuple[AggregateInput, ...]]:
        """Inputs of all views; rows on which one of them fails are taken out and the rest is evaluated again."""
        while True:
            results = [evaluate(alive.batch) for evaluate, _ in self._inputs]
            failed = [
                (result.failures, text)
                for result, (_, text) in zip(results, self._inputs, strict=True)
                if result.failures
            ]
            if not failed:
                inputs = [AggregateInput(result.values, result.mask) for result in results]
                return [tuple(inputs[number] for number in numbers) for numbers in self._input_of]
            alive.reject_first(failed)

    def _fingerprints(self, records: pa.RecordBatch, alive: "_Alive") -> KeyHashes | None:
        """The dedup key names record fields, as the partition key does: what a step made of a field of that name is
        another value, whose records may lie in other partitions."""
        if self._plan.dedup is None:
            return None
        replaced = {step.name for step, _ in self._steps if isinstance(step, SetStep)}
        batch = alive.batch if replaced.isdisjoint(self._plan.dedup.key) else alive.of(records)
        return hash_rows([batch.column(name) for name in self._plan.dedup.key])

    def _partitions(self, records: pa.RecordBatch, alive: "_Alive") -> npt.NDArray[np.int32] | None:
        if self._plan.partitions == 1:
            return None
        whole = alive.of(records)
        keys = [evaluator(whole).values for evaluator in self._partition_key]
        hashes = hash_rows(keys) if keys else np.zeros((whole.num_rows, 2), np.uint64)
        return partition_of(hashes, self._plan.partitions)


class _Alive:
    """The rows that are still in, while steps run."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        self.batch = batch
        self.origin: Rows = np.arange(batch.num_rows, dtype=np.int64)
        self.is_whole = True
        self.filtered = 0
        self.rejections: list[Rejection] = []

    def of(self, records: pa.RecordBatch) -> pa.RecordBatch:
        """The records, as they were before the steps, of the rows that are still in."""
        return records if self.is_whole else records.take(pa.array(self.origin))

    def set_column(self, name: str, values: pa.Array) -> None:
        index = self.batch.schema.get_field_index(name)
        if index < 0:
            self.batch = self.batch.append_column(name, values)
        else:
            self.batch = self.batch.set_column(index, name, values)

    def filter(self, condition: pa.Array, failures: Sequence[Failure], text: str) -> None:
        passes = _true_mask(condition)
        failed = self._note(failures, text)
        self.filtered += int(len(passes) - passes.sum()) - int((~passes[failed]).sum())
        passes[failed] = False
        self._keep(passes)

    def reject(self, failures: Sequence[Failure], text: str) -> None:
        if failures:
            passes = np.ones(self.batch.num_rows, np.bool_)
            passes[self._note(failures, text)] = False
            self._keep(passes)

    def reject_first(self, failed: Iterable[tuple[Sequence[Failure], str]]) -> None:
        """Reject each row once, by the first expression that failed on it."""
        seen: dict[int, tuple[Failure, str]] = {}
        for failures, text in failed:
            for failure in failures:
                seen.setdefault(failure.row, (failure, text))
        passes = np.ones(self.batch.num_rows, np.bool_)
        for row in sorted(seen):
            passes[self._note((seen[row][0],), seen[row][1])] = False
        self._keep(passes)

    def _note(self, failures: Sequence[Failure], text: str) -> Rows:
        rows = np.array([failure.row for failure in failures], np.int64)
        for failure in failures:
            self.rejections.append(
                Rejection(
                    row=int(self.origin[failure.row]),
                    stage=Stage.STEP,
                    reason=failure.reason,
                    message=failure.message,
                    subject=text,
                    values=failure.values[:1000],
                )
            )
        return rows

    def _keep(self, passes: npt.NDArray[np.bool_]) -> None:
        if passes.all():
            return
        self.is_whole = False
        self.origin = self.origin[passes]
        self.batch = self.batch.filter(pa.array(passes))


def view_spec(view: ViewPlan) -> ViewSpec:
    """What the core must know of a planned view."""
    return ViewSpec(
        name=view.name,
        window=_window_spec(view.window),
        allowed_lateness_us=view.allowed_lateness_us,
        group_by=tuple((name, arrow_type(data_type)) for name, data_type in view.group_by),
        aggregates=tuple(
            (
                named.name,
                AggregateSpec(
                    function=named.aggregate.function,
                    input_type=None if named.aggregate.argument is None else arrow_type(named.aggregate.argument.type),
                    parameters=named.aggregate.parameters,
                    output_type=arrow_type(named.aggregate.type),
                ),
            )
            for named in view.aggregates
        ),
    )


def _window_spec(window: WindowPlan) -> WindowSpec:
    match window:
        case TumblingPlan(size_us=size_us):
            return Tumbling(size_us)
        case HoppingPlan(size_us=size_us, slide_us=slide_us):
            return Hopping(size_us, slide_us)
        case SessionPlan(gap_us=gap_us):
            return Session(gap_us)
        case GlobalPlan(every_us=every_us):
            return Global(every_us)


def _compiled_inputs(plan: PhysicalPlan) -> tuple[list[tuple[AggregateEvaluator, str]], list[list[int]]]:
    """What the aggregates of all views take in, each with the text of the first of them; and for each view which its
    aggregates take. Aggregates of the same argument and FILTER share theirs."""
    compiled: list[tuple[AggregateEvaluator, str]] = []
    numbers: dict[str, int] = {}
    input_of: list[list[int]] = []
    for view in plan.views:
        input_of.append([])
        for aggregate in (named.aggregate for named in view.aggregates):
            content = repr((aggregate.argument, aggregate.filter))  # as 0.0 equals −0.0
            if content not in numbers:
                numbers[content] = len(compiled)
                compiled.append((compile_aggregate_input(aggregate), aggregate.text))
            input_of[-1].append(numbers[content])
    return compiled, input_of


def _view_rows(
    view: ViewPlan, batch: pa.RecordBatch, inputs: tuple[AggregateInput, ...], times: npt.NDArray[np.int64]
) -> ViewRows:
    group = tuple(batch.column(name) for name, _ in view.group_by)
    hashes = hash_rows(group) if group else np.zeros((batch.num_rows, 2), np.uint64)
    return ViewRows(event_time_us=times, key_hashes=hashes, group=group, inputs=inputs)


def _true_mask(condition: pa.Array) -> npt.NDArray[np.bool_]:
    """True where the condition is true; NULL does not pass."""
    filled = condition.fill_null(False) if condition.null_count else condition
    return np.array(filled.to_numpy(zero_copy_only=False), np.bool_)


def _columns_needed(plan: PhysicalPlan) -> frozenset[str]:
    """Record columns that some expression or key reads."""
    needed = {name for view in plan.views for name, _ in view.group_by}
    needed |= set(plan.dedup.key) if plan.dedup else set()
    for step in plan.steps:
        expression = step.condition if isinstance(step, FilterStep) else step.expression
        needed |= columns_of(expression.root)
    for view in plan.views:
        for named in view.aggregates:
            needed |= columns_of(named.aggregate.argument) | columns_of(named.aggregate.filter)
    for root in plan.partition_key:
        needed |= columns_of(root)
    return frozenset(needed)
