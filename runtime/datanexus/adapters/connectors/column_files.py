"""Arrow and Parquet files as splits of columns. A record's position is its ordinal in the file.

Such a file is written once, so it stays the same split only while its whole content is equal. A file that cannot be
read to its end gives the records before the break, then one Damage.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from datanexus.adapters.connectors.byte_stream import GZIP_SUFFIXES, ZSTD_SUFFIXES
from datanexus.adapters.connectors.file_part import Part
from datanexus.adapters.faults import os_fault
from datanexus.ports.source import ColumnChunk, Damage, SplitName, SplitState
from datanexus_spec.errors import InvalidInput
from datanexus_spec.format import Format

_HASH_BYTES = 8 << 20  # read at a time
_BATCH_ROWS = 65_536  # of a Parquet file, decoded at a time
_DAMAGE_BYTES_MAX = 64 << 10
_FILE_MAGIC = b"ARROW1"


@dataclass(frozen=True, slots=True)
class ColumnFiles:
    """How the column files of one source are opened."""

    format: Format

    async def fresh(self, name: SplitName, path: Path) -> "ColumnSplit":
        """The file from its first record on. Raises: Unavailable, InvalidInput (a compressed file)."""
        if path.suffix in (*GZIP_SUFFIXES, *ZSTD_SUFFIXES):
            raise InvalidInput(
                f"{path}: Arrow and Parquet files are not decompressed by their extension",
                reason="CompressedColumns",
                hint="use the compression inside the format, or decompress the file",
            )
        batches = _parquet_batches(path) if self.format.parquet is not None else _arrow_batches(path)
        return ColumnSplit(name, path, batches, _size_bytes(path))

    async def part(self, name: SplitName, path: Path, part: Part) -> "ColumnSplit | None":
        """Some of the file's records. Raises: Unavailable, InvalidInput."""
        split = await self.fresh(name, path)
        await split.pass_rows(part.position)
        split.until = part.until
        split.is_broken = part.was_damaged
        return split if split.position == part.position else None

    async def resumed(self, name: SplitName, path: Path, state: SplitState) -> "ColumnSplit | None":
        """The file behind the state's position; None if its content is not the same. Raises: Unavailable."""
        if state.get("size") != _size_bytes(path) or state["hash"] != _content_hash(path):
            return None
        split = await self.fresh(name, path)
        split.content_hash = str(state["hash"])
        await split.pass_rows(int(state["position"] or 0))
        split.is_broken = bool(state.get("damaged"))
        return split


@dataclass(slots=True)
class ColumnSplit:
    """Records of one file. `_batch`: of which `_next` rows were handed out."""

    name: SplitName
    path: Path
    batches: Iterator[pa.RecordBatch]
    total_bytes: int | None
    position: int = 0
    content_hash: str = ""
    is_broken: bool = False
    until: int | None = None  # a position at which it ends, if before the file's end
    _batch: pa.RecordBatch | None = None
    _next: int = 0
    _is_at_end: bool = field(default=False)

    @property
    def read_bytes(self) -> int:
        """All at the end; a file's parts have no sizes that are known before."""
        return self.total_bytes or 0 if self._is_at_end else 0

    @property
    def ready(self) -> bool:
        return True

    async def read(self, rows_max: int) -> ColumnChunk | Damage | None:
        if self.until is not None:
            rows_max = min(rows_max, self.until - self.position)
        if self.is_broken or rows_max == 0:
            return None
        while self._batch is None or self._next == self._batch.num_rows:
            if self._is_at_end:
                return None
            damage = self._advance()
            if damage is not None:
                return damage
        rows = self._batch.slice(self._next, rows_max)
        self._next += rows.num_rows
        positions = np.arange(self.position, self.position + rows.num_rows, dtype=np.int64)
        self.position += rows.num_rows
        return ColumnChunk(rows, positions)

    def state(self) -> SplitState:
        if not self.content_hash:
            self.content_hash = _content_hash(self.path)
        state: dict[str, str | int | bool | None] = {
            "position": self.position,
            "size": self.total_bytes,
            "hash": self.content_hash,
        }
        if self.is_broken:
            state["damaged"] = True
        return state

    async def close(self) -> None:
        self._batch = None

    async def pass_rows(self, rows: int) -> None:
        """Move a split that was not read yet behind its first records."""
        while self.position < rows and await self.read(rows - self.position) is not None:
            continue

    def _advance(self) -> Damage | None:
        try:
            self._batch = next(self.batches, None)
            self._next = 0
        except (pa.ArrowException, OSError) as error:
            self._is_at_end = self.is_broken = True
            return Damage(self.position, f"{self.path.name} cannot be read on: {error}", _first_bytes(self.path))
        self._is_at_end = self._batch is None
        return None


def _arrow_batches(path: Path) -> Iterator[pa.RecordBatch]:
    """Batches of an Arrow file or stream, which their first bytes tell apart."""
    with pa.memory_map(str(path), "r") as source:
        if source.size() and source.read(len(_FILE_MAGIC)) == _FILE_MAGIC:
            with pa.ipc.open_file(source) as reader:
                for index in range(reader.num_record_batches):
                    yield reader.get_batch(index)
            return
        source.seek(0)
        with pa.ipc.open_stream(source) as reader:
            yield from reader


def _parquet_batches(path: Path) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(path, memory_map=True) as file:
        yield from file.iter_batches(_BATCH_ROWS, use_threads=False)


def _size_bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise os_fault(error, "cannot read", path) from error


def _content_hash(path: Path) -> str:
    running = xxhash.xxh3_128()
    try:
        with path.open("rb", buffering=0) as file:
            while block := file.read(_HASH_BYTES):
                running.update(block)
    except OSError as error:
        raise os_fault(error, "cannot read", path) from error
    return running.hexdigest()


def _first_bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_DAMAGE_BYTES_MAX)
