"""Port: immutable named bytes: snapshots' segments and manifests."""

from collections.abc import Sequence
from typing import Protocol

from datanexus.ports.failpoint import writes


class Blobs(Protocol):
    """Names are `/`-separated, of [A-Za-z0-9._=-] parts."""

    @writes
    async def put(self, name: str, content: bytes | memoryview) -> None:
        """Store under a name. Afterwards either all of it is readable or, after a crash in the middle, nothing is.

        The same name with the same content again is no error; names are never reused for other content.
        Raises: Unavailable (disk full, no permission): nothing is readable under the name.
        """
        ...

    async def get(self, name: str) -> bytes | None:
        """The content; None if there is none. Raises: Unavailable."""
        ...

    async def names(self, prefix: str) -> Sequence[str]:
        """All names that begin with the prefix, sorted."""
        ...

    @writes
    async def delete(self, name: str) -> None:
        """Remove; no error if there is none."""
        ...
