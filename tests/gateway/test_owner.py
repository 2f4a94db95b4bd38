"""The commands ask the process that serves a data folder, and open the folder themselves when nobody does."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.served import CLOSING, DEADLINE_S, ROOT, Server, line, pipeline, serving, until

COMMAND = "from datanexus.cli.app import main; main()"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("owner"), pipeline("shop")) as running:
        for body in (line("a"), line("b") + b"bad\n" + b'{"id": 5, "ts": 2000, "n": 3}\n', CLOSING):
            assert 200 == running.send("shop", "in", body).status
        until(lambda: running.query("SELECT count(*) FROM shop.each") == [[2]], "rows")
        yield running


def datanexus(server: Server, *arguments: str, code: int = 0) -> str:
    """Run a command beside the server; its standard output, or its messages when it fails."""
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, *arguments, "--data", str(server.folder / "data")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert code == done.returncode, done.stdout + done.stderr
    return done.stderr if code else done.stdout


def test_query_is_answered_by_the_owner(server: Server) -> None:
    told = datanexus(server, "query", "SELECT id, records FROM shop.each ORDER BY id", "-o", "csv")
    assert "id,records\na,1\nb,1\n" == told
    refused = datanexus(server, "query", "SELECT nothing FROM shop.each", code=2)
    assert "query, line 1, column 8" in refused


def test_status_is_the_owners(server: Server) -> None:
    told = datanexus(server, "status")
    assert told.startswith("shop: running, cut ")
    assert "in 5, passed 3, filtered 0, duplicate 0, quarantined 2" in told
    assert "running" == json.loads(datanexus(server, "status", "--json"))["state"]


def test_quarantine_is_listed_shown_mended_and_purged_through_the_owner(server: Server) -> None:
    listed = datanexus(server, "quarantine", "list", "-o", "ndjson")
    first, second = [json.loads(one) for one in listed.splitlines()]
    assert ("InvalidJson", "WrongType") == (first["reason"], second["reason"])
    assert "bad" == datanexus(server, "quarantine", "show", str(first["id"]), "--raw")
    assert "WrongType" in datanexus(server, "quarantine", "show", str(second["id"]))
    assert "no record 99" in datanexus(server, "quarantine", "show", "99", code=2)
    fix = f'{second["id"]}={{"id": "c", "ts": 200000000, "n": 3}}'
    trial = datanexus(server, "quarantine", "replay", "shop", "--id", str(second["id"]), "--fix", fix, "--dry-run")
    assert trial.startswith("1 record would return: 1 passed")
    done = datanexus(server, "quarantine", "replay", "shop", "--id", str(second["id"]), "--fix", fix)
    assert done.startswith("1 record returned: 1 passed")
    assert "1 record would be deleted\n" == datanexus(server, "quarantine", "purge", "shop", "--all", "--dry-run")
    assert "1 record deleted\n" == datanexus(server, "quarantine", "purge", "shop", "--all")
    assert "no record is in quarantine\n" in datanexus(server, "quarantine", "list")
    assert "neither --id nor --all" in datanexus(server, "quarantine", "purge", "shop", code=2)


def test_without_an_owner_the_folder_is_opened(tmp_path: Path) -> None:
    with serving(tmp_path, pipeline("shop")) as server:
        server.send("shop", "in", line("a") + b"bad\n" + CLOSING)
        until(lambda: server.query("SELECT count(*) FROM shop.each") == [[1]], "rows")
        server.kill()  # what stands in the lock file now is of nobody
        assert "id,records\na,1\n" == datanexus(server, "query", "SELECT id, records FROM shop.each", "-o", "csv")
        assert "shop: stopped, cut " in datanexus(server, "status")
        assert "shop: 1 record decode/InvalidJson" in datanexus(server, "quarantine", "list")
        assert "no server runs on it" in datanexus(server, "quarantine", "purge", "shop", "--all", code=2)


def test_up_says_where_it_listens_and_ends_in_order(tmp_path: Path) -> None:
    (tmp_path / "pipeline.yaml").write_text(json.dumps(pipeline("shop")))
    command = [sys.executable, "-c", COMMAND, "up", str(tmp_path / "pipeline.yaml"), "--listen", "127.0.0.1:0"]
    command += ["--data", str(tmp_path / "data")]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        first = process.stderr.readline()
        address = json.loads((tmp_path / "data" / "lock").read_text())["address"]
        assert f"page and API: http://{address}/\n" == first
        assert "only this machine can connect" in process.stderr.readline()
        server = Server(process, address, tmp_path)  # type: ignore[arg-type]
        until(lambda: server.ask("GET", "/readyz").status == 200, "readiness")
        assert 1 == server.send("shop", "in", line("a")).json["accepted"]
        assert 0 == server.stop()


def test_a_taken_port_is_told(server: Server, tmp_path: Path) -> None:
    (tmp_path / "pipeline.yaml").write_text(json.dumps(pipeline("other")))
    told = datanexus(
        Server(server.process, server.address, tmp_path),
        "up", str(tmp_path / "pipeline.yaml"), "--listen", server.address, code=1,
    )  # fmt: skip
    assert f"--listen {server.address}: cannot listen there" in told
