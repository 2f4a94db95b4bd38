"""Port: where final rows go besides the store."""

from typing import Protocol

import pyarrow as pa

from datanexus.ports.failpoint import writes


class Sink(Protocol):
    @writes
    async def publish(self, name: str, rows: pa.Table) -> None:
        """Make the rows durable under a name: `<view>-<partition>-<cut>`, `…-end` for terminal rows.

        The same name again writes identical bytes. Readers never see a part of it.
        Raises: Unavailable.
        """
        ...

    @writes
    async def retract(self, name: str) -> None:
        """Remove what was published under the name; no error if there is nothing."""
        ...

    @writes
    async def clear(self) -> None:
        """Remove all that was published for the sink's view (`--fresh`); foreign files stay."""
        ...
