"""Scalar expressions of a query, translated: every operator typed as in PostgreSQL and written for DuckDB.

A node that is not named here is refused; nothing passes untranslated. Aggregates, windows and subqueries belong to
`query.statement`, which subclasses `Expressions`.
"""

from collections.abc import Callable, Sequence
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlglot import exp

from datanexus.query import functions
from datanexus.query.arithmetic import number_arithmetic, time_arithmetic
from datanexus.query.parsing import Node, QueryError, Source
from datanexus.query.pattern import check_like, checked_regex, checked_replacement, is_simple
from datanexus.query.scope import Scope, column_value, folded
from datanexus.query.sqltype import (
    BOOL,
    DATE,
    FLOAT8,
    INT4,
    INT8,
    INTEGERS,
    INTERVAL,
    NUMBERS,
    TEXT,
    TIMESTAMP,
    TIMESTAMPTZ,
    Base,
    SqlType,
    common_type,
    numeric,
)
from datanexus.query.value import (
    CastError,
    Value,
    cast,
    null_value,
    number_literal,
    resolved,
    text_literal,
    widened,
)

_COMPARISONS = {exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">="}
_DISTINCTIONS = {exp.NullSafeEQ: "IS NOT DISTINCT FROM", exp.NullSafeNEQ: "IS DISTINCT FROM"}
_ARITHMETIC = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.Mod: "%"}
_TYPES = {
    "INT": INT4,
    "BIGINT": INT8,
    "DOUBLE": FLOAT8,
    "TEXT": TEXT,
    "VARCHAR": TEXT,
    "BOOLEAN": BOOL,
    "DATE": DATE,
    "TIMESTAMP": TIMESTAMP,
    "TIMESTAMPTZ": TIMESTAMPTZ,
    "INTERVAL": INTERVAL,
}
_NOW = {"current_timestamp": ("now()", TIMESTAMPTZ), "current_date": ("CAST(now() AS DATE)", DATE)}
_PARTS = {"this", "expression"}
_NEVER_FAIL = (
    exp.And, exp.Between, exp.Boolean, exp.Column, exp.Escape, exp.ILike, exp.Identifier, exp.In, exp.Is, exp.Like,
    exp.Literal, exp.Not, exp.Null, exp.Or, exp.Paren, exp.RegexpILike, exp.RegexpLike, *_COMPARISONS, *_DISTINCTIONS,
)  # fmt: skip
# Names of columns that PostgreSQL gives up for a better one: it names CASE after its ELSE, a cast after its argument.
_WEAK_NAMES = frozenset({"?column?", "case", *(base.short_name for base in Base)})


class Expressions:
    """Translates the expressions of one query. `scope` is the SELECT whose names are visible."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._rules: dict[type, Callable[[Node, Scope], Value]] = {
            exp.Literal: self._literal,
            exp.RawString: self._literal,
            exp.Boolean: lambda node, _: Value("true" if node.this else "false", BOOL, name="bool"),
            exp.Null: lambda _node, _scope: null_value(),
            exp.Column: self._column,
            exp.Paren: self._paren,
            exp.Neg: self._negate,
            exp.Not: self._not,
            exp.And: self._logic,
            exp.Or: self._logic,
            exp.Is: self._is,
            exp.In: self._in,
            exp.Between: self._between,
            exp.Like: self._like,
            exp.ILike: self._like,
            exp.Escape: self._escape,
            exp.RegexpLike: self._regex,
            exp.RegexpILike: self._regex,
            exp.DPipe: self._concatenate,
            exp.Pow: self._power,
            exp.Case: self._case,
            exp.Cast: self._cast,
            exp.Interval: self._interval,
            exp.Extract: self._extract,
            exp.AtTimeZone: self._at_time_zone,
            exp.Substring: self._substring,
            exp.Trim: self._trim,
            exp.StrPosition: self._position,
            exp.Anonymous: self._function,
        }
        self._rules |= dict.fromkeys(_COMPARISONS, self._comparison)
        self._rules |= dict.fromkeys(_DISTINCTIONS, self._comparison)
        self._rules |= dict.fromkeys(_ARITHMETIC, self._arithmetic)
        self._special: dict[str, Callable[[Node, Scope, list[Node]], Value]] = {
            "coalesce": self._same_type,
            "greatest": self._same_type,
            "least": self._same_type,
            "nullif": self._nullif,
            "concat": self._concat,
            "concat_ws": self._concat_ws,
            "date_trunc": self._date_trunc,
            "date_part": self._date_part,
            "mod": self._mod,
            "round": self._round,
            "regexp_replace": self._regexp_replace,
            "timezone": self._timezone,
        }

    def value(self, node: Node, scope: Scope) -> Value:
        """Translate one expression. Raises: QueryError, located."""
        rule = self._rules.get(type(node))
        if rule is None:
            raise self.refused(node)
        try:
            return rule(node, scope)
        except CastError as error:
            raise self.source.error(node, error.message, error.hint) from None

    def typed(self, node: Node, scope: Scope, target: SqlType) -> Value:
        """Translate an expression and let it take a type by itself."""
        try:
            return widened(self.value(node, scope), target)
        except CastError as error:
            raise self.source.error(node, error.message, error.hint) from None

    def condition(self, node: Node, scope: Scope) -> str:
        """Translate an expression that must be boolean."""
        return self.typed(node, scope, BOOL).text

    def filtering(self, node: Node, scope: Scope) -> str:
        """Translate the condition of WHERE and the like: there NULL decides AND just as false does."""
        inner = node
        while isinstance(inner, exp.Paren):
            inner = inner.this
        if not isinstance(inner, exp.And):
            return self.condition(inner, scope)
        return _guarded(
            _segments(inner, "AND", lambda part: self.filtering(part, scope)),
            lambda head, rest: f"({head} AND {rest})",
            lambda head, rest: f"(CASE WHEN {head} THEN {rest} ELSE FALSE END)",
        )

    def refused(self, node: Node, why: str = "") -> QueryError:
        """The error for what is not understood, or understood too well."""
        shown = node.sql("postgres")
        shown = shown if len(shown) <= 60 else shown[:57] + "..."
        return self.source.error(node, f"found `{shown}`, which queries do not have here", why)

    def only(self, node: Node, *allowed: str) -> None:
        """Refuse a node that has parts besides these: they would be lost."""
        for key, part in node.args.items():
            if key not in allowed and part not in (None, False, [], ()):
                raise self.refused(node)

    def _literal(self, node: Node, _scope: Scope) -> Value:
        if isinstance(node, exp.RawString) or node.is_string:
            return text_literal(str(node.this))
        return number_literal(str(node.this))

    def _column(self, node: Node, scope: Scope) -> Value:
        if isinstance(node.this, exp.Star):
            raise self.refused(node, "* stands alone in a SELECT list, or in count(*)")
        if len(node.parts) == 1 and not node.this.args.get("quoted") and folded(node.this) in _NOW:
            text, kind = _NOW[folded(node.this)]
            return Value(text, kind, name=folded(node.this))
        return column_value(scope, node, self.source)

    def _paren(self, node: Node, scope: Scope) -> Value:
        return self.value(node.this, scope)

    def _negate(self, node: Node, scope: Scope) -> Value:
        inner = node.this
        if isinstance(inner, exp.Literal) and not inner.is_string:
            return number_literal(str(inner.this), negative=True)
        given = self.value(inner, scope)
        if given.base in INTEGERS:
            return Value(f"pg_negate_{'int4' if given.base is Base.INT4 else 'int8'}({given.text})", given.type)
        if given.base in (Base.NUMERIC, Base.FLOAT8, Base.INTERVAL):
            return Value(f"(- {given.text})", given.type)
        raise CastError(f"found - {given.type}", "negate a number")

    def _not(self, node: Node, scope: Scope) -> Value:
        return Value(f"(NOT {self.condition(node.this, scope)})", BOOL)

    def _logic(self, node: Node, scope: Scope) -> Value:
        """AND and OR stop where PostgreSQL stops: what could fail behind the deciding operand is not evaluated."""
        word, decides = ("AND", "FALSE") if isinstance(node, exp.And) else ("OR", "TRUE")
        text = _guarded(
            _segments(node, word, lambda part: self.condition(part, scope)),
            lambda head, rest: f"({head} {word} {rest})",
            lambda head, rest: f"(CASE WHEN {head} IS {decides} THEN {decides} ELSE ({head} {word} {rest}) END)",
        )
        return Value(text, BOOL)

    def _is(self, node: Node, scope: Scope) -> Value:
        self.only(node, *_PARTS, "negate")
        word = "IS NOT" if node.args.get("negate") else "IS"
        given, what = self.value(node.this, scope), node.expression
        if isinstance(what, exp.Null):
            return Value(f"({given.text} {word} NULL)", BOOL)
        if isinstance(what, exp.Boolean):
            return Value(f"({widened(given, BOOL).text} {word} {'TRUE' if what.this else 'FALSE'})", BOOL)
        raise self.refused(node)

    def _comparison(self, node: Node, scope: Scope) -> Value:
        for side in (node.this, node.expression):
            if type(side) in _COMPARISONS or type(side) in _DISTINCTIONS:
                raise self.refused(node, "put brackets around one of the comparisons")
        left, right = self.alike([node.this, node.expression], scope, node)
        operator = _COMPARISONS.get(type(node)) or _DISTINCTIONS[type(node)]
        return Value(f"({left.text} {operator} {right.text})", BOOL)

    def alike(self, nodes: Sequence[Node], scope: Scope, where: Node) -> list[Value]:
        """Values brought to their common type, as comparisons and CASE do."""
        given = [self.value(node, scope) for node in nodes]
        return self.brought_together(given, where)

    def brought_together(self, given: Sequence[Value], where: Node) -> list[Value]:
        """Values in their common type; texts where none has a type."""
        number_literals = [value for value in given if value.base is Base.NUMERIC]
        target = common_type([value.type for value in given])
        if target is None:
            kinds = " and ".join(dict.fromkeys(str(value.type) for value in given))
            raise self.source.error(where, f"found {kinds} together", "CAST one of them to the type of the other")
        if target.base is Base.UNKNOWN:
            target = TEXT
        if target.base is Base.NUMERIC or (target.base in INTEGERS and number_literals):
            typed = [widened(value, target) if value.base is Base.UNKNOWN else value for value in given]
            target = common_type([value.type for value in typed]) or target
            given = typed
        return [widened(value, target) for value in given]

    def _in(self, node: Node, scope: Scope) -> Value:
        self.only(node, "this", "expressions", "query")
        query = node.args.get("query")
        if query is not None:
            return self.in_query(node, query, scope)
        first, *others = self.alike([node.this, *node.expressions], scope, node)
        return Value(f"({first.text} IN ({', '.join(value.text for value in others)}))", BOOL)

    def in_query(self, node: Node, query: Node, scope: Scope) -> Value:  # noqa: ARG002
        """`x IN (SELECT …)`; `query.statement` knows how."""
        raise self.refused(node)

    def _between(self, node: Node, scope: Scope) -> Value:
        self.only(node, "this", "low", "high")
        low = self.alike([node.this, node.args["low"]], scope, node)
        high = self.alike([node.this, node.args["high"]], scope, node)
        return Value(f"({low[0].text} >= {low[1].text} AND {high[0].text} <= {high[1].text})", BOOL)

    def _like(self, node: Node, scope: Scope, escape: str = "\\") -> Value:
        self.only(node, *_PARTS, "negate")
        given = self.typed(node.this, scope, TEXT)
        pattern = self.value(node.expression, scope)
        if pattern.literal is not None:
            check_like(pattern.literal, escape)
        operator = "ILIKE" if isinstance(node, exp.ILike) else "LIKE"
        mark = "''" if not escape else "'" + escape.replace("'", "''") + "'"
        text = f"({given.text} {operator} {widened(pattern, TEXT).text} ESCAPE {mark})"
        return Value(f"(NOT {text})" if node.args.get("negate") else text, BOOL)

    def _escape(self, node: Node, scope: Scope) -> Value:
        mark = node.expression
        if not (isinstance(mark, exp.Literal) and mark.is_string and len(mark.this) == 1):
            raise self.refused(node, "ESCAPE takes one character")
        return self._like(node.this, scope, str(mark.this))

    def _regex(self, node: Node, scope: Scope) -> Value:
        self.only(node, *_PARTS, "negate")
        given = self.typed(node.this, scope, TEXT)
        pattern = checked_regex(self._constant_text(node.expression, scope))
        flags = "si" if isinstance(node, exp.RegexpILike) else "s"
        return Value(f"regexp_matches({given.text}, {text_literal(pattern).text}, '{flags}')", BOOL)

    def _constant_text(self, node: Node, scope: Scope) -> str:
        given = self.value(node, scope)
        if given.literal is None:
            raise self.source.error(node, f"found `{node.sql('postgres')}`, expected a quoted text", "write it out")
        return given.literal

    def _arithmetic(self, node: Node, scope: Scope) -> Value:
        operator = _ARITHMETIC[type(node)]
        left, right = self.value(node.this, scope), self.value(node.expression, scope)
        timed = time_arithmetic(left, right, operator)
        if timed is not None:
            return timed
        if left.base is Base.UNKNOWN and right.base in NUMBERS:
            left = widened(left, right.type)
        if right.base is Base.UNKNOWN and left.base in NUMBERS:
            right = widened(right, left.type)
        if left.base not in NUMBERS or right.base not in NUMBERS:
            raise CastError(f"found {left.type} {operator} {right.type}", "there is no such operator: CAST an operand")
        return number_arithmetic(left, right, operator)

    def _power(self, node: Node, scope: Scope) -> Value:
        return functions.call("power", [self.value(node.this, scope), self.value(node.expression, scope)])

    def _concatenate(self, node: Node, scope: Scope) -> Value:
        left, right = self.value(node.this, scope), self.value(node.expression, scope)
        if Base.TEXT not in (left.base, right.base) and Base.UNKNOWN not in (left.base, right.base):
            raise CastError(f"found {left.type} || {right.type}", "|| joins texts: CAST an operand to text")
        return Value(f"({cast(left, TEXT).text} || {cast(right, TEXT).text})", TEXT)

    def _case(self, node: Node, scope: Scope) -> Value:
        branches = node.args["ifs"]
        subject = node.args.get("this")
        whens = []
        for branch in branches:
            if subject is None:
                whens.append(self.condition(branch.this, scope))
            else:
                left, right = self.alike([subject, branch.this], scope, branch)
                whens.append(f"({left.text} = {right.text})")
        default = node.args.get("default")
        results = [self.value(branch.args["true"], scope) for branch in branches]
        results.append(null_value() if default is None else self.value(default, scope))
        *thens, otherwise = self.brought_together(results, node)
        parts = " ".join(f"WHEN {when} THEN {then.text}" for when, then in zip(whens, thens, strict=True))
        name = results[-1].name if results[-1].name not in _WEAK_NAMES else "case"
        return Value(f"(CASE {parts} ELSE {otherwise.text} END)", otherwise.type, name=name)

    def _cast(self, node: Node, scope: Scope) -> Value:
        self.only(node, "this", "to", "_type")
        target, digits = self._type(node.args["to"])
        given = self.value(node.this, scope)
        result = cast(given, target, digits=digits)
        name = given.name if given.name not in _WEAK_NAMES else target.base.short_name
        return Value(result.text, result.type, name=name)

    def _type(self, node: Node) -> tuple[SqlType, int | None]:
        word = str(node.this.value)
        parameters = [int(part.this.this) for part in node.expressions]
        if word == "DECIMAL":
            if not parameters:
                return numeric(0), None
            digits, scale = parameters[0], parameters[1] if len(parameters) > 1 else 0
            if not 1 <= digits <= 38 or not 0 <= scale <= digits:
                raise self.source.error(node.parent, f"found numeric({digits}, {scale})", "at most 38 digits in all")
            return numeric(scale), digits
        if word not in _TYPES or parameters:
            shown = node.sql("postgres").lower()
            known = ", ".join(["numeric(PRECISION, SCALE)", *(str(kind) for kind in dict.fromkeys(_TYPES.values()))])
            raise self.source.error(node.parent, f"found the type {shown}", f"types here: {known}")
        return _TYPES[word], None

    def _interval(self, node: Node, scope: Scope) -> Value:
        return cast(self.value(node.this, scope), INTERVAL)

    def _extract(self, node: Node, scope: Scope) -> Value:
        return functions.extracted(node.this.name, self.value(node.expression, scope))

    def _at_time_zone(self, node: Node, scope: Scope) -> Value:
        return functions.at_time_zone(self.value(node.this, scope), self._zone(node.args["zone"], scope))

    def _zone(self, node: Node, scope: Scope) -> str:
        name = self._constant_text(node, scope)
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            expected = "an IANA name such as Europe/Berlin or UTC"
            raise self.source.error(node, f"found the time zone '{name}'", expected) from None
        return text_literal(name).text

    def _substring(self, node: Node, scope: Scope) -> Value:
        self.only(node, "this", "start", "length")
        parts = [node.this, node.args.get("start") or exp.Literal.number(1), node.args.get("length")]
        given = [self.value(part, scope) for part in parts if part is not None]
        if given[1].literal is not None:
            raise self.refused(node, "substring by a pattern is not there; regexp_replace may help")
        return functions.call("substring", given)

    def _trim(self, node: Node, scope: Scope) -> Value:
        self.only(node, "this", "expression", "position")
        name = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(str(node.args.get("position") or ""), "btrim")
        parts = [node.this] if node.expression is None else [node.this, node.expression]
        return functions.call(name, [self.value(part, scope) for part in parts])

    def _position(self, node: Node, scope: Scope) -> Value:
        self.only(node, "this", "substr")
        given = functions.call("strpos", [self.value(node.this, scope), self.value(node.args["substr"], scope)])
        return Value(given.text, given.type, name="position")

    def _function(self, node: Node, scope: Scope) -> Value:
        name = str(node.this).lower()
        name = functions.ALIASES.get(name, name)
        nodes = list(node.expressions)
        special = self._special.get(name)
        if special is not None:
            result = special(node, scope, nodes)
            return Value(result.text, result.type, name=name)
        if name not in functions.FUNCTIONS:
            raise self.unknown_function(node, name)
        return functions.call(name, [self.value(part, scope) for part in nodes])

    def unknown_function(self, node: Node, name: str) -> QueryError:
        """The error for a function that is not in the table."""
        known = [*functions.FUNCTIONS, *functions.SPECIAL]
        return self.source.error(node, f"found the function {name}", _near(name, known))

    def _same_type(self, node: Node, scope: Scope, nodes: list[Node]) -> Value:
        if not nodes:
            raise self.refused(node)
        given = self.alike(nodes, scope, node)
        return Value(f"{node.this}({', '.join(value.text for value in given)})", given[0].type)

    def _nullif(self, node: Node, scope: Scope, nodes: list[Node]) -> Value:
        if len(nodes) != 2:
            raise self.refused(node, "nullif takes two values")
        first = self.value(nodes[0], scope)
        left, right = self.brought_together([first, self.value(nodes[1], scope)], node)
        kept = resolved(first) if first.literal is not None else first
        text = f"(CASE WHEN {left.text} = {right.text} THEN NULL ELSE {kept.text} END)"
        return Value(text, left.type if kept.base is Base.UNKNOWN else kept.type)

    def _concat(self, node: Node, scope: Scope, nodes: list[Node]) -> Value:
        if not nodes:
            raise self.refused(node)
        return Value(f"concat({', '.join(self._shown(part, scope) for part in nodes)})", TEXT)

    def _concat_ws(self, node: Node, scope: Scope, nodes: list[Node]) -> Value:
        if len(nodes) < 2:
            raise self.refused(node, "concat_ws takes a separator and values")
        separator = self.typed(nodes[0], scope, TEXT).text
        return Value(f"concat_ws({separator}, {', '.join(self._shown(part, scope) for part in nodes[1:])})", TEXT)

    def _shown(self, node: Node, scope: Scope) -> str:
        """A value as text in concat, where booleans are one letter."""
        given = self.value(node, scope)
        if given.base is Base.BOOL:
            return f"(CASE WHEN {given.text} THEN 't' WHEN NOT {given.text} THEN 'f' END)"
        return cast(given, TEXT).text

    def _date_trunc(self, node: Node, scope: Scope, nodes: list[Node]) -> Value:
        if len(nodes) not in (2, 3):
            raise self.refused(node, "date_trunc takes a unit, a time and perhaps a zone")
        zone = self._zone(nodes[2], scope) if len(nodes) == 3 else None
        return functions.truncated(self._constant_text(nodes[0], scope), self.value(nodes[1], scope), zone)

    def _date_part(self, node: Node, scope: Scope, nodes: list[Node]) -> Value:
        if len(nodes) != 2:
            raise self.refused(node, "date_part takes a part and a time")
        part = functions.extracted(self._constant_text(nodes[0], scope), self.value(nodes[1], scope))
        return widened(part, FLOAT8)

    def _mod(self, node: Node, scope: Scope, nodes: list[Node]) -> Value:
        if len(nodes) != 2:
            raise self.refused(node, "mod takes two numbers")
        left, right = (self.value(part, scope) for part in nodes)
        if left.base not in NUMBERS or right.base not in NUMBERS or Base.FLOAT8 in (left.base, right.base):
            raise CastError(f"found mod({left.type}, {right.type})", "mod takes integers or numerics")
        return number_arithmetic(left, right, "%")

    def _round(self, _node: Node, scope: Scope, nodes: list[Node]) -> Value:
        given = [self.value(part, scope) for part in nodes]
        if len(nodes) != 2:
            return functions.call("round", given)
        digits = _small_integer(nodes[1])
        if digits is None:
            raise self.source.error(nodes[1], f"found `{nodes[1].sql('postgres')}`", "a constant number of digits")
        if given[0].base in INTEGERS:
            given[0] = widened(given[0], numeric(0))
        if given[0].base is not Base.NUMERIC:
            raise CastError(f"found round({given[0].type}, integer)", "CAST the value: x::numeric(18, 6)")
        return functions.rounded(given[0], digits)

    def _regexp_replace(self, node: Node, scope: Scope, nodes: list[Node]) -> Value:
        if len(nodes) not in (3, 4):
            raise self.refused(node, "regexp_replace takes a text, a pattern, a replacement and perhaps flags")
        flags = self._constant_text(nodes[3], scope) if len(nodes) == 4 else ""
        if not set(flags) <= {"g", "i"}:
            raise self.source.error(nodes[3], f"found the flags '{flags}'", "g for all matches, i for any case")
        pattern = checked_regex(self._constant_text(nodes[1], scope))
        if not is_simple(pattern, everywhere="g" in flags):
            raise self.source.error(
                nodes[1],
                f"found the pattern '{pattern}', whose matches PostgreSQL and DuckDB might choose differently",
                "use no |, no quantifier on a group, no lazy quantifier, and with g nothing that matches no character",
            )
        replacement = checked_replacement(self._constant_text(nodes[2], scope))
        given = self.typed(nodes[0], scope, TEXT).text
        parts = (given, text_literal(pattern).text, text_literal(replacement).text, f"'s{flags}'")
        return Value(f"regexp_replace({', '.join(parts)})", TEXT)

    def _timezone(self, node: Node, scope: Scope, nodes: list[Node]) -> Value:
        if len(nodes) != 2:
            raise self.refused(node, "timezone takes a zone and a time")
        return functions.at_time_zone(self.value(nodes[1], scope), self._zone(nodes[0], scope))


def _chain(node: Node) -> list[Node]:
    """The operands of a AND b AND c, in order, without nesting."""
    kind, operands, rest = type(node), [], node
    while type(rest) is kind:
        operands.append(rest.expression)
        rest = rest.this
    return [rest, *reversed(operands)]


def _segments(node: Node, word: str, translate: Callable[[Node], str]) -> list[tuple[str, bool]]:
    """The operands of a chain of AND or OR, translated, each with whether it can fail. Neighbours that cannot are one
    text: their order is free."""
    segments: list[tuple[list[str], bool]] = []
    for part in _chain(node):
        text, fails = translate(part), _may_fail(part)
        if segments and not fails and not segments[-1][1]:
            segments[-1][0].append(text)
        else:
            segments.append(([text], fails))
    return [(texts[0] if len(texts) == 1 else f"({f' {word} '.join(texts)})", fails) for texts, fails in segments]


def _guarded(
    segments: list[tuple[str, bool]], joined: Callable[[str, str], str], guarded: Callable[[str, str], str]
) -> str:
    """A chain whose operands that can fail are evaluated only where those before them do not decide."""
    *heads, (text, rest_fails) = segments
    for head, fails in reversed(heads):
        text = (guarded if rest_fails else joined)(head, text)
        rest_fails = rest_fails or fails
    return text


def _may_fail(node: Node) -> bool:
    """Whether an operand could be an error for some row."""
    return any(not isinstance(part, _NEVER_FAIL) for part in node.walk())


def _small_integer(node: Node) -> int | None:
    sign = 1
    if isinstance(node, exp.Neg):
        sign, node = -1, node.this
    if isinstance(node, exp.Literal) and not node.is_string and str(node.this).isdigit() and int(node.this) <= 38:
        return sign * int(node.this)
    return None


def _near(name: str, known: Sequence[str]) -> str:
    from_start = [other for other in known if other.startswith(name[:4])]
    return f"did you mean {from_start[0]}?" if from_start else f"functions here: {', '.join(sorted(known))}"
