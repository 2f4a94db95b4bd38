"""The engine against the naive reference, over random pipelines and streams.

Every commit of a run is recorded where the engine hands it to the store, and held against the reference after each cut:
watermark, split watermarks, tables (built by applying the changes, which must fit), counters, quarantine and the rows
sinks get; then the SQL views and the sink files at the end. A failure names its seed and case.
"""

import asyncio
import json
import os
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from datanexus import wiring
from datanexus.adapters.embedded.store import open_store
from datanexus.engine.reader import CutSchedule
from datanexus.pipeline_files import read_pipelines
from datanexus.ports.store import Cut, CutRecord, OutboxEntry
from datanexus.stored_results import stored_results
from tests.property.streams import Case, coverage, generate
from tests.reference import description
from tests.reference.comparison import Rows, expected_rows, file_problems, row_key, row_problems, tuples_of
from tests.reference.description import CutResult, Outcome, Table, TableRow
from tests.reference.pipeline import joined, run, run_cuts

CASES = 400
CASES_OF_A_RUN = 40
_SOAK = os.environ.get("DATANEXUS_SOAK") == "1"
_SEED = int(os.environ.get("DATANEXUS_SEED", random.SystemRandom().randrange(10**6)))
_CHUNK = 10
_SHORT = os.environ.get("DATANEXUS_PROFILE") == "short"
_CHUNKS = 1 if _SHORT else (CASES if _SOAK else CASES_OF_A_RUN) // _CHUNK


@dataclass
class Recorded:
    """What the engine handed to its store, in order."""

    cuts: list[Cut] = field(default_factory=list)
    logged: Sequence[CutRecord] = ()
    counters: Mapping[str, int] = field(default_factory=dict)
    views: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)


class _Recorder:
    """A store that also keeps every cut it commits; all else goes to the real one."""

    def __init__(self, store: Any, recorded: Recorded) -> None:
        self._store = store
        self._recorded = recorded

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def commit(self, pipeline: str, epoch: int, cut: Cut) -> Sequence[OutboxEntry]:
        unpublished: Sequence[OutboxEntry] = await self._store.commit(pipeline, epoch, cut)
        self._recorded.cuts.append(cut)
        return unpublished


@dataclass(frozen=True, slots=True)
class Phase:
    """One run of the engine: the share of each file that is there, and after how many cuts it is stopped (0: never)."""

    share: float = 1.0
    stop_after: int = 0


ONE_RUN = (Phase(),)
GROWING = (Phase(0.4), Phase(0.8, stop_after=2), Phase(0.8), Phase(1.0, stop_after=1), Phase(), Phase())


@pytest.mark.soak
@pytest.mark.parametrize(
    ("chunk", "phases"),
    [
        *(pytest.param(chunk, ONE_RUN, id=f"one run-{chunk}") for chunk in range(_CHUNKS)),
        *(pytest.param(chunk, GROWING, id=f"growing input-{chunk}") for chunk in range(0, _CHUNKS, 1 if _SOAK else 2)),
    ],
)
def test_the_engine_equals_the_reference(
    chunk: int, phases: Sequence[Phase], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offset = 0 if _SOAK else _SEED % (CASES // CASES_OF_A_RUN) * CASES_OF_A_RUN
    cases = [generate(_SEED, offset + chunk * _CHUNK + number) for number in range(_CHUNK)]
    print(f"seed {_SEED}, cases {offset + chunk * _CHUNK} …")
    for number, case in enumerate(cases):
        folder = tmp_path / str(number)
        folder.mkdir()
        problems = compare(case, folder, monkeypatch, phases)
        assert [] == problems[:5], f"seed {_SEED}, case {offset + chunk * _CHUNK + number}, in {folder}"


def test_the_matrix_covers_the_product_and_both_numbers_of_stages(tmp_path: Path) -> None:
    found = coverage(generate(_SEED, number) for number in range(CASES))
    stages: Counter[str] = Counter()
    for number in range(CASES_OF_A_RUN):
        plan = read_pipelines([generate(_SEED, number).write(tmp_path)], {})[0].plan
        stages.update(f"{1 + view.two_stage} stage" for view in plan.views)
    print(f"seed {_SEED}, {CASES} cases: {found}; views of the first {CASES_OF_A_RUN}: {dict(stages)}")
    assert found.cells_of_all * 0.98 <= found.cells
    assert min(stages["1 stage"], stages["2 stage"]) >= CASES_OF_A_RUN // 5


def compare(case: Case, folder: Path, monkeypatch: pytest.MonkeyPatch, phases: Sequence[Phase] = ONE_RUN) -> list[str]:
    """Run one case both ways; every difference as a sentence."""
    recorded = run_engine(case, folder, monkeypatch, phases)
    cuts = [cut for cut in recorded.cuts if not cut.terminal]
    ends = [cut.record.seq for cut in recorded.cuts if cut.terminal]
    reference_us = recorded.cuts[0].record.reference_us if recorded.cuts else 0
    expected = run(case.pipeline, case.splits, [_schedule(cut.record) for cut in cuts], reference_us, ends)
    problems = _tiling_problems(case, cuts, reference_us if phases == ONE_RUN else None)
    tables: dict[str, Rows] = {view.name: {} for view in case.pipeline.views}
    counters: Counter[str] = Counter()
    quarantine: Counter[tuple[Any, ...]] = Counter()
    for cut in recorded.cuts:
        place = f"{'end after ' if cut.terminal else ''}cut {cut.record.seq}"
        if cut.terminal:  # its rows go with the next cut
            end, shown = expected.ends[cut.record.seq], {name: dict(rows) for name, rows in tables.items()}
            found = [*_apply(case, shown, cut), *_view_problems(case, cut, shown, end.tables, end.terminal)]
        else:
            result = expected.cuts[cut.record.seq - 1]
            counters.update(cut.counters)
            quarantine.update(_quarantined(cut))
            found = [
                *_apply(case, tables, cut),
                *_cut_problems(cut, result, counters, quarantine),
                *_view_problems(case, cut, tables, result.tables, result.finals),
            ]
        problems += [f"{place}: {problem}" for problem in found]
        if problems:
            return problems
    return _end_problems(case, expected, recorded, folder)


def run_engine(case: Case, folder: Path, monkeypatch: pytest.MonkeyPatch, phases: Sequence[Phase]) -> Recorded:
    """Embedded runs one after the other over files that grow, with everything they committed."""
    recorded = Recorded()
    file = case.write(folder)
    with monkeypatch.context() as patch:
        patch.setattr(wiring, "open_store", lambda path, **how: _Recorder(open_store(path, **how), recorded))
        for phase in phases:
            for name, lines in case.lines.items():
                (folder / name).write_bytes(b"".join(lines[: round(phase.share * len(lines))]))
            asyncio.run(_run(case, file, phase, recorded))
        asyncio.run(_read_back(case, folder, recorded))
    return recorded


async def _run(case: Case, file: Path, phase: Phase, recorded: Recorded) -> None:
    """One run; a stop comes when so many cuts have been made in it."""
    settings = wiring.RunSettings(
        data=file.parent / "data", schedule=CutSchedule(case.quantum, case.cut_records), snapshot_every_cuts=3
    )
    stop, before = asyncio.Event(), len(recorded.cuts)

    def observe(_: object) -> None:
        if phase.stop_after and len(recorded.cuts) - before >= phase.stop_after:
            stop.set()

    await wiring.run_pipelines(read_pipelines([file], {}), settings, observe, stop)


async def _read_back(case: Case, folder: Path, recorded: Recorded) -> None:
    async with stored_results(folder / "data") as store:
        recorded.logged = await store.cuts("random", 0)
        recorded.counters = await store.counters("random")
        for view in case.pipeline.views:
            rows = await store.query(f'SELECT * FROM "random"."{view.name}"')
            recorded.views[view.name] = tuples_of(rows)


def _schedule(record: CutRecord) -> description.Cut:
    """A logged cut as the reference takes it."""
    finished = [name for name, split in json.loads(record.splits).items() if split["status"] == "finished"]
    return description.Cut(tuple((name, rows) for name, rows in json.loads(record.reads)), frozenset(finished))


def _tiling_problems(case: Case, cuts: Sequence[Cut], reference_us: int | None) -> list[str]:
    """The cuts read every record of every split once; and in the stated order, where the run was one."""
    actual = [_schedule(cut.record) for cut in cuts]
    problems = []
    if [cut.record.seq for cut in cuts] != list(range(1, len(cuts) + 1)):
        problems.append(f"cuts are numbered {[cut.record.seq for cut in cuts]}")
    read: Counter[str] = Counter()
    for cut in actual:
        for name, rows in cut.reads:
            read[name] += rows
    sizes = {name: len(records) for name, records in case.splits.items() if records}
    if dict(read) != sizes:
        problems.append(f"records read: expected {sizes}, got {dict(read)}")
    if reference_us is None:
        return problems
    planned = run_cuts(case.pipeline, case.splits, reference_us, case.quantum, case.cut_records)
    for number, (expected, found) in enumerate(zip(planned, actual, strict=False), 1):
        if joined(expected.reads) != joined(found.reads) or expected.finished != found.finished:
            problems.append(f"schedule of cut {number}: expected {expected}, got {found}")
    return problems


def _view_problems(
    case: Case,
    cut: Cut,
    shown: Mapping[str, Rows],
    tables: Mapping[str, Table],
    finals: Mapping[str, Sequence[TableRow]],
) -> list[str]:
    """Tables after a cut, and the rows that became final in it and go to the sink."""
    return [
        f"view {view.name}: {problem}"
        for view in case.pipeline.views
        for problem in (
            *row_problems(expected_rows(tables[view.name].values()), shown[view.name]),
            *row_problems(expected_rows(finals[view.name]), _outbox_rows(case, view.name, cut), "final "),
        )
    ]


def _cut_problems(
    cut: Cut, result: CutResult, counters: Counter[str], quarantine: Counter[tuple[Any, ...]]
) -> list[str]:
    """Watermarks, counters and quarantine after a cut."""
    problems = []
    if result.watermark_us != cut.record.watermark_us:
        problems.append(f"watermark: expected {result.watermark_us}, got {cut.record.watermark_us}")
    splits = {name: split["watermark_us"] for name, split in json.loads(cut.record.splits).items()}
    if result.split_watermarks_us != splits:
        problems.append(f"split watermarks: expected {result.split_watermarks_us}, got {splits}")
    expected = {name: count for name, count in result.counters.items() if count}
    if expected != {name: counters[name] for name in counters if counters[name] and name in result.counters}:
        problems.append(f"counters: expected {expected}, got {dict(counters)}")
    wanted = Counter((one.split, one.position, one.stage, one.subject) for one in result.quarantine)
    if wanted != quarantine:
        problems.append(f"quarantine: missing {wanted - quarantine}, unexpected {quarantine - wanted}")
    return problems


def _quarantined(cut: Cut) -> list[tuple[Any, ...]]:
    rows = cut.quarantined.to_pylist()
    return [
        (row["split"], row["position"], row["stage"], row["subject"] if row["stage"] == "late" else "") for row in rows
    ]


def _apply(case: Case, tables: dict[str, Rows], cut: Cut) -> list[str]:
    """Change the tables as the cut says; what does not fit is a problem."""
    problems = []
    for change in cut.changes:
        table, groups = tables[change.view], _group_count(case, change.view)
        deleted = tuples_of(change.deleted)
        absent = [row for row in deleted if table.pop(row_key(row, groups), None) is None]
        problems += [f"view {change.view} deletes a row that is not there: {row}" for row in absent]
        for row in tuples_of(change.replaced):
            if row_key(row, groups) not in table:
                problems.append(f"view {change.view} replaces a row that is not there: {row}")
            table[row_key(row, groups)] = row
        for row in tuples_of(change.appended):
            if row_key(row, groups) in table:
                problems.append(f"view {change.view} appends a row that is there: {row}")
            table[row_key(row, groups)] = row
    return problems


def _group_count(case: Case, view: str) -> int:
    return next(len(one.group_by) for one in case.pipeline.views if one.name == view)


def _outbox_rows(case: Case, view: str, cut: Cut) -> Rows:
    """What the cut hands to the view's sink."""
    groups, rows = _group_count(case, view), {}
    for entry in cut.outbox:
        if entry.sink == f"out_{view}" and entry.rows:
            for row in tuples_of(pa.ipc.open_stream(entry.rows).read_all()):
                assert row_key(row, groups) not in rows, f"final twice: {row}"
                rows[row_key(row, groups)] = row
    return rows


def _end_problems(case: Case, expected: Outcome, recorded: Recorded, folder: Path) -> list[str]:
    """What the terminal cut leaves: the SQL views, all rows final, and the files of the sinks."""
    problems = []
    if [cut.record for cut in recorded.cuts if not cut.terminal][-1:] != list(recorded.logged[-1:]):
        problems.append("the log of cuts does not end with the last cut")
    for view in case.pipeline.views:
        rows = {row_key(row, len(view.group_by)): row[:-1] for row in recorded.views[view.name]}
        if len(rows) != len(recorded.views[view.name]):
            problems.append(f"view {view.name}: rows that share a key")
        if not all(row[-1] for row in recorded.views[view.name]):
            problems.append(f"view {view.name}: a row is not final after the end")
        wanted = expected_rows(expected.tables[view.name].values())
        problems += [f"end, view {view.name}: {problem}" for problem in row_problems(wanted, rows)]
        problems += file_problems(view.name, wanted, folder / "out" / view.name)
    return problems
