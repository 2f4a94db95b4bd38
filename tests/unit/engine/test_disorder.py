"""How far records come behind the greatest time before them, and the delay that covers them."""

import numpy as np
import pytest

from datanexus.engine.disorder import BOUNDS_S, Disorder

SECOND_US = 1_000_000


def test_records_in_order_need_no_delay() -> None:
    disorder = Disorder()
    disorder.observe("in/a", np.arange(10, dtype=np.int64) * SECOND_US)
    assert (10, 0.0) == (disorder.report().records[0], disorder.report().recommended_s)


def test_nothing_is_recommended_before_the_first_record() -> None:
    assert Disorder().report().recommended_s is None


def test_a_split_is_compared_with_itself_alone() -> None:
    disorder = Disorder()
    disorder.observe("in/a", np.array([100 * SECOND_US]))
    disorder.observe("in/b", np.array([0]))
    assert 2 == disorder.report().records[0]


@pytest.mark.parametrize("pieces", [1, 7, 200])
def test_how_records_are_cut_into_batches_does_not_matter(pieces: int) -> None:
    times = np.random.default_rng(3).integers(0, 600 * SECOND_US, 2000)
    greatest = np.concatenate(([times[0]], np.maximum.accumulate(times)[:-1]))
    behind_s = np.maximum(greatest - times, 0) / SECOND_US
    expected = [int((behind_s <= bound_s).sum()) for bound_s in BOUNDS_S]
    disorder = Disorder()
    for piece in np.array_split(times, pieces):
        disorder.observe("in/a", piece)
    assert expected == np.cumsum(disorder.report().records)[:-1].tolist()


def test_what_is_recommended_covers_all_but_one_in_a_thousand() -> None:
    disorder = Disorder()
    times = np.arange(10_000, dtype=np.int64) * SECOND_US
    times[5_000::100] -= 4 * SECOND_US  # 50 records, one in 200, come 3 seconds behind
    times[9_999] -= 5_000 * SECOND_US
    disorder.observe("in/a", times)
    assert 5.0 == disorder.report().recommended_s
