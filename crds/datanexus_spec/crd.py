"""The types → CustomResourceDefinitions with structural schemas and rules for the API server.

Pure and deterministic: equal types give equal bytes. Defaults are not in the schemas: they live in the types, so that
no API server writes into a user's spec.
"""

import re
from collections.abc import Mapping
from typing import Any

import yaml

from datanexus_spec.annotation import annotation_of, item_of
from datanexus_spec.custom_resource import GROUP, VERSION, Resource
from datanexus_spec.documentation import descriptions
from datanexus_spec.durations import Duration
from datanexus_spec.element import Element, Named, Rule

BYTES_MAX = 150_000  # of one definition; the API server takes 1.5 MB, but each watch carries it
CATEGORY = "streaming"
SHORT_NAMES = {
    "Pipeline": "pl",
    "Connector": "conn",
    "AlertRule": "ar",
    "PipelineRevision": "plrev",
    "PipelineOverride": "plov",
}
HEADER = "# Generated from crds/datanexus_spec by `make generate`; do not edit.\n"

_READY = '.status.conditions[?(@.type=="Ready")]'
_AGE = ("Age", "date", ".metadata.creationTimestamp", 0)
COLUMNS: Mapping[str, tuple[tuple[str, str, str, int], ...]] = {
    "Pipeline": (
        ("Ready", "string", f"{_READY}.status", 0),
        ("State", "string", f"{_READY}.reason", 0),
        ("Revision", "string", ".status.activeRevision", 0),
        ("Desired", "string", ".status.desiredRevision", 0),
        ("Workers", "string", ".status.workers", 0),
        ("Lag", "string", ".status.lag", 0),
        _AGE,
        ("Observed-Gen", "integer", ".status.observedGeneration", 1),
        ("Stable", "string", ".status.stableRevision", 1),
        ("Message", "string", f"{_READY}.message", 1),
    ),
    "PipelineRevision": (
        ("Pipeline", "string", ".spec.pipelineRef.name", 0),
        ("Number", "integer", ".spec.number", 0),
        ("State", "string", ".status.state", 0),
        ("Image", "string", ".spec.image", 0),
        ("Origin", "string", ".spec.provenance.gitRevision", 0),
        _AGE,
    ),
    "PipelineOverride": (
        ("Pipeline", "string", ".spec.pipelineRef.name", 0),
        ("Action", "string", ".spec.action", 0),
        ("State", "string", ".status.state", 0),
        ("By", "string", ".spec.createdBy", 0),
        ("Expires", "string", ".status.expiresAt", 0),
        _AGE,
    ),
    "Connector": (("Ready", "string", f"{_READY}.status", 0), ("State", "string", f"{_READY}.reason", 0), _AGE),
    "AlertRule": (
        ("Ready", "string", f"{_READY}.status", 0),
        ("Pipeline", "string", ".spec.viewRef.pipeline", 0),
        ("View", "string", ".spec.viewRef.view", 0),
        ("Severity", "string", ".spec.severity", 0),
        _AGE,
    ),
}
_SCALE = {
    "specReplicasPath": ".spec.scale.workers.replicas",
    "statusReplicasPath": ".status.replicas",
    "labelSelectorPath": ".status.selector",
}
# Field names that a rule must write as __NAME__; with any other spelling the whole definition is refused.
_CEL_RESERVED = frozenset(
    (
        *("as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in", "let", "loop"),
        *("namespace", "null", "package", "return", "true", "var", "void", "while"),
    )
)


def definition_text(kind: str, resource: type[Resource]) -> str:
    """The CustomResourceDefinition of a kind as YAML."""
    body = yaml.safe_dump(definition(kind, resource), sort_keys=False, width=120, allow_unicode=True)
    return HEADER + body


def definition(kind: str, resource: type[Resource]) -> dict[str, Any]:
    """The CustomResourceDefinition of a kind."""
    plural = kind.lower() + "s"
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": plural,
                "singular": kind.lower(),
                "shortNames": [SHORT_NAMES[kind]],
                "categories": [CATEGORY],
            },
            "scope": "Namespaced",
            "versions": [_version(kind, resource)],
        },
    }


def _version(kind: str, resource: type[Resource]) -> dict[str, Any]:
    subresources: dict[str, Any] = {"status": {}}
    if kind == "Pipeline":
        subresources["scale"] = dict(_SCALE)
    return {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": subresources,
        "additionalPrinterColumns": [_column(*column) for column in COLUMNS[kind]],
        "schema": {"openAPIV3Schema": _root(resource)},
    }


def _column(name: str, kind: str, path: str, priority: int) -> dict[str, Any]:
    column: dict[str, Any] = {"name": name, "type": kind, "jsonPath": path}
    return {**column, "priority": priority} if priority else column


def _root(resource: type[Resource]) -> dict[str, Any]:
    properties: dict[str, Any] = {name: {"type": "string"} for name in ("apiVersion", "kind")}
    properties["metadata"] = {"type": "object"}
    parts = schemas_of(resource)
    properties |= {name: parts["properties"][name] for name in ("spec", "status")}
    return {"type": "object", "description": _sentence(resource), "required": ["spec"], "properties": properties}


def schemas_of(element: type[Element]) -> dict[str, Any]:
    """The structural schema of a part."""
    raw = element.model_json_schema(by_alias=True, mode="validation")
    return _element_schema(element, raw, raw.get("$defs", {}))


def _element_schema(element: type[Element], raw: Mapping[str, Any], parts: Mapping[str, Any]) -> dict[str, Any]:
    """`raw` is pydantic's schema of the part, `parts` those of the parts it refers to."""
    texts = descriptions(element)
    properties = {}
    for attribute, field in element.model_fields.items():
        name = element.file_name(attribute)
        schema = _schema(raw["properties"][name], annotation_of(field), parts)
        if any(isinstance(mark, Named) for mark in field.metadata):
            schema |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
        if list_key := raw["properties"][name].get("list_key"):
            schema |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [list_key]}
        properties[name] = {"description": texts[attribute], **schema} if attribute in texts else schema
    result: dict[str, Any] = {"type": "object"}
    required = [element.file_name(name) for name, field in element.model_fields.items() if field.is_required()]
    if required:
        result["required"] = required
    result["properties"] = properties
    rules = [*_one_of_rules(element), *element.rules]
    if rules:
        result["x-kubernetes-validations"] = [_validation(rule) for rule in rules]
    return result


def _schema(raw: Mapping[str, Any], annotation: Any, parts: Mapping[str, Any]) -> dict[str, Any]:
    raw = next((option for option in raw.get("anyOf", ()) if option.get("type") != "null"), raw)
    if annotation.element is not None:
        return _element_schema(annotation.element, parts[annotation.element.__name__], parts)
    if raw.get("preserve"):
        return {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    if raw.get("type") == "array":
        items = _schema(raw["items"], item_of(annotation), parts)
        bounds = {key: raw[key] for key in ("minItems", "maxItems") if key in raw}
        return {"type": "array", **bounds, "items": items, "x-kubernetes-list-type": "atomic"}
    if raw.get("type") == "object":
        bounds = {key: raw[key] for key in ("maxProperties",) if key in raw}
        return {"type": "object", **bounds, "additionalProperties": {"type": "string", "maxLength": 4096}}
    return _scalar_schema(raw, annotation)


def _scalar_schema(raw: Mapping[str, Any], annotation: Any) -> dict[str, Any]:
    if "const" in raw:
        return {"type": "string", "enum": [raw["const"]]}
    kept = ("type", "enum", "pattern", "minLength", "maxLength", "minimum", "maximum")
    schema = {key: raw[key] for key in kept if key in raw}
    for bound in ("Minimum", "Maximum"):
        if f"exclusive{bound}" in raw:
            schema |= {bound.lower(): raw[f"exclusive{bound}"], f"exclusive{bound}": True}
    if schema["type"] == "string" and "enum" not in schema:
        schema.setdefault("maxLength", 12 if annotation.bare is Duration else 4096)
    if schema["type"] == "integer":
        schema["format"] = "int64"
    return schema


def _one_of_rules(element: type[Element]) -> list[Rule]:
    if not element.one_of:
        return []
    names = [element.file_name(attribute) for attribute in element.one_of]
    given = ", ".join(f"has(self.{_escaped(name)})" for name in names)
    few, words = ("==", "exactly") if element.one_of_required else ("<=", "at most")
    return [Rule(f"[{given}].filter(x, x).size() {few} 1", f"{words} one of {', '.join(names)}")]


def _validation(rule: Rule) -> dict[str, str]:
    return {
        "rule": re.sub(r"self\.(\w+)", lambda match: f"self.{_escaped(match[1])}", rule.expression),
        "message": rule.message,
    }


def _escaped(name: str) -> str:
    return f"__{name}__" if name in _CEL_RESERVED else name


def _sentence(element: type[Element]) -> str:
    return (element.__doc__ or "").split("\n\n")[0]
