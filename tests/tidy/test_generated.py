"""Generated files equal a fresh generation; the lock file names no address."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_custom_resource_definitions_and_their_reference_are_fresh() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "datanexus_spec", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert 0 == done.returncode, done.stdout + done.stderr


def test_the_lock_file_names_no_address() -> None:
    assert "://" not in (ROOT / "requirements.lock").read_text()
