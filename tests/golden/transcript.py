"""Run commands in this process and write down what a user would see: output, errors marked `!`, exit code."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from datanexus.cli.app import app

# What differs from run to run: how long it took, and where the test's folder is.
_VARYING = (
    (re.compile(r"in [\d.]+ (?:s|m) \([\d,]+/s\)"), "in … s (…/s)"),
    (re.compile(r'"seconds": [\d.]+'), '"seconds": 0.0'),
    (re.compile(r"process \d+"), "process …"),
)


class Transcript:
    """Collects commands and what they said. Commands run in `folder`."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capture = capture
        self._parts: list[str] = []

    def run(self, *arguments: str) -> str:
        """Run a command and write it down; returns its standard output."""
        self._capture.readouterr()
        code = _exit_code(arguments)
        told = self._capture.readouterr()
        self._parts.append(f"$ datanexus {' '.join(map(_quoted, arguments))}\n")
        errors = [f"! {line}\n" for line in told.err.splitlines() if '"event": "progress"' not in line]
        self._parts += [told.out, *errors, f"=> {code}\n\n"]
        return told.out

    def output_of(self, *arguments: str) -> str:
        """Run a command that must succeed without writing it down; returns its standard output."""
        self._capture.readouterr()
        assert 0 == _exit_code(arguments)
        return self._capture.readouterr().out

    def text(self) -> str:
        """All so far, without what differs from run to run."""
        text = "".join(self._parts).replace(str(self.folder), "FOLDER")
        for pattern, instead in _VARYING:
            text = pattern.sub(instead, text)
        return text


def _exit_code(arguments: Sequence[str]) -> int:
    try:
        app(list(arguments), prog_name="datanexus")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    return 0


def _quoted(argument: str) -> str:
    return f'"{argument}"' if " " in argument else argument
