"""The same question asked of other engines: same file or a start of it, same core, answers checked, per CPU-second."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.environment import Unavailable, flink_classpath, peers_python
from tests.bench.measurements import NDJSON_FILE, Measurements
from tests.bench.process import FOLDER, ChildFailed, child
from tests.bench.question import TOTALS
from tests.bench.report import Bar, Report, millions

_HERE = Path(__file__).parent
_PATHWAY_RUNS = 3
_FLINK_WARM_SHARE = 2  # its first job reads one such part of the file
_JAVA = (  # what Flink's own scripts open to it, and room for the state of the run
    "java",
    "-Xmx4g",
    *(
        f"--add-opens=java.base/{package}=ALL-UNNAMED"
        for package in ("java.lang", "java.nio", "java.time", "java.util", "sun.nio.ch")
    ),
)
Answer = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Peer:
    """One other engine. `share`: it reads one such part of the file; `sound`: without the broken lines."""

    name: str
    run: Callable[[Path, Measurements], Answer]
    note: str
    least: float | None = None
    share: int = 1
    sound: bool = False


def in_peers_environment(module: str, *arguments: str) -> Callable[[Path, Measurements], Answer]:
    """A program of tests/bench/peers."""

    def run(path: Path, _measurements: Measurements) -> Answer:
        return _program(module, *arguments, str(path))

    return run


def pathway(path: Path, _measurements: Measurements) -> Answer:
    """Several processes, as a process can run its graph once; less what an empty file costs."""
    empty = FOLDER / "empty.ndjson"
    empty.write_bytes(b"")
    start_s = _program("pathway_flow", str(empty))["cpu_s"]
    answers = [_program("pathway_flow", str(path)) for _ in range(_PATHWAY_RUNS)]
    return {**answers[0], "cpu_s": statistics.median(answer["cpu_s"] for answer in answers) - start_s}


def flink(path: Path, measurements: Measurements) -> Answer:
    """One Java process on the benchmark's core."""
    lines = measurements.records // _FLINK.share // _FLINK_WARM_SHARE
    warm = measurements.start_of_input(lines, sound=False)
    query = str(_HERE / "flink" / "query.sql")
    program = ["-cp", flink_classpath(), "io.datanexus.bench.FlinkPeer"]
    answer, _ = child([*_JAVA, *program, query, str(warm), str(path)])
    return answer


_FLINK = Peer(
    "Flink SQL",
    flink,
    "embedded cluster, parallelism 1, one slot. Files by its connector as JSON with `ignore-parse-errors`, `ROW_NUMBER`"
    " over the time of arrival for de-duplication, `TUMBLE` with a watermark of 61 s (tests/bench/flink/query.sql)."
    " Favoured: two jobs before the measured one warm the compiler; no checkpoints, state on the heap that never"
    " expires, object reuse; its rows are only counted. Hindered: compiler and garbage collector share the core."
    " Mini-batches were tried and were slower.",
    least=8,
    share=4,
)
PEERS = (
    Peer(
        "Bytewax",
        in_peers_environment("bytewax_flow"),
        "one worker; msgspec reads a line, a Python set holds back repeats, `fold_window` with an `EventClock` of 61 s."
        " Favoured: the set is no recoverable state and is never trimmed, no recovery store, batches of 131,072 lines"
        " (with 1,000 it is several times slower), its rows are only added up. Hindered: nothing known.",
        least=10,
        share=8,
    ),
    Peer(
        "Pathway",
        pathway,
        "static mode, one thread; broken lines as errors that are removed, `groupby(event_id)` with `any`, then a"
        " group-by of auction and floored time. Favoured: no watermark, nothing is closed before the end, no"
        " persistence, its rows are only added up; what an empty file costs is taken off. Hindered: it keeps what it"
        " needs to retract rows, which this question does not use.",
        least=10,
        share=8,
    ),
    _FLINK,
    Peer(
        "Polars",
        in_peers_environment("whole_file", "polars"),
        "one query over the finished file, its streaming engine, one thread, `unique(event_id)`. Favoured: it sees all"
        " at once, no watermark, no order, no state between batches, nothing written; its file has no broken lines, as"
        " one would end it.",
        sound=True,
    ),
    Peer(
        "DuckDB",
        in_peers_environment("whole_file", "duckdb"),
        "one query over the finished file, `SET threads = 1`: `read_json` with `ignore_errors`, `GROUP BY event_id`"
        " with `any_value` as exact de-duplication over the whole file, then `GROUP BY` auction and window. Favoured:"
        " as Polars; a wrong type becomes a null without a reason given, while the engine keeps each broken line and"
        " says why. Of five ways to de-duplicate, this was the quickest.",
        least=0.5,
    ),
)
PROTOTYPE_BAR = Bar("tumbling", "Numba prototype", 0.8)
BARS = (PROTOTYPE_BAR, *(Bar("tumbling", peer.name, peer.least) for peer in PEERS if peer.least is not None))


def peers(measurements: Measurements, report: Report) -> None:
    """The engine's speed over each peer's; a peer that cannot be had gets a row that says why."""
    engine = measurements.engine(NDJSON_FILE)
    prototype = measurements.records / measurements.prototype(measurements.input("ndjson"))["cpu_s"]
    own = ("engine", "", f"{measurements.records:,}", millions(engine), "1", "", "")
    ratio = report.ratio(PROTOTYPE_BAR, engine / prototype)
    rows: list[Sequence[str]] = [own, ("Numba prototype", "", f"{measurements.records:,}", millions(prototype), *ratio)]
    rows += [_row(peer, engine, measurements, report) for peer in PEERS]
    report.show(
        "## Peers: the same question, exact de-duplication included",
        "",
        "Each reads the same file, or as much of its start as it can in some seconds; rows, records in them and the",
        "sum of their sums must be the prototype's over the same lines. They run warm and without their start-up.",
        "",
    )
    report.table(("candidate", "version", "records", "records per CPU-second", "engine ÷ it", "bar", ""), rows)
    report.show(
        *(f"- **{peer.name}**: {peer.note}" for peer in PEERS),
        "- **engine**: reads the file itself, judges every line strictly and keeps the broken ones with a reason; cuts"
        " with their positions and counts, snapshots, results in its store on disk. None of the peers does these here.",
        "",
    )


def _row(peer: Peer, engine: float, measurements: Measurements, report: Report) -> Sequence[str]:
    lines = measurements.records // peer.share
    path = measurements.start_of_input(lines, sound=peer.sound)
    bar = Bar("tumbling", peer.name, peer.least) if peer.least is not None else None
    try:
        answer = peer.run(path, measurements)
    except (Unavailable, ChildFailed) as error:
        if bar:
            report.missing(bar.name)
        why = f"not measured: {' '.join(str(error).split())}"
        return (peer.name, "", "", why, "", f"{peer.least:g}" if bar else "", "")
    prototype = measurements.prototype(path)
    expected = {name: prototype[name] for name in TOTALS}
    found = {name: answer[name] for name in TOTALS}
    assert expected == found, f"{peer.name}: expected {expected}, got {found}"
    if peer.sound:
        lines -= measurements.prototype(measurements.start_of_input(lines, sound=False))["broken"]
    speed = lines / answer["cpu_s"]
    verdict = report.ratio(bar, engine / speed) if bar else (f"{engine / speed:.2f}", "", "")
    return (peer.name, answer["version"], f"{lines:,}", millions(speed), *verdict)


def _program(module: str, *arguments: str) -> Answer:
    answer, _ = child([str(peers_python()), "-m", f"tests.bench.peers.{module}", *arguments])
    return answer
