"""The command `init`: from someone's own data to a pipeline that runs, and what was found on the way.

The pipeline that was written is tried out at once, with the readers and decoders of a run.
"""

import asyncio
import json
import os
import sys
import tempfile
from pathlib import Path

from datanexus.cli.message import reporting, result
from datanexus.inference.inferring import infer
from datanexus.inference.naming import pipeline_name
from datanexus.inference.rendering import pipeline_text
from datanexus.inference.telling import findings_fields, findings_text
from datanexus.pipeline_files import read_pipelines
from datanexus.sampling import Trial, data_files, take_sample, try_out
from datanexus_spec.errors import InvalidInput

STDOUT = "-"


def init(data: str, output: str | None, *, json_lines: bool) -> int:
    """Look at data, write a pipeline for it, and say what was found."""
    with reporting(json_lines=json_lines) as messages:
        pattern, files = data_files(data)
        target = output or f"{pipeline_name(pattern)}.yaml"
        folder = Path.cwd() if target == STDOUT else Path(target).parent
        _refuse_existing(target)
        _refuse_missing(folder)
        sample, form = take_sample(pattern, files)
        findings = infer(sample, form)
        text = pipeline_text(findings, path=os.path.relpath(pattern, folder))
        trial = asyncio.run(_tried(text, folder))
        if target == STDOUT:
            result(text)
            sys.stderr.write(f"{findings_text(findings)}{_trial_text(trial)}")
            return messages.exit_code
        Path(target).write_text(text, "utf-8")
        if json_lines:
            fields = {
                **findings_fields(findings),
                "file": target,
                "tried": trial.records,
                "refused": dict(trial.rejected),
            }
            result(json.dumps(fields, ensure_ascii=False) + "\n")
        else:
            result(f"{findings_text(findings)}{_trial_text(trial)}wrote       {target}; next: datanexus run {target}\n")
    return messages.exit_code


def _refuse_existing(target: str) -> None:
    if target != STDOUT and Path(target).exists():
        raise InvalidInput(
            f"{target}: there is such a file already, and it is not overwritten",
            reason="FileExists",
            hint="name another one with --output FILE, or see the pipeline with --output -",
        )


def _refuse_missing(folder: Path) -> None:
    if not os.access(folder, os.W_OK | os.X_OK):
        why = "cannot be written to" if folder.is_dir() else "is no folder"
        raise InvalidInput(
            f"{folder}: {why}", reason="NoFolder", hint="make it, or name another file with --output FILE"
        )


async def _tried(text: str, folder: Path) -> Trial:
    """Plan the text as if it lay in `folder`, and decode the first records."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", prefix=".init-", dir=folder, encoding="utf-8") as file:
        file.write(text)
        file.flush()
        (pipeline,) = read_pipelines([Path(file.name)], os.environ)
        return await try_out(pipeline)


def _trial_text(trial: Trial) -> str:
    refused = sum(trial.rejected.values())
    if not refused:
        return f"tried       {trial.records:,} records, none is refused\n"
    told = "".join(f"              {message}\n" for message in trial.messages)
    return f"tried       {trial.records:,} records, {refused:,} would go to quarantine\n{told}"
