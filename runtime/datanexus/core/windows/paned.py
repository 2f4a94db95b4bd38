"""Windows of fixed bounds, as panes: state of tumbling and hopping windows.

A window is the merge of its panes. It fires when its end − 1 ≤ watermark: its rows are appended; they are replaced (or
added to) when a late record changes them, and final when end − 1 + allowed lateness ≤ watermark. Invariant: a final
window is never looked at again, so what a pane takes in for its later windows cannot change it.

A pane is named by its start and by the first window its records count in. That is the pane's first window, unless the
stage that judged lateness had closed it before this one did. A counter (rate, increase) counts on from the last sample
of its group in the `size` before the window; so when a pane is purged, the last samples of its groups are carried on
until the last window that may count on from them is final.
"""

from bisect import bisect_left, insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pyarrow as pa

from datanexus.core.aggregate import LastSamples, Slots, Times
from datanexus.core.emission import (
    NO_WATERMARK,
    Admission,
    Emission,
    KeyHashes,
    Segment,
    SegmentContents,
    Segments,
    ViewRows,
    ViewSpec,
)
from datanexus.core.emission_rows import Bounds, EmissionBuilder, RowWriter
from datanexus.core.key_groups import partition_of
from datanexus.core.key_index import ABSENT, KeyIndex
from datanexus.core.pane_table import TIMED, Batches, PaneTable, counters, key_order
from datanexus.core.view_rows import Order, by_pane
from datanexus.core.window_state import ENDLESS_US, WATERMARK, watermark_of, watermark_segment
from datanexus.core.windows.blocks import Blocks
from datanexus.core.windows.carried import Carried
from datanexus.core.windows.grid import Grid

_BLOCKS_FROM = 4  # panes in a window; fewer are merged one by one

PaneName = tuple[int, int]  # start of the pane, start of the first window its records count in


@dataclass(slots=True)
class _Pane:
    """`settled`: how many slots there were at the last cut; `touched`: slots changed since, if windows have fired."""

    table: PaneTable
    version: int = 0
    settled: int = 0
    touched: list[Slots] = field(default_factory=list)

    def touched_hashes(self) -> KeyHashes:
        """The keys that changed since the last cut."""
        if not self.touched:
            return np.empty((0, 2), np.uint64)
        return np.ascontiguousarray(self.table.hashes[np.unique(np.concatenate(self.touched))])


class PanedWindows:
    """The state of one view with windows on a grid. Implements WindowState."""

    def __init__(self, spec: ViewSpec, grid: Grid) -> None:
        self._spec = spec
        self._writer = RowWriter(spec)
        self._grid = grid
        self._lateness_us = spec.allowed_lateness_us
        self._has_counters = bool(counters(spec))
        self._reads_times = any(part.function in TIMED for _, part in spec.aggregates)
        self._panes: dict[PaneName, _Pane] = {}
        self._names: dict[int, list[PaneName]] = {}  # by pane start
        self._starts: list[int] = []  # of panes, ascending
        self._blocks = Blocks(spec, grid.size_us // grid.pane_us)
        self._carried: dict[int, Carried] = {}  # by pane start
        self._watermark_us = NO_WATERMARK

    def admit(self, event_time_us: Times, watermark_us: int) -> Admission:
        # The last window of a time is the last to close, so a record is late exactly when it lies before all windows
        # that are open.
        late = event_time_us < self._first_open(watermark_us)
        unassigned = np.zeros(len(late), np.bool_)
        if self._grid.has_gaps:
            unassigned = event_time_us % self._grid.slide_us >= self._grid.size_us
            late &= ~unassigned
        return Admission(late, unassigned)

    def add(self, rows: ViewRows, watermark_us: int, selected: Order | None) -> None:
        first_open = self._first_open(watermark_us)
        for part in by_pane(rows, self._grid.pane_us, selected, with_times=self._reads_times):
            pane = self._pane(part.start_us, first_open)
            slots = pane.table.add(part.rows, part.origin)
            self._touch(part.start_us, pane, slots)

    def merge(self, contents: SegmentContents) -> None:
        for key, batches in contents.items():
            start, first = _name_of(key)
            partial_table = PaneTable.restored(self._spec, batches)
            pane = self._pane(start, first)
            slots = pane.table.fold(partial_table)
            self._touch(start, pane, slots)

    def drain(self, partitions: int) -> Mapping[int, SegmentContents]:
        drained: dict[int, dict[str, Batches]] = {}
        for name, pane in sorted(self._panes.items()):
            owners = partition_of(pane.table.hashes, partitions)
            for owner in np.unique(owners).tolist():
                contents = pane.table.contents(np.flatnonzero(owners == owner))
                drained.setdefault(owner, {})[_key_of(name)] = contents
        self._panes.clear()
        self._names.clear()
        self._starts.clear()
        return drained

    def changes(self, watermark_us: int, *, terminal: bool) -> Emission:  # noqa: ARG002
        due = self._due(watermark_us)
        if not due:
            return self._writer.nothing
        builder = self._writer.builder()
        for start in due:
            names = self._panes_of(start)
            last_us = start + self._grid.size_us - 1
            is_new = last_us > self._watermark_us
            is_final = last_us + self._lateness_us <= watermark_us
            whole = self._rows(start, names, None) if is_new or is_final else None
            if is_new and whole is not None:
                builder.appended.append(whole)
            if is_final and whole is not None:
                builder.final.append(whole)
            if not is_new:
                self._collect_changed(builder, start, names)
        return builder.built()

    def settle(self, watermark_us: int) -> None:
        self._watermark_us = watermark_us
        first_open = self._first_open(watermark_us)
        for name, pane in list(self._panes.items()):
            pane.settled = pane.table.size
            pane.touched.clear()
            if self._grid.at_or_before(name[0]) < first_open:
                self._purge(name, pane)
        for start in [start for start in self._carried if not self._is_followed(start, first_open)]:
            del self._carried[start]

    def segments(self) -> Segments:
        segments = {
            _key_of(name): Segment(pane.version, partial(pane.table.contents))
            for name, pane in sorted(self._panes.items())
        }
        for start, carried in sorted(self._carried.items()):
            segments[f"carried-{start}"] = Segment(carried.version, carried.contents)
        segments[WATERMARK] = watermark_segment(self._watermark_us)
        return segments

    def restore(self, contents: SegmentContents) -> None:
        self._watermark_us = watermark_of(contents)
        for key, batches in contents.items():
            if key == WATERMARK:
                continue
            if key.startswith("carried-"):
                self._carried[int(key.removeprefix("carried-"))] = Carried.restored(self._spec, batches)
            else:
                table = PaneTable.restored(self._spec, batches)
                self._hold(_name_of(key), _Pane(table, settled=table.size))

    @property
    def nbytes(self) -> int:
        panes = sum(pane.table.nbytes for pane in self._panes.values())
        return panes + self._blocks.nbytes + sum(carried.nbytes for carried in self._carried.values())

    @property
    def live_windows(self) -> int:
        return len(self._panes)

    def _first_open(self, watermark_us: int) -> int:
        # Clipped to what event times are compared with; no window starts there.
        return min(max(self._grid.first_open(watermark_us, self._lateness_us), NO_WATERMARK), ENDLESS_US)

    def _pane(self, start: int, first_open: int) -> _Pane:
        """The pane that starts there, for records that count from window `first_open` on."""
        first = self._grid.windows_of(start)[0]
        if first_open > max(first, self._first_open(self._watermark_us)):
            first = first_open
        name = (start, first)
        if name not in self._panes:
            usual = max((pane.table.size for pane in self._panes.values()), default=0)
            self._hold(name, _Pane(PaneTable(self._spec, usual + usual // 16)))
        return self._panes[name]

    def _hold(self, name: PaneName, pane: _Pane) -> None:
        self._panes[name] = pane
        if name[0] not in self._names:
            insort(self._starts, name[0])
        self._names.setdefault(name[0], []).append(name)

    def _touch(self, start: int, pane: _Pane, slots: Slots) -> None:
        """Note that slots changed; which ones matters only where a window has fired."""
        pane.version += 1
        self._blocks.forget(start // self._grid.pane_us)
        if self._grid.windows_of(start)[0] + self._grid.size_us - 1 <= self._watermark_us:
            pane.touched.append(slots)

    def _purge(self, name: PaneName, pane: _Pane) -> None:
        del self._panes[name]
        self._names[name[0]].remove(name)
        self._blocks.forget(name[0] // self._grid.pane_us)
        if not self._names[name[0]]:
            del self._names[name[0]]
            self._starts.remove(name[0])
        if self._has_counters:
            carried = self._carried.setdefault(name[0], Carried(self._spec))
            carried.take(pane.table)

    def _is_followed(self, start: int, first_open: int) -> bool:
        followers = self._grid.followers_of(start)
        return bool(followers) and followers[-1] >= first_open

    def _due(self, watermark_us: int) -> Sequence[int]:
        """The windows that have fired, are not final yet and have something to say; ascending."""
        first_open = self._first_open(self._watermark_us)
        fired_until = watermark_us - self._grid.size_us + 1
        fired_before = self._watermark_us - self._grid.size_us + 1
        final_until = fired_until - self._lateness_us
        due: set[int] = set()
        for (start, _), pane in self._panes.items():
            windows = [self._grid.windows_of(start)]
            if pane.touched and self._has_counters:
                windows.append(self._grid.followers_of(start))
            for part in windows:
                for window in _clipped(part, first_open, fired_until):
                    if pane.touched or window > fired_before or window <= final_until:
                        due.add(window)
        return sorted(due)

    def _panes_of(self, window: int) -> list[PaneName]:
        """The panes a window consists of."""
        return [name for name in self._names_in(window, window + self._grid.size_us) if name[1] <= window]

    def _names_in(self, start: int, end: int) -> list[PaneName]:
        """The panes that start from `start` to before `end`, ascending."""
        found = self._starts[bisect_left(self._starts, start) : bisect_left(self._starts, end)]
        return [name for pane_start in found for name in self._names[pane_start]]

    def _tables_of(self, window: int, names: Sequence[PaneName]) -> list[PaneTable]:
        """Tables that together hold the panes of a window."""
        if len(names) < _BLOCKS_FROM:
            return [self._panes[name].table for name in names]
        # Blocks are made of the panes that count in all their windows; the others come by themselves.
        width = self._grid.pane_us
        whole = {name[0] // width: name for name in names if name[1] == self._grid.windows_of(name[0])[0]}
        others = [self._panes[name].table for name in names if whole.get(name[0] // width) != name]
        blocks = self._blocks.tables(window // width, list(whole), lambda number: self._panes[whole[number]].table)
        return [*blocks, *others]

    def _rows(self, window: int, names: Sequence[PaneName], hashes: KeyHashes | None) -> pa.RecordBatch | None:
        """Rows of a window, of all groups or of some, in the order of key hashes; None without panes."""
        tables = self._tables_of(window, names)
        if not tables:
            return None
        if len(tables) == 1:
            table = tables[0]
            slots = np.arange(table.size) if hashes is None else table.groups.find(hashes)
        else:
            table = PaneTable(self._spec)
            for part in tables:
                if hashes is None:
                    table.fold(part)
                else:
                    found = part.groups.find(hashes)
                    table.fold(part, found[found != ABSENT])
            slots = np.arange(table.size)
        slots = slots.take(key_order(table.hashes.take(slots, axis=0)))
        bounds = Bounds(np.full(len(slots), window), np.full(len(slots), window + self._grid.size_us))
        previous = self._previous(window, table.hashes.take(slots, axis=0)) if self._has_counters else {}
        return self._writer.rows((table.groups, slots), (table.aggregates, slots), bounds, previous)

    def _collect_changed(self, builder: EmissionBuilder, window: int, names: Sequence[PaneName]) -> None:
        """Rows of a window that had fired before: those that are new to it, and those that changed."""
        hashes = self._touched_hashes(window, names)
        if not len(hashes):
            return
        rows = self._rows(window, names, hashes)
        assert rows is not None
        known = np.zeros(len(hashes), np.bool_)
        # Touched panes first: they mostly answer for all.
        for name in sorted(names, key=lambda name: not self._panes[name].touched):
            if known.all():
                break
            pane = self._panes[name]
            slots = pane.table.groups.find(hashes)
            known |= (slots != ABSENT) & (slots < pane.settled)
        builder.appended.append(rows.filter(pa.array(~known)))
        builder.replaced.append(rows.filter(pa.array(known)))

    def _touched_hashes(self, window: int, names: Sequence[PaneName]) -> KeyHashes:
        """The keys whose row in a window changed since the last cut, in order."""
        union = KeyIndex()
        for pane in (self._panes[name] for name in names):
            union.upsert(pane.touched_hashes())
        if self._has_counters:
            tables = self._tables_of(window, names)
            for name in self._names_in(window - self._grid.size_us, window):
                hashes = self._panes[name].touched_hashes()
                present = np.zeros(len(hashes), np.bool_)
                for table in tables if len(hashes) else ():
                    present |= table.groups.find(hashes) != ABSENT
                union.upsert(np.ascontiguousarray(hashes[present]))
        return np.ascontiguousarray(union.hashes[key_order(union.hashes)])

    def _previous(self, window: int, hashes: KeyHashes) -> Mapping[int, LastSamples]:
        """The last sample of each key in the `size` before a window, by aggregate."""
        found = Carried.none(self._spec, len(hashes))
        first = window - self._grid.size_us
        purged = (start for start in self._carried if first <= start < window)
        live = self._starts[bisect_left(self._starts, first) : bisect_left(self._starts, window)]
        for start in sorted({*purged, *live}, reverse=True):
            # Latest first, so that most keys need to be looked up once.
            rows = np.flatnonzero(~np.logical_and.reduce([samples.present for samples in found.values()]))
            if not len(rows):
                break
            missing = np.ascontiguousarray(hashes[rows])
            if start in self._carried:
                self._carried[start].look_up(missing, rows, found)
            for name in self._names.get(start, ()):
                Carried.look_up_in(self._panes[name].table, missing, rows, found)
        return found


def _clipped(windows: range, low: int, high: int) -> range:
    """The part of a range of window starts from `low` to `high`, both included; `low` may be far below."""
    skipped = max(0, -((windows.start - low) // windows.step)) if low > windows.start else 0
    return range(windows.start + skipped * windows.step, min(windows.stop, high + 1), windows.step)


def _key_of(name: PaneName) -> str:
    return f"pane-{name[0]}_{name[1]}"


def _name_of(key: str) -> PaneName:
    start, first = key.removeprefix("pane-").split("_")
    return int(start), int(first)
