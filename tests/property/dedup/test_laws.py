"""The laws of dedup."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datanexus.core import dedup
from datanexus.core.dedup import Dedup
from datanexus.core.emission import NO_WATERMARK, SegmentContents

Record = tuple[int, int]  # key, event time
Cut = tuple[list[Record], int]  # records, and how far the watermark moves

horizons = st.sampled_from([1, 3, 10, 40])
records = st.tuples(st.integers(0, 5), st.integers(-100, 200))
cuts = st.lists(st.tuples(st.lists(records, max_size=30), st.integers(0, 60)), max_size=6)


@pytest.fixture(autouse=True)
def narrow_buckets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Buckets as narrow as the horizon, although it is tiny."""
    monkeypatch.setattr(dedup, "_BUCKET_WIDTH_MIN_US", 1)


def fingerprints(keys: list[int]) -> np.ndarray:
    """Keys 0 to 5 share halves with each other, so that both halves count."""
    return np.array([[key // 2, key % 2] for key in keys], np.uint64).reshape(-1, 2)


def judged(state: Dedup, batch: list[Record], watermark: int) -> list[str]:
    times = np.array([time for _, time in batch], np.int64)
    verdict = state.judge(fingerprints([key for key, _ in batch]), times, watermark)
    masks = np.stack([verdict.passed, verdict.duplicate, verdict.too_late])
    assert (masks.sum(axis=0) == 1).all()
    return [("passed", "duplicate", "too late")[number] for number in masks.argmax(axis=0)]


def naive(passed: list[Record], record: Record, horizon: int, watermark: int) -> str:
    key, time = record
    if time <= watermark - horizon:
        return "too late"
    if any(key == other and abs(time - at) < horizon for other, at in passed):
        return "duplicate"
    passed.append(record)
    return "passed"


def stored(state: Dedup) -> SegmentContents:
    return {key: segment.batches() for key, segment in state.segments().items()}


def entries(contents: SegmentContents) -> list[tuple[int, ...]]:
    return sorted(in_arrival_order(contents))


def in_arrival_order(contents: SegmentContents) -> list[tuple[int, ...]]:
    return [struct.unpack("<qqq", entry.as_py()) for part in contents.values() for entry in part["entries"].column(0)]


@given(horizons, cuts)
def test_a_record_is_judged_by_all_that_passed_before_it(horizon: int, stream: list[Cut]) -> None:
    state, watermark = Dedup(horizon), NO_WATERMARK
    passed: list[Record] = []
    for batch, step in stream:
        assert [naive(passed, record, horizon, watermark) for record in batch] == judged(state, batch, watermark)
        watermark = max(watermark, -100) + step
        state.advance(watermark)


@given(horizons, cuts, st.randoms(use_true_random=False))
def test_batches_do_not_show(horizon: int, stream: list[Cut], chance: object) -> None:
    whole, parts, watermark = Dedup(horizon), Dedup(horizon), NO_WATERMARK
    for batch, step in stream:
        border = chance.randint(0, len(batch))  # type: ignore[attr-defined]
        split = [verdict for part in (batch[:border], batch[border:]) for verdict in judged(parts, part, watermark)]
        assert judged(whole, batch, watermark) == split
        watermark = max(watermark, -100) + step
        whole.advance(watermark)
        parts.advance(watermark)
    assert stored(whole) == stored(parts)


@given(horizons, cuts, cuts)
def test_a_restored_dedup_goes_on_as_if_never_stored(horizon: int, before: list[Cut], after: list[Cut]) -> None:
    state, restored, watermark = Dedup(horizon), Dedup(horizon), NO_WATERMARK
    for batch, step in before:
        judged(state, batch, watermark)
        watermark = max(watermark, -100) + step
        state.advance(watermark)
        state.segments()
    restored.restore(stored(state))
    assert stored(state) == stored(restored)
    for batch, step in after:
        assert judged(state, batch, watermark) == judged(restored, batch, watermark)
        watermark = max(watermark, -100) + step
        state.advance(watermark)
        restored.advance(watermark)
        assert entries(stored(state)) == entries(stored(restored))


@given(horizons, cuts)
def test_a_segment_never_changes_and_none_is_lost(horizon: int, stream: list[Cut]) -> None:
    state, watermark = Dedup(horizon), NO_WATERMARK
    passed: list[Record] = []
    seen: dict[str, object] = {}
    for batch, step in stream:
        for record in batch:
            naive(passed, record, horizon, watermark)
        judged(state, batch, watermark)
        watermark = max(watermark, -100) + step
        state.advance(watermark)
        contents = stored(state)
        for key, part in contents.items():
            assert seen.setdefault(key, part) == part
        live = [(key, at) for key, at in passed if (at // horizon + 1) * horizon > watermark - 2 * horizon]
        assert sorted((key // 2, key % 2, at) for key, at in live) == entries(contents)
        assert len(live) == state.live_entries


@given(horizons, cuts)
def test_nothing_is_left_when_all_buckets_are_dropped(horizon: int, stream: list[Cut]) -> None:
    state, watermark = Dedup(horizon), NO_WATERMARK
    for batch, _ in stream:
        judged(state, batch, watermark)
    state.advance(2**62)
    assert Dedup(horizon).nbytes == state.nbytes
    assert {} == state.segments()


def test_content_is_in_arrival_order() -> None:
    state = Dedup(10)
    judged(state, [(5, 3), (0, 9), (3, 1), (0, -20)], NO_WATERMARK)
    contents = stored(state)
    assert [(0, 0, -20), (0, 0, 9), (1, 1, 1), (2, 1, 3)] == entries(contents)
    assert [(2, 1, 3), (0, 0, 9)] == [entry for entry in in_arrival_order(contents) if entry[2] in (3, 9)]
