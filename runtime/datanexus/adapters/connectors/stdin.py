"""Standard input as a source. What arrives enters the log first, in whole lines; records are read from there.

Each start with piped input is a new split `<source>/stdin-<n>`, where n − 1 is the log entry it begins with; splits of
earlier starts that were not read to their end go on from the log alone, the others are no longer opened. A state names
the position and the log entry in which reading goes on, so nothing before that is needed again.
"""

import asyncio
import os
import stat
from collections.abc import Callable, Mapping, Sequence

from datanexus.adapters.connectors.entry_reader import PART
from datanexus.adapters.connectors.logged_split import Pulled, logged_split, trim_read, unread_splits
from datanexus.engine.decode.json_text import RECORD_BYTES_MAX
from datanexus.ports.log import LINES, Log, NewEntry
from datanexus.ports.source import Split, SplitName, SplitState
from datanexus_spec.errors import InvalidInput
from datanexus_spec.format import Format

_READ_BYTES = 1 << 20  # of one log entry, about


class StandardInput:
    """What was read of a descriptor and is not in the log yet: it outlives the split when a changed spec takes over."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.lines = bytearray()  # whole lines
        self.unfinished = bytearray()  # a line whose end has not come

    @property
    def is_piped(self) -> bool:
        """Whether it is a pipe or a file, not a terminal or closed."""
        try:
            return not os.isatty(self.descriptor) and not stat.S_ISCHR(os.fstat(self.descriptor).st_mode)
        except OSError:
            return False

    def read_piece(self) -> bool:
        """Read what is there; false at the end."""
        piece = os.read(self.descriptor, _READ_BYTES)
        line_end = piece.rfind(b"\n") + 1
        if line_end:
            self.lines += self.unfinished + piece[:line_end]
            self.unfinished = bytearray(piece[line_end:])
        else:
            self.unfinished += piece
        return bool(piece)


_OF_THE_PROCESS = StandardInput(0)


class StdinSource:
    """Reads `given` when it is a pipe or a file."""

    def __init__(self, name: str, form: Format, log: Log, given: StandardInput) -> None:
        self.name = name
        self._format = form
        self._log = log
        self._given = given
        self._live: Pipe | None = None

    async def open(self, states: Mapping[SplitName, SplitState]) -> Sequence[Split]:
        prefix = f"{self.name}/"
        known = {name: state for name, state in states.items() if name.startswith(prefix) and "position" in state}
        unread = await unread_splits(self._log, self.name, known)
        splits: list[Split] = [
            logged_split(self._log, self.name, name, self._format, known.get(name), first)
            for name, first in unread.items()
        ]
        if self._given.is_piped:
            entry = await self._log.end(self.name)
            name = f"{prefix}stdin-{entry + 1}"
            split = logged_split(self._log, self.name, name, self._format, None, entry)
            split.origin = self._live = Pipe(self._log, self.name, name, self._given)
            splits.append(split)
        elif not splits and not known:
            raise InvalidInput(
                f"source {self.name}: standard input is not piped",
                reason="NoInput",
                hint="pipe records into the command, as in `cat records.ndjson | datanexus run pipeline.yaml`",
            )
        return sorted(splits, key=lambda split: split.name)

    async def refresh(self) -> Sequence[Split]:
        return ()

    def watch(self, arrived: Callable[[], None]) -> None:
        if self._live is not None:
            self._live.watch(arrived)

    async def release(self, states: Mapping[SplitName, SplitState]) -> None:
        known = {name: state for name, state in states.items() if name.startswith(f"{self.name}/")}
        if known:
            await trim_read(self._log, self.name, known)

    def notices(self) -> Sequence[str]:
        return ()


class Pipe:
    """Standard input as the origin of a split. Unless it is watched, `pull` waits for what comes.

    Watched, it is read as soon as something is there, and no further than one entry ahead of the log.
    """

    def __init__(self, log: Log, source: str, split: SplitName, given: StandardInput) -> None:
        self._log = log
        self._source = source
        self._split = split
        self._given = given
        self._is_ended = False
        self._is_told = False  # that it is ended
        self._arrived: Callable[[], None] | None = None
        self._is_regular = stat.S_ISREG(os.fstat(given.descriptor).st_mode)

    @property
    def ready(self) -> bool:
        return not self._is_told and (self._is_regular or self._has_entry)

    def watch(self, arrived: Callable[[], None]) -> None:
        """Call `arrived` whenever it has become ready."""
        self._arrived = arrived
        self._listen()

    async def pull(self) -> Pulled:
        while not self._has_entry:
            if self._arrived is not None and not self._is_regular:
                return Pulled.NOTHING
            await self._await_input()
            self._read_piece()
        entry = self._next_entry()
        if not entry.data:
            self._is_told = True
            return Pulled.END
        await self._log.append(self._source, entry)
        if self._arrived is not None:
            self._listen()
        return Pulled.APPENDED

    def close(self) -> None:
        if self._arrived is not None and not self._is_regular:
            asyncio.get_running_loop().remove_reader(self._given.descriptor)

    @property
    def _has_entry(self) -> bool:
        return bool(self._given.lines) or self._is_ended or len(self._given.unfinished) > RECORD_BYTES_MAX

    def _next_entry(self) -> NewEntry:
        """What may enter the log next: up to the last line end there is, or more than any record may be long."""
        if self._given.lines:
            lines, self._given.lines = bytes(self._given.lines), bytearray()
            return NewEntry(self._split, lines, LINES)
        rest, self._given.unfinished = bytes(self._given.unfinished), bytearray()
        return NewEntry(self._split, rest, LINES if self._is_ended else PART)

    def _listen(self) -> None:
        if not self._is_regular and not self._is_ended and len(self._given.lines) < _READ_BYTES:
            asyncio.get_running_loop().add_reader(self._given.descriptor, self._take_arrived)

    def _take_arrived(self) -> None:
        self._read_piece()
        if self._is_ended or len(self._given.lines) >= _READ_BYTES:
            asyncio.get_running_loop().remove_reader(self._given.descriptor)
        if self._has_entry and self._arrived is not None:
            self._arrived()

    def _read_piece(self) -> None:
        self._is_ended = not self._given.read_piece()

    async def _await_input(self) -> None:
        """Wait until something can be read. Waiting can be cancelled, and nothing is lost by it."""
        if self._is_regular:
            return
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        loop.add_reader(self._given.descriptor, ready.set)
        try:
            await ready.wait()
        finally:
            loop.remove_reader(self._given.descriptor)


def open_stdin(name: str, given: Format, log: Log) -> StdinSource:
    """The source of standard input. Raises: InvalidInput for formats that need a file."""
    if given.arrow is not None or given.parquet is not None:
        raise InvalidInput(
            f"source {name}: standard input carries text formats only",
            reason="UnsupportedFormat",
            hint="write Arrow or Parquet to a file and name it with `files`",
        )
    return StdinSource(name, given, log, _OF_THE_PROCESS)
