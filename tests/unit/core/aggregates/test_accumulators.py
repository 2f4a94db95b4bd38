"""Single facts about accumulators that no random row would show."""

import itertools
import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from datanexus.core.aggregate import FUNCTIONS, Accumulator, AggregateInput, AggregateSpec, FinishContext
from datanexus.core.aggregates import arrow_values, catalog, float_values, wide_integers
from datanexus.core.aggregates.catalog import new_accumulator
from datanexus.core.aggregates.slot_rows import SlotRows
from datanexus.core.aggregates.value_hash import value_hashes
from datanexus_spec.errors import InvalidInput

_HASHES = [
    [16294208416658607535, 16490336266968443936, 13679457532755275413],
    [0, 6274181093781701946, 11422047359339916273],
    [13822033581038924203],
    [16294208416658607535, 15481881892811333770],
]
_ONE = np.zeros(1, dtype=np.int64)


def _folded(function: str, values: pa.Array, output_type: pa.DataType, *parameters: float) -> Accumulator:
    accumulator = new_accumulator(AggregateSpec(function, values.type, parameters, output_type))
    accumulator.resize(1)
    slots = np.zeros(len(values), dtype=np.int64)
    accumulator.update(slots, AggregateInput(values, None), np.arange(len(values)))
    return accumulator


def _context(seconds: int, previous: float | None = None) -> FinishContext:
    value = np.array([0.0 if previous is None else previous])
    return FinishContext(_ONE, _ONE + seconds * 1_000_000, _ONE - 1, value, np.array([previous is not None]))


def _answer(accumulator: Accumulator) -> Any:
    return accumulator.finish(_ONE, _context(60))[0].as_py()


def test_every_function_of_the_contract_has_an_accumulator() -> None:
    assert set(FUNCTIONS) == set(catalog._CLASSES)


def test_a_sum_of_int64_never_wraps() -> None:
    values = pa.array([2**63 - 1] * 5 + [-(2**63)] * 2)
    assert Decimal(5 * (2**63 - 1) - 2 * 2**63) == _answer(_folded("sum", values, pa.decimal128(38, 0)))


def test_a_sum_of_int32_is_an_int64() -> None:
    values = pa.array([2**31 - 1] * 1000, pa.int32())
    assert 1000 * (2**31 - 1) == _answer(_folded("sum", values, pa.int64()))


@pytest.mark.parametrize("unscaled", [-(2**127), -(10**38), 10**38, 2**127 - 1])
def test_no_sum_beyond_38_digits_slips_through(unscaled: int) -> None:
    half = [unscaled // 2, unscaled - unscaled // 2]
    values = pa.array([Decimal(part) for part in half], pa.decimal128(38, 0))
    with pytest.raises(InvalidInput, match="more than 38 digits"):
        _answer(_folded("sum", values, pa.decimal128(38, 0)))


@pytest.mark.parametrize("sign", [1, -1])
def test_a_decimal_sum_may_leave_38_digits_and_come_back(sign: int) -> None:
    greatest = Decimal(f"{sign * (10**38 - 1)}E-2")
    output_type = pa.decimal128(38, 2)
    accumulator = _folded("sum", pa.array([greatest, greatest, greatest], output_type), output_type)
    with pytest.raises(InvalidInput, match="more than 38 digits") as error:
        _answer(accumulator)
    assert ("SumOverflow", True) == (error.value.reason, bool(error.value.hint))
    back = pa.array([greatest.copy_negate()] * 2, output_type)
    accumulator.update(np.zeros(2, dtype=np.int64), AggregateInput(back, None), np.zeros(2, dtype=np.int64))
    assert greatest == _answer(accumulator)


def test_a_float_sum_loses_no_bit() -> None:
    values = [1e308, 1e308, -1e308, -1e308, 5e-324, 1.0, 2.0**-60, -1.0]
    assert 2.0**-60 == _answer(_folded("sum", pa.array(values), pa.float64()))


def test_an_average_is_finite_where_the_sum_is_not() -> None:
    values = pa.array([1.7e308, 1.7e308])
    assert math.inf == _answer(_folded("sum", values, pa.float64()))
    assert 1.7e308 == _answer(_folded("avg", values, pa.float64()))


def test_variance_has_no_cancellation() -> None:
    values = pa.array([1e9 + 4, 1e9 + 7, 1e9 + 13, 1e9 + 16])
    assert 30.0 == _answer(_folded("var_samp", values, pa.float64()))
    assert 22.5 == _answer(_folded("var_pop", values, pa.float64()))
    assert math.sqrt(30.0) == _answer(_folded("stddev_samp", values, pa.float64()))


def test_common_floats_need_four_words_a_group() -> None:
    cents = np.round(np.random.default_rng(3).lognormal(3, 3, 1000), 2)
    accumulator = new_accumulator(AggregateSpec("sum", pa.float64(), (), pa.float64()))
    accumulator.resize(1000)
    accumulator.update(np.arange(1000), AggregateInput(pa.array(cents), None), np.arange(1000))
    assert 32 * 1000 == accumulator.nbytes


def test_a_counter_restarts_from_zero() -> None:
    counter = _folded("increase", pa.array([10.0, 15.0, 3.0, 4.0]), pa.float64())
    assert 5.0 + 3.0 + 1.0 == counter.finish(_ONE, _context(60))[0].as_py()
    assert 2.0 + 9.0 == counter.finish(_ONE, _context(60, previous=8.0))[0].as_py()
    assert 10.0 + 9.0 == counter.finish(_ONE, _context(60, previous=11.0))[0].as_py()


def test_a_rate_is_per_second_of_the_window() -> None:
    counter = _folded("rate", pa.array([1.0, 31.0]), pa.float64())
    assert 0.5 == counter.finish(_ONE, _context(60))[0].as_py()


def test_one_sample_and_nothing_before_it_has_no_increase() -> None:
    counter = _folded("increase", pa.array([1.0]), pa.float64())
    assert counter.finish(_ONE, _context(60))[0].as_py() is None
    assert 0.0 == counter.finish(_ONE, _context(60, previous=1.0))[0].as_py()


def test_a_late_sample_in_between_is_no_restart() -> None:
    values, times = pa.array([1.0, 9.0, 5.0]), np.array([1, 3, 2])
    accumulator = new_accumulator(AggregateSpec("increase", values.type, (), pa.float64()))
    accumulator.resize(1)
    accumulator.update(np.zeros(3, dtype=np.int64), AggregateInput(values, None), times)
    assert 8.0 == accumulator.finish(_ONE, _context(60))[0].as_py()


def test_no_copy_is_made_of_values_without_nulls() -> None:
    values = pa.array(range(100)).slice(3, 50)
    view = arrow_values.numbers(values)
    assert values.buffers()[1].address + 3 * 8 == view.ctypes.data
    assert arrow_values.EVERY_ROW is arrow_values.rows_to_keep(AggregateInput(values, None))


def test_strings_replaced_again_and_again_do_not_pile_up() -> None:
    accumulator = new_accumulator(AggregateSpec("last", pa.string(), (), pa.string()))
    accumulator.resize(1)
    for time in range(300):
        values = pa.array(["x" * (1000 + time)])
        accumulator.update(_ONE, AggregateInput(values, None), _ONE + time)
    assert 2 * 65_536 >= accumulator.nbytes
    assert "x" * 1299 == _answer(accumulator)


@pytest.mark.parametrize("numerator", [0, 1, -1, 7, 2**53 + 1, -(2**64), 2**127 - 1, -(2**127), 10**38 - 1])
@pytest.mark.parametrize("count", [1, 3, 10, 2**40 + 1, 2**62])
@pytest.mark.parametrize("factor", [1, 5, 5**18, 5**38])
@pytest.mark.parametrize("exponent", [0, -38, -1074, -1200, 900])
def test_division_rounds_once(numerator: int, count: int, factor: int, exponent: int) -> None:
    limbs = np.array([[numerator & (2**64 - 1), (numerator >> 64) & (2**64 - 1)]], dtype=np.uint64).view(np.int64)
    found = wide_integers.divide(limbs, wide_integers.divisors(np.array([count]), factor), exponent)
    exact = Fraction(numerator) * Fraction(2) ** exponent / (count * factor)
    try:
        expected = float(exact)
    except OverflowError:
        expected = math.inf if exact > 0 else -math.inf
    assert expected == found[0]


def test_products_of_counts_are_exact() -> None:
    pairs = [(0, 5), (1, 0), (2**62, 2**62 - 1), (3, 2**61 + 7), (2**63 - 1, 2**63 - 1)]
    left, right = (np.array(side) for side in zip(*pairs, strict=True))
    found = wide_integers.products(left, right).tolist()
    assert [a * b for a, b in pairs] == [low + (middle << 64) + (high << 128) for low, middle, high in found]


def test_decimals_become_the_nearest_float() -> None:
    values = ["0.1", "-0.3", "12345678901234567890.12345", "0.00001", "-99999999999999999999999999999.99999"]
    decimals = pa.array([Decimal(value) for value in values], pa.decimal128(38, 5))
    assert [float(value) for value in values] == float_values.floats(decimals).tolist()
    assert [float(value) for value in values[:2]] == float_values.floats(decimals[:2]).tolist()


def test_value_hashes_never_change() -> None:
    found = [
        value_hashes(pa.array([0, -1, 42])).tolist(),
        value_hashes(pa.array(["", "a", "0123456789"])).tolist(),
        value_hashes(pa.array([Decimal("1.50")], pa.decimal128(10, 2))).tolist(),
        value_hashes(pa.array([0.0, 1.5])).tolist(),
    ]
    assert _HASHES == found


def test_equal_values_hash_equally_in_every_width() -> None:
    numbers = [0, 1, -7]
    assert value_hashes(pa.array(numbers)).tolist() == value_hashes(pa.array(numbers, pa.int32())).tolist()
    assert value_hashes(pa.array([0.0])).tolist() == value_hashes(pa.array([-0.0])).tolist()


def test_rows_grow_by_half_their_room() -> None:
    rows = SlotRows((7, -1))
    capacities = set()
    for size in range(1, 3000):
        rows.resize(size)
        capacities.add(len(rows.words))
    assert len(capacities) <= 15
    assert [7, -1] == rows.words[2998].tolist()
    rows.resize(5)
    assert 2999 == rows.size


@pytest.mark.parametrize("order", ["forward", "backward", "shuffled"])
def test_samples_in_any_order_of_time_give_the_same_increase(order: str) -> None:
    random = np.random.default_rng(5)
    slots, times, values = random.integers(0, 3, 3000), random.integers(0, 2000, 3000), random.integers(0, 50, 3000)
    by_time = np.argsort(times, kind="stable")
    chosen = {"forward": by_time, "backward": by_time[::-1], "shuffled": random.permutation(3000)}[order]
    accumulator = new_accumulator(AggregateSpec("increase", pa.int64(), (), pa.float64()))
    accumulator.resize(3)
    accumulator.update(slots[chosen], AggregateInput(pa.array(values[chosen]), None), times[chosen])
    zeros = np.zeros(3, dtype=np.int64)
    context = FinishContext(zeros, zeros + 1, zeros, np.zeros(3), np.zeros(3, dtype=np.bool_))
    for slot, found in enumerate(accumulator.finish(np.arange(3), context).to_pylist()):
        greatest = dict(sorted(zip(times[slots == slot], values[slots == slot], strict=True)))
        series = [greatest[time] for time in sorted(greatest)]
        assert sum(b - a if b >= a else b for a, b in itertools.pairwise(series)) == found


@pytest.mark.parametrize("function", ["min", "max", "first", "last"])
def test_zero_has_no_sign(function: str) -> None:
    assert "0x0.0p+0" == _answer(_folded(function, pa.array([-0.0]), pa.float64())).hex()


def test_nan_is_greater_than_all_numbers() -> None:
    values = pa.array([math.inf, math.nan, -math.inf])
    assert math.isnan(_answer(_folded("max", values, pa.float64())))
    assert -math.inf == _answer(_folded("min", values, pa.float64()))
    assert math.isnan(_answer(_folded("approx_quantile", values, pa.float64(), 1.0)))
    assert math.inf == _answer(_folded("approx_quantile", values, pa.float64(), 0.5))


def test_zeros_of_either_sign_are_one_value_and_so_are_all_nan() -> None:
    other_nan = np.array([0xFFF8_0000_0000_0001], dtype=np.uint64).view(np.float64)
    values = pa.array(np.concatenate(([0.0, -0.0, 0.0, math.nan], other_nan)))
    assert 2 == _answer(_folded("approx_count_distinct", values, pa.int64()))
    entry = pa.list_(pa.struct([("value", pa.float64()), ("count", pa.int64())]))
    assert [3, 2] == [one["count"] for one in _answer(_folded("top_k", values, entry, 5))]


@pytest.mark.parametrize("function", ["first", "last"])
@pytest.mark.parametrize("values", [[1, 3, 2], ["a", "b", "aa"], [Decimal(1), Decimal(3), Decimal(2)]])
def test_equal_times_go_to_the_greater_value(function: str, values: list[Any]) -> None:
    array = pa.array(values)
    accumulator = new_accumulator(AggregateSpec(function, array.type, (), array.type))
    accumulator.resize(1)
    accumulator.update(np.zeros(3, dtype=np.int64), AggregateInput(array, None), np.full(3, 7))
    assert values[1] == _answer(accumulator)
