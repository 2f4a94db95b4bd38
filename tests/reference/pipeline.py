"""Run a described pipeline over its splits with given cuts, one record at a time.

Order of a record: decode, future guard, steps, all other expressions, de-duplication, views. Within a cut the watermark
of the cut before is used throughout; the watermark moves at cuts alone.
"""

from collections import Counter
from collections.abc import Collection, Sequence

from tests.reference.description import (
    NO_WATERMARK,
    Cut,
    CutResult,
    End,
    FilterStep,
    Malformed,
    Outcome,
    Pipeline,
    Quarantined,
    RawRecord,
    Row,
    Splits,
    TableRow,
    Value,
)
from tests.reference.views import ReferenceView

COUNTERS = ("in", "passed", "filtered", "duplicate", "quarantined")
VIEW_COUNTERS = ("assigned", "late", "unassigned")


def run(
    pipeline: Pipeline, splits: Splits, cuts: Sequence[Cut], reference_us: int, ends: Collection[int] = ()
) -> Outcome:
    """All that is visible after each cut, and at the ends of input after so many cuts; after the last one always.

    `reference_us`: the clock that maxFuture counts from.
    """
    machine = _Machine(pipeline, splits, reference_us)
    results: list[CutResult] = []
    found = {0: machine.end()} if 0 in ends or not cuts else {}
    for number, cut in enumerate(cuts, 1):
        results.append(machine.cut(cut))
        if number in ends or number == len(cuts):
            found[number] = machine.end()
    return Outcome(tuple(results), found)


def run_versions(versions: Sequence[tuple[Pipeline, Sequence[tuple[Cut, int]]]], splits: Splits) -> CutResult:
    """What is visible in the end when the spec changed in between; `finals`: all final rows of each view still there.

    `versions`: each pipeline with its cuts and the clock that maxFuture counts from in each. A view that a version does
    not change goes on; another starts empty, at the watermark reached.
    """
    machine = _Machine(versions[0][0], splits, 0)
    finals: dict[str, tuple[TableRow, ...]] = {}
    for pipeline, cuts in versions:
        machine.switch(pipeline)
        kept = {view.view.name for view in machine.kept}
        finals = {view.name: finals.get(view.name, ()) if view.name in kept else () for view in pipeline.views}
        for cut, reference_us in cuts:
            machine.reference_us = reference_us
            for name, rows in machine.cut(cut).finals.items():
                finals[name] += tuple(rows)
    return machine.result(finals)


def run_cuts(
    pipeline: Pipeline, splits: Splits, reference_us: int, quantum: int, cut_records: int, before: Sequence[Cut] = ()
) -> tuple[Cut, ...]:
    """The cuts one run makes after those `before`: a quantum at a time from the split with the lowest watermark among
    those not at their end (ties by name), a cut after each `cut_records` records and one at the end of input.

    A split is at its end once more was asked of it than it had; each run asks anew.
    """
    read = dict.fromkeys(sorted(splits), 0)
    watermarks = dict.fromkeys(read, NO_WATERMARK)
    for name, count in (reads for cut in before for reads in cut.reads):
        for record in splits[name][read[name] : read[name] + count]:
            watermarks[name] = max(watermarks[name], _watermark(pipeline, record, reference_us))
        read[name] += count
    finished: set[str] = set()
    cuts: list[Cut] = []
    reads: list[tuple[str, int]] = []
    while len(finished) < len(read) or reads:
        room = cut_records - sum(count for _, count in reads)
        if not room or len(finished) == len(read):
            cuts.append(Cut(joined(reads), frozenset(finished)))
            reads = []
            continue
        name = min(set(read) - finished, key=lambda one: (watermarks[one], one))
        wanted = room if len(finished) == len(read) - 1 else min(quantum, room)
        taken = splits[name][read[name] : read[name] + wanted]
        for record in taken:
            watermarks[name] = max(watermarks[name], _watermark(pipeline, record, reference_us))
        read[name] += len(taken)
        if len(taken) < wanted:
            finished.add(name)
        if taken:
            reads.append((name, len(taken)))
    return tuple(cuts)


def joined(reads: Sequence[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    """Reads of one split that follow each other, as one."""
    result: list[tuple[str, int]] = []
    for name, count in reads:
        if result and result[-1][0] == name:
            count += result.pop()[1]
        result.append((name, count))
    return tuple(result)


def record_time(pipeline: Pipeline, record: RawRecord, reference_us: int) -> int | None:
    """The event time of a valid record that is not too far ahead of the clock."""
    if isinstance(record.content, Malformed):
        return None
    time_us = record.content[pipeline.event_time]
    assert isinstance(time_us, int)
    return time_us if time_us <= reference_us + pipeline.watermark.max_future_us else None


def _watermark(pipeline: Pipeline, record: RawRecord, reference_us: int) -> int:
    """How far one record moves its split."""
    time_us = record_time(pipeline, record, reference_us)
    return NO_WATERMARK if time_us is None else time_us - pipeline.watermark.delay_us - 1


class _Machine:
    """The state between records: dictionaries and lists only."""

    def __init__(self, pipeline: Pipeline, splits: Splits, reference_us: int) -> None:
        self.pipeline = pipeline
        self.splits = splits
        self.reference_us = reference_us
        self.views = [ReferenceView(view) for view in pipeline.views]
        self.kept = list(self.views)  # at the last switch
        self.read = dict.fromkeys(sorted(splits), 0)
        self.split_watermarks_us = dict.fromkeys(self.read, NO_WATERMARK)
        self.watermark_us = NO_WATERMARK
        names = [f"view.{view.name}.{counter}" for view in pipeline.views for counter in VIEW_COUNTERS]
        self.counters: Counter[str] = Counter(dict.fromkeys((*COUNTERS, *names), 0))
        self.quarantine: list[Quarantined] = []
        self.passed_times: dict[tuple[Value, ...], list[int]] = {}

    def switch(self, pipeline: Pipeline) -> None:
        """Another version of the spec from here on."""
        before = {view.view.name: view for view in self.views}
        self.kept = [
            before[view.name] for view in pipeline.views if view.name in before and before[view.name].view == view
        ]
        views = {view.view.name: view for view in self.kept}
        self.views = [views.get(view.name) or ReferenceView(view, self.watermark_us) for view in pipeline.views]
        self.pipeline = pipeline

    def cut(self, cut: Cut) -> CutResult:
        """Take the records of one cut, then move the watermark and close windows."""
        for name, count in cut.reads:
            first = self.read[name]
            for record in self.splits[name][first : first + count]:
                self._take(name, record)
            self.read[name] += count
        self.watermark_us = self._next_watermark(cut)
        finals = {view.view.name: view.close(self.watermark_us) for view in self.views}
        return self.result(finals)

    def result(self, finals: dict[str, tuple[TableRow, ...]]) -> CutResult:
        """All that is visible now, with the rows that became final."""
        return CutResult(
            self.watermark_us,
            dict(self.split_watermarks_us),
            {view.view.name: dict(view.table) for view in self.views},
            finals,
            dict(self.counters),
            tuple(self.quarantine),
        )

    def end(self) -> End:
        """What the end of input would add now; changes nothing."""
        flushed = {view.view.name: view.flush() for view in self.views}
        return End(
            {name: rows for name, (rows, _) in flushed.items()}, {name: table for name, (_, table) in flushed.items()}
        )

    def _next_watermark(self, cut: Cut) -> int:
        """The least of the splits still being read; of finished ones alone the greatest; never going back."""
        active = [mark for name, mark in self.split_watermarks_us.items() if name not in cut.finished]
        candidate = min(active) if active else max(self.split_watermarks_us.values())
        return max(self.watermark_us, candidate)

    def _take(self, split: str, record: RawRecord) -> None:
        """One record, from its split to every view."""
        self.counters["in"] += 1
        if isinstance(record.content, Malformed):
            return self._refuse(split, record, record.content.stage)
        time_us = record_time(self.pipeline, record, self.reference_us)
        if time_us is None:
            return self._refuse(split, record, "time")
        row = dict(record.content)
        mark = time_us - self.pipeline.watermark.delay_us - 1
        self.split_watermarks_us[split] = max(self.split_watermarks_us[split], mark)
        try:
            passes = self._apply_steps(row)
            if passes:
                self._try_arguments(row)
        except (ArithmeticError, ValueError):
            return self._refuse(split, record, "step")
        if not passes:
            self.counters["filtered"] += 1
            return None
        verdict = self._judge_repeat(time_us, record.content)
        if verdict == "quarantined":
            return self._refuse(split, record, "dedup")
        self.counters[verdict] += 1
        if verdict == "passed":
            self._enter_views(split, record, time_us, row)
        return None

    def _apply_steps(self, row: Row) -> bool:
        for step in self.pipeline.steps:
            if isinstance(step, FilterStep):
                if not step.condition(row):
                    return False
            else:
                row[step.name] = step.compute(row)
        return True

    def _try_arguments(self, row: Row) -> None:
        """Arguments of aggregates run before any state is touched; one that fails refuses the record."""
        for view in self.pipeline.views:
            for aggregate in view.aggregates:
                if aggregate.condition is not None:
                    aggregate.condition(row)
                if aggregate.value is not None:
                    aggregate.value(row)

    def _judge_repeat(self, time_us: int, row: Row) -> str:
        """passed, duplicate or quarantined. The key names fields of the record, as they were before the steps."""
        dedup = self.pipeline.dedup
        if dedup is None:
            return "passed"
        if time_us <= self.watermark_us - dedup.horizon_us:
            return "quarantined"
        passed = self.passed_times.setdefault(tuple(row[name] for name in dedup.key), [])
        if any(abs(time_us - other) < dedup.horizon_us for other in passed):
            return "duplicate"
        passed.append(time_us)
        return "passed"

    def _enter_views(self, split: str, record: RawRecord, time_us: int, row: Row) -> None:
        for view in self.views:
            verdict = view.admit(time_us, row)
            self.counters[f"view.{view.view.name}.{verdict}"] += 1
            if verdict == "late" and view.view.late == "quarantine":
                self.quarantine.append(Quarantined(split, record.position, "late", view.view.name))

    def _refuse(self, split: str, record: RawRecord, stage: str) -> None:
        self.counters["quarantined"] += 1
        self.quarantine.append(Quarantined(split, record.position, stage))
