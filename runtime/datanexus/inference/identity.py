"""What tells one record from another, and whether records of the sample repeat."""

import re
from collections.abc import Sequence

from datanexus.inference.finding import FieldFinding, IdentityFinding, Value
from datanexus.inference.order import rounded_up_us
from datanexus_spec.durations import UNITS_US

_NAMED = re.compile(r"(^|_)(id|uuid|guid|key|nr|no|number|seq|sequence|offset|hash)$|id$|nr$", re.IGNORECASE)
_NEARLY = 0.9  # share of different values of what may be an identity
_RECORDS_MIN = 5
_HORIZON_MIN_US = UNITS_US["h"]
_KEYS_MAX = 32  # of a dedup key
_KEY_TYPES = ("string", "int64", "timestamp", "bool", "date", "float64")


def identity_of(fields: Sequence[FieldFinding], event_time: FieldFinding) -> IdentityFinding | None:
    """The field that identifies records, with its repeats; else whole records that repeat; None when nothing speaks."""
    records = len(event_time.values)
    if records < _RECORDS_MIN:
        return None
    candidates = [found for found in fields if _may_identify(found, event_time)]
    if candidates:
        return _by_field(max(candidates, key=_distinct), fields, event_time)
    return _by_whole_record(fields, event_time)


def _may_identify(found: FieldFinding, event_time: FieldFinding) -> bool:
    present = found.present
    return (
        found is not event_time
        and found.type in ("string", "int64")
        and len(present) == len(found.values)
        and _NAMED.search(found.raw) is not None
        and _distinct(found) >= _NEARLY * len(present)
    )


def _distinct(found: FieldFinding) -> int:
    return len(set(found.present))


def _by_field(found: FieldFinding, fields: Sequence[FieldFinding], event_time: FieldFinding) -> IdentityFinding:
    repeats, same, apart_us = _repeats([(value,) for value in found.values], fields, event_time)
    horizon_us = _horizon_us(apart_us)
    if not repeats:
        reason = f"`{found.name}` is different in all {len(found.values):,} records of the sample: no repeat was seen"
        return IdentityFinding((found.name,), horizon_us, 0, active=False, reason=reason)
    if same == repeats:
        reason = f"{repeats:,} records of the sample repeat the `{found.name}` of an earlier one, equal in every field"
        return IdentityFinding((found.name,), horizon_us, repeats, active=True, reason=reason)
    reason = (
        f"{repeats:,} records of the sample repeat an earlier `{found.name}`, but {repeats - same:,} of them differ in "
        "other fields: they may be new events of the same thing"
    )
    return IdentityFinding((found.name,), horizon_us, repeats, active=False, reason=reason)


def _by_whole_record(fields: Sequence[FieldFinding], event_time: FieldFinding) -> IdentityFinding | None:
    key = [found for found in fields if found.type in _KEY_TYPES and found.required][:_KEYS_MAX]
    if event_time not in key:
        key = [event_time, *key][:_KEYS_MAX]
    rows = list(zip(*(found.values for found in key), strict=True))
    repeats, same, apart_us = _repeats(rows, fields, event_time)
    if not same:
        return None
    reason = (
        f"no field identifies a record; {repeats:,} of {len(rows):,} repeat an earlier one in these fields. Sent twice"
        ", or two events that look the same? Only you can tell"
    )
    names = tuple(found.name for found in key)
    return IdentityFinding(names, _horizon_us(apart_us), repeats, active=False, reason=reason)


def _repeats(
    keys: Sequence[tuple[Value, ...]], fields: Sequence[FieldFinding], event_time: FieldFinding
) -> tuple[int, int, int]:
    """How many keys come again, how many of these with all fields equal, and how far apart at most."""
    first: dict[tuple[Value, ...], int] = {}
    repeats = same = apart_us = 0
    for row, key in enumerate(keys):
        before = first.setdefault(key, row)
        if before == row:
            continue
        repeats += 1
        same += all(found.values[row] == found.values[before] for found in fields)
        times = event_time.values[row], event_time.values[before]
        if isinstance(times[0], int) and isinstance(times[1], int):
            apart_us = max(apart_us, abs(times[0] - times[1]))
    return repeats, same, apart_us


def _horizon_us(apart_us: int) -> int:
    return max(_HORIZON_MIN_US, rounded_up_us(2 * apart_us))
