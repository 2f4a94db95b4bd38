"""Start-up of the sample pipeline after `make install`: the first result from nothing, and a second start.

Whole processes from their start to their end, rows of the result shown, on all cores, as a user sees it. Wall time
depends on what else the machine does.
"""

import os
import statistics
import tempfile
import time

from tests.bench.measurements import Measurements
from tests.bench.process import FOLDER, ROOT, finished
from tests.bench.report import Limit, Report

FIRST, SECOND = Limit("start-up: first result", 5, "s"), Limit("start-up: second start", 2, "s")
_SAMPLE = ROOT / "manifests" / "samples" / "web-traffic.yaml"
_DATANEXUS = ROOT / ".venv" / "bin" / "datanexus"
_ROWS = 3  # shown at the end, so that there is a result
_RUNS = 3


def start_up(_measurements: Measurements, report: Report) -> None:
    """Wall and CPU seconds, the medians of some runs, each in a folder of its own."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    runs = [_first_and_second() for _ in range(_RUNS)]
    os.sched_setaffinity(0, allowed)
    rows = []
    for place, limit in enumerate((FIRST, SECOND)):
        wall_s, cpu_s = (statistics.median(run[place][figure] for run in runs) for figure in (0, 1))
        rows.append((limit.name.partition(": ")[2], f"{cpu_s:.2f} s", *report.limit(limit, wall_s)))
    report.show("## Start-up of the sample, after `make install`", "")
    report.table(("", "CPU", "wall", "bar", ""), rows)


def _first_and_second() -> list[tuple[float, float]]:
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        return [_run(f"{folder}/data"), _run(f"{folder}/data")]


def _run(data: str) -> tuple[float, float]:
    """Wall and CPU seconds."""
    started = time.perf_counter()
    lines, usage = finished([str(_DATANEXUS), "run", str(_SAMPLE), "--data", data, "--rows", str(_ROWS)])
    wall_s = time.perf_counter() - started
    assert any(f"({_ROWS} rows)" in line for line in lines), f"no result among {lines}"
    return wall_s, usage.ru_utime + usage.ru_stime
