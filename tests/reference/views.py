"""One view's table, recomputed from its accepted samples at every cut: the naive reading of windows and lateness.

A window is closed when its last time is at or below the watermark, and final `allowedLateness` later; a session closes
when its end is. Lateness is judged by the watermark of the cut before. Nothing is merged or kept incrementally.
"""

from dataclasses import dataclass, field, replace

from tests.reference import aggregates
from tests.reference.description import (
    NO_WATERMARK,
    Global,
    Hopping,
    Row,
    RowKey,
    Session,
    Table,
    TableRow,
    Tumbling,
    Value,
    View,
)


@dataclass(eq=False, slots=True)
class Sample:
    """A record this view took. `starts`: the windows that took it, for windows of a fixed grid. `cut`: which one."""

    time_us: int
    row: Row
    starts: frozenset[int]
    cut: int


@dataclass(eq=False, slots=True)
class Window:
    """A window with its samples, as the samples of one group spell it."""

    start_us: int
    end_us: int
    samples: list[Sample] = field(default_factory=list)


def window_starts(window: Tumbling | Hopping, time_us: int) -> list[int]:
    """The starts of all windows that hold a time, tried one by one."""
    slide = window.size_us if isinstance(window, Tumbling) else window.slide_us
    start = time_us - time_us % slide
    starts = []
    while start > time_us - window.size_us:
        starts.append(start)
        start -= slide
    return starts


class ReferenceView:
    """Takes records, closes windows; `table` is what a query sees after the last `close`."""

    def __init__(self, view: View, watermark_us: int = NO_WATERMARK) -> None:
        """`watermark_us`: where the pipeline is when the view begins."""
        self.view = view
        self.table: Table = {}
        self._samples: dict[tuple[Value, ...], list[Sample]] = {}
        self._final: set[RowKey] = set()
        self._watermark_us = watermark_us  # of the last close
        self._cut = 0
        self._tick: int | None = None

    def admit(self, time_us: int, row: Row) -> str:
        """Judge a record that passed: assigned, late or unassigned."""
        window, lateness, watermark = self.view.window, self.view.allowed_lateness_us, self._watermark_us
        starts: frozenset[int] = frozenset()
        if isinstance(window, Tumbling | Hopping):
            every = window_starts(window, time_us)
            if not every:
                return "unassigned"
            starts = frozenset(start for start in every if start + window.size_us - 1 + lateness > watermark)
            if not starts:
                return "late"
        elif isinstance(window, Session) and time_us + lateness <= watermark:
            return "late"
        group = tuple(row[name] for name in self.view.group_by)
        self._samples.setdefault(group, []).append(Sample(time_us, row, starts, self._cut))
        return "assigned"

    def close(self, watermark_us: int) -> tuple[TableRow, ...]:
        """Move the watermark at a cut; the rows that became final, each once."""
        finals = self._close_global(watermark_us) if isinstance(self.view.window, Global) else self._close(watermark_us)
        self._watermark_us = watermark_us
        self._cut += 1
        return finals

    def flush(self) -> tuple[tuple[TableRow, ...], Table]:
        """The end of all input: every row that was not final, and the table with them. The state stays as it is."""
        rows = {}
        for group in self._samples:
            for window in self._open_windows(group):
                key, row = self._row(group, window)
                rows[key] = replace(row, final=True)
        kept = {key: row for key, row in self.table.items() if key in self._final}
        return tuple(rows.values()), {**kept, **rows}

    def _close(self, watermark_us: int) -> tuple[TableRow, ...]:
        """Tumbling, hopping and session windows: the table is the final rows and the closed windows, nothing else."""
        last = 0 if isinstance(self.view.window, Session) else 1
        table = {key: row for key, row in self.table.items() if key in self._final}
        finals = []
        for group in self._samples:
            for window in self._open_windows(group):
                if window.end_us - last > watermark_us:
                    continue
                key, row = self._row(group, window)
                if window.end_us - last + self.view.allowed_lateness_us <= watermark_us:
                    row = replace(row, final=True)
                    self._final.add(key)
                    finals.append(row)
                table[key] = row
        self.table = table
        return tuple(finals)

    def _close_global(self, watermark_us: int) -> tuple[TableRow, ...]:
        """Global rows are rewritten when the watermark enters another `every`; they are final at the end only."""
        assert isinstance(self.view.window, Global)
        if watermark_us == NO_WATERMARK or watermark_us // self.view.window.every_us == self._tick:
            return ()
        self._tick = watermark_us // self.view.window.every_us
        for group in self._samples:
            for window in self._open_windows(group):
                key, row = self._row(group, window)
                self.table[key] = row
        return ()

    def _open_windows(self, group: tuple[Value, ...]) -> list[Window]:
        """The windows of a group that are not final, from its samples."""
        samples, window = self._samples[group], self.view.window
        if isinstance(window, Global):
            return [Window(0, 0, list(samples))]
        if isinstance(window, Session):
            found = _sessions(samples, window.gap_us)
        else:
            starts = sorted({start for sample in samples for start in sample.starts})
            found = [
                Window(start, start + window.size_us, [sample for sample in samples if start in sample.starts])
                for start in starts
            ]
        return [one for one in found if (one.start_us, group) not in self._final]

    def _row(self, group: tuple[Value, ...], window: Window) -> tuple[RowKey, TableRow]:
        """The row of a window as of now; the one already written where nothing it rests on has arrived since."""
        unlimited = isinstance(self.view.window, Global)
        gridded = isinstance(self.view.window, Tumbling | Hopping)
        key = (None if unlimited else window.start_us, group)
        earlier = self._earlier(group, window) if gridded else []
        previous = [aggregates.last_sample(one, earlier) for one in self.view.aggregates]
        written = self.table.get(key)
        end = None if unlimited else window.end_us
        touched = any(sample.cut == self._cut for sample in (*window.samples, *previous) if sample is not None)
        if written is not None and written.window_end_us == end and not touched and not unlimited:
            return key, written
        values = tuple(
            aggregates.result(one, window.samples, (key[0], end), before)
            for one, before in zip(self.view.aggregates, previous, strict=True)
        )
        return key, TableRow(key[0], end, group, values)

    def _earlier(self, group: tuple[Value, ...], window: Window) -> list[Sample]:
        """Samples that rate may count on from: those in the `size` before a window. What lies less than a gap before a
        session is part of it, so a session has none."""
        spec = self.view.window
        assert isinstance(spec, Tumbling | Hopping)
        first = window.start_us - spec.size_us
        return [sample for sample in self._samples[group] if first <= sample.time_us < window.start_us]


def _sessions(samples: list[Sample], gap_us: int) -> list[Window]:
    """Chains of samples at most one gap apart, touching ones included."""
    windows: list[Window] = []
    for sample in sorted(samples, key=lambda one: one.time_us):
        if not windows or sample.time_us > windows[-1].end_us:
            windows.append(Window(sample.time_us, sample.time_us))
        windows[-1].end_us = sample.time_us + gap_us
        windows[-1].samples.append(sample)
    return windows
