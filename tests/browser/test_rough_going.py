"""Slow and lost connections, and more than one tab: nothing is lost, nothing happens twice."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Site

pytestmark = pytest.mark.browser
Visitor = Callable[..., Page]


def fill_in(page: Page, event_id: int, name: str = "Ada") -> None:
    page.goto(f"/events/{event_id}")
    page.get_by_label("Your name").fill(name)
    page.get_by_label("E-mail").fill(f"{name.lower()}@example.org")


def test_slow_network_takes_one_booking(site: Site, visitor: Visitor) -> None:
    event_id = site.make_event("Slow Motion", 5)
    page = visitor()
    held: list[Route] = []

    def hold_forms(route: Route) -> None:
        if route.request.method == "POST":
            held.append(route)
        else:
            route.fallback()

    page.route("**/events/**", hold_forms)
    fill_in(page, event_id)
    button = page.locator("#book-button")
    button.click()
    expect(button).to_be_disabled()
    button.click(force=True)
    page.get_by_label("Your name").press("Enter")
    assert len(held) == 1
    held[0].continue_()
    page.wait_for_url("**/bookings/*")
    expect(page.locator(".badge")).to_have_text("Confirmed")
    page.goto(f"/events/{event_id}")
    expect(page.locator("#availability")).to_contain_text("4 of 5 tickets left")


def test_form_without_a_connection_says_so_and_can_be_sent_again(
    site: Site, visitor: Visitor
) -> None:
    event_id = site.make_event("Dead Spot", 5)
    page = visitor()
    fill_in(page, event_id)
    page.context.set_offline(True)
    page.locator("#book-button").click()
    problem = page.locator("form .problem")
    expect(problem).to_contain_text("There is no connection.")
    expect(problem).to_be_focused()
    expect(page.locator("#book-button")).to_be_enabled()
    page.context.set_offline(False)
    page.locator("#book-button").click()
    page.wait_for_url("**/bookings/*")
    expect(page.locator(".badge")).to_have_text("Confirmed")


def test_answer_that_never_arrived_is_asked_for_again(site: Site, visitor: Visitor) -> None:
    event_id = site.make_event("Tunnel", 5)
    page = visitor()
    fill_in(page, event_id)

    def lose_answer(route: Route) -> None:
        if route.request.method != "POST":
            return route.fallback()
        assert route.fetch(max_redirects=0).status == 204, "it was booked"
        route.abort("internetdisconnected")

    page.route("**/events/**", lose_answer, times=1)
    page.locator("#book-button").click()
    expect(page.locator("form .problem")).to_contain_text("nothing is booked twice")
    page.locator("#book-button").click()
    page.wait_for_url("**/bookings/*")
    page.goto(f"/events/{event_id}")
    expect(page.locator("#availability")).to_contain_text("4 of 5 tickets left")


def test_waiting_goes_on_after_the_connection_was_lost(site: Site, visitor: Visitor) -> None:
    event_id = site.make_event("Patchy", 1)
    first = site.book(event_id, "first")
    mine = site.book(event_id, "second")
    page = visitor()
    page.goto(f"/bookings/{mine}")
    expect(page.get_by_text("You are next.")).to_be_visible()
    page.context.set_offline(True)
    page.wait_for_event("requestfailed")
    expect(page.get_by_text("You are next.")).to_be_visible()
    site.cancel(first)
    page.context.set_offline(False)
    expect(page.get_by_text("You moved up: 1 ticket is yours.")).to_be_visible()


def test_second_tab_sees_what_the_first_did(site: Site, visitor: Visitor) -> None:
    event_id = site.make_event("Two Tabs", 1)
    site.book(event_id, "first")
    mine = site.book(event_id, "second")
    page = visitor()
    page.goto(f"/bookings/{mine}")
    other = page.context.new_page()
    other.goto(f"/bookings/{mine}/cancel")
    other.get_by_role("button", name="Yes, cancel it").click()
    expect(other.get_by_text("Your booking is cancelled.")).to_be_visible()
    expect(page.locator(".badge")).to_have_text("Cancelled")
    expect(page.locator("#announcer")).to_have_text("This booking has been cancelled.")
    expect(page).to_have_title(re.compile("Cancelled booking"))


def test_same_form_in_two_tabs_books_once(site: Site, visitor: Visitor, scripts: bool) -> None:
    event_id = site.make_event("Twice Open", 5)
    page = visitor(scripts=scripts)
    other = page.context.new_page()
    for tab in (page, other):
        fill_in(tab, event_id)
    for tab in (page, other):
        tab.locator("#book-button").click()
    page.wait_for_url("**/bookings/*")
    expect(other.get_by_role("alert")).to_contain_text("This address already has a booking")
    expect(other.locator("#availability")).to_contain_text("4 of 5 tickets left")


def test_late_click_in_the_other_tab_is_harmless(
    site: Site, visitor: Visitor, scripts: bool
) -> None:
    mine = site.book(site.make_event("Stale Tab", 2), "Ada", tickets=2)
    page = visitor(scripts=scripts)
    page.goto(f"/bookings/{mine}")
    site.cancel(mine)
    page.get_by_role("button", name="Give back the others").click()
    expect(page.locator(".badge")).to_have_text("Cancelled")
