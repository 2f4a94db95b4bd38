"""What each command says, kept as transcripts. `UPDATE_GOLDEN=1 pytest tests/golden/test_cli.py` rewrites them."""

import json
import re
from pathlib import Path

import pytest

from datanexus.adapters.embedded.data_folder import open_data_folder
from tests.golden.golden_text import assert_golden
from tests.golden.transcript import Transcript

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial" / "first-pipeline.md"


@pytest.fixture
def transcript(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Transcript:
    """Commands in an empty folder that holds the tutorial's files."""
    monkeypatch.chdir(tmp_path)
    text = TUTORIAL.read_text("utf-8")
    files = dict(re.findall(r"^<!-- file: (\S+) -->\n```\w+\n(.*?)^```", text, re.DOTALL | re.MULTILINE))
    for name in ("orders.ndjson", "orders.yaml"):
        (tmp_path / name).write_text(files[name])
    return Transcript(tmp_path, capfd)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_the_first_commands(transcript: Transcript) -> None:
    commands = [
        ("validate", "orders.yaml"),
        ("run", "orders.yaml", "--data", "data"),
        (
            "query",
            "SELECT window_start, country, orders, revenue FROM orders.sales ORDER BY 1, 2",
            "--data",
            "data",
        ),
        ("quarantine", "list", "--data", "data"),
        ("quarantine", "show", "1", "--data", "data"),
    ]
    for command in commands:
        transcript.run(*command)
    assert transcript.output_of("explain", "orders.yaml").startswith("pipeline orders, revision ")
    transcript.run("run", "orders.yaml", "--data", "data")
    with (transcript.folder / "orders.ndjson").open("a") as file:
        file.write('{"at": "2024-05-01T10:01:50Z", "id": 5, "country": "DE", "amount": 1.00}\n')
    transcript.run("run", "orders.yaml", "--data", "data", "--rows", "5")
    assert_golden("messages/cli/tutorial.txt", transcript.text())


def test_results_for_programs(transcript: Transcript) -> None:
    (line,) = transcript.run("run", "orders.yaml", "--data", "data", "--json").splitlines()
    summary = json.loads(line)
    assert (5, 3, 1, 1) == tuple(summary["totals"][lane] for lane in ("in", "passed", "duplicate", "quarantined"))
    rows = transcript.run("query", "SELECT orders FROM orders.sales ORDER BY 1", "--data", "data", "--json")
    assert [{"orders": 1}, {"orders": 1}, {"orders": 1}] == [json.loads(row) for row in rows.splitlines()]
    listed = transcript.run("quarantine", "list", "orders", "--data", "data", "--json")
    assert 1 == json.loads(listed)["id"]
    shown = json.loads(transcript.run("quarantine", "show", "1", "--data", "data", "--json"))
    assert shown["raw"] == transcript.run("quarantine", "show", "1", "--data", "data", "--raw")
    transcript.run("query", "SELECT country, revenue FROM orders.sales ORDER BY 1, 2", "-o", "csv", "--data", "data")
    transcript.run("validate", "orders.yaml", "--json")
    transcript.run("query", "SELECT nothing FROM orders.sales", "--data", "data", "--json")
    assert_golden("messages/cli/programs.txt", transcript.text())


def test_what_is_wrong_with_files(transcript: Transcript) -> None:
    transcript.run("validate", "missing.yaml")
    (transcript.folder / "latin.yaml").write_bytes(b"kind: Pipeline # caf\xe9\n")
    transcript.run("validate", "latin.yaml")
    (transcript.folder / "connector.yaml").write_text(
        "apiVersion: datanexus.io/v1alpha1\nkind: Connector\nmetadata: {name: c}\n"
        "spec: {files: {path: x, format: {ndjson: {}}}}\n"
    )
    transcript.run("validate", "connector.yaml")
    transcript.run("validate", "orders.yaml", "orders.yaml")
    edit(transcript.folder / "orders.yaml", "sum(amount)", "sum(amuont) FILTER (WHERE country = 1")
    edit(transcript.folder / "orders.yaml", "count(*)", "country || 1 + orders")
    edit(transcript.folder / "orders.yaml", "key: [id]", "key: [idd]")
    transcript.run("validate", "orders.yaml")
    edit(transcript.folder / "orders.yaml", "horizon: 1h", "horizon: 1 hour")
    edit(transcript.folder / "orders.yaml", "groupBy:", "groupby:")
    edit(transcript.folder / "orders.yaml", "delay: 10s", "delay: soon")
    transcript.run("run", "orders.yaml", "--data", "data")
    assert not (transcript.folder / "data").exists()
    assert_golden("messages/cli/files.txt", transcript.text())


def test_what_is_wrong_with_a_data_folder(transcript: Transcript) -> None:
    transcript.run("query", "SELECT 1", "--data", "none")
    transcript.run("quarantine", "list", "--data", "none")
    (transcript.folder / "other").mkdir()
    (transcript.folder / "other" / "diary.txt").write_text("x")
    transcript.run("run", "orders.yaml", "--data", "other")
    transcript.run("run", "orders.yaml", "--data", "orders.yaml")
    transcript.run("run", "orders.yaml", "--data", "orders.yaml/data")
    (transcript.folder / "newer").mkdir()
    (transcript.folder / "newer" / "format").write_text('{"format": 99}')
    transcript.run("run", "orders.yaml", "--data", "newer")
    transcript.run("query", "SELECT 1", "--data", "newer")
    held = open_data_folder(transcript.folder / "held")
    try:
        transcript.run("run", "orders.yaml", "--data", "held")
        transcript.run("query", "SELECT 1", "--data", "held")
    finally:
        held.close()
    assert_golden("messages/cli/data-folder.txt", transcript.text())


def test_what_is_wrong_with_a_question(transcript: Transcript) -> None:
    transcript.run("run", "orders.yaml", "--data", "data")
    for sql in (
        "SELECT * FROM orders.sale",
        "SELECT contry FROM orders.sales",
        "SELECT 1 +",
        "DELETE FROM orders.sales",
        "SELECT 1; SELECT 2",
        "SELECT 1 / (orders - orders) FROM orders.sales",
    ):
        transcript.run("query", sql, "--data", "data")
    transcript.run("quarantine", "list", "order", "--data", "data")
    transcript.run("quarantine", "show", "77", "--data", "data")
    transcript.run("query", "SELECT 1", "-o", "xml", "--data", "data")
    assert_golden("messages/cli/questions.txt", transcript.text())


def test_a_source_without_files_and_too_much_quarantine(transcript: Transcript) -> None:
    pipeline = transcript.folder / "orders.yaml"
    edit(pipeline, "orders.ndjson", "none/*.ndjson")
    transcript.run("run", "orders.yaml", "--data", "data")
    edit(pipeline, "none/*.ndjson", "orders.ndjson")
    edit(pipeline, "  watermark:", "  quarantine: {max: 0.1}\n  watermark:")
    transcript.run("run", "orders.yaml", "--data", "data")
    assert_golden("messages/cli/quarantine-bound.txt", transcript.text())


def test_a_change_that_the_state_cannot_follow(transcript: Transcript) -> None:
    transcript.run("run", "orders.yaml", "--data", "data")
    edit(transcript.folder / "orders.yaml", "horizon: 1h", "horizon: 2h")
    transcript.run("run", "orders.yaml", "--data", "data")
    transcript.run("run", "orders.yaml", "--data", "data", "--fresh")
    assert_golden("messages/cli/change.txt", transcript.text())


def test_help(transcript: Transcript, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERMINAL_WIDTH", "100")
    transcript.run("--help")
    for command in ("init", "validate", "explain", "test", "plan", "run", "query", "quarantine", "version"):
        transcript.run(command, "--help")
    transcript.run("quarantine", "list", "--help")
    transcript.run("quarantine", "show", "--help")
    transcript.run("run")
    transcript.run("frobnicate")
    assert_golden("messages/cli/help.txt", transcript.text())
