"""The Log port in memory."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from datanexus.ports.log import Appended, LogEntry, NewEntry, Repeat, SplitEnd
from datanexus_spec.errors import Corrupt


@dataclass(slots=True)
class MemoryLog:
    entries: dict[str, list[LogEntry]] = field(default_factory=dict)
    trimmed: dict[str, int] = field(default_factory=dict)
    ends: dict[str, dict[str, SplitEnd]] = field(default_factory=dict)
    repeats: dict[tuple[str, str], tuple[Repeat, int]] = field(default_factory=dict)
    watchers: dict[str, Callable[[], None]] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        kept = [entry for source, entries in self.entries.items() for entry in entries[self.trimmed.get(source, 0) :]]
        return sum(len(entry.data) for entry in kept)

    async def append(self, source: str, entry: NewEntry, repeat: Repeat | None = None) -> Appended:
        if repeat is not None and (known := self.repeats.get((source, repeat.key))):
            return Appended(known[1], known[0])
        entries, ends = self.entries.setdefault(source, []), self.ends.setdefault(source, {})
        offset, before = len(entries), ends.get(entry.split, SplitEnd(0, 0, ""))
        position = before.position if entry.position is None else entry.position
        assert position >= before.position, "a split's entries do not overlap"
        end = position + (len(entry.data) if entry.extent is None else entry.extent)
        entries.append(LogEntry(offset, entry.split, position, entry.data, entry.framing, entry.origin, end))
        ends[entry.split] = SplitEnd(offset + 1, end, entry.origin)
        if repeat is not None:
            self.repeats[source, repeat.key] = (repeat, offset)
        self.watchers.get(source, lambda: None)()
        return Appended(offset)

    async def forget_repeats(self, source: str, before_us: int) -> None:
        for key, (repeat, _) in list(self.repeats.items()):
            if key[0] == source and repeat.at_us < before_us:
                del self.repeats[key]

    async def read(self, source: str, split: str, offset: int, entries_max: int) -> Sequence[LogEntry]:
        if offset < await self.begin(source):
            raise Corrupt(f"entry {offset} of {source} was trimmed", reason="LogTrimmed")
        found = [entry for entry in self.entries.get(source, [])[offset:] if entry.split == split]
        return found[:entries_max]

    async def splits(self, source: str) -> Mapping[str, SplitEnd]:
        return dict(self.ends.get(source, {}))

    def split_end(self, source: str, split: str) -> SplitEnd | None:
        return self.ends.get(source, {}).get(split)

    def watch(self, source: str, appended: Callable[[], None]) -> None:
        self.watchers[source] = appended

    async def begin(self, source: str) -> int:
        return self.trimmed.get(source, 0)

    async def end(self, source: str) -> int:
        return len(self.entries.get(source, []))

    async def trim(self, source: str, before: int) -> None:
        self.trimmed[source] = max(await self.begin(source), min(before, await self.end(source)))

    async def forget(self, source: str) -> None:
        await self.trim(source, await self.end(source))
        self.ends.pop(source, None)
        for key in [key for key in self.repeats if key[0] == source]:
            del self.repeats[key]
