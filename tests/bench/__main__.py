"""One run, one core, every figure beside its peer's: `python -m tests.bench`; `--write` makes docs/benchmarks.md of it.

The process pins itself and its children to one core. Peers are timed around their warm work. The engine is timed as a
whole process, user and system time of all its threads, less the same process over an empty input; reading the file,
cuts, snapshots, accounting and the store are in it. Every total of the engine is checked against the prototype's.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench import data, memory, pipelines

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build" / "bench"
REPORT = ROOT / "docs" / "benchmarks.md"
FIGURES = ROOT / "build" / "bench.json"  # what `make acceptance` reads
_MIB = 2**20
ONE_THREAD = {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1", "OMP_THREAD_LIMIT": "1"}


Figures = dict[str, dict[str, float]]


@dataclass(frozen=True, slots=True)
class Engine:
    """One engine measurement: what it reads and how it windows."""

    title: str
    arrow: bool
    window: pipelines.Json
    dedup_key: tuple[str, ...] = ("event_id",)


ENGINES = (
    Engine("tumbling", arrow=False, window=pipelines.TUMBLING),
    Engine(
        "tumbling, dedup key with the group", arrow=False, window=pipelines.TUMBLING, dedup_key=("event_id", "auction")
    ),
    Engine("hopping", arrow=False, window=pipelines.HOPPING),
    Engine("session", arrow=False, window=pipelines.SESSION),
    Engine("arrow", arrow=True, window=pipelines.TUMBLING),
)
LABELS = {
    "prototype": "prototype: NDJSON bytes, tumbling 10 s",
    "prototype-arrays": "prototype: arrays, tumbling 10 s",
    "loop": "`json.loads` + dict, tumbling 10 s",
    "tumbling": "engine: NDJSON file, tumbling 10 s",
    "tumbling, dedup key with the group": "engine: the same, dedup key [event_id, auction] (one stage)",
    "hopping": "engine: NDJSON file, hopping 60 s / 10 s",
    "session": "engine: NDJSON file, session 10 s",
    "arrow": "engine: Arrow file, tumbling 10 s",
}
BARS = (  # measured, its peer, at least
    ("tumbling", "prototype", 0.6),
    ("tumbling", "loop", 6.0),
    ("hopping", "tumbling", 0.5),
    ("session", "tumbling", 0.3),
    ("arrow", "tumbling", 1.3),
    ("arrow", "prototype-arrays", 0.6),
)


def main() -> int:
    arguments = _arguments()
    os.sched_setaffinity(0, {arguments.core})
    os.environ.update(ONE_THREAD)
    FOLDER.mkdir(parents=True, exist_ok=True)
    lines, figures = [], json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    if not arguments.memory_only:
        lines += speed_report(arguments.records, arguments.repeats, figures)
    if not arguments.speed_only:
        lines += memory_report(figures)
    FIGURES.write_text(json.dumps(figures, indent=1))
    if arguments.write:
        REPORT.write_text(_page(lines))
    return 1 if any("below" in line or "above" in line for line in lines) else 0


def speed_report(records: int, repeats: int, figures: Figures) -> list[str]:
    """Records per CPU-second of every candidate, then the ratios with their bars; also noted in `figures`."""
    ndjson, arrow, empty = _inputs(records)
    answers: dict[str, Mapping[str, Any]] = {}
    for peer, file in (("prototype", ndjson), ("prototype-arrays", arrow), ("loop", ndjson)):
        answers[peer], _ = _child("tests.bench.peer", peer, str(file))
    speeds = {peer: records / answer["cpu_s"] for peer, answer in answers.items()}
    start_s = statistics.median(_run_engine(ENGINES[0], empty)[1] for _ in range(repeats + 1))
    for engine in ENGINES:
        runs = [_run_engine(engine, arrow if engine.arrow else ndjson) for _ in range(repeats)]
        _check(engine, runs[0][0], answers["prototype-arrays" if engine.arrow else "prototype"], records)
        speeds[engine.title] = records / (statistics.median(seconds for _, seconds in runs) - start_s)
    rows = [f"| {LABELS[name]} | {speed / 1e6:.2f} M |" for name, speed in speeds.items()]
    ratios = [_ratio(LABELS[name], LABELS[peer], speeds[name] / speeds[peer], least) for name, peer, least in BARS]
    for name, peer, least in BARS:
        figures[f"{name} / {peer}"] = {"value": speeds[name] / speeds[peer], "bar": least}
    return _show(
        [
            f"## Speed: {records:,} records, one core; start-up of the engine ({start_s:.2f} s CPU) taken off",
            "",
            "| candidate | records per CPU-second |",
            "|---|---|",
            *rows,
            "",
            "| measured | against | ratio | bar | |",
            "|---|---|---|---|---|",
            *ratios,
            "",
        ]
    )


def memory_report(figures: Figures) -> list[str]:
    """Peak and growth of resident memory over ten million records; also noted in `figures`."""
    stream = FOLDER / "keys.ndjson"
    if not stream.exists():
        memory.write_stream(stream)
    empty = FOLDER / "empty.ndjson"
    empty.write_bytes(b"")
    _, start = _many_keys(empty)  # first: it fills the kernels' cache, as an installation does
    answer, usage = _many_keys(stream)
    found = memory.figures(answer["memory"], usage.ru_maxrss * 1024)
    figures["memory peak"] = {"value": found.peak_bytes / _MIB, "bar": found.bound_bytes / _MIB, "at_most": 1}
    figures["memory slope"] = {
        "value": found.slope_bytes / _MIB,
        "bar": memory.SLOPE_BYTES_MAX / _MIB,
        "at_most": 1,
    }
    peak = "at most" if found.peak_bytes <= found.bound_bytes else "**above**"
    slope = "at most" if found.slope_bytes <= memory.SLOPE_BYTES_MAX else "**above**"
    bound = f"{_mib(found.bound_bytes)} = 1.5 × live state of {_mib(found.live_bytes)} + 300 MB"
    speed = memory.RECORDS / (usage.ru_utime + usage.ru_stime) / 1e6
    return _show(
        [
            f"## Memory: {memory.RECORDS:,} records over {memory.KEYS:,} keys",
            "",
            "| | found | | bar |",
            "|---|---|---|---|",
            f"| peak resident memory | {_mib(found.peak_bytes)} | {peak} | {bound} |",
            f"| growth of the peaks per million records, second half | {_mib(found.slope_bytes)} | {slope} | 1 MB |",
            f"| private to the process, greatest at a report | {_mib(answer['private_bytes_max'])} | | |",
            f"| peak of a run over no records | {_mib(start.ru_maxrss * 1024)} | | |",
            f"| state arrays at their largest, by the engine's own count | {_mib(answer['state_bytes_max'])} | | |",
            f"| records per CPU-second | {speed:.2f} M | | |",
            "",
        ]
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("--records", type=int, default=4_000_000)
    parser.add_argument("--repeats", type=int, default=3, help="runs of the engine per figure; the median counts")
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    parser.add_argument("--speed-only", action="store_true")
    parser.add_argument("--memory-only", action="store_true")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md from this run")
    return parser.parse_args()


def _inputs(records: int) -> tuple[Path, Path, Path]:
    """The generated files, made once."""
    ndjson, arrow = FOLDER / f"bids-{records}.ndjson", FOLDER / f"bids-{records}.arrow"
    if not (ndjson.exists() and arrow.exists()):
        bids = data.draw(records)
        data.write_ndjson(bids, ndjson)
        data.write_arrow(bids, arrow)
    empty = FOLDER / "empty.ndjson"
    empty.write_bytes(b"")
    return ndjson, arrow, empty


def _run_engine(engine: Engine, source: Path) -> tuple[dict[str, Any], float]:
    """One run in a fresh data folder: what it left, and the CPU seconds of its process."""
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        file_format = pipelines.ARROW if source.suffix == ".arrow" else pipelines.NDJSON
        resource = pipelines.bids(source, file_format, engine.window, engine.dedup_key)
        file = pipelines.write(resource, Path(folder) / "pipeline.yaml")
        answer, usage = _child("tests.bench.engine_run", "run", str(file), f"{folder}/data")
        result, _ = _child("tests.bench.engine_run", "result", f"{folder}/data", "bids.by_auction")
    return {**answer, "result": result}, usage.ru_utime + usage.ru_stime


def _many_keys(source: Path) -> tuple[dict[str, Any], Any]:
    """One run of the memory benchmark in a fresh data folder: its answer and what the process used."""
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        file = pipelines.write(pipelines.many_keys(source), Path(folder) / "pipeline.yaml")
        return _child("tests.bench.engine_run", "run", str(file), f"{folder}/data")


def _check(engine: Engine, answer: Mapping[str, Any], prototype: Mapping[str, Any], records: int) -> None:
    """A figure counts only for the right answer: the tumbling totals are the prototype's, nothing is lost anywhere."""
    assert answer["records"] == records, f"{engine.title}: read {answer['records']} of {records} records"
    if engine.window is pipelines.TUMBLING:
        expected = {name: prototype[name] for name in ("rows", "records", "value")}
        assert expected == answer["result"], f"{engine.title}: expected {expected}, got {answer['result']}"


def _child(module: str, *arguments: str) -> tuple[dict[str, Any], Any]:
    """Run a module of this package; its answer and what the process used."""
    read, write = os.pipe()
    command = [sys.executable, "-m", module, *arguments]
    actions = [(os.POSIX_SPAWN_DUP2, write, 1), (os.POSIX_SPAWN_CLOSE, read)]
    child = os.posix_spawn(sys.executable, command, os.environ, file_actions=actions)
    os.close(write)
    with os.fdopen(read) as answers:
        text = answers.read()
    _, status, usage = os.wait4(child, 0)
    if status:
        raise SystemExit(f"{' '.join(command[1:])} ended with status {os.waitstatus_to_exitcode(status)}")
    return json.loads(text.splitlines()[-1]), usage


def _mib(count: float) -> str:
    return f"{count / _MIB:.1f} MiB"


def _ratio(name: str, peer: str, ratio: float, least: float) -> str:
    verdict = "at least" if ratio >= least else "**below**"
    return f"| {name} | {peer} | {ratio:.2f} | {least:g} | {verdict} |"


def _show(lines: Sequence[str]) -> list[str]:
    print("\n".join(lines), flush=True)
    return list(lines)


def _page(lines: Sequence[str]) -> str:
    """docs/benchmarks.md."""
    assert __doc__ is not None
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    head = [
        "# Benchmarks",
        "",
        f"Written by `make bench` on {machine}. Machines differ and are shared: the ratios are what counts.",
        "",
        *__doc__.split("\n\n", 1)[1].strip().splitlines(),
        "",
    ]
    return "\n".join([*head, *lines]).rstrip() + "\n"


if __name__ == "__main__":
    sys.exit(main())
