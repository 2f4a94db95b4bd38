"""The Log port on the embedded log's file: one pipeline's view of it."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from datanexus.adapters.embedded.log_file import LogFile, open_log_file
from datanexus.ports.log import Appended, LogEntry, NewEntry, Repeat, SplitEnd
from datanexus_spec.errors import Corrupt


class SqliteLog:
    """The log of one pipeline. `owns_file`: whether closing it closes the file, which pipelines may share."""

    def __init__(self, file: LogFile, pipeline: str, *, owns_file: bool) -> None:
        self._file = file
        self._pipeline = pipeline
        self._owns_file = owns_file
        self._watchers: dict[str, Callable[[], None]] = {}

    @property
    def nbytes(self) -> int:
        return self._file.nbytes(self._pipeline)

    async def append(self, source: str, entry: NewEntry, repeat: Repeat | None = None) -> Appended:
        appended = await self._file.append((self._pipeline, source), entry, repeat)
        if appended.repeated is None and (watcher := self._watchers.get(source)) is not None:
            watcher()
        return appended

    async def forget_repeats(self, source: str, before_us: int) -> None:
        await self._file.forget_repeats((self._pipeline, source), before_us)

    async def read(self, source: str, split: str, offset: int, entries_max: int) -> Sequence[LogEntry]:
        ends = self._file.ends((self._pipeline, source))
        if offset < ends.begin:
            raise Corrupt(
                f"log {self._file.path}: entry {offset} of {self._pipeline}/{source} was asked for, "
                f"but all before {ends.begin} were trimmed",
                reason="LogTrimmed",
                hint="the state needs records that are gone; start over with --fresh",
            )
        end = ends.splits.get(split)
        if end is None or offset >= end.offset:
            return ()
        return await self._file.read((self._pipeline, source), split, offset, entries_max)

    async def splits(self, source: str) -> Mapping[str, SplitEnd]:
        return dict(self._file.ends((self._pipeline, source)).splits)

    def split_end(self, source: str, split: str) -> SplitEnd | None:
        return self._file.ends((self._pipeline, source)).splits.get(split)

    def watch(self, source: str, appended: Callable[[], None]) -> None:
        self._watchers[source] = appended

    async def begin(self, source: str) -> int:
        return self._file.ends((self._pipeline, source)).begin

    async def end(self, source: str) -> int:
        return self._file.ends((self._pipeline, source)).next

    async def trim(self, source: str, before: int) -> None:
        ends = self._file.ends((self._pipeline, source))
        if min(before, ends.next) > ends.begin:
            await self._file.trim((self._pipeline, source), before)

    async def forget(self, source: str) -> None:
        await self._file.forget((self._pipeline, source))

    async def close(self) -> None:
        if self._owns_file:
            await self._file.close()


def log_of(file: LogFile, pipeline: str) -> SqliteLog:
    """The log of one of the pipelines that share a file; who opened the file closes it."""
    return SqliteLog(file, pipeline, owns_file=False)


def open_log(path: Path, pipeline: str, bytes_max: int | None = None) -> SqliteLog:
    """Open the log of a pipeline, or make it. `bytes_max` bounds its entries. Raises: Unavailable, Corrupt."""
    return SqliteLog(open_log_file(path, bytes_max), pipeline, owns_file=True)
