"""`make test`: installs the server programs that are missing, runs everything and prints one line of counts.

A skip because a program is missing is a failure here, so programs are installed first, and what is installed is said.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROGRAMS = {"postgres": "postgresql", "chromium": "chromium", "npm": "npm"}  # program → Debian package
_COUNT = re.compile(r"(\d+) (passed|failed|skipped|errors?)\b")


def main() -> int:
    """Run the tests; 0 when all passed."""
    for program, package in PROGRAMS.items():
        if not _is_there(program):
            _install(program, package)
    shutil.rmtree(ROOT / "build" / "test-results", ignore_errors=True)
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadfile", "-p", "no:cacheprovider", "tests"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        last = ""
        for line in process.stdout:
            print(line, end="", flush=True)
            last = line if _COUNT.search(line) else last
    counts = {"passed": 0, "failed": 0, "skipped": 0, "error": 0}
    for number, name in _COUNT.findall(last):
        counts[name.rstrip("s") if name.startswith("error") else name] = int(number)
    failed = counts["failed"] + counts["error"] + (counts["skipped"] if os.environ.get("CI") else 0)
    print(f"{counts['passed']} passed, {failed} failed")
    return process.returncode or int(failed > 0)


def _is_there(program: str) -> bool:
    return bool(shutil.which(program) or list(Path("/usr/lib/postgresql").glob(f"*/bin/{program}")))


def _install(program: str, package: str) -> None:
    print(f"installing Debian package {package}, as {program} is not on this machine", flush=True)
    for command in (
        ["apt-get", "update", "-q"],
        ["apt-get", "install", "-q", "-y", "--no-install-recommends", package],
    ):
        subprocess.run(command, check=True, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})


if __name__ == "__main__":
    sys.exit(main())
