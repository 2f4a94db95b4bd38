"""Compressed bodies, decompressed piece by piece: never more than one piece ahead of who counts them.

Several gzip members or zstd frames in a row are one body. A zstd window above 8 MiB is refused, as RFC 9659 says of
this content coding: the window is memory that a few bytes can ask for.
"""

import zlib
from collections.abc import Iterator
from typing import Protocol

from backports.zstd import DecompressionParameter, ZstdDecompressor, ZstdError

PIECE_BYTES = 256 << 10
_GZIP_WINDOW_BITS = 31  # zlib's sign for a gzip header and trailer
_ZSTD_WINDOW_LOG_MAX = 23


class BrokenBody(Exception):
    """The bytes are not what the content coding says; the message says how."""


class Inflation(Protocol):
    def pieces(self, data: bytes) -> Iterator[bytes]:
        """What the next bytes of a body inflate to, in pieces of at most PIECE_BYTES. Raises: BrokenBody."""
        ...

    @property
    def is_whole(self) -> bool:
        """Whether the body may end here."""
        ...


class GzipInflation:
    """RFC 1952; the trailer's checksum is checked."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP_WINDOW_BITS)

    @property
    def is_whole(self) -> bool:
        return self._member.eof

    def pieces(self, data: bytes) -> Iterator[bytes]:
        while True:
            if self._member.eof:
                if not data:
                    return
                self._member = zlib.decompressobj(_GZIP_WINDOW_BITS)
            try:
                piece = self._member.decompress(data, PIECE_BYTES)
            except zlib.error as error:
                raise BrokenBody(f"the body is not gzip: {error}") from error
            data = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
            if piece:
                yield piece
            if not data and len(piece) < PIECE_BYTES:
                return


class ZstdInflation:
    """RFC 8878."""

    def __init__(self) -> None:
        self._frame = _frame()

    @property
    def is_whole(self) -> bool:
        return bool(self._frame.eof)

    def pieces(self, data: bytes) -> Iterator[bytes]:
        while True:
            if self._frame.eof:
                if not data:
                    return
                self._frame = _frame()
            try:
                piece = self._frame.decompress(data, PIECE_BYTES)
            except ZstdError as error:
                raise BrokenBody(f"the body is not zstd with a window of at most 8 MiB: {error}") from error
            data = self._frame.unused_data if self._frame.eof else b""
            if piece:
                yield piece
            if not data and self._frame.needs_input:
                return


class NoInflation:
    """A body that came as it is."""

    is_whole = True

    def pieces(self, data: bytes) -> Iterator[bytes]:
        if data:
            yield data


def new_inflation(coding: str) -> Inflation | None:
    """By the name of a content coding, lower case; None for one that is not known."""
    match coding:
        case "" | "identity":
            return NoInflation()
        case "gzip" | "x-gzip":
            return GzipInflation()
        case "zstd":
            return ZstdInflation()
    return None


def _frame() -> ZstdDecompressor:
    return ZstdDecompressor(options={DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG_MAX})
