"""What `datanexus test` says, kept as transcripts: cases that hold, cases that do not, files that are wrong."""

import json
from pathlib import Path

import pytest

from tests.golden.golden_text import assert_golden
from tests.golden.transcript import Transcript

PIPELINE = """apiVersion: datanexus.io/v1alpha1
kind: Pipeline
metadata: {name: orders}
spec:
  sources:
  - {name: file, files: {path: orders.ndjson, format: {ndjson: {}}}}
  record:
    fields:
    - {name: time, type: timestamp, from: [at]}
    - {name: id, type: int64}
    - {name: country, type: string}
    - {name: amount, type: "decimal(12,2)"}
    eventTime: time
  dedup: {key: [id], horizon: 1h}
  watermark: {delay: 10s}
  views:
  - name: sales
    groupBy: [country]
    window: {tumbling: {size: 1m}}
    aggregates:
    - {name: orders, expr: "count(*)"}
    - {name: revenue, expr: "sum(amount)"}
  sinks: [{name: out, view: sales, files: {path: "out", format: {csv: {}}}}]
"""
ORDERS = """{"at": "2024-05-01T10:00:05Z", "id": 1, "country": "DE", "amount": 19.90}
{"at": "2024-05-01T10:00:09Z", "id": 2, "country": "FR", "amount": 5.00}
{"at": "2024-05-01T10:01:40Z", "id": 4, "country": "DE", "amount": 7.10}
"""
RECORDS = """
    - '{"at": "2024-05-01T10:00:05Z", "id": 1, "country": "DE", "amount": 19.90}'
    - '{"at": "2024-05-01T10:00:09Z", "id": 2, "country": "FR", "amount": 5.00}'
    - '{"at": "2024-05-01T10:00:09Z", "id": 2, "country": "FR", "amount": 5.00}'
    - '{"at": "2024-05-01T10:01:30Z", "id": 3, "country": "DE", "amount": "abc"}'
"""
HOLDS = f"""pipeline: orders.yaml
cases:
- name: a repeat counts once, and a text is no amount
  input:
  - source: file
    lines:{RECORDS}
  expect:
  - view: sales
    csv: |
      window_start,         country, orders, revenue
      2024-05-01T10:00:00Z, DE,      1,      19.9
      2024-05-01T10:00:00Z, FR,      1,      5
  quarantine: [{{reason: WrongType, records: 1}}]
  counters: {{in: 4, passed: 2, duplicate: 1, quarantined: 1}}
- name: nothing comes of nothing
  input: [{{source: file, text: ""}}]
  expect: [{{view: sales, rows: []}}]
  counters: {{in: 0}}
"""
FAILS = f"""pipeline: orders.yaml
cases:
- name: figures, rows, counts and reasons that are wrong
  input:
  - source: file
    lines:{RECORDS}
  expect:
  - view: sales
    rows:
    - {{window_start: "2024-05-01T10:00:00Z", country: DE, orders: 2, revenue: 19.91}}
    - {{window_start: "2024-05-01T10:05:00Z", country: IT, orders: 1, revenue: 1}}
  quarantine: [{{reason: MissingField, records: 2}}]
  counters: {{in: 4, duplicate: 0}}
- name: rows from files, over the pipeline's own data
  expect:
  - {{view: sales, file: sales.ndjson, tolerance: 0.01}}
"""
_CASE = "pipeline: orders.yaml\ncases:\n- name: a\n"
WRONG = (
    f"{_CASE}  counters: {{inn: 5}}\n- name: a\n  tolerance: 3\n- {{name: b, expect: [{{view: s}}]}}\n",
    f"{_CASE}  input: [{{source: fle, file: none.ndjson}}]\n  expect: [{{view: sale, file: orders.yaml}}]\n",
    'pipeline: orders.yaml\ncases:\n- name: a\n  expect: [{view: sales, csv: "orderz\\n1\\n"}]\n',
    'pipeline: orders.yaml\ncases:\n- name: a\n  expect: [{view: sales, csv: "orders\\n1,2\\n"}]\n',
    "pipeline: none.yaml\ncases: [{name: a, counters: {in: 1}}]\n",
    "pipeline: orders.yaml\ncases: []\n",
    "- a\n",
    "",
)


@pytest.fixture
def transcript(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Transcript:
    """Commands in a folder that holds a pipeline and its data."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "orders.ndjson").write_text(ORDERS)
    (tmp_path / "orders.yaml").write_text(PIPELINE)
    return Transcript(tmp_path, capfd)


def test_cases_that_hold_and_cases_that_do_not(transcript: Transcript) -> None:
    folder = transcript.folder
    (folder / "holds.test.yaml").write_text(HOLDS)
    (folder / "fails.test.yaml").write_text(FAILS)
    rows = [
        {"window_start": "2024-05-01T10:00:00Z", "country": "DE", "revenue": 19.99},
        {"window_start": "2024-05-01T10:00:00Z", "country": "FR", "revenue": 5},
        {"window_start": "2024-05-01T10:01:00Z", "country": "DE", "revenue": 7},
    ]
    (folder / "sales.ndjson").write_text("".join(json.dumps(row) + "\n" for row in rows))
    transcript.run("test", "holds.test.yaml")
    transcript.run("test", "holds.test.yaml", "fails.test.yaml")
    assert_golden("messages/cli/test.txt", transcript.text())
    assert not (folder / "out").exists()  # sinks are left out
    assert not (folder / ".datanexus").exists()


def test_cases_for_programs_are_lines(transcript: Transcript) -> None:
    (transcript.folder / "fails.test.yaml").write_text(FAILS)
    (transcript.folder / "sales.ndjson").write_text("{}\n")
    first, second = map(json.loads, transcript.run("test", "fails.test.yaml", "--json").splitlines())
    assert (False, False) == (first["passed"], second["passed"])
    assert ["differs", "missing", "unexpected"] == [each["kind"] for each in first["views"][0]["differences"]]


def test_what_is_wrong_with_a_test_file(transcript: Transcript) -> None:
    for text in WRONG:
        (transcript.folder / "wrong.test.yaml").write_text(text)
        transcript.run("test", "wrong.test.yaml")
    transcript.run("test", "missing.test.yaml")
    assert_golden("messages/cli/test-files.txt", transcript.text())
