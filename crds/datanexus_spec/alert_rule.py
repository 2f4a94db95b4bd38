"""The AlertRule: a condition or a detector over the rows of a view, and who is told. Nothing runs it yet."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from datanexus_spec import names
from datanexus_spec.custom_resource import Resource
from datanexus_spec.durations import Duration
from datanexus_spec.element import (
    ColumnName,
    Count,
    Element,
    Finding,
    Label,
    List,
    NamedList,
    Number,
    Period,
    PositivePeriod,
    Text,
    TextMap,
    items,
    member,
    quoted,
)
from datanexus_spec.pipeline import ConnectorRef
from datanexus_spec.status import ResourceStatus

Severity = Literal["Info", "Warning", "Critical"]


class ViewRef(Element):
    """A view of a pipeline in the same namespace."""

    pipeline: Label
    """The pipeline."""
    view: ColumnName
    """Its view."""


class DeviationDetector(Element):
    """A value far from what is usual for its group."""

    column: ColumnName
    """The view's column."""
    history: PositivePeriod
    """How far back usual reaches."""
    deviations: Annotated[Number, Field(gt=0, le=100)] = 4.0
    """How many robust standard deviations are far."""
    season: PositivePeriod | None = None
    """What repeats itself, such as 24h."""


class AbsenceDetector(Element):
    """A group that was there and sends nothing more."""

    after: PositivePeriod
    """How long it is silent."""


class Detector(Element):
    """What is looked for: exactly one of these."""

    deviation: DeviationDetector | None = None
    """Values far from what is usual."""
    absence: AbsenceDetector | None = None
    """Silence."""

    one_of: ClassVar[tuple[str, ...]] = ("deviation", "absence")


class Route(Element):
    """Who is told, and how often."""

    name: ColumnName
    """Its name."""
    connector_ref: ConnectorRef
    """The Connector that tells: a webhook."""
    severities: List[Severity] = ()
    """Only alerts of these; without them all."""
    repeat_interval: PositivePeriod = Duration(14_400_000_000)
    """How often an alert that lasts is told again."""


class EscalationStep(Element):
    """Who is told when an alert lasts and nobody acknowledged it."""

    after: PositivePeriod
    """How long it lasts."""
    route: ColumnName
    """The route that is told then."""
    severity: Severity | None = None
    """The severity it has from then on."""


class AlertRuleSpec(Element):
    """When there is an alert, and who is told."""

    view_ref: ViewRef
    """The rows that are looked at."""
    condition: Text | None = None
    """SQL condition over a row of the view."""
    detector: Detector | None = None
    """What is looked for, where no condition says it."""
    on_final: bool = Field(default=False, strict=True)
    """Whether only final rows count."""
    for_: Period = Field(default=Duration(0), alias="for")
    """How long the condition holds before there is an alert, in event time."""
    keep_firing_for: Period = Duration(0)
    """How long an alert stays after the condition ended."""
    severity: Severity
    """How bad it is."""
    labels: TextMap = Field(default_factory=dict)
    """Labels of the alert."""
    summary: str = Field(default="", max_length=1024)
    """One line for a person; `{column}` stands for a value of the row."""
    routes: Annotated[NamedList[Route], Field(max_length=32)] = ()
    """Who is told."""
    escalation: Annotated[List[EscalationStep], Field(max_length=16)] = ()
    """Who is told later."""
    groups_max: Annotated[Count, Field(ge=1, le=100_000)] = 1_000
    """Alerts at a time; more become one that says so."""

    one_of: ClassVar[tuple[str, ...]] = ("condition", "detector")

    @classmethod
    def findings(cls, given: Mapping[str, Any]) -> Iterator[Finding]:
        routes = [name for route in items(given.get("routes")) if isinstance(name := member(route, "name"), str)]
        for index, step in enumerate(items(given.get("escalation"))):
            route = member(step, "route")
            if isinstance(route, str) and route not in routes:
                expected = f"a route: {', '.join(routes)}" if routes else "a route, and there is none"
                near = names.nearest(route, routes)
                yield Finding(("escalation", index, "route"), quoted(route), expected, near)


class AlertRule(Resource):
    """A condition or detector over a view."""

    kind: Literal["AlertRule"] = "AlertRule"
    spec: AlertRuleSpec
    """When there is an alert, and who is told."""
    status: ResourceStatus | None = None
    """What the operator found; not read from files."""
