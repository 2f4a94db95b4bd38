"""From chunks to state: decode, guard against the future, run the program, hand rows to their partitions.

What is refused on the way goes to the quarantine lane with its raw bytes; every record is counted once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

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
from datanexus.engine.decode import Decoded, Decoder, raw_of
from datanexus.engine.disorder import Disorder
from datanexus.engine.partition import Partition, Verdict
from datanexus.engine.program import Prepared, Program, Rows
from datanexus.engine.reader import OpenSplit
from datanexus.plan.physical import PhysicalPlan
from datanexus.ports.source import Chunk, Damage
from datanexus.ports.store import QUARANTINE_SCHEMA


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
        self._quarantined: list[Mapping[str, object]] = []

    def take(self, opened: OpenSplit, chunk: Chunk | Damage, watermark_us: int, reference_us: int) -> None:
        """Fold one chunk of a split in. `watermark_us`: of the last cut; `reference_us`: the clock of maxFuture."""
        if isinstance(chunk, Damage):
            self._take_damage(opened, chunk)
            return
        self.accounts.add(IN, chunk.rows)
        decoded = self._decoders[opened.source].decode(chunk)
        for rejection in decoded.rejected:
            self._quarantine(opened, chunk, rejection, None)
        decoded = self._guard_future(opened, chunk, decoded, reference_us)
        if not len(decoded.rows):
            return
        if self.disorder is not None:
            self.disorder.observe(opened.name, decoded.event_time_us)
        delay_us = self._plan.watermark.delay_us
        opened.clock = opened.clock.advanced(int(decoded.event_time_us.max()), delay_us)
        prepared = self._program.prepare(decoded.records, decoded.event_time_us)
        self.accounts.add(FILTERED, prepared.filtered)
        for rejection in prepared.failures:
            self._quarantine(
                opened,
                chunk,
                replace(rejection, row=int(decoded.rows[rejection.row])),
                int(decoded.event_time_us[rejection.row]),
            )
        self._admit(opened, chunk, decoded.rows, prepared, watermark_us)

    def quarantined(self) -> pa.RecordBatch:
        """The quarantine lane since the last cut, of QUARANTINE_SCHEMA."""
        return pa.RecordBatch.from_pylist(self._quarantined, schema=QUARANTINE_SCHEMA)

    def _take_damage(self, opened: OpenSplit, damage: Damage) -> None:
        self.accounts.add(IN, 1)
        self.accounts.add(QUARANTINED, 1)
        rejection = Rejection(row=0, stage=Stage.DECODE, reason="Unreadable", message=damage.message)
        self._quarantined.append(_quarantine_row(opened.name, damage.position, rejection, None, damage.raw))

    def _guard_future(self, opened: OpenSplit, chunk: Chunk, decoded: Decoded, reference_us: int) -> Decoded:
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
            self._quarantine(opened, chunk, rejection, time_us)
        keep = ~ahead
        return Decoded(
            records=decoded.records.filter(pa.array(keep)),
            rows=decoded.rows[keep],
            event_time_us=decoded.event_time_us[keep],
            rejected=(),
        )

    def _admit(self, opened: OpenSplit, chunk: Chunk, rows: Rows, prepared: Prepared, watermark_us: int) -> None:
        for partition in self._partitions:
            own = None if prepared.partitions is None else np.flatnonzero(prepared.partitions == partition.number)
            if own is not None and not len(own):
                continue
            verdict = partition.admit(prepared, own, watermark_us)
            self._count(verdict)
            self._quarantine_refused(opened, chunk, rows, prepared, verdict, watermark_us)

    def _count(self, verdict: Verdict) -> None:
        self.accounts.add(PASSED, verdict.passed)
        self.accounts.add(DUPLICATE, verdict.duplicate)
        for view, seen in zip(self._plan.views, verdict.views, strict=True):
            self.accounts.add(view_counter(view.name, "assigned"), seen.assigned)
            self.accounts.add(view_counter(view.name, "late"), len(seen.late))
            self.accounts.add(view_counter(view.name, "unassigned"), seen.unassigned)

    def _quarantine_refused(
        self, opened: OpenSplit, chunk: Chunk, rows: Rows, prepared: Prepared, verdict: Verdict, watermark_us: int
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
                self._quarantine(opened, chunk, rejection, time_us)

    def _quarantine(self, opened: OpenSplit, chunk: Chunk, rejection: Rejection, event_time_us: int | None) -> None:
        if rejection.stage is not Stage.LATE:
            self.accounts.add(QUARANTINED, 1)
        position = int(chunk.positions[rejection.row])
        raw = raw_of(chunk, rejection.row)
        self._quarantined.append(_quarantine_row(opened.name, position, rejection, event_time_us, raw))


def _quarantine_row(
    split: str, position: int, rejection: Rejection, event_time_us: int | None, raw: bytes
) -> Mapping[str, object]:
    return {
        "split": split,
        "position": position,
        "stage": rejection.stage.value,
        "reason": rejection.reason,
        "message": rejection.message,
        "subject": rejection.subject,
        "record_values": rejection.values,
        "event_time": event_time_us,
        "raw": raw,
    }
