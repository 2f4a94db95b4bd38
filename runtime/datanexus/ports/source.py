"""Port: where records come from. A source has splits; a split has one order of records and one watermark.

Order of calls: `open` once with the states of the last cut; `read` on any split in any order; `state` after any read.
Who follows input that goes on (`up`) calls `watch` once after `open` and after any replay, reads splits that are
`ready`, and calls `refresh` when none is. Reading is deterministic: from an equal state an equal sequence of records
follows, however reads are sized, so the engine can replay a cut by reading the same number of records again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datanexus.ports.failpoint import writes

SplitName = str  # "<source>/<path>" of a file, "<source>/stdin-<n>", "<source>/generator"; stable over restarts


@dataclass(frozen=True, slots=True)
class TextChunk:
    """n raw records of a text format as spans of one buffer. A record's position is its first byte's offset in the
    (decompressed) split; `positions` ascends. Blank lines are no records. No span holds the line end."""

    data: npt.NDArray[np.uint8]
    starts: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    positions: npt.NDArray[np.int64]
    header: tuple[str, ...] = ()  # column names of a csv split, else empty

    @property
    def rows(self) -> int:
        return len(self.starts)

    def raw(self, row: int) -> bytes:
        """The bytes of one record."""
        start = int(self.starts[row])
        return self.data[start : start + int(self.lengths[row])].tobytes()


@dataclass(frozen=True, slots=True)
class ColumnChunk:
    """n records that arrive as columns (Arrow, Parquet, generator). A record's position is its ordinal in the split."""

    columns: pa.RecordBatch
    positions: npt.NDArray[np.int64]

    @property
    def rows(self) -> int:
        return int(self.columns.num_rows)


Chunk = TextChunk | ColumnChunk


@dataclass(frozen=True, slots=True)
class ReplayChunk:
    """n quarantined records that return. `records`: their raw bytes, mended or not, with `header` of a csv source.
    `ids`: of their quarantine entries. `splits`, `places`: where each came from. `view`: the one view that refused them
    as late, which alone they enter; else None."""

    records: TextChunk
    ids: npt.NDArray[np.int64]
    splits: tuple[SplitName, ...]
    places: npt.NDArray[np.int64]
    view: str | None

    @property
    def rows(self) -> int:
        return self.records.rows


SplitState = Mapping[str, str | int | bool | None]  # JSON values; what a cut stores of a split's position and identity


@dataclass(frozen=True, slots=True)
class Damage:
    """A stretch of a split that could not be read at all (a truncated gzip member, a broken Parquet page). It counts as
    one record that is quarantined; the split ends there."""

    position: int
    message: str
    raw: bytes  # at most the first 64 KiB of it


class Split(Protocol):
    """One ordered sequence of records."""

    @property
    def name(self) -> SplitName: ...

    @property
    def total_bytes(self) -> int | None:
        """Size on disk, for progress; None where unknown."""
        ...

    @property
    def read_bytes(self) -> int:
        """Bytes of `total_bytes` consumed by what was read, for progress."""
        ...

    @property
    def ready(self) -> bool:
        """Whether `read` would now return at once, be it with the end. Cheap; asked only while following."""
        ...

    async def read(self, rows_max: int) -> Chunk | ReplayChunk | Damage | None:
        """The next 1 … rows_max records; None at the end of the split. After Damage only None follows.

        May return fewer than rows_max before the end. A split at its end may be ready again later, when a followed file
        has grown after all.
        """
        ...

    def state(self) -> SplitState:
        """Position after the last record read, and the identity of what was read up to it."""
        ...

    async def close(self) -> None: ...


class Source(Protocol):
    """One entry of a pipeline's `sources`."""

    async def open(self, states: Mapping[SplitName, SplitState]) -> Sequence[Split]:
        """All splits, ordered by name, each placed after the record its state names; a split without a state starts at
        its beginning. A split whose content before the position has changed is a new split with a new name.

        Raises: Unavailable when something cannot be read; InvalidInput when no file matches.
        """
        ...

    async def refresh(self) -> Sequence[Split]:
        """Look for new input while following: splits that are new since `open` or the last `refresh`, by name; known
        ones that grew are `ready` after it. Cheap when nothing changed, as it is called many times a second.

        Raises: Unavailable when something cannot be read now; the next call tries again.
        """
        ...

    def watch(self, arrived: Callable[[], None]) -> None:
        """`arrived` is called, in the event loop's thread, when a split may have become ready without `refresh`."""
        ...

    @writes
    async def release(self, states: Mapping[SplitName, SplitState]) -> None:
        """No kept snapshot is older than these states: what lies before them will not be read again.

        A source on the log trims it; files stay as they are.
        """
        ...

    def notices(self) -> Sequence[str]:
        """Sentences for the user about what `open` found: rotated, truncated, replaced, finished. Empty mostly."""
        ...
