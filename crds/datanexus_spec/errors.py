"""What can go wrong, as a tree; the class says who can act.

DataNexusError
├── InvalidInput      the user: a file, a resource, a flag, an expression; never retried; exit code 2
│   └── InvalidSpec   a resource file, with every problem found in it
├── Incompatible      a person: stored state and what was asked do not fit; nothing was changed; exit code 2
├── Unavailable       time: disk full, folder locked, a server away; exit code 1
├── Conflict          nobody: another owner holds the epoch; stop at once; exit code 1
└── Corrupt           a person: stored data breaks an invariant; stop, never overwrite; exit code 1

A record that fails is no exception but a value: see `core.rejection`. Bugs are AssertionError or TypeError.
Each error has a `reason` (CamelCase, closed set), a message (which object, what was found, what was expected) and
a hint (what to do).
"""

from dataclasses import dataclass
from typing import ClassVar


class DataNexusError(Exception):
    """The root. `reason` is the one word used in status, metrics and logs."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, reason: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason
        self.hint = hint


class InvalidInput(DataNexusError):
    """The user gave something that cannot work; the message says what and where."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a resource file. `line` and `column` count from 1; 0 where there is no position."""

    file: str
    path: str  # spec.views[0].aggregates[2].expr
    line: int
    column: int
    found: str
    expected: str
    suggestion: str = ""


class InvalidSpec(InvalidInput):
    """A resource file with all the problems found in it, in the order of the file."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        files = sorted({problem.file for problem in problems})
        count = len(problems)
        super().__init__(f"{', '.join(files)}: {count} problem{'' if count == 1 else 's'}", reason="InvalidSpec")
        self.problems = problems


class Incompatible(DataNexusError):
    """Stored state and the request do not fit; nothing was changed."""

    exit_code = 2


class Unavailable(DataNexusError):
    """Something outside is away or full; trying again later can succeed."""


class Conflict(DataNexusError):
    """Another owner took over: its epoch is higher. Nothing of this cut was written."""


class Corrupt(DataNexusError):
    """Stored data breaks an invariant; nothing was overwritten."""
