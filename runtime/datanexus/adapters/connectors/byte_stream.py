"""Bytes of a split in order, decompressed on the way: what text splits are read from.

A stream that breaks off gives everything that can be had before the break, however it is read, and then says so.
"""

import zlib
from io import FileIO
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from datanexus.adapters.faults import os_fault

GZIP_SUFFIXES = (".gz",)
ZSTD_SUFFIXES = (".zst", ".zstd")
_COMPRESSED_BYTES = 1 << 18  # read at a time
_GZIP_WINDOW_BITS = 31  # zlib's sign for a gzip header and trailer
_SALVAGE_BYTES = (1 << 16, 1 << 8, 1)


class Broken(Exception):
    """The stream ends here although more should come; the message says how."""


class ByteStream(Protocol):
    @property
    def raw_bytes(self) -> int:
        """Bytes consumed of what is stored."""
        ...

    async def read_into(self, target: memoryview) -> int:
        """Put the next bytes at the start of `target`; returns how many, 0 at the end. Raises: Broken, Unavailable."""
        ...

    def close(self) -> None: ...


class FileStream(ByteStream, Protocol):
    """The content of a file. It is opened by the first read and closed at the end, as a source may have very many."""

    @property
    def size_bytes(self) -> int:
        """On disk, when it was opened."""
        ...

    def park(self) -> None:
        """Close the file until the next read, where that costs nothing."""
        ...


def open_file(path: Path) -> FileStream:
    """The content of a file, decompressed by its extension. Raises: Unavailable."""
    try:
        size_bytes = path.stat().st_size
    except OSError as error:
        raise os_fault(error, "cannot read", path) from error
    if path.suffix in GZIP_SUFFIXES:
        return GzipStream(path, size_bytes)
    if path.suffix in ZSTD_SUFFIXES:
        return ZstdStream(path, size_bytes)
    return PlainStream(path, size_bytes)


class PlainStream:
    """A file as it is."""

    def __init__(self, path: Path, size_bytes: int) -> None:
        self._path = path
        self._file: FileIO | None = None
        self.size_bytes = size_bytes
        self.raw_bytes = 0

    async def read_into(self, target: memoryview) -> int:
        filled = 0
        try:
            if self._file is None:
                self._file = FileIO(self._path)
                self._file.seek(self.raw_bytes)
            while filled < len(target) and (count := self._file.readinto(target[filled:])):
                filled += count
        except OSError as error:
            self.close()
            raise os_fault(error, "cannot read", self._path) from error
        self.raw_bytes += filled
        if not filled:
            self.close()
        return filled

    def park(self) -> None:
        self.close()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


class BoundedStream:
    """The next `left` bytes of a stream."""

    def __init__(self, stream: ByteStream, left: int) -> None:
        self._stream = stream
        self._left = left

    @property
    def raw_bytes(self) -> int:
        return self._stream.raw_bytes

    async def read_into(self, target: memoryview) -> int:
        count = await self._stream.read_into(target[: self._left]) if self._left else 0
        self._left -= count
        return count

    def close(self) -> None:
        self._stream.close()


class GzipStream:
    """A gzip file of one or more members; zero bytes after a member are padding."""

    def __init__(self, path: Path, size_bytes: int) -> None:
        self._path = path
        self._file: FileIO | None = None
        self.size_bytes = size_bytes
        self._is_ended = False
        self._member = zlib.decompressobj(_GZIP_WINDOW_BITS)
        self._in_member = False
        self._given = b""  # compressed, not yet decompressed
        self._broken = ""
        self.raw_bytes = 0

    async def read_into(self, target: memoryview) -> int:
        filled = 0
        while filled < len(target) and not self._broken and not self._is_ended:
            if not self._given and not self._refill():
                break
            content = self._decompressed(len(target) - filled)
            target[filled : filled + len(content)] = content
            filled += len(content)
        if self._broken and not filled:
            raise Broken(self._broken)
        return filled

    def park(self) -> None:
        return  # going on later would decompress it all again

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _refill(self) -> bool:
        try:
            if self._file is None:
                self._file = FileIO(self._path)
            self._given = self._file.read(_COMPRESSED_BYTES)
        except OSError as error:
            self.close()
            raise os_fault(error, "cannot read", self._path) from error
        self.raw_bytes += len(self._given)
        if not self._given:
            self._is_ended = True
            self.close()
            self._broken = "the file ends in the middle of a gzip member" if self._in_member else ""
        return bool(self._given)

    def _decompressed(self, bytes_max: int) -> bytes:
        if not self._in_member:
            self._given = self._given.lstrip(b"\0")
            if not self._given:
                return b""
            self._in_member = True
        before, given = self._member.copy(), self._given
        try:
            content = self._member.decompress(given, bytes_max)
        except zlib.error as error:
            self._broken = f"a gzip member is damaged ({error})"
            return _before_damage(before, given)
        if self._member.eof:
            self._given = self._member.unused_data
            self._member = zlib.decompressobj(_GZIP_WINDOW_BITS)
            self._in_member = False
        else:
            self._given = self._member.unconsumed_tail
        return content


def _before_damage(member: "zlib._Decompress", given: bytes) -> bytes:
    """What comes out before the byte at which decompression fails."""
    content = bytearray()
    try:
        for index in range(len(given)):
            content += member.decompress(given[index : index + 1])
    except zlib.error:
        return bytes(content)
    return bytes(content)


class ZstdStream:
    """A Zstandard file of one or more frames."""

    def __init__(self, path: Path, size_bytes: int) -> None:
        self._path = path
        self._stream: pa.CompressedInputStream | None = None
        self.size_bytes = size_bytes
        self.raw_bytes = 0
        self._position = 0
        self._is_ended = size_bytes == 0
        self._broken = ""

    async def read_into(self, target: memoryview) -> int:
        if self._broken:
            raise Broken(self._broken)
        if self._is_ended:
            return 0
        if self._stream is None:
            self._stream = self._opened()
        try:
            content = self._stream.read(len(target))
        except OSError as error:
            self._broken = f"a zstd frame is damaged or cut off ({error})"
            content = self._salvaged()
            self.close()
            if not content:
                raise Broken(self._broken) from error
        target[: len(content)] = content
        self._position += len(content)
        self._is_ended = not content
        if self._is_ended or self._broken:
            self.raw_bytes = self.size_bytes
            self.close()
        else:
            self.raw_bytes = self._raw.tell()
        return len(content)

    def park(self) -> None:
        return  # going on later would decompress it all again

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._raw.close()
            self._stream = None

    def _opened(self) -> pa.CompressedInputStream:
        try:
            self._raw = pa.OSFile(str(self._path), "rb")
            return pa.CompressedInputStream(self._raw, "zstd")
        except OSError as error:
            raise os_fault(error, "cannot read", self._path) from error

    def _salvaged(self) -> bytes:
        """What can be read before the damage: a failed read gives nothing, so again in ever smaller pieces."""
        content = bytearray()
        for piece_bytes in _SALVAGE_BYTES:
            self.close()
            self._stream = stream = self._opened()
            _skip(stream, self._position + len(content))
            try:
                while piece := stream.read(piece_bytes):
                    content += piece
            except OSError:
                continue
        return bytes(content)


def _skip(stream: pa.CompressedInputStream, count: int) -> None:
    while count:
        count -= len(stream.read(min(count, 1 << 20)))
