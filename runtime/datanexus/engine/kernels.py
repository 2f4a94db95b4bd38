"""Compile every kernel of the package into extension modules that load without Numba and LLVM.

`python -m datanexus.engine.kernels`: `make install` and image builds run it. The modules lie beside
`datanexus.core.kernel`, which looks each kernel up in the one for its processor. They run wherever NumPy does: none is
made for the machine that builds it. On systems without a known target each kernel is cached beside the Python module
that declares it instead, and running loads Numba.
"""

import argparse
import importlib
import os
import platform
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import datanexus
from datanexus.core import kernel

# LLVM's name of the processor each module is compiled for, by system and machine.
_PROCESSORS: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("Linux", "x86_64"): {
        "datanexus.core.compiled_x86_v3": "x86-64-v3",  # AVX2: decoding is a tenth faster
        "datanexus.core.compiled": "x86-64-v2",  # NumPy's own least
    },
    ("Linux", "aarch64"): {"datanexus.core.compiled": "generic"},
}
# What is compiled stays here, so that the change of one kernel costs a second.
_PIECES, _PIECE = Path(kernel.__file__).with_name("__pycache__"), ".piece"


def processors() -> Mapping[str, str]:
    """The modules to build on this machine, and the processor each is for."""
    return _PROCESSORS.get((platform.system(), platform.machine()), {})


def compiled_path(module: str) -> Path:
    """Where a compiled module lies: beside the Python module that looks kernels up in it."""
    return Path(kernel.__file__).with_name(module.rpartition(".")[2] + sysconfig.get_config_var("EXT_SUFFIX"))


def load_all() -> int:
    """Import all modules that may declare kernels, which they cannot without importing how; returns how many."""
    root = Path(datanexus.__file__).parent
    chosen = [path for path in sorted(root.rglob("*.py")) if "datanexus.core.kernel import" in path.read_text()]
    for path in chosen:
        importlib.import_module(".".join(path.relative_to(root.parent).with_suffix("").parts))
    return len(chosen)


def remove_cached() -> None:
    """Delete the kernels that were compiled one by one, whose modules may be long gone."""
    for pattern in ("*.nbi", "*.nbc"):
        for file in Path(datanexus.__file__).parent.rglob(pattern):
            file.unlink()


def missing(module: str) -> set[str]:
    """The names of kernels that the package has, all its modules being loaded, and a compiled module has not."""
    try:
        compiled = importlib.import_module(module)
    except ImportError:
        compiled = None
    return _declared().keys() - set(vars(compiled) if compiled else ())


def compile_all() -> None:
    """Build the module for each processor that lacks a kernel, all at once."""
    if not processors():
        load_all()
        return
    kernel.leave_uncompiled()
    load_all()
    stale = [module for module in processors() if missing(module)]
    commands = [[sys.executable, "-m", "datanexus.engine.kernels", "--module", module] for module in stale]
    started = [subprocess.Popen(command) for command in commands]
    failed = [process.args for process in started if process.wait()]
    if failed:
        raise SystemExit(f"kernels were not compiled: {failed} failed, see above")
    _remove_old_pieces()


def compile_module(module: str, target: Path) -> int:
    """Compile all kernels of the package into one extension module; returns how many they are."""
    processor = processors()[module]
    # Numba reads them when it is loaded.
    os.environ["NUMBA_CPU_NAME"], os.environ["NUMBA_CPU_FEATURES"] = processor, ""
    jit, native = (importlib.import_module(name) for name in ("datanexus.core.jit", "datanexus.engine.native"))
    kernel.leave_uncompiled()
    load_all()
    kernels = [_compiled(jit, native, declaration, processor) for declaration in _declared().values()]
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        object_code, library = Path(folder) / "kernels.o", Path(folder) / "kernels.so"
        object_code.write_bytes(native.emit_object(kernels, module.rpartition(".")[2], processor))
        native.link(object_code, library)
        library.replace(target)  # whoever has the old one loaded keeps it
    return len(kernels)


def _declared() -> dict[str, kernel.Declaration]:
    """The kernels of this package, by name; one that two modules declare alike is compiled once."""
    declared = kernel.declared_kernels()
    ours = [declaration for declaration in declared if declaration.function.__module__.startswith("datanexus.")]
    return {declaration.name: declaration for declaration in ours}


def _compiled(jit: Any, native: Any, declaration: kernel.Declaration, processor: str) -> Any:
    """One kernel's code, compiled once for each processor by one version of Numba."""
    stem = f"{declaration.name}.{processor}.{jit.NUMBA_VERSION}"
    files = [_PIECES / f"{stem}.{number}{_PIECE}" for number in range(len(declaration.signatures))]
    if not all(file.exists() for file in files):
        _PIECES.mkdir(exist_ok=True)
        overloads = jit.dispatcher(declaration, cache=False).overloads.values()
        for file, overload in zip(files, overloads, strict=True):
            unfinished = file.with_suffix(f".{os.getpid()}")
            unfinished.write_bytes(native.piece(overload))
            unfinished.replace(file)
    codes = [native.code(*pair) for pair in zip(declaration.signatures, map(Path.read_bytes, files), strict=True)]
    return native.CompiledKernel(declaration.name, declaration.function.__name__, tuple(codes))


def _remove_old_pieces() -> None:
    current = _declared()
    for file in _PIECES.glob(f"*{_PIECE}"):
        if file.name.partition(".")[0] not in current:
            file.unlink()


def main(arguments: Sequence[str]) -> None:
    """Compile what the command line names, or everything."""
    parser = argparse.ArgumentParser(prog="datanexus.engine.kernels", description=compile_all.__doc__)
    parser.add_argument("--module", choices=list(processors()), help="only this one")
    module = parser.parse_args(arguments).module
    started_s = time.monotonic()
    if module:
        count = compile_module(module, compiled_path(module))
        sys.stdout.write(f"{count} kernels compiled for {processors()[module]} in")
    else:
        remove_cached()
        compile_all()
        sys.stdout.write("all kernels are compiled, which took")
    sys.stdout.write(f" {time.monotonic() - started_s:.1f} s\n")


if __name__ == "__main__":
    main(sys.argv[1:])
