"""Last samples of counters from a purged pane: what later windows of the same groups count on from.

The only state that outlives a window. Of several samples of a group the latest counts, ties going to the greater value.
"""

from collections.abc import Mapping
from typing import Self

import numpy as np
import pyarrow as pa

from datanexus.core.aggregate import LastSamples, Mask, Slots
from datanexus.core.emission import KeyHashes, ViewSpec
from datanexus.core.key_index import ABSENT, KeyIndex
from datanexus.core.pane_table import Batches, PaneTable, counters, key_order

_BATCH = "samples"


class Carried:
    """The last sample of each group of one pane, for each aggregate that is a counter."""

    __slots__ = ("_index", "_samples", "_spec", "version")

    def __init__(self, spec: ViewSpec) -> None:
        self._spec = spec
        self._index = KeyIndex()
        self._samples: Mapping[int, LastSamples] = Carried.none(spec, 0)
        self.version = 0

    @staticmethod
    def none(spec: ViewSpec, count: int) -> Mapping[int, LastSamples]:
        """No sample for each of `count` groups, to look up into."""
        return {
            index: LastSamples(np.zeros(count, np.int64), np.zeros(count), np.zeros(count, np.bool_))
            for index in counters(spec)
        }

    @staticmethod
    def look_up_in(table: PaneTable, hashes: KeyHashes, rows: Slots, found: Mapping[int, LastSamples]) -> None:
        """Note the last samples of a live pane where they are later than what was found at rows[i] for hashes[i]."""
        slots = table.groups.find(hashes)
        there = slots != ABSENT
        for index, given in table.aggregates.last_samples(slots[there]).items():
            _note_later(found[index], rows[there], given)

    def look_up(self, hashes: KeyHashes, rows: Slots, found: Mapping[int, LastSamples]) -> None:
        """Note the samples held here where they are later than what was found at rows[i] for hashes[i]."""
        slots = self._index.find(hashes)
        there = slots != ABSENT
        for index, samples in self._samples.items():
            _note_later(found[index], rows[there], _at(samples, slots[there]))

    def take(self, table: PaneTable) -> None:
        """Keep the last samples of a pane that is purged."""
        given = table.aggregates.last_samples(np.arange(table.size))
        sampled = np.zeros(table.size, np.bool_)
        for samples in given.values():
            sampled |= samples.present
        rows = np.flatnonzero(sampled)
        slots, _ = self._index.upsert(np.ascontiguousarray(table.hashes[rows]))
        grown = Carried.none(self._spec, self._index.size)
        for index, samples in grown.items():
            held = self._samples[index]
            _note_later(samples, np.arange(len(held.present)), held)
            _note_later(samples, slots, _at(given[index], rows))
        self._samples = grown
        self.version += 1

    def contents(self) -> Batches:
        """What is to be stored, in the order of key hashes."""
        order = key_order(self._index.hashes)
        columns = {"key_high": self._index.hashes[order, 0], "key_low": self._index.hashes[order, 1]}
        for index, samples in self._samples.items():
            columns[f"{index}.time"] = samples.time_us[order]
            columns[f"{index}.value"] = samples.value[order]
            columns[f"{index}.present"] = samples.present[order]
        arrays = [pa.array(np.ascontiguousarray(column)) for column in columns.values()]
        return {_BATCH: pa.record_batch(arrays, names=list(columns))}

    @classmethod
    def restored(cls, spec: ViewSpec, contents: Batches) -> Self:
        """What `contents` gave."""
        batch = contents[_BATCH]
        carried = cls(spec)
        hashes = np.stack([batch.column(half).to_numpy() for half in (0, 1)], axis=1)
        carried._index.upsert(np.ascontiguousarray(hashes))
        carried._samples = {
            index: LastSamples(
                batch.column(f"{index}.time").to_numpy().copy(),
                batch.column(f"{index}.value").to_numpy().copy(),
                batch.column(f"{index}.present").to_numpy(zero_copy_only=False).copy(),
            )
            for index in counters(spec)
        }
        return carried

    @property
    def nbytes(self) -> int:
        held = self._samples.values()
        return self._index.nbytes + sum(part.time_us.nbytes + part.value.nbytes + part.present.nbytes for part in held)


def _at(samples: LastSamples, slots: Slots) -> LastSamples:
    return LastSamples(samples.time_us[slots], samples.value[slots], samples.present[slots])


def _note_later(found: LastSamples, rows: Slots, given: LastSamples) -> None:
    """Put the given samples at some rows of what was found, where they are later (or greater at the same time)."""
    time_us, value = found.time_us[rows], found.value[rows]
    later: Mask = given.time_us > time_us
    later |= (given.time_us == time_us) & (given.value > value)
    later = given.present & (later | ~found.present[rows])
    chosen = rows[later]
    found.time_us[chosen] = given.time_us[later]
    found.value[chosen] = given.value[later]
    found.present[chosen] = True
