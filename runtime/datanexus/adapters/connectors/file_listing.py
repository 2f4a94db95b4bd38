"""Which files match a pattern now, looked up many times a second: a `stat` of each, a listing when one is due."""

import glob
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

_LIST_S = 1.0  # between two listings of a pattern over several folders
_RACE_S = 0.1  # a folder's time may not tell two changes apart that lie so close together


class FileListing:
    """The files of a pattern, which is relative to `base`. `now_s`: the clock that file times are from."""

    def __init__(self, pattern: str, base: Path, now_s: Callable[[], float]) -> None:
        self._pattern = pattern
        self._base = base
        self._now_s = now_s
        folder, _, name = pattern.rpartition("/")
        self._has_magic = glob.has_magic(pattern)
        self._folder = None if glob.has_magic(folder) or not glob.has_magic(name) else base / (folder or ".")
        self._folder_stamp: tuple[int, int] | None = None
        self._listed_s = float("-inf")
        self._paths = [] if self._has_magic else [(pattern, str(base / pattern))]

    def look(self) -> Mapping[str, os.stat_result]:
        """Status of each file by path as matched, sorted; each file once, under the first path that leads to it."""
        found: dict[str, os.stat_result] = {}
        seen: set[tuple[int, int]] = set()
        for path, whole in self._matched():
            try:
                status = os.stat(whole)  # noqa: PTH116 - many times a second
            except OSError:
                self._listed_s = float("-inf")  # gone, or unreadable now: look again
                continue
            key = (status.st_dev, status.st_ino)
            if stat.S_ISREG(status.st_mode) and key not in seen:
                seen.add(key)
                found[path] = status
        return found

    def _matched(self) -> list[tuple[str, str]]:
        """Paths as matched, and where they are."""
        if self._has_magic and self._is_due():
            matched = glob.glob(self._pattern, root_dir=self._base, recursive=True)  # noqa: PTH207 - ** and absolute patterns
            self._paths = [(path, str(self._base / path)) for path in sorted(matched)]
        return self._paths

    def _is_due(self) -> bool:
        now_s = self._now_s()
        if self._folder is None:
            is_due = not 0 <= now_s - self._listed_s < _LIST_S
        else:
            stamp = self._stamp(self._folder)
            is_due = stamp is None or stamp != self._folder_stamp or self._listed_s == float("-inf")
            is_settled = stamp is not None and now_s - stamp[1] / 1e9 > _RACE_S
            self._folder_stamp = stamp if is_settled else None
        if is_due:
            self._listed_s = now_s
        return is_due

    def _stamp(self, folder: Path) -> tuple[int, int] | None:
        try:
            status = os.stat(folder)  # noqa: PTH116 - many times a second
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns
