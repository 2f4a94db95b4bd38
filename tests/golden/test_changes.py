"""Changes of a pipeline as text, as `datanexus plan` prints them. UPDATE_GOLDEN=1 rewrites them."""

from pathlib import Path

import pytest

from datanexus.plan.change import layout_of
from datanexus.plan.change_report import render_change
from datanexus.plan.planner import plan_pipeline
from datanexus_spec.parser import parse_documents
from datanexus_spec.pipeline import Pipeline
from tests.golden.golden_text import assert_golden

TEXT = (Path(__file__).parent / "plans" / "web-traffic.yaml").read_text("utf-8")
Edit = tuple[str, str]
CASES: dict[str, list[Edit]] = {
    "same": [],
    "spelling": [('"count(*)"', '" COUNT( * ) "'), ("allowedLateness: 5m", "allowedLateness: 300s")],
    "in-place": [("  sinks:", "  pausePolicy: Reject\n  scale: {workers: {min: 1, max: 8}}\n  sinks:")],
    "rolling": [
        ("  watermark: {delay: 2m", "  watermark: {delay: 5m"),
        ('nullIf: ["-"]', 'nullIf: ["-", ""]'),
        ("access_log/*.log", "access_log/**/*.log"),
        (
            "  sinks:",
            "  - {name: total, window: {tumbling: {size: 1d}}, aggregates: [{name: n, expr: count(*)}]}\n  sinks:",
        ),
        ("format: {parquet: {}}", "format: {csv: {}}"),
    ],
    "drain": [("    eventTime: time", "    - {name: agent, type: string}\n    eventTime: time")],
    "state": [
        ("horizon: 1h", "horizon: 2h"),
        ("size: 1h", "size: 30m"),
        ("split_part(path, '/', 2)", "split_part(path, '/', 3)"),
        ("status BETWEEN 100", "status BETWEEN 200"),
        ('"sum(bytes)"', '"avg(bytes)"'),
    ],
    "source-kind": [('files: {path: "access_log/*.log", format', "stdin: {format")],
    "another-name": [("name: web-traffic", "name: web-visits")],
}


def read(text: str) -> Pipeline:
    (resource,) = parse_documents(text, "web-traffic.yaml", {})
    assert isinstance(resource, Pipeline)
    return resource


def edited(edits: list[Edit]) -> str:
    text = TEXT
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new)
    return text


@pytest.mark.parametrize("name", CASES)
def test_a_change_reads_as_kept(name: str) -> None:
    assert_golden(f"changes/{name}.txt", render_change(read(TEXT), read(edited(CASES[name]))))


@pytest.mark.parametrize("action", ["Rebuild", "Reset"])
def test_a_permitted_change_reads_as_kept(action: str) -> None:
    old = read(TEXT)
    layout = layout_of(plan_pipeline(old))
    permission = f"  stateChange: {{action: {action}, from: web-traffic-{layout.revision}}}\n  dedup:"
    new = read(edited([("horizon: 1h", "horizon: 2h"), ("  dedup:", permission)]))
    assert_golden(f"changes/{action.lower()}.txt", render_change(old, new, layout))
