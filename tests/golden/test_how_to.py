"""The commands of how-to pages give the output that stands there; UPDATE_GOLDEN=1 writes what they give."""

import os
import re
import shutil
from pathlib import Path

import pytest

from tests.golden.transcript import Transcript

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "how-to"
SAMPLES = ROOT / "manifests" / "samples"
_BLOCK = re.compile(r"^```console\n(.*?)^```", re.DOTALL | re.MULTILINE)
_VARYING = re.compile(r"in [\d.]+ s \([\d,]+/s\)")
_LEAST = {"start-from-your-own-data": 3, "test-a-pipeline": 1, "change-a-pipeline": 2}


@pytest.mark.parametrize("name", _LEAST)
def test_a_page_shows_what_its_commands_say(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    page = PAGES / f"{name}.md"
    text = page.read_text("utf-8")
    _prepare(tmp_path, text)
    told: list[str] = []
    for block in _BLOCK.findall(text):
        transcript = Transcript(tmp_path, capfd)
        for command in re.findall(r"^\$ datanexus (.*)$", block, re.MULTILINE):
            transcript.run(*[quoted or plain for quoted, plain in re.findall(r'"([^"]*)"|(\S+)', command)])
        told.append(re.sub(r"^=> \d\n\n?", "", transcript.text(), flags=re.MULTILINE).replace("! ", ""))
    assert _LEAST[name] <= len(told) or _LEAST[name] <= "".join(told).count("$ datanexus")
    if os.environ.get("UPDATE_GOLDEN") == "1":
        shown = iter(told)
        page.write_text(_BLOCK.sub(lambda _: f"```console\n{next(shown)}```", text), "utf-8")
        text = page.read_text("utf-8")
    assert [_VARYING.sub("in …", block) for block in told] == [_VARYING.sub("in …", b) for b in _BLOCK.findall(text)]


def _prepare(folder: Path, text: str) -> None:
    """The files that the pages speak of."""
    (folder / "data").mkdir()
    shutil.copy(SAMPLES / "data" / "orders.ndjson", folder / "data")
    shutil.copy(SAMPLES / "orders.yaml", folder)
    pipeline = (SAMPLES / "orders.yaml").read_text("utf-8")
    for name, old, new in (("delay", "delay: 2m", "delay: 5m"), ("horizon", "horizon: 1h", "horizon: 6h")):
        assert old in pipeline
        (folder / f"{name}.yaml").write_text(pipeline.replace(old, new))
    (folder / "countries.csv").write_text("name,code,population\nGermany,DE,84\nFrance,FR,68\nSpain,ES,48\n")
    for block in re.findall(r"```yaml\n(pipeline:.*?)```", text, re.DOTALL):
        (folder / "case.test.yaml").write_text(block)
