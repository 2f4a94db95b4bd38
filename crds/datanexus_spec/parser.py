"""Resource files → resources, or every problem in them at once, each with its path, line and column."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from datanexus_spec.annotation import annotation_at, choices, fields_of, wording
from datanexus_spec.custom_resource import API_VERSION, Resource
from datanexus_spec.element import FINDING, NONE_OF_THEM, Element, quoted
from datanexus_spec.errors import InvalidSpec, Problem
from datanexus_spec.kinds import KINDS
from datanexus_spec.names import nearest
from datanexus_spec.position import Loc, Origin, loc_from_path, path_from_loc
from datanexus_spec.salvage import mended
from datanexus_spec.yaml_text import Document, YamlText

Part = TypeVar("Part", bound=Element)

_ROUNDS_MAX = 4  # each finds what stood under misspelt names of the one before
_BOUNDS = {
    "greater_than": ("above", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("below", "lt"),
    "less_than_equal": ("at most", "le"),
}


class InvalidDocuments(InvalidSpec):
    """A file with problems. `readable`: its resources that have none, and those that could be read as if theirs were
    mended: not to be run, but to be checked further, so that all problems are told at once."""

    def __init__(self, problems: tuple[Problem, ...], readable: tuple[Resource, ...]) -> None:
        super().__init__(problems)
        self.readable = readable


def parse_documents(text: str, file: str, environment: Mapping[str, str]) -> tuple[Resource, ...]:
    """Read the resources of a file; `file` is its name in messages.

    Each resource knows where its parts stand: `resource.origin`.
    Raises: InvalidDocuments with all problems of the file, in its order.
    """
    reader = YamlText(file, text, environment)
    resources: list[Resource] = []
    problems: list[Problem] = []
    empty = True
    for document in reader.documents():
        empty = False
        origin = Origin(file, text, document.values, document.keys)
        resource, found = _resource(document, origin)
        problems += found
        if resource is not None:
            problems += () if found else _repeat_problems(resource, resources)
            resources.append(resource)
    problems = _without_echoes(reader.problems, problems)
    if empty and not problems:
        problems.append(Problem(file, "", 0, 0, "no resource", f"apiVersion: {API_VERSION} and a kind"))
    if problems:
        raise InvalidDocuments(in_order(problems), tuple(resources))
    return tuple(resources)


def parse_element(kind: type[Part], text: str, file: str, environment: Mapping[str, str]) -> tuple[Part, Origin]:
    """Read a file that holds one part and is no resource; also where what in it stands.

    Raises: InvalidSpec with all problems of the file, in its order.
    """
    reader = YamlText(file, text, environment)
    documents = list(reader.documents())
    problems = list(reader.problems)
    if not problems and len(documents) != 1:
        problems.append(Problem(file, "", 0, 0, f"{len(documents)} documents", "one"))
    if problems:
        raise InvalidSpec(in_order(problems))
    (document,) = documents
    origin = Origin(file, text, document.values, document.keys)
    try:
        return kind.model_validate(document.value), origin
    except ValidationError as error:
        raise InvalidSpec(in_order(_problems(kind, error.errors(include_url=False), origin))) from None


def in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Problems in the order of the file."""
    return tuple(sorted(problems, key=lambda problem: (problem.line, problem.column)))


def locate(resource: Resource, path: str, *, line: int = 1, column: int = 1) -> tuple[int, int]:
    """Line and column in the file of a value of a resource, or of a character inside it when it is text."""
    return resource.origin.locate(loc_from_path(path), line=line, column=column)


def _resource(document: Document, origin: Origin) -> tuple[Resource | None, Sequence[Problem]]:
    """The resource, mended when it has problems, and the problems."""
    value = document.value
    if not isinstance(value, dict):
        expected = "a resource: an object with apiVersion, kind, spec"
        return None, [origin.problem("", found=quoted(value), expected=expected)]
    problems = _envelope_problems(value, origin)
    kind = KINDS.get(value["kind"]) if isinstance(value.get("kind"), str) else None
    if kind is None:
        return None, problems
    value = {**value, "apiVersion": API_VERSION}
    for _ in range(_ROUNDS_MAX):
        try:
            return kind.model_validate(value, context=origin), problems
        except ValidationError as error:
            found = _problems(kind, error.errors(include_url=False), origin)
        problems += [problem for problem in found if problem not in problems]
        mend = mended(kind, value, found, origin)
        if mend is None:
            break
        value, origin = mend
    return None, problems


def _envelope_problems(value: Mapping[str, Any], origin: Origin) -> list[Problem]:
    problems = []
    for key, known in (("apiVersion", (API_VERSION,)), ("kind", tuple(KINDS))):
        given = value.get(key)
        if given in known:
            continue
        near = nearest(given, known) if isinstance(given, str) else ""
        problems.append(origin.problem(key, found=quoted(given), expected=" or ".join(known), suggestion=near))
    return problems


def _problems(kind: type[Element], errors: Iterable[ErrorDetails], origin: Origin) -> list[Problem]:
    """Say what pydantic found in the words of the file. A misspelt name is one problem, not also a missing field."""
    entries = [entry for entry in errors if not _is_short_by_error(entry)]
    meant = {
        (*entry["loc"][:-1], near)
        for entry in entries
        if entry["type"] == "extra_forbidden" and (near := _near_field(kind, entry["loc"]))
    }
    problems = []
    for entry in entries:
        loc = entry["loc"]
        if entry["type"] == "missing" and loc in meant:
            continue
        if entry["type"] == FINDING and entry["ctx"]["found"] == NONE_OF_THEM:
            element = annotation_at(kind, loc).element
            if element and any((*loc, element.file_name(name)) in meant for name in element.one_of):
                continue
        problems.append(_problem(kind, entry, origin))
    return problems


def _problem(kind: type[Element], entry: ErrorDetails, origin: Origin) -> Problem:
    loc, context = entry["loc"], entry.get("ctx", {})
    path = path_from_loc(loc)
    expected, found, suggestion = wording(annotation_at(kind, loc)), quoted(entry["input"]), ""
    match entry["type"]:
        case "finding":
            expected, found, suggestion = context["expected"], context["found"], context["suggestion"]
        case "missing":
            found = "nothing"
        case "extra_forbidden":
            parent = annotation_at(kind, loc[:-1]).element
            line, column = origin.locate_key(loc)
            expected = "one of " + ", ".join(fields_of(parent)) if parent else "no such field"
            near = _near_field(kind, loc)
            return Problem(origin.file, path, line, column, f"the unknown field '{loc[-1]}'", expected, near)
        case "tuple_type" if isinstance(entry["input"], str):
            suggestion = f"[{entry['input']}]"
        case "literal_error":
            options = choices(annotation_at(kind, loc))
            suggestion = nearest(entry["input"], options) if isinstance(entry["input"], str) else ""
        case "too_short" | "string_too_short":
            expected = f"at least {context['min_length']}" + (" item" if "actual_length" in context else " character")
            found = "an empty list" if entry["type"] == "too_short" else quoted(entry["input"])
        case "too_long" | "string_too_long":
            expected = f"at most {context['max_length']} " + ("items" if "actual_length" in context else "characters")
            found = f"{len(entry['input'])}"
        case bound if bound in _BOUNDS:
            word, key = _BOUNDS[bound]
            expected = f"{expected} {word} {context[key]:,}"
    return origin.problem(path, found=found, expected=expected, suggestion=suggestion)


def _near_field(kind: type[Element], loc: Loc) -> str:
    parent = annotation_at(kind, loc[:-1]).element
    return nearest(str(loc[-1]), fields_of(parent)) if parent else ""


def _is_short_by_error(entry: ErrorDetails) -> bool:
    """Whether a list is too short only because its items have problems, which are told themselves."""
    return entry["type"] == "too_short" and len(entry["input"]) >= entry["ctx"]["min_length"]


def _repeat_problems(resource: Resource, earlier: Sequence[Resource]) -> Iterable[Problem]:
    name = (resource.kind, resource.metadata.namespace, resource.metadata.name)
    for other in earlier:
        if name == (other.kind, other.metadata.namespace, other.metadata.name):
            line, _ = locate(other, "metadata.name")
            found = f"{resource.kind} '{name[2]}' again (also in line {line})"
            yield resource.origin.problem("metadata.name", found=found, expected="each resource once")
            return


def _without_echoes(causes: Sequence[Problem], problems: Sequence[Problem]) -> list[Problem]:
    """All problems but those that only repeat that a value which could not be read is not there."""
    unread = {(cause.path, cause.line, cause.column) for cause in causes if cause.path}
    return [*causes, *(p for p in problems if (p.path, p.line, p.column) not in unread)]
