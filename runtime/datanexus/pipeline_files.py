"""From files to plans: read, parse, refuse what is not running yet, plan. Light: loads no kernels and no database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from datanexus.plan.physical import PhysicalPlan
from datanexus.plan.planner import plan_pipeline
from datanexus_spec.availability import refuse_unavailable
from datanexus_spec.errors import InvalidInput, InvalidSpec, Problem
from datanexus_spec.parser import InvalidDocuments, in_order, parse_documents
from datanexus_spec.pipeline import Pipeline


@dataclass(frozen=True, slots=True)
class PlannedPipeline:
    """One Pipeline of a file, with its plan. Relative paths in it count from `folder`."""

    file: Path
    resource: Pipeline
    plan: PhysicalPlan

    @property
    def folder(self) -> Path:
        return self.file.parent


def read_pipelines(files: Sequence[Path], environment: Mapping[str, str]) -> tuple[PlannedPipeline, ...]:
    """All pipelines of these files, in order.

    Raises: InvalidSpec with every problem of every file; InvalidInput for a file that cannot be read or a name that
    occurs twice.
    """
    planned: list[PlannedPipeline] = []
    problems: list[Problem] = []
    for file in files:
        try:
            planned += _pipelines_of(file, environment)
        except InvalidSpec as invalid:
            problems += invalid.problems
    if problems:
        raise InvalidSpec(tuple(problems))
    _refuse_repeated_names(planned)
    return tuple(planned)


def _pipelines_of(file: Path, environment: Mapping[str, str]) -> list[PlannedPipeline]:
    planned: list[PlannedPipeline] = []
    problems: list[Problem] = []
    try:
        resources = parse_documents(_read(file), str(file), environment)
    except InvalidDocuments as invalid:
        problems += invalid.problems
        resources = invalid.readable
    for resource in resources:
        try:
            refuse_unavailable(resource)
            if isinstance(resource, Pipeline):
                planned.append(PlannedPipeline(file, resource, plan_pipeline(resource)))
        except InvalidSpec as invalid:
            problems += invalid.problems
    if problems:
        raise InvalidSpec(in_order(problems))
    if not planned:
        raise InvalidInput(
            f"{file}: no Pipeline was found in it", reason="NoPipeline", hint="a document needs `kind: Pipeline`"
        )
    return planned


def _read(file: Path) -> str:
    try:
        return file.read_bytes().decode()
    except OSError as error:
        raise InvalidInput(
            f"{file}: cannot be read: {error.strerror}", reason="UnreadableFile", hint="check the path and its rights"
        ) from error
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"{file}: byte {error.start} is not UTF-8", reason="UnreadableFile", hint="save the file as UTF-8"
        ) from error


def _refuse_repeated_names(planned: Sequence[PlannedPipeline]) -> None:
    seen: dict[str, Path] = {}
    for pipeline in planned:
        name = pipeline.plan.pipeline
        if name in seen:
            raise InvalidInput(
                f"pipeline `{name}` stands in {seen[name]} and again in {pipeline.file}",
                reason="RepeatedPipeline",
                hint="give one of them another metadata.name",
            )
        seen[name] = pipeline.file
