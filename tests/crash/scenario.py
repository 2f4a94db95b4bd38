"""A pipeline whose input grows once, run in child processes that can be killed at any point.

Phase 1 reads all files but the last to the end, so cuts, snapshots and an end-of-input flush lie behind every kill of
phase 2, which adds the last file. What must come out in the end is computed by the naive reference alone.
"""

import asyncio
import json
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from datanexus.stored_results import stored_results
from tests.property.streams import Case, generate
from tests.reference.comparison import expected_rows, file_problems, row_key, row_problems, tuples_of
from tests.reference.description import Cut, Outcome
from tests.reference.pipeline import run, run_cuts

ROOT = Path(__file__).parents[2]
PIPELINE = "random"
KILLED = -9
DEADLINE_S = 120
_KEEP = "36500d"  # retention runs, and removes nothing
REFERENCE_US = 4_000_000_000_000_000  # after every event time drawn; runs of today would do as well


@dataclass(frozen=True, slots=True)
class Scenario:
    """A case with several files, made so that each phase has several cuts."""

    case: Case
    first: tuple[str, ...]
    added: str

    def write(self, folder: Path, names: tuple[str, ...]) -> Path:
        """Put some of the input files, and the resource, into a folder; returns the resource's path."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            (folder / name).write_bytes(b"".join(self.case.lines[name]))
        path = folder / "pipeline.yaml"
        path.write_text(json.dumps(self.case.manifest))
        return path

    def expected(self) -> Outcome:
        """The two phases by the reference: the second asks every file anew."""
        case = self.case
        before = {f"events/{name}": case.splits[f"events/{name}"] for name in self.first}
        first = run_cuts(case.pipeline, before, REFERENCE_US, case.quantum, case.cut_records)
        # A file that is not there yet holds nothing back.
        cuts = [Cut(cut.reads, cut.finished | {f"events/{self.added}"}) for cut in first]
        cuts += run_cuts(case.pipeline, case.splits, REFERENCE_US, case.quantum, case.cut_records, first)
        return run(case.pipeline, case.splits, cuts, REFERENCE_US)

    def expected_fresh(self) -> Outcome:
        """All files in one run from the beginning."""
        case = self.case
        cuts = run_cuts(case.pipeline, case.splits, REFERENCE_US, case.quantum, case.cut_records)
        return run(case.pipeline, case.splits, cuts, REFERENCE_US)


def draw_scenario(seed: int) -> Scenario:
    """The first case of this seed that has two files or more with several cuts each, and sinks."""
    for index in range(1000):
        case = generate(seed, index)
        names = tuple(sorted(case.lines))
        added = names[-1]
        sizes = [len(case.splits[f"events/{name}"]) for name in names]
        if len(names) < 2 or min(sum(sizes[:-1]), sizes[-1]) < 4 * case.cut_records:
            continue
        spec = case.manifest["spec"]
        assert isinstance(spec, dict)
        spec["storage"] = {"results": {"keep": _KEEP}}
        return Scenario(case, names[:-1], added)
    raise AssertionError(f"no case of seed {seed} fits")


def start_child(scenario: Scenario, folder: Path, *options: str) -> "subprocess.Popen[str]":
    """Start one run in a process of its own; it prints `ready` when its work begins."""
    case = scenario.case
    command = [sys.executable, "-m", "tests.crash.child", str(folder / "pipeline.yaml"), str(folder / "data")]
    numbers = [str(case.quantum), str(case.cut_records), "1"]
    return subprocess.Popen(
        [*command, *numbers, *options], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def run_child(scenario: Scenario, folder: Path, *options: str) -> int:
    """One run in a process of its own, waited for; returns its exit code."""
    with start_child(scenario, folder, *options) as process:
        _, errors = process.communicate(timeout=DEADLINE_S)
        assert process.returncode in (0, KILLED), errors
        return process.returncode


def copy(prepared: Path, folder: Path) -> Path:
    """A folder to kill in, as phase 1 left it."""
    shutil.copytree(prepared, folder)
    return folder


def assert_ground_lies_before(folder: Path) -> None:
    """A cut and a snapshot lie behind the kill that comes."""
    manifests = list((folder / "data" / "blobs" / PIPELINE).glob("manifest-*"))
    assert manifests, "no snapshot before the kill"
    assert asyncio.run(_last_cut(folder / "data")) > 0, "no cut before the kill"


async def _last_cut(data: Path) -> int:
    async with stored_results(data) as store:
        return max((cut.seq for cut in await store.cuts(PIPELINE, 0)), default=0)


def problems(scenario: Scenario, folder: Path, expected: Outcome) -> list[str]:
    """Every difference between what a query, the counters, quarantine and the sinks show and the reference."""
    return asyncio.run(_problems(scenario.case, folder, expected))


async def _problems(case: Case, folder: Path, expected: Outcome) -> list[str]:
    found: list[str] = []
    async with stored_results(folder / "data") as store:
        counters = {name: count for name, count in (await store.counters(PIPELINE)).items() if count}
        quarantined = await store.quarantine(PIPELINE, 1_000_000)
        for view in case.pipeline.views:
            rows = tuples_of(await store.query(f'SELECT * FROM "{PIPELINE}"."{view.name}"'))
            groups = len(view.group_by)
            table = {row_key(row, groups): row[:-1] for row in rows}
            if len(table) != len(rows):
                found.append(f"view {view.name}: rows that share a key")
            wanted = expected_rows(expected.tables[view.name].values())
            found += [f"view {view.name}: {problem}" for problem in row_problems(wanted, table)]
            found += file_problems(view.name, wanted, folder / "out" / view.name)
    last = expected.cuts[-1]
    if counters != {name: count for name, count in last.counters.items() if count}:
        found.append(f"counters: expected {last.counters}, got {counters}")
    kept = Counter((entry.split, entry.position, entry.stage) for entry in quarantined)
    if kept != Counter((one.split, one.position, one.stage) for one in last.quarantine):
        found.append(f"quarantine: {len(last.quarantine)} entries expected, {len(quarantined)} found, or others")
    return found
