"""Random rows and random queries over them, for the oracle of ad hoc queries. Everything follows from the seed.

Floats are multiples of 1/8 of moderate size, so that their sums are exact in any order. A query that could fail for a
row takes its rows by id, so that both databases evaluate it for the same rows.
"""

# ruff: noqa: E501 (lists of samples read best as they are)

import random
from dataclasses import dataclass

COLUMNS = {
    "id": "int",
    "small": "int",
    "big": "bigint",
    "price": "numeric",
    "ratio": "float",
    "name": "text",
    "word": "text",
    "flag": "bool",
    "at": "time",
    "day": "date",
}
POSTGRES_TYPES = {
    "int": "integer",
    "bigint": "bigint",
    "numeric": "numeric(10,2)",
    "float": "double precision",
    "text": "text",
    "bool": "boolean",
    "time": "timestamptz",
    "date": "date",
}
ROWS = 60
_WORDS = [
    "",
    "a",
    "ab",
    "abc",
    "aaa",
    "b/c/d",
    "Ärger",
    "straße",
    "x y",
    "  pad ",
    "50%",
    "a_b",
    "a\\b",
    "12",
    "-7",
    "1.5",
    "it's",
    "ZZ",
    "line\nend",
]
_TIMES = ["2015-05-17 10:05:03.5+00", "2015-03-29 00:59:59.999999+00", "2015-03-29 01:00:00+00", "2015-10-25 00:30:00+00",
          "2015-10-25 01:30:00+00", "1969-12-31 23:59:59.000001+00", "2000-02-29 12:00:00+00", "2015-12-31 23:59:59+00"]  # fmt: skip
_DAYS = ["2015-05-17", "1970-01-01", "1969-12-31", "2000-02-29", "2016-12-31", "2015-01-01"]
_ZONES = ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "UTC"]
_PATTERNS = [
    "^a",
    "b$",
    "a.c",
    "[a-b]+",
    "^[0-9]+$",
    r"\d",
    r"\s",
    "a|z",
    "(ab)+",
    "x*",
    "ä",
    "[^a]",
    r"\.",
    "a{2,3}",
    "^$",
    "[[:alpha:]]$",
]
_SIMPLE = ["[a-b]+", "[0-9]", r"\s+", "a", "^.", ".$", "[^a-z]", "b*"]
_LIKES = ["a%", "%b", "_b%", "%", "", "a\\_b", "50\\%", "%\\\\%", "A%", "%Ä%"]
_UNITS = ["second", "minute", "hour", "day", "week", "month", "quarter", "year"]
_PARTS = ["year", "month", "day", "dow", "isodow", "doy", "week", "quarter", "isoyear", "epoch"]
_CLOCK_PARTS = ["hour", "minute", "second", "milliseconds", "microseconds"]
_SPANS = ["1 day", "36 hours", "1 month", "90 seconds", "-5 minutes", "2 weeks", "1 year 2 months", "00:00:01.5"]


@dataclass(frozen=True, slots=True)
class Query:
    """One query; `ordered`: the order of its rows is determined."""

    text: str
    ordered: bool
    kind: str


def rows(draw: random.Random) -> list[tuple[str, ...]]:
    """The rows of `lab.events` as SQL constants, the same text for both databases."""
    made = []
    for number in range(ROWS):
        edge = number < 8
        ints = [0, 1, -1, 7, 2147483647, -2147483648] if edge else [draw.randint(-9, 9)]
        longs = [0, 5, 9223372036854775807, -9223372036854775808] if edge else [draw.randint(-50, 50)]
        floats = (
            ["'NaN'", "'Infinity'", "'-Infinity'", "0", "-0.125", "1e300", "1e-300"]
            if edge
            else [str(draw.randint(-80, 80) / 8)]
        )
        values = [
            str(number),
            _maybe(draw, str(draw.choice(ints))),
            _maybe(draw, f"CAST({_quoted(str(draw.choice(longs)))} AS bigint)"),
            _maybe(draw, f"CAST('{draw.randint(-999, 999) / 100:.2f}' AS numeric(10,2))"),
            _maybe(draw, f"CAST({draw.choice(floats)} AS double precision)"),
            _maybe(draw, _quoted(draw.choice(_WORDS))),
            _maybe(draw, _quoted(draw.choice(["a", "b", "c", "A", "ä"]))),
            _maybe(draw, draw.choice(["true", "false"])),
            _maybe(draw, f"CAST('{draw.choice(_TIMES)}' AS timestamptz)"),
            _maybe(draw, f"CAST('{draw.choice(_DAYS)}' AS date)"),
        ]
        made.append(tuple(values))
    return made


def query(seed: int, number: int) -> Query:
    """Query `number` of a run with this seed."""
    return _Generator(random.Random(f"{seed}/{number}")).query()


def _maybe(draw: random.Random, text: str) -> str:
    return "NULL" if draw.random() < 0.15 else text


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


class _Generator:
    """Draws one query. `value(type, depth)` is an expression of a type; `safe` ones never fail for a row."""

    def __init__(self, draw: random.Random) -> None:
        self.draw = draw
        self.alias = ""

    def pick(self, *choices: str) -> str:
        return self.draw.choice(choices)

    def query(self) -> Query:
        kinds = (
            [self.scalars] * 6
            + [self.filters] * 2
            + [self.groups] * 3
            + [self.windows, self.joins, self.sets, self.nested]
        )
        return self.draw.choice(kinds)()

    def scalars(self) -> Query:
        kinds = self.draw.choices(list(POSTGRES_TYPES), k=self.draw.randint(1, 3))
        items = ", ".join(self.value(kind, self.draw.randint(1, 3)) for kind in kinds)
        ids = ", ".join(str(self.draw.randrange(ROWS)) for _ in range(self.draw.randint(1, 3)))
        return Query(f"SELECT id, {items} FROM lab.events WHERE id IN ({ids}) ORDER BY id", True, "scalar")

    def filters(self) -> Query:
        condition = " ".join([self.safe_condition(), self.pick("AND", "OR", "AND NOT"), self.safe_condition()])
        key = self.column(self.pick(*POSTGRES_TYPES))
        order = f"{key}{self.pick('', ' DESC', ' ASC', ' DESC NULLS LAST', ' NULLS FIRST')}, id"
        limit = self.pick("", "", f" LIMIT {self.draw.randint(0, 9)}", f" LIMIT 5 OFFSET {self.draw.randint(0, 70)}")
        return Query(f"SELECT id, {key} FROM lab.events WHERE {condition} ORDER BY {order}{limit}", True, "filter")

    def groups(self) -> Query:
        keys = self.draw.sample(
            ["word", "flag", "day", "small % 3", "date_trunc('month', at)", "length(name)"], k=self.draw.randint(0, 2)
        )
        aggregates = [self.aggregate() for _ in range(self.draw.randint(1, 4))]
        items = ", ".join([*keys, *aggregates])
        group = f" GROUP BY {', '.join(keys)}" if keys else ""
        having = self.pick("", "", f" HAVING count(*) > {self.draw.randint(0, 3)}")
        where = self.pick("", " WHERE id >= 8", f" WHERE {self.safe_condition()}")
        order = f" ORDER BY {', '.join(str(index + 1) for index in range(len(keys)))}" if keys else ""
        return Query(f"SELECT {items} FROM lab.events{where}{group}{having}{order}", True, "group")

    def windows(self) -> Query:
        partition = self.pick("", "PARTITION BY word ", "PARTITION BY flag ")
        order = f"ORDER BY {self.pick('id', 'price, id', 'name DESC, id', 'at NULLS FIRST, id DESC')}"
        frame = self.pick(
            "", " ROWS BETWEEN 2 PRECEDING AND CURRENT ROW", " ROWS BETWEEN UNBOUNDED PRECEDING AND 1 FOLLOWING"
        )
        call = self.pick(
            "row_number()", "rank()", "dense_rank()", "lag(price)", "lead(name, 2)", "lag(small, 1, 0)", "count(*)",
            "sum(price)", "max(word)", "avg(price)", "first_value(name)", "last_value(at)", "ntile(3)", "min(day)",
            "count(name) FILTER (WHERE flag)", "percent_rank()", "cume_dist()", "sum(sum_of) ",
        ).replace("sum(sum_of) ", "sum(price * 2)")  # fmt: skip
        return Query(f"SELECT id, {call} OVER ({partition}{order}{frame}) FROM lab.events ORDER BY id", True, "window")

    def joins(self) -> Query:
        join = self.pick("JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN")
        on = self.pick(
            "ON a.word = b.word", "ON a.small = b.small AND a.flag = b.flag", "USING (word)", "USING (word, flag)"
        )
        items = self.pick("a.id, b.id, a.name", "a.id, b.price", "count(*), sum(b.price)", "max(a.at), min(b.day)")
        where = self.pick("", " WHERE a.id < 20 AND b.id >= 40")
        return Query(f"SELECT {items} FROM lab.events a {join} lab.events AS b {on}{where}", False, "join")

    def sets(self) -> Query:
        word = self.pick("UNION", "UNION ALL", "INTERSECT", "EXCEPT", "EXCEPT ALL", "INTERSECT ALL")
        pairs = [
            ("word", "name"),
            ("small", "big"),
            ("price", "small"),
            ("NULL", "day"),
            ("'x'", "word"),
            ("small", "ratio"),
            ("day", "at"),
        ]
        left, right = self.draw.choice(pairs)
        limits = self.draw.randint(0, ROWS), self.draw.randint(0, ROWS)
        text = f"SELECT {left} AS v FROM lab.events WHERE id < {limits[0]} {word} SELECT {right} FROM lab.events WHERE id > {limits[1]}"
        return Query(f"{text} ORDER BY {self.pick('1', 'v', 'v DESC')}", True, "set")

    def nested(self) -> Query:
        return Query(
            self.pick(
                "WITH t AS (SELECT word, sum(price) AS s, count(*) AS n FROM lab.events GROUP BY word) "
                "SELECT word, s, n, s / n FROM t WHERE s > (SELECT avg(s) - 1 FROM t) ORDER BY word",
                "SELECT id, (SELECT count(*) FROM lab.events b WHERE b.word = a.word AND b.id < a.id) FROM lab.events a ORDER BY id",
                f"SELECT id FROM lab.events WHERE {self.column('int')} IN (SELECT {self.column('int')} FROM lab.events WHERE flag) ORDER BY id",
                "SELECT id FROM lab.events WHERE small NOT IN (SELECT small FROM lab.events WHERE id > 20 AND small IS NOT NULL) ORDER BY id",
                "SELECT id FROM lab.events a WHERE EXISTS (SELECT 1 FROM lab.events b WHERE b.small = a.small AND b.id <> a.id) ORDER BY 1",
                "SELECT w, n FROM (SELECT word AS w, count(*) AS n FROM lab.events GROUP BY 1) AS q ORDER BY n DESC, w",
                "SELECT DISTINCT word, flag FROM lab.events ORDER BY word DESC, flag",
                "SELECT DISTINCT ON (word) word, id FROM lab.events ORDER BY word, id DESC",
                "SELECT x, y FROM (VALUES (1, 'a'), (2.5, NULL), (NULL, 'c')) AS v(x, y) ORDER BY x DESC, y",
                "SELECT word, sum(count(*)) OVER (ORDER BY word) FROM lab.events GROUP BY word ORDER BY word",
                "WITH t(a, b) AS (VALUES (1, 2), (3, 4)) SELECT t.*, b / a FROM t ORDER BY a",
            ),
            True,
            "nested",
        )

    def aggregate(self) -> str:
        return self.pick(
            "count(*)", "count(name)", "count(DISTINCT word)", "sum(price)", "avg(price)", "min(name)", "max(at)", "min(day)",
            "sum(small % 100)", "avg(small % 100)", "bool_and(flag)", "bool_or(flag)", "max(price) - min(price)",
            "string_agg(word, ',' ORDER BY id)", "string_agg(DISTINCT word, '-')", "sum(price) / count(*)",
            "round(avg(price), 3)", "100.0 * count(flag) / count(*)", "sum(big % 1000)", "avg(big % 1000)",
            "sum(price) FILTER (WHERE flag)", "count(*) FILTER (WHERE price > 0)", "round(sum(price) / 7, 2)",
            "percentile_cont(0.5) WITHIN GROUP (ORDER BY price::double precision)",
            "percentile_disc(0.25) WITHIN GROUP (ORDER BY price)", "coalesce(sum(price), 0)", "sum(small / 2 % 7)",
            "max(name) || min(word)", "CASE WHEN count(*) > 3 THEN 'many' ELSE 'few' END",
        )  # fmt: skip

    def column(self, kind: str) -> str:
        return self.draw.choice([name for name, of in COLUMNS.items() if of == kind])

    def safe_condition(self) -> str:
        return self.pick(
            f"small {self.comparison()} {self.draw.randint(-9, 9)}",
            f"price {self.comparison()} {self.draw.randint(-900, 900) / 100}",
            f"ratio {self.comparison()} {self.pick('small', 'price', '0.5', 'ratio')}",
            f"name LIKE {_quoted(self.draw.choice(_LIKES))}",
            f"name NOT LIKE {_quoted(self.draw.choice(_LIKES))}",
            f"word ILIKE {_quoted(self.draw.choice(_LIKES))}",
            f"name {self.pick('~', '!~', '~*', '!~*')} {_quoted(self.draw.choice(_PATTERNS))}",
            "flag", "NOT flag", "flag IS NOT TRUE", "flag IS FALSE", "name IS NULL", "price IS NOT NULL",
            f"small IN ({self.draw.randint(-9, 9)}, {self.draw.randint(-9, 9)}, 2.0)",
            f"name NOT IN ('a', {self.pick('NULL', _quoted('ab'))})",
            f"price BETWEEN small AND {self.draw.randint(0, 9)}",
            f"at {self.comparison()} '2015-05-17'", f"day {self.comparison()} at", f"day = {_quoted(self.draw.choice(_DAYS))}",
            "small IS DISTINCT FROM big", "name < word", "name || word = 'aa'", "small = price OR flag AND small > 1",
            "(small <> 0 AND 100 / small > 3)", "(small = 0 OR 100 % small < 50)", "flag AND (small <> 0 AND 7 / small = 1)",
        )  # fmt: skip

    def comparison(self) -> str:
        return self.pick("=", "<>", "<", "<=", ">", ">=")

    def value(self, kind: str, depth: int) -> str:
        if depth == 0 or self.draw.random() < 0.1:
            return self.leaf(kind)
        makers = {
            "int": self.int_value, "bigint": self.bigint_value, "numeric": self.numeric_value, "float": self.float_value,
            "text": self.text_value, "bool": self.bool_value, "time": self.time_value, "date": self.date_value,
        }  # fmt: skip
        general = [
            lambda: (
                f"CASE WHEN {self.value('bool', depth - 1)} THEN {self.value(kind, depth - 1)} ELSE {self.value(kind, depth - 1)} END"
            ),
            lambda: f"coalesce({self.value(kind, depth - 1)}, {self.value(kind, depth - 1)})",
            lambda: f"nullif({self.value(kind, depth - 1)}, {self.constant(kind)})",
        ]
        if kind != "bool":
            general.append(
                lambda: (
                    f"{self.pick('greatest', 'least')}({self.value(kind, depth - 1)}, {self.value(kind, depth - 1)})"
                )
            )
        if self.draw.random() < 0.2:
            return self.draw.choice(general)()
        return makers[kind](depth - 1)

    def leaf(self, kind: str) -> str:
        return self.constant(kind) if self.draw.random() < 0.35 else self.column(kind)

    def constant(self, kind: str) -> str:
        constants = {
            "int": lambda: str(self.draw.choice([1, 2, 3, 7, 10, 100])),
            "bigint": lambda: f"{self.draw.choice([2, 5, 3000000000])}::bigint",
            "numeric": lambda: self.draw.choice(["0.5", "1.25", "100.0", "3.000", ".1", "2.675", "1e2"]),
            "float": lambda: f"'{self.draw.choice(['0.5', '2', '-1.25', '1e15', '123456.5'])}'::double precision",
            "text": lambda: _quoted(self.draw.choice(_WORDS)),
            "bool": lambda: self.pick("true", "false", "NULL::boolean"),
            "time": lambda: f"timestamptz {_quoted(self.draw.choice(_TIMES))}",
            "date": lambda: f"date {_quoted(self.draw.choice(_DAYS))}",
        }
        return constants[kind]()

    def int_value(self, depth: int) -> str:
        sub, text = lambda: self.value("int", depth), lambda: self.value("text", depth)
        return self.draw.choice([
            lambda: f"({sub()} {self.pick('+', '-', '*', '/', '%')} {sub()})", lambda: f"-{self.bracketed(sub())}",
            lambda: f"abs({sub()})", lambda: f"length({text()})", lambda: f"strpos({text()}, {text()})",
            lambda: f"({self.value('date', depth)} - {self.value('date', depth)})", lambda: f"mod({sub()}, {sub()})",
            lambda: f"({self.value('float', depth)})::int", lambda: f"({self.value('numeric', depth)})::int",
            lambda: f"({self.value('bool', depth)})::int", lambda: f"CAST({text()} AS integer)",
            lambda: f"ascii({text()})", lambda: f"position({text()} in {text()})", lambda: f"octet_length({text()})",
        ])()  # fmt: skip

    def bigint_value(self, depth: int) -> str:
        sub = lambda: self.value("bigint", depth)  # noqa: E731
        return self.draw.choice([
            lambda: f"({sub()} {self.pick('+', '-', '*', '/', '%')} {self.value(self.pick('int', 'bigint'), depth)})",
            lambda: f"abs({sub()})", lambda: f"({self.value('float', depth)})::bigint", lambda: f"-{self.bracketed(sub())}",
            lambda: f"({self.value('numeric', depth)})::bigint", lambda: f"({self.value('int', depth)})::bigint",
        ])()  # fmt: skip

    def numeric_value(self, depth: int) -> str:
        sub = lambda: self.value("numeric", depth)  # noqa: E731
        digits = self.draw.randint(0, 4)
        return self.draw.choice([
            lambda: f"({sub()} {self.pick('+', '-', '*', '%')} {self.value(self.pick('int', 'numeric'), depth)})",
            lambda: f"round({sub()} / {sub()}, {digits})", lambda: f"({sub()} / {self.value('int', depth)})",
            lambda: f"round({sub()}, {self.draw.randint(-1, 3)})", lambda: f"{self.pick('abs', 'ceil', 'floor', 'trunc', 'round', 'sign')}({sub()})",
            lambda: f"({self.value('float', depth)})::numeric(18,{digits})", lambda: f"-{self.bracketed(sub())}",
            lambda: f"({self.value('bigint', depth)})::numeric", lambda: f"({sub()})::numeric(12,{digits})",
            lambda: f"extract({self.pick(*_PARTS, *_CLOCK_PARTS)} FROM {self.value('time', depth)})",
            lambda: f"extract({self.pick(*_PARTS)} FROM {self.value('date', depth)})",
            lambda: f"({self.value('text', depth)})::numeric(12,2)",
            lambda: f"extract(epoch FROM {self.value('time', depth)} - {self.value('time', depth)})",
        ])()  # fmt: skip

    def float_value(self, depth: int) -> str:
        sub = lambda: self.value("float", depth)  # noqa: E731
        return self.draw.choice([
            lambda: f"({sub()} {self.pick('+', '-', '*', '/')} {self.value(self.pick('int', 'numeric', 'float'), depth)})",
            lambda: f"{self.pick('abs', 'ceil', 'floor', 'trunc', 'round', 'sign', 'sqrt', 'ln', 'exp')}({sub()})",
            lambda: f"power({sub()}, {self.pick('2', '0.5::double precision', '-1', '3')})",
            lambda: f"({self.value('int', depth)} ^ 2)", lambda: f"({self.value('numeric', depth)})::double precision",
            lambda: f"CAST({self.value('text', depth)} AS double precision)", lambda: f"-{self.bracketed(sub())}",
            lambda: f"date_part('{self.pick('hour', 'epoch', 'dow')}', {self.value('time', depth)})",
            lambda: f"sqrt({self.value('int', depth)})", lambda: f"({self.value('bigint', depth)})::double precision",
            lambda: f"round({self.value('int', depth)})",
        ])()  # fmt: skip

    def text_value(self, depth: int) -> str:
        sub, number = lambda: self.value("text", depth), lambda: str(self.draw.randint(-3, 6))
        return self.draw.choice([
            lambda: f"({sub()} || {self.value(self.pick('text', 'int', 'bool', 'date', 'time'), depth)})",
            lambda: f"concat({sub()}, {self.value(self.pick('int', 'bool', 'text'), depth)}, NULL)",
            lambda: f"concat_ws({self.pick(_quoted(','), 'word')}, {sub()}, {sub()})",
            lambda: f"{self.pick('upper', 'lower', 'btrim', 'ltrim', 'rtrim', 'md5')}({sub()})",
            lambda: f"substring({sub()}, {number()}, {number()})", lambda: f"substring({sub()} FROM {number()})",
            lambda: f"{self.pick('left', 'right')}({sub()}, {number()})", lambda: f"split_part({sub()}, {self.pick(_quoted('/'), _quoted(''), 'word')}, {number()})",
            lambda: f"{self.pick('lpad', 'rpad')}({sub()}, {number()}, {self.pick(_quoted('xy'), _quoted(''), 'word')})",
            lambda: f"replace({sub()}, {sub()}, {sub()})", lambda: f"repeat({sub()}, {self.draw.randint(-1, 3)})",
            lambda: f"translate({sub()}, 'ab', {self.pick(_quoted('x'), _quoted('xyz'))})",
            lambda: f"({self.value(self.pick('int', 'bigint', 'float', 'bool', 'date', 'time'), depth)})::text",
            lambda: "price::text", lambda: f"trim({self.pick('both', 'leading', 'trailing')} 'a ' FROM {sub()})",
            lambda: f"regexp_replace({sub()}, {_quoted(self.draw.choice(_SIMPLE))}, {self.pick(_quoted('-'), _quoted(''), _quoted(chr(92) + '&' + chr(92) + '&'))}{self.pick('', ', ' + _quoted('g'), ', ' + _quoted('gi'))})",
        ])()  # fmt: skip

    def bool_value(self, depth: int) -> str:
        sub = lambda: self.value("bool", depth)  # noqa: E731
        kind = self.pick("int", "bigint", "numeric", "float", "text", "time", "date")
        pair = self.pick("int", "numeric", "float") if kind in ("int", "bigint", "numeric", "float") else kind
        return self.draw.choice([
            lambda: f"({self.value(kind, depth)} {self.comparison()} {self.value(pair, depth)})",
            lambda: f"({sub()} {self.pick('AND', 'OR')} {sub()})", lambda: f"(NOT {sub()})",
            lambda: f"(small <> 0 AND {self.draw.randint(1, 99)} / small > 1)", lambda: "(small = 0 OR 7 % small = 1 OR flag)",
            lambda: f"({self.value(kind, depth)} IS {self.pick('', 'NOT ')}NULL)", lambda: f"({sub()} IS {self.pick('', 'NOT ')}{self.pick('TRUE', 'FALSE')})",
            lambda: f"({self.value(kind, depth)} IS {self.pick('', 'NOT ')}DISTINCT FROM {self.value(pair, depth)})",
            lambda: f"({self.value(kind, depth)} {self.pick('', 'NOT ')}IN ({self.value(pair, 0)}, {self.value(kind, 0)}, NULL))",
            lambda: f"({self.value(kind, depth)} {self.pick('', 'NOT ')}BETWEEN {self.value(pair, 0)} AND {self.constant(kind)})",
            lambda: f"starts_with({self.value('text', depth)}, {self.value('text', depth)})",
            lambda: f"({self.value('text', depth)} {self.pick('LIKE', 'ILIKE', 'NOT LIKE')} {_quoted(self.draw.choice(_LIKES))})",
            lambda: f"({self.value('text', depth)} LIKE {_quoted(self.pick('!%', 'a!_b', '50!%'))} ESCAPE '!')",
            lambda: f"({self.value('text', depth)} {self.pick('~', '~*', '!~')} {_quoted(self.draw.choice(_PATTERNS))})",
            lambda: f"CAST({self.pick(_quoted('yes'), _quoted('f'), 'word')} AS boolean)", lambda: f"({self.value('int', depth)})::boolean",
        ])()  # fmt: skip

    def time_value(self, depth: int) -> str:
        sub = lambda: self.value("time", depth)  # noqa: E731
        zone = _quoted(self.draw.choice(_ZONES))
        return self.draw.choice([
            lambda: f"({sub()} {self.pick('+', '-')} interval {_quoted(self.draw.choice(_SPANS))})",
            lambda: f"date_trunc('{self.draw.choice(_UNITS)}', {sub()})",
            lambda: f"date_trunc('{self.draw.choice(_UNITS)}', {sub()}, {zone})",
            lambda: f"(({sub()} AT TIME ZONE {zone}) AT TIME ZONE {_quoted(self.draw.choice(_ZONES))})",
            lambda: f"({self.value('date', depth)})::timestamptz",
            lambda: f"date_trunc('{self.draw.choice(_UNITS)}', {sub()} AT TIME ZONE {zone}) AT TIME ZONE {zone}",
            lambda: f"({sub()} + ({sub()} - {sub()}))",
        ])()  # fmt: skip

    def date_value(self, depth: int) -> str:
        return self.draw.choice([
            lambda: f"({self.value('date', depth)} {self.pick('+', '-')} {self.draw.randint(0, 400)})",
            lambda: f"({self.value('time', depth)})::date", lambda: f"({self.value('time', depth)} AT TIME ZONE {_quoted(self.draw.choice(_ZONES))})::date",
        ])()  # fmt: skip

    def bracketed(self, text: str) -> str:
        return text if text.startswith("(") else f"({text})"
