"""The Log port in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from datanexus.ports.log import LogEntry
from datanexus_spec.errors import Corrupt


@dataclass(slots=True)
class MemoryLog:
    entries: dict[str, list[LogEntry]] = field(default_factory=dict)
    trimmed: dict[str, int] = field(default_factory=dict)

    async def append(self, source: str, split: str, position: int, data: bytes) -> int:
        entries = self.entries.setdefault(source, [])
        offset = len(entries)
        entries.append(LogEntry(offset, split, position, data))
        return offset

    async def read(self, source: str, offset: int, entries_max: int) -> Sequence[LogEntry]:
        if offset < await self.begin(source):
            raise Corrupt(f"entry {offset} of {source} was trimmed", reason="LogTrimmed")
        return self.entries.get(source, [])[offset : offset + entries_max]

    async def begin(self, source: str) -> int:
        return self.trimmed.get(source, 0)

    async def end(self, source: str) -> int:
        return len(self.entries.get(source, []))

    async def trim(self, source: str, before: int) -> None:
        self.trimmed[source] = max(await self.begin(source), min(before, await self.end(source)))
