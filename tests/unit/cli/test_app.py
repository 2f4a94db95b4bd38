"""The command line is quick where it can be, and holds its exit codes."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SAMPLE = "manifests/samples/web-traffic.yaml"
LOADED = """
import sys
sys.argv = ["datanexus", *{arguments!r}]
from datanexus.cli.app import main
try:
    main()
except SystemExit as end:
    code = end.code
print(code, sorted({{"numba", "duckdb", "pyarrow", "numpy"}} & set(sys.modules)), file=sys.stderr)
"""


def loaded(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", LOADED.format(arguments=list(arguments))],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    "arguments", [["--help"], ["run", "--help"], ["version"], ["validate", SAMPLE], ["explain", SAMPLE]]
)
def test_what_only_reads_files_loads_neither_kernels_nor_database(arguments: list[str]) -> None:
    assert "0 []" == loaded(*arguments)


@pytest.mark.parametrize("arguments", [["query", "SELECT 1"], ["quarantine", "list", "nothing"]])
def test_what_only_reads_results_loads_no_kernels(arguments: list[str], tmp_path: Path) -> None:
    end = loaded(*arguments, "--data", str(tmp_path / "none"))
    assert "duckdb" in end
    assert "numba" not in end


def test_a_wrong_command_or_flag_is_invalid_input() -> None:
    assert loaded("frobnicate").startswith("2 ")
    assert loaded("run", SAMPLE, "--nonsense").startswith("2 ")
