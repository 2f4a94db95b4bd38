"""The ledger of promises names tests and figures that exist, so that none holds because nothing was looked at."""

from fnmatch import fnmatch
from pathlib import Path

from tests.acceptance import PROMISES
from tests.bench import http_report, latency_report, memory_report, peers_report, speed, start_up

ROOT = Path(__file__).parents[2]
BARS = (*speed.BARS, *speed.TEXT_BARS, *peers_report.BARS, http_report.BAR)
LIMITS = (latency_report.LIVE, latency_report.QUERY, start_up.FIRST, start_up.SECOND)
FIGURES = {*(bar.name for bar in BARS), *(limit.name for limit in LIMITS), memory_report.PEAK, memory_report.SLOPE}


def test_every_selector_matches_a_test_file() -> None:
    files = [str(file.relative_to(ROOT)) for file in (ROOT / "tests").rglob("test_*.py")]
    selectors = {pattern for promise in PROMISES for pattern in promise.tests}
    assert set() == {pattern for pattern in selectors if not any(fnmatch(file, pattern) for file in files)}


def test_every_figure_is_one_that_the_benchmark_writes() -> None:
    figures = {name for promise in PROMISES for name in promise.figures}
    assert figures == FIGURES


def test_every_promise_has_something_to_show() -> None:
    assert [] == [promise.text for promise in PROMISES if not promise.tests + promise.figures]
