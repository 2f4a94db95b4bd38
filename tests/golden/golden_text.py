"""Compare a text with the one kept in tests/golden; `UPDATE_GOLDEN=1 pytest …` writes what is found instead."""

import os
from pathlib import Path

FOLDER = Path(__file__).parent


def assert_golden(name: str, text: str) -> None:
    """The text equals the file `tests/golden/NAME`."""
    path = FOLDER / name
    if os.environ.get("UPDATE_GOLDEN") == "1":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    assert path.is_file(), f"{path} is missing; UPDATE_GOLDEN=1 writes it"
    assert path.read_text("utf-8") == text
