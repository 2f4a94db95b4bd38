"""One file while it is followed: where it is, what was seen of it, and its tail, which fills the log.

`FollowedFiles` looks at it from time to time and says what it saw; only `pull` reads on. What looking cannot tell, that
the content before the place is not what was read, becomes a doubt, which `FollowedFiles` resolves.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from datanexus.adapters.connectors.byte_stream import GZIP_SUFFIXES, ZSTD_SUFFIXES
from datanexus.adapters.connectors.column_files import ColumnSplit
from datanexus.adapters.connectors.file_part import Part
from datanexus.adapters.connectors.file_tail import (
    Appender,
    ColumnTail,
    FileHandle,
    FileId,
    Moved,
    OpenHandles,
    PackedTail,
    PlainTail,
    Tail,
    file_id_at,
    is_complete,
)
from datanexus.adapters.connectors.files import Opener
from datanexus.adapters.connectors.logged_split import Pulled
from datanexus.adapters.connectors.text_split import HEAD_BYTES, ContentIdentity, TextSplit
from datanexus.ports.log import LINES
from datanexus.ports.source import Split, SplitName, SplitState
from datanexus_spec.errors import Unavailable

NOTHING_READ: SplitState = {"position": 0, **ContentIdentity().state()}


@dataclass(frozen=True, slots=True)
class Sight:
    """What a look at a file says."""

    file_id: FileId
    size: int
    modified_ns: int
    changed_s: float


def stamp_of(status: os.stat_result) -> tuple[int, int, int]:
    """What changes whenever a file does."""
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def sight_of(status: os.stat_result) -> Sight:
    """What is of interest of a file's status."""
    changed_s = max(status.st_mtime, status.st_ctime)
    return Sight(FileId(status.st_dev, status.st_ino), status.st_size, status.st_mtime_ns, changed_s)


class FollowedFile:
    """The file of one split. `handle`: None while it is nowhere. `sight`: of the last look.

    `is_settled`: not changed for a while; `is_abandoned`: for so long that what is missing of it will not come.
    `is_left`: renamed or without a name, so its writer will let it go, and once it is settled nothing more comes.
    """

    def __init__(
        self, name: SplitName, opener: Opener, appender: Appender, handles: OpenHandles, *, has_columns: bool
    ) -> None:
        self.name = name
        self.handle: FileHandle | None = None
        self.key: str = ""  # its path as the pattern matched it; empty: no name leads to it
        self.sight: Sight | None = None
        self.stamp = (0, 0, 0)  # sizes and times of the last look, to be compared at once
        self.is_settled = self.is_abandoned = False
        self.is_left = False
        self.in_doubt = False
        self._opener = opener
        self._appender = appender
        self._handles = handles
        self._has_columns = has_columns
        self._tail: Tail | None = None
        self._found: Split | None = None  # opened behind the frontier, not read on
        self._identity: ContentIdentity | None = None  # of text that was read
        self._finished: Sight | None = None  # as it was when it was read to its end
        self._incomplete: Sight | None = None  # as it was when something was missing
        self._is_told = False  # that it is at its end, or gone

    @property
    def frontier(self) -> SplitState:
        """The state of a run that had read all that is in the log."""
        return self._appender.frontier

    @frontier.setter
    def frontier(self, state: SplitState) -> None:
        self._appender.frontier = state

    @property
    def position(self) -> int:
        return int(self.frontier["position"] or 0)

    @property
    def offset(self) -> int:
        """Bytes of the file that were read, where it is read as it grows; else 0."""
        if self.is_whole:
            return 0
        return self._tail.offset if self._tail is not None else self.position

    @property
    def is_whole(self) -> bool:
        """Whether it is read once it is complete, and not as it grows."""
        return self._has_columns or (self.handle is not None and is_packed(self.handle.path))

    @property
    def read_bytes(self) -> int:
        """For progress: of the size seen last."""
        if self.sight is None or not self.is_whole:
            return self.offset
        return self.sight.size if self._finished == self.sight else 0

    @property
    def ready(self) -> bool:
        if self.handle is None:
            return not self._is_told or self._appender.is_waiting
        if self.in_doubt or self.sight is None:
            return self._appender.is_waiting
        is_unfinished = self._finished != self.sight
        if self.is_whole:
            return self.is_settled and is_unfinished and (self.is_abandoned or self._incomplete != self.sight)
        return self.sight.size > self.offset or (self.is_left and self.is_settled and is_unfinished)

    @property
    def head(self) -> bytes:
        """The first bytes of what was read of a text file."""
        return self._identity.head if self._identity is not None else b""

    @property
    def begun(self) -> bytes:
        """The first bytes of a line whose end has not come; only as long as nothing was read before it."""
        return self._tail.begun[:HEAD_BYTES] if isinstance(self._tail, PlainTail) and not self.position else b""

    def head_now(self) -> bytes:
        """The first bytes of the file, read or not. Raises: Unavailable."""
        if self.is_whole or self.handle is None or len(self.head) == HEAD_BYTES:
            return self.head
        try:
            return self.handle.read(0, HEAD_BYTES)
        except Moved:
            return self.head

    @property
    def is_orphan(self) -> bool:
        """Whether no name leads to it, but its descriptor does."""
        return self.handle is not None and not self.key

    @property
    def is_finished(self) -> bool:
        """Whether it was read to its end as it is now."""
        return self._finished is not None and self._finished == self.sight

    def take(self, path: Path, key: str, file_id: FileId, split: Split) -> None:
        """It is here. `split`: opened behind the frontier, whose content was compared. Raises: Moved, Unavailable."""
        handle = FileHandle(path, file_id, self._handles)
        sight = sight_of(handle.status())
        self.leave()
        self.handle, self.key = handle, key
        self._identity = split.identity if isinstance(split, TextSplit) else None  # type: ignore[assignment]
        self.sight, self._found, self._finished, self._is_told = sight, split, None, False
        self._appender.file_id = sight.file_id

    def rename(self, path: Path, key: str) -> None:
        """It is the file it was, by another name."""
        assert self.handle is not None, "it was somewhere"
        self.handle.path, self.key, self.handle.is_nameless = path, key, False

    def become_orphan(self) -> bool:
        """No name leads to it any more; whether it can still be read. Raises: Unavailable."""
        if self.handle is None or not self.handle.is_open or self.is_whole:
            return False
        self.key, self.in_doubt, self.is_left, self.handle.is_nameless = "", False, True, True
        self.sight = sight_of(self.handle.status())  # it is open, so it cannot have moved
        return True

    async def give_up(self) -> None:
        """It is gone: the half line that was read is all there is of it. Raises: Unavailable."""
        if isinstance(self._tail, PlainTail):
            await self._tail.finish()
        self.leave()
        self._is_told = False

    async def opened(self, path: Path) -> Split | None:
        """A file behind the frontier, if it begins with what was read. Raises: Unavailable."""
        if not self.position:
            return await self._opener.fresh(self.name, path)
        return await self._opener.resumed(self.name, path, self.frontier)

    def is_unchanged(self) -> bool:
        """Whether the content before the place is what was read there last. Raises: Unavailable."""
        if self.handle is None or self.is_whole:
            return self.handle is not None
        if self._tail is not None:
            return self._tail.is_unchanged()
        last = self._identity.last if self._identity is not None else b""
        try:
            return self.handle.read(self.position - len(last), len(last)) == last and (
                self.handle.read(0, len(self.head)) == self.head
            )
        except Moved:
            return False

    def leave(self) -> None:
        """It is nowhere now. What was read beyond the frontier is read again, should it be found."""
        if self._tail is not None:
            self._tail.close()
        if self.handle is not None:
            self.handle.close()
        if isinstance(self._found, TextSplit):
            self._found.stream.close()
        self.handle = self.sight = self._tail = self._found = None
        self.key = ""
        self.in_doubt = self.is_left = False

    async def pull(self) -> Pulled:
        """Append what comes next to the log. Raises: Unavailable."""
        if await self._appender.retry():
            return Pulled.APPENDED
        if self.handle is None:
            self._is_told = True
            return Pulled.END
        if self._tail is None and not self._is_missing_something():
            self._tail = await self._new_tail()
        if self._tail is None:
            self.in_doubt = self._incomplete != self.sight
            return Pulled.NOTHING
        pulled = await self._tail.pull(is_last=self.is_abandoned if self.is_whole else self.is_left and self.is_settled)
        if pulled is None:
            self.in_doubt = True
        elif pulled is Pulled.END:
            self._finished, self._is_told = self.sight, True
        elif isinstance(self._tail, PackedTail) and self._tail.is_broken:
            self._incomplete = self.sight
        if self.is_whole and (self._incomplete or self._finished) == self.sight:
            self._tail.close()
            self._tail = None
        return pulled or Pulled.NOTHING

    async def seal(self) -> None:
        """Append an entry that ends what is open. Raises: Unavailable."""
        await self._appender.append(b"", LINES, self.frontier)

    async def part(self, part: Part) -> Split | None:
        """A part of it, to be read in place; None where it is nowhere."""
        found = self._found
        if found is not None and part.until is None and self.position == part.position:
            self._found = None
            if isinstance(found, TextSplit):
                found.header = part.header or found.header
            return found
        return await self._opener.part(self.name, self.handle.path, part) if self.handle is not None else None

    def _is_missing_something(self) -> bool:
        """Whether it is a column file that is being written. Raises: Unavailable."""
        if not self._has_columns or self.handle is None or self.sight is None or self.is_abandoned:
            return False
        if not is_complete(self.handle, self.sight.size):
            self._incomplete = self.sight
        return self._incomplete == self.sight

    async def _new_tail(self) -> Tail | None:
        """The tail behind the frontier; None if what is there now is not what was read."""
        if self.handle is None:
            return None
        found, self._found = self._found, None
        if found is None or self.is_whole:  # that may have been half written when it was found
            if found is not None:
                await found.close()
            found = await self._opened_again(self.handle)
        if isinstance(found, ColumnSplit):
            return ColumnTail(found, self._appender)
        if not isinstance(found, TextSplit):
            return None
        if self.is_whole:
            return PackedTail(found, self._appender)
        assert isinstance(found.identity, ContentIdentity), "a file's identity is its content"
        await found.close()
        self._identity = found.identity
        return PlainTail(self.handle, self._appender, found.identity, self.position)

    async def _opened_again(self, handle: FileHandle) -> Split | None:
        """The file by its name; None if that leads elsewhere, or the content before the place is not what was read."""
        if file_id_at(handle.path) != handle.file_id:
            return None
        try:
            found = await self.opened(handle.path)
        except Unavailable:
            if file_id_at(handle.path) == handle.file_id:
                raise
            return None
        if found is not None and file_id_at(handle.path) != handle.file_id:
            await found.close()
            return None
        return found


def is_packed(path: Path) -> bool:
    """Whether a file is compressed, by its name."""
    return path.suffix in (*GZIP_SUFFIXES, *ZSTD_SUFFIXES)
