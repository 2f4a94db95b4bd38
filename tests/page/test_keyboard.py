"""The page works with the keyboard alone: everything is reached, focus is seen, nothing traps it."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.page.chromium import Visit

_STEPS_MAX = 80
_WIDEST = "document.activeElement.getClientRects().length && getComputedStyle(document.activeElement).outlineStyle"
pytestmark = pytest.mark.server


def focused(page: Page) -> str:
    name: str = page.evaluate(
        "(document.activeElement.getAttribute('aria-label') || document.activeElement.textContent).trim()"
    )
    return name


def walk(page: Page) -> list[str]:
    """Press Tab until the walk is through; what had the focus, in order. Each must show it."""
    names: list[str] = []
    for _ in range(_STEPS_MAX):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement === document.body"):
            break
        names.append(focused(page))
        assert page.evaluate(_WIDEST) not in {0, "none"}, names
    return names


def test_the_skip_link_is_first_and_leads_to_the_content(visit: Visit) -> None:
    page = visit.go("#/")
    page.keyboard.press("Tab")
    assert "Skip to the content" == focused(page)
    page.keyboard.press("Enter")
    assert "content" == page.evaluate("document.activeElement.id")
    assert "#/" == page.evaluate("location.hash")


@pytest.mark.parametrize("route", ["#/", "#/p/web-traffic/results", "#/p/orders/quarantine/2", "#/query"])
def test_a_walk_reaches_everything_shows_it_and_ends(visit: Visit, route: str) -> None:
    page = visit.go(route)
    page.locator(".skip").focus()
    names = ["", *walk(page)]
    assert len(names) < _STEPS_MAX
    reachable = page.evaluate("""[...document.querySelectorAll('a[href], button, input, select, textarea')]
        .filter((one) => one.checkVisibility() && !one.disabled && one.tabIndex >= 0).length""")
    assert reachable <= len(names)


def test_arrow_keys_walk_over_the_tabs_and_open_them(visit: Visit) -> None:
    page = visit.go("#/p/web-traffic/results")
    page.get_by_role("tab", name="Results").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Sources and counts")).to_be_focused()
    expect(page.get_by_role("tabpanel")).to_contain_text("What became of every record")
    page.keyboard.press("End")
    expect(page.get_by_role("tab", name="Plan")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Results")).to_be_focused()


def test_arrow_keys_walk_over_the_windows_of_a_chart(visit: Visit) -> None:
    page = visit.go("#/p/web-traffic/results")
    chart = page.get_by_role("slider")
    chart.focus()
    page.keyboard.press("Home")
    expect(page.locator(".chart-reading b")).to_have_text("2015-05-17 10:00 – 11:00")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".chart-reading b")).to_have_text("2015-05-17 11:00 – 12:00")
    expect(chart).to_have_attribute("aria-valuenow", "1")
    page.keyboard.press("Escape")
    expect(page.locator(".chart-reading")).to_contain_text("Latest window")


def test_a_table_is_sorted_by_its_header_and_says_how(visit: Visit) -> None:
    page = visit.go("#/p/web-traffic/results")
    header = page.get_by_role("columnheader", name="requests")
    header.get_by_role("button").focus()
    page.keyboard.press("Enter")
    expect(header).to_have_attribute("aria-sort", "descending")
    page.keyboard.press("Enter")
    expect(header).to_have_attribute("aria-sort", "ascending")
    expect(header.get_by_role("button")).to_be_focused()


def test_a_new_page_takes_the_focus_to_its_heading(visit: Visit) -> None:
    page = visit.go("#/")
    page.get_by_role("link", name="web-traffic").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("web-traffic")
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    assert "web-traffic – DataNexus" == page.title()


def test_a_chart_under_the_focus_does_not_chatter(visit: Visit) -> None:
    page = visit.go("#/p/checkout/results")
    chart = page.get_by_role("slider")
    reading = page.locator(".chart-reading b")
    chart.focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Escape")
    expect(page.locator(".chart-reading")).to_have_text(re.compile("^Latest"))
    told, before = chart.get_attribute("aria-valuetext"), reading.text_content() or ""
    expect(reading).not_to_have_text(before, timeout=30_000)
    assert told == chart.get_attribute("aria-valuetext")


def test_the_window_that_is_read_stays_while_others_come(visit: Visit) -> None:
    page = visit.go("#/p/checkout/results")
    chart, reading = page.get_by_role("slider"), page.locator(".chart-reading b")
    chart.focus()
    page.keyboard.press("End")
    before = reading.text_content() or ""
    rows = page.locator("tbody tr").first
    latest = rows.locator("td").first.text_content() or ""
    expect(rows.locator("td").first).not_to_have_text(latest, timeout=30_000)
    expect(reading).to_have_text(before)
