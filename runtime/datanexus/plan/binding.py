"""SQL text → the typed tree of `plan.expression`, bound to the columns of a schema.

Everything a user can get wrong in an expression is found here, with its place in the text and a suggestion; a bound
tree runs for any record, and what can fail then is a value. Names are folded as PostgreSQL does: an unquoted name is
looked up in lower case first, then as written. Only conversions and signs of constants are computed here.
"""

import difflib
from collections.abc import Callable
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlglot import exp

from datanexus.plan import conversion, patterns
from datanexus.plan.expression import (
    BoundAggregate,
    BoundExpression,
    Call,
    Case,
    Column,
    Expression,
    Literal,
    Schema,
)
from datanexus.plan.functions import (
    AGGREGATE_ALIASES,
    AGGREGATE_FUNCTIONS,
    ALIASES,
    CALLABLE_NAMES,
    DATE_PARTS,
    DIGITS_MAX,
    EPOCH,
    FUNCTIONS,
    ORDERED,
    SECONDS,
    TRUNCATION_UNITS,
    VOLATILE_FUNCTIONS,
    WHOLE_PART,
    choose_signature,
    parameters_of,
)
from datanexus.plan.literals import LiteralError, read_interval
from datanexus.plan.parsing import ExpressionError, Node, ParsedText, parse_expression
from datanexus_spec.datatype import (
    BOOL,
    DATE,
    FLOAT64,
    INT32,
    INT64,
    INTERVAL,
    JSON,
    NULL,
    STRING,
    DataType,
    Kind,
    decimal,
    top_k,
)

TOP_K_MAX = 1000

__all__ = ["ExpressionError", "bind_aggregate", "bind_condition", "bind_expression"]

_OPERATORS: dict[type, str] = {
    exp.Add: "add",
    exp.Sub: "subtract",
    exp.Mul: "multiply",
    exp.Div: "divide",
    exp.Mod: "modulo",
    exp.Pow: "power",
    exp.EQ: "equal",
    exp.NEQ: "not_equal",
    exp.LT: "less",
    exp.LTE: "less_equal",
    exp.GT: "greater",
    exp.GTE: "greater_equal",
    exp.NullSafeEQ: "is_not_distinct",
    exp.NullSafeNEQ: "is_distinct",
    exp.And: "and",
    exp.Or: "or",
}
_REFUSED: dict[type, tuple[str, str]] = {
    exp.Subquery: ("a subquery", "an expression over the columns of one record"),
    exp.Select: ("a SELECT", "an expression over the columns of one record"),
    exp.Exists: ("EXISTS with a subquery", "an expression over the columns of one record"),
    exp.Window: ("a window function (OVER)", "an expression over one record; views have windows of their own"),
    exp.Filter: ("FILTER behind something that is no aggregate", "an aggregate before it"),
    exp.Alias: ("a name given with AS or a word too many", "one expression; its name stands in the resource"),
    exp.SimilarTo: ("SIMILAR TO", "LIKE, or ~ with a regular expression"),
    exp.If: ("IF(...)", "CASE WHEN condition THEN value ELSE other END"),
    exp.Array: ("an array", "a single value"),
    exp.Tuple: ("a row of several values", "a single value"),
    exp.Any: ("ANY", "IN (...)"),
    exp.All: ("ALL", "conditions joined with AND"),
    exp.Parameter: ("a parameter", "a constant or a column"),
    exp.Placeholder: ("a parameter", "a constant or a column"),
    exp.Star: ("*", "a column or a value; * stands in count(*) only"),
    exp.Collate: ("COLLATE", "the text alone; texts are ordered by their bytes"),
}


def bind_expression(text: str, schema: Schema) -> BoundExpression:
    """The typed tree of a SQL expression over the columns of a schema.

    A time without zone as result becomes the instant it is in UTC, an untyped constant becomes text.
    """
    parsed = parse_expression(text)
    binder = _Binder(parsed, schema)
    root = conversion.instants(binder.bind(parsed.root))
    if conversion.is_untyped(root):
        root = binder.coerce(root, STRING, parsed.root)
    return BoundExpression(text, root)


def bind_condition(text: str, schema: Schema) -> BoundExpression:
    """As `bind_expression`, for text that must be a condition (its type is bool)."""
    parsed = parse_expression(text)
    return BoundExpression(text, _Binder(parsed, schema).condition(parsed.root, "a condition"))


def bind_aggregate(text: str, schema: Schema) -> BoundAggregate:
    """One aggregate call, with FILTER (WHERE ...) or without, over the columns of a schema."""
    parsed = parse_expression(text)
    node, where = parsed.root, None
    if isinstance(node, exp.Filter):
        node, where = node.this, node.expression.this
    if isinstance(node, exp.Window):
        raise parsed.error(node, *_REFUSED[exp.Window])
    name = _aggregate_name(node)
    if name is None:
        raise parsed.error(parsed.root, *_no_aggregate(parsed, node))
    binder = _Binder(parsed, schema)
    argument, parameters = _aggregate_arguments(binder, node, name)
    condition = None if where is None else binder.condition(where, "the condition of FILTER")
    result = _aggregate_type(binder, node, name, argument)
    return BoundAggregate(text, name, argument, parameters, condition, result)


class _Binder:
    """One text being bound. Methods take a node of the parser and give a typed tree."""

    def __init__(self, parsed: ParsedText, schema: Schema) -> None:
        self.parsed = parsed
        self.schema = schema
        self._special: dict[type, Callable[[Node], Expression]] = {
            exp.Paren: lambda node: self.bind(node.this),
            exp.Literal: self._literal,
            exp.ByteString: lambda node: Literal(node.this, NULL),
            exp.RawString: lambda node: Literal(node.this, NULL),
            exp.Concat: self._adjacent_texts,
            exp.Boolean: lambda node: Literal(bool(node.this), BOOL),
            exp.Null: lambda _: Literal(None, NULL),
            exp.Column: self._column,
            exp.Neg: self._negate,
            exp.Not: lambda node: self.call("not", [node.this], node),
            exp.DPipe: self._concatenate,
            exp.Is: self._is,
            exp.In: self._in,
            exp.Between: self._between,
            exp.Like: self._like,
            exp.ILike: self._like,
            exp.Escape: self._like,
            exp.RegexpLike: lambda node: self._regexp(node, ""),
            exp.RegexpILike: lambda node: self._regexp(node, "i"),
            exp.Cast: self._cast,
            exp.Case: self._case,
            exp.Interval: self._interval,
            exp.AtTimeZone: lambda node: self.call("at_time_zone", [node.this, node.args["zone"]], node),
            exp.Extract: self._extract,
            exp.Substring: self._substring,
            exp.StrPosition: lambda node: self.call("strpos", [node.this, node.args["substr"]], node),
            exp.Trim: self._trim,
            exp.JSONExtract: lambda node: self._json(node, "json_get"),
            exp.JSONExtractScalar: lambda node: self._json(node, "json_get_text"),
            exp.JSONBExtract: lambda node: self._json(node, "json_get"),
            exp.JSONBExtractScalar: lambda node: self._json(node, "json_get_text"),
            exp.Bracket: self._group,
            exp.Anonymous: self._function,
        }

    def bind(self, node: Node) -> Expression:
        operator = _OPERATORS.get(type(node))
        if operator in ("add", "subtract"):
            return self._add(node, operator)
        if operator is not None:
            return self.call(operator, [node.this, node.expression], node)
        special = self._special.get(type(node))
        if special is not None:
            return special(node)
        found, expected = _REFUSED.get(
            type(node), (f"`{node.sql('postgres')}`", "an expression of the documented functions and operators")
        )
        raise self.parsed.error(node, found, expected)

    def condition(self, node: Node, what: str) -> Expression:
        bound = self.bind(node)
        if conversion.known_kind(bound) not in (None, Kind.BOOL):
            raise self.parsed.error(node, f"{what} of type {bound.type}", "bool", "a comparison")
        return self.coerce(bound, BOOL, node)

    def coerce(self, bound: Expression, target: DataType, node: Node) -> Expression:
        """The expression in another type, a constant converted at once."""
        if isinstance(bound, Literal) and target.kind is Kind.DECIMAL and bound.type.is_integer:
            digits = len(str(bound.value).lstrip("-"))
            target = decimal(min(digits, target.precision), 0) if target.scale == 0 else target
        try:
            return conversion.cast(bound, target)
        except LiteralError as error:
            raise self.parsed.error(node, error.message, f"a constant of type {target}") from None

    def call(self, name: str, nodes: list[Node], node: Node) -> Expression:
        return self.apply(name, [self.bind(part) for part in nodes], nodes, node)

    def apply(self, name: str, bound: list[Expression], nodes: list[Node], node: Node) -> Expression:
        """A call of a function of the table over bound arguments, converted to what it takes."""
        function = FUNCTIONS[name]
        signature = choose_signature(function, tuple(conversion.known_kind(part) for part in bound))
        if signature is None:
            raise self._no_overload(name, bound, node)
        parameters = parameters_of(signature, len(bound))
        arguments = [
            self.coerce(part, _parameter_type(part, kind, bound), at)
            for part, kind, at in zip(bound, parameters, nodes, strict=True)
        ]
        for place in function.constants:
            if place < len(arguments) and not isinstance(arguments[place], Literal):
                raise self.parsed.error(
                    nodes[place], f"a value computed for each record in {function.shown}", "a constant"
                )
        result = signature.result
        types = tuple(argument.type for argument in arguments)
        bound_call = Call(name, tuple(arguments), result if isinstance(result, DataType) else result(types))
        return self._checked(bound_call, nodes, node)

    def _checked(self, call: Call, nodes: list[Node], node: Node) -> Expression:
        """Look at constants that a signature cannot: units, zones, patterns, scales."""
        arguments = call.arguments
        match call.function:
            case "multiply" if call.type.kind is Kind.DECIMAL:
                if arguments[0].type.scale + arguments[1].type.scale > DIGITS_MAX:
                    found = (
                        f"a product with {arguments[0].type.scale + arguments[1].type.scale} digits behind the point"
                    )
                    raise self.parsed.error(node, found, f"at most {DIGITS_MAX}", "round(..., digits) around a factor")
            case "round" | "trunc" if len(arguments) > 1:
                return _rounded(call)
            case "date_trunc":
                self._check_word(arguments[0], TRUNCATION_UNITS, "unit", nodes[0])
                if len(arguments) > 2:
                    self._check_zone(arguments[2], nodes[2])
            case "extract" | "date_part":
                return self._extract_type(call, nodes[0])
            case "at_time_zone":
                self._check_zone(arguments[1], nodes[1])
            case "regexp_like" | "regexp_replace" | "regexp_substr" | "regexp_match":
                return self._check_pattern(call, nodes)
            case _:
                pass
        return call

    def _literal(self, node: Node) -> Expression:
        if node.is_string:
            return Literal(node.this, NULL)
        try:
            return conversion.number_literal(node.this)
        except LiteralError as error:
            raise self.parsed.error(node, error.message, f"a number of at most {DIGITS_MAX} digits") from None

    def _adjacent_texts(self, node: Node) -> Expression:
        if not all(isinstance(part, exp.Literal) and part.is_string for part in node.expressions):
            raise self.parsed.error(node, "values side by side", "an operator between them")
        return Literal("".join(part.this for part in node.expressions), NULL)

    def _column(self, node: Node) -> Expression:
        if isinstance(node.this, exp.Star):
            raise self.parsed.error(node, *_REFUSED[exp.Star])
        written = node.name
        if node.table:
            path = ".".join(part.name for part in node.parts)
            hint = (
                f"{node.parts[0].name} ->> '{written}'" if self.schema.type_of(node.parts[0].name) == JSON else written
            )
            raise self.parsed.error(node, f"the qualified name `{path}`", "the name of a column", hint)
        names = [written] if node.this.quoted else [written.lower(), written]
        for name in names:
            data_type = self.schema.type_of(name)
            if data_type is not None:
                return Column(name, data_type)
        if not node.this.quoted and written.lower() in VOLATILE_FUNCTIONS:
            raise self._volatile(node, written)
        raise self.parsed.error(
            node, f'no column "{written}"', _one_of(self.schema.names, "columns"), _near(written, self.schema.names)
        )

    def _negate(self, node: Node) -> Expression:
        operand = node.this
        if isinstance(operand, exp.Literal) and not operand.is_string and operand.this == str(2**63):
            return Literal(-(2**63), INT64)
        bound = self.bind(operand)
        if isinstance(bound, Literal):
            constant = conversion.negated(bound)
            if constant is not None:
                return constant
        return self.apply("negate", [bound], [operand], node)

    def _add(self, node: Node, operator: str) -> Expression:
        """Sum or difference; an interval of months beside a time becomes `add_months`."""
        left, right = node.this, node.expression
        if operator == "add" and isinstance(left, exp.Interval):
            left, right = right, left
        if not isinstance(right, exp.Interval) or isinstance(left, exp.Interval):
            return self.call(operator, [node.this, node.expression], node)
        months, span_us = self._interval_parts(right)
        if not months:
            return self.call(operator, [node.this, node.expression], node)
        sign = -1 if operator == "subtract" else 1
        time = self.bind(left)
        moved = self.apply("add_months", [time, Literal(sign * months, INT32)], [left, right], node)
        if not span_us:
            return moved
        return self.apply("add", [moved, Literal(sign * span_us, INTERVAL)], [left, right], node)

    def _concatenate(self, node: Node) -> Expression:
        nodes = [node.this, node.expression]
        bound = [self.bind(part) for part in nodes]
        kinds = {conversion.known_kind(part) for part in bound}
        if not kinds & {Kind.STRING, None}:
            raise self._no_overload("concat_operator", bound, node)
        return self.apply(
            "concat_operator", [self._text(part, at) for part, at in zip(bound, nodes, strict=True)], nodes, node
        )

    def _text(self, bound: Expression, node: Node) -> Expression:
        if not conversion.is_untyped(bound) and not conversion.may_cast(bound.type, STRING):
            raise self.parsed.error(node, f"{bound.type} where text is needed", "a value that has a text")
        return self.coerce(bound, STRING, node)

    def _is(self, node: Node) -> Expression:
        wanted, negated = node.expression, bool(node.args.get("negate"))
        if isinstance(wanted, exp.Null):
            name = "is_not_null" if negated else "is_null"
            bound = self.bind(node.this)
            return Call(name, (self.coerce(bound, STRING, node) if conversion.is_untyped(bound) else bound,), BOOL)
        if not isinstance(wanted, exp.Boolean):
            raise self.parsed.error(
                node, f"IS {wanted.sql('postgres')}", "IS NULL, TRUE, FALSE, UNKNOWN or DISTINCT FROM"
            )
        call = self.call("is_true" if wanted.this else "is_false", [node.this], node)
        return Call("not", (call,), BOOL) if negated else call

    def _in(self, node: Node) -> Expression:
        if node.args.get("query") is not None:
            raise self.parsed.error(node, *_REFUSED[exp.Subquery])
        if not node.expressions:
            raise self.parsed.error(node, "an empty IN ()", "at least one value")
        nodes = [node.this, *node.expressions]
        bound, common = self._alike(nodes, node, "IN")
        if common.kind not in ORDERED:
            raise self._no_overload("in", bound, node)
        return Call("in", tuple(bound), BOOL)

    def _alike(self, nodes: list[Node], node: Node, what: str) -> tuple[list[Expression], DataType]:
        """The parts in their common type."""
        bound = [self.bind(part) for part in nodes]
        common = conversion.common_type([part.type for part in bound])
        if common is None:
            kinds = ", ".join(str(part.type) for part in bound)
            raise self.parsed.error(node, f"{what} over values of types {kinds}", "values of one type", "a CAST")
        if common.kind is Kind.NULL:
            common = STRING
        return [self.coerce(part, common, at) for part, at in zip(bound, nodes, strict=True)], common

    def _between(self, node: Node) -> Expression:
        if node.args.get("symmetric"):
            raise self.parsed.error(node, "BETWEEN SYMMETRIC", "BETWEEN low AND high")
        low = self.call("greater_equal", [node.this, node.args["low"]], node)
        high = self.call("less_equal", [node.this, node.args["high"]], node)
        return Call("and", (low, high), BOOL)

    def _like(self, node: Node) -> Expression:
        escape = "\\"
        if isinstance(node, exp.Escape):
            escape_node, node = node.expression, node.this
            escape = escape_node.this if isinstance(escape_node, exp.Literal) and escape_node.is_string else "too long"
            if len(escape) > 1 or not isinstance(node, (exp.Like, exp.ILike)):
                raise self.parsed.error(escape_node, "this ESCAPE", "LIKE pattern ESCAPE 'one character'")
        if isinstance(node.expression, (exp.Any, exp.All)):
            raise self.parsed.error(node, *_REFUSED[type(node.expression)])
        name = "like" if isinstance(node, exp.Like) else "ilike"
        call = self.call(name, [node.this, node.expression], node)
        assert isinstance(call, Call)
        pattern = call.arguments[1]
        assert isinstance(pattern, Literal)
        if pattern.value is not None:
            self._check(lambda: patterns.like_parts(str(pattern.value), escape), node.expression)
            pattern = Literal(patterns.with_backslash(str(pattern.value), escape), STRING)
        call = Call(name, (call.arguments[0], pattern), BOOL)
        return Call("not", (call,), BOOL) if node.args.get("negate") else call

    def _regexp(self, node: Node, flags: str) -> Expression:
        nodes = [node.this, node.expression]
        bound = [self.bind(part) for part in nodes]
        if flags:
            bound, nodes = [*bound, Literal(flags, STRING)], [*nodes, node]
        return self.apply("regexp_like", bound, nodes, node)

    def _check_pattern(self, call: Call, nodes: list[Node]) -> Expression:
        pattern = call.arguments[1]
        assert isinstance(pattern, Literal)
        flags = call.arguments[-1] if len(call.arguments) > (3 if call.function == "regexp_replace" else 2) else None
        allowed = "gi" if call.function == "regexp_replace" else "i"
        if call.function in ("regexp_like", "regexp_replace") and isinstance(flags, Literal):
            strange = sorted(set(str(flags.value or "")) - set(allowed))
            if strange:
                raise self.parsed.error(nodes[-1], f"the flag `{strange[0]}`", f"flags of `{allowed}`")
        if pattern.value is not None:
            self._check(lambda: patterns.check_regex(str(pattern.value)), nodes[1])
        return call

    def _check(self, check: Callable[[], object], node: Node) -> None:
        try:
            check()
        except LiteralError as error:
            raise self.parsed.error(node, error.message, "a pattern that can be matched") from None

    def _group(self, node: Node) -> Expression:
        """`(regexp_match(s, pattern))[n]`: the parser counts brackets from 0."""
        inner = node.this.this if isinstance(node.this, exp.Paren) else node.this
        index = node.expressions[0] if len(node.expressions) == 1 else None
        if not isinstance(inner, exp.Anonymous) or inner.name.lower() != "regexp_match" or len(inner.expressions) != 2:
            raise self.parsed.error(node, "an array element", "(regexp_match(s, pattern))[n], the only array there is")
        if not isinstance(index, exp.Literal) or not index.this.isdigit():
            raise self.parsed.error(node, "this group", "the number of a group, from 1")
        nodes = [*inner.expressions, index]
        bound = [self.bind(part) for part in inner.expressions]
        return self.apply("regexp_match", [*bound, Literal(int(index.this) + 1, INT32)], nodes, node)

    def _cast(self, node: Node) -> Expression:
        target = self._type(node.to)
        bound = self.bind(node.this)
        if target == INTERVAL and conversion.is_untyped(bound) and bound.value is not None:  # type: ignore[union-attr]
            return self._interval(node)
        target = conversion.decimal_target(bound, target)
        if not conversion.is_untyped(bound) and not conversion.may_cast(bound.type, target):
            hint = "column ->> 'key'" if bound.type.kind is Kind.JSON else ""
            raise self.parsed.error(node, f"a cast from {bound.type} to {target}", "a cast PostgreSQL has", hint)
        return self.coerce(bound, target, node.this)

    def _type(self, node: Node) -> DataType:
        target = conversion.SQL_TYPES.get(node.this.name) if not node.args.get("nested") else None
        if target is None:
            written = node.sql("postgres").lower()
            raise self.parsed.error(node.parent, f"the type {written}", conversion.TYPE_NAMES)
        parameters = [int(parameter.name) for parameter in node.expressions if parameter.name.isdigit()]
        if not node.expressions:
            return target
        if target.kind is not Kind.DECIMAL or len(parameters) != len(node.expressions):
            raise self.parsed.error(
                node.parent, f"the type {node.sql('postgres').lower()}", "the type without parameters"
            )
        precision, scale = (*parameters, 0)[:2]
        if not 1 <= precision <= DIGITS_MAX or scale > precision:
            found = f"numeric({precision}, {scale})"
            raise self.parsed.error(
                node.parent, found, f"1 to {DIGITS_MAX} digits, of them at most all behind the point"
            )
        return decimal(precision, scale)

    def _case(self, node: Node) -> Expression:
        subject = node.this
        conditions = []
        for branch in node.args["ifs"]:
            if subject is None:
                conditions.append(self.condition(branch.this, "the condition of WHEN"))
            else:
                conditions.append(self.call("equal", [subject, branch.this], branch))
        nodes = [branch.args["true"] for branch in node.args["ifs"]]
        default = node.args.get("default")
        results, common = self._alike(nodes if default is None else [*nodes, default], node, "CASE")
        otherwise = None if default is None else results[-1]
        return Case(tuple(zip(conditions, results[: len(nodes)], strict=True)), otherwise, common)

    def _interval_parts(self, node: Node) -> tuple[int, int]:
        unit = f" {node.args['unit'].name}" if node.args.get("unit") is not None else ""
        try:
            return read_interval(f"{node.this.this}{unit}")
        except LiteralError as error:
            raise self.parsed.error(
                node, error.message, "an interval such as '90 seconds', '1 day' or '01:30:00'"
            ) from None

    def _interval(self, node: Node) -> Expression:
        months, span_us = self._interval_parts(node)
        if months:
            expected = "months and years directly behind + or - of a time, as they have no fixed length"
            raise self.parsed.error(node, f"the interval '{node.this.this}'", expected, "it in days")
        return Literal(span_us, INTERVAL)

    def _extract(self, node: Node) -> Expression:
        part = node.this
        bound = [Literal(part.name.lower(), STRING), self.bind(node.expression)]
        return self.apply("extract", bound, [part, node.expression], node)

    def _extract_type(self, call: Call, node: Node) -> Expression:
        part = call.arguments[0]
        subject = call.arguments[1].type.kind
        self._check_word(part, ("epoch",) if subject is Kind.INTERVAL else DATE_PARTS, "part", node)
        assert isinstance(part, Literal)
        word = str(part.value).lower()
        clock = ("second", "minute", "hour", "microseconds", "milliseconds")
        if subject is Kind.DATE and word in clock:
            raise self.parsed.error(node, f"the part {word} of a date", "a part of days, or a timestamp")
        if call.function == "date_part":
            return call
        fine = {"epoch": EPOCH, "second": SECONDS, "milliseconds": decimal(10, 3)}
        return Call(call.function, call.arguments, fine.get(word, WHOLE_PART))

    def _substring(self, node: Node) -> Expression:
        start, length = node.args.get("start"), node.args.get("length")
        if start is None:
            raise self.parsed.error(node, "substring of one argument", FUNCTIONS["substring"].shown)
        bound = self.bind(start)
        if length is None and conversion.known_kind(bound) in (None, Kind.STRING):
            return self.call("regexp_substr", [node.this, start], node)
        return self.call("substring", [part for part in (node.this, start, length) if part is not None], node)

    def _trim(self, node: Node) -> Expression:
        name = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(str(node.args.get("position") or "").upper(), "trim")
        return self.call(name, [part for part in (node.this, node.args.get("expression")) if part is not None], node)

    def _json(self, node: Node, name: str) -> Expression:
        subject = self.bind(node.this)
        if subject.type != JSON:
            found = f"{subject.type} before -> or ->>"
            raise self.parsed.error(node, found, "json", "the column with ::json behind it")
        key = node.expression
        if isinstance(node, (exp.JSONBExtract, exp.JSONBExtractScalar)):
            keys = self._path_keys(key)
        else:
            keys = [self._json_key(key)]
        if isinstance(subject, Call) and subject.function == "json_get":
            subject, keys = subject.arguments[0], [*subject.arguments[1:], *keys]
        return Call(name, (subject, *keys), STRING if name == "json_get_text" else JSON)

    def _json_key(self, node: Node) -> Literal:
        """A constant key, or an int32 literal for an array element (negative ones count from the end)."""
        if isinstance(node, exp.JSONPath):
            step = node.expressions[-1]
            if len(node.expressions) == 2 and isinstance(step, exp.JSONPathSubscript):
                return Literal(int(step.this), INT32)
            if len(node.expressions) == 2 and isinstance(step, exp.JSONPathKey):
                return Literal(str(step.this), STRING)
        bound = self.bind(node)
        if isinstance(bound, Literal) and conversion.is_untyped(bound) and bound.value is not None:
            return Literal(str(bound.value), STRING)
        if isinstance(bound, Literal) and bound.type.kind in (Kind.INT32, Kind.STRING) and bound.value is not None:
            return bound
        raise self.parsed.error(node, "a JSON key that is no constant", "a quoted key or the number of an element")

    def _path_keys(self, node: Node) -> list[Literal]:
        if not isinstance(node, exp.Literal) or not node.is_string:
            raise self.parsed.error(node, "a JSON path that is no constant", "a path such as '{key,0}'")
        inner = node.this.strip()
        if not (inner.startswith("{") and inner.endswith("}")) or '"' in inner or "\\" in inner or "{" in inner[1:]:
            raise self.parsed.error(node, f"the path '{node.this}'", "a path such as '{key,0}', without quotes in it")
        steps = [step.strip() for step in inner[1:-1].split(",")] if inner[1:-1].strip() else []
        return [Literal(step, NULL) for step in steps]  # untyped: a key of an object, an index of an array

    def _function(self, node: Node) -> Expression:
        name = node.name.lower()
        for part in node.expressions:
            if isinstance(part, (exp.Distinct, exp.Order, exp.Kwarg)):
                raise self.parsed.error(node, f"`{part.sql('postgres')}` in a call", "plain arguments")
        if _aggregate_name(node) is not None:
            raise self.parsed.error(
                node, f"the aggregate {name} in an expression", "one record's values; views have aggregates"
            )
        if name in VOLATILE_FUNCTIONS:
            raise self._volatile(node, name)
        special = {
            "coalesce": self._same_type_call,
            "greatest": self._same_type_call,
            "least": self._same_type_call,
            "nullif": self._nullif,
            "concat": self._concat,
            "json_extract_path": self._json_function,
            "json_extract_path_text": self._json_function,
            "date": self._date,
            "regexp_match": self._regexp_match_alone,
        }.get(name)
        if special is not None:
            return special(node, name)
        if name not in CALLABLE_NAMES:
            raise self.parsed.error(
                node, f"no function {name}", "a function of the documented table", _near(name, CALLABLE_NAMES)
            )
        if name == "substring" and len(node.expressions) == 2:
            return self._substring(exp.Substring(this=node.expressions[0], start=node.expressions[1]))
        return self.call(ALIASES.get(name, name), list(node.expressions), node)

    def _same_type_call(self, node: Node, name: str) -> Expression:
        if not node.expressions:
            raise self.parsed.error(node, f"{name} without arguments", FUNCTIONS[name].shown)
        bound, common = self._alike(list(node.expressions), node, name)
        if name != "coalesce" and common.kind not in ORDERED:
            raise self._no_overload(name, bound, node)
        return Call(name, tuple(bound), common)

    def _nullif(self, node: Node, name: str) -> Expression:
        if len(node.expressions) != 2:
            raise self.parsed.error(node, f"{name} of {len(node.expressions)} arguments", "nullif(a, b)")
        equal = self.call("equal", list(node.expressions), node)
        value = self.bind(node.expressions[0])
        value = self.coerce(value, STRING, node) if conversion.is_untyped(value) else value
        return Case(((equal, Literal(None, value.type)),), value, value.type)

    def _concat(self, node: Node, name: str) -> Expression:
        nodes = list(node.expressions)
        texts = [self._concat_text(self.bind(part), part) for part in nodes]
        return self.apply(name, texts, nodes, node)

    def _concat_text(self, bound: Expression, node: Node) -> Expression:
        """concat writes bool as t and f, where a cast writes true and false."""
        if bound.type.kind is not Kind.BOOL:
            return self._text(bound, node)
        branches = ((bound, Literal("t", STRING)), (Call("not", (bound,), BOOL), Literal("f", STRING)))
        return Case(branches, None, STRING)

    def _json_function(self, node: Node, name: str) -> Expression:
        if len(node.expressions) < 2:
            raise self.parsed.error(node, f"{name} without a key", f"{name}(json, 'key', ...)")
        subject = self.bind(node.expressions[0])
        if subject.type != JSON:
            raise self.parsed.error(node, f"{subject.type} in {name}", "json", "the column with ::json behind it")
        keys = [self._json_key(part) for part in node.expressions[1:]]
        keys = [Literal(key.value, NULL) for key in keys]
        if name.endswith("_text"):
            return Call("json_get_text", (subject, *keys), STRING)
        return Call("json_get", (subject, *keys), JSON)

    def _date(self, node: Node, name: str) -> Expression:
        if len(node.expressions) != 1:
            raise self.parsed.error(node, f"{name} of {len(node.expressions)} arguments", "date(t)")
        bound = self.bind(node.expressions[0])
        if not conversion.is_untyped(bound) and not conversion.may_cast(bound.type, DATE):
            raise self.parsed.error(node, f"date({bound.type})", "a timestamp, a date or a text")
        return self.coerce(bound, DATE, node)

    def _regexp_match_alone(self, node: Node, name: str) -> Expression:
        raise self.parsed.error(node, f"{name} as a list of groups", "one group of it", f"({node.sql('postgres')})[1]")

    def _check_word(self, argument: Expression, words: tuple[str, ...] | list[str], what: str, node: Node) -> None:
        assert isinstance(argument, Literal)
        word = str(argument.value).lower()
        if word not in words:
            raise self.parsed.error(node, f"the {what} '{word}'", _one_of(tuple(words), f"{what}s"), _near(word, words))

    def _check_zone(self, argument: Expression, node: Node) -> None:
        assert isinstance(argument, Literal)
        try:
            ZoneInfo(str(argument.value))
        except (ZoneInfoNotFoundError, ValueError, OSError):
            expected = "a zone of the tz database, such as Europe/Berlin"
            raise self.parsed.error(node, f"the time zone '{argument.value}'", expected) from None

    def _volatile(self, node: Node, name: str) -> ExpressionError:
        expected = "an expression that gives the same result at every replay"
        return self.parsed.error(
            node, f"{name.lower()}, which changes from call to call", expected, "a column of the record"
        )

    def _no_overload(self, name: str, bound: list[Expression], node: Node) -> ExpressionError:
        function = FUNCTIONS[name]
        kinds = ", ".join("untyped constant" if conversion.is_untyped(part) else str(part.type) for part in bound)
        hint = "->> to take a text out of the json" if any(part.type == JSON for part in bound) else ""
        takes = sorted({", ".join(kind.value for kind in signature.parameters) for signature in function.signatures})
        expected = f"arguments ({') or ('.join(takes)})" if takes else "values of an ordered type"
        return self.parsed.error(node, f"{function.shown} over ({kinds})", expected, hint)


def _parameter_type(argument: Expression, kind: Kind, bound: list[Expression]) -> DataType:
    """The full type of an argument of a kind: decimals keep the digits they have."""
    if kind is not Kind.DECIMAL:
        return DataType(kind)
    if argument.type.kind is Kind.DECIMAL:
        return argument.type
    if argument.type.is_integer:
        return conversion.integer_decimal(argument.type)
    return next((part.type for part in bound if part.type.kind is Kind.DECIMAL), conversion.UNBOUNDED)


def _rounded(call: Call) -> Call:
    """round(decimal, digits) and trunc: the scale follows the constant."""
    value, digits = call.arguments
    assert isinstance(digits, Literal)
    scale = max(min(int(digits.value or 0), value.type.scale), 0)
    whole = value.type.precision - value.type.scale
    return Call(call.function, call.arguments, decimal(min(whole + 1 + scale, DIGITS_MAX), scale))


def _near(word: str, names: tuple[str, ...] | list[str]) -> str:
    lowered = {name.lower(): name for name in names}
    close = difflib.get_close_matches(word.lower(), lowered, n=1, cutoff=0.6)
    return lowered[close[0]] if close else ""


def _one_of(names: tuple[str, ...], what: str) -> str:
    shown = ", ".join(names[:20])
    return (
        f"one of the {what} {shown}{', …' if len(names) > 20 else ''}" if names else f"{what}, of which there are none"
    )


def _aggregate_name(node: Node) -> str | None:
    if not isinstance(node, exp.Anonymous):
        return None
    name = AGGREGATE_ALIASES.get(node.name.lower(), node.name.lower())
    return name if name in AGGREGATE_FUNCTIONS else None


def _no_aggregate(parsed: ParsedText, node: Node) -> tuple[str, str, str]:
    names = (*AGGREGATE_FUNCTIONS, *AGGREGATE_ALIASES)
    expected = "one aggregate call, with FILTER (WHERE ...) or without"
    if isinstance(node, exp.Anonymous):
        if node.name.lower() not in CALLABLE_NAMES:
            return f"no aggregate {node.name.lower()}", _one_of(names, "aggregates"), _near(node.name, names)
        return f"the function {node.name.lower()}", expected, ""
    if any(_aggregate_name(part) for part in parsed.root.walk()):
        return "an expression around an aggregate", f"{expected}; compute with results in a query", ""
    return "no aggregate", expected, ""


def _aggregate_arguments(binder: _Binder, node: Node, name: str) -> tuple[Expression | None, tuple[float | int, ...]]:
    nodes = list(node.expressions)
    if nodes and isinstance(nodes[0], (exp.Distinct, exp.Order)):
        hint = f"approx_count_distinct({nodes[0].expressions[0].sql('postgres')})" if name == "count" else ""
        raise binder.parsed.error(node, f"{name} with DISTINCT or ORDER BY", f"{name}(value)", hint)
    if name == "count" and len(nodes) == 1 and isinstance(nodes[0], exp.Star):
        return None, ()
    wanted = 2 if name in ("approx_quantile", "top_k") else 1
    if len(nodes) != wanted:
        shown = {
            "approx_quantile": "approx_quantile(x, 0.99)",
            "top_k": "top_k(x, 10)",
            "count": "count(*) or count(x)",
        }
        raise binder.parsed.error(node, f"{name} of {len(nodes)} arguments", shown.get(name, f"{name}(x)"))
    for part in nodes[0].walk():
        if _aggregate_name(part):
            raise binder.parsed.error(
                part, f"the aggregate {part.name.lower()} inside {name}", "values of single records"
            )
    bound = conversion.instants(binder.bind(nodes[0]))
    if conversion.is_untyped(bound):
        raise binder.parsed.error(nodes[0], f"an untyped constant in {name}", "a column or a typed value")
    parameters = (_parameter(binder, nodes[1], name),) if wanted == 2 else ()
    return bound, parameters


def _parameter(binder: _Binder, node: Node, name: str) -> float | int:
    bound = binder.bind(node)
    value = bound.value if isinstance(bound, Literal) and bound.type.is_numeric else None
    if name == "top_k":
        if not isinstance(value, int) or not 1 <= value <= TOP_K_MAX:
            raise binder.parsed.error(node, "this k in top_k", f"a whole number from 1 to {TOP_K_MAX}")
        return value
    if value is None or not 0 <= float(value) <= 1:
        raise binder.parsed.error(node, "this quantile in approx_quantile", "a number from 0 to 1, such as 0.99")
    return float(value)


def _aggregate_type(binder: _Binder, node: Node, name: str, argument: Expression | None) -> DataType:
    if argument is None or name in ("count", "approx_count_distinct"):
        return INT64
    data_type = argument.type
    ordered = data_type.is_numeric or data_type.kind in (Kind.BOOL, Kind.STRING, Kind.TIMESTAMP, Kind.DATE)
    if name in ("first", "last", "min", "max", "top_k"):
        if not ordered:
            raise binder.parsed.error(node, f"{name} over {data_type}", "numbers, text, bool, timestamps or dates")
        return top_k(data_type) if name == "top_k" else data_type
    if not data_type.is_numeric:
        hint = "extract(epoch FROM ...)" if data_type.kind in (Kind.INTERVAL, Kind.TIMESTAMP) else ""
        raise binder.parsed.error(node, f"{name} over {data_type}", "numbers", hint)
    if name == "sum":
        exact = {
            Kind.INT32: INT64,
            Kind.INT64: decimal(DIGITS_MAX, 0),
            Kind.DECIMAL: decimal(DIGITS_MAX, data_type.scale),
        }
        return exact.get(data_type.kind, FLOAT64)
    return FLOAT64
