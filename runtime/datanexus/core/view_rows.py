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
_Borders = list[tuple[int, int]]  # where a pane's rows begin, and its number; the last one ends them
_ALL = np.zeros(0, np.int64)  # what the kernel takes for "all rows"
_FRONT = np.zeros(1, np.int64)

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
    return _taken(rows, order, tuple(column.take(indices) for column in rows.group), with_times=True)


def by_pane(
    rows: ViewRows, pane_us: int, selected: Order | None = None, *, with_times: bool = True
) -> Iterator[PaneRows]:
    """The selected rows (None: all) of each pane they fall into, panes ascending. At least one.

    `with_times`: False where nobody reads the event times of a pane's rows; they may then be missing.
    Cost: one copy of the values; none when all rows are selected and lie in one pane or come in order of panes.
    """
    times = np.ascontiguousarray(rows.event_time_us if selected is None else rows.event_time_us.take(selected))
    first, last = int(times.min()) // pane_us, int(times.max()) // pane_us
    if first == last:
        start_us = first * pane_us
        part = rows if selected is None else _taken(rows, selected, rows.group, with_times=with_times)
        yield PaneRows(start_us, part, selected)
        return
    panes = np.empty(len(times), np.int64)
    in_order = _number_panes(times, pane_us, first, panes)
    if not in_order or selected is not None:
        order, borders = _ordered(panes, last - first + 1, selected, in_order=in_order)
        rows = _taken(rows, order, rows.group, with_times=with_times)
    else:
        order, borders = None, _borders(panes)
    for (start, number), (end, _) in pairwise(borders):
        part = _sliced(rows, start, end, order is None)
        yield PaneRows((number + first) * pane_us, part, None if order is None else order[start:end])


def _taken(rows: ViewRows, order: Order, group: tuple[pa.Array, ...], *, with_times: bool) -> ViewRows:
    """Some rows but for their groups. Aggregates often share their values, which then are taken once."""
    indices = pa.array(order)
    values: dict[int, pa.Array] = {}
    for given in rows.inputs:
        if given.values is not None and id(given.values) not in values:
            values[id(given.values)] = given.values.take(indices)
    return ViewRows(
        event_time_us=rows.event_time_us.take(order) if with_times else rows.event_time_us[:0],
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


def _ordered(panes: Order, count: int, selected: Order | None, *, in_order: bool) -> tuple[Order, _Borders]:
    """The selected rows by pane, those of a pane in the order given, and where each pane's begin."""
    if in_order and selected is not None:
        return selected, _borders(panes)
    if count > _PANES_COUNTED_MAX:
        order = np.argsort(panes, kind="stable")
        return order if selected is None else selected.take(order), _borders(panes.take(order))
    order, ends = np.empty(len(panes), np.int64), np.zeros(count + 1, np.int64)
    _sort_by_counting(panes, ends, _ALL if selected is None else selected, order)
    starts = np.concatenate((_FRONT, ends[:-2]))
    numbers = np.flatnonzero(starts < ends[:-1])
    return order, [*zip(starts[numbers].tolist(), numbers.tolist(), strict=True), (len(panes), count)]


def _borders(panes: Order) -> _Borders:
    """Where each pane's rows begin; panes are ascending."""
    starts = [0, *(np.flatnonzero(np.diff(panes)) + 1).tolist()]
    return [*((start, int(panes[start])) for start in starts), (len(panes), -1)]


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


@kernel(types.void(I64, I64_OUT, I64, I64_OUT))
def _sort_by_counting(panes: Any, ends: Any, selected: Any, order: Any) -> None:
    """The selected rows (none given: all) by pane; `ends`: zeros, one a pane and one more, that become its end."""
    for row in range(panes.size):
        ends[panes[row] + 1] += 1
    for pane in range(1, ends.size):
        ends[pane] += ends[pane - 1]
    for row in range(panes.size):
        order[ends[panes[row]]] = selected[row] if selected.size > 0 else row
        ends[panes[row]] += 1
