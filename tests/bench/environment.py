"""What the peers need, brought in by `make bench` alone: an environment of Python wheels, Java with Flink's jars.

Both are kept below build/bench and made again when what they are made of changes. What cannot be had is no failure of
the benchmark: `Unavailable` says why, and the peer's row repeats it.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.bench.process import FOLDER

_HERE = Path(__file__).parent
_LOCK = _HERE / "peers.lock"
_FLINK = _HERE / "flink"
_JAVA_PACKAGES = ("openjdk-17-jdk-headless", "maven")
_SECONDS_MAX = 600


class Unavailable(Exception):
    """A peer cannot be brought in; the message is for its row."""


def peers_python() -> Path:
    """The interpreter of the peers' environment. Raises: Unavailable."""
    python = FOLDER / "peers" / "bin" / "python"

    def install() -> None:
        shutil.rmtree(FOLDER / "peers", ignore_errors=True)
        _command([sys.executable, "-m", "venv", str(FOLDER / "peers")])
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _command([*pip, "--only-binary", ":all:", "--require-hashes", "-r", str(_LOCK)])

    _made_of(FOLDER / "peers.made", [_LOCK], install)
    return python


def flink_classpath() -> str:
    """Classes of the runner and the jars it needs. Raises: Unavailable."""
    _need_java()
    folder = FOLDER / "flink"

    def build() -> None:
        _command(["mvn", "--batch-mode", "--quiet", "-f", str(_FLINK), f"-Dbench.build={folder}", "compile"])

    _made_of(FOLDER / "flink.made", sorted(_FLINK.rglob("*.*")), build)
    return f"{folder}/classes:{folder}/lib/*"


def _need_java() -> None:
    """Installs Java and Maven from Debian's packages where they are missing and that is possible."""
    if shutil.which("javac") and shutil.which("mvn"):
        return
    if not shutil.which("apt-get") or os.geteuid() != 0:
        raise Unavailable("javac and mvn are not on this machine, and Debian's packages cannot be installed")
    print(f"installing Debian packages {', '.join(_JAVA_PACKAGES)}, as Java or Maven is not there", flush=True)
    _command(["apt-get", "update", "-q"])
    _command(["apt-get", "install", "-q", "-y", "--no-install-recommends", *_JAVA_PACKAGES])


def _made_of(stamp: Path, sources: Sequence[Path], make: Callable[[], None]) -> None:
    """Make something unless it was made of the same sources."""
    digest = hashlib.sha256(b"\0".join(path.read_bytes() for path in sources if path.is_file())).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return
    make()
    stamp.write_text(digest)


def _command(command: Sequence[str]) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=_SECONDS_MAX
        )
    except subprocess.TimeoutExpired:
        raise Unavailable(f"`{command[0]}` did not end within {_SECONDS_MAX} s") from None
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()
        found = next((line for line in said if "ERROR" in line), said[-1])
        raise Unavailable(f"`{Path(command[0]).name}` says: {found.strip()}")
