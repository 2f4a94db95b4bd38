"""What DuckDB, SQLite and the operating system report, as the project's errors. The outside error is the cause."""

import errno
import sqlite3
from pathlib import Path

import duckdb

from datanexus_spec.errors import Corrupt, DataNexusError, Incompatible, Unavailable

_DISK_FULL = "free some space, or move the data folder to a larger disk, then start again: nothing was written"
_FULL_SIGNS = ("no space left", "file too large", "disk full", "disk quota", "database or disk is full")
_CORRUPT_SIGNS = ("not a valid duckdb database", "checksum", "corrupt", "not a database", "malformed")


def os_fault(error: OSError, what: str, path: Path) -> DataNexusError:
    """The error of a file operation; `what` says which, as in "cannot write the blob"."""
    found = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT):
        return Unavailable(f"{what} {path}: the disk is full ({found})", reason="DiskFull", hint=_DISK_FULL)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return Unavailable(
            f"{what} {path}: {found}", reason="NoPermission", hint="give this user the right, or choose another path"
        )
    return Unavailable(f"{what} {path}: {found}", reason="FileUnavailable", hint="check the path and the disk")


def store_fault(error: duckdb.Error, what: str, path: Path) -> DataNexusError:
    """The error of a DuckDB call on the store at `path`."""
    message = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    low = str(error).lower()
    text = f"{what} {path}: {message}"
    if "set lock on file" in low:
        return Unavailable(
            text, reason="StoreLocked", hint="another process has this store open; stop it or use another --data folder"
        )
    if "database file with version number" in low or "newer version of duckdb" in low:
        return Incompatible(text, reason="NewerStore", hint="open it with the DataNexus version that wrote it")
    if any(sign in low for sign in _FULL_SIGNS):
        return Unavailable(text, reason="DiskFull", hint=_DISK_FULL)
    if any(sign in low for sign in _CORRUPT_SIGNS):
        return Corrupt(text, reason="StoreCorrupt", hint="restore the file from a copy; nothing was overwritten")
    return Unavailable(text, reason="StoreUnavailable", hint="check the path and the disk, then start again")


def log_fault(error: sqlite3.Error, what: str, path: Path) -> DataNexusError:
    """The error of a SQLite call on the log at `path`."""
    low = str(error).lower()
    text = f"{what} {path}: {error}"
    if any(sign in low for sign in _FULL_SIGNS):
        return Unavailable(text, reason="DiskFull", hint=_DISK_FULL)
    if any(sign in low for sign in _CORRUPT_SIGNS):
        return Corrupt(text, reason="LogCorrupt", hint="restore the file from a copy; nothing was overwritten")
    return Unavailable(text, reason="LogUnavailable", hint="check the path and the disk, then start again")
