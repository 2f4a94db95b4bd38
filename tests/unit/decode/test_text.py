"""Lines by pattern: the presets on lines as servers write them, and fast programs that match as RE2 does."""

import random

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from datanexus.engine.decode.text_pattern import PRESETS, fast_pattern
from datanexus.plan.physical import RecordPlan
from datanexus_spec.datatype import INT32, INT64, STRING, TIMESTAMP
from datanexus_spec.errors import InvalidInput
from tests.fakes.chunks import decoder, field, reasons, record, text_chunk

_STAMP = b"[17/May/2015:10:05:03 +0200]"
_COLUMNS = ("clientip", "ident", "auth", "verb", "request", "httpversion", "response", "bytes", "referrer", "agent")
_LOG: RecordPlan = record(
    *(field(name, STRING) for name in _COLUMNS),
    field("time", TIMESTAMP, "timestamp", formats=("%d/%b/%Y:%H:%M:%S %z",)),
    time=False,
)


def _log_row(line: bytes) -> list[str | None] | str:
    decoded = decoder({"text": {"preset": "combined"}}, _LOG).decode(text_chunk([line]))
    if decoded.rejected:
        return decoded.rejected[0].reason
    return [decoded.records[name][0].as_py() for name in _COLUMNS]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            b"1.2.3.4 - bob " + _STAMP + b' "GET /a?b=c HTTP/1.1" 200 12 "http://x/" "Mozilla/5.0 (X; Y)"',
            ["1.2.3.4", "-", "bob", "GET", "/a?b=c", "1.1", "200", "12", "http://x/", "Mozilla/5.0 (X; Y)"],
        ),
        (
            b"::1 - - " + _STAMP + b' "-" 408 - "-" "-"',
            ["::1", "-", "-", None, "-", None, "408", "-", "-", "-"],
        ),
        (
            b"h - - " + _STAMP + b' "\\x16\\x03\\x01" 400 0 "-" ""',
            ["h", "-", "-", None, "\\x16\\x03\\x01", None, "400", "0", "-", None],
        ),
        (
            b"h - a b " + _STAMP + b' "GET /with space HTTP/2.0" 200 1 "-" "say \\"hi\\""',
            ["h", "-", "a b", "GET", "/with space", "2.0", "200", "1", "-", 'say \\"hi\\"'],
        ),
        (b"h - - " + _STAMP + b' "" 400 0 "-" "-"', ["h", "-", "-", None, None, None, "400", "0", "-", "-"]),
        (b"h - - " + _STAMP + b' "GET /" 200 0 "-" "-"', ["h", "-", "-", "GET", "/", None, "200", "0", "-", "-"]),
        (b"h - - " + _STAMP + b' "GET / HTTP/1.1" 200 0 "-" "cut off', "PatternMismatch"),
        (b"h - - " + _STAMP + b' "GET / HTTP/1.1" 20 0 "-" "-"', "PatternMismatch"),
        (b"h - - [31/Apr/2015:10:05:03 +0200]" + b' "GET / HTTP/1.1" 200 0 "-" "-"', "InvalidTimestamp"),
        (b"", "PatternMismatch"),
        (b"\xff", "InvalidUtf8"),
        (b"a\x00", "NulCharacter"),
    ],
)
def test_access_log_lines(line: bytes, expected: list[str | None] | str) -> None:
    assert expected == _log_row(line)


def test_the_plain_form_of_a_preset_captures_what_the_full_one_does() -> None:
    rng = random.Random(2)
    lines = []
    for _ in range(2000):
        line = bytearray(b"1.2.3.4 - bob " + _STAMP + b' "GET /a HTTP/1.1" 200 12 "http://x/" "Mozilla/5.0 (X)"')
        for _ in range(rng.randint(0, 3)):
            at = rng.randrange(len(line))
            line[at : at + rng.randint(0, 2)] = rng.choice(
                (b" ", b'"', b"\\", b"[", b"]", b"-", b"1", b"G", "é".encode())
            )
        lines.append(bytes(line))
    chunk = text_chunk(lines)
    fast = decoder({"text": {"preset": "combined"}}, _LOG).decode(chunk)
    full = decoder({"text": {"pattern": PRESETS["combined"][0]}}, _LOG).decode(chunk)
    assert 0 < len(full.rows) < 2000
    assert full.rows.tolist() == fast.rows.tolist()
    assert full.records.equals(fast.records)
    assert reasons(full) == reasons(fast)


def test_values_are_typed_after_the_pattern() -> None:
    plan = record(field("n", INT32), field("size", INT64, "size", null_if=("-",)))
    form = {"text": {"pattern": r"(?P<time>\d+) (?P<n>\S*) (?P<size>\S+)"}}
    decoded = decoder(form, plan).decode(text_chunk([b"5 7 -", b"6  8", b"7 x 1", b"8 9 1 "]))
    assert [(7, None), (None, 8)] == list(
        zip(decoded.records["n"].to_pylist(), decoded.records["size"].to_pylist(), strict=True)
    )
    assert ["WrongType", "PatternMismatch"] == reasons(decoded)


def test_a_pattern_that_needs_re2_works_the_same() -> None:
    plan = record(field("word", STRING, "a", "b"))
    form = {"text": {"pattern": r"(?P<time>\d+) (?:x=(?P<a>\w+)|y=(?P<b>.*)|(nothing))"}}
    decoded = decoder(form, plan).decode(text_chunk([b"5 x=one", b"6 y=t w o", b"7 nothing", b"8 z=1"]))
    assert ["one", "t w o", None] == decoded.records["word"].to_pylist()
    assert ["PatternMismatch"] == reasons(decoded)


def test_a_chunk_without_any_sound_line_is_refused_line_by_line() -> None:
    form = {"text": {"pattern": r"(?P<time>\d+)|x"}}
    assert ["InvalidUtf8", "NulCharacter"] == reasons(decoder(form, record()).decode(text_chunk([b"\xff", b"\x00"])))


def test_a_pattern_that_re2_refuses_is_refused_at_once() -> None:
    with pytest.raises(InvalidInput) as refused:
        decoder({"text": {"pattern": r"(?P<time>\d+)(?=x)"}}, record())
    assert "InvalidPattern" == refused.value.reason


@pytest.mark.parametrize(
    "pattern", [r"a|b", r"(?i)a", r"(a)*", r"a+a", r"\w+\d", r".*x", r"[[:alpha:]]", r"\bx", r"a{2}+"]
)
def test_what_has_more_than_one_way_to_match_is_left_to_re2(pattern: str) -> None:
    assert fast_pattern(pattern, ()) is None


def test_fast_programs_match_as_re2_does() -> None:
    rng = random.Random(4)
    atoms = (r"\d", r"\w", r"\s", r"\S", r"\D", "[^ ]", '[^"]', "[a-c]", "[^a-c-]", r"[\d.]", "a", " ", r"\.", "-", "é")
    tried = 0
    for _ in range(3000):
        parts = [
            rng.choice(atoms) + rng.choice(("", "", "+", "*", "?", "{2}", "{1,3}", "+?"))
            for _ in range(rng.randint(1, 5))
        ]
        cut = rng.randint(0, len(parts))
        pattern = f"(?P<p>{''.join(parts[:cut])})(?P<q>{''.join(parts[cut:])})"
        if fast_pattern(pattern, ("p", "q")) is None:
            continue
        tried += 1
        texts = ["".join(rng.choice('ab1. -"é_') for _ in range(rng.randint(0, 8))) for _ in range(40)]
        plan = record(
            field("p", STRING), field("q", STRING), field("time", TIMESTAMP, formats=("epochMillis",)), time=False
        )
        form = {"text": {"pattern": rf"(?P<time>5)#{pattern}"}}
        decoded = decoder(form, plan).decode(text_chunk([f"5#{text}".encode() for text in texts]))
        known = pc.extract_regex(pa.array(texts), f"^(?:{pattern})$").to_pylist()
        expected = [(groups["p"] or None, groups["q"] or None) for groups in known if groups is not None]
        found = list(zip(decoded.records["p"].to_pylist(), decoded.records["q"].to_pylist(), strict=True))
        assert expected == found, pattern
    assert tried > 200
