"""Times as the API writes them: ISO 8601 in UTC with microseconds."""

import datetime as dt
import time

from datanexus.core.emission import NO_WATERMARK

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def instant(time_us: int | None) -> str | None:
    """`2015-05-17T10:05:03.000000Z`; None for no time, and for one that a calendar has not."""
    if time_us is None or time_us == NO_WATERMARK:
        return None
    try:
        moment = _EPOCH + dt.timedelta(microseconds=time_us)
    except OverflowError:
        return None
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def now_us() -> int:
    """The clock."""
    return time.time_ns() // 1000
