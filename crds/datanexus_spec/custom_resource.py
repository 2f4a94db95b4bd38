"""The envelope of every resource: apiVersion, kind, metadata; and where in a file its parts stand."""

from typing import Any, Literal

from pydantic import Field, PrivateAttr

from datanexus_spec.element import Count, Element, Label
from datanexus_spec.position import NOWHERE, Origin

GROUP = "datanexus.io"
VERSION = "v1alpha1"
API_VERSION: Literal["datanexus.io/v1alpha1"] = "datanexus.io/v1alpha1"


class Metadata(Element):
    """Name and labels, as in all of Kubernetes. Fields that the API server writes are accepted and not read."""

    name: Label
    """The resource's name: a DNS label."""
    namespace: Label | None = None
    """Its namespace."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Labels."""
    annotations: dict[str, str] = Field(default_factory=dict)
    """Annotations."""
    uid: str | None = None
    resource_version: str | None = None
    generation: Count | None = None
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    deletion_grace_period_seconds: Count | None = None
    finalizers: tuple[str, ...] = ()
    owner_references: tuple[dict[str, Any], ...] = ()
    managed_fields: tuple[dict[str, Any], ...] = ()


class Resource(Element):
    """A resource of any kind."""

    api_version: Literal["datanexus.io/v1alpha1"] = API_VERSION
    kind: str
    metadata: Metadata

    _origin: Origin = PrivateAttr(default=NOWHERE)

    @property
    def origin(self) -> Origin:
        """The file it came from; `NOWHERE` when it was made in code."""
        return self._origin

    def model_post_init(self, context: Any) -> None:
        """Keep the origin that validation was given as its context."""
        if isinstance(context, Origin):
            self._origin = context
