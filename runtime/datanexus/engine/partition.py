"""The state of one partition: its dedup, the views it writes and the first stage of the views it only feeds.

The partition is the unit of ownership, cut and snapshot. No I/O here: the worker gives rows and watermarks and gets
emissions and segments.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from datanexus.core.dedup import Dedup
from datanexus.core.emission import Emission, SegmentContents, Segments, ViewRows
from datanexus.core.view_state import Partials, PartialState, ViewState
from datanexus.engine.program import Prepared, Rows, view_spec
from datanexus.plan.physical import PhysicalPlan


@dataclass(frozen=True, slots=True)
class ViewVerdict:
    """What one view did with the passed rows; `late`: rows of the Prepared batch."""

    assigned: int
    late: Rows
    unassigned: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of the rows given; arrays hold rows of the Prepared batch."""

    passed: int
    duplicate: int
    too_late: Rows
    views: tuple[ViewVerdict, ...]


class Partition:
    """Order of calls: `admit` any number of times; at a cut `drain` and `merge` between partitions, then `advance`."""

    def __init__(self, plan: PhysicalPlan, number: int) -> None:
        self.number = number
        self._plan = plan
        self._dedup = Dedup(plan.dedup.horizon_us) if plan.dedup else None
        self._views = {view.name: ViewState(view_spec(view)) for view in plan.views}
        self._partials = {view.name: PartialState(view_spec(view)) for view in plan.views if view.two_stage}

    def admit(self, prepared: Prepared, rows: Rows | None, watermark_us: int, only_view: str | None = None) -> Verdict:
        """Judge rows of a batch (None: all of it) against the watermark of the last cut and fold them in.

        `only_view`: they passed once and return to the one view that refused them; dedup and other views leave them.
        """
        count = len(prepared.origin) if rows is None else len(rows)
        duplicate, too_late = 0, np.empty(0, np.int64)
        if self._dedup is not None and only_view is None:
            assert prepared.fingerprints is not None
            fingerprints, times = prepared.fingerprints, prepared.event_time_us
            if rows is not None:
                fingerprints, times = fingerprints.take(rows, axis=0), times.take(rows)
            judged = self._dedup.judge(fingerprints, times, watermark_us)
            passed = int(np.count_nonzero(judged.passed))
            if passed < count:
                duplicate = int(np.count_nonzero(judged.duplicate))
                if passed + duplicate < count:
                    too_late = np.flatnonzero(judged.too_late) if rows is None else rows[judged.too_late]
                rows = np.flatnonzero(judged.passed) if rows is None else rows[judged.passed]
        passed = count - duplicate - len(too_late)
        views = tuple(
            self._admit_to_view(view.name, given, rows, watermark_us)
            if only_view in (None, view.name)
            else ViewVerdict(0, np.empty(0, np.int64), passed)
            for view, given in zip(self._plan.views, prepared.views, strict=True)
        )
        return Verdict(passed, duplicate, too_late, views)

    def _admit_to_view(self, name: str, given: ViewRows, rows: Rows | None, watermark_us: int) -> ViewVerdict:
        state = self._partials.get(name) or self._views[name]
        admission = state.add(given, watermark_us, rows)
        late = np.flatnonzero(admission.late)
        unassigned = int(np.count_nonzero(admission.unassigned))
        assigned = len(admission.late) - len(late) - unassigned
        return ViewVerdict(assigned, late if rows is None else rows[late], unassigned)

    def drain(self, view: str) -> Partials:
        """The partial aggregates of a two-stage view since the last cut, by target partition; empties them."""
        return self._partials[view].drain(self._plan.partitions)

    def merge(self, view: str, partials: SegmentContents) -> None:
        """Fold partial aggregates of this cut into the second stage."""
        self._views[view].merge(partials)

    def advance(self, watermark_us: int) -> Mapping[str, Emission]:
        """Move to the watermark of a cut; what each view has to say about its table."""
        if self._dedup is not None:
            self._dedup.advance(watermark_us)
        return {name: state.advance(watermark_us) for name, state in self._views.items()}

    def flush(self) -> Mapping[str, Emission]:
        """Rows of everything that is not final yet; changes nothing."""
        return {name: state.flush() for name, state in self._views.items()}

    @property
    def nbytes(self) -> int:
        views = sum(state.nbytes for state in self._views.values())
        partials = sum(state.nbytes for state in self._partials.values())
        return views + partials + (self._dedup.nbytes if self._dedup else 0)

    def components(self) -> Mapping[str, Segments]:
        """State by component: `dedup`, `view.<name>.<fingerprint>`. Taken at a cut, when partials are empty."""
        found: dict[str, Segments] = {self._view_key(name): state.segments() for name, state in self._views.items()}
        if self._dedup is not None:
            found["dedup"] = self._dedup.segments()
        return found

    def restore(self, components: Mapping[str, SegmentContents]) -> None:
        """Take over a stored state; a component that is not there stays empty (a new view)."""
        for name, state in self._views.items():
            if contents := components.get(self._view_key(name)):
                state.restore(contents)
        if self._dedup is not None and (contents := components.get("dedup")):
            self._dedup.restore(contents)

    def _view_key(self, name: str) -> str:
        fingerprint = next(view.fingerprint for view in self._plan.views if view.name == name)
        return f"view.{name}.{fingerprint}"
