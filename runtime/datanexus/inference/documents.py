"""Whether text is JSON: an object a line, or one document; and its records, with inner objects laid out as paths."""

import json
from collections.abc import Mapping, Sequence

from datanexus.inference.finding import FormatFinding, Piece, Record, Run, Value

PATH_DEPTH_MAX = 2  # of inner objects whose members become fields
FIELDS_MAX = 60  # of one record; what is beyond is left out, and named
_FITTING_MIN = 0.9
_KEY_EXCLUDED = frozenset(". ")


def json_lines(pieces: Sequence[Piece], rows_max: int) -> FormatFinding | None:
    """NDJSON, when nearly all lines of the beginning are objects."""
    runs: list[Run] = []
    unread = seen = 0
    example = ""
    for piece in pieces:
        text = piece.content.decode("utf-8-sig" if piece.at_start else "utf-8", "replace")
        lines = [line for line in text.split("\n") if line.strip()][: rows_max if piece.at_start else rows_max // 10]
        read = [_object(line) for line in lines]
        records = [record for record in read if record is not None]
        if piece is pieces[0] and len(records) < max(1, _FITTING_MIN * len(lines)):
            return None
        seen += len(lines)
        unread += len(lines) - len(records)
        example = example or next((line for line, record in zip(lines, read, strict=True) if record is None), "")
        runs.append(Run(piece.file, records))
    notes = []
    if unread:
        told = f"{unread:,} of {seen:,} lines of the sample are no JSON objects, such as '{example[:40]}'"
        notes.append(f"{told}: they go to quarantine")
    return FormatFinding("{ndjson: {}}", "NDJSON, one object a line", True, runs, notes, unread=unread)


def json_document(pieces: Sequence[Piece], rows_max: int) -> FormatFinding | None:
    """One document: an array of objects, or objects one after the other."""
    head = pieces[0].content.decode("utf-8-sig", "replace").lstrip()
    if head[:1] not in ("[", "{"):
        return None
    files: dict[str, list[Record]] = {}
    for piece in pieces:
        if piece.at_start:
            text = piece.content.decode("utf-8-sig", "replace")
            files[piece.file] = _documents(text, rows_max)
    if not any(files.values()):
        return None
    notes = []
    first = next(records[0] for records in files.values() if records)
    inner = [key for key, value in first.items() if isinstance(value, list) and value and isinstance(value[0], dict)]
    if inner and all(len(records) == 1 for records in files.values()):
        notes.append(
            f"the document is one object, so one record; its list '{inner[0]}' is not taken apart into records"
        )
    runs = [Run(file, records) for file, records in files.items()]
    return FormatFinding("{json: {}}", "JSON, a document of objects", True, runs, notes)


def _object(line: str) -> Record | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _documents(text: str, rows_max: int) -> list[Record]:
    """The objects of a document that may break off."""
    decoder = json.JSONDecoder()
    position, records = 0, list[Record]()
    while len(records) < rows_max:
        while position < len(text) and text[position] in " \t\r\n,[]":
            position += 1
        if position == len(text):
            break
        try:
            value, position = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            break
        if not isinstance(value, dict):
            return []
        records.append(value)
    return records


def laid_out(runs: Sequence[Run]) -> tuple[list[str], list[list[Record]], list[str]]:
    """Inner objects as paths: names of all fields in the order they come, records by run, and what is left out.

    An object whose keys are data (they differ from record to record, or hold dots) stays one json value.
    """
    open_paths = _open_paths(runs)
    names: dict[str, None] = {}
    laid: list[list[Record]] = []
    for run in runs:
        rows: list[Record] = []
        for record in run.records:
            row: dict[str, Value] = {}
            _lay(record, "", 0, open_paths, row)
            names |= dict.fromkeys(row)
            rows.append(row)
        laid.append(rows)
    ordered = (
        sorted(names, key=lambda name: (name.count("."), list(names).index(name)))
        if len(names) > FIELDS_MAX
        else list(names)
    )
    return ordered[:FIELDS_MAX], laid, ordered[FIELDS_MAX:]


def _lay(
    record: Mapping[str, Value], prefix: str, depth: int, open_paths: frozenset[str], row: dict[str, Value]
) -> None:
    for key, value in record.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict) and path in open_paths and depth < PATH_DEPTH_MAX:
            _lay(value, f"{path}.", depth + 1, open_paths, row)
        else:
            row[path] = value


def _open_paths(runs: Sequence[Run]) -> frozenset[str]:
    """Objects whose members are the same few words in most records."""
    keys: dict[str, dict[str, int]] = {}
    seen: dict[str, int] = {}
    closed: set[str] = set()

    def visit(record: Mapping[str, Value], prefix: str, depth: int) -> None:
        for key, value in record.items():
            path = f"{prefix}{key}"
            if not isinstance(value, dict):
                if value is not None:
                    closed.add(path)
                continue
            seen[path] = seen.get(path, 0) + 1
            counts = keys.setdefault(path, {})
            for inner in value:
                counts[inner] = counts.get(inner, 0) + 1
            if depth < PATH_DEPTH_MAX:
                visit(value, f"{path}.", depth + 1)

    for run in runs:
        for record in run.records:
            visit(record, "", 1)
    return frozenset(path for path, counts in keys.items() if path not in closed and _are_members(counts, seen[path]))


def _are_members(counts: Mapping[str, int], seen: int) -> bool:
    plain = all(key and not _KEY_EXCLUDED & set(key) for key in counts)
    return plain and len(counts) <= 30 and sum(counts.values()) >= 0.5 * seen * len(counts)
