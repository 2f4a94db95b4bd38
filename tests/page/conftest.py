"""One browser and one served folder for all tests of the page; a test that kills its server makes its own."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.page.chromium import Visit, headless
from tests.page.served import Served, serve_samples


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with headless() as found:
        yield found


@pytest.fixture(scope="session")
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
