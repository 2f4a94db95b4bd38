"""Peak and growth of resident memory over ten million records."""

import tempfile
from pathlib import Path
from resource import struct_rusage
from typing import Any

from tests.bench import memory, pipelines
from tests.bench.measurements import Measurements
from tests.bench.process import FOLDER, child, own_module
from tests.bench.report import Limit, Report

_MIB = 2**20
RUNS = 3
PEAK, SLOPE = "memory peak", "memory slope"


def resident_memory(_measurements: Measurements, report: Report) -> None:
    """One run over many keys and one over nothing."""
    stream, empty = FOLDER / "keys.ndjson", FOLDER / "empty.ndjson"
    if not stream.exists():
        memory.write_stream(stream)
    empty.write_bytes(b"")
    start, _ = _many_keys(empty)  # first: it fills the kernels' cache, as an installation does
    runs = [_many_keys(stream) for _ in range(RUNS)]
    answer, usage = runs[0]
    found = memory.figures([(one["memory"], one["peak_bytes"]) for one, _ in runs])
    peak = report.limit(Limit(PEAK, found.bound_bytes / _MIB, "MiB"), found.peak_bytes / _MIB)
    slope = report.limit(Limit(SLOPE, memory.SLOPE_BYTES_MAX / _MIB, "MiB"), found.slope_bytes / _MIB)
    report.show(
        f"## Memory: {memory.RECORDS:,} records over {memory.KEYS:,} keys",
        "",
        f"The bound of the peak is 1.5 × live state of {_mib(found.live_bytes)} + 300 MB; the slope may be 1 MB.",
        "",
    )
    report.table(
        ("", "found", "bar", ""),
        [
            (f"peak resident memory, the greatest of {RUNS} runs", *peak),
            (f"slope per million records over the second half, the median of {RUNS} runs", *slope),
            ("private to the process, greatest at a report", _mib(answer["private_bytes_max"]), "", ""),
            ("peak of a run over no records", _mib(start["peak_bytes"]), "", ""),
            ("state arrays at their largest, by the engine's own count", _mib(answer["state_bytes_max"]), "", ""),
            (
                "records per CPU-second",
                f"{memory.RECORDS / (usage.ru_utime + usage.ru_stime) / 1e6:.2f} M",
                "",
                "",
            ),
        ],
    )


def _many_keys(source: Path) -> tuple[dict[str, Any], struct_rusage]:
    """One run in a fresh data folder: its answer and what the process used."""
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        file = pipelines.write(pipelines.many_keys(source), Path(folder) / "pipeline.yaml")
        return child(own_module("tests.bench.engine_run", "run", file, f"{folder}/data"))


def _mib(count: float) -> str:
    return f"{count / _MIB:.1f} MiB"
