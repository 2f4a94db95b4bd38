"""What a running pipeline says of itself: data for the API, the page and the command line.

Times are in µs, sizes in bytes.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal as OneOf

from datanexus.core.emission import NO_WATERMARK
from datanexus.core.watermark import SplitStatus
from datanexus.engine.accounting import IN, PASSED, QUARANTINED

RATE_WINDOW_S = 10.0
CUT_BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
Phase = OneOf["starting", "running", "switching", "failed", "stopped"]


@dataclass(frozen=True, slots=True)
class SplitReport:
    """`watermark_us`: NO_WATERMARK before its first record. `total_bytes`: None where unknown."""

    name: str
    source: str
    status: SplitStatus
    watermark_us: int
    read_bytes: int
    total_bytes: int | None


@dataclass(frozen=True, slots=True)
class Refused:
    """A changed spec that was not taken; the pipeline goes on with the one before. `text`: why, and what to do."""

    at_us: int
    text: str


@dataclass(frozen=True, slots=True)
class Rates:
    """Records a second over the last RATE_WINDOW_S."""

    taken: float
    passed: float
    quarantined: float


@dataclass(frozen=True, slots=True)
class PipelineReport:
    """`error`: why it does not run. `watermark_reason`, `holder`: which split decides the watermark, and why that one.
    `counters`: as engine.accounting names them, over all runs. `cut_seconds`: of the last cut."""

    phase: Phase
    error: str | None
    refused: Refused | None
    started_us: int
    seq: int
    snapshot_seq: int
    watermark_us: int
    holder: str | None
    watermark_reason: str
    rates: Rates
    counters: Mapping[str, int]
    state_bytes: int
    cut_seconds: float
    splits: Sequence[SplitReport]
    notices: Sequence[str]


@dataclass(slots=True)
class RateMeter:
    """Rates over the last seconds from the counters of cuts. `now_s` never goes back."""

    _cuts: deque[tuple[float, Mapping[str, int]]] = field(default_factory=deque)

    def add(self, now_s: float, counters: Mapping[str, int]) -> None:
        """A cut counted this."""
        self._cuts.append((now_s, counters))
        self._forget(now_s)

    def rates(self, now_s: float) -> Rates:
        """The rates as of now."""
        self._forget(now_s)
        taken, passed, quarantined = (
            sum(counters.get(name, 0) for _, counters in self._cuts) / RATE_WINDOW_S
            for name in (IN, PASSED, QUARANTINED)
        )
        return Rates(taken, passed, quarantined)

    def _forget(self, now_s: float) -> None:
        while self._cuts and self._cuts[0][0] < now_s - RATE_WINDOW_S:
            self._cuts.popleft()


@dataclass(slots=True)
class CutTimes:
    """How long cuts took since the process began. `counts[i]`: cuts of at most CUT_BOUNDS_S[i] and more than the bound
    before; the last: still longer."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(CUT_BOUNDS_S) + 1))
    seconds: float = 0.0

    def add(self, seconds: float) -> None:
        """A cut took so long."""
        self.counts[bisect_left(CUT_BOUNDS_S, seconds)] += 1
        self.seconds += seconds


def starting_report(started_us: int) -> PipelineReport:
    """Of a pipeline whose state is not there yet."""
    return PipelineReport(
        phase="starting", error=None, refused=None, started_us=started_us, seq=0, snapshot_seq=0,
        watermark_us=NO_WATERMARK, holder=None, watermark_reason="it is starting", rates=Rates(0.0, 0.0, 0.0),
        counters={}, state_bytes=0, cut_seconds=0.0, splits=(), notices=(),
    )  # fmt: skip
