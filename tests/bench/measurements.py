"""Speeds of one benchmark run: every candidate is measured once, whichever parts ask for it.

Peers inside this package are timed around their warm work. The engine is timed as a whole process, user and system
time of all its threads, less the same process over an empty input; reading the file, cuts, snapshots, accounting and
the store are in it. Its answer is checked before its figure counts.
"""

import statistics
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tests.bench import data, pipelines
from tests.bench.process import FOLDER, child, own_module
from tests.bench.question import TOTALS

Kind = Literal["ndjson", "arrow", "text"]
_WRITERS = {"ndjson": data.write_ndjson, "arrow": data.write_arrow, "text": data.write_text}


@dataclass(frozen=True, slots=True)
class Engine:
    """One engine measurement: what it reads and how it windows."""

    title: str
    label: str
    kind: Kind = "ndjson"
    file_format: pipelines.Json = field(default_factory=lambda: pipelines.NDJSON)
    window: pipelines.Json = field(default_factory=lambda: pipelines.TUMBLING)
    dedup_key: tuple[str, ...] = ("event_id",)


NDJSON_FILE = Engine("tumbling", "engine: NDJSON file, tumbling 10 s")


@dataclass(slots=True)
class Measurements:
    """Inputs and speeds, made when they are first asked for. `records`: in the whole file; `repeats`: engine runs."""

    records: int
    repeats: int
    _speeds: dict[str, float] = field(default_factory=dict)
    _answers: dict[tuple[str, Path], Mapping[str, Any]] = field(default_factory=dict)
    _start_s: float | None = None

    @property
    def start_s(self) -> float:
        """CPU seconds of the engine over an empty input."""
        if self._start_s is None:
            empty = FOLDER / "empty.ndjson"
            empty.write_bytes(b"")
            self._start_s = statistics.median(_run(NDJSON_FILE, empty)[1] for _ in range(self.repeats + 1))
        return self._start_s

    def input(self, kind: Kind) -> Path:
        """A generated file, made once and kept."""
        path = FOLDER / f"bids-{self.records}.{kind}"
        if not path.exists():
            _WRITERS[kind](data.draw(self.records), path)
        return path

    def start_of_input(self, lines: int, *, sound: bool) -> Path:
        """The first lines of the NDJSON file; `sound`: without the broken ones among them."""
        whole = self.input("ndjson")
        path = FOLDER / f"bids-{self.records}-first-{lines}{'-sound' if sound else ''}.ndjson"
        if lines >= self.records and not sound:
            return whole
        if not path.exists():
            if sound:
                data.write_sound(self.start_of_input(lines, sound=False), path)
            else:
                data.write_start(whole, lines, path)
        return path

    def prototype(self, path: Path, kind: str = "prototype") -> Mapping[str, Any]:
        """A peer of this package over a file: `prototype`, `prototype-arrays` or `loop`. CPU seconds and totals."""
        if (kind, path) not in self._answers:
            self._answers[kind, path], _ = child(own_module("tests.bench.peer", kind, path))
        return self._answers[kind, path]

    def engine(self, engine: Engine) -> float:
        """Records per CPU-second; the median of the runs."""
        if engine.title not in self._speeds:
            source = self.input(engine.kind)
            runs = [_run(engine, source) for _ in range(self.repeats)]
            self._check(engine, runs[0][0])
            seconds = statistics.median(seconds for _, seconds in runs) - self.start_s
            self._speeds[engine.title] = self.records / seconds
        return self._speeds[engine.title]

    def _check(self, engine: Engine, answer: Mapping[str, Any]) -> None:
        """A figure counts only for the right answer: the tumbling totals are the prototype's, nothing is lost."""
        assert answer["records"] == self.records, f"{engine.title}: read {answer['records']} of {self.records} records"
        if engine.window is pipelines.TUMBLING:
            peer = (
                self.prototype(self.input("arrow"), "prototype-arrays")
                if engine.kind == "arrow"
                else self.prototype(self.input("ndjson"))
            )
            expected = {name: peer[name] for name in TOTALS}
            assert expected == answer["result"], f"{engine.title}: expected {expected}, got {answer['result']}"


def _run(engine: Engine, source: Path) -> tuple[dict[str, Any], float]:
    """One run in a fresh data folder: what it left, and the CPU seconds of its process."""
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        resource = pipelines.bids(source, engine.file_format, engine.window, engine.dedup_key)
        file = pipelines.write(resource, Path(folder) / "pipeline.yaml")
        answer, usage = child(own_module("tests.bench.engine_run", "run", file, f"{folder}/data"))
        result, _ = child(own_module("tests.bench.engine_run", "result", f"{folder}/data", "bids.by_auction"))
    return {**answer, "result": result}, usage.ru_utime + usage.ru_stime
