"""Numbers and times as people read them. Pure."""

import datetime as dt

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_YEARS = (dt.datetime.min.replace(tzinfo=dt.UTC), dt.datetime.max.replace(tzinfo=dt.UTC))
_MIN_US = (_YEARS[0] - _EPOCH) // dt.timedelta(microseconds=1)
_MAX_US = (_YEARS[1] - _EPOCH) // dt.timedelta(microseconds=1)
_SPANS = ((31_557_600, "y"), (86_400, "d"), (3_600, "h"), (60, "m"))


def instant(time_us: int) -> str:
    """`2015-05-17 10:05:03Z`, with as many digits of the second as it has; beyond the years 1 to 9999 empty."""
    if not _MIN_US <= time_us <= _MAX_US:
        return ""
    moment = _EPOCH + dt.timedelta(microseconds=time_us)
    return moment.replace(tzinfo=None).isoformat(sep=" ") + "Z"


def span(seconds: float) -> str:
    """A length of time in its greatest unit: `3 s`, `12 m`, `4.5 h`, `11.5 y`."""
    for size, unit in _SPANS:
        if seconds >= size:
            return f"{seconds / size:.1f}".removesuffix(".0") + f" {unit}"
    return f"{seconds:.1f}".removesuffix(".0") + " s"


def count(number: float) -> str:
    """`12,345`."""
    return f"{number:,.0f}"


def plural(number: int, word: str) -> str:
    """`1 record`, `2 records`."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"
