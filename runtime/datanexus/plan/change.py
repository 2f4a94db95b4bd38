"""What a changed pipeline means for the state it finds: the verdicts, and the rule that permits or refuses. Pure.

`Layout` is what the store keeps of the plan whose state it holds. Everything that refuses a change reads it here, so
that `plan`, `run` and the operator say the same.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal as OneOf

from datanexus.plan.expression import Expression, columns_of
from datanexus.plan.inlining import canonical, conditions_of, definitions_after
from datanexus.plan.physical import PhysicalPlan, ViewPlan
from datanexus.plan.revision import STATE_VERSION, digest, duration_text, revision_name, window_text
from datanexus.plan.sources import source_kind
from datanexus_spec.errors import Corrupt, Incompatible

Verdict = OneOf["same", "new", "dropped", "incompatible"]
Action = OneOf["Continue", "Reset", "Rebuild"]


@dataclass(frozen=True, slots=True)
class Layout:
    """What the state of a pipeline was made by. `views` and `sources`: per name, the parts in words that shape it, and
    for a view its `fingerprint`. `state_version`: of the release that wrote the state."""

    state_version: int
    revision: str
    fingerprint: str
    partitions: int
    partition_key: tuple[str, ...]
    dedup: str
    event_time: str
    sources: Mapping[str, str]
    views: Mapping[str, Mapping[str, str]]

    def to_json(self) -> str:
        """One line of JSON; equal layouts give equal text."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "Layout":
        """The layout a store kept.

        Raises: Corrupt when the text is none; Incompatible when a newer release wrote it.
        """
        try:
            content = json.loads(text)
            layout = cls(**{**content, "partition_key": tuple(content["partition_key"])})
        except (ValueError, TypeError, KeyError) as error:
            raise Corrupt(
                f"the stored layout of the pipeline is unreadable: {text[:200]!r}",
                reason="LayoutUnreadable",
                hint="restore the data folder from a copy, or start over with --fresh",
            ) from error
        if layout.state_version > STATE_VERSION:
            raise Incompatible(
                f"the stored state has version {layout.state_version}, this release reads up to {STATE_VERSION}",
                reason="NewerState",
                hint="use the release that wrote it, or a newer one",
            )
        return layout


@dataclass(frozen=True, slots=True)
class PartVerdict:
    """What happens to one part's state. `part`: `view traffic`, `dedup`, `partition key`, `source access`, …"""

    part: str
    verdict: Verdict
    sentence: str


@dataclass(frozen=True, slots=True)
class ChangeVerdict:
    """What a plan means for stored state: shared parts, sources, then views; dropped ones last."""

    old_revision: str
    new_revision: str
    parts: tuple[PartVerdict, ...]

    @property
    def incompatible(self) -> tuple[PartVerdict, ...]:
        return tuple(part for part in self.parts if part.verdict == "incompatible")

    @property
    def changes(self) -> tuple[PartVerdict, ...]:
        """The parts for which something changes."""
        return tuple(part for part in self.parts if part.verdict != "same")


def layout_of(plan: PhysicalPlan) -> Layout:
    """What a store keeps of a plan."""
    return Layout(
        state_version=STATE_VERSION,
        revision=plan.revision,
        fingerprint=plan.fingerprint,
        partitions=plan.partitions,
        partition_key=plan.partition_key_text,
        dedup=_dedup_text(plan),
        event_time=plan.record.event_time,
        sources={source.name: source_kind(source) for source in plan.sources},
        views={view.name: _view_parts(view, plan) for view in plan.views},
    )


def judge_change(old_layout: Layout, new_plan: PhysicalPlan) -> ChangeVerdict:
    """Say for each part of a pipeline what the new plan means for its stored state."""
    new_layout = layout_of(new_plan)
    parts = [
        *_shared_verdicts(old_layout, new_layout),
        *_source_verdicts(old_layout, new_layout),
        *_view_verdicts(old_layout, new_layout),
    ]
    return ChangeVerdict(old_layout.revision, new_plan.revision, tuple(parts))


def permitted(
    pipeline: str, verdict: ChangeVerdict, *, action: OneOf["Rebuild", "Reset"] | None, from_revision: str | None
) -> Action:
    """What to do with the stored state, by the spec's `stateChange` (`action`, `from_revision`; None without one).

    A stateChange counts only for the change from the revision it names: later it permits nothing.
    Raises: Incompatible, naming every part that does not fit; nothing may have been changed by then.
    """
    old_names = (verdict.old_revision, revision_name(pipeline, verdict.old_revision))
    if action is not None and from_revision in old_names and verdict.new_revision != verdict.old_revision:
        return action
    refused = verdict.incompatible
    if not refused:
        return "Continue"
    sentences = "\n".join(f"  {part.sentence}" for part in refused)
    stale = ""
    if action is not None:
        stale = f" (its stateChange permits a change from revision {from_revision} only)"
    raise Incompatible(
        f"pipeline {pipeline}: the state of revision {verdict.old_revision} does not fit the changed spec{stale}\n"
        f"{sentences}",
        reason="StateDoesNotFit",
        hint=(
            "undo the change, give what changed a new name, or permit this one change with "
            f"`stateChange: {{action: Rebuild, from: {old_names[1]}}}` (reads all sources again) or "
            "`action: Reset` (forgets the stored results and starts empty)"
        ),
    )


def _shared_verdicts(old: Layout, new: Layout) -> list[PartVerdict]:
    compared = [
        ("state version", str(old.state_version), str(new.state_version), "state of another release cannot be read"),
        ("partitions", str(old.partitions), str(new.partitions), "keys would move between partitions"),
        ("partition key", _key_text(old), _key_text(new), "keys would move between partitions"),
        ("dedup", old.dedup, new.dedup, "it would not know the records that passed before"),
        ("event time", old.event_time, new.event_time, "windows and watermark would mix two clocks"),
    ]
    verdicts = []
    for part, before, after, consequence in compared:
        if before == after:
            verdicts.append(PartVerdict(part, "same", f"{part}: {after}, as before"))
        else:
            sentence = f"{part}: was {before}, is {after}; {consequence}"
            verdicts.append(PartVerdict(part, "incompatible", sentence))
    if old.fingerprint != new.fingerprint and all(verdict.verdict == "same" for verdict in verdicts):
        sentence = "partition key: the types of its columns changed; keys would move between partitions"
        verdicts.append(PartVerdict("partition key types", "incompatible", sentence))
    return verdicts


def _source_verdicts(old: Layout, new: Layout) -> list[PartVerdict]:
    verdicts = []
    for name, kind in new.sources.items():
        before = old.sources.get(name)
        if before is None:
            verdict = PartVerdict(f"source {name}", "new", f"source {name}: new, read from its beginning")
        elif before == kind:
            verdict = PartVerdict(f"source {name}", "same", f"source {name}: goes on where it stopped")
        else:
            sentence = f"source {name}: was {before}, is {kind}; its positions mean nothing there: use another name"
            verdict = PartVerdict(f"source {name}", "incompatible", sentence)
        verdicts.append(verdict)
    for name in old.sources:
        if name not in new.sources:
            sentence = f"source {name}: dropped; what was read of it stays in the results"
            verdicts.append(PartVerdict(f"source {name}", "dropped", sentence))
    return verdicts


def _view_verdicts(old: Layout, new: Layout) -> list[PartVerdict]:
    verdicts = []
    for name, parts in new.views.items():
        before = old.views.get(name)
        if before is None:
            sentence = f"view {name}: new, starts empty; records read before the change are not in it"
            verdicts.append(PartVerdict(f"view {name}", "new", sentence))
        elif before["fingerprint"] == parts["fingerprint"]:
            verdicts.append(PartVerdict(f"view {name}", "same", f"view {name}: goes on with its state"))
        else:
            sentence = f"view {name}: {_difference(before, parts)}"
            verdicts.append(PartVerdict(f"view {name}", "incompatible", sentence))
    for name in old.views:
        if name not in new.views:
            sentence = f"view {name}: dropped; its rows and state are removed"
            verdicts.append(PartVerdict(f"view {name}", "dropped", sentence))
    return verdicts


def _difference(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """What the user changed; only without that, what followed from it."""
    shown = ("window", "allowedLateness", "groupBy", "aggregates")
    changed = [
        f"{part} was {before.get(part, 'absent')}, is {after[part]}"
        for part in shown
        if before.get(part) != after[part]
    ]
    if before.get("filters") != after["filters"]:
        changed.append("the filters before it changed")
    if not changed and before.get("computed") != after["computed"]:
        changed.append("a computed column it reads changed")
    return "; ".join(changed) or f"its stages were {before.get('stages', 'unknown')}, are {after['stages']}"


def _view_parts(view: ViewPlan, plan: PhysicalPlan) -> dict[str, str]:
    aggregates = (f"{named.name} = {named.aggregate.text} ({named.aggregate.type})" for named in view.aggregates)
    groups = ", ".join(f"{name} ({data_type})" for name, data_type in view.group_by)
    return {
        "fingerprint": view.fingerprint,
        "window": window_text(view.window),
        "allowedLateness": duration_text(view.allowed_lateness_us),
        "groupBy": groups or "nothing",
        "aggregates": ", ".join(aggregates),
        "stages": "two" if view.two_stage else "one",
        "computed": digest([canonical(definition) for definition in _read_definitions(view, plan)]),
        "filters": digest([repr(condition) for condition in conditions_of(plan.steps)]),
    }


def _read_definitions(view: ViewPlan, plan: PhysicalPlan) -> list[Expression]:
    """The computed columns a view reads, over the record alone, in the order of their names."""
    read = {name for name, _ in view.group_by}
    for named in view.aggregates:
        read |= columns_of(named.aggregate.argument) | columns_of(named.aggregate.filter)
    definitions = definitions_after(plan.steps)
    return [definitions[name] for name in sorted(read) if name in definitions]


def _dedup_text(plan: PhysicalPlan) -> str:
    if plan.dedup is None:
        return "none"
    keys = ", ".join(f"{name} ({plan.record_schema.type_of(name)})" for name in plan.dedup.key)
    return f"{keys} within {duration_text(plan.dedup.horizon_us)}"


def _key_text(layout: Layout) -> str:
    return ", ".join(layout.partition_key) or "none"
