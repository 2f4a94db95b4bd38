"""Files that are there whole or not at all, whatever crashes."""

import os
from pathlib import Path

from datanexus.adapters.faults import os_fault

TEMPORARY_SUFFIX = ".tmp"


def write_file(path: Path, content: bytes | memoryview, *, what: str) -> None:
    """Write beside the place, sync, rename, sync the directory.

    `what` begins the message of a failure, as in "cannot write the blob". Raises: Unavailable; then the place is as it
    was and nothing is left beside it.
    """
    temporary = path.with_name(f".{path.name}{TEMPORARY_SUFFIX}")
    try:
        make_folder(path.parent)
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)
    except OSError as error:
        raise os_fault(error, what, path) from error


def remove_file(path: Path, *, what: str) -> None:
    """Remove, if it is there, and sync the directory. Raises: Unavailable."""
    try:
        path.unlink()
        sync_folder(path.parent)
    except FileNotFoundError:
        return
    except OSError as error:
        raise os_fault(error, what, path) from error


def make_folder(folder: Path) -> None:
    """Make a folder and its parents; each is in its parent durably. Raises: OSError."""
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        if folder == folder.parent:
            break
        folder = folder.parent
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames and removals in a folder survive a crash of the machine. Raises: OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
