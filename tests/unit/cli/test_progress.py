"""Progress: one line that goes away on a terminal, JSON lines for programs, nothing elsewhere."""

import io
import json

import pytest
from rich.console import Console

from datanexus.cli.message import Messages
from datanexus.cli.progress import ProgressDisplay
from datanexus.engine.running import Progress

REPORT = Progress("web", 1_000, 50, 100, 1_431_857_100_000_000, 1, "access/a.log")


def shown(*, is_terminal: bool, json_lines: bool) -> str:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=is_terminal, width=120)
    with ProgressDisplay(Messages(json_lines), console) as display:
        display.observe(REPORT)
        display.observe(REPORT)
    return stream.getvalue()


def test_on_a_terminal_it_is_one_line_that_goes_away() -> None:
    text = shown(is_terminal=True, json_lines=False)
    assert 2 == text.count("1,000 records")  # the second report came too soon; rich draws once more before it clears
    assert "50%" in text
    assert text.endswith("\x1b[2K")


def test_elsewhere_there_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert "" == shown(is_terminal=False, json_lines=False)
    assert ("", "") == capsys.readouterr()


def test_for_programs_it_is_json_lines_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert "" == shown(is_terminal=True, json_lines=True)
    out, errors = capsys.readouterr()
    (line,) = errors.splitlines()
    assert ("", "web", 1_000) == (out, json.loads(line)["pipeline"], json.loads(line)["records"])
