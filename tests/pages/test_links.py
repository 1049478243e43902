"""The organizer has a link replaced, and the history tells of it in words."""

from collections.abc import Callable

import pytest
from flask import Flask

from tests.pages.conftest import Person, text_of
from webapp.booking.corrections import correct_booking, set_address
from webapp.booking.links import Token, state_of
from webapp.booking.queries import find_booking
from webapp.booking.services import book_tickets

MakeEvent = Callable[..., int]
Book = Callable[..., str]


@pytest.mark.every_database
def test_organizer_has_a_link_replaced(
    app: Flask, owner: Person, make_event: MakeEvent, book: Book
) -> None:
    event_id = make_event()
    reference = book(event_id, "Ada")
    path = f"/organizer/events/{event_id}/bookings/1"
    answer = owner.submit(path, f"{path}/replace")
    assert (answer.status_code, answer.location) == (303, path)
    page = owner.get(path)
    assert "The link is replaced." in page.text
    assert f"/bookings/{reference}" not in page.text
    assert "Booking got a new link by you" in text_of(page)
    assert Person(app).get(f"/bookings/{reference}").status_code == 410
    with app.app_context():
        book_tickets(event_id, attendee_id="7")
    assert "Replace the link" not in owner.get(path.replace("/1", "/2")).text


def test_history_names_what_was_corrected_and_no_value(
    app: Flask, owner: Person, make_event: MakeEvent, book: Book
) -> None:
    event_id = make_event()
    reference = book(event_id, "Ada")
    with app.app_context():
        correct_booking(event_id, position=1, name="Grace")
        booking = find_booking(reference).booking
        set_address(Token(event_id, 1, state_of(booking), "grace@example.org"))
    for path in ("bookings/1", "history"):
        page = owner.get(f"/organizer/events/{event_id}/{path}")
        lines = text_of(page).partition("<ol")[0].rpartition("History")[2]
        assert "corrected: name by the attendee" in lines
        assert "corrected: e-mail by the attendee" in lines
        assert "grace" not in lines.lower()
