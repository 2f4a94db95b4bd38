"""Which accumulator implements which aggregate: where window state gets its accumulators from."""

from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa

from datanexus.core.aggregate import Accumulator, AggregateSpec
from datanexus.core.aggregates.counters import Counter
from datanexus.core.aggregates.distinct import Distinct
from datanexus.core.aggregates.exact_sums import Count, DecimalSum, Int32Sum, Int64Sum
from datanexus.core.aggregates.extremes import DecimalEdge, DecimalExtreme, Edge, Extreme
from datanexus.core.aggregates.float_sums import FloatSum, Variance
from datanexus.core.aggregates.quantiles import Quantile
from datanexus.core.aggregates.text_extremes import TextExtreme
from datanexus.core.aggregates.top_values import TopK


def new_accumulator(spec: AggregateSpec) -> Accumulator:
    """An accumulator of no slots."""
    accumulator: Accumulator = _class_of(spec)(spec)
    return accumulator


def restore_accumulator(spec: AggregateSpec, columns: Mapping[str, pa.RecordBatch]) -> Accumulator:
    """The accumulator whose `columns()` these are."""
    accumulator: Accumulator = _class_of(spec).restored(spec, columns)
    return accumulator


def _class_of(spec: AggregateSpec) -> Any:
    return _CLASSES[spec.function](spec.input_type)


def _sum(input_type: pa.DataType) -> Any:
    if pa.types.is_decimal(input_type):
        return DecimalSum
    if pa.types.is_floating(input_type):
        return FloatSum
    return Int32Sum if pa.types.is_int32(input_type) else Int64Sum


def _extreme(input_type: pa.DataType) -> Any:
    if pa.types.is_string(input_type):
        return TextExtreme
    return DecimalExtreme if pa.types.is_decimal(input_type) else Extreme


def _edge(input_type: pa.DataType) -> Any:
    if pa.types.is_string(input_type):
        return TextExtreme
    return DecimalEdge if pa.types.is_decimal(input_type) else Edge


_CLASSES: dict[str, Callable[[pa.DataType], Any]] = {
    "count": lambda _: Count,
    "sum": _sum,
    "avg": _sum,
    "min": _extreme,
    "max": _extreme,
    "first": _edge,
    "last": _edge,
    "increase": lambda _: Counter,
    "rate": lambda _: Counter,
    "approx_count_distinct": lambda _: Distinct,
    "approx_quantile": lambda _: Quantile,
    "top_k": lambda _: TopK,
    "var_pop": lambda _: Variance,
    "var_samp": lambda _: Variance,
    "stddev_pop": lambda _: Variance,
    "stddev_samp": lambda _: Variance,
}
