"""A source that makes its records: row i depends only on (seed, i, start).

Every random value is a hash of (seed, what it is for, row), so any piece of the sequence can be made alone. A duplicate
is the row it repeats, value for value. Without a given start the first open puts the clock's time into the log, once.
While it is followed, a row comes when it is due: at its turn, by the wall clock. What was due before comes at once.
"""

import asyncio
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from datanexus.core.columns import TIME
from datanexus.ports.log import Log, NewEntry
from datanexus.ports.source import ColumnChunk, Split, SplitName, SplitState
from datanexus_spec.generator import GeneratorField, GeneratorSource, ZipfKind

_CHUNK_ROWS_MAX = 65_536
_REPEAT_REACH = 100  # a duplicate repeats one of this many records before it
_ZIPF_TABLE_MAX = 1 << 16  # values drawn from an exact table; rarer ones from the density's integral
_WAKE_US = 10_000  # rows that are due within it come together
_UNIT = 2.0**-53
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_STEP = np.uint64(0x9E3779B97F4A7C15)

Rows = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.float64]
Column = Callable[[Rows], pa.Array]


class Chance:
    """Random numbers by purpose and row."""

    def __init__(self, seed: int, purpose: str) -> None:
        self._salt = np.uint64(xxhash.xxh3_64_intdigest(purpose.encode(), seed))

    def hashes(self, rows: Rows) -> Hashes:
        """Uniform over all of uint64."""
        mixed = rows.astype(np.uint64) * _STEP + self._salt
        mixed = (mixed ^ (mixed >> np.uint64(30))) * _MIX_1
        mixed = (mixed ^ (mixed >> np.uint64(27))) * _MIX_2
        return np.asarray(mixed ^ (mixed >> np.uint64(31)))

    def shares(self, rows: Rows) -> Numbers:
        """Uniform in [0, 1)."""
        return np.asarray((self.hashes(rows) >> np.uint64(11)).astype(np.float64) * _UNIT)


def _now_us() -> int:
    return time.time_ns() // 1000


@dataclass(slots=True)
class GeneratedSplit:
    """The records from `position` on."""

    name: SplitName
    spec: GeneratorSource
    columns: Mapping[str, Column]
    start_us: int
    position: int = 0
    now_us: Callable[[], int] = _now_us
    arrived: Callable[[], None] | None = None  # set while it is followed
    _is_ended: bool = False
    _waking: asyncio.TimerHandle | None = None

    @property
    def total_bytes(self) -> int | None:
        return None

    @property
    def read_bytes(self) -> int:
        return 0

    @property
    def ready(self) -> bool:
        if self._is_ended:
            return False
        if self.position == self.spec.rows or self._due_rows() > self.position:
            return True
        self._wake_when_due()
        return False

    async def read(self, rows_max: int) -> ColumnChunk | None:
        count = min(rows_max, _CHUNK_ROWS_MAX)
        if self.spec.rows is not None:
            count = min(count, self.spec.rows - self.position)
        if count <= 0:
            self._is_ended = True
            return None
        if self.arrived is not None:
            count = max(1, min(count, self._due_rows() - self.position))
        positions = np.arange(self.position, self.position + count, dtype=np.int64)
        origins = self._origins(positions)
        self.position += count
        arrays = [column(origins) for column in self.columns.values()]
        return ColumnChunk(pa.RecordBatch.from_arrays(arrays, names=list(self.columns)), positions)

    def state(self) -> SplitState:
        return {"position": self.position, "start_us": self.start_us}

    async def close(self) -> None:
        if self._waking is not None:
            self._waking.cancel()

    def _due_rows(self) -> int:
        """How many rows had their turn by now: row i is due i / eventsPerSecond after the start."""
        return math.floor((self.now_us() - self.start_us) * float(self.spec.events_per_second) / 1e6) + 1

    def _wake_when_due(self) -> None:
        if self.arrived is None or self._waking is not None:
            return
        due_us = self.start_us + math.ceil(self.position * 1e6 / float(self.spec.events_per_second))
        delay_us = max(due_us - self.now_us(), _WAKE_US)
        self._waking = asyncio.get_running_loop().call_later(delay_us / 1e6, self._wake, self.arrived)

    def _wake(self, arrived: Callable[[], None]) -> None:
        self._waking = None
        arrived()

    def _origins(self, rows: Rows) -> Rows:
        """The row that each row is, or repeats; a repeat of a repeat is the first of them."""
        origins = rows
        if self.spec.duplicates == 0:
            return origins
        share, reach = Chance(self.spec.seed, "duplicate"), Chance(self.spec.seed, "repeated")
        while True:
            is_repeat = (share.shares(origins) < self.spec.duplicates) & (origins > 0)
            if not is_repeat.any():
                return origins
            back = 1 + (reach.hashes(origins) % np.uint64(_REPEAT_REACH)).astype(np.int64)
            origins = np.where(is_repeat, origins - np.minimum(back, origins), origins)


@dataclass(slots=True)
class GeneratorAdapter:
    """One split, `<source>/generator`."""

    name: str
    spec: GeneratorSource
    log: Log
    _opened: list[GeneratedSplit] = field(default_factory=list)

    async def open(self, states: Mapping[SplitName, SplitState]) -> Sequence[Split]:
        name = f"{self.name}/generator"
        state = states.get(name)
        start_us = int(state["start_us"] or 0) if state else await self._start_us()
        columns = {field.name: _column(field, self.spec, start_us) for field in self.spec.fields}
        split = GeneratedSplit(name, self.spec, columns, start_us, int(state["position"] or 0) if state else 0)
        self._opened = [split]
        return (split,)

    async def refresh(self) -> Sequence[Split]:
        return ()

    def watch(self, arrived: Callable[[], None]) -> None:
        for split in self._opened:
            split.arrived = arrived

    async def release(self, states: Mapping[SplitName, SplitState]) -> None:  # noqa: ARG002 - nothing is kept
        return

    def notices(self) -> Sequence[str]:
        return ()

    async def _start_us(self) -> int:
        """The given start, or the one an earlier start of the process chose, or now."""
        if self.spec.start is not None:
            return _microseconds(self.spec.start)
        split = f"{self.name}/generator"
        kept = await self.log.read(self.name, split, await self.log.begin(self.name), 1)
        if kept:
            return int(kept[0].data)
        now_us = _now_us()
        await self.log.append(self.name, NewEntry(split, str(now_us).encode()))
        return now_us


def open_generator(name: str, spec: GeneratorSource, log: Log) -> GeneratorAdapter:
    """The generator source of one entry of a pipeline's `sources`."""
    return GeneratorAdapter(name, spec, log)


def _column(field: GeneratorField, spec: GeneratorSource, start_us: int) -> Column:
    chance = Chance(spec.seed, f"field {field.name}")
    values = _values(field, spec, start_us, chance)
    if field.null_share == 0:
        return values
    null = Chance(spec.seed, f"null {field.name}")

    def with_nulls(rows: Rows) -> pa.Array:
        array = values(rows)
        is_null = pa.array(null.shares(rows) < field.null_share)
        return pc.if_else(is_null, pa.scalar(None, array.type), array)

    return with_nulls


def _values(field: GeneratorField, spec: GeneratorSource, start_us: int, chance: Chance) -> Column:
    if field.sequence is not None:
        sequence = field.sequence
        return lambda rows: pa.array(sequence.start + rows * sequence.step)
    if field.integer is not None:
        return _integers(field.integer.min, field.integer.max, chance)
    if field.number is not None:
        low, span = field.number.min, field.number.max - field.number.min
        return lambda rows: pa.array(low + chance.shares(rows) * span)
    if field.zipf is not None:
        return _zipf(field.zipf, chance)
    if field.choice is not None:
        return _choices(field.choice.values, field.choice.weights, chance)
    if field.counter is not None:
        return _counter(field.counter.step_max, field.counter.reset_every, chance)
    return _times(spec, start_us)


def _times(spec: GeneratorSource, start_us: int) -> Column:
    """The turn of a row, moved back by a random part of the disorder."""
    step_us = 1e6 / float(spec.events_per_second)
    disorder_us = spec.disorder.us
    chance = Chance(spec.seed, "disorder")

    def times(rows: Rows) -> pa.Array:
        due_us = start_us + np.floor(rows * step_us).astype(np.int64)
        back_us = np.floor(chance.shares(rows) * disorder_us).astype(np.int64)
        return pa.array(due_us - back_us, TIME)

    return times


def _integers(low: int, high: int, chance: Chance) -> Column:
    span = high - low + 1

    def integers(rows: Rows) -> pa.Array:
        hashes = chance.hashes(rows)
        drawn = hashes if span >= 1 << 64 else hashes % np.uint64(span)
        return pa.array((drawn + np.uint64(low % (1 << 64))).view(np.int64))

    return integers


def _choices(values: Sequence[str], weights: Sequence[float], chance: Chance) -> Column:
    bounds = np.cumsum(np.asarray(weights or [1.0] * len(values), np.float64))
    texts = pa.array(list(values), pa.string())

    def choices(rows: Rows) -> pa.Array:
        drawn = np.searchsorted(bounds, chance.shares(rows) * bounds[-1], side="right")
        return texts.take(pa.array(np.minimum(drawn, len(values) - 1)))

    return choices


def _counter(step_max: int, reset_every: int | None, chance: Chance) -> Column:
    """Twice the value is step_max × (rows since the restart + a random share): steps lie between 0 and step_max."""

    def counts(rows: Rows) -> pa.Array:
        since = rows if reset_every is None else rows % reset_every
        extra = np.floor(chance.shares(rows) * step_max).astype(np.int64)
        return pa.array((since * step_max + np.where(since == 0, 0, extra)) // 2)

    return counts


def _zipf(kind: ZipfKind, chance: Chance) -> Column:
    draw = _zipf_draw(kind.count, float(kind.exponent))

    def values(rows: Rows) -> pa.Array:
        drawn = pa.array(draw(chance.shares(rows)))
        return pc.binary_join_element_wise(kind.prefix, drawn.cast(pa.string()), "") if kind.prefix else drawn

    return values


def _zipf_draw(count: int, exponent: float) -> Callable[[Numbers], Rows]:
    """From shares in [0, 1) to values 0 … count − 1. The sum over rare values is taken as its integral."""
    exact = min(count, _ZIPF_TABLE_MAX)
    bounds = np.cumsum(np.arange(1, exact + 1, dtype=np.float64) ** -exponent)
    begin = _integral(exact + 0.5, exponent)
    total = bounds[-1] + (_integral(count + 0.5, exponent) - begin)

    def draw(shares: Numbers) -> Rows:
        wanted = shares * total
        drawn = np.asarray(np.searchsorted(bounds, wanted, side="right"), np.int64)
        rare = drawn >= exact
        if rare.any():
            places = _inverse_integral(begin + (wanted[rare] - bounds[-1]), exponent)
            drawn[rare] = np.clip(np.rint(places).astype(np.int64) - 1, min(exact, count - 1), count - 1)
        return drawn

    return draw


def _integral(place: float, exponent: float) -> float:
    return math.log(place) if exponent == 1 else float(place ** (1 - exponent) / (1 - exponent))


def _inverse_integral(mass: Numbers, exponent: float) -> Numbers:
    if exponent == 1:
        return np.asarray(np.exp(mass))
    return np.asarray((mass * (1 - exponent)) ** (1 / (1 - exponent)))


def _microseconds(instant: str) -> int:
    moment = datetime.fromisoformat(instant)
    epoch = datetime.fromisoformat("1970-01-01T00:00:00Z")
    delta = moment - epoch
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds
