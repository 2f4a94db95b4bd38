"""The Blobs port on a directory. A blob is written beside its place, synced, renamed, and the directory synced.

A file that a crash left half written has a name of its own (`.…tmp`), is never listed, and goes when the folder is
opened again.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from datanexus.adapters.durable import TEMPORARY_SUFFIX, remove_file, sync_folder, write_file
from datanexus.adapters.faults import os_fault

_NAME = re.compile(r"[A-Za-z0-9._=-]+(/[A-Za-z0-9._=-]+)*")


@dataclass(frozen=True, slots=True)
class DirectoryBlobs:
    """Made by `open_blobs`."""

    root: Path

    async def put(self, name: str, content: bytes | memoryview) -> None:
        path = self._path(name)
        if path.is_file() and path.stat().st_size == len(content):
            sync_folder(path.parent)  # a crash may have come between the rename and this
            return
        write_file(path, content, what="cannot write the blob")

    async def get(self, name: str) -> bytes | None:
        path = self._path(name)
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise os_fault(error, "cannot read the blob", path) from error

    async def names(self, prefix: str) -> Sequence[str]:
        folder = self.root / prefix.rpartition("/")[0]
        found = (path.relative_to(self.root).as_posix() for path in folder.rglob("*") if path.is_file())
        return sorted(name for name in found if name.startswith(prefix) and not name.endswith(TEMPORARY_SUFFIX))

    async def delete(self, name: str) -> None:
        remove_file(self._path(name), what="cannot delete the blob")

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name) or any(part.startswith(".") for part in name.split("/")):
            raise AssertionError(f"not a blob name: {name!r}")
        return self.root / name


def open_blobs(root: Path) -> DirectoryBlobs:
    """Open or make the directory and clear what a crash left half written. Raises: Unavailable."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        for left in root.rglob(f"*{TEMPORARY_SUFFIX}"):
            left.unlink()
    except OSError as error:
        raise os_fault(error, "cannot open the blobs in", root) from error
    return DirectoryBlobs(root)
