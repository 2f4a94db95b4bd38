"""What needs Numba is loaded by the compiler alone."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
RUNTIME = ROOT / "runtime"
COMPILER = {"datanexus.core.jit", "datanexus.engine.native"}


def imported() -> dict[str, set[str]]:
    """The modules that each module of the runtime imports from."""
    found: dict[str, set[str]] = {}
    for path in (RUNTIME / "datanexus").rglob("*.py"):
        name = ".".join(path.relative_to(RUNTIME).with_suffix("").parts)
        nodes = list(ast.walk(ast.parse(path.read_text())))
        found[name] = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        found[name] |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    return found


def test_numba_is_imported_only_by_the_compiler_and_by_instructions() -> None:
    """A module of instructions is named by another one with `datanexus.core.kernel.instructions`."""
    users = {
        name
        for name, modules in imported().items()
        if {"numba", "llvmlite"} & {module.split(".")[0] for module in modules}
    }
    assert COMPILER == {name for name in users if not name.endswith("_instructions")}


def test_what_needs_numba_is_imported_by_nothing() -> None:
    lazy = {name for name in imported() if name in COMPILER or name.endswith("_instructions")}
    assert {} == {name: modules & lazy for name, modules in imported().items() if modules & lazy}
