"""The closed table of functions and operators of the expression language, with signatures and result types.

Names are the canonical ones found in `Call.function`; operators have names too (`a + b` is `add`). Overloads are chosen
and results typed as PostgreSQL 15 does: int32 → int64 → decimal → float64 and date → local_timestamp → timestamp widen
by themselves, an untyped literal takes the type of its neighbour. Where the language departs from PostgreSQL, a `note`
says so. Nothing here evaluates anything: `engine.evaluate` holds one implementation for every name.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from datanexus_spec.datatype import (
    BOOL,
    DATE,
    FLOAT64,
    INT32,
    INT64,
    INTERVAL,
    JSON,
    LOCAL_TIMESTAMP,
    STRING,
    TIMESTAMP,
    DataType,
    Kind,
    decimal,
)

DIGITS_MAX = 38  # of a decimal; PostgreSQL's numeric has more
UNBOUNDED_SCALE = 16  # digits behind the point of `numeric` without parameters made from a float or a text
QUOTIENT_SCALE_MIN = 16  # PostgreSQL gives a quotient at least 16 significant digits

AGGREGATE_FUNCTIONS = (  # equal to core.aggregate.FUNCTIONS, which plan may not import; a test compares them
    "count",
    "sum",
    "min",
    "max",
    "avg",
    "first",
    "last",
    "var_pop",
    "var_samp",
    "stddev_pop",
    "stddev_samp",
    "increase",
    "rate",
    "approx_count_distinct",
    "approx_quantile",
    "top_k",
)
AGGREGATE_ALIASES = {"variance": "var_samp", "stddev": "stddev_samp"}

VOLATILE_FUNCTIONS = frozenset(
    (
        *("now", "clock_timestamp", "statement_timestamp", "transaction_timestamp", "timeofday"),
        *("current_timestamp", "current_date", "current_time", "localtime", "localtimestamp"),
        *("random", "setseed", "gen_random_uuid", "nextval", "currval", "current_user", "session_user"),
    )
)

TRUNCATION_UNITS = (
    *("microseconds", "milliseconds", "second", "minute", "hour", "day", "week", "month", "quarter", "year"),
    *("decade", "century", "millennium"),
)
DATE_PARTS = (*TRUNCATION_UNITS, "dow", "isodow", "doy", "isoyear", "epoch")
WIDER: dict[Kind, tuple[Kind, ...]] = {  # nearest first
    Kind.INT32: (Kind.INT64, Kind.DECIMAL, Kind.FLOAT64),
    Kind.INT64: (Kind.DECIMAL, Kind.FLOAT64),
    Kind.DECIMAL: (Kind.FLOAT64,),
    Kind.DATE: (Kind.LOCAL_TIMESTAMP, Kind.TIMESTAMP),
    Kind.LOCAL_TIMESTAMP: (Kind.TIMESTAMP,),
}
PREFERRED = frozenset((Kind.FLOAT64, Kind.TIMESTAMP, Kind.STRING, Kind.BOOL, Kind.INTERVAL))
ORDERED = (
    Kind.INT32,
    Kind.INT64,
    Kind.FLOAT64,
    Kind.DECIMAL,
    Kind.STRING,
    Kind.BOOL,
    Kind.TIMESTAMP,
    Kind.LOCAL_TIMESTAMP,
    Kind.DATE,
    Kind.INTERVAL,
)

Arguments = tuple[DataType, ...]
Result = DataType | Callable[[Arguments], DataType]


@dataclass(frozen=True, slots=True)
class Signature:
    """Kinds of the arguments, all required; the result's type or how it follows from the arguments' types.

    `repeats`: the last kind may stand any number of times more.
    """

    parameters: tuple[Kind, ...]
    result: Result
    repeats: bool = False


@dataclass(frozen=True, slots=True)
class Function:
    """One function. `shown`: how a person writes it. `constants`: argument places that must hold a constant."""

    name: str
    shown: str
    signatures: tuple[Signature, ...]
    constants: frozenset[int] = frozenset()
    note: str = ""


def integer_decimal(data_type: DataType) -> DataType:
    """The decimal that holds every value of an integer type; a decimal stays what it is."""
    return {Kind.INT32: decimal(10, 0), Kind.INT64: decimal(19, 0)}.get(data_type.kind, data_type)


def common_decimal(types: Iterable[DataType]) -> DataType:
    """The decimal that holds values of all these numeric types, as far as 38 digits go."""
    parts = [integer_decimal(data_type) for data_type in types]
    scale = max(part.scale for part in parts)
    whole = max(part.precision - part.scale for part in parts)
    return decimal(min(whole + scale, DIGITS_MAX), scale)


def _sum_type(arguments: Arguments) -> DataType:
    common = common_decimal(arguments)
    return decimal(min(common.precision + 1, DIGITS_MAX), common.scale)


def _product_type(arguments: Arguments) -> DataType:
    left, right = arguments
    scale = min(left.scale + right.scale, DIGITS_MAX)
    return decimal(min(left.precision + right.precision, DIGITS_MAX), scale)


def _quotient_type(arguments: Arguments) -> DataType:
    left, right = arguments
    whole = left.precision - left.scale + right.scale
    return decimal(DIGITS_MAX, max(DIGITS_MAX - whole, QUOTIENT_SCALE_MIN, left.scale, right.scale))


def _same(arguments: Arguments) -> DataType:
    return arguments[0]


def _whole_type(arguments: Arguments) -> DataType:
    whole = arguments[0].precision - arguments[0].scale
    return decimal(min(whole + 1, DIGITS_MAX), 0)


def _whole_quotient_type(arguments: Arguments) -> DataType:
    left, right = arguments
    return decimal(min(left.precision - left.scale + right.scale + 1, DIGITS_MAX), 0)


_I4, _I8, _F8, _DEC, _TXT = Kind.INT32, Kind.INT64, Kind.FLOAT64, Kind.DECIMAL, Kind.STRING
_TS, _LOCAL, _DATE, _SPAN, _BOOL, _JSON = (
    Kind.TIMESTAMP,
    Kind.LOCAL_TIMESTAMP,
    Kind.DATE,
    Kind.INTERVAL,
    Kind.BOOL,
    Kind.JSON,
)
_NONE: frozenset[int] = frozenset()
EPOCH = decimal(20, 6)
SECONDS = decimal(10, 6)
WHOLE_PART = decimal(10, 0)


def _signature(parameters: str, result: Result) -> Signature:
    words = parameters.split()
    repeats = bool(words) and words[-1] == "..."
    return Signature(tuple(Kind(word) for word in words if word != "..."), result, repeats)


def _arithmetic(decimal_result: Result) -> tuple[Signature, ...]:
    return (
        Signature((_I4, _I4), INT32),
        Signature((_I8, _I8), INT64),
        Signature((_DEC, _DEC), decimal_result),
        Signature((_F8, _F8), FLOAT64),
    )


def _unary(*kinds: Kind) -> tuple[Signature, ...]:
    simple = {_I4: INT32, _I8: INT64, _F8: FLOAT64, _SPAN: INTERVAL}
    return tuple(Signature((kind,), simple.get(kind, _same)) for kind in kinds)


_COMPARISON = tuple(Signature((kind, kind), BOOL) for kind in ORDERED)
_FLOAT = (Signature((_F8,), FLOAT64),)
_TEXT = (Signature((_TXT,), STRING),)
_TRIM = (Signature((_TXT,), STRING), Signature((_TXT, _TXT), STRING))
_FLOAT_NOTE = "a decimal argument is computed as float64, where PostgreSQL stays in numeric"
_REGEX_NOTE = (
    "patterns are RE2's: no back references and no look-around; among alternatives the first that matches wins, where "
    "PostgreSQL takes the longest; a greedy and a lazy part may stand together"
)

_TABLE = (
    # arithmetic
    Function(
        "add",
        "a + b",
        (
            *_arithmetic(_sum_type),
            Signature((_DATE, _I4), DATE),
            Signature((_I4, _DATE), DATE),
            Signature((_DATE, _SPAN), LOCAL_TIMESTAMP),
            Signature((_LOCAL, _SPAN), LOCAL_TIMESTAMP),
            Signature((_TS, _SPAN), TIMESTAMP),
            Signature((_SPAN, _DATE), LOCAL_TIMESTAMP),
            Signature((_SPAN, _LOCAL), LOCAL_TIMESTAMP),
            Signature((_SPAN, _TS), TIMESTAMP),
            Signature((_SPAN, _SPAN), INTERVAL),
        ),
    ),
    Function(
        "subtract",
        "a - b",
        (
            *_arithmetic(_sum_type),
            Signature((_DATE, _DATE), INT32),
            Signature((_DATE, _I4), DATE),
            Signature((_DATE, _SPAN), LOCAL_TIMESTAMP),
            Signature((_LOCAL, _SPAN), LOCAL_TIMESTAMP),
            Signature((_TS, _SPAN), TIMESTAMP),
            Signature((_LOCAL, _LOCAL), INTERVAL),
            Signature((_TS, _TS), INTERVAL),
            Signature((_SPAN, _SPAN), INTERVAL),
        ),
    ),
    Function(
        "multiply",
        "a * b",
        (*_arithmetic(_product_type), Signature((_SPAN, _F8), INTERVAL), Signature((_F8, _SPAN), INTERVAL)),
    ),
    Function(
        "divide",
        "a / b",
        (*_arithmetic(_quotient_type), Signature((_SPAN, _F8), INTERVAL)),
        note="integers truncate toward zero; a decimal quotient has PostgreSQL's digits as far as 38 go",
    ),
    Function("modulo", "a % b", (*_arithmetic(common_decimal)[:3],), note="the sign of a; also mod(a, b)"),
    Function("div", "div(a, b)", (Signature((_DEC, _DEC), _whole_quotient_type),), note="the truncated quotient"),
    Function("power", "power(a, b)", (Signature((_F8, _F8), FLOAT64),), note=f"also a ^ b; {_FLOAT_NOTE}"),
    Function("negate", "-a", _unary(_I4, _I8, _F8, _DEC, _SPAN)),
    Function("abs", "abs(a)", _unary(_I4, _I8, _F8, _DEC)),
    Function("sign", "sign(a)", (Signature((_F8,), FLOAT64), Signature((_DEC,), decimal(1, 0)))),
    Function("floor", "floor(a)", (Signature((_F8,), FLOAT64), Signature((_DEC,), _whole_type)), note="also a ceiling"),
    Function("ceil", "ceil(a)", (Signature((_F8,), FLOAT64), Signature((_DEC,), _whole_type)), note="also ceiling(a)"),
    Function(
        "round",
        "round(a [, digits])",
        (Signature((_F8,), FLOAT64), Signature((_DEC,), _whole_type), Signature((_DEC, _I4), _same)),
        constants=frozenset((1,)),
        note="float64: halves to even; decimal: halves away from zero",
    ),
    Function(
        "trunc",
        "trunc(a [, digits])",
        (Signature((_F8,), FLOAT64), Signature((_DEC,), _whole_type), Signature((_DEC, _I4), _same)),
        constants=frozenset((1,)),
    ),
    Function("sqrt", "sqrt(a)", _FLOAT, note=_FLOAT_NOTE),
    Function("cbrt", "cbrt(a)", _FLOAT),
    Function("exp", "exp(a)", _FLOAT, note=_FLOAT_NOTE),
    Function("ln", "ln(a)", _FLOAT, note=_FLOAT_NOTE),
    Function("log", "log([base,] a)", (*_FLOAT, Signature((_F8, _F8), FLOAT64)), note=f"base 10; {_FLOAT_NOTE}"),
    # comparison and logic
    *(
        Function(name, f"a {operator} b", _COMPARISON)
        for name, operator in (
            ("equal", "="),
            ("not_equal", "<>"),
            ("less", "<"),
            ("less_equal", "<="),
            ("greater", ">"),
            ("greater_equal", ">="),
            ("is_distinct", "IS DISTINCT FROM"),
            ("is_not_distinct", "IS NOT DISTINCT FROM"),
        )
    ),
    Function("in", "a IN (b, ...)", tuple(Signature((kind, kind), BOOL, repeats=True) for kind in ORDERED)),
    Function("and", "a AND b", (Signature((_BOOL, _BOOL), BOOL),)),
    Function("or", "a OR b", (Signature((_BOOL, _BOOL), BOOL),)),
    Function("not", "NOT a", (Signature((_BOOL,), BOOL),)),
    Function("is_null", "a IS NULL", ()),
    Function("is_not_null", "a IS NOT NULL", ()),
    Function("is_true", "a IS TRUE", (Signature((_BOOL,), BOOL),)),
    Function("is_false", "a IS FALSE", (Signature((_BOOL,), BOOL),)),
    Function("coalesce", "coalesce(a, ...)", ()),
    Function("greatest", "greatest(a, ...)", ()),
    Function("least", "least(a, ...)", ()),
    # text
    Function("lower", "lower(s)", _TEXT),
    Function("upper", "upper(s)", _TEXT),
    Function("trim", "btrim(s [, characters])", _TRIM, note="also TRIM(BOTH characters FROM s)"),
    Function("ltrim", "ltrim(s [, characters])", _TRIM),
    Function("rtrim", "rtrim(s [, characters])", _TRIM),
    Function("length", "length(s)", (Signature((_TXT,), INT32),), note="in characters; also char_length"),
    Function("octet_length", "octet_length(s)", (Signature((_TXT,), INT32),)),
    Function(
        "substring",
        "substring(s, from [, count])",
        (_signature("string int32", STRING), _signature("string int32 int32", STRING)),
    ),
    Function("left", "left(s, count)", (Signature((_TXT, _I4), STRING),)),
    Function("right", "right(s, count)", (Signature((_TXT, _I4), STRING),)),
    Function("split_part", "split_part(s, delimiter, n)", (Signature((_TXT, _TXT, _I4), STRING),)),
    Function("replace", "replace(s, from, to)", (Signature((_TXT, _TXT, _TXT), STRING),)),
    Function("strpos", "strpos(s, part)", (Signature((_TXT, _TXT), INT32),), note="also position(part IN s)"),
    Function("concat_operator", "a || b", (Signature((_TXT, _TXT), STRING),)),
    Function("concat", "concat(a, ...)", (Signature((_TXT,), STRING, repeats=True),), note="NULL counts as empty"),
    Function("starts_with", "starts_with(s, prefix)", (Signature((_TXT, _TXT), BOOL),)),
    Function(
        "lpad",
        "lpad(s, length [, fill])",
        (_signature("string int32", STRING), _signature("string int32 string", STRING)),
    ),
    Function(
        "rpad",
        "rpad(s, length [, fill])",
        (_signature("string int32", STRING), _signature("string int32 string", STRING)),
    ),
    Function("repeat", "repeat(s, times)", (Signature((_TXT, _I4), STRING),)),
    Function("reverse", "reverse(s)", _TEXT),
    Function("md5", "md5(s)", _TEXT),
    Function("like", "s LIKE pattern", (Signature((_TXT, _TXT), BOOL),), frozenset((1,))),
    Function("ilike", "s ILIKE pattern", (Signature((_TXT, _TXT), BOOL),), frozenset((1,))),
    Function(
        "regexp_like",
        "regexp_like(s, pattern [, flags])",
        (_signature("string string", BOOL), _signature("string string string", BOOL)),
        frozenset((1, 2)),
        note=f"also s ~ pattern and s ~* pattern; {_REGEX_NOTE}",
    ),
    Function(
        "regexp_replace",
        "regexp_replace(s, pattern, replacement [, flags])",
        (_signature("string string string", STRING), _signature("string string string string", STRING)),
        frozenset((1, 2, 3)),
        note=_REGEX_NOTE,
    ),
    Function(
        "regexp_substr",
        "substring(s FROM pattern)",
        (_signature("string string", STRING),),
        frozenset((1,)),
        note=f"the first group, or the whole match where there is none; {_REGEX_NOTE}",
    ),
    Function(
        "regexp_match",
        "(regexp_match(s, pattern))[n]",
        (_signature("string string int32", STRING),),
        frozenset((1, 2)),
        note=f"the n-th group; {_REGEX_NOTE}",
    ),
    # time
    Function(
        "date_trunc",
        "date_trunc(unit, t [, zone])",
        (
            _signature("string timestamp", TIMESTAMP),
            _signature("string timestamp string", TIMESTAMP),
            _signature("string local_timestamp", LOCAL_TIMESTAMP),
        ),
        frozenset((0, 2)),
        note="of an instant: in UTC unless a zone is given",
    ),
    Function(
        "extract",
        "extract(part FROM t)",
        (
            Signature((_TXT, _TS), EPOCH),
            Signature((_TXT, _LOCAL), EPOCH),
            Signature((_TXT, _DATE), EPOCH),
            Signature((_TXT, _SPAN), EPOCH),
        ),
        frozenset((0,)),
        note="decimal; of an instant: in UTC; of an interval: epoch only",
    ),
    Function(
        "date_part",
        "date_part(part, t)",
        (
            Signature((_TXT, _TS), FLOAT64),
            Signature((_TXT, _LOCAL), FLOAT64),
            Signature((_TXT, _SPAN), FLOAT64),
        ),
        frozenset((0,)),
        note="as extract, in float64",
    ),
    Function(
        "at_time_zone",
        "t AT TIME ZONE zone",
        (Signature((_TS, _TXT), LOCAL_TIMESTAMP), Signature((_LOCAL, _TXT), TIMESTAMP)),
        frozenset((1,)),
    ),
    Function(
        "add_months",
        "t + interval 'n months'",
        (
            Signature((_TS, _I4), TIMESTAMP),
            Signature((_LOCAL, _I4), LOCAL_TIMESTAMP),
            Signature((_DATE, _I4), LOCAL_TIMESTAMP),
        ),
        frozenset((1,)),
        note="months and years have no fixed length, so their interval stands beside + or - of a time only",
    ),
    Function("to_timestamp", "to_timestamp(seconds)", (Signature((_F8,), TIMESTAMP),), note="seconds since 1970 UTC"),
    # JSON
    Function(
        "json_get",
        "j -> key",
        (_signature("json string ...", JSON),),
        note="json text; a path of constant keys and array indexes",
    ),
    Function("json_get_text", "j ->> key", (_signature("json string ...", STRING),)),
)

FUNCTIONS: dict[str, Function] = {function.name: function for function in _TABLE}

ALIASES: dict[str, str] = {
    "mod": "modulo",
    "pow": "power",
    "ceiling": "ceil",
    "log10": "log",
    "btrim": "trim",
    "char_length": "length",
    "character_length": "length",
    "substr": "substring",
}
_NOT_CALLABLE = frozenset(  # names for operators; nobody writes them
    (
        *("add", "subtract", "multiply", "divide", "modulo", "negate", "concat_operator", "like", "ilike"),
        *("equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "is_distinct", "is_not_distinct"),
        *("in", "and", "or", "not", "is_null", "is_not_null", "is_true", "is_false"),
        *("at_time_zone", "add_months", "json_get", "json_get_text"),
    )
)
SPECIAL_NAMES = ("nullif", "json_extract_path", "json_extract_path_text", "date")  # bound to other nodes

CALLABLE_NAMES: tuple[str, ...] = tuple(
    sorted({name for name in FUNCTIONS if name not in _NOT_CALLABLE} | set(ALIASES) | set(SPECIAL_NAMES))
)


def choose_signature(function: Function, kinds: tuple[Kind | None, ...]) -> Signature | None:
    """The overload for arguments of these kinds (None: an untyped literal or NULL), or None when none fits.

    As PostgreSQL: most exact matches first, an untyped operand like its neighbour, then the preferred types.
    """
    candidates = [signature for signature in function.signatures if _accepts(signature, kinds)]
    if not candidates:
        return None
    return max(candidates, key=lambda signature: _score(signature, kinds))


def widens(source: Kind, target: Kind) -> bool:
    """Whether values of one kind become the other by themselves."""
    return source is target or target in WIDER.get(source, ())


def _parameters(signature: Signature, count: int) -> tuple[Kind, ...]:
    missing = count - len(signature.parameters)
    if missing <= 0 or not signature.repeats:
        return signature.parameters
    return (*signature.parameters, *(signature.parameters[-1],) * missing)


def parameters_of(signature: Signature, count: int) -> tuple[Kind, ...]:
    """The kinds of `count` arguments, the repeated one written out."""
    return _parameters(signature, count)


def _accepts(signature: Signature, kinds: tuple[Kind | None, ...]) -> bool:
    parameters = _parameters(signature, len(kinds))
    if len(parameters) != len(kinds):
        return False
    return all(kind is None or widens(kind, parameter) for kind, parameter in zip(kinds, parameters, strict=True))


def _score(signature: Signature, kinds: tuple[Kind | None, ...]) -> tuple[int, int, int, int]:
    parameters = _parameters(signature, len(kinds))
    pairs = list(zip(kinds, parameters, strict=True))
    exact = sum(kind is parameter for kind, parameter in pairs)
    known = {kind for kind in kinds if kind is not None}
    alike = sum(kind is None and parameter in known for kind, parameter in pairs)
    texts = sum(kind is None and parameter is Kind.STRING for kind, parameter in pairs)
    preferred = sum(kind is not parameter and parameter in PREFERRED for kind, parameter in pairs)
    # Widening step by step keeps int32 + int64 in int64 although float64 is preferred.
    steps = sum(WIDER[kind].index(parameter) for kind, parameter in pairs if kind is not None and kind is not parameter)
    mixed = len(known) > 1 and not signature.repeats
    return (exact + alike, texts, -steps if mixed or exact else preferred, -steps)
