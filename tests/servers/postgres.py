"""A private PostgreSQL for the oracles: own folder, own user where needed, a socket instead of a port, gone at the end.

Texts are ordered by bytes and letters are Unicode's, times are in UTC: what the project's SQL promises.
A program that is missing is named, with the way to get it; on CI that is a failure and no skip.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_PLACES = "/usr/lib/postgresql/*/bin/postgres"
_DEADLINE_SECONDS = 60
_OPTIONS = (
    "-c listen_addresses='' -c fsync=off -c full_page_writes=off -c max_connections=10 -c timezone=UTC "
    "-c log_timezone=UTC -c jit=off -c shared_buffers=32MB"
)


def programs() -> Path:
    """The folder of PostgreSQL's programs, the newest on the machine; the test stops here if there are none."""
    found = sorted(Path("/").glob(_PLACES.lstrip("/")), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("postgres")
    if not found and on_path is not None:
        found = [Path(on_path).resolve()]
    if not found:
        message = "PostgreSQL is missing: apt-get install postgresql"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    return found[-1].parent


@contextmanager
def private_postgres() -> Iterator[str]:
    """A running server; gives the folder of its socket (user and database: postgres, no password)."""
    binaries = programs()
    folder = Path(tempfile.mkdtemp(prefix="dn-pg-", dir="/tmp"))
    user = "postgres" if os.getuid() == 0 else None  # the server refuses to run as root
    if user is not None:
        account = pwd.getpwnam(user)
        os.chown(folder, account.pw_uid, account.pw_gid)
    data, log = folder / "data", folder / "log"

    def run(*arguments: str) -> None:
        done = subprocess.run(
            arguments, user=user, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, text=True
        )
        if done.returncode != 0:
            written = log.read_text() if log.exists() else ""
            raise RuntimeError(f"{' '.join(arguments)} failed: {done.stdout[-2000:]} {written[-2000:]}")

    try:
        run(
            str(binaries / "initdb"), "--pgdata", str(data), "--username", "postgres", "--auth", "trust", "--encoding",
            "UTF8", "--lc-collate", "C", "--lc-ctype", "C.UTF-8", "--locale", "C", "--no-sync",
        )  # fmt: skip
        options = f"{_OPTIONS} -c unix_socket_directories={folder}"
        control = [str(binaries / "pg_ctl"), "--pgdata", str(data), "--log", str(log)]
        started = time.monotonic()
        run(*control, "--options", options, "--wait", "--timeout", str(_DEADLINE_SECONDS), "start")
        assert time.monotonic() - started < _DEADLINE_SECONDS
        try:
            yield str(folder)
        finally:
            run(*control, "--mode", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
