"""How a pipeline is operated in a cluster: scale, rollout, pods, storage, pause. Parts of `pipeline.PipelineSpec`.

A process on a laptop runs one worker and switches nothing, so scale.workers, rollout, runtime and pausePolicy are
accepted there and have no effect; the rest works or is refused.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from datanexus_spec.durations import Duration
from datanexus_spec.element import (
    Count,
    Element,
    Finding,
    Label,
    NamedList,
    NotYet,
    Pattern,
    Period,
    PositivePeriod,
    Rule,
    Share,
    Text,
    TextMap,
)

PARTITIONS_MAX = 256  # the number of key groups

_VARIABLE = Pattern(r"^[A-Za-z_][A-Za-z0-9_]*$", "the name of an environment variable", 253)


class Retention(Element):
    """How long something is kept, counted back from the watermark."""

    keep: Period
    """Rows older than this are removed; `0s` for records: none are stored."""


class Storage(Element):
    """What the store keeps."""

    results: Retention | None = None
    """Rows of views; without it they stay."""
    records: Annotated[Retention, NotYet("storing raw records")] = Retention(keep=Duration(0))
    """The records themselves; none unless asked."""


class Workers(Element):
    """How many worker processes: a fixed number, or bounds for scaling by lag."""

    replicas: Annotated[Count, Field(ge=0, le=PARTITIONS_MAX)] | None = None
    """A fixed number; the scale subresource's path."""
    min: Annotated[Count, Field(ge=0, le=PARTITIONS_MAX)] | None = None
    """The least."""
    max: Annotated[Count, Field(ge=1, le=PARTITIONS_MAX)] | None = None
    """The most."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule("!has(self.replicas) || (!has(self.min) && !has(self.max))", "replicas, or min and max"),
        Rule("!has(self.min) || (has(self.max) && self.min <= self.max)", "max must be given and not be below min"),
    )

    @classmethod
    def findings(cls, given: Mapping[str, Any]) -> Iterator[Finding]:
        low, high = given.get("min"), given.get("max")
        if given.get("replicas") is not None and (low is not None or high is not None):
            yield Finding((), "replicas beside min or max", "replicas, or min and max")
        if low is not None and high is None:
            yield Finding((), "min alone", "min and max")
        if isinstance(low, int) and isinstance(high, int) and low > high:
            yield Finding((), f"min {low} above max {high}", "min at or below max")


class Scale(Element):
    """How the work is divided."""

    partitions: Annotated[Count, Field(ge=1, le=PARTITIONS_MAX)] = 1
    """Parts that are owned, committed and moved alone; fixed once there is state, unless stateChange says Rebuild.
    Left out, what the stored state has; without state 1 on a laptop, and what the operator sets in a cluster."""
    workers: Workers | None = None
    """Worker processes in a cluster; on a laptop there is one."""


class BlueGreen(Element):
    """The new revision warms up beside the old one, then takes over in one step."""


class Recreate(Element):
    """The old revision ends before the new one starts."""


class Canary(Element):
    """The new revision takes over some partitions first."""

    share: Annotated[Share, Field(gt=0)] = 0.1
    """The share of partitions it takes first."""
    duration: PositivePeriod = Duration(600_000_000)
    """How long it is watched before it takes the rest."""


class Shadow(Element):
    """The new revision reads a copy and writes nowhere; its rows are compared with the old one's."""

    duration: PositivePeriod = Duration(600_000_000)
    """How long rows are compared."""
    difference_max: Share = 0.0
    """The share of rows that may differ."""


class Analysis(Element):
    """What the new revision must hold to; otherwise it is rolled back."""

    lag_max: PositivePeriod | None = None
    """The most its watermark may lie behind."""
    error_ratio_max: Share | None = None
    """The most records it may put into quarantine."""
    window: PositivePeriod = Duration(300_000_000)
    """How long it is watched after the switch."""
    failures_max: Annotated[Count, Field(ge=0, le=100)] = 0
    """Failed measurements that are forgiven."""


class Rollout(Element):
    """How one revision follows another: at most one way (default blueGreen)."""

    blue_green: BlueGreen | None = None
    """Warm up beside, then switch at once."""
    recreate: Recreate | None = None
    """End, then start."""
    canary: Annotated[Canary | None, NotYet("the canary rollout")] = None
    """Some partitions first."""
    shadow: Annotated[Shadow | None, NotYet("the shadow rollout")] = None
    """Compare on a copy first."""
    rollback_window: Period = Duration(900_000_000)
    """How long after a switch a rollback to the savepoint is possible."""
    progress_deadline: PositivePeriod = Duration(600_000_000)
    """How long the new revision may take to be ready."""
    analysis: Annotated[Analysis | None, NotYet("the analysis of a rollout")] = None
    """What the new revision must hold to."""
    history_limit: Annotated[Count, Field(ge=1, le=100)] = 5
    """Old revisions that are kept besides the active, the stable and the pinned one."""

    one_of: ClassVar[tuple[str, ...]] = ("blue_green", "recreate", "canary", "shadow")
    one_of_required: ClassVar[bool] = False


class SecretKey(Element):
    """A key of a Secret in the same namespace."""

    name: Label
    """The Secret."""
    key: Text
    """Its key."""


class EnvironmentVariable(Element):
    """A variable of the pods: a value, or a Secret's."""

    name: Annotated[str, _VARIABLE]
    """Its name."""
    value: str | None = Field(default=None, max_length=4096)
    """Its value."""
    secret_key_ref: SecretKey | None = None
    """Where its value is."""

    one_of: ClassVar[tuple[str, ...]] = ("value", "secret_key_ref")


class Resources(Element):
    """What a pod asks for and may use, as in Kubernetes."""

    requests: TextMap = Field(default_factory=dict)
    """What is set aside: cpu, memory."""
    limits: TextMap = Field(default_factory=dict)
    """What it may not exceed."""


class Runtime(Element):
    """The pods of a pipeline."""

    image: str = Field(default="", max_length=512)
    """The container image; empty: the operator's own version."""
    resources: Resources | None = None
    """Processor and memory of a worker."""
    env: NamedList[EnvironmentVariable] = ()
    """Environment variables."""
    pod_template: dict[str, Any] | None = Field(default=None, json_schema_extra={"preserve": True})
    """A strategic merge patch of the pod template, for what has no field here."""


class StateChange(Element):
    """Permission for one change that does not fit the stored state."""

    action: Literal["Rebuild", "Reset"]
    """Rebuild replays what is retained; Reset starts empty."""
    origin: Annotated[str, Pattern(r"^[a-z0-9]([-a-z0-9]{0,250}[a-z0-9])?$", "the name of a revision", 252)] = Field(
        alias="from"
    )
    """The revision whose state is given up; the permission ends with it."""


class QuarantineBound(Element):
    """How much quarantine is too much."""

    max: Share | None = None
    """The share of records, 0 to 1, above which `run` ends with exit code 3; without it there is no bound."""
