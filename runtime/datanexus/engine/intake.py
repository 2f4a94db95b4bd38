"""From chunks to state: decode, guard against the future, run the program, hand rows to their partitions.

What is refused on the way goes to the quarantine lane with its raw bytes; every record is counted once.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from datanexus.core.rejection import Rejection, Stage
from datanexus.core.watermark import is_beyond_future
from datanexus.engine.accounting import (
    DUPLICATE,
    FILTERED,
    IN,
    PASSED,
    QUARANTINED,
    Accounts,
    view_counter,
)
from datanexus.engine.decode import Decoded, Decoder, new_decoder, raw_of
from datanexus.engine.disorder import Disorder
from datanexus.engine.partition import Partition, Verdict
from datanexus.engine.program import Prepared, Program, Rows
from datanexus.engine.reader import OpenSplit
from datanexus.plan.physical import PhysicalPlan
from datanexus.ports.source import Chunk, Damage, ReplayChunk, SplitName, TextChunk
from datanexus.ports.store import QUARANTINE_SCHEMA
from datanexus_spec.format import Format
from datanexus_spec.pipeline import PipelineSource


class Intake:
    """Everything between a chunk and the partitions, for one open cut."""

    def __init__(
        self, plan: PhysicalPlan, program: Program, decoders: Sequence[Decoder], partitions: Sequence[Partition]
    ) -> None:
        self._plan = plan
        self._program = program
        self._decoders = decoders
        self._partitions = partitions
        self.disorder: Disorder | None = None  # counts how far records come behind, where somebody wants to know
        self.start_cut()

    def start_cut(self) -> None:
        """Empty the counters and the quarantine lane."""
        self.accounts = Accounts([view.name for view in self._plan.views])
        self.released: list[int] = []  # quarantine entries whose records returned in this cut
        self._quarantined: list[Mapping[str, object]] = []

    def take(
        self, opened: OpenSplit, chunk: Chunk | ReplayChunk | Damage, watermark_us: int, reference_us: int
    ) -> None:
        """Fold one chunk of a split in. `watermark_us`: of the last cut; `reference_us`: the clock of maxFuture.

        Records that return from quarantine move no watermark.
        """
        if isinstance(chunk, Damage):
            self._take_damage(opened, chunk)
            return
        self.accounts.add(IN, chunk.rows)
        if isinstance(chunk, ReplayChunk):
            self.released += chunk.ids.tolist()
            arrival = _Arrival(chunk.records, opened.name, chunk)
            decoder = self._replay_decoder(opened.source)
        else:
            arrival = _Arrival(chunk, opened.name, None)
            decoder = self._decoders[opened.source]
        decoded = decoder.decode(arrival.chunk)
        for rejection in decoded.rejected:
            self._quarantine(arrival, rejection, None)
        decoded = self._guard_future(arrival, decoded, reference_us)
        if not len(decoded.rows):
            return
        if arrival.replay is None:
            if self.disorder is not None:
                self.disorder.observe(opened.name, decoded.event_time_us)
            opened.clock = opened.clock.advanced(int(decoded.event_time_us.max()), self._plan.watermark.delay_us)
        prepared = self._program.prepare(decoded.records, decoded.event_time_us)
        self.accounts.add(FILTERED, prepared.filtered)
        for rejection in prepared.failures:
            self._quarantine(
                arrival,
                replace(rejection, row=int(decoded.rows[rejection.row])),
                int(decoded.event_time_us[rejection.row]),
            )
        self._admit(arrival, decoded.rows, prepared, watermark_us)

    def _replay_decoder(self, source: int) -> Decoder:
        """How records that return are read: what came as columns is kept as JSON, all else as it came."""
        given = source_format(self._plan.sources[source])
        if given.arrow is not None or given.parquet is not None:
            return new_decoder(Format.model_validate({"ndjson": {}}), self._plan.record)
        return self._decoders[source]

    def over(self, partitions: Sequence[Partition]) -> "Intake":
        """The same program over other partitions, with a cut of its own: to try what records would do."""
        return Intake(self._plan, self._program, self._decoders, partitions)

    def quarantined(self) -> pa.RecordBatch:
        """The quarantine lane since the last cut, of QUARANTINE_SCHEMA."""
        return pa.RecordBatch.from_pylist(self._quarantined, schema=QUARANTINE_SCHEMA)

    def _take_damage(self, opened: OpenSplit, damage: Damage) -> None:
        self.accounts.add(IN, 1)
        self.accounts.add(QUARANTINED, 1)
        rejection = Rejection(row=0, stage=Stage.DECODE, reason="Unreadable", message=damage.message)
        self._quarantined.append(_quarantine_row((opened.name, damage.position), rejection, None, "", damage.raw))

    def _guard_future(self, arrival: "_Arrival", decoded: Decoded, reference_us: int) -> Decoded:
        """Take out records whose event time is too far ahead of the clock; they move no watermark."""
        max_future_us = self._plan.watermark.max_future_us
        ahead = is_beyond_future(decoded.event_time_us, reference_us, max_future_us)
        if not ahead.any():
            return decoded
        for index in np.flatnonzero(ahead):
            time_us = int(decoded.event_time_us[index])
            rejection = Rejection(
                row=int(decoded.rows[index]),
                stage=Stage.TIME,
                reason="TooFarInFuture",
                message=f"event time is {(time_us - reference_us) / 1e6:.6g} s ahead of the reference clock; "
                f"watermark.maxFuture allows {max_future_us / 1e6:.6g} s",
                subject=self._plan.record.event_time,
            )
            self._quarantine(arrival, rejection, time_us)
        keep = ~ahead
        return Decoded(
            records=decoded.records.filter(pa.array(keep)),
            rows=decoded.rows[keep],
            event_time_us=decoded.event_time_us[keep],
            rejected=(),
        )

    def _admit(self, arrival: "_Arrival", rows: Rows, prepared: Prepared, watermark_us: int) -> None:
        for partition in self._partitions:
            own = None if prepared.partitions is None else np.flatnonzero(prepared.partitions == partition.number)
            if own is not None and not len(own):
                continue
            verdict = partition.admit(prepared, own, watermark_us, arrival.only_view)
            self._count(verdict)
            self._quarantine_refused(arrival, rows, prepared, verdict, watermark_us)

    def _count(self, verdict: Verdict) -> None:
        self.accounts.add(PASSED, verdict.passed)
        self.accounts.add(DUPLICATE, verdict.duplicate)
        for view, seen in zip(self._plan.views, verdict.views, strict=True):
            self.accounts.add(view_counter(view.name, "assigned"), seen.assigned)
            self.accounts.add(view_counter(view.name, "late"), len(seen.late))
            self.accounts.add(view_counter(view.name, "unassigned"), seen.unassigned)

    def _quarantine_refused(
        self, arrival: "_Arrival", rows: Rows, prepared: Prepared, verdict: Verdict, watermark_us: int
    ) -> None:
        """Records too old for dedup, and those a view refused as late when it keeps them."""
        lanes = [(Stage.DEDUP, "TooOldForDedup", "dedup", verdict.too_late)]
        lanes += [
            (Stage.LATE, "LateRecord", view.name, seen.late)
            for view, seen in zip(self._plan.views, verdict.views, strict=True)
            if view.late == "quarantine"
        ]
        for stage, reason, subject, refused in lanes:
            for index in refused:
                time_us = int(prepared.event_time_us[index])
                rejection = Rejection(
                    row=int(rows[prepared.origin[index]]),
                    stage=stage,
                    reason=reason,
                    message=f"event time is {(watermark_us - time_us) / 1e6:.6g} s behind the watermark",
                    subject=subject,
                )
                self._quarantine(arrival, rejection, time_us)

    def _quarantine(self, arrival: "_Arrival", rejection: Rejection, event_time_us: int | None) -> None:
        if rejection.stage is not Stage.LATE:
            self.accounts.add(QUARANTINED, 1)
        raw = raw_of(arrival.chunk, rejection.row)
        place = arrival.place(rejection.row)
        self._quarantined.append(_quarantine_row(place, rejection, event_time_us, arrival.header, raw))


@dataclass(frozen=True, slots=True)
class _Arrival:
    """A chunk on its way, and where its records came from. `replay`: when they return from quarantine."""

    chunk: Chunk
    split: SplitName
    replay: ReplayChunk | None

    @property
    def only_view(self) -> str | None:
        return self.replay.view if self.replay else None

    @property
    def header(self) -> str:
        header = self.chunk.header if isinstance(self.chunk, TextChunk) else ()
        return json.dumps(header, ensure_ascii=False) if header else ""

    def place(self, row: int) -> tuple[SplitName, int]:
        """Split and position of one record."""
        if self.replay is not None:
            return self.replay.splits[row], int(self.replay.places[row])
        return self.split, int(self.chunk.positions[row])


def source_format(source: PipelineSource) -> Format:
    """How a source's records are written; a generator makes columns."""
    if source.files is not None:
        return source.files.format
    if source.stdin is not None:
        return source.stdin.format
    if source.http is not None:
        return Format.model_validate({"ndjson": {}})  # mostly; its decoder tells by the chunk
    return Format.model_validate({"arrow": {}})


def _quarantine_row(
    place: tuple[SplitName, int], rejection: Rejection, event_time_us: int | None, header: str, raw: bytes
) -> Mapping[str, object]:
    split, position = place
    return {
        "split": split,
        "position": position,
        "stage": rejection.stage.value,
        "reason": rejection.reason,
        "message": rejection.message,
        "subject": rejection.subject,
        "record_values": rejection.values,
        "event_time": event_time_us,
        "header": header,
        "raw": raw,
    }
