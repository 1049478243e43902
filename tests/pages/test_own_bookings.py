"""What attendees keep of their bookings: the list of this device, and the calendar file."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from icalendar import Calendar

from tests.pages.conftest import Person, text_of
from webapp.booking.commands import organizer
from webapp.events import services as events
from webapp.events.services import EventDetails
from webapp.pages.remembered import COOKIE, MOST

MakeEvent = Callable[..., int]
Book = Callable[..., str]
START = datetime(2031, 7, 1, 17, 30, tzinfo=UTC)


def reference_in(location: str) -> str:
    return location.rpartition("/")[2]


def entry_of(person: Person, reference: str) -> Any:
    answer = person.get(f"/bookings/{reference}/calendar.ics")
    assert answer.status_code == 200
    assert answer.mimetype == "text/calendar"
    calendar: Any = Calendar.from_ical(answer.data)
    return calendar.events[0]


@pytest.mark.every_database
def test_bookings_of_this_device_are_listed(
    app: Flask, person: Person, make_event: MakeEvent
) -> None:
    supper, fair = make_event("Supper", starts_at=START), make_event("Fair", tickets=1)
    Person(app).book(fair, "Grace")
    person.book(supper)
    person.book(fair)
    page = text_of(person.get("/bookings"))
    assert "Fair" in page
    assert "you are next" in page
    assert "Supper" in page
    assert page.index("Fair") < page.index("Supper"), "the latest comes first"
    assert "Supper" not in Person(app).get("/bookings").text


@pytest.mark.parametrize("fragment", [False, True])
def test_cookie_is_out_of_reach_of_scripts_and_other_sites(
    person: Person, make_event: MakeEvent, fragment: bool
) -> None:
    answer = person.book(make_event(), fragment=fragment)
    cookie = next(one for one in answer.headers.getlist("Set-Cookie") if one.startswith(COOKIE))
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "example.org" not in cookie


def test_cookie_is_of_this_host_and_secure_under_https(make_app: Callable[..., Flask]) -> None:
    app = make_app(BASE_URL="https://tickets.example.org")
    with app.test_request_context(base_url="https://tickets.example.org"):
        from webapp.pages import remembered

        remembered.remember("abc")
        cookie = app.process_response(app.response_class()).headers["Set-Cookie"]
    assert cookie.startswith(f"__Host-{COOKIE}=")
    assert "Secure" in cookie
    assert "Path=/" in cookie
    assert "Domain" not in cookie


def test_cancelled_booking_is_forgotten(
    app: Flask, person: Person, make_event: MakeEvent, owner_id: int
) -> None:
    supper, fair = make_event("Supper"), make_event("Fair")
    reference = reference_in(person.book(supper).location)
    person.book(fair)
    person.submit(f"/bookings/{reference}/cancel")
    with app.app_context():
        events.cancel_event(fair, actor=organizer(owner_id))
    page = person.get("/bookings")
    assert "Supper" not in page.text
    assert "Fair" not in page.text
    assert person.client.get_cookie(COOKIE) is None


def test_device_forgets_on_request_and_bookings_stay(person: Person, make_event: MakeEvent) -> None:
    reference = reference_in(person.book(make_event("Supper")).location)
    assert person.submit("/bookings", "/bookings/forget").status_code == 303
    assert "Supper" not in person.get("/bookings").text
    assert "Confirmed" in person.get(f"/bookings/{reference}").text


def test_changed_cookie_counts_for_nothing(
    person: Person, make_event: MakeEvent, book: Book
) -> None:
    book(make_event("Supper"), "Grace")
    for value in ("x", '["abc"]', "WyJhYmMiXQ.c2lnbmF0dXJl"):
        person.client.set_cookie(COOKIE, value)
        assert person.get("/bookings").status_code == 200


def test_no_more_than_twenty_are_remembered(person: Person, make_event: MakeEvent) -> None:
    for number in range(MOST + 1):
        person.book(make_event(f"Evening {number:02}"))
    page = person.get("/bookings").text
    assert "Evening 00" not in page
    assert page.count("Evening ") == MOST


def test_ticket_has_a_calendar_file(
    app: Flask, person: Person, make_event: MakeEvent, owner_id: int
) -> None:
    event_id = make_event("Größe; Supper", starts_at=START, location="Barn")
    reference = reference_in(person.book(event_id).location)
    path = f"/bookings/{reference}/calendar.ics"
    assert path in person.get(f"/bookings/{reference}").text
    answer = person.get(path)
    assert answer.headers["Content-Disposition"] == "attachment; filename=groe-supper.ics"
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert reference not in answer.text, "entries are shared, and this link can cancel"
    first = entry_of(person, reference)
    assert first["summary"] == "Größe; Supper"
    assert first["dtstart"].dt == START
    later = EventDetails(name="Supper", capacity=5, starts_at=START.replace(hour=19))
    with app.app_context():
        events.edit_event(event_id, later, actor=organizer(owner_id))
    moved = entry_of(person, reference)
    assert moved["uid"] == first["uid"]
    assert moved["sequence"] > first["sequence"]
    assert moved["dtstart"].dt.hour == 19
    person.submit(f"/bookings/{reference}/cancel")
    assert entry_of(person, reference)["status"] == "CANCELLED"


def test_without_a_date_or_a_ticket_there_is_no_calendar_file(
    person: Person, make_event: MakeEvent, book: Book
) -> None:
    undated = book(make_event(), "Ada")
    full = make_event(tickets=1, starts_at=START)
    book(full, "Grace")
    for reference in (undated, book(full, "Ada")):
        assert "calendar.ics" not in person.get(f"/bookings/{reference}").text
        assert person.get(f"/bookings/{reference}/calendar.ics").status_code == 404
