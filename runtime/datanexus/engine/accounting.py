"""Counters of a pipeline and the two laws of conservation, checked at every cut.

`in = passed + filtered + duplicate + quarantined`, and for each view `passed = assigned + late + unassigned`. Repeats
of delivery are not `in`. Names are stored as they stand here; a view's are `view.<name>.assigned` and so on.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from datanexus_spec.errors import Corrupt

IN, PASSED, FILTERED, DUPLICATE, QUARANTINED = "in", "passed", "filtered", "duplicate", "quarantined"
LANES = (PASSED, FILTERED, DUPLICATE, QUARANTINED)
VIEW_LANES = ("assigned", "late", "unassigned")


def view_counter(view: str, lane: str) -> str:
    """The stored name of one view's counter."""
    return f"view.{view}.{lane}"


class Accounts:
    """What happened since the last cut."""

    def __init__(self, views: Sequence[str]) -> None:
        self._views = tuple(views)
        self.counts: Counter[str] = Counter()

    def add(self, name: str, count: int) -> None:
        if count:
            self.counts[name] += count

    def checked(self) -> Mapping[str, int]:
        """The counts, when both laws hold. Raises: Corrupt, naming the law and the numbers."""
        lanes = {name: self.counts[name] for name in LANES}
        if self.counts[IN] != sum(lanes.values()):
            raise Corrupt(
                f"conservation: in = {self.counts[IN]}, but the lanes add up to {sum(lanes.values())}: {lanes}",
                reason="ConservationViolated",
                hint="This is a defect of the engine; nothing of this cut was written.",
            )
        for view in self._views:
            parts = {lane: self.counts[view_counter(view, lane)] for lane in VIEW_LANES}
            if lanes[PASSED] != sum(parts.values()):
                raise Corrupt(
                    f"conservation of view `{view}`: passed = {lanes[PASSED]}, but its lanes are {parts}",
                    reason="ConservationViolated",
                    hint="This is a defect of the engine; nothing of this cut was written.",
                )
        return dict(self.counts)
