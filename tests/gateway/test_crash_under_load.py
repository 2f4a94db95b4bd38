"""SIGKILL at every failpoint while producers send: an answered record is never missing, one that is sent again with its
Idempotency-Key is never there twice.

One data folder lives through all kills; each start is the recovery from the kill before.
"""

import asyncio
import contextlib
import json
import os
import random
import signal
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datanexus.ports.blob import Blobs
from datanexus.ports.failpoint import failpoints
from datanexus.ports.log import Log
from datanexus.ports.sink import Sink
from datanexus.ports.source import Source
from datanexus.ports.store import Store
from tests.gateway.served import CLOSING, DEADLINE_S, Server, line, pipeline, start_server, until, until_ready

SOAK = os.environ.get("DATANEXUS_SOAK") == "1"
SEED = int(os.environ.get("DATANEXUS_SEED", random.SystemRandom().randrange(10**6)))
ON_REQUEST = ("store.forget:", "sink.clear", "log.forget:", "store.purge_quarantine", "sink.retract", "store.purge:")
POINTS = [
    point
    for port in (Store, Blobs, Log, Sink, Source)
    for point in failpoints(port)
    if not point.startswith(ON_REQUEST)
]
ONCE = ("store.claim", "log.forget_repeats")  # in the life of a process, or nearly
RANDOM_KILLS = 20 if SOAK else 3
PRODUCERS = 8
BODY_RECORDS = 20
REACHED_S = 60.0  # every point is
SNAPSHOT_EVERY = "3"  # cuts
BODY_STEP_MS = 50  # so that what is sent again after a kill is not late yet


@dataclass(slots=True)
class Producers:
    """What was sent, and what was answered. A body that was not answered is sent again, with its key."""

    draw: random.Random
    bodies: dict[str, bytes] = field(default_factory=dict)
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    unanswered: list[str] = field(default_factory=list)
    repeats: int = 0

    def start_round(self) -> None:
        """A new server: what has no answer is sent again, first."""
        self.unanswered = [key for key in self.bodies if key not in self.answers]

    def next_body(self) -> tuple[str, bytes]:
        """A key and its body: one without answer, sometimes one that was answered, mostly a new one."""
        if self.unanswered:
            key = self.unanswered.pop()
        elif self.answers and self.draw.random() < 0.2:
            key = self.draw.choice(list(self.answers))
        else:
            key = f"body-{len(self.bodies)}"
            ts = 1_000 + BODY_STEP_MS * len(self.bodies)
            records = [line(f"{key}-{row}", ts + row) for row in range(BODY_RECORDS)]
            self.bodies[key] = b"".join(records) + b'{"id": "bad"}\n'
        return key, self.bodies[key]

    def take_answer(self, key: str, told: dict[str, Any]) -> None:
        """Check an answer against the one before."""
        known = self.answers.get(key)
        if known is not None:
            self.repeats += 1
            assert told["repeated"], f"seed {SEED}: {key} was answered before, and again as new"
        assert (BODY_RECORDS, 1) == (told["accepted"], told["rejected"])
        self.answers[key] = told


async def produce(server: Server, producers: Producers, seconds: float) -> None:
    """Send on several connections until the server dies or the time is over."""
    ended = asyncio.Event()
    producers.start_round()

    async def producer() -> None:
        while not ended.is_set():
            try:
                await connection()
            except (ConnectionError, asyncio.IncompleteReadError):
                await asyncio.sleep(0.01)

    async def connection() -> None:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        try:
            while not ended.is_set():
                key, body = producers.next_body()
                writer.write(_request(key, body))
                await writer.drain()
                status, told = await _answer(reader)
                if status == 200:
                    producers.take_answer(key, told)
                    continue
                assert status == 503, told
                producers.unanswered.append(key)
                return
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def timer() -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        while server.process.poll() is None and loop.time() - begun < seconds:  # noqa: ASYNC110 - a process has no event
            await asyncio.sleep(0.01)
        ended.set()

    await asyncio.gather(timer(), *(producer() for _ in range(PRODUCERS)))


def _request(key: str, body: bytes) -> bytes:
    return (
        b"POST /v1/ingest/shop/in HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n"
        b"Idempotency-Key: %s\r\nContent-Length: %d\r\n\r\n%s" % (key.encode(), len(body), body)
    )


async def _answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, Any]]:
    head = await reader.readuntil(b"\r\n\r\n")
    headers = dict(one.split(": ", 1) for one in head.decode().lower().split("\r\n")[1:-2])
    return int(head.split(b" ", 2)[1]), json.loads(await reader.readexactly(int(headers["content-length"])))


def assert_exactly_what_was_sent(server: Server, producers: Producers) -> None:
    """Every answered record is counted once; one that was not answered at most once, and all of its body or nothing."""
    expected = {f"{key}-{row}" for key in producers.answers for row in range(BODY_RECORDS)}
    possible = {f"{key}-{row}" for key in producers.bodies for row in range(BODY_RECORDS)}
    assert server.send("shop", "in", CLOSING).status == 200
    closed = f"SELECT count(*) FROM shop.each WHERE records = 1 AND id LIKE 'body-%' HAVING count(*) >= {len(expected)}"
    until(lambda: bool(server.query(closed)), f"{len(expected)} records (seed {SEED})")
    found: list[list[Any]] = []
    for page in range(0, len(possible) + 1, 50_000):
        found += server.query(f"SELECT id, records FROM shop.each ORDER BY id LIMIT 50000 OFFSET {page}")
    counts = Counter(dict(found))
    assert [] == sorted(expected - counts.keys())[:5], f"seed {SEED}: answered, and missing"
    assert [] == sorted(counts.keys() - possible)[:5], f"seed {SEED}: never sent"
    assert [] == [name for name, records in counts.items() if records != 1][:5], f"seed {SEED}: counted twice"
    bodies = Counter(name.rpartition("-")[0] for name in counts)
    assert {BODY_RECORDS} == set(bodies.values()), f"seed {SEED}: a part of a body"
    counters = server.counters("shop")
    assert len(bodies) == counters["quarantined"], f"seed {SEED}: the bad record of each body"


def test_what_is_answered_survives_a_kill_at_every_failpoint_and_counts_once(tmp_path: Path) -> None:
    print(f"seed {SEED}")
    draw = random.Random(SEED)
    producers = Producers(draw)
    sink = {"name": "out", "view": "each", "files": {"path": "out", "format": {"ndjson": {}}}}
    manifest = pipeline("shop", sinks=[sink], watermark={"delay": "20s", "maxFuture": "36500d"})
    (tmp_path / "pipeline.yaml").write_text(json.dumps(manifest))
    kills: Counter[str] = Counter()
    for point in [*POINTS, *["random"] * RANDOM_KILLS]:
        is_random = point == "random"
        nth = 1 if point.startswith(ONCE) else draw.randint(1, 3)
        failpoint = "" if is_random else f"{point}@{nth}"
        server = start_server(tmp_path, SNAPSHOT_EVERY, failpoint=failpoint)
        try:
            if server.process.poll() is None:
                asyncio.run(produce(server, producers, draw.uniform(0, 2) if is_random else REACHED_S))
            reached = is_random or server.process.poll() is not None
        finally:
            server.kill()
        assert reached, f"{failpoint} was not reached, seed {SEED}"
        assert -signal.SIGKILL == server.process.returncode, server.errors.read_text()[-2_000:]
        kills[point] += 1
    last = start_server(tmp_path, SNAPSHOT_EVERY)
    try:
        until_ready(last)
        asyncio.run(produce(last, producers, 0.5))
        for key in producers.bodies.keys() - producers.answers.keys():
            producers.take_answer(key, last.send("shop", "in", producers.bodies[key], Idempotency_Key=key).json)
        assert_exactly_what_was_sent(last, producers)
        assert 0 == last.stop()
    finally:
        last.process.kill()
        last.process.wait(DEADLINE_S)
    records = len(producers.answers) * BODY_RECORDS
    print(f"{kills.total()} kills, {records:,} records answered, {producers.repeats:,} bodies sent again")
    assert producers.repeats > 0
