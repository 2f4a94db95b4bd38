"""How a DuckDB connection must be prepared for translated queries: data only, run by the store in this order.

`SETTINGS` close the door (no files, no network, no extensions, settings locked) and fix what results depend on.
`MACROS` are what translated queries call; they are made before the settings are locked. Each repeats a rule of
PostgreSQL that DuckDB does otherwise.
"""

from datanexus.query.sqltype import QUOTIENT_SCALE

SETTINGS = (
    "SET TimeZone = 'UTC'",
    "SET Calendar = 'gregorian'",
    "SET default_collation = ''",
    "SET scalar_subquery_error_on_multiple_rows = true",
    "SET error_on_division_by_zero = true",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET enable_external_access = false",
)
LOCK = "SET lock_configuration = true"

_NO_LOGARITHM = "error('cannot take logarithm of zero or a negative number')"


def _checked_text(pattern: str, kind: str) -> str:
    """A text without the blanks around it, if it is written like a number of PostgreSQL's."""
    blank = "[ \\t\\n\\r\\f\\x0b]*"
    blanks = "chr(32) || chr(9) || chr(10) || chr(11) || chr(12) || chr(13)"
    return (
        f"CASE WHEN regexp_full_match(a, '{blank}{pattern}{blank}') THEN trim(a, {blanks}) "
        f"ELSE error('invalid input syntax for type {kind}: \"' || a || '\"') END"
    )


def _numeric_divide() -> str:
    """A quotient with as many digits behind the point as PostgreSQL gives it, at least 16 significant ones, at most 20.

    Each step names what the next one uses several times: a macro would write it out each time. `a`, `b`: the operands
    in units of their last digits; `a_weight`: the power of 10,000 of the first digit in that base, `a_digit`.
    """
    steps = (
        {"a": "v.a", "b": "v.b", "a_text": "CAST(abs(v.a) AS VARCHAR)", "b_text": "CAST(abs(v.b) AS VARCHAR)"},
        {
            **{name: f"v.{name}" for name in ("a", "b", "a_text", "b_text")},
            **{
                f"{name}_weight": f"CASE WHEN v.{name} = 0 THEN 0 ELSE "
                f"CAST(floor((length(v.{name}_text) - {name}_scale - 1) / 4.0) AS INTEGER) END"
                for name in ("a", "b")
            },
        },
        {
            **{name: f"v.{name}" for name in ("a", "b", "a_text", "b_text", "a_weight", "b_weight")},
            **{
                f"{name}_lead": f"CAST(length(v.{name}_text) - {name}_scale - 4 * v.{name}_weight AS INTEGER)"
                for name in ("a", "b")
            },
        },
        {
            "a": "v.a",
            "b": "v.b",
            "weight": "v.a_weight - v.b_weight",
            **{
                f"{name}_digit": f"CASE WHEN v.{name} = 0 THEN 0 ELSE "
                f"CAST(rpad(left(v.{name}_text, v.{name}_lead), v.{name}_lead, '0') AS INTEGER) END"
                for name in ("a", "b")
            },
        },
        {
            "a": "v.a",
            "b": "v.b",
            "scale": "CAST(least(greatest(16 - 4 * (v.weight - CASE WHEN v.a_digit <= v.b_digit THEN 1 ELSE 0 END), "
            f"a_scale, b_scale, 0), {QUOTIENT_SCALE}) AS INTEGER)",
        },
        {
            "a": "v.a * pg_ten(greatest(v.scale + b_scale - a_scale, 0))",
            "b": "v.b * pg_ten(greatest(a_scale - b_scale - v.scale, 0))",
            "scale": "v.scale",
        },
    )
    divisor = "CASE WHEN b = 0 AND a IS NOT NULL THEN error('division by zero') ELSE pg_unscaled(b) END"
    rows = f"[struct_pack(a := pg_unscaled(a), b := {divisor})]"
    for step in steps:
        fields = ", ".join(f"{name} := {text}" for name, text in step.items())
        rows = f"list_transform({rows}, lambda v: struct_pack({fields}))"
    units = f"list_transform({rows}, lambda v: pg_round_divide(v.a, v.b) * pg_ten({QUOTIENT_SCALE} - v.scale))[1]"
    one = f"CAST('0.{'1':0>{QUOTIENT_SCALE}}' AS DECIMAL(38,{QUOTIENT_SCALE}))"
    return f"CAST({units} AS DECIMAL(38,0)) * {one}"


_MACROS = {
    # Results beyond float64 are errors unless an operand was already infinite or NaN.
    "pg_float(value, is_exact)": (
        "CASE WHEN isinf(value) AND NOT is_exact THEN error('value out of range: overflow') ELSE value END"
    ),
    "pg_float_add(a, b)": "pg_float(a + b, isinf(a) OR isinf(b))",
    "pg_float_subtract(a, b)": "pg_float(a - b, isinf(a) OR isinf(b))",
    "pg_float_multiply(a, b)": (
        "CASE WHEN a * b = 0 AND a <> 0 AND b <> 0 THEN error('value out of range: underflow') "
        "ELSE pg_float(a * b, isinf(a) OR isinf(b)) END"
    ),
    "pg_float_divide(a, b)": (
        "CASE WHEN a IS NULL THEN NULL WHEN b = 0 THEN error('division by zero') "
        "WHEN a / b = 0 AND a <> 0 AND NOT isinf(b) THEN error('value out of range: underflow') "
        "ELSE pg_float(a / b, isinf(a)) END"
    ),
    "pg_negate_int4(a)": "CAST(0 AS INTEGER) - a",
    "pg_negate_int8(a)": "CAST(0 AS BIGINT) - a",
    "pg_sqrt(a)": "CASE WHEN a < 0 THEN error('cannot take square root of a negative number') ELSE sqrt(a) END",
    "pg_ln(a)": f"CASE WHEN a <= 0 THEN {_NO_LOGARITHM} ELSE ln(a) END",
    "pg_log10(a)": f"CASE WHEN a <= 0 THEN {_NO_LOGARITHM} ELSE log10(a) END",
    "pg_exp(a)": (
        "CASE WHEN exp(a) = 0 AND NOT isinf(a) THEN error('value out of range: underflow') "
        "ELSE pg_float(exp(a), isinf(a)) END"
    ),
    "pg_power(a, b)": (
        "CASE WHEN a = 0 AND b < 0 THEN error('zero raised to a negative power is undefined') "
        "WHEN a < 0 AND b <> floor(b) THEN error('a negative number raised to a non-integer power is complex') "
        "WHEN power(a, b) = 0 AND a <> 0 AND NOT isinf(a) AND NOT isinf(b) THEN error('value out of range: underflow') "
        "ELSE pg_float(power(a, b), isinf(a) OR isinf(b)) END"
    ),
    # PostgreSQL prints no '.0', and takes the exponent from 1e15 on.
    "pg_float_text(a)": (
        "CASE WHEN isnan(a) THEN 'NaN' WHEN isinf(a) THEN CASE WHEN a > 0 THEN 'Infinity' ELSE '-Infinity' END "
        "WHEN abs(a) >= 1e15 AND abs(a) < 1e16 THEN regexp_replace(regexp_replace(CAST(CAST(a AS BIGINT) AS VARCHAR), "
        "'^(-?[0-9])([0-9]*?)0*$', '\\1.\\2e+15'), '\\.e', 'e') "
        "ELSE regexp_replace(CAST(a AS VARCHAR), '\\.0$', '') END"
    ),
    "pg_text_int(a)": _checked_text("[+-]?[0-9]+", "integer"),
    "pg_text_number(a)": _checked_text("[+-]?([0-9]+(\\.[0-9]*)?|\\.[0-9]+)([eE][+-]?[0-9]+)?", "number"),
    "pg_text_float(a)": "pg_float(CAST(pg_text_number(a) AS DOUBLE), false)",
    "pg_text_bool(a)": (
        "CASE WHEN lower(trim(a)) IN ('t', 'tr', 'tru', 'true', 'y', 'ye', 'yes', 'on', '1') THEN true "
        "WHEN lower(trim(a)) IN ('f', 'fa', 'fal', 'fals', 'false', 'n', 'no', 'of', 'off', '0') THEN false "
        "ELSE error('invalid input syntax for type boolean: \"' || a || '\"') END"
    ),
    "pg_substring(a, start, count)": (
        "CASE WHEN a IS NULL OR start IS NULL THEN NULL "
        "WHEN count < 0 THEN error('negative substring length not allowed') "
        "ELSE substring(a, greatest(start, 1), greatest(start + count - greatest(start, 1), 0)) END"
    ),
    "pg_substring_from(a, start)": "substring(a, greatest(start, 1))",
    "pg_split_part(a, separator, n)": (
        "CASE WHEN a IS NULL OR separator IS NULL THEN NULL WHEN n = 0 THEN error('field position must not be zero') "
        "WHEN separator = '' THEN CASE WHEN n IN (1, -1) THEN a ELSE '' END ELSE split_part(a, separator, n) END"
    ),
    "pg_lpad(a, n, fill)": (
        "CASE WHEN a IS NULL OR fill IS NULL THEN NULL WHEN n <= 0 THEN '' "
        "WHEN fill = '' OR length(a) >= n THEN left(a, n) ELSE lpad(a, n, fill) END"
    ),
    "pg_rpad(a, n, fill)": (
        "CASE WHEN a IS NULL OR fill IS NULL THEN NULL WHEN n <= 0 THEN '' "
        "WHEN fill = '' OR length(a) >= n THEN left(a, n) ELSE rpad(a, n, fill) END"
    ),
    # The C library, which PostgreSQL asks, has no capital ß; every other letter is the same in both.
    "pg_upper(a)": (
        "CASE WHEN contains(a, 'ß') THEN array_to_string(list_transform(string_split(a, 'ß'), "
        "lambda part: upper(part)), 'ß') ELSE upper(a) END"
    ),
    "pg_chr(n)": "CASE WHEN n <= 0 THEN error('character number must be positive') ELSE chr(n) END",
    # Decimals: a value as a whole number of its last digits, and back.
    "pg_unscaled(a)": "CAST(replace(CAST(a AS VARCHAR), '.', '') AS HUGEINT)",
    "pg_ten(n)": "CAST('1' || repeat('0', n) AS HUGEINT)",
    "pg_round_divide(a, b)": (
        "CASE WHEN abs(a % b) >= abs(b) - abs(a % b) THEN a // b + CAST(sign(a) * sign(b) AS HUGEINT) ELSE a // b END"
    ),
    "pg_numeric_divide(a, a_scale, b, b_scale)": _numeric_divide(),
}
MACROS = tuple(f"CREATE OR REPLACE TEMP MACRO {head} AS {body}" for head, body in _MACROS.items())
PREPARATION = (*MACROS, *SETTINGS, LOCK)
