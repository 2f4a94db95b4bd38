"""Windows of fixed bounds: which windows and panes a time belongs to. Pure arithmetic, floor-mod, negative times fine.

Window i is [i·slide, i·slide + size). Panes are gcd(size, slide) wide, so each window is a whole number of panes, and
all times of a pane belong to the same windows. With slide > size some panes belong to none.
"""

from dataclasses import dataclass
from math import gcd


@dataclass(frozen=True, slots=True)
class Grid:
    """Windows of `size_us`, one every `slide_us`."""

    size_us: int
    slide_us: int

    @property
    def pane_us(self) -> int:
        return gcd(self.size_us, self.slide_us)

    @property
    def has_gaps(self) -> bool:
        """Is there a time in no window?"""
        return self.slide_us > self.size_us

    def at_or_before(self, time_us: int) -> int:
        """The greatest window start ≤ a time."""
        return time_us // self.slide_us * self.slide_us

    def after(self, time_us: int) -> int:
        """The least window start > a time."""
        return self.at_or_before(time_us) + self.slide_us

    def windows_of(self, pane_start_us: int) -> range:
        """The starts of the windows a pane belongs to."""
        return range(self.after(pane_start_us - self.size_us), pane_start_us + 1, self.slide_us)

    def followers_of(self, pane_start_us: int) -> range:
        """The starts of the windows that come after a pane by no more than their size."""
        return range(self.after(pane_start_us), pane_start_us + self.size_us + 1, self.slide_us)

    def first_open(self, watermark_us: int, allowed_lateness_us: int) -> int:
        """The start of the first window that is not final: its end − 1 + allowed lateness > watermark."""
        return self.after(watermark_us - allowed_lateness_us - self.size_us + 1)
