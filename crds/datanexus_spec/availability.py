"""What can be written in a resource but does not run yet: refused, never ignored.

Accepted without effect on a laptop, as they concern pods only: scale.workers, rollout.blueGreen, rollout.recreate,
rollout.rollbackWindow, rollout.progressDeadline, rollout.historyLimit, runtime, pausePolicy.
"""

from collections.abc import Iterator

from datanexus_spec.annotation import annotation_of
from datanexus_spec.custom_resource import Resource
from datanexus_spec.element import Element, NotYet
from datanexus_spec.errors import InvalidSpec, Problem
from datanexus_spec.position import Loc, path_from_loc

KINDS_THAT_RUN = ("Pipeline",)
NOT_YET = "not available yet"


def unavailable(resource: Resource) -> tuple[Problem, ...]:
    """Each value of a resource that nothing runs yet, as a problem."""
    if resource.kind not in KINDS_THAT_RUN:
        found = f"kind {resource.kind}: {NOT_YET}"
        return (resource.origin.problem("kind", found=found, expected=" or ".join(KINDS_THAT_RUN)),)
    return tuple(
        resource.origin.problem(path_from_loc(loc), found=f"{what}: {NOT_YET}", expected=expected)
        for loc, what, expected in _marked(resource, ())
    )


def refuse_unavailable(resource: Resource) -> None:
    """Let a resource pass that runs as it is.

    Raises: InvalidSpec with every value that nothing runs yet.
    """
    problems = unavailable(resource)
    if problems:
        raise InvalidSpec(problems)


def _marked(element: Element, loc: Loc) -> Iterator[tuple[Loc, str, str]]:
    for attribute, field in type(element).model_fields.items():
        value = getattr(element, attribute)
        here = (*loc, element.file_name(attribute))
        mark = next((mark for mark in field.metadata if isinstance(mark, NotYet)), None)
        if mark and value != field.get_default(call_default_factory=True, validated_data={}):
            yield here, mark.what, _instead(type(element), attribute)
        elif isinstance(value, Element):
            yield from _marked(value, here)
        elif isinstance(value, tuple):
            for index, item in enumerate(value):
                if isinstance(item, Element):
                    yield from _marked(item, (*here, index))


def _instead(element: type[Element], attribute: str) -> str:
    """What can be written in the place of a field that nothing runs yet."""
    if attribute not in element.one_of:
        return f"no {element.file_name(attribute)}"
    others = [name for name in element.one_of if not is_marked(element, name)]
    return " or ".join(element.file_name(name) for name in others)


def is_marked(element: type[Element], attribute: str) -> bool:
    """Whether nothing runs this field yet."""
    field = element.model_fields[attribute]
    return any(isinstance(mark, NotYet) for mark in (*field.metadata, *annotation_of(field).marks))
