"""Ten million records over one million keys: does memory stay with what is open?

Live state is computed from the stream, not asked of the engine: the greatest number of open groups and of fingerprints
that must be remembered, each with the bytes it cannot do without.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

RECORDS, KEYS = 10_000_000, 1_000_000
RECORDS_PER_SECOND = 20_000
WINDOW_S, DELAY_S, HORIZON_S = 20, 5, 10
GROUP_BYTES = 16 + 8 + 4 * 8 + 16 + 8  # key's hash, key, four aggregates with a wide sum, index entry, window
FINGERPRINT_BYTES = 16 + 8  # 128 bits and the event time
CUT_RECORDS = 65_536
_BLOCK = 1_000_000
_SEED = 20260102


@dataclass(frozen=True, slots=True)
class MemoryFigures:
    """Bytes. `slope_bytes`: growth of the peaks per million records over the second half."""

    peak_bytes: int
    live_bytes: int
    slope_bytes: float

    @property
    def bound_bytes(self) -> float:
        return 1.5 * self.live_bytes + 300 * 2**20


def write_stream(path: Path) -> None:
    """Records in order of event time, keys uniform, no repeats; written a batch at a time."""
    rng = np.random.default_rng(_SEED)
    start_us = 1_735_689_600_000_000
    schema = pa.schema(
        [("id", pa.int64()), ("key", pa.int64()), ("price", pa.int64()), ("ts", pa.timestamp("us", tz="UTC"))]
    )
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, schema) as writer:
        for first in range(0, RECORDS, CUT_RECORDS):
            ids = np.arange(first, min(first + CUT_RECORDS, RECORDS), dtype=np.int64)
            times = start_us + ids * 1_000_000 // RECORDS_PER_SECOND
            columns = [ids, rng.integers(0, KEYS, len(ids)), rng.integers(0, 10_000, len(ids)), times]
            writer.write_batch(
                pa.record_batch([pa.array(c, t) for c, t in zip(columns, schema.types, strict=True)], schema)
            )


def live_bytes() -> int:
    """The most that has to be held at once."""
    per_cut_s = CUT_RECORDS / RECORDS_PER_SECOND
    open_s = WINDOW_S + DELAY_S + per_cut_s  # how far back the oldest open window can begin
    windows, rest_s = divmod(open_s, WINDOW_S)
    groups = int(windows) * _distinct(WINDOW_S) + _distinct(rest_s)
    fingerprints = (2 * HORIZON_S + DELAY_S + per_cut_s) * RECORDS_PER_SECOND
    return int(groups * GROUP_BYTES + fingerprints * FINGERPRINT_BYTES)


def figures(series: list[list[int]], peak_bytes: int) -> MemoryFigures:
    """Judge a run by its (records, resident bytes) after each cut."""
    peaks: dict[int, int] = {}
    for records, resident in series:
        peaks[records // _BLOCK] = max(resident, peaks.get(records // _BLOCK, 0))
    second_half = sorted(block for block in peaks if RECORDS // 2 <= block * _BLOCK < RECORDS)
    slope = float(np.polyfit(second_half, [peaks[block] for block in second_half], 1)[0])
    return MemoryFigures(peak_bytes, live_bytes(), slope)


def _distinct(seconds: float) -> int:
    """Expected distinct keys among the records of so many seconds."""
    return round(KEYS * (1 - (1 - 1 / KEYS) ** (seconds * RECORDS_PER_SECOND)))
