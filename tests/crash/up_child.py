"""`datanexus up` in a process of its own, which writes down what it does to the store.

    python -m tests.crash.up_child PIPELINE DATA HISTORY QUANTUM CUT_ROWS SNAPSHOT_EVERY

HISTORY gets a JSON line before each claim, after it, and before each commit; the system keeps what was written when the
process is killed. Sentences for people go to standard output.
"""

import asyncio
import json
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from datanexus import wiring
from datanexus.adapters.embedded.store import open_store
from datanexus.core.emission import ViewSpec
from datanexus.engine.reader import CutSchedule
from datanexus.ports.store import Cut, Fence, OutboxEntry, PipelineRecord
from datanexus.serving import Audience, ServeSettings, serve_pipelines


class _Historian:
    """A store that writes down claims and cuts; all else goes to the real one."""

    def __init__(self, store: Any, path: Path) -> None:
        self._store = store
        self._file = path.open("a")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def claim(
        self, record: PipelineRecord, views: Sequence[ViewSpec], final_offset_us: Mapping[str, int]
    ) -> Fence:
        stored = await self._store.pipeline(record.name)
        self._write({"claiming": record.revision, "stored": stored and stored.revision})
        fence: Fence = await self._store.claim(record, views, final_offset_us)
        self._write({"claimed": record.revision, "seq": fence.seq})
        return fence

    async def commit(self, pipeline: str, epoch: int, cut: Cut) -> Sequence[OutboxEntry]:
        record = cut.record
        self._write({"cut": record.seq, "splits": record.splits, "reads": record.reads, "us": record.reference_us})
        unpublished: Sequence[OutboxEntry] = await self._store.commit(pipeline, epoch, cut)
        return unpublished

    def _write(self, line: Mapping[str, object]) -> None:
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()


async def _serve(pipeline: Path, data: Path, numbers: Sequence[int]) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)

    def tell(text: object) -> None:
        print(text, flush=True)

    quantum, cut_rows, every = numbers
    settings = ServeSettings(data, "127.0.0.1", 0, schedule=CutSchedule(quantum, cut_rows), snapshot_every_cuts=every)
    audience = Audience(lambda listener: tell(f"listening {listener.address}"), tell, tell)
    await serve_pipelines([pipeline], {}, settings, audience, stop)


def main(arguments: list[str]) -> int:
    """Serve until SIGTERM."""
    pipeline, data, history, *numbers = arguments
    wiring.open_store = lambda path, **how: _Historian(open_store(path, **how), Path(history))  # type: ignore[assignment, attr-defined]
    asyncio.run(_serve(Path(pipeline), Path(data), [int(number) for number in numbers]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
