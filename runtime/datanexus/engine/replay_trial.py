"""What records in quarantine would do if they returned now: judged by the real program over a copy of the state.

Exact as of this moment, and nothing is changed; needs room for a second copy of the pipeline's state while it runs.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from datanexus.core.rejection import Stage
from datanexus.core.watermark import SplitClock
from datanexus.engine.accounting import DUPLICATE, FILTERED, PASSED, view_counter
from datanexus.engine.partition import Partition
from datanexus.engine.reader import OpenSplit
from datanexus.engine.recovery import PipelineState
from datanexus.engine.replay import ReplaySplit
from datanexus.ports.log import Log
from datanexus.ports.source import ReplayChunk


@dataclass(frozen=True, slots=True)
class RefusedAgain:
    """A record that would go to quarantine again. `id`: of its entry now."""

    id: int
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Trial:
    """What would become of the records. `late`: refusals by views whose windows are purged, added over all views."""

    passed: int
    filtered: int
    duplicate: int
    refused: tuple[RefusedAgain, ...]
    late: int


def try_replay(state: PipelineState, log: Log, chunks: Iterable[tuple[int, ReplayChunk]], reference_us: int) -> Trial:
    """Judge chunks, each with the index of its source, against the state as of the last cut."""
    copies = [_copy_of(partition, state) for partition in state.partitions]
    intake = state.intake.over(copies)
    ids: dict[tuple[str, int], int] = {}
    for source, chunk in chunks:
        opened = OpenSplit(ReplaySplit("", log, 0, 0), source, SplitClock().idle())
        intake.take(opened, chunk, state.watermark_us, reference_us)
        ids |= _ids_by_place(chunk)
    counts = intake.accounts.checked()
    rows = intake.quarantined().to_pylist()
    refused = tuple(
        RefusedAgain(ids[row["split"], row["position"]], row["reason"], row["message"])
        for row in rows
        if row["stage"] != Stage.LATE
    )
    late = sum(counts.get(view_counter(view.name, "late"), 0) for view in state.plan.views)
    return Trial(counts.get(PASSED, 0), counts.get(FILTERED, 0), counts.get(DUPLICATE, 0), refused, late)


def _copy_of(partition: Partition, state: PipelineState) -> Partition:
    copy = Partition(state.plan, partition.number)
    copy.restore(
        {
            component: {key: segment.batches() for key, segment in segments.items()}
            for component, segments in partition.components().items()
        }
    )
    return copy


def _ids_by_place(chunk: ReplayChunk) -> Mapping[tuple[str, int], int]:
    places: Sequence[int] = chunk.places.tolist()
    ids: Sequence[int] = chunk.ids.tolist()
    return {(split, place): entry for split, place, entry in zip(chunk.splits, places, ids, strict=True)}
