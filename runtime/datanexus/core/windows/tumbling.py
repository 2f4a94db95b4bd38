"""Tumbling windows: the grid on which every time belongs to exactly one window, which is one pane."""

from datanexus.core.emission import Tumbling, ViewSpec
from datanexus.core.windows.grid import Grid
from datanexus.core.windows.paned import PanedWindows


def tumbling_windows(spec: ViewSpec) -> PanedWindows:
    """An empty state of a view with tumbling windows."""
    assert isinstance(spec.window, Tumbling)
    return PanedWindows(spec, Grid(size_us=spec.window.size_us, slide_us=spec.window.size_us))
