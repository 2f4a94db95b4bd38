"""The partition key, and which views need a second stage (design: life of a record, 5). Pure.

A key is a set of expressions over the record: a computed column counts as what it is computed from, so a column that a
step replaced is not the record's column of the same name, and one that only renames a field is that field.
Invariants: the key is contained in the dedup key, so repeats meet in one partition; a one-stage view's groupBy
contains the key, so all records of a group meet in one partition.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from datanexus.plan.expression import Column, Expression
from datanexus.plan.inlining import definitions_after
from datanexus.plan.physical import DedupPlan, PhysicalPlan, Step, ViewPlan


@dataclass(frozen=True, slots=True)
class KeyPart:
    """One expression of a key over the record, and its SQL text."""

    expression: Expression
    text: str


Key = tuple[KeyPart, ...]


def derived_key(dedup_key: Key | None, groups: Sequence[Key]) -> Key:
    """The largest key contained in the dedup key and in every non-empty group; else the dedup key; without dedup the
    first group. Empty when there is neither: one partition takes all. Order: of the dedup key, else the first group.
    """
    grouping = [group for group in groups if group]
    candidates = [*([dedup_key] if dedup_key is not None else []), *grouping]
    if not candidates:
        return ()
    first, *others = candidates
    common = tuple(part for part in first if all(_has(other, part) for other in others))
    return common or first


def usable_key(key: Key, dedup_key: Key | None) -> bool:
    """Whether a stored key still keeps repeats together."""
    return dedup_key is None or all(_has(dedup_key, part) for part in key)


def needs_two_stages(key: Key, group: Key, partitions: int) -> bool:
    """Whether records of one group may lie in several partitions."""
    return partitions > 1 and not all(_has(group, part) for part in key)


def key_reason(plan: PhysicalPlan) -> str:
    """Why the plan has its partition key, as half a sentence."""
    key = set(plan.partition_key)
    groups = [group_of(view, plan.steps) for view in plan.views if view.group_by]
    in_every_group = all(key <= group for group in groups)
    if not key:
        return "no dedup and no view with groups, so all records stay together"
    if plan.dedup is not None:
        if groups and in_every_group:
            return "what the dedup key and the groups of all views share"
        if key == dedup_of(plan.dedup, plan):
            return "the dedup key" if not groups else "the dedup key, as it shares nothing with the groups of all views"
        return "kept from the stored layout"
    if in_every_group:
        return "the group of the view" if len(groups) == 1 else "what the groups of all views share"
    if groups and key == groups[0]:
        first = next(view.name for view in plan.views if view.group_by)
        return f"the group of view {first}, as the groups of all views share nothing"
    return "kept from the stored layout"


def group_of(view: ViewPlan, steps: Sequence[Step]) -> set[Expression]:
    """A view's group columns over the record alone."""
    definitions = definitions_after(steps)
    return {definitions.get(name, Column(name, data_type)) for name, data_type in view.group_by}


def dedup_of(dedup: DedupPlan, plan: PhysicalPlan) -> set[Expression]:
    """The dedup key as columns of the record."""
    return {Column(name, data_type) for name, data_type in plan.record_schema.columns if name in dedup.key}


def _has(key: Key, part: KeyPart) -> bool:
    return any(other.expression == part.expression for other in key)
