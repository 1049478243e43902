"""Tickets of several types in a browser: chosen, promised, booked, with scripts and without."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import DESK, PHONE, Site
from tests.browser.test_accessible import check

pytestmark = pytest.mark.browser
Visitor = Callable[..., Page]


def make_gala(site: Site, name: str) -> int:
    """Twenty seats, one of them VIP; who has the code CREW also sees the seats of the crew."""
    event_id = site.make_event(name, 20)
    types: list[dict[str, object]] = [
        {"name": "VIP", "quota": 1},
        {"name": "Standard", "minTickets": 2},
        {"name": "Crew seats", "hidden": True},
    ]
    for details in types:
        site.call(f"/api/events/{event_id}/types", details)
    code = {"code": "CREW", "unlocks": True, "types": [3]}
    site.call(f"/api/events/{event_id}/codes", code)
    return event_id


def test_mix_is_promised_and_booked(site: Site, visitor: Visitor, scripts: bool) -> None:
    event_id = make_gala(site, f"Gala {scripts}")
    page = visitor(scripts=scripts, viewport=PHONE if scripts else DESK)
    page.goto(f"/events/{event_id}")
    page.get_by_text("I have a code").click()
    page.get_by_label("Code", exact=True).fill("crew")
    page.get_by_role("button", name="Use it").click()
    vip, standard = (page.get_by_role("spinbutton", name=name) for name in ("VIP", "Standard"))
    button, crew = page.locator("#book-button"), page.get_by_role("spinbutton", name="Crew seats")
    page.get_by_label("Your name").fill("Ada")
    page.get_by_label("E-mail").fill(f"ada-{scripts}@example.org")
    if scripts:
        # By keyboard; fewer than two cannot be had.
        page.get_by_role("button", name="One more: Standard").press("Enter")
        expect(standard).to_have_value("2")
        expect(button).to_have_text("Book 2 tickets")
        vip.fill("1")
        crew.fill("1")
        expect(button).to_have_text("Book 4 tickets")
        expect(page.locator("#forecast")).to_contain_text("You get all 4 at once.")
        check(page, "a choice of types")
    else:
        for field, count in ((vip, "1"), (standard, "2"), (crew, "1")):
            field.fill(count)
    # Somebody else is faster.
    taken = site.book(event_id, "first", items=[{"type": 1, "tickets": 1}])
    if scripts:
        expect(button).to_have_text("Join the waiting list")
        expect(page.locator("#type-1-left")).to_contain_text("Sold out")
        expect(page.get_by_label("Your name")).to_have_value("Ada")
    else:
        button.click()
        expect(page.get_by_role("alert")).to_contain_text("you would join the waiting list")
        expect(standard).to_have_value("2")
        expect(button).to_have_text("Join the waiting list")
    button.click()
    page.wait_for_url("**/bookings/*")
    expect(page.get_by_text("You are next for VIP.")).to_be_visible()
    if scripts:
        check(page, "a booking of types that waits")
    site.cancel(taken)
    if not scripts:
        page.reload()
    expect(page.get_by_role("img", name="QR code of your ticket")).to_be_visible()
    expect(page.locator("dl")).to_contain_text("1 × VIP")
    if scripts:
        check(page, "a booking of types")
    vip.fill("0")
    page.get_by_role("button", name="Change").click()
    expect(page.get_by_text("You give back: 1 × VIP.")).to_be_visible()
    page.get_by_role("button", name="Yes, change it").click()
    page.wait_for_url("**/bookings/*")
    expect(page.locator("dl")).not_to_contain_text("VIP")
