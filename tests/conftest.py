"""What all tests share: hypothesis profiles, and the record of outcomes that `make acceptance` reads.

DATANEXUS_PROFILE=short is for every commit, DATANEXUS_SOAK=1 runs the large matrices in full.
"""

import json
import os
from pathlib import Path

import hypothesis
import pytest

RESULTS = Path(__file__).parents[1] / "build" / "test-results"

hypothesis.settings.register_profile("short", max_examples=10, deadline=None)
hypothesis.settings.register_profile("normal", max_examples=40, deadline=None)
hypothesis.settings.register_profile("soak", max_examples=500, deadline=None)
_SOAK = os.environ.get("DATANEXUS_SOAK") == "1"
hypothesis.settings.load_profile("soak" if _SOAK else os.environ.get("DATANEXUS_PROFILE", "normal"))


class Outcomes:
    """Keeps each test's outcome in a file per process, as pytest-xdist runs several."""

    def __init__(self, worker: str) -> None:
        self._worker = worker
        self._outcomes: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.outcome != "passed":
            self._outcomes[report.nodeid] = report.outcome

    def pytest_sessionfinish(self) -> None:
        RESULTS.mkdir(parents=True, exist_ok=True)
        (RESULTS / f"{self._worker}.json").write_text(json.dumps(self._outcomes, indent=0))


def pytest_configure(config: pytest.Config) -> None:
    """Record outcomes where tests run: in the workers when there are any."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker is not None or not config.getoption("numprocesses", None):
        config.pluginmanager.register(Outcomes(worker or "main"), "outcomes")
