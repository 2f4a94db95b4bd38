"""The plan as a graph to draw: where records come from, what happens to each in order, which views and sinks
get them.
"""

from collections.abc import Iterator
from itertools import pairwise

from datanexus.gateway.shapes import PlanNode, PlanShape
from datanexus.plan.explain import explain
from datanexus.plan.physical import PhysicalPlan, SetStep, ViewPlan
from datanexus.plan.revision import duration_text, window_text
from datanexus.plan.sources import source_kind, source_text


def drawing(plan: PhysicalPlan) -> PlanShape:
    """Nodes and edges of a plan; ids are unique, edges go from left to right."""
    sources = [
        PlanNode(id=f"source:{source.name}", kind="source", title=source.name,
                 lines=[f"{source_kind(source)}: {source_text(source)}"])
        for source in plan.sources
    ]  # fmt: skip
    chain = list(_chain(plan))
    views = [_view(view) for view in plan.views]
    sinks = [
        PlanNode(id=f"sink:{sink.name}", kind="sink", title=sink.name, lines=[f"{sink.format} files in {sink.path}"])
        for sink in plan.sinks
    ]
    edges = [(source.id, chain[0].id) for source in sources]
    edges += [(one.id, other.id) for one, other in pairwise(chain)]
    edges += [(chain[-1].id, view.id) for view in views]
    edges += [(f"view:{sink.view}", f"sink:{sink.name}") for sink in plan.sinks]
    return PlanShape(text=explain(plan), nodes=[*sources, *chain, *views, *sinks], edges=edges)


def _chain(plan: PhysicalPlan) -> Iterator[PlanNode]:
    """What every record passes, in order."""
    record = plan.record
    yield PlanNode(
        id="decode",
        kind="decode",
        title="record",
        lines=[
            f"event time {record.event_time}, zone {record.time_zone}",
            *(f"{field.name} {field.type}{'' if field.required else ', optional'}" for field in record.fields),
        ],
    )
    for number, step in enumerate(plan.steps, 1):
        if isinstance(step, SetStep):
            title, line = f"set {step.name}", step.expression.text
        else:
            title, line = "filter", step.condition.text
        yield PlanNode(id=f"step:{number}", kind="step", title=title, lines=[line])
    if plan.dedup is not None:
        yield PlanNode(
            id="dedup",
            kind="dedup",
            title="dedup",
            lines=[f"one per ({', '.join(plan.dedup.key)})", f"within {duration_text(plan.dedup.horizon_us)}"],
        )
    key = ", ".join(plan.partition_key_text)
    yield PlanNode(
        id="stage",
        kind="stage",
        title="partitions",
        lines=[
            f"{plan.partitions} by ({key})" if key else f"{plan.partitions}",
            f"watermark {duration_text(plan.watermark.delay_us)} behind",
        ],
    )


def _view(view: ViewPlan) -> PlanNode:
    groups = ", ".join(name for name, _ in view.group_by)
    return PlanNode(
        id=f"view:{view.name}",
        kind="view",
        title=view.name,
        lines=[
            window_text(view.window),
            f"by {groups}" if groups else "one row a window",
            *(f"{named.name} = {named.aggregate.text}" for named in view.aggregates),
        ],
    )
