"""Watermarks: one clock per split, merged into the watermark of a cut.

A split's clock runs a fixed delay behind its greatest event time (bounded disorder). The merged watermark is the least
of the active splits that are aligned. It never goes back: a split that returns from idling behind it stays out until it
has caught up. Clocks are values; whoever reads a split keeps its clock and stores it with the cut.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from datanexus.core.aggregate import Mask, Times
from datanexus.core.emission import NO_WATERMARK


class SplitStatus(enum.StrEnum):
    """What a split contributes. FINISHED is never read as "all times passed" while another split lives."""

    ACTIVE = "active"  # holds the watermark back
    IDLE = "idle"  # caught up and silent: holds nothing back
    FINISHED = "finished"  # will give no more records unless reopened


@dataclass(frozen=True, slots=True)
class SplitClock:
    """The watermark of one split. A new one is active and holds everything back until its first record."""

    watermark_us: int = NO_WATERMARK
    status: SplitStatus = SplitStatus.ACTIVE

    def advanced(self, max_time_us: int, delay_us: int) -> "SplitClock":
        """The clock after a batch whose greatest event time is `max_time_us`; the split is active again.

        Once per batch. Small steps back in event time are normal and change nothing.
        """
        reached_us = max(max_time_us - delay_us - 1, NO_WATERMARK)
        return SplitClock(max(self.watermark_us, reached_us), SplitStatus.ACTIVE)

    def idle(self) -> "SplitClock":
        """The clock of a split that is caught up and has had no record for long enough."""
        return SplitClock(self.watermark_us, SplitStatus.IDLE)

    def finished(self) -> "SplitClock":
        """The clock of a split at its end."""
        return SplitClock(self.watermark_us, SplitStatus.FINISHED)

    def reopened(self) -> "SplitClock":
        """The clock of a split that may have grown since it was at its end."""
        return SplitClock(self.watermark_us, SplitStatus.ACTIVE)


@dataclass(frozen=True, slots=True)
class MergedWatermark:
    """The watermark over all splits. `holder`: the split that decides how far it is, None without splits; `reason`: why
    that one, for a person."""

    watermark_us: int
    holder: str | None
    reason: str


def merged_watermark(output_us: int, clocks: Mapping[str, SplitClock]) -> MergedWatermark:
    """Merge the clocks of all splits, given the watermark reached before.

    Ties go to the lesser name. Cost: O(splits); called at cuts.
    """
    if not clocks:
        return MergedWatermark(output_us, None, "there is no split")
    active = {name: clock for name, clock in clocks.items() if clock.status is SplitStatus.ACTIVE}
    if not active:
        return _merged_of_silent(output_us, clocks)
    aligned = {name: clock for name, clock in active.items() if clock.watermark_us >= output_us}
    if not aligned:
        name = _lowest(active)
        return MergedWatermark(output_us, name, "is active but behind the watermark, and no other split is active")
    name = _lowest(aligned)
    reached_us = aligned[name].watermark_us
    if reached_us == NO_WATERMARK:
        return MergedWatermark(output_us, name, "has given no record yet")
    return MergedWatermark(max(output_us, reached_us), name, "is the slowest active split")


def is_beyond_future(event_time_us: Times, reference_us: int, max_future_us: int) -> Mask:
    """Which records lie more than `max_future_us` ahead of the reference time: they must move no watermark."""
    beyond: Mask = event_time_us > reference_us + max_future_us
    return beyond


def _merged_of_silent(output_us: int, clocks: Mapping[str, SplitClock]) -> MergedWatermark:
    name = min(clocks, key=lambda split: (-clocks[split].watermark_us, split))
    status = clocks[name].status
    return MergedWatermark(
        max(output_us, clocks[name].watermark_us),
        name,
        f"is {status.value}, no split is active, and it is the furthest",
    )


def _lowest(clocks: Mapping[str, SplitClock]) -> str:
    return min(clocks, key=lambda split: (clocks[split].watermark_us, split))
