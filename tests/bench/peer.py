"""One peer in a process of its own: `python -m tests.bench.peer KIND FILE`, a line of JSON as answer.

Peers measure themselves, warm, around the work alone: the file is in memory, start-up and compilation are over.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tests.bench.loop import Loop
from tests.bench.prototype import BATCH_LINES, Prototype

_REPEATS = 3


def main() -> None:
    kind, path = sys.argv[1:]
    peers: dict[str, Callable[[Path], dict[str, Any]]] = {
        "prototype": prototype_lines,
        "prototype-arrays": prototype_arrays,
        "loop": loop_lines,
    }
    print(json.dumps(peers[kind](Path(path))))


def prototype_lines(path: Path) -> dict[str, Any]:
    """The Numba prototype over a file's bytes."""
    return _timed(Prototype, _line_batches(path), lambda machine, batch: machine.lines(batch), _REPEATS)


def prototype_arrays(path: Path) -> dict[str, Any]:
    """The Numba prototype fed columns that are in memory already."""
    batches = []
    with pa.memory_map(str(path)) as file:
        for batch in pa.ipc.open_file(file).read_all().to_batches(max_chunksize=BATCH_LINES):
            ids = batch.column("event_id")
            offsets = np.frombuffer(ids.buffers()[1], np.int32)[ids.offset : ids.offset + len(ids) + 1]
            spans = np.stack([offsets[:-1], np.diff(offsets)], axis=1)
            auction, price = (np.array(batch.column(name)) for name in ("auction", "price"))
            time_ms = np.array(batch.column("ts").cast(pa.int64())) // 1000
            batches.append((np.frombuffer(ids.buffers()[2], np.uint8), spans, (auction, price, time_ms)))
        return _timed(Prototype, batches, lambda machine, batch: machine.arrays(*batch), _REPEATS)


def loop_lines(path: Path) -> dict[str, Any]:
    """`json.loads` and dicts over a file's bytes, once."""
    return _timed(Loop, _line_batches(path), lambda machine, batch: machine.lines(batch), 1)


def _line_batches(path: Path) -> list[bytes]:
    lines = path.read_bytes().splitlines(keepends=True)
    return [b"".join(lines[first : first + BATCH_LINES]) for first in range(0, len(lines), BATCH_LINES)]


def _timed(
    make: Callable[[], Any], batches: Sequence[Any], feed: Callable[[Any, Any], None], repeats: int
) -> dict[str, Any]:
    """CPU seconds of the median pass over all batches, after a warm one over the first."""
    feed(make(), batches[0])
    seconds = []
    for _ in range(repeats):
        machine, started = make(), time.process_time()
        for batch in batches:
            feed(machine, batch)
        written = machine.finish()
        seconds.append(time.process_time() - started)
    return {
        "cpu_s": statistics.median(seconds),
        "rows": written.rows,
        "records": written.records,
        "value": written.value,
        "broken": machine.broken,
    }


if __name__ == "__main__":
    main()
