"""The contract of a window kind: what `view_state` asks of the state behind a view, whatever its windows are."""

from collections.abc import Mapping
from typing import Protocol

import pyarrow as pa

from datanexus.core.aggregate import Times
from datanexus.core.emission import Admission, Emission, Segment, SegmentContents, Segments, ViewRows
from datanexus.core.view_rows import Order

ENDLESS_US = 2**63 - 1  # a watermark that all times have passed
WATERMARK = "watermark"  # the segment that holds the watermark of the last cut


class WindowState(Protocol):
    """State of one view in one partition.

    Order: `admit` and `add` any number of times, `merge` likewise, then `changes` and `settle` with the watermark of
    the cut. Everything but the order of `changes` before `settle` is free, and nothing shows in the result.
    """

    def admit(self, event_time_us: Times, watermark_us: int) -> Admission:
        """Which of n records are refused, given the watermark of the last cut. Changes nothing."""
        ...

    def add(self, rows: ViewRows, watermark_us: int, selected: Order | None) -> None:
        """Fold admitted rows in, at least one: the selected ones (None: all). `watermark_us` as in `admit`."""
        ...

    def merge(self, contents: SegmentContents) -> None:
        """Fold in what another state of the same view `drain`ed. Judges no lateness."""
        ...

    def drain(self, partitions: int) -> Mapping[int, SegmentContents]:
        """All content by the partition that owns the key; afterwards the state is empty."""
        ...

    def changes(self, watermark_us: int, *, terminal: bool) -> Emission:
        """How the view's table changes when the watermark moves to `watermark_us`. Changes nothing.

        `terminal`: the watermark is ENDLESS_US, and rows of windows that have no end are final too.
        """
        ...

    def settle(self, watermark_us: int) -> None:
        """Take the emission of `changes(watermark_us)` as made, and forget what is final."""
        ...

    def segments(self) -> Segments:
        """The state as segments to store; right after `settle`."""
        ...

    def restore(self, contents: SegmentContents) -> None:
        """Take over what `segments` gave; only on an empty state of the same spec."""
        ...

    @property
    def nbytes(self) -> int:
        """Bytes held, unused room included."""
        ...

    @property
    def live_windows(self) -> int:
        """Panes, or sessions, that are held."""
        ...


def watermark_segment(watermark_us: int) -> Segment:
    """The watermark of the last cut as a segment to store."""
    return Segment(
        watermark_us,
        lambda: {WATERMARK: pa.record_batch([pa.array([watermark_us], pa.int64())], names=[WATERMARK])},
    )


def watermark_of(contents: SegmentContents) -> int:
    """What `watermark_segment` held."""
    watermark_us: int = contents[WATERMARK][WATERMARK].column(0)[0].as_py()
    return watermark_us
