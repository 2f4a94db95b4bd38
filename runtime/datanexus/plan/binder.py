"""One expression text being bound: names to columns, operators and casts to typed calls.

The forms with a syntax of their own (LIKE, EXTRACT, ->, function calls) are in `plan.forms`, which is handed in.
"""

from collections.abc import Callable, Mapping

from sqlglot import exp

from datanexus.plan import conversion
from datanexus.plan.constant_checks import checked
from datanexus.plan.expression import Call, Case, Column, Expression, Literal, Schema
from datanexus.plan.functions import (
    DIGITS_MAX,
    FUNCTIONS,
    ORDERED,
    VOLATILE_FUNCTIONS,
    WIDER,
    Function,
    choose_signature,
    integer_decimal,
    parameters_of,
)
from datanexus.plan.literals import LiteralError, read_interval
from datanexus.plan.naming import near, one_of
from datanexus.plan.parsing import ExpressionError, Node, ParsedText
from datanexus_spec.datatype import BOOL, FLOAT64, INT32, INT64, INTERVAL, JSON, NULL, STRING, DataType, Kind, decimal

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
REFUSED: dict[type, tuple[str, str]] = {
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


Form = Callable[["Binder", Node], Expression]


class Binder:
    """Binds the nodes of one text: methods take a node of the parser and give a typed tree or raise ExpressionError."""

    def __init__(self, parsed: ParsedText, schema: Schema, forms: Mapping[type, Form]) -> None:
        self.parsed = parsed
        self.schema = schema
        self._forms = forms
        self._nodes: dict[type, Callable[[Node], Expression]] = {
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
            exp.Is: self._is,
            exp.In: self._in,
            exp.Between: self._between,
            exp.Cast: self._cast,
            exp.Case: self._case,
            exp.Interval: self.interval,
            exp.AtTimeZone: lambda node: self.call("at_time_zone", [node.this, node.args["zone"]], node),
            exp.StrPosition: lambda node: self.call("strpos", [node.this, node.args["substr"]], node),
        }

    def bind(self, node: Node) -> Expression:
        operator = _OPERATORS.get(type(node))
        if operator in ("add", "subtract"):
            return self._add(node, operator)
        if operator is not None:
            return self.call(operator, [node.this, node.expression], node)
        bind = self._nodes.get(type(node))
        if bind is not None:
            return bind(node)
        form = self._forms.get(type(node))
        if form is not None:
            return form(self, node)
        found, expected = REFUSED.get(
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
            raise self.no_overload(name, bound, node)
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
        return checked(self.parsed, bound_call, nodes, node)

    def text(self, bound: Expression, node: Node) -> Expression:
        if not conversion.is_untyped(bound) and not conversion.may_cast(bound.type, STRING):
            raise self.parsed.error(node, f"{bound.type} where text is needed", "a value that has a text")
        return self.coerce(bound, STRING, node)

    def alike(self, nodes: list[Node], node: Node, what: str) -> tuple[list[Expression], DataType]:
        """The parts in their common type."""
        bound = [self.bind(part) for part in nodes]
        common = conversion.common_type([part.type for part in bound])
        if common is None:
            kinds = ", ".join(str(part.type) for part in bound)
            raise self.parsed.error(node, f"{what} over values of types {kinds}", "values of one type", "a CAST")
        if common.kind is Kind.NULL:
            common = STRING
        return [self.coerce(part, common, at) for part, at in zip(bound, nodes, strict=True)], common

    def no_overload(self, name: str, bound: list[Expression], node: Node) -> ExpressionError:
        function = FUNCTIONS[name]
        kinds = ", ".join("untyped constant" if conversion.is_untyped(part) else str(part.type) for part in bound)
        return self.parsed.error(node, f"{function.shown} over ({kinds})", _takes(function), _cast_hint(name, bound))

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
            raise self.parsed.error(node, *REFUSED[exp.Star])
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
            raise volatile(self.parsed, node, written)
        raise self.parsed.error(
            node, f'no column "{written}"', one_of(self.schema.names, "columns"), near(written, self.schema.names)
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
        months, span_us = self.interval_parts(right)
        if not months:
            return self.call(operator, [node.this, node.expression], node)
        sign = -1 if operator == "subtract" else 1
        time = self.bind(left)
        moved = self.apply("add_months", [time, Literal(sign * months, INT32)], [left, right], node)
        if not span_us:
            return moved
        return self.apply("add", [moved, Literal(sign * span_us, INTERVAL)], [left, right], node)

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
            raise self.parsed.error(node, *REFUSED[exp.Subquery])
        if not node.expressions:
            raise self.parsed.error(node, "an empty IN ()", "at least one value")
        nodes = [node.this, *node.expressions]
        bound, common = self.alike(nodes, node, "IN")
        if common.kind not in ORDERED:
            raise self.no_overload("in", bound, node)
        return Call("in", tuple(bound), BOOL)

    def _between(self, node: Node) -> Expression:
        if node.args.get("symmetric"):
            raise self.parsed.error(node, "BETWEEN SYMMETRIC", "BETWEEN low AND high")
        low = self.call("greater_equal", [node.this, node.args["low"]], node)
        high = self.call("less_equal", [node.this, node.args["high"]], node)
        return Call("and", (low, high), BOOL)

    def _cast(self, node: Node) -> Expression:
        target = self._type(node.to)
        if target == FLOAT64 and isinstance(node.this, exp.Literal):  # 1e300 is no decimal of 38 digits, but a float
            return self.coerce(Literal(node.this.this, NULL), target, node.this)
        bound = self.bind(node.this)
        if target == INTERVAL and isinstance(node.this, exp.Literal) and node.this.is_string:
            return self.interval(node)
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
        results, common = self.alike(nodes if default is None else [*nodes, default], node, "CASE")
        otherwise = None if default is None else results[-1]
        return Case(tuple(zip(conditions, results[: len(nodes)], strict=True)), otherwise, common)

    def interval_parts(self, node: Node) -> tuple[int, int]:
        unit = f" {node.args['unit'].name}" if node.args.get("unit") is not None else ""
        try:
            return read_interval(f"{node.this.this}{unit}")
        except LiteralError as error:
            raise self.parsed.error(
                node, error.message, "an interval such as '90 seconds', '1 day' or '01:30:00'"
            ) from None

    def interval(self, node: Node) -> Expression:
        months, span_us = self.interval_parts(node)
        if months:
            expected = "months and years directly behind + or - of a time, as they have no fixed length"
            raise self.parsed.error(node, f"the interval '{node.this.this}'", expected, "it in days")
        return Literal(span_us, INTERVAL)


def volatile(parsed: ParsedText, node: Node, name: str) -> ExpressionError:
    """The refusal of what changes from call to call."""
    expected = "an expression that gives the same result at every replay"
    return parsed.error(node, f"{name.lower()}, which changes from call to call", expected, "a column of the record")


def _takes(function: Function) -> str:
    """The arguments a function takes, for a message; the kinds of comparisons and sums are many, so they are named."""
    if function.name in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "in"):
        return "two values of one type: numbers, texts, bools, times, dates or intervals"
    if function.name in ("add", "subtract"):
        return "numbers, or times, dates and intervals"
    takes = sorted({", ".join(kind.value for kind in signature.parameters) for signature in function.signatures})
    return f"arguments ({') or ('.join(takes)})" if takes else "values of an ordered type"


def _cast_hint(name: str, bound: list[Expression]) -> str:
    kinds = {conversion.known_kind(part) for part in bound}
    if Kind.JSON in kinds:
        return "->> to take a text out of the json"
    if Kind.FLOAT64 in kinds and name in ("modulo", "round", "trunc"):
        return "::numeric behind the float64"
    if Kind.STRING in kinds and kinds & set(WIDER):
        return "a cast behind the text, such as ::bigint or ::timestamptz"
    return ""


def _parameter_type(argument: Expression, kind: Kind, bound: list[Expression]) -> DataType:
    """The full type of an argument of a kind: decimals keep the digits they have."""
    if kind is not Kind.DECIMAL:
        return DataType(kind)
    if argument.type.kind is Kind.DECIMAL:
        return argument.type
    if argument.type.is_integer:
        return integer_decimal(argument.type)
    return next((part.type for part in bound if part.type.kind is Kind.DECIMAL), conversion.UNBOUNDED)
