"""What all parts of a resource have in common: how they are checked, and the small types of their fields.

Invariant: a part reports all that is wrong in it and below it at once; no finding hides another.
Instances are immutable; attributes are snake_case, in files camelCase.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    Strict,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import InitErrorDetails, PydanticCustomError, core_schema

from datanexus_spec import durations, field_type, names
from datanexus_spec.datatype import DataType
from datanexus_spec.durations import Duration

NONE_OF_THEM = "none of them"
FINDING = "finding"  # error type of all checks of our own; the context holds found, expected, suggestion
ITEMS_MAX = 256  # of every list; bounds also the cost of the API server's rules
TEXT_MAX = 4_096  # characters of an expression, a pattern, a path

Item = TypeVar("Item")
Loc = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong in a part; `loc` is relative to the part, in the words of the file."""

    loc: Loc
    found: str
    expected: str
    suggestion: str = ""

    def error(self) -> PydanticCustomError:
        return PydanticCustomError(
            FINDING,
            "found {found}, expected {expected}",
            {"found": self.found, "expected": self.expected, "suggestion": self.suggestion},
        )


@dataclass(frozen=True, slots=True)
class Rule:
    """The same law for the API server: a CEL expression that must hold, and what to say when it does not."""

    expression: str
    message: str


@dataclass(frozen=True, slots=True)
class NotYet:
    """Marks a field that is part of the resource but that nothing runs yet: any value but the default is refused."""

    what: str = ""


@dataclass(frozen=True, slots=True)
class Named:
    """Marks a list of objects with distinct `name`s."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """Text that matches a pattern; `expected` says the same to a person."""

    pattern: str
    expected: str
    max_length: int

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(schema), "pattern": self.pattern, "maxLength": self.max_length}

    def check(self, text: str) -> str:
        if len(text) > self.max_length or re.fullmatch(self.pattern, text) is None:
            raise Finding((), quoted(text), self.expected).error()
        return text


class Element(BaseModel):
    """A part of a resource. Subclasses add what concerns several fields at once in `findings` and `rules`."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, serialize_by_alias=True
    )
    rules: ClassVar[tuple[Rule, ...]] = ()
    one_of: ClassVar[tuple[str, ...]] = ()  # attributes of which exactly one is given
    one_of_required: ClassVar[bool] = True  # False: at most one

    @classmethod
    def findings(cls, given: Mapping[str, Any]) -> Iterator[Finding]:  # noqa: ARG003
        """Check what concerns several fields. `given` is raw: attribute name → unchecked value, absent ones missing."""
        return iter(())

    @classmethod
    def file_name(cls, attribute: str) -> str:
        """How an attribute is called in files."""
        field = cls.model_fields[attribute]
        return field.alias or attribute

    @model_validator(mode="wrap")
    @classmethod
    def _report_all(cls, data: Any, handler: Callable[[Any], Self]) -> Self:
        if not isinstance(data, Mapping):
            return handler(data)
        findings = list(_all_findings(cls, data))
        try:
            element = handler(data)
        except ValidationError as error:
            if not findings:
                raise
            raise _as_validation_error(cls, findings, error) from None
        if findings:
            raise _as_validation_error(cls, findings, None)
        return element


def quoted(value: object) -> str:
    """A value as messages show it: text in quotes, cut when long."""
    if isinstance(value, str):
        shown = value if len(value) <= 60 else value[:57] + "..."
        return f"'{shown}'"
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, Sequence):
        return "a list"
    return str(value)


def member(item: object, key: str) -> Any:
    """A member of an unchecked object or of a checked part; None where there is none."""
    if isinstance(item, Mapping):
        return item.get(key)
    return getattr(item, key, None)


def items(value: object) -> Sequence[Any]:
    """The items of an unchecked list; nothing where it is no list."""
    return value if isinstance(value, list | tuple) else ()


def _all_findings(cls: type[Element], data: Mapping[str, Any]) -> Iterator[Finding]:
    given = {attribute: data[key] for attribute, key in _keys(cls, data)}
    yield from _one_of_findings(cls, given)
    for attribute, field in cls.model_fields.items():
        if any(isinstance(mark, Named) for mark in field.metadata):
            yield from _name_findings(cls.file_name(attribute), given.get(attribute))
    yield from cls.findings(given)


def _keys(cls: type[Element], data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for attribute in cls.model_fields:
        for key in (cls.file_name(attribute), attribute):
            if key in data:
                yield attribute, key
                break


def _one_of_findings(cls: type[Element], given: Mapping[str, Any]) -> Iterator[Finding]:
    if not cls.one_of:
        return
    choices = [cls.file_name(attribute) for attribute in cls.one_of]
    chosen = [cls.file_name(attribute) for attribute in cls.one_of if given.get(attribute) is not None]
    empty = [cls.file_name(attribute) for attribute in cls.one_of if attribute in given and given[attribute] is None]
    expected = ("exactly one of " if cls.one_of_required else "at most one of ") + ", ".join(choices)
    if len(chosen) > 1:
        yield Finding((), " and ".join(chosen), expected)
    elif not chosen and empty and len(empty) < len(choices):  # all of them: a printed resource without a choice
        yield Finding((empty[0],), "nothing", expected, f"write `{empty[0]}: {{}}` to take it as it is")
    elif not chosen and cls.one_of_required:
        yield Finding((), NONE_OF_THEM, expected)


def _name_findings(key: str, value: object) -> Iterator[Finding]:
    seen: dict[str, int] = {}
    for index, item in enumerate(items(value)):
        name = member(item, "name")
        if not isinstance(name, str):
            continue
        if name in seen:
            yield Finding((key, index, "name"), f"{quoted(name)} again (also {key}[{seen[name]}])", "distinct names")
        seen.setdefault(name, index)


def _as_validation_error(
    cls: type[Element], findings: Sequence[Finding], error: ValidationError | None
) -> ValidationError:
    details = [InitErrorDetails(type=finding.error(), loc=finding.loc, input=None) for finding in findings]
    for entry in error.errors(include_url=False) if error else ():
        context = entry.get("ctx", {})
        kind = PydanticCustomError(FINDING, "{found}", context) if entry["type"] == FINDING else entry["type"]
        details.append(InitErrorDetails(type=kind, loc=entry["loc"], input=entry["input"], ctx=context))
    return ValidationError.from_exception_data(cls.__name__, details)


def _duration(value: object) -> Duration:
    if isinstance(value, Duration):
        return value
    if not isinstance(value, str):
        raise Finding((), quoted(value), durations.EXPECTED, durations.probable_duration(str(value))).error()
    try:
        return durations.duration_from_text(value)
    except ValueError as error:
        raise Finding((), quoted(value), str(error), durations.probable_duration(value)).error() from None


def _positive_duration(value: object) -> Duration:
    duration = _duration(value)
    if duration.us == 0:
        raise Finding((), quoted(str(duration)), "a duration above zero").error()
    return duration


def _field_type(value: object) -> DataType:
    if isinstance(value, DataType):
        return value
    if not isinstance(value, str):
        raise Finding((), quoted(value), field_type.EXPECTED).error()
    try:
        return field_type.field_type_from_text(value)
    except ValueError as error:
        near = field_type.SYNONYMS.get(value.lower(), "") or names.nearest(value, field_type.NAMES)
        raise Finding((), quoted(value), str(error), near).error() from None


_DURATION_SCHEMA = WithJsonSchema({"type": "string", "pattern": durations.PATTERN, "maxLength": 12})
_AS_TEXT = PlainSerializer(str, return_type=str)

Period = Annotated[Duration, BeforeValidator(_duration), _AS_TEXT, _DURATION_SCHEMA]
PositivePeriod = Annotated[Duration, BeforeValidator(_positive_duration), _AS_TEXT, _DURATION_SCHEMA]
FieldType = Annotated[
    DataType,
    BeforeValidator(_field_type),
    _AS_TEXT,
    WithJsonSchema({"type": "string", "pattern": field_type.PATTERN, "maxLength": 16}),
]
Flag = Annotated[bool, Strict()]
Integer = Annotated[int, Strict(), Field(ge=-(2**63), le=2**63 - 1)]
Count = Annotated[int, Strict(), Field(ge=0, le=2**53)]
Number = Annotated[float, Strict(), Field(allow_inf_nan=False)]
Share = Annotated[float, Strict(), Field(ge=0, le=1)]
Text = Annotated[str, Field(min_length=1, max_length=TEXT_MAX)]
Label = Annotated[str, Pattern(names.LABEL_PATTERN, names.LABEL_EXPECTED, 63)]
ColumnName = Annotated[str, Pattern(names.COLUMN_PATTERN, names.COLUMN_EXPECTED, 63)]
List = Annotated[tuple[Item, ...], Field(max_length=ITEMS_MAX)]
NamedList = Annotated[tuple[Item, ...], Field(max_length=ITEMS_MAX), Named()]
TextMap = Annotated[dict[str, str], Field(max_length=64)]
