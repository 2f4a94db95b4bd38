"""Records that return from quarantine: through the log, in a split beside each source's: `<source>/replay`.

The cut that takes them deletes their entries in the same transaction; an entry that is on its way is not taken again.
So each returns once, whatever is asked twice or crashes. A record keeps the split and the position it came from.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from datanexus.core.rejection import Stage
from datanexus.ports.log import Log, LogEntry, NewEntry
from datanexus.ports.source import ReplayChunk, SplitName, SplitState, TextChunk
from datanexus.ports.store import QuarantineEntry

ENTRY_RECORDS = 1_000  # in one log entry
_FRAMING = "replay"
_SLACK_BYTES = 64  # zeros behind the records, so that a scanner may load a whole vector


@dataclass(frozen=True, slots=True)
class Returning:
    """One record to replay. `raw`: its bytes, mended or as they were."""

    entry: QuarantineEntry
    raw: bytes

    @property
    def source(self) -> str:
        return self.entry.split.partition("/")[0]

    @property
    def view(self) -> str | None:
        """The view that refused it as late, if one did."""
        return self.entry.subject if self.entry.stage == Stage.LATE else None


def replay_name(source: str) -> str:
    """The split, and the log's source, that a source's returning records have."""
    return f"{source}/replay"


def chunks_of(returning: Sequence[Returning]) -> Sequence[ReplayChunk]:
    """Records of one source as chunks: those of one view and one header together, each in the order given."""
    groups: dict[tuple[str | None, str], list[Returning]] = {}
    for record in returning:
        groups.setdefault((record.view, record.entry.header), []).append(record)
    return [
        _chunk(
            data=b"".join(record.raw for record in records),
            header=header,
            content=_Content(
                view=view,
                ids=[record.entry.id for record in records],
                lengths=[len(record.raw) for record in records],
                splits=[record.entry.split for record in records],
                places=[record.entry.position for record in records],
            ),
        )
        for (view, header), records in groups.items()
    ]


async def log_replay(log: Log, source: str, chunk: ReplayChunk) -> None:
    """Put a chunk into the log; it survives a crash when this returns."""
    content = {
        "view": chunk.view,
        "header": json.dumps(chunk.records.header) if chunk.records.header else "",
        "ids": chunk.ids.tolist(),
        "lengths": chunk.records.lengths.tolist(),
        "splits": list(chunk.splits),
        "places": chunk.places.tolist(),
    }
    data = chunk.records.data[: int(chunk.records.lengths.sum())].tobytes()
    name = replay_name(source)
    await log.append(name, NewEntry(name, data, _FRAMING, json.dumps(content)))


@dataclass(slots=True)
class ReplaySplit:
    """The returning records of one source, read from the log."""

    source: str
    log: Log
    entry: int  # the next to read
    end: int  # of the log, as far as known
    row: int = 0  # of the entry, the next to hand out
    waiting: set[int] = field(default_factory=set)  # quarantine entries in the log that no cut has taken
    total_bytes: int | None = 0
    read_bytes: int = 0
    _chunk: ReplayChunk | None = None
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def name(self) -> SplitName:
        return replay_name(self.source)

    @property
    def ready(self) -> bool:
        return self.entry < self.end

    async def read(self, rows_max: int) -> ReplayChunk | None:
        if self._chunk is None:
            entries = await self.log.read(self.name, self.name, self.entry, 1)
            if not entries:
                return None
            self._chunk = _read_entry(entries[0])
        taken = _slice(self._chunk, self.row, self.row + rows_max)
        self.row += taken.rows
        if self.row == self._chunk.rows:
            self.entry, self.row, self._chunk = self.entry + 1, 0, None
        return taken

    def state(self) -> SplitState:
        return {"entry": self.entry, "row": self.row}

    async def append(self, chunk: ReplayChunk) -> None:
        """Let records return. None of them may be waiting already."""
        self.waiting.update(chunk.ids.tolist())
        await log_replay(self.log, self.source, chunk)
        self.end = await self.log.end(self.name)

    def taken(self, ids: Sequence[int]) -> None:
        """A cut with these entries was committed."""
        self.waiting.difference_update(ids)
        self._news.set()
        self._news = asyncio.Event()

    async def settled(self, ids: Sequence[int]) -> None:
        """Wait until cuts have taken all of these."""
        while not self.waiting.isdisjoint(ids):
            await self._news.wait()

    async def close(self) -> None:
        return


async def open_replay(log: Log, source: str, states: Mapping[SplitName, SplitState]) -> ReplaySplit | None:
    """The replay split of a source; None while nothing of it ever returned."""
    name = replay_name(source)
    state = states.get(name)
    end = await log.end(name)
    if state is None and not end:
        return None
    entry = int(state["entry"] or 0) if state else await log.begin(name)
    split = ReplaySplit(source, log, entry, end, int(state["row"] or 0) if state else 0)
    for offset in range(entry, end):
        for logged in await log.read(name, name, offset, 1):
            ids = _read_entry(logged).ids[split.row if offset == entry else 0 :]
            split.waiting.update(ids.tolist())
    return split


async def release_replay(log: Log, states: Mapping[SplitName, SplitState], source: str) -> None:
    """No kept snapshot is older than these states."""
    if state := states.get(replay_name(source)):
        await log.trim(replay_name(source), int(state["entry"] or 0))


@dataclass(frozen=True, slots=True)
class _Content:
    view: str | None
    ids: Sequence[int]
    lengths: Sequence[int]
    splits: Sequence[str]
    places: Sequence[int]


def _read_entry(entry: LogEntry) -> ReplayChunk:
    content = json.loads(entry.origin)
    header = content.pop("header")
    return _chunk(entry.data, header, _Content(**content))


def _chunk(data: bytes, header: str, content: _Content) -> ReplayChunk:
    lengths = np.array(content.lengths, np.int64)
    starts = np.concatenate((np.zeros(1, np.int64), np.cumsum(lengths)))[:-1]
    buffer = np.frombuffer(data + bytes(_SLACK_BYTES), np.uint8)
    return ReplayChunk(
        records=TextChunk(buffer, starts, lengths, starts, tuple(json.loads(header)) if header else ()),
        ids=np.array(content.ids, np.int64),
        splits=tuple(content.splits),
        places=np.array(content.places, np.int64),
        view=content.view,
    )


def _slice(chunk: ReplayChunk, begin: int, end: int) -> ReplayChunk:
    records = chunk.records
    return ReplayChunk(
        records=TextChunk(
            records.data,
            records.starts[begin:end],
            records.lengths[begin:end],
            records.positions[begin:end],
            records.header,
        ),
        ids=chunk.ids[begin:end],
        splits=chunk.splits[begin:end],
        places=chunk.places[begin:end],
        view=chunk.view,
    )
