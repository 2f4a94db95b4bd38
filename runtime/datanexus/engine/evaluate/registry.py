"""One implementation for every function of `plan.functions`; a test compares the names."""

from collections.abc import Callable

from datanexus.engine.evaluate import arithmetic, comparison, functions_of_floats, json_access, matching, texts, times
from datanexus.engine.evaluate.arithmetic import Operation
from datanexus.plan.expression import Call

LAZY = frozenset(("and", "or", "coalesce"))  # they decide themselves which parts are reached: see `evaluator`

OPERATIONS: dict[str, Callable[[Call], Operation]] = {
    **dict.fromkeys(("add", "subtract", "multiply", "divide", "div", "modulo", "negate", "abs"), arithmetic.arithmetic),
    **dict.fromkeys(("floor", "ceil", "round", "trunc"), functions_of_floats.rounding),
    **dict.fromkeys(("sqrt", "cbrt", "exp", "ln", "log"), functions_of_floats.root_or_logarithm),
    "power": functions_of_floats.power,
    "sign": functions_of_floats.sign,
    **dict.fromkeys(("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"), comparison.comparison),
    **dict.fromkeys(("is_distinct", "is_not_distinct"), comparison.distinct),
    "in": comparison.membership,
    "not": comparison.negation,
    "is_null": comparison.is_null,
    "is_not_null": comparison.is_not_null,
    **dict.fromkeys(("is_true", "is_false"), comparison.truth),
    **dict.fromkeys(("greatest", "least"), comparison.extreme),
    **dict.fromkeys(("lower", "upper"), texts.letter_case),
    **dict.fromkeys(("trim", "ltrim", "rtrim"), texts.trimmed),
    **dict.fromkeys(("length", "octet_length"), texts.length),
    "substring": texts.substring,
    "left": texts.left,
    "right": texts.right,
    "split_part": texts.split_part,
    "replace": texts.replaced,
    "strpos": texts.position,
    **dict.fromkeys(("concat_operator", "concat"), texts.joined),
    "starts_with": texts.starts_with,
    **dict.fromkeys(("lpad", "rpad"), texts.padded),
    "repeat": texts.repeated,
    "reverse": texts.backwards,
    "md5": texts.md5,
    **dict.fromkeys(("like", "ilike"), matching.like),
    "regexp_like": matching.regexp_like,
    "regexp_replace": matching.regexp_replace,
    **dict.fromkeys(("regexp_substr", "regexp_match"), matching.regexp_group),
    "date_trunc": times.date_trunc,
    **dict.fromkeys(("extract", "date_part"), times.extract),
    "at_time_zone": times.at_time_zone,
    "add_months": times.add_months,
    "to_timestamp": times.to_timestamp,
    **dict.fromkeys(("json_get", "json_get_text"), json_access.json_access),
}
