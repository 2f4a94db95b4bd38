"""A change of a Pipeline, judged as a whole and as text: what `plan` prints, and `up` when a file changes. Pure.

The verdicts on state are those that `run` and `up` act by (`plan.change`); nothing is decided here.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from datanexus.plan.change import Action, ChangeVerdict, Layout, PartVerdict, judge_change, layout_of, permitted
from datanexus.plan.field_change import ChangeClass, FieldChange, field_changes, greatest
from datanexus.plan.planner import plan_pipeline
from datanexus.plan.revision import revision_name
from datanexus_spec.errors import Incompatible
from datanexus_spec.pipeline import Pipeline

_TAKES: Mapping[ChangeClass, str] = {
    "nothing": "what runs goes on as it is",
    "in place": "what runs takes it over, without a pause",
    "rolling": "the new revision takes over at a cut and goes on with the state; the pause is under a second",
    "drain": "the old revision works off what the log holds, then the new one takes over; the pause is under a second",
    "state change": "the stored state does not fit",
    "impossible": "no stateChange permits it",
}
_ACTIONS: Mapping[Action, str] = {
    "Continue": "taken over",
    "Rebuild": "permitted by stateChange: all sources are read again from their beginning, into new state and new rows",
    "Reset": "permitted by stateChange: the stored results are forgotten, and reading goes on where it stopped",
}


@dataclass(frozen=True, slots=True)
class ChangeReport:
    """What a changed pipeline means. `action`: what happens to the state; None: the change is refused."""

    pipeline: str
    fields: tuple[FieldChange, ...]
    verdict: ChangeVerdict
    action: Action | None

    @property
    def change_class(self) -> ChangeClass:
        """The class of the change as a whole."""
        state: list[ChangeClass] = ["state change"] if self.verdict.incompatible else []
        return greatest([*state, *(field.change_class for field in self.fields)])

    @property
    def views(self) -> tuple[PartVerdict, ...]:
        return tuple(part for part in self.verdict.parts if part.part.startswith("view "))


def judge_pipelines(old: Pipeline, new: Pipeline, stored: Layout | None = None) -> ChangeReport:
    """Plan both and compare them.

    `stored`: the layout of the state that `old` made; without it, of the state that it would make.
    Raises: InvalidSpec when one of them cannot be planned.
    """
    old_plan = plan_pipeline(old, stored_layout=stored)
    layout = layout_of(old_plan) if stored is None else stored
    new_plan = plan_pipeline(new, stored_layout=layout)
    verdict = judge_change(layout, new_plan)
    fields = field_changes((old, old_plan), (new, new_plan), verdict)
    name = new.metadata.name
    action: Action | None = None
    if all(field.change_class != "impossible" for field in fields):
        state_change = new.spec.state_change
        try:
            action = permitted(
                name,
                verdict,
                action=state_change.action if state_change else None,
                from_revision=state_change.origin if state_change else None,
            )
        except Incompatible:
            action = None
    return ChangeReport(name, fields, verdict, action)


def render_change(old: Pipeline, new: Pipeline, stored: Layout | None = None) -> str:
    """What the change from one pipeline to the other means, one line per fact, ending with a line end.

    Arguments and errors as of `judge_pipelines`.
    """
    return change_text(judge_pipelines(old, new, stored))


def change_text(report: ChangeReport) -> str:
    """A judged change as text."""
    state = () if report.change_class == "impossible" else _state(report.verdict)
    blocks = (_head(report), _fields(report.fields), state, _end(report))
    return "\n".join(line for block in blocks for line in block) + "\n"


def _head(report: ChangeReport) -> Iterator[str]:
    verdict = report.verdict
    if verdict.old_revision == verdict.new_revision:
        yield f"pipeline {report.pipeline}, revision {verdict.new_revision} as before"
    else:
        yield f"pipeline {report.pipeline}, revision {verdict.old_revision} → {verdict.new_revision}"


def _fields(fields: Sequence[FieldChange]) -> Iterator[str]:
    if not fields:
        yield "fields: all mean what they meant"
        return
    yield "fields"
    width = max(len(field.change_class) for field in fields)
    for field in fields:
        yield f"  {field.change_class:<{width}}  {field.path}: {_values(field)}"
        yield f"  {'':<{width}}    {field.sentence}"


def _values(field: FieldChange) -> str:
    if not field.before:
        return f"added {field.after}"
    if not field.after:
        return f"removed, was {field.before}"
    return f"{field.before} → {field.after}"


def _state(verdict: ChangeVerdict) -> Iterator[str]:
    """Views always, as people look for them; of the rest what changes."""
    yield "state"
    told = [part for part in verdict.parts if part.verdict != "same" or part.part.startswith("view ")]
    width = max((len(part.verdict) for part in told), default=0)
    for part in told:
        yield f"  {part.verdict:<{width}}  {part.sentence}"


def _end(report: ChangeReport) -> Iterator[str]:
    yield f"class: {report.change_class}: {_TAKES[report.change_class]}"
    if report.verdict.old_revision == report.verdict.new_revision and not report.fields:
        return
    if report.action is not None:
        yield f"so: {_ACTIONS[report.action]}"
        return
    if report.change_class == "impossible":
        yield "so: refused; run the new file as a pipeline of its own"
        return
    origin = revision_name(report.pipeline, report.verdict.old_revision)
    yield "so: refused, nothing is changed; undo it, give what changed a new name, or permit this one change in spec"
    yield f"  stateChange: {{action: Rebuild, from: {origin}}}   # reads all sources again"
    yield f"  stateChange: {{action: Reset, from: {origin}}}     # forgets the stored results and starts empty"
