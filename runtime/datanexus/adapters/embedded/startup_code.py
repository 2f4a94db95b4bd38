"""Memory that only starting up needed: the pages of programs and libraries, 30 MiB of which no record needs again.

They are files mapped for reading. What is needed again comes from the operating system's cache of files, in a few
hundred page faults; the rest stays out of the process.
"""

import ctypes
from pathlib import Path

_MADV_DONTNEED = 4  # of Linux
_MAPPINGS = Path("/proc/self/maps")


def return_startup_code() -> None:
    """Let go of all pages of code. Call it once all is loaded and open; nothing happens where there is no Linux."""
    if not _MAPPINGS.exists():
        return
    libc = ctypes.CDLL(None)
    for mapping in _MAPPINGS.read_text().splitlines():
        places, access, _, _, inode, *_ = mapping.split()
        if access == "r-xp" and inode != "0":
            begin, end = (int(place, 16) for place in places.split("-"))
            libc.madvise(ctypes.c_void_p(begin), ctypes.c_size_t(end - begin), _MADV_DONTNEED)
