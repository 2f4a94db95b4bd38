"""Whatever is done to followed files, in whatever order, and over crashes and runs: each line is read once, in order.

A writer numbers its lines. Files are rotated by renaming or by copying, compressed in steps, replaced by longer copies
and removed once they were read, while a follower looks, cuts, releases, crashes and gives way to a run at any moment.
"""

import asyncio
import gzip
import os
import random
import shutil
from pathlib import Path

import pytest

from tests.contract.follower import Follower

SOAK = os.environ.get("DATANEXUS_SOAK") == "1"
SEED = int(os.environ.get("DATANEXUS_SEED", random.SystemRandom().randrange(10**6)))
HISTORIES = 400 if SOAK else 40
STEPS = 60


class History:
    """One history of a folder. `pending`: the second half of a line, which its writer will write."""

    def __init__(self, folder: Path, draw: random.Random) -> None:
        self.folder = folder
        self.draw = draw
        self.follower = Follower(folder, "*.log*")
        self.lines: list[bytes] = []
        self.pending = b""
        self.files = 0
        self.told: list[str] = []

    @property
    def active(self) -> Path:
        return self.folder / "a.log"

    async def play(self) -> None:
        await self.follower.start()
        acts = [self.write] * 8 + [
            self.half,
            self.rename,
            self.rename,
            self.copy,
            self.compress,
            self.replace,
            self.add,
        ]
        acts += [self.remove, self.look, self.look, self.look, self.settle, self.cut, self.cut, self.crash, self.run]
        for _ in range(STEPS):
            act = self.draw.choice(acts)
            self.told.append(act.__name__)
            await act()
        await self.finish_line()
        for _ in range(2):
            await self.follower.settle()
        self.follower.cut()
        await self.follower.stop()

    def line(self) -> bytes:
        line = b"%06d %s" % (len(self.lines), b"x" * self.draw.choice([0, 5, 300]))
        self.lines.append(line)
        return line + b"\n"

    def append(self, content: bytes) -> None:
        with self.active.open("ab") as file:
            file.write(content)

    async def maybe_look(self) -> None:
        if self.draw.random() < 0.5:
            await self.follower.look()

    async def write(self) -> None:
        await self.finish_line()
        self.append(b"".join(self.line() for _ in range(self.draw.choice([1, 3, 20]))))

    async def half(self) -> None:
        await self.finish_line()
        line = self.line()
        at = self.draw.randrange(1, len(line))
        self.append(line[:at])
        self.pending = line[at:]
        await self.maybe_look()

    async def finish_line(self) -> None:
        if self.pending:
            self.append(self.pending)
            self.pending = b""

    async def rename(self) -> None:
        if not self.active.exists() or not self.active.stat().st_size:
            return
        moved = self.rotated()
        self.active.rename(moved)
        await self.maybe_look()
        with moved.open("ab") as file:
            file.write(self.pending)
        self.pending = b""
        if self.draw.random() < 0.5:
            self.active.write_bytes(b"")

    async def copy(self) -> None:
        await self.finish_line()
        if not self.active.exists() or not self.active.stat().st_size:
            return
        content, copied = self.active.read_bytes(), self.rotated()
        copied.write_bytes(content[: self.draw.randrange(len(content))])
        await self.maybe_look()
        copied.write_bytes(content)
        await self.maybe_look()
        os.truncate(self.active, 0)

    async def compress(self) -> None:
        plain = [path for path in self.folder.glob("a.log.*") if path.suffix != ".gz"]
        if not plain:
            return
        path = self.draw.choice(plain)
        await self.follower.look()  # a file that was never seen as it was cannot be told from another one
        packed, target = gzip.compress(path.read_bytes()), path.with_name(f"{path.name}.gz")
        target.write_bytes(packed[: len(packed) // 2])
        await self.maybe_look()
        target.write_bytes(packed)
        await (self.follower.settle() if self.draw.random() < 0.3 and not self.pending else self.maybe_look())
        path.unlink()
        await self.maybe_look()

    async def replace(self) -> None:
        if not self.active.exists() or not self.active.stat().st_size:
            return
        await self.finish_line()
        new = self.folder / "new"
        shutil.copy(self.active, new)
        with new.open("ab") as file:
            file.write(self.line())
        new.replace(self.active)

    async def add(self) -> None:
        self.files += 1
        (self.folder / f"b{self.files}.log").write_bytes(b"".join(self.line() for _ in range(3)))

    async def remove(self) -> None:
        await self.finish_line()
        await self.follower.settle()
        for path in self.folder.glob("*.log*"):
            if path != self.active and self.draw.random() < 0.3:
                path.unlink()

    async def look(self) -> None:
        await self.follower.look()

    async def settle(self) -> None:
        await self.finish_line()
        await self.follower.settle()

    async def cut(self) -> None:
        self.follower.cut()
        if self.draw.random() < 0.5:
            await self.follower.release()

    async def crash(self) -> None:
        await self.follower.stop()
        await self.follower.start()

    async def run(self) -> None:
        """A run takes half a line as it is, so none may be there."""
        await self.finish_line()
        if not any(self.folder.glob("*.log*")):
            return
        await self.follower.stop()
        await self.follower.run()
        await self.follower.start()

    def rotated(self) -> Path:
        """The first name, after the files that have it and the next ones were shifted."""
        rotated = sorted(self.folder.glob("a.log.*"), key=lambda path: -int(path.name.split(".")[2]))
        for path in rotated:
            number = int(path.name.split(".")[2])
            path.rename(self.folder / path.name.replace(f".{number}", f".{number + 1}", 1))
        return self.folder / "a.log.1"


@pytest.mark.parametrize("number", range(HISTORIES))
def test_every_line_is_read_once_and_in_order(number: int, tmp_path: Path) -> None:
    history = History(tmp_path, random.Random(f"{SEED}/{number}"))
    asyncio.run(history.play())
    splits = history.follower.read
    told = f"seed {SEED}/{number}: {' '.join(history.told)}"
    for name, records in splits.items():
        assert sorted(records) == records, f"{told}: {name}"  # type: ignore[type-var]
    assert sorted(history.lines) == sorted(record for records in splits.values() for record in records), told  # type: ignore[type-var]
