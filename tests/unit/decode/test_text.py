"""Lines by pattern: the presets on lines as servers write them, and what becomes of lines and patterns left to RE2."""

import pytest

from datanexus.plan.line_pattern import PRESETS, line_program
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
    "pattern",
    [
        *("(?:a*)*", "(?:a|)+", "(?:ab){21}", "(?U)a+", r"\Qa\E", r"\PL", r"\p{Greek}", r"[\pL]", "[é]"),
        *("(?i:é)", "(?i)[[:alpha:]]", r"[^[:alpha:]\D\d]"),
    ],
)
def test_what_the_built_in_matcher_does_not_know_is_left_to_re2(pattern: str) -> None:
    assert line_program(pattern, ()) is None


def test_a_line_with_too_many_ways_to_try_is_read_by_re2() -> None:
    form = {"text": {"pattern": r"(?P<time>5) (?P<v>(?:a|a)+)(?:b|c)"}}
    assert line_program(form["text"]["pattern"], ()) is not None
    decoded = decoder(form, record(field("v", STRING))).decode(
        text_chunk([b"5 " + b"a" * 60 + end for end in (b"d", b"b")])
    )
    assert ["a" * 60] == decoded.records["v"].to_pylist()
    assert ["PatternMismatch"] == reasons(decoded)


@pytest.mark.parametrize("preset", ["common", "combined"])
def test_presets_need_no_re2(preset: str) -> None:
    assert line_program(PRESETS[preset], ()) is not None
