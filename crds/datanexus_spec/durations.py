"""Lengths of time in resources: one number and one unit, such as `500ms`, `90s`, `5m`, `24h`, `90d`.

A day is 24 hours; no month, no year, no sums of units, no sign: each text has one reading, and so has its printed form.
"""

import re
from dataclasses import dataclass

UNITS_US = {"us": 1, "ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
PATTERN = r"^(0|[1-9][0-9]{0,8})(us|ms|s|m|h|d)$"
EXPECTED = "a duration such as 500ms, 90s, 5m, 24h or 90d"
DAYS_MAX = 36_500  # a century: no sum of two times and durations leaves int64 microseconds

_SHAPE = re.compile(PATTERN)
_SLOPPY = re.compile(r"^([0-9]{1,9})\s*([a-zµ]*)$")
_UNIT_WORDS = {
    **dict.fromkeys(("us", "µs", "micros", "microseconds"), "us"),
    **dict.fromkeys(("ms", "millis", "milliseconds"), "ms"),
    **dict.fromkeys(("", "s", "sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), "m"),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), "h"),
    **dict.fromkeys(("d", "day", "days"), "d"),
}


@dataclass(frozen=True, slots=True, order=True)
class Duration:
    """A length of time in whole microseconds, never negative."""

    us: int

    def __str__(self) -> str:
        """Print in the greatest unit that divides it: 90 s stays `90s`, 3,600 s become `1h`."""
        if self.us == 0:
            return "0s"
        unit = next(unit for unit in reversed(UNITS_US) if self.us % UNITS_US[unit] == 0)
        return f"{self.us // UNITS_US[unit]}{unit}"


def duration_from_text(text: str) -> Duration:
    """Read a duration.

    Raises: ValueError when the text is none, or is longer than a century.
    """
    match = _SHAPE.fullmatch(text)
    if match is None:
        raise ValueError(EXPECTED)
    us = int(match[1]) * UNITS_US[match[2]]
    if us > DAYS_MAX * UNITS_US["d"]:
        raise ValueError(f"a duration of at most {DAYS_MAX}d")
    return Duration(us)


def probable_duration(text: str) -> str:
    """What was probably meant by a text that is no duration; empty when nobody can tell."""
    match = _SLOPPY.match(text.strip().lower())
    unit = _UNIT_WORDS.get(match[2], "") if match else ""
    probable = f"{int(match[1])}{unit}" if match and unit else ""
    return "" if probable == text else probable
