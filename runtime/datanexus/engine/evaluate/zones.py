"""Instants and wall-clock times in named zones, as int64 microseconds.

A wall-clock time that a zone skips is read with the offset before the gap; one that occurs twice is its second
occurrence (PostgreSQL's rule: standard time). Offsets come from the tz database by Python's zoneinfo, tabulated once a
zone for the years in which events lie; Arrow's own tables know no daylight saving after 2037.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from datanexus.plan.literals import DAY_US, TIMESTAMP_MAX_US, TIMESTAMP_MIN_US

Micros = npt.NDArray[np.int64]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_TABLE_START = datetime(1800, 1, 1, tzinfo=UTC)  # before any zone had rules: local mean time
_TABLE_END = datetime(2100, 1, 1, tzinfo=UTC)  # later instants are looked up one by one
_TABLE_END_US = (_TABLE_END - _EPOCH) // _MICROSECOND
_STEP = timedelta(days=3)  # no zone changed its offset twice within


@dataclass(frozen=True, slots=True)
class OffsetTable:
    """offsets_us[i] holds from starts_us[i] until the next start."""

    zone: ZoneInfo
    starts_us: Micros
    offsets_us: Micros


@lru_cache(maxsize=64)
def offset_table(zone: str) -> OffsetTable:
    """The offsets of a zone of the tz database, from the year 1 to 2100."""
    clock = ZoneInfo(zone)
    starts, offsets = [TIMESTAMP_MIN_US - DAY_US], [_offset_us(_TABLE_START, clock)]
    at = _TABLE_START
    while at < _TABLE_END:
        following = at + _STEP
        offset = _offset_us(following, clock)
        if offset != offsets[-1]:
            starts.append(_change(at, following, clock))
            offsets.append(offset)
        at = following
    return OffsetTable(clock, np.array(starts, dtype=np.int64), np.array(offsets, dtype=np.int64))


def offsets_us(instants_us: Micros, zone: str) -> Micros:
    """How far the zone's clocks are ahead of UTC at these instants."""
    table = offset_table(zone)
    if len(instants_us) == 0:
        return instants_us
    first, last = np.searchsorted(table.starts_us, (instants_us.min(), instants_us.max()), side="right") - 1
    if first == last and instants_us.max() < _TABLE_END_US:
        return np.full(len(instants_us), table.offsets_us[max(first, 0)], dtype=np.int64)
    places = np.searchsorted(table.starts_us, instants_us, side="right") - 1
    found: Micros = table.offsets_us[np.maximum(places, 0)]
    for row in np.flatnonzero((instants_us >= _TABLE_END_US) & (instants_us <= TIMESTAMP_MAX_US)).tolist():
        found[row] = _offset_us(_EPOCH + timedelta(microseconds=int(instants_us[row])), table.zone)
    return found


def to_local(instants_us: Micros, zone: str) -> Micros:
    """What the zone's clocks show at these instants."""
    local: Micros = instants_us + offsets_us(instants_us, zone)
    return local


def from_local(local_us: Micros, zone: str) -> Micros:
    """The instants at which the zone's clocks show these times."""
    before = offsets_us(local_us - DAY_US, zone)
    after = offsets_us(local_us + DAY_US, zone)
    early, late = local_us - before, local_us - after
    if np.array_equal(before, after):
        return early
    early_holds = offsets_us(early, zone) == before
    late_holds = offsets_us(late, zone) == after
    instants: Micros = np.where(late_holds, late, np.where(early_holds, early, local_us - before))
    return instants


def _offset_us(instant: datetime, clock: ZoneInfo) -> int:
    # Near the ends of Python's calendar a zone's clock would leave it.
    inside = min(max(instant, _TABLE_START), datetime(9999, 12, 30, tzinfo=UTC))
    offset = inside.astimezone(clock).utcoffset()
    assert offset is not None
    return offset // _MICROSECOND


def _change(before: datetime, after: datetime, clock: ZoneInfo) -> int:
    """The instant in between at which the offset changes, in microseconds."""
    old = _offset_us(before, clock)
    low, high = (before - _EPOCH) // _MICROSECOND, (after - _EPOCH) // _MICROSECOND
    low, high = low // 1_000_000, high // 1_000_000
    while high - low > 1:
        middle = (low + high) // 2
        if _offset_us(_EPOCH + timedelta(seconds=middle), clock) == old:
            low = middle
        else:
            high = middle
    return high * 1_000_000
