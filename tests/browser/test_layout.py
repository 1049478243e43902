"""Nothing jumps, nothing sticks out, a ticket is one sheet, a first visit is light."""

import gzip
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Response, ViewportSize, expect

from tests.browser.conftest import DESK, Site

pytestmark = pytest.mark.browser
Visitor = Callable[..., Page]

# 1280 pixels at 400 %: from here on WCAG asks for one direction of scrolling (1.4.10).
ZOOMED: ViewportSize = {"width": 320, "height": 256}
NARROW: ViewportSize = {"width": 320, "height": 740}
WHEN = {"startsAt": "2031-07-01T19:30", "endsAt": "2031-07-01T22:00", "timeZone": "Europe/Berlin"}
# A line of figures may grow longer; nothing around it may move.
WATCH_SHIFTS = """
window.shifts = {sum: 0, moved: []};
new PerformanceObserver(list => list.getEntries().forEach(one => {
  shifts.sum += one.value;
  const nodes = one.sources.map(source => source.node).filter(node => node);
  const outside = nodes.filter(node => !document.getElementById("availability").contains(node));
  shifts.moved.push(...outside.map(node => node.outerHTML ?? node.textContent));
})).observe({type: "layout-shift", buffered: true});
"""


@pytest.mark.parametrize(
    "viewport", [NARROW, pytest.param(DESK, marks=pytest.mark.long)], ids=["narrow", "desk"]
)
def test_nothing_moves_aside_while_figures_change(
    site: Site, visitor: Visitor, viewport: ViewportSize
) -> None:
    event_id = site.make_event("Steady Hands", 12, location="Barn", **WHEN)
    # Elsewhere, so that a script adds the visitor's own time.
    page = visitor(viewport=viewport, timezone_id="America/New_York")
    page.add_init_script(WATCH_SHIFTS)
    page.goto(f"/events/{event_id}")
    expect(page.locator(".about .your-time")).to_be_visible()
    for tickets, told in ((10, "Only 2"), (4, "place 2")):
        site.book(event_id, f"guest {told}", tickets=tickets)
        expect(page.locator("#availability")).to_contain_text(told)
    shifts = page.evaluate("window.shifts")
    assert shifts["moved"] == []
    assert shifts["sum"] < 0.01


def test_first_visit_is_light(site: Site, visitor: Visitor) -> None:
    event_id = site.make_event("Featherweight", 12, description="Dance. " * 100, **WHEN)
    answers: list[Response] = []
    page = visitor()
    page.on("response", lambda answer: answers.append(answer))
    page.goto(f"/events/{event_id}", wait_until="networkidle")
    sizes = {one.url: len(gzip.compress(one.body())) for one in answers if one.status == 200}
    assert any("htmx" in url for url in sizes)
    assert sum(sizes.values()) < 60_000, sizes


@pytest.mark.parametrize("name", ["Summer Fair", "Donaudampfschiff" * 12], ids=["usual", "long"])
def test_ticket_is_printed_on_one_sheet(site: Site, visitor: Visitor, name: str) -> None:
    event_id = site.make_event(name, 5, location=name, **WHEN)
    reference = site.book(event_id, "Ada", name=name, tickets=2)
    page = visitor(viewport=DESK)
    page.goto(f"/bookings/{reference}")
    pdf = page.pdf(format="A4", prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == 1
    page.emulate_media(media="print")
    expect(page.get_by_role("img", name="QR code of your ticket")).to_be_visible()
    for kept_off in ("link", "navigation", "button"):
        visible = page.get_by_role(kept_off)
        names = [text for text in visible.all_inner_texts() if text not in (name, "Nextup")]
        assert not names, "only the ticket is printed"
    expect(page.get_by_text(reference)).to_be_hidden()


def test_pages_reflow_at_four_times_the_size(site: Site, visitor: Visitor) -> None:
    free = site.make_event("Wide Open", 500, location="Old Harbour Hall", **WHEN)
    full = site.make_event("Full House", 3, **WHEN)
    ticket = site.book(full, "first", tickets=3, email="first@example.org")
    messages = site.path_of_messages(full, 1, "first@example.org")
    waiting = site.book(full, "second", tickets=2)
    page = visitor(viewport=ZOOMED)
    for path in (
        *("/", "/?search=nothing", "/login", "/bookings", "/nowhere"),
        *(f"/events/{one}" for one in (free, full)),
        *(f"/bookings/{one}{rest}" for one in (ticket, waiting) for rest in ("", "/cancel")),
        messages,
    ):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") == ZOOMED["width"], path


def test_way_to_the_form_stays_in_sight(site: Site, visitor: Visitor) -> None:
    event_id = site.make_event("Well Described", 9, description="Dance.\n\n" * 60, **WHEN)
    page = visitor(scripts=False)
    page.goto(f"/events/{event_id}")
    bar, name = page.get_by_role("link", name="9 tickets left Book"), page.get_by_label("Your name")
    expect(name).not_to_be_in_viewport()
    expect(bar).to_be_in_viewport(ratio=1)
    bar.click()
    expect(name).to_be_in_viewport()
    wide = visitor(viewport=DESK)
    wide.goto(f"/events/{event_id}")
    wide.mouse.wheel(0, 2000)
    expect(wide.get_by_text("All events")).not_to_be_in_viewport()
    expect(wide.get_by_role("button", name="Book")).to_be_in_viewport(ratio=1)
    wide.get_by_role("button", name="One more").click()
    expect(wide.get_by_label("Tickets")).to_have_value("2")
    expect(wide.locator(".forecast")).to_contain_text("You get all 2 at once.")
