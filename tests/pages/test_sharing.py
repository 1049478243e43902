"""An event that is found and passed on: its head, its code, calendars, and the map of the site."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import pytest
from flask import Flask
from hypothesis import example, given, settings
from hypothesis import strategies as st
from icalendar import Calendar

from tests.pages.conftest import Person
from tests.support.typed import MEANT
from webapp import clock
from webapp.booking.commands import organizer
from webapp.events import services as events
from webapp.pages.sharing import IN_A_PAGE
from webapp.storage.tables import events as event_table
from webapp.storage.transaction import write

MakeEvent = Callable[..., int]
BASE_URL = "https://tickets.example.org"
START = datetime(2037, 5, 3, 17, 30, tzinfo=UTC)
TIMED: dict[str, Any] = {
    "starts_at": START,
    "ends_at": START + timedelta(hours=3),
    "time_zone": "Europe/Berlin",
    "location": "Botanical Garden",
}


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Flask:
    return make_app(BASE_URL=BASE_URL)


def head_of(page: str) -> dict[str, str]:
    """What a head says, by name: of meta, canonical and alternate links."""
    found = re.findall(r'<meta (?:name|property)="([^"]+)" content="([^"]*)"', page)
    links = re.findall(r'<link rel="(canonical|alternate)"[^>]* href="([^"]+)"', page)
    return {name: unescape(value) for name, value in (*found, *links)}


def data_of(page: str) -> dict[str, Any]:
    [block] = re.findall(r'(?s)<script type="application/ld\+json">(.*?)</script>', page)
    return dict(json.loads(block))


def test_event_says_of_itself_what_messengers_and_search_engines_ask(
    person: Person, make_event: MakeEvent, book: Callable[..., str]
) -> None:
    name = 'Supper </script><script>alert("1")</script> & more'
    event_id = make_event(name, 1, description="# Food\n\n**Bring** a fork", **TIMED)
    page = person.client.get(f"/events/{event_id}", follow_redirects=True)
    address = f"{BASE_URL}{page.request.path}"
    head, data = head_of(page.text), data_of(page.text)
    said = "Sun 3 May 2037, 19:30\u201322:30 CEST · Botanical Garden · Food Bring a fork"
    assert head["description"] == head["og:description"] == said
    assert head["canonical"] == head["og:url"] == data["url"] == address
    assert head["og:title"] == data["name"] == name
    assert head["og:image"].startswith(f"{BASE_URL}/static/share.png?v=")
    assert person.get(head["og:image"].removeprefix(BASE_URL)).mimetype == "image/png"
    assert data["@type"] == "Event"
    assert (data["startDate"], data["endDate"]) == (
        "2037-05-03T19:30:00+02:00",
        "2037-05-03T22:30:00+02:00",
    )
    assert data["location"]["name"] == "Botanical Garden"
    assert data["offers"]["availability"] == "https://schema.org/InStock"
    assert "X-Robots-Tag" not in page.headers
    reference = book(event_id, "Ada")
    page = person.client.get(page.request.path)
    assert data_of(page.text)["offers"]["availability"] == "https://schema.org/SoldOut"
    for private in (
        f"/bookings/{reference}",
        "/bookings",
        "/login",
        f"/bookings/{reference}/cancel",
    ):
        answer = person.get(private)
        assert answer.headers["X-Robots-Tag"] == "noindex"
        assert "og:title" not in answer.text
    assert person.get(f"/bookings/{reference}/calendar.ics").headers["X-Robots-Tag"] == "noindex"
    listed = head_of(person.get("/?search=supper").text)
    assert listed["canonical"] == f"{BASE_URL}/"
    assert listed["alternate"] == "/events.ics"


@settings(deadline=None)
@given(st.text())
@example("</script><!--<script>")
@example("a\u2028b & <![CDATA[ ]]>")
def test_no_text_ends_the_block_of_data(text: str) -> None:
    written = json.dumps({"name": text}, ensure_ascii=False).translate(IN_A_PAGE)
    assert not re.search("[<>&\u2028\u2029]", written)
    assert json.loads(written) == {"name": text}


def test_online_and_cancelled_events_say_so(
    app: Flask, person: Person, make_event: MakeEvent, owner_id: int, book: Callable[..., str]
) -> None:
    event_id = make_event(**{**TIMED, "location": "https://meet.example.org/x"})
    book(event_id, "Ada")
    with app.app_context():
        events.cancel_event(event_id, actor=organizer(owner_id))
    page = person.client.get(f"/events/{event_id}", follow_redirects=True).text
    data = data_of(page)
    assert data["location"] == {"@type": "VirtualLocation", "url": "https://meet.example.org/x"}
    assert data["eventStatus"] == "https://schema.org/EventCancelled"
    assert "offers" not in data
    assert "Google Calendar" not in page


@pytest.mark.parametrize("name", MEANT[:5], ids=ascii)
def test_event_is_noted_in_calendars_before_it_is_booked(
    person: Person, make_event: MakeEvent, name: str
) -> None:
    event_id = make_event(name, **TIMED)
    page = person.client.get(f"/events/{event_id}", follow_redirects=True)
    address = f"{BASE_URL}{page.request.path}"
    links = [unescape(link) for link in re.findall(r'<li><a href="([^"]+)"', page.text)]
    [entry] = Calendar.from_ical(person.get(links[0]).data).events
    assert (str(entry["SUMMARY"]), entry.start, entry.end) == (name, START, TIMED["ends_at"])
    assert str(entry["URL"]) == address
    google, outlook = (parse_qs(urlsplit(link).query) for link in links[1:3])
    assert google["text"] == outlook["subject"] == [name]
    assert google["dates"] == ["20370503T173000Z/20370503T203000Z"]
    assert outlook["startdt"] == ["2037-05-03T17:30:00+00:00"]
    assert google["details"] == outlook["body"] == [address]
    code = person.get(f"/events/{event_id}/qr.svg")
    assert code.mimetype == "image/svg+xml"
    assert ElementTree.fromstring(code.text).tag == "{http://www.w3.org/2000/svg}svg"


def move(event_id: int, **values: datetime) -> None:
    """Let an event begin in the past, where no form would put it."""
    change = event_table.update().where(event_table.c.id == event_id).values(**values)
    write(lambda connection: connection.execute(change).rowcount)


@pytest.mark.every_database
def test_all_events_are_a_calendar_and_a_map(
    app: Flask, person: Person, make_event: MakeEvent, owner_id: int, book: Callable[..., str]
) -> None:
    """Published ones; cancelled ones as such; no draft, and none that may have been one."""
    now = clock.now()
    soon = {"starts_at": now + timedelta(days=1)}
    shown, called_off = make_event("Shown & more", **soon), make_event("Called off", **soon)
    make_event("Hidden", published=False, **soon)
    dropped = make_event("Dropped draft", published=False, **soon)
    undated, over = make_event("Undated"), make_event("Over", **soon)
    runs = make_event("Runs", **soon)
    book(called_off, "Ada")
    with app.app_context():
        for event_id in (called_off, dropped):
            events.cancel_event(event_id, actor=organizer(owner_id))
        move(over, starts_at=now - timedelta(days=3))
        move(runs, starts_at=now - timedelta(days=3), ends_at=now + timedelta(hours=1))
    feed = person.get("/events.ics")
    calendar = Calendar.from_ical(feed.data)
    found = {str(entry["SUMMARY"]): str(entry["STATUS"]) for entry in calendar.events}
    assert found == {
        "Shown & more": "CONFIRMED",
        "Called off": "CANCELLED",
        "Over": "CONFIRMED",
        "Runs": "CONFIRMED",
    }
    known = {"If-None-Match": feed.headers["ETag"]}
    assert person.client.get("/events.ics", headers=known).status_code == 304
    # What is booked changes nothing of it, a new event does.
    book(shown, "Ada")
    assert person.client.get("/events.ics", headers=known).status_code == 304
    make_event("Another", **soon)
    assert person.client.get("/events.ics", headers=known).status_code == 200

    sitemap = person.get("/sitemap.xml")
    pages = [url.text or "" for url in ElementTree.fromstring(sitemap.text).iter() if url.text]
    pages = [page.removeprefix(BASE_URL) for page in pages if page.startswith(BASE_URL)]
    assert {re.split("[/-]", page)[2] for page in pages[1:]} == {
        str(event_id) for event_id in (shown, undated, runs, runs + 1)
    }
    assert [person.get(page).status_code for page in pages] == [200] * len(pages)
    robots = person.get("/robots.txt")
    assert f"Sitemap: {BASE_URL}/sitemap.xml" in robots.text
    assert "Disallow: /bookings\nDisallow: /organizer\n" in robots.text
    assert person.get("/favicon.ico").mimetype == "image/vnd.microsoft.icon"
    for path in ("/events.ics", "/sitemap.xml", "/robots.txt", "/favicon.ico"):
        head = person.client.head(path, buffered=True)
        assert (head.status_code, head.data) == (200, b"")
        assert head.headers["Cache-Control"].startswith("public")
        assert "Set-Cookie" not in head.headers


def test_draft_has_neither_code_nor_calendar(person: Person, make_event: MakeEvent) -> None:
    event_id = make_event("Secret", published=False, **TIMED)
    for path in ("qr.svg", "calendar.ics", "x"):
        assert person.get(f"/events/{event_id}/{path}").status_code == 404
