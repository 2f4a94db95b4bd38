"""A split of text records: bytes in blocks, framed, handed out in pieces of any size.

A record beyond RECORD_BYTES_MAX is handed out as that many bytes and one more, which decoders refuse.
The first record of a CSV split with a header names the columns; the state carries the names.

Invariant: what `read` returns over many calls, and the state after each record, depend on the bytes alone. The position
lies behind the last record's line end, before any blank line that follows.

A last line without line end is a record. When the file grows later, what follows its last byte is read on: a line end
first makes nothing; anything else is a record of its own, as the first half cannot be taken back.
"""

import json
import sys
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import xxhash

from datanexus.adapters.connectors.byte_stream import Broken, ByteStream
from datanexus.adapters.connectors.framing import Bytes, Framer, framer_of, taken_header, without_mark
from datanexus.engine.decode.framing import Frames
from datanexus.engine.decode.json_text import RECORD_BYTES_MAX
from datanexus.ports.source import Damage, SplitName, SplitState, TextChunk
from datanexus_spec.format import Format

BLOCK_BYTES = 4 << 20
HEAD_BYTES = 1024
DAMAGE_BYTES_MAX = 64 << 10
_SLACK_BYTES = 64  # zeros behind a block, so that a scanner may load a whole vector
_SPARE_BYTES = 4 << 10  # for the begun record that the next block starts with
_OWN_REFERENCES = 3  # to a buffer that no array is a view of: from the pair, a local name and the question itself
_NO_BYTES = np.empty(0, np.uint8)
_NONE = np.empty(0, np.int64)
_NO_FRAMES = Frames(_NONE, _NONE, _NONE, consumed=0)


class Identity(Protocol):
    """What a state says of the content read, besides the position."""

    def take(self, content: memoryview) -> None:
        """The next bytes of the split were passed."""
        ...

    def mark(self) -> None:
        """All bytes taken so far are part of records that were read."""
        ...

    def state(self) -> SplitState:
        """Of the bytes up to the last mark."""
        ...


class ContentIdentity:
    """A running hash of all content, and one of its first kilobyte, which rules most other files out at once."""

    def __init__(self) -> None:
        self._running = xxhash.xxh3_128()
        self._marked = self._running.copy()
        self._head = self._marked_head = b""
        self._last = self._marked_last = b""

    def take(self, content: memoryview) -> None:
        self._running.update(content)
        self._last = (self._last + bytes(content[-HEAD_BYTES:]))[-HEAD_BYTES:]
        if len(self._head) < HEAD_BYTES:
            self._head += bytes(content[: HEAD_BYTES - len(self._head)])

    @property
    def head(self) -> bytes:
        """The first HEAD_BYTES of what was marked."""
        return self._marked_head

    @property
    def last(self) -> bytes:
        """The last HEAD_BYTES of what was marked."""
        return self._marked_last

    def mark(self) -> None:
        self._marked = self._running.copy()
        self._marked_head = self._head
        self._marked_last = self._last

    def state(self) -> SplitState:
        return {"hash": self._marked.hexdigest(), "head": xxhash.xxh3_64_hexdigest(self._marked_head)}


@dataclass(frozen=True, slots=True)
class _Block:
    """data[:filled], then slack. `broken`: how the stream broke off behind it, if it did."""

    data: Bytes
    filled: int
    is_last: bool
    broken: str


@dataclass(frozen=True, slots=True)
class _LongRecord:
    """The first bytes of a record that is too long, and where the next one begins."""

    chunk: TextChunk
    end: int


@dataclass(slots=True)
class TextSplit:
    """Text records of one stream, from `position` on, which the stream has reached. `was_damaged`: an earlier run
    reported that the stream breaks off after `position`."""

    name: SplitName
    format: Format
    stream: ByteStream
    identity: Identity
    total_bytes: int | None
    header: tuple[str, ...] = ()
    position: int = 0
    was_damaged: bool = False
    _buffers: tuple[Bytes, Bytes] = (_NO_BYTES, _NO_BYTES)
    _data: Bytes = field(default_factory=lambda: np.empty(0, np.uint8))
    _filled: int = 0
    _base: int = -1  # position of _data[0]; below zero before the first block
    _frames: Frames = _NO_FRAMES
    _next: int = 0
    _taken: int = 0  # up to where the identity has the bytes, as a position
    _long: _LongRecord | None = None
    _damage: Damage | None = None
    _is_at_end: bool = False
    _framer: Framer = field(init=False)

    def __post_init__(self) -> None:
        self._framer = framer_of(self.format)

    @property
    def read_bytes(self) -> int:
        return self.stream.raw_bytes

    @property
    def ready(self) -> bool:
        return True

    async def read(self, rows_max: int) -> TextChunk | Damage | None:
        while self._next == len(self._frames.starts):
            if self._long is not None:
                return self._take_long(self._long)
            if self._is_at_end:
                return self._report_damage()
            await self._fill()
        first, behind = self._next, min(self._next + rows_max, len(self._frames.starts))
        starts = self._frames.starts[first:behind]
        self._next = behind
        self._advance(int(self._frames.ends[behind - 1]))
        return TextChunk(self._data, starts, self._frames.lengths[first:behind], starts + self._base, self.header)

    def state(self) -> SplitState:
        state: dict[str, str | int | bool | None] = {"position": self.position, **self.identity.state()}
        if self.position and self._has_header:
            state["header"] = json.dumps(self.header)
        if self.was_damaged:
            state["damaged"] = True
        return state

    async def close(self) -> None:
        self.stream.close()

    @property
    def _has_header(self) -> bool:
        return self.format.csv is not None and self.format.csv.header

    def _advance(self, end: int) -> None:
        """Records up to `end` of the block were read."""
        self._take(end)
        self.identity.mark()
        self.position = self._base + end
        self.was_damaged = False

    def _take(self, end: int) -> None:
        begin = self._taken - self._base
        if end > begin:
            self.identity.take(self._data[begin:end].data)
            self._taken = self._base + end

    def _take_long(self, record: _LongRecord) -> TextChunk:
        self._long = None
        self.identity.mark()
        self.position = record.end
        self.was_damaged = False
        return record.chunk

    def _report_damage(self) -> Damage | None:
        damage, self._damage = self._damage, None
        if damage is None or self.was_damaged:
            return None
        self.was_damaged = True
        return damage

    async def _fill(self) -> None:
        """The next block: what was left of the last one, and as much again as a block holds."""
        if self._base < 0:
            self._base = self._taken = self.position
        consumed = self._frames.consumed
        block = await self._block(self._data[consumed : self._filled])
        self._take(consumed)  # Because: a wait for the block may be cancelled and asked again, nothing changes before
        self._base += consumed
        self._use(block)
        self._next = 0
        self._frames = self._framed(whole=self._is_at_end and not block.broken)
        if block.broken:
            rest = self._data[self._frames.consumed : self._filled][:DAMAGE_BYTES_MAX].tobytes()
            self._damage = Damage(self._base + self._frames.consumed, block.broken, rest)
        elif self._filled > RECORD_BYTES_MAX and not len(self._frames.starts):
            await self._pass_long()

    async def _block(self, left: Bytes) -> _Block:
        """`left` and more bytes behind it."""
        data = self._buffer(len(left) + BLOCK_BYTES + _SLACK_BYTES)
        data[: len(left)] = left
        broken = ""
        try:
            count = await self.stream.read_into(data.data[len(left) : len(left) + BLOCK_BYTES])
        except Broken as error:
            count, broken = 0, str(error)
        filled = len(left) + count
        data[filled : filled + _SLACK_BYTES] = 0
        return _Block(data[: filled + _SLACK_BYTES], filled, is_last=not count, broken=broken)

    def _buffer(self, size: int) -> Bytes:
        """Memory for a block: the older of the last two, as its pages are there, unless a chunk of it is still held."""
        older, newer = self._buffers
        if len(older) < size or sys.getrefcount(older) > _OWN_REFERENCES:
            older = np.empty(size + _SPARE_BYTES, np.uint8)
        self._buffers = (newer, older)
        return older

    def _use(self, block: _Block) -> None:
        self._data, self._filled, self._is_at_end = block.data, block.filled, block.is_last
        if block.is_last:
            self._buffers = (_NO_BYTES, _NO_BYTES)  # many splits may be kept at their end

    def _framed(self, *, whole: bool) -> Frames:
        frames = self._framer(self._data, self._filled, at_end=whole)
        if self._base == 0:
            frames = without_mark(self._data, frames)
        given = self.format.csv
        if given is not None and given.header and not self.position and not self.header and len(frames.starts):
            self.header, frames = taken_header(self._data, frames, given)
        return frames

    async def _pass_long(self) -> None:
        """Keep the first bytes of a record that is too long and pass the rest of its line."""
        kept = self._data[: RECORD_BYTES_MAX + 1]
        begin = self._base
        line_end = _line_end(self._data, RECORD_BYTES_MAX + 1, self._filled)
        while line_end < 0 and not self._is_at_end:
            self._take(self._filled)
            self._base += self._filled
            block = await self._block(self._data[:0])
            self._use(block)
            if block.broken:
                self._damage = Damage(self._base, block.broken, b"")
            line_end = _line_end(self._data, 0, self._filled)
        end = line_end + 1 if line_end >= 0 else self._filled
        self._take(end)
        self._frames = Frames(_NONE, _NONE, _NONE, consumed=end)
        one = np.zeros(1, np.int64)
        chunk = TextChunk(kept, one, one + RECORD_BYTES_MAX + 1, one + begin, self.header)
        self._long = _LongRecord(chunk, self._base + end)


def _line_end(data: Bytes, begin: int, end: int) -> int:
    """The first line end in data[begin:end]; below zero if there is none."""
    return data[:end].tobytes().find(b"\n", begin)


def given_columns(given: Format) -> tuple[str, ...]:
    """The column names of a csv format without header."""
    return tuple(given.csv.columns) if given.csv is not None else ()
