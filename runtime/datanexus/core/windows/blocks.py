"""Merged runs of panes, kept so that overlapping windows need not merge the same panes again.

A block is an aligned run of 2^level panes. A window of m panes is at most 2·log2(m) blocks, and a block is merged once
from its halves, so a window that fires costs O(log m) merges instead of m. Blocks are a cache: nothing of them is
stored, and a block is forgotten when one of its panes changes or goes. Kept are only blocks with panes in both halves.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence

from datanexus.core.emission import ViewSpec
from datanexus.core.pane_table import PaneTable


class Blocks:
    """Blocks of the panes of one view; a pane has the number start ÷ width."""

    __slots__ = ("_merged", "_panes", "_spec")

    def __init__(self, spec: ViewSpec, panes: int) -> None:
        """`panes`: how many make a window."""
        self._spec = spec
        self._panes = panes
        self._merged: dict[tuple[int, int], PaneTable] = {}  # by level ≥ 1, and number of the block on it

    @property
    def nbytes(self) -> int:
        """Bytes held beside the panes."""
        return sum(table.nbytes for table in self._merged.values())

    def forget(self, number: int) -> None:
        """Drop the blocks that a pane is part of."""
        if self._merged:
            for level in range(1, self._panes.bit_length()):
                self._merged.pop((level, number >> level), None)

    def tables(self, first: int, numbers: Sequence[int], table_of: Callable[[int], PaneTable]) -> Iterator[PaneTable]:
        """Tables that together hold the panes of a window: it begins at pane `first`; `numbers`: those there are."""
        start, end, at = first, first + self._panes, 0
        while start < end:
            level = (end - start).bit_length() - 1
            if start:
                level = min(level, (start & -start).bit_length() - 1)
            following = bisect_left(numbers, start + (1 << level), at)
            if following > at:
                yield self._block(level, start >> level, numbers[at:following], table_of)
            start, at = start + (1 << level), following

    def _block(
        self, level: int, number: int, numbers: Sequence[int], table_of: Callable[[int], PaneTable]
    ) -> PaneTable:
        if len(numbers) == 1:
            return table_of(numbers[0])
        if (level, number) in self._merged:
            return self._merged[level, number]
        middle = bisect_left(numbers, (2 * number + 1) << (level - 1))
        if middle in (0, len(numbers)):
            return self._block(level - 1, 2 * number + (middle == 0), numbers, table_of)
        union = PaneTable(self._spec)
        union.fold(self._block(level - 1, 2 * number, numbers[:middle], table_of))
        union.fold(self._block(level - 1, 2 * number + 1, numbers[middle:], table_of))
        self._merged[level, number] = union
        return union
