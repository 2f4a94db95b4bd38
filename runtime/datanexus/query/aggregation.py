"""Aggregate and window calls inside expressions, and the rule of GROUP BY."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from sqlglot import exp

from datanexus.query import functions
from datanexus.query.aggregate import AGGREGATES, WINDOW_FUNCTIONS, Modifiers, percentile
from datanexus.query.expression import Expressions
from datanexus.query.parsing import Node, QueryError, Source
from datanexus.query.scope import Scope, folded
from datanexus.query.sqltype import INT8
from datanexus.query.value import Value

Translated = TypeVar("Translated")
_PERCENTILES = ("percentile_cont", "percentile_disc")
_FRAME_KINDS = ("ROWS", "RANGE", "GROUPS")
_BOUNDARIES = ("UNBOUNDED", "CURRENT ROW")


class Aggregations(Expressions):
    """Translates aggregates with DISTINCT, ORDER BY, FILTER and OVER."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self._rules |= {
            exp.Filter: self._modified,
            exp.Window: self._modified,
            exp.GroupConcat: self._modified,
            exp.WithinGroup: self._modified,
            exp.Anonymous: self._call,
        }
        self._inside: list[str] = []  # what of aggregates and clauses surrounds the node at hand

    def plain_condition(self, node: Node, scope: Scope, clause: str) -> str:
        """A condition in a clause where no aggregate or window may stand."""
        return self._within(clause, lambda: self.filtering(node, scope))

    def has_aggregate(self, node: Node) -> bool:
        """Whether an aggregate of this very query level stands in a node."""
        if isinstance(node, exp.Query):
            return False
        if isinstance(node, exp.Window):
            parts = [*_call_of(node).expressions, *(node.args.get("partition_by") or ())]
            order = node.args.get("order")
            parts += [entry.this for entry in order.expressions] if order is not None else []
            return any(self.has_aggregate(part) for part in parts if isinstance(part, exp.Expression))
        if _is_aggregate(node):
            return True
        return any(self.has_aggregate(part) for part in node.iter_expressions())

    def check_grouped(self, node: Node, scope: Scope, keys: set[str]) -> None:
        """Refuse a column of this level that is neither in `keys`, as text, nor inside an aggregate."""
        if isinstance(node, exp.Query) or (_is_aggregate(node) and not isinstance(node, exp.Window)):
            return
        if type(node) in self._rules and keys and node.find(exp.Column) is not None:
            is_call = isinstance(node, exp.Window)
            if not is_call and self.value(node, scope).text in keys:
                return
        if isinstance(node, exp.Column):
            if not self._is_own(node, scope):
                return
            raise self.source.error(node, f'found column "{folded(node.this)}"', "GROUP BY it, or aggregate it")
        parts = list(node.iter_expressions())
        if isinstance(node, exp.Window):
            parts = [*_call_of(node).iter_expressions(), *(part for part in parts if part is not node.this)]
        for part in parts:
            self.check_grouped(part, scope, keys)

    def _is_own(self, node: Node, scope: Scope) -> bool:
        name = folded(node.this)
        qualifier = folded(node.args["table"]) if node.args.get("table") else None
        return any(column == name for column, _ in scope.columns(qualifier))

    def _call(self, node: Node, scope: Scope) -> Value:
        name = str(node.this).lower()
        if name in AGGREGATES:
            return self._modified(node, scope)
        if name in WINDOW_FUNCTIONS:
            raise self.source.error(node, f"found {name} without OVER", f"{name}() OVER (ORDER BY …)")
        return self._function(node, scope)

    def unknown_function(self, node: Node, name: str) -> QueryError:
        known = sorted({*functions.FUNCTIONS, *functions.SPECIAL, *AGGREGATES, *WINDOW_FUNCTIONS, *_PERCENTILES})
        near = [other for other in known if other.startswith(name[:4])]
        hint = f"did you mean {near[0]}?" if near else f"functions here: {', '.join(known)}"
        return self.source.error(node, f"found the function {name}, which queries do not have here", hint)

    def _modified(self, node: Node, scope: Scope) -> Value:
        """An aggregate or window call with everything around it."""
        whole, over, condition = node, None, None
        if isinstance(node, exp.Window):
            over, node = node, node.this
        if isinstance(node, exp.Filter):
            condition, node = node.expression.this, node.this
        kind = "a window function" if over is not None else "an aggregate"
        forbidden = [place for place in self._inside if place != "a window function" or over is not None]
        if forbidden:
            raise self.source.error(whole, f"found {kind} inside {forbidden[-1]}", "use a subquery")
        texts = Modifiers(
            filter="" if condition is None else self._filter_text(condition, scope, kind),
            over="" if over is None else self._over(over, scope),
        )
        if isinstance(node, exp.WithinGroup):
            if over is not None:
                raise self.refused(whole, "percentiles take no OVER")
            return self._percentile(node, scope, texts.filter)
        if isinstance(node, exp.GroupConcat):
            return self._string_agg(node, scope, texts, kind)
        if not isinstance(node, exp.Anonymous):
            raise self.refused(whole)
        return self._plain_aggregate(node, scope, texts, kind)

    def _filter_text(self, condition: Node, scope: Scope, kind: str) -> str:
        return f" FILTER (WHERE {self._within(kind, lambda: self.filtering(condition, scope))})"

    def _plain_aggregate(self, node: Node, scope: Scope, texts: Modifiers, kind: str) -> Value:
        name = str(node.this).lower()
        emit = AGGREGATES.get(name) or (WINDOW_FUNCTIONS.get(name) if texts.over else None)
        if emit is None:
            raise self.unknown_function(node, name)
        nodes = list(node.expressions)
        if name == "count" and (not nodes or isinstance(nodes[0], exp.Star)):
            if not nodes:
                raise self.refused(node, "count(*) counts rows")
            return Value(texts.apply("count", "*"), INT8, name="count")
        distinct, nodes = _distinct(nodes)
        if distinct and texts.over:
            raise self.refused(node, "DISTINCT does not go with OVER")
        if any(isinstance(part, exp.Order) for part in nodes):
            raise self.refused(node, "only string_agg takes ORDER BY")
        given = self._within(kind, lambda: [self.value(part, scope) for part in nodes])
        result = emit(given, Modifiers(distinct, "", texts.filter, texts.over))
        return Value(result.text, result.type, name=name)

    def _string_agg(self, node: Node, scope: Scope, texts: Modifiers, kind: str) -> Value:
        inner, order = node.this, ""
        if isinstance(inner, exp.Order):
            entries, inner = inner.expressions, inner.this
            order = f" ORDER BY {self._within(kind, lambda: self.order_texts(entries, scope))}"
        distinct, parts = _distinct([inner])
        separator = node.args.get("separator")
        if separator is None or len(parts) != 1:
            raise self.refused(node, "string_agg takes a text and a separator")
        if distinct and order:
            raise self.refused(node, "string_agg takes DISTINCT or ORDER BY")
        given = self._within(kind, lambda: [self.value(parts[0], scope), self.value(separator, scope)])
        if distinct:
            order = f" ORDER BY {given[0].text}"  # PostgreSQL sorts to find repeats
        return AGGREGATES["string_agg"](given, Modifiers(distinct, order, texts.filter, texts.over))

    def order_texts(self, entries: Sequence[Node], scope: Scope) -> str:
        """ORDER BY entries inside a call or window."""
        texts = []
        for entry in entries:
            self.only(entry, "this", "desc", "nulls_first")
            nulls = "FIRST" if entry.args.get("nulls_first") else "LAST"
            way = "DESC" if entry.args.get("desc") else "ASC"
            texts.append(f"{self.value(entry.this, scope).text} {way} NULLS {nulls}")
        return ", ".join(texts)

    def _percentile(self, node: Node, scope: Scope, condition: str) -> Value:
        call, order = node.this, node.expression
        name = str(call.this).lower() if isinstance(call, exp.Anonymous) else ""
        entries = order.expressions if isinstance(order, exp.Order) else []
        if name not in _PERCENTILES or len(entries) != 1 or len(call.expressions) != 1:
            raise self.refused(node, "percentile_cont(FRACTION) WITHIN GROUP (ORDER BY x), or percentile_disc")
        fraction = call.expressions[0]
        if not isinstance(fraction, exp.Literal) or fraction.is_string:
            raise self.refused(node, "the fraction is a number from 0 to 1")
        value = self._within("an aggregate", lambda: self.value(entries[0].this, scope))
        descending = bool(entries[0].args.get("desc"))
        result = percentile(name, str(fraction.this), value, descending=descending, filtered=condition)
        return Value(result.text, result.type, name=name)

    def _over(self, node: Node, scope: Scope) -> str:
        self.only(node, "this", "partition_by", "order", "spec", "over")
        parts = []
        partition = node.args.get("partition_by") or ()
        if partition:
            texts = self._within("a window function", lambda: [self.value(part, scope).text for part in partition])
            parts.append(f"PARTITION BY {', '.join(texts)}")
        order = node.args.get("order")
        if order is not None:
            entries = order.expressions
            parts.append("ORDER BY " + self._within("a window function", lambda: self.order_texts(entries, scope)))
        spec = node.args.get("spec")
        if spec is not None:
            parts.append(self._frame(spec))
        return f" OVER ({' '.join(parts)})"

    def _frame(self, spec: Node) -> str:
        self.only(spec, "kind", "start", "start_side", "end", "end_side")
        kind = str(spec.args.get("kind") or "").upper()
        if kind not in _FRAME_KINDS:
            raise self.refused(spec)
        start = self._boundary(spec, "start", kind)
        end = self._boundary(spec, "end", kind) if spec.args.get("end") else "CURRENT ROW"
        return f"{kind} BETWEEN {start} AND {end}"

    def _boundary(self, spec: Node, edge: str, kind: str) -> str:
        given, side = spec.args.get(edge), str(spec.args.get(f"{edge}_side") or "").upper()
        if isinstance(given, str) and given.upper() in _BOUNDARIES:
            return f"{given.upper()} {side}".strip()
        is_count = isinstance(given, exp.Literal) and not given.is_string and str(given.this).isdigit()
        if not is_count or kind == "RANGE" or side not in ("PRECEDING", "FOLLOWING"):
            raise self.refused(spec, "a frame goes by ROWS, or from UNBOUNDED PRECEDING, to CURRENT ROW and the like")
        assert isinstance(given, exp.Literal)
        return f"{given.this} {side}"

    def _within(self, place: str, translate: Callable[[], Translated]) -> Translated:
        """Translate with a place noted in which aggregates are not allowed."""
        self._inside.append(place)
        try:
            return translate()
        finally:
            self._inside.pop()


def _is_aggregate(node: Node) -> bool:
    if isinstance(node, exp.Anonymous):
        return str(node.this).lower() in AGGREGATES
    return isinstance(node, exp.GroupConcat | exp.WithinGroup | exp.Filter)


def _call_of(window: Node) -> Node:
    """The call a window is put over, without its FILTER."""
    return window.this.this if isinstance(window.this, exp.Filter) else window.this


def _distinct(nodes: list[Node]) -> tuple[str, list[Node]]:
    """`DISTINCT ` and the arguments behind it."""
    if len(nodes) == 1 and isinstance(nodes[0], exp.Distinct):
        return "DISTINCT ", list(nodes[0].expressions)
    return "", nodes
