"""Random SQL expressions over one row type, with rows full of edge cases, for the comparison with PostgreSQL.

Every operation reads at least one column: PostgreSQL computes constant parts when it plans, for all rows at once.
"""

import random
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from datanexus.plan.expression import Schema
from datanexus_spec.datatype import BOOL, DATE, FLOAT64, INT32, INT64, JSON, STRING, TIMESTAMP, DataType, decimal

COLUMNS: tuple[tuple[str, str, DataType], ...] = (
    ("i", "int4", INT32),
    ("j", "int4", INT32),
    ("k", "int8", INT64),
    ("l", "int8", INT64),
    ("x", "float8", FLOAT64),
    ("y", "float8", FLOAT64),
    ("d", "numeric(12,3)", decimal(12, 3)),
    ("e", "numeric(9,0)", decimal(9, 0)),
    ("p", "bool", BOOL),
    ("q", "bool", BOOL),
    ("s", "text", STRING),
    ("t", "text", STRING),
    ("at", "timestamptz", TIMESTAMP),
    ("until", "timestamptz", TIMESTAMP),
    ("day", "date", DATE),
    ("until_day", "date", DATE),
    ("doc", "json", JSON),
)
SCHEMA = Schema(tuple((name, data_type) for name, _, data_type in COLUMNS))
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu")
_UNITS = (
    *("microseconds", "milliseconds", "second", "minute", "hour", "day", "week", "month", "quarter", "year"),
    *("decade", "century", "millennium"),
)
_PARTS = (*_UNITS, "dow", "isodow", "doy", "isoyear", "epoch")
_DAY_PARTS = ("day", "dow", "week", "year", "epoch", "isoyear")
_TRUTHS = ("TRUE", "NOT TRUE", "FALSE", "NOT FALSE", "UNKNOWN", "NOT UNKNOWN")
_FLOAT_FUNCTIONS = ("abs", "floor", "ceil", "round", "trunc", "sign", "sqrt", "cbrt", "ln", "log", "exp")
_NAN, _INFINITY = float("nan"), float("inf")
_TEXTS = [
    "", " ", "a", "A", "abc", "aBcAbC", "straße", "ÉÈ", "日本語", "😀b", "a,b,,c", ",", "%", "a_c", "a\\c", "12", "-7",
    " 42 ",
    "1e3", "0.125", "NaN", "infinity", "2147483648", "9223372036854775808", "2020-02-29", "2020-02-30", "true", "off",
    "2020-03-29 01:30:00", "2020-10-25T00:30:00+02:00", "24:00", "line\nend", "ab", "aab", "xyzxyz", "\t", "1.5.x",
    "+5", ".5",
    "1969-12-31 23:59:59.9999995", "0", "0x1F", "é", "aé", "İ", "long " * 30,
]  # fmt: skip
_VALUES: dict[str, list[Any]] = {
    "int4": [0, 1, -1, 2, 3, -7, 10, 100, 2**31 - 1, -(2**31), 12345, 46341],
    "int8": [0, 1, -1, 2, 7, -10, 1000, 2**63 - 1, -(2**63), 3037000500, 2**53 + 1, -(2**31)],
    "float8": [
        0.0, -0.0, 1.0, -1.0, 0.1, 0.5, 1.5, 2.5, -2.5, 1e15, 123456789012345678.0, 1e-5, 1e300, -1e300, 5e-324, 2e-308,
        _NAN, _INFINITY, -_INFINITY, 3.0, 1 / 3, 2147483647.5, 100.25,
    ],
    "numeric(12,3)": [Decimal(text) for text in ("0", "1", "-1", "0.001", "-0.5", "2.5", "3.142", "999999999.999",
    "-7.125", "10", "0.005")],
    "numeric(9,0)": [Decimal(text) for text in ("0", "1", "-1", "3", "7", "10000", "9999", "999999999", "-15")],
    "bool": [True, False],
    "text": _TEXTS,
    "timestamptz": [
        datetime(1970, 1, 1, tzinfo=UTC), datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        datetime(2020, 2, 29, 12, 30, 15, 123456, tzinfo=UTC), datetime(2020, 3, 29, 0, 59, 59, tzinfo=UTC),
        datetime(2020, 3, 29, 1, 0, tzinfo=UTC), datetime(2020, 3, 29, 2, 30, tzinfo=UTC),
        datetime(2020, 10, 25, 0, 30, tzinfo=UTC), datetime(2020, 10, 25, 1, 30, tzinfo=UTC),
        datetime(2021, 3, 14, 7, 0, tzinfo=UTC), datetime(2021, 11, 7, 5, 30, tzinfo=UTC),
        datetime(2020, 10, 3, 15, 30, tzinfo=UTC), datetime(1900, 1, 1, 0, 0, 1, tzinfo=UTC),
        datetime(1893, 3, 31, 23, 0, tzinfo=UTC), datetime(5, 1, 3, tzinfo=UTC),
        datetime(9990, 12, 31, 23, tzinfo=UTC),
        datetime(2024, 12, 30, tzinfo=UTC), datetime(2016, 1, 31, 10, tzinfo=UTC),
        datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC),
        datetime(2000, 1, 1, tzinfo=UTC), datetime(1999, 12, 31, 23, 59, 59, 500000, tzinfo=UTC),
    ],
    "date": [
        date(1970, 1, 1), date(2020, 2, 29), date(2020, 3, 29), date(1900, 2, 28), date(5, 1, 1), date(9990, 12, 31),
        date(2021, 1, 3), date(2024, 12, 30), date(2001, 1, 1), date(2000, 12, 31),
    ],
    "json": [
        '{"a": 1, "b": {"c": [1, 2.50, "x"]}, "a": "last"}', '{"a": null}', "[]", "{}",
        '[1, [2, 3], {"a": true}]', '"text"', "7",
        ' { "a" : "q\\"\\u00e9\\n" , "b":[ ] } ', '{"\\u0061": 5, "b": -0.0}', "null",
        '{"a": {"a": {"a": "deep, }]"}}}', '["]", "a"]',
        '{"a": [1e2, {"b": "😀"}], "0": "zero"}',
    ],
}  # fmt: skip


def rows(count: int, generator: random.Random) -> list[tuple[Any, ...]]:
    """Rows of edge cases in chance company; about one value in eight is NULL."""

    def value(sql_type: str) -> Any:
        return None if generator.random() < 0.12 else generator.choice(_VALUES[sql_type])

    return [tuple(value(sql_type) for _, sql_type, _ in COLUMNS) for _ in range(count)]


class Expressions:
    """Texts of expressions. `make(kind, depth)` reads a column; `operand` may be a constant."""

    def __init__(self, generator: random.Random) -> None:
        self._random = generator
        self._makers: dict[str, list[Callable[[int], str]]] = {
            "int": [self._int_arithmetic, self._int_functions, self._int_from_others],
            "bigint": [self._bigint_arithmetic, self._bigint_functions],
            "float": [self._float_arithmetic, self._float_functions, self._float_from_others],
            "numeric": [self._numeric_arithmetic, self._numeric_functions, self._numeric_from_others],
            "bool": [self._comparison, self._logic, self._tests, self._text_tests],
            "text": [self._text_functions, self._text_by_constants, self._text_from_others, self._regex],
            "time": [self._time_arithmetic, self._time_functions],
            "date": [self._date_arithmetic],
            "interval": [self._spans],
        }

    def any(self, depth: int) -> tuple[str, str]:
        """A kind and an expression of it."""
        kind = self._random.choice([*self._makers, "bool", "text", "numeric", "time"])
        return kind, self.make(kind, depth)

    def make(self, kind: str, depth: int) -> str:
        if depth <= 0 or self._random.random() < 0.1:
            return self.column(kind)
        if self._random.random() < 0.15 and kind != "interval":
            return self._choice(kind, depth)
        return self._random.choice(self._makers[kind])(depth)

    def operand(self, kind: str, depth: int) -> str:
        return self.constant(kind) if self._random.random() < 0.3 else self.make(kind, depth)

    def column(self, kind: str) -> str:
        names = {
            "int": "i j", "bigint": "k l", "float": "x y", "numeric": "d e", "bool": "p q", "text": "s t",
            "time": "at until", "date": "day until_day",
        }  # fmt: skip
        return "(at - until)" if kind == "interval" else self._random.choice(names[kind].split())

    def constant(self, kind: str) -> str:
        pick = self._random.choice
        constants = {
            "int": ["0", "1", "2", "7", "(-3)", "2147483647"],
            "bigint": ["3000000000", "(-9223372036854775808)", "9223372036854775807"],
            "float": ["0.5::float8", "'NaN'::float8", "1e10::float8", "(-2)::float8", "0::float8"],
            "numeric": ["0.5", "1.25", "100", "3.0", "0.001", "(-1.5)", "0.0"],
            "bool": ["(1 = 1)", "(1 = 0)"],
            "text": ["'a'", "''", "'b'", "'ab'", "','", "'É'", "' '", "'%'"],
            "time": [
                "timestamptz '2020-03-29 01:30:00+00'",
                "timestamp '2020-10-25 02:30:00'",
                "timestamptz '1969-12-31T23:00:00Z'",
            ],
            "date": ["date '2020-02-29'", "date '1970-01-01'"],
            "interval": [
                "interval '1 hour'",
                "interval '-1 day 00:30'",
                "interval '0.5 second'",
                "interval '90' minute",
            ],
        }
        return pick(constants[kind])

    def _choice(self, kind: str, depth: int) -> str:
        one, other = self.make(kind, depth - 1), self.operand(kind, depth - 1)
        condition, second = self.make("bool", depth - 1), self.make("bool", depth - 1)
        return self._random.choice(
            [
                f"CASE WHEN {condition} THEN {one} ELSE {other} END",
                f"CASE WHEN {condition} THEN {one} END",
                f"CASE WHEN {condition} THEN {one} WHEN {second} THEN {other} ELSE {self.column(kind)} END",
                f"coalesce({one}, {other})",
                f"nullif({one}, {other})",
                f"greatest({one}, {other}, {self.column(kind)})",
                f"least({one}, {other})",
                f"CASE {one} WHEN {other} THEN {self.column(kind)} ELSE {one} END",
            ]
        )

    def _int_arithmetic(self, depth: int) -> str:
        one, other = self.make("int", depth - 1), self.operand("int", depth - 1)
        operator = self._random.choice("+-*/%")
        third = self.column("int")  # a product of two constants would be computed when PostgreSQL plans
        return self._random.choice(
            [f"({one} {operator} {other})", f"({one} {operator} {other} * {third})", f"(- {one} {operator} {other})"]
        )

    def _int_functions(self, depth: int) -> str:
        text = self.make("text", depth - 1)
        return self._random.choice(
            [
                f"abs({self.make('int', depth - 1)})",
                f"mod({self.make('int', depth - 1)}, {self.operand('int', depth - 1)})",
                f"length({text})",
                f"octet_length({text})",
                f"strpos({text}, {self.operand('text', 0)})",
                f"position({self.constant('text')} in {text})",
                f"({self.make('date', depth - 1)} - {self.operand('date', 0)})",
            ]
        )

    def _int_from_others(self, depth: int) -> str:
        kind = self._random.choice(["bigint", "float", "numeric", "text", "bool"])
        return f"({self.make(kind, depth - 1)})::int"

    def _bigint_arithmetic(self, depth: int) -> str:
        operator = self._random.choice("+-*/%")
        other = self.operand(self._random.choice(["int", "bigint"]), depth - 1)
        return f"({self.make('bigint', depth - 1)} {operator} {other})"

    def _bigint_functions(self, depth: int) -> str:
        kind = self._random.choice(["int", "float", "numeric", "text"])
        return self._random.choice(
            [
                f"({self.make(kind, depth - 1)})::bigint",
                f"abs({self.make('bigint', depth - 1)})",
                f"-({self.make('bigint', depth - 1)})",
            ]
        )

    def _float_arithmetic(self, depth: int) -> str:
        other = self.operand(self._random.choice(["float", "float", "int", "numeric"]), depth - 1)
        return f"({self.make('float', depth - 1)} {self._random.choice('+-*/')} {other})"

    def _float_functions(self, depth: int) -> str:
        value = self.make("float", depth - 1)
        name = self._random.choice(_FLOAT_FUNCTIONS)
        parts = (
            "hour minute second dow doy week month year isoyear quarter epoch century decade millennium milliseconds"
        )
        part = self._random.choice(parts.split())
        return self._random.choice(
            [
                f"{name}({value})",
                f"{name}({value})",
                f"power({value}, {self._random.choice(['2', '0.5', '-1', '3', 'y'])})",
                f"({value} ^ 2)",
                f"date_part('{part}', {self.make('time', depth - 1)})",
                f"round({self.make('int', depth - 1)})",
            ]
        )

    def _float_from_others(self, depth: int) -> str:
        kind = self._random.choice(["bigint", "int", "numeric", "text"])
        return f"CAST({self.make(kind, depth - 1)} AS double precision)"

    def _numeric_arithmetic(self, depth: int) -> str:
        if self._random.random() < 0.2:  # a quotient of quotients has more digits there than 38
            return f"({self.column('numeric')} / {self.operand(self._random.choice(['numeric', 'int']), 0)})"
        one = self.make("numeric", min(depth - 1, 1))
        other = self.operand(self._random.choice(["numeric", "int", "bigint"]), 0)
        return f"({one} {self._random.choice('+-*%')} {other})"

    def _numeric_functions(self, depth: int) -> str:
        value = self.make("numeric", depth - 1)
        part = self._random.choice(_PARTS)
        day_part = self._random.choice(_DAY_PARTS)
        return self._random.choice(
            [
                f"round({value}, {self._random.choice(['0', '1', '2', '-1', '-3', '5'])})",
                f"trunc({value}, {self._random.choice(['0', '1', '-1'])})",
                f"{self._random.choice(['abs', 'floor', 'ceil', 'round', 'trunc', 'sign'])}({value})",
                f"div({self.column('numeric')}, {self.operand('numeric', 0)})",
                f"extract({part} from {self.make('time', depth - 1)})",
                f"extract({part} from {self.make('time', depth - 1)} at time zone '{self._random.choice(ZONES)}')",
                f"extract({day_part} from {self.make('date', depth - 1)})",
                f"extract(epoch from {self.make('interval', depth - 1)})",
            ]
        )

    def _numeric_from_others(self, depth: int) -> str:
        kind = self._random.choice(["bigint", "int", "float", "text", "numeric"])
        return f"({self.make(kind, depth - 1)})::numeric({self._random.choice(['10,2', '20,5', '5', '38,10'])})"

    def _comparison(self, depth: int) -> str:
        kind = self._random.choice(["int", "bigint", "float", "numeric", "bool", "text", "time", "date", "interval"])
        mixed = {"int": "bigint", "bigint": "numeric", "float": "int", "numeric": "float", "date": "time"}
        other_kind = mixed.get(kind, kind) if self._random.random() < 0.3 else kind
        one, other = self.make(kind, depth - 1), self.operand(other_kind, depth - 1)
        operator = self._random.choice(
            ["=", "<>", "<", "<=", ">", ">=", "!=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM"]
        )
        items = ", ".join(self.operand(kind, 0) for _ in range(self._random.randint(1, 3)))
        low, high = self.operand(kind, 0), self.operand(kind, 0)
        return self._random.choice(
            [
                f"({one} {operator} {other})",
                f"({one} {operator} {other})",
                f"({one} {self._random.choice(['', 'NOT '])}IN ({items}{self._random.choice(['', ', NULL'])}))",
                f"({one} {self._random.choice(['', 'NOT '])}BETWEEN {low} AND {high})",
            ]
        )

    def _logic(self, depth: int) -> str:
        one, two, three = (self.make("bool", depth - 1) for _ in range(3))
        return self._random.choice(
            [
                f"({one} AND {two})",
                f"({one} OR {two})",
                f"(NOT {one})",
                f"({one} AND {two} OR NOT {three})",
                f"({one} OR {two} AND {three})",
            ]
        )

    def _tests(self, depth: int) -> str:
        kind = self._random.choice(["int", "float", "text", "time", "bool"])
        number = self.column("int")
        return self._random.choice(
            [
                f"({self.make(kind, depth - 1)} IS {self._random.choice(['', 'NOT '])}NULL)",
                f"({self.make('bool', depth - 1)} IS {self._random.choice(_TRUTHS)})",
                f"({number} <> 0 AND 100 / {number} > {self.operand('int', 0)})",
                f"({number} = 0 OR 100 / {number} < {self.operand('int', 0)})",
                "(i = j IS NULL)",
                "(NOT i < j IS TRUE)",
            ]
        )

    def _text_tests(self, depth: int) -> str:
        text = self.make("text", depth - 1)
        pattern = self._random.choice(
            ["a%", "%b", "%a%", "_b%", "", "%", "a\\%", "%\\_%", "a!%", "É_", "%\n%", "A%C", "_"]
        )
        regex = self._random.choice(
            ["^a", "b$", "[a-c]+", "^.$", "^$", "(a|b)c", "\\d+", "a.c", "é", "^[^,]*,", "(x|y)+z", "\\."]
        )
        return self._random.choice(
            [
                f"({text} {self._random.choice(['', 'NOT '])}{self._random.choice(['LIKE', 'ILIKE'])} '{pattern}')",
                f"({text} LIKE '{pattern}' ESCAPE '!')" if not pattern.endswith("!") else f"({text} LIKE 'a')",
                f"({text} {self._random.choice(['~', '!~', '~*', '!~*'])} '{regex}')",
                f"regexp_like({text}, '{regex}')",
                f"regexp_like({text}, '{regex}', 'i')",
                f"starts_with({text}, {self.operand('text', 0)})",
                f"({self._document()} IS NULL)",
                f"({text})::boolean",
            ]
        )

    def _text_functions(self, depth: int) -> str:
        one, other = self.make("text", depth - 1), self.operand("text", depth - 1)
        number = self._random.choice(["i % 5", "j % 4", "0", "2", "(-1)"])
        field = self._random.choice(["1", "2", "-1", "(i % 3)", "0"])
        width = self._random.choice(["i % 9", "3", "0", "(-2)", "7"])
        return self._random.choice(
            [
                f"lower({one})", f"upper({one})", f"reverse({one})", f"md5({one})", f"({one} || {other})",
                f"concat({one}, {other}, i, p)",
                f"substring({one}, {number})", f"substring({one}, {number}, {width})", f"substr({one}, {number})",
                f"left({one}, {number})", f"right({one}, {number})", f"lpad({one}, {width}, {other})",
                f"rpad({one}, {width})",
                f"repeat({one}, {number})", f"replace({one}, {self.operand('text', 0)}, {other})",
                f"trim({one})", f"ltrim({one}, {self.operand('text', 0)})", f"rtrim({one}, 'bc')",
                f"trim(both 'a ' from {one})",
                f"split_part({one}, {self.operand('text', 0)}, {field})",
            ]
        )  # fmt: skip

    def _text_by_constants(self, depth: int) -> str:
        one = self.make("text", depth - 1)
        return self._random.choice(
            [
                f"substring({one} from 2 for 3)", f"substring({one}, -1, 3)", f"substring({one}, 3)",
                f"left({one}, 2)", f"left({one}, -1)",
                f"right({one}, 2)", f"right({one}, -2)", f"lpad({one}, 6, '*')", f"rpad({one}, 5, 'xy')",
                f"split_part({one}, ',', 2)",
                f"split_part({one}, ',', -2)", f"replace({one}, 'b', 'É')", f"trim(leading ' a' from {one})",
                f"substring({one} for 1)",
                f"substring({one}, 0, 2)", f"split_part({one}, '', 1)",
            ]
        )  # fmt: skip

    def _text_from_others(self, depth: int) -> str:
        kind = self._random.choice(["int", "bigint", "float", "bool", "time", "date"])
        return self._random.choice(
            [
                f"({self.make(kind, depth - 1)})::text",
                f"({self.column('numeric')})::text",
                self._document(),
                f"({self.make('int', depth - 1)} || 'n')",
            ]
        )

    def _document(self) -> str:
        return self._random.choice(
            [
                "(doc ->> 'a')", "(doc -> 'b')::text", "(doc -> 'a' ->> 'a')", "(doc -> 1 ->> 0)", "(doc ->> -1)",
                "(doc #>> '{a,a,a}')",
                "(doc #>> '{b,c,1}')", "json_extract_path_text(doc, 'b', 'c', '2')", "(doc -> 'a' -> 1 ->> 'b')",
                "(doc ->> '0')",
                "(doc #> '{0}')::text", "(doc -> 'b' -> 'c')::text", "(doc ->> 0)",
            ]
        )  # fmt: skip

    def _regex(self, depth: int) -> str:
        one = self.make("text", depth - 1)
        return self._random.choice(
            [
                f"regexp_replace({one}, '[a-c]', '<\\&>')",
                f"regexp_replace({one}, '(a)(b)?', '\\2\\1', 'g')",
                f"regexp_replace({one}, 'B', '-', 'gi')",
                f"substring({one} from 'a(.)')",
                f"substring({one} from '[0-9]+')",
                f"(regexp_match({one}, '(a)|(b)'))[2]",
                f"(regexp_match({one}, 'b.'))[1]",
            ]
        )

    def _time_arithmetic(self, depth: int) -> str:
        time = self.make("time", depth - 1)
        span = self.operand("interval", min(depth - 1, 1))
        months = self._random.choice(["1 month", "-1 month", "1 year 2 days", "13 months -3 hours", "1 century"])
        return self._random.choice(
            [
                f"({time} + {span})",
                f"({time} - {span})",
                f"({time} + interval '{months}')",
                f"({time} - interval '{months}')",
                f"(day + {span})",
            ]
        )

    def _time_functions(self, depth: int) -> str:
        time = self.make("time", depth - 1)
        unit = self._random.choice(_UNITS)
        zone, other = self._random.choice(ZONES), self._random.choice(ZONES)
        return self._random.choice(
            [
                f"date_trunc('{unit}', {time})",
                f"date_trunc('{unit}', {self.column('time')}, '{zone}')",
                f"({self.column('time')} at time zone '{zone}')",
                f"({self.column('time')} at time zone '{zone}' at time zone '{other}')",
                f"date_trunc('{unit}', {self.column('time')} at time zone '{zone}') at time zone '{zone}'",
                f"to_timestamp({self.make('float', depth - 1)})",
                f"({self.make('date', depth - 1)})::timestamptz",
                f"({self.column('text')})::timestamptz",
                f"({self.column('text')})::timestamp",
            ]
        )

    def _date_arithmetic(self, depth: int) -> str:
        return self._random.choice(
            [
                f"({self.make('date', depth - 1)} + {self.operand('int', 0)})",
                f"({self.make('date', depth - 1)} - {self.operand('int', 0)})",
                f"({self.make('time', depth - 1)})::date",
                f"({self.column('text')})::date",
                f"date({self.column('time')})",
            ]
        )

    def _spans(self, depth: int) -> str:
        span = self.make("interval", depth - 1)
        return self._random.choice(
            [
                f"({self.make('time', depth - 1)} - {self.column('time')})",
                f"({span} + {self.operand('interval', 0)})",
                f"(- {span})",
                f"({span} * 2)",
                f"({span} / 4)",
            ]
        )
