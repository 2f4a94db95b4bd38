"""What Tab offers, asked as the shells ask: with typer's protocol, and once through a real bash."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(sys.executable).parent / "datanexus"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("orders.yaml", "orders.test.yaml", "notes.txt", ".hidden.yaml"):
        (tmp_path / name).write_text("x")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "clicks.yml").write_text("x")
    for pipeline in ("orders", "clicks"):
        (tmp_path / "data" / "blobs" / pipeline).mkdir(parents=True)
    return tmp_path


def offered(folder: Path, line: str, shell: str = "bash") -> list[str]:
    """The words that are offered at the end of a line."""
    words = len(line.split()) - (not line.endswith(" "))
    asked = {
        "bash": {"COMP_WORDS": line, "COMP_CWORD": str(words)},
        "zsh": {"_TYPER_COMPLETE_ARGS": line},
        "fish": {"_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
    }
    environment = {**os.environ, **asked[shell], "_DATANEXUS_COMPLETE": f"complete_{shell}"}
    done = subprocess.run([PROGRAM], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert "" == done.stderr
    return [word for word in done.stdout.split("\n") if word]


def test_commands_and_flags_are_offered(folder: Path) -> None:
    assert {"init", "run", "test", "plan", "query"} <= set(offered(folder, "datanexus "))
    assert ["validate"] == offered(folder, "datanexus val")
    assert ["--data"] == offered(folder, "datanexus run --da")
    assert "ndjson" in offered(folder, "datanexus query x -o ")


@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_pipeline_files_are_offered_where_they_belong(folder: Path, shell: str) -> None:
    assert ["data/", "more/", "orders.yaml"] == offered(folder, "datanexus validate ", shell)
    assert ["more/clicks.yml"] == offered(folder, "datanexus run more/", shell)
    assert ["orders.test.yaml"] == offered(folder, "datanexus test or", shell)
    assert ["orders.yaml"] == offered(folder, "datanexus plan orders.yaml or", shell)


def test_zsh_gets_words_it_can_read(folder: Path) -> None:
    assert ["""_arguments '*: :(("orders.yaml"))'"""] == offered(folder, "datanexus validate or", "zsh")


def test_pipelines_of_the_data_folder_are_offered(folder: Path) -> None:
    assert ["clicks", "orders"] == offered(folder, "datanexus quarantine list --data data ")
    assert ["orders"] == offered(folder, "datanexus quarantine list --data data or")
    assert [] == offered(folder, "datanexus quarantine list ")  # no data folder here: nothing, and no complaint


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not on this machine")
def test_a_real_bash_takes_the_script(folder: Path) -> None:
    environment = {**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    shown = subprocess.run(
        [PROGRAM, "--show-completion", "bash"], env=environment, capture_output=True, text=True, check=True
    ).stdout
    asked = (
        "COMP_WORDS=(datanexus validate or); COMP_CWORD=2\n"
        f'_datanexus_completion "{PROGRAM}"\nprintf "%s\\n" "${{COMPREPLY[@]}}"\n'
    )
    done = subprocess.run(
        [shutil.which("bash") or "", "--norc", "-c", f"{shown}\n{asked}"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ["orders.yaml"] == done.stdout.split()
