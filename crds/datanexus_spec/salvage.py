"""A resource with problems, read as if they were mended, so that later checks can tell theirs in the same go.

What was probably meant is put in the place of what stands there; what nobody can guess is left out where it may be
left out. Nothing that is salvaged ever runs. Items of lists are never left out, as paths count them.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from datanexus_spec.annotation import annotation_at, fields_of
from datanexus_spec.custom_resource import Resource
from datanexus_spec.errors import Problem
from datanexus_spec.position import Loc, Origin, Place, loc_from_path

PLACEHOLDER_NAME = "unnamed"


def mended(
    kind: type[Resource], value: Mapping[str, Any], problems: Sequence[Problem], origin: Origin
) -> tuple[dict[str, Any], Origin] | None:
    """The value with every problem mended, and where its parts stand; None when one cannot be.

    What stands under a misspelt name was not checked yet, so the mended value may have problems of its own.
    """
    whole = copy.deepcopy(dict(value))
    renamed: dict[Loc, Loc] = {}
    for problem in problems:
        loc = loc_from_path(problem.path)
        if loc[:1] != ("spec",):
            whole["metadata"] = {"name": PLACEHOLDER_NAME}
        elif annotation_at(kind, loc).bare is Any:
            _rename(whole, loc, problem.suggestion)
            renamed[loc] = (*loc[:-1], problem.suggestion)
        elif problem.suggestion and " " not in problem.suggestion:
            _replace(whole, loc, problem.suggestion)
        elif not _leave_out(kind, whole, loc):
            return None
    return whole, Origin(origin.file, origin.source, _moved(origin.values, renamed), _moved(origin.keys, renamed))


def _rename(value: dict[str, Any], loc: Loc, name: str) -> None:
    parent = _at(value, loc[:-1])
    if isinstance(parent, dict) and loc[-1] in parent:
        taken = parent.pop(loc[-1])
        if name and name not in parent:
            parent[name] = taken


def _replace(value: dict[str, Any], loc: Loc, suggestion: str) -> None:
    parent = _at(value, loc[:-1])
    if parent is not None:
        parent[loc[-1]] = [suggestion[1:-1]] if suggestion.startswith("[") else suggestion


def _leave_out(kind: type[Resource], value: dict[str, Any], loc: Loc) -> bool:
    """Take a value out, or the nearest part around it that may be left out. False when there is none."""
    while len(loc) > 1 and isinstance(loc[-1], str):
        element = annotation_at(kind, loc[:-1]).element
        field = fields_of(element).get(loc[-1]) if element else None
        parent = _at(value, loc[:-1])
        if element is None or field is None:
            return False
        is_choice = loc[-1] in {element.file_name(name) for name in element.one_of} and element.one_of_required
        if not field.is_required() and not is_choice and isinstance(parent, dict):
            parent.pop(loc[-1], None)
            return True
        loc = loc[:-1]
    return False


def _at(value: Any, loc: Loc) -> Any:
    for part in loc:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _moved(places: Mapping[Loc, Place], renamed: Mapping[Loc, Loc]) -> Mapping[Loc, Place]:
    """The places in which what stands under a misspelt name stands under the right one too."""
    moved = dict(places)
    for loc, place in places.items():
        for old, new in renamed.items():
            if loc[: len(old)] == old:
                moved[new + loc[len(old) :]] = place
    return moved
