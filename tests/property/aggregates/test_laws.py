"""The laws of every accumulator: what it answers, and that nothing but the multiset of its rows shows."""

import random
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datanexus.core.aggregate import FUNCTIONS
from datanexus.core.aggregates.catalog import new_accumulator, restore_accumulator
from tests.property.aggregates import naive
from tests.property.aggregates.cases import (
    CASES_OF,
    NOTHING_BEFORE,
    SLOTS,
    SPAN_US,
    Case,
    Row,
    context,
    fold,
    folded,
    python_values,
    rows,
    state_bytes,
    stored,
)

ALL = np.arange(SLOTS)
every_function = pytest.mark.parametrize("function", FUNCTIONS)
_previous = st.one_of(st.none(), st.tuples(st.just(-(10**16)), st.floats()))


@every_function
@given(data=st.data())
def test_results_are_those_of_the_definition(function: str, data: st.DataObject) -> None:
    case = data.draw(st.sampled_from(CASES_OF[function]))
    given_rows = data.draw(rows(case))
    previous = data.draw(st.lists(_previous, min_size=SLOTS, max_size=SLOTS))
    found = folded(case, given_rows).finish(ALL, context(previous))
    assert case.output_type == found.type
    found.validate(full=True)
    for slot, result in enumerate(python_values(found)):
        samples = [
            (row.time_us, row.value)
            for row in given_rows
            if row.slot == slot and row.passes and (row.value is not None or case.data_type is None)
        ]
        expected = naive.result(
            case.function, case.parameters, samples, scale=case.scale, previous=previous[slot], span_us=SPAN_US
        )
        assert _comparable(expected) == _comparable(result)


@every_function
@given(data=st.data(), shuffle=st.randoms(use_true_random=False))
def test_order_batches_and_merges_do_not_show(function: str, data: st.DataObject, shuffle: random.Random) -> None:
    case = data.draw(st.sampled_from(CASES_OF[function]))
    given_rows = data.draw(rows(case))
    whole = folded(case, given_rows)
    shuffled = list(given_rows)
    shuffle.shuffle(shuffled)
    names = [list(range(SLOTS)) for _ in range(3)]  # of slots, in each part
    parts = [new_accumulator(case.spec) for _ in names]
    for part, name in zip(parts, names, strict=True):
        shuffle.shuffle(name)
        part.resize(SLOTS)
    while shuffled:
        size, which = shuffle.randint(1, 12), shuffle.randrange(3)
        batch, shuffled = shuffled[:size], shuffled[size:]
        renamed = [Row(names[which][row.slot], row.time_us, row.value, row.passes) for row in batch]
        fold(parts[which], case, renamed, ahead=shuffle.randrange(9))
    merged = new_accumulator(case.spec)
    merged.resize(SLOTS)
    for part, name in zip(parts, names, strict=True):
        before = state_bytes(part)
        merged.merge(ALL, part, np.array(name))
        assert before == state_bytes(part)
    assert state_bytes(whole) == state_bytes(merged)
    assert _same(whole.finish(ALL, NOTHING_BEFORE), merged.finish(ALL, NOTHING_BEFORE))


@every_function
@given(data=st.data())
def test_restored_state_is_the_state(function: str, data: st.DataObject) -> None:
    case = data.draw(st.sampled_from(CASES_OF[function]))
    given_rows, later = data.draw(rows(case)), data.draw(rows(case))
    original = folded(case, given_rows)
    restored = restore_accumulator(case.spec, stored(state_bytes(original)))
    assert original.size == restored.size
    assert state_bytes(original) == state_bytes(restored)
    assert _same(original.finish(ALL, NOTHING_BEFORE), restored.finish(ALL, NOTHING_BEFORE))
    for accumulator in (original, restored):
        accumulator.resize(SLOTS + 1)
        fold(accumulator, case, later)
    assert state_bytes(original) == state_bytes(restored)


@every_function
@given(data=st.data())
def test_taken_slots_are_as_if_alone(function: str, data: st.DataObject) -> None:
    case = data.draw(st.sampled_from(CASES_OF[function]))
    given_rows, later = data.draw(rows(case)), data.draw(rows(case))
    slots = data.draw(st.permutations(range(SLOTS)))[: data.draw(st.integers(0, SLOTS))]
    original = folded(case, given_rows)
    before = state_bytes(original)
    taken = original.take(np.array(slots, dtype=np.int64))
    alone = folded(case, _renamed(given_rows, slots), len(slots))
    assert state_bytes(alone) == state_bytes(taken)
    for accumulator in (taken, alone):
        fold(accumulator, case, _renamed(later, slots))
    assert state_bytes(alone) == state_bytes(taken)
    assert before == state_bytes(original)


@every_function
@given(data=st.data())
def test_several_groups_can_merge_into_one(function: str, data: st.DataObject) -> None:
    case = data.draw(st.sampled_from(CASES_OF[function]))
    given_rows = data.draw(rows(case))
    into = np.array(data.draw(st.lists(st.integers(0, 1), min_size=SLOTS, max_size=SLOTS)))
    merged = new_accumulator(case.spec)
    merged.resize(2)
    merged.merge(into, folded(case, given_rows), ALL)
    alike = [Row(int(into[row.slot]), row.time_us, row.value, row.passes) for row in given_rows]
    assert state_bytes(folded(case, alike, 2)) == state_bytes(merged)


@every_function
@given(data=st.data())
def test_a_group_can_merge_into_several(function: str, data: st.DataObject) -> None:
    case = data.draw(st.sampled_from(CASES_OF[function]))
    given_rows = data.draw(rows(case))
    pairs = data.draw(st.lists(st.tuples(st.integers(0, 1), st.integers(0, SLOTS - 1)), max_size=6))
    into, source = (np.array([pair[side] for pair in pairs], dtype=np.int64) for side in (0, 1))
    merged = new_accumulator(case.spec)
    merged.resize(2)
    merged.merge(into, folded(case, given_rows), source)
    alike = [
        Row(target, row.time_us, row.value, row.passes)
        for target, slot in pairs
        for row in given_rows
        if row.slot == slot
    ]
    assert state_bytes(folded(case, alike, 2)) == state_bytes(merged)


@every_function
@given(data=st.data())
def test_finishing_changes_nothing(function: str, data: st.DataObject) -> None:
    case = data.draw(st.sampled_from(CASES_OF[function]))
    given_rows, slots = data.draw(rows(case)), data.draw(st.permutations(range(SLOTS)))
    accumulator, other = folded(case, given_rows), folded(case, given_rows)
    whole = accumulator.finish(ALL, NOTHING_BEFORE)
    for slot in slots:
        one = accumulator.finish(np.array([slot]), context([None]))
        assert _same(whole.slice(slot, 1), one)
    assert state_bytes(other) == state_bytes(accumulator)


@given(given_rows=rows(Case("increase", pa.float64(), (), pa.float64())))
def test_the_last_sample_is_the_latest_and_greatest(given_rows: list[Row]) -> None:
    case = Case("increase", pa.float64(), (), pa.float64())
    found = folded(case, given_rows).last_samples(ALL)  # type: ignore[attr-defined]
    for slot in range(SLOTS):
        samples = [
            (row.time_us, row.value) for row in given_rows if row.slot == slot and row.passes and row.value is not None
        ]
        assert bool(samples) == found.present[slot]
        if samples:
            time, value = max(samples, key=lambda sample: (sample[0], naive.order(sample[1])))
            assert (time, _comparable(value + 0.0)) == (found.time_us[slot], _comparable(float(found.value[slot])))


def _renamed(given_rows: list[Row], slots: list[int]) -> list[Row]:
    return [Row(slots.index(row.slot), row.time_us, row.value, row.passes) for row in given_rows if row.slot in slots]


def _same(one: pa.Array, other: pa.Array) -> bool:
    return [*map(_comparable, python_values(one))] == [*map(_comparable, python_values(other))]


def _comparable(value: Any) -> Any:
    """Floats as their exact text, so that NaN is itself and -0.0 is not 0.0; decimals as fractions."""
    if isinstance(value, float):
        return value.hex()
    if isinstance(value, Decimal):
        return Fraction(value)
    if isinstance(value, list):
        return [(_comparable(one["value"]), one["count"]) for one in value]
    return value
