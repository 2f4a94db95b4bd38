"""What stands at a location of a kind, and how to say it to a person."""

import types
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union

from pydantic.fields import FieldInfo

from datanexus_spec import durations, field_type
from datanexus_spec.datatype import DataType
from datanexus_spec.durations import Duration
from datanexus_spec.element import Element, Pattern
from datanexus_spec.position import Loc


@dataclass(frozen=True, slots=True)
class Annotation:
    """A type without its marks and its None; the marks beside it."""

    bare: Any
    marks: tuple[Any, ...] = ()

    @property
    def element(self) -> type[Element] | None:
        """The part, where it is one."""
        return self.bare if isinstance(self.bare, type) and issubclass(self.bare, Element) else None


def annotation_of(field: FieldInfo) -> Annotation:
    """The type of a field."""
    return _bare(field.annotation, tuple(field.metadata))


def item_of(annotation: Annotation) -> Annotation:
    """The type of the items of a list, or of the values of a map."""
    arguments = [argument for argument in typing.get_args(annotation.bare) if argument is not Ellipsis]
    return _bare(arguments[-1], ()) if arguments else Annotation(Any)


def fields_of(element: type[Element]) -> dict[str, FieldInfo]:
    """The fields of a part by their names in files."""
    return {element.file_name(attribute): field for attribute, field in element.model_fields.items()}


def annotation_at(kind: type[Element], loc: Loc) -> Annotation:
    """The type at a location; `Any` where the location is none of this kind."""
    annotation = Annotation(kind)
    for part in loc:
        element = annotation.element
        if element is None:
            annotation = item_of(annotation)
        elif part in fields_of(element):
            annotation = annotation_of(fields_of(element)[str(part)])
        else:
            return Annotation(Any)
    return annotation


def choices(annotation: Annotation) -> Sequence[str]:
    """The permitted words of a closed set; nothing for other types."""
    return typing.get_args(annotation.bare) if typing.get_origin(annotation.bare) is Literal else ()


def wording(annotation: Annotation) -> str:
    """What is expected here, in words."""
    for mark in annotation.marks:
        if isinstance(mark, Pattern):
            return mark.expected
    if annotation.element is not None:
        return _element_wording(annotation.element)
    if options := choices(annotation):
        return _either(options)
    kind = typing.get_origin(annotation.bare) or annotation.bare
    words = {
        Duration: durations.EXPECTED,
        DataType: field_type.EXPECTED,
        bool: "true or false",
        int: "a whole number",
        float: "a number",
        str: "text",
        dict: "an object",
    }
    if kind is tuple:
        return f"a list; each item {wording(item_of(annotation))}"
    return words.get(kind, "a value")


def _element_wording(element: type[Element]) -> str:
    if element.one_of and element.one_of_required:
        return "an object with exactly one of " + ", ".join(element.file_name(name) for name in element.one_of)
    required = [name for name, field in fields_of(element).items() if field.is_required()]
    return "an object" + (f" with {', '.join(required)}" if required else "")


def _either(options: Sequence[str]) -> str:
    if len(options) == 1:
        return options[0]
    return ", ".join(options[:-1]) + " or " + options[-1]


def _bare(annotation: Any, marks: tuple[Any, ...]) -> Annotation:
    while True:
        origin = typing.get_origin(annotation)
        if origin is Annotated:
            annotation, *more = typing.get_args(annotation)
            marks = (*marks, *more)
        elif origin in (Union, types.UnionType):
            annotation = next(part for part in typing.get_args(annotation) if part is not types.NoneType)
        else:
            return Annotation(annotation, marks)
