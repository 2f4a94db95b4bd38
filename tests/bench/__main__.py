"""One run, one core, every figure beside its peer's: `python -m tests.bench`; `--write` makes docs/benchmarks.md of it.

The process pins itself and its children to one core; clients of a server run on another one where there is one. Peers
are timed around their warm work. The engine is timed as a whole process, user and system time of all its threads, less
the same process over an empty input; reading the file, cuts, snapshots, accounting and the store are in it. Totals are
checked against the prototype's before a figure counts.
"""

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Sequence

from tests.bench.http_report import http
from tests.bench.latency_report import latency
from tests.bench.measurements import Measurements
from tests.bench.memory_report import resident_memory
from tests.bench.peers_report import peers
from tests.bench.process import FOLDER, ONE_THREAD, ROOT
from tests.bench.report import Report
from tests.bench.speed import speed, text
from tests.bench.start_up import start_up

REPORT = ROOT / "docs" / "benchmarks.md"
FIGURES = ROOT / "build" / "bench.json"  # what `make acceptance` reads
PARTS: dict[str, Callable[[Measurements, Report], None]] = {
    "speed": speed,
    "peers": peers,
    "text": text,
    "http": http,
    "latency": latency,
    "start-up": start_up,
    "memory": resident_memory,
}


def main() -> int:
    arguments = _arguments()
    os.sched_setaffinity(0, {arguments.core})
    os.environ.update(ONE_THREAD)
    FOLDER.mkdir(parents=True, exist_ok=True)
    report = Report(json.loads(FIGURES.read_text()) if FIGURES.exists() else {})
    measurements = Measurements(arguments.records, arguments.repeats)
    for part in arguments.only or PARTS:
        PARTS[part](measurements, report)
        FIGURES.write_text(json.dumps(report.figures, indent=1))
    if arguments.write:
        REPORT.write_text(_page(report.lines))
    return 0 if report.is_reached else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("--records", type=int, default=4_000_000)
    parser.add_argument("--repeats", type=int, default=3, help="runs of the engine per figure; the median counts")
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="PART", help=f"parts to run, of {', '.join(PARTS)}")
    parser.add_argument("--speed-only", dest="only", action="store_const", const=["speed"])
    parser.add_argument("--memory-only", dest="only", action="store_const", const=["memory"])
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md from this run")
    return parser.parse_args()


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
