"""Expressions over computed columns, rewritten as expressions over the record alone, and their canonical form.

A step may replace a column, so a name means different things before and after it; after inlining a column always means
the field of the record. Pure: trees in, trees out.
"""

from collections.abc import Mapping, Sequence
from typing import assert_never

from datanexus.plan.expression import BoundAggregate, Call, Case, Cast, Column, Expression, Literal
from datanexus.plan.physical import FilterStep, SetStep, Step

Definitions = Mapping[str, Expression]  # computed columns, each over the record alone
Canonical = list[object]  # JSON values only; equal trees give equal lists


def inlined(expression: Expression, definitions: Definitions) -> Expression:
    """The same value computed from record fields only: each computed column replaced by its definition."""
    match expression:
        case Literal():
            return expression
        case Column(name=name):
            return definitions.get(name, expression)
        case Call(function=function, arguments=arguments, type=data_type):
            return Call(function, tuple(inlined(argument, definitions) for argument in arguments), data_type)
        case Cast(argument=argument, type=data_type):
            return Cast(inlined(argument, definitions), data_type)
        case Case(branches=branches, otherwise=otherwise, type=data_type):
            parts = tuple((inlined(when, definitions), inlined(then, definitions)) for when, then in branches)
            return Case(parts, None if otherwise is None else inlined(otherwise, definitions), data_type)
    assert_never(expression)


def definitions_after(steps: Sequence[Step]) -> dict[str, Expression]:
    """What each column that the steps computed or replaced stands for at their end."""
    definitions: dict[str, Expression] = {}
    for step in steps:
        if isinstance(step, SetStep):
            definitions[step.name] = inlined(step.expression.root, definitions)
    return definitions


def conditions_of(steps: Sequence[Step]) -> tuple[Expression, ...]:
    """The filters' conditions in order, each over the record alone."""
    conditions: list[Expression] = []
    definitions: dict[str, Expression] = {}
    for step in steps:
        match step:
            case SetStep(name=name, expression=expression):
                definitions[name] = inlined(expression.root, definitions)
            case FilterStep(condition=condition):
                conditions.append(inlined(condition.root, definitions))
    return tuple(conditions)


def canonical(expression: Expression | None) -> Canonical | None:
    """A tree as JSON values, independent of how the text was written."""
    match expression:
        case None:
            return None
        case Literal(value=value, type=data_type):
            return ["literal", repr(value), str(data_type)]
        case Column(name=name, type=data_type):
            return ["column", name, str(data_type)]
        case Call(function=function, arguments=arguments, type=data_type):
            return ["call", function, [canonical(argument) for argument in arguments], str(data_type)]
        case Cast(argument=argument, type=data_type):
            return ["cast", canonical(argument), str(data_type)]
        case Case(branches=branches, otherwise=otherwise, type=data_type):
            parts = [[canonical(when), canonical(then)] for when, then in branches]
            return ["case", parts, canonical(otherwise), str(data_type)]
    assert_never(expression)


def canonical_aggregate(aggregate: BoundAggregate, definitions: Definitions) -> Canonical:
    """An aggregate call over the record alone as JSON values."""
    parts = (aggregate.argument, aggregate.filter)
    argument, condition = (None if part is None else canonical(inlined(part, definitions)) for part in parts)
    return [
        aggregate.function,
        argument,
        [repr(value) for value in aggregate.parameters],
        condition,
        str(aggregate.type),
    ]
