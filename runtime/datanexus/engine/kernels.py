"""Load every module that has kernels, so that their compiled code lies in the cache.

`python -m datanexus.engine.kernels`: `make install` and image builds run it; afterwards importing a kernel only loads
it. What an older source compiled is removed first, as the cache does not see a change of an inlined function.
"""

import importlib
import pkgutil
import sys
import time
from pathlib import Path

import datanexus

SKIPPED = ("datanexus.cli",)  # has no kernels, and its __main__ would run


def remove_compiled() -> None:
    """Empty the cache of compiled kernels."""
    for folder in datanexus.__path__:
        for pattern in ("*.nbi", "*.nbc"):
            for file in Path(folder).rglob(pattern):
                file.unlink()


def load_all() -> int:
    """Import all modules of the package; returns how many."""
    names = [module.name for module in pkgutil.walk_packages(datanexus.__path__, "datanexus.")]
    chosen = [name for name in names if not name.startswith(SKIPPED) and not name.endswith("__main__")]
    for name in chosen:
        importlib.import_module(name)
    return len(chosen)


if __name__ == "__main__":
    started_s = time.monotonic()
    remove_compiled()
    count = load_all()
    sys.stdout.write(f"{count} modules loaded, kernels compiled, in {time.monotonic() - started_s:.1f} s\n")
