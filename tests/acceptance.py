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
        "Fresh clone with nothing but Python and the package registries: `make run` prints the figures of the sample "
        "log; `make test` is green and prints its counts; `make acceptance` lists every line with its test",
        ("tests/docs/*", "tests/tidy/*", "tests/unit/*"),
    ),
    Promise(
        3,
        "Real log (10,000 lines where it is there, else the sample): exact aggregates and the counts of passed, "
        "duplicate and quarantined equal an independent computation by DuckDB from the raw lines; sketches are "
        "bit-equal to the naive reference and within their stated error",
        ("tests/contract/test_access_log_oracle.py*", "tests/property/aggregates/test_sketches.py*"),
    ),
    Promise(
        3,
        "Naive reference: every window kind × aggregate × lateness over random streams (disorder, duplicates, late, "
        "idle splits, resets, negative times, several splits, one- and two-stage plans, 1-8 partitions), coverage "
        "printed; cuts tile every split, each cut's watermark is recomputed, sink files are compared",
        (
            "tests/property/test_engine_against_reference.py*",
            "tests/property/test_reference.py*",
            "tests/unit/core/test_watermark.py*",
        ),
    ),
    Promise(
        3,
        "Split and permutation invariance; restore(snapshot(s)) = s byte for byte",
        ("tests/property/windows/*", "tests/property/aggregates/test_laws.py*", "tests/property/dedup/*"),
    ),
    Promise(
        3,
        "SQL expressions and ad hoc queries equal PostgreSQL's own answers over generated rows and expressions, with "
        "null, overflow, division, text and zone cases",
        ("tests/contract/test_expression_oracle.py*", "tests/contract/test_query_oracle.py*"),
    ),
    Promise(
        3,
        "Crash: failpoints before and after every writing port call, and a test that fails where one is missing; "
        "SIGKILL at each and at random moments (50 in soak), a cut and a snapshot before the kill; the naive "
        "reference is the oracle",
        ("tests/crash/*",),
    ),
    Promise(
        3,
        "Conservation over fuzzed input of 1 M lines: 20 named mutations or more, each lane's "
        "printed count above 0, input counted independently",
        ("tests/property/test_conservation.py*",),
    ),
    Promise(
        3,
        "Ten million records over one million keys: peak RSS ≤ 1.5 × the computed live state + 300 MB; slope over the "
        "second half ≤ 1 MB per million records",
        figures=("memory peak", "memory slope"),
    ),
    Promise(
        3,
        "Speed per CPU-second on one core with cuts, snapshots and accounting on: tumbling ≥ 0.6 × the Numba prototype "
        "and ≥ 6 × the plain loop; hopping ≥ 0.5 × and session ≥ 0.3 × tumbling; Arrow in ≥ 1.3 × NDJSON and ≥ 0.6 × "
        "the prototype fed arrays",
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
        "Golden tests of every user-facing message; `validate` reports all errors of a broken file at once with line "
        "and column",
        ("tests/golden/*", "tests/unit/cli/*", "tests/unit/spec/*"),
    ),
    Promise(
        4,
        "Fresh clone: `make run` opens on the page with the sample log's figures and a live generated stream beside "
        "it; README's picture is that page; every command block in README and tutorial is run by a test",
        ("tests/docs/*", "tests/page/test_page.py*"),
    ),
    Promise(
        4,
        "HTTP: killed with SIGKILL at every failpoint under load, an answered record is never missing and one sent "
        "again with its Idempotency-Key never twice; 1,000 concurrent clients, slow and half-open ones, bodies cut in "
        "the middle, bombs, wrong content types: a clear problem each, memory bounded, others unaffected",
        (
            "tests/gateway/test_crash_under_load.py*",
            "tests/gateway/test_hostile_clients.py*",
            "tests/gateway/test_ingest.py*",
            "tests/gateway/test_inflation.py*",
            "tests/gateway/test_own_errors.py*",
            "tests/gateway/test_description.py*",
            "tests/contract/test_sqlite_log.py*",
        ),
    ),
    Promise(
        4,
        "`up` switches a changed pipeline under load with random SIGKILLs, ten times here and fifty in soak: results "
        "equal the naive reference of the same version history (cuts tile every split, watermarks recomputed); the "
        "pause of switches without a kill and the time from SIGTERM to exit 0 are printed",
        ("tests/crash/test_switches.py*",),
    ),
    Promise(
        4,
        "A followed file that grows, is rotated, truncated, replaced or compressed meanwhile loses and repeats nothing",
        (
            "tests/contract/test_followed_files.py*",
            "tests/property/test_followed_files.py*",
            "tests/crash/test_followed_files.py*",
        ),
    ),
    Promise(
        4,
        "Live: a subscriber that reconnects anywhere sees every change once and in order",
        ("tests/unit/engine/test_feed.py*", "tests/gateway/test_live.py*"),
    ),
    Promise(
        4,
        "Quarantine: after a corrected spec, or mended, records return at their event time and once; what falls into "
        "purged windows goes to the late lane, and the dry run says how many; purge deletes",
        ("tests/contract/test_replay.py*", "tests/page/test_quarantine.py*"),
    ),
    Promise(
        4,
        "`init` on the given real data sets (access log, nginx status, NAB series) and on ten awkward made ones "
        "(semicolon CSV, BOM, epoch in µs, nested JSON, mixed types, no time field) gives a file that runs, or says "
        "precisely what it could not tell",
        ("tests/init/*", "tests/property/test_init.py*"),
    ),
    Promise(
        4,
        "`test` compares cases with a readable diff, `plan` says what a change means, commands are completed; five "
        "samples (orders, counters, sensors, two sources, clickstream) each run in a test, against figures made "
        "without the engine",
        (
            "tests/contract/test_samples.py*",
            "tests/golden/test_case_files.py*",
            "tests/golden/test_plan_command.py*",
            "tests/golden/test_changes.py*",
            "tests/golden/test_how_to.py*",
            "tests/unit/plan/test_field_change.py*",
            "tests/unit/verification/*",
            "tests/unit/cli/test_completion.py*",
        ),
    ),
    Promise(
        4,
        "Real browser (headless Chromium): the page loads without a console error or a breach of its content policy, "
        "moves by itself, a quarantined record is fixed and replayed on it and figures follow; axe-core finds no "
        "serious fault in both colour schemes; it works with the keyboard alone and 360 pixels wide",
        ("tests/page/*",),
    ),
    Promise(
        4,
        "`make bench`, same file, same question with exact de-duplication, per CPU-second on one core: ≥ 10 × Bytewax, "
        "≥ 10 × Pathway, ≥ 8 × Flink SQL, ≥ 0.8 × the Numba prototype, ≥ 0.5 × DuckDB's whole-file group-by; text "
        "lines by regular expression ≥ 0.25 × NDJSON; HTTP, answered after durable, ≥ 0.4 × the file path; from the "
        "POST that carries the closing record to the row visible at 10 k records/s: p99 ≤ 100 ms",
        figures=(
            "tumbling / Bytewax",
            "tumbling / Pathway",
            "tumbling / Flink SQL",
            "tumbling / Numba prototype",
            "tumbling / DuckDB",
            "text / tumbling",
            "text, choices / tumbling",
            "text, RE2 / tumbling",
            "http / tumbling",
            "latency p99, live",
            "latency p99, query",
        ),
    ),
    Promise(
        4,
        "After `make install`: first result of the sample ≤ 5 s, second start ≤ 2 s",
        figures=("start-up: first result", "start-up: second start"),
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
