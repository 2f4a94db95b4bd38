"""Which fields of a Pipeline changed, and of which class each change is. Pure.

A class says what it takes until the change works, from nothing to impossible. It is read off the two plans where state
is concerned (`plan.change` judges that), and by where a field stands otherwise.

Invariant: a change has a field of class `state change` if and only if a part of the stored state is incompatible.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any
from typing import Literal as OneOf

from datanexus.plan.change import ChangeVerdict
from datanexus.plan.expression import Expression, columns_of
from datanexus.plan.inlining import canonical
from datanexus.plan.physical import FilterStep, PhysicalPlan, SetStep, Step, ViewPlan
from datanexus_spec.pipeline import Pipeline

ChangeClass = OneOf["nothing", "in place", "rolling", "drain", "state change", "impossible"]
CLASSES: tuple[ChangeClass, ...] = ("nothing", "in place", "rolling", "drain", "state change", "impossible")

Loc = tuple[str | int, ...]  # names of items stand in lists where they have one: ("views", "traffic", "window")
_ABSENT = object()
_SHOWN_CHARACTERS = 72  # of a value
_NAMED_LISTS = ("sources", "fields", "views", "aggregates", "sinks", "quality", "env")

_SAME_MEANING = "written differently, means the same"
_INGEST = "records read from now on follow it; what was read stays as it is"
_WORKER = "holds from the next cut on"
_IN_LOG = "records in the log still have the old form; the old revision works them off first"
_PODS = "the pods are made anew; on a laptop it has no effect"
# By the beginning of the path below `spec`, the longest that fits: what a change takes where no state is concerned.
_BY_PLACE: Mapping[tuple[str, ...], tuple[ChangeClass, str]] = {
    ("sources",): ("rolling", _INGEST),
    ("record",): ("rolling", _INGEST),
    ("steps",): ("rolling", _WORKER),
    ("dedup",): ("rolling", _WORKER),
    ("watermark",): ("rolling", _WORKER),
    ("views",): ("rolling", _WORKER),
    ("sinks",): ("rolling", "holds for rows that become final from the next cut on"),
    ("quality",): ("rolling", _WORKER),
    ("quarantine",): ("rolling", _WORKER),
    ("storage",): ("rolling", "rows beyond it are removed at the next cut; removed rows do not return"),
    ("scale", "partitions"): ("nothing", "the stored number of partitions stays"),
    ("scale", "workers"): ("in place", "workers come or go; on a laptop it has no effect"),
    ("runtime",): ("rolling", _PODS),
    ("rollout",): ("nothing", "it says how the next change goes"),
    ("paused",): ("in place", "the same revision rests or goes on"),
    ("pausePolicy",): ("in place", "it says what a pause does"),
    ("pinnedRevision",): ("in place", "it chooses among the revisions there are"),
    ("stateChange",): ("nothing", "it permits, and changes nothing itself"),
}


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One changed field. `before`, `after`: the values in the words of the file, empty where there is none."""

    path: str
    change_class: ChangeClass
    before: str
    after: str
    sentence: str


def greatest(classes: Sequence[ChangeClass]) -> ChangeClass:
    """The class that takes most; `nothing` without any."""
    return max(classes, key=CLASSES.index, default="nothing")


def field_changes(
    old: tuple[Pipeline, PhysicalPlan], new: tuple[Pipeline, PhysicalPlan], verdict: ChangeVerdict
) -> tuple[FieldChange, ...]:
    """Every field that differs between two specs, defaults filled in, in the order of the new file's parts.

    `verdict`: what the new plan means for the state of the old one.
    """
    before, after = (_content(resource) for resource, _ in (old, new))
    changes = list(_name_changes(old[0], new[0]))
    judge = _Judge(old[1], new[1], frozenset(part.part for part in verdict.incompatible))
    for loc, was, now in _differences(before, after, ()):
        change_class, sentence = judge.of(loc, was, now)
        changes.append(FieldChange(_path(loc), change_class, _value_text(was), _value_text(now), sentence))
    return tuple(changes)


def _name_changes(old: Pipeline, new: Pipeline) -> Iterator[FieldChange]:
    """A pipeline is its name; all else in its metadata changes nothing that runs."""
    given = (
        ("name", old.metadata.name, new.metadata.name),
        ("namespace", old.metadata.namespace, new.metadata.namespace),
    )
    for field, was, now in given:
        if was != now:
            sentence = "that is another pipeline: it starts empty, and the old one's state stays with the old name"
            yield FieldChange(f"metadata.{field}", "impossible", was or "", now or "", sentence)


def _content(pipeline: Pipeline) -> Mapping[str, Any]:
    content: Mapping[str, Any] = pipeline.spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    return content


def _differences(was: Any, now: Any, loc: Loc) -> Iterator[tuple[Loc, Any, Any]]:
    """The smallest parts that differ: members of objects, items of lists that have names, steps."""
    if was == now:
        return
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        yield from _object_differences(was, now, loc)
    elif isinstance(was, list) and isinstance(now, list) and loc == ("steps",):
        yield from _step_differences(was, now)
    elif isinstance(was, list) and isinstance(now, list) and _are_named([*was, *now]):
        yield from _named_differences(was, now, loc)
    else:
        yield loc, was, now


def _object_differences(was: Mapping[str, Any], now: Mapping[str, Any], loc: Loc) -> Iterator[tuple[Loc, Any, Any]]:
    gone, come = [key for key in was if key not in now], [key for key in now if key not in was]
    if len(gone) == len(come) == 1 and isinstance(was[gone[0]], dict) and isinstance(now[come[0]], dict):
        yield loc, {gone[0]: was[gone[0]]}, {come[0]: now[come[0]]}  # another choice of a union
        gone, come = [], []
    for key in gone:
        yield (*loc, key), was[key], _ABSENT
    for key, value in now.items():
        if key in was:
            yield from _differences(was[key], value, (*loc, key))
        elif key in come:
            yield (*loc, key), _ABSENT, value


def _named_differences(was: Sequence[Any], now: Sequence[Any], loc: Loc) -> Iterator[tuple[Loc, Any, Any]]:
    before = {item["name"]: item for item in was}
    after = {item["name"]: item for item in now}
    for name, item in before.items():
        if name not in after:
            yield (*loc, name), item, _ABSENT
    for name, item in after.items():
        if name in before:
            yield from _differences(before[name], item, (*loc, name))
        else:
            yield (*loc, name), _ABSENT, item
    order_before, order_after = (
        [name for name in names if name in before and name in after] for names in (before, after)
    )
    if order_before != order_after:
        yield loc, order_before, order_after


def _step_differences(was: Sequence[Any], now: Sequence[Any]) -> Iterator[tuple[Loc, Any, Any]]:
    """Steps have no names: those that stay in order are the same ones."""
    before, after = [json.dumps(step) for step in was], [json.dumps(step) for step in now]
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    for operation, start, end, new_start, new_end in matcher.get_opcodes():
        if operation == "equal":
            continue
        for offset in range(max(end - start, new_end - new_start)):
            old_step = was[start + offset] if start + offset < end else _ABSENT
            new_step = now[new_start + offset] if new_start + offset < new_end else _ABSENT
            index = new_start + offset if new_step is not _ABSENT else start + offset
            yield ("steps", index), old_step, new_step


def _are_named(items: Sequence[Any]) -> bool:
    return bool(items) and all(isinstance(item, dict) and "name" in item for item in items)


@dataclass(frozen=True, slots=True)
class _Judge:
    """Says of one difference what it takes. `unfit`: the parts of the state that are incompatible."""

    old: PhysicalPlan
    new: PhysicalPlan
    unfit: frozenset[str]

    def of(self, loc: Loc, was: Any, now: Any) -> tuple[ChangeClass, str]:
        judged: tuple[ChangeClass, str] | None = None
        match loc:
            case ("sources", str(name), *_):
                judged = self._source(name, loc, was, now)
            case ("record", "eventTime") if "event time" in self.unfit:
                judged = "state change", "windows and watermark would mix two clocks"
            case ("record", "fields", str(name), *_):
                judged = self._field(name, loc, was, now)
            case ("steps", *_):
                judged = self._step(was, now)
            case ("dedup", *_):
                judged = self._dedup()
            case ("scale", "partitions") if "partitions" in self.unfit:
                judged = "state change", "keys would move between partitions"
            case ("views", str(name), *_):
                judged = self._view(name, loc)
        return judged or _by_place(loc)

    def _source(self, name: str, loc: Loc, was: Any, now: Any) -> tuple[ChangeClass, str] | None:
        if f"source {name}" in self.unfit and len(loc) == 2:
            return "state change", "positions of the one kind mean nothing to the other: use another name"
        if was is _ABSENT and len(loc) == 2:
            return "rolling", "read from its beginning"
        if now is _ABSENT and len(loc) == 2:
            return "rolling", "read no further; what was read of it stays in the results"
        if loc[2:] == ("files", "path"):
            return "rolling", "files that match from now on are read from their beginning, those that were begun go on"
        return None

    def _field(self, name: str, loc: Loc, was: Any, now: Any) -> tuple[ChangeClass, str] | None:
        is_shape = loc[3:] in ((), ("type",), ("required",))
        if not is_shape:
            return None
        if loc[3:] == ("type",) and self._is_in_state(name):
            return "state change", "state holds values of the old type"
        given = now if was is _ABSENT else was
        if len(loc) == 3 and given.get("required") is False:
            return "rolling", "optional: records of the other form have NULL there"
        return "drain", _IN_LOG

    def _is_in_state(self, name: str) -> bool:
        """Whether part of the state that no longer fits is made of a field."""
        key = {column for part in self.new.partition_key for column in columns_of(part)}
        if {"partition key", "partition key types"} & self.unfit and name in key:
            return True
        if "dedup" in self.unfit and self.new.dedup is not None and name in self.new.dedup.key:
            return True
        return any(name in _read_by(view, self.new) for view in self._unfit_views())

    def _step(self, was: Any, now: Any) -> tuple[ChangeClass, str]:
        before, after = (_bound_step(given, plan) for given, plan in ((was, self.old), (now, self.new)))
        if was is not _ABSENT and now is not _ABSENT and before is not None and before == after:
            return "nothing", _SAME_MEANING
        names = {given["set"]["name"] for given in (was, now) if given is not _ABSENT and "set" in given}
        is_filter = any(given is not _ABSENT and "filter" in given for given in (was, now))
        reason = (
            "a filter is part of what each view counts" if is_filter else "a view's state was made with the old value"
        )
        for view in self._unfit_views():
            if is_filter or names & _read_by(view, self.new):
                return "state change", f"view {view.name}: {reason}"
        if "partition key" in self.unfit and not is_filter:
            return "state change", "keys would move between partitions"
        return _by_place(("steps",))

    def _dedup(self) -> tuple[ChangeClass, str] | None:
        if "dedup" in self.unfit:
            return "state change", "it would not know the records that passed before"
        return None

    def _view(self, name: str, loc: Loc) -> tuple[ChangeClass, str] | None:
        views = {view.name: view for view in self.old.views}, {view.name: view for view in self.new.views}
        before, after = (found.get(name) for found in views)
        if before is None:
            return self._new_key() or ("rolling", "new: starts empty; records read before the change are not in it")
        if after is None:
            return self._new_key() or ("rolling", "dropped: its rows and state are removed")
        if loc[2:3] not in (("window",), ("allowedLateness",), ("groupBy",), ("aggregates",)):
            return None
        if f"view {name}" in self.unfit and _shape(before, loc) != _shape(after, loc):
            return "state change", "its state was made the old way"
        return "nothing", _SAME_MEANING

    def _new_key(self) -> tuple[ChangeClass, str] | None:
        """A view that comes or goes may change the key by which records are divided."""
        if "partition key" in self.unfit:
            return "state change", "with it another partition key follows; keys would move between partitions"
        return None

    def _unfit_views(self) -> list[ViewPlan]:
        return [view for view in self.new.views if f"view {view.name}" in self.unfit]


def _by_place(loc: Loc) -> tuple[ChangeClass, str]:
    place = tuple(str(part) for part in loc)
    return next(_BY_PLACE[place[:length]] for length in (2, 1) if place[:length] in _BY_PLACE)


def _shape(view: ViewPlan, loc: Loc) -> object:
    """What a field of a view means, however it is written."""
    match loc[2]:
        case "window":
            return view.window
        case "allowedLateness":
            return view.allowed_lateness_us
        case "groupBy":
            return view.group_by
    aggregates = {
        named.name: (
            named.aggregate.function,
            canonical(named.aggregate.argument),
            named.aggregate.parameters,
            canonical(named.aggregate.filter),
            str(named.aggregate.type),
        )
        for named in view.aggregates
    }
    return aggregates.get(str(loc[3])) if len(loc) > 3 else list(aggregates)


def _bound_step(given: Any, plan: PhysicalPlan) -> object:
    """A step's name and canonical expression; None when the plan has no such step."""
    for step in plan.steps if given is not _ABSENT else ():
        if isinstance(step, SetStep) and given.get("set") == {"name": step.name, "expr": step.expression.text}:
            return step.name, canonical(step.expression.root)
        if isinstance(step, FilterStep) and given.get("filter") == step.condition.text:
            return canonical(step.condition.root)
    return None


def _read_by(view: ViewPlan, plan: PhysicalPlan) -> frozenset[str]:
    """All columns, fields and computed ones, that decide what a view holds."""
    read = {name for name, _ in view.group_by}
    for named in view.aggregates:
        read |= columns_of(named.aggregate.argument) | columns_of(named.aggregate.filter)
    for step in reversed(plan.steps):
        if isinstance(step, FilterStep) or step.name in read:
            read |= columns_of(_root(step))
    return frozenset(read)


def _root(step: Step) -> Expression:
    return step.condition.root if isinstance(step, FilterStep) else step.expression.root


def _path(loc: Loc) -> str:
    """`spec.views[traffic].window`: items by their name or number."""
    text = "spec"
    parent: str | int = ""
    for part in loc:
        is_item = isinstance(part, int) or parent in _NAMED_LISTS
        text += f"[{part}]" if is_item else f".{part}"
        parent = "" if is_item else part
    return text


def _value_text(value: Any) -> str:
    """A value on one line, as it could stand in a file; long ones are cut."""
    text = "" if value is _ABSENT else _flow(value)
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_flow(item)}" for key, item in value.items() if item != []) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value).strip() or '""'
