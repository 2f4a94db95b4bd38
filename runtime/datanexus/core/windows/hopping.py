"""Hopping windows: the grid on which windows overlap (slide < size) or leave gaps (slide > size)."""

from datanexus.core.emission import Hopping, ViewSpec
from datanexus.core.windows.grid import Grid
from datanexus.core.windows.paned import PanedWindows


def hopping_windows(spec: ViewSpec) -> PanedWindows:
    """An empty state of a view with hopping windows."""
    assert isinstance(spec.window, Hopping)
    return PanedWindows(spec, Grid(size_us=spec.window.size_us, slide_us=spec.window.slide_us))
