"""Every command block of README, the tutorial and the how-tos that serve runs, and says what stands there."""

import re
import shutil
from pathlib import Path

import pytest

from tests.docs.walkthrough import Walkthrough, steady

ROOT = Path(__file__).parents[2]
FIRST_READ = ("README.md", *(str(page.relative_to(ROOT)) for page in sorted((ROOT / "docs" / "tutorial").glob("*.md"))))
HOW_TOS = tuple(  # those that serve; tests/golden/test_how_to.py has the others
    str(page.relative_to(ROOT))
    for page in sorted((ROOT / "docs" / "how-to").glob("*.md"))
    if "```console server" in page.read_text("utf-8")
)


@pytest.mark.parametrize("page", FIRST_READ + HOW_TOS)
def test_a_page_does_what_it_says(page: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "manifests", tmp_path / "manifests")
    walkthrough = Walkthrough(ROOT / page, tmp_path)
    walkthrough.follow()
    assert [] == walkthrough.problems
    assert (3 if page in FIRST_READ else 1) <= walkthrough.commands


@pytest.mark.parametrize("page", FIRST_READ)
def test_no_command_stands_outside_a_block_that_is_run(page: str) -> None:
    text = re.sub(r"^```console.*?^```$", "", (ROOT / page).read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    assert [] == re.findall(r"^(?: {4}|\$ )\s*(?:datanexus|curl) .*", text, re.MULTILINE)


def test_make_run_does_what_the_readme_shows() -> None:
    recipe = (ROOT / "Makefile").read_text().split("\nrun:")[1].split("\n\n")[0]
    readme = (ROOT / "README.md").read_text("utf-8")
    (run,) = re.findall(r"^\$ (datanexus run .*)", readme, re.MULTILINE)
    assert run in recipe.replace("$(BIN)/", "")


def test_what_varies_is_left_out_of_the_comparison_and_nothing_else() -> None:
    assert steady("5 records in 0.2 s (29/s), 1 cut") == steady("5 records in 11.7 s (3,029/s), 1 cut")
    assert steady("5 records in 0.2 s (29/s)") != steady("6 records in 0.2 s (29/s)")
