"""`datanexus init` over real and awkward data: a file that runs and refuses nothing, or precisely what is missing."""

import json
import re
from pathlib import Path

import pyarrow as pa
import pytest

from tests.golden.golden_text import assert_golden
from tests.golden.transcript import Transcript
from tests.init.awkward import REFUSED, ROWS, RUNS

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data"  # real sets that are too large to keep here
SAMPLES = ROOT / "manifests" / "samples"
REAL = sorted(SHARED.glob("access_log/*.log")) or [SAMPLES / "data" / "access.log"]
REAL += sorted(SHARED.glob("nginx_status/*.ndjson")) + sorted(SHARED.glob("nab/real*/*.csv"))
SHOWN = ("semicolon_csv", "nested_json", "gzipped", "unordered", "log_lines")


@pytest.fixture
def transcript(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Transcript:
    monkeypatch.chdir(tmp_path)
    return Transcript(tmp_path, capfd)


def totals(transcript: Transcript, file: str) -> dict[str, int]:
    """Run a pipeline; where its records went, and how many of its views' were late."""
    told = json.loads(transcript.output_of("run", file, "--json").splitlines()[-1])
    late = sum(count for name, count in told["counters"].items() if name.endswith("late"))
    return {**told["totals"], "late": late}


@pytest.mark.parametrize("name", RUNS)
def test_awkward_data_give_a_file_that_runs(name: str, transcript: Transcript) -> None:
    data = RUNS[name](transcript.folder)
    told = json.loads(transcript.output_of("init", data.name, "--output", "made.yaml", "--json"))
    found = totals(transcript, "made.yaml")
    assert (0, 0) == (found["quarantined"], found["late"])
    assert found["in"] == told["records"] == told["tried"] >= min(ROWS, 81)
    assert {} == told["refused"]


@pytest.mark.parametrize("data", REAL, ids=lambda path: path.stem)
def test_real_data_give_a_file_that_runs(data: Path, transcript: Transcript) -> None:
    told = json.loads(transcript.output_of("init", str(data), "--output", "made.yaml", "--json"))
    found = totals(transcript, "made.yaml")
    assert found["in"] == told["tried"]
    assert found["quarantined"] <= 0.001 * found["in"]
    assert 0 == found["late"]


@pytest.mark.parametrize("name", SHOWN)
def test_what_was_found_reads_as_kept(name: str, transcript: Transcript) -> None:
    data = RUNS[name](transcript.folder)
    transcript.run("init", data.name, "--output", "made.yaml")
    assert_golden(f"messages/init/{name}.txt", transcript.text())
    assert_golden(f"messages/init/{name}.yaml", (transcript.folder / "made.yaml").read_text("utf-8"))


def test_what_cannot_be_told_reads_as_kept(transcript: Transcript) -> None:
    for make in REFUSED.values():
        transcript.run("init", make(transcript.folder).name, "--output", "made.yaml")
    transcript.run("init", "nothing/*.log")
    (transcript.folder / "hollow").mkdir()
    transcript.run("init", "hollow")
    assert not (transcript.folder / "made.yaml").exists()
    assert_golden("messages/init/refused.txt", transcript.text())


def test_a_file_that_is_there_is_not_overwritten(transcript: Transcript) -> None:
    data = RUNS["unordered"](transcript.folder)
    (transcript.folder / "unordered.yaml").write_text("mine")
    transcript.run("init", data.name)
    assert "FileExists" in transcript.run("init", data.name, "--json") or "=> 2" in transcript.text()
    assert "mine" == (transcript.folder / "unordered.yaml").read_text()


def test_standard_output_gets_the_pipeline_alone(transcript: Transcript) -> None:
    data = RUNS["unordered"](transcript.folder)
    text = transcript.output_of("init", data.name, "--output", "-")
    assert text.startswith("# A first pipeline over unordered.ndjson")
    (transcript.folder / "piped.yaml").write_text(text)
    assert "valid" in transcript.output_of("validate", "piped.yaml")


def test_a_folder_stands_for_its_most_frequent_files(transcript: Transcript) -> None:
    folder = transcript.folder / "logs"
    folder.mkdir()
    for day in range(1, 13):
        lines = [f'{{"time": "2024-05-{day:02}T{hour:02}:00:00Z", "n": {hour}}}' for hour in range(24)]
        (folder / f"day-{day:02}.ndjson").write_text("\n".join(lines) + "\n")
    (folder / "README.txt").write_text("about these logs")
    told = json.loads(transcript.output_of("init", "logs", "--output", "made.yaml", "--json"))
    assert (12, False) == (told["files"], told["complete"])  # eight of the twelve were looked into
    assert 12 * 24 == totals(transcript, "made.yaml")["in"]


def test_a_large_file_is_sampled_at_its_end_too(transcript: Transcript) -> None:
    """A field that is missing, and disorder that grows, only far behind the beginning are seen."""
    with (transcript.folder / "large.ndjson").open("w") as file:
        for row in range(120_000):
            second = row - (40 if row > 115_000 and row % 100 == 0 else 0)
            note = '"n": 1' if row < 110_000 else '"m": 1'
            file.write(
                f'{{"time": "2024-05-{1 + second // 86400:02}T{second // 3600 % 24:02}:{second // 60 % 60:02}:'
                f'{second % 60:02}Z", "fill": "{"x" * 30}", {note}}}\n'
            )
    told = json.loads(transcript.output_of("init", "large.ndjson", "--output", "made.yaml", "--json"))
    assert not told["complete"]
    assert {"n": False, "m": False, "fill": True} == {
        field["name"]: field["required"] for field in told["fields"] if field["name"] != "time"
    }
    found = totals(transcript, "made.yaml")
    assert (120_000, 0, 0) == (found["in"], found["quarantined"], found["late"])


def test_a_few_broken_times_among_many_do_not_hide_the_event_time(transcript: Transcript) -> None:
    lines = [f"2024-05-01 {row // 60 % 24:02}:{row % 60:02}:00,{row}" for row in range(1_000)]
    lines[17] = "yesterday,17"
    (transcript.folder / "broken.csv").write_text("when,n\n" + "\n".join(lines) + "\n")
    told = json.loads(transcript.output_of("init", "broken.csv", "--output", "made.yaml", "--json"))
    assert ("when", {"InvalidTimestamp": 1}) == (told["event_time"], told["refused"])
    assert any("yesterday" in doubt for doubt in told["unsure"])
    assert 1 == totals(transcript, "made.yaml")["quarantined"]


def test_stack_traces_among_log_lines_are_told(transcript: Transcript) -> None:
    record = "2024-05-01T10:{0:02}:00Z ERROR failed {0}\nTraceback (most recent call last):\n  ValueError: {0}\n"
    lines = [
        record.format(row) if row % 3 == 0 else f"2024-05-01T10:{row:02}:00Z INFO fine {row}\n" for row in range(60)
    ]
    (transcript.folder / "app.log").write_text("".join(lines))
    told = json.loads(transcript.output_of("init", "app.log", "--output", "made.yaml", "--json"))
    assert {"PatternMismatch": 40} == told["refused"]
    assert any("40 of 100 lines" in doubt for doubt in told["unsure"])
    assert 60 == totals(transcript, "made.yaml")["passed"]


def test_names_that_are_patterns_or_words_of_sql_are_no_trap(transcript: Transcript) -> None:
    rows = [f"2024-05-01T10:{row:02}:00Z,{row % 3},{row},u{row % 4},{row}" for row in range(60)]
    text = "time,records,select,user,window_start\n" + "\n".join(rows) + "\n"
    (transcript.folder / "a[1] b.csv").write_text(text)
    transcript.output_of("init", "a[1] b.csv", "--output", "made.yaml")
    assert 60 == totals(transcript, "made.yaml")["passed"]


def test_zstd_is_read(transcript: Transcript) -> None:
    plain = RUNS["unordered"](transcript.folder)
    with pa.CompressedOutputStream(str(transcript.folder / "more.ndjson.zst"), "zstd") as stream:
        stream.write(plain.read_bytes())
    transcript.output_of("init", "more.ndjson.zst", "--output", "made.yaml")
    assert ROWS == totals(transcript, "made.yaml")["passed"]


def test_a_folder_that_is_not_there_is_told(transcript: Transcript) -> None:
    data = RUNS["unordered"](transcript.folder)
    transcript.run("init", data.name, "--output", "nowhere/made.yaml")
    assert "! error: nowhere: is no folder" in transcript.text()


def test_the_path_is_relative_to_the_file_that_is_written(transcript: Transcript) -> None:
    RUNS["unordered"](transcript.folder)
    (transcript.folder / "pipelines").mkdir()
    transcript.output_of("init", "unordered.ndjson", "--output", "pipelines/made.yaml")
    text = (transcript.folder / "pipelines" / "made.yaml").read_text()
    assert re.search(r'path: "\.\./unordered\.ndjson"', text)
    assert ROWS == totals(transcript, "pipelines/made.yaml")["in"]
