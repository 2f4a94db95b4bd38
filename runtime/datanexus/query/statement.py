"""Queries, translated: SELECT, set operations, VALUES, WITH, subqueries, joins.

Each query is first read into a `Draft`, whose column types may still be open (a NULL, a quoted text), and then written
with the types its surroundings give it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from datanexus.query.aggregation import Aggregations
from datanexus.query.catalogue import Catalogue
from datanexus.query.parsing import Node, Source
from datanexus.query.scope import CommonTable, Numbers, Relation, Scope, column_value, folded
from datanexus.query.sqltype import BOOL, TEXT, Base, SqlType, common_type
from datanexus.query.value import CastError, Value, identifier, widened

_SELECT_PARTS = (
    "with_", "expressions", "distinct", "from_", "joins", "where", "group", "having", "order", "limit", "offset",
)  # fmt: skip
_SET_WORDS = {exp.Union: "UNION", exp.Intersect: "INTERSECT", exp.Except: "EXCEPT"}
_JOIN_WORDS = {("", ""): "JOIN", ("", "INNER"): "JOIN", ("", "CROSS"): "CROSS JOIN", ("LEFT", ""): "LEFT JOIN",
               ("LEFT", "OUTER"): "LEFT JOIN", ("RIGHT", ""): "RIGHT JOIN", ("RIGHT", "OUTER"): "RIGHT JOIN",
               ("FULL", ""): "FULL JOIN", ("FULL", "OUTER"): "FULL JOIN"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Draft:
    """A query whose columns are known and whose text follows from the types and names they get."""

    columns: tuple[tuple[str, SqlType], ...]
    write: Callable[[Sequence[SqlType], Sequence[str]], str]

    def types(self) -> list[SqlType]:
        """The columns' types once nothing else decides: an open one is text."""
        return [TEXT if kind.base is Base.UNKNOWN else kind for _, kind in self.columns]

    def inner_text(self, types: Sequence[SqlType] | None = None) -> str:
        """The query as a part of another one: columns c1, c2, …"""
        return self.write(self.types() if types is None else types, inner_names(len(self.columns)))


@dataclass(slots=True)
class _Select:
    """One SELECT being read: its items as nodes (None for those of a star), names and values."""

    scope: Scope
    items: list[tuple[Node | None, str, Value]] = field(default_factory=list)


def inner_names(count: int) -> list[str]:
    """What columns of a query inside another one are called."""
    return [f"c{number}" for number in range(1, count + 1)]


class Queries(Aggregations):
    """Translates one statement."""

    def __init__(self, source: Source, catalogue: Catalogue) -> None:
        super().__init__(source)
        self.catalogue = catalogue
        self.numbers = Numbers()
        self._rules |= {exp.Subquery: self._scalar_query, exp.Exists: self._exists}

    def draft(self, node: Node, parent: Scope | None, common: Mapping[str, CommonTable]) -> Draft:
        """Read a query. Raises: QueryError, located."""
        surroundings, self._inside = self._inside, []  # a subquery is a level of its own
        try:
            return self._draft(node, parent, common)
        finally:
            self._inside = surroundings

    def _draft(self, node: Node, parent: Scope | None, common: Mapping[str, CommonTable]) -> Draft:
        if isinstance(node, exp.Subquery):
            self.only(node, "this", "with_", "order", "limit", "offset")
            if any(node.args.get(part) for part in ("with_", "order", "limit", "offset")):
                raise self.refused(node, "put WITH, ORDER BY and LIMIT inside the brackets")
            return self.draft(node.this, parent, common)
        texts, common = self._with(node, parent, common)
        if isinstance(node, exp.Select):
            draft = self._select(node, parent, common)
        elif type(node) in _SET_WORDS:
            draft = self._set_operation(node, parent, common)
        elif isinstance(node, exp.Values):
            draft = self._values(node, parent, common)
        else:
            raise self.refused(node, "a query is a SELECT, WITH or VALUES")
        if not texts:
            return draft
        head = f"WITH {', '.join(texts)} "
        return Draft(draft.columns, lambda types, names: head + draft.write(types, names))

    def _with(
        self, node: Node, parent: Scope | None, common: Mapping[str, CommonTable]
    ) -> tuple[list[str], Mapping[str, CommonTable]]:
        clause = node.args.get("with_")
        if clause is None:
            return [], common
        if clause.args.get("recursive"):
            raise self.refused(clause, "WITH RECURSIVE is not there")
        texts, tables = [], dict(common)
        own: set[str] = set()
        for entry in clause.expressions:
            name = folded(entry.args["alias"].this)
            if name in own:
                raise self.source.error(entry, f'found "{name}" twice in WITH', "distinct names")
            own.add(name)
            draft = self.draft(entry.this, parent, tables)
            columns = self._named(draft, entry.args["alias"], entry)
            text = self.numbers.next("w")
            texts.append(f"{text} AS ({draft.inner_text()})")
            tables[name] = CommonTable(text, columns)
        return texts, tables

    def _named(self, draft: Draft, alias: Node, where: Node) -> tuple[tuple[str, SqlType], ...]:
        """A query's columns under the names an alias gives them."""
        given = [folded(column) for column in alias.args.get("columns") or ()]
        if len(given) > len(draft.columns):
            raise self.source.error(where, f"found {len(given)} names for {len(draft.columns)} columns", "fewer names")
        names = given + [name for name, _ in draft.columns[len(given) :]]
        return tuple(zip(names, draft.types(), strict=True))

    def _select(self, node: Node, parent: Scope | None, common: Mapping[str, CommonTable]) -> Draft:
        self.only(node, *_SELECT_PARTS)
        select = _Select(Scope(parent, common))
        source = self._from(node, select.scope)
        where = node.args.get("where")
        tail = "" if where is None else f" WHERE {self.plain_condition(where.this, select.scope, 'WHERE')}"
        for item in node.expressions:
            select.items += self._item(item, select.scope)
        if not select.items:
            raise self.refused(node, "select at least one column")
        grouped = self._group(node, select)
        tail += grouped
        having = node.args.get("having")
        if having is not None:
            tail += f" HAVING {self.filtering(having.this, select.scope)}"
        distinct = self._distinct(node, select)
        ordered = self._order(node.args.get("order"), select, distinct=bool(distinct))
        tail += ordered + self._limit(node)
        self._check_grouped(node, select)
        columns = tuple((name, value.type) for _, name, value in select.items)

        def write(types: Sequence[SqlType], names: Sequence[str]) -> str:
            parts = zip(select.items, types, names, strict=True)
            items = ", ".join(f"{_leaving(value, kind)} AS {identifier(name)}" for (_, _, value), kind, name in parts)
            return f"SELECT {distinct}{items}{source}{tail}"

        return Draft(columns, write)

    def _item(self, node: Node, scope: Scope) -> list[tuple[Node | None, str, Value]]:
        star = node.this if isinstance(node, exp.Column) else node
        if isinstance(star, exp.Star):
            self.only(star)
            relation = folded(node.args["table"]) if isinstance(node, exp.Column) else None
            columns: list[tuple[Node | None, str, Value]] = [
                (None, name, value) for name, value in scope.columns(relation)
            ]
            if not columns:
                raise self.source.error(node, f"found `{node.sql('postgres')}`", "a relation of FROM")
            return columns
        if isinstance(node, exp.Alias):
            return [(node.this, folded(node.args["alias"]), self.value(node.this, scope))]
        value = self.value(node, scope)
        name = folded(node.this) if isinstance(node, exp.Column) else value.name
        return [(node, name, value)]

    def _from(self, node: Node, scope: Scope) -> str:
        first = node.args.get("from_")
        joins = node.args.get("joins") or ()
        if first is None:
            if joins:
                raise self.refused(node)
            return ""
        text = f" FROM {self._relation(first.this, scope)}"
        for inner in first.this.args.get("joins") or ():
            raise self.refused(inner, "put the joined relations into a subquery")
        for join in joins:
            text += self._join(join, scope)
        return text

    def _relation(self, node: Node, scope: Scope) -> str:
        alias = node.args.get("alias")
        if isinstance(node, exp.Table):
            return self._table(node, alias, scope)
        if isinstance(node, exp.Subquery | exp.Values):
            if alias is None or not alias.name:
                raise self.source.error(node, "found a subquery in FROM without a name", "put AS NAME behind it")
            draft = self.draft(node.this if isinstance(node, exp.Subquery) else node, scope.parent, scope.common)
            columns = self._named(draft, alias, node)
            name = self.numbers.next("t")
            self._add(scope, folded(alias.this), name, columns, node)
            return f"({draft.inner_text()}) AS {name}"
        raise self.refused(node, "FROM takes views, subqueries and names of WITH")

    def _table(self, node: Node, alias: Node | None, scope: Scope) -> str:
        self.only(node, "this", "db", "alias", "joins")
        if not isinstance(node.this, exp.Identifier):
            raise self.refused(node, "FROM takes views, subqueries and names of WITH")
        name = folded(node.this)
        schema = folded(node.args["db"]) if node.args.get("db") else None
        text = self.numbers.next("t")
        shown = name if alias is None else folded(alias.this)
        given = [] if alias is None else [folded(column) for column in alias.args.get("columns") or ()]
        common = scope.common.get(name) if schema is None else None
        if common is not None:
            columns = _renamed(common.columns, given)
            self._add(scope, shown, text, columns, node)
            return f"{common.text} AS {text}"
        found = self.catalogue.find(schema, name)
        if found is None:
            raise self._unknown_relation(node, schema, name)
        (stored_schema, stored_name), stored = found
        values = [Value(f"{text}.{identifier(column)}", kind, name=column) for column, kind in stored]
        names = [column for column, _ in _renamed(stored, given)]
        if not scope.add(Relation(shown, tuple(zip(names, values, strict=True)))):
            raise self.source.error(
                node, f'found "{shown}" twice in FROM', "put AS and another name behind one of them"
            )
        return f"{identifier(stored_schema)}.{identifier(stored_name)} AS {text}"

    def _unknown_relation(self, node: Node, schema: str | None, name: str) -> Exception:
        shown = f"{schema}.{name}" if schema else name
        several = [known for known in self.catalogue.names if schema is None and known.endswith(f".{name}")]
        if len(several) > 1:
            return self.source.error(node, f"found {name}, a view of several pipelines", " or ".join(several))
        near = self.catalogue.near(schema, name)
        known = ", ".join(self.catalogue.names) or "there are none yet"
        return self.source.error(node, f"found no view {shown}", f"did you mean {near}?" if near else f"views: {known}")

    def _add(self, scope: Scope, shown: str, text: str, columns: Sequence[tuple[str, SqlType]], node: Node) -> None:
        values = [Value(f"{text}.c{number}", kind, name=name) for number, (name, kind) in enumerate(columns, start=1)]
        entries = tuple((name, value) for (name, _), value in zip(columns, values, strict=True))
        if not scope.add(Relation(shown, entries)):
            raise self.source.error(node, f'found "{shown}" twice in FROM', "another name for one of them")

    def _join(self, node: Node, scope: Scope) -> str:
        self.only(node, "this", "side", "kind", "on", "using")
        side, kind = str(node.args.get("side") or "").upper(), str(node.args.get("kind") or "").upper()
        condition, using = node.args.get("on"), node.args.get("using")
        if isinstance(node.this, exp.Lateral):
            raise self.refused(node.this, "LATERAL is not there")
        left = list(scope.relations)
        relation = self._relation(node.this, scope)
        if condition is None and not using:
            if (side, kind) == ("", ""):
                return f", {relation}"
            if kind == "CROSS":
                return f" CROSS JOIN {relation}"
            raise self.refused(node, "a join needs ON or USING")
        word = _JOIN_WORDS.get((side, kind))
        if word is None or kind == "CROSS":
            raise self.refused(node)
        if using:
            return f" {word} {relation} ON {self._using(using, side, left, scope)}"
        return f" {word} {relation} ON {self.plain_condition(condition, scope, 'ON')}"

    def _using(self, names: Sequence[Node], side: str, left: list[Relation], scope: Scope) -> str:
        conditions = []
        for node in names:
            name = folded(node)
            before = Scope(None, {}, list(left), dict(scope.merged))
            after = Scope(None, {}, [scope.relations[-1]])
            column = exp.Column(this=node)
            first, second = column_value(before, column, self.source), column_value(after, column, self.source)
            given = self.brought_together([first, second], node)
            conditions.append(f"{given[0].text} = {given[1].text}")
            kept = {"RIGHT": given[1].text, "FULL": f"coalesce({given[0].text}, {given[1].text})"}
            scope.merged[name] = Value(kept.get(side, given[0].text), given[0].type, name=name)
        return "(" + " AND ".join(conditions) + ")"

    def _distinct(self, node: Node, select: _Select) -> str:
        distinct = node.args.get("distinct")
        if distinct is None:
            return ""
        on = distinct.args.get("on")
        if on is None:
            return "DISTINCT "
        parts = on.expressions if isinstance(on, exp.Tuple) else [on.this if isinstance(on, exp.Paren) else on]
        return f"DISTINCT ON ({', '.join(self._reference(part, select, 'DISTINCT ON') for part in parts)}) "

    def _group(self, node: Node, select: _Select) -> str:
        group = node.args.get("group")
        if group is None:
            return ""
        self.only(group, "expressions")
        texts = []
        for part in group.expressions:
            if isinstance(part, exp.GroupingSets | exp.Rollup | exp.Cube | exp.Tuple):
                raise self.refused(part, "GROUP BY takes columns and expressions")
            text = self._group_reference(part, select)
            texts.append(text)
        return f" GROUP BY {', '.join(texts)}"

    def _group_reference(self, node: Node, select: _Select) -> str:
        """What one GROUP BY entry means: an input column first, then the name or number of an item, else itself."""
        if isinstance(node, exp.Column) and len(node.parts) == 1:
            name = folded(node.this)
            if any(column == name for column, _ in select.scope.columns()):
                return self.value(node, select.scope).text
            for _, item, value in select.items:
                if item == name:
                    return value.text
        number = _ordinal(node)
        if number is not None:
            return self._item_at(number, node, select).text
        if isinstance(node, exp.Literal):
            raise self.refused(node, "GROUP BY takes no constant")
        return self.value(node, select.scope).text

    def _item_at(self, number: int, node: Node, select: _Select) -> Value:
        if not 1 <= number <= len(select.items):
            raise self.source.error(node, f"found position {number}", f"1 to {len(select.items)}")
        return select.items[number - 1][2]

    def _reference(self, node: Node, select: _Select, where: str) -> str:
        """What an ORDER BY or DISTINCT ON entry means: the name or number of an item, else an expression."""
        number = _ordinal(node)
        if number is not None:
            self._item_at(number, node, select)
            return select.items[number - 1][2].text if where == "DISTINCT ON" else str(number)
        if isinstance(node, exp.Column) and len(node.parts) == 1:
            name = folded(node.this)
            matches = [index for index, (_, item, _) in enumerate(select.items, start=1) if item == name]
            if matches:
                texts = {select.items[index - 1][2].text for index in matches}
                if len(texts) > 1:
                    raise self.source.error(node, f'found "{name}", the name of several items', "a position")
                return select.items[matches[0] - 1][2].text if where == "DISTINCT ON" else str(matches[0])
        if isinstance(node, exp.Literal):
            raise self.refused(node, f"{where} takes no constant")
        return self.value(node, select.scope).text

    def _order(self, order: Node | None, select: _Select, *, distinct: bool) -> str:
        if order is None:
            return ""
        texts = []
        for entry in order.expressions:
            self.only(entry, "this", "desc", "nulls_first")
            reference = self._reference(entry.this, select, "ORDER BY")
            known = {value.text for _, _, value in select.items}
            if distinct and not reference.isdigit() and reference not in known:
                raise self.source.error(entry, "found an ORDER BY that SELECT DISTINCT does not list", "list it")
            texts.append(reference + direction(entry))
        return f" ORDER BY {', '.join(texts)}"

    def _limit(self, node: Node) -> str:
        text = ""
        limit, offset = node.args.get("limit"), node.args.get("offset")
        if isinstance(limit, exp.Fetch):
            options = limit.args.get("limit_options")
            if options is not None and (options.args.get("percent") or options.args.get("with_ties")):
                raise self.refused(limit)
            text += f" LIMIT {self._count(limit.args.get('count') or exp.Literal.number(1))}"
        elif limit is not None:
            self.only(limit, "expression")
            text += f" LIMIT {self._count(limit.expression)}"
        if offset is not None:
            text += f" OFFSET {self._count(offset.expression)}"
        return text

    def _count(self, node: Node) -> int:
        number = _ordinal(node)
        if number is None or number > 2**63 - 1:
            raise self.source.error(node, f"found `{node.sql('postgres')}`", "LIMIT and OFFSET take a whole number")
        return number

    def _set_operation(self, node: Node, parent: Scope | None, common: Mapping[str, CommonTable]) -> Draft:
        self.only(node, "this", "expression", "distinct", "order", "limit", "offset", "with_")
        word = _SET_WORDS[type(node)] + ("" if node.args.get("distinct") else " ALL")
        left, right = self.draft(node.this, parent, common), self.draft(node.expression, parent, common)
        if len(left.columns) != len(right.columns):
            found = f"found {len(left.columns)} and {len(right.columns)} columns on the sides of {word}"
            raise self.source.error(node.expression, found, "as many on each side")
        columns = []
        for (name, first), (_, second) in zip(left.columns, right.columns, strict=True):
            kind = common_type([first, second])
            if kind is None:
                raise self.source.error(node.expression, f"found {first} and {second} in column {name}", "CAST one")
            columns.append((name, kind))
        items = [(None, name, Value(f"c{number}", kind)) for number, (name, kind) in enumerate(columns, start=1)]
        tail = self._set_order(node, items) + self._limit(node)

        def write(types: Sequence[SqlType], names: Sequence[str]) -> str:
            inside = [TEXT if kind.base is Base.UNKNOWN else kind for _, kind in columns]
            inside = [wanted if own.base is Base.UNKNOWN else own for own, wanted in zip(inside, types, strict=True)]
            body = f"({left.inner_text(inside)}) {word} ({right.inner_text(inside)})"
            parts = zip(inner_names(len(types)), inside, types, names, strict=True)
            outer = ", ".join(
                f"{_leaving(Value(column, own), wanted)} AS {identifier(name)}" for column, own, wanted, name in parts
            )
            return f"SELECT {outer} FROM ({body}) AS {self.numbers.next('t')}{tail}"  # noqa: S608

        return Draft(tuple(columns), write)

    def _set_order(self, node: Node, items: list[tuple[Node | None, str, Value]]) -> str:
        order = node.args.get("order")
        if order is None:
            return ""
        texts = []
        for entry in order.expressions:
            self.only(entry, "this", "desc", "nulls_first")
            number = _ordinal(entry.this)
            if number is None and isinstance(entry.this, exp.Column) and len(entry.this.parts) == 1:
                name = folded(entry.this.this)
                number = next((index for index, item in enumerate(items, start=1) if item[1] == name), None)
            if number is None or not 1 <= number <= len(items):
                raise self.source.error(entry, f"found ORDER BY {entry.this.sql('postgres')}", "a column of the result")
            texts.append(f"{number}{direction(entry)}")
        return f" ORDER BY {', '.join(texts)}"

    def _values(self, node: Node, parent: Scope | None, common: Mapping[str, CommonTable]) -> Draft:
        self.only(node, "expressions", "alias", "order", "limit", "offset", "with_")
        if node.args.get("order") or node.args.get("limit") or node.args.get("offset"):
            raise self.refused(node, "put VALUES into a subquery to order or limit it")
        scope = Scope(parent, common)
        rows = [
            [self.value(part, scope) for part in (row.expressions if isinstance(row, exp.Tuple) else [row])]
            for row in node.expressions
        ]
        width = len(rows[0])
        if any(len(row) != width for row in rows):
            raise self.source.error(node, "found rows of different lengths in VALUES", "as many values in each")
        columns = []
        for index in range(width):
            kind = common_type([row[index].type for row in rows])
            if kind is None:
                raise self.source.error(node, f"found different types in column {index + 1} of VALUES", "CAST one")
            columns.append((f"column{index + 1}", kind))

        def write(types: Sequence[SqlType], names: Sequence[str]) -> str:
            texts = (
                ", ".join(
                    _leaving(_leave(value, own), kind)
                    for value, (_, own), kind in zip(row, columns, types, strict=True)
                )
                for row in rows
            )
            body = ", ".join(f"({text})" for text in texts)
            outer = ", ".join(f"c{number} AS {identifier(name)}" for number, name in enumerate(names, start=1))
            name = self.numbers.next("t")
            return f"SELECT {outer} FROM (VALUES {body}) AS {name}({', '.join(inner_names(width))})"  # noqa: S608

        return Draft(tuple(columns), write)

    def _scalar_query(self, node: Node, scope: Scope) -> Value:
        draft = self.draft(node, scope, scope.common)
        if len(draft.columns) != 1:
            raise self.source.error(node, f"found a subquery of {len(draft.columns)} columns", "one column")
        name, _ = draft.columns[0]
        return Value(f"({draft.inner_text()})", draft.types()[0], name=name)

    def _exists(self, node: Node, scope: Scope) -> Value:
        return Value(f"EXISTS ({self.draft(node.this, scope, scope.common).inner_text()})", BOOL, name="exists")

    def in_query(self, node: Node, query: Node, scope: Scope) -> Value:
        """`x IN (SELECT …)`, both sides in their common type."""
        draft = self.draft(query, scope, scope.common)
        if len(draft.columns) != 1:
            raise self.source.error(query, f"found a subquery of {len(draft.columns)} columns", "one column")
        given = self.value(node.this, scope)
        kind = common_type([given.type, draft.columns[0][1]])
        if kind is None:
            raise CastError(f"found {given.type} IN a query of {draft.columns[0][1]}", "CAST one of them")
        kind = TEXT if kind.base is Base.UNKNOWN else kind
        return Value(f"({widened(given, kind).text} IN ({draft.inner_text([kind])}))", BOOL)

    def _check_grouped(self, node: Node, select: _Select) -> None:
        """Refuse columns outside of aggregates that GROUP BY does not list, by their names."""
        group, having = node.args.get("group"), node.args.get("having")
        outside = [item for item, _, _ in select.items if item is not None]
        if having is not None:
            outside.append(having.this)
        order = node.args.get("order")
        names = {name for _, name, _ in select.items}
        for entry in order.expressions if order is not None else ():
            part = entry.this
            is_item = isinstance(part, exp.Column) and len(part.parts) == 1 and folded(part.this) in names
            if not is_item and _ordinal(part) is None:
                outside.append(part)
        if group is None and having is None and not any(self.has_aggregate(part) for part in outside):
            return
        keys = {self._group_reference(part, select) for part in group.expressions} if group is not None else set()
        for item, name, value in select.items:
            if item is None and value.text not in keys:
                raise self.source.error(node, f'found column "{name}" (of *)', "GROUP BY it, or aggregate it")
        for part in outside:
            self.check_grouped(part, select.scope, keys)


def direction(entry: Node) -> str:
    """How an ORDER BY entry sorts, with PostgreSQL's place of NULL: last, with DESC first."""
    nulls = "FIRST" if entry.args.get("nulls_first") else "LAST"
    return f"{' DESC' if entry.args.get('desc') else ' ASC'} NULLS {nulls}"


def _leave(value: Value, kind: SqlType) -> Value:
    """A value in its column's type, while that is open as it is."""
    return value if kind.base is Base.UNKNOWN else widened(value, kind)


def _leaving(value: Value, kind: SqlType) -> str:
    """A column of a result in its type; equal types need no cast."""
    if value.base is kind.base and (kind.base is not Base.NUMERIC or value.type.scale == kind.scale):
        return value.text
    return widened(value, kind).text


def _renamed(columns: Sequence[tuple[str, SqlType]], names: Sequence[str]) -> tuple[tuple[str, SqlType], ...]:
    given = [*names, *(name for name, _ in columns[len(names) :])]
    return tuple((name, kind) for name, (_, kind) in zip(given, columns, strict=False))


def _ordinal(node: Node) -> int | None:
    if isinstance(node, exp.Literal) and not node.is_string and str(node.this).isdigit():
        return int(node.this)
    return None
