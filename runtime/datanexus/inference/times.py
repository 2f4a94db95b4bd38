"""How times are written: which formats read all the texts or numbers of a column, and as which instants.

The engine's own reader is the judge (`engine.decode.time_pattern`), so what is found here is what the pipeline accepts.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise, product
from zoneinfo import ZoneInfo

from datanexus.engine.decode.time_pattern import EPOCHS, Moment, TimeFormat, instant_us, read_text, time_format
from datanexus_spec.pipeline import ISO8601

TEXT_MAX = 48  # characters of a text that may be a time
EXCEPTIONS_MAX = 0.01  # share of values of another kind that a column may have and still be of its kind
_MANY = 100  # values below which no exception is forgiven
_BEGUN = 50  # values that are looked at before formats are tried
_JUDGED = 2_000  # values of a column
_FORMATS_MAX = 3  # of one column
_DATES = (
    "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y",
    "%d.%m.%y", "%d/%m/%y", "%m/%d/%y", "%d %b %Y", "%d %B %Y", "%e %b %Y", "%b %d, %Y", "%B %d, %Y", "%b %e, %Y",
    "%b %d %Y", "%d-%b-%Y", "%d-%b-%y", "%d/%b/%Y",
)  # fmt: skip
_CLOCKS = (
    "%H:%M:%S", "%H:%M:%S.%f", "%H:%M:%S,%f", "%H:%M", "%I:%M:%S %p", "%I:%M %p", "%I:%M:%S%p", "%I:%M%p",
    "%H%M%S", "%H.%M.%S", "%H.%M", "%H:%M:%S:%f",
)  # fmt: skip
_BETWEEN = (" ", "T", ":", ", ", " - ", "-", "_", "")
_ZONES = ("", " %z", "%z", " UTC", " GMT")
_WHOLE = (
    "%a, %d %b %Y %H:%M:%S %z", "%a, %d %b %Y %H:%M:%S GMT", "%a, %e %b %Y %H:%M:%S %z", "%a %b %e %H:%M:%S %Y",
    "%a %b %d %H:%M:%S %Y", "%a %b %d %H:%M:%S.%f %Y", "%a %b %d %H:%M:%S UTC %Y", "%a %b %e %H:%M:%S UTC %Y",
    "%Y %b %d %H:%M:%S", "%Y-%jT%H:%M:%S",
)  # fmt: skip
PATTERNS_TRIED = len(_WHOLE) + len(_DATES) * (1 + len(_CLOCKS) * len(_BETWEEN) * len(_ZONES))

# Epochs are told apart by magnitude: the years 1990 to 2100 in each unit; no number is in two of them.
_EPOCH_BOUNDS_S = (631_152_000, 4_102_444_800)
_UTC = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class TimeFinding:
    """Formats that read a column. `instants_us`: of all its values. `has_zone`: every value says its offset or is an
    epoch. `others`: formats that read all values too, as other instants. `date_only`: no value has a time of day.
    `unread`: the values that are no times, few among many."""

    formats: tuple[str, ...]
    instants_us: Sequence[int | None]
    has_zone: bool
    others: tuple[str, ...] = ()
    date_only: bool = False
    unread: tuple[str, ...] = ()


def text_times(values: Sequence[str | None]) -> TimeFinding | None:
    """The formats in which all texts of a column are times; None when there are none. None among values is kept."""
    present = [value for value in values if value is not None]
    begun = present[:_BEGUN]
    if sum(len(value) <= TEXT_MAX and any(map(str.isdigit, value)) for value in begun) <= len(begun) // 2:
        return None
    judged = present[:: max(1, len(present) // _JUDGED)]
    fitting = [candidate for candidate in _candidates(judged[0]) if _reads_all(candidate, judged)]
    if fitting:
        return _finding(values, judged, fitting)
    return _nearly(values, judged) or _several(values, judged)


def epoch_times(values: Sequence[float | None]) -> TimeFinding | None:
    """The epoch unit by which all numbers of a column lie in the years 1990 to 2100."""
    present = [value for value in values if value is not None]
    for name, per_second in EPOCHS.items():
        low, high = (bound * per_second for bound in _EPOCH_BOUNDS_S)
        if present and all(low <= value < high for value in present):
            scale = 1_000_000 / per_second
            instants = [None if value is None else _scaled_us(value, per_second, scale) for value in values]
            return TimeFinding((name,), instants, has_zone=True)
    return None


def _scaled_us(value: float, per_second: int, scale: float) -> int:
    if isinstance(value, int):
        return value * 1_000_000 // per_second
    return round(value * scale)


def _finding(values: Sequence[str | None], judged: Sequence[str], fitting: Sequence[TimeFormat]) -> TimeFinding:
    """The format whose instants go back least often and lie closest together; the others, where they differ."""
    by_instants: dict[tuple[int | None, ...], TimeFormat] = {}
    for candidate in fitting:
        by_instants.setdefault(tuple(_instant(candidate, value) for value in judged), candidate)
    ranked = sorted(by_instants, key=lambda instants: (backward_steps(instants), _spread(instants)))
    chosen = by_instants[ranked[0]]
    instants = [None if value is None else _instant(chosen, value) for value in values]
    moments = [read_text(chosen, value) for value in judged]
    has_zone = all(isinstance(moment, Moment) and not moment.is_local for moment in moments)
    others = tuple(by_instants[key].text for key in ranked[1:])
    return TimeFinding((chosen.text,), instants, has_zone, others, date_only=_is_date_only(chosen, judged))


def _nearly(values: Sequence[str | None], judged: Sequence[str]) -> TimeFinding | None:
    """The format that reads nearly all of many values; the others are no times at all."""
    if len(judged) < _MANY:
        return None
    probes = dict.fromkeys((judged[0], judged[len(judged) // 2], judged[-1]))
    for candidate in dict.fromkeys(found for probe in probes for found in _candidates(probe)):
        unread = [value for value in judged if _instant(candidate, value) is None]
        if len(unread) <= EXCEPTIONS_MAX * len(judged):
            read = [value for value in judged if _instant(candidate, value) is not None]
            found = _finding(values, read, [candidate])
            missed = [value for value, time in zip(values, found.instants_us, strict=True) if value and time is None]
            return replace(found, unread=tuple(missed))
    return None


def _several(values: Sequence[str | None], judged: Sequence[str]) -> TimeFinding | None:
    """A few formats that together read all values, each where the ones before it do not."""
    formats: list[TimeFormat] = []
    left = list(judged)
    while left and len(formats) < _FORMATS_MAX:
        found = next(iter(_candidates(left[0])), None)
        if found is None:
            return None
        formats.append(found)
        left = [value for value in left if _instant(found, value) is None]
    if left:
        return None
    instants = []
    for value in values:
        read = (None if value is None else _instant(each, value) for each in formats)
        instants.append(next((instant for instant in read if instant is not None), None))
    return TimeFinding(tuple(each.text for each in formats), instants, has_zone=False)


def backward_steps(instants: Sequence[int | None]) -> int:
    """How many times lie before the one in front of them."""
    present = [instant for instant in instants if instant is not None]
    return sum(later < earlier for earlier, later in pairwise(present))


def _spread(instants: Sequence[int | None]) -> int:
    present = [instant for instant in instants if instant is not None]
    return max(present) - min(present)


def _is_date_only(found: TimeFormat, values: Sequence[str]) -> bool:
    if found.text == ISO8601:
        return all(len(value) == len("YYYY-MM-DD") for value in values)
    return not any(directive in found.text for directive in ("%H", "%I", "%T", "%R"))


def _reads_all(candidate: TimeFormat, values: Sequence[str]) -> bool:
    return all(_instant(candidate, value) is not None for value in values)


def _instant(candidate: TimeFormat, value: str) -> int | None:
    moment = read_text(candidate, value)
    return instant_us(moment, _UTC) if isinstance(moment, Moment) else None


def _candidates(text: str) -> Iterator[TimeFormat]:
    """The formats that read one text, the most usual first."""
    iso = time_format(ISO8601)
    if _instant(iso, text) is not None:
        yield iso
        return
    digits_first = text[:1].isdigit()
    for candidate in _patterns():
        begins_with_name = candidate.text[:2] in ("%a", "%b", "%B")
        if digits_first != begins_with_name and _instant(candidate, text) is not None:
            yield candidate


@cache
def _patterns() -> tuple[TimeFormat, ...]:
    texts = list(_WHOLE)
    for date in _DATES:
        texts += [f"{date}{between}{clock}{zone}" for between, clock, zone in product(_BETWEEN, _CLOCKS, _ZONES)]
        texts.append(date)
    return tuple(time_format(text) for text in texts)
