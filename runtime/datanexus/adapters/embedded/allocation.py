"""How a process that runs pipelines holds memory: what a cut frees goes back to the operating system.

State is arrays that grow by doubling and are dropped whole, so what is freed is mostly large. Left to themselves glibc
raises its threshold for own mappings to the largest block it ever saw, and Arrow's pool keeps its pages: both hold
about as much again as the state, in holes that no later array fits into. What starting up made stays to the end, so the
garbage collector need not look at it again and again (50 ms each time).
"""

import atexit
import ctypes
import gc

import pyarrow as pa

# A block from this size on is a mapping of its own; the columns of a cut are smaller and are reused.
MAPPING_BYTES = 4 << 20
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's mallopt


def return_freed_memory() -> None:
    """Let freed memory leave the process, and what starting up has freed at once. Call it once all is loaded.

    Where there is no glibc, only Arrow's memory is affected.
    """
    gc.freeze()
    atexit.register(gc.unfreeze)  # DuckDB's binding tells of every object that it outlives
    pa.set_memory_pool(pa.system_memory_pool())
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim"):
        libc.mallopt(_M_MMAP_THRESHOLD, MAPPING_BYTES)
        libc.mallopt(_M_TRIM_THRESHOLD, MAPPING_BYTES)
        libc.malloc_trim(0)
