"""A split whose records are read from the log, which may be filled from an origin while they are.

What the origin has enters the log first; records are only ever made from entries. So what a state names, and what comes
behind it, is the log's alone, and a crash between an append and a cut repeats nothing and loses nothing.
"""

import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from datanexus.adapters.connectors.entry_reader import EntryReader, Place
from datanexus.adapters.connectors.text_split import given_columns
from datanexus.ports.log import Log, LogEntry
from datanexus.ports.source import Chunk, Damage, SplitName, SplitState, TextChunk
from datanexus_spec.format import Format

_ENTRIES_MAX = 64  # read from the log at a time
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
    """The records behind `reader.place`. `origin`: None where nothing more enters the log from here.

    `goes_on`: others fill the log, so its end is not the split's.
    """

    name: SplitName
    source: str
    log: Log
    reader: EntryReader
    has_header: bool = False
    origin: Origin | None = None
    goes_on: bool = False
    total_bytes: int | None = None
    read_bytes: int = 0
    _offset: int = field(init=False)  # of the next entry to take
    _entries: list[LogEntry] = field(default_factory=list)  # fetched, last first
    _is_ended: bool = False

    def __post_init__(self) -> None:
        self._offset = self.reader.place.entry

    @property
    def ready(self) -> bool:
        if self.reader.has_records or self._entries or self._has_entries:
            return True
        if self.origin is not None:
            return self.origin.ready
        return not self.goes_on and not self._is_ended

    async def read(self, rows_max: int) -> Chunk | Damage | None:
        while not self.reader.has_records:
            if await self._take_entry():
                continue
            pulled = await self.origin.pull() if self.origin is not None else Pulled.END
            if pulled is Pulled.NOTHING or (pulled is Pulled.END and self.goes_on):
                return NO_RECORD
            if pulled is Pulled.END and not self._close_open():
                self._is_ended = True
                return None
        return self.reader.next_chunk(rows_max)

    def state(self) -> SplitState:
        place = self.reader.place
        state: dict[str, str | int | bool | None] = {"position": place.position, "entry": place.entry}
        if place.position and self.has_header:
            state["header"] = json.dumps(place.header)
        return state

    async def close(self) -> None:
        if self.origin is not None:
            self.origin.close()

    @property
    def _has_entries(self) -> bool:
        end = self.log.split_end(self.source, self.name)
        return end is not None and end.offset > self._offset

    async def _take_entry(self) -> bool:
        """Give the reader the next entry; false at the log's end."""
        if not self._entries:
            if not self._has_entries:
                return False
            self._entries = list(await self.log.read(self.source, self.name, self._offset, _ENTRIES_MAX))[::-1]
        entry = self._entries.pop()
        self._offset = entry.offset + 1
        self.read_bytes += len(entry.data)
        self._is_ended = False
        self.reader.take(entry)
        return True

    def _close_open(self) -> bool:
        """At the end of the split: a record that was begun is whole as it is."""
        if not self.reader.is_open:
            return False
        self.reader.close_open()
        return self.reader.has_records


def place_of(form: Format, state: SplitState | None, first_entry: int) -> Place:
    """Where a state says that reading goes on; without one, at the split's first entry."""
    if state is None:
        return Place(0, first_entry, given_columns(form))
    header = tuple(json.loads(str(state["header"]))) if "header" in state else given_columns(form)
    return Place(int(state["position"] or 0), int(state.get("entry") or first_entry), header)


async def unread_splits(log: Log, source: str, states: Mapping[SplitName, SplitState]) -> dict[SplitName, int]:
    """The splits in the log that were not read to their end, each with the first entry that is needed."""
    begin = await log.begin(source)
    found: dict[SplitName, int] = {}
    for name, end in (await log.splits(source)).items():
        first = await _first_needed(log, source, name, begin, states.get(name)) if end.offset > begin else None
        if first is not None:
            found[name] = first
    return found


async def trim_read(log: Log, source: str, states: Mapping[SplitName, SplitState]) -> None:
    """Trim what lies before all of these states. A split that they do not have keeps all it has."""
    end = await log.end(source)
    needed = await unread_splits(log, source, states)
    await log.trim(source, min([end, *needed.values()]))


async def _first_needed(log: Log, source: str, split: SplitName, begin: int, state: SplitState | None) -> int | None:
    """The first entry that is not before a state, which names an entry, or a position alone."""
    offset = max(int(state.get("entry") or 0) if state else 0, begin)
    passed = int(state["position"] or 0) if state and "entry" not in state else -1
    while entries := await log.read(source, split, offset, _ENTRIES_MAX if passed > 0 else 1):
        for entry in entries:
            if entry.end > passed or entry.position >= passed:
                return entry.offset
        offset = entries[-1].offset + 1
    return None
