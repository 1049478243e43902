"""Pages that wait: for an opening by the server's clock, and for news while somebody looks."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, Request, expect

from tests.browser.conftest import Site

pytestmark = pytest.mark.browser

Visitor = Callable[..., Page]


class Watched:
    """A page whose clock the test turns, and how often it asks meanwhile."""

    def __init__(self, page: Page, path: str, part: str) -> None:
        self.page = page
        self._part = part
        self._asked = self._answered = 0
        page.on("request", lambda request: self._note(request, asked=1))
        page.on("requestfinished", lambda request: self._note(request, answered=1))
        page.clock.install()
        page.goto(path)
        # Nothing is asked before htmx is there, which comes after the page.
        expect(page.locator("html.live")).to_be_attached()
        page.clock.pause_at(datetime.now(UTC) + timedelta(seconds=2))

    def _note(self, request: Request, asked: int = 0, answered: int = 0) -> None:
        if self._part in request.url:
            self._asked += asked
            self._answered += answered

    def passes(self, seconds: int, *, step: int = 5) -> int:
        """Let some time pass, and count what the page asks."""
        before = self._asked
        for _ in range(seconds // step):
            self.page.clock.fast_forward(step * 1000)
            self.settle()
        return self._asked - before

    def settle(self) -> None:
        self.page.wait_for_timeout(20)
        while self._answered < self._asked:
            self.page.wait_for_timeout(5)

    def hide(self, hidden: bool) -> int:
        """Put another tab before the page's, or take it away; count what the page asks at once."""
        before = self._asked
        self.page.evaluate(
            """hidden => {
              Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
              document.dispatchEvent(new Event("visibilitychange"));
            }""",
            hidden,
        )
        self.settle()
        return self._asked - before


def opening_in(**time: float) -> str:
    return (datetime.now(UTC) + timedelta(**time)).isoformat(timespec="seconds")


def fill_in(page: Page) -> None:
    page.get_by_label("Your name").fill("Ada")
    page.get_by_label("E-mail").fill("ada@example.org")


def test_form_opens_by_the_clock_of_the_server(site: Site, visitor: Visitor) -> None:
    event_id = site.make_event("On The Dot", 5, salesOpenAt=opening_in(seconds=6))
    page = visitor()
    # A visitor whose own clock is ahead.
    page.add_init_script("const now = Date.now; Date.now = () => now() + 5400000;")
    page.goto(f"/events/{event_id}")
    expect(page.get_by_role("timer")).to_contain_text("Opens in 00:00:0")
    expect(page.locator("#book-button")).to_be_disabled()
    fill_in(page)
    page.locator("#book-button").click()
    page.wait_for_url("**/bookings/*")
    expect(page.locator(".badge")).to_have_text("Confirmed")


def test_who_waits_for_an_opening_looks_once_before_it_and_then_some_time_after(
    site: Site, visitor: Visitor
) -> None:
    event_id = site.make_event("Great Rush", 5, salesOpenAt=opening_in(hours=1))
    page = visitor()
    watched = Watched(page, f"/events/{event_id}", "/availability")
    button = page.locator("#book-button")
    fill_in(page)
    assert watched.passes(420, step=60) == 0
    watched.passes(3535 - 420, step=35)
    expect(page.get_by_role("timer")).to_contain_text("Opens in 00:01:0")
    assert watched.passes(60) == 1
    expect(button).to_be_disabled()
    assert watched.passes(4, step=1) == 0
    expect(button).to_be_enabled()
    expect(page.locator("#announcer")).to_have_text("Booking is open now.")
    assert watched.passes(60) >= 1
    # The server's own clock has not moved on. It decides, and nothing typed is lost.
    page.clock.resume()
    button.click()
    expect(page.get_by_role("alert")).to_contain_text("Booking opens on")
    expect(page.get_by_label("Your name")).to_have_value("Ada")
    expect(button).to_be_disabled()


def test_page_asks_seldom_while_nothing_moves_and_never_while_hidden(
    site: Site, visitor: Visitor
) -> None:
    event_id = site.make_event("Still Water", 2)
    watched = Watched(visitor(), f"/events/{event_id}", "/availability")
    assert watched.passes(15) in (1, 2, 3)
    assert watched.passes(300) <= 12
    site.book(event_id, "first")
    while not watched.passes(5):
        pass
    # That was news: it looks again soon.
    assert watched.passes(10) >= 1
    assert watched.hide(True) == 0
    assert watched.passes(300, step=60) == 0
    site.book(event_id, "second")
    assert watched.hide(False) == 1
    expect(watched.page.locator("#availability")).to_contain_text("Sold out")


def test_head_of_the_list_looks_every_few_seconds(site: Site, visitor: Visitor) -> None:
    event_id = site.make_event("Near The Door", 1)
    site.book(event_id, "first")
    mine = site.book(event_id, "second")
    watched = Watched(visitor(), f"/bookings/{mine}", "/standing")
    watched.passes(60)
    assert watched.passes(60, step=1) >= 9
