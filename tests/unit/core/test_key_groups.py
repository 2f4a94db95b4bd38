"""Key groups and the partitions that own them."""

import numpy as np
import pytest

from datanexus.core.key_groups import KEY_GROUPS, key_group_of, partition_of


def hashes(*high_halves: int) -> np.ndarray:
    return np.array([[high, 0] for high in high_halves], np.uint64)


def test_a_key_group_is_the_share_of_the_hash_range() -> None:
    assert [0, 0, 1, 128, 255] == key_group_of(hashes(0, 2**56 - 1, 2**56, 2**63, 2**64 - 1)).tolist()


@pytest.mark.parametrize("partitions", [1, 2, 3, 7, 8, 100, 255, 256])
def test_every_partition_owns_one_range_of_key_groups(partitions: int) -> None:
    owners = partition_of(hashes(*(group << 56 for group in range(KEY_GROUPS))), partitions)
    assert [group * partitions // KEY_GROUPS for group in range(KEY_GROUPS)] == owners.tolist()
    assert set(range(partitions)) == set(owners.tolist())
    assert np.int32 == owners.dtype


@pytest.mark.parametrize("partitions", [0, 257])
def test_partitions_are_at_most_as_many_as_key_groups(partitions: int) -> None:
    with pytest.raises(ValueError, match=f"partitions is {partitions}; expected 1 to 256"):
        partition_of(hashes(0), partitions)
