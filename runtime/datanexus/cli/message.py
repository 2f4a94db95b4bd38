"""What is said to the user on standard error: errors with what to do, problems in files, notes. Text or JSON lines."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import typer

from datanexus_spec.errors import DataNexusError, InvalidSpec, Problem

EXIT_FAILED = 1


@dataclass(slots=True)
class Messages:
    """Writes messages; remembers the exit code of an error that `reporting` caught."""

    json_lines: bool
    exit_code: int = field(default=0)

    def note(self, text: str, **fields: object) -> None:
        """Something the user should know. Never a result."""
        self._write({"event": "note", "message": text, **fields}, text)

    def error(self, error: DataNexusError) -> None:
        """What went wrong, and what to do."""
        if isinstance(error, InvalidSpec):
            for problem in error.problems:
                self.problem(problem)
        head = typer.style("error", fg=typer.colors.RED, bold=True)
        hint = f"\nhint: {error.hint}" if error.hint else ""
        fields = {"event": "error", "reason": error.reason, "message": error.message, "hint": error.hint}
        self._write(fields, f"{head}: {error.message}{hint}")

    def problem(self, problem: Problem) -> None:
        """One thing wrong in a file, in the form that editors turn into a link."""
        self._write({"event": "problem", **problem_fields(problem)}, problem_text(problem))

    def event(self, fields: Mapping[str, object]) -> None:
        """Something for programs only."""
        if self.json_lines:
            self._write(fields, "")

    def _write(self, fields: Mapping[str, object], text: str) -> None:
        typer.echo(json.dumps(fields, ensure_ascii=False) if self.json_lines else text, err=True)


@contextmanager
def reporting(*, json_lines: bool) -> Iterator[Messages]:
    """Tell an expected error to the user instead of letting it through; `messages.exit_code` says how it ended."""
    messages = Messages(json_lines)
    try:
        yield messages
    except DataNexusError as error:
        messages.error(error)
        messages.exit_code = error.exit_code


def problem_text(problem: Problem) -> str:
    """`file:line:column: path: found …, expected …` and what was probably meant."""
    place = ":".join(str(part) for part in (problem.file, problem.line, problem.column) if part)
    path = f"{problem.path}: " if problem.path else ""
    return f"{place}: {path}found {problem.found}, expected {problem.expected}{_suggested(problem.suggestion)}"


def _suggested(suggestion: str) -> str:
    """A suggestion is what to write instead, or a sentence."""
    if not suggestion:
        return ""
    return f"\n    {suggestion}" if " " in suggestion else f"\n    did you mean `{suggestion}`?"


def problem_fields(problem: Problem) -> dict[str, object]:
    """A problem for programs."""
    return {name: getattr(problem, name) for name in Problem.__slots__}


def result(text: str) -> None:
    """A result, to standard output."""
    sys.stdout.write(text)
    sys.stdout.flush()


def result_bytes(content: bytes) -> None:
    """A binary result, to standard output."""
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()
