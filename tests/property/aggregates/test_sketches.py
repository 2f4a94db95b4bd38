"""The sketches on more values than the laws try: bit-equal to plain Python, and within their stated error."""

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datanexus.core.aggregate import TOP_K_DISTINCT_MAX, Accumulator, AggregateInput, AggregateSpec
from datanexus.core.aggregates.catalog import new_accumulator, restore_accumulator
from datanexus.core.aggregates.distinct import SPARSE_MAX
from tests.property.aggregates import naive
from tests.property.aggregates.cases import context, state_bytes

_DISTINCT = AggregateSpec("approx_count_distinct", pa.int64(), (), pa.int64())
_TOP_K = AggregateSpec("top_k", pa.int64(), (2,), pa.list_(pa.struct([("value", pa.int64()), ("count", pa.int64())])))
_NOTHING_BEFORE = context([None])


def _folded(spec: AggregateSpec, values: Any, *, slot: int = 0, size: int = 1) -> Accumulator:
    accumulator = new_accumulator(spec)
    accumulator.resize(size)
    _fold(accumulator, values, slot)
    return accumulator


def _fold(accumulator: Accumulator, values: Any, slot: int = 0) -> None:
    slots = np.full(len(values), slot, dtype=np.int64)
    accumulator.update(slots, AggregateInput(pa.array(values, pa.int64()), None), np.zeros(len(values), dtype=np.int64))


def _answer(accumulator: Accumulator) -> Any:
    return accumulator.finish(np.zeros(1, dtype=np.int64), _NOTHING_BEFORE)[0].as_py()


@given(count=st.integers(0, 700), seed=st.integers(0, 2**32 - 1))
def test_registers_estimate_as_the_definition_does_in_either_form(count: int, seed: int) -> None:
    values = np.random.default_rng(seed).integers(-(2**63), 2**63 - 1, count)
    assert naive.distinct(values.tolist(), 0) == _answer(_folded(_DISTINCT, values))


@given(
    counts=st.lists(st.integers(0, 2 * SPARSE_MAX), min_size=3, max_size=3),
    seed=st.integers(0, 2**32 - 1),
    order=st.permutations(range(3)),
)
def test_registers_are_the_same_however_they_were_joined(counts: list[int], seed: int, order: list[int]) -> None:
    values = np.random.default_rng(seed).integers(0, 400, sum(counts))
    whole = _folded(_DISTINCT, values)
    parts = np.split(values, np.cumsum(counts)[:-1])
    merged = new_accumulator(_DISTINCT)
    merged.resize(1)
    for which in order:
        part = _folded(_DISTINCT, parts[which], slot=1, size=2)
        restored = restore_accumulator(_DISTINCT, part.columns())
        assert state_bytes(part) == state_bytes(restored)
        merged.merge(
            np.zeros(1, dtype=np.int64), restored.take(np.ones(1, dtype=np.int64)), np.zeros(1, dtype=np.int64)
        )
    assert state_bytes(whole) == state_bytes(merged)


@pytest.mark.parametrize("count", [100, 1_000, 10_000, 100_000, 1_000_000])
def test_distinct_counts_are_within_four_standard_errors(count: int) -> None:
    values = np.arange(count) * 1_000_003
    assert abs(_answer(_folded(_DISTINCT, values)) / count - 1) <= 4 * 1.04 / math.sqrt(4096)


@given(
    values=st.lists(st.floats(allow_nan=False), min_size=1, max_size=200),
    share=st.one_of(st.floats(0, 1), st.sampled_from([0.01, 0.07, 0.1, 0.29, 0.99])),
)
def test_quantiles_are_within_their_stated_error(values: list[float], share: float) -> None:
    spec = AggregateSpec("approx_quantile", pa.float64(), (share,), pa.float64())
    accumulator = new_accumulator(spec)
    accumulator.resize(1)
    zeros = np.zeros(len(values), dtype=np.int64)
    accumulator.update(zeros, AggregateInput(pa.array(values), None), zeros)
    exact, found = naive.exact_quantile(values, share), _answer(accumulator)
    if math.isinf(exact):
        assert exact == found
    elif abs(exact) >= 2.0**-1022:
        assert abs(found - exact) <= abs(exact) / 129 + math.ulp(found)
    else:
        assert abs(found - exact) <= 2.0**-1028


def test_the_answers_to_a_thousand_latencies_are_close() -> None:
    values = np.random.default_rng(7).lognormal(3.0, 1.5, 100_000)
    for share in (0.5, 0.9, 0.99, 0.999):
        spec = AggregateSpec("approx_quantile", pa.float64(), (share,), pa.float64())
        accumulator = new_accumulator(spec)
        accumulator.resize(1)
        zeros = np.zeros(len(values), dtype=np.int64)
        accumulator.update(zeros, AggregateInput(pa.array(values), None), zeros)
        exact = naive.exact_quantile(values.tolist(), share)
        assert abs(_answer(accumulator) - exact) <= exact / 129


def test_top_values_are_exact_up_to_the_bound_and_null_past_it() -> None:
    values = np.concatenate((np.arange(TOP_K_DISTINCT_MAX), [5, 3, 5]))
    accumulator = _folded(_TOP_K, values)
    assert [{"value": 5, "count": 3}, {"value": 3, "count": 2}] == _answer(accumulator)
    _fold(accumulator, [TOP_K_DISTINCT_MAX])
    assert _answer(accumulator) is None
    _fold(accumulator, [5, 5])
    assert _answer(accumulator) is None


def test_too_many_values_leave_one_fact_whatever_the_order() -> None:
    values = np.arange(TOP_K_DISTINCT_MAX + 1)
    whole = _folded(_TOP_K, values, size=2)
    other = _folded(_TOP_K, values[::-1][:7000], size=2)
    other.merge(np.zeros(1, dtype=np.int64), _folded(_TOP_K, values[:7000]), np.zeros(1, dtype=np.int64))
    assert state_bytes(whole) == state_bytes(other)
    empty = np.zeros(1, dtype=np.int64)
    other.merge(empty + 1, whole, empty)
    for accumulator in (whole, other):
        _fold(accumulator, [1, 2, 2], slot=1)
    assert [{"value": 2, "count": 2}, {"value": 1, "count": 1}] == whole.finish(empty + 1, _NOTHING_BEFORE)[0].as_py()
    assert other.finish(empty + 1, _NOTHING_BEFORE)[0].as_py() is None


def test_closed_groups_let_their_values_go() -> None:
    accumulator = new_accumulator(_TOP_K)
    accumulator.resize(50)
    sizes = []
    for slot in range(50):
        _fold(accumulator, np.arange(TOP_K_DISTINCT_MAX + 1) + slot * 1_000_000, slot)
        sizes.append(accumulator.nbytes)
    assert max(sizes) <= 3 * sizes[0]
