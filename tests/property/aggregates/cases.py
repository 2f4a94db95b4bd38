"""What the laws are tried on: every function over every type it takes, random rows, and how to fold them in."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from datanexus.core.aggregate import FUNCTIONS, Accumulator, AggregateInput, AggregateSpec, FinishContext
from datanexus.core.aggregates.catalog import new_accumulator

SLOTS = 4
SPAN_US = 300_000_000
TIME = pa.timestamp("us", tz="UTC")
_INT32, _INT64 = (st.integers(-(2 ** (n - 1)), 2 ** (n - 1) - 1) for n in (32, 64))
_SMALL = st.integers(-3, 3)


@dataclass(frozen=True, slots=True)
class Row:
    slot: int
    time_us: int
    value: Any
    passes: bool


@dataclass(frozen=True, slots=True)
class Case:
    function: str
    data_type: pa.DataType | None
    parameters: tuple[float, ...]
    output_type: pa.DataType

    @property
    def spec(self) -> AggregateSpec:
        return AggregateSpec(self.function, self.data_type, self.parameters, self.output_type)

    @property
    def scale(self) -> int:
        return getattr(self.data_type, "scale", 0)

    def __str__(self) -> str:
        parameters = "".join(f", {parameter}" for parameter in self.parameters)
        return f"{self.function}({'*' if self.data_type is None else self.data_type}{parameters})"


def _decimals(precision: int, scale: int) -> st.SearchStrategy[Decimal]:
    limit = 10**precision - 1
    units = st.one_of(_SMALL, st.integers(-limit, limit), st.sampled_from([limit, -limit]))
    return units.map(lambda unit: Decimal(unit).scaleb(-scale) if abs(unit) < 10**28 else Decimal(f"{unit}E-{scale}"))


_FLOATS = st.one_of(
    st.floats(),
    _SMALL.map(float),
    st.integers(-10000, 10000).map(lambda cents: cents / 100),
    st.sampled_from([-0.0, 5e-324, -5e-324, 1e308, -1e308, 2.0**-1022, 1e16, math.nan, math.inf, -math.inf]),
)
VALUES: dict[pa.DataType, st.SearchStrategy[Any]] = {
    pa.bool_(): st.booleans(),
    pa.int32(): st.one_of(_SMALL, _INT32, st.sampled_from([-(2**31), 2**31 - 1])),
    pa.int64(): st.one_of(_SMALL, _INT64, st.sampled_from([-(2**63), 2**63 - 1])),
    pa.float64(): st.one_of(_FLOATS, st.floats(-1e3, 1e3)),
    pa.decimal128(12, 2): _decimals(12, 2),
    pa.decimal128(36, 5): _decimals(36, 5),
    pa.string(): st.one_of(st.sampled_from(["", "a", "aa", "ab", "é", "z" * 9, "z" * 8]), st.text(max_size=20)),
    TIME: st.one_of(_SMALL, st.integers(-(10**17), 10**17)),
    pa.date32(): st.one_of(_SMALL, st.integers(-700_000, 2_900_000)),
}
_NUMBERS = [pa.int32(), pa.int64(), pa.float64(), pa.decimal128(12, 2), pa.decimal128(36, 5)]


def _sum_type(data_type: pa.DataType) -> pa.DataType:
    if pa.types.is_decimal(data_type):
        return pa.decimal128(38, data_type.scale)
    return {pa.int32(): pa.int64(), pa.int64(): pa.decimal128(38, 0)}.get(data_type, pa.float64())


def _cases() -> dict[str, list[Case]]:
    cases = [Case("count", None, (), pa.int64())]
    for data_type in VALUES:
        cases += [Case(name, data_type, (), data_type) for name in ("min", "max", "first", "last")]
        cases += [Case(name, data_type, (), pa.int64()) for name in ("count", "approx_count_distinct")]
        entry = pa.list_(pa.struct([("value", data_type), ("count", pa.int64())]))
        cases += [Case("top_k", data_type, (k,), entry) for k in (1, 3)]
    for data_type in _NUMBERS:
        cases.append(Case("sum", data_type, (), _sum_type(data_type)))
        names = ("avg", "var_pop", "var_samp", "stddev_pop", "stddev_samp", "increase", "rate")
        cases += [Case(name, data_type, (), pa.float64()) for name in names]
        cases += [Case("approx_quantile", data_type, (share,), pa.float64()) for share in (0.0, 0.1, 0.5, 0.99, 1.0)]
    return {name: [case for case in cases if case.function == name] for name in FUNCTIONS}


CASES_OF = _cases()


def rows(case: Case) -> st.SearchStrategy[list[Row]]:
    values = st.none() if case.data_type is None else st.one_of(st.none(), VALUES[case.data_type])
    passes = st.one_of(st.just(value=True), st.booleans())
    few, many = (
        st.lists(st.builds(Row, st.integers(0, SLOTS - 1), times, values, passes), max_size=40)
        for times in (_SMALL, st.integers(-(10**15), 10**15))
    )
    return st.one_of(few, many)  # where times are few, the first and the last one are often shared


def array_of(values: Sequence[Any], data_type: pa.DataType, *, ahead: int = 0) -> pa.Array:
    """The values as an Arrow array that begins `ahead` places into its buffers."""
    if data_type in (TIME, pa.date32()):
        plain = pa.array([None] * ahead + list(values), pa.int64() if data_type == TIME else pa.int32())
        return plain.cast(data_type).slice(ahead)
    return pa.array([None] * ahead + list(values), data_type).slice(ahead)


def fold(accumulator: Accumulator, case: Case, rows: Sequence[Row], *, ahead: int = 0) -> None:
    """One batch."""
    values = None if case.data_type is None else array_of([row.value for row in rows], case.data_type, ahead=ahead)
    passes = np.array([row.passes for row in rows], dtype=np.bool_)
    slots = np.array([row.slot for row in rows], dtype=np.int64)
    times = np.array([row.time_us for row in rows], dtype=np.int64)
    accumulator.update(slots, AggregateInput(values, None if passes.all() else passes), times)


def folded(case: Case, rows: Sequence[Row], size: int = SLOTS) -> Accumulator:
    accumulator = new_accumulator(case.spec)
    accumulator.resize(size)
    fold(accumulator, case, rows)
    return accumulator


def context(previous: Sequence[tuple[int, float] | None]) -> FinishContext:
    """Windows of SPAN_US with these samples before them."""
    starts = np.full(len(previous), -5, dtype=np.int64)
    times = np.array([one[0] if one else 0 for one in previous], dtype=np.int64)
    values = np.array([one[1] if one else 0.0 for one in previous], dtype=np.float64)
    present = np.array([one is not None for one in previous], dtype=np.bool_)
    return FinishContext(starts, starts + SPAN_US, times, values, present)


NOTHING_BEFORE = context([None] * SLOTS)


def stored(content: dict[str, bytes]) -> dict[str, pa.RecordBatch]:
    """What `state_bytes` gave, read back."""
    return {name: pa.ipc.open_stream(pa.py_buffer(batch)).read_next_batch() for name, batch in content.items()}


def state_bytes(accumulator: Accumulator) -> dict[str, bytes]:
    """What is stored, as Arrow IPC."""
    stored = {}
    for name, batch in accumulator.columns().items():
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(batch)
        stored[name] = sink.getvalue().to_pybytes()
    return stored


def python_values(results: pa.Array) -> list[Any]:
    """Results as the naive reference gives them."""
    if results.type == TIME or results.type == pa.date32():
        results = results.cast(pa.int64() if results.type == TIME else pa.int32())
    if pa.types.is_list(results.type) and results.type.value_type.field("value").type in (TIME, pa.date32()):
        item = results.type.value_type.field("value").type
        plain = pa.int64() if item == TIME else pa.int32()
        results = results.cast(pa.list_(pa.struct([("value", plain), ("count", pa.int64())])))
    found: list[Any] = results.to_pylist()
    return found
