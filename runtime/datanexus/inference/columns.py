"""The values of one raw field → its type, its NULL texts, whether it may be missing, and how its times are written.

The rules follow the engine's (docs/reference/records.md): JSON is typed, texts of CSV and patterns are not. A column of
which nearly all values have one type gets it, and says what the others are; otherwise it becomes text or json.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from itertools import pairwise

from datanexus.inference.finding import FieldFinding, Value
from datanexus.inference.times import EXCEPTIONS_MAX, TimeFinding, epoch_times, text_times

_COLUMN_MIN = 100  # values below which no exception is forgiven
_SHOWN = 40  # characters of an example
_NULL_TEXTS = frozenset(
    ("-", "--", "?", "n/a", "na", "#n/a", "null", "(null)", "none", "nil", "nan", "\\n", "undefined", "unknown")
)
_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
_COMMA_NUMBER = re.compile(r"[+-]?\d{1,3}(?:\.\d{3})*,\d+|[+-]?\d+,\d+", re.ASCII)
_PADDED = re.compile(r"[+-]?0\d+", re.ASCII)
_TRUTHS = (frozenset(("true", "false")), frozenset(("t", "f")), frozenset(("yes", "no")), frozenset(("y", "n")))
_INT64 = (-(2**63), 2**63 - 1)
_MONEY = re.compile(r"price|amount|total|cost|revenue|fee|balance|paid|sum", re.IGNORECASE)
_EPOCH_NAME = re.compile(r"time|date|(^|_)ts($|_)|(^|_)at$|epoch|created|updated|when|stamp", re.IGNORECASE)


def column(raw: str, name: str, values: Sequence[Value], *, typed: bool, declared: str = "") -> FieldFinding:
    """Judge a column. `typed`: its values have types of their own (JSON, Arrow); `declared`: the type a file states."""
    present = [value for value in values if value is not None]
    example = shown(present[0]) if present else ""
    found = FieldFinding(raw, name, "string", (), (), len(present) == len(values), (), values, example)
    if declared:
        return _declared(found, declared)
    if not present:
        note = "no value in the sample: its type is a guess"
        return replace(found, type="json" if typed else "string", notes=(note,))
    return _typed(found, present) if typed else _untyped(found, present)


def shown(value: Value) -> str:
    """A value in a sentence, cut where it is long."""
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _declared(found: FieldFinding, declared: str) -> FieldFinding:
    """A column of Arrow or Parquet: its type is stated; a number may still be an epoch."""
    if declared in ("timestamp", "date"):
        return replace(found, type=declared, values=[_instant_us(value) for value in found.values])
    if declared == "int64" and _EPOCH_NAME.search(found.raw):
        return _as_epoch(found, [value if isinstance(value, int) else None for value in found.values]) or replace(
            found, type=declared
        )
    if declared == "string":
        texts = [value if isinstance(value, str) else None for value in found.values]
        times = text_times(texts) if any(texts) else None
        if times is not None:
            return _as_times(found, times)
    return replace(found, type=declared)


def _typed(found: FieldFinding, present: Sequence[Value]) -> FieldFinding:
    """JSON values."""
    kinds = Counter(map(_kind, present))
    nulls = _null_texts(present) if len(kinds) > 1 and kinds["string"] else ()
    if nulls:
        values = [None if isinstance(value, str) and value in nulls else value for value in found.values]
        found = replace(found, values=values, null_if=nulls, required=False)
        kinds = Counter(_kind(value) for value in values if value is not None)
    if set(kinds) == {"int", "float"}:
        kinds = Counter(float=kinds.total())
    kind, count = kinds.most_common(1)[0]
    if count < kinds.total():
        return _mixed(found, kinds, kind)
    return _of_kind(found, kind)


def _kind(value: Value) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int"
    if isinstance(value, float):
        return "float"
    return "string" if isinstance(value, str) else "json"


def _mixed(found: FieldFinding, kinds: Mapping[str, int], kind: str) -> FieldFinding:
    """Values of several types: the main one where the others are rare, else json, which takes all."""
    total = sum(kinds.values())
    fits = {"float": ("float", "int")}.get(kind, (kind,))
    others = [value for value in found.values if value is not None and _kind(value) not in fits]
    told = ", ".join(f"{count:,} {_WORDS[each]}" for each, count in kinds.items())
    first = {_kind(value): shown(value) for value in reversed(found.values) if value is not None}
    if total >= _COLUMN_MIN and len(others) <= total * EXCEPTIONS_MAX:
        values = [value if value is None or _kind(value) in fits else None for value in found.values]
        made = _of_kind(replace(found, values=values), kind)
        note = f"{told}: the {len(others)} others, such as {shown(others[0])}, go to quarantine; type json takes all"
        return replace(made, notes=(*made.notes, note))
    note = f"mixed types in the sample, {told}, such as {', '.join(first[each] for each in kinds)}: json takes them all"
    return replace(found, type="json", notes=(note,))


_WORDS = {
    "bool": "true or false",
    "int": "whole numbers",
    "float": "numbers",
    "string": "texts",
    "json": "objects or lists",
}


def _of_kind(found: FieldFinding, kind: str) -> FieldFinding:
    match kind:
        case "bool":
            return replace(found, type="bool")
        case "json":
            return replace(found, type="json")
        case "string":
            return _string(found, [value if isinstance(value, str) else None for value in found.values])
    numbers = [value if isinstance(value, int | float) else None for value in found.values]
    return _numbers(found, numbers, "int64" if kind == "int" else "float64")


def _untyped(found: FieldFinding, present: Sequence[Value]) -> FieldFinding:
    """Texts of CSV or of a pattern: the strictest type that fits."""
    texts = [str(value) for value in present]
    for reads, make in _READINGS:
        nulls = () if all(map(reads, texts)) else _null_texts(texts)
        rest = [text for text in texts if text not in nulls]
        failing = [text for text in rest if not reads(text)]
        if not rest or (failing and (len(rest) < _COLUMN_MIN or len(failing) > len(rest) * EXCEPTIONS_MAX)):
            continue
        values = [
            value if isinstance(value, str) and value not in nulls and reads(value) else None for value in found.values
        ]
        made = make(replace(found, values=values, null_if=nulls, required=found.required and not nulls))
        if made is None:
            continue
        if failing:
            note = f"{len(failing)} of {len(rest):,} values are not {made.type}, such as '{shown(failing[0])}': "
            made = replace(made, notes=(*made.notes, note + "they go to quarantine; type string takes all"))
        return made
    made = _string(found, [None if value is None else str(value) for value in found.values])
    numbers = sum(bool(_NUMBER.fullmatch(text.strip())) for text in texts)
    if made.type == "string" and len(texts) > numbers > len(texts) // 2:
        other = next(text for text in texts if not _NUMBER.fullmatch(text.strip()))
        note = f"{numbers:,} of {len(texts):,} values are numbers, others not, such as '{shown(other)}': text takes all"
        made = replace(made, notes=(*made.notes, note))
    return made


def _is_integer(text: str) -> bool:
    return _INTEGER.fullmatch(text.strip()) is not None


def _is_number(text: str) -> bool:
    return _NUMBER.fullmatch(text.strip()) is not None


def _is_truth(text: str) -> bool:
    return any(text.strip().lower() in pair for pair in _TRUTHS)


def _truths(found: FieldFinding) -> FieldFinding | None:
    words = {str(value).strip().lower() for value in found.present}
    if not any(words <= pair for pair in _TRUTHS):
        return None
    values = [None if value is None else str(value).strip().lower()[0] in "ty" for value in found.values]
    return replace(found, type="bool", values=values)


def _integers(found: FieldFinding) -> FieldFinding | None:
    texts = [str(value).strip() for value in found.present]
    padded = next((text for text in texts if _PADDED.fullmatch(text)), None)
    if padded is not None and len({len(text) for text in texts}) == 1:
        times = text_times([None if value is None else str(value).strip() for value in found.values])
        if times is not None:
            return _as_times(found, times)
    if padded is not None:
        note = f"digits with leading zeros, such as '{padded}': text keeps them; int64 would lose them"
        return replace(found, type="string", notes=(*found.notes, note))
    if all(len(text) in (8, 14) for text in texts):  # 20240131, 20240131235959
        times = text_times([None if value is None else str(value).strip() for value in found.values])
        if times is not None:
            return _as_times(found, times)
    return _numbers(found, [None if value is None else int(str(value)) for value in found.values], "int64")


def _floats(found: FieldFinding) -> FieldFinding | None:
    if found.raw.lower().endswith("version"):  # 1.0 and 1.1 are no numbers that anybody adds
        return replace(found, type="string")
    return _numbers(found, [None if value is None else float(str(value)) for value in found.values], "float64")


_Reading = tuple[Callable[[str], bool], Callable[[FieldFinding], FieldFinding | None]]
_READINGS: tuple[_Reading, ...] = ((_is_integer, _integers), (_is_number, _floats), (_is_truth, _truths))


def _numbers(found: FieldFinding, numbers: Sequence[int | float | None], data_type: str) -> FieldFinding:
    present = [number for number in numbers if number is not None]
    found = replace(found, type=data_type, values=numbers)
    if data_type == "int64" and not all(_INT64[0] <= number <= _INT64[1] for number in present):
        digits = max(len(str(abs(int(number)))) for number in present)
        if digits > 38:
            return replace(
                found, type="float64", notes=(*found.notes, "more than 38 digits: rounded to the nearest float64")
            )
        note = "beyond 64 bits: an exact decimal"
        return replace(found, type="decimal(38,0)", notes=(*found.notes, note))
    epoch = _as_epoch(found, numbers)
    if epoch is not None:
        return epoch
    if data_type == "float64" and _MONEY.search(found.raw) and all(_has_cents(number) for number in present):
        note = "at most two digits behind the point: decimal(18,2) would keep sums exact"
        return replace(found, notes=(*found.notes, note))
    return found


def _has_cents(number: float) -> bool:
    exponent = Decimal(str(number)).as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -2


def _as_epoch(found: FieldFinding, numbers: Sequence[int | float | None]) -> FieldFinding | None:
    """A number is a time where its magnitude says so and its name too, or where it never goes back."""
    times = epoch_times(numbers)
    if times is None:
        return None
    present = [number for number in numbers if number is not None]
    is_named = _EPOCH_NAME.search(found.raw) is not None
    ascends = all(later >= earlier for earlier, later in pairwise(present))
    if not is_named and not (ascends and len(set(present)) > 2):
        return None
    note = f"a number such as {shown(present[0])} is {times.formats[0]} by its magnitude"
    if not is_named:
        note += "; it may be a plain number: nothing but its size and order speaks for a time"
    return replace(_as_times(found, times), notes=(*found.notes, note))


def _string(found: FieldFinding, texts: Sequence[str | None]) -> FieldFinding:
    present = [text for text in texts if text is not None]
    nulls = _null_texts(present)
    stripped = [None if text is None or text in nulls else text.strip() for text in texts]
    times = text_times(stripped) if any(stripped) else None
    if times is not None:
        return _as_times(replace(found, null_if=nulls, required=found.required and not nulls), times)
    if present and all(text[:1] in "{[" and _is_json(text) for text in present if text):
        return replace(found, type="json")
    if present and all(_COMMA_NUMBER.fullmatch(text) or _INTEGER.fullmatch(text) for text in present):
        note = f"numbers with a decimal comma, such as '{present[0]}': text here, a number after the step below"
        return replace(found, values=texts, notes=(*found.notes, note))
    return replace(found, type="string", values=texts)


def is_comma_number(found: FieldFinding) -> bool:
    """Whether a text column holds numbers with a decimal comma."""
    return found.type == "string" and any(note.startswith("numbers with a decimal comma") for note in found.notes)


def comma_number(text: Value) -> float | None:
    """The number a text with a decimal comma stands for."""
    return float(text.replace(".", "").replace(",", ".")) if isinstance(text, str) and text else None


def _as_times(found: FieldFinding, times: TimeFinding) -> FieldFinding:
    notes = list(found.notes)
    if times.others:
        notes.append(f"{' or '.join(times.others)} would read every value of the sample too, as other days")
    if not times.has_zone:
        notes.append("written without a zone: record.timeZone says which")
    if times.unread:
        count = len(times.unread)
        notes.append(f"{count} of {len(times.instants_us):,} values are no times, such as '{shown(times.unread[0])}'")
    if len(times.formats) > 1:
        notes.append("written in several ways; tried in this order")
    formats = () if times.formats == ("iso8601",) else times.formats
    made_type = "date" if times.date_only else "timestamp"
    if made_type == "date":
        notes = [note for note in notes if "zone" not in note]
    return replace(found, type=made_type, formats=formats, values=times.instants_us, notes=tuple(notes))


def _null_texts(values: Sequence[Value]) -> tuple[str, ...]:
    """Texts of a column that people write for nothing, in order of frequency; none where the column has no other."""
    counts = Counter(value for value in values if isinstance(value, str) and value.strip().lower() in _NULL_TEXTS)
    return tuple(text for text, _ in counts.most_common()) if counts.total() < len(values) else ()


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _instant_us(value: Value) -> int | None:
    """A time as it comes from Arrow: a date, or microseconds."""
    if isinstance(value, date):
        return (value.toordinal() - 719_163) * 86_400_000_000
    return value if isinstance(value, int) else None
