"""The PipelineRevision: one content of a Pipeline, frozen. Only the operator writes it."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from datanexus_spec.custom_resource import Resource
from datanexus_spec.element import ColumnName, Count, Element, Label, List, Pattern, Rule, Text
from datanexus_spec.status import RevisionStatus

_HASH = Pattern(r"^[0-9a-f]{64}$", "64 hexadecimal digits: a SHA-256", 64)


class PipelineRef(Element):
    """A pipeline in the same namespace."""

    name: Label
    """Its name."""
    uid: str | None = Field(default=None, max_length=64)
    """Its identity, which a pipeline made anew does not have."""


class Verdict(Element):
    """What becomes of a view's state at this revision."""

    view: ColumnName
    """The view."""
    verdict: Literal["same", "migrate", "new", "dropped", "incompatible"]
    """What becomes of it."""
    reason: str = Field(default="", max_length=1024)
    """Why."""


class Provenance(Element):
    """Where the content came from."""

    generation: Count | None = None
    """The Pipeline's generation."""
    git_revision: str | None = Field(default=None, max_length=253)
    """The commit, where a GitOps tool says it."""
    field_manager: str | None = Field(default=None, max_length=128)
    """Who applied it."""
    change_cause: str | None = Field(default=None, max_length=1024)
    """Why, from the annotation kubernetes.io/change-cause."""


class PipelineRevisionSpec(Element):
    """A content of a pipeline; it never changes."""

    pipeline_ref: PipelineRef
    """The pipeline."""
    number: Annotated[Count, Field(ge=1)]
    """Counts a pipeline's revisions."""
    hash: Annotated[str, _HASH]
    """SHA-256 of the content that stands in Git; its first ten digits are in the name."""
    template: dict[str, Any] = Field(json_schema_extra={"preserve": True})
    """The spec as it was written."""
    effective: dict[str, Any] = Field(json_schema_extra={"preserve": True})
    """The spec with all defaults filled in."""
    image: Text
    """The container image, by digest."""
    renderer: Annotated[str, Field(min_length=1, max_length=63)]
    """The version that filled in the defaults."""
    provenance: Provenance = Provenance()
    """Where the content came from."""
    verdicts: List[Verdict] = ()
    """What becomes of each view's state."""
    state_handle: str | None = Field(default=None, max_length=512)
    """The savepoint it started from."""

    rules: ClassVar[tuple[Rule, ...]] = (Rule("self == oldSelf", "a revision never changes"),)


class PipelineRevision(Resource):
    """One content of a Pipeline, frozen."""

    kind: Literal["PipelineRevision"] = "PipelineRevision"
    spec: PipelineRevisionSpec
    """The content."""
    status: RevisionStatus | None = None
    """How it did."""
