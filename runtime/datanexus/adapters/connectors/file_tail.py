"""What a followed file has beyond what was read of it, put into the log: whole lines, or columns.

A tail knows where in the split it is and the identity of all before that, as a run that reads in place does, so the two
can take turns. An entry that could not be appended is kept and tried again. Nothing here decides which file it is.
"""

import json
import os
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from datanexus.adapters.connectors.byte_stream import Broken, ByteStream
from datanexus.adapters.connectors.column_files import ColumnSplit
from datanexus.adapters.connectors.entry_reader import PART, damage_entry
from datanexus.adapters.connectors.logged_split import Pulled
from datanexus.adapters.connectors.text_split import DAMAGE_BYTES_MAX, HEAD_BYTES, ContentIdentity, TextSplit
from datanexus.adapters.faults import os_fault
from datanexus.engine.decode.json_text import RECORD_BYTES_MAX
from datanexus.ports.log import ARROW, LINES, Log, NewEntry
from datanexus.ports.source import Damage, SplitName, SplitState

READ_BYTES = 4 << 20  # of one log entry, about
SEAM_BYTES = HEAD_BYTES  # before the place, compared with each read: content that changed is noticed
_COLUMN_ROWS = 65_536  # of one log entry
_PARQUET_MAGIC = b"PAR1"
_ARROW_MAGIC = b"ARROW1"
_ARROW_STREAM_END = b"\xff\xff\xff\xff\0\0\0\0"


@dataclass(frozen=True, slots=True)
class FileId:
    """A file whatever its name; a hint, as numbers are used again."""

    device: int
    inode: int


class Appender:
    """Appends entries of one split, each once. `frontier`: the state of a run that had read what the log has."""

    def __init__(self, log: Log, source: str, split: SplitName, frontier: SplitState) -> None:
        self.frontier = frontier
        self.file_id: FileId | None = None
        self._log = log
        self._source = source
        self._split = split
        self._waiting: tuple[NewEntry, SplitState] | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether an entry could not be appended yet."""
        return self._waiting is not None

    async def append(self, data: bytes, framing: str, frontier: SplitState, extent: int | None = None) -> None:
        """Raises: Unavailable; then `retry` is the next call."""
        position = int(self.frontier["position"] or 0)
        entry = NewEntry(self._split, data, framing, self._origin(frontier), position, extent)
        self._waiting = (entry, frontier)
        await self.retry()

    async def append_damage(self, damage: Damage, frontier: SplitState) -> None:
        """As `append`."""
        self._waiting = (damage_entry(self._split, damage, self._origin(frontier)), frontier)
        await self.retry()

    async def retry(self) -> bool:
        """Append what could not be appended before; whether there was something. Raises: Unavailable."""
        if self._waiting is None:
            return False
        entry, frontier = self._waiting
        await self._log.append(self._source, entry)
        self._waiting, self.frontier = None, frontier
        return True

    def _origin(self, frontier: SplitState) -> str:
        hints = {} if self.file_id is None else {"device": self.file_id.device, "inode": self.file_id.inode}
        return json.dumps({**frontier, **hints}, separators=(",", ":"))


class Tail(Protocol):
    """The rest of one file."""

    @property
    def offset(self) -> int:
        """Bytes of the file that were read, where it is read as it is; else 0."""
        ...

    async def pull(self, *, is_last: bool) -> Pulled | None:
        """Append what comes next. `is_last`: nothing more is written to the file, so a half line is a record.

        None: the content before the place is not what was read. Raises: Unavailable.
        """
        ...

    def is_unchanged(self) -> bool:
        """Whether the content before the place is what was read there last, as far as that is easily told."""
        ...

    def close(self) -> None: ...


class OpenHandles:
    """Keeps the descriptors that were used last; one that is kept by name only is opened again."""

    def __init__(self, count_max: int) -> None:
        self._count_max = count_max
        self._handles: OrderedDict[FileHandle, None] = OrderedDict()

    def use(self, handle: "FileHandle") -> None:
        """A handle was used, and is open."""
        self._handles[handle] = None
        self._handles.move_to_end(handle)
        if len(self._handles) > self._count_max:
            for oldest in [one for one in self._handles if not one.is_nameless][: len(self._handles) - self._count_max]:
                oldest.close()

    def closed(self, handle: "FileHandle") -> None:
        self._handles.pop(handle, None)


class Moved(Exception):
    """The name leads to another file now, or to none."""


class FileHandle:
    """A file by its descriptor, which outlives its name. `is_nameless`: once closed, it cannot be opened again."""

    def __init__(self, path: Path, file_id: FileId, handles: OpenHandles) -> None:
        self.path = path
        self.file_id = file_id
        self.is_nameless = False
        self._handles = handles
        self._descriptor = -1

    @property
    def is_open(self) -> bool:
        return self._descriptor >= 0

    def status(self) -> os.stat_result:
        """Raises: Moved, Unavailable."""
        try:
            return os.fstat(self._opened())
        except OSError as error:
            raise os_fault(error, "cannot read", self.path) from error

    def read(self, begin: int, count: int) -> bytes:
        """Up to `count` bytes from `begin` on. Raises: Moved, Unavailable."""
        try:
            return os.pread(self._opened(), count, begin)
        except OSError as error:
            raise os_fault(error, "cannot read", self.path) from error

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
            self._handles.closed(self)

    def _opened(self) -> int:
        if self._descriptor < 0:
            try:
                self._descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError as error:
                raise Moved from error
            status = os.fstat(self._descriptor)
            if FileId(status.st_dev, status.st_ino) != self.file_id:
                self.close()
                raise Moved
        self._handles.use(self)
        return self._descriptor


def is_complete(handle: FileHandle, size: int) -> bool:
    """Whether an Arrow or Parquet file ends as one that was written to its end. Raises: Unavailable."""
    begin, end = handle.read(0, 6), handle.read(max(size - 8, 0), 8)
    if begin[:4] == _PARQUET_MAGIC:
        return end.endswith(_PARQUET_MAGIC)
    return end.endswith(_ARROW_MAGIC) if begin == _ARROW_MAGIC else end == _ARROW_STREAM_END


class PlainTail:
    """The lines of a file that is read as it grows. What stands at its beginning and before the place is compared with
    each read."""

    def __init__(self, handle: FileHandle, appender: Appender, identity: ContentIdentity, position: int) -> None:
        self.offset = position
        self._handle = handle
        self._appender = appender
        self._identity = identity
        self._position = position  # behind the last whole line
        self._unfinished = bytearray()
        self._seam = identity.last

    @property
    def begun(self) -> bytes:
        """A line whose end has not come."""
        return bytes(self._unfinished)

    def is_unchanged(self) -> bool:
        return self._read(0) is not None

    async def pull(self, *, is_last: bool) -> Pulled | None:
        data = self._read(READ_BYTES)
        if data is None:
            return None
        if data:
            return Pulled.APPENDED if await self._take(data) else Pulled.NOTHING
        if not is_last:
            return Pulled.NOTHING
        if not self._unfinished:
            return Pulled.END
        await self.finish()
        return Pulled.APPENDED

    async def finish(self) -> None:
        """Nothing more comes: a half line is a record. Raises: Unavailable."""
        if self._unfinished:
            await self._append(bytes(self._unfinished), LINES)

    def close(self) -> None:
        return  # the handle is not its own

    def _read(self, count: int) -> bytes | None:
        """Up to `count` bytes behind the place; None if what stands before it is not what was read."""
        head = self._identity.head
        try:
            content = self._handle.read(self.offset - len(self._seam), len(self._seam) + count)
            if not content.startswith(self._seam) or self._handle.read(0, len(head)) != head:
                return None
        except Moved:
            return None
        data = content[len(self._seam) :]
        self.offset += len(data)
        self._seam = content[-SEAM_BYTES:]
        return data

    async def _take(self, data: bytes) -> bool:
        """Append the whole lines; a half one waits."""
        behind = data.rfind(b"\n") + 1
        if behind:
            lines = bytes(self._unfinished) + data[:behind]
            self._unfinished = bytearray(data[behind:])
            await self._append(lines, LINES)
            return True
        self._unfinished += data
        if len(self._unfinished) <= RECORD_BYTES_MAX:
            return False
        await self._append(bytes(self._unfinished), PART)
        return True

    async def _append(self, data: bytes, framing: str) -> None:
        if framing == PART or not data.endswith(b"\n"):
            self._unfinished.clear()
        self._identity.take(memoryview(data))
        self._identity.mark()
        self._position += len(data)
        await self._appender.append(data, framing, {"position": self._position, **self._identity.state()})


class PackedTail:
    """The lines of a compressed file, which is complete. `split`: it was opened behind what was read."""

    offset = 0

    def __init__(self, split: TextSplit, appender: Appender) -> None:
        assert isinstance(split.identity, ContentIdentity), "a file's identity is its content"
        self._stream: ByteStream = split.stream
        self._identity = split.identity
        self._position = split.position
        self._was_damaged = split.was_damaged
        self._appender = appender
        self._unfinished = b""
        self._is_ended = False
        self.is_broken = False  # it ends where more should come

    def is_unchanged(self) -> bool:
        return True

    async def pull(self, *, is_last: bool) -> Pulled | None:
        if self._is_ended:
            return Pulled.END
        block = bytearray(READ_BYTES)
        try:
            count = await self._stream.read_into(memoryview(block))
        except Broken as error:
            self.is_broken = not is_last
            return await self._end_broken(str(error)) if is_last else Pulled.NOTHING
        data = self._unfinished + bytes(memoryview(block)[:count])
        behind = data.rfind(b"\n") + 1 if count else len(data)
        framing = LINES
        if not behind and len(data) > RECORD_BYTES_MAX:
            behind, framing = len(data), PART
        lines, self._unfinished = data[:behind], data[behind:]
        self._is_ended = not count
        if not lines:
            return Pulled.END if self._is_ended else Pulled.NOTHING
        self._identity.take(memoryview(lines))
        self._identity.mark()
        self._position += len(lines)
        await self._appender.append(lines, framing, {"position": self._position, **self._identity.state()})
        return Pulled.APPENDED

    def close(self) -> None:
        self._stream.close()

    async def _end_broken(self, message: str) -> Pulled:
        self._is_ended = True
        if self._was_damaged:
            return Pulled.END
        damage = Damage(self._position, message, self._unfinished[:DAMAGE_BYTES_MAX])
        await self._appender.append_damage(damage, {**self._appender.frontier, "damaged": True})
        return Pulled.APPENDED


class ColumnTail:
    """The records of an Arrow or Parquet file, which is complete."""

    offset = 0

    def __init__(self, split: ColumnSplit, appender: Appender) -> None:
        self._split = split
        self._appender = appender
        self._is_ended = False

    def is_unchanged(self) -> bool:
        return True

    async def pull(self, *, is_last: bool) -> Pulled | None:  # noqa: ARG002 - it is complete
        chunk = None if self._is_ended else await self._split.read(_COLUMN_ROWS)
        if chunk is None:
            self._is_ended = True
            return Pulled.END
        if isinstance(chunk, Damage):
            await self._appender.append_damage(chunk, self._split.state())
        else:
            await self._appender.append(_stream(chunk.columns), ARROW, self._split.state(), chunk.rows)
        return Pulled.APPENDED

    def close(self) -> None:
        return


def file_id_at(path: Path) -> FileId:
    """Of the file that a name leads to; of none where there is none."""
    try:
        status = path.stat()
    except OSError:
        return FileId(0, 0)
    return FileId(status.st_dev, status.st_ino)


def frontier_of(origin: str) -> SplitState:
    """The state in an entry's origin."""
    state: dict[str, str | int | bool | None] = json.loads(origin)
    return {name: value for name, value in state.items() if name not in ("device", "inode")}


def _stream(rows: pa.RecordBatch) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_batch(rows)
    return bytes(sink.getvalue().to_pybytes())
