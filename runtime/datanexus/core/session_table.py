"""Sessions of each key as disjoint intervals: placing new intervals, merging what they touch, forgetting what is over.

Intervals [start, end) of a key that touch (start ≤ other's end and end ≥ other's start) are one session. Each key has a
list of its sessions, latest first, so that a record in time order looks at one. A session that is absorbed by another
stays behind as a dead number, whose aggregate state is merged into the survivor's; `compacted` numbers anew.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from datanexus.core import kernel_types as types
from datanexus.core.aggregate import Mask, Slots, Times
from datanexus.core.kernel import I64, I64_2D_OUT, I64_OUT, kernel

_START, _END, _NEXT, _KEY, _FLAGS = range(5)  # columns of a session; of a dead one, _NEXT names who absorbed it
_ALIVE, _WRITTEN, _TOUCHED = 1, 2, 4
_NONE = -1
_CAPACITY_MIN = 16


@dataclass(frozen=True, slots=True)
class Placement:
    """What placing n intervals did. `sessions`: the number each interval went to; it may be dead by now.

    `absorbed`, `survivors`: numbers that died, and the live session that holds their interval now.
    `written`, `written_start_us`, `written_end_us`: written sessions touched for the first time since the last cut,
    with their bounds before.
    """

    sessions: Slots
    absorbed: Slots
    survivors: Slots
    written: Slots
    written_start_us: Times
    written_end_us: Times


class SessionTable:
    """Numbered sessions over numbered keys."""

    __slots__ = ("_count", "_heads", "_rows")

    def __init__(self) -> None:
        self._rows: npt.NDArray[np.int64] = np.empty((_CAPACITY_MIN, 5), np.int64)
        self._count = 0
        self._heads: npt.NDArray[np.int64] = np.full(_CAPACITY_MIN, _NONE)  # by key: its latest session

    @classmethod
    def of(cls, keys: Slots, start_us: Times, end_us: Times, written: Mask) -> "SessionTable":
        """A table of given sessions, numbered in this order."""
        table = cls()
        count = len(keys)
        table._make_room(count, int(keys.max(initial=-1)) + 1)
        table._count = count
        rows = table._rows[:count]
        rows[:, _START], rows[:, _END], rows[:, _KEY], rows[:, _NEXT] = start_us, end_us, keys, _NONE
        rows[:, _FLAGS] = _ALIVE | np.where(written, _WRITTEN, 0)
        _link(table._rows, table._heads, np.argsort(start_us, kind="stable"))
        return table

    @property
    def size(self) -> int:
        """How many numbers were given, dead ones included."""
        return self._count

    @property
    def nbytes(self) -> int:
        return self._rows.nbytes + self._heads.nbytes

    @property
    def start_us(self) -> Times:
        return self._rows[: self._count, _START]

    @property
    def end_us(self) -> Times:
        return self._rows[: self._count, _END]

    @property
    def keys(self) -> Slots:
        return self._rows[: self._count, _KEY]

    @property
    def alive(self) -> Mask:
        return self._flag(_ALIVE)

    @property
    def written(self) -> Mask:
        """Those that are in the view's table."""
        return self._flag(_WRITTEN)

    @property
    def touched(self) -> Mask:
        """Written ones that changed since the last cut."""
        return self._flag(_TOUCHED)

    def place(self, keys: Slots, start_us: Times, end_us: Times) -> Placement:
        """Put n intervals in.

        Cost: one kernel call; a row in time order looks at one session.
        """
        count = len(keys)
        self._make_room(count, int(keys.max(initial=-1)) + 1)
        sessions = np.empty(count, np.int64)
        absorbed = np.empty(self._count + count, np.int64)
        written = np.empty((self._count, 3), np.int64)
        self._count, dead, met = _place(
            self._rows, self._count, self._heads, keys, start_us, end_us, sessions, absorbed, written
        )
        absorbed, written = absorbed[:dead].copy(), written[:met].copy()
        survivors = np.empty(dead, np.int64)
        _find_survivors(self._rows, absorbed, survivors)
        return Placement(sessions, absorbed, survivors, written[:, 0], written[:, 1], written[:, 2])

    def settle(self, closed: Mask, final: Slots) -> None:
        """Make the closed sessions the written ones, and let the final ones die."""
        flags = self._rows[: self._count, _FLAGS]
        flags[:] = np.where(flags & _ALIVE, _ALIVE | np.where(closed, _WRITTEN, 0), 0)
        _unlink(self._rows, self._heads, final)

    def _flag(self, flag: int) -> Mask:
        found: Mask = self._rows[: self._count, _FLAGS] & flag != 0
        return found

    def _make_room(self, sessions: int, keys: int) -> None:
        needed = self._count + sessions
        if needed > len(self._rows):
            self._rows.resize((max(needed, len(self._rows) * 3 // 2), 5), refcheck=False)
        if keys > len(self._heads):
            heads = np.full(max(keys, len(self._heads) * 3 // 2), _NONE)
            heads[: len(self._heads)] = self._heads
            self._heads = heads


_PLACE = types.UniTuple(types.int64, 3)(I64_2D_OUT, types.int64, I64_OUT, I64, I64, I64, I64_OUT, I64_OUT, I64_2D_OUT)


@kernel(_PLACE)
def _place(
    rows: Any, count: Any, heads: Any, keys: Any, starts: Any, ends: Any, sessions: Any, absorbed: Any, written: Any
) -> tuple[int, int, int]:
    """Place intervals one by one; the new count, how many died, how many written ones were first touched now."""
    dead = 0
    met = 0
    for i in range(keys.size):
        key, start, end = keys[i], starts[i], ends[i]
        later = _NONE
        at = heads[key]
        while at != _NONE and rows[at, _START] > end:
            later = at
            at = rows[at, _NEXT]
        if at == _NONE or rows[at, _END] < start:  # touches none: a new session between `later` and `at`
            rows[count, _START], rows[count, _END], rows[count, _NEXT] = start, end, at
            rows[count, _KEY], rows[count, _FLAGS] = key, _ALIVE
            if later == _NONE:
                heads[key] = count
            else:
                rows[later, _NEXT] = count
            sessions[i] = count
            count += 1
            continue
        sessions[i] = at
        if rows[at, _FLAGS] == _ALIVE | _WRITTEN:
            written[met, 0], written[met, 1], written[met, 2] = at, rows[at, _START], rows[at, _END]
            met += 1
            rows[at, _FLAGS] |= _TOUCHED
        rows[at, _START] = min(rows[at, _START], start)
        rows[at, _END] = max(rows[at, _END], end)
        earlier = rows[at, _NEXT]
        while earlier != _NONE and rows[earlier, _END] >= rows[at, _START]:
            if rows[earlier, _FLAGS] == _ALIVE | _WRITTEN:
                written[met, 0], written[met, 1], written[met, 2] = earlier, rows[earlier, _START], rows[earlier, _END]
                met += 1
            rows[at, _START] = min(rows[at, _START], rows[earlier, _START])
            following = rows[earlier, _NEXT]
            rows[earlier, _FLAGS] = 0
            rows[earlier, _NEXT] = at
            absorbed[dead] = earlier
            dead += 1
            earlier = following
        rows[at, _NEXT] = earlier
    return count, dead, met


@kernel(types.void(I64_2D_OUT, I64, I64_OUT))
def _find_survivors(rows: Any, absorbed: Any, survivors: Any) -> None:
    for i in range(absorbed.size):
        at = absorbed[i]
        while rows[at, _FLAGS] & _ALIVE == 0:
            at = rows[at, _NEXT]
        survivors[i] = at


@kernel(types.void(I64_2D_OUT, I64_OUT, I64))
def _link(rows: Any, heads: Any, order: Any) -> None:
    """Make the lists of all keys, given the sessions in ascending order of start."""
    for i in range(order.size):
        at = order[i]
        key = rows[at, _KEY]
        rows[at, _NEXT] = heads[key]
        heads[key] = at


@kernel(types.void(I64_2D_OUT, I64_OUT, I64))
def _unlink(rows: Any, heads: Any, gone: Any) -> None:
    """Take sessions out of the lists of their keys."""
    for i in range(gone.size):
        at = gone[i]
        key = rows[at, _KEY]
        if heads[key] == at:
            heads[key] = rows[at, _NEXT]
        else:
            before = heads[key]
            while rows[before, _NEXT] != at:
                before = rows[before, _NEXT]
            rows[before, _NEXT] = rows[at, _NEXT]
        rows[at, _FLAGS] = 0
