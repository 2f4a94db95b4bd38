"""A file's split that the log and the file give together.

Records come from the log's entries; where the log has a gap, as a run has read there in place, from the file; behind
the log's end from the file in place too, until the file is followed: from then on all that comes enters the log first.

Invariant: which of the two gives a record follows from the log alone, and so does the state behind it: of a record
from the log an entry, of one read in place the hash of all before.
"""

from dataclasses import dataclass, field

from datanexus.adapters.connectors.entry_feed import EntryFeed
from datanexus.adapters.connectors.entry_reader import EntryReader
from datanexus.adapters.connectors.file_part import Part
from datanexus.adapters.connectors.followed_file import FollowedFile
from datanexus.adapters.connectors.logged_split import NO_RECORD, Pulled, logged_state
from datanexus.ports.source import Chunk, ColumnChunk, Damage, Split, SplitName, SplitState, TextChunk


@dataclass(slots=True)
class FollowedSplit:
    """The records behind `reader.place`. `held`: the state at the place, where that was reached in place."""

    name: SplitName
    feed: EntryFeed
    reader: EntryReader
    file: FollowedFile
    held: SplitState | None = None
    has_header: bool = False
    _is_followed: bool = False
    _covered: int = field(init=False)  # up to where there is no gap
    _part: Split | None = None  # being read in place
    _until: int | None = None  # where that ends; None: at the file's end
    _left: Split | None = None  # was read in place, to be closed

    def __post_init__(self) -> None:
        self._covered = self.reader.place.position

    @property
    def ready(self) -> bool:
        if not self._is_followed or self._part is not None:
            return True
        return self.reader.has_records or self.feed.has_more or self.file.ready

    @property
    def total_bytes(self) -> int | None:
        return self.file.sight.size if self.file.sight is not None else self.file.read_bytes

    @property
    def read_bytes(self) -> int:
        return self._part.read_bytes if self._part is not None else self.file.read_bytes

    async def read(self, rows_max: int) -> Chunk | Damage | None:
        if self._left is not None:
            await self._left.close()
            self._left = None
        while True:
            if self._part is not None:
                chunk = await self._read_part(self._part, rows_max)
                if chunk is not None or self._part is not None:
                    return chunk
            elif self.reader.has_records:
                self.held = None
                return self.reader.next_chunk(rows_max)
            elif (entry := await self.feed.peek()) is not None:
                if entry.position <= self._covered or not await self._go_in_place(entry.position):
                    self.feed.take()
                    self.reader.take(entry)
                    self._covered = max(entry.end, self._covered)
            elif self._is_followed:
                pulled = await self.file.pull()
                if pulled is not Pulled.APPENDED and not await self._sealed(pulled):
                    return NO_RECORD if pulled is Pulled.NOTHING else None
            elif not await self._go_in_place(None) and not self._close_open():
                return None

    def state(self) -> SplitState:
        if self._part is not None:
            return self._part.state()
        return self.held or logged_state(self.reader.place, has_header=self.has_header)

    def follow(self) -> None:
        """From now on all that comes enters the log first. What was read in place stays so."""
        self._is_followed = True
        if self._part is not None and self._until is None:
            self.file.frontier = self._part.state()
            self._left = self._leave_part(self._part)

    async def close(self) -> None:
        for part in (self._part, self._left):
            if part is not None:
                await part.close()
        self.file.leave()

    async def _read_part(self, part: Split, rows_max: int) -> Chunk | Damage | None:
        chunk = await part.read(rows_max)
        if chunk is None and self._until is not None:
            await self._leave_part(part).close()
        assert chunk is None or isinstance(chunk, TextChunk | ColumnChunk | Damage), (
            "nothing returns from quarantine here"
        )
        return chunk

    async def _go_in_place(self, until: int | None) -> bool:
        """Read the file from the place on. False: it cannot be; what the log has next is all there is."""
        place = self.reader.place
        was_damaged = bool(self.held and self.held.get("damaged"))
        self._part = await self.file.part(Part(place.position, until, place.header, was_damaged))
        self._until = until if self._part is not None else None
        if self._part is not None or until is not None:
            self.reader.clear()  # a record that is open does not go on in the log
        return self._part is not None

    def _leave_part(self, part: Split) -> Split:
        """What is read in place is at its end; the place is there."""
        self.held = part.state()
        place = self.reader.place
        place.position = int(self.held["position"] or 0)
        place.header = getattr(part, "header", ())
        place.entry = self.feed.offset
        self._covered = place.position if self._until is None else self._until
        self._part = self._until = None
        return part

    async def _sealed(self, pulled: Pulled) -> bool:
        """At the end a record that is open is whole as it is: the log says so, as more may come after all."""
        if pulled is not Pulled.END or not self.reader.is_open:
            return False
        await self.file.seal()
        return True

    def _close_open(self) -> bool:
        """The file is gone: a record that is open is whole as it is."""
        if not self.reader.is_open:
            return False
        self.reader.close_open()
        return self.reader.has_records
