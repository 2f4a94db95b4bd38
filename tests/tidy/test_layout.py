"""The tree keeps its form: what may stand where, how long files and functions may be, which words are banned."""

import ast
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("crds/datanexus_spec", "operator/datanexus_operator", "runtime/datanexus")
TOP_LEVEL = {
    "CHANGELOG.md",
    "Makefile",
    "README.md",
    "charts",
    "crds",
    "docs",
    "manifests",
    "operator",
    "pyproject.toml",
    "requirements.lock",
    "runtime",
    "tests",
}
BANNED_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "base", "misc", "service", "impl", "types"}
BANNED_TAGS = ("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK")
MODULE_LINES_MAX = 600
FUNCTION_LINES_MAX = 70


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [Path(line) for line in listed.stdout.splitlines() if (ROOT / line).exists()]


def modules() -> list[Path]:
    return [path for path in tracked() if path.suffix == ".py"]


def test_the_top_level_holds_what_the_design_lists() -> None:
    found = {path.parts[0] for path in tracked() if not path.parts[0].startswith(".")}
    assert set() == found - TOP_LEVEL


@pytest.mark.parametrize("folder", ["operator", "runtime", "crds", "charts", "manifests"])
def test_a_source_root_is_no_package(folder: str) -> None:
    """operator/__init__.py would shadow the standard library."""
    assert not (ROOT / folder / "__init__.py").exists()


def test_every_package_is_typed() -> None:
    assert [] == [package for package in PACKAGES if not (ROOT / package / "py.typed").exists()]


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [] == [str(path) for path in modules() if BANNED_NAMES & set(path.with_suffix("").parts)]


def test_no_module_is_longer_than_its_limit() -> None:
    lengths = {str(path): len((ROOT / path).read_text().splitlines()) for path in modules()}
    assert {} == {path: length for path, length in lengths.items() if length > MODULE_LINES_MAX}


def is_kernel(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    names = {
        node.id for decorator in function.decorator_list for node in ast.walk(decorator) if isinstance(node, ast.Name)
    }
    return bool(names & {"kernel", "inlined"})


def test_no_function_is_longer_than_its_limit() -> None:
    """Numeric kernels excepted; docstrings do not count."""
    long: dict[str, int] = {}
    for path in modules():
        for node in ast.walk(ast.parse((ROOT / path).read_text())):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or is_kernel(node):
                continue
            documented = ast.get_docstring(node) is not None
            body = node.body[1:] if documented else node.body
            length = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
            if length > FUNCTION_LINES_MAX:
                long[f"{path}:{node.name}"] = length
    assert {} == long


def test_every_module_says_what_it_is() -> None:
    """Empty __init__ files excepted."""
    silent = []
    for path in modules():
        text = (ROOT / path).read_text()
        if text.strip() and ast.get_docstring(ast.parse(text)) is None:
            silent.append(str(path))
    assert [] == silent


def test_no_import_hides_in_a_function() -> None:
    """cli/app.py loads its commands on use, so that `--help` is quick: the one exception."""
    hidden = []
    for path in modules():
        if path == Path("runtime/datanexus/cli/app.py"):
            continue
        for node in ast.walk(ast.parse((ROOT / path).read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                hidden += [
                    f"{path}:{part.lineno}" for part in ast.walk(node) if isinstance(part, ast.Import | ast.ImportFrom)
                ]
    assert [] == hidden


def test_no_work_is_left_as_a_tag() -> None:
    found = [
        f"{path}:{number}"
        for path in modules()
        for number, line in enumerate((ROOT / path).read_text().splitlines(), 1)
        if any(tag in line for tag in BANNED_TAGS)
    ]
    assert [] == found
