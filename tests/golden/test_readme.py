"""The README's example is real: its commands over the sample give the output that stands there."""

import re
from pathlib import Path

import pytest

from tests.golden.transcript import Transcript

ROOT = Path(__file__).parents[2]
_STEADY = re.compile(r"in [\d.]+ s \([\d,]+/s\)")


def test_the_example_gives_the_output_that_stands_there(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    transcript = Transcript(tmp_path, capfd)
    blocks = re.findall(r"^```console\n(.*?)^```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL | re.MULTILINE)
    commands = [
        step for block in blocks for step in re.findall(r"^\$ datanexus (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
    ]
    assert 2 <= len(commands)
    for command, expected in commands:
        arguments = [quoted or plain for quoted, plain in re.findall(r'"([^"]*)"|(\S+)', command)]
        data = [str(tmp_path / "run") if argument == "build/run" else argument for argument in arguments]
        assert _STEADY.sub("in …", expected) == _STEADY.sub("in …", transcript.run(*data))


def test_make_run_does_what_the_example_does() -> None:
    recipe = (ROOT / "Makefile").read_text().split("\nrun:")[1].split("\n\n")[0]
    assert "datanexus run manifests/samples/web-traffic.yaml --data build/run" in recipe
