"""The organizer has a link replaced, and the history tells of it in words."""

import re
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import Connection, update

from tests.pages.conftest import Person, text_of
from webapp import clock
from webapp.booking.corrections import correct_booking, set_address
from webapp.booking.links import Token, state_of
from webapp.booking.queries import find_booking
from webapp.booking.services import book_tickets
from webapp.mail.facts import TRUE_OF
from webapp.storage.outbox import enqueue
from webapp.storage.tables import deliveries
from webapp.storage.transaction import write

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


def test_every_kind_of_mail_that_was_given_up_is_named(
    app: Flask, owner: Person, make_event: MakeEvent
) -> None:
    event_id, kinds = make_event(), [*TRUE_OF, "message"]

    def give_up(connection: Connection) -> None:
        for kind in kinds:
            recipient = f"{kind}@example.org"
            enqueue(connection, str(kind), recipient=recipient, event_id=event_id, now=clock.now())
        connection.execute(update(deliveries).values(state="parked", problem="away"))

    with app.app_context():
        write(give_up)
    page = owner.get(f"/organizer/events/{event_id}/mails").text
    unnamed = [k for k in kinds if not re.search(rf"{k}@example.org</bdi></strong> · \w", page)]
    assert unnamed == []
