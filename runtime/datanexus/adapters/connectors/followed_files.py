"""A source of files that grow, are rotated, truncated, replaced, compressed and removed while they are read.

A split keeps its file by three rules, tried in this order: the same file (device and inode) under any name the pattern
matches; the file at its own path, if that begins with what was read; any other file that does. A file that is none of
a known split's is a new split. Looking is cheap: content is compared only when a file is not what it was.

What looks like a copy of a known file is held back until it is settled, as rotation by copying or compressing shows
both for a while: if the known file is gone or emptied by then, the copy goes on as its split; else it is a file of its
own.
A file that no name leads to any more is read to its end through its descriptor.

Not told apart: a file that was emptied and grew again between two looks, beyond the place it was read to, and has the
same SEAM_BYTES before that place and HEAD_BYTES at its beginning.
"""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from datanexus.adapters.connectors.column_files import ColumnFiles
from datanexus.adapters.connectors.entry_feed import EntryFeed
from datanexus.adapters.connectors.entry_reader import EntryReader
from datanexus.adapters.connectors.file_listing import FileListing
from datanexus.adapters.connectors.file_tail import Appender, FileId, Moved, OpenHandles, file_id_at, frontier_of
from datanexus.adapters.connectors.files import FileSource, generation_of, new_name, without_generation
from datanexus.adapters.connectors.followed_file import NOTHING_READ, FollowedFile, Sight, is_packed, sight_of, stamp_of
from datanexus.adapters.connectors.followed_split import FollowedSplit
from datanexus.adapters.connectors.logged_split import place_of, trim_read, unread_splits
from datanexus.adapters.connectors.text_files import head_of
from datanexus.ports.log import Log, SplitEnd
from datanexus.ports.source import Split, SplitName, SplitState
from datanexus_spec.errors import Corrupt, Unavailable
from datanexus_spec.format import Format

_OPEN_MAX = 256  # descriptors kept; without one, a file that is renamed out of the pattern is lost


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a file is left alone. `settle_s` without a change: it is complete, or its writer has let it go;
    `abandon_s`: what is missing of it will not come."""

    settle_s: float = 2.0
    abandon_s: float = 60.0


class FollowedFiles:
    """`follows`: false for a run, which reads what the log has first and then the files in place."""

    def __init__(
        self,
        files: FileSource,
        form: Format,
        log: Log,
        *,
        follows: bool,
        patience: Patience = Patience(),
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self.name = files.name
        self._source = files
        self._format = form
        self._log = log
        self._follows = follows
        self._patience = patience
        self._now_s = now_s
        self._has_columns = isinstance(files.opener, ColumnFiles)
        self._handles = OpenHandles(_OPEN_MAX)
        self._listing = FileListing(files.pattern, files.base, now_s)
        self._files: dict[SplitName, FollowedFile] = {}
        self._splits: dict[SplitName, FollowedSplit] = {}
        self._ignored: dict[str, Sight] = {}  # by path, copies of what was read
        self._is_watched = False
        self._notices: list[str] = []

    async def open(self, states: Mapping[SplitName, SplitState]) -> Sequence[Split]:
        prefix = f"{self.name}/"
        known = {name: state for name, state in states.items() if name.startswith(prefix) and "position" in state}
        ends = await self._log.splits(self.name)
        unread = await unread_splits(self._log, self.name, known)
        frontiers = {name: _frontier(name, known.get(name), ends.get(name)) for name in {*known, *ends}}
        if self._has_columns:  # of which nothing was read is as good as unknown
            frontiers = {name: state for name, state in frontiers.items() if state["position"]}
        paths = self._source.files()
        if not self._follows and (not ends or (not paths and not unread)):
            return await self._source.open(frontiers)
        ids = {path: file_id_at(path) for path in paths.values()}
        matched, free = await self._source.match(frontiers, paths)
        for split in matched:
            name, end = split.name, ends.get(split.name)
            self._add(name, frontiers[name], known.get(name), unread.get(name, end.offset if end else 0))
            if (path := self._source.paths.get(name)) is not None:
                await self._put(self._files[name], self._key_of(path, paths), ids[path], split)
        seen = self._listing.look()
        if self._follows:
            await self._resolve(seen)
        else:
            for key in free:
                await self._adopt(key, ids[self._source.base / key])
        return [self._splits[name] for name in sorted(self._splits)]

    def watch(self, arrived: Callable[[], None]) -> None:  # noqa: ARG002 - files do not say when they grow
        self._is_watched = self._follows
        for split in self._splits.values() if self._follows else ():
            split.follow()

    async def refresh(self) -> Sequence[Split]:
        if not self._is_watched:
            return ()
        return await self._resolve(self._listing.look())

    async def _resolve(self, seen: Mapping[str, os.stat_result]) -> Sequence[FollowedSplit]:
        """Find the files that are not where they were, or not what they were; the rest are new."""
        doubtful = self._look(seen)
        taken = {file.key for file in self._files.values() if file.handle is not None and not file.in_doubt}
        free = [key for key in seen if key not in taken and self._is_news(key, seen[key])]
        if not doubtful and not free:
            return ()
        for file in sorted(self._lost_files(), key=lambda file: (-generation_of(file.name), file.name)):
            await self._look_at_own_path(file, free, seen)
        for file in sorted(self._lost_files(), key=lambda file: file.name):
            await self._look_elsewhere(file, free, seen)
        for file in doubtful:
            if file.in_doubt:
                await self._give_up(file, free, seen)
        added = [await self._adopt(key, _id_of(seen[key])) for key in free if not await self._is_held(key, seen)]
        return [split for split in added if split is not None]

    async def release(self, states: Mapping[SplitName, SplitState]) -> None:
        if await self._log.splits(self.name):
            await trim_read(self._log, self.name, states)

    def notices(self) -> Sequence[str]:
        return (*self._source.notices(), *self._notices)

    def _key_of(self, path: Path, paths: Mapping[str, Path]) -> str:
        return next(key for key, whole in paths.items() if whole == path)

    def _add(self, name: SplitName, frontier: SplitState, state: SplitState | None, first: int) -> FollowedSplit:
        """A split whose file is not known yet. `first`: the offset from which the log has what it needs."""
        appender = Appender(self._log, self.name, name, frontier)
        file = FollowedFile(name, self._source.opener, appender, self._handles, has_columns=self._has_columns)
        self._files[name] = file
        feed = EntryFeed(self._log, self.name, name, first)
        split = FollowedSplit(name, feed, EntryReader(self._format, place_of(self._format, state)), file)
        split.has_header = self._format.csv is not None and self._format.csv.header
        split.held = state if state is not None and "hash" in state else None
        self._splits[name] = split
        return split

    async def _put(self, file: FollowedFile, key: str, file_id: FileId, split: Split) -> bool:
        """The file of a split was found; false if the name leads elsewhere by now."""
        try:
            file.take(self._source.base / key, key, file_id, split)
        except (Moved, Unavailable):
            await split.close()
            return False
        file.is_left = key != self._own_key(file)
        self._judge_age(file)
        if file.handle is not None and not self._follows:
            file.handle.close()
        return True

    async def _adopt(self, key: str, file_id: FileId) -> FollowedSplit | None:
        """A file that is none of a known split's is a new split; None if the name leads elsewhere by now."""
        name = new_name(self.name, key, self._splits)
        split = self._add(name, NOTHING_READ, None, await self._log.end(self.name))
        try:
            fresh = await self._source.opener.fresh(name, self._source.base / key)
        except Unavailable:
            fresh = None
        if fresh is None or not await self._put(self._files[name], key, file_id, fresh):
            del self._files[name], self._splits[name]
            return None
        if self._is_watched:
            split.follow()
        return split

    def _look(self, seen: Mapping[str, os.stat_result]) -> list[FollowedFile]:
        """Say to each file what is seen of it; those that are not where they were, or not what they were."""
        keys = {(status.st_dev, status.st_ino): key for key, status in seen.items()}
        for file in self._files.values():
            if file.handle is None or file.sight is None:
                continue
            status, known = seen.get(file.key), file.sight.file_id
            if status is None or status.st_ino != known.inode or status.st_dev != known.device:
                self._look_for(file, keys.get((known.device, known.inode)), seen)
            elif stamp_of(status) != file.stamp:
                self._see(file, status)
            elif not file.is_abandoned:
                self._judge_age(file)
        return [file for file in self._files.values() if file.in_doubt]

    def _look_for(self, file: FollowedFile, key: str | None, seen: Mapping[str, os.stat_result]) -> None:
        """A file is not where it was. `key`: where one with its number is now."""
        assert file.handle is not None, "it was somewhere"
        if key is not None:
            file.rename(self._source.base / key, key)
            file.is_left = key != self._own_key(file)
            self._see(file, seen[key])
            if not file.in_doubt and not file.is_unchanged():
                file.in_doubt = True
        elif not file.is_orphan:
            file.in_doubt = True
        elif file.is_finished:
            file.leave()
        else:
            self._see(file, file.handle.status())

    def _see(self, file: FollowedFile, status: os.stat_result) -> None:
        before, file.sight, file.stamp = file.sight, sight_of(status), stamp_of(status)
        self._judge_age(file)
        if file.is_whole or before == file.sight:
            return
        if status.st_size < file.offset or (status.st_size == file.offset and not file.is_unchanged()):
            file.in_doubt = True

    def _judge_age(self, file: FollowedFile) -> None:
        if file.sight is not None:
            age_s = self._now_s() - file.sight.changed_s
            file.is_settled, file.is_abandoned = age_s >= self._patience.settle_s, age_s >= self._patience.abandon_s

    def _is_news(self, key: str, status: os.stat_result) -> bool:
        return bool(status.st_size) and self._ignored.get(key) != sight_of(status)

    def _lost_files(self) -> list[FollowedFile]:
        """Files of which nobody knows where they are."""
        return [file for file in self._files.values() if file.handle is None or file.in_doubt or file.is_orphan]

    async def _look_at_own_path(self, file: FollowedFile, free: list[str], seen: Mapping[str, os.stat_result]) -> None:
        key = self._own_key(file)
        if key in free and await self._try(file, key, _id_of(seen[key])):
            free.remove(key)

    async def _look_elsewhere(self, file: FollowedFile, free: list[str], seen: Mapping[str, os.stat_result]) -> None:
        if not (file.position or file.begun) or not (file.handle is None or file.in_doubt or file.is_orphan):
            return
        for key in [key for key in free if key in seen]:
            if key != self._own_key(file) and await self._try(file, key, _id_of(seen[key])):
                free.remove(key)
                self._notices.append(f"source {self.name}: {self._own_key(file)} was rotated; it goes on in {key}")
                return

    async def _try(self, file: FollowedFile, key: str, file_id: FileId) -> bool:
        """Whether a free file begins with what was read of this one; if so, it is that."""
        path = self._source.base / key
        try:
            if not await self._begins_alike(file, path):
                return False
            split = await file.opened(path)
        except Unavailable:
            return False  # gone again
        return split is not None and await self._put(file, key, file_id, split)

    async def _begins_alike(self, file: FollowedFile, path: Path) -> bool:
        head = file.head or file.begun
        return self._has_columns or head == (await head_of(path))[: len(head)]

    async def _give_up(self, file: FollowedFile, free: list[str], seen: Mapping[str, os.stat_result]) -> None:
        """A file that is nowhere to be found: what its descriptor still gives is read; else it is gone."""
        own = self._own_key(file)
        was_emptied = file.sight is not None and file.key in seen and _id_of(seen[file.key]) == file.sight.file_id
        if not was_emptied and not file.is_orphan and file.become_orphan():
            self._judge_age(file)
            return
        if was_emptied:
            await self._ignore_copies(file, free, seen)
        await file.give_up()
        what = "was truncated or replaced" if own in seen else "is gone"
        self._notices.append(f"source {self.name}: {own} {what}; what was read of it stays in the results")

    async def _ignore_copies(self, file: FollowedFile, free: list[str], seen: Mapping[str, os.stat_result]) -> None:
        """A file was emptied in place, and what is a copy of less than was read of it has nothing new."""
        for key in list(free):
            if key == file.key or is_packed(Path(key)) or not file.head or seen[key].st_size > file.position:
                continue
            head = await head_of(self._source.base / key)
            if head and file.head[: len(head)] == head[: len(file.head)]:
                self._ignored[key] = sight_of(seen[key])
                free.remove(key)

    async def _is_held(self, key: str, seen: Mapping[str, os.stat_result]) -> bool:
        """Whether a new file may turn out to be a known one, copied or compressed."""
        if self._has_columns:
            return False
        age_s = self._now_s() - sight_of(seen[key]).changed_s
        path = self._source.base / key
        if is_packed(path):
            return age_s < self._patience.settle_s or await self._is_packed_copy(key, seen)
        if age_s >= self._patience.settle_s:
            return False
        try:
            head = await head_of(path)
            known = {head for file in self._files.values() for head in (file.head, file.begun, file.head_now())}
        except Unavailable:
            return True
        return any(one and head[: len(one)] == one[: len(head)] for one in known)

    async def _is_packed_copy(self, key: str, seen: Mapping[str, os.stat_result]) -> bool:
        """Whether a compressed file begins with what was read of the file beside it, which is still there."""
        plain = key.removesuffix(Path(key).suffix)
        for file in self._files.values():
            if file.handle is not None and file.key == plain and plain in seen and file.position:
                split = await file.opened(self._source.base / key)
                if split is not None:
                    await split.close()
                    self._ignored[key] = sight_of(seen[key])
                    return True
        return False

    def _own_key(self, file: FollowedFile) -> str:
        path = file.name.removeprefix(f"{self.name}/")
        return without_generation(path) if generation_of(path) > 1 else path


def open_followed(files: FileSource, form: Format, log: Log, *, follows: bool) -> FollowedFiles:
    """The files of a source, of which the log may have a part. `follows`: they are followed, through the log."""
    return FollowedFiles(files, form, log, follows=follows)


def _id_of(status: os.stat_result) -> FileId:
    return FileId(status.st_dev, status.st_ino)


def _frontier(name: SplitName, state: SplitState | None, end: SplitEnd | None) -> SplitState:
    """The state of a run that had read all that was read of a file, by a run or into the log."""
    logged = frontier_of(end.origin) if end is not None and end.origin else None
    if state is not None and "hash" in state:
        position = int(state["position"] or 0)
        ahead = position - end.position if end is not None else 1
        if logged is None or ahead > 0 or (ahead == 0 and "damaged" not in logged):
            return state
    if logged is not None:
        return logged
    if state is None or not state["position"]:
        return NOTHING_READ
    raise Corrupt(
        f"split `{name}` was read up to {state['position']} through the log, but the log knows nothing of it",
        reason="LogMissing",
        hint="restore log.sqlite beside the store, or start over with --fresh",
    )
