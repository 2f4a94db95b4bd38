"""Ten million records over one million keys: does memory stay with what is open?

Live state is computed from the stream, not asked of the engine: the greatest number of open groups and of fingerprints
that must be remembered, each with the bytes of its fields packed tightly. Indexes, unused room of arrays that grow,
and what a cut needs for a moment are the engine's affair and not in it.

    groups        of the windows that records of the last 20 s + 5 s + one cut fall into, one per distinct key
    fingerprints  of records of the last 2 × 10 s + 5 s + one cut: a record 10 s behind the watermark is still judged,
                  against those up to 10 s before it
"""

import statistics
from dataclasses import dataclass
from pathlib import Path

import numpy as np

RECORDS, KEYS = 10_000_000, 1_000_000
RECORDS_PER_SECOND = 20_000
WINDOW_S, DELAY_S, HORIZON_S = 20, 5, 10
GROUP_BYTES = 16 + 8 + 8 + 16 + 8 + 8 + 1  # hash, key, count, 128-bit sum, least, greatest, whether a price was there
FINGERPRINT_BYTES = 16 + 8  # 128 bits, the event time
ALLOWANCE_BYTES = 300_000_000  # for code, libraries and buffers
SLOPE_BYTES_MAX = 1_000_000  # per million records
CUT_RECORDS = 131_072
START_US = 1_735_689_600_000_000  # 2025-01-01T00:00:00Z
_SEED = 20260102


@dataclass(frozen=True, slots=True)
class MemoryFigures:
    """Bytes. `slope_bytes`: per million records, least squares through what is resident after each cut of the second
    half."""

    peak_bytes: int
    live_bytes: int
    slope_bytes: float

    @property
    def bound_bytes(self) -> float:
        return 1.5 * self.live_bytes + ALLOWANCE_BYTES


def write_stream(path: Path) -> None:
    """NDJSON in order of event time, keys uniform, no repeats. No format that is mapped into memory: pages of a mapped
    input count as resident, though they are the operating system's to take back."""
    rng = np.random.default_rng(_SEED)
    with path.open("w") as file:
        for first in range(0, RECORDS, CUT_RECORDS):
            ids = np.arange(first, min(first + CUT_RECORDS, RECORDS), dtype=np.int64)
            columns = (ids, rng.integers(0, KEYS, len(ids)), rng.integers(0, 10_000, len(ids)))
            times = START_US + ids * 1_000_000 // RECORDS_PER_SECOND
            rows = zip(*(column.tolist() for column in (*columns, times)), strict=True)
            file.writelines(f'{{"id":{i},"key":{key},"price":{price},"ts":{ts}}}\n' for i, key, price, ts in rows)


def live_bytes() -> int:
    """The most that has to be held at once."""
    per_cut_s = CUT_RECORDS / RECORDS_PER_SECOND
    open_s = WINDOW_S + DELAY_S + per_cut_s  # how far back the oldest open window can begin
    windows, rest_s = divmod(open_s, WINDOW_S)
    groups = int(windows) * _distinct(WINDOW_S) + _distinct(rest_s)
    fingerprints = (2 * HORIZON_S + DELAY_S + per_cut_s) * RECORDS_PER_SECOND
    return int(groups * GROUP_BYTES + fingerprints * FINGERPRINT_BYTES)


def figures(runs: list[tuple[list[list[int]], int]]) -> MemoryFigures:
    """Judge runs, each by its (records, resident bytes) after each cut and its peak.

    One snapshot or checkpoint late in a run tilts the line through its second half: the slope is the median's.
    """
    slopes = []
    for series, _ in runs:
        half = np.array([cut for cut in series if cut[0] >= RECORDS // 2], np.float64)
        slopes.append(float(np.polyfit(half[:, 0] / 1e6, half[:, 1], 1)[0]))
    return MemoryFigures(max(peak for _, peak in runs), live_bytes(), statistics.median(slopes))


def _distinct(seconds: float) -> int:
    """Expected distinct keys among the records of so many seconds."""
    return round(KEYS * (1 - (1 - 1 / KEYS) ** (seconds * RECORDS_PER_SECOND)))
