"""GET /v1/live/{pipeline}/{view}: a view's changes as server-sent events.

A `snapshot` first, then `changes`, each once and in order; the id of an event, sent back as Last-Event-ID, goes on
behind it. A subscriber that does not read is disconnected; it resumes like any other, and no other waits for it.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from datanexus.engine.feed import Changes, Feed, FeedEvent, TableSnapshot
from datanexus.gateway.answers import abort
from datanexus.gateway.instants import instant
from datanexus.query.result_rows import JSON, json_rows

MEDIA_TYPE = "text/event-stream"
HEARTBEAT_S = 15.0
STALLED_S = 20.0  # for the client to make room for one event; then it is disconnected
SNAPSHOT_ROWS = 10_000
WINDOWS_DEFAULT = 60
RETRY_MS = 1_000
_ENCODED_BYTES = 8 << 20  # kept of events, as subscribers mostly ask for the newest ones
_HEARTBEAT = b": still here\n\n"
_KEY = ("key_high", "key_low")


class LiveResponse(Response):
    """The events of one feed to one subscriber. `after`: the id of the last event that it knows."""

    media_type = MEDIA_TYPE

    def __init__(
        self, feed: Feed, after: str | None, windows: int, encoder: "EventEncoder", closing: asyncio.Event
    ) -> None:
        super().__init__()
        self._feed = feed
        self._after = after
        self._windows = windows
        self._encoder = encoder
        self._closing = closing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the client goes, the feed ends or the server stops."""
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"content-type", MEDIA_TYPE.encode()), (b"cache-control", b"no-store")],
            }
        )
        ends = [
            asyncio.create_task(self._send_events(scope, send)),
            asyncio.create_task(_disconnected(receive)),
            asyncio.create_task(self._closing.wait()),
        ]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in ends:
                task.cancel()
            await asyncio.gather(*ends, return_exceptions=True)
        await send({"type": "http.response.body", "body": b""})

    async def _send_events(self, scope: Scope, send: Send) -> None:
        news: asyncio.Queue[FeedEvent | None] = asyncio.Queue(maxsize=1)
        pumping = asyncio.create_task(_pump(self._feed.subscribe(self._after, SNAPSHOT_ROWS), news))
        try:
            await _send_in_time(scope, send, b"retry: %d\n\n" % RETRY_MS)
            while True:
                try:
                    async with asyncio.timeout(HEARTBEAT_S):
                        event = await news.get()
                except TimeoutError:
                    await _send_in_time(scope, send, _HEARTBEAT)
                    continue
                if event is None:
                    return
                await _send_in_time(scope, send, self._encoder.encoded(event, self._windows))
        finally:
            pumping.cancel()
            await asyncio.gather(pumping, return_exceptions=True)


class EventEncoder:
    """Events as bytes. Changes are written once for all subscribers of a view."""

    def __init__(self) -> None:
        self._kept: OrderedDict[int, tuple[Changes, bytes]] = OrderedDict()
        self._bytes = 0

    def encoded(self, event: FeedEvent, windows: int) -> bytes:
        """One event; a snapshot has the rows of the newest `windows` windows."""
        content = event.content
        if isinstance(content, TableSnapshot):
            return _framed("snapshot", event.token, _snapshot(content, windows))
        known = self._kept.get(id(content))
        if known is None or known[0] is not content:
            known = (content, _framed("changes", event.token, _changes(content)))
            self._keep(known)
        return known[1]

    def _keep(self, known: tuple[Changes, bytes]) -> None:
        """The kept changes are alive, so their ids stay theirs."""
        self._kept[id(known[0])] = known
        self._bytes += len(known[1])
        while self._bytes > _ENCODED_BYTES:
            self._bytes -= len(self._kept.popitem(last=False)[1][1])


def _snapshot(snapshot: TableSnapshot, windows: int) -> Mapping[str, Any]:
    shown = snapshot.rows.drop_columns(list(_KEY))
    rows = _rows(snapshot.rows)
    kept = set(list(dict.fromkeys(_window_of(row["key"]) for row in rows))[:windows])
    return {
        "seq": snapshot.seq,
        "watermark": instant(snapshot.watermark_us),
        "columns": [{"name": column.name, "type": str(column.type)} for column in shown.schema],
        "rows": [row for row in rows if _window_of(row["key"]) in kept],
    }


def _changes(changes: Changes) -> Mapping[str, Any]:
    return {
        "seq": changes.seq,
        "watermark": instant(changes.watermark_us),
        "appended": _rows_of(changes.appended),
        "replaced": _rows_of(changes.replaced),
        "deleted": [row["key"] for row in _rows_of(changes.deleted)],
    }


def _rows_of(batches: Sequence[pa.RecordBatch]) -> list[dict[str, Any]]:
    return [row for batch in batches for row in _rows(pa.Table.from_batches([batch]))]


def _rows(table: pa.Table) -> list[dict[str, Any]]:
    starts = table.column("window_start").cast(pa.int64()).to_pylist()
    high, low = (table.column(name).to_pylist() for name in _KEY)
    keys = [
        f"{'' if start is None else start}/{upper:016x}{lower:016x}"
        for start, upper, lower in zip(starts, high, low, strict=True)
    ]
    return [
        {"key": key, "values": values}
        for key, values in zip(keys, json_rows(table.drop_columns(list(_KEY))), strict=True)
    ]


def _window_of(key: str) -> str:
    return key.partition("/")[0]


def _framed(kind: str, token: str, data: Mapping[str, Any]) -> bytes:
    return b"event: %s\nid: %s\ndata: %s\n\n" % (kind.encode(), token.encode(), JSON.encode(data))


async def _pump(events: AsyncIterator[FeedEvent], news: "asyncio.Queue[FeedEvent | None]") -> None:
    async for event in events:
        await news.put(event)
    await news.put(None)


async def _send_in_time(scope: Scope, send: Send, data: bytes) -> None:
    """Send; a client that makes no room for it is cut off, as its connection's buffer is all it may take."""
    try:
        async with asyncio.timeout(STALLED_S):
            await send({"type": "http.response.body", "body": data, "more_body": True})
    except TimeoutError:
        abort(scope)
        raise


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue
