"""Seeded pipelines with their streams, for the engine as files and for the reference as a description.

One case walks the product window kind × aggregate × lateness deterministically (case i takes its share of it) and draws
everything else from its seed: disorder, late records, repeats, faults, NULLs, counter resets, negative times, short and
empty splits, partitions, stages, quantum and cut sizes. Values that come out as text and go in as text are equal.
"""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import yaml

from tests.reference.description import (
    Aggregate,
    Dedup,
    FilterStep,
    Global,
    Hopping,
    Malformed,
    Pipeline,
    RawRecord,
    Row,
    Session,
    SetStep,
    Tumbling,
    Value,
    View,
    Watermark,
    Window,
)

SECOND_US = 1_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WINDOW_KINDS = ("tumbling", "hopping", "hopping with gaps", "session", "global")
LATENESS = ("none", "short", "long")
_LATENESS_S = {"none": (0, 0), "short": (1, 4), "long": (20, 60)}
_TIME_BASES_S = (0, -40, -62_000_000_000, 1_704_067_200, 951_782_400)  # 0: both signs; year 5; 2024; 29 February 2000
_GROUPS: tuple[tuple[str, ...], ...] = (("key",), ("key", "sub"), ("sub",), (), ("flag", "key"), ("bucket",))
_FIELDS: tuple[tuple[str, str, bool], ...] = (
    ("time", "timestamp", True),
    ("key", "string", True),
    ("id", "int64", True),
    ("sub", "int32", False),
    ("n", "int64", False),
    ("x", "float64", False),
    ("d", "decimal(12,2)", False),
    ("s", "string", False),
    ("flag", "bool", False),
    ("seen", "timestamp", False),
    ("day", "date", False),
    ("ticks", "float64", False),
    ("divisor", "int32", True),
)


def _field(name: str) -> Callable[[Row], Value]:
    return lambda row: row[name]


def _call(function: str, field: str, *parameters: float) -> tuple[str, Aggregate]:
    """The SQL of one aggregate call and what it means."""
    kind = next((kind for name, kind, _ in _FIELDS if name == field), "int32")
    arguments = ", ".join([field, *map(str, parameters)])
    return f"{function}({arguments})", Aggregate("", function, kind, _field(field), None, parameters)


_ORDERED = ("sub", "n", "x", "d", "s", "flag", "seen", "day")
CALLS: tuple[tuple[str, Aggregate], ...] = (
    ("count(*)", Aggregate("", "count_all")),
    *(_call("count", field) for field in ("n", "s")),
    *(_call("sum", field) for field in ("sub", "n", "d", "x")),
    *(_call(function, field) for function in ("min", "max") for field in _ORDERED),
    *(_call("avg", field) for field in ("sub", "n", "d", "x")),
    *(_call(function, field) for function in ("first", "last") for field in _ORDERED),
    *(
        _call(function, field)
        for function in ("var_pop", "var_samp", "stddev_pop", "stddev_samp")
        for field in ("x", "sub", "n")
    ),
    *(_call(function, "ticks") for function in ("increase", "rate")),
    *(_call("approx_count_distinct", field) for field in ("s", "n", "x", "d", "key", "sub", "flag", "seen", "day")),
    *(_call("approx_quantile", field, q) for field, q in (("x", 0.5), ("n", 0.99), ("sub", 0.0), ("ticks", 1.0))),
    *(_call("top_k", field, k) for field, k in (("s", 3), ("sub", 2), ("key", 1))),
)


@dataclass(frozen=True, slots=True)
class Case:
    """One pipeline with its input. `lines`: per file its raw lines with line ends. `tags`: what it covers."""

    seed: int
    manifest: dict[str, object]
    pipeline: Pipeline
    lines: dict[str, list[bytes]]
    splits: dict[str, list[RawRecord]]
    calls: dict[str, tuple[str, ...]]
    partitions: int
    quantum: int
    cut_records: int
    tags: Counter[str]

    def write(self, folder: Path) -> Path:
        """Put the input files and the resource into a folder; returns the resource's path."""
        for name, lines in self.lines.items():
            (folder / name).write_bytes(b"".join(lines))
        path = folder / "pipeline.yaml"
        path.write_text(yaml.safe_dump(self.manifest, sort_keys=False))
        return path


def generate(seed: int, index: int) -> Case:
    """Case number `index` of a run with this seed."""
    draw = random.Random(f"{seed}/{index}")
    views, view_specs, calls = _views(draw, index)
    delay_us = draw.choice((0, 1, 3)) * SECOND_US
    horizon_us = draw.choice((2, 7, 30)) * SECOND_US
    dedup = draw.choice((None, *(Dedup(key, horizon_us) for key in (("key", "id"), ("key", "id"), ("id",)))))
    pipeline = Pipeline("time", views, Watermark(delay_us, 3600 * SECOND_US), _steps(draw, views), dedup)
    partitions = draw.randint(1, 8)
    stream = _Stream(draw, delay_us)
    names = [f"part-{number}.ndjson" for number in range(draw.randint(1, 4))]
    lines = {name: stream.lines(number) for number, name in enumerate(names)}
    splits = {f"events/{name}": _records(file) for name, file in lines.items()}
    tags = Counter(stream.tags)
    tags.update([f"splits {len(names)}", f"partitions {partitions}", f"dedup {len(dedup.key) if dedup else 0}"])
    tags.update("groupBy " + (",".join(view.group_by) or "nothing") for view in views)
    return Case(
        seed=seed,
        manifest=_manifest(pipeline, view_specs, partitions),
        pipeline=pipeline,
        lines=lines,
        splits=splits,
        calls=calls,
        partitions=partitions,
        quantum=draw.choice((1, 7, 64, 8192)),
        cut_records=draw.choice((13, 50, 177, 65536)),
        tags=tags,
    )


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of the product window × aggregate × lateness some cases cover, and how often each trait occurs."""

    cells: int
    cells_of_all: int
    traits: Counter[str]

    def __str__(self) -> str:
        traits = ", ".join(f"{trait}: {count}" for trait, count in sorted(self.traits.items()))
        return f"window × aggregate × lateness: {self.cells} of {self.cells_of_all} cells; {traits}"


def coverage(cases: Iterable[Case]) -> Coverage:
    """What these cases cover."""
    cells: set[tuple[str, str, str]] = set()
    traits: Counter[str] = Counter()
    for case in cases:
        traits.update(case.tags)
        for view in case.pipeline.views:
            kind, lateness = _traits(view)
            cells.update((kind, call, lateness) for call in case.calls[view.name])
    total = (len(WINDOW_KINDS) * len(CALLS) - sum(is_counter(text) for text, _ in CALLS)) * len(LATENESS)
    return Coverage(len(cells), total, traits)


def is_counter(text: str) -> bool:
    """Whether this is rate or increase, which a global window cannot have."""
    return text.startswith(("rate", "increase"))


def _traits(view: View) -> tuple[str, str]:
    match view.window:
        case Tumbling():
            kind = "tumbling"
        case Hopping(size_us, slide_us):
            kind = "hopping" if slide_us <= size_us else "hopping with gaps"
        case Session():
            kind = "session"
        case Global():
            kind = "global"
    lateness_s = view.allowed_lateness_us // SECOND_US
    return kind, next(name for name, (low, high) in _LATENESS_S.items() if low <= lateness_s <= high)


def _views(
    draw: random.Random, index: int
) -> tuple[tuple[View, ...], list[dict[str, object]], dict[str, tuple[str, ...]]]:
    """One to three views. The first takes cell `index` of window kind × lateness and its share of the aggregates."""
    views, specs, calls = [], [], {}
    groups = draw.choice((_GROUPS, [group for group in _GROUPS if "key" in group]))  # the latter leave one stage
    for number in range(draw.randint(1, 3)):
        cell = (index if number == 0 else draw.randrange(1000)) % (len(WINDOW_KINDS) * len(LATENESS))
        kind, lateness = WINDOW_KINDS[cell % len(WINDOW_KINDS)], LATENESS[cell // len(WINDOW_KINDS)]
        window, window_spec = _window(draw, kind)
        chosen = [CALLS[(index * 11 + place * 5) % len(CALLS)] for place in range(8)] if number == 0 else []
        chosen = [call for call in chosen + draw.sample(CALLS, 4) if kind != "global" or not is_counter(call[0])]
        aggregates, aggregate_specs = _aggregates(draw, chosen)
        lateness_us = draw.randint(*_LATENESS_S[lateness]) * SECOND_US
        late = draw.choice(("quarantine", "drop"))
        group = draw.choice(groups)
        name = f"v{number}"
        views.append(View(name, window, group, aggregates, lateness_us, late))
        calls[name] = tuple(text for text, _ in chosen)
        spec: dict[str, object] = {"name": name, "groupBy": list(group), "window": window_spec}
        specs.append(
            {**spec, "allowedLateness": _duration(lateness_us), "late": {"to": late}, "aggregates": aggregate_specs}
        )
    return tuple(views), specs, calls


def _window(draw: random.Random, kind: str) -> tuple[Window, dict[str, object]]:
    size_us = draw.choice((1_000, 7_000, 10_000, 13_500)) * 1000
    match kind:
        case "tumbling":
            return Tumbling(size_us), {"tumbling": {"size": _duration(size_us)}}
        case "hopping" | "hopping with gaps":
            shares = (size_us, size_us // 5, 500_000, size_us * 3 // 5)
            slide_us = draw.choice(shares if kind == "hopping" else (size_us + 1000, size_us * 3 // 2, size_us * 3))
            return Hopping(size_us, slide_us), {"hopping": {"size": _duration(size_us), "slide": _duration(slide_us)}}
        case "session":
            gap_us = draw.choice((500, 1_500, 4_000)) * 1000
            return Session(gap_us), {"session": {"gap": _duration(gap_us)}}
        case _:
            return Global(size_us), {"global": {"every": _duration(size_us)}}


def _aggregates(
    draw: random.Random, chosen: list[tuple[str, Aggregate]]
) -> tuple[tuple[Aggregate, ...], list[dict[str, str]]]:
    aggregates, specs = [], []
    for number, (text, aggregate) in enumerate(chosen):
        condition = None
        if draw.random() < 0.25:
            text += " FILTER (WHERE sub >= 2)"
            condition = _at_least_two
        aggregates.append(replace(aggregate, name=f"a{number}", condition=condition))
        specs.append({"name": f"a{number}", "expr": text})
    return tuple(aggregates), specs


def _at_least_two(row: Row) -> bool:
    sub = row["sub"]
    return isinstance(sub, int) and sub >= 2


def _steps(draw: random.Random, views: tuple[View, ...]) -> tuple[SetStep | FilterStep, ...]:
    steps: list[SetStep | FilterStep] = []
    if draw.random() < 0.5 or any("bucket" in view.group_by for view in views):
        steps.append(SetStep("bucket", _bucket))
    if draw.random() < 0.5:
        steps.append(SetStep("share", _share))
    if draw.random() < 0.5:
        steps.append(FilterStep(_is_wanted))
    if draw.random() < 0.3:
        steps.append(SetStep("key", _lower_key))  # the dedup key keeps naming the field
    return tuple(steps)


def _bucket(row: Row) -> Value:
    assert isinstance(row["id"], int)
    return row["id"] % 3


def _share(row: Row) -> Value:
    assert isinstance(row["divisor"], int)
    return 100 // row["divisor"]


def _lower_key(row: Row) -> Value:
    return str(row["key"]).lower()


def _is_wanted(row: Row) -> bool | None:
    return None if row["sub"] is None else row["sub"] != 3


_STEP_SQL = {
    _bucket: {"set": {"name": "bucket", "expr": "id % 3"}},
    _share: {"set": {"name": "share", "expr": "100 / divisor"}},
    _lower_key: {"set": {"name": "key", "expr": "lower(key)"}},
    _is_wanted: {"filter": "sub <> 3"},
}


def _manifest(pipeline: Pipeline, views: list[dict[str, object]], partitions: int) -> dict[str, object]:
    """The resource that says the same as the description."""
    spec: dict[str, object] = {
        "sources": [{"name": "events", "files": {"path": "part-*.ndjson", "format": {"ndjson": {}}}}],
        "record": {
            "fields": [
                {"name": name, "type": kind, **({} if required else {"required": False})}
                for name, kind, required in _FIELDS
            ],
            "eventTime": "time",
        },
        "steps": [
            _STEP_SQL[step.compute if isinstance(step, SetStep) else step.condition]  # type: ignore[index]
            for step in pipeline.steps
        ],
        "watermark": {"delay": _duration(pipeline.watermark.delay_us), "maxFuture": "1h"},
        "views": views,
        "sinks": [
            {
                "name": f"out_{view.name}",
                "view": view.name,
                "files": {"path": f"out/{view.name}", "format": {file_format: {}}},
            }
            for view, file_format in zip(pipeline.views, ("parquet", "ndjson", "csv"), strict=False)
        ],
        "scale": {"partitions": partitions},
    }
    if pipeline.dedup is not None:
        spec["dedup"] = {"key": list(pipeline.dedup.key), "horizon": _duration(pipeline.dedup.horizon_us)}
    return {"apiVersion": "datanexus.io/v1alpha1", "kind": "Pipeline", "metadata": {"name": "random"}, "spec": spec}


def _duration(us: int) -> str:
    return f"{us // 1000}ms"


class _Stream:
    """Draws the lines of one case's files; every file is a walk through event time with its own disorder."""

    def __init__(self, draw: random.Random, delay_us: int) -> None:
        self.draw = draw
        self.delay_us = delay_us
        self.base_us = draw.choice(_TIME_BASES_S) * SECOND_US
        self.step_us = draw.choice((20_000, 150_000, 900_000))
        self.keys = [f"k{number}" for number in range(draw.choice((1, 3, 12)))] + ["K0", "ключ", ""]
        self.tags: Counter[str] = Counter()
        self.ticks = 0.0

    def lines(self, number: int) -> list[bytes]:
        """One file. The first is long; others may be short or empty."""
        draw = self.draw
        count = draw.randint(120, 400) if number == 0 else draw.choice((0, 5, 60, 300))
        self.tags.update(["empty split"] if count == 0 else ["short split"] if count < 10 else [])
        now_us = self.base_us + draw.choice((0, 0, 5_000_000))
        lines: list[bytes] = []
        for _ in range(count):
            now_us += draw.choice((0, 1, self.step_us, self.step_us, draw.randint(0, 3 * self.step_us)))
            if draw.random() < 0.01:
                now_us += 15 * SECOND_US
                self.tags["gap in time"] += 1
            lines.append(self._line(now_us, lines))
        if draw.random() < 0.3 and lines:
            lines[-1] = lines[-1].rstrip(b"\n")
            self.tags["no last line end"] += 1
        return lines

    def _line(self, now_us: int, lines: list[bytes]) -> bytes:
        roll = self.draw.random()
        if roll < 0.08 and lines:
            self.tags["repeated line"] += 1
            return self.draw.choice(lines[-40:])
        if roll < 0.12:
            return self._fault(now_us)
        time_us = now_us
        if roll < 0.35:
            time_us -= self.draw.randint(0, self.delay_us)
            self.tags["within the bound"] += 1
        elif roll < 0.45:
            time_us -= self.delay_us + self.draw.randint(1, 25 * SECOND_US)
            self.tags["beyond the bound"] += 1
        elif roll < 0.47:
            self.tags["far in the future"] += 1
            return _encode({**self._row(now_us), "time": "2999-01-01T00:00:00Z"})
        if time_us < 0:
            self.tags["negative time"] += 1
        return _encode(self._row(time_us))

    def _fault(self, now_us: int) -> bytes:
        """A line that is no record, or a record with a bad field."""
        line = _encode(self._row(now_us))
        kind = self.draw.choice(("cut", "garbage", "type", "missing", "day", "range", "blank"))
        self.tags[f"fault {kind}"] += 1
        match kind:
            case "cut":
                return line[: len(line) // 2].replace(b"\n", b"") + b"\n"
            case "garbage":
                return b"garbage " + line
            case "type":
                return line.replace(b'"id": ', b'"id": "abc", "was": ', 1)
            case "missing":
                return line.replace(b'"key"', b'"kez"', 1)
            case "day":
                return line.replace(b'"divisor"', b'"day": "2023-02-29", "divisor"', 1).replace(
                    b'"day": ', b'"was": ', 1
                )
            case "range":
                return line.replace(b'"divisor": ', b'"divisor": 99999999999', 1)
        return b"\n" + line

    def _row(self, time_us: int) -> dict[str, object]:
        draw = self.draw
        self.ticks = 0.0 if draw.random() < 0.05 else self.ticks + draw.choice((0, 1, 2.5, 100))
        self.tags["counter reset"] += self.ticks == 0.0
        optional: dict[str, object] = {
            "sub": draw.randint(0, 4),
            "n": draw.choice((draw.randint(-50, 50), draw.randint(-(2**62), 2**62), 2**63 - 1, -(2**63))),
            "x": draw.choice(
                (draw.uniform(-10, 10), draw.gauss(0, 1) * 10.0 ** draw.randint(-12, 12), 0.1, 1e16, -1e16)
            ),
            "d": float(Decimal(draw.randint(-(10**6), 10**11)).scaleb(-2)),
            "s": draw.choice(("a", "b", "ä", "𝄞", 'quote"', f"s{draw.randint(0, 500)}")),
            "flag": draw.random() < 0.5,
            "seen": _iso(draw.randint(-(10**15), 2 * 10**15)),
            "day": (date(2020, 1, 1) + timedelta(days=draw.randint(-30_000, 2_000))).isoformat(),
            "ticks": self.ticks,
        }
        for name in [name for name in optional if draw.random() < 0.06]:
            optional[name] = None
            self.tags["NULL"] += 1
        required = {"time": _iso(time_us), "key": draw.choice(self.keys), "id": draw.randint(0, 60)}
        return {**required, **optional, "divisor": 0 if draw.random() < 0.02 else draw.randint(1, 9)}


def _encode(row: dict[str, object]) -> bytes:
    return json.dumps(row, ensure_ascii=False).encode() + b"\n"


def _iso(us: int) -> str:
    """An instant with its microseconds; strftime does not pad years."""
    return (EPOCH + timedelta(microseconds=us)).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _records(lines: list[bytes]) -> list[RawRecord]:
    """What the lines mean, by the rules a person would apply."""
    records, position = [], 0
    for line in lines:
        start = position + (1 if line.startswith(b"\n") else 0)
        records.append(RawRecord(start, _meaning(line.strip(b"\n"))))
        position += len(line)
    return records


def _meaning(line: bytes) -> Row | Malformed:
    try:
        raw = json.loads(line)
    except ValueError:
        return Malformed("decode")
    row: Row = {}
    for name, kind, required in _FIELDS:
        value = raw.get(name)
        if value is None:
            if required:
                return Malformed("normalise")
            row[name] = None
            continue
        try:
            row[name] = _typed(kind, value)
        except (ValueError, ArithmeticError):
            return Malformed("normalise")
    return row


def _typed(kind: str, value: object) -> Value:
    """A JSON value as its field's type; ValueError where it does not fit."""
    match kind:
        case "timestamp":
            return (datetime.fromisoformat(str(value)) - EPOCH) // timedelta(microseconds=1)
        case "date":
            return (date.fromisoformat(str(value)) - EPOCH.date()).days
        case "int32" | "int64":
            bits = int(kind[3:])
            if not isinstance(value, int) or not -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
                raise ValueError(value)
            return value
        case "float64":
            assert isinstance(value, int | float)
            return float(value)
        case "decimal(12,2)":
            return Decimal(str(value))
        case _:
            assert isinstance(value, str | bool)
            return value
