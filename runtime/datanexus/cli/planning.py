"""The commands that only read files: validate, explain, version. Loads neither kernels nor database."""

import json
import os
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from pathlib import Path

from datanexus.cli.message import reporting, result
from datanexus.pipeline_files import read_pipelines
from datanexus.plan import explain as explained


def validate(files: Sequence[Path], *, json_lines: bool) -> int:
    """Say of each pipeline that it is valid, or tell every problem of all files."""
    with reporting(json_lines=json_lines) as messages:
        for pipeline in read_pipelines(files, os.environ):
            name = pipeline.plan.pipeline
            fields = {"file": str(pipeline.file), "pipeline": name, "revision": pipeline.plan.revision, "valid": True}
            result(json.dumps(fields) + "\n" if json_lines else f"{pipeline.file}: pipeline {name} is valid\n")
    return messages.exit_code


def explain(files: Sequence[Path], *, json_lines: bool) -> int:
    """Print the plan of each pipeline."""
    with reporting(json_lines=json_lines) as messages:
        texts = []
        for pipeline in read_pipelines(files, os.environ):
            text = explained.explain(pipeline.plan)
            fields = {"file": str(pipeline.file), "pipeline": pipeline.plan.pipeline, "plan": text}
            texts.append(json.dumps(fields) + "\n" if json_lines else text.rstrip("\n") + "\n")
        result(("" if json_lines else "\n").join(texts))
    return messages.exit_code


def version(*, json_lines: bool) -> int:
    """Print the version of the program and of Python."""
    try:
        program = installed_version("datanexus")
    except PackageNotFoundError:
        program = "not installed"
    python = platform.python_version()
    fields = {"datanexus": program, "python": python}
    result(json.dumps(fields) + "\n" if json_lines else f"datanexus {program} (Python {python})\n")
    return 0
