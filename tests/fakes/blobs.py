"""The Blobs port in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class MemoryBlobs:
    content: dict[str, bytes] = field(default_factory=dict)

    async def put(self, name: str, content: bytes | memoryview) -> None:
        self.content[name] = bytes(content)

    async def get(self, name: str) -> bytes | None:
        return self.content.get(name)

    async def names(self, prefix: str) -> Sequence[str]:
        return sorted(name for name in self.content if name.startswith(prefix))

    async def delete(self, name: str) -> None:
        self.content.pop(name, None)
