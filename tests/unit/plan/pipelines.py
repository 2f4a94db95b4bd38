"""Small pipelines as texts, for the tests of the planner."""

from typing import Any

import yaml

from datanexus_spec.parser import parse_documents
from datanexus_spec.pipeline import Pipeline

FIELDS: list[dict[str, Any]] = [
    {"name": "time", "type": "timestamp"},
    {"name": "client", "type": "string"},
    {"name": "path", "type": "string"},
    {"name": "status", "type": "int32"},
    {"name": "bytes", "type": "int64", "required": False},
    {"name": "extra", "type": "json", "required": False},
]
COUNT = {"name": "n", "expr": "count(*)"}


def view(name: str, group_by: list[str], **changes: Any) -> dict[str, Any]:
    """A view that counts by these columns in windows of an hour."""
    made = {"name": name, "groupBy": group_by, "window": {"tumbling": {"size": "1h"}}, "aggregates": [COUNT]}
    return {**made, **changes}


def document(**changes: Any) -> str:
    """A pipeline as YAML; changes replace parts of its spec, None leaves one out."""
    spec: dict[str, Any] = {
        "sources": [{"name": "access", "files": {"path": "log/*", "format": {"ndjson": {}}}}],
        "record": {"fields": FIELDS, "eventTime": "time"},
        "views": [view("traffic", ["path"])],
    }
    spec |= changes
    spec = {key: value for key, value in spec.items() if value is not None}
    resource = {
        "apiVersion": "datanexus.io/v1alpha1",
        "kind": "Pipeline",
        "metadata": {"name": "web-traffic"},
        "spec": spec,
    }
    return yaml.safe_dump(resource, sort_keys=False, width=1000)


def pipeline(**changes: Any) -> Pipeline:
    """A pipeline, read from its text."""
    (resource,) = parse_documents(document(**changes), "web.yaml", {})
    assert isinstance(resource, Pipeline)
    return resource
