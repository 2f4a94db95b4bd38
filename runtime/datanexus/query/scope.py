"""What names mean at a place of a query: relations in FROM, outer queries, WITH. Pure.

Inside the translated text relations are called t1, t2, … and their columns c1, c2, … so that no name of a user's can
collide there; only columns of stored views keep theirs.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from datanexus.query.parsing import Node, QueryError, Source
from datanexus.query.sqltype import SqlType
from datanexus.query.value import Value


@dataclass(frozen=True, slots=True)
class Relation:
    """One entry of FROM: its name there, and of each column the name, DuckDB's text and the type."""

    name: str
    columns: tuple[tuple[str, Value], ...]


@dataclass(frozen=True, slots=True)
class CommonTable:
    """One entry of WITH: its name in the translated text and its columns."""

    text: str
    columns: tuple[tuple[str, SqlType], ...]


@dataclass(slots=True)
class Numbers:
    """Gives the relations of one statement distinct names."""

    last: int = 0

    def next(self, letter: str) -> str:
        self.last += 1
        return f"{letter}{self.last}"


@dataclass(slots=True)
class Scope:
    """The names of one SELECT. `merged`: columns of JOIN … USING, which need no qualification."""

    parent: "Scope | None"
    common: Mapping[str, CommonTable]
    relations: list[Relation] = field(default_factory=list)
    merged: dict[str, Value] = field(default_factory=dict)

    def add(self, relation: Relation) -> bool:
        """Take a relation in; False when its name is taken."""
        if any(other.name == relation.name for other in self.relations):
            return False
        self.relations.append(relation)
        return True

    def columns(self, relation: str | None = None) -> Iterator[tuple[str, Value]]:
        """What `*`, or `relation.*`, stands for."""
        if relation is None:
            yield from self.merged.items()
        for entry in self.relations:
            if relation not in (None, entry.name):
                continue
            for name, value in entry.columns:
                if relation is not None or name not in self.merged:
                    yield name, value


def folded(node: Node) -> str:
    """A name as PostgreSQL reads it: in lower case unless quoted."""
    return str(node.name) if node.args.get("quoted") else str(node.name).lower()


def column_value(scope: Scope, node: Node, source: Source) -> Value:
    """What a column reference stands for. Raises: QueryError when it names none or several."""
    parts = [folded(part) for part in node.parts]
    name, qualifiers = parts[-1], parts[:-1]
    place: Scope | None = scope
    while place is not None:
        found = list(_matches(place, name, qualifiers))
        if len(found) > 1:
            raise source.error(node, f'found column "{name}", which several relations have', "name its relation too")
        if found:
            return found[0]
        place = place.parent
    raise _unknown(scope, node, source, name, qualifiers)


def _matches(scope: Scope, name: str, qualifiers: list[str]) -> Iterator[Value]:
    if not qualifiers and name in scope.merged:
        yield scope.merged[name]
        return
    for relation in scope.relations:
        if qualifiers and relation.name != qualifiers[-1]:
            continue
        yield from (value for column, value in relation.columns if column == name)


def _unknown(scope: Scope, node: Node, source: Source, name: str, qualifiers: list[str]) -> QueryError:
    names: list[str] = []
    relations: list[str] = []
    place: Scope | None = scope
    while place is not None:
        relations += [relation.name for relation in place.relations]
        names += [column for column, _ in place.columns(qualifiers[-1] if qualifiers else None)]
        place = place.parent
    if qualifiers and qualifiers[-1] not in relations:
        shown = ", ".join(relations) or "none"
        return source.error(node, f'found no relation "{qualifiers[-1]}"', f"relations there: {shown}")
    same = [column for column in names if column.lower() == name.lower()]
    near = same or get_close_matches(name, names, n=1)
    hint = f'did you mean "{near[0]}"?' if near else f"columns there: {', '.join(dict.fromkeys(names)) or 'none'}"
    return source.error(node, f'found no column "{".".join([*qualifiers, name])}"', hint)
