"""Where the parts of a resource stand in its file. Paths are written as in messages: `spec.views[0].window`.

Two origins are always equal: where a resource was read does not make it another resource.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from datanexus_spec.errors import Problem

Loc = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """One value in a text. `line`, `column` count from 1; `start`, `end` are indices into the file's text."""

    line: int
    column: int
    start: int
    end: int
    text: str | None = None  # the value, where it is text


@dataclass(frozen=True, slots=True)
class Origin:
    """A file's text and the place of every value and key of one resource in it."""

    file: str = field(default="", compare=False)
    source: str = field(default="", compare=False, repr=False)
    values: Mapping[Loc, Place] = field(default_factory=dict, compare=False, repr=False)
    keys: Mapping[Loc, Place] = field(default_factory=dict, compare=False, repr=False)

    def locate(self, loc: Loc, *, line: int = 1, column: int = 1) -> tuple[int, int]:
        """Line and column of a value, or of a character inside a value that is text; (0, 0) without a file.

        `line` and `column` count from 1 inside the text. A value that is not there is where its nearest parent is.
        """
        while loc not in self.values and loc:
            loc, line, column = loc[:-1], 1, 1
        place = self.values.get(loc)
        if place is None:
            return 0, 0
        index = self._index_inside(place, line, column)
        return _line_and_column(self.source, index) if index is not None else (place.line, place.column)

    def locate_key(self, loc: Loc) -> tuple[int, int]:
        """Line and column of the key of a value; of the value where it has no key."""
        place = self.keys.get(loc)
        return (place.line, place.column) if place else self.locate(loc)

    def problem(
        self, path: str, *, found: str, expected: str, suggestion: str = "", inside: tuple[int, int] = (1, 1)
    ) -> Problem:
        """A problem with a value; `inside`: line and column in it, when it is text."""
        line, column = self.locate(loc_from_path(path), line=inside[0], column=inside[1])
        return Problem(self.file, path, line, column, found, expected, suggestion)

    def _index_inside(self, place: Place, line: int, column: int) -> int | None:
        """The index in the file of a character of a text value.

        YAML changes only white space, quotes and escapes between the file and the value, so the n-th visible character
        of the one is the n-th of the other. None where that does not hold (escapes, substituted variables).
        """
        if place.text is None:
            return None
        lines = place.text.split("\n")
        before = "\n".join(lines[: line - 1]) + "\n" + lines[min(line, len(lines)) - 1][: column - 1]
        start, end = self._body(place)
        body = "".join(self.source[start:end].split())
        if body != "".join(place.text.split()):
            return None
        wanted = len("".join(before.split()))
        for index in range(start, end):
            if self.source[index].isspace():
                continue
            if wanted == 0:
                return index
            wanted -= 1
        return end - 1 if wanted == 0 and end > start else None

    def _body(self, place: Place) -> tuple[int, int]:
        """The bounds of a text value without its quotes or the header line of a block."""
        first = self.source[place.start : place.start + 1]
        if first in ("'", '"'):
            return place.start + 1, place.end - 1
        if first in ("|", ">"):
            return self.source.find("\n", place.start) + 1, place.end
        return place.start, place.end


NOWHERE = Origin()


def path_from_loc(loc: Loc) -> str:
    """Write a location as in messages."""
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def loc_from_path(path: str) -> Loc:
    """Read what `path_from_loc` wrote. Keys hold neither dots nor brackets, except behind the last one of a path."""
    loc: list[str | int] = []
    for part in path.split("."):
        name, *indices = part.split("[")
        if name:
            loc.append(name)
        loc += [int(index.rstrip("]")) for index in indices]
    return tuple(loc)


def _line_and_column(source: str, index: int) -> tuple[int, int]:
    before = source[:index]
    return before.count("\n") + 1, index - (before.rfind("\n") + 1) + 1
