# ruff: noqa: PLC0415 - commands are loaded on use, see below
"""The command line: which commands there are, their flags, and nothing else.

What a command does is in a module of its own, imported when the command runs: `--help`, `version`, `validate` and
`explain` load neither the kernels nor the database. These are the only imports inside functions in the project.

Exit codes: 0 done; 1 failed; 2 invalid input; 3 done, with more records in quarantine than `quarantine.max` allows.
Results go to standard output, everything else to standard error.
"""

from pathlib import Path
from typing import Annotated

import typer

from datanexus.cli import completion
from datanexus.cli.result_format import ResultFormat

DATA_DEFAULT = Path(".datanexus")
LISTEN_DEFAULT = "127.0.0.1:7700"


app = typer.Typer(
    name="datanexus",
    help="Real-time data pipelines: one YAML file turns records into exact windowed results.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
quarantine_app = typer.Typer(
    help="Records that were refused, kept with their raw bytes and the reason.",
    short_help="List, show, replay and purge refused records.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(quarantine_app, name="quarantine")

Files = Annotated[
    list[Path],
    typer.Argument(
        help="Pipeline files.", metavar="FILE", show_default=False, autocompletion=completion.pipeline_files
    ),
]
OnePipeline = Annotated[
    str,
    typer.Argument(
        help="Of this pipeline.", metavar="PIPELINE", show_default=False, autocompletion=completion.pipelines
    ),
]
Data = Annotated[Path, typer.Option("--data", help="The data folder.", metavar="DIR")]
JsonLines = Annotated[bool, typer.Option("--json", help="Write messages and results as JSON lines.")]
Record = Annotated[list[int] | None, typer.Option("--id", help="A record's id; may be given often.", metavar="ID")]
All = Annotated[bool, typer.Option("--all", help="All records, of --stage and --reason where given.")]
Stage = Annotated[str | None, typer.Option("--stage", help="Only of this stage.", metavar="STAGE")]
Reason = Annotated[str | None, typer.Option("--reason", help="Only of this reason.", metavar="REASON")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would happen.")]
Output = Annotated[ResultFormat, typer.Option("--output", "-o", help="How rows are written.")]


@app.command(short_help="Write a first pipeline for your own data.")
def init(
    data: Annotated[
        str, typer.Argument(help="A file, a folder, or a quoted pattern.", metavar="DATA", show_default=False)
    ],
    output: Annotated[
        str | None, typer.Option("--output", "-o", help="The file to write; - for standard output.", metavar="FILE")
    ] = None,
    json_lines: JsonLines = False,
) -> None:
    """Look at a sample of your data and write a commented pipeline for it that runs at once."""
    from datanexus.cli import init as first_pipeline

    raise typer.Exit(first_pipeline.init(data, output, json_lines=json_lines))


@app.command(short_help="Check pipeline files; tell every problem.")
def validate(files: Files, json_lines: JsonLines = False) -> None:
    """Check pipeline files and tell every problem with its line and column."""
    from datanexus.cli import planning

    raise typer.Exit(planning.validate(files, json_lines=json_lines))


@app.command(short_help="Print the plan of each pipeline.")
def explain(files: Files, json_lines: JsonLines = False) -> None:
    """Print the plan of each pipeline: types, partition key, stages, state."""
    from datanexus.cli import planning

    raise typer.Exit(planning.explain(files, json_lines=json_lines))


@app.command("test", short_help="Run the cases of test files.")
def run_cases(
    files: Annotated[
        list[Path],
        typer.Argument(help="Test files.", metavar="FILE", show_default=False, autocompletion=completion.test_files),
    ],
    json_lines: JsonLines = False,
) -> None:
    """Run a pipeline over the input of each case, and compare its rows with those that are expected."""
    from datanexus.cli import testing

    raise typer.Exit(testing.run_cases(files, json_lines=json_lines))


@app.command(short_help="Say what a changed pipeline file means.")
def plan(
    old: Annotated[
        Path,
        typer.Argument(
            help="The file as it runs.", metavar="OLD", show_default=False, autocompletion=completion.pipeline_files
        ),
    ],
    new: Annotated[
        Path,
        typer.Argument(
            help="The file as it should be.",
            metavar="NEW",
            show_default=False,
            autocompletion=completion.pipeline_files,
        ),
    ],
    json_lines: JsonLines = False,
) -> None:
    """Say what a changed pipeline file means: the class of each change, what becomes of the state, what to write."""
    from datanexus.cli import planned_change

    raise typer.Exit(planned_change.plan(old, new, json_lines=json_lines))


@app.command(short_help="Run pipelines to the end of their input.")
def run(
    files: Files,
    data: Data = DATA_DEFAULT,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget what the folder has of these pipelines.")] = False,
    rows: Annotated[int, typer.Option("--rows", help="Rows of each view to show at the end.", min=0, metavar="N")] = 0,
    json_lines: JsonLines = False,
) -> None:
    """Run pipelines to the end of their input; after a stop or a crash the next run goes on from the last cut."""
    from datanexus.cli import running

    raise typer.Exit(running.run(files, data, fresh=fresh, rows=rows, json_lines=json_lines))


@app.command(short_help="Serve pipelines, with their page and API.")
def up(
    files: Files,
    data: Data = DATA_DEFAULT,
    listen: Annotated[
        str, typer.Option("--listen", help="Where the page and the API are; port 0: a free one.", metavar="HOST:PORT")
    ] = LISTEN_DEFAULT,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget what the folder has of these pipelines.")] = False,
    browse: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    json_lines: JsonLines = False,
) -> None:
    """Serve pipelines until stopped: follow files, take records by HTTP, switch when a pipeline file changes."""
    from datanexus.cli import serving

    raise typer.Exit(serving.up(files, data, listen, fresh=fresh, browse=browse, json_lines=json_lines))


@app.command(short_help="Say how the pipelines of a data folder are.")
def status(data: Data = DATA_DEFAULT, json_lines: JsonLines = False) -> None:
    """Say how the pipelines of a data folder are: state, counts, watermark and what holds it."""
    from datanexus.cli import status as status_command

    raise typer.Exit(status_command.status(data, json_lines=json_lines))


@app.command()
def query(
    sql: Annotated[str, typer.Argument(help="One SELECT; a view is PIPELINE.VIEW.", metavar="SQL")],
    data: Data = DATA_DEFAULT,
    output: Output = ResultFormat.TABLE,
    json_lines: JsonLines = False,
) -> None:
    """Ask the results in a data folder."""
    from datanexus.cli import querying

    raise typer.Exit(querying.query(sql, data, output, json_lines=json_lines))


@quarantine_app.command("list", short_help="List refused records, oldest first.")
def quarantine_list(
    pipeline: Annotated[
        str | None,
        typer.Argument(help="Only of this pipeline.", metavar="[PIPELINE]", autocompletion=completion.pipelines),
    ] = None,
    data: Data = DATA_DEFAULT,
    limit: Annotated[int, typer.Option("--limit", help="Records at most.", min=1, metavar="N")] = 20,
    after: Annotated[int, typer.Option("--after", help="Only records with a higher id.", min=0, metavar="ID")] = 0,
    output: Output = ResultFormat.TABLE,
    json_lines: JsonLines = False,
) -> None:
    """List records in quarantine, oldest first."""
    from datanexus.cli import quarantine

    selection = quarantine.Selection(pipeline=pipeline, limit=limit, after=after)
    raise typer.Exit(quarantine.list_records(selection, data, output, json_lines=json_lines))


@quarantine_app.command("show", short_help="Show one refused record.")
def quarantine_show(
    record: Annotated[int, typer.Argument(help="The record's id, from `quarantine list`.", metavar="ID")],
    data: Data = DATA_DEFAULT,
    raw: Annotated[bool, typer.Option("--raw", help="Write only the record's bytes.")] = False,
    json_lines: JsonLines = False,
) -> None:
    """Show one record in quarantine: where it stood, why it was refused, its bytes."""
    from datanexus.cli import quarantine

    raise typer.Exit(quarantine.show_record(record, data, raw=raw, json_lines=json_lines))


@quarantine_app.command("replay", short_help="Let refused records return.")
def quarantine_replay(
    pipeline: OnePipeline,
    data: Data = DATA_DEFAULT,
    record: Record = None,
    everything: All = False,
    stage: Stage = None,
    reason: Reason = None,
    fix: Annotated[
        list[str] | None, typer.Option("--fix", help="The text to replay instead.", metavar="ID=TEXT")
    ] = None,
    dry_run: DryRun = False,
    json_lines: JsonLines = False,
) -> None:
    """Let refused records return to a pipeline that is served, at their event time, once each."""
    from datanexus.cli import quarantine

    chosen = quarantine.Chosen(pipeline, record or (), everything, stage, reason)
    raise typer.Exit(quarantine.replay_records(chosen, fix or (), data, dry_run=dry_run, json_lines=json_lines))


@quarantine_app.command("purge", short_help="Delete refused records.")
def quarantine_purge(
    pipeline: OnePipeline,
    data: Data = DATA_DEFAULT,
    record: Record = None,
    everything: All = False,
    stage: Stage = None,
    reason: Reason = None,
    dry_run: DryRun = False,
    json_lines: JsonLines = False,
) -> None:
    """Delete refused records of a pipeline that is served, for good."""
    from datanexus.cli import quarantine

    chosen = quarantine.Chosen(pipeline, record or (), everything, stage, reason)
    raise typer.Exit(quarantine.purge_records(chosen, data, dry_run=dry_run, json_lines=json_lines))


@app.command()
def version(json_lines: JsonLines = False) -> None:
    """Print the version."""
    from datanexus.cli import planning

    raise typer.Exit(planning.version(json_lines=json_lines))


def main() -> None:
    """Run the command that the arguments name, and end the process with its exit code."""
    app(prog_name="datanexus")
