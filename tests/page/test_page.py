"""The page of a real `datanexus up` in a real browser: it loads cleanly, moves by itself, and shows what is there."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.page.chromium import PHONE, Visit, axe_faults, picture
from tests.page.served import Served, serve_samples

ROUTES = {
    "overview": "#/",
    "live": "#/p/checkout/results",
    "sample": "#/p/web-traffic/results",
    "sessions": "#/p/orders/results/visits",
    "global": "#/p/orders/results/totals",
    "sources": "#/p/orders/sources",
    "quarantine": "#/p/orders/quarantine",
    "record": "#/p/orders/quarantine/2",
    "lateness": "#/p/checkout/lateness",
    "plan": "#/p/web-traffic/plan",
    "query": "#/query?sql=SELECT%20*%20FROM%20web_traffic.traffic",
}
_DEADLINE_MS = 30_000
_SHIFT_MAX = 0.001  # of the layout shift score; 0.1 is called good
pytestmark = pytest.mark.server


@pytest.mark.parametrize("name", ROUTES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_address_loads_cleanly_and_axe_finds_no_serious_fault(
    browser: Browser, served: Served, name: str, scheme: str
) -> None:
    window = Visit(browser, served.address, color_scheme=scheme, reduced_motion="reduce")
    page = window.go(ROUTES[name])
    expect(page.locator("h1")).to_be_visible()
    picture(page, name if scheme == "light" else f"{name}-dark")
    faults = [*axe_faults(page), *window.wrongs()]
    window.close()
    assert [] == faults


@pytest.mark.parametrize("name", ROUTES)
def test_a_phone_shows_everything_without_scrolling_sideways(browser: Browser, served: Served, name: str) -> None:
    window = Visit(browser, served.address, viewport=PHONE, is_mobile=True, has_touch=True)
    page = window.go(ROUTES[name])
    picture(page, f"{name}-phone", whole=True)
    width = page.evaluate("document.documentElement.scrollWidth")
    window.close()
    assert PHONE["width"] == width


def test_figures_chart_and_table_move_by_themselves(visit: Visit) -> None:
    page = visit.go(ROUTES["live"])
    for selector in (".figure:nth-child(2) .figure-note", ".chart-reading b", "tbody tr:first-child td"):
        changes(page, selector)


def test_what_ticks_shifts_nothing(visit: Visit) -> None:
    page = visit.go(ROUTES["live"])
    changes(page, ".chart-reading b")
    page.evaluate("window.shifts.length = 0")
    for _ in range(3):
        changes(page, ".chart-reading b")
    shifts = page.evaluate("window.shifts")
    assert _SHIFT_MAX > sum(shift["value"] for shift in shifts), shifts


def test_the_sample_is_shown_with_its_known_figures(visit: Visit) -> None:
    page = visit.go(ROUTES["sample"])
    expect(page.get_by_text("1,696 of 1,700")).to_be_visible()
    expect(page.get_by_role("slider")).to_have_attribute("aria-valuetext", re.compile(r"presentations 50\b"))
    page.get_by_role("button", name="requests", exact=True).click()
    first = page.locator("tbody tr").first
    expect(first.locator("td").nth(2)).to_have_text(re.compile("blog|presentations"))
    expect(first.locator("td").nth(3)).to_have_text("55")
    expect(first.locator("td").last).to_have_text("final")


def test_content_of_records_never_becomes_markup(visit: Visit) -> None:
    page = visit.go("#/p/orders/results/totals")
    expect(page.locator("td", has_text="<b>AT</b>")).to_be_visible()
    assert 0 == page.locator("td b").count()


def test_the_plan_is_drawn_and_written(visit: Visit) -> None:
    page = visit.go(ROUTES["plan"])
    expect(page.locator("svg .node[data-kind=view] .title")).to_have_text("traffic")
    expect(page.locator(".plan-text")).to_contain_text("view traffic, fingerprint")
    drawn = page.locator(".drawing svg").bounding_box()
    assert drawn is not None
    assert 400 < drawn["height"]


def test_the_histogram_recommends_a_delay(visit: Visit) -> None:
    page = visit.go(ROUTES["lateness"])
    expect(page.locator(".advice")).to_contain_text("watermark.delay")
    expect(page.locator(".marker.advised")).to_have_count(1)
    expect(page.locator(".marker-label").first).to_contain_text("delay 1 s")
    page.get_by_text("The same as a table").click()
    expect(page.locator("details tbody tr")).not_to_have_count(0)


def test_sql_is_asked_and_its_mistakes_are_told(visit: Visit) -> None:
    page = visit.go("#/query")
    page.get_by_role("button", name="web_traffic.traffic").click()
    expect(page.locator("tbody tr")).to_have_count(100)
    page.get_by_label("SQL").fill("SELECT sum(requests) AS n FROM web_traffic.traffic")
    page.get_by_label("SQL").press("Control+Enter")
    expect(page.locator("tbody td")).to_have_text(["1,628"])
    page.get_by_label("SQL").fill("SELECT boom FROM web_traffic.traffic")
    page.get_by_role("button", name="Run").click()
    expect(page.locator(".callout")).to_contain_text("boom")
    visit.faults = [fault for fault in visit.faults if "422" not in fault and "400" not in fault]  # the answer itself


def test_an_unknown_pipeline_is_said(visit: Visit) -> None:
    page = visit.page
    page.goto(f"{visit.address}#/p/nothing/results")
    expect(page.locator(".callout")).to_contain_text("nothing")
    visit.faults = [fault for fault in visit.faults if "404" not in fault]  # the answer itself


def test_a_server_that_is_gone_is_told_and_found_again(browser: Browser, tmp_path: Path) -> None:
    server = serve_samples(tmp_path)
    window = Visit(browser, server.address)
    page = window.go(ROUTES["live"])
    changes(page, ".chart-reading b")
    server.kill()
    expect(page.locator("#banner")).to_be_visible(timeout=_DEADLINE_MS)
    expect(page.locator("#link-text")).to_have_text("Not connected")
    picture(page, "lost")
    server = server.again()
    expect(page.locator("#banner")).to_be_hidden(timeout=_DEADLINE_MS)
    changes(page, ".chart-reading b")
    outside = [wrong for wrong in window.wrongs() if "ERR_CONNECTION" not in wrong and "ERR_INCOMPLETE" not in wrong]
    window.close()
    server.stop()
    assert [] == outside


def changes(page: Page, selector: str) -> None:
    """Wait until an element shows another text, which nobody made it do."""
    before = page.locator(selector).first.text_content()
    expect(page.locator(selector).first).not_to_have_text(before or "", timeout=_DEADLINE_MS)
