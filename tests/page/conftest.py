"""One browser and one served folder for the tests of a file; a test that kills its server makes its own.

No longer than a file: the library keeps an event loop running in the thread of the tests, and others start their own.
"""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.page.chromium import Visit, headless
from tests.page.served import Served, serve_samples


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with headless() as found:
        yield found


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    server = serve_samples(tmp_path_factory.mktemp("served"))
    yield server
    server.stop()


@pytest.fixture
def visit(browser: Browser, served: Served) -> Iterator[Visit]:
    """A window of a desktop; nothing may have gone wrong in it at the end of the test."""
    window = Visit(browser, served.address)
    yield window
    wrongs = window.wrongs()
    window.close()
    assert [] == wrongs
