"""The command `run`: pipelines to the end of their input, with progress, and a summary at the end."""

import asyncio
import json
import os
import signal
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from datanexus.cli.message import EXIT_FAILED, Messages, reporting, result
from datanexus.cli.progress import ProgressDisplay
from datanexus.cli.rows import table_text
from datanexus.cli.summary import summary_fields, summary_text
from datanexus.pipeline_files import PlannedPipeline, read_pipelines
from datanexus.stored_results import stored_results
from datanexus.wiring import FAILPOINT_VARIABLE, RunSettings, RunSummary, run_pipelines

EXIT_QUARANTINE = 3


def run(files: Sequence[Path], data: Path, *, fresh: bool, rows: int, json_lines: bool) -> int:
    """Run pipelines; returns the exit code."""
    with reporting(json_lines=json_lines) as messages:
        pipelines = read_pipelines(files, os.environ)
        settings = RunSettings(data=data, fresh=fresh, failpoint=os.environ.get(FAILPOINT_VARIABLE, ""))
        messages.exit_code = asyncio.run(_run(pipelines, settings, messages, rows))
    return messages.exit_code


async def _run(pipelines: Sequence[PlannedPipeline], settings: RunSettings, messages: Messages, rows: int) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    with ProgressDisplay(messages, Console(stderr=True)) as display:
        summaries = await run_pipelines(pipelines, settings, display.observe, stop)
    for summary in summaries:
        _tell(summary, messages)
    if rows and not messages.json_lines:
        await _show_rows(summaries, settings.data, rows)
    return _exit_code(pipelines, summaries, messages)


def _tell(summary: RunSummary, messages: Messages) -> None:
    for notice in summary.notices:
        messages.note(notice, pipeline=summary.plan.pipeline)
    if messages.json_lines:
        result(json.dumps(summary_fields(summary)) + "\n")
    else:
        result(summary_text(summary))


async def _show_rows(summaries: Sequence[RunSummary], data: Path, rows: int) -> None:
    """The last rows of each view."""
    async with stored_results(data) as store:
        for summary in summaries:
            for view in summary.plan.views:
                name = f'"{summary.plan.pipeline.replace("-", "_")}"."{view.name}"'
                found = await store.query(f"SELECT * FROM {name} ORDER BY ALL LIMIT {rows}")  # noqa: S608
                result(f"\n{name}\n{table_text(found)}")


def _exit_code(pipelines: Sequence[PlannedPipeline], summaries: Sequence[RunSummary], messages: Messages) -> int:
    ended = {summary.plan.pipeline for summary in summaries if summary.outcome.finished}
    unfinished = [pipeline.plan.pipeline for pipeline in pipelines if pipeline.plan.pipeline not in ended]
    if unfinished:
        text = f"stopped before the end of {', '.join(unfinished)}; the next run goes on from the last cut"
        messages.note(text, unfinished=unfinished)
        return EXIT_FAILED
    exceeded = [summary for summary in summaries if summary.is_quarantine_exceeded]
    for summary in exceeded:
        name = summary.plan.pipeline
        messages.note(
            f"{name}: {summary.quarantine_share:.2%} of the records went to quarantine, more than the "
            f"{summary.plan.quarantine_max:.2%} of quarantine.max; `datanexus quarantine list {name}` shows them",
            pipeline=name,
        )
    return EXIT_QUARANTINE if exceeded else 0
