"""A pane: the groups seen in it, with their keys, group values and aggregate states. Used by every kind of window.

A group has a slot; its key hash, its group values and its state in each accumulator stand at that slot. Content that is
stored or sent is in the order of key hashes, so that equal content gives equal bytes whatever the order of arrival.
"""

from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datanexus.core.aggregate import Accumulator, AggregateInput, FinishContext, LastSamples, Slots, Times
from datanexus.core.aggregates.catalog import new_accumulator, restore_accumulator
from datanexus.core.emission import KeyHashes, ViewRows, ViewSpec
from datanexus.core.key_index import KeyIndex

COUNTERS = ("increase", "rate")
TIMED = ("first", "last", *COUNTERS)  # aggregates that read event times
_KEYS = "keys"
_CHUNKS_MAX = 32  # group values are kept in so many pieces before they are joined

Batches = Mapping[str, pa.RecordBatch]


def key_order(hashes: KeyHashes) -> npt.NDArray[np.int64]:
    """The order of key hashes: by the high half, then the low half."""
    order = np.argsort(hashes[:, 0])
    high = hashes[order, 0]
    ties = np.flatnonzero(high[1:] == high[:-1])  # of equal keys but for a coincidence
    if (hashes[order[ties], 1] != hashes[order[ties + 1], 1]).any():
        return np.lexsort((hashes[:, 1], hashes[:, 0]))
    return order


class Groups:
    """Keys with the values of their group columns: slot i holds what the group with key hashes[i] is called."""

    __slots__ = ("_chunks", "_index", "_types")

    def __init__(self, spec: ViewSpec, usual: int = 0) -> None:
        self._index = KeyIndex(usual)
        self._types = tuple(data_type for _, data_type in spec.group_by)
        self._chunks: tuple[list[pa.Array], ...] = tuple([] for _ in self._types)

    @property
    def size(self) -> int:
        return self._index.size

    @property
    def hashes(self) -> KeyHashes:
        return self._index.hashes

    @property
    def nbytes(self) -> int:
        values: int = sum(chunk.nbytes for chunks in self._chunks for chunk in chunks)
        return self._index.nbytes + values

    def upsert(self, hashes: KeyHashes, values: Sequence[pa.Array], origin: Slots | None = None) -> Slots:
        """The slot of each of n keys; `values`: the group columns, read for new keys only.

        Row i's group values stand at origin[i], or at i where there is no origin.
        """
        slots, fresh = self._index.upsert(np.ascontiguousarray(hashes))
        if len(fresh):
            rows = pa.array(fresh if origin is None else origin[fresh])
            for chunks, column in zip(self._chunks, values, strict=True):
                chunks.append(column.take(rows))
                if len(chunks) > _CHUNKS_MAX:
                    chunks[:] = [pa.concat_arrays(chunks)]
        return slots

    def find(self, hashes: KeyHashes) -> Slots:
        """The slot of each of n keys; ABSENT where there is none."""
        return self._index.find(np.ascontiguousarray(hashes))

    @property
    def room(self) -> int:
        """How many groups fit."""
        return self._index.room

    def reserve(self, size: int) -> None:
        """Let `size` groups fit in all."""
        self._index.reserve(size)

    def columns(self) -> list[pa.Array]:
        """The group columns of all slots."""
        for chunks in self._chunks:
            if len(chunks) > 1:
                chunks[:] = [pa.concat_arrays(chunks)]
        return [
            chunks[0] if chunks else pa.array([], data_type)
            for chunks, data_type in zip(self._chunks, self._types, strict=True)
        ]

    def values(self, slots: Slots) -> list[pa.Array]:
        """The group columns at some slots."""
        rows = pa.array(slots)
        return [column.take(rows) for column in self.columns()]


class Aggregates:
    """One accumulator per aggregate of a view, over the same slots."""

    __slots__ = ("_parts", "_spec", "size")

    def __init__(self, spec: ViewSpec, parts: Sequence[Accumulator] | None = None, size: int = 0) -> None:
        self._spec = spec
        self._parts = [new_accumulator(part) for _, part in spec.aggregates] if parts is None else parts
        self.size = size

    @classmethod
    def restored(cls, spec: ViewSpec, contents: Batches, size: int) -> Self:
        """What `contents` gave, for `size` slots."""
        parts = [
            restore_accumulator(aggregate, _with_prefix(contents, f"{index}."))
            for index, (_, aggregate) in enumerate(spec.aggregates)
        ]
        return cls(spec, parts, size)

    @property
    def nbytes(self) -> int:
        return sum(part.nbytes for part in self._parts)

    def resize(self, size: int, room: int = 0) -> None:
        """Grow to `size` slots. `room`: how many are expected in the end."""
        if size > self.size:
            for part in self._parts:
                part.resize(size, room)
            self.size = size

    def update(self, slots: Slots, inputs: Sequence[AggregateInput], event_time_us: Times) -> None:
        """Fold rows in, row i into slots[i]."""
        for part, given in zip(self._parts, inputs, strict=True):
            part.update(slots, given, event_time_us)

    def merge(self, slots: Slots, other: Self, other_slots: Slots) -> None:
        """Fold groups of another table of the same view in."""
        for part, other_part in zip(self._parts, other._parts, strict=True):
            part.merge(slots, other_part, other_slots)

    def take(self, slots: Slots) -> Self:
        """A copy of some slots."""
        return type(self)(self._spec, [part.take(slots) for part in self._parts], len(slots))

    def finish(
        self, slots: Slots, start_us: Times, end_us: Times, previous: Mapping[int, LastSamples]
    ) -> list[pa.Array]:
        """The results at some slots, a column per aggregate. `previous`: by aggregate, what counters count on from."""
        absent = LastSamples(np.zeros(len(slots), np.int64), np.zeros(len(slots)), np.zeros(len(slots), np.bool_))
        results = []
        for index, part in enumerate(self._parts):
            before = previous.get(index, absent)
            context = FinishContext(start_us, end_us, before.time_us, before.value, before.present)
            results.append(part.finish(slots, context))
        return results

    def last_samples(self, slots: Slots) -> Mapping[int, LastSamples]:
        """Of each aggregate that is a counter, the last sample of these slots."""
        return {index: self._parts[index].last_samples(slots) for index in counters(self._spec)}  # type: ignore[attr-defined]

    def contents(self, slots: Slots) -> Batches:
        """The states at some slots, in this order, as batches to store."""
        return {
            f"{index}.{name}": batch
            for index, part in enumerate(self._parts)
            for name, batch in part.take(slots).columns().items()
        }


class PaneTable:
    """Groups with their aggregates: slot i of both is the same group."""

    __slots__ = ("_spec", "aggregates", "groups")

    def __init__(self, spec: ViewSpec, usual: int = 0) -> None:
        """`usual`: how many groups are expected; room is made for them once there are some."""
        self._spec = spec
        self.groups = Groups(spec, usual)
        self.aggregates = Aggregates(spec)

    @classmethod
    def restored(cls, spec: ViewSpec, contents: Batches) -> Self:
        """The table that `contents` came from, slots in the order of key hashes."""
        table = cls(spec)
        hashes, values = keys_of(contents, spec)
        table.groups.upsert(hashes, values)
        table.aggregates = Aggregates.restored(spec, contents, len(hashes))
        return table

    @property
    def size(self) -> int:
        return self.groups.size

    @property
    def hashes(self) -> KeyHashes:
        return self.groups.hashes

    @property
    def nbytes(self) -> int:
        return self.groups.nbytes + self.aggregates.nbytes

    def add(self, rows: ViewRows, origin: Slots | None = None) -> Slots:
        """Fold rows in; their slots. `origin`: see Groups.upsert."""
        slots = self.groups.upsert(rows.key_hashes, rows.group, origin)
        self.aggregates.resize(self.size, self.groups.room)
        self.aggregates.update(slots, rows.inputs, rows.event_time_us)
        return slots

    def fold(self, other: Self, other_slots: Slots | None = None) -> Slots:
        """Fold groups of another table of the same view in, all of them unless told which; their slots here."""
        if other_slots is None:
            self.groups.reserve(other.size)
            other_slots = np.arange(other.size)
            slots = self.groups.upsert(other.hashes, other.groups.columns())
        else:
            slots = self.groups.upsert(other.hashes.take(other_slots, axis=0), other.groups.columns(), other_slots)
        self.aggregates.resize(self.size, self.groups.room)
        self.aggregates.merge(slots, other.aggregates, other_slots)
        return slots

    def contents(self, slots: Slots | None = None) -> Batches:
        """What is to be stored of some slots (None: all), in the order of key hashes."""
        chosen = np.arange(self.size) if slots is None else slots
        chosen = chosen[key_order(self.hashes.take(chosen, axis=0))]
        return {
            _KEYS: keys_batch(self._spec, self.hashes.take(chosen, axis=0), self.groups.values(chosen)),
            **self.aggregates.contents(chosen),
        }


def counters(spec: ViewSpec) -> tuple[int, ...]:
    """The aggregates of a view that count on from a sample before the window."""
    return tuple(index for index, (_, part) in enumerate(spec.aggregates) if part.function in COUNTERS)


def keys_batch(spec: ViewSpec, hashes: KeyHashes, values: Sequence[pa.Array]) -> pa.RecordBatch:
    """Key hashes and group values of n groups as a batch to store."""
    columns = [pa.array(np.ascontiguousarray(hashes[:, half])) for half in (0, 1)]
    names = ["key_high", "key_low", *(f"group.{name}" for name, _ in spec.group_by)]
    return pa.record_batch([*columns, *values], names=names)


def keys_of(contents: Batches, spec: ViewSpec) -> tuple[KeyHashes, list[pa.Array]]:
    """What `keys_batch` was made of."""
    batch = contents[_KEYS]
    hashes = np.stack([batch.column(0).to_numpy(), batch.column(1).to_numpy()], axis=1)
    return np.ascontiguousarray(hashes), batch.columns[2 : 2 + len(spec.group_by)]


def _with_prefix(contents: Batches, prefix: str) -> Batches:
    return {name.removeprefix(prefix): batch for name, batch in contents.items() if name.startswith(prefix)}
