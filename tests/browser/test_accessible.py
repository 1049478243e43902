"""WCAG 2.2 AA as far as a program can tell (axe-core), and the way of a ticket by keyboard."""

import io
from collections.abc import Callable
from typing import Any, Literal

import pytest
from PIL import Image
from playwright.sync_api import FilePayload, Page, expect

from tests.browser.conftest import DESK, PHONE, Site
from tests.browser.states import attendees_pages, organizers_pages
from tests.support.servers import ROOT

pytestmark = pytest.mark.browser
Visitor = Callable[..., Page]

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def check(page: Page, state: str) -> None:
    """Have axe look at the page as it is."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    # Colours on their way from one to another are neither.
    page.evaluate(
        "() => Promise.allSettled(document.getAnimations().map(one => one.finished)).then(() => 0)"
    )
    found: list[dict[str, Any]] = page.evaluate(
        # Of what is well it need not say where.
        "rules => axe.run({runOnly: rules, resultTypes: ['violations']})"
        ".then(result => result.violations)",
        RULES,
    )
    problems = [(one["id"], [node["html"][:160] for node in one["nodes"]]) for one in found]
    assert not problems, f"{state}: {problems}"


@pytest.mark.parametrize(
    ("scheme", "viewport"),
    [("light", DESK), pytest.param("dark", PHONE, marks=pytest.mark.long)],
)
def test_attendees_pages_are_accessible(
    visitor: Visitor, site: Site, scheme: Literal["light", "dark"], viewport: Any, long: bool
) -> None:
    seen = attendees_pages(site, scheme)
    page = visitor(color_scheme=scheme, viewport=viewport, timezone_id="Asia/Tokyo")
    for path in seen.paths[:: 1 if long else 2]:
        page.goto(path)
        check(page, path)
    page.goto(f"/events/{seen.free}")
    page.get_by_label("Your name").fill("Ada")
    page.get_by_label("E-mail").fill("ada@example")
    page.get_by_role("button", name="Book").click()
    expect(page.get_by_role("alert")).to_be_visible()
    check(page, "refused booking")
    page.get_by_label("E-mail").fill(f"ada-{scheme}@example.org")
    page.get_by_role("button", name="Book").click()
    page.wait_for_url("**/bookings/*")
    check(page, "booked")
    page.goto("/bookings")
    expect(page.get_by_role("heading", name="Your bookings")).to_be_visible()
    check(page, "bookings of this device")
    page.get_by_label("E-mail").fill("nobody@example")
    page.get_by_role("button", name="Send me the links").click()
    expect(page.get_by_role("alert")).to_be_visible()
    check(page, "refused search for bookings")
    page.goto(seen.messages)
    page.get_by_role("button", name="Send me no more messages").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("No more messages")
    check(page, "no more messages")
    page.goto(f"/bookings/{seen.waiting}")
    site.cancel(seen.ticket)
    expect(page.get_by_text("You moved up: 2 tickets are yours.")).to_be_visible()
    check(page, "promoted")
    page.get_by_role("link", name="Cancel the booking").click()
    page.get_by_role("button", name="Yes, cancel it").click()
    expect(page.get_by_text("Your booking is cancelled.")).to_be_visible()
    check(page, "cancelled")


@pytest.mark.parametrize(
    ("scheme", "viewport"),
    [("light", DESK), pytest.param("dark", PHONE, marks=pytest.mark.long)],
)
def test_organizers_pages_are_accessible(
    visitor: Visitor,
    site: Site,
    log_in: Callable[[Page], None],
    scheme: Literal["light", "dark"],
    viewport: Any,
    long: bool,
) -> None:
    event, paths = organizers_pages(site, scheme)
    page = visitor(color_scheme=scheme, viewport=viewport)
    log_in(page)
    page.goto(f"/organizer/events/{event}/picture")
    photo = io.BytesIO()
    Image.new("RGB", (300, 200), "teal").save(photo, "PNG")
    sent: FilePayload = {"name": "a.png", "mimeType": "image/png", "buffer": photo.getvalue()}
    page.get_by_label("Picture", exact=True).set_input_files(sent)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The picture is saved.")).to_be_visible()
    page.get_by_role("button", name="Log out").click()
    page.goto("/login")
    page.get_by_label("Name").fill("organizer")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    check(page, "refused login")
    log_in(page)
    for path in paths[:: 1 if long else 2]:
        page.goto(path)
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        check(page, path)
    page.goto(f"/organizer/events/{event}/edit")
    site.change_event(event, location="Mill", description="Soup", startsAt="2031-07-01T19:30")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_be_visible()
    check(page, "overtaken edit")


def test_ticket_is_booked_and_cancelled_by_keyboard_alone(visitor: Visitor, site: Site) -> None:
    site.make_event("By keyboard", 5)
    page = visitor()
    page.goto("/?search=By+keyboard")

    def go_to(name: str) -> None:
        """Press Tab until what is so called has the focus."""
        for _ in range(40):
            page.keyboard.press("Tab")
            focused = page.locator(":focus")
            label = focused.evaluate("one => one.labels?.[0]?.innerText ?? one.innerText ?? ''")
            if name in label:
                assert focused.evaluate("one => one.matches(':focus-visible')")
                return
        raise AssertionError(f"no way to {name} by Tab")

    go_to("By keyboard")
    page.keyboard.press("Enter")
    page.wait_for_url("**/events/*")
    go_to("Your name")
    page.keyboard.type("Ada")
    go_to("E-mail")
    page.keyboard.type("keyboard@example.org")
    go_to("Book")
    page.keyboard.press("Enter")
    page.wait_for_url("**/bookings/*")
    expect(page.locator(":focus")).to_contain_text("It is booked")
    go_to("Cancel the booking")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Cancel your booking?")
    go_to("Yes, cancel it")
    page.keyboard.press("Enter")
    expect(page.locator(":focus")).to_contain_text("Your booking is cancelled")
