"""The generated definitions: structural, small, and saying the same laws as the types."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from datanexus_spec.crd import BYTES_MAX, definition, definition_text
from datanexus_spec.kinds import KINDS
from datanexus_spec.reference import reference_text

KEYWORDS = {
    "type", "description", "required", "properties", "items", "additionalProperties", "enum", "pattern", "format",
    "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minItems", "maxItems",
    "maxProperties", "x-kubernetes-validations", "x-kubernetes-list-type", "x-kubernetes-list-map-keys",
    "x-kubernetes-preserve-unknown-fields",
}  # fmt: skip


def schemas(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, part in schema.get("properties", {}).items():
        yield from schemas(part, f"{path}.{name}")
    if "items" in schema:
        yield from schemas(schema["items"], f"{path}[]")


def root(kind: str) -> dict[str, Any]:
    schema = definition(kind, KINDS[kind])["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    assert isinstance(schema, dict)
    return schema


@pytest.mark.parametrize("kind", KINDS)
def test_a_definition_is_small_and_always_the_same(kind: str) -> None:
    text = definition_text(kind, KINDS[kind])
    assert BYTES_MAX > len(text.encode())
    assert text == definition_text(kind, KINDS[kind])
    assert definition(kind, KINDS[kind]) == yaml.safe_load(text)


@pytest.mark.parametrize("kind", KINDS)
def test_a_schema_is_structural_and_bounded(kind: str) -> None:
    """Bounds keep the cost of rules within what the API server allows; defaults would write into a user's spec."""
    for path, schema in schemas(root(kind)):
        assert set() == set(schema) - KEYWORDS, path
        assert schema["type"] in ("object", "array", "string", "integer", "number", "boolean"), path
        if schema["type"] == "array":
            assert "maxItems" in schema or path.startswith(".status"), path
            assert "x-kubernetes-list-type" in schema, path
        if schema["type"] == "string" and path not in (".apiVersion", ".kind"):
            assert "maxLength" in schema or "enum" in schema, path
        if path.startswith(".spec."):
            assert schema.get("description") or path.endswith("[]"), path


@pytest.mark.parametrize("kind", KINDS)
def test_a_list_keyed_by_name_requires_the_name(kind: str) -> None:
    for path, schema in schemas(root(kind)):
        if schema.get("x-kubernetes-list-type") == "map":
            (key,) = schema["x-kubernetes-list-map-keys"]
            assert key in schema["items"]["required"], path


def test_partitions_change_only_by_rebuild() -> None:
    rules = [rule["rule"] for rule in root("Pipeline")["properties"]["spec"]["x-kubernetes-validations"]]
    assert any("oldSelf.scale.partitions" in rule and "Rebuild" in rule for rule in rules)


def test_unions_have_a_rule_each() -> None:
    found = {
        path for path, schema in schemas(root("Pipeline")) if "one of" in str(schema.get("x-kubernetes-validations"))
    }
    assert {".spec.sources[]", ".spec.steps[]", ".spec.views[].window", ".spec.sinks[]", ".spec.rollout"} <= found


def test_a_pipeline_can_be_scaled_and_has_a_status() -> None:
    version = definition("Pipeline", KINDS["Pipeline"])["spec"]["versions"][0]
    assert ".spec.scale.workers.replicas" == version["subresources"]["scale"]["specReplicasPath"]
    assert {} == version["subresources"]["status"]
    assert ["Ready", "State", "Revision"] == [column["name"] for column in version["additionalPrinterColumns"][:3]]


def test_every_row_of_the_reference_says_something() -> None:
    rows = [line for line in reference_text().splitlines() if line.startswith("| `")]
    assert 200 < len(rows)
    assert [] == [row for row in rows if row.endswith("|  |")]
