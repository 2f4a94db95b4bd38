"""A real `datanexus up` in its own process and folder, for the tests of the page and for the README's picture."""

import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.error import URLError

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "manifests" / "samples" / "web-traffic.yaml"
_DEADLINE_S = 90.0
_ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+/")

LIVE = """
apiVersion: datanexus.io/v1alpha1
kind: Pipeline
metadata: {name: checkout}
spec:
  sources:
  - name: shop
    generator:
      seed: 7
      eventsPerSecond: 400
      disorder: 800ms
      duplicates: 0.02
      fields:
      - {name: at, time: {}}
      - {name: id, sequence: {start: 1}}
      - {name: page, zipf: {count: 9, exponent: 0.9, prefix: "/shop/"}}
      - {name: amount, number: {min: 1, max: 250}}
  record:
    fields:
    - {name: at,     type: timestamp}
    - {name: id,     type: int64}
    - {name: page,   type: string}
    - {name: amount, type: float64}
    eventTime: at
  dedup: {key: [id], horizon: 1m}
  watermark: {delay: 1s, idleAfter: 2s}
  views:
  - name: sales
    groupBy: [page]
    window: {tumbling: {size: 2s}}
    allowedLateness: 4s
    aggregates:
    - {name: orders, expr: "count(*)"}
    - {name: average, expr: "avg(amount)"}
"""

ORDERS = """
apiVersion: datanexus.io/v1alpha1
kind: Pipeline
metadata: {name: orders}
spec:
  sources:
  - {name: posted, files: {path: "orders.ndjson", format: {ndjson: {}}}}
  record:
    fields:
    - {name: at,       type: timestamp}
    - {name: customer, type: string}
    - {name: country,  type: string}
    - {name: amount,   type: int64}
    eventTime: at
  watermark: {delay: 1m}
  views:
  - name: hourly
    groupBy: [country]
    window: {tumbling: {size: 1h}}
    allowedLateness: 30d
    aggregates:
    - {name: orders,  expr: "count(*)"}
    - {name: revenue, expr: "sum(amount)"}
    - {name: median,  expr: "approx_quantile(amount, 0.5)"}
  - name: visits
    groupBy: [customer]
    window: {session: {gap: 20m}}
    allowedLateness: 30d
    aggregates:
    - {name: orders, expr: "count(*)"}
  - name: totals
    groupBy: [country]
    window: {global: {every: 1m}}
    aggregates:
    - {name: revenue, expr: "sum(amount)"}
"""

BAD_AMOUNT = '{"at":"2026-03-01T10:05:00Z","customer":"c-5","country":"DE","amount":"12,00"}'


def order_lines() -> str:
    """Six hours of orders of eight countries, two of them unusable; the last one closes the windows before it."""
    countries = ("DE", "FR", "PL", "IT", "NL", "ES", "SE", "<b>AT</b>")
    lines = [
        f'{{"at":"2026-03-01T{10 + minute // 60:02}:{minute % 60:02}:00Z","customer":"c-{minute % 17}",'
        f'"country":"{countries[(minute // 3 * 5 + minute // 30) % 8]}","amount":{minute % 90 + 1}}}'
        for minute in range(0, 360, 3)
    ]
    return "\n".join([*lines[:4], BAD_AMOUNT, *lines[4:9], '{"at": "2026-03-01T10:', *lines[9:], ""])


class Served:
    """The process. It is ended by its own id."""

    def __init__(self, folder: Path, files: list[Path], port: int = 0) -> None:
        self.folder = folder
        self.files = files
        self.written = folder / "up.log"
        command = [
            str(Path(sys.executable).parent / "datanexus"),
            "up",
            *map(str, files),
            "--data",
            str(folder / "data"),
        ]
        with self.written.open("w") as output:
            self.process = subprocess.Popen(
                [*command, "--listen", f"127.0.0.1:{port}"], stdout=output, stderr=subprocess.STDOUT, cwd=ROOT
            )
        self.address = self._address()

    def kill(self) -> None:
        """As a crash would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=_DEADLINE_S)

    def again(self) -> "Served":
        """The same pipelines, folder and address, in a new process."""
        return Served(self.folder, self.files, int(self.address.rstrip("/").rsplit(":", 1)[1]))

    def _address(self) -> str:
        deadline = time.monotonic() + _DEADLINE_S
        while time.monotonic() < deadline:
            found = _ADDRESS.search(self.written.read_text())
            if found and _answers(found[0]):
                return found[0]
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise AssertionError(f"datanexus up did not start: {self.written.read_text()}")


def serve_samples(folder: Path) -> Served:
    """The sample log's pipeline, a live stream, and orders of which two are in quarantine."""
    (folder / "orders.ndjson").write_text(order_lines())
    (folder / "orders.yaml").write_text(ORDERS)
    (folder / "checkout.yaml").write_text(LIVE)
    return Served(folder, [SAMPLE, folder / "checkout.yaml", folder / "orders.yaml"])


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}readyz", timeout=5) as answer:  # noqa: S310  (its own loopback address)
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False
