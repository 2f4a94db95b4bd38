"""Split clocks and the watermark merged of them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from datanexus.core.emission import NO_WATERMARK
from datanexus.core.watermark import SplitClock, SplitStatus, is_beyond_future, merged_watermark

ACTIVE, IDLE, FINISHED = SplitStatus.ACTIVE, SplitStatus.IDLE, SplitStatus.FINISHED
clocks = st.builds(SplitClock, st.integers(-50, 50) | st.just(NO_WATERMARK), st.sampled_from(SplitStatus))


def test_a_clock_runs_a_delay_and_one_tick_behind_the_greatest_time() -> None:
    assert SplitClock(89, ACTIVE) == SplitClock().advanced(100, 10)


def test_a_clock_never_goes_back() -> None:
    assert SplitClock(89, ACTIVE) == SplitClock().advanced(100, 10).advanced(50, 10)


def test_a_clock_does_not_leave_the_range_of_times() -> None:
    assert NO_WATERMARK == SplitClock().advanced(NO_WATERMARK + 5, 10).watermark_us


def test_a_record_makes_an_idle_split_active() -> None:
    assert ACTIVE is SplitClock().idle().advanced(0, 0).status


def test_status_changes_keep_the_watermark() -> None:
    clock = SplitClock(7)
    assert (SplitClock(7, IDLE), SplitClock(7, FINISHED)) == (clock.idle(), clock.finished())
    assert SplitClock(7, ACTIVE) == clock.finished().reopened()


def test_the_slowest_active_split_holds_the_watermark() -> None:
    merged = merged_watermark(0, {"a": SplitClock(9), "b": SplitClock(5), "c": SplitClock(1, IDLE)})
    assert (5, "b", "is the slowest active split") == (merged.watermark_us, merged.holder, merged.reason)


def test_a_split_without_records_holds_the_watermark() -> None:
    merged = merged_watermark(NO_WATERMARK, {"a": SplitClock(9), "b": SplitClock()})
    assert (NO_WATERMARK, "b", "has given no record yet") == (merged.watermark_us, merged.holder, merged.reason)


def test_a_finished_split_does_not_hold_the_watermark_nor_pass_all_times() -> None:
    assert 9 == merged_watermark(0, {"a": SplitClock(9), "b": SplitClock(3, FINISHED)}).watermark_us
    assert 3 == merged_watermark(0, {"b": SplitClock(3, FINISHED)}).watermark_us


def test_a_split_that_returns_behind_the_watermark_stays_out_until_it_caught_up() -> None:
    behind, other = SplitClock(5), SplitClock(20)
    assert 20 == merged_watermark(10, {"a": behind, "b": other}).watermark_us
    alone = merged_watermark(10, {"a": behind})
    assert (10, "a") == (alone.watermark_us, alone.holder)
    assert 12 == merged_watermark(10, {"a": SplitClock(12), "b": other}).watermark_us


def test_without_active_splits_the_furthest_counts() -> None:
    merged = merged_watermark(0, {"a": SplitClock(5, IDLE), "b": SplitClock(8, FINISHED)})
    assert (8, "b") == (merged.watermark_us, merged.holder)
    assert "is finished, no split is active, and it is the furthest" == merged.reason


def test_without_splits_the_watermark_stays() -> None:
    assert (4, None) == (merged_watermark(4, {}).watermark_us, merged_watermark(4, {}).holder)


def test_ties_go_to_the_lesser_name() -> None:
    assert "a" == merged_watermark(0, {"b": SplitClock(5), "a": SplitClock(5)}).holder
    assert "a" == merged_watermark(0, {"b": SplitClock(5, IDLE), "a": SplitClock(5, IDLE)}).holder


@given(st.lists(st.dictionaries(st.sampled_from("abcd"), clocks)))
def test_a_merged_watermark_never_goes_back(moments: list[dict[str, SplitClock]]) -> None:
    watermark = NO_WATERMARK
    for moment in moments:
        merged = merged_watermark(watermark, moment).watermark_us
        assert merged >= watermark
        watermark = merged


@given(st.dictionaries(st.sampled_from("abcd"), clocks, min_size=1), st.integers(-60, 60))
def test_an_active_split_that_is_not_behind_is_never_overtaken(moment: dict[str, SplitClock], output: int) -> None:
    merged = merged_watermark(output, moment).watermark_us
    aligned = [one.watermark_us for one in moment.values() if one.status is ACTIVE and one.watermark_us >= output]
    assert all(merged <= watermark for watermark in aligned)


def test_a_time_is_too_far_ahead_past_the_bound_only() -> None:
    assert [False, False, True] == is_beyond_future(np.array([5, 110, 111]), 100, 10).tolist()
