"""Writes the README's picture: the page over the sample log with a live stream beside it, as `make run` opens it.

    python -m tests.page.picture

It takes as long as the stream needs to fill its chart. The font is the machine's; with Inter installed (Debian's
fonts-inter) it is that.
"""

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import FloatRect, Page, expect

from tests.page.chromium import Visit, headless
from tests.page.served import ROOT, SAMPLE, Served

TARGET = ROOT / "docs" / "pictures" / "page.png"
BYTES_MAX = 300_000
_STREAM = ROOT / "manifests" / "samples" / "live-orders.yaml"
_WINDOWS = 28
_DEADLINE_MS = 300_000
_WIDTH = 1280
_BELOW = 20  # pixels under the last panel


def main() -> int:
    """Write the picture; 1 if it grew too large for a README."""
    with tempfile.TemporaryDirectory(prefix="dn-picture-") as folder:
        server = Served(Path(folder), [SAMPLE, _STREAM])
        try:
            with headless() as browser:
                window = Visit(
                    browser, server.address, viewport={"width": _WIDTH, "height": 760}, device_scale_factor=2
                )
                page = window.go("#/")
                chart = page.get_by_role("region", name="Pipeline live-orders").get_by_role("slider")
                expect(chart).to_have_attribute("aria-valuemax", str(_WINDOWS), timeout=_DEADLINE_MS)
                page.screenshot(path=TARGET, clip=_content(page))
                window.close()
        finally:
            server.stop()
    size = TARGET.stat().st_size
    print(f"{TARGET.relative_to(ROOT)}: {size:,} bytes")
    return int(size > BYTES_MAX)


def _content(page: Page) -> FloatRect:
    height = page.evaluate("document.querySelector('.columns').getBoundingClientRect().bottom")
    return {"x": 0, "y": 0, "width": _WIDTH, "height": height + _BELOW}


if __name__ == "__main__":
    sys.exit(main())
