"""Whether text is delimited values, and how: delimiter, quote, header, columns."""

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from datanexus.inference.columns import column
from datanexus.inference.finding import FormatFinding, Piece, Run
from datanexus.inference.writing import flow_list, quoted

_DELIMITERS = (",", ";", "\t", "|")
_QUOTES = ('"', "'")
_FITTING_MIN = 0.9  # share of lines with the same number of values
_JUDGED_ROWS = 500
_LEVEL = re.compile(r"\b(TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|CRITICAL|FATAL)\b")
_NAMES = {"\t": "a tab", ",": "a comma", ";": "a semicolon", "|": "a bar"}
_VALUE_MAX = 131_072

Row = Sequence[str | None]


@dataclass(frozen=True, slots=True)
class _Dialect:
    delimiter: str
    quote: str
    columns: int
    fitting: float
    has_quotes: bool


def delimited(pieces: Sequence[Piece], rows_max: int) -> FormatFinding | None:
    """The format of delimited text, and its records; None when lines do not have a number of values in common."""
    head = pieces[0].content.decode("utf-8-sig", "replace")
    dialect = _dialect(head)
    if dialect is None:
        return None
    head_rows = _parsed(head, dialect.delimiter, dialect.quote, _JUDGED_ROWS)
    if any("\n" in value for row in head_rows for value in row):
        pieces = [piece for piece in pieces if piece.at_start]  # further on nobody knows whether a quote is open
    runs = [(piece, _rows(piece, dialect, rows_max if piece.at_start else rows_max // 10)) for piece in pieces]
    first = runs[0][1][0]
    header, doubt = _header(first, runs[0][1][1:])
    names = list(header) if header else _invented(runs[0][1], dialect)
    notes = [doubt] if doubt else []
    unread = 0
    made: list[Run] = []
    for piece, rows in runs:
        body = rows[1:] if header and piece.at_start else rows
        fitting = [dict(zip(names, row, strict=True)) for row in body if len(row) == len(names)]
        if piece.at_start:
            unread += len(body) - len(fitting)
        made.append(Run(piece.file, fitting))
    if header and len(set(names)) < len(names):
        twice = next(name for name, count in Counter(names).items() if count > 1)
        notes.append(f"the header names '{twice}' twice: only the first of them is read")
    if unread:
        notes.append(f"{unread:,} lines have another number of values than {len(names)}: they go to quarantine")
    return FormatFinding(
        _text(dialect, header, names), _label(dialect, header, names), False, made, notes, unread=unread
    )


def _dialect(text: str) -> _Dialect | None:
    found = []
    for delimiter in _DELIMITERS:
        for quote in _QUOTES:
            rows = _parsed(text, delimiter, quote, _JUDGED_ROWS)
            sizes = Counter(len(row) for row in rows)
            if not sizes:
                continue
            size, count = sizes.most_common(1)[0]
            fitting = count / len(rows)
            if size >= 2 and fitting >= _FITTING_MIN:
                found.append(_Dialect(delimiter, quote, size, fitting, _opens(text, delimiter, quote)))
    if not found:
        return _single_column(text)
    best = max(
        found, key=lambda each: (each.fitting > 0.99, each.has_quotes, each.columns, each.fitting, each.quote == '"')
    )
    return None if _is_prose(text, best) else best


def _opens(text: str, delimiter: str, quote: str) -> bool:
    """Whether a value begins with the quote somewhere and another ends with it."""
    opening = re.search(rf"(?:^|{re.escape(delimiter)}){quote}", text, re.MULTILINE)
    return bool(opening and re.search(rf"{quote}(?:$|{re.escape(delimiter)}|\r)", text, re.MULTILINE))


def _is_prose(text: str, dialect: _Dialect) -> bool:
    """Two halves of log lines around a comma are no columns."""
    lines = [line for line in text.splitlines()[:50] if line.strip()]
    return dialect.columns == 2 and sum(bool(_LEVEL.search(line)) for line in lines) > len(lines) // 2


def _single_column(text: str) -> _Dialect | None:
    """One value a line, of one type below a header."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) < 3 or any(" " in line for line in lines[1:3]):
        return None
    below = column("value", "value", lines[1:_JUDGED_ROWS], typed=False)
    if below.type in ("string", "json") or column("value", "value", lines[:1], typed=False).type != "string":
        return None
    return _Dialect(",", '"', 1, 1.0, has_quotes=False)


def _rows(piece: Piece, dialect: _Dialect, rows_max: int) -> list[list[str | None]]:
    text = piece.content.decode("utf-8-sig" if piece.at_start else "utf-8", "replace")
    rows = _parsed(text, dialect.delimiter, dialect.quote, rows_max + 1)
    return [[value or None for value in row] for row in rows]


def _parsed(text: str, delimiter: str, quote: str, rows_max: int) -> list[list[str]]:
    csv.field_size_limit(_VALUE_MAX)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quotechar=quote, doublequote=True)
    rows: list[list[str]] = []
    try:
        for row in reader:
            if row:
                rows.append(row)
            if len(rows) >= rows_max:
                break
    except csv.Error:
        return []
    return rows


def _header(first: Row, below: Sequence[Row]) -> tuple[list[str], str]:
    """The names in the first line, if these are names; and what is unsure about that."""
    names = [(value or "").strip() for value in first]
    if any(column("", "", [name], typed=False).type not in ("string", "bool") for name in names if name):
        return [], ""
    if not all(names):
        return [], "the first line has an empty value, so it is taken for a record and not for a header"
    given = [value or "" for value in first]
    columns = [[row[index] for row in below if len(row) == len(first)] for index in range(len(first))]
    if any(column("", "", values, typed=False).type not in ("string", "json") for values in columns if any(values)):
        return given, ""
    if any(name in values for name, values in zip(given, columns, strict=True)) or len(set(names)) < len(names):
        return [], "taken for a file without a header: texts of the first line come again below it, as values"
    if all(re.fullmatch(r"[A-Za-z_][\w .\-/()%#]*", name) for name in names):
        return given, "the first line is taken for a header: all columns are texts, so nothing but its look says so"
    return [], "the first line is taken for a record: it does not look like names"


def _invented(rows: Sequence[Row], dialect: _Dialect) -> list[str]:
    """Names for the columns of a file without a header: by type, else by number."""
    width = dialect.columns
    names = []
    for index in range(width):
        values = [row[index] for row in rows if len(row) == width]
        found = column(f"column_{index + 1}", "", values, typed=False)
        is_epoch = found.type == "int64" and column("time", "", values, typed=False).type == "timestamp"
        names.append(
            "time" if (found.type == "timestamp" or is_epoch) and "time" not in names else f"column_{index + 1}"
        )
    return names


def _text(dialect: _Dialect, header: Sequence[str], names: Sequence[str]) -> str:
    parts = []
    if dialect.delimiter != ",":
        parts.append(f"delimiter: {quoted(dialect.delimiter)}")
    if dialect.quote != '"' and dialect.has_quotes:
        parts.append(f"quote: {quoted(dialect.quote)}")
    if not header:
        parts.append(f"header: false, columns: {flow_list(names)}")
    return "{csv: {" + ", ".join(parts) + "}}"


def _label(dialect: _Dialect, header: Sequence[str], names: Sequence[str]) -> str:
    kind = {"\t": "tab-separated values", ",": "CSV"}.get(dialect.delimiter, f"CSV with {_NAMES[dialect.delimiter]}")
    return f"{kind}, {len(names)} columns, {'with a header' if header else 'without a header'}"
