"""What the operator writes into `status`; kstatus reads the conditions."""

from typing import Annotated, Literal

from pydantic import Field

from datanexus_spec.element import Count, Element, List


class Condition(Element):
    """One fact about a resource, as in all of Kubernetes."""

    type: str = Field(max_length=316)
    """Ready, Reconciling, Stalled, Available, Progressing, RolledBack, Overridden, Paused, Drained, Lagging, …"""
    status: Literal["True", "False", "Unknown"]
    """Whether it holds."""
    reason: str = Field(max_length=1024)
    """Why, in one word."""
    message: str = Field(default="", max_length=32_768)
    """Why, for a person."""
    last_transition_time: str = Field(max_length=64)
    """When status last changed."""
    observed_generation: Count | None = None
    """The generation it speaks of."""


class ResourceStatus(Element):
    """What every kind's status holds."""

    observed_generation: Count | None = None
    """The newest generation that was seen."""
    conditions: Annotated[List[Condition], Field(json_schema_extra={"list_key": "type"})] = ()
    """Facts."""


class PipelineStatus(ResourceStatus):
    """A pipeline as it runs."""

    active_revision: str | None = Field(default=None, max_length=253)
    """The revision that runs."""
    desired_revision: str | None = Field(default=None, max_length=253)
    """The revision of the present spec."""
    stable_revision: str | None = Field(default=None, max_length=253)
    """The last revision that proved itself."""
    workers: str | None = Field(default=None, max_length=32)
    """Ready and wanted workers, such as 2/2."""
    replicas: Count | None = None
    """Workers, for the scale subresource."""
    selector: str | None = Field(default=None, max_length=512)
    """Labels of the workers' pods, for the scale subresource."""
    lag: str | None = Field(default=None, max_length=32)
    """How far the watermark lies behind, in buckets."""


class RevisionStatus(ResourceStatus):
    """A revision's verdict."""

    state: Literal["Pending", "Active", "Verified", "Failed", "Superseded"] | None = None
    """Where it stands."""
    state_handle: str | None = Field(default=None, max_length=512)
    """The snapshot or savepoint that holds its state."""
    last_number: Count | None = None
    """The newest number under which this content was used."""


class OverrideStatus(ResourceStatus):
    """Where an override stands."""

    state: Literal["Accepted", "Active", "Expired", "Superseded", "Refused"] | None = None
    """Where it stands."""
    expires_at: str | None = Field(default=None, max_length=64)
    """When it ends."""
