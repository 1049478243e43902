"""The visitor's own time beside the event's, by a script of ours."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Site

pytestmark = pytest.mark.browser
Visitor = Callable[..., Page]


@pytest.mark.parametrize(
    ("zone", "told"),
    [
        ("Asia/Tokyo", "(Wed 2 July, 02:30-05:00 your time)"),
        ("Europe/London", "(18:30-21:00 your time)"),
        ("Europe/Paris", ""),
    ],
)
def test_own_time_is_told_where_clocks_differ(
    visitor: Visitor, site: Site, zone: str, told: str
) -> None:
    event = {"timeZone": "Europe/Berlin", "endsAt": "2031-07-01T22:00"}
    event_id = site.make_event(f"Times in {zone}", 5, startsAt="2031-07-01T19:30", **event)
    page = visitor(timezone_id=zone)
    page.goto(f"/events/{event_id}")
    when = page.locator(".about .moment")
    expect(when).to_contain_text("19:30")
    page.wait_for_load_state("networkidle")
    shown = "".join(page.locator(".about .your-time").all_text_contents())
    assert re.sub(r"\s*\N{EN DASH}\s*", "-", shown).strip() == told


@pytest.mark.parametrize(
    ("starts_at", "zone", "told"),
    [
        # Both clocks show half past two, but only in the second of Berlin's two such hours.
        ("2031-10-26T02:30+01:00", "Africa/Lagos", []),
        ("2031-10-26T02:30+02:00", "Africa/Lagos", ["(01:30 your time)"]),
        ("2031-10-26T02:30+02:00", "Europe/London", ["(01:30 your time)"]),
        ("2031-10-26T02:30+01:00", "Europe/London", ["(01:30 your time)"]),
    ],
)
def test_own_time_in_the_night_when_clocks_change(
    visitor: Visitor, site: Site, starts_at: str, zone: str, told: list[str]
) -> None:
    event_id = site.make_event("Long Night", 5, startsAt=starts_at, timeZone="Europe/Berlin")
    page = visitor(timezone_id=zone)
    page.goto(f"/events/{event_id}", wait_until="networkidle")
    assert page.locator(".about .your-time").all_text_contents() == told


def test_own_time_follows_into_new_parts_of_a_page(visitor: Visitor, site: Site) -> None:
    site.make_event("Swapped in", 5, startsAt="2031-07-01T19:30", timeZone="Europe/Berlin")
    page = visitor(timezone_id="Europe/London")
    page.goto("/")
    page.get_by_label("Search events").fill("Swapped in")
    expect(page.get_by_role("heading", level=3)).to_have_count(1)
    expect(page.locator(".your-time")).to_have_text("(18:30 your time)")


def test_without_scripts_the_time_of_the_place_is_there(visitor: Visitor, site: Site) -> None:
    event_id = site.make_event("Plain", 5, startsAt="2031-07-01T19:30", timeZone="Europe/Berlin")
    page = visitor(scripts=False, timezone_id="Asia/Tokyo")
    page.goto(f"/events/{event_id}")
    expect(page.locator(".about .moment")).to_have_text("Tue 1 July 2031, 19:30 CEST")


def test_form_without_a_chosen_zone_begins_with_that_of_the_browser(
    visitor: Visitor, log_in: Callable[[Page], None]
) -> None:
    page = visitor(timezone_id="Asia/Tokyo")
    log_in(page)

    def as_for_the_first_event(route: Route) -> None:
        # The site of these tests has had many.
        answer = route.fetch()
        told = answer.text().replace('<select id="timeZone"', '<select data-own-zone id="timeZone"')
        route.fulfill(response=answer, body=told)

    page.route("**/organizer/events/new", as_for_the_first_event)
    page.goto("/organizer/events/new")
    zone = page.get_by_label("Time zone")
    expect(zone).to_have_value("Asia/Tokyo")
    expect(page.locator("#clocks")).to_have_text("Tokyo, UTC+9")
    # What is chosen after that stays.
    page.get_by_text("change", exact=True).click()
    zone.select_option("Europe/Berlin")
    page.get_by_label("Name").fill("Evening")
    expect(zone).to_have_value("Europe/Berlin")
    page.get_by_label("Date").fill("2031-07-01")
    expect(page.locator("#clocks")).to_have_text("Berlin, UTC+2")
