"""SIGKILL at every failpoint, before and after each writing call of each port, and at random moments.

After the kill the same command is run again; tables, counters, quarantine and sink files must be the naive reference's.
"""

import os
import random
import subprocess
from pathlib import Path

import pytest

from datanexus.ports.blob import Blobs
from datanexus.ports.failpoint import failpoints
from datanexus.ports.log import Log
from datanexus.ports.sink import Sink
from datanexus.ports.source import Source
from datanexus.ports.store import Store
from tests.crash.scenario import (
    DEADLINE_S,
    KILLED,
    Scenario,
    assert_ground_lies_before,
    copy,
    draw_scenario,
    problems,
    run_child,
    start_child,
)

SOAK = os.environ.get("DATANEXUS_SOAK") == "1"
SEED = int(os.environ.get("DATANEXUS_SEED", random.SystemRandom().randrange(10**6)))
RANDOM_KILLS = 50 if SOAK else 5
PORTS = (Store, Blobs, Log, Sink, Source)
FRESH_ONLY = ("store.forget:", "sink.clear", "log.forget:")  # calls of --fresh
LOG_ONLY = ("log.append", "log.trim", "log.forget_repeats")  # of a source that has no file: test_stdin.py
ASKED_ONLY = ("store.purge_quarantine:",)  # calls that a person asks for: test_purge.py
POINTS = [point for port in PORTS for point in failpoints(port)]
GROWING = [point for point in POINTS if not point.startswith((*FRESH_ONLY, *LOG_ONLY, *ASKED_ONLY))]
FRESH = [point for point in POINTS if point.startswith(FRESH_ONLY)]


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    print(f"seed {SEED}")
    return draw_scenario(SEED)


@pytest.fixture(scope="module")
def prepared(scenario: Scenario, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Phase 1 at its end, and the file of phase 2 beside it."""
    folder = tmp_path_factory.mktemp("crash") / "prepared"
    scenario.write(folder, scenario.first)
    assert run_child(scenario, folder) == 0
    assert_ground_lies_before(folder)
    scenario.write(folder, (scenario.added,))
    return folder


def test_every_writing_call_of_every_port_has_its_failpoints() -> None:
    """A method that changes something outside is marked; the names below are all there are."""
    expected = {
        "store": ("acknowledge", "claim", "commit", "forget", "forget_cuts", "purge", "purge_quarantine"),
        "blobs": ("delete", "put"),
        "log": ("append", "forget", "forget_repeats", "trim"),
        "sink": ("clear", "publish", "retract"),
        "source": ("release",),
    }
    points = {
        f"{port}.{call}:{edge}" for port, calls in expected.items() for call in calls for edge in ("before", "after")
    }
    assert points == set(POINTS)


@pytest.mark.parametrize("point", GROWING)
@pytest.mark.parametrize("nth", (1, 2, 3) if SOAK else (1,))
def test_a_kill_at_a_failpoint_changes_no_figure(
    point: str, nth: int, scenario: Scenario, prepared: Path, tmp_path: Path
) -> None:
    folder = copy(prepared, tmp_path / "run")
    killed = run_child(scenario, folder, f"{point}@{nth}")
    assert killed == KILLED or nth > 1, f"seed {SEED}: {point} was not reached"
    assert run_child(scenario, folder) == 0
    assert [] == problems(scenario, folder, scenario.expected())[:5], f"seed {SEED}"


@pytest.mark.parametrize("point", FRESH)
def test_a_kill_while_starting_over_leaves_a_fresh_start_possible(
    point: str, scenario: Scenario, prepared: Path, tmp_path: Path
) -> None:
    folder = copy(prepared, tmp_path / "run")
    assert run_child(scenario, folder, point, "--fresh") == KILLED
    assert run_child(scenario, folder, "--fresh") == 0
    assert [] == problems(scenario, folder, scenario.expected_fresh())[:5], f"seed {SEED}"


@pytest.mark.parametrize("number", range(RANDOM_KILLS))
def test_kills_at_random_moments_change_no_figure(
    number: int, scenario: Scenario, prepared: Path, tmp_path: Path
) -> None:
    """Three kills in a row, each some moment after a run has begun its work; then one run to the end."""
    draw = random.Random(f"{SEED}/{number}")
    folder = copy(prepared, tmp_path / "run")
    for _ in range(3):
        with start_child(scenario, folder) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            try:
                process.wait(timeout=draw.uniform(0, 0.6))
            except subprocess.TimeoutExpired:
                process.kill()
            assert process.wait(DEADLINE_S) in (0, KILLED)
    assert run_child(scenario, folder) == 0
    assert [] == problems(scenario, folder, scenario.expected())[:5], f"seed {SEED}"
