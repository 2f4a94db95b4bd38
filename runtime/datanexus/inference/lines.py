"""Whether text is lines that a pattern takes apart: access logs, timestamped log lines, key=value lines, words."""

import re
from collections.abc import Iterator, Sequence

from datanexus.inference.finding import FormatFinding, Piece, Run
from datanexus.inference.times import text_times
from datanexus.inference.writing import quoted
from datanexus.plan.line_pattern import PRESETS

FITTING_MIN = 0.9
_JUDGED = 500  # lines
# A time at or near the beginning of a line.
_TIMES = (
    r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(?:[.,]\d+)?(?:Z|[+-]\d{2}:?\d{2})?",
    r"\d{4}/\d{2}/\d{2} \d{2}:\d{2}:\d{2}(?:\.\d+)?",
    r"\d{2}/[A-Z][a-z]{2}/\d{4}:\d{2}:\d{2}:\d{2} [+-]\d{4}",
    r"[A-Z][a-z]{2} [A-Z][a-z]{2} +\d{1,2} \d{2}:\d{2}:\d{2}(?:\.\d+)? \d{4}",
    r"\d{2}[./-]\d{2}[./-]\d{4} \d{2}:\d{2}:\d{2}(?:[.,]\d+)?",
    r"\d{10}(?:\.\d+|\d{3}|\d{6}|\d{9})?",
)
_LEVELS = (
    r"TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|CRITICAL|FATAL|SEVERE"
    r"|trace|debug|info|notice|warn|warning|error|crit|critical|alert|emerg|fatal"
)
_PAIR = re.compile(r'([A-Za-z_][\w.\-]*)=("(?:[^"\\]|\\.)*"|[^\s"]*)')
_YEARLESS = re.compile(r"^(?:<\d+>)?[A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2} ")


def text_lines(pieces: Sequence[Piece], rows_max: int, least: float = FITTING_MIN) -> FormatFinding | None:
    """The preset or pattern that takes a share of `least` of the lines apart; None when there is none."""
    judged = _lines(pieces[0], _JUDGED)
    if not judged:
        return None
    for preset, pattern in PRESETS.items():
        if _share(pattern, judged) >= least:
            return _made(f"{{text: {{preset: {preset}}}}}", f"access log, {preset} format", pattern, pieces, rows_max)
    for label, pattern, note in _guesses(judged):
        if _share(pattern, judged) >= least:
            text = f"{{text: {{pattern: {quoted(pattern)}}}}}"
            return _made(text, label, pattern, pieces, rows_max, note)
    return None


def is_yearless(pieces: Sequence[Piece]) -> bool:
    """Whether lines begin with a time that has no year, as syslog's do."""
    judged = _lines(pieces[0], _JUDGED)
    return bool(judged) and sum(bool(_YEARLESS.match(line)) for line in judged) >= FITTING_MIN * len(judged)


def _lines(piece: Piece, count: int) -> list[str]:
    text = piece.content.decode("utf-8-sig" if piece.at_start else "utf-8", "replace")
    return [line.rstrip("\r") for line in text.split("\n") if line.strip()][:count]


def _share(pattern: str, lines: Sequence[str]) -> float:
    compiled = re.compile(pattern)
    return sum(compiled.fullmatch(line) is not None for line in lines) / len(lines)


def _made(text: str, label: str, pattern: str, pieces: Sequence[Piece], rows_max: int, note: str = "") -> FormatFinding:
    compiled = re.compile(pattern)
    runs, unread, seen = [], 0, 0
    for piece in pieces:
        lines = _lines(piece, rows_max if piece.at_start else rows_max // 10)
        found = [match.groupdict() for line in lines if (match := compiled.fullmatch(line))]
        unread += len(lines) - len(found)
        seen += len(lines)
        runs.append(Run(piece.file, [{name: value or None for name, value in row.items()} for row in found]))
    notes = [note] if note else []
    if unread:
        notes.append(f"{unread:,} of {seen:,} lines of the sample do not match the pattern: they go to quarantine")
    return FormatFinding(text, label, False, runs, notes, unread=unread)


def _guesses(lines: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Patterns that may fit, the most telling first: label, pattern, what is unsure about it."""
    guess = "the pattern is a guess from the first lines; name its groups as you like"
    if pairs := _pairs_pattern(lines[0]):
        yield "lines of key=value", pairs, f"{guess}; keys are taken in the order of the first line"
    for time in _TIMES:
        group = rf"(?P<time>{time})"
        if not re.search(time, lines[0]):
            continue
        for head in (group, rf"\[{group}\]"):
            level = rf"\[?(?P<level>{_LEVELS})\]?"
            yield "log lines", rf"{head} - (?P<logger>\S+) - {level} - (?P<message>.*)", guess
            yield "log lines", rf"{head}[\s|]+{level}[\s:|-]+(?P<logger>[\w.$-]+)(?: -|:) (?P<message>.*)", guess
            yield "log lines", rf"{head}[\s|:-]+{level}[\s:|-]*(?P<message>.*)", guess
            yield "log lines", rf"{head}[\s|:-]+(?P<message>.*)", guess
    if words := _words_pattern(lines):
        yield "words between blanks", words, guess


def _pairs_pattern(line: str) -> str:
    pairs = _PAIR.findall(line)
    if len(pairs) < 2 or "".join(_PAIR.sub("", line).split()):
        return ""
    names = [re.sub(r"\W", "_", name) for name, _ in pairs]
    if len(set(names)) < len(names):
        return ""
    parts = []
    for (key, value), name in zip(pairs, names, strict=True):
        body = rf'"(?P<{name}>(?:[^"\\]|\\.)*)"' if value.startswith('"') else rf"(?P<{name}>[^\s\"]*)"
        parts.append(f"{re.escape(key)}={body}")
    return r"\s+".join(parts)


def _words_pattern(lines: Sequence[str]) -> str:
    """The same number of words in each line, one of which is a time."""
    split = [line.split() for line in lines]
    width = len(split[0])
    if not 2 <= width <= 40 or sum(len(words) == width for words in split) < FITTING_MIN * len(split):
        return ""
    whole = [words for words in split if len(words) == width]
    names: list[str] = []
    for index in range(width):
        is_time = "time" not in names and text_times([words[index] for words in whole]) is not None
        names.append("time" if is_time else f"column_{index + 1}")
    return r"\s+".join(rf"(?P<{name}>\S+)" for name in names)
