"""Processes of a benchmark: started on the benchmark's core, asked for one line of JSON, measured from outside."""

import json
import os
import resource
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build" / "bench"
# One thread each, whatever the library would start.
ONE_THREAD = {
    "POLARS_MAX_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OMP_THREAD_LIMIT": "1",
    "PATHWAY_THREADS": "1",
}
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_SHOWN_LINES = 12
Json = Mapping[str, Any]


class ChildFailed(Exception):
    """A process ended with another status than 0, or answered nothing."""


def own_module(name: str, *arguments: object) -> list[str]:
    """The command of a module in the project's own environment."""
    return [sys.executable, "-m", name, *map(str, arguments)]


def child(command: list[str]) -> tuple[dict[str, Any], resource.struct_rusage]:
    """Run a command to its end: its answer, the last line it prints, and what it used. Raises: ChildFailed."""
    lines, usage = finished(command)
    return json.loads(lines[-1]), usage


def finished(command: list[str]) -> tuple[list[str], resource.struct_rusage]:
    """Run a command to its end: the lines it printed and what it used.

    Raises: ChildFailed, with the end of what it said, also when it printed nothing.
    """
    said = FOLDER / "child.log"
    read, write = os.pipe()
    actions = [
        (os.POSIX_SPAWN_DUP2, write, 1),
        (os.POSIX_SPAWN_CLOSE, read),
        (os.POSIX_SPAWN_OPEN, 2, str(said), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644),
    ]
    child_id = os.posix_spawnp(command[0], command, os.environ, file_actions=actions)
    os.close(write)
    with os.fdopen(read) as answers:
        lines = answers.read().splitlines()
    _, status, usage = os.wait4(child_id, 0)
    if status or not lines:
        tail = "\n".join(said.read_text(errors="replace").splitlines()[-_SHOWN_LINES:])
        raise ChildFailed(f"{' '.join(command)}: status {os.waitstatus_to_exitcode(status)}\n{tail}")
    return lines, usage


def cpu_seconds(process_id: int) -> float:
    """User and system time of a running process so far, all its threads; in steps of a clock tick, 10 ms."""
    fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK_S
