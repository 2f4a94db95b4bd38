"""Random NDJSON lines of one record, and named ways to damage or bend them."""

import json
import random
import re
from collections.abc import Callable

from datanexus.plan.physical import RecordPlan
from datanexus_spec.datatype import BOOL, DATE, FLOAT64, INT32, INT64, JSON, STRING, TIMESTAMP, decimal
from tests.fakes.chunks import field, record

PATTERN = "%d/%b/%Y:%H:%M:%S %z"
PLAN: RecordPlan = record(
    field("id", STRING, required=True),
    field("n", INT32, null_if=("-1", "none")),
    field("big", INT64),
    field("x", FLOAT64),
    field("d", decimal(12, 3)),
    field("flag", BOOL),
    field("day", DATE),
    field("extra", JSON),
    field("name", STRING, "name", "user.name"),
    field("time", TIMESTAMP, "time", formats=("iso8601", PATTERN, "epochMillis")),
    zone="Europe/Berlin",
    time=False,
)
Members = list[tuple[str, str]]  # key and value as JSON texts
_WORDS = (
    "",
    "a",
    "plain text",
    "Grüße",
    "日本",
    "😀 x",
    'q"uote',
    "back\\slash",
    "tab\t",
    "line\nend",
    "/path?x=1",
    "none",
)
_NUMBERS = ("0", "-0", "7", "-1", "2147483647", "2147483648", "-2147483648", "-2147483649", "9007199254740993")
_WIDE = ("9223372036854775807", "-9223372036854775808", "9223372036854775808", "123456789012345678901234567890")
_FLOATS = ("0.5", "-0.0", "1.0", "1e3", "1E-2", "0.1234567890123456789", "1e308", "1e309", "1e-400", "12.3456", "1e22")
_TOKENS = (
    b'"',
    b"\\",
    b"{",
    b"}",
    b",",
    b":",
    b"-",
    b"0",
    b"e5",
    b".",
    b" ",
    b"\t",
    b"null",
    b"[]",
    b"\\u00e9",
    b"\xc3",
)


def members(rng: random.Random) -> Members:
    """A record that is valid more often than not."""
    chosen: Members = [('"id"', _string(rng)), ('"time"', _time(rng))]
    makers: dict[str, Callable[[random.Random], str]] = {
        "n": lambda rng: rng.choice(_NUMBERS[:5]),
        "big": lambda rng: rng.choice((str(rng.randint(-(10**18), 10**18)), *_NUMBERS)),
        "x": lambda rng: rng.choice((repr(rng.uniform(-1e6, 1e6)), repr(rng.random()), *_FLOATS[:7])),
        "d": lambda rng: rng.choice((f"{rng.uniform(-1e6, 1e6):.{rng.randint(1, 5)}f}", "1.0005", "-2.5", "7", "1e3")),
        "flag": lambda rng: rng.choice(("true", "false", "null")),
        "day": lambda rng: f'"{rng.randint(1, 9999):04}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"',
        "extra": _any_value,
        "name": _string,
        "user": lambda rng: rng.choice((f'{{"name": {_string(rng)}, "x": [1]}}', "{}", '"text"', "null")),
        "other": _any_value,
    }
    chosen += [(f'"{key}"', make(rng)) for key, make in makers.items() if rng.random() < 0.5]
    if rng.random() < 0.3:
        rng.shuffle(chosen)
    return chosen


def line(rng: random.Random, chosen: Members) -> bytes:
    """The members as one line, with blanks now and then."""
    blank = "" if rng.random() < 0.7 else rng.choice((" ", "\t", "  "))
    body = f"{blank},{blank}".join(f"{key}{blank}:{blank}{value}" for key, value in chosen)
    return f"{blank}{{{blank}{body}{blank}}}{blank}".encode()


def _string(rng: random.Random) -> str:
    text = rng.choice(_WORDS) + "".join(rng.choice("abc0é ") for _ in range(rng.randint(0, 40)))
    return json.dumps(text, ensure_ascii=rng.random() < 0.5)


def _any_value(rng: random.Random) -> str:
    values = ("1", '"s"', "null", "true", "[1, {}]", '{"a": {"b": [1.5e3, "\\u00e9"]}}', "[[[[]]]]", '{"a":1,"a":2}')
    return rng.choice((*values, _string(rng)))


def _time(rng: random.Random) -> str:
    date = f"{rng.randint(1990, 2035)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"
    clock = f"{rng.randint(0, 23):02}:{rng.randint(0, 59):02}"
    zone = rng.choice(("Z", "", "+02:00", "-0530", "+01", "z"))
    second = rng.choice((":07", ":59.5", ":00.123456", ":30.1234567", ":60", ""))
    changes = (
        '"2015-03-29T02:30:00"',
        '"2015-10-25T02:30:00"',
        '"0001-01-01T00:00:00Z"',
        '"9999-12-31T23:59:59.999999Z"',
    )
    return rng.choice(
        (
            f'"{date}T{clock}{second}{zone}"',
            f'"{date} {clock}:00{zone}"',
            f'"{date}"',
            f'"{rng.randint(1, 28):02}/{rng.choice(("Jan", "may", "DEC"))}/2015:{clock}:03 +0{rng.randint(0, 9)}00"',
            str(rng.randint(-(10**12), 2 * 10**12)),
            *changes,
        )
    )


def _member(change: Callable[[random.Random, Members], Members]) -> Callable[[random.Random, Members], bytes]:
    return lambda rng, chosen: line(rng, change(rng, list(chosen)))


def _bytes(change: Callable[[random.Random, bytes], bytes]) -> Callable[[random.Random, Members], bytes]:
    return lambda rng, chosen: change(rng, line(rng, chosen))


def _put(key: str, *values: str) -> Callable[[random.Random, Members], bytes]:
    """Give one member a value, in place of the one it has."""

    def change(rng: random.Random, chosen: Members) -> Members:
        kept = [member for member in chosen if member[0] != f'"{key}"']
        kept.insert(rng.randint(0, len(kept)), (f'"{key}"', rng.choice(values)))
        return kept

    return _member(change)


def _splice(rng: random.Random, text: bytes, new: bytes, cut: int = 0) -> bytes:
    at = rng.randint(0, len(text))
    return text[:at] + new + text[at + cut :]


def _repeat(rng: random.Random, chosen: Members, keys: tuple[str, ...]) -> Members:
    key = f'"{rng.choice(keys)}"'
    return [*chosen, (key, "1"), (key, "2")]


MUTATIONS: dict[str, Callable[[random.Random, Members], bytes]] = {
    "none": line,
    "truncated": _bytes(lambda rng, text: text[: rng.randint(0, len(text))]),
    "byte dropped": _bytes(lambda rng, text: _splice(rng, text, b"", 1)),
    "bytes replaced": _bytes(
        lambda rng, text: _splice(rng, text, bytes([rng.randint(1, 255)]).replace(b"\n", b"x"), 1)
    ),
    "token inserted": _bytes(lambda rng, text: _splice(rng, text, rng.choice(_TOKENS), rng.randint(0, 2))),
    "invalid UTF-8": _bytes(lambda rng, text: _splice(rng, text, rng.choice((b"\xff", b"\xc0\x80", b"\xed\xa0\x80")))),
    "NUL byte": _bytes(lambda rng, text: _splice(rng, text, b"\x00")),
    "NUL escape": _put("id", '"\\u0000"', '"a\\\\\\u0000"', '"\\\\u0000"'),
    "NUL escape in unused": _put("other", '"\\u0000"', '{"\\u0000": 1}', '["\\\\u0000"]'),
    "half surrogate pair": _put("id", '"\\ud800"', '"\\udc00"', '"\\ud83d\\u0041"', '"\\ud83dx"'),
    "surrogate pair": _put("id", '"\\ud83d\\ude00"', '"\\uD83D\\uDE00\\n"'),
    "control character": _put("id", '"a\x01"', '"\x1f"', '"\x7f"', '"\t"'),
    "used key twice": _member(lambda rng, chosen: _repeat(rng, chosen, ("n", "name", "user", "time"))),
    "unused key twice": _member(lambda rng, chosen: _repeat(rng, chosen, ("other", "zz"))),
    "escaped key": _put("i\\u0064", '"escaped"', "1"),
    "not finite": _put("x", "NaN", "Infinity", "-Infinity", "nan", "1e999", "-1e999"),
    "integer edges": _put("big", *_NUMBERS, *_WIDE),
    "int32 edges": _put("n", *_NUMBERS, *_WIDE[:1]),
    "integer written otherwise": _put("n", "1.0", "1e2", "01", "+1", "-", "1.", '"12"', "true", "[]", "{}", "0x1"),
    "float edges": _put("x", *_FLOATS, *_WIDE, "1." + "3" * 60, "1" * 400, "0." + "0" * 400 + "1"),
    "decimal edges": _put("d", "999999999.9994", "999999999.9995", "1e8", "1e9", "-0.0005", "1e-50", "1e99", *_WIDE),
    "bad literal": _put("flag", "True", "tru", "nul", '"true"', "0", "truefalse"),
    "bad date": _put("day", '"2015-02-29"', '"2016-02-29"', '"2015-13-01"', '"2015-1-1"', '"0000-01-01"', '"20150101"'),
    "bad time": _put(
        "time",
        '"2015-02-30T00:00:00Z"',
        '"2015-01-01T24:00:00Z"',
        '"2015-01-01T23:60:00Z"',
        '"2015-01-01T23:59:61Z"',
        '"2015-01-01T00:00:00+16:00"',
        '"2015-01-01T00:00:00+15:60"',
        '"31/Feb/2015:10:05:03 +0000"',
        '"17/Mai/2015:10:05:03 +0000"',
        '"17/May/2015:10:05:03"',
        '"2015-01-01T00:00:00.Z"',
        '"2015-01-01T1:00:00Z"',
        '"12"',
        '""',
        "null",
        "true",
        "[1]",
    ),
    "time out of range": _put(
        "time",
        '"0001-01-01T00:00:00+01:00"',
        '"9999-12-31T23:59:60Z"',
        '"0001-01-01T00:00:00"',
        "253402300799999",
        "253402300800000",
        "-62135596800000",
        "-62135596800001",
        "1e30",
    ),
    "epoch fraction": _put("time", "1431857103000.5", "1431857103000.0005", "1431857103000.0015", "1.5e12", "1e-9"),
    "missing": _member(
        lambda rng, chosen: [member for member in chosen if member[0] != rng.choice(('"id"', '"time"'))]
    ),
    "null": _put("id", "null"),
    "number for a string": _put("name", "1", "true", "{}", "[]", "1.5"),
    "nested deep": _put("extra", *("[" * depth + "]" * depth for depth in (59, 60, 61, 199, 200, 10_000))),
    "nested deep unclosed": _put("other", "[" * 10_000, '{"a":' * 500),
    "trailing garbage": _bytes(lambda rng, text: text + rng.choice((b"x", b",", b"}", b" null", b"\x0b"))),
    "two objects": _bytes(lambda rng, text: text + rng.choice((b"", b" ")) + text),
    "byte order mark": _bytes(lambda _, text: b"\xef\xbb\xbf" + text),
    "carriage return": _bytes(lambda _, text: text + b"\r"),
    "trailing comma": _bytes(lambda _, text: re.sub(rb"\}(\s*)$", rb",}\1", text)),
    "no object": _bytes(lambda rng, text: rng.choice((b"[]", b"1", b'"x"', b"null", b" ", b"[" + text + b"]", b"{}"))),
    "single quotes": _bytes(lambda rng, text: text.replace(b'"', b"'", rng.randint(1, 6))),
}
