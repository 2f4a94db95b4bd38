"""The forms of SQL with a syntax of their own: LIKE, EXTRACT, SUBSTRING, JSON access, function calls."""

from sqlglot import exp

from datanexus.plan import conversion, patterns
from datanexus.plan.binder import REFUSED, Binder, Form, volatile
from datanexus.plan.constant_checks import check_pattern_text
from datanexus.plan.expression import Call, Case, Expression, Literal
from datanexus.plan.functions import (
    AGGREGATE_ALIASES,
    AGGREGATE_FUNCTIONS,
    ALIASES,
    CALLABLE_NAMES,
    FUNCTIONS,
    ORDERED,
    VOLATILE_FUNCTIONS,
)
from datanexus.plan.naming import near
from datanexus.plan.parsing import Node
from datanexus_spec.datatype import BOOL, DATE, INT32, JSON, NULL, STRING, Kind


def aggregate_name(node: Node) -> str | None:
    """The aggregate a node calls, by its own name, or None."""
    if not isinstance(node, exp.Anonymous):
        return None
    name = AGGREGATE_ALIASES.get(node.name.lower(), node.name.lower())
    return name if name in AGGREGATE_FUNCTIONS else None


def _concatenate(binder: Binder, node: Node) -> Expression:
    nodes = [node.this, node.expression]
    bound = [binder.bind(part) for part in nodes]
    kinds = {conversion.known_kind(part) for part in bound}
    if not kinds & {Kind.STRING, None}:
        raise binder.no_overload("concat_operator", bound, node)
    return binder.apply(
        "concat_operator", [binder.text(part, at) for part, at in zip(bound, nodes, strict=True)], nodes, node
    )


def _like(binder: Binder, node: Node) -> Expression:
    escape = "\\"
    if isinstance(node, exp.Escape):
        escape_node, node = node.expression, node.this
        escape = escape_node.this if isinstance(escape_node, exp.Literal) and escape_node.is_string else "too long"
        if len(escape) > 1 or not isinstance(node, (exp.Like, exp.ILike)):
            raise binder.parsed.error(escape_node, "this ESCAPE", "LIKE pattern ESCAPE 'one character'")
    if isinstance(node.expression, (exp.Any, exp.All)):
        raise binder.parsed.error(node, *REFUSED[type(node.expression)])
    name = "like" if isinstance(node, exp.Like) else "ilike"
    call = binder.call(name, [node.this, node.expression], node)
    assert isinstance(call, Call)
    pattern = call.arguments[1]
    assert isinstance(pattern, Literal)
    if pattern.value is not None:
        written = str(pattern.value)
        check_pattern_text(binder.parsed, lambda: patterns.like_parts(written, escape), node.expression)
        pattern = Literal(patterns.with_backslash(written, escape), STRING)
    call = Call(name, (call.arguments[0], pattern), BOOL)
    return Call("not", (call,), BOOL) if node.args.get("negate") else call


def _regexp(binder: Binder, node: Node, flags: str) -> Expression:
    nodes = [node.this, node.expression]
    bound = [binder.bind(part) for part in nodes]
    if flags:
        bound, nodes = [*bound, Literal(flags, STRING)], [*nodes, node]
    return binder.apply("regexp_like", bound, nodes, node)


def _group(binder: Binder, node: Node) -> Expression:
    """`(regexp_match(s, pattern))[n]`: the parser counts brackets from 0."""
    inner = node.this.this if isinstance(node.this, exp.Paren) else node.this
    index = node.expressions[0] if len(node.expressions) == 1 else None
    if not isinstance(inner, exp.Anonymous) or inner.name.lower() != "regexp_match" or len(inner.expressions) != 2:
        raise binder.parsed.error(node, "an array element", "(regexp_match(s, pattern))[n], the only array there is")
    if not isinstance(index, exp.Literal) or not index.this.isdigit():
        raise binder.parsed.error(node, "this group", "the number of a group, from 1")
    nodes = [*inner.expressions, index]
    bound = [binder.bind(part) for part in inner.expressions]
    return binder.apply("regexp_match", [*bound, Literal(int(index.this) + 1, INT32)], nodes, node)


def _extract(binder: Binder, node: Node) -> Expression:
    part = node.this
    bound = [Literal(part.name.lower(), STRING), binder.bind(node.expression)]
    return binder.apply("extract", bound, [part, node.expression], node)


def _substring(binder: Binder, node: Node) -> Expression:
    start, length = node.args.get("start"), node.args.get("length")
    if start is None:
        raise binder.parsed.error(node, "substring of one argument", FUNCTIONS["substring"].shown)
    bound = binder.bind(start)
    if length is None and conversion.known_kind(bound) in (None, Kind.STRING):
        return binder.call("regexp_substr", [node.this, start], node)
    return binder.call("substring", [part for part in (node.this, start, length) if part is not None], node)


def _trim(binder: Binder, node: Node) -> Expression:
    name = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(str(node.args.get("position") or "").upper(), "trim")
    return binder.call(name, [part for part in (node.this, node.args.get("expression")) if part is not None], node)


def _json(binder: Binder, node: Node, name: str) -> Expression:
    subject: Expression = binder.bind(node.this)
    if subject.type != JSON:
        found = f"{subject.type} before -> or ->>"
        raise binder.parsed.error(node, found, "json", "the column with ::json behind it")
    key = node.expression
    keys: list[Expression]
    if isinstance(node, (exp.JSONBExtract, exp.JSONBExtractScalar)):
        keys = _path_keys(binder, key)
    else:
        keys = [_json_key(binder, key)]
    if isinstance(subject, Call) and subject.function == "json_get":
        inner = subject.arguments
        subject, keys = inner[0], [*inner[1:], *keys]
    return Call(name, (subject, *keys), STRING if name == "json_get_text" else JSON)


def _json_key(binder: Binder, node: Node) -> Literal:
    """A constant key, or an int32 literal for an array element (negative ones count from the end)."""
    if isinstance(node, exp.JSONPath):
        step = node.expressions[-1]
        if len(node.expressions) == 2 and isinstance(step, exp.JSONPathSubscript):
            return Literal(int(step.this), INT32)
        if len(node.expressions) == 2 and isinstance(step, exp.JSONPathKey):
            return Literal(str(step.this), STRING)
    bound = binder.bind(node)
    if isinstance(bound, Literal) and conversion.is_untyped(bound) and bound.value is not None:
        return Literal(str(bound.value), STRING)
    if isinstance(bound, Literal) and bound.type.kind in (Kind.INT32, Kind.STRING) and bound.value is not None:
        return bound
    raise binder.parsed.error(node, "a JSON key that is no constant", "a quoted key or the number of an element")


def _path_keys(binder: Binder, node: Node) -> list[Expression]:
    if not isinstance(node, exp.Literal) or not node.is_string:
        raise binder.parsed.error(node, "a JSON path that is no constant", "a path such as '{key,0}'")
    inner = node.this.strip()
    if not (inner.startswith("{") and inner.endswith("}")) or '"' in inner or "\\" in inner or "{" in inner[1:]:
        raise binder.parsed.error(node, f"the path '{node.this}'", "a path such as '{key,0}', without quotes in it")
    steps = [step.strip() for step in inner[1:-1].split(",")] if inner[1:-1].strip() else []
    return [Literal(step, NULL) for step in steps]  # untyped: a key of an object, an index of an array


def _function(binder: Binder, node: Node) -> Expression:
    name = node.name.lower()
    for part in node.expressions:
        if isinstance(part, (exp.Distinct, exp.Order, exp.Kwarg)):
            raise binder.parsed.error(node, f"`{part.sql('postgres')}` in a call", "plain arguments")
    if aggregate_name(node) is not None:
        raise binder.parsed.error(
            node, f"the aggregate {name} in an expression", "one record's values; views have aggregates"
        )
    if name in VOLATILE_FUNCTIONS:
        raise volatile(binder.parsed, node, name)
    special = {
        "coalesce": _same_type_call,
        "greatest": _same_type_call,
        "least": _same_type_call,
        "nullif": _nullif,
        "concat": _concat,
        "json_extract_path": _json_function,
        "json_extract_path_text": _json_function,
        "date": _date,
        "regexp_match": _regexp_match_alone,
    }.get(name)
    if special is not None:
        return special(binder, node, name)
    if name not in CALLABLE_NAMES:
        raise binder.parsed.error(
            node, f"no function {name}", "a function of the documented table", near(name, CALLABLE_NAMES)
        )
    if name == "substring" and len(node.expressions) == 2:
        return _substring(binder, exp.Substring(this=node.expressions[0], start=node.expressions[1]))
    return binder.call(ALIASES.get(name, name), list(node.expressions), node)


def _same_type_call(binder: Binder, node: Node, name: str) -> Expression:
    if not node.expressions:
        raise binder.parsed.error(node, f"{name} without arguments", FUNCTIONS[name].shown)
    bound, common = binder.alike(list(node.expressions), node, name)
    if name != "coalesce" and common.kind not in ORDERED:
        raise binder.no_overload(name, bound, node)
    return Call(name, tuple(bound), common)


def _nullif(binder: Binder, node: Node, name: str) -> Expression:
    if len(node.expressions) != 2:
        raise binder.parsed.error(node, f"{name} of {len(node.expressions)} arguments", "nullif(a, b)")
    equal = binder.call("equal", list(node.expressions), node)
    value = binder.bind(node.expressions[0])
    value = binder.coerce(value, STRING, node) if conversion.is_untyped(value) else value
    return Case(((equal, Literal(None, value.type)),), value, value.type)


def _concat(binder: Binder, node: Node, name: str) -> Expression:
    nodes = list(node.expressions)
    texts = [_concat_text(binder, binder.bind(part), part) for part in nodes]
    return binder.apply(name, texts, nodes, node)


def _concat_text(binder: Binder, bound: Expression, node: Node) -> Expression:
    """concat writes bool as t and f, where a cast writes true and false."""
    if bound.type.kind is not Kind.BOOL:
        return binder.text(bound, node)
    branches = ((bound, Literal("t", STRING)), (Call("not", (bound,), BOOL), Literal("f", STRING)))
    return Case(branches, None, STRING)


def _json_function(binder: Binder, node: Node, name: str) -> Expression:
    if len(node.expressions) < 2:
        raise binder.parsed.error(node, f"{name} without a key", f"{name}(json, 'key', ...)")
    subject = binder.bind(node.expressions[0])
    if subject.type != JSON:
        raise binder.parsed.error(node, f"{subject.type} in {name}", "json", "the column with ::json behind it")
    keys = [_json_key(binder, part) for part in node.expressions[1:]]
    keys = [Literal(key.value, NULL) for key in keys]
    if name.endswith("_text"):
        return Call("json_get_text", (subject, *keys), STRING)
    return Call("json_get", (subject, *keys), JSON)


def _date(binder: Binder, node: Node, name: str) -> Expression:
    if len(node.expressions) != 1:
        raise binder.parsed.error(node, f"{name} of {len(node.expressions)} arguments", "date(t)")
    bound = binder.bind(node.expressions[0])
    if not conversion.is_untyped(bound) and not conversion.may_cast(bound.type, DATE):
        raise binder.parsed.error(node, f"date({bound.type})", "a timestamp, a date or a text")
    return binder.coerce(bound, DATE, node)


def _regexp_match_alone(binder: Binder, node: Node, name: str) -> Expression:
    raise binder.parsed.error(node, f"{name} as a list of groups", "one group of it", f"({node.sql('postgres')})[1]")


FORMS: dict[type, Form] = {
    exp.DPipe: _concatenate,
    exp.Like: _like,
    exp.ILike: _like,
    exp.Escape: _like,
    exp.RegexpLike: lambda binder, node: _regexp(binder, node, ""),
    exp.RegexpILike: lambda binder, node: _regexp(binder, node, "i"),
    exp.Extract: _extract,
    exp.Substring: _substring,
    exp.Trim: _trim,
    exp.JSONExtract: lambda binder, node: _json(binder, node, "json_get"),
    exp.JSONExtractScalar: lambda binder, node: _json(binder, node, "json_get_text"),
    exp.JSONBExtract: lambda binder, node: _json(binder, node, "json_get"),
    exp.JSONBExtractScalar: lambda binder, node: _json(binder, node, "json_get_text"),
    exp.Bracket: _group,
    exp.Anonymous: _function,
}
