"""What `datanexus plan` says, kept as a transcript."""

import json
from pathlib import Path

import pytest

from tests.golden.golden_text import assert_golden
from tests.golden.transcript import Transcript

PLANS = Path(__file__).parent / "plans"


@pytest.fixture
def transcript(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Transcript:
    """Commands in a folder with one pipeline as `old.yaml`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old.yaml").write_text((PLANS / "web-traffic.yaml").read_text("utf-8"))
    return Transcript(tmp_path, capfd)


def changed(folder: Path, name: str, old: str, new: str) -> None:
    text = (folder / "old.yaml").read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new))


def test_plan_says_what_is_taken_over_what_is_refused_and_what_is_wrong(transcript: Transcript) -> None:
    folder = transcript.folder
    changed(folder, "delay.yaml", "delay: 2m", "delay: 3m")
    changed(folder, "size.yaml", "size: 1h", "size: 2h")
    changed(folder, "broken.yaml", "size: 1h", "size: 1 hour")
    more = (folder / "old.yaml").read_text().replace("name: web-traffic", "name: more")
    (folder / "two.yaml").write_text((folder / "delay.yaml").read_text() + "---\n" + more)
    for new in ("old", "delay", "size", "broken", "two", "missing"):
        transcript.run("plan", "old.yaml", f"{new}.yaml")
    transcript.run("plan", "two.yaml", "delay.yaml")
    assert_golden("messages/cli/plan.txt", transcript.text())


def test_plan_for_programs_is_a_line_for_each_pipeline(transcript: Transcript) -> None:
    changed(transcript.folder, "size.yaml", "size: 1h", "size: 2h")
    (line,) = transcript.run("plan", "old.yaml", "size.yaml", "--json").splitlines()
    told = json.loads(line)
    assert ("state change", "Refuse") == (told["class"], told["action"])
    assert "spec.views[traffic].window.tumbling.size" == told["fields"][0]["path"]
    assert {"view traffic": "incompatible"} == {
        part["part"]: part["verdict"] for part in told["state"] if part["verdict"] != "same"
    }
