"""A real server process over a folder of its own, and how tests ask it."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[2]
DEADLINE_S = 120.0
_ADDRESS = re.compile(r"http://([^/]+)/")


@dataclass(slots=True)
class Answer:
    """What the server said. `headers` in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(slots=True)
class Server:
    """A running server. `errors`: the file that it writes its standard error to."""

    process: "subprocess.Popen[bytes]"
    address: str
    folder: Path
    errors: Path = field(default=Path())

    @property
    def host(self) -> str:
        return self.address.rpartition(":")[0]

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    @property
    def rss_bytes(self) -> int:
        """Memory of the process now."""
        return int(psutil.Process(self.process.pid).memory_info().rss)

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection(self.address, timeout=DEADLINE_S)
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            told = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, told, response.read())
        finally:
            connection.close()

    def get(self, path: str) -> Any:
        """The JSON of a GET that succeeds."""
        answer = self.ask("GET", path)
        assert answer.status == 200, answer.body
        return answer.json

    def post_json(self, path: str, content: object) -> Answer:
        return self.ask("POST", path, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def send(self, pipeline: str, source: str, body: bytes, **headers: str) -> Answer:
        """Records as NDJSON; `headers` with underscores for dashes."""
        given = {"Content-Type": "application/x-ndjson"} | {name.replace("_", "-"): v for name, v in headers.items()}
        return self.ask("POST", f"/v1/ingest/{pipeline}/{source}", body, given)

    def query(self, sql: str) -> list[list[Any]]:
        """The rows of a query that succeeds."""
        answer = self.post_json("/v1/query", {"sql": sql, "limit": 100_000})
        assert answer.status == 200, answer.body
        rows: list[list[Any]] = answer.json["rows"]
        return rows

    def counters(self, pipeline: str) -> Mapping[str, int]:
        counters: Mapping[str, int] = self.get(f"/v1/pipelines/{pipeline}")["counters"]
        return counters

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE_S)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(DEADLINE_S)


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition. Fails at the deadline, saying what did not come."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"not within {DEADLINE_S:g} s: {what}"
        time.sleep(0.02)


def start_server(folder: Path, *arguments: str, module: str = "tests.gateway.child", failpoint: str = "") -> Server:
    """Start a server over `folder`/pipeline.yaml and `folder`/data, and wait until it listens."""
    errors = folder / "errors.txt"
    with errors.open("ab") as sink:
        begin = sink.tell()
        process = subprocess.Popen(
            [sys.executable, "-m", module, str(folder / "pipeline.yaml"), str(folder / "data"), *arguments],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=sink,
            env={**os.environ, "DATANEXUS_FAILPOINT": failpoint},
        )

    def told() -> str:
        return errors.read_bytes()[begin:].decode()

    until(lambda: _ADDRESS.search(told()) is not None or process.poll() is not None, "the address")
    found = _ADDRESS.search(told())
    assert found is not None or (failpoint and process.returncode == -signal.SIGKILL), told()
    return Server(process, found[1] if found else "", folder, errors)


@contextmanager
def serving(folder: Path, manifest: Mapping[str, object] | str, *arguments: str) -> Iterator[Server]:
    """A server for a block, ready at its begin and ended at its end."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pipeline.yaml").write_text(manifest if isinstance(manifest, str) else json.dumps(manifest))
    server = start_server(folder, *arguments)
    try:
        until_ready(server)
        yield server
    finally:
        if server.process.poll() is None:
            server.kill()


def until_ready(server: Server) -> None:
    """Wait until every pipeline runs."""
    until(lambda: server.process.poll() is not None or server.ask("GET", "/readyz").status == 200, "readiness")
    assert server.process.poll() is None, server.errors.read_text()


def pipeline(name: str, **spec: object) -> dict[str, object]:
    """A pipeline with one http source `in`, whose records have `id`, `ts` (ms) and `n`; `spec` replaces parts."""
    return {
        "apiVersion": "datanexus.io/v1alpha1",
        "kind": "Pipeline",
        "metadata": {"name": name},
        "spec": {
            "sources": [{"name": "in", "http": {}}],
            "record": {
                "fields": [
                    {"name": "id", "type": "string"},
                    {"name": "ts", "type": "timestamp", "formats": ["epochMillis"]},
                    {"name": "n", "type": "int64", "required": False},
                ],
                "eventTime": "ts",
            },
            "watermark": {"delay": "1h", "maxFuture": "36500d"},
            "views": [
                {
                    "name": "each",
                    "groupBy": ["id"],
                    "window": {"tumbling": {"size": "1s"}},
                    "aggregates": [{"name": "records", "expr": "count(*)"}, {"name": "total", "expr": "sum(n)"}],
                }
            ],
            **spec,
        },
    }


CLOSING = b'{"id": "closing", "ts": 100000000, "n": 0}\n'  # an event time that closes every window before it


def line(name: str, ts: int = 1_000, n: int = 1) -> bytes:
    """One record."""
    return b'{"id": "%s", "ts": %d, "n": %d}\n' % (name.encode(), ts, n)
