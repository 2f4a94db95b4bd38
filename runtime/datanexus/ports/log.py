"""Port: the replayable log for what cannot be read again at its source: HTTP, stdin, files that are followed.

An entry is records of one split as they arrived. Offsets are dense, from 0, per pipeline and source; an entry's
position in its split is where the one before it ends, or beyond. Concurrent appends share one sync with the disk, and
waiting for it never blocks the event loop.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from datanexus.ports.failpoint import writes

LINES = "lines"  # framing: whole lines as the source's format says; the last line of a split may have no end
ARROW = "arrow"  # framing: an Arrow IPC stream


@dataclass(frozen=True, slots=True)
class NewEntry:
    """What enters the log. `framing`: LINES, ARROW, or a body of its own: "ndjson", "json" or "csv"."""

    split: str
    data: bytes
    framing: str = LINES
    origin: str = ""  # JSON: identity of what was read at the origin, up to and with this entry
    position: int | None = None  # in the split, where what lies before was read at the origin; None: the split's end
    extent: int | None = None  # positions it takes; None: one for each byte. Of Arrow at least one for each record


@dataclass(frozen=True, slots=True)
class LogEntry:
    """An entry in its place. `position`: of its first byte or record in the split; `end`: where the next one begins."""

    offset: int
    split: str
    position: int
    data: bytes
    framing: str
    origin: str
    end: int


@dataclass(frozen=True, slots=True)
class Repeat:
    """What is kept of an answered request. `digest`: of the body; `answer`: what the producer was told."""

    key: str
    digest: str
    answer: str
    at_us: int


@dataclass(frozen=True, slots=True)
class Appended:
    """`offset`: of the entry. `repeated`: what was stored under the key before; then nothing was appended now."""

    offset: int
    repeated: Repeat | None = None


@dataclass(frozen=True, slots=True)
class SplitEnd:
    """How far a split reaches in the log. `offset`: of its last entry + 1; `position`: that entry's end."""

    offset: int
    position: int
    origin: str


class Log(Protocol):
    @property
    def nbytes(self) -> int:
        """Bytes of all entries that were not trimmed."""
        ...

    @writes
    async def append(self, source: str, entry: NewEntry, repeat: Repeat | None = None) -> Appended:
        """Add an entry. When it returns, the entry and the repeat survive a crash of the machine.

        Raises: Unavailable (disk full; LogFull, when the log would pass its bound): nothing was appended.
        """
        ...

    @writes
    async def forget_repeats(self, source: str, before_us: int) -> None:
        """Forget keys whose `at_us` is before this."""
        ...

    async def read(self, source: str, split: str, offset: int, entries_max: int) -> Sequence[LogEntry]:
        """Entries of a split with offset ≥ `offset`, in order. Raises: Corrupt if `offset` was trimmed."""
        ...

    async def splits(self, source: str) -> Mapping[str, SplitEnd]:
        """All splits that ever had an entry, trimmed or not."""
        ...

    def split_end(self, source: str, split: str) -> SplitEnd | None:
        """As in `splits`, from memory."""
        ...

    def watch(self, source: str, appended: Callable[[], None]) -> None:
        """`appended` is called, in the event loop's thread, after each append to a source. One watcher a source."""
        ...

    async def begin(self, source: str) -> int:
        """The first offset that was not trimmed; equal to `end` when there is no entry."""
        ...

    async def end(self, source: str) -> int:
        """The offset the next entry will get."""
        ...

    @writes
    async def trim(self, source: str, before: int) -> None:
        """Forget entries with offset < `before`. The offsets of others stay, and so does each split's end."""
        ...

    @writes
    async def forget(self, source: str) -> None:
        """Forget entries, splits and keys. Offsets go on."""
        ...
