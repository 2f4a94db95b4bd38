"""In which order records are read: a fixed rule, so that a rerun makes the same cuts.

The next quantum comes from the split with the lowest watermark among those not at their end; ties go by name. How many
records one call of the adapter returns does not matter.
"""

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass

from datanexus.core.watermark import SplitClock, SplitStatus
from datanexus.ports.source import Chunk, Damage, ReplayChunk, Split, SplitName, SplitState
from datanexus_spec.errors import Corrupt


@dataclass(frozen=True, slots=True)
class CutSchedule:
    """`run` and backlog cut at fixed record counts. `quantum_rows`: read from one split before the order is judged
    again; part of the schedule, as it decides which records share a cut."""

    quantum_rows: int = 8_192
    cut_rows: int = 131_072


@dataclass(slots=True)
class OpenSplit:
    """A split with its place in time. `source`: index in the plan's sources. `read`: records since the last cut."""

    split: Split
    source: int
    clock: SplitClock
    read: int = 0

    @property
    def name(self) -> SplitName:
        return self.split.name

    @property
    def at_end(self) -> bool:
        return self.clock.status is SplitStatus.FINISHED


class Reader:
    """All splits of a pipeline."""

    def __init__(self, splits: Sequence[OpenSplit], schedule: CutSchedule) -> None:
        self.splits = sorted(splits, key=lambda opened: opened.name)
        self._by_name = {opened.name: opened for opened in self.splits}
        self._schedule = schedule
        self.reads: list[tuple[SplitName, int]] = []

    @property
    def rows_since_cut(self) -> int:
        return sum(opened.read for opened in self.splits)

    @property
    def is_cut_full(self) -> bool:
        """Whether the open cut takes no more records."""
        return self.rows_since_cut >= self._schedule.cut_rows

    @property
    def clocks(self) -> Mapping[SplitName, SplitClock]:
        """Where each split is in time."""
        return {opened.name: opened.clock for opened in self.splits}

    def next_quantum(self) -> tuple[OpenSplit, int] | None:
        """Whom to read next and how much; None when the cut is full or all splits are at their end."""
        room = self._schedule.cut_rows - self.rows_since_cut
        unfinished = [opened for opened in self.splits if not opened.at_end]
        if room <= 0 or not unfinished:
            return None
        if len(unfinished) == 1:
            return unfinished[0], room  # the order cannot change before the cut is full
        chosen = min(unfinished, key=lambda opened: (opened.clock.watermark_us, opened.name))
        return chosen, min(self._schedule.quantum_rows, room)

    def next_ready(self, may_be_read: Callable[[SplitName], bool]) -> tuple[OpenSplit, int] | None:
        """While following: whom to read next and how much; None when the cut is full or no split has records now."""
        room = self._schedule.cut_rows - self.rows_since_cut
        splits = self.splits if room > 0 else ()
        ready = [opened for opened in splits if may_be_read(opened.name) and opened.split.ready]
        if not ready:
            return None
        chosen = min(ready, key=lambda opened: (opened.clock.watermark_us, opened.name))
        if chosen.at_end:
            chosen.clock = chosen.clock.idle()
        # Twice as much as in `run`: what gathered is decoded at once, and order is free.
        return chosen, min(2 * self._schedule.quantum_rows, room)

    def add(self, split: Split, source: int) -> None:
        """A split that was found while following; it holds nothing back until its first record."""
        opened = OpenSplit(split, source, SplitClock().idle())
        self._by_name[opened.name] = opened
        self.splits = sorted(self._by_name.values(), key=lambda other: other.name)

    async def read(
        self, opened: OpenSplit, rows: int, *, following: bool = False
    ) -> AsyncIterator[Chunk | ReplayChunk | Damage]:
        """Up to `rows` records of one split; marks it finished when it ends before. `following`: only what is there."""
        left = rows
        while left > 0 and (not following or opened.split.ready):
            chunk = await opened.split.read(left)
            if chunk is None:
                opened.clock = opened.clock.finished()
                break
            count = 1 if isinstance(chunk, Damage) else chunk.rows
            left -= count
            opened.read += count
            yield chunk
        self._note_read(opened.name, rows - left)

    def _note_read(self, name: SplitName, rows: int) -> None:
        if not rows:
            return
        if self.reads and self.reads[-1][0] == name:
            rows += self.reads.pop()[1]
        self.reads.append((name, rows))

    def by_name(self, name: SplitName) -> OpenSplit:
        """A split that a logged cut names. Raises: Corrupt when the sources no longer have it."""
        found = self._by_name.get(name)
        if found is None:
            raise Corrupt(
                f"split `{name}` was read after the newest snapshot, but it is not among the sources now",
                reason="SplitMissing",
                hint="Put the file back as it was, or start over with --fresh.",
            )
        return found

    def reopen(self) -> None:
        """At the start of a run: a split that was at its end may have grown, so it is asked again."""
        for opened in self.splits:
            opened.clock = opened.clock.reopened()

    def start_cut(self) -> None:
        """Forget what belongs to the cut that was just made."""
        self.reads.clear()
        for opened in self.splits:
            opened.read = 0

    def splits_json(self) -> str:
        """State, watermark, status and rows read of each split: what a cut logs."""
        return json.dumps(
            {
                opened.name: {
                    "state": dict(opened.split.state()),
                    "watermark_us": opened.clock.watermark_us,
                    "status": opened.clock.status.value,
                    "read": opened.read,
                }
                for opened in self.splits
            },
            separators=(",", ":"),
        )

    def reads_json(self) -> str:
        return json.dumps(self.reads, separators=(",", ":"))

    async def close(self) -> None:
        for opened in self.splits:
            await opened.split.close()


@dataclass(frozen=True, slots=True)
class LoggedSplit:
    """A split as a cut logged it."""

    state: SplitState
    clock: SplitClock


def logged_splits(splits_json: str) -> Mapping[SplitName, LoggedSplit]:
    """Read back what `Reader.splits_json` wrote."""
    return {
        name: LoggedSplit(
            state=entry["state"],
            clock=SplitClock(watermark_us=entry["watermark_us"], status=SplitStatus(entry["status"])),
        )
        for name, entry in json.loads(splits_json).items()
    }


def logged_reads(reads_json: str) -> Sequence[tuple[SplitName, int]]:
    """Read back what `Reader.reads_json` wrote: who was read and how many records, in order."""
    return [(name, rows) for name, rows in json.loads(reads_json)]
