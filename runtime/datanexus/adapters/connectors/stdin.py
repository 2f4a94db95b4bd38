"""Standard input as a source. What arrives enters the log first, in whole lines; records are read from the log's bytes.

Each start with piped input is a new split `<source>/stdin-<n>`, where n − 1 is the log entry it begins with; splits of
earlier starts that were not read to their end go on from the log alone, the others are no longer opened. A state names
the position and the log entry in which reading goes on, so nothing before that is needed again.
"""

import asyncio
import json
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from datanexus.adapters.connectors.text_split import TextSplit, given_columns
from datanexus.engine.decode.json_text import RECORD_BYTES_MAX
from datanexus.ports.log import Log, LogEntry
from datanexus.ports.source import Split, SplitName, SplitState
from datanexus_spec.errors import InvalidInput
from datanexus_spec.format import Format

_STDIN = 0
_READ_BYTES = 1 << 20  # of one log entry, about
_ENTRIES_MAX = 16  # read from the log at a time


@dataclass(slots=True)
class StdinSource:
    """`descriptor` is read when it is a pipe or a file, not a terminal."""

    name: str
    format: Format
    log: Log
    descriptor: int

    async def open(self, states: Mapping[SplitName, SplitState]) -> Sequence[Split]:
        prefix = f"{self.name}/"
        known = {name: state for name, state in states.items() if name.startswith(prefix)}
        first = min((int(state["entry"] or 0) for state in known.values()), default=await self.log.begin(self.name))
        begins = await self._begins(first, known)
        splits: list[Split] = [self._split(name, known.get(name), begin) for name, begin in begins.items()]
        if self._is_piped():
            entry = await self.log.end(self.name)
            splits.append(self._live_split(f"{prefix}stdin-{entry + 1}", entry))
        elif not splits and not known:
            raise InvalidInput(
                f"source {self.name}: standard input is not piped",
                reason="NoInput",
                hint="pipe records into the command, as in `cat records.ndjson | datanexus run pipeline.yaml`",
            )
        return sorted(splits, key=lambda split: split.name)

    async def release(self, states: Mapping[SplitName, SplitState]) -> None:
        prefix = f"{self.name}/"
        entries = [int(state["entry"] or 0) for name, state in states.items() if name.startswith(prefix)]
        if entries:
            await self.log.trim(self.name, min(entries))

    def notices(self) -> Sequence[str]:
        return ()

    async def _begins(self, offset: int, known: Mapping[SplitName, SplitState]) -> dict[SplitName, int]:
        """The first entry from `offset` on of each split that was not read to its end."""
        begins: dict[SplitName, int] = {}
        while entries := await self.log.read(self.name, offset, _ENTRIES_MAX):
            for entry in entries:
                if entry.split not in known or entry.offset >= int(known[entry.split]["entry"] or 0):
                    begins.setdefault(entry.split, entry.offset)
            offset = entries[-1].offset + 1
        return begins

    def _is_piped(self) -> bool:
        try:
            return not os.isatty(self.descriptor) and not stat.S_ISCHR(os.fstat(self.descriptor).st_mode)
        except OSError:
            return False  # closed

    def _split(self, name: SplitName, state: SplitState | None, begin: int) -> TextSplit:
        position = int(state["position"] or 0) if state else 0
        entry = int(state["entry"] or 0) if state else begin
        stream = LogStream(self.log, self.name, name, entry, position)
        return self._text_split(name, stream, position, state)

    def _live_split(self, name: SplitName, entry: int) -> TextSplit:
        return self._text_split(name, LiveStream(self.log, self.name, name, entry, self.descriptor), 0, None)

    def _text_split(self, name: SplitName, stream: "LogStream", position: int, state: SplitState | None) -> TextSplit:
        split = TextSplit(name, self.format, stream, stream, None, given_columns(self.format), position)
        if state is not None and "header" in state:
            split.header = tuple(json.loads(str(state["header"])))
        return split


class LogStream:
    """The bytes of one split in the log from a position on. As identity: which entry a position is in."""

    def __init__(self, log: Log, source: str, split: SplitName, entry: int, position: int) -> None:
        self._log = log
        self._source = source
        self._split = split
        self._offset = entry  # of the next entry to read
        self._position = position  # of the next byte to hand out
        self._given = b""
        self._entries: list[tuple[int, int]] = []  # (position of its end, offset) of entries not yet passed
        self._taken = position
        self._marked_entry = entry
        self.raw_bytes = 0

    async def read_into(self, target: memoryview) -> int:
        if not self._given:
            self._given = await self._next_bytes()
        content = self._given[: len(target)]
        self._given = self._given[len(content) :]
        target[: len(content)] = content
        self._position += len(content)
        self.raw_bytes += len(content)
        return len(content)

    def close(self) -> None:
        return

    def take(self, content: memoryview) -> None:
        self._taken += len(content)

    def mark(self) -> None:
        while self._entries and self._entries[0][0] <= self._taken:
            self._marked_entry = self._entries.pop(0)[1] + 1

    def state(self) -> SplitState:
        """The entry that holds the byte after the last one read; at an entry's end, the one after it."""
        return {"entry": self._marked_entry}

    async def _next_bytes(self) -> bytes:
        """The rest of the next entry of this split; nothing at the log's end."""
        while entries := await self._log.read(self._source, self._offset, 1):
            entry = entries[0]
            self._offset = entry.offset + 1
            if entry.split != self._split:
                continue
            rest = self._taken_entry(entry)
            if rest:
                return rest
        return b""

    def _taken_entry(self, entry: LogEntry) -> bytes:
        self._entries.append((entry.position + len(entry.data), entry.offset))
        return entry.data[max(self._position - entry.position, 0) :]


class LiveStream(LogStream):
    """Standard input: each piece is in the log before its first byte is handed out."""

    def __init__(self, log: Log, source: str, split: SplitName, entry: int, descriptor: int) -> None:
        super().__init__(log, source, split, entry, 0)
        self._descriptor = descriptor
        self._unfinished = bytearray()  # a line whose end has not come
        self._logged = 0
        self._is_ended = False

    async def _next_bytes(self) -> bytes:
        data = await self._whole_lines()
        if not data:
            return b""
        offset = await self._log.append(self._source, self._split, self._logged, data)
        entry = LogEntry(offset, self._split, self._logged, data)
        self._logged += len(data)
        return self._taken_entry(entry)

    async def _whole_lines(self) -> bytes:
        """What may enter the log next: up to the last line end there is, or more than any record may be long."""
        while not self._is_ended and len(self._unfinished) <= RECORD_BYTES_MAX:
            piece = await _read_descriptor(self._descriptor)
            self._is_ended = not piece
            line_end = piece.rfind(b"\n") + 1
            if line_end:
                lines, self._unfinished = bytes(self._unfinished) + piece[:line_end], bytearray(piece[line_end:])
                return lines
            self._unfinished += piece
        rest, self._unfinished = bytes(self._unfinished), bytearray()
        return rest


def open_stdin(name: str, given: Format, log: Log) -> StdinSource:
    """The source of standard input. Raises: InvalidInput for formats that need a file."""
    if given.arrow is not None or given.parquet is not None:
        raise InvalidInput(
            f"source {name}: standard input carries text formats only",
            reason="UnsupportedFormat",
            hint="write Arrow or Parquet to a file and name it with `files`",
        )
    return StdinSource(name, given, log, _STDIN)


async def _read_descriptor(descriptor: int) -> bytes:
    """The next bytes; empty at the end. Waiting can be cancelled, and nothing is lost by it."""
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return os.read(descriptor, _READ_BYTES)
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)
    return os.read(descriptor, _READ_BYTES)
