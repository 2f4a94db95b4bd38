"""A live subscriber, wherever it reconnects, ends with the exact table and sees every change once and in order."""

import http.client
import json
import os
import random
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.gateway.served import CLOSING, DEADLINE_S, Server, line, pipeline, serving, start_server, until, until_ready

SEED = int(os.environ.get("DATANEXUS_SEED", random.SystemRandom().randrange(10**6)))
# Counts every record of a key, rewritten with each of them: rows are appended first and replaced from then on.
RUNNING = {
    "name": "running",
    "groupBy": ["id"],
    "window": {"global": {"every": "1s"}},
    "aggregates": [{"name": "records", "expr": "count(*)"}, {"name": "total", "expr": "sum(n)"}],
}
NO_DELAY = {"delay": "0s", "maxFuture": "36500d"}


class Subscriber:
    """Keeps a copy of a view from its events, as the page does."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.token = ""
        self.seq = -1
        self.rows: dict[str, list[Any]] = {}
        self.snapshots = 0

    def follow(self, server: Server, events: int) -> int:
        """Take at most so many events on one connection; how many there were before it ended or was silent."""
        connection = http.client.HTTPConnection(server.address, timeout=2)
        taken = 0
        try:
            connection.request("GET", self._path, headers={"Last-Event-ID": self.token} if self.token else {})
            response = connection.getresponse()
            if response.status != 200:
                return 0
            for event in _events(response):
                self._take(event)
                taken += 1
                if taken == events:
                    break
        except (TimeoutError, ConnectionError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        return taken

    def _take(self, event: dict[str, str]) -> None:
        data = json.loads(event["data"])
        self.token = event["id"]
        if event["event"] == "snapshot":
            self.snapshots += 1
            self.rows = {row["key"]: row["values"] for row in data["rows"]}
        else:
            assert data["seq"] == self.seq + 1, f"seed {SEED}: change {data['seq']} after {self.seq}"
            for row in data["appended"]:
                assert row["key"] not in self.rows, f"seed {SEED}: appended twice"
                self.rows[row["key"]] = row["values"]
            for row in data["replaced"]:
                assert row["key"] in self.rows, f"seed {SEED}: replaced before it was there"
                self.rows[row["key"]] = row["values"]
            for key in data["deleted"]:
                del self.rows[key]
        assert data["seq"] >= self.seq, f"seed {SEED}: a snapshot from before"
        self.seq = data["seq"]


def _events(response: http.client.HTTPResponse) -> Iterator[dict[str, str]]:
    event: dict[str, str] = {}
    while text := response.readline().decode():
        name, _, value = text.rstrip("\n").partition(": ")
        if name in ("event", "id", "data"):
            event[name] = value
        elif not name and "data" in event:
            yield event
            event = {}


def table(server: Server) -> list[tuple[Any, ...]]:
    return sorted(tuple(row) for row in server.query("SELECT id, records, total FROM shop.running"))


def copied(subscriber: Subscriber) -> list[tuple[Any, ...]]:
    """window_start, window_end, id, records, total."""
    return sorted(tuple(row[2:5]) for row in subscriber.rows.values())


def feed(server: Server, draw: random.Random, begin_s: int, count: int) -> int:
    """Send records that move the watermark on; returns where they end."""
    for second in range(begin_s, begin_s + count):
        body = b"".join(line(f"key-{draw.randrange(30)}", second * 1_000, draw.randrange(9)) for _ in range(20))
        assert 200 == server.send("shop", "in", body).status
    return begin_s + count


@pytest.fixture
def manifest() -> dict[str, object]:
    return pipeline("shop", views=[RUNNING], watermark=NO_DELAY)


def test_a_subscriber_that_reconnects_anywhere_sees_every_change_once_and_in_order(
    tmp_path: Path, manifest: dict[str, object]
) -> None:
    draw = random.Random(SEED)
    with serving(tmp_path, manifest) as server:
        subscriber = Subscriber("/v1/live/shop/running?windows=1000")
        second = feed(server, draw, 1, 5)
        taken = 0
        for _ in range(25):
            taken += subscriber.follow(server, draw.randint(1, 3))
            second = feed(server, draw, second, draw.randint(1, 4))
        until(lambda: server.counters("shop").get("in", 0) == (second - 1) * 20, "all counted")
        while subscriber.seq < server.get("/v1/pipelines/shop")["seq"]:
            taken += subscriber.follow(server, 1_000)
        assert table(server) == copied(subscriber)
        assert 1 == subscriber.snapshots
        print(f"{taken} events over 25 connections, {len(subscriber.rows)} rows, seed {SEED}")


def test_a_subscriber_survives_kills_of_the_server(tmp_path: Path, manifest: dict[str, object]) -> None:
    draw = random.Random(SEED)
    (tmp_path / "pipeline.yaml").write_text(json.dumps(manifest))
    subscriber = Subscriber("/v1/live/shop/running?windows=1000")
    second = 1
    for _ in range(4):
        server = start_server(tmp_path, "3")
        until_ready(server)
        second = feed(server, draw, second, 8)
        subscriber.follow(server, draw.randint(1, 8))
        server.kill()
    server = start_server(tmp_path, "3")
    try:
        until_ready(server)
        second = feed(server, draw, second, 2)
        until(lambda: server.counters("shop").get("in", 0) == (second - 1) * 20, "all counted")
        while subscriber.seq < server.get("/v1/pipelines/shop")["seq"]:
            subscriber.follow(server, 1_000)
        assert table(server) == copied(subscriber)
    finally:
        server.kill()


def test_a_subscriber_that_does_not_read_is_cut_off_and_others_are_not(
    tmp_path: Path, manifest: dict[str, object]
) -> None:
    draw = random.Random(SEED)
    with serving(tmp_path, manifest) as server:
        stalled = socket.create_connection((server.host, server.port))
        stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        stalled.sendall(b"GET /v1/live/shop/running HTTP/1.1\r\nHost: localhost\r\n\r\n")
        until(lambda: not _is_cut_off(server, stalled), "the stalled subscriber is connected")
        reading = Subscriber("/v1/live/shop/running?windows=1000")
        second = 1
        began = time.monotonic()
        body = b"".join(line(f"{'long' * 200}-{number}") for number in range(2_000))
        before = server.rss_bytes
        while not _is_cut_off(server, stalled):
            assert time.monotonic() - began < DEADLINE_S, "the stalled subscriber is still connected"
            assert 200 == server.send("shop", "in", body.replace(b"1000", str(second * 1_000).encode())).status
            second = feed(server, draw, second + 1, 1)
            assert reading.follow(server, 2) > 0
        stalled.close()
        print(f"cut off after {time.monotonic() - began:.0f} s, memory + {(server.rss_bytes - before) >> 20} MiB")
        while reading.seq < server.get("/v1/pipelines/shop")["seq"]:
            reading.follow(server, 1_000)
        assert table(server) == copied(reading)


def _is_cut_off(server: Server, stalled: socket.socket) -> bool:
    """Whether the server's end of the connection is gone; the client has not read anything."""
    port = stalled.getsockname()[1]
    return not any(
        found.laddr.port == server.port and found.raddr and found.raddr.port == port for found in _connections(server)
    )


def _connections(server: Server) -> list[Any]:
    return [found for found in _process(server).net_connections("tcp") if found.status == "ESTABLISHED"]


def _process(server: Server) -> Any:
    return psutil.Process(server.process.pid)


def test_streams_end_when_the_server_stops(tmp_path: Path, manifest: dict[str, object]) -> None:
    with serving(tmp_path, manifest) as server:
        streams = [http.client.HTTPConnection(server.address, timeout=DEADLINE_S) for _ in range(20)]
        responses = []
        for stream in streams:
            stream.request("GET", "/v1/live/shop/running")
            responses.append(stream.getresponse())
        assert 200 == server.send("shop", "in", CLOSING).status
        begun = time.monotonic()
        assert 0 == server.stop()
        print(f"stopped with 20 open streams within {time.monotonic() - begun:.2f} s")
        assert all(response.read().endswith(b"\n\n") for response in responses)
        for stream in streams:
            stream.close()


def test_what_is_not_there_has_no_stream(tmp_path: Path, manifest: dict[str, object]) -> None:
    with serving(tmp_path, manifest) as server:
        assert "NoSuchView" == server.ask("GET", "/v1/live/shop/nothing").json["reason"]
        assert "NoSuchPipeline" == server.ask("GET", "/v1/live/nobody/running").json["reason"]
