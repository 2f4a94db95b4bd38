"""The Source port in memory: lines given by split."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from datanexus.ports.source import Damage, Split, SplitName, SplitState, TextChunk


@dataclass(slots=True)
class MemorySplit:
    name: SplitName
    lines: Sequence[bytes]
    damage: Damage | None = None
    row: int = 0
    is_damaged: bool = False

    @property
    def total_bytes(self) -> int | None:
        return sum(len(line) + 1 for line in self.lines)

    @property
    def read_bytes(self) -> int:
        return sum(len(line) + 1 for line in self.lines[: self.row])

    @property
    def ready(self) -> bool:
        return self.row < len(self.lines) or (self.damage is not None and not self.is_damaged)

    async def read(self, rows_max: int) -> TextChunk | Damage | None:
        lines = self.lines[self.row : self.row + rows_max]
        if not lines:
            report = self.damage if not self.is_damaged else None
            self.is_damaged = self.damage is not None
            return report
        lengths = np.array([len(line) for line in lines], np.int64)
        starts = np.cumsum(lengths + 1) - lengths - 1
        positions = starts + self.read_bytes
        self.row += len(lines)
        return TextChunk(np.frombuffer(b"".join(line + b"\n" for line in lines), np.uint8), starts, lengths, positions)

    def state(self) -> SplitState:
        return {"position": self.read_bytes, "row": self.row, "damaged": self.is_damaged}

    async def close(self) -> None:
        return


@dataclass(slots=True)
class MemorySource:
    """`splits`: the lines of each, by name; `damages`: how one ends."""

    splits: Mapping[SplitName, Sequence[bytes]]
    damages: Mapping[SplitName, Damage] = field(default_factory=dict)

    async def open(self, states: Mapping[SplitName, SplitState]) -> Sequence[Split]:
        opened = []
        for name in sorted(self.splits):
            state = states.get(name, {"row": 0, "damaged": False})
            row, is_damaged = int(state["row"] or 0), bool(state["damaged"])
            opened.append(MemorySplit(name, self.splits[name], self.damages.get(name), row, is_damaged))
        return opened

    async def refresh(self) -> Sequence[Split]:
        return ()

    def watch(self, arrived: Callable[[], None]) -> None:  # noqa: ARG002 - the port's shape
        return

    async def release(self, states: Mapping[SplitName, SplitState]) -> None:  # noqa: ARG002 - the port's shape
        return

    def notices(self) -> Sequence[str]:
        return ()
