"""`make acceptance`: every promise, the tests or benchmark figures that show it, and their last result.

Results come from the last `make test` or `make soak` (build/test-results) and `make bench` (build/bench.json).
A promise holds when each of its selectors matched at least one test and all matched tests passed; a figure holds
when it reached its bar in the last run. Everything else is open. The exit code says only whether the table was made.
"""

import fnmatch
import json
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "build" / "test-results"
BENCH = ROOT / "build" / "bench.json"


@dataclass(frozen=True, slots=True)
class Promise:
    """`tests`: patterns of node ids. `figures`: names in the benchmark's result. `open`: why it does not hold yet."""

    issue: int
    text: str
    tests: tuple[str, ...] = ()
    figures: tuple[str, ...] = ()
    open: str = ""


PROMISES = (
    Promise(
        3,
        "Fresh clone: `make run` prints the figures of the sample log; `make test` is green and prints its counts",
        ("tests/golden/test_readme.py*",),
    ),
    Promise(
        3,
        "Real log: exact aggregates and lane counts equal DuckDB's own parse; sketches equal the naive reference",
        ("tests/contract/test_access_log_oracle.py*",),
    ),
    Promise(
        3,
        "Naive reference over every window × aggregate × lateness; cuts tile every split; watermarks recomputed; sinks",
        ("tests/property/test_engine_against_reference.py*",),
    ),
    Promise(
        3,
        "Split and permutation invariance; restore(snapshot(s)) = s byte for byte",
        ("tests/property/*",),
    ),
    Promise(
        3,
        "SQL expressions and ad hoc queries equal PostgreSQL's answers",
        ("tests/contract/test_expression_oracle.py*", "tests/contract/test_query_oracle.py*"),
    ),
    Promise(3, "Crash: SIGKILL at each failpoint and at random moments", ("tests/crash/*",)),
    Promise(
        3,
        "Conservation over fuzzed input: at least 20 mutations, each lane's count above 0 (1 M lines in soak)",
        ("tests/property/test_conservation.py*",),
    ),
    Promise(
        3,
        "Ten million records over one million keys: memory bounded",
        figures=("memory peak", "memory slope"),
    ),
    Promise(
        3,
        "Speed beside the Numba prototype and the plain loop",
        figures=(
            "tumbling / prototype",
            "tumbling / loop",
            "hopping / tumbling",
            "session / tumbling",
            "arrow / tumbling",
            "arrow / prototype-arrays",
        ),
    ),
    Promise(
        3,
        "Golden tests of every user-facing message; `validate` reports all errors at once with line and column",
        ("tests/golden/*",),
    ),
)


def main() -> int:
    """Print the ledger."""
    outcomes: dict[str, str] = {}
    for file in sorted(RESULTS.glob("*.json")):
        outcomes |= json.loads(file.read_text())
    figures: dict[str, dict[str, float]] = json.loads(BENCH.read_text()) if BENCH.exists() else {}
    for promise in PROMISES:
        state, lines = judge(promise, outcomes, figures)
        print(f"[{state}] issue {promise.issue}: {promise.text}")
        for line in lines:
            print(f"         {line}")
    return 0


def judge(promise: Promise, outcomes: dict[str, str], figures: dict[str, dict[str, float]]) -> tuple[str, list[str]]:
    """`holds` or `open`, and what was seen for each selector and figure."""
    lines: list[str] = []
    holds = not promise.open
    for pattern in promise.tests:
        seen = [outcome for node, outcome in outcomes.items() if fnmatch.fnmatch(node, pattern)]
        passed = seen.count("passed")
        holds &= bool(seen) and passed == len(seen)
        lines.append(f"{pattern}: {passed} of {len(seen)} passed" if seen else f"{pattern}: not run")
    for name in promise.figures:
        figure = figures.get(name)
        if figure is None:
            holds = False
            lines.append(f"{name}: not measured")
            continue
        reached = figure["value"] <= figure["bar"] if figure.get("at_most") else figure["value"] >= figure["bar"]
        holds &= reached
        lines.append(f"{name}: {figure['value']:.3g}, bar {figure['bar']:.3g}{'' if reached else ': not reached'}")
    if promise.open:
        lines.append(promise.open)
    return ("holds" if holds else "open "), lines


if __name__ == "__main__":
    sys.exit(main())
