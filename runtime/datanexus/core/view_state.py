"""The state of one view in one partition: rows in, changes of the view's table out.

Lateness is judged against the watermark of the last cut, which is the same for all rows of a cut; rows appear and
change only at cuts. So results depend on which rows a cut holds, never on how they are batched or ordered inside it.
"""

from collections.abc import Mapping

import numpy as np

from datanexus.core.emission import (
    Admission,
    Emission,
    SegmentContents,
    Segments,
    ViewRows,
    ViewSpec,
)
from datanexus.core.view_rows import Order
from datanexus.core.window_state import ENDLESS_US, WindowState
from datanexus.core.windows.registry import new_window_state

Partials = Mapping[int, SegmentContents]  # by target partition: what its ViewState has to merge


class ViewState:
    """What a view keeps: the windows that are not final, and nothing else (but for samples that counters go on from).

    Order: `add` or `merge` any number of times, then `advance` at the cut.
    """

    def __init__(self, spec: ViewSpec) -> None:
        self._windows = new_window_state(spec)

    def add(self, rows: ViewRows, watermark_us: int, selected: Order | None = None) -> Admission:
        """Fold rows in but for those that are late or belong to no window.

        `watermark_us`: of the last cut. `selected`: which of the rows count, ascending (None: all); the admission is of
        these.
        """
        return _add(self._windows, rows, watermark_us, selected)

    def merge(self, partials: SegmentContents) -> None:
        """Fold in what a first stage drained for this partition. Lateness was judged there."""
        self._windows.merge(partials)

    def advance(self, watermark_us: int) -> Emission:
        """Move to the watermark of a cut, which never goes back; what changes in the view's table."""
        emission = self._windows.changes(watermark_us, terminal=False)
        self._windows.settle(watermark_us)
        return emission

    def flush(self) -> Emission:
        """What would change if the input ended here, everything then being final. Changes nothing."""
        return self._windows.changes(ENDLESS_US, terminal=True)

    def segments(self) -> Segments:
        """The state as segments to store. Right after `advance`; each `batches` is called before the next change."""
        return self._windows.segments()

    def restore(self, contents: SegmentContents) -> None:
        """Take over what `segments` gave. Only on a new state of the same spec."""
        self._windows.restore(contents)

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays held, unused room included."""
        return self._windows.nbytes

    @property
    def live_windows(self) -> int:
        """Panes or sessions held."""
        return self._windows.live_windows


class PartialState:
    """The first stage of a two-stage view: what the rows of one cut add up to, before it goes to the keys' partitions.

    It holds nothing from one cut to the next.
    """

    def __init__(self, spec: ViewSpec) -> None:
        self._windows = new_window_state(spec)

    def add(self, rows: ViewRows, watermark_us: int, selected: Order | None = None) -> Admission:
        """As ViewState.add: lateness is judged here, against this partition's watermark."""
        return _add(self._windows, rows, watermark_us, selected)

    def drain(self, partitions: int) -> Partials:
        """What was added since the last call, by the partition of the group key."""
        return self._windows.drain(partitions)

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays held, unused room included."""
        return self._windows.nbytes


def _add(windows: WindowState, rows: ViewRows, watermark_us: int, selected: Order | None) -> Admission:
    times = rows.event_time_us if selected is None else rows.event_time_us[selected]
    admission = windows.admit(times, watermark_us)
    refused = admission.late | admission.unassigned
    if refused.any():
        admitted = np.flatnonzero(~refused)
        selected = admitted if selected is None else selected[admitted]
    if len(times if selected is None else selected):
        windows.add(rows, watermark_us, selected)
    return admission
