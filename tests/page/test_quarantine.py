"""Quarantine on the page, against a real server: a record is looked at, fixed, tried, replayed, and figures follow."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.page.chromium import Visit, axe_faults, picture
from tests.page.served import BAD_AMOUNT, Served, serve_samples

_DEADLINE_MS = 30_000
_FIXED = BAD_AMOUNT.replace('"12,00"', "12")
pytestmark = pytest.mark.server


@pytest.fixture
def own(browser: Browser, tmp_path: Path) -> Iterator[Visit]:
    """A window on a server of its own, as these tests change what is there."""
    server: Served = serve_samples(tmp_path)
    window = Visit(browser, server.address)
    yield window
    wrongs = window.wrongs()
    window.close()
    server.stop()
    assert [] == wrongs


def passed(page: Page) -> Locator:
    return page.locator(".figures.all .figure-note").nth(1)


def test_a_record_is_fixed_and_replayed_and_figures_follow(own: Visit) -> None:
    page = own.go("#/p/orders/results/hourly")
    revenue = page.locator("tbody tr", has_text="2026-03-01 10:00").filter(has_text="DE").locator("td").nth(4)
    before = int(revenue.text_content() or "")
    expect(passed(page)).to_have_text("120 of 122")

    page.get_by_role("tab", name="Quarantine").click()
    page.get_by_role("link", name="Record 1").click()
    detail = page.get_by_role("region", name="Quarantined record 1")
    expect(detail).to_contain_text('found the string "12,00"')
    expect(detail.get_by_role("region", name="Raw bytes as hexadecimal")).to_contain_text("7b 22 61 74 22")
    detail.get_by_role("button", name="Dry run").click()
    expect(detail.get_by_role("status")).to_contain_text("Refused again")

    detail.get_by_label("Fix the record").fill(_FIXED)
    detail.get_by_role("button", name="Dry run").click()
    expect(detail.get_by_role("status")).to_contain_text("Would be replayed")
    expect(page.get_by_role("tab", name="Quarantine")).to_have_text("Quarantine2")
    picture(page, "fixed")
    detail.get_by_role("button", name="Replay").click()
    expect(detail.get_by_role("status")).to_contain_text("1 passed", timeout=_DEADLINE_MS)

    expect(passed(page)).to_have_text("121 of 123", timeout=_DEADLINE_MS)
    expect(page.get_by_role("tab", name="Quarantine")).to_have_text("Quarantine1", timeout=_DEADLINE_MS)
    expect(page.get_by_role("link", name="Record 1")).to_have_count(0, timeout=_DEADLINE_MS)
    page.get_by_role("tab", name="Results").click()
    expect(revenue).to_have_text(str(before + 12), timeout=_DEADLINE_MS)


def test_purging_asks_first_and_can_be_left_by_escape(own: Visit) -> None:
    page = own.go("#/p/orders/quarantine")
    purge = page.get_by_role("button", name="Purge all …")
    purge.click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("2 records would be deleted")
    assert [] == axe_faults(page)
    picture(page, "purge")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(purge).to_be_focused()
    expect(page.locator("tbody tr")).to_have_count(2)

    page.get_by_role("button", name="decode: InvalidJson").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("button", name="Purge these …").click()
    expect(dialog).to_contain_text("1 record would be deleted")
    dialog.get_by_role("button", name="Purge").click()
    expect(page.get_by_role("button", name="decode: InvalidJson")).to_have_count(0, timeout=_DEADLINE_MS)
    expect(page.locator("tbody tr")).to_have_count(1)


def test_replaying_all_says_first_what_would_become_of_them(own: Visit) -> None:
    page = own.go("#/p/orders/quarantine")
    page.get_by_role("button", name="Replay all …").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Dry run, nothing changed.", timeout=_DEADLINE_MS)
    expect(dialog).to_contain_text("2 refused again")
    dialog.get_by_role("button", name="Cancel").click()
    expect(page.locator("tbody tr")).to_have_count(2)


def test_an_empty_quarantine_says_so(own: Visit) -> None:
    page = own.go("#/p/web-traffic/quarantine")
    expect(page.get_by_text("The quarantine is empty")).to_be_visible()
