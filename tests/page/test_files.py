"""What the page is made of: files of our own, no outside address, no markup from data, nothing inline."""

import re
from pathlib import Path

import pytest

import datanexus.gateway

PAGE = Path(str(datanexus.gateway.__file__)).parent / "page"
FILES = sorted(path for path in PAGE.rglob("*") if path.is_file())
MODULES = [path for path in FILES if path.suffix == ".js"]
BYTES_MAX = 200_000  # of all files: the page must open on a slow line
LINES_MAX = 600
_SVG_NAMESPACE = "http://www.w3.org/2000/svg"
_MARKUP = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|DOMParser|setHTML")


def relative(path: Path) -> str:
    return str(path.relative_to(PAGE))


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_no_file_names_an_outside_address(path: Path) -> None:
    assert [] == re.findall(r"(?:https?:)?//[\w.-]+\.\w+\S*", path.read_text().replace(_SVG_NAMESPACE, ""))


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_no_module_makes_markup_of_text(path: Path) -> None:
    assert [] == _MARKUP.findall(path.read_text())


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_every_module_says_what_it_is_and_keeps_its_length(path: Path) -> None:
    text = path.read_text()
    assert text.startswith("/**")
    assert len(text.splitlines()) <= LINES_MAX


def test_the_document_has_nothing_inline() -> None:
    text = (PAGE / "index.html").read_text()
    assert [] == re.findall(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", text)


def test_colours_stand_in_one_file() -> None:
    elsewhere = [path for path in FILES if path.suffix == ".css" and path.name != "tokens.css"]
    assert [] == [relative(path) for path in elsewhere if re.search(r"#[0-9a-fA-F]{3,8}\b", path.read_text())]


def test_the_whole_page_is_small() -> None:
    assert sum(path.stat().st_size for path in FILES) < BYTES_MAX
