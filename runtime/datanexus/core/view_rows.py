"""Parts of a view's input rows."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datanexus.core.aggregate import AggregateInput
from datanexus.core.emission import ViewRows


def taken(rows: ViewRows, order: npt.NDArray[np.int64]) -> ViewRows:
    """Some rows, in the order given."""
    indices = pa.array(order)
    return ViewRows(
        event_time_us=rows.event_time_us[order],
        key_hashes=rows.key_hashes[order],
        group=tuple(column.take(indices) for column in rows.group),
        inputs=tuple(
            AggregateInput(
                values=None if given.values is None else given.values.take(indices),
                mask=None if given.mask is None else given.mask[order],
            )
            for given in rows.inputs
        ),
    )


def sliced(rows: ViewRows, start: int, end: int) -> ViewRows:
    """Rows start to end − 1, without a copy."""
    length = end - start
    return ViewRows(
        event_time_us=rows.event_time_us[start:end],
        key_hashes=rows.key_hashes[start:end],
        group=tuple(column.slice(start, length) for column in rows.group),
        inputs=tuple(
            AggregateInput(
                values=None if given.values is None else given.values.slice(start, length),
                mask=None if given.mask is None else given.mask[start:end],
            )
            for given in rows.inputs
        ),
    )
