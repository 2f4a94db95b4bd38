"""One pipeline's view of a folder of files over many starts, by `up` and by `run`, with cuts and crashes in between."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from datanexus.adapters.connectors.files import open_files
from datanexus.adapters.connectors.followed_files import FollowedFiles, Patience
from datanexus.ports.log import Log
from datanexus.ports.source import ColumnChunk, Damage, Split, SplitName, SplitState, TextChunk
from datanexus_spec.format import Format
from tests.fakes.log import MemoryLog

NDJSON = Format.model_validate({"ndjson": {}})
Records = dict[SplitName, list[object]]


@dataclass(slots=True)
class Follower:
    """`read`: all records since the beginning that a cut has, by split; `open`: those since the last cut."""

    folder: Path
    pattern: str = "*.log"
    form: Format = NDJSON
    log: Log = field(default_factory=MemoryLog)
    states: Mapping[SplitName, SplitState] = field(default_factory=dict)
    read: Records = field(default_factory=dict)
    open: Records = field(default_factory=dict)
    waited_s: float = 0.0
    notices: Sequence[str] = ()
    source: FollowedFiles | None = None
    splits: dict[SplitName, Split] = field(default_factory=dict)

    async def start(self, *, follows: bool = True, replays: bool = False) -> None:
        """Open behind the last cut. Records since then are read again. `replays`: as before live reading begins."""
        files = open_files("in", self.pattern, self.form, self.folder)
        patience = Patience(settle_s=2.0, abandon_s=60.0)
        now_s = lambda: time.time() + self.waited_s  # noqa: E731
        self.source = FollowedFiles(files, self.form, self.log, follows=follows, patience=patience, now_s=now_s)
        self.splits = {split.name: split for split in await self.source.open(self.states)}
        self.open = {}
        if follows and not replays:
            self.source.watch(lambda: None)

    async def look(self) -> Records:
        """What a look at the folder brings, read to the end of what is there; no cut."""
        assert self.source is not None
        found: Records = {}
        for _ in range(100):
            for split in await self.source.refresh():
                assert split.name not in self.splits
                self.splits[split.name] = split
            before = sum(map(len, found.values()))
            for split in sorted(self.splits.values(), key=lambda split: split.name):
                await self._drain(split, found)
            if before == sum(map(len, found.values())):
                break
        self.notices = self.source.notices()
        return found

    async def settle(self) -> Records:
        """As `look`, after nothing has changed for a while."""
        found = await self.look()
        self.waited_s += 5
        for name, records in (await self.look()).items():
            found.setdefault(name, []).extend(records)
        self.waited_s -= 5
        return found

    async def _drain(self, split: Split, found: Records) -> None:
        for _ in range(10_000):
            if not split.ready:
                return
            chunk = await split.read(1000)
            records = records_of(chunk)
            if records:
                found.setdefault(split.name, []).extend(records)
                self.open.setdefault(split.name, []).extend(records)
        raise AssertionError(f"{split.name} is ready for ever")

    def cut(self) -> None:
        """What was read is in the results now."""
        self.states = {**self.states, **{name: split.state() for name, split in self.splits.items()}}
        for name, records in self.open.items():
            self.read.setdefault(name, []).extend(records)
        self.open = {}

    async def release(self) -> None:
        """A snapshot of the last cut was stored."""
        assert self.source is not None
        await self.source.release(self.states)

    async def stop(self) -> None:
        """End, or crash; what was not cut is forgotten."""
        for split in self.splits.values():
            await split.close()
        self.splits, self.source, self.open = {}, None, {}

    async def run(self) -> Records:
        """A whole `run`: all there is in place, cut, stopped."""
        await self.start(follows=False)
        assert self.source is not None
        for split in self.splits.values():
            while (chunk := await split.read(1000)) is not None:
                self.open.setdefault(split.name, []).extend(records_of(chunk))
        found = dict(self.open)
        self.notices = self.source.notices()
        self.cut()
        await self.stop()
        return found


def records_of(chunk: object) -> list[object]:
    """A chunk's records: bytes, rows, or its damage."""
    if isinstance(chunk, TextChunk):
        return [chunk.raw(row) for row in range(chunk.rows)]
    if isinstance(chunk, ColumnChunk):
        return list(chunk.columns.to_pylist())
    assert chunk is None or isinstance(chunk, Damage)
    return [] if chunk is None else [chunk]
