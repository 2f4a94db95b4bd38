"""Port: the replayable log for what cannot be read again at its source (stdin; later HTTP).

An envelope is raw records of one split as they arrived. Offsets are dense, from 0, per pipeline and source.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from datanexus.ports.failpoint import writes


@dataclass(frozen=True, slots=True)
class LogEntry:
    offset: int
    split: str
    position: int  # of the first byte of `data` in the split
    data: bytes  # whole lines, with their line ends; the last line of a split may have none


class Log(Protocol):
    @writes
    async def append(self, source: str, split: str, position: int, data: bytes) -> int:
        """Add an entry and return its offset. When it returns, the entry survives a crash of the machine.

        Raises: Unavailable (disk full): nothing was appended.
        """
        ...

    async def read(self, source: str, offset: int, entries_max: int) -> Sequence[LogEntry]:
        """Entries with offset ≥ `offset` in order. Raises: Corrupt if `offset` was trimmed."""
        ...

    async def begin(self, source: str) -> int:
        """The first offset that was not trimmed; equal to `end` when there is no entry."""
        ...

    async def end(self, source: str) -> int:
        """The offset the next entry will get."""
        ...

    @writes
    async def trim(self, source: str, before: int) -> None:
        """Forget entries with offset < `before`. The offsets of others stay."""
        ...
