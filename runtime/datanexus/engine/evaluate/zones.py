"""Instants and wall-clock times in named zones, as int64 microseconds.

A wall-clock time that a zone skips is read with the offset before the gap; one that occurs twice is its second
occurrence (PostgreSQL's rule: standard time).
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from datanexus.plan.literals import DAY_US, TIMESTAMP_MAX_US, TIMESTAMP_MIN_US

Micros = npt.NDArray[np.int64]


def offsets_us(instants_us: Micros, zone: str) -> Micros:
    """How far the zone's clocks are ahead of UTC at these instants."""
    inside = np.clip(instants_us, TIMESTAMP_MIN_US, TIMESTAMP_MAX_US)
    column = pa.array(inside).view(pa.timestamp("us", tz=zone))
    offsets: Micros = pc.local_timestamp(column).view(pa.int64()).to_numpy() - inside
    return offsets


def to_local(instants_us: Micros, zone: str) -> Micros:
    """What the zone's clocks show at these instants."""
    local: Micros = instants_us + offsets_us(instants_us, zone)
    return local


def from_local(local_us: Micros, zone: str) -> Micros:
    """The instants at which the zone's clocks show these times."""
    before = offsets_us(local_us - DAY_US, zone)
    after = offsets_us(local_us + DAY_US, zone)
    early, late = local_us - before, local_us - after
    if (before == after).all():
        steady = offsets_us(early, zone)
        if (steady == before).all():
            return early
    early_holds = offsets_us(early, zone) == before
    late_holds = offsets_us(late, zone) == after
    instants: Micros = np.where(late_holds, late, np.where(early_holds, early, local_us - before))
    return instants
