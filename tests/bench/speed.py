"""The engine over files: beside the Numba prototype and the plain loop, its windows and formats beside each other."""

from tests.bench import pipelines
from tests.bench.measurements import NDJSON_FILE, Engine, Measurements
from tests.bench.report import Bar, Report, millions

# Every repetition in it ends before a byte that it cannot take.
PLAIN_PATTERN = (
    r"(?P<event_id>[0-9a-f-]+) bid auction=(?P<auction>\d+) bidder=(?P<bidder>\d+) price=(?P<price>\d+)"
    r' channel=(?P<channel>\w+) "(?P<request>[^"]*)" (?P<ts>\S+)'
)
# Choices, a group that may be missing, and `.*` before what it could take too.
CHOICE_PATTERN = (
    r"(?P<event_id>[0-9a-f-]+) (?:bid|ask) auction=(?P<auction>\d+) (?:bidder=(?P<bidder>\d+) )?price=(?P<price>\d+)"
    r' .*"(?P<method>GET|POST) (?P<request>.*) HTTP/1\.1" (?P<ts>\S+)'
)
# The plain one with a class that the engine's own matcher does not take.
RE2_PATTERN = PLAIN_PATTERN.replace(r"(?P<channel>\w+)", "(?P<channel>[a-zäöü0-9]+)")
ENGINES = (
    NDJSON_FILE,
    Engine(
        "tumbling, dedup key with the group",
        "engine: the same, dedup key [event_id, auction] (one stage)",
        dedup_key=("event_id", "auction"),
    ),
    Engine("hopping", "engine: NDJSON file, hopping 60 s / 10 s", window=pipelines.HOPPING),
    Engine("session", "engine: NDJSON file, session 10 s", window=pipelines.SESSION),
    Engine("arrow", "engine: Arrow file, tumbling 10 s", kind="arrow", file_format=pipelines.ARROW),
)
TEXTS = tuple(
    Engine(title, label, kind="text", file_format=pipelines.text(pattern))
    for title, label, pattern in (
        ("text", "engine: log lines, a plain pattern", PLAIN_PATTERN),
        ("text, choices", "engine: log lines, a pattern with choices", CHOICE_PATTERN),
        ("text, RE2", "engine: log lines, a pattern that only RE2 runs", RE2_PATTERN),
    )
)
PEERS = {
    "prototype": "prototype: NDJSON bytes, tumbling 10 s",
    "prototype-arrays": "prototype: arrays, tumbling 10 s",
    "loop": "`json.loads` + dict, tumbling 10 s",
}
BARS = (
    Bar("tumbling", "prototype", 0.6),
    Bar("tumbling", "loop", 6.0),
    Bar("hopping", "tumbling", 0.5),
    Bar("session", "tumbling", 0.3),
    Bar("arrow", "tumbling", 1.3),
    Bar("arrow", "prototype-arrays", 0.6),
)
TEXT_BARS = tuple(Bar(engine.title, "tumbling", 0.25) for engine in TEXTS)


def speed(measurements: Measurements, report: Report) -> None:
    """Records per CPU-second of every candidate, then the ratios with their bars."""
    speeds = {}
    for peer in PEERS:
        answer = measurements.prototype(measurements.input("arrow" if peer == "prototype-arrays" else "ndjson"), peer)
        speeds[peer] = measurements.records / answer["cpu_s"]
    speeds |= {engine.title: measurements.engine(engine) for engine in ENGINES}
    report.show(
        f"## Speed: {measurements.records:,} records, one core",
        "",
        f"Start-up of the engine, {measurements.start_s:.2f} s CPU, is taken off.",
        "",
    )
    _tables(report, {**PEERS, **{engine.title: engine.label for engine in ENGINES}}, speeds, BARS)


def text(measurements: Measurements, report: Report) -> None:
    """The same bids as lines of a server's log, read by a regular expression with named groups."""
    engines = (NDJSON_FILE, *TEXTS)
    speeds = {engine.title: measurements.engine(engine) for engine in engines}
    report.show(
        "## Text by regular expression",
        "",
        "The same bids as log lines, the answer checked as everywhere. The patterns:",
        "",
        *(f"- {engine.label}: `{engine.file_format['text']['pattern']}`" for engine in TEXTS),
        "",
    )
    _tables(report, {engine.title: engine.label for engine in engines}, speeds, TEXT_BARS)


def _tables(report: Report, labels: dict[str, str], speeds: dict[str, float], bars: tuple[Bar, ...]) -> None:
    report.table(
        ("candidate", "records per CPU-second"), [(labels[name], millions(value)) for name, value in speeds.items()]
    )
    report.table(
        ("measured", "against", "ratio", "bar", ""),
        [
            (labels[bar.measured], labels[bar.peer], *report.ratio(bar, speeds[bar.measured] / speeds[bar.peer]))
            for bar in bars
        ],
    )
