"""An organizer writes: the form of an event, and a message that is never lost."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import DESK, Site
from tests.browser.test_first_minutes import picture

pytestmark = pytest.mark.browser

Visitor = Callable[..., Page]
LogIn = Callable[[Page], None]


def test_enter_saves_a_draft_and_the_end_follows_the_start(
    visitor: Visitor, log_in: LogIn, scripts: bool
) -> None:
    page = visitor(scripts=scripts, viewport=DESK)
    log_in(page)
    page.goto("/organizer/events/new")
    page.get_by_label("Tickets in all").fill("9")
    page.get_by_label("Date").fill("2031-07-01")
    page.get_by_label("Starts at").fill("19:30")
    expect(page.get_by_label("Ends")).to_be_hidden()
    page.get_by_label("Lasts").select_option("until another time")
    expect(page.get_by_label("Ends")).to_be_visible()
    page.get_by_label("Lasts").select_option("3 hours")
    page.get_by_label("Name").fill("Entered")
    page.get_by_label("Name").press("Enter")
    expect(page.get_by_text("Saved as a draft.")).to_be_visible()
    expect(page.get_by_text("19:30\N{EN DASH}22:30")).to_be_visible()
    page.goto(f"/events/{page.url.rpartition('/')[2]}")
    expect(page.get_by_text("Draft: only you see this.")).to_be_visible()
    expect(page.locator("#book[inert]").get_by_label("Your name")).to_be_visible()


def test_picture_that_was_chosen_outlives_a_refusal(
    visitor: Visitor, log_in: LogIn, scripts: bool, tmp_path: Path
) -> None:
    page = visitor(scripts=scripts, viewport=DESK)
    log_in(page)
    page.goto("/organizer/events/new")
    page.get_by_label("Name").fill("Pictured at once")
    page.get_by_label("Tickets in all").fill("9")
    page.get_by_label("Date").fill("2020-07-01")
    page.get_by_label("Starts at").fill("19:30")
    page.get_by_label("Picture", exact=False).first.set_input_files(picture(tmp_path))
    page.get_by_label("What it shows").fill("A stage")
    page.get_by_role("button", name="Publish").click()
    expect(page.get_by_text("This lies in the past")).to_be_visible()
    if not scripts:
        # No browser keeps it there, so the page says so.
        expect(page.get_by_text("Choose the file again.")).to_be_visible()
        page.get_by_label("Picture", exact=False).first.set_input_files(picture(tmp_path))
    page.get_by_label("Date").fill("2031-07-01")
    page.get_by_role("button", name="Publish").click()
    expect(page.get_by_text("Your event is published.")).to_be_visible()
    page.goto(f"/events/{page.url.rpartition('/')[2]}")
    expect(page.get_by_role("img", name="A stage")).to_be_visible()


def test_file_that_is_too_large_is_refused_before_anything_is_sent(
    visitor: Visitor, log_in: LogIn, tmp_path: Path
) -> None:
    page = visitor(viewport=DESK)
    log_in(page)
    page.goto("/organizer/events/new")
    page.get_by_label("Name").fill("Too heavy")
    page.get_by_label("Tickets in all").fill("9")
    page.locator("#picture").set_input_files(picture(tmp_path, size=40 * 1024 * 1024))
    assert "at most 12 MB" in page.locator("#picture").evaluate("one => one.validationMessage")
    page.get_by_role("button", name="Publish").click()
    expect(page.get_by_label("Name")).to_have_value("Too heavy")
    assert page.url.endswith("/events/new")


def test_message_is_there_again_after_back_and_gone_once_it_is_sent(
    site: Site, visitor: Visitor, log_in: LogIn
) -> None:
    event_id = site.make_event("Written to", 5)
    site.book(event_id, "ada", name="Ada", email="ada@example.org")
    page = visitor(viewport=DESK)
    log_in(page)
    page.goto("/organizer")
    path = f"/organizer/events/{event_id}/mails"
    page.goto(path)
    page.get_by_label("To", exact=True).select_option("Everybody with tickets")
    page.get_by_label("Subject").fill("Bring a fork")
    page.get_by_label("Message").fill("There is cake.")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_text("This goes to 1 person.")).to_be_visible()
    page.go_back()
    expect(page).to_have_url(site.url + path)
    # Anew, as where the browser keeps nothing of a page itself.
    page.goto("/organizer")
    page.goto(path)
    expect(page.get_by_label("Message")).to_have_value("There is cake.")
    expect(page.get_by_label("To", exact=True)).to_have_value("confirmed")
    page.get_by_role("button", name="Preview").click()
    page.get_by_role("button", name="Back to the text").click()
    expect(page.get_by_label("Message")).to_have_value("There is cake.")
    page.get_by_role("button", name="Preview").click()
    page.get_by_role("button", name="Send it").click()
    expect(page.get_by_text("Your message is on its way.")).to_be_visible()
    expect(page.get_by_label("Message")).to_have_value("")
    page.goto(path)
    expect(page.get_by_label("Subject")).to_have_value("")
