"""Dedup: bounds of the horizon, growth, expiry and what a snapshot stores."""

import numpy as np
import pytest

from datanexus.core.dedup import Dedup, Verdict
from datanexus.core.emission import NO_WATERMARK, KeyHashes

HOUR = 3_600_000_000


def random_fingerprints(count: int, seed: int) -> KeyHashes:
    return np.random.default_rng(seed).integers(0, 2**64, (count, 2), dtype=np.uint64)


def judge_one(state: Dedup, time: int, watermark: int = NO_WATERMARK) -> Verdict:
    return state.judge(np.array([[1, 2]], np.uint64), np.array([time]), watermark)


@pytest.mark.parametrize("time", [1, 99, -99, -1, 0])
def test_a_repeat_nearer_than_the_horizon_is_a_duplicate(time: int) -> None:
    state = Dedup(100)
    judge_one(state, 0)
    assert judge_one(state, time).duplicate[0]


@pytest.mark.parametrize("time", [100, -100, 10_000, -10_000])
def test_a_repeat_a_horizon_away_passes(time: int) -> None:
    state = Dedup(100)
    judge_one(state, 0)
    assert judge_one(state, time).passed[0]


def test_only_passed_records_make_duplicates() -> None:
    state = Dedup(100)
    assert judge_one(state, 0).passed[0]
    assert judge_one(state, 60).duplicate[0]
    assert judge_one(state, 120).passed[0]


def test_a_record_a_horizon_behind_the_watermark_is_too_late_and_leaves_no_trace() -> None:
    state = Dedup(100)
    assert judge_one(state, 400, watermark=500).too_late[0]
    assert 0 == state.live_entries
    assert judge_one(state, 401, watermark=500).passed[0]


def test_repeats_inside_a_call_count() -> None:
    verdict = Dedup(100).judge(np.array([[1, 2]] * 3, np.uint64), np.array([0, 50, 100]), NO_WATERMARK)
    assert [True, False, True] == verdict.passed.tolist()


def test_no_rows_are_judged_to_nothing() -> None:
    assert 0 == len(Dedup(100).judge(np.empty((0, 2), np.uint64), np.empty(0, np.int64), NO_WATERMARK).passed)


def test_a_horizon_is_positive() -> None:
    with pytest.raises(ValueError, match="the dedup horizon is 0 µs; expected more than 0"):
        Dedup(0)


def test_growth_forgets_nothing() -> None:
    state = Dedup(HOUR)
    keys = random_fingerprints(200_000, seed=1)
    times = np.random.default_rng(2).integers(0, 3 * HOUR, len(keys))
    for start in range(0, len(keys), 30_000):
        assert state.judge(keys[start : start + 30_000], times[start : start + 30_000], NO_WATERMARK).passed.all()
    assert state.judge(keys, times + 5, NO_WATERMARK).duplicate.all()
    assert len(keys) == state.live_entries


def test_memory_follows_what_is_live() -> None:
    state, hours = Dedup(HOUR), 12
    peak = 0
    for hour in range(hours):
        keys = random_fingerprints(20_000, seed=hour)
        times = np.linspace(hour * HOUR, (hour + 1) * HOUR - 1, len(keys)).astype(np.int64)
        assert state.judge(keys, times, (hour - 1) * HOUR).passed.all()
        state.advance(hour * HOUR)
        peak = max(peak, state.nbytes)
        assert state.live_entries <= 4 * len(keys)
    assert peak < 100 * 4 * 20_000
    state.advance(2**62)
    assert Dedup(HOUR).nbytes == state.nbytes


def test_a_key_that_repeats_for_long_stays_fast_to_find() -> None:
    state = Dedup(1_000)
    times = np.arange(0, 100_000_000, 1_000)
    keys = np.full((len(times), 2), 7, np.uint64)
    assert state.judge(keys, times, NO_WATERMARK).passed.all()
    assert state.judge(keys, times + 999, NO_WATERMARK).duplicate.all()


def test_a_snapshot_stores_what_was_added_since_the_last_one() -> None:
    state = Dedup(HOUR)
    known: set[str] = set()
    stored = 0
    for snapshot in range(64):
        times = np.full(100, snapshot, np.int64)
        state.judge(random_fingerprints(100, seed=snapshot), times, NO_WATERMARK)
        segments = state.segments()
        stored += sum(segments[key].batches()["entries"].num_rows for key in segments.keys() - known)
        known = set(segments)
        assert len(segments) <= 8
    assert stored <= 6_400 * 8  # a rewrite of all at each snapshot would store 208,000 entries


def test_a_snapshot_without_news_names_the_same_segments() -> None:
    state = Dedup(HOUR)
    state.judge(random_fingerprints(10, seed=1), np.arange(10), NO_WATERMARK)
    assert set(state.segments()) == set(state.segments())


def test_a_full_bucket_has_little_unused_room_once_another_one_was_full() -> None:
    state, count = Dedup(HOUR), 100_000
    for hour in range(2):
        times = np.linspace(hour * HOUR, (hour + 1) * HOUR - 1, count).astype(np.int64)
        before = state.nbytes
        assert state.judge(random_fingerprints(count, seed=hour), times, NO_WATERMARK).passed.all()
    assert state.nbytes - before < 40 * count


def test_what_was_captured_stays_as_it_was_when_more_comes() -> None:
    state = Dedup(HOUR)
    keys = random_fingerprints(30_000, seed=1)
    state.judge(keys[:10], np.arange(10), NO_WATERMARK)
    (captured,) = [segment.batches()["entries"] for segment in state.segments().values()]
    before = captured.to_pydict()
    state.judge(keys, np.arange(len(keys)), NO_WATERMARK)
    state.advance(2**62)
    assert before == captured.to_pydict()
