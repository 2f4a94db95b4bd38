"""The command `plan`: what a changed file means for what runs. Loads neither kernels nor database.

Pipelines are matched by name; where each file holds one, these are compared whatever their names.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from datanexus.cli.message import reporting, result
from datanexus.pipeline_files import PlannedPipeline, read_pipelines
from datanexus.plan.change_report import ChangeReport, change_text, judge_pipelines

EXIT_REFUSED = 2


def plan(old: Path, new: Path, *, json_lines: bool) -> int:
    """Say of each changed pipeline what its change means; the exit code is 2 when one would be refused."""
    with reporting(json_lines=json_lines) as messages:
        before, after = read_pipelines([old], os.environ), read_pipelines([new], os.environ)
        reports = [judge_pipelines(was.resource, now.resource) for was, now in _pairs(before, after)]
        alone = list(_alone(before, after))
        if json_lines:
            result(
                "".join(json.dumps(fields, ensure_ascii=False) + "\n" for fields in [*map(_fields, reports), *alone])
            )
        else:
            told = [change_text(report) for report in reports]
            told += [f"pipeline {fields['pipeline']}: {fields['change']}: {fields['sentence']}\n" for fields in alone]
            result("\n".join(told))
        if any(report.action is None for report in reports):
            messages.exit_code = EXIT_REFUSED
    return messages.exit_code


def _pairs(
    before: Sequence[PlannedPipeline], after: Sequence[PlannedPipeline]
) -> list[tuple[PlannedPipeline, PlannedPipeline]]:
    if len(before) == len(after) == 1:
        return [(before[0], after[0])]
    was = {pipeline.plan.pipeline: pipeline for pipeline in before}
    return [(was[now.plan.pipeline], now) for now in after if now.plan.pipeline in was]


def _alone(before: Sequence[PlannedPipeline], after: Sequence[PlannedPipeline]) -> Iterator[Mapping[str, str]]:
    """Pipelines that only one of the files has."""
    if len(before) == len(after) == 1:
        return
    old_names, new_names = ([pipeline.plan.pipeline for pipeline in pipelines] for pipelines in (before, after))
    sentences = (
        ("new", [name for name in new_names if name not in old_names], "it starts empty"),
        ("dropped", [name for name in old_names if name not in new_names], "it runs no more; what is stored stays"),
    )
    for change, names, sentence in sentences:
        yield from ({"pipeline": name, "change": change, "sentence": sentence} for name in names)


def _fields(report: ChangeReport) -> Mapping[str, object]:
    return {
        "pipeline": report.pipeline,
        "old_revision": report.verdict.old_revision,
        "new_revision": report.verdict.new_revision,
        "class": report.change_class,
        "action": report.action or "Refuse",
        "fields": [asdict(field) for field in report.fields],
        "state": [asdict(part) for part in report.verdict.parts],
    }
