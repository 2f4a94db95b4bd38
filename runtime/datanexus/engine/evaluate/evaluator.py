"""A bound tree as a function over batches.

Every node computes a whole column. The lazy ones (AND, OR, CASE, COALESCE) compute all their parts, too, and then take
back the faults of rows that a part would not have been asked for: the same results as evaluating row by row, without
copying columns apart. Constants stay scalars.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datanexus.core.columns import arrow_type
from datanexus.engine.evaluate.arrays import column_of, flags_of, valid_flags, without
from datanexus.engine.evaluate.casts import conversion
from datanexus.engine.evaluate.faults import Failure, Flags, Frame, Operand, failed_flags, failures_of
from datanexus.engine.evaluate.registry import OPERATIONS
from datanexus.plan.expression import BoundAggregate, BoundExpression, Call, Case, Cast, Column, Expression, Literal
from datanexus_spec.datatype import DataType, Kind

Node = Callable[[Frame], Operand]


@dataclass(frozen=True, slots=True)
class Evaluated:
    """One value a row, NULL at failed rows; the failures ordered by row, at most one a row."""

    values: pa.Array
    failures: tuple[Failure, ...]


@dataclass(frozen=True, slots=True)
class AggregateColumns:
    """What an aggregate folds in: values (None for count(*)) and which rows its FILTER passes (None: all).

    A failed row passes no FILTER; whoever evaluates takes failed rows out of the batch anyhow.
    """

    values: pa.Array | None
    mask: Flags | None
    failures: tuple[Failure, ...]


Evaluator = Callable[[pa.RecordBatch], Evaluated]
AggregateEvaluator = Callable[[pa.RecordBatch], AggregateColumns]


def compile_expression(bound: BoundExpression) -> Evaluator:
    """A function from a batch with the columns the expression was bound to, to its values. Pure."""
    node = _node(bound.root)

    def evaluate(batch: pa.RecordBatch) -> Evaluated:
        return _run(node, bound.text, batch)

    return evaluate


def compile_aggregate_input(aggregate: BoundAggregate) -> AggregateEvaluator:
    """A function from a batch to an aggregate's values and FILTER; the argument counts only where the FILTER passes."""
    argument = None if aggregate.argument is None else _node(aggregate.argument)
    condition = None if aggregate.filter is None else _node(aggregate.filter)
    text = aggregate.text

    def evaluate(batch: pa.RecordBatch) -> AggregateColumns:
        frame = Frame(batch)
        mask = None if condition is None else flags_of(condition(frame), frame.rows)
        values = None
        if argument is not None:
            since = len(frame.faults)
            values = column_of(argument(frame), frame.rows)
            if mask is not None:
                frame.keep_reached(since, mask)
        if not frame.faults:
            return AggregateColumns(values, mask, ())
        failed = failed_flags(frame.faults, frame.rows)
        mask = None if mask is None else mask & ~failed
        values = None if values is None else without(values, failed)
        return AggregateColumns(values, mask, failures_of(frame.faults, text))

    return evaluate


def _run(node: Node, text: str, batch: pa.RecordBatch) -> Evaluated:
    frame = Frame(batch)
    values = column_of(node(frame), frame.rows)
    if not frame.faults:
        return Evaluated(values, ())
    return Evaluated(without(values, failed_flags(frame.faults, frame.rows)), failures_of(frame.faults, text))


def _node(expression: Expression) -> Node:
    match expression:
        case Literal():
            constant = constant_scalar(expression)
            return lambda _: constant
        case Column(name=name):
            return lambda frame: frame.batch.column(name)
        case Cast():
            return _cast(expression)
        case Case():
            return _case(expression)
        case Call(function="and" | "or"):
            return _junction(expression)
        case Call(function="coalesce"):
            return _coalesce(expression)
        case Call():
            return _call(expression)


def constant_scalar(literal: Literal) -> pa.Scalar:
    """A constant as Arrow has it."""
    data_type = arrow_type(literal.type)
    if literal.value is None:
        return pa.scalar(None, data_type)
    match literal.type.kind:
        case Kind.DECIMAL:
            return pa.scalar(str(literal.value)).cast(data_type)
        case Kind.TIMESTAMP | Kind.LOCAL_TIMESTAMP | Kind.INTERVAL:
            return pa.scalar(literal.value, pa.int64()).cast(data_type)
        case Kind.DATE:
            return pa.scalar(literal.value, pa.int32()).cast(data_type)
        case Kind.NULL:
            return pa.scalar(str(literal.value))
        case _:
            return pa.scalar(literal.value, data_type)


def _call(call: Call) -> Node:
    parts = [_node(argument) for argument in call.arguments]
    operation = OPERATIONS[call.function](call)
    all_constant = all(isinstance(argument, Literal) for argument in call.arguments)

    def run(frame: Frame) -> Operand:
        operands = [part(frame) for part in parts]
        if all_constant or all(isinstance(operand, pa.Scalar) for operand in operands):
            operands[0] = column_of(operands[0], frame.rows)
        return operation(frame, operands)

    return run


def _cast(cast: Cast) -> Node:
    part = _node(cast.argument)
    convert = conversion(cast)

    def run(frame: Frame) -> Operand:
        return convert(frame, column_of(part(frame), frame.rows))

    return run


def _junction(call: Call) -> Node:
    """AND, OR: the right side counts where the left one does not decide."""
    left, right = (_node(argument) for argument in call.arguments)
    combine = pc.and_kleene if call.function == "and" else pc.or_kleene
    deciding = call.function == "or"

    def run(frame: Frame) -> Operand:
        first = left(frame)
        since = len(frame.faults)
        second = right(frame)
        if len(frame.faults) > since:
            decided = flags_of(first, frame.rows, null=not deciding) == deciding
            frame.keep_reached(since, ~decided)
        return combine(first, second)

    return run


def _coalesce(call: Call) -> Node:
    parts = [_node(argument) for argument in call.arguments]
    target = call.type

    def run(frame: Frame) -> Operand:
        operands: list[Operand] = []
        open_rows: Flags | None = None
        for part in parts:
            since = len(frame.faults)
            operand = part(frame)
            if len(frame.faults) > since and operands:
                open_rows = np.logical_and.reduce([~valid_flags((before,), frame.rows) for before in operands])
                frame.keep_reached(since, open_rows)
            operands.append(operand)
        operands[0] = column_of(operands[0], frame.rows)
        return pc.coalesce(*(_as(operand, target) for operand in operands))

    return run


def _case(case: Case) -> Node:
    branches = [(_node(condition), _node(result)) for condition, result in case.branches]
    otherwise = None if case.otherwise is None else _node(case.otherwise)
    nothing = pa.scalar(None, arrow_type(case.type))

    def run(frame: Frame) -> Operand:
        conditions: list[Operand] = []
        results: list[Operand] = []
        open_rows = np.ones(frame.rows, dtype=np.bool_)  # reached by no branch so far
        for condition, result in branches:
            since = len(frame.faults)
            holds = condition(frame)
            if len(frame.faults) > since:
                frame.keep_reached(since, open_rows)
            holding = flags_of(holds, frame.rows) & open_rows
            open_rows &= ~holding
            conditions.append(pa.array(holding))
            results.append(_reached(frame, result, holding))
        rest = nothing if otherwise is None else _reached(frame, otherwise, open_rows)
        chosen = rest
        for holds, result in zip(reversed(conditions), reversed(results), strict=True):
            chosen = pc.if_else(holds, result, chosen)
        return chosen

    return run


def _reached(frame: Frame, node: Node, reached: Flags) -> Operand:
    since = len(frame.faults)
    operand = node(frame)
    if len(frame.faults) > since:
        frame.keep_reached(since, reached)
    return operand


def _as(operand: Operand, data_type: DataType) -> Operand:
    target = arrow_type(data_type)
    return operand if operand.type == target else operand.cast(target)
