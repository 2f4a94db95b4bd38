"""A view in plain Python: keeps every record it took, and recomputes the whole table at each cut."""

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from datanexus.core.emission import NO_WATERMARK, Global, Hopping, Session, Tumbling, WindowSpec

RowKey = tuple[int | None, str | None]  # window start, group
Row = tuple[int | None, int, int | None, int | None, float | None]  # window end, rows, sum, max, increase
Table = Mapping[RowKey, Row]


@dataclass(frozen=True, slots=True)
class Record:
    key: str | None
    time_us: int
    value: int | None


@dataclass(frozen=True, slots=True)
class Taken:
    """A record, and the watermark it was judged against."""

    record: Record
    watermark_us: int


@dataclass(slots=True)
class Model:
    """`finals` are the rows that became final at the last cut."""

    window: WindowSpec
    lateness_us: int
    taken: list[Taken] = field(default_factory=list)
    table: dict[RowKey, Row] = field(default_factory=dict)
    final_keys: set[RowKey] = field(default_factory=set)
    finals: dict[RowKey, Row] = field(default_factory=dict)
    watermark_us: int = NO_WATERMARK

    def judge(self, record: Record) -> str:
        """Take a record: `taken`, `late` or `unassigned`."""
        taken = Taken(record, self.watermark_us)
        match self.window:
            case Tumbling() | Hopping():
                if not list(_starts(self.window, record.time_us)):
                    return "unassigned"
                late = not any(self._counts_in(taken, start) for start in _starts(self.window, record.time_us))
            case Session():
                late = record.time_us + self.lateness_us <= self.watermark_us
            case Global():
                late = False
        if late:
            return "late"
        self.taken.append(taken)
        return "taken"

    def advance(self, watermark_us: int) -> None:
        if isinstance(self.window, Global):
            every = self.window.every_us
            moved = self.watermark_us == NO_WATERMARK or watermark_us // every > self.watermark_us // every
            if moved and watermark_us != NO_WATERMARK:
                self.table = self.rows()
        else:
            rows = self.rows()
            self.table = {key: row for key, row in rows.items() if self._closed_at(row[0]) <= watermark_us}
            final = {
                key for key, row in self.table.items() if self._closed_at(row[0]) + self.lateness_us <= watermark_us
            }
            self.finals = {key: self.table[key] for key in final - self.final_keys}
            self.final_keys |= final
        self.watermark_us = watermark_us

    def unfinished(self) -> Table:
        """What a flush makes final."""
        return {key: row for key, row in self.rows().items() if key not in self.final_keys}

    def rows(self) -> dict[RowKey, Row]:
        """The rows of all windows, closed or not."""
        groups: dict[RowKey, list[Record]] = {}
        ends: dict[RowKey, int | None] = {}
        for start, end, taken in self._assigned():
            key = (start, taken.record.key)
            groups.setdefault(key, []).append(taken.record)
            ends[key] = end
        return {key: self._row(key, ends[key], records) for key, records in groups.items()}

    def _assigned(self) -> Iterator[tuple[int | None, int | None, Taken]]:
        match self.window:
            case Tumbling(size_us=size) | Hopping(size_us=size):
                for taken in self.taken:
                    for start in _starts(self.window, taken.record.time_us):
                        if self._counts_in(taken, start):
                            yield start, start + size, taken
            case Session(gap_us=gap):
                yield from _sessions(self.taken, gap)
            case Global():
                for taken in self.taken:
                    yield None, None, taken

    def _counts_in(self, taken: Taken, start: int) -> bool:
        return self._closed_at(start + _size(self.window)) + self.lateness_us > taken.watermark_us

    def _closed_at(self, end: int | None) -> int:
        assert end is not None
        return end if isinstance(self.window, Session) else end - 1

    def _row(self, key: RowKey, end: int | None, records: list[Record]) -> Row:
        values = [record.value for record in records if record.value is not None]
        return (
            end,
            len(records),
            sum(values) if values else None,
            max(values) if values else None,
            self._increase(key, records),
        )

    def _increase(self, key: RowKey, records: list[Record]) -> float | None:
        series = _series(records)
        if isinstance(self.window, Tumbling | Hopping):
            start = key[0]
            assert start is not None
            earlier = [
                taken.record
                for taken in self.taken
                if taken.record.key == key[1] and start - _size(self.window) <= taken.record.time_us < start
            ]
            series = _series(earlier)[-1:] + series if series else series
        if len(series) < 2:
            return None
        return math.fsum(b - a if b >= a else b for a, b in itertools.pairwise(series))


def _series(records: list[Record]) -> list[float]:
    """Values in order of time; of equal times the greatest value."""
    latest: dict[int, int] = {}
    for record in records:
        if record.value is not None:
            latest[record.time_us] = max(record.value, latest.get(record.time_us, record.value))
    return [float(latest[time_us]) for time_us in sorted(latest)]


def _size(window: WindowSpec) -> int:
    assert isinstance(window, Tumbling | Hopping)
    return window.size_us


def _starts(window: WindowSpec, time_us: int) -> Iterator[int]:
    """Every window start is tried, one by one."""
    slide = window.slide_us if isinstance(window, Hopping) else _size(window)
    for number in range((time_us - _size(window)) // slide - 1, time_us // slide + 2):
        if number * slide <= time_us < number * slide + _size(window):
            yield number * slide


def _sessions(taken: list[Taken], gap_us: int) -> Iterator[tuple[int, int, Taken]]:
    """Merge the records of each key one by one, in order of time."""
    keys = {one.record.key for one in taken}
    for key in keys:
        chain: list[Taken] = []
        for one in [*sorted((one for one in taken if one.record.key == key), key=lambda one: one.record.time_us), None]:
            if one is None or (chain and one.record.time_us > chain[-1].record.time_us + gap_us):
                start, end = chain[0].record.time_us, chain[-1].record.time_us + gap_us
                yield from ((start, end, member) for member in chain)
                chain = []
            if one is not None:
                chain.append(one)
