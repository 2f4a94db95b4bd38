"""A server in a process of its own, that snapshots after a few cuts and that a failpoint may kill.

    python -m tests.gateway.child PIPELINE DATA [SNAPSHOT_EVERY]

Writes its address to standard error, as `datanexus up` does.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from datanexus.gateway.server import Listener
from datanexus.serving import Audience, ServeSettings, serve_pipelines
from datanexus.wiring import FAILPOINT_VARIABLE


async def serve(file: Path, data: Path, snapshot_every: int | None) -> None:
    """Serve until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    settings = ServeSettings(
        data, "127.0.0.1", 0, snapshot_every_cuts=snapshot_every, failpoint=os.environ.get(FAILPOINT_VARIABLE, "")
    )

    def listening(listener: Listener) -> None:
        tell(f"http://{listener.address}/")

    await serve_pipelines([file], os.environ, settings, Audience(listening, tell, lambda error: tell(str(error))), stop)


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    file, data, *rest = sys.argv[1:]
    asyncio.run(serve(Path(file), Path(data), int(rest[0]) if rest else None))
