"""The entries of one split in the log, in order, from an offset on."""

from collections import deque
from collections.abc import Callable, Sequence
from itertools import pairwise

from datanexus.ports.log import Log, LogEntry
from datanexus.ports.source import SplitName

_ENTRIES_MAX = 64  # fetched at a time
_BYTES_MAX = 16 << 20  # held, about


class EntryFeed:
    """`offset`: of the next entry to take, or below it."""

    def __init__(self, log: Log, source: str, split: SplitName, offset: int) -> None:
        self.log = log
        self.source = source
        self.split = split
        self.offset = offset
        self._fetched: deque[LogEntry] = deque()
        self._count = 1

    @property
    def has_more(self) -> bool:
        """Whether there is an entry to take."""
        end = self.log.split_end(self.source, self.split)
        return bool(self._fetched) or (end is not None and end.offset > self.offset)

    async def peek(self) -> LogEntry | None:
        """The next entry, which stays; None at the log's end."""
        if not self._fetched and self.has_more:
            self.offset = max(self.offset, await self.log.begin(self.source))  # what others had read may be trimmed
            entries = await self.log.read(self.source, self.split, self.offset, self._count)
            self._fetched.extend(entries)
            nbytes = max(sum(len(entry.data) for entry in entries), 1)
            self._count = max(1, min(_ENTRIES_MAX, self._count * 2, _BYTES_MAX * len(entries) // nbytes))
        return self._fetched[0] if self._fetched else None

    def run(self, joinable: Callable[[LogEntry, LogEntry], bool], bytes_max: int) -> Sequence[LogEntry]:
        """The entry that `peek` gave and those fetched behind it that can be taken with it, of about `bytes_max`."""
        entries, nbytes = [self._fetched[0]], len(self._fetched[0].data)
        for entry, following in pairwise(self._fetched):
            nbytes += len(following.data)
            if nbytes > bytes_max or not joinable(entry, following):
                break
            entries.append(following)
        return entries

    def take(self) -> None:
        """Go behind the entry that `peek` gave."""
        self.offset = self._fetched.popleft().offset + 1
