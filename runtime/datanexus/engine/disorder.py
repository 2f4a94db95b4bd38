"""How far records come behind the greatest event time before them: what `watermark.delay` should cover.

Counted per split, as a watermark is; since the process began; not part of the state.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from datanexus.core.aggregate import Times
from datanexus.core.emission import NO_WATERMARK
from datanexus.ports.source import SplitName

COVERED_SHARE = 0.999  # of the records, by the delay that is recommended
_SECOND_US = 1_000_000
BOUNDS_S = (0.0, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 14400.0, 86400.0)
_BOUNDS_US = np.array([bound_s * _SECOND_US for bound_s in BOUNDS_S], np.int64)


@dataclass(frozen=True, slots=True)
class DisorderReport:
    """`records[i]`: how many came at most BOUNDS_S[i] behind and more than the bound before; the last: still further.
    `recommended_s`: the least bound that covers COVERED_SHARE of them; None without records or beyond all bounds."""

    records: tuple[int, ...]
    recommended_s: float | None


class Disorder:
    """Counts; one for each pipeline."""

    def __init__(self) -> None:
        self._greatest_us: dict[SplitName, int] = {}
        self._counts = np.zeros(len(BOUNDS_S) + 1, np.int64)

    def observe(self, split: SplitName, event_time_us: Times) -> None:
        """Take in the event times of records of one split, in their order; there is at least one."""
        greatest_us = self._greatest_us.get(split, NO_WATERMARK)
        before_us = np.maximum(np.maximum.accumulate(event_time_us), greatest_us)
        self._greatest_us[split] = int(before_us[-1])
        behind_us = before_us - event_time_us
        in_order = int(np.count_nonzero(behind_us == 0))
        self._counts[0] += in_order
        if in_order < len(behind_us):
            buckets = np.searchsorted(_BOUNDS_US, behind_us[behind_us > 0])
            self._counts += np.bincount(buckets, minlength=len(self._counts))

    def report(self) -> DisorderReport:
        """What was seen so far."""
        counts: Mapping[int, int] = dict(enumerate(self._counts.tolist()))
        needed, seen = COVERED_SHARE * sum(counts.values()), 0
        recommended_s = None
        for index, bound_s in enumerate(BOUNDS_S):
            seen += counts[index]
            if seen and seen >= needed:
                recommended_s = bound_s
                break
        return DisorderReport(tuple(counts.values()), recommended_s)
