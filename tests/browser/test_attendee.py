"""An attendee with a browser books, waits, and gets the ticket."""

import re
from collections.abc import Callable
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Site, in_both_ways

pytestmark = pytest.mark.browser

Visitor = Callable[..., Page]


def book(page: Page, event_id: int, name: str, tickets: int = 1) -> None:
    page.goto(f"/events/{event_id}")
    page.get_by_label("Your name").fill(name)
    page.get_by_label("E-mail").fill(f"{name.lower()}@example.org")
    page.get_by_label("Tickets", exact=True).fill(str(tickets))
    page.locator("#book-button").click()


@in_both_ways
def test_attendee_books_and_has_a_ticket(site: Site, visitor: Visitor, scripts: bool) -> None:
    event_id = site.make_event("Harvest Supper", 5)
    page = visitor(scripts=scripts)
    book(page, event_id, "Ada", tickets=2)
    page.wait_for_url("**/bookings/*")
    expect(page.locator(".badge")).to_have_text("Confirmed")
    expect(page.get_by_role("img", name="QR code of your ticket")).to_be_visible()
    expect(page.get_by_text("It admits 2 people.")).to_be_visible()
    expect(page).to_have_title(re.compile("Your ticket"))
    page.reload()
    expect(page.locator(".badge")).to_have_text("Confirmed")


def test_full_event_offers_a_place_in_the_waiting_list(
    site: Site, visitor: Visitor, scripts: bool
) -> None:
    event_id = site.make_event("Tiny Stage", 1)
    site.book(event_id, "first")
    site.book(event_id, "second")
    page = visitor(scripts=scripts)
    page.goto(f"/events/{event_id}")
    expect(page.get_by_text("You join the waiting list at place 2")).to_be_visible()
    book(page, event_id, "Ada")
    page.wait_for_url("**/bookings/*")
    expect(page.get_by_text("1 ahead of you.")).to_be_visible()
    expect(page.get_by_role("img", name="QR code")).to_have_count(0)


def test_waiting_attendee_is_promoted_while_watching(site: Site, visitor: Visitor) -> None:
    event_id = site.make_event("Night Train", 1)
    holder, waiting = visitor(), visitor()
    book(holder, event_id, "Ada")
    holder.wait_for_url("**/bookings/*")
    ahead = site.book(event_id, "ahead")
    book(waiting, event_id, "Grace")
    waiting.wait_for_url("**/bookings/*")
    expect(waiting.get_by_text("1 ahead of you.")).to_be_visible()
    site.cancel(ahead)
    expect(waiting.get_by_text("You are next.")).to_be_visible()
    holder.get_by_role("link", name="Cancel the booking").click()
    holder.get_by_role("button", name="Yes, cancel it").click()
    expect(holder.get_by_text("Your booking is cancelled.")).to_be_visible()
    expect(waiting.get_by_text("You moved up: 1 ticket is yours.")).to_be_visible()
    expect(waiting.get_by_role("img", name="QR code of your ticket")).to_be_visible()
    expect(waiting.locator("#announcer")).to_have_text("You moved up: you have your tickets.")
    expect(waiting).to_have_title(re.compile("Your ticket"))
    expect(waiting.locator(":focus")).to_have_text("You moved up: 1 ticket is yours.")


def test_promotion_is_celebrated_where_motion_is_welcome(site: Site, visitor: Visitor) -> None:
    event_id = site.make_event("Party", 1)
    first = site.book(event_id, "first")
    mine = site.book(event_id, "second")
    calm, lively = visitor(reduced_motion="reduce"), visitor(reduced_motion="no-preference")
    for page in (calm, lively):
        page.goto(f"/bookings/{mine}")
    site.cancel(first)
    for page, shown in ((lively, "block"), (calm, "none")):
        expect(page.get_by_text("You moved up: 1 ticket is yours.")).to_be_visible()
        expect(page.locator(".confetti")).to_have_css("display", shown)
        running = page.evaluate("document.getAnimations().length")
        assert (running > 0) == (page is lively)


def test_title_tells_where_one_stands(site: Site, visitor: Visitor) -> None:
    event_id = site.make_event("Watched Tab", 1)
    site.book(event_id, "first")
    ahead = site.book(event_id, "ahead")
    page = visitor()
    page.goto(f"/bookings/{site.book(event_id, 'second')}")
    expect(page).to_have_title(re.compile("^1 ahead of you"))
    site.cancel(ahead)
    expect(page).to_have_title(re.compile("^You are next"))


def test_form_says_what_the_typed_number_will_bring(site: Site, visitor: Visitor) -> None:
    event_id = site.make_event("Small Hall", 3)
    page = visitor()
    page.goto(f"/events/{event_id}")
    site.book(event_id, "first")
    expect(page.locator(".forecast")).to_contain_text("You get your ticket at once.")
    page.get_by_label("Tickets", exact=True).fill("3")
    expect(page.locator(".forecast")).to_contain_text("For 3 you join the waiting list at place 1")
    expect(page.locator("#book-button")).to_have_text("Join the waiting list")
    expect(page.get_by_label("Tickets", exact=True)).to_be_focused()
    page.get_by_label("Tickets", exact=True).fill("2")
    expect(page.locator(".forecast")).to_contain_text("You get all 2 at once.")
    expect(page.locator("#book-button")).to_have_text("Book")


def test_link_is_copied_and_ticket_printed(site: Site, visitor: Visitor) -> None:
    mine = site.book(site.make_event("Keepsake", 3), "Ada")
    page = visitor(permissions=["clipboard-read", "clipboard-write"])
    page.add_init_script("window.print = () => { window.printed = true; }")
    page.goto(f"/bookings/{mine}")
    page.get_by_role("button", name="Copy the link").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == page.url
    page.get_by_role("button", name="Print the ticket").click()
    assert page.evaluate("window.printed")


def test_without_scripts_no_button_is_there_that_needs_them(site: Site, visitor: Visitor) -> None:
    mine = site.book(site.make_event("Plain Paper", 3), "Ada")
    page = visitor(scripts=False)
    page.goto(f"/bookings/{mine}")
    expect(page.get_by_role("link", name="Cancel the booking")).to_be_visible()
    expect(page.get_by_role("button", name="Copy the link")).to_be_hidden()
    expect(page.get_by_role("button", name="Print the ticket")).to_be_hidden()


def test_promotion_is_there_after_a_reload(site: Site, visitor: Visitor) -> None:
    event_id = site.make_event("Slow Train", 1)
    first = site.book(event_id, "first")
    page = visitor(scripts=False)
    book(page, event_id, "Grace")
    expect(page.get_by_text("You are next.")).to_be_visible()
    site.cancel(first)
    page.reload()
    expect(page.locator(".badge")).to_have_text("Confirmed")


def test_event_page_follows_what_is_left(site: Site, visitor: Visitor) -> None:
    event_id = site.make_event("Live Figures", 2)
    page = visitor()
    page.goto(f"/events/{event_id}")
    expect(page.locator("#availability")).to_contain_text("2 of 2 tickets left")
    page.get_by_label("Your name").fill("Ada")
    site.book(event_id, "first", tickets=2)
    expect(page.locator("#availability")).to_contain_text("Sold out")
    expect(page.locator("#book-button")).to_have_text("Join the waiting list")
    expect(page.get_by_label("Your name")).to_have_value("Ada")


def test_form_appears_when_there_is_something_to_book(site: Site, visitor: Visitor) -> None:
    event_id = site.make_event("No Waiting", 1, waitingListLimit=0)
    first = site.book(event_id, "first")
    page = visitor()
    page.goto(f"/events/{event_id}")
    expect(page.get_by_text("There is no waiting list.")).to_be_visible()
    expect(page.get_by_label("Your name")).to_have_count(0)
    site.cancel(first)
    expect(page.locator(":focus")).to_have_text("Book")
    expect(page.locator("#announcer")).to_have_text("This event can be booked now.")
    page.get_by_label("Your name").fill("Ada", timeout=10_000)
    page.get_by_label("E-mail").fill("ada@example.org")
    page.locator("#book-button").click()
    page.wait_for_url("**/bookings/*")


@in_both_ways
def test_refused_form_keeps_what_was_typed(site: Site, visitor: Visitor, scripts: bool) -> None:
    event_id = site.make_event("Strict Door", 5)
    page = visitor(scripts=scripts)
    book(page, event_id, "Ada")
    page.wait_for_url("**/bookings/*")
    book(page, event_id, "Ada")
    expect(page.get_by_role("alert")).to_contain_text("This address already has a booking")
    expect(page.get_by_role("alert")).to_be_focused()
    expect(page.get_by_label("E-mail")).to_have_value("ada@example.org")
    page.get_by_label("E-mail").fill("other@example.org")
    page.locator("#book-button").click()
    page.wait_for_url("**/bookings/*")


def test_session_lost_in_the_middle_loses_nothing(
    site: Site, visitor: Visitor, scripts: bool
) -> None:
    event_id = site.make_event("Long Queue", 5)
    page = visitor(scripts=scripts)
    page.goto(f"/events/{event_id}")
    page.get_by_label("Your name").fill("Ada")
    page.get_by_label("E-mail").fill("ada@example.org")
    page.context.clear_cookies()
    page.locator("#book-button").click()
    expect(page.get_by_role("alert")).to_contain_text("Your browser sent no cookie")
    expect(page.get_by_label("Your name")).to_have_value("Ada")
    page.locator("#book-button").click()
    page.wait_for_url("**/bookings/*")
    expect(page.locator(".badge")).to_have_text("Confirmed")


@in_both_ways
def test_double_click_books_once(site: Site, visitor: Visitor, scripts: bool) -> None:
    event_id = site.make_event("Impatient", 5)
    page = visitor(scripts=scripts)
    page.goto(f"/events/{event_id}")
    page.get_by_label("Your name").fill("Ada")
    page.get_by_label("E-mail").fill("ada@example.org")
    page.locator("#book-button").dblclick()
    page.wait_for_url("**/bookings/*")
    expect(page.locator(".badge")).to_have_text("Confirmed")
    page.goto(f"/events/{event_id}")
    expect(page.locator("#availability")).to_contain_text("4 of 5 tickets left")


def test_back_button_leads_to_the_event(site: Site, visitor: Visitor, scripts: bool) -> None:
    event_id = site.make_event("Round Trip", 5)
    page = visitor(scripts=scripts)
    book(page, event_id, "Ada")
    page.wait_for_url("**/bookings/*")
    expect(page.locator(".ticket")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="Round Trip")).to_be_visible()
    expect(page.locator("#availability")).to_contain_text("4 of 5 tickets left")
    expect(page.locator(".ticket")).to_have_count(0)


@in_both_ways
def test_attendee_gives_tickets_back(site: Site, visitor: Visitor, scripts: bool) -> None:
    event_id = site.make_event("Big Family", 4)
    page = visitor(scripts=scripts)
    book(page, event_id, "Ada", tickets=4)
    page.get_by_label("Tickets to keep").fill("1")
    page.get_by_role("button", name="Give back the others").click()
    expect(page.get_by_text("You give back 3 tickets.")).to_be_visible()
    page.get_by_role("button", name="Yes, change it").click()
    expect(page.get_by_text("Changed: the booking is now for 1 ticket.")).to_be_visible()
    page.get_by_role("link", name="Cancel the booking").click()
    page.get_by_role("link", name="No, keep it").click()
    expect(page.locator(".badge")).to_have_text("Confirmed")


def test_head_of_the_list_takes_what_is_free(site: Site, visitor: Visitor, scripts: bool) -> None:
    event_id = site.make_event("Large Family", 5)
    site.book(event_id, "Ada", tickets=3)
    mine = site.book(event_id, "Mary", tickets=4)
    page = visitor(scripts=scripts)
    page.goto(f"/bookings/{mine}")
    page.get_by_role("button", name="Take the 2").click()
    expect(page.get_by_text("2 tickets are yours now.")).to_be_visible()
    expect(page.locator(".badge")).to_have_text("Confirmed")


def test_search_narrows_the_list(site: Site, visitor: Visitor, scripts: bool) -> None:
    word = f"accord{scripts}"
    site.make_event(f"{word} Evening", 4)
    site.make_event("Bagpipe Morning", 4)
    page = visitor(scripts=scripts)
    page.goto("/")
    page.get_by_label("Search events").press_sequentially(word)
    if not scripts:
        page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("link", name=f"{word} Evening")).to_be_visible()
    expect(page.get_by_role("link", name="Bagpipe Morning")).to_have_count(0)
    page.wait_for_url(f"**/?search={word}")
    if scripts:
        expect(page.locator("#announcer")).to_have_text("1 event found")
    page.reload()
    expect(page.get_by_role("link", name="Bagpipe Morning")).to_have_count(0)


@pytest.mark.parametrize(
    "name",
    [
        "Rindfleischetikettierungs" * 7,
        "מופע אקורדיון בגן העיר",
        pytest.param('<b>Bold</b> & "quoted"', marks=pytest.mark.long),
        pytest.param("🎻" * 90, marks=pytest.mark.long),
    ],
    ids=["long", "right-to-left", "markup", "emoji"],
)
def test_strange_names_keep_the_layout(site: Site, visitor: Visitor, name: str) -> None:
    event_id = site.make_event(name, 1, location=name, description=name)
    page = visitor()
    book(page, event_id, "Ada")
    page.wait_for_url("**/bookings/*")
    for path in (f"/?search={quote(name)}", f"/events/{event_id}", page.url):
        page.goto(path)
        expect(page.get_by_text(name).first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
