"""Parts of a view's input rows: some rows, and the rows of each pane."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datanexus.core import kernel_types as types
from datanexus.core.aggregate import AggregateInput
from datanexus.core.emission import ViewRows
from datanexus.core.kernel import I64, I64_OUT, kernel

Order = npt.NDArray[np.int64]

_PANES_COUNTED_MAX = 1 << 16  # of a batch that spans more, rows are sorted by comparing


@dataclass(frozen=True, slots=True)
class PaneRows:
    """The rows of one pane. `origin`: where in rows.group, which then is of the whole batch, each row's group values
    stand; None where rows.group is of these rows. Group values are read for new groups only, so they stay unsorted."""

    start_us: int
    rows: ViewRows
    origin: Order | None


def taken(rows: ViewRows, order: Order) -> ViewRows:
    """Some rows, in the order given."""
    indices = pa.array(order)
    return _taken(rows, order, tuple(column.take(indices) for column in rows.group))


def by_pane(rows: ViewRows, pane_us: int, selected: Order | None = None) -> Iterator[PaneRows]:
    """The selected rows (None: all) of each pane they fall into, panes ascending. At least one.

    Cost: one copy of the values; none when all rows are selected and lie in one pane or come in order of panes.
    """
    times = np.ascontiguousarray(rows.event_time_us if selected is None else rows.event_time_us.take(selected))
    first, last = int(times.min()) // pane_us, int(times.max()) // pane_us
    if first == last:
        yield PaneRows(first * pane_us, rows if selected is None else _taken(rows, selected, rows.group), selected)
        return
    panes = np.empty(len(times), np.int64)
    in_order = _number_panes(times, pane_us, first, panes)
    order = selected
    if not in_order:
        by_number = _order_of(panes, last - first + 1)
        order = by_number if selected is None else selected[by_number]
        panes = panes[by_number]
    if order is not None:
        rows = _taken(rows, order, rows.group)
    borders = [0, *(np.flatnonzero(np.diff(panes)) + 1).tolist(), len(panes)]
    for start, end in pairwise(borders):
        start_us = (int(panes[start]) + first) * pane_us
        yield PaneRows(start_us, _sliced(rows, start, end, order is None), None if order is None else order[start:end])


def _taken(rows: ViewRows, order: Order, group: tuple[pa.Array, ...]) -> ViewRows:
    """Some rows but for their groups. Aggregates often share their values, which then are taken once."""
    indices = pa.array(order)
    values: dict[int, pa.Array] = {}
    for given in rows.inputs:
        if given.values is not None and id(given.values) not in values:
            values[id(given.values)] = given.values.take(indices)
    return ViewRows(
        event_time_us=rows.event_time_us.take(order),
        key_hashes=rows.key_hashes.take(order, axis=0),
        group=group,
        inputs=tuple(
            AggregateInput(
                values=None if given.values is None else values[id(given.values)],
                mask=None if given.mask is None else given.mask[order],
            )
            for given in rows.inputs
        ),
    )


def _sliced(rows: ViewRows, start: int, end: int, with_groups: bool) -> ViewRows:
    """Rows start to end − 1, without a copy."""
    length = end - start
    return ViewRows(
        event_time_us=rows.event_time_us[start:end],
        key_hashes=rows.key_hashes[start:end],
        group=tuple(column.slice(start, length) for column in rows.group) if with_groups else rows.group,
        inputs=tuple(
            AggregateInput(
                values=None if given.values is None else given.values.slice(start, length),
                mask=None if given.mask is None else given.mask[start:end],
            )
            for given in rows.inputs
        ),
    )


def _order_of(panes: Order, count: int) -> Order:
    """The rows by pane, those of a pane in the order given."""
    if count > _PANES_COUNTED_MAX:
        return np.argsort(panes, kind="stable")
    order = np.empty(len(panes), np.int64)
    _sort_by_counting(panes, np.zeros(count + 1, np.int64), order)
    return order


@kernel(types.boolean(I64, types.int64, types.int64, I64_OUT))
def _number_panes(times: Any, pane_us: Any, first: Any, panes: Any) -> bool:
    """The number of each row's pane, counted from the first one; whether rows come in order of panes."""
    in_order = True
    # Because rows mostly stay in the pane of the row before, few divisions are made.
    low, high, pane = 0, 0, 0
    for row in range(times.size):
        time = times[row]
        if time < low or time >= high:
            number = time // pane_us
            low, high = number * pane_us, (number + 1) * pane_us
            in_order = in_order and number - first >= pane
            pane = number - first
        panes[row] = pane
    return in_order


@kernel(types.void(I64, I64_OUT, I64_OUT))
def _sort_by_counting(panes: Any, ends: Any, order: Any) -> None:
    for row in range(panes.size):
        ends[panes[row] + 1] += 1
    for pane in range(1, ends.size):
        ends[pane] += ends[pane - 1]
    for row in range(panes.size):
        order[ends[panes[row]]] = row
        ends[panes[row]] += 1
