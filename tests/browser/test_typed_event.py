"""An event with ticket types and a code, from its making to the first booking."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Site
from tests.browser.test_accessible import check

pytestmark = pytest.mark.browser

Visitor = Callable[..., Page]
LogIn = Callable[[Page], None]


def add_type(page: Page, name: str, *, quota: str = "", hidden: bool = False) -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_label("Tickets of this type").fill(quota)
    if hidden:
        page.get_by_label("Hidden").check()
    page.get_by_role("button", name="Add it").click()
    expect(page.get_by_text(f"{name} is added.")).to_be_visible()


def test_organizer_makes_an_event_with_a_hidden_type_and_a_code(
    site: Site, visitor: Visitor, log_in: LogIn
) -> None:
    page = visitor()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    log_in(page)
    page.get_by_role("link", name="New event").click()
    page.get_by_label("Name").fill("Gala of the Two Minutes")
    page.get_by_label("Tickets in all").fill("50")
    page.get_by_role("button", name="Save as a draft and add them").click()
    expect(page.get_by_text("Saved as a draft.")).to_be_visible()
    check(page, "no types")
    add_type(page, "Standard")
    add_type(page, "Choir", quota="5", hidden=True)
    expect(page.get_by_text("No code unlocks it")).to_be_visible()
    check(page, "types")
    page.get_by_role("button", name="Move Choir up").click()
    expect(page.locator("#announcer")).to_have_text("Choir is number 1.")
    expect(page.get_by_role("heading", level=3).first).to_contain_text("Choir")
    page.get_by_role("link", name="Make a code").click()
    expect(page.get_by_label("Choir")).to_be_checked()
    page.get_by_role("button", name="Make the code").click()
    expect(page.get_by_text("The code is made.")).to_be_visible()
    check(page, "codes")
    page.get_by_role("button", name="Copy the link").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    link = page.evaluate("navigator.clipboard.readText()")
    page.get_by_role("button", name="Publish").click()
    expect(page.get_by_text("Published.")).to_be_visible()

    attendee = visitor()
    attendee.goto(link.partition("?")[0])
    expect(attendee.get_by_role("spinbutton", name="Standard")).to_be_visible()
    expect(attendee.get_by_text("Choir")).to_have_count(0)
    attendee.goto(link)
    attendee.get_by_role("spinbutton", name="Choir").fill("2")
    attendee.get_by_label("Your name").fill("Ada")
    attendee.get_by_label("E-mail").fill("ada@example.org")
    attendee.get_by_role("button", name="Book").click()
    attendee.wait_for_url("**/bookings/*")

    expect(page.locator(".type-bars")).to_contain_text("2 of 5")
    check(page, "desk")
    page.get_by_role("link", name="Tickets", exact=True).click()
    page.get_by_role("link", name="Choir").first.click()
    expect(page.get_by_text("Not fewer than 2")).to_be_visible()
    check(page, "edit a type")
    desk = page.url.partition("/types")[0]
    for path in ("types", "codes", "codes/1"):
        page.goto(f"{desk}/{path}")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
