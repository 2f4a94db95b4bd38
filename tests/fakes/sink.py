"""The Sink port in memory."""

from dataclasses import dataclass, field

import pyarrow as pa


@dataclass(slots=True)
class MemorySink:
    published: dict[str, pa.Table] = field(default_factory=dict)

    async def publish(self, name: str, rows: pa.Table) -> None:
        self.published[name] = rows

    async def retract(self, name: str) -> None:
        self.published.pop(name, None)

    async def clear(self) -> None:
        self.published.clear()
