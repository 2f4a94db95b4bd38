"""What the shell offers when Tab is pressed: pipeline files, test files, the pipelines of a data folder.

It is asked at every Tab, so it looks at names of files only and opens none; what it cannot read it leaves out.
"""

from collections.abc import Iterator
from pathlib import Path

import typer

_TEST_SUFFIXES = (".test.yaml", ".test.yml")
_SUFFIXES = (".yaml", ".yml")


def pipeline_files(incomplete: str) -> list[str]:
    """Resource files and the folders on the way to them, no test files."""
    return [
        path for path in _paths(incomplete) if path.endswith(("/", *_SUFFIXES)) and not path.endswith(_TEST_SUFFIXES)
    ]


def test_files(incomplete: str) -> list[str]:
    """Test files and the folders on the way to them."""
    return [path for path in _paths(incomplete) if path.endswith(("/", *_TEST_SUFFIXES))]


def pipelines(context: typer.Context, incomplete: str) -> list[str]:
    """The pipelines that the data folder of the command has snapshots of."""
    folder = Path(context.params.get("data") or ".datanexus") / "blobs"
    try:
        return sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name.startswith(incomplete))
    except OSError:
        return []


def _paths(incomplete: str) -> Iterator[str]:
    """What is in the folder that was begun; a folder ends in a slash."""
    begun, _, name = incomplete.rpartition("/")
    head = f"{begun}/" if "/" in incomplete else ""
    try:
        found = sorted(Path(head or ".").expanduser().iterdir())
    except OSError:
        return
    for path in found:
        if path.name.startswith(name) and (name.startswith(".") or not path.name.startswith(".")):
            yield f"{head}{path.name}{'/' if path.is_dir() else ''}"
