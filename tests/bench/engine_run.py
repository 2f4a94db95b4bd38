"""The embedded engine in a process of its own: `python -m tests.bench.engine_run run FILE DATA`, or `result DATA VIEW`.

One line of JSON as answer. CPU is measured from outside, over the whole process; memory is noted at each cut.
"""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import psutil

from datanexus.engine.running import Progress
from datanexus.pipeline_files import read_pipelines
from datanexus.stored_results import stored_results
from datanexus.wiring import RunSettings, run_pipelines


def main() -> None:
    kind, first, second = sys.argv[1:]
    answer = run(Path(first), Path(second)) if kind == "run" else asyncio.run(result(Path(first), second))
    print(json.dumps(answer))


def run(file: Path, data: Path) -> dict[str, Any]:
    """Run a resource file to the end of its input in an empty data folder."""
    process = psutil.Process()
    memory: dict[int, int] = {}
    private = 0  # what is not pages of files, such as libraries

    def observe(progress: Progress) -> None:
        nonlocal private
        found = process.memory_info()
        memory[progress.records] = found.rss
        private = max(private, found.rss - found.shared)

    pipelines = read_pipelines([file], os.environ)
    outcome = asyncio.run(run_pipelines(pipelines, RunSettings(data=data), observe, asyncio.Event()))[0].outcome
    return {
        "records": outcome.records,
        "cuts": outcome.cuts,
        "state_bytes_max": outcome.state_bytes_max,
        "counters": dict(outcome.counters),
        "private_bytes_max": private,
        "peak_bytes": peak_bytes(),
        "memory": sorted(memory.items()),
    }


def peak_bytes() -> int:
    """Greatest resident memory of this program. `ru_maxrss` will not do: it begins with what the parent had."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


async def result(data: Path, view: str) -> dict[str, int]:
    """What a run left in its store: rows, the records in them, their value."""
    async with stored_results(data) as store:
        table = await store.query(f"SELECT count(*) AS n, sum(bids) AS b, sum(total) AS t FROM {view}")
    values = [int(column[0].as_py() or 0) for column in table.columns]
    return dict(zip(("rows", "records", "value"), values, strict=True))


if __name__ == "__main__":
    main()
