"""`datanexus up` as a real process, and a client that costs little: blocking connections that are kept open."""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.process import ROOT, Json, cpu_seconds

_DATANEXUS = ROOT / ".venv" / "bin" / "datanexus"
_START_S, _STOP_S = 90, 30
_STEP_S = 0.02  # between looks at a condition
_RECEIVE_BYTES = 1 << 16


class ServerFailed(Exception):
    """The server ended, refused, or did not come to what was waited for; the message is for a row of the report."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    process_id: int
    host: str
    port: int

    def cpu_s(self) -> float:
        """User and system time so far."""
        return cpu_seconds(self.process_id)

    def connect(self) -> "Connection":
        return Connection(self.host, self.port)


class Connection:
    """One HTTP/1.1 connection that is kept open; answers have a Content-Length."""

    def __init__(self, host: str, port: int) -> None:
        self._host = f"{host}:{port}"
        self._socket = socket.create_connection((host, port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""

    def close(self) -> None:
        self._socket.close()

    def post(self, path: str, body: bytes, media_type: str) -> bytes:
        """The answer's body. Raises: ServerFailed for any status but 200."""
        head = f"POST {path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: {media_type}\r\n"
        self._socket.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        return self._answer(path)

    def get(self, path: str) -> Json:
        """The answer as JSON. Raises: ServerFailed for any status but 200."""
        self._socket.sendall(f"GET {path} HTTP/1.1\r\nHost: {self._host}\r\n\r\n".encode())
        return json.loads(self._answer(path))

    def query(self, sql: str) -> list[list[Any]]:
        """Rows of an ad hoc query."""
        answer = json.loads(self.post("/v1/query", json.dumps({"sql": sql}).encode(), "application/json"))
        return answer["rows"]

    def events(self, path: str) -> Iterator[tuple[float, bytes]]:
        """Server-sent events, each with the time of `perf_counter` at which its last byte was there."""
        self._socket.sendall(f"GET {path} HTTP/1.1\r\nHost: {self._host}\r\nAccept: text/event-stream\r\n\r\n".encode())
        received = self._rest
        while True:
            data = self._socket.recv(_RECEIVE_BYTES)
            now = time.perf_counter()
            if not data:
                return
            received += data
            *events, received = received.split(b"\n\n")
            yield from ((now, event) for event in events)

    def _answer(self, path: str) -> bytes:
        received = self._rest
        while b"\r\n\r\n" not in received:
            received += self._receive(path)
        head, _, body = received.partition(b"\r\n\r\n")
        headers = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        length = int(headers.get(b"content-length", b"0"))
        while len(body) < length:
            body += self._receive(path)
        self._rest = body[length:]
        if head.split(b" ", 2)[1] != b"200":
            raise ServerFailed(f"{path} was answered {head.splitlines()[0].decode()}: {body[:length].decode()}")
        return body[:length]

    def _receive(self, path: str) -> bytes:
        data = self._socket.recv(_RECEIVE_BYTES)
        if not data:
            raise ServerFailed(f"the server closed the connection instead of answering {path}")
        return data


@contextmanager
def served(files: Sequence[Path], folder: Path, core: int) -> Iterator[Server]:
    """Pipelines served from `folder` on one core until the block ends. Raises: ServerFailed."""
    said = folder / "up.log"
    command = [str(_DATANEXUS), "up", *map(str, files), "--data", str(folder / "data"), "--listen", "127.0.0.1:0"]
    with said.open("wb") as log:
        process = subprocess.Popen([*command, "--json"], stdout=log, stderr=log, cwd=ROOT)
    os.sched_setaffinity(process.pid, {core})
    try:
        yield _ready(process, said)
        process.send_signal(signal.SIGTERM)
        status = process.wait(_STOP_S)
        if status:
            raise ServerFailed(f"the server ended with status {status}: {_end_of(said)}")
    finally:
        process.kill()
        process.wait()


def wait_for(what: str, holds: Callable[[], bool], seconds: float) -> None:
    """Look again and again. Raises: ServerFailed after the deadline."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise ServerFailed(f"not within {seconds:g} s: {what}")
        time.sleep(_STEP_S)


def _ready(process: "subprocess.Popen[bytes]", said: Path) -> Server:
    """The server once its pipelines run."""
    address = ""
    server = Server(process.pid, "", 0)

    def listens() -> bool:
        nonlocal address
        if process.poll() is not None:
            raise ServerFailed(f"the server ended with status {process.returncode}: {_end_of(said)}")
        for line in said.read_text().splitlines():
            address = address or _fields(line).get("address", "")
        return bool(address)

    wait_for("the server says where it listens", listens, _START_S)
    host, _, port = address.rpartition(":")
    server = Server(process.pid, host, int(port))
    connection = server.connect()

    def runs() -> bool:
        pipelines = connection.get("/v1/pipelines")["pipelines"]
        return bool(pipelines) and all(pipeline["state"] == "running" for pipeline in pipelines)

    wait_for("the pipelines run", runs, _START_S)
    connection.close()
    return server


def _fields(line: str) -> dict[str, Any]:
    """A JSON line of the server; lines that are none have no fields."""
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _end_of(said: Path) -> str:
    return " ".join(said.read_text().split())[-400:] or "it said nothing"
