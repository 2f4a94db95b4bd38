"""A data folder: everything one embedded process keeps. One process at a time holds it.

`lock` is held by flock, which the system releases however the process ends; its content, JSON with the holder's pid
and, when it serves, its address, is for other processes and for people. `format` says which version wrote the folder
and is read before anything is opened or changed.
"""

import fcntl
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from datanexus.adapters.durable import make_folder, write_file
from datanexus.adapters.faults import os_fault
from datanexus_spec.errors import Corrupt, DataNexusError, Incompatible, InvalidInput, Unavailable

FORMAT_VERSION = 2
_CONTENT = ("format", "lock", "store.duckdb", "store.duckdb.wal", "store.duckdb.tmp", "log.sqlite", "blobs")


@dataclass(frozen=True, slots=True)
class DataFolder:
    """A folder this process holds, from `open_data_folder` to `close`; or, read only, one that nobody holds."""

    path: Path
    lock_descriptor: int

    @property
    def store_path(self) -> Path:
        return self.path / "store.duckdb"

    @property
    def log_path(self) -> Path:
        return self.path / "log.sqlite"

    @property
    def blobs_path(self) -> Path:
        return self.path / "blobs"

    def announce(self, address: str) -> None:
        """Tell other processes where this owner answers: HOST:PORT."""
        _write_owner(self.lock_descriptor, {"pid": os.getpid(), "address": address})

    def close(self) -> None:
        """Let the folder go. The lock's file stays, as removing it would race with the next holder."""
        os.close(self.lock_descriptor)


def open_data_folder(path: Path, *, read_only: bool = False) -> DataFolder:
    """Take a folder, making it where there is none. `read_only`: hold an owner off, write nothing.

    Raises: Unavailable (held by another process, whose pid the message names; not writable; disk full; read only and
    absent), Incompatible (of another version), InvalidInput (a folder with something else in it). Nothing changes then.
    """
    if read_only and not (path / "format").is_file():
        raise Unavailable(
            f"data folder {path}: there is none yet",
            reason="NoDataFolder",
            hint="run a pipeline with --data there first",
        )
    _check_format(path)
    try:
        if not read_only:
            make_folder(path)
    except OSError as error:
        raise os_fault(error, "cannot make the data folder", path) from error
    descriptor = _lock(path, shared=read_only)
    try:
        if not (path / "format").is_file():
            write_file(path / "format", json.dumps({"format": FORMAT_VERSION}).encode(), what="cannot write")
    except DataNexusError:
        os.close(descriptor)
        raise
    return DataFolder(path, descriptor)


def serving_address(path: Path) -> str | None:
    """HOST:PORT where the process that holds a folder answers; None when none holds it, or it does not answer."""
    try:
        descriptor = os.open(path / "lock", os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        address = _owner_in(descriptor).get("address")
        return address if isinstance(address, str) else None
    finally:
        os.close(descriptor)  # and with it the lock, had it been free
    return None


def _check_format(path: Path) -> None:
    """Refuse another version's folder, and one that holds something else."""
    if path.exists() and not path.is_dir():
        raise InvalidInput(f"data folder {path}: this is a file", reason="NotAFolder", hint="name a folder with --data")
    try:
        content = json.loads((path / "format").read_bytes())
    except FileNotFoundError:
        _check_empty(path)
        return
    except OSError as error:
        raise os_fault(error, "cannot read", path / "format") from error
    except ValueError as error:
        raise _unreadable(path) from error
    if not isinstance(content, dict) or not isinstance(content.get("format"), int):
        raise _unreadable(path)
    if content["format"] != FORMAT_VERSION:
        raise Incompatible(
            f"data folder {path}: it has format {content['format']}, this program knows format {FORMAT_VERSION}",
            reason="OtherDataFormat",
            hint="use the DataNexus version that wrote it, or another --data folder; nothing was changed",
        )


def _unreadable(path: Path) -> Corrupt:
    return Corrupt(
        f"data folder {path}: its file `format` is not readable; expected is JSON like {{'format': {FORMAT_VERSION}}}",
        reason="BadFormatFile",
        hint="restore the folder from a copy, or use another --data folder; nothing was changed",
    )


def _check_empty(path: Path) -> None:
    foreign = sorted(entry.name for entry in path.iterdir() if entry.name not in _CONTENT) if path.is_dir() else []
    if foreign:
        raise InvalidInput(
            f"data folder {path}: it is no data folder and not empty ({foreign[0]} is in it)",
            reason="NotADataFolder",
            hint="name a new or empty folder with --data; nothing was changed",
        )


def _lock(path: Path, *, shared: bool) -> int:
    """Hold the folder; readers may hold it together, and leave the owner's pid as it is."""
    try:
        descriptor = os.open(path / "lock", os.O_RDONLY if shared else os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise os_fault(error, "cannot lock the data folder", path) from error
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        if not shared:
            _write_owner(descriptor, {"pid": os.getpid()})
    except BlockingIOError as error:
        pid = _pid_in(descriptor)
        os.close(descriptor)
        raise Unavailable(
            f"data folder {path}: process {pid or 'unknown'} is using it",
            reason="FolderInUse",
            hint="wait for it, stop it, or use another --data folder",
        ) from error
    except OSError as error:
        os.close(descriptor)
        raise os_fault(error, "cannot lock the data folder", path) from error
    return descriptor


def _write_owner(descriptor: int, owner: Mapping[str, int | str]) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(owner).encode(), 0)


def _pid_in(descriptor: int) -> int | None:
    pid = _owner_in(descriptor).get("pid")
    return pid if isinstance(pid, int) else None


def _owner_in(descriptor: int) -> Mapping[str, object]:
    """What the lock's file says; nothing while it is being written."""
    try:
        content = json.loads(os.pread(descriptor, 4096, 0))
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}
