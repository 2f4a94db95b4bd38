"""Clients that come in crowds, stall, break off or send bombs: each gets a clear problem, the others notice nothing,
and memory stays within bounds.
"""

import asyncio
import contextlib
import gzip
import json
import os
import socket
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pytest
from backports import zstd

from datanexus.gateway.body import PART_S
from tests.gateway.served import DEADLINE_S, Server, line, pipeline, serving, until

CROWD = 1_000
GROWTH_BYTES_MAX = 160 << 20  # above what the server has after a first request: the budget of bodies twice, and buffers
BODY_BYTES_MAX = 16 << 20
NDJSON = "application/x-ndjson"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path, pipeline("shop")) as running:
        assert 1 == running.send("shop", "in", line("first")).json["accepted"]
        yield running
        assert 1 == running.send("shop", "in", line("last")).json["accepted"]
        assert "Traceback" not in running.errors.read_text()


@dataclass(frozen=True, slots=True)
class Told:
    """An answer; `status` 0 when the connection ended without one."""

    status: int
    content: bytes = b""

    @property
    def reason(self) -> str:
        return str(json.loads(self.content).get("reason", "")) if self.content else ""


def head(size: int | None, **headers: str) -> bytes:
    """The head of a POST; None: chunked."""
    given = {"Host": "localhost", "Content-Type": NDJSON} | {name.replace("_", "-"): v for name, v in headers.items()}
    given |= {"Transfer-Encoding": "chunked"} if size is None else {"Content-Length": str(size)}
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return f"POST /v1/ingest/shop/in HTTP/1.1\r\n{lines}\r\n".encode()


async def connect(server: Server) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(server.host, server.port)


async def answer(reader: asyncio.StreamReader) -> Told:
    """The next answer on a connection."""
    try:
        async with asyncio.timeout(DEADLINE_S):
            top = await reader.readuntil(b"\r\n\r\n")
            headers = dict(one.split(": ", 1) for one in top.decode().lower().split("\r\n")[1:-2])
            return Told(int(top.split(b" ", 2)[1]), await reader.readexactly(int(headers["content-length"])))
    except (asyncio.IncompleteReadError, ConnectionError):
        return Told(0)


async def exchange(server: Server, *parts: bytes) -> Told:
    """Send on a new connection and read the answer; a server that answers early may stop reading."""
    reader, writer = await connect(server)
    try:
        sending = asyncio.ensure_future(send(writer, parts))
        told = await answer(reader)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        return told
    finally:
        await close(writer)


async def close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def send(writer: asyncio.StreamWriter, parts: tuple[bytes, ...]) -> None:
    for part in parts:
        writer.write(part)
        await writer.drain()


class Peak:
    """The greatest memory of the server while a block runs, above what it was before."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._before = server.rss_bytes
        self.growth_bytes = 0

    async def __aenter__(self) -> Self:
        self._watching = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._watching.cancel()

    async def _watch(self) -> None:
        while True:
            self.growth_bytes = max(self.growth_bytes, self._server.rss_bytes - self._before)
            await asyncio.sleep(0.01)


def counted(server: Server) -> int:
    return server.counters("shop").get("in", 0)


def test_a_thousand_clients_at_once_are_all_taken(server: Server) -> None:
    before = counted(server)

    async def crowd() -> tuple[Counter[int], Peak]:
        async def client(number: int) -> int:
            body = b"".join(line(f"{number}-{row}") for row in range(100))
            for attempt in range(1, 200):
                told = await exchange(server, head(len(body), Idempotency_Key=f"crowd-{number}"), body)
                if told.status != 503:
                    return told.status
                await asyncio.sleep(0.01 * attempt)
            return 503

        async with Peak(server) as peak:
            return Counter(await asyncio.gather(*map(client, range(CROWD)))), peak

    statuses, peak = asyncio.run(crowd())
    print(f"{CROWD} clients of 100 records: {dict(statuses)}, memory + {peak.growth_bytes >> 20} MiB")
    assert {200: CROWD} == statuses
    assert peak.growth_bytes < GROWTH_BYTES_MAX
    until(lambda: counted(server) == before + CROWD * 100, "all records counted")


def test_bodies_beyond_the_budget_are_put_off_and_memory_is_bounded(server: Server) -> None:
    """200 clients hold 4 MiB each, all but their last byte: 800 MiB, of which 64 MiB are taken."""
    body = line("x" * 1_000) * 4_000

    async def crowd() -> tuple[Counter[str], Peak, int]:
        async def client() -> str:
            reader, writer = await connect(server)
            try:
                writer.write(head(len(body)) + body[:-1])
                sending = asyncio.ensure_future(writer.drain())
                told = await answer(reader)
                sending.cancel()
                return f"{told.status} {told.reason}"
            finally:
                await close(writer)

        async with Peak(server) as peak:
            clients = [asyncio.create_task(client()) for _ in range(200)]
            others = 0
            while not all(one.done() for one in clients):
                small = await exchange(server, head(len(line("a"))), line("a"))
                assert small.status in (200, 503), small
                others += small.status == 200
                await asyncio.sleep(0.02)
            return Counter(one.result() for one in clients), peak, others

    statuses, peak, others = asyncio.run(crowd())
    print(f"200 stalled bodies of 4 MiB: {dict(statuses)}, memory + {peak.growth_bytes >> 20} MiB, others {others}")
    assert set(statuses) == {"503 TooManyBytesInFlight", "408 BodyTooSlow"}
    assert statuses["503 TooManyBytesInFlight"] > 150
    assert peak.growth_bytes < GROWTH_BYTES_MAX
    assert others > 0


def test_slow_and_half_open_clients_are_told_and_do_not_hold_up_others(server: Server) -> None:
    async def scene() -> tuple[list[Counter[tuple[int, str]]], float]:
        body = line("slow") * 10

        async def stalled_body() -> tuple[int, str]:
            return shown(await exchange(server, head(len(body)) + body[:20]))

        async def dripping_body() -> tuple[int, str]:
            reader, writer = await connect(server)
            writer.write(head(100_000))
            asking = asyncio.ensure_future(answer(reader))
            while not asking.done():
                writer.write(b"x")
                await asyncio.wait((asking,), timeout=0.2)
            await close(writer)
            return shown(asking.result())

        async def chunked_without_end() -> tuple[int, str]:
            return shown(await exchange(server, head(None) + b"5\r\nhello\r\n"))

        async def half_a_head() -> tuple[int, str]:
            return shown(await exchange(server, b"POST /v1/ingest/shop/in HTTP/1.1\r\nHost: lo"))

        async def nothing() -> tuple[int, str]:
            return shown(await exchange(server))

        kinds = (stalled_body, dripping_body, chunked_without_end, half_a_head, nothing)
        waiting = [[asyncio.create_task(kind()) for _ in range(40)] for kind in kinds]
        begun, slowest = time.monotonic(), 0.0
        while time.monotonic() - begun < PART_S / 2:
            before = time.monotonic()
            told = await exchange(server, head(len(line("a"))), line("a"))
            slowest = max(slowest, time.monotonic() - before)
            assert told.status == 200, told
        return [Counter(await asyncio.gather(*tasks)) for tasks in waiting], slowest

    told, slowest = asyncio.run(scene())
    print(f"200 slow clients: {[dict(one) for one in told]}, slowest answer to others {slowest * 1e3:.0f} ms")
    body_slow, head_slow = {(408, "BodyTooSlow"): 40}, {(408, "HeadTooSlow"): 40}
    assert [body_slow, body_slow, body_slow, head_slow, head_slow] == told


def shown(told: Told) -> tuple[int, str]:
    return told.status, told.reason


def test_a_client_that_closes_its_half_gets_its_answer(server: Server) -> None:
    async def scene() -> Told:
        reader, writer = await connect(server)
        writer.write(head(len(line("half"))) + line("half"))
        writer.write_eof()
        told = await answer(reader)
        assert b"" == await reader.read()
        await close(writer)
        return told

    assert 200 == asyncio.run(scene()).status


def test_bodies_cut_in_the_middle_log_nothing(server: Server) -> None:
    before, logged = counted(server), server.get("/v1/pipelines/shop")["log_bytes"]
    body = b"".join(line(f"cut-{row}") for row in range(1_000))
    requests = [
        head(len(body), Idempotency_Key="cut-1") + body[: len(body) // 2],
        head(len(body)) + body[:-1],
        head(None) + b"%x\r\n" % len(body) + body + b"\r\n",
        head(None) + b"%x\r\n" % len(body) + body[:100],
        head(len(gzip.compress(body)), Content_Encoding="gzip") + gzip.compress(body)[:-4],
    ]

    async def break_off(request: bytes, *, politely: bool) -> None:
        _, writer = await connect(server)
        writer.write(request)
        await writer.drain()
        if not politely:
            connection: socket.socket = writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        await close(writer)

    async def scene() -> None:
        await asyncio.gather(*(break_off(one, politely=flag) for one in requests * 20 for flag in (True, False)))

    asyncio.run(scene())
    gone = 'datanexus_ingest_requests_total{pipeline="shop",source="in",status="gone"} 200.0'
    until(lambda: gone in server.ask("GET", "/metrics").body.decode(), "all seen")
    assert server.get("/v1/pipelines/shop")["log_bytes"] <= logged
    fresh = server.send("shop", "in", body, Idempotency_Key="cut-1").json
    assert (1_000, False) == (fresh["accepted"], fresh["repeated"])
    until(lambda: counted(server) == before + 1_000, "only the whole body counted")


def gzip_bomb(size: int) -> bytes:
    """What inflates to so many zeros."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = bytes(16 << 20)
    return b"".join([*(packer.compress(block) for _ in range(size // len(block))), packer.flush()])


def zstd_bomb(size: int) -> bytes:
    """One frame of run-length blocks: 128 KiB in four bytes."""
    blocks = size >> 17
    run = (1 << 17 << 3 | 1 << 1).to_bytes(3, "little") + b"\0"
    last = (1 << 17 << 3 | 1 << 1 | 1).to_bytes(3, "little") + b"\0"
    return b"\x28\xb5\x2f\xfd\x00\x38" + run * (blocks - 1) + last


def wide_window(content: bytes) -> bytes:
    """A frame that asks for a window of 128 MiB, as its size is not said beforehand."""
    packer = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 27})
    return packer.compress(content, zstd.ZstdCompressor.FLUSH_BLOCK) + packer.flush()


def arrow_bomb(rows: int) -> bytes:
    """Columns of zeros in compressed buffers."""
    table = pa.table({"id": pa.DictionaryArray.from_arrays(bytes_of_zeros(rows), ["x" * 1_000]), "ts": zeros(rows)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def zeros(rows: int) -> pa.Array:
    return pa.repeat(pa.scalar(0, pa.int64()), rows)


def bytes_of_zeros(rows: int) -> pa.Array:
    return pa.repeat(pa.scalar(0, pa.int8()), rows)


@pytest.mark.parametrize("kind", ["gzip", "zstd", "arrow", "window"])
def test_a_bomb_is_refused_while_it_is_read(server: Server, kind: str) -> None:
    ten_gigabytes = 10 << 30
    bombs: dict[str, Any] = {
        "gzip": lambda: (gzip_bomb(1 << 30) * 10, {"Content_Encoding": "gzip"}, 413, "BodyTooLarge"),
        "zstd": lambda: (zstd_bomb(ten_gigabytes), {"Content_Encoding": "zstd"}, 413, "BodyTooLarge"),
        "arrow": lambda: (
            arrow_bomb(20_000_000),
            {"Content_Type": "application/vnd.apache.arrow.stream"},
            413,
            "BodyTooLarge",
        ),
        "window": lambda: (
            wide_window(line("w") * 1_000),
            {"Content_Encoding": "zstd"},
            400,
            "BrokenCompression",
        ),
    }
    body, headers, status, reason = bombs[kind]()

    async def crowd() -> tuple[Counter[tuple[int, str]], Peak]:
        async with Peak(server) as peak:
            told = await asyncio.gather(*(exchange(server, head(len(body), **headers), body) for _ in range(20)))
            return Counter(map(shown, told)), peak

    told, peak = asyncio.run(crowd())
    print(f"20 {kind} bombs of {len(body):,} bytes: {dict(told)}, memory + {peak.growth_bytes >> 20} MiB")
    assert set(told) <= {(status, reason), (503, "TooManyBytesInFlight")}
    assert told[status, reason] > 0
    assert peak.growth_bytes < GROWTH_BYTES_MAX


def test_a_stop_does_not_wait_for_stalled_clients(tmp_path: Path) -> None:
    with serving(tmp_path, pipeline("shop")) as server:
        waiting = [socket.create_connection((server.host, server.port)) for _ in range(50)]
        for number, connection in enumerate(waiting):
            connection.sendall((head(1_000) + b"x", head(None), b"POST /", b"")[number % 4])
        assert 200 == server.send("shop", "in", line("a")).status
        begun = time.monotonic()
        assert 0 == server.stop()
        print(f"stopped with 50 stalled connections within {time.monotonic() - begun:.2f} s")
        assert "Traceback" not in server.errors.read_text()
        for connection in waiting:
            connection.close()
    with serving(tmp_path, pipeline("shop")) as again:
        assert 1 == again.counters("shop")["in"]


def test_a_body_that_says_it_is_too_large_is_refused_before_it_is_sent(server: Server) -> None:
    async def scene() -> Told:
        reader, writer = await connect(server)
        writer.write(head(BODY_BYTES_MAX + 1, Expect="100-continue"))
        told = await answer(reader)
        await close(writer)
        return told

    assert (413, "BodyTooLarge") == shown(asyncio.run(scene()))


@pytest.mark.parametrize(
    ("request_bytes", "status", "reason"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(32), 400, "NotHttp"),
        (b"hello\r\n\r\n", 400, "NotHttp"),
        (head(5) [:-2] + b"Transfer-Encoding: chunked\r\n\r\n", 400, "NotHttp"),
        (head(None) + b"zz\r\n", 400, "NotHttp"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nA: " + b"a" * 40_000, 431, "HeadTooLarge"),
    ],
    ids=["tls", "text", "two lengths", "bad chunk", "long head"],
)  # fmt: skip
def test_what_is_no_http_is_told_so(server: Server, request_bytes: bytes, status: int, reason: str) -> None:
    async def scene() -> Told:
        return await exchange(server, request_bytes)

    told = asyncio.run(scene())
    assert told.status in (status, 0)
    assert told.status == status or request_bytes.startswith(b"POST")
    assert told.reason in (reason, "")
