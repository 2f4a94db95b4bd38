"""The types → the reference page of the resources: every field with type, default and meaning."""

from pydantic.fields import FieldInfo

from datanexus_spec.annotation import Annotation, annotation_of, choices, item_of
from datanexus_spec.availability import KINDS_THAT_RUN, NOT_YET, is_marked
from datanexus_spec.datatype import DataType
from datanexus_spec.documentation import descriptions
from datanexus_spec.durations import Duration
from datanexus_spec.element import Element
from datanexus_spec.kinds import KINDS

INTRODUCTION = """# Resources

Generated from `crds/datanexus_spec` by `make generate`; do not edit.

A resource file holds one or more YAML documents, each with `apiVersion: datanexus.io/v1alpha1`, a `kind`, `metadata`
and a `spec`. `metadata.name` is a DNS label. A value may hold `${NAME}`, which is replaced from the environment (`$${`
writes `${`). Durations are one number and one unit (`us`, `ms`, `s`, `m`, `h`, `d`). What is marked *not available
yet* is refused by `datanexus validate` and `datanexus run`, never ignored.

On a laptop these are accepted and have no effect, as they concern pods only: `scale.workers`, `rollout` (but for
`canary`, `shadow` and `analysis`, which are refused), `runtime`, `pausePolicy`.
"""
_WORDS = {
    Duration: "duration",
    DataType: "type name",
    bool: "true, false",
    int: "whole number",
    float: "number",
    str: "text",
    dict: "object",
}


def reference_text() -> str:
    """The page as Markdown."""
    sections = [INTRODUCTION]
    for kind, resource in KINDS.items():
        runs = "" if kind in KINDS_THAT_RUN else f" *{NOT_YET.capitalize()}.*"
        sections.append(f"## {kind}\n\n{_text(resource)}{runs}\n")
        spec = annotation_of(resource.model_fields["spec"]).element
        sections += _sections(spec, "spec", set()) if spec else []
    return "\n".join(sections)


def _sections(element: type[Element], path: str, seen: set[type[Element]]) -> list[str]:
    if element in seen:
        return []
    seen.add(element)
    lines = [f"### `{path}`", "", _text(element), ""]
    if element.one_of:
        names = ", ".join(f"`{element.file_name(name)}`" for name in element.one_of)
        lines += [f"{'Exactly' if element.one_of_required else 'At most'} one of {names}.", ""]
    below = []
    if element.model_fields:
        lines += ["| field | type | default | meaning |", "|---|---|---|---|"]
    for attribute, field in element.model_fields.items():
        name = element.file_name(attribute)
        lines.append(_row(element, attribute, field))
        annotation = annotation_of(field)
        part = annotation.element or item_of(annotation).element
        if part is not None:
            suffix = "" if annotation.element else "[]"
            below += _sections(part, f"{path}.{name}{suffix}", seen)
    return ["\n".join(lines) + "\n", *below]


def _row(element: type[Element], attribute: str, field: FieldInfo) -> str:
    meaning = descriptions(element).get(attribute, "")
    if is_marked(element, attribute):
        meaning += f" *{NOT_YET.capitalize()}.*"
    cells = (f"`{element.file_name(attribute)}`", _type(annotation_of(field)), _default(element, attribute), meaning)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _type(annotation: Annotation) -> str:
    if options := choices(annotation):
        return ", ".join(f"`{option}`" for option in options)
    if annotation.element is not None:
        return "object"
    inner = item_of(annotation)
    if getattr(annotation.bare, "__origin__", None) is tuple:
        return f"list of {'objects' if inner.element else _type(inner)}"
    if getattr(annotation.bare, "__origin__", None) is dict:
        return "object"
    return _WORDS[annotation.bare]


def _default(element: type[Element], attribute: str) -> str:
    field = element.model_fields[attribute]
    if attribute in element.one_of:
        return ""
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is None or value in ((), {}, "") or isinstance(value, Element):
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`"


def _text(element: type[Element]) -> str:
    return " ".join((element.__doc__ or "").split())
