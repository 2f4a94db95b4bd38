"""What can be done with records in quarantine: let them return, perhaps mended, or delete them.

Asked of a running pipeline. What is on its way back already is left out, as is what has no place to return to.
"""

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from datanexus.engine.recovery import PipelineState
from datanexus.engine.replay import ENTRY_RECORDS, ReplaySplit, Returning, chunks_of
from datanexus.engine.replay_trial import Trial, try_replay
from datanexus.ports.log import Log
from datanexus.ports.source import ReplayChunk
from datanexus.ports.store import QuarantineEntry, Store

TRIAL_RECORDS_MAX = 100_000  # in one request; more are asked for again


@dataclass(frozen=True, slots=True)
class Selection:
    """Which entries: those of `ids`, or all of a stage and a reason; None selects any."""

    ids: tuple[int, ...] | None = None
    stage: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ReplayRequest:
    """`fixes`: the mended bytes of entries. `dry_run`: only say what would happen."""

    selection: Selection
    fixes: Mapping[int, bytes] = field(default_factory=dict)
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """`selected`: entries that return. `skipped`: on their way already, or of a source or view that is gone. `trial`:
    what becomes of them, judged right before. `more`: there are further ones beyond TRIAL_RECORDS_MAX."""

    selected: int
    skipped: int
    more: bool
    trial: Trial
    dry_run: bool


@dataclass(frozen=True, slots=True)
class PurgeReport:
    """`purged`: entries that were deleted, or would be."""

    purged: int
    dry_run: bool


@dataclass(frozen=True, slots=True)
class Quarantine:
    """The quarantine of one running pipeline. `wake`: lets the follower look for what is new."""

    state: PipelineState
    store: Store
    log: Log
    wake: Callable[[], None]

    async def replay(self, request: ReplayRequest) -> ReplayReport:
        """Let records return, and wait until cuts have taken them. Raises: Unavailable when the log takes nothing."""
        found = await self._entries(request.selection)
        chosen, more = found[:TRIAL_RECORDS_MAX], len(found) > TRIAL_RECORDS_MAX
        returning = [
            Returning(entry, request.fixes.get(entry.id, entry.raw)) for entry in chosen if self._can_return(entry)
        ]
        chunks = list(self._chunks(returning))
        trial = try_replay(self.state, self.log, chunks, time.time_ns() // 1000)
        if not request.dry_run:
            for source, chunk in chunks:
                await self._split(source).append(chunk)
            self.wake()
            for source in {source for source, _ in chunks}:
                await self._split(source).settled([record.entry.id for record in returning])
        return ReplayReport(len(returning), len(chosen) - len(returning), more, trial, request.dry_run)

    async def purge(self, selection: Selection, *, dry_run: bool) -> PurgeReport:
        """Delete entries but those that are on their way back."""
        ids = [entry.id for entry in await self._entries(selection) if not self._is_returning(entry.id)]
        if dry_run:
            return PurgeReport(len(ids), dry_run)
        return PurgeReport(await self.store.purge_quarantine(self.state.plan.pipeline, ids), dry_run)

    async def _entries(self, selection: Selection) -> Sequence[QuarantineEntry]:
        """At most one entry more than a request takes."""
        found: list[QuarantineEntry] = []
        async for entry in self._all(selection):
            found.append(entry)
            if len(found) > TRIAL_RECORDS_MAX:
                break
        return found

    async def _all(self, selection: Selection) -> AsyncIterator[QuarantineEntry]:
        if selection.ids is not None:
            for entry_id in dict.fromkeys(selection.ids):
                entry = await self.store.quarantine_entry(entry_id)
                if entry is not None and entry.pipeline == self.state.plan.pipeline:
                    yield entry
            return
        after = 0
        while page := await self.store.quarantine(
            self.state.plan.pipeline, ENTRY_RECORDS, after, stage=selection.stage, reason=selection.reason
        ):
            for entry in page:
                yield entry
            after = page[-1].id

    def _can_return(self, entry: QuarantineEntry) -> bool:
        record = Returning(entry, b"")
        has_source = any(source.name == record.source for source in self.state.plan.sources)
        has_view = record.view is None or any(view.name == record.view for view in self.state.plan.views)
        return has_source and has_view and not self._is_returning(entry.id)

    def _is_returning(self, entry_id: int) -> bool:
        return any(entry_id in split.waiting for split in self.state.replays.values())

    def _chunks(self, returning: Sequence[Returning]) -> Sequence[tuple[int, ReplayChunk]]:
        """By source and, within one, in pieces of one log entry."""
        chunks: list[tuple[int, ReplayChunk]] = []
        for index, source in enumerate(self.state.plan.sources):
            own = [record for record in returning if record.source == source.name]
            for begin in range(0, len(own), ENTRY_RECORDS):
                chunks += [(index, chunk) for chunk in chunks_of(own[begin : begin + ENTRY_RECORDS])]
        return chunks

    def _split(self, source: int) -> ReplaySplit:
        """The replay split of a source, made with its first record."""
        replays = self.state.replays
        if source not in replays:
            replays[source] = ReplaySplit(self.state.plan.sources[source].name, self.log, 0, 0)
            self.state.reader.add(replays[source], source)
        return replays[source]
