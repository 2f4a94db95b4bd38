"""A source of files: each is a split, and stays the same split as long as its content says so.

A split's name is `<source>/<path>`; its state names what was read by length and hash, not where it lay. When a source
is opened, each known split takes the file at its own path if that begins with what was read; else, as after a rotation,
any other file that does. What no known split takes is a new split; where the plain name is taken, `~2`, `~3` … follows.
"""

import glob
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from datanexus.adapters.connectors.column_files import ColumnFiles
from datanexus.adapters.connectors.file_part import Part
from datanexus.adapters.connectors.text_files import TextFiles
from datanexus.ports.source import Chunk, Damage, Split, SplitName, SplitState
from datanexus_spec.errors import InvalidInput
from datanexus_spec.format import Format

_GENERATION = "~"


class Opener(Protocol):
    """Opens files of one kind of format."""

    async def fresh(self, name: SplitName, path: Path) -> Split: ...

    async def resumed(self, name: SplitName, path: Path, state: SplitState) -> Split | None: ...

    async def part(self, name: SplitName, path: Path, part: Part) -> Split | None:
        """A part, whatever lies before it; None if the file ends before."""
        ...


@dataclass(slots=True)
class GoneSplit:
    """A split whose file is no longer there: nothing more comes, and what was read of it stays known."""

    name: SplitName
    known: SplitState
    total_bytes: int | None = 0
    read_bytes: int = 0

    @property
    def ready(self) -> bool:
        return False

    async def read(self, rows_max: int) -> Chunk | Damage | None:  # noqa: ARG002 - nothing is left to read
        return None

    def state(self) -> SplitState:
        return self.known

    async def close(self) -> None:
        return


@dataclass(slots=True)
class FileSource:
    """The files that match `pattern`, which is relative to `base`."""

    name: str
    pattern: str
    base: Path
    opener: Opener
    paths: dict[SplitName, Path] = field(default_factory=dict)  # where `match` found splits
    _notices: list[str] = field(default_factory=list)

    async def open(self, states: Mapping[SplitName, SplitState]) -> Sequence[Split]:
        files = self.files()
        if not files:
            raise InvalidInput(
                f"source {self.name}: no file matches {self.pattern} in {self.base}",
                reason="NoFile",
                hint="paths are relative to the pipeline's file; ** stands for any folders",
            )
        opened, free = await self.match(states, files)
        for path, whole in free.items():
            opened.append(await self.opener.fresh(new_name(self.name, path, states), whole))
        return sorted(opened, key=lambda split: split.name)

    async def match(
        self, states: Mapping[SplitName, SplitState], files: Mapping[str, Path]
    ) -> tuple[list[Split], dict[str, Path]]:
        """The known splits, each in its file or as one that is gone, and the files that are none of theirs."""
        self.paths.clear()
        prefix = f"{self.name}/"
        known = {name: state for name, state in states.items() if name.startswith(prefix) and "position" in state}
        opened: list[Split] = []
        free = dict(files)
        missing = []
        for name in sorted(known, key=lambda name: (-generation_of(name), name)):
            split = await self._at_own_path(name, known[name], free)
            if split is None:
                missing.append(name)
            else:
                opened.append(split)
        opened += [await self._elsewhere(name, known[name], files, free) for name in sorted(missing)]
        return opened, free

    async def refresh(self) -> Sequence[Split]:
        return ()

    def watch(self, arrived: Callable[[], None]) -> None:  # noqa: ARG002 - all is there from the start
        return

    async def release(self, states: Mapping[SplitName, SplitState]) -> None:  # noqa: ARG002 - files stay as they are
        return

    def notices(self) -> Sequence[str]:
        return tuple(self._notices)

    def files(self) -> dict[str, Path]:
        """The files by path as matched, sorted; each file once, under the first path that leads to it."""
        self._notices.clear()
        matched = sorted(glob.glob(self.pattern, root_dir=self.base, recursive=True))  # noqa: PTH207 - ** and absolute patterns
        files: dict[str, Path] = {}
        seen: dict[tuple[int, int], str] = {}
        for path in matched:
            whole = self.base / path
            if not whole.is_file():
                continue
            status = whole.stat()
            first = seen.setdefault((status.st_dev, status.st_ino), path)
            if first == path:
                files[path] = whole
            else:
                self._notices.append(f"source {self.name}: {path} is the same file as {first}; it is read once")
        return files

    async def _at_own_path(self, name: SplitName, state: SplitState, free: dict[str, Path]) -> Split | None:
        """The split in the file at its own path, if that begins with what was read."""
        path = self._own_path(name, free)
        split = await self.opener.resumed(name, free[path], state) if path in free else None
        if split is not None:
            self.paths[name] = free.pop(path)
        return split

    async def _elsewhere(
        self, name: SplitName, state: SplitState, files: Mapping[str, Path], free: dict[str, Path]
    ) -> Split:
        """The split in a file that was renamed, or as one whose file is gone; says which."""
        path = self._own_path(name, files)
        for candidate in free if state["position"] else ():
            if candidate == path:
                continue
            split = await self.opener.resumed(name, free[candidate], state)
            if split is not None:
                self.paths[name] = free.pop(candidate)
                self._notices.append(f"source {self.name}: {path} was rotated; its records go on in {candidate}")
                return split
        self._notices.append(self._lost(path, state, files))
        return GoneSplit(name, state)

    def _lost(self, path: str, state: SplitState, files: Mapping[str, Path]) -> str:
        subject = f"source {self.name}: {path}"
        if path not in files:
            return f"{subject} is gone; what was read of it stays in the results"
        size = files[path].stat().st_size
        if size < int(state["position"] or 0) and files[path].suffix == Path(path).suffix:
            return (
                f"{subject} was truncated or replaced: it is shorter than what was read of it; it is read as a new file"
            )
        return f"{subject} was replaced: it no longer begins with what was read of it; it is read as a new file"

    def _own_path(self, name: SplitName, files: Mapping[str, Path]) -> str:
        path = name.removeprefix(f"{self.name}/")
        return path if path in files else without_generation(path)


def open_files(name: str, pattern: str, given: Format, base: Path) -> FileSource:
    """The file source of one entry of a pipeline's `sources`."""
    opener: Opener = ColumnFiles(given) if given.arrow or given.parquet else TextFiles(given)
    return FileSource(name, pattern, base, opener)


def new_name(source: str, path: str, known: Container[SplitName]) -> SplitName:
    """The name of a new split of a path: the first generation that is not known."""
    name, generation = f"{source}/{path}", 1
    while (candidate := name if generation == 1 else f"{name}{_GENERATION}{generation}") in known:
        generation += 1
    return candidate


def generation_of(name: str) -> int:
    _, mark, number = name.rpartition(_GENERATION)
    return int(number) if mark and number.isdecimal() else 1


def without_generation(name: str) -> str:
    path, mark, number = name.rpartition(_GENERATION)
    return path if mark and number.isdecimal() else name
