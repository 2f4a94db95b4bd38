"""The PipelineOverride: something temporary that is not in Git, such as a rollback in an incident."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from datanexus_spec.custom_resource import Resource
from datanexus_spec.element import Count, Element, Finding, PositivePeriod, Rule
from datanexus_spec.revision import PipelineRef
from datanexus_spec.status import OverrideStatus

_WORKERS_MAX = 256


class PipelineOverrideSpec(Element):
    """What is done, why, by whom, until when. It never changes; a newer override takes its place."""

    pipeline_ref: PipelineRef
    """The pipeline."""
    action: Literal["Rollback", "Pause", "Resume", "Hold", "Promote", "Abort", "Scale", "Restart"]
    """What is done."""
    to_revision: str | None = Field(default=None, max_length=253)
    """Rollback: the revision to go back to; without it the last stable one."""
    origin: Literal["Current", "Savepoint"] | None = Field(default=None, alias="from")
    """Rollback: go on from the state of now, or from the savepoint of the switch."""
    workers: Annotated[Count, Field(le=_WORKERS_MAX)] | None = None
    """Scale: how many workers."""
    reason: str = Field(min_length=1, max_length=1024)
    """Why, for those who come after."""
    created_by: str = Field(min_length=1, max_length=253)
    """Who."""
    expires_after: PositivePeriod | None = None
    """When it ends by itself."""
    release_on: Literal["NewRevision", "Manual"] = "NewRevision"
    """Whether the next different revision ends it."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule("self == oldSelf", "an override never changes; create another one"),
        Rule("(self.action == 'Scale') == has(self.workers)", "workers is for action Scale, which needs it"),
        Rule(
            "self.action == 'Rollback' || (!has(self.toRevision) && !has(self.from))",
            "toRevision and from are for action Rollback",
        ),
    )

    @classmethod
    def findings(cls, given: Mapping[str, Any]) -> Iterator[Finding]:
        action = given.get("action")
        if action == "Scale" and given.get("workers") is None:
            yield Finding((), "action Scale without workers", "workers: how many")
        if action != "Scale" and given.get("workers") is not None:
            yield Finding(("workers",), f"workers beside action {action}", "workers only with action Scale")
        for attribute in ("to_revision", "origin"):
            if action != "Rollback" and given.get(attribute) is not None:
                key = cls.file_name(attribute)
                yield Finding((key,), f"{key} beside action {action}", f"{key} only with action Rollback")


class PipelineOverride(Resource):
    """Something temporary that is not in Git."""

    kind: Literal["PipelineOverride"] = "PipelineOverride"
    spec: PipelineOverrideSpec
    """What is done, why, by whom, until when."""
    status: OverrideStatus | None = None
    """Where it stands."""
