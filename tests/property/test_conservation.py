"""Conservation over fuzzed input: nothing is lost, nothing is counted twice, and no bad record takes a good one along.

Lines are made by named mutations whose fate is known from how they are made; the input is counted here, line by line,
without the engine. 1,000,000 lines; a tenth in `make check`.
"""

import asyncio
import json
import os
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from datanexus.engine.reader import CutSchedule
from datanexus.pipeline_files import read_pipelines
from datanexus.stored_results import stored_results
from datanexus.wiring import RunSettings, run_pipelines

SEED = int(os.environ.get("DATANEXUS_SEED", random.SystemRandom().randrange(10**6)))
LINES = 100_000 if os.environ.get("DATANEXUS_PROFILE") == "short" else 1_000_000
START_MS = 1_767_225_600_000
FUTURE_MS = 253_000_000_000_000  # year 9987
LONG_LINES_MAX = 3
PIPELINE = """
apiVersion: datanexus.io/v1alpha1
kind: Pipeline
metadata: {name: fuzz}
spec:
  sources: [{name: lines, files: {path: lines.ndjson, format: {ndjson: {}}}}]
  record:
    fields:
    - {name: id, type: string}
    - {name: key, type: string}
    - {name: n, type: int64}
    - {name: x, type: float64, required: false}
    - {name: divisor, type: int32}
    - {name: ts, type: timestamp, formats: [epochMillis, iso8601]}
    eventTime: ts
  steps:
  - {set: {name: share, expr: "n / divisor"}}
  - {filter: "x <> -1"}
  dedup: {key: [id], horizon: 20s}
  watermark: {delay: 2s, maxFuture: 1h}
  views:
  - name: sums
    groupBy: [key]
    window: {tumbling: {size: 5s}}
    allowedLateness: 1s
    aggregates: [{name: records, expr: "count(*)"}, {name: total, expr: "sum(n)"}]
  - name: gaps
    groupBy: []
    window: {hopping: {size: 2s, slide: 3s}}
    late: {to: drop}
    aggregates: [{name: records, expr: "count(*)"}]
"""

Record = dict[str, object]
Mutation = Callable[[random.Random, Record], bytes]


def put(**fields: object) -> Mutation:
    """The record with other values."""
    return lambda _, record: json.dumps({**record, **fields}).encode()


def written(field: str, text: str) -> Mutation:
    """The record with a field's value written as this text."""

    def mutate(_: random.Random, record: Record) -> bytes:
        return json.dumps({**record, field: "\x00mark"}).replace('"\\u0000mark"', text).encode()

    return mutate


def without(field: str) -> Mutation:
    return lambda _, record: json.dumps({name: value for name, value in record.items() if name != field}).encode()


def line(record: Record) -> bytes:
    return json.dumps(record).encode()


def moved(record: Record, by_ms: int) -> Record:
    at_ms = record["ts"]
    assert isinstance(at_ms, int)
    return {**record, "ts": at_ms + by_ms}


GOOD: dict[str, Mutation] = {
    "plain": lambda _, record: line(record),
    "unicode": put(key="ключ 𝄞"),
    "escapes": written("key", '"a\\n\\u00e9\\ud83d\\ude00"'),
    "spaces": lambda _, record: json.dumps(record, separators=(" , ", " : ")).encode(),
    "unused members": put(other={"deep": [1, None, {"a": "}"}]}, more="x"),
    "least int64": put(n=-(2**63)),
    "iso time": lambda _, record: line({**record, "ts": iso(record)}),
    "filtered": put(x=-1.0),
    "null filter": put(x=None),
    "slightly late": lambda draw, record: line(moved(record, -draw.randint(2_500, 15_000))),
    "very late": lambda draw, record: line(moved(record, -draw.randint(30_000, 90_000))),
}
REFUSED: dict[str, tuple[str, Mutation]] = {
    "cut": ("decode", lambda draw, record: line(record)[: draw.randint(2, 60)]),
    "garbage": ("decode", lambda _, __: b"garbage that is no JSON"),
    "invalid UTF-8": ("decode", lambda _, record: line(record).replace(b'"key": "', b'"key": "\xff\xfe')),
    "NaN": ("decode", written("x", "NaN")),
    "Infinity": ("decode", written("x", "-Infinity")),
    "two objects": ("decode", lambda _, record: line(record) * 2),
    "trailing comma": ("decode", lambda _, record: line(record)[:-1] + b",}"),
    "an array": ("decode", lambda _, record: b"[" + line(record) + b"]"),
    "lone surrogate": ("decode", written("key", '"\\ud800"')),
    "NUL": ("decode|normalise", written("key", '"a\\u0000b"')),
    "key twice": ("decode|normalise", lambda _, record: line(record)[:-1] + b', "n": 1}'),
    "nested deep": ("decode", lambda _, record: line(record)[:-1] + b', "z": ' + b"[" * 10_000 + b"}"),
    "missing": ("normalise", without("n")),
    "missing time": ("normalise", without("ts")),
    "null": ("normalise", put(divisor=None)),
    "text for a number": ("normalise", put(n="12")),
    "number for a text": ("normalise", put(id=7)),
    "2^63": ("normalise", written("n", "9223372036854775808")),
    "1e999": ("decode|normalise", written("x", "1e999")),
    "no such date": ("normalise", put(ts="2026-02-30T00:00:00Z")),
    "year 0": ("normalise", put(ts="0000-01-01T00:00:00Z")),
    "far future": ("time", put(ts=FUTURE_MS)),
    "division by zero": ("step", put(divisor=0, x=None)),
    "overflow": ("step", put(n=-(2**63), divisor=-1)),
    "a long line": ("decode", lambda _, __: b'{"id": "' + b"x" * 10_000_000),
}


def iso(record: Record) -> str:
    at_ms = record["ts"]
    assert isinstance(at_ms, int)
    minutes, ms = divmod(at_ms - START_MS, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"2026-01-{1 + hours // 24:02}T{hours % 24:02}:{minutes:02}:{ms // 1000:02}.{ms % 1000:03}Z"


def write_lines(path: Path) -> Counter[str]:
    """Write the input; how many lines each mutation made."""
    draw = random.Random(SEED)
    made: Counter[str] = Counter()
    good, refused = list(GOOD), list(REFUSED)
    kept: list[bytes] = []
    with path.open("wb") as file:
        for number in range(LINES):
            record: Record = {
                "id": f"id-{number}",
                "key": f"k{draw.randrange(50)}",
                "n": draw.randrange(-1000, 1000),
                "x": draw.choice((None, 0.5, 2.0)),
                "divisor": draw.randint(1, 9),
                "ts": START_MS + number * 2 + draw.randrange(1500),
            }
            chance = draw.random()
            if chance < 0.05 and kept:
                name, text = "repeated", draw.choice(kept)
            elif chance < 0.2:
                name = draw.choice(refused)
                if name == "a long line" and made[name] >= LONG_LINES_MAX:
                    name = "garbage"
                text = REFUSED[name][1](draw, record)
            else:
                name = "plain" if chance < 0.6 else draw.choice(good)
                text = GOOD[name](draw, record)
                kept = [*kept[-200:], text]
            made[name] += 1
            file.write(text + b"\n")
    return made


async def run(folder: Path) -> tuple[dict[str, int], Counter[str], dict[str, int]]:
    """Counters, quarantine entries by stage, and what the views' rows add up to."""
    pipelines = read_pipelines([folder / "fuzz.yaml"], {})
    # Several cuts in the short run too: nothing is late before the first one.
    settings = RunSettings(data=folder / "data", schedule=CutSchedule(quantum_rows=8_192, cut_rows=20_000))
    await run_pipelines(pipelines, settings, lambda _: None, asyncio.Event())
    async with stored_results(folder / "data") as store:
        counters = dict(await store.counters("fuzz"))
        stages: Counter[str] = Counter()
        for count in await store.quarantine_counts("fuzz"):
            stages[count.stage] += count.records
        sums: dict[str, int] = {}
        for view in ("sums", "gaps"):
            rows = await store.query(f"SELECT CAST(sum(records) AS BIGINT) AS records FROM fuzz.{view}")
            sums[view] = rows.column("records")[0].as_py()
    return counters, stages, sums


@pytest.fixture(scope="module")
def fuzzed(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Counter[str], dict[str, int], Counter[str], dict[str, int]]:
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "fuzz.yaml").write_text(PIPELINE)
    made = write_lines(folder / "lines.ndjson")
    print(f"seed {SEED}: {dict(made)}")
    counters, stages, sums = asyncio.run(run(folder))
    print(f"lanes: {counters}; quarantine by stage: {dict(stages)}; rows add up to {sums}")
    return made, counters, stages, sums


Fuzzed = tuple[Counter[str], dict[str, int], Counter[str], dict[str, int]]


def test_every_mutation_occurs_and_every_lane_is_used(fuzzed: Fuzzed) -> None:
    made, counters, stages, _ = fuzzed
    assert [] == [name for name in (*GOOD, *REFUSED, "repeated") if not made[name]]
    lanes = ("in", "passed", "filtered", "duplicate", "quarantined")
    views = [f"view.{view}.{lane}" for view in ("sums", "gaps") for lane in ("assigned", "late")]
    assert [] == [lane for lane in (*lanes, *views, "view.gaps.unassigned") if not counters.get(lane)]
    assert {"decode", "normalise", "time", "step", "dedup", "late"} == set(stages)


def test_every_line_is_counted_in_one_lane(fuzzed: Fuzzed) -> None:
    _, counters, _, _ = fuzzed
    assert counters["in"] == LINES
    assert counters["in"] == sum(counters[lane] for lane in ("passed", "filtered", "duplicate", "quarantined"))
    for view in ("sums", "gaps"):
        parts = [counters.get(f"view.{view}.{lane}", 0) for lane in ("assigned", "late", "unassigned")]
        assert counters["passed"] == sum(parts)


def test_a_bad_record_takes_no_good_one_along(fuzzed: Fuzzed) -> None:
    """Stages refuse just the lines made for them; repeats of kept lines are all good ones."""
    made, counters, stages, _ = fuzzed
    fixed = dict.fromkeys(("decode", "normalise", "time", "step"), 0)
    either = 0
    for name, (stage, _) in REFUSED.items():
        if "|" in stage:
            either += made[name]
        else:
            fixed[stage] += made[name]
    assert made_total(fixed, "time", "step") == {"time": stages["time"], "step": stages["step"]}
    assert fixed["decode"] + fixed["normalise"] + either == stages["decode"] + stages["normalise"]
    assert counters["quarantined"] == sum(count for stage, count in stages.items() if stage != "late")


def made_total(fixed: dict[str, int], *stages: str) -> dict[str, int]:
    return {stage: fixed[stage] for stage in stages}


def test_rows_add_up_to_what_the_views_took(fuzzed: Fuzzed) -> None:
    _, counters, _, sums = fuzzed
    assert counters["view.sums.assigned"] == sums["sums"]
    assert counters["view.gaps.assigned"] == sums["gaps"]
