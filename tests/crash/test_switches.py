"""`up` switches a changed pipeline while records come, killed at random moments: the results are what the reference
makes of the same history of versions and cuts.

Versions differ in the watermark's delay and in which views there are. Checked in the end: cuts tile every split,
watermark, tables, counters, quarantine, and the sink files of views that were never dropped.
"""

import asyncio
import json
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from datanexus.pipeline_files import read_pipelines
from datanexus.stored_results import stored_results
from tests.property.streams import Case, generate
from tests.reference.comparison import expected_rows, file_problems, row_key, row_problems, tuples_of
from tests.reference.description import Cut, Pipeline
from tests.reference.pipeline import run_versions

ROOT = Path(__file__).parents[2]
NAME = "random"
SWITCHES = 50 if os.environ.get("DATANEXUS_SOAK") == "1" else 10
SEED = int(os.environ.get("DATANEXUS_SEED", random.SystemRandom().randrange(10**6)))
DEADLINE_S = 60.0
STOP_S = 5.0
KILL_SHARE = 0.5
_ACTIVE = re.compile(r"revision (\w+) is active(?: after a pause of (\d+) ms)?")


@dataclass(frozen=True, slots=True)
class Version:
    """One spec: as a file holds it, and as the reference reads it."""

    manifest: Mapping[str, Any]
    pipeline: Pipeline


@dataclass
class Child:
    """`up` in a process of its own, with what it said."""

    process: "subprocess.Popen[str]"
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.listener = threading.Thread(target=self._listen)
        self.listener.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line.rstrip("\n"))

    def end(self, number: signal.Signals) -> int:
        """Send a signal and wait for the end."""
        self.process.send_signal(number)
        code = self.process.wait(DEADLINE_S)
        self.listener.join(DEADLINE_S)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


@pytest.mark.soak
def test_switches_under_load_with_kills_give_what_the_history_says(tmp_path: Path) -> None:
    case, versions = _draw(SEED)
    draw = random.Random(SEED)
    print(f"seed {SEED}, {SWITCHES} switches")
    load = _Load(case, tmp_path, SWITCHES + 1)
    load.add()
    _write(tmp_path, versions[0])
    child = _start(case, tmp_path)
    pauses: list[int] = []
    version = 0
    for _ in range(SWITCHES):
        _wait_active(child, 1)
        version = draw.choice([other for other in range(len(versions)) if other != version])
        actives = len(_active(child))
        _write(tmp_path, versions[version])
        load.add()
        if draw.random() < KILL_SHARE:
            time.sleep(draw.random())
            child.end(signal.SIGKILL)
            child = _start(case, tmp_path)
            continue
        _wait_active(child, actives + 1)
        pauses += [int(pause) for _, pause in _active(child)[actives:] if pause]
    _wait(lambda: _records_read(tmp_path) == load.total, f"{load.total} records are read", child)
    _wait_active(child, 1)
    began_s = time.monotonic()
    assert 0 == child.end(signal.SIGTERM), child.said
    took_s = time.monotonic() - began_s
    print(f"pause of switches without a kill: p50 {statistics.median(pauses or [0]):.0f} ms, {sorted(pauses)}")
    print(f"SIGTERM to exit 0: {took_s:.2f} s; the bar is {STOP_S} s")
    assert [] == asyncio.run(_problems(case, versions, tmp_path))


class _Load:
    """Lets the files of a case grow, a share of their lines at a time."""

    def __init__(self, case: Case, folder: Path, steps: int) -> None:
        self._case = case
        self._folder = folder
        self._steps = steps
        self._step = 0
        self.total = sum(len(records) for records in case.splits.values())

    def add(self) -> None:
        for name, lines in self._case.lines.items():
            # Each file begins with a line: one that is found empty is no split yet, and holds nothing back.
            begin, end = (max(len(lines) * step // self._steps, step > 0) for step in (self._step, self._step + 1))
            with (self._folder / name).open("ab") as file:
                file.write(b"".join(lines[begin:end]))
                if end == len(lines) and lines and not lines[-1].endswith(b"\n"):
                    file.write(b"\n")  # a followed line is a record once it ends
        self._step += 1


def _draw(seed: int) -> tuple[Case, Sequence[Version]]:
    """The first case of this seed with enough records and three views or more, in four versions."""
    for index in range(1000):
        case = generate(seed, index)
        if len(case.pipeline.views) >= 3 and sum(map(len, case.splits.values())) >= 300:
            return case, [_version(case, *difference) for difference in ((0, None), (2, 0), (0, 1), (5, None))]
    raise AssertionError(f"no case of seed {seed} fits")


def _version(case: Case, delay_s: int, dropped: int | None) -> Version:
    """The case with another delay, without one of its views; no split ever goes idle."""
    manifest = deepcopy(case.manifest)
    spec: Any = manifest["spec"]
    spec["watermark"] = {**spec["watermark"], "delay": f"{delay_s}s", "idleAfter": "1h"}
    views = list(case.pipeline.views)
    if dropped is not None:
        gone = views.pop(dropped).name
        spec["views"] = [view for view in spec["views"] if view["name"] != gone]
        spec["sinks"] = [sink for sink in spec.get("sinks", ()) if sink["view"] != gone]
    watermark = replace(case.pipeline.watermark, delay_us=delay_s * 1_000_000)
    return Version(manifest, replace(case.pipeline, views=tuple(views), watermark=watermark))


def _write(folder: Path, version: Version) -> None:
    """Change the pipeline's file at once, as an editor does."""
    written = folder / "pipeline.yaml.new"
    written.write_text(json.dumps(version.manifest))
    written.rename(folder / "pipeline.yaml")


def _start(case: Case, folder: Path) -> Child:
    arguments = [folder / "pipeline.yaml", folder / "data", folder / "history", case.quantum, case.cut_records, 3]
    command = [sys.executable, "-m", "tests.crash.up_child", *map(str, arguments)]
    return Child(subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))


def _active(child: Child) -> list[tuple[str, str]]:
    """Each revision that became active, with the pause before it in ms."""
    return [found.groups() for line in list(child.said) if (found := _ACTIVE.search(line))]  # type: ignore[misc]


def _wait_active(child: Child, count: int) -> None:
    _wait(lambda: len(_active(child)) >= count, f"revision number {count} of this process is active", child)


def _wait(condition: Callable[[], object], what: str, child: Child) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert child.process.poll() is None, f"ended with {child.process.returncode}: {child.said}"
        assert time.monotonic() < deadline_s, f"not within {DEADLINE_S} s: {what}; {child.said}"
        time.sleep(0.02)


@dataclass(frozen=True, slots=True)
class _Logged:
    cut: Cut
    reference_us: int


def _history(folder: Path, splits: Collection[str]) -> list[tuple[str, dict[int, _Logged]]]:
    """The revisions that were active, each with its committed cuts by number. `splits`: all that may be in a cut."""
    revisions: list[tuple[str, dict[int, _Logged]]] = []
    unsure: str | None = None
    for line in (folder / "history").read_text().splitlines():
        entry = json.loads(line)
        if "claiming" in entry:
            if unsure is not None and entry["stored"] == unsure:  # that claim was committed before the kill
                revisions.append((unsure, {}))
            unsure = entry["claiming"]
        elif "claimed" in entry:
            unsure = None
            if not revisions or revisions[-1][0] != entry["claimed"]:
                revisions.append((entry["claimed"], {}))
            for _, cuts in revisions:  # a cut beyond the fence was not committed
                for seq in [seq for seq in cuts if seq > entry["seq"]]:
                    del cuts[seq]
        else:
            active = {name for name, split in json.loads(entry["splits"]).items() if split["status"] == "active"}
            finished = set(splits) - active
            reads = tuple((name, rows) for name, rows in json.loads(entry["reads"]))
            revisions[-1][1][entry["cut"]] = _Logged(Cut(reads, frozenset(finished)), entry["us"])
    return revisions


def _records_read(folder: Path) -> int:
    return sum(rows for _, cuts in _history(folder, ()) for logged in cuts.values() for _, rows in logged.cut.reads)


async def _problems(case: Case, versions: Sequence[Version], folder: Path) -> list[str]:
    """Every difference between what the store holds and the reference over the same history."""
    history = _history(folder, case.splits)
    by_revision = _revisions(versions, folder)
    seqs = [seq for _, cuts in history for seq in sorted(cuts)]
    if seqs != list(range(1, len(seqs) + 1)):
        return [f"cuts are numbered {seqs}"]
    read: Counter[str] = Counter()
    for _, cuts in history:
        for logged in cuts.values():
            for name, count in logged.cut.reads:
                read[name] += count
    sizes = {name: len(records) for name, records in case.splits.items() if records}
    if dict(read) != sizes:
        return [f"records read: expected {sizes}, got {dict(read)}"]
    result = run_versions(
        [
            (by_revision[revision], [(cuts[seq].cut, cuts[seq].reference_us) for seq in sorted(cuts)])
            for revision, cuts in history
        ],
        case.splits,
    )
    problems: list[str] = []
    async with stored_results(folder / "data") as store:
        (last,) = (await store.cuts(NAME, seqs[-1] - 1))[-1:]
        if last.watermark_us != result.watermark_us:
            problems.append(f"watermark: expected {result.watermark_us}, got {last.watermark_us}")
        counters = await store.counters(NAME)
        expected = {name: count for name, count in result.counters.items() if count}
        if expected != {name: count for name, count in counters.items() if count}:
            problems.append(f"counters: expected {expected}, got {dict(counters)}")
        found = Counter((row.split, row.position, row.stage) for row in await store.quarantine(NAME, 10**6))
        wanted = Counter((one.split, one.position, one.stage) for one in result.quarantine)
        if wanted != found:
            problems.append(f"quarantine: missing {wanted - found}, unexpected {found - wanted}")
        for view in by_revision[history[-1][0]].views:
            rows = tuples_of(await store.query(f'SELECT * FROM "{NAME}"."{view.name}"'))
            shown = {row_key(row, len(view.group_by)): row[:-1] for row in rows}
            table = expected_rows(result.tables[view.name].values())
            problems += [f"view {view.name}: {problem}" for problem in row_problems(table, shown)]
    stable = set.intersection(*({view.name for view in version.pipeline.views} for version in versions))
    for name in sorted(stable):
        problems += file_problems(name, expected_rows(result.finals[name]), folder / "out" / name)
    return problems


def _revisions(versions: Sequence[Version], folder: Path) -> Mapping[str, Pipeline]:
    """The reference's pipeline by the revision that the plan gives the spec."""
    found = {}
    for version in versions:
        _write(folder, version)
        (planned,) = read_pipelines([folder / "pipeline.yaml"], {})
        found[planned.plan.revision] = version.pipeline
    return found
