"""A split whose records are read from the log, which may be filled from an origin while they are.

What the origin has enters the log first; records are only ever made from entries. So what a state names, and what comes
behind it, is the log's alone, and a crash between an append and a cut repeats nothing and loses nothing.
"""

import enum
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from datanexus.adapters.connectors.entry_feed import EntryFeed
from datanexus.adapters.connectors.entry_reader import DAMAGE, NO_ENTRY, EntryReader, Place, joinable
from datanexus.adapters.connectors.text_split import given_columns
from datanexus.ports.log import Log, LogEntry
from datanexus.ports.source import Chunk, Damage, SplitName, SplitState, TextChunk
from datanexus_spec.errors import Corrupt
from datanexus_spec.format import Format

_ENTRIES_MAX = 64  # looked through at a time
_JOINED_BYTES = 2 << 20  # of bodies that are framed and decoded at once: a body alone costs twice as much
_NONE = np.empty(0, np.int64)
NO_RECORD = TextChunk(np.zeros(1, np.uint8), _NONE, _NONE, _NONE)  # what came is no whole record yet


class Pulled(enum.Enum):
    """What an origin did."""

    APPENDED = "appended"
    NOTHING = "nothing"  # nothing that could enter the log yet
    END = "end"


class Origin(Protocol):
    """What feeds a split's part of the log."""

    @property
    def ready(self) -> bool:
        """Whether `pull` would do something at once."""
        ...

    async def pull(self) -> Pulled:
        """Append what comes next to the log, as far as it is there. Not called again after END unless it is ready."""
        ...

    def close(self) -> None: ...


@dataclass(slots=True)
class LoggedSplit:
    """The records behind `reader.place`, as `feed` gives them. `origin`: None where nothing enters the log from here.

    `goes_on`: others fill the log, so its end is not the split's.
    """

    name: SplitName
    feed: EntryFeed
    reader: EntryReader
    has_header: bool = False
    origin: Origin | None = None
    goes_on: bool = False
    covered: int | None = None  # up to where nothing is missing; None: the log may begin anywhere
    total_bytes: int | None = None
    read_bytes: int = 0
    _is_ended: bool = False

    @property
    def ready(self) -> bool:
        if self.reader.has_records or self.feed.has_more:
            return True
        if self.origin is not None:
            return self.origin.ready
        return not self.goes_on and not self._is_ended

    async def read(self, rows_max: int) -> Chunk | Damage | None:
        while not self.reader.has_records:
            if await self.feed.peek() is not None:
                self._take(self.feed.run(joinable, _JOINED_BYTES))
                continue
            pulled = await self.origin.pull() if self.origin is not None else Pulled.END
            if pulled is Pulled.NOTHING or (pulled is Pulled.END and self.goes_on):
                return NO_RECORD
            if pulled is Pulled.END and not self._close_open():
                self._is_ended = True
                return None
        return self.reader.next_chunk(rows_max)

    def state(self) -> SplitState:
        return logged_state(self.reader.place, has_header=self.has_header)

    async def close(self) -> None:
        if self.origin is not None:
            self.origin.close()

    def _take(self, entries: Sequence[LogEntry]) -> None:
        for entry in entries:
            if self.covered is not None and entry.position > self.covered:
                raise Corrupt(
                    f"split `{self.name}` was read up to {self.covered}, but its log goes on at {entry.position} only",
                    reason="LogTrimmed",
                    hint="the state needs records that are gone; start over with --fresh",
                )
            self.covered = entry.end
            self.feed.take()
            self.read_bytes += len(entry.data)
        self.reader.take_all(entries)
        self._is_ended = False

    def _close_open(self) -> bool:
        """At the end of the split: a record that was begun is whole as it is."""
        if not self.reader.is_open:
            return False
        self.reader.close_open()
        return self.reader.has_records


def logged_split(
    log: Log, source: str, name: SplitName, form: Format, state: SplitState | None, first: int
) -> LoggedSplit:
    """A split that the log alone has, behind a state. `first`: the offset to look for it from."""
    reader = EntryReader(form, place_of(form, state))
    split = LoggedSplit(name, EntryFeed(log, source, name, first), reader)
    split.has_header = form.csv is not None and form.csv.header
    split.covered = reader.place.position if state is not None else None
    return split


def logged_state(place: Place, *, has_header: bool) -> SplitState:
    """The state of a split whose last record came from the log."""
    state: dict[str, str | int | bool | None] = {"position": place.position, "entry": place.entry}
    if place.position and has_header:
        state["header"] = json.dumps(place.header)
    return state


def place_of(form: Format, state: SplitState | None) -> Place:
    """Where a state says that reading goes on; without one, at the beginning."""
    if state is None:
        return Place(0, NO_ENTRY, given_columns(form))
    header = tuple(json.loads(str(state["header"]))) if "header" in state else given_columns(form)
    entry = state.get("entry", NO_ENTRY)
    return Place(int(state["position"] or 0), NO_ENTRY if entry is None else int(entry), header)


async def unread_splits(log: Log, source: str, states: Mapping[SplitName, SplitState]) -> dict[SplitName, int]:
    """The splits in the log that were not read to their end, each with an offset before which it needs nothing."""
    begin = await log.begin(source)
    found: dict[SplitName, int] = {}
    for name, end in (await log.splits(source)).items():
        first = await _first_needed(log, source, name, begin, states.get(name)) if end.offset > begin else end.offset
        if first < end.offset:
            found[name] = first
    return found


async def trim_read(log: Log, source: str, states: Mapping[SplitName, SplitState]) -> None:
    """Trim what lies before all of these states. A split that they do not have keeps all it has."""
    end = await log.end(source)
    needed = await unread_splits(log, source, states)
    await log.trim(source, min([end, *needed.values()]))


async def _first_needed(log: Log, source: str, split: SplitName, begin: int, state: SplitState | None) -> int:
    """An offset before which a state needs nothing: it names an entry, or a position that a run has come to."""
    if state is None or "entry" in state:
        return max(int(state["entry"] or 0) if state else 0, begin)
    offset, passed = begin, int(state["position"] or 0)
    while entries := await log.read(source, split, offset, _ENTRIES_MAX):
        for entry in entries:
            is_read = entry.end < passed or (entry.end == passed and (entry.framing != DAMAGE or "damaged" in state))
            if not is_read:
                return entry.offset
        offset = entries[-1].offset + 1
    return offset
