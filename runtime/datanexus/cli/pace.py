"""How fast a run is and when it will be done, from what the engine reports. Pure: the time is an argument."""

from dataclasses import dataclass, field

from datanexus.cli import wording
from datanexus.engine.running import Progress

SECOND_US = 1_000_000
WINDOW_S = 5.0  # the rate is of the last seconds, so that it follows what happens


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at a run. None where nothing can be said yet."""

    progress: Progress
    rate: float
    done: float | None
    eta_s: float | None
    lag_s: float | None

    def text(self) -> str:
        """One line for a terminal."""
        progress = self.progress
        parts = [progress.pipeline, wording.plural(progress.records, "record"), f"{wording.count(self.rate)}/s"]
        if self.done is not None:
            parts.insert(1, f"{self.done:.0%}")
        if self.eta_s is not None:
            parts.append(f"ETA {wording.span(self.eta_s)}")
        if self.lag_s is not None:
            watermark = wording.instant(progress.watermark_us // SECOND_US * SECOND_US)
            parts.append(f"watermark {watermark}, lag {wording.span(self.lag_s)}")
        if progress.holder:
            parts.append(f"held by {progress.holder}")
        return "  ".join(parts)

    def fields(self) -> dict[str, object]:
        """The same for programs."""
        progress = self.progress
        return {
            "event": "progress",
            "pipeline": progress.pipeline,
            "records": progress.records,
            "read_bytes": progress.read_bytes,
            "total_bytes": progress.total_bytes,
            "records_per_second": round(self.rate, 1),
            "eta_seconds": None if self.eta_s is None else round(self.eta_s, 1),
            "watermark": wording.instant(progress.watermark_us) or None,
            "lag_seconds": None if self.lag_s is None else round(self.lag_s, 1),
            "holder": progress.holder,
            "cut": progress.seq,
        }


@dataclass(slots=True)
class Pace:
    """Follows one pipeline. `now_s` never goes back."""

    _samples: list[tuple[float, Progress]] = field(default_factory=list)

    def observe(self, progress: Progress, now_s: float, clock_us: int) -> Reading:
        """Take a report in; `clock_us` is the wall clock, which the lag is measured from."""
        self._samples.append((now_s, progress))
        while len(self._samples) > 2 and self._samples[1][0] <= now_s - WINDOW_S:
            del self._samples[0]
        first_s, first = self._samples[0]
        elapsed_s = now_s - first_s
        rate = (progress.records - first.records) / elapsed_s if elapsed_s > 0 else 0.0
        lag_s = (clock_us - progress.watermark_us) / 1e6 if wording.instant(progress.watermark_us) else None
        done, eta_s = None, None
        if progress.total_bytes:
            done = min(progress.read_bytes / progress.total_bytes, 1.0)
            bytes_per_s = (progress.read_bytes - first.read_bytes) / elapsed_s if elapsed_s > 0 else 0.0
            eta_s = (progress.total_bytes - progress.read_bytes) / bytes_per_s if bytes_per_s > 0 else None
        return Reading(progress, rate, done, eta_s, lag_s)
