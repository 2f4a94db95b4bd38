"""The contract of an aggregate's state, and the closed list of aggregates.

An accumulator holds one aggregate for many groups at once, as arrays indexed by *slot*. The window state decides
which slot a row goes to. Invariant: the state after any sequence of `update` and `merge` depends only on the multiset
of (slot, event time, value) folded in, never on order, batching or partitioning; so equal content means equal bytes
in `columns()` taken over the same slots.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

FUNCTIONS = (
    "count",  # of rows, or of non-null values; int64
    "sum",  # int32 → int64; int64 → decimal(38,0), exact; decimal(p,s) → decimal(38,s); float64: correctly rounded
    "min",
    "max",  # every ordered type: bool, numbers, decimal, string (by bytes), timestamp, date
    "avg",  # float64: exact sum, divided once; of decimals likewise
    "first",
    "last",  # value at the least / greatest event time; ties go to the greater value; NULL values are skipped
    "var_pop",
    "var_samp",  # also named variance
    "stddev_pop",
    "stddev_samp",  # also named stddev; over float64(x)
    "increase",  # sum of counter increases, a drop being a reset to zero
    "rate",  # increase per second of the window
    "approx_count_distinct",  # HLL, p = 12; int64
    "approx_quantile",  # DDSketch, 1 % relative error; float64
    "top_k",  # exact counts of at most TOP_K_DISTINCT_MAX values a group; NULL past that
)
TOP_K_DISTINCT_MAX = 10_000

Slots = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Times = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class AggregateSpec:
    """Which aggregate, over what Arrow type (None for count(*)), with which parameters, giving what Arrow type."""

    function: str
    input_type: pa.DataType | None
    parameters: tuple[float | int, ...]
    output_type: pa.DataType


@dataclass(frozen=True, slots=True)
class AggregateInput:
    """One batch's input of one aggregate: n values (None for count(*)) and the FILTER as a mask (None: all rows)."""

    values: pa.Array | None
    mask: Mask | None


@dataclass(frozen=True, slots=True)
class FinishContext:
    """What the window knows about the groups being finished, all of length len(slots).

    `previous_time`, `previous_value` and `has_previous` carry, for rate and increase, the group's last sample before
    the window (see DESIGN §6); other aggregates ignore the whole context.
    """

    window_start_us: Times
    window_end_us: Times
    previous_time: Times
    previous_value: npt.NDArray[np.float64]
    has_previous: Mask


@dataclass(frozen=True, slots=True)
class LastSamples:
    """The sample with the greatest event time of each of n slots (ties: the greater value), if it has one."""

    time_us: Times
    value: npt.NDArray[np.float64]
    present: Mask


class Accumulator(Protocol):
    """State of one aggregate for `size` slots. New slots are empty (the aggregate of no rows)."""

    @property
    def size(self) -> int: ...

    def resize(self, size: int, room: int = 0) -> None:
        """Grow to `size` slots; amortised O(1) a slot. Never shrinks. `room`: how many are expected in the end."""
        ...

    def update(self, slots: Slots, given: AggregateInput, event_time_us: Times) -> None:
        """Fold n rows in: row i goes to slots[i]. NULL values and masked rows change nothing.

        Cost: one kernel call, no Python per row.
        """
        ...

    def merge(self, slots: Slots, other: Self, other_slots: Slots) -> None:
        """Fold groups of another accumulator of the same spec in; `other` stays as it is.

        The same slot may occur several times in `slots`.
        """
        ...

    def finish(self, slots: Slots, context: FinishContext) -> pa.Array:
        """The results of these slots, of the spec's output type. Changes nothing."""
        ...

    def take(self, slots: Slots) -> Self:
        """A new accumulator whose slot i is this one's slots[i] (distinct slots); shares nothing that changes."""
        ...

    def columns(self) -> Mapping[str, pa.RecordBatch]:
        """All content in canonical order: equal content gives equal bytes. Input of `restore_accumulator`."""
        ...

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays held, allocated but unused room included."""
        ...


class CounterAccumulator(Accumulator, Protocol):
    """An accumulator of `increase` or `rate`: it also tells the last sample, from which a later window counts on."""

    def last_samples(self, slots: Slots) -> LastSamples:
        """The last sample of each of these slots. Changes nothing."""
        ...
