"""Results in a data folder, for commands that only read them. Beside `wiring`, and without the engine: what asks for a
table need not wait for kernels to load.

A folder that `datanexus up` holds is read through its owner, whose address stands in the folder's lock file.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from datanexus.adapters.embedded.data_folder import open_data_folder, serving_address
from datanexus.adapters.embedded.store import DuckStore, open_store


def owner_address(data: Path) -> str | None:
    """HOST:PORT of the process that holds a folder and answers for it; None when there is none."""
    return serving_address(data)


@asynccontextmanager
async def stored_results(data: Path) -> AsyncIterator[DuckStore]:
    """The results in a data folder that nobody holds, for `query` and `quarantine`; writes nothing.

    Raises: Unavailable when there is no such folder, or another process holds it.
    """
    folder = open_data_folder(data, read_only=True)
    try:
        store = open_store(folder.store_path, read_only=True)
        try:
            yield store
        finally:
            await store.close()
    finally:
        folder.close()
