"""The command `test`: each case of a test file is a run of the pipeline in a data folder of its own.

The pipeline runs as `run` runs it; only its sources read what the case says, and its sinks are left out.
"""

import asyncio
import csv
import io
import json
import os
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from datanexus.cli.message import EXIT_FAILED, reporting, result
from datanexus.engine.accounting import IN, LANES
from datanexus.engine.reader import CutSchedule
from datanexus.pipeline_files import PlannedPipeline, read_pipelines
from datanexus.plan.planner import plan_pipeline
from datanexus.ports.store import QuarantineCount
from datanexus.stored_results import stored_results
from datanexus.verification.case_file import Case, ExpectedRows, Input, read_test_file
from datanexus.verification.comparison import CellDifference, Row, compare_counts, compare_rows
from datanexus.verification.verdict import CaseVerdict, ViewVerdict, verdict_fields, verdict_text
from datanexus.wiring import RunSettings, run_pipelines
from datanexus_spec.errors import InvalidInput, InvalidSpec, Problem
from datanexus_spec.format import Format
from datanexus_spec.names import nearest
from datanexus_spec.parser import in_order
from datanexus_spec.pipeline import FileSource, Pipeline, PipelineSource
from datanexus_spec.position import Origin

_EXPECTED_SUFFIXES = (".csv", ".json", ".ndjson", ".jsonl")


@dataclass(frozen=True, slots=True)
class _Cases:
    """A test file that was read: its cases over one pipeline. Paths count from `folder`."""

    file: Path
    cases: Sequence[Case]
    pipeline: PlannedPipeline
    origin: Origin

    @property
    def folder(self) -> Path:
        return self.file.parent


def run_cases(files: Sequence[Path], *, json_lines: bool) -> int:
    """Run all cases of all files; the exit code is 1 when one is not as expected, 2 when a file is wrong."""
    with reporting(json_lines=json_lines) as messages:
        opened = [_read(file) for file in files]
        failed = total = 0
        for cases in opened:
            if not json_lines:
                result(f"{cases.file}\n")
            for index, case in enumerate(cases.cases):
                verdict = asyncio.run(_verdict(cases, index, case))
                total += 1
                failed += not verdict.passed
                line = json.dumps({"file": str(cases.file), **verdict_fields(verdict)}, ensure_ascii=False) + "\n"
                result(line if json_lines else verdict_text(verdict))
        if not json_lines:
            result(f"{total} case{'' if total == 1 else 's'}, {failed or 'none'} failed\n")
        messages.exit_code = EXIT_FAILED if failed else 0
    return messages.exit_code


def _read(file: Path) -> _Cases:
    """A test file with its pipeline, names and paths checked. Raises: InvalidSpec, InvalidInput."""
    try:
        text = file.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        hint = "check the path and its rights; a test file is YAML in UTF-8"
        raise InvalidInput(f"{file}: cannot be read: {why}", reason="UnreadableFile", hint=hint) from error
    tests, origin = read_test_file(text, str(file), os.environ)
    path = file.parent / tests.pipeline
    if not path.is_file():
        found = f"'{tests.pipeline}', and there is no such file"
        raise InvalidSpec(
            (origin.problem("pipeline", found=found, expected="a pipeline file, from this file's folder"),)
        )
    pipelines = read_pipelines([path], os.environ)
    if len(pipelines) > 1:
        found = f"'{tests.pipeline}', which holds {len(pipelines)} pipelines"
        raise InvalidSpec((origin.problem("pipeline", found=found, expected="a file with one"),))
    cases = _Cases(file, tests.cases, pipelines[0], origin)
    problems = [
        problem for index, case in enumerate(tests.cases) for problem in _problems(cases, f"cases[{index}]", case)
    ]
    if problems:
        raise InvalidSpec(in_order(problems))
    return cases


def _problems(cases: _Cases, path: str, case: Case) -> list[Problem]:
    """Names that the pipeline does not have, files that are not there."""
    plan, problem = cases.pipeline.plan, cases.origin.problem
    sources, views = [source.name for source in plan.sources], [view.name for view in plan.views]
    found: list[Problem] = []
    named = [(f"{path}.input[{index}]", "source", part.source, part.file) for index, part in enumerate(case.input)]
    named += [(f"{path}.expect[{index}]", "view", part.view, part.file) for index, part in enumerate(case.expect)]
    for where, kind, name, file in named:
        known = sources if kind == "source" else views
        if name not in known:
            expected = f"a {kind} of the pipeline: {', '.join(known)}"
            found.append(
                problem(f"{where}.{kind}", found=f"'{name}'", expected=expected, suggestion=nearest(name, known))
            )
        if file is not None and not (cases.folder / file).is_file():
            told = f"'{file}', and there is no such file"
            found.append(problem(f"{where}.file", found=told, expected="a file, from this file's folder"))
        elif file is not None and kind == "view" and not file.endswith(_EXPECTED_SUFFIXES):
            found.append(
                problem(f"{where}.file", found=f"'{file}'", expected=f"a file {' or '.join(_EXPECTED_SUFFIXES)}")
            )
    return found


async def _verdict(cases: _Cases, index: int, case: Case) -> CaseVerdict:
    with tempfile.TemporaryDirectory(prefix="datanexus-test-") as scratch:
        pipeline = _with_input(cases, case, Path(scratch))
        data = Path(scratch) / "data"
        settings = RunSettings(data, schedule=_schedule(case))
        (summary,) = await run_pipelines([pipeline], settings, lambda _: None, asyncio.Event())
        name = pipeline.plan.pipeline
        async with stored_results(data) as store:
            refused = await store.quarantine_counts(name)
            views = []
            for number, part in enumerate(case.expect):
                table = await store.query(f'SELECT * FROM "{name.replace("-", "_")}"."{part.view}"')  # noqa: S608
                where = f"cases[{index}].expect[{number}]"
                views.append(_view_verdict(cases, where, part, table.column_names, table.to_pylist()))
    counters = {lane: int(summary.totals.get(lane, 0)) for lane in (IN, *LANES)}
    return CaseVerdict(case.name, views, _quarantine(case, refused), compare_counts(case.counters, counters))


def _schedule(case: Case) -> CutSchedule:
    usual = CutSchedule()
    if case.cut_records is None:
        return usual
    return CutSchedule(quantum_rows=min(usual.quantum_rows, case.cut_records), cut_rows=case.cut_records)


def _quarantine(case: Case, refused: Sequence[QuarantineCount]) -> tuple[CellDifference, ...]:
    """Reasons with another count than expected; once one is named, all that are not must have none."""
    if case.quarantine is None:
        return ()
    actual = Counter[str]()
    for count in refused:
        actual[count.reason] += count.records
    expected = dict.fromkeys(actual, 0) | {part.reason: part.records for part in case.quarantine}
    return compare_counts(expected, actual)


def _view_verdict(
    cases: _Cases, where: str, part: ExpectedRows, columns: Sequence[str], actual: Sequence[Row]
) -> ViewVerdict:
    expected = _expected(cases, where, part)
    unknown = next((name for row in expected for name in row if name not in columns), None)
    if unknown is not None:
        place = next((kind for kind in ("rows", "csv", "file") if getattr(part, kind) is not None), "rows")
        told = f"a row with the column '{unknown}'"
        wanted = f"columns of the view: {', '.join(columns)}"
        near = nearest(unknown, columns)
        raise InvalidSpec((cases.origin.problem(f"{where}.{place}", found=told, expected=wanted, suggestion=near),))
    view = next(view for view in cases.pipeline.plan.views if view.name == part.view)
    identifying = ["window_start", "window_end", *(name for name, _ in view.group_by)]
    differences = compare_rows(expected, actual, identifying=identifying, tolerance=part.tolerance)
    return ViewVerdict(part.view, (len(expected), len(actual)), differences)


def _expected(cases: _Cases, where: str, part: ExpectedRows) -> list[Row]:
    if part.rows is not None:
        return list(part.rows)
    path = cases.folder / (part.file or "")
    try:
        text = part.csv if part.csv is not None else path.read_bytes().decode("utf-8-sig")
        if part.csv is not None or path.suffix == ".csv":
            return _csv_rows(text)
        found = (
            json.loads(text)
            if path.suffix == ".json"
            else [json.loads(line) for line in text.splitlines() if line.strip()]
        )
    except (ValueError, OSError) as error:
        expected = "rows as CSV, a JSON array or a JSON object a line"
        raise InvalidSpec(
            (cases.origin.problem(where, found=f"unreadable rows: {error}", expected=expected),)
        ) from error
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise InvalidSpec((cases.origin.problem(where, found="JSON that is no list of objects", expected="rows"),))
    return found


def _csv_rows(text: str) -> list[Row]:
    """Rows of CSV; blanks around values are left out, so that columns can be lined up."""
    rows = [[value.strip() for value in row] for row in csv.reader(io.StringIO(text), skipinitialspace=True) if row]
    if not rows:
        return []
    for number, row in enumerate(rows, start=1):
        if len(row) != len(rows[0]):
            raise ValueError(f"row {number} has {len(row)} values, the first has {len(rows[0])}")
    return [{name: value or None for name, value in zip(rows[0], row, strict=True)} for row in rows[1:]]


def _with_input(cases: _Cases, case: Case, scratch: Path) -> PlannedPipeline:
    """The pipeline, its sources reading the case's input, without sinks."""
    resource = cases.pipeline.resource
    given = {part.source: part for part in case.input}
    sources = tuple(
        _source_of(source, given[source.name], cases.folder, scratch) if source.name in given else source
        for source in resource.spec.sources
    )
    spec = resource.spec.model_copy(update={"sources": sources, "sinks": ()})
    changed = Pipeline(metadata=resource.metadata, kind="Pipeline", spec=spec)
    return PlannedPipeline(cases.pipeline.file.resolve(), changed, plan_pipeline(changed))


def _source_of(source: PipelineSource, part: Input, folder: Path, scratch: Path) -> PipelineSource:
    written = _format_of(source)
    if part.file is not None:
        path = (folder / part.file).resolve()
    else:
        path = scratch / f"{source.name}.input"
        text = part.text if part.text is not None else "".join(f"{line}\n" for line in part.lines or ())
        path.write_text(text, "utf-8", newline="")
    return PipelineSource(name=source.name, files=FileSource(path=_literal(str(path)), format=written))


def _format_of(source: PipelineSource) -> Format:
    """How a case's input is written: as the source's records are; a generator has no writing of its own."""
    for given in (source.files, source.stdin, source.http):
        if given is not None:
            return given.format
    return Format.model_validate({"ndjson": {}})


def _literal(path: str) -> str:
    """A path that matches only itself as a pattern."""
    return "".join(f"[{character}]" if character in "*?[" else character for character in path)
