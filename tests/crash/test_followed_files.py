"""SIGKILL while files are followed that grow and rotate: each line is counted once, whatever was done to its file.

One data folder lives through all kills, and through a `run` in between. Files change while the server works and while
it is down.
"""

import gzip
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.gateway.served import CLOSING, DEADLINE_S, Server, line, pipeline, start_server, until, until_ready

ROOT = Path(__file__).parents[2]
SOAK = os.environ.get("DATANEXUS_SOAK") == "1"
SEED = int(os.environ.get("DATANEXUS_SEED", random.SystemRandom().randrange(10**6)))
POINTS = ["log.append:before", "log.append:after", "store.commit:before", "store.commit:after", "log.trim:before"]
POINTS += ["log.trim:after", "source.release:before"] if SOAK else []
SNAPSHOT_EVERY = "3"  # cuts


class Writer:
    """Writes numbered lines to app.log, and rotates it in all ways."""

    def __init__(self, folder: Path, draw: random.Random) -> None:
        self.folder = folder
        self.draw = draw
        self.written = 0

    def step(self) -> None:
        self.write(self.draw.choice([1, 10, 500]))
        self.draw.choice([self.rename, self.copy, self.compress, *[lambda: None] * 4])()

    def write(self, count: int) -> None:
        with (self.folder / "app.log").open("ab") as file:
            for number in range(self.written, self.written + count):
                record = line(f"{number:06}")
                file.write(record[:7])
                file.flush()
                file.write(record[7:])
        self.written += count

    def rename(self) -> None:
        (self.folder / "app.log").rename(self.rotated())

    def copy(self) -> None:
        content, copied = (self.folder / "app.log").read_bytes(), self.rotated()
        copied.write_bytes(content[: len(content) // 2])
        copied.write_bytes(content)
        os.truncate(self.folder / "app.log", 0)

    def compress(self) -> None:
        for path in self.folder.glob("app.log.[0-9]"):
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
            path.unlink()

    def rotated(self) -> Path:
        names = sorted(self.folder.glob("app.log.*"), key=lambda path: -int(path.name.split(".")[2]))
        for path in names:
            number = int(path.name.split(".")[2])
            path.rename(self.folder / path.name.replace(f".{number}", f".{number + 1}", 1))
        return self.folder / "app.log.1"


def counted(server: Server) -> int:
    return server.counters("followed").get("in", 0)


def test_each_line_is_counted_once_over_kills_and_rotations(tmp_path: Path) -> None:
    print(f"seed {SEED}")
    writer = Writer(tmp_path, random.Random(SEED))
    writer.write(10)
    files = {"name": "app", "files": {"path": "app.log*", "format": {"ndjson": {}}}}
    watermark = {"delay": "1h", "idleAfter": "1s", "maxFuture": "36500d"}
    manifest = pipeline("followed", sources=[files], watermark=watermark)
    (tmp_path / "pipeline.yaml").write_text(json.dumps(manifest))
    for point in [*POINTS, "random", "run", "random"]:
        if point == "run":
            command = [
                sys.executable,
                "-m",
                "tests.crash.child",
                str(tmp_path / "pipeline.yaml"),
                str(tmp_path / "data"),
            ]
            subprocess.run(
                [*command, "1000", "4000", "2"], cwd=ROOT, check=True, capture_output=True, timeout=DEADLINE_S
            )
            writer.step()
            continue
        failpoint = "" if point == "random" else f"{point}@{writer.draw.randint(1, 4)}"
        server = start_server(tmp_path, SNAPSHOT_EVERY, failpoint=failpoint)
        deadline = time.monotonic() + (DEADLINE_S if failpoint else writer.draw.uniform(0, 3))
        while server.process.poll() is None and time.monotonic() < deadline:
            writer.step()
            time.sleep(0.05)
        reached = server.process.poll() is not None
        server.kill()
        assert reached or not failpoint, f"{failpoint} was not reached, seed {SEED}"
        assert -signal.SIGKILL == server.process.returncode, server.errors.read_text()[-2_000:]
        writer.step()
    server = start_server(tmp_path, SNAPSHOT_EVERY)
    try:
        until_ready(server)
        until(lambda: counted(server) >= writer.written, f"all of {writer.written} lines, seed {SEED}")
        with (tmp_path / "app.log").open("ab") as file:
            file.write(CLOSING)
        until(lambda: len(server.query("SELECT id FROM followed.each")) >= writer.written, f"all rows, seed {SEED}")
        rows = dict(server.query("SELECT id, sum(records) FROM followed.each WHERE id <> 'closing' GROUP BY id"))
        assert {f"{number:06}": 1 for number in range(writer.written)} == rows, f"seed {SEED}"
        assert writer.written + 1 == counted(server), f"seed {SEED}"
    finally:
        server.kill()
