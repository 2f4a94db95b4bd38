"""A headless Chromium for the tests of the page, and axe-core, the checker of what assistive technology needs.

The browser is the machine's own: DATANEXUS_CHROMIUM, or a program on the path; never one that a library downloads. A
program that is missing is named, with the way to get it; on CI that is a failure and no skip. axe-core comes by npm,
pinned by the lock file beside this module, into build/axe, and is in no wheel.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

HERE = Path(__file__).parent
BUILD = HERE.parents[1] / "build"
PICTURES = BUILD / "page"
PHONE = {"width": 360, "height": 780}
DESKTOP = {"width": 1360, "height": 900}
_NAMES = ("chromium", "chromium-browser", "google-chrome")
_DEADLINE_MS = 30_000
_SERIOUS = {"serious", "critical"}
# Set before any script of the page: breaches of the content policy reach no listener that comes later.
_WATCH = """
window.breaches = [];
document.addEventListener('securitypolicyviolation', (event) => {
  window.breaches.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
});
window.shifts = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) {
    const nodes = entry.sources.map((source) => source.node?.className ?? '');
    if (!entry.hadRecentInput) window.shifts.push({ value: entry.value, nodes });
  }
}).observe({ type: 'layout-shift', buffered: true });
"""


def program() -> str:
    """Chromium's program; the test stops here if there is none."""
    named = os.environ.get("DATANEXUS_CHROMIUM")
    found = named or next((path for name in _NAMES if (path := shutil.which(name))), None)
    if found is None:
        _missing("Chromium is missing: apt-get install chromium, or set DATANEXUS_CHROMIUM to the program")
    return str(found)


@contextmanager
def headless() -> Iterator[Browser]:
    """A running browser."""
    found = program()
    with sync_playwright() as library:
        # No sandbox: tests may run as root, and the page shown is the project's own.
        browser = library.chromium.launch(executable_path=found, args=["--no-sandbox", "--force-color-profile=srgb"])
        try:
            yield browser
        finally:
            browser.close()


class Visit:
    """One window of the browser that writes down what went wrong in it."""

    def __init__(self, browser: Browser, address: str, **options: Any) -> None:
        settings: dict[str, Any] = {"viewport": DESKTOP, **options}
        self.context: BrowserContext = browser.new_context(**settings)
        self.page: Page = self.context.new_page()
        self.address = address
        self.faults: list[str] = []
        self.foreign: list[str] = []
        self.page.add_init_script(_WATCH)
        self.page.on("console", lambda message: self._console(message.type, message.text))
        self.page.on("pageerror", lambda error: self.faults.append(f"exception: {error}"))
        self.page.on("request", lambda request: self._request(request.url))

    def go(self, route: str) -> Page:
        """Open an address of the page; gives it when its figures are there."""
        self.page.goto(f"{self.address}{route}")
        self.page.wait_for_selector("html[data-link=live]")
        expect(self.page.locator(".loading:visible")).to_have_count(0, timeout=_DEADLINE_MS)
        return self.page

    def wrongs(self) -> list[str]:
        """Console errors, exceptions, breaches of the content policy, requests to anywhere else."""
        breaches: list[str] = self.page.evaluate("window.breaches")
        return [*self.faults, *(f"policy: {one}" for one in breaches), *(f"outside: {one}" for one in self.foreign)]

    def close(self) -> None:
        self.context.close()

    def _console(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"}:
            self.faults.append(f"{kind}: {text}")

    def _request(self, url: str) -> None:
        if not url.startswith((self.address, "data:", "blob:")):
            self.foreign.append(url)


def axe_faults(page: Page) -> list[str]:
    """Serious and critical faults that axe-core finds in what the page shows now."""
    page.evaluate(_axe().read_text())
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    return [
        f"{fault['id']}: {node['target']} {node['failureSummary']}"
        for fault in found["violations"]
        if fault["impact"] in _SERIOUS
        for node in fault["nodes"]
    ]


def picture(page: Page, name: str, *, whole: bool = False) -> None:
    """Keep a screenshot in build/page."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}.png", full_page=whole)


def _axe() -> Path:
    folder = BUILD / "axe"
    script = folder / "node_modules" / "axe-core" / "axe.min.js"
    lock = (HERE / "package-lock.json").read_text()
    if script.exists() and (folder / "package-lock.json").read_text() == lock:
        return script
    npm = shutil.which("npm")
    if npm is None:
        _missing("npm is missing: apt-get install npm")
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, folder / name)
    command = [str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return script


def _missing(message: str) -> None:
    (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
