"""Files of text records as splits: a new one from its beginning, a known one behind what was read of it."""

import json
from dataclasses import dataclass
from pathlib import Path

from datanexus.adapters.connectors.byte_stream import BoundedStream, Broken, FileStream, open_file
from datanexus.adapters.connectors.file_part import Part
from datanexus.adapters.connectors.text_split import BLOCK_BYTES, HEAD_BYTES, ContentIdentity, TextSplit, given_columns
from datanexus.ports.source import SplitName, SplitState
from datanexus_spec.format import Format


@dataclass(frozen=True, slots=True)
class TextFiles:
    """How the text files of one source are opened."""

    format: Format

    async def fresh(self, name: SplitName, path: Path) -> TextSplit:
        """The file from its first record on. Raises: Unavailable."""
        return self._split(name, open_file(path))

    async def resumed(self, name: SplitName, path: Path, state: SplitState) -> TextSplit | None:
        """The file behind the state's position; None if what lies before it is not what was read."""
        stream = open_file(path)
        split = self._split(name, stream)
        if not await _passes(split, state):
            await split.close()
            return None
        stream.park()
        if "header" in state:
            split.header = tuple(json.loads(str(state["header"])))
        split.was_damaged = bool(state.get("damaged"))
        return split

    async def part(self, name: SplitName, path: Path, part: Part) -> TextSplit | None:
        """Some of the file's records. Raises: Unavailable."""
        split = self._split(name, open_file(path))
        if not await _pass(split, part.position):
            await split.close()
            return None
        if part.until is not None:
            split.stream = BoundedStream(split.stream, part.until - part.position)
        split.header = part.header or split.header
        split.was_damaged = part.was_damaged
        return split

    def _split(self, name: SplitName, stream: FileStream) -> TextSplit:
        return TextSplit(name, self.format, stream, ContentIdentity(), stream.size_bytes, given_columns(self.format))


async def _passes(split: TextSplit, state: SplitState) -> bool:
    """Move a split that was not read yet to the state's position; whether the content before it is the state's."""
    position = int(state["position"] or 0)
    for step in sorted({min(position, HEAD_BYTES), position}):
        if not await _pass(split, step) or split.identity.state()["head"] != state["head"]:
            return False
    return split.identity.state()["hash"] == state["hash"]


async def _pass(split: TextSplit, position: int) -> bool:
    """Read and hash up to a position; false if the content ends before."""
    block = memoryview(bytearray(min(BLOCK_BYTES, max(position - split.position, 0))))
    while split.position < position:
        try:
            count = await split.stream.read_into(block[: position - split.position])
        except Broken:
            return False
        if not count:
            return False
        split.identity.take(block[:count])
        split.position += count
    split.identity.mark()
    return True


async def head_of(path: Path) -> bytes:
    """The first HEAD_BYTES of a file, decompressed. Raises: Unavailable."""
    stream = open_file(path)
    head = bytearray(HEAD_BYTES)
    try:
        return bytes(head[: await stream.read_into(memoryview(head))])
    except Broken:
        return b""
    finally:
        stream.close()
