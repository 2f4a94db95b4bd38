"""Key groups: the 256 shares that keys fall into, and which partition owns which share.

Invariant: kg = high 32 bits of the key hash's high half × 256 >> 32; partition = ⌊kg × P / 256⌋; so every partition
owns one contiguous range of key groups, for any P from 1 to 256.
"""

import numpy as np
import numpy.typing as npt

from datanexus.core.emission import KeyHashes

KEY_GROUPS = 256
_GROUP_SHIFT = np.uint64(56)  # of a 64-bit half: high 32 bits × 256 >> 32


def key_group_of(hashes: KeyHashes) -> npt.NDArray[np.int32]:
    """The key group of each hash, 0 to 255."""
    return (hashes[:, 0] >> _GROUP_SHIFT).astype(np.int32)


def partition_of(hashes: KeyHashes, partitions: int) -> npt.NDArray[np.int32]:
    """The partition that owns each hash, 0 to partitions − 1.

    Shape: (n, 2) hashes give n partitions. `partitions`: 1 to 256.
    """
    if not 1 <= partitions <= KEY_GROUPS:
        raise ValueError(f"partitions is {partitions}; expected 1 to {KEY_GROUPS}")
    partition: npt.NDArray[np.int32] = key_group_of(hashes) * np.int32(partitions) // np.int32(KEY_GROUPS)
    return partition
