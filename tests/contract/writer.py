"""A process of its own that writes through one port until it is killed or its disk is full.

    python -m tests.contract.writer PORT FOLDER [FAILPOINT[@N]] [LIMIT_BYTES]

PORT is store, log or blobs. Prints what was written durably, one number a line; a refusal as `REASON: message`.
FAILPOINT: the process kills itself there, the n-th time. LIMIT_BYTES: no file may grow beyond it (a full disk).
"""

import asyncio
import os
import resource
import signal
import sys
from collections import Counter
from collections.abc import Callable
from itertools import count
from pathlib import Path

from datanexus.adapters.embedded.blobs import open_blobs
from datanexus.adapters.embedded.log import open_log
from datanexus.adapters.embedded.store import open_store
from datanexus.ports.blob import Blobs
from datanexus.ports.failpoint import guarded
from datanexus.ports.log import Log, NewEntry
from datanexus.ports.store import OutboxEntry, Store
from datanexus_spec.errors import DataNexusError
from tests.contract.rows import PIPELINE, RECORD, cut, view

Reach = Callable[[str], None]
VIEW = view()
ROWS = 500  # of a cut
BLOB_BYTES = 200_000


async def write_store(folder: Path, reach: Reach) -> None:
    """Cuts that append rows and replace those of the cut before, with quarantine, counters and an outbox entry."""
    opened = open_store(folder / "store.duckdb")
    store = guarded(opened, Store, reach)
    fence = await store.claim(RECORD, [VIEW], {})
    if left := await store.outbox(PIPELINE):
        await store.acknowledge(PIPELINE, left)
    for seq in count(fence.seq + 1):
        changes = {
            "appended": [(seq, f"section {index}", seq) for index in range(ROWS)],
            "replaced": [(seq - 1, f"section {index}", -seq) for index in range(ROWS if seq > 1 else 0)],
        }
        entry = OutboxEntry("s", f"v-0-{seq}", bytes(1000))
        made = cut(seq, [(VIEW, 0, changes)], quarantined=["Bad"], counters={"in": ROWS}, outbox=[entry])
        await store.commit(PIPELINE, fence.epoch, made)
        print(seq, flush=True)
        await store.acknowledge(PIPELINE, [entry])
        await store.forget_cuts(PIPELINE, seq)


async def write_log(folder: Path, reach: Reach) -> None:
    """Entries whose content names their offset."""
    log = guarded(open_log(folder / "log.sqlite", PIPELINE), Log, reach)
    for offset in count(await log.end("in")):
        written = await log.append("in", NewEntry("in/stdin-1", entry_data(offset)))
        print(written.offset, flush=True)


async def write_blobs(folder: Path, reach: Reach) -> None:
    """Blobs whose content follows from their number."""
    blobs = guarded(open_blobs(folder / "blobs"), Blobs, reach)
    for number in count(len(await blobs.names(""))):
        await blobs.put(f"p/{number:06d}", blob_data(number))
        print(number, flush=True)


def entry_data(offset: int) -> bytes:
    return f"entry {offset}\n".encode() * 100


def blob_data(number: int) -> bytes:
    return bytes([number % 256]) * BLOB_BYTES


def reach_of(failpoint: str) -> Reach:
    name, _, nth = failpoint.partition("@")
    seen: Counter[str] = Counter()

    def reach(point: str) -> None:
        seen[point] += 1
        if point == name and seen[point] == int(nth or 1):
            os.kill(os.getpid(), signal.SIGKILL)

    return reach


WRITERS = {"store": write_store, "log": write_log, "blobs": write_blobs}


def main(arguments: list[str]) -> int:
    port, folder, failpoint, limit_bytes = [*arguments, "", ""][:4]
    if limit_bytes:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit_bytes), int(limit_bytes)))
    try:
        asyncio.run(WRITERS[port](Path(folder), reach_of(failpoint)))
    except DataNexusError as error:
        print(f"{error.reason}: {error.message}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
