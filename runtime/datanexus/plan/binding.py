"""SQL text → the typed tree of `plan.expression`, bound to the columns of a schema.

Everything a user can get wrong in an expression is found here, with its place in the text and a suggestion; a bound
tree runs for any record, and what can fail then is a value. Names are folded as PostgreSQL does: an unquoted name is
looked up in lower case first, then as written. Only conversions and signs of constants are computed here.
"""

from sqlglot import exp

from datanexus.plan import conversion
from datanexus.plan.binder import REFUSED, Binder
from datanexus.plan.expression import BoundAggregate, BoundExpression, Expression, Literal, Schema
from datanexus.plan.forms import FORMS, aggregate_name
from datanexus.plan.functions import AGGREGATE_ALIASES, AGGREGATE_FUNCTIONS, CALLABLE_NAMES, DIGITS_MAX
from datanexus.plan.naming import near, one_of
from datanexus.plan.parsing import ExpressionError, Node, ParsedText, parse_expression
from datanexus_spec.datatype import FLOAT64, INT64, STRING, DataType, Kind, decimal, top_k

TOP_K_MAX = 1000

__all__ = ["ExpressionError", "bind_aggregate", "bind_condition", "bind_expression"]


def bind_expression(text: str, schema: Schema) -> BoundExpression:
    """The typed tree of a SQL expression over the columns of a schema.

    A time without zone as result becomes the instant it is in UTC, an untyped constant becomes text.
    """
    parsed = parse_expression(text)
    binder = Binder(parsed, schema, FORMS)
    root = conversion.instants(binder.bind(parsed.root))
    if conversion.is_untyped(root):
        root = binder.coerce(root, STRING, parsed.root)
    return BoundExpression(text, root)


def bind_condition(text: str, schema: Schema) -> BoundExpression:
    """As `bind_expression`, for text that must be a condition (its type is bool)."""
    parsed = parse_expression(text)
    return BoundExpression(text, Binder(parsed, schema, FORMS).condition(parsed.root, "a condition"))


def bind_aggregate(text: str, schema: Schema) -> BoundAggregate:
    """One aggregate call, with FILTER (WHERE ...) or without, over the columns of a schema."""
    parsed = parse_expression(text)
    node, where = parsed.root, None
    if isinstance(node, exp.Filter):
        node, where = node.this, node.expression.this
    if isinstance(node, exp.Window):
        raise parsed.error(node, *REFUSED[exp.Window])
    name = aggregate_name(node)
    if name is None:
        raise parsed.error(parsed.root, *_no_aggregate(parsed, node))
    binder = Binder(parsed, schema, FORMS)
    argument, parameters = _aggregate_arguments(binder, node, name)
    condition = None if where is None else binder.condition(where, "the condition of FILTER")
    result = _aggregate_type(binder, node, name, argument)
    return BoundAggregate(text, name, argument, parameters, condition, result)


def _no_aggregate(parsed: ParsedText, node: Node) -> tuple[str, str, str]:
    names = (*AGGREGATE_FUNCTIONS, *AGGREGATE_ALIASES)
    expected = "one aggregate call, with FILTER (WHERE ...) or without"
    if isinstance(node, exp.Anonymous):
        if node.name.lower() not in CALLABLE_NAMES:
            return f"no aggregate {node.name.lower()}", one_of(names, "aggregates"), near(node.name, names)
        return f"the function {node.name.lower()}", expected, ""
    if any(aggregate_name(part) for part in parsed.root.walk()):
        return "an expression around an aggregate", f"{expected}; compute with results in a query", ""
    return "no aggregate", expected, ""


def _aggregate_arguments(binder: Binder, node: Node, name: str) -> tuple[Expression | None, tuple[float | int, ...]]:
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
        if aggregate_name(part):
            raise binder.parsed.error(
                part, f"the aggregate {part.name.lower()} inside {name}", "values of single records"
            )
    bound = conversion.instants(binder.bind(nodes[0]))
    if conversion.is_untyped(bound):
        raise binder.parsed.error(nodes[0], f"an untyped constant in {name}", "a column or a typed value")
    parameters = (_parameter(binder, nodes[1], name),) if wanted == 2 else ()
    return bound, parameters


def _parameter(binder: Binder, node: Node, name: str) -> float | int:
    bound = binder.bind(node)
    value = bound.value if isinstance(bound, Literal) and bound.type.is_numeric else None
    if name == "top_k":
        if not isinstance(value, int) or not 1 <= value <= TOP_K_MAX:
            raise binder.parsed.error(node, "this k in top_k", f"a whole number from 1 to {TOP_K_MAX}")
        return value
    if value is None or not 0 <= float(value) <= 1:
        raise binder.parsed.error(node, "this quantile in approx_quantile", "a number from 0 to 1, such as 0.99")
    return float(value)


def _aggregate_type(binder: Binder, node: Node, name: str, argument: Expression | None) -> DataType:
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
