"""The newest entries of a log, in memory: what is appended is mostly read at once, by the pipeline itself.

Of each split all entries from some offset on are here, or none. The oldest go first, whatever split they are of.
The log's writer thread adds, other threads read.
"""

import threading
from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from datanexus.ports.log import LogEntry

TAIL_BYTES = 8 << 20  # of a pipeline
ENTRY_BYTES = 100  # what an entry costs besides its data, about; so that very many empty ones count too


@dataclass(slots=True)
class _Newest:
    """Of one split: entries[gone:], without a gap from offset `first` on."""

    first: int
    entries: list[LogEntry | None] = field(default_factory=list)
    gone: int = 0


class LogTail:
    """The newest entries of one pipeline."""

    def __init__(self, bytes_max: int = TAIL_BYTES) -> None:
        self._bytes_max = bytes_max
        self._nbytes = 0
        self._splits: dict[tuple[str, str], _Newest] = {}
        self._ages: deque[tuple[str, str, int]] = deque()  # source, split, bytes; oldest first
        self._lock = threading.Lock()

    def add(self, source: str, entry: LogEntry) -> None:
        """The next entry of the log."""
        nbytes = len(entry.data) + ENTRY_BYTES
        with self._lock:
            newest = self._splits.setdefault((source, entry.split), _Newest(entry.offset))
            newest.entries.append(entry)
            self._ages.append((source, entry.split, nbytes))
            self._nbytes += nbytes
            while self._nbytes > self._bytes_max:
                self._drop_oldest()

    def read(self, source: str, split: str, offset: int, entries_max: int) -> Sequence[LogEntry] | None:
        """Entries with offset ≥ `offset`; None when only the file knows them all."""
        with self._lock:
            newest = self._splits.get((source, split))
            if newest is None or offset < newest.first:
                return None
            begin = bisect_left(newest.entries, offset, lo=newest.gone, key=lambda entry: entry.offset if entry else -1)
            return [entry for entry in newest.entries[begin : begin + entries_max] if entry is not None]

    def _drop_oldest(self) -> None:
        source, split, nbytes = self._ages.popleft()
        self._nbytes -= nbytes
        newest = self._splits[source, split]
        dropped, newest.entries[newest.gone] = newest.entries[newest.gone], None
        newest.gone += 1
        newest.first = dropped.offset + 1 if dropped else newest.first
        if newest.gone == len(newest.entries):
            del self._splits[source, split]
        elif newest.gone > len(newest.entries) // 2:
            del newest.entries[: newest.gone]
            newest.gone = 0
