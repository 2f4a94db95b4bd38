"""One embedded run in a process of its own, which a failpoint or the test may kill.

    python -m tests.crash.child PIPELINE DATA QUANTUM CUT_ROWS SNAPSHOT_EVERY [FAILPOINT] [--fresh]

Prints `ready` when everything is loaded and the work begins.
"""

import asyncio
import sys
from pathlib import Path

from datanexus.engine.reader import CutSchedule
from datanexus.pipeline_files import read_pipelines
from datanexus.wiring import RunSettings, run_pipelines


def main(arguments: list[str]) -> int:
    """Run to the end of the input."""
    fresh = "--fresh" in arguments
    pipeline, data, quantum, cut_rows, every, *failpoint = [part for part in arguments if part != "--fresh"]
    settings = RunSettings(
        data=Path(data),
        fresh=fresh,
        schedule=CutSchedule(int(quantum), int(cut_rows)),
        snapshot_every_cuts=int(every),
        failpoint="".join(failpoint),
    )
    pipelines = read_pipelines([Path(pipeline)], {})
    print("ready", flush=True)
    asyncio.run(run_pipelines(pipelines, settings, lambda _: None, asyncio.Event()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
