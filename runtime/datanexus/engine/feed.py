"""The changes of one view, cut by cut, for subscribers: a snapshot first, then every change once and in order.

The last changes stay in memory, so that a subscriber who lost the connection goes on where it was; one who was away for
longer, or who knew another process, gets a new snapshot. Tokens say both: `<generation>-<seq>`.
"""

import asyncio
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from datanexus.core.emission import Emission

KEPT_BYTES = 16 << 20
KEPT_CUTS = 5_000
QUIET_S = 1.0  # a cut that changed no row is told, for its watermark, at most this often


@dataclass(frozen=True, slots=True)
class Changes:
    """What one cut did to the view; batches as in Emission, one for each partition that changed."""

    seq: int
    watermark_us: int
    appended: Sequence[pa.RecordBatch]
    replaced: Sequence[pa.RecordBatch]
    deleted: Sequence[pa.RecordBatch]

    @property
    def rows(self) -> int:
        return sum(batch.num_rows for batch in self._batches)

    @property
    def nbytes(self) -> int:
        return sum(batch.nbytes for batch in self._batches)

    @property
    def _batches(self) -> Sequence[pa.RecordBatch]:
        return (*self.appended, *self.replaced, *self.deleted)


@dataclass(frozen=True, slots=True)
class TableSnapshot:
    """The view's newest rows at cut `seq`, of ViewSpec.row_schema(), newest window first."""

    seq: int
    watermark_us: int
    rows: pa.Table


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """`token`: what a subscriber gives as `after` to go on behind this event."""

    token: str
    content: TableSnapshot | Changes


class Feed:
    """One view's changes. `read_rows(limit)` reads the table as the last published cut left it, without waiting for
    anything else. `publish` is called for every cut, right after its commit."""

    def __init__(self, seq: int, watermark_us: int, read_rows: Callable[[int], Awaitable[pa.Table]]) -> None:
        self.seq = seq
        self._watermark_us = watermark_us
        self._read_rows = read_rows
        self._generation = secrets.token_hex(4)
        self._changes: deque[Changes] = deque()
        self._nbytes = 0
        self._oldest_seq = seq  # changes after this cut are kept
        self._newest_seq = seq  # of the last cut that is kept
        self._told_s = 0.0
        self._news = asyncio.Event()
        self._is_closed = False

    def publish(self, seq: int, watermark_us: int, emissions: Sequence[Emission]) -> None:
        """A cut was committed; `emissions` of this view, by partition."""
        self.seq, self._watermark_us = seq, watermark_us
        changes = Changes(
            seq,
            watermark_us,
            [emission.appended for emission in emissions if emission.appended.num_rows],
            [emission.replaced for emission in emissions if emission.replaced.num_rows],
            [emission.deleted for emission in emissions if emission.deleted.num_rows],
        )
        now_s = time.monotonic()
        if not changes.rows and now_s - self._told_s < QUIET_S:
            return
        self._told_s, self._newest_seq = now_s, seq
        self._changes.append(changes)
        self._nbytes += changes.nbytes
        while len(self._changes) > KEPT_CUTS or (self._nbytes > KEPT_BYTES and len(self._changes) > 1):
            dropped = self._changes.popleft()
            self._nbytes -= dropped.nbytes
            self._oldest_seq = dropped.seq
        self._wake()

    def close(self) -> None:
        """End all subscriptions: the view is gone, or the process stops."""
        self._is_closed = True
        self._wake()

    async def subscribe(self, after: str | None, limit: int) -> AsyncIterator[FeedEvent]:
        """Events behind the token `after`; without a usable one, a snapshot of at most `limit` rows first.

        A subscriber that is slower than the kept changes gets a new snapshot in between. Ends when the feed closes.
        """
        position = self._position_of(after)
        while not self._is_closed:
            if position is None or position < self._oldest_seq:
                rows = await self._read_rows(limit)
                position = self.seq
                yield self._event(position, TableSnapshot(position, self._watermark_us, rows))
            elif position < self._newest_seq:
                for changes in [kept for kept in self._changes if kept.seq > position]:
                    position = changes.seq
                    yield self._event(position, changes)
            else:
                await self._news.wait()

    def _event(self, seq: int, content: TableSnapshot | Changes) -> FeedEvent:
        return FeedEvent(f"{self._generation}-{seq}", content)

    def _position_of(self, token: str | None) -> int | None:
        generation, _, seq = (token or "").partition("-")
        if generation != self._generation or not seq.isdecimal() or int(seq) > self.seq:
            return None
        return int(seq)

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()
