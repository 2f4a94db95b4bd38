"""Slots by key hash."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from datanexus.core.key_index import ABSENT, KeyIndex


def hashes(keys: list[int]) -> np.ndarray:
    """Keys that share halves with each other, zero included."""
    return np.array([[key // 3, key % 3] for key in keys], np.uint64).reshape(-1, 2)


@given(st.lists(st.lists(st.integers(0, 60))))
def test_a_key_keeps_the_slot_it_got_when_first_seen(batches: list[list[int]]) -> None:
    index, slots = KeyIndex(), dict[int, int]()
    for batch in batches:
        new = [at for at, key in enumerate(batch) if key not in slots and key not in batch[:at]]
        for key in batch:
            slots.setdefault(key, len(slots))
        found, fresh = index.upsert(hashes(batch))
        assert [slots[key] for key in batch] == found.tolist()
        assert new == fresh.tolist()
    assert len(slots) == index.size
    assert hashes(list(slots)).tolist() == index.hashes.tolist()
    assert [slots.get(key, ABSENT) for key in range(70)] == index.find(hashes(list(range(70)))).tolist()


def test_room_grows_with_keys_and_not_with_rows() -> None:
    index = KeyIndex()
    index.upsert(hashes([1, 2, 3] * 10_000))
    assert index.nbytes < 1_000
    index.upsert(np.random.default_rng(1).integers(0, 2**64, (10_000, 2), dtype=np.uint64))
    assert 10_003 == index.size


def test_room_is_made_for_the_keys_that_are_expected_once_there_are_some() -> None:
    index, keys = KeyIndex(usual=1_000), np.random.default_rng(1).integers(0, 2**64, (1_000, 2), dtype=np.uint64)
    index.upsert(keys[:10])
    assert index.room < 100
    assert np.arange(10).tolist() == index.find(keys[:10]).tolist()
    index.upsert(keys)
    assert 1_000 == index.room
    assert np.arange(1_000).tolist() == index.find(keys).tolist()
