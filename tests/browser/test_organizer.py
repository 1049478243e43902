"""An organizer at a desk."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import DESK, Site

pytestmark = pytest.mark.browser

Visitor = Callable[..., Page]
LogIn = Callable[[Page], None]


@pytest.fixture
def page(visitor: Visitor, scripts: bool, log_in: LogIn) -> Page:
    page = visitor(scripts=scripts, viewport=DESK)
    log_in(page)
    return page


def test_organizer_creates_enlarges_and_cancels(site: Site, page: Page) -> None:
    page.get_by_role("link", name="New event").click()
    page.get_by_label("Name").fill("Village Fair")
    page.get_by_label("Tickets in all").fill("1")
    page.get_by_role("button", name="Publish").click()
    expect(page.get_by_text("Your event is published.")).to_be_visible()
    expect(page.get_by_text("No bookings yet.")).to_be_visible()
    event_id = int(page.url.rpartition("/")[2])
    site.book(event_id, "ada", name="Ada")
    site.book(event_id, "grace", name="Grace")
    page.reload()
    expect(page.get_by_role("row", name="Grace")).to_contain_text("place 1")
    page.get_by_role("link", name="Edit").click()
    page.get_by_label("Tickets in all").fill("2")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Grace moved up from the waiting list")).to_be_visible()
    expect(page.get_by_role("row", name="Grace")).to_contain_text("Confirmed")
    page.get_by_role("row", name="Ada").get_by_role("link", name="Cancel").click()
    page.get_by_role("button", name="Yes, cancel it").click()
    expect(page.get_by_role("row", name="Ada")).to_contain_text("Cancelled")
    page.get_by_role("link", name="Edit").click()
    page.get_by_role("link", name="Cancel the event").click()
    page.get_by_role("button", name="Yes, cancel the event").click()
    expect(page.get_by_role("row", name="Grace")).to_contain_text("Cancelled")
    page.get_by_role("link", name="History", exact=True).click()
    expect(page.get_by_text("Event cancelled by you")).to_be_visible()


def test_bookings_are_taken_away_as_a_file(site: Site, page: Page) -> None:
    event_id = site.make_event("Export", 5)
    site.book(event_id, "grace", name="Grace")
    page.goto(f"/organizer/events/{event_id}")
    with page.expect_download() as download:
        page.get_by_role("link", name="Bookings as CSV").click()
    rows = download.value.path().read_text(encoding="utf-8-sig").splitlines()
    assert download.value.suggested_filename.endswith(".csv")
    assert len(rows) == 2
    assert "Grace" in rows[1]


def test_draft_is_published(page: Page) -> None:
    page.goto("/organizer/events/new")
    page.get_by_label("Name").fill("Secret Party")
    page.get_by_label("Tickets in all").fill("3")
    page.get_by_role("button", name="Save as a draft", exact=True).click()
    expect(page.get_by_text("Only you can see this draft.")).to_be_visible()
    page.get_by_role("button", name="Publish").click()
    expect(page.get_by_text("Share this link")).to_be_visible()


def test_organizer_adds_a_booking_and_finds_it(site: Site, page: Page, scripts: bool) -> None:
    event_id = site.make_event("Choir", 9)
    site.book(event_id, "grace", name="Grace")
    page.goto(f"/organizer/events/{event_id}")
    page.get_by_role("link", name="Add a booking").click()
    page.get_by_label("Name").fill("Ada")
    page.get_by_label("E-mail").fill("ada@example.org")
    page.get_by_role("button", name="Add the booking").click()
    expect(page.get_by_role("status").get_by_text("1 ticket, confirmed.")).to_be_visible()
    page.goto(f"/organizer/events/{event_id}")
    row = page.get_by_role("row", name="Ada")
    row.locator("summary").click()
    expect(row.get_by_role("link", name="Give it to somebody else")).to_be_visible()
    page.get_by_label("Search bookings").press_sequentially("ada@")
    if not scripts:
        page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("row", name="Grace")).to_have_count(0)
    page.wait_for_url("**search=ada%40*")
    row.get_by_role("link", name="Cancel").click()
    page.get_by_role("button", name="Yes, cancel it").click()
    expect(page.get_by_text("The booking is cancelled.")).to_be_visible()
    expect(page.get_by_label("Search bookings")).to_have_value("ada@")
    expect(page.get_by_role("row", name="Ada")).to_contain_text("Cancelled")
    expect(page.get_by_role("row", name="Grace")).to_have_count(0)


def test_refused_edit_keeps_what_was_typed(site: Site, page: Page) -> None:
    event_id = site.make_event("Crowded", 5)
    site.book(event_id, "ada", tickets=4)
    page.goto(f"/organizer/events/{event_id}/edit")
    page.get_by_label("Place").fill("Barn")
    page.get_by_label("Lasts").select_option("until another time")
    page.get_by_label("Ends").fill("2031-05-03T10:00")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("An event that ends needs a start.")).to_be_visible()
    expect(page.get_by_label("Place")).to_have_value("Barn")


def test_form_overtaken_by_somebody_else_is_saved_when_asked_to(site: Site, page: Page) -> None:
    event_id = site.make_event("Overtaken", 50, location="Barn", description="Bring a spoon.")
    page.goto(f"/organizer/events/{event_id}/edit")
    page.get_by_label("Name").fill("Mine")
    page.get_by_label("Description", exact=False).fill("Bring two\nspoons.")
    site.change_event(event_id, totalTickets=100, description="Bring a fork.")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("nothing of yours is saved yet")
    expect(page.get_by_role("alert")).to_be_focused()
    expect(page.get_by_label("Name")).to_have_value("Mine")
    tickets = page.get_by_label("Tickets in all")
    expect(tickets).to_have_value("50")
    expect(tickets).to_have_accessible_description("Meanwhile changed to 100.")
    expect(page.get_by_label("as it reads now")).to_have_value("Bring a fork.")
    tickets.fill("100")
    page.get_by_role("button", name="Save mine").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    expect(page.get_by_role("heading", name="Mine")).to_be_visible()
    expect(page.locator("#figures")).to_contain_text("0 of 100")
    # Line breaks come back as the browser sends them, which is no change.
    page.get_by_role("link", name="Edit").click()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    page.get_by_role("link", name="History", exact=True).click()
    expect(page.get_by_text("Description changed")).to_have_count(2)


def test_figures_follow_the_bookings(site: Site, visitor: Visitor, log_in: LogIn) -> None:
    event_id = site.make_event("Busy Desk", 5)
    page = visitor(viewport=DESK)
    log_in(page)
    page.goto(f"/organizer/events/{event_id}")
    expect(page.locator("#figures")).to_contain_text("0 of 5")
    site.book(event_id, "ada", tickets=4)
    expect(page.locator("#figures")).to_contain_text("4 of 5")


def test_who_is_logged_out_comes_back_to_the_page(
    site: Site, visitor: Visitor, log_in: LogIn, scripts: bool
) -> None:
    event_id = site.make_event("Return", 5)
    page = visitor(scripts=scripts, viewport=DESK)
    page.goto(f"/organizer/events/{event_id}")
    page.get_by_label("Name").fill("organizer")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("Name or password is wrong.")
    expect(page.get_by_label("Name")).to_have_value("organizer")
    page.get_by_label("Password").fill("a password for tests")
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"**/organizer/events/{event_id}")
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("link", name="For organizers")).to_be_visible()


def test_login_that_ends_in_the_middle_of_a_form_loses_nothing(page: Page, scripts: bool) -> None:
    name = f"Written with{'' if scripts else 'out'} htmx"
    page.goto("/organizer/events/new")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Tickets in all").fill("12")
    page.get_by_label("Description").fill('# "Soup" & bread\n\nBring a spoon.')
    page.context.clear_cookies()
    page.get_by_role("button", name="Publish").click()
    expect(page.get_by_role("alert")).to_contain_text("what you typed is kept")
    page.get_by_label("Name").fill("organizer")
    page.get_by_label("Password").fill("a password for tests")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was sent yet")
    expect(page.get_by_label("Name")).to_have_value(name)
    expect(page.get_by_label("Description")).to_have_value('# "Soup" & bread\n\nBring a spoon.')
    page.get_by_role("button", name="Publish").click()
    expect(page.get_by_text("Your event is published.")).to_be_visible()
    page.goto(f"/organizer?search={name}")
    expect(page.get_by_role("heading", name=name)).to_have_count(1)
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("link", name="For organizers")).to_be_visible()
