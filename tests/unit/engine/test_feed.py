"""A feed: whoever subscribes, however often, sees a table and then every change once and in order."""

import asyncio
import random
from collections.abc import Sequence

import pyarrow as pa
import pytest

from datanexus.core.emission import Emission
from datanexus.engine import feed as feeds
from datanexus.engine.feed import Changes, Feed, TableSnapshot

SCHEMA = pa.schema([("key", pa.int64()), ("value", pa.int64())])
NONE = pa.RecordBatch.from_pylist([], SCHEMA)


@pytest.fixture(autouse=True)
def _every_cut_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "QUIET_S", 0.0)


class Table:
    """A view's table, changed at random, cut by cut, and the feed that tells of it."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.rows: dict[int, int] = {}
        self.feed = Feed(0, 0, self.read)

    async def read(self, limit: int) -> pa.Table:
        rows = [{"key": key, "value": value} for key, value in self.rows.items()]
        return pa.Table.from_pylist(rows[:limit], SCHEMA)

    def cut(self) -> None:
        appended = {key: 0 for key in range(20) if key not in self.rows and self.random.random() < 0.2}
        changed = {key: value + 1 for key, value in self.rows.items() if self.random.random() < 0.2}
        deleted = [key for key in self.rows if key not in changed and self.random.random() < 0.1]
        self.rows = {key: value for key, value in {**self.rows, **appended, **changed}.items() if key not in deleted}
        gone = dict.fromkeys(deleted, 0)
        self.feed.publish(
            self.feed.seq + 1, self.feed.seq, [Emission(_batch(appended), _batch(changed), _batch(gone), NONE)]
        )


def _batch(rows: dict[int, int]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([{"key": key, "value": value} for key, value in rows.items()], SCHEMA)


class Subscriber:
    """Keeps a table by what it is told; remembers which cuts it saw."""

    def __init__(self) -> None:
        self.rows: dict[int, int] = {}
        self.token: str | None = None
        self.seen: list[int] = []
        self.snapshots = 0

    async def follow(self, feed: Feed, events: int) -> None:
        """Take so many events, then leave."""
        async for event in feed.subscribe(self.token, 100):
            self.token = event.token
            if isinstance(event.content, TableSnapshot):
                self.snapshots += 1
                self.rows = _pairs([*event.content.rows.to_batches()])
                self.seen = list(range(1, event.content.seq + 1))
            else:
                self.apply(event.content)
            events -= 1
            if not events:
                return

    def apply(self, changes: Changes) -> None:
        assert not _pairs(changes.appended).keys() & self.rows.keys()
        assert _pairs(changes.replaced).keys() | _pairs(changes.deleted).keys() <= self.rows.keys()
        self.rows |= _pairs(changes.appended) | _pairs(changes.replaced)
        for key in _pairs(changes.deleted):
            del self.rows[key]
        self.seen.append(changes.seq)


def _pairs(batches: Sequence[pa.RecordBatch]) -> dict[int, int]:
    return {row["key"]: row["value"] for batch in batches for row in batch.to_pylist()}


@pytest.mark.parametrize("seed", range(20))
def test_a_subscriber_that_reconnects_anywhere_sees_every_change_once_and_in_order(seed: int) -> None:
    async def play() -> None:
        table, subscriber = Table(seed), Subscriber()
        for _ in range(60):
            for _ in range(table.random.randrange(4)):
                table.cut()
            waiting = table.feed.seq - len(subscriber.seen)
            if subscriber.token is None:
                await subscriber.follow(table.feed, 1)
            elif waiting:
                await subscriber.follow(table.feed, table.random.randint(1, waiting))
        while subscriber.seen != list(range(1, table.feed.seq + 1)):
            await subscriber.follow(table.feed, 1)
        assert table.rows == subscriber.rows
        assert 1 == subscriber.snapshots

    asyncio.run(play())


def test_one_who_was_away_for_longer_than_changes_are_kept_gets_a_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "KEPT_CUTS", 5)

    async def play() -> None:
        table, subscriber = Table(1), Subscriber()
        await subscriber.follow(table.feed, 1)
        for _ in range(20):
            table.cut()
        await subscriber.follow(table.feed, 1)
        assert (2, table.rows) == (subscriber.snapshots, subscriber.rows)

    asyncio.run(play())


@pytest.mark.parametrize("token", ["", "nonsense", "-1", "00000000-0", "7"])
def test_an_unknown_token_starts_with_a_snapshot(token: str) -> None:
    async def play() -> None:
        table, subscriber = Table(2), Subscriber()
        table.cut()
        subscriber.token = token
        await subscriber.follow(table.feed, 1)
        assert (1, table.rows) == (subscriber.snapshots, subscriber.rows)

    asyncio.run(play())


def test_closing_a_feed_ends_its_subscriptions() -> None:
    async def play() -> None:
        table, subscriber = Table(3), Subscriber()
        following = asyncio.create_task(subscriber.follow(table.feed, 5))
        await asyncio.sleep(0)
        table.feed.close()
        await asyncio.wait_for(following, 10)
        assert 1 == subscriber.snapshots

    asyncio.run(play())


def test_cuts_that_change_nothing_are_told_once_in_a_while_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "QUIET_S", 3600.0)

    async def play() -> None:
        table, subscriber = Table(4), Subscriber()
        await subscriber.follow(table.feed, 1)
        for seq in (1, 2, 3):
            table.feed.publish(seq, seq, [Emission(NONE, NONE, NONE, NONE)])
        table.feed.publish(4, 4, [Emission(_batch({1: 1}), NONE, NONE, NONE)])
        await subscriber.follow(table.feed, 2)
        assert [1, 4] == subscriber.seen

    asyncio.run(play())
